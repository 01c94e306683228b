//! The audit trail, for those who collect it elsewhere.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oathburn_escrow::{EventFilter, EventKind};
use oathburn_oath::UnixTime;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answers::{Event, EventPage, Finding, Findings};
use super::extract::{By, Params};
use super::select;
use crate::blocking::blocking;
use crate::scripts::{ApiError, only};
use crate::trail::{self, Marks};
use crate::{App, DeskError};

/// Events that are answered unless another number is asked for.
const PAGE: usize = 200;
/// Findings that are answered.
const MOST_FINDINGS: usize = 1000;

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// What happened, such as `code-disclosed` or `desk-deed`.
    kind: Option<String>,
    /// Whose deed, such as `carol` or `script:robot`.
    operator: Option<String>,
    /// Of this entry: whole, or as much of it as is unique.
    entry: Option<String>,
    /// At this time (RFC 3339) or later.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before this time (RFC 3339).
    #[param(format = DateTime)]
    until: Option<String>,
    /// `next` of the page before: whoever goes on like this gets every event once, also those of today tomorrow.
    after: Option<String>,
    /// 1 to 1,000; 200 unless it is said.
    limit: Option<usize>,
}

/// A time as programs write it.
pub(super) fn time(text: &str) -> Result<UnixTime, DeskError> {
    let seconds = text.parse::<Timestamp>().ok().and_then(|time| u64::try_from(time.as_second()).ok());
    seconds.map(UnixTime::new).ok_or(DeskError::TimeUnreadable)
}

/// Events by their time, the oldest first
#[utoipa::path(
    get, path = "/api/v1/audit/events", tag = "audit", operation_id = "events", params(Which),
    security(("script" = ["audit:read"])), responses((status = 200, body = EventPage)),
)]
pub(super) async fn events(
    State(app): State<App>,
    _: By<only::AuditRead>,
    Params(which): Params<Which>,
) -> Result<Json<EventPage>, DeskError> {
    let unknown = || ApiError::RequestRefused { problem: "no event has this kind".into() };
    let kind = which.kind.map(|kind| EventKind::from_name(&kind).ok_or_else(unknown)).transpose()?;
    let (since, until) = (which.since.as_deref().map(time).transpose()?, which.until.as_deref().map(time).transpose()?);
    let marks = which.after.as_deref().map(marks).transpose()?.unwrap_or_default();
    let limit = select::limit(which.limit, PAGE)?;
    let page = blocking(&app, move |desk| {
        let entry = which.entry.map(|id| desk.escrow.entry(&id)).transpose()?.map(|entry| entry.id);
        let filter = EventFilter { entry, kind, writer: None, operator: which.operator, since, until };
        trail::page(desk, &filter, &marks, limit)
    });
    let page = page.await?;
    let (next, more) = (trail::write_marks(&page.marks), page.more);
    Ok(Json(EventPage { events: page.events.iter().map(Event::from).collect(), next, more }))
}

/// Verify every signature and every chain
#[utoipa::path(
    post, path = "/api/v1/audit/verify", tag = "audit", operation_id = "verify",
    security(("script" = ["audit:read"])), responses((status = 200, body = Findings)),
)]
pub(super) async fn verify(State(app): State<App>, _: By<only::AuditRead>) -> Result<Json<Findings>, DeskError> {
    // One at a time, as whatever goes through the whole escrow.
    let turn = Arc::clone(&app.searches).acquire_owned().await.map_err(|_| DeskError::Broken)?;
    let findings = blocking(&app, move |desk| {
        let _turn = turn;
        Ok(desk.escrow.verify_events()?)
    });
    let findings = findings.await?;
    let sound = findings.is_empty();
    Ok(Json(Findings { sound, findings: findings.iter().take(MOST_FINDINGS).map(Finding::from).collect() }))
}

/// A checkpoint, signed and noted: keep it elsewhere, for `oathburn escrow audit verify --checkpoint`
#[utoipa::path(
    post, path = "/api/v1/audit/checkpoint", tag = "audit", operation_id = "checkpoint",
    security(("script" = ["audit:read"])), responses((status = 200, body = Object, description = "The file")),
)]
pub(super) async fn checkpoint(State(app): State<App>, by: By<only::AuditRead>) -> Result<Response, DeskError> {
    let turn = Arc::clone(&app.searches).acquire_owned().await.map_err(|_| DeskError::Broken)?;
    let json = blocking(&app, move |desk| {
        let _turn = turn;
        Ok(trail::checkpoint(desk, &by.name)?.to_json())
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], json.await?).into_response())
}

fn marks(text: &str) -> Result<Marks, ApiError> {
    trail::read_marks(text)
        .ok_or_else(|| ApiError::RequestRefused { problem: "`after` is not the `next` of a page".into() })
}
