//! One station.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use oathburn_oath::UnixTime;

use super::{Admin, STATIONS, list, note, page, shown_code, time};
use crate::blocking::blocking;
use crate::pages::layout::{not_to_be_kept, token_field};
use crate::people::Person;
use crate::stations::{Done, MacId, Station};
use crate::{App, DeskError};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/stations/{mac}", get(one))
}

async fn one(State(app): State<App>, Admin(person): Admin, Path(mac): Path<String>) -> Result<Response, DeskError> {
    let mac: MacId = mac.parse().map_err(|_| DeskError::PageUnknown)?;
    let found = blocking(&app, move |desk| {
        let register = desk.register();
        let Some((station, _)) = register.get(mac)? else { return Err(DeskError::PageUnknown) };
        let code = shown_code(register, &station)?;
        Ok((station, code, register.now()))
    });
    let (station, code, now) = found.await?;
    Ok(page(&person, &station.mac.to_string(), &body(&person, &station, code.as_deref(), now)))
}

fn body(person: &Person, station: &Station, code: Option<&str>, now: UnixTime) -> Markup {
    let note = note(station, code, now);
    html! {
        (list::news())
        (facts(station, &note))
        @if let Some(code) = code {
            h2 { "Being provisioned" }
            p { "The station shows " span.code { (code) } "." }
            form method="post" action={ (STATIONS) "/login-code/accept" } {
                (token_field(&person.visit))
                (not_to_be_kept())
                input type="hidden" name="code" value=(code);
                label for="its-account" { "Account that it acts for" }
                input type="text" id="its-account" name="account" autocomplete="off" required;
                div.actions { button { "Sign in with this code" } }
            }
        }
        h2 { "Location" }
        form method="post" action={ (list::link(station.mac)) "/relocate" } {
            (token_field(&person.visit))
            label for="location" { "Location" }
            input type="text" id="location" name="location" value=(station.location) maxlength="128" required;
            div.actions { button.quiet { "Change location" } }
        }
        h2 { "Deeds" }
        form method="post" {
            (token_field(&person.visit))
            input type="hidden" name="mac" value=(station.mac);
            (list::buttons())
        }
        p { a href=(STATIONS) { "Back to all stations" } }
        script src="/stations.js" defer {}
    }
}

fn facts(station: &Station, note: &str) -> Markup {
    let done = |done: &Done| html! { (done.by) ", " (time::show(UnixTime::new(done.at))) };
    html! {
        dl id="stations" data-events={ (STATIONS) "/events" } data-mac=(station.mac) {
            dt { "State" } dd { span data-cell="state" data-state=(station.state.as_str()) { (station.state.title()) } }
            dt { "Now" } dd data-cell="note" { (note) }
            dt { "Location" } dd { (station.location) }
            @if station.mac.is_local() { dt { "MAC ID" } dd { "chosen by somebody, not by a maker" } }
            dt { "Registered" } dd { (done(&station.added)) }
            dt { "Changed" } dd { (done(&station.changed)) }
            @if let Some(at) = station.activated_at { dt { "Activated" } dd { (time::show(UnixTime::new(at))) } }
            dt { "Generation" } dd { (station.generation) }
            @if let Some(keys) = &station.keys { dt { "Key" } dd { code { (keys.writer) } } }
        }
    }
}
