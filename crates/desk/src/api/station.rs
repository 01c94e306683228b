//! What stations ask their desk; see [`crate::protocol`].

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::signed::{Introduced, Introduces, Refused, SignedStation};
use crate::blocking::blocking;
use crate::protocol::{
    self, ACTIVATE, ActivationRequest, CHALLENGE, Challenge, ChallengeRequest, Introduction, LOGIN_CODE, LOGIN_WAIT,
    LoginRequest, LoginStatus, MAX_WAIT, OWN_LOGIN_CODE, RESET, Refusal, SIGN_OUT, STATUS, ShownCode, StationStatus,
};
use crate::serve::Peer;
use crate::stations::{RegisterError, Station, StationState};
use crate::{App, DeskError};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route(CHALLENGE, post(challenge))
        .route(ACTIVATE, post(activate))
        .route(LOGIN_CODE, post(login_code))
        .route(LOGIN_WAIT, post(login_wait))
        .route(STATUS, get(status))
        .route(OWN_LOGIN_CODE, post(own_login_code))
        .route(SIGN_OUT, post(sign_out))
        .route(RESET, post(reset))
}

impl Introduces for ActivationRequest {
    fn station(&self) -> &Introduction {
        &self.station
    }
}

impl Introduces for LoginRequest {
    fn station(&self) -> &Introduction {
        &self.station
    }
}

/// For how long an answer may be held back, and what the station knows already.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// In seconds.
    #[serde(default)]
    wait: u32,
    /// The version that the station has seen; an answer that is another one is not held back.
    since: Option<u64>,
}

impl Wait {
    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.wait.min(MAX_WAIT).into())
    }
}

async fn challenge(State(app): State<App>, body: Bytes) -> Result<Json<Challenge>, Refused> {
    let request: ChallengeRequest = protocol::read(&body)?;
    Ok(Json(blocking(&app, move |desk| Ok(desk.register().challenge(&request)?)).await?))
}

async fn activate(
    State(app): State<App>,
    Peer(address): Peer,
    Introduced(ActivationRequest { station: Introduction { mac, keys, .. }, code }): Introduced<ActivationRequest>,
) -> Result<Json<StationStatus>, Refused> {
    let activated = blocking(&app, move |desk| {
        let register = desk.register();
        let (station, version) = register.activate((mac, &keys), &code, address)?;
        Ok(register.status(&station, version)?)
    });
    Ok(Json(activated.await?))
}

async fn login_code(
    State(app): State<App>,
    Peer(address): Peer,
    Introduced(LoginRequest { station: Introduction { mac, keys, .. } }): Introduced<LoginRequest>,
) -> Result<Json<ShownCode>, Refused> {
    Ok(Json(blocking(&app, move |desk| Ok(desk.register().offer_login(mac, &keys, address)?)).await?))
}

async fn login_wait(
    State(app): State<App>,
    Query(wait): Query<Wait>,
    Introduced(LoginRequest { station: Introduction { mac, keys, .. } }): Introduced<LoginRequest>,
) -> Result<Json<LoginStatus>, Refused> {
    let deadline = wait.deadline();
    let mut changes = app.changes.subscribe(&app.desk);
    loop {
        let keys = keys.clone();
        let status = blocking(&app, move |desk| Ok(desk.register().login_status(mac, &keys)?)).await?;
        if status.station.is_some() || !changes.next_before(deadline).await {
            return Ok(Json(status));
        }
    }
}

async fn status(
    State(app): State<App>,
    Query(wait): Query<Wait>,
    signed: SignedStation,
) -> Result<Json<StationStatus>, Refused> {
    let (deadline, mac, generation) = (wait.deadline(), signed.station.mac, signed.station.generation);
    let mut changes = app.changes.subscribe(&app.desk);
    loop {
        let status = blocking(&app, move |desk| {
            let register = desk.register();
            // It may have been revoked while it waited.
            let (station, version) = register.get(mac)?.ok_or(Refusal::NotKnown)?;
            still_believed(&station, generation)?;
            Ok(register.status(&station, version)?)
        });
        let status = status.await?;
        if wait.since != Some(status.version) || !changes.next_before(deadline).await {
            return Ok(Json(status));
        }
    }
}

fn still_believed(station: &Station, generation: u64) -> Result<(), Refusal> {
    match station.state {
        StationState::Revoked => Err(Refusal::Revoked),
        StationState::WaitingOnActivation => Err(Refusal::NotKnown),
        _ if station.generation == generation => Ok(()),
        _ => Err(Refusal::OldGeneration),
    }
}

async fn own_login_code(
    State(app): State<App>,
    Peer(address): Peer,
    signed: SignedStation,
) -> Result<Json<ShownCode>, Refused> {
    Ok(Json(blocking(&app, move |desk| Ok(desk.register().offer_own_login(&signed.station, address)?)).await?))
}

async fn sign_out(State(app): State<App>, signed: SignedStation) -> Result<Json<StationStatus>, Refused> {
    let done = blocking(&app, move |desk| {
        let (register, mac) = (desk.register(), signed.station.mac);
        unless_done(register.sign_out_itself(mac))?;
        let (station, version) = register.get(mac)?.ok_or(Refusal::NotKnown)?;
        Ok(register.status(&station, version)?)
    });
    Ok(Json(done.await?))
}

async fn reset(State(app): State<App>, signed: SignedStation) -> Result<Json<Value>, Refused> {
    let done = blocking(&app, move |desk| {
        unless_done(desk.register().reset_itself(signed.station.mac))?;
        Ok(json!({ "mac": signed.station.mac, "state": StationState::WaitingOnActivation }))
    });
    Ok(Json(done.await?))
}

/// Whoever asks for what is so already gets it.
fn unless_done(result: Result<(), RegisterError>) -> Result<(), DeskError> {
    match result {
        Err(RegisterError::NotNow { .. }) => Ok(()),
        other => Ok(other?),
    }
}
