//! Login codes: what a station shows, typed by an admin.

use axum::Router;
use axum::extract::{Form, State};
use axum::response::Response;
use axum::routing::{get, post};
use maud::html;

use super::{Admin, Fields, STATIONS, again, list, offer_facts, outcome, page, refused};
use crate::blocking::blocking;
use crate::pages::layout::{not_to_be_kept, token_field};
use crate::people::Person;
use crate::stations::{Bulk, LoginCode, LoginOffer, RegisterError, Station};
use crate::{App, DeskError};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/stations/login-code", get(form).post(find))
        .route("/stations/login-code/accept", post(accept))
        .route("/stations/login-code/refuse", post(refuse))
}

async fn form(Admin(person): Admin) -> Response {
    show(&person, None, "")
}

fn show(person: &Person, error: Option<&DeskError>, typed: &str) -> Response {
    let body = html! {
        @if let Some(error) = error { (refused(error)) }
        p { "A station that shows a login code waits for you to type it here." }
        form method="post" action={ (STATIONS) "/login-code" } {
            (token_field(&person.visit))
            (not_to_be_kept())
            label for="code" { "Login code" }
            input.code type="text" id="code" name="code" value=(typed) autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="ACD-EFG-346" maxlength="24" required;
            div.actions { button { "Find the station" } }
        }
        p { a href=(STATIONS) { "Back to all stations" } }
    };
    page(person, "Login code", &body)
}

fn parsed(fields: &Fields) -> Result<LoginCode, DeskError> {
    Ok(fields.text("code").parse().map_err(RegisterError::from)?)
}

async fn find(State(app): State<App>, Admin(person): Admin, Form(fields): Form<Fields>) -> Result<Response, DeskError> {
    let found = match parsed(&fields) {
        Err(error) => Err(error),
        Ok(code) => {
            blocking(&app, move |desk| Ok(desk.register().find_login(&code)?.ok_or(RegisterError::LoginCodeUnknown)?))
                .await
        }
    };
    match found {
        Ok((offer, station)) => Ok(confirm(&person, None, &offer, station.as_ref())),
        Err(error @ DeskError::Register(_)) if error.status().is_client_error() => {
            Ok(again(&error, show(&person, Some(&error), fields.text("code"))))
        }
        Err(error) => Err(error),
    }
}

/// Shows who it is before it is let in.
fn confirm(person: &Person, error: Option<&DeskError>, offer: &LoginOffer, station: Option<&Station>) -> Response {
    let body = html! {
        @if let Some(error) = error { (refused(error)) }
        p { "This station shows " span.code { (offer.code) } ". Is it the one that you expect?" }
        (offer_facts(offer, station))
        form method="post" action={ (STATIONS) "/login-code/accept" } {
            (token_field(&person.visit))
            (not_to_be_kept())
            input type="hidden" name="code" value=(offer.code);
            @if station.is_none() {
                label for="location" { "Location" }
                input type="text" id="location" name="location" maxlength="128" required;
            }
            label for="account" { "Account that it acts for" }
            input type="text" id="account" name="account" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="128" required;
            div.actions {
                button { "Sign in" }
                button.danger formaction={ (STATIONS) "/login-code/refuse" } formnovalidate { "Refuse" }
            }
        }
        p { a href=(STATIONS) { "Back to all stations" } }
    };
    page(person, "Login code", &body)
}

async fn accept(
    State(app): State<App>,
    Admin(person): Admin,
    Form(fields): Form<Fields>,
) -> Result<Response, DeskError> {
    let code = parsed(&fields)?;
    let (by, typed) = (person.name.clone(), code.clone());
    let accepted = blocking(&app, move |desk| {
        let location = Some(fields.text("location"));
        Ok(desk.register().accept_login(&by, &typed, location, fields.text("account"))?)
    });
    match accepted.await {
        Ok(station) => {
            let said = outcome("signed in", &Bulk { done: vec![station.mac], skipped: Vec::new() });
            list::with(&app, &person, list::Wanted::default(), &said).await
        }
        Err(error @ DeskError::Register(_)) if error.status().is_client_error() => {
            let found = blocking(&app, move |desk| Ok(desk.register().find_login(&code)?)).await?;
            let page = match found {
                Some((offer, station)) => confirm(&person, Some(&error), &offer, station.as_ref()),
                None => show(&person, Some(&error), ""),
            };
            Ok(again(&error, page))
        }
        Err(error) => Err(error),
    }
}

async fn refuse(
    State(app): State<App>,
    Admin(person): Admin,
    Form(fields): Form<Fields>,
) -> Result<Response, DeskError> {
    let (by, code) = (person.name.clone(), parsed(&fields)?);
    blocking(&app, move |desk| Ok(desk.register().refuse_login(&by, &code)?)).await?;
    let said = html! { p.done role="status" { "The station was refused." } };
    list::with(&app, &person, list::Wanted::default(), &said).await
}
