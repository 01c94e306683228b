//! Login codes: what a station shows.

use axum::Json;
use axum::extract::State;

use super::answers::{Offer, Outcome};
use super::bodies::{AcceptLogin, LoginCode};
use super::extract::{Body, By};
use crate::blocking::blocking;
use crate::scripts::only;
use crate::stations::RegisterError;
use crate::{App, DeskError};

fn parsed(text: &str) -> Result<crate::stations::LoginCode, DeskError> {
    Ok(text.parse().map_err(RegisterError::from)?)
}

/// Which station shows a login code
#[utoipa::path(
    post, path = "/api/v1/login-codes/find", tag = "stations", operation_id = "findLogin",
    request_body = LoginCode, security(("script" = ["stations:write"])), responses((status = 200, body = Offer)),
)]
pub(super) async fn find(
    State(app): State<App>,
    _: By<only::StationsWrite>,
    Body(shown): Body<LoginCode>,
) -> Result<Json<Offer>, DeskError> {
    let code = parsed(&shown.code)?;
    let found = blocking(&app, move |desk| {
        let (offer, station) = desk.register().find_login(&code)?.ok_or(RegisterError::LoginCodeUnknown)?;
        Ok(Offer::new(&offer, station.as_ref()))
    });
    Ok(Json(found.await?))
}

/// Let the station in that shows a login code, and sign it in
#[utoipa::path(
    post, path = "/api/v1/login-codes/accept", tag = "stations", operation_id = "acceptLogin",
    request_body = AcceptLogin, security(("script" = ["stations:write"])),
    responses((status = 200, body = Outcome)),
)]
pub(super) async fn accept(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    Body(typed): Body<AcceptLogin>,
) -> Result<Json<Outcome>, DeskError> {
    let code = parsed(&typed.code)?;
    let station = blocking(&app, move |desk| {
        Ok(desk.register().accept_login(&by.name, &code, typed.location.as_deref(), &typed.account)?)
    });
    Ok(Json(Outcome { done: vec![station.await?.mac.to_string()], skipped: Vec::new() }))
}

/// End a login code: nobody expects the station that shows it
#[utoipa::path(
    post, path = "/api/v1/login-codes/refuse", tag = "stations", operation_id = "refuseLogin",
    request_body = LoginCode, security(("script" = ["stations:write"])), responses((status = 200, body = Offer)),
)]
pub(super) async fn refuse(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    Body(shown): Body<LoginCode>,
) -> Result<Json<Offer>, DeskError> {
    let code = parsed(&shown.code)?;
    let refused = blocking(&app, move |desk| {
        let (offer, station) = desk.register().find_login(&code)?.ok_or(RegisterError::LoginCodeUnknown)?;
        desk.register().refuse_login(&by.name, &code)?;
        Ok(Offer::new(&offer, station.as_ref()))
    });
    Ok(Json(refused.await?))
}
