//! A new order, from a list of users.

use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use zeroize::Zeroizing;

use super::WORK;
use crate::blocking::blocking;
use crate::pages::layout::{layout, not_to_be_kept, token_field};
use crate::pages::{notice, sentence};
use crate::people::{Person, Role};
use crate::stations::Station;
use crate::work::{Audience, Judged, RowFault, Terms};
use crate::{App, Desk, DeskError};

/// The most problems on one page.
const SHOWN: usize = 500;

/// What was filled in.
#[derive(Default)]
struct Filled {
    name: String,
    /// What the file is called: an order without another name has this one.
    file: String,
    /// The list: it may hold seeds.
    list: Zeroizing<Vec<u8>>,
    issuer: String,
    locations: Vec<String>,
    stations: Vec<String>,
    everywhere: bool,
    replace: bool,
    unlisted_model: bool,
}

pub(super) async fn form(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    page(&app, &person, &Filled::default(), &html! {}).await
}

pub(super) async fn give(State(app): State<App>, person: Person, parts: Multipart) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let filled = read(parts).await?;
    let by = person.name.clone();
    let (judged, filled) = blocking(&app, move |desk| Ok((judge(desk, &by, &filled), filled))).await?;
    let (status, said) = match judged {
        Ok(Judged::Given(order)) => return Ok(Redirect::to(&format!("{WORK}/{order}")).into_response()),
        Ok(Judged::Refused(problems)) => (StatusCode::UNPROCESSABLE_ENTITY, refused(&problems)),
        Err(error) if error.status().is_client_error() => {
            (error.status(), notice(&crate::problem::Problem::of(&error)))
        }
        Err(error) => return Err(error),
    };
    Ok((status, page(&app, &person, &filled, &said).await?).into_response())
}

async fn read(mut parts: Multipart) -> Result<Filled, DeskError> {
    let mut filled = Filled::default();
    while let Some(part) = parts.next_field().await.map_err(|_| DeskError::Malformed)? {
        let field = part.name().unwrap_or_default().to_owned();
        let file = part.file_name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|_| DeskError::Malformed)?;
        let text = || String::from_utf8(bytes.to_vec()).map_err(|_| DeskError::Malformed);
        match field.as_str() {
            // Left empty, it is the file's.
            "name" => {
                let name: String = text()?.trim().chars().take(200).collect();
                filled.name = if name.is_empty() { filled.name } else { name };
            }
            "issuer" => filled.issuer = text()?.trim().chars().take(200).collect(),
            // Of a file and a text the one that is there counts.
            "file" | "list" if !bytes.is_empty() => {
                filled.list = Zeroizing::new(bytes.to_vec());
                filled.file = file.chars().take(200).collect();
            }
            "location" => filled.locations.push(text()?),
            "station" => filled.stations.push(text()?),
            "everywhere" => filled.everywhere = true,
            "replace" => filled.replace = true,
            "unlisted-model" => filled.unlisted_model = true,
            _ => {}
        }
    }
    Ok(filled)
}

fn judge(desk: &Desk, person: &str, filled: &Filled) -> Result<Judged, DeskError> {
    let named = Audience { stations: filled.stations.clone(), locations: filled.locations.clone() };
    let name = [&filled.name, &filled.file].into_iter().find(|name| !name.is_empty());
    let terms = Terms {
        name: name.cloned().unwrap_or_default(),
        issuer: filled.issuer.clone(),
        audience: if filled.everywhere {
            Some(Audience::default())
        } else {
            Some(named).filter(|named| *named != Audience::default())
        },
        replace: filled.replace,
        unlisted_model: filled.unlisted_model,
        request: None,
    };
    desk.order_list(person, &terms, &filled.list)
}

async fn page(app: &App, person: &Person, filled: &Filled, said: &Markup) -> Result<Response, DeskError> {
    let stations = blocking(app, |desk| Ok(desk.register().list()?)).await?;
    let body = html! {
        p { "The list is CSV with a header: upn, and if you like serial, seed, algorithm, time step, issuer, label, in any order. \
             A seed is made for each line that prescribes none. The helpdesk has codes for every user from the moment on that the order is given." }
        (said)
        form method="post" action="/work/new" enctype="multipart/form-data" {
            (token_field(&person.visit))
            (not_to_be_kept())
            label for="file" { "List of users" }
            input type="file" id="file" name="file" accept=".csv,text/csv";
            label for="list" { "or paste it here" }
            textarea id="list" name="list" rows="6" spellcheck="false" autocomplete="off" {}
            label for="name" { "Name of the order" }
            input type="text" id="name" name="name" value=(filled.name) maxlength="200";
            label for="issuer" { "Service of lines that name none" }
            input type="text" id="issuer" name="issuer" value=(filled.issuer) maxlength="200";
            (audience_boxes(&stations, &Audience { stations: filled.stations.clone(), locations: filled.locations.clone() }, filled.everywhere))
            fieldset {
                legend { "What may be overwritten" }
                label.inline { input type="checkbox" name="replace" value="yes" checked[filled.replace]; "Replace seeds that are in use" }
                label.inline { input type="checkbox" name="unlisted-model" value="yes" checked[filled.unlisted_model]; "Write to tokens of unknown models" }
            }
            div.actions { button { "Give the order" } }
        }
        p { a href=(WORK) { "Back to all orders" } }
    };
    Ok(layout(person, WORK, "New order", &body))
}

/// Who may work on it.
pub(super) fn audience_boxes(stations: &[Station], audience: &Audience, everywhere: bool) -> Markup {
    let mut locations: Vec<&str> = stations.iter().map(|station| station.location.as_str()).collect();
    locations.sort_unstable();
    locations.dedup();
    html! {
        fieldset {
            legend { "Which stations may work on it" }
            label.inline { input type="checkbox" name="everywhere" value="yes" checked[everywhere]; "Every station that is signed in" }
            @for location in locations {
                @let ticked = audience.locations.iter().any(|one| one == location);
                label.inline { input type="checkbox" name="location" value=(location) checked[ticked]; "All at " (location) }
            }
            @if !stations.is_empty() {
                details open[!audience.stations.is_empty()] {
                    summary { "Single stations (" (stations.len()) ")" }
                    @for station in stations {
                        @let mac = station.mac.to_string();
                        label.inline {
                            input type="checkbox" name="station" value=(mac) checked[audience.stations.contains(&mac)];
                            (mac) " at " (station.location)
                        }
                    }
                }
            }
        }
    }
}

fn refused(problems: &[RowFault]) -> Markup {
    html! {
        div.problem role="alert" {
            p { "The order was not given; nothing was written. Mend these, and send the list once more." }
            div.table {
                table {
                    caption { "What is wrong" }
                    thead { tr { th scope="col" { "Row" } th scope="col" { "Column" } th scope="col" { "Problem" } th scope="col" { "What to do" } } }
                    tbody {
                        @for problem in problems.iter().take(SHOWN) {
                            tr {
                                th scope="row" data-label="Row" { @if problem.row > 0 { (problem.row) } @else { "all" } }
                                td data-label="Column" { (problem.column.as_deref().unwrap_or_default()) }
                                td data-label="Problem" { (sentence(&problem.message)) "." }
                                td data-label="What to do" { @if let Some(remedy) = &problem.remedy { (sentence(remedy)) "." } }
                            }
                        }
                    }
                }
            }
            @if problems.len() > SHOWN { p { "… and " (problems.len() - SHOWN) " more." } }
        }
    }
}
