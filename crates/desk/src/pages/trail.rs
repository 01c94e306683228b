//! The auditor's pages: what happened, whether anything was changed, and checkpoints to keep elsewhere.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use oathburn_escrow::{Event, EventFilter, EventKind, Fact};
use oathburn_oath::UnixTime;
use serde::Deserialize;

use super::layout::{layout, token_field};
use super::sign_in::quoted;
use super::{notice, time};
use crate::blocking::blocking;
use crate::people::{Person, Role};
use crate::problem::Problem;
use crate::trail::{self, Marks};
use crate::{App, DeskError};

const AUDIT: &str = "/audit";
/// Events on a page.
const PAGE: usize = 200;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(AUDIT, get(list))
        .route("/audit/verify", post(verify))
        .route("/audit/checkpoint", post(checkpoint))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    kind: String,
    operator: String,
    entry: String,
    since: String,
    until: String,
    /// Events before these marks.
    before: String,
}

/// An event as a row.
pub(super) struct Row {
    time: UnixTime,
    kind: &'static str,
    who: String,
    facts: String,
    reason: String,
    entries: usize,
}

pub(super) fn rows_of(events: &[Event]) -> Vec<Row> {
    let row = |event: &Event| Row {
        time: event.time,
        kind: event.kind.as_str(),
        who: match &event.operator {
            Some(operator) => format!("{operator} ({})", event.writer),
            None => event.writer.clone(),
        },
        facts: facts(event),
        reason: event.reason.clone().unwrap_or_default(),
        entries: event.entries.len(),
    };
    events.iter().map(row).collect()
}

fn facts(event: &Event) -> String {
    let fact = |(name, fact): (&str, &Fact)| match fact {
        Fact::Number(number) => format!("{name} {number}"),
        Fact::Text(text) => format!("{name} {text}"),
    };
    event.facts.iter().map(fact).collect::<Vec<_>>().join(", ")
}

pub(super) fn events_table(rows: &[Row]) -> Markup {
    html! {
        div.table { table {
            thead { tr {
                th scope="col" { "Time" } th scope="col" { "What" } th scope="col" { "Who" }
                th scope="col" { "Facts" } th scope="col" { "Reason" } th scope="col" { "Tokens" }
            } }
            tbody { @for row in rows { tr {
                td data-label="Time" { (time::show(row.time)) }
                td data-label="What" { (row.kind) }
                td data-label="Who" { (row.who) }
                td data-label="Facts" { (row.facts) }
                td data-label="Reason" { (row.reason) }
                td data-label="Tokens" { @if row.entries > 0 { (row.entries) } }
            } } }
        } }
    }
}

async fn list(State(app): State<App>, person: Person, Query(wanted): Query<Wanted>) -> Result<Response, DeskError> {
    person.require(Role::Auditor)?;
    let (page, problem) = match found(&app, &wanted).await {
        Ok(page) => (Some(page), None),
        Err(error) if error.status().is_client_error() => (None, Some(Problem::of(&error))),
        Err(error) => return Err(error),
    };
    let status = problem.as_ref().map(|problem| problem.status).unwrap_or_default();
    let body = html! {
        @if let Some(problem) = &problem { (notice(problem)) }
        (filter_form(&wanted))
        @if let Some(page) = &page { (events(&wanted, page)) }
        h2 { "Was anything changed?" }
        p { "Every signature and every chain is verified. That may take a while." }
        form method="post" action="/audit/verify" { (token_field(&person.visit)) button { "Verify" } }
        h2 { "Checkpoint" }
        p { "A signed file that says how far the trail has come. Keep it elsewhere: against it, "
            code { "oathburn escrow audit verify --checkpoint" } " shows what was cut off since." }
        form method="post" action="/audit/checkpoint" { (token_field(&person.visit)) button { "Download" } }
    };
    Ok((status, layout(&person, AUDIT, "Audit", &body)).into_response())
}

/// The newest events that somebody wants, or those before the marks of the page before.
async fn found(app: &App, wanted: &Wanted) -> Result<trail::Page, DeskError> {
    let said = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let kind = said(&wanted.kind).map(|kind| EventKind::from_name(&kind).ok_or(DeskError::Malformed)).transpose()?;
    let (since, until) = (said(&wanted.since), said(&wanted.until));
    let (since, until) = (since.as_deref().map(time::read).transpose()?, until.as_deref().map(time::read).transpose()?);
    let (entry, operator) = (said(&wanted.entry), said(&wanted.operator));
    let before = trail::read_marks(&wanted.before).ok_or(DeskError::Malformed)?;
    blocking(app, move |desk| {
        let entry = entry.map(|id| desk.escrow.entry(&id)).transpose()?.map(|entry| entry.id);
        let filter = EventFilter { entry, kind, writer: None, operator, since, until };
        trail::before(desk, &filter, &before, PAGE)
    })
    .await
}

fn events(wanted: &Wanted, page: &trail::Page) -> Markup {
    let is_first = wanted.before.is_empty();
    html! {
        @if page.events.is_empty() { p { "There is no such event." } } @else { (events_table(&rows_of(&page.events))) }
        @if page.more || !is_first {
            nav aria-label="Pages of the list" {
                ul {
                    @if !is_first { li { a href=(address(wanted, &Marks::new())) { "Newest events" } } }
                    @if page.more { li { a rel="next" href=(address(wanted, &page.marks)) { "Older events" } } }
                }
            }
        }
    }
}

/// The address of the events before those that have marks, with the same filter.
fn address(wanted: &Wanted, marks: &Marks) -> String {
    let marks = trail::write_marks(marks);
    let Wanted { kind, operator, entry, since, until, .. } = wanted;
    let fields = [("kind", kind), ("operator", operator), ("entry", entry), ("since", since), ("until", until)];
    let fields = fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .chain((!marks.is_empty()).then_some(("before", &marks)));
    let fields: Vec<_> = fields.map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    format!("{AUDIT}?{}", fields.join("&"))
}

fn filter_form(wanted: &Wanted) -> Markup {
    let field = |name: &str, label: &str, value: &str| {
        html! {
            div.field {
                label for=(name) { (label) }
                input type="text" id=(name) name=(name) value=(value) autocomplete="off";
            }
        }
    };
    html! {
        form method="get" action=(AUDIT) role="search" {
            div.field {
                label for="kind" { "What" }
                select id="kind" name="kind" {
                    option value="" { "everything" }
                    @for kind in EventKind::ALL {
                        option value=(kind) selected[kind.as_str() == wanted.kind] { (kind) }
                    }
                }
            }
            (field("operator", "Who", &wanted.operator))
            (field("entry", "Entry", &wanted.entry))
            (field("since", "From (UTC)", &wanted.since))
            (field("until", "Before (UTC)", &wanted.until))
            div.actions { button { "Show" } }
        }
    }
}

async fn verify(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    person.require(Role::Auditor)?;
    // One at a time, as whatever goes through the whole escrow.
    let turn = Arc::clone(&app.searches).acquire_owned().await.map_err(|_| DeskError::Broken)?;
    let findings = blocking(&app, move |desk| {
        let _turn = turn;
        Ok(desk.escrow.verify_events()?)
    })
    .await?;
    let body = html! {
        @if findings.is_empty() {
            p.done role="status" { "Nothing is wrong: every signature and every chain holds." }
        } @else {
            p.problem role="alert" { (findings.len()) " things are wrong." }
            ul { @for finding in findings.iter().take(PAGE) { li { (finding) } } }
        }
        p { a href=(AUDIT) { "Back to the audit" } }
    };
    Ok(layout(&person, AUDIT, "Verified", &body))
}

async fn checkpoint(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    person.require(Role::Auditor)?;
    let turn = Arc::clone(&app.searches).acquire_owned().await.map_err(|_| DeskError::Broken)?;
    let json = blocking(&app, move |desk| {
        let _turn = turn;
        Ok(trail::checkpoint(desk, &person.name)?.to_json())
    })
    .await?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"oathburn-checkpoint.json\""),
    ];
    Ok((headers, json).into_response())
}
