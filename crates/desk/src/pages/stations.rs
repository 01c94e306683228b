//! The stations: for admins.

mod add;
mod codes;
mod deeds;
mod list;
mod live;
mod login;
mod one;

use axum::Router;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use oathburn_oath::{Remedy as _, UnixTime};

use super::layout::layout;
use super::{notice, sentence, time};
use crate::people::{Person, Role};
use crate::problem::Problem;
use crate::stations::{Bulk, LoginOffer, MacId, Register, RegisterError, Station, StationState};
use crate::{App, DeskError};

/// Where they are.
const STATIONS: &str = "/stations";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .merge(list::routes())
        .merge(add::routes())
        .merge(codes::routes())
        .merge(deeds::routes())
        .merge(login::routes())
        .merge(live::routes())
        .merge(one::routes())
}

/// An admin: nobody else gets further.
struct Admin(Person);

impl axum::extract::FromRequestParts<App> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &App) -> Result<Self, Response> {
        let person = Person::from_request_parts(parts, app).await.map_err(IntoResponse::into_response)?;
        person.require(Role::Admin).map_err(IntoResponse::into_response)?;
        Ok(Self(person))
    }
}

/// The fields of a form, some of them more than once.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first field of a name, or nothing.
    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// All fields of a name.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// The stations that were ticked, or all that the list showed where that was ticked.
    fn selection(&self, register: &Register) -> Result<Vec<MacId>, DeskError> {
        if self.has("all") {
            let wanted = list::Wanted { state: self.text("state").into(), q: self.text("q").into(), page: 0 };
            let stations = register.list()?;
            return Ok(stations.iter().filter(|station| wanted.includes(station)).map(|station| station.mac).collect());
        }
        let macs = self.all("mac").map(str::parse).collect::<Result<_, _>>();
        Ok(macs.map_err(RegisterError::from)?)
    }
}

/// A page about stations.
fn page(person: &Person, title: &str, body: &Markup) -> Response {
    layout(person, STATIONS, title, body)
}

/// What is said of a station beside its state.
fn note(station: &Station, shown: Option<&str>, now: UnixTime) -> String {
    let mut notes = Vec::new();
    if let Some(operator) = &station.operator {
        notes.push(format!("for {operator}"));
    }
    match shown {
        Some(code) => notes.push(format!("shows login code {code}")),
        None if station.is_fetched(now) => notes.push("is asked for a login code".into()),
        None => {}
    }
    if let Some(code) = &station.code {
        let end = UnixTime::new(code.expires_at);
        if code.is_live(now) {
            notes.push(format!("code good until {}", time::text(end)));
        } else if station.state == StationState::WaitingOnActivation && now >= end {
            notes.push("code expired".into());
        }
    }
    notes.join("; ")
}

/// The login code that a station shows, where the desk has fetched one.
fn shown_code(register: &Register, station: &Station) -> Result<Option<String>, RegisterError> {
    Ok(register.fetched(station)?.map(|shown| shown.code.to_string()))
}

/// What became of a deed.
fn outcome(deed: &str, bulk: &Bulk) -> Markup {
    html! {
        @if !bulk.done.is_empty() {
            p.done role="status" { (count(bulk.done.len())) " " (deed) "." }
        }
        (skipped(&bulk.skipped))
    }
}

/// The stations with which something could not be done, and why.
fn skipped(errors: &[RegisterError]) -> Markup {
    html! {
        @if !errors.is_empty() {
            div.problem role="alert" {
                p { "Not done with " (count(errors.len())) ":" }
                ul { @for error in errors.iter().take(50) { li { (sentence(&error.to_string())) "." } } }
                @if errors.len() > 50 { p { "… and " (errors.len() - 50) " more." } }
                @if let Some(remedy) = errors[0].remedy() { p { (sentence(&remedy)) "." } }
            }
        }
    }
}

fn count(stations: usize) -> String {
    if stations == 1 { "1 station".into() } else { format!("{stations} stations") }
}

/// What was refused, above the form that is to be filled in again; every row of a list by name.
fn refused(error: &DeskError) -> Markup {
    html! {
        (notice(&Problem::of(error)))
        @if let DeskError::Register(RegisterError::Rows { problems }) = error {
            div.table {
                table {
                    caption { "Nothing of the list was taken" }
                    thead { tr { th scope="col" { "Row" } th scope="col" { "Column" } th scope="col" { "Problem" } th scope="col" { "What to do" } } }
                    tbody {
                        @for problem in problems.iter().take(500) {
                            tr {
                                th scope="row" data-label="Row" { (problem.row) }
                                td data-label="Column" { (problem.column.as_deref().unwrap_or("–")) }
                                td data-label="Problem" { (sentence(&problem.fault.to_string())) "." }
                                td data-label="What to do" { @if let Some(remedy) = problem.fault.remedy() { (sentence(&remedy)) "." } }
                            }
                        }
                    }
                }
            }
            @if problems.len() > 500 { p { "… and " (problems.len() - 500) " more." } }
        }
    }
}

/// A page that is shown again, with the status of what was refused.
fn again(error: &DeskError, response: Response) -> Response {
    (error.status(), response).into_response()
}

/// What is said of an offer before it is accepted.
fn offer_facts(offer: &LoginOffer, station: Option<&Station>) -> Markup {
    html! {
        dl {
            dt { "MAC ID" } dd { (offer.mac) }
            dt { "Location" } dd { (station.map_or("not registered", |station| station.location.as_str())) }
            dt { "State" } dd { (station.map_or("not registered", |station| station.state.title())) }
            dt { "Address" } dd { (offer.address) }
            dt { "Key" } dd { code { (offer.keys.writer) } }
            dt { "Code good until" } dd { (time::show(UnixTime::new(offer.expires_at))) }
        }
    }
}
