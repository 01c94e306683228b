//! The helpdesk's pages. What is asked for with a code or gives one is sent in a form: it stands in no address, and so in no
//! history and no log.

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use oathburn_escrow::{Entry, Event, LINE_FAMILY};
use oathburn_oath::{ClockReading, UnixTime};
use oathburn_station::DriftReport;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::layout::{layout, not_to_be_kept, token_field};
use super::trail::{events_table, rows_of};
use super::{notice, time};
use crate::blocking::blocking;
use crate::helpdesk::{self, Asker, Given, Grounds, MOST_FOUND, MOST_FUTURE, MOST_PAST, Wanted};
use crate::people::{Person, Role};
use crate::problem::Problem;
use crate::session::{self, Visit};
use crate::{App, DeskError};

pub(super) const HELPDESK: &str = "/helpdesk";
const IDENTIFY: &str = "/helpdesk/identify";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(HELPDESK, get(search))
        .route(IDENTIFY, get(identify_form).post(identify))
        .route("/helpdesk/token/{id}", get(token))
        .route("/helpdesk/token/{id}/codes", post(codes))
        .route("/helpdesk/token/{id}/drift", post(drift))
        .route("/helpdesk/token/{id}/explain", post(explain))
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Deserialize)]
struct CodesForm {
    reason: String,
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    past: String,
    #[serde(default)]
    future: String,
    on_token: Option<String>,
}

#[derive(Deserialize)]
struct Read {
    code: Zeroizing<String>,
    #[serde(default)]
    next: Zeroizing<String>,
}

async fn search(
    State(app): State<App>,
    person: Person,
    Query(Search { q }): Query<Search>,
) -> Result<Response, DeskError> {
    person.require(Role::Helpdesk)?;
    let text = q.clone();
    let found = blocking(&app, move |desk| helpdesk::search(desk, &text)).await?;
    let body = html! {
        form method="get" action=(HELPDESK) role="search" {
            div.field {
                label for="q" { "User, serial number, or a part of either" }
                input type="search" id="q" name="q" value=(q) autocomplete="off" autofocus;
            }
            div.actions { button { "Find" } }
        }
        p { a href=(IDENTIFY) { "Whose token shows this code?" } }
        @if !q.trim().is_empty() {
            h2 { "Found" }
            @if found.is_empty() { p { "No token of this escrow." } }
            @else { (found_table(&found)) }
            @if found.len() == MOST_FOUND { p.hint { "There may be more: type more of the name." } }
        }
    };
    Ok(layout(&person, HELPDESK, "Helpdesk", &body))
}

fn found_table(found: &[Entry]) -> Markup {
    html! {
        div.table { table {
            thead { tr { th scope="col" { "Serial" } th scope="col" { "User" } th scope="col" { "Model" } th scope="col" { "State" } } }
            tbody { @for entry in found { tr {
                th scope="row" data-label="Serial" { a href=(path(entry)) { (number(entry)) } }
                td data-label="User" { (entry.upn.as_deref().unwrap_or("-")) }
                td data-label="Model" { (entry.model.as_deref().unwrap_or("-")) }
                td data-label="State" { (entry.state) }
            } } }
        } }
    }
}

/// What a token is called. A line of an order has a seed before it has a token.
fn number(entry: &Entry) -> String {
    let identity = &entry.identity;
    if identity.family.as_str() == LINE_FAMILY {
        return format!("no token yet, {}", identity.slot);
    }
    identity.serial.to_string()
}

fn path(entry: &Entry) -> String {
    format!("/helpdesk/token/{}", entry.id)
}

async fn token(State(app): State<App>, person: Person, Path(id): Path<String>) -> Result<Response, DeskError> {
    person.require(Role::Helpdesk)?;
    show(&app, person, id, None).await
}

async fn show(app: &App, person: Person, id: String, problem: Option<DeskError>) -> Result<Response, DeskError> {
    let (entry, drift, story) = blocking(app, move |desk| {
        let entry = helpdesk::token(desk, &id)?;
        let drift = helpdesk::known_drift(desk, &entry)?;
        let story = helpdesk::story(desk, &entry)?;
        Ok((entry, drift, story))
    })
    .await?;
    let problem = problem.as_ref().map(Problem::of);
    let status = problem.as_ref().map(|problem| problem.status).unwrap_or_default();
    let body = html! {
        @if let Some(problem) = &problem { (notice(problem)) }
        (facts(&entry, drift))
        (forms(&person, &entry))
        (what_happened(&story))
    };
    let title = format!("Token {}", number(&entry));
    Ok((status, layout(&person, HELPDESK, &title, &body)).into_response())
}

fn facts(entry: &Entry, drift: Option<ClockReading>) -> Markup {
    html! {
        dl {
            dt { "User" } dd { (entry.upn.as_deref().unwrap_or("nobody")) }
            @if let Some(issuer) = &entry.issuer { dt { "Service" } dd { (issuer) } }
            dt { "Model" } dd { (entry.model.as_deref().unwrap_or("not known")) }
            dt { "State" } dd { (entry.state) @if !entry.state.is_live() { strong.bad { " no service should take its codes" } } }
            @if let Some(at) = entry.programmed_at { dt { "Programmed" } dd { (time::show(at)) } }
            @if let Some(at) = entry.verified_at { dt { "Last seen right" } dd { (time::show(at)) } }
            dt { "Clock" }
            dd { @match drift {
                Some(known) => { (known.drift) " off, on " (time::show(known.at)) }
                None => { "nothing is known of it" }
            } }
        }
    }
}

fn forms(person: &Person, entry: &Entry) -> Markup {
    html! {
        h2 { "Give a code" }
        p.hint { "For a user without the token. It is written down under your name, with the reason, before you see it." }
        form method="post" action={ (path(entry)) "/codes" } {
            (token_field(&person.visit))
            label for="reason" { "Reason" }
            input type="text" id="reason" name="reason" minlength="3" maxlength="500" autocomplete="off" required;
            label for="ticket" { "Ticket number" }
            input type="text" id="ticket" name="ticket" maxlength="64" autocomplete="off";
            details {
                summary { "Other times" }
                label for="at" { "At this time (UTC, such as 2026-11-30 14:05), instead of now" }
                input type="text" id="at" name="at" maxlength="32" autocomplete="off";
                label for="past" { "Codes before it (0 to " (MOST_PAST) ")" }
                input type="number" id="past" name="past" min="0" max=(MOST_PAST) value="0";
                label for="future" { "Codes after it (0 to " (MOST_FUTURE) ")" }
                input type="number" id="future" name="future" min="0" max=(MOST_FUTURE) value="1";
                label.inline { input type="checkbox" name="on_token" value="yes"; "What the token's display shows, its known drift applied" }
            }
            div.actions { button { "Show the code" } }
        }
        h2 { "The user has the token, and its codes are refused" }
        p.hint { "Let the user read out the code on the display, and the next one when it comes." }
        form method="post" action={ (path(entry)) "/drift" } {
            (token_field(&person.visit))
            (read_fields())
            div.actions {
                button { "How far is its clock off?" }
                button.quiet formaction={ (path(entry)) "/explain" } { "Why do its codes differ?" }
            }
        }
    }
}

/// One or two codes that somebody reads out.
fn read_fields() -> Markup {
    html! {
        (not_to_be_kept())
        label for="code" { "Code on the display" }
        input type="text" id="code" name="code" inputmode="numeric" maxlength="24" autocomplete="off" required;
        label for="next" { "The next one (may be left out)" }
        input type="text" id="next" name="next" inputmode="numeric" maxlength="24" autocomplete="off";
    }
}

fn what_happened(story: &[Event]) -> Markup {
    html! {
        h2 { "What happened to it" }
        (events_table(&rows_of(story)))
    }
}

async fn codes(
    State(app): State<App>,
    visit: Visit,
    Path(id): Path<String>,
    Form(form): Form<CodesForm>,
) -> Result<Response, DeskError> {
    // Who asks is looked at together with all the rest.
    match give(&app, &visit, &id, &form).await {
        Ok((Some(person), given)) => Ok(layout(&person, HELPDESK, "Codes", &shown(&given))),
        Ok((None, _)) => Err(DeskError::Broken),
        Err(error) => {
            let person = blocking(&app, move |desk| session::person(desk, visit)).await?;
            person.require(Role::Helpdesk)?;
            again(&app, person, id, error).await
        }
    }
}

async fn give(app: &App, visit: &Visit, id: &str, form: &CodesForm) -> Result<(Option<Person>, Given), DeskError> {
    let grounds = Grounds::new(&form.reason, &form.ticket)?;
    let count = |text: &str| match text.trim() {
        "" => Ok(0),
        text => text.parse().map_err(|_| DeskError::CodesTooMany),
    };
    let at = Some(form.at.trim()).filter(|at| !at.is_empty()).map(time::read).transpose()?;
    let (past, future) = (count(&form.past)?, count(&form.future)?);
    let wanted = Wanted { at, past, future, on_token: form.on_token.is_some() };
    helpdesk::give(app, Asker::Visit(visit.clone()), id, wanted, grounds).await
}

/// The token's page once more, where what was typed was wrong; else the error by itself.
async fn again(app: &App, person: Person, id: String, error: DeskError) -> Result<Response, DeskError> {
    match error {
        DeskError::ReasonMissing
        | DeskError::CodesTooMany
        | DeskError::TimeUnreadable
        | DeskError::Throttled { .. }
        | DeskError::Typed(_) => show(app, person, id, Some(error)).await,
        error => Err(error),
    }
}

fn shown(given: &Given) -> Markup {
    let entry = &given.entry;
    html! {
        p { "Token " strong { (number(entry)) } ", user " strong { (entry.upn.as_deref().unwrap_or("nobody")) } "." }
        @if !entry.state.is_live() { p.problem { "The entry is " (entry.state) ": no service should take these codes." } }
        div.table { table {
            thead { tr { th scope="col" { "Code" } th scope="col" { "Holds from" } th scope="col" { "until" } th scope="col" { "Now" } } }
            tbody { @for timed in &given.codes { tr {
                td.code data-label="Code" { (timed.code) }
                td data-label="Holds from" { (time::show(timed.valid_from)) }
                td data-label="until" { (time::show(timed.valid_until)) }
                td data-label="Now" { (standing(given.now, timed.valid_from, timed.valid_until)) }
            } } }
        } }
        p.hint { "A code for later is good in its time for whoever reads it until then: give it to its user alone. Services take "
            "codes for some steps longer." }
        p { a href=(path(entry)) { "Back to the token" } }
    }
}

/// How a code stands to the present time.
fn standing(now: UnixTime, from: UnixTime, until: UnixTime) -> String {
    if until <= now {
        "over".into()
    } else if from <= now {
        format!("now, for {} s more", until.since(now))
    } else {
        format!("in {} s", from.since(now))
    }
}

async fn drift(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Form(read): Form<Read>,
) -> Result<Response, DeskError> {
    person.require(Role::Helpdesk)?;
    let (by, entry) = (person.clone(), id.clone());
    let compared = blocking(&app, move |desk| {
        helpdesk::drift(desk, &by.name, &entry, helpdesk::sighting(&read.code, &read.next)?)
    })
    .await;
    match compared {
        Ok((entry, report)) => {
            Ok(layout(&person, HELPDESK, "The token's clock", &drift_shown(&entry, report.as_ref())))
        }
        Err(error) => again(&app, person, id, error).await,
    }
}

fn drift_shown(entry: &Entry, report: Option<&DriftReport>) -> Markup {
    html! {
        p { "Token " strong { (entry.identity.serial) } "." }
        @match report {
            None => {
                p.problem { "It does not show this within two hours. It may have another seed: ask why its codes differ, or whose token shows them." }
            }
            Some(report) => {
                p class=(if report.in_window { "done" } else { "problem" }) {
                    "Its clock is off by " strong { (report.reading.drift) } " (" (format!("{:+}", report.steps)) " steps). "
                    @if report.in_window { "Services bear that: the codes are refused for another reason." }
                    @else { "Services do not bear that. Give the user codes until the clock is set, or the token is another one." }
                }
                @if let Some(at) = report.leaves_window_at { p { "It leaves the services' window at about " (time::show(at)) "." } }
                @if !report.others.is_empty() || report.false_hits > 0.001 {
                    p { "One code is not enough to be sure: wait for the next one and type both." }
                }
            }
        }
        p { a href=(path(entry)) { "Back to the token" } }
    }
}

async fn explain(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Form(read): Form<Read>,
) -> Result<Response, DeskError> {
    person.require(Role::Helpdesk)?;
    let (by, entry) = (person.clone(), id.clone());
    let explained =
        blocking(&app, move |desk| helpdesk::why(desk, &by.name, &entry, helpdesk::sighting(&read.code, &read.next)?))
            .await;
    let (entry, explained) = match explained {
        Ok(explained) => explained,
        Err(error) => return again(&app, person, id, error).await,
    };
    let body = html! {
        p { "Token " strong { (entry.identity.serial) } "." }
        @if explained.explanations.is_empty() {
            p.problem { "Nothing explains this code; the token has another seed. " a href=(IDENTIFY) { "Whose token shows it?" } }
        }
        @for one in explained.explanations.iter().take(5) {
            div.done {
                p { (one.sentence()) }
                p { "What to do: " (one.remedy()) "." }
                @if one.false_hits > 0.01 { p.hint { "This may be chance: type the next code, too." } }
            }
        }
        p { a href=(path(&entry)) { "Back to the token" } }
    };
    Ok(layout(&person, HELPDESK, "Why the codes differ", &body))
}

async fn identify_form(person: Person) -> Result<Response, DeskError> {
    person.require(Role::Helpdesk)?;
    Ok(identify_page(&person, None, &html! {}))
}

fn identify_page(person: &Person, problem: Option<&DeskError>, found: &Markup) -> Response {
    let problem = problem.map(Problem::of);
    let status = problem.as_ref().map(|problem| problem.status).unwrap_or_default();
    let body = html! {
        @if let Some(problem) = &problem { (notice(problem)) }
        p { "For a token that was found: all tokens of the escrow are compared with what it shows." }
        form method="post" action=(IDENTIFY) {
            (token_field(&person.visit))
            (read_fields())
            div.actions { button { "Whose is it?" } }
        }
        (found)
    };
    (status, layout(person, HELPDESK, "Whose token is this?", &body)).into_response()
}

async fn identify(State(app): State<App>, person: Person, Form(read): Form<Read>) -> Result<Response, DeskError> {
    person.require(Role::Helpdesk)?;
    let by = person.clone();
    // One at a time: a search takes all processors.
    let turn = std::sync::Arc::clone(&app.searches).acquire_owned().await.map_err(|_| DeskError::Broken)?;
    let searched = blocking(&app, move |desk| {
        let _turn = turn;
        helpdesk::identify(desk, &by.name, helpdesk::sighting(&read.code, &read.next)?)
    })
    .await;
    let search = match searched {
        Ok(search) => search,
        Err(error @ (DeskError::Typed(_) | DeskError::Throttled { .. })) => {
            return Ok(identify_page(&person, Some(&error), &html! {}));
        }
        Err(error) => return Err(error),
    };
    let entries: Vec<_> = search.candidates.iter().take(MOST_FOUND).map(|candidate| candidate.entry.clone()).collect();
    let found = html! {
        h2 { "Found" }
        @if entries.is_empty() { p { "None of " (search.searched) " tokens shows this." } }
        @else {
            (found_table(&entries))
            @if search.false_hits > 0.01 {
                p.hint { "About " (format!("{:.2}", search.false_hits)) " of these are chance: type the next code, too." }
            }
        }
        @if !search.unopened.is_empty() { p.problem { (search.unopened.len()) " entries could not be opened and were not compared." } }
    };
    Ok(identify_page(&person, None, &found))
}
