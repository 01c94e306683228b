//! Verification codes: made, shown once, and handed out as a list or as slips.
//!
//! The desk keeps digests, and the codes themselves for as long as it takes to download or print them.

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use data_encoding::HEXLOWER;
use maud::{Markup, html};
use oathburn_escrow::EscrowError;
use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Admin, Fields, STATIONS, again, count, list, page, refused, skipped, time};
use crate::blocking::blocking;
use crate::pages::layout::{document, token_field};
use crate::people::Person;
use crate::stations::{CodeLength, CodeOrder, IssuedCode, IssuedCodes, MacId, RegisterError, VerificationCode, csv};
use crate::table::{Stored, Write};
use crate::{App, Desk, DeskError};

/// For so long the list can be downloaded and slips printed, in seconds.
const FRESH: u64 = 10 * 60;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/stations/codes", post(make))
        .route("/stations/codes.csv", post(table))
        .route("/stations/slips", post(slips))
}

async fn make(State(app): State<App>, admin: Admin, Form(fields): Form<Fields>) -> Result<Response, DeskError> {
    let digits = fields.text("digits").parse().ok().and_then(CodeLength::new).unwrap_or(CodeLength::SHORTEST);
    let hours: u32 = fields.text("life").parse().unwrap_or(24);
    let order = CodeOrder { length: digits, life: hours.saturating_mul(3600), shared: fields.text("shared") == "yes" };
    let by = admin.0.name.clone();
    let made = blocking(&app, move |desk| {
        let register = desk.register();
        let issued = register.make_codes(&by, &fields.selection(register)?, order)?;
        let kept = keep(desk, &by, &issued.codes)?;
        Ok((issued, kept))
    });
    match made.await {
        Ok((issued, kept)) => Ok(show(&admin.0, &issued, &kept)),
        Err(error @ DeskError::Register(_)) if error.status().is_client_error() => {
            let said = refused(&error);
            Ok(again(&error, list::with(&app, &admin.0, list::Wanted::default(), &said).await?))
        }
        Err(error) => Err(error),
    }
}

fn show(person: &Person, issued: &IssuedCodes, kept: &str) -> Response {
    let body = html! {
        (skipped(&issued.skipped))
        @if issued.codes.is_empty() {
            p { "No code was made." }
        } @else {
            p.done role="status" {
                "Codes for " (count(issued.codes.len())) ". They are shown this once: download or print them now. That can be done for ten minutes."
            }
            form method="post" action={ (STATIONS) "/codes.csv" } {
                (token_field(&person.visit))
                input type="hidden" name="issued" value=(kept);
                div.actions {
                    button { "Download as CSV" }
                    button.quiet formaction={ (STATIONS) "/slips" } { "Print slips" }
                }
            }
            (codes(&issued.codes))
        }
        p { a href=(STATIONS) { "Back to all stations" } }
    };
    page(person, "Verification codes", &body)
}

fn codes(issued: &[IssuedCode]) -> Markup {
    html! {
        div.table {
            table {
                thead { tr { th scope="col" { "MAC ID" } th scope="col" { "Location" } th scope="col" { "Code" } th scope="col" { "Good until" } } }
                tbody {
                    @for one in issued {
                        tr {
                            th scope="row" data-label="MAC ID" { (one.mac) }
                            td data-label="Location" { (one.location) }
                            td.code data-label="Code" { (one.code.grouped().as_str()) }
                            td data-label="Good until" { (time::show(UnixTime::new(one.expires_at))) }
                        }
                    }
                }
            }
        }
    }
}

/// Codes that were just made, for their list and their slips. The page says only which ones it means: what a form sends,
/// browsers write to the disk. They are sealed, as all that the desk keeps, for a short time and for whoever made them.
#[derive(Serialize, Deserialize)]
struct Fresh {
    by: String,
    made_at: u64,
    codes: Vec<(MacId, Zeroizing<String>, u64)>,
}

impl Stored for Fresh {
    const KIND: &'static str = "fresh-codes";

    fn expires_at(&self) -> Option<UnixTime> {
        Some(UnixTime::new(self.made_at.saturating_add(FRESH)))
    }
}

/// Keeps codes for the list and the slips; which ones they are.
fn keep(desk: &Desk, by: &str, issued: &[IssuedCode]) -> Result<String, DeskError> {
    let codes = issued.iter().map(|one| (one.mac, Zeroizing::new(one.code.shown().to_owned()), one.expires_at));
    let fresh = Fresh { by: by.into(), made_at: desk.now().seconds(), codes: codes.collect() };
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| EscrowError::Random)?;
    desk.write(&[Write::new(&id, &fresh)?])?;
    Ok(HEXLOWER.encode(&id))
}

/// The codes that the page with them means, where they are still kept; locations are the register's.
async fn issued(app: &App, person: &Person, fields: Fields) -> Result<Option<Vec<IssuedCode>>, DeskError> {
    let id = HEXLOWER.decode(fields.text("issued").as_bytes()).map_err(|_| DeskError::Malformed)?;
    let by = person.name.clone();
    blocking(app, move |desk| {
        let Some(fresh) = desk.get::<Fresh>(&id)?.filter(|kept| kept.value.by == by) else { return Ok(None) };
        let one = |(mac, code, expires_at): (MacId, Zeroizing<String>, u64)| {
            let code = VerificationCode::parse(&code).ok_or(DeskError::Malformed)?;
            let (station, _) = desk.register().get(mac)?.ok_or(RegisterError::NotRegistered { mac })?;
            Ok(IssuedCode { mac, location: station.location, code, expires_at })
        };
        fresh.value.codes.into_iter().map(one).collect::<Result<_, DeskError>>().map(Some)
    })
    .await
}

/// Instead of codes that are not kept any more.
fn gone(person: &Person) -> Response {
    let body = html! {
        p.problem role="alert" { "These codes are not shown any more. Make new ones: the old ones are worth nothing from then on." }
        p { a href=(STATIONS) { "Back to all stations" } }
    };
    (StatusCode::GONE, page(person, "Verification codes", &body)).into_response()
}

async fn table(
    State(app): State<App>,
    Admin(person): Admin,
    Form(fields): Form<Fields>,
) -> Result<Response, DeskError> {
    let Some(issued) = issued(&app, &person, fields).await? else { return Ok(gone(&person)) };
    let cells: Vec<_> =
        issued.iter().map(|one| (one.mac.to_string(), time::text(UnixTime::new(one.expires_at)))).collect();
    let rows = issued.iter().zip(&cells);
    let rows = rows.map(|(one, (mac, end))| vec![mac.as_str(), one.location.as_str(), one.code.shown(), end.as_str()]);
    let text = csv::write(&["MAC ID", "Location", "Verification code", "Good until"], rows);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"Verification_Codes.csv\""),
    ];
    Ok((headers, text).into_response())
}

async fn slips(
    State(app): State<App>,
    Admin(person): Admin,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, DeskError> {
    let organisation = app.desk.settings().organisation.clone();
    let url = own_url(&app, &headers);
    let fingerprint = app.certificate.as_ref().map(|certificate| short(&certificate.now().fingerprint.to_string()));
    let Some(issued) = issued(&app, &person, fields).await? else { return Ok(gone(&person)) };
    let body = html! {
        p.screen.hint { "Print this page: each slip goes to the technician of its station. " a href=(STATIONS) { "Back to all stations" } }
        @for one in &issued {
            section.slip {
                h2 { (organisation) }
                dl {
                    dt { "Location" } dd { (one.location) }
                    dt { "MAC ID" } dd { (one.mac) }
                    dt { "Verification code" } dd.code { (one.code.grouped().as_str()) }
                    dt { "Good until" } dd { (time::text(UnixTime::new(one.expires_at))) }
                }
                p { "Type at the station, and the code when it asks for it:" }
                p {
                    code {
                        "oathburn station provision --desk " (url.as_deref().unwrap_or("URL"))
                        @if let Some(fingerprint) = &fingerprint { " --fingerprint " span.whole { "\"" (fingerprint) "\"" } }
                    }
                }
            }
        }
    };
    Ok(document("Slips", &html! {}, &body).into_response())
}

/// The desk's address as the admin's browser has it, where it is one that a station can use.
fn own_url(app: &App, headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let scheme = if app.secure { "https" } else { "http" };
    let url: crate::client::DeskUrl = format!("{scheme}://{host}").parse().ok()?;
    Some(url.as_str().to_owned())
}

/// As much of a fingerprint as a station asks for, in groups that can be typed.
fn short(fingerprint: &str) -> String {
    let digits: String = fingerprint.chars().filter(char::is_ascii_hexdigit).take(32).collect();
    let groups: Vec<_> = digits.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    groups.join(" ")
}
