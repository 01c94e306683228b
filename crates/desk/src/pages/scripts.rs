//! Scripts that ask the API: for admins.

use axum::Router;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use oathburn_oath::UnixTime;
use serde::Deserialize;

use super::layout::{layout, token_field};
use super::{notice, time};
use crate::blocking::blocking;
use crate::people::{Person, Role};
use crate::problem::Problem;
use crate::scripts::{ApiError, DAYS, DEFAULT_DAYS, LastUse, NewScript, Scope, Script, ScriptToken};
use crate::{App, Desk, DeskError};

const SCRIPTS: &str = "/scripts";

pub(super) fn routes() -> Router<App> {
    Router::new().route(SCRIPTS, get(list).post(add)).route("/scripts/revoke", post(revoke))
}

/// The fields of the form; boxes that were ticked come as one `scope` each.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct New(Vec<(String, String)>);

impl New {
    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    fn ticked(&self, scope: Scope) -> bool {
        self.0.iter().any(|(key, value)| key == "scope" && value == scope.as_str())
    }

    fn scopes(&self) -> Result<Vec<Scope>, ApiError> {
        let named = self.0.iter().filter(|(key, _)| key == "scope");
        named
            .map(|(_, name)| Scope::from_name(name).ok_or_else(|| ApiError::ScopeUnknown { text: name.clone() }))
            .collect()
    }
}

#[derive(Deserialize)]
struct Which {
    name: String,
    sure: Option<String>,
}

async fn list(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    page(&app, person, None, &New::default(), None).await
}

async fn page(
    app: &App,
    person: Person,
    problem: Option<DeskError>,
    typed: &New,
    said: Option<&str>,
) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let scripts = blocking(app, Desk::scripts).await?;
    let now = app.desk.now();
    let problem = problem.as_ref().map(Problem::of);
    let status = problem.as_ref().map(|problem| problem.status).unwrap_or_default();
    let days = Some(typed.text("days")).filter(|days| !days.is_empty());
    let body = html! {
        @if let Some(said) = said { p.done role="status" { (said) } }
        p { "Programs that ask this desk: each has a token of its own, and what it does is in the audit under " code { "script:NAME" } ". "
            "What can be asked is described at " a href="/api/v1/openapi.json" { "/api/v1/openapi.json" } "." }
        @if scripts.is_empty() { p { "There is none." } } @else { (table(&person, &scripts, now)) }
        h2 { "Add a script" }
        @if let Some(problem) = &problem { (notice(problem)) }
        form method="post" action=(SCRIPTS) {
            (token_field(&person.visit))
            label for="name" { "Name" }
            input type="text" id="name" name="name" value=(typed.text("name")) maxlength="40" autocomplete="off" autocapitalize="none" spellcheck="false" required;
            label for="days" { "Good for so many days" }
            input type="number" id="days" name="days" min=(DAYS.start()) max=(DAYS.end()) value=(days.unwrap_or(&DEFAULT_DAYS.to_string()));
            fieldset {
                legend { "What it may do" }
                @for scope in Scope::ALL {
                    label.inline {
                        input type="checkbox" name="scope" value=(scope) checked[typed.ticked(*scope)];
                        code { (scope) } " " (scope.describe())
                    }
                }
            }
            div.actions { button { "Add" } }
        }
    };
    Ok((status, layout(&person, SCRIPTS, "Scripts", &body)).into_response())
}

fn table(person: &Person, scripts: &[(Script, Option<LastUse>)], now: UnixTime) -> Markup {
    html! {
        div.table { table {
            thead { tr {
                th scope="col" { "Name" } th scope="col" { "May do" } th scope="col" { "State" } th scope="col" { "Good until" }
                th scope="col" { "Last use" } th scope="col" { "Made by" } th scope="col" { "Revoke" }
            } }
            tbody { @for (script, used) in scripts {
                @let state = script.state(now);
                tr {
                    th scope="row" data-label="Name" { (script.name) }
                    td data-label="May do" { (script.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")) }
                    td data-label="State" { (state) @if let Some(done) = &script.revoked { ", by " (done.by) } }
                    td data-label="Good until" { (time::show(UnixTime::new(script.expires_at))) }
                    td data-label="Last use" { @match used {
                        Some(used) => { (time::show(UnixTime::new(used.at))) ", from " (used.address) }
                        None => { "never" }
                    } }
                    td data-label="Made by" { (script.made.by) ", " (time::show(UnixTime::new(script.made.at))) }
                    td data-label="Revoke" { @if script.revoked.is_none() {
                        form method="post" action="/scripts/revoke" {
                            (token_field(&person.visit))
                            input type="hidden" name="name" value=(script.name);
                            button.danger aria-label={ "Revoke " (script.name) } { "Revoke" }
                        }
                    } }
                }
            } }
        } }
    }
}

async fn add(State(app): State<App>, person: Person, Form(new): Form<New>) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let by = person.name.clone();
    let (name, days, scopes) = (new.text("name").to_owned(), new.text("days").parse().unwrap_or(0), new.scopes());
    let added = blocking(&app, move |desk| {
        let scopes = scopes?;
        desk.add_script(&by, &NewScript { name: &name, scopes: &scopes, days })
    });
    match added.await {
        Ok((script, token)) => Ok(shown(&person, &script, &token)),
        Err(error @ DeskError::Script(_)) => page(&app, person, Some(error), &new, None).await,
        Err(error) => Err(error),
    }
}

/// The token, once.
fn shown(person: &Person, script: &Script, token: &ScriptToken) -> Response {
    let body = html! {
        p.done role="status" { "This is the token of " strong { (script.name) } ". It is shown only once: hand it to the script now." }
        p { code.code { (token.shown()) } }
        p { "It is good until " (time::show(UnixTime::new(script.expires_at))) ", for "
            (script.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")) ". The script sends it with every request:" }
        p { code { "Authorization: Bearer …" } }
        p { a href=(SCRIPTS) { "Back to all scripts" } }
    };
    layout(person, SCRIPTS, "A script's token", &body)
}

async fn revoke(State(app): State<App>, person: Person, Form(which): Form<Which>) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    if which.sure.is_none() {
        return Ok(ask(&person, &which.name));
    }
    let by = person.name.clone();
    let revoked = blocking(&app, move |desk| desk.revoke_script(&by, &which.name)).await;
    match revoked {
        Ok(script) => {
            let said = format!("The token of {} is worth nothing any more.", script.name);
            page(&app, person, None, &New::default(), Some(&said)).await
        }
        Err(error @ DeskError::Script(_)) => page(&app, person, Some(error), &New::default(), None).await,
        Err(error) => Err(error),
    }
}

/// Asks once more: what was revoked is not good again.
fn ask(person: &Person, name: &str) -> Response {
    let body = html! {
        p { "The script " strong { (name) } " is refused from its next request on. A new one needs another token." }
        form method="post" action="/scripts/revoke" {
            (token_field(&person.visit))
            input type="hidden" name="name" value=(name);
            input type="hidden" name="sure" value="yes";
            div.actions {
                button.danger { "Revoke" }
                a.button href=(SCRIPTS) { "Leave it" }
            }
        }
    };
    layout(person, SCRIPTS, "Revoke a script", &body)
}
