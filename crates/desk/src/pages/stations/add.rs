//! Registering stations: a few that are typed, or a list.

use axum::Router;
use axum::extract::{Form, Multipart, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::html;

use super::{Admin, Fields, STATIONS, again, list, outcome, page, refused};
use crate::blocking::blocking;
use crate::pages::layout::token_field;
use crate::people::Person;
use crate::stations::{Bulk, MacId, csv};
use crate::{App, DeskError};

/// How many can be typed at once.
const LINES: usize = 8;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/stations/add", get(form).post(add))
        .route("/stations/upload", post(upload))
        .route("/stations/Template_Provisioning.csv", get(template))
}

async fn form(admin: Admin) -> Response {
    show(&admin.0, None, &[])
}

/// The form, with what was typed before.
fn show(person: &Person, error: Option<&DeskError>, typed: &[(String, String)]) -> Response {
    let value = |index: usize| typed.get(index).map_or(("", ""), |(mac, location)| (mac.as_str(), location.as_str()));
    let body = html! {
        @if let Some(error) = error { (refused(error)) }
        h2 { "A few" }
        form method="post" action={ (STATIONS) "/add" } {
            (token_field(&person.visit))
            div.table {
                table {
                    thead { tr { th scope="col" { "Row" } th scope="col" { "MAC ID" } th scope="col" { "Location" } } }
                    tbody {
                        @for index in 0..LINES.max(typed.len()) {
                            @let (mac, location) = value(index);
                            tr {
                                th scope="row" data-label="Row" { (index + 1) }
                                td data-label="MAC ID" { input type="text" name="mac" value=(mac) aria-label={ "MAC ID " (index + 1) } autocomplete="off" spellcheck="false"; }
                                td data-label="Location" { input type="text" name="location" value=(location) aria-label={ "Location " (index + 1) } autocomplete="off"; }
                            }
                        }
                    }
                }
            }
            p.hint { "MAC IDs in any spelling: 00-1A-2B-3C-4D-5E, 00:1a:2b:3c:4d:5e, 001a.2b3c.4d5e." }
            div.actions { button { "Add" } }
        }
        h2 { "A list" }
        p {
            "A CSV file with the columns MAC ID and Location: "
            a href={ (STATIONS) "/" (csv::TEMPLATE_NAME) } download { (csv::TEMPLATE_NAME) }
            ". Nothing of it is taken unless all of it is right."
        }
        form method="post" action={ (STATIONS) "/upload" } enctype="multipart/form-data" {
            (token_field(&person.visit))
            label for="file" { "File" }
            input type="file" id="file" name="file" accept=".csv,text/csv" required;
            div.actions { button { "Upload" } }
        }
        p { a href=(STATIONS) { "Back to all stations" } }
    };
    page(person, "Add stations", &body)
}

async fn add(State(app): State<App>, admin: Admin, Form(fields): Form<Fields>) -> Result<Response, DeskError> {
    let pairs: Vec<_> =
        fields.all("mac").zip(fields.all("location")).map(|(mac, at)| (mac.to_owned(), at.to_owned())).collect();
    let (by, typed) = (admin.0.name.clone(), pairs.clone());
    let added = blocking(&app, move |desk| Ok(desk.register().add_typed(&by, &typed)?)).await;
    ended(&app, &admin.0, added, &pairs).await
}

async fn upload(State(app): State<App>, admin: Admin, mut parts: Multipart) -> Result<Response, DeskError> {
    let mut file = None;
    while let Some(part) = parts.next_field().await.map_err(|_| DeskError::Malformed)? {
        if part.name() == Some("file") {
            file = Some(part.bytes().await.map_err(|_| DeskError::Malformed)?);
        }
    }
    let file = file.ok_or(DeskError::Malformed)?;
    let by = admin.0.name.clone();
    let added = blocking(&app, move |desk| Ok(desk.register().add_file(&by, &file)?)).await;
    ended(&app, &admin.0, added, &[]).await
}

async fn ended(
    app: &App,
    person: &Person,
    added: Result<Vec<MacId>, DeskError>,
    typed: &[(String, String)],
) -> Result<Response, DeskError> {
    match added {
        Ok(done) => {
            let said = outcome("added", &Bulk { done, skipped: Vec::new() });
            let wanted = list::Wanted { state: "waiting-on-activation".into(), ..list::Wanted::default() };
            list::with(app, person, wanted, &said).await
        }
        Err(error @ DeskError::Register(_)) if error.status().is_client_error() => {
            Ok(again(&error, show(person, Some(&error), typed)))
        }
        Err(error) => Err(error),
    }
}

async fn template(_: Admin) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"Template_Provisioning.csv\""),
    ];
    (headers, csv::TEMPLATE).into_response()
}
