//! What stations ask for work, and tell of it; see [`crate::work::wire`].

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};

use super::signed::{Refused, SignedStation};
use crate::App;
use crate::blocking::blocking;
use crate::protocol::{self, Refusal, StationKeys};
use crate::stations::{Station, StationState};
use crate::work::Worker;
use crate::work::wire::{
    LEASE, LeaseAnswer, LeaseRequest, REPORT, ReportAnswer, ReportRequest, TOKEN, TokenAnswer, TokenRequest,
};

pub(crate) fn routes() -> Router<App> {
    Router::new().route(LEASE, post(lease)).route(REPORT, post(report)).route(TOKEN, post(token))
}

async fn lease(State(app): State<App>, signed: SignedStation) -> Result<Json<LeaseAnswer>, Refused> {
    let request: LeaseRequest = protocol::read(&signed.body)?;
    let worker = signed_in(&signed.station)?;
    Ok(Json(blocking(&app, move |desk| desk.lease(&worker, &request)).await?))
}

/// Also from a station that was signed out since: what it has burned is burned.
async fn report(State(app): State<App>, signed: SignedStation) -> Result<Json<ReportAnswer>, Refused> {
    let request: ReportRequest = protocol::read(&signed.body)?;
    let worker = worker(&signed.station)?;
    Ok(Json(blocking(&app, move |desk| desk.report(&worker, &request)).await?))
}

async fn token(State(app): State<App>, signed: SignedStation) -> Result<Json<TokenAnswer>, Refused> {
    let request: TokenRequest = protocol::read(&signed.body)?;
    signed_in(&signed.station)?;
    Ok(Json(blocking(&app, move |desk| desk.is_in_use(&request)).await?))
}

fn signed_in(station: &Station) -> Result<Worker, Refusal> {
    if station.state == StationState::SignedIn { worker(station) } else { Err(Refusal::NotSignedIn) }
}

fn worker(station: &Station) -> Result<Worker, Refusal> {
    Ok(Worker {
        station: station.mac.to_string(),
        location: station.location.clone(),
        keys: station.keys.as_ref().and_then(StationKeys::public).ok_or(Refusal::NotKnown)?,
        operator: station.operator.clone(),
    })
}
