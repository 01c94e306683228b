//! What an admin does with an order: its files, its end, who may work on it, and what has to be settled.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use data_encoding::HEXLOWER;
use oathburn_escrow::BatchId;
use serde::Deserialize;

use super::WORK;
use super::order::{id_of, page};
use crate::blocking::blocking;
use crate::pages::notice;
use crate::people::{Person, Role};
use crate::problem::Problem;
use crate::work::{Audience, Settlement};
use crate::{App, Desk, DeskError};

#[derive(Deserialize)]
pub(super) struct Reason {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
pub(super) struct Release {
    line: u32,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
pub(super) struct Settle {
    conflict: String,
    how: Settlement,
    #[serde(default)]
    reason: String,
}

pub(super) async fn results(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let id = id_of(&id)?;
    let file = blocking(&app, move |desk| desk.order_results(id)).await?;
    Ok(download(&format!("results-{id}.csv"), file))
}

/// A file that is not kept by anybody on its way.
fn download(name: &str, bytes: impl IntoResponse) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, bytes).into_response()
}

async fn change(
    app: App,
    person: Person,
    id: String,
    job: impl FnOnce(&Desk, &str, BatchId) -> Result<(), DeskError> + Send + 'static,
) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let id = id_of(&id)?;
    let by = person.name.clone();
    match blocking(&app, move |desk| job(desk, &by, id)).await {
        Ok(()) => Ok(Redirect::to(&format!("{WORK}/{id}")).into_response()),
        Err(error) => again(&app, &person, id, error).await,
    }
}

/// The order's page once more, with what was wrong. An order that is not there has none, and what the desk itself cannot
/// do is said as everywhere.
async fn again(app: &App, person: &Person, id: BatchId, error: DeskError) -> Result<Response, DeskError> {
    let status = error.status();
    if status == StatusCode::NOT_FOUND || !status.is_client_error() {
        return Err(error);
    }
    Ok((status, page(app, person, id, 0, notice(&Problem::of(&error))).await?).into_response())
}

pub(super) async fn cancel(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Form(given): Form<Reason>,
) -> Result<Response, DeskError> {
    change(app, person, id, move |desk, by, id| match given.reason.trim() {
        "" => Err(DeskError::ReasonMissing),
        reason => desk.cancel_order(by, id, Some(reason)),
    })
    .await
}

pub(super) async fn retry(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, DeskError> {
    change(app, person, id, |desk, by, id| desk.retry_order(by, id).map(drop)).await
}

pub(super) async fn release(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Form(given): Form<Release>,
) -> Result<Response, DeskError> {
    change(app, person, id, move |desk, by, id| desk.release_line(by, id, given.line, &given.reason)).await
}

pub(super) async fn settle(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Form(given): Form<Settle>,
) -> Result<Response, DeskError> {
    let conflict = HEXLOWER.decode(given.conflict.as_bytes()).map_err(|_| DeskError::Malformed)?;
    change(app, person, id, move |desk, by, _| desk.settle(by, &conflict, given.how, &given.reason)).await
}

pub(super) async fn audience(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, DeskError> {
    let all =
        |name: &str| given.iter().filter(|(one, _)| one == name).map(|(_, value)| value.clone()).collect::<Vec<_>>();
    let everywhere = !all("everywhere").is_empty();
    let named = Audience { stations: all("station"), locations: all("location") };
    change(app, person, id, move |desk, by, id| {
        let audience = if everywhere { Audience::default() } else { named };
        if !everywhere && audience == Audience::default() {
            return Err(DeskError::AudienceMissing);
        }
        desk.redirect_order(by, id, &audience)
    })
    .await
}

/// The seeds leave in the answer to a form, with a reason: in no address, in no history.
pub(super) async fn export(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Form(given): Form<Reason>,
) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let id = id_of(&id)?;
    let by = person.name.clone();
    match blocking(&app, move |desk| desk.export_order(&by, id, &given.reason)).await {
        Ok((mut file, _)) => Ok(download(&format!("entra-{id}.csv"), std::mem::take(&mut *file))),
        Err(error) => again(&app, &person, id, error).await,
    }
}
