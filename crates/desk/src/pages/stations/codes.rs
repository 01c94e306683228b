//! Verification codes: made, shown once, and handed out as a list or as slips.
//!
//! The desk keeps digests. The page with the codes sends them back for the list and the slips, so that they are nowhere else.

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use maud::{Markup, html};
use oathburn_oath::UnixTime;

use super::{Admin, Fields, STATIONS, again, count, list, page, refused, skipped, time};
use crate::blocking::blocking;
use crate::pages::layout::{document, token_field};
use crate::people::Person;
use crate::stations::{CodeLength, CodeOrder, IssuedCode, IssuedCodes, RegisterError, VerificationCode, csv};
use crate::{App, DeskError};

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
        Ok(register.make_codes(&by, &fields.selection(register)?, order)?)
    });
    match made.await {
        Ok(issued) => Ok(show(&admin.0, &issued)),
        Err(error @ DeskError::Register(_)) if error.status().is_client_error() => {
            let said = refused(&error);
            Ok(again(&error, list::with(&app, &admin.0, list::Wanted::default(), &said).await?))
        }
        Err(error) => Err(error),
    }
}

fn show(person: &Person, issued: &IssuedCodes) -> Response {
    let body = html! {
        (skipped(&issued.skipped))
        @if issued.codes.is_empty() {
            p { "No code was made." }
        } @else {
            p.done role="status" {
                "Codes for " (count(issued.codes.len())) ". They are shown this once: download or print them now."
            }
            form method="post" action={ (STATIONS) "/codes.csv" } {
                (token_field(&person.visit))
                @for one in &issued.codes {
                    input type="hidden" name="issued" value={ (one.mac) " " (one.code.shown()) " " (one.expires_at) };
                }
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
                            th scope="row" { (one.mac) }
                            td { (one.location) }
                            td.code { (one.code.grouped().as_str()) }
                            td { (time::show(UnixTime::new(one.expires_at))) }
                        }
                    }
                }
            }
        }
    }
}

/// What the page with the codes has sent back; locations are the register's.
async fn issued(app: &App, fields: Fields) -> Result<Vec<IssuedCode>, DeskError> {
    blocking(app, move |desk| {
        let read = |line: &str| {
            let mut words = line.split(' ');
            let mac = words.next()?.parse().ok()?;
            let code = VerificationCode::parse(words.next()?)?;
            let expires_at = words.next()?.parse().ok()?;
            words.next().is_none().then_some((mac, code, expires_at))
        };
        let one = |line| {
            let (mac, code, expires_at) = read(line).ok_or(DeskError::Malformed)?;
            let (station, _) = desk.register().get(mac)?.ok_or(RegisterError::NotRegistered { mac })?;
            Ok(IssuedCode { mac, location: station.location, code, expires_at })
        };
        let all = fields.all("issued").map(one).collect::<Result<Vec<_>, DeskError>>()?;
        if all.is_empty() { Err(RegisterError::NothingSelected.into()) } else { Ok(all) }
    })
    .await
}

async fn table(State(app): State<App>, _: Admin, Form(fields): Form<Fields>) -> Result<Response, DeskError> {
    let issued = issued(&app, fields).await?;
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
    _: Admin,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, DeskError> {
    let organisation = app.desk.settings().organisation.clone();
    let url = own_url(&app, &headers);
    let fingerprint = app.fingerprint.map(|fingerprint| short(&fingerprint.to_string()));
    let issued = issued(&app, fields).await?;
    let body = html! {
        @for one in &issued {
            section.slip {
                h2 { (organisation) }
                dl {
                    dt { "Location" } dd { (one.location) }
                    dt { "MAC ID" } dd { (one.mac) }
                    dt { "Verification code" } dd.code { (one.code.grouped().as_str()) }
                    dt { "Good until" } dd { (time::text(UnixTime::new(one.expires_at))) }
                    @if let Some(url) = &url { dt { "Desk" } dd { code { (url) } } }
                    @if let Some(fingerprint) = &fingerprint { dt { "Fingerprint" } dd { code { (fingerprint) } } }
                }
                p { "Type at the station, and the code when it asks for it:" }
                p {
                    code {
                        "oathburn station provision --desk " (url.as_deref().unwrap_or("URL"))
                        @if let Some(fingerprint) = &fingerprint { " --fingerprint \"" (fingerprint) "\"" }
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
