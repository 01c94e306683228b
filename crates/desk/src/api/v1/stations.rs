//! Stations: the register, codes, and what is done to a selection.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answers::{Added, IssuedCodes, Outcome, Skipped, Station, Stations};
use super::bodies::{MakeCodes, NewStations, Place, Selection, SignIn};
use super::extract::{Body, By, Params, whole};
use super::select;
use crate::blocking::blocking;
use crate::scripts::{ApiError, only};
use crate::stations::code::DEFAULT_LIFE;
use crate::stations::{Bulk, CodeLength, CodeOrder, Listed, MacId, Register, RegisterError, StationState, Wanted};
use crate::{App, DeskError};

/// How many stations are answered unless less is asked for.
const PAGE: usize = 250;

/// Which stations.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// waiting-on-activation, waiting-for-sign-in, signed-in, signed-out or revoked.
    state: Option<String>,
    /// A part of a MAC ID, in any spelling, or of a location.
    q: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 1,000; 250 unless it is said.
    limit: Option<usize>,
}

/// Stations, by MAC ID
#[utoipa::path(
    get, path = "/api/v1/stations", tag = "stations", operation_id = "stations", params(Which),
    security(("script" = ["stations:read"])), responses((status = 200, body = Stations)),
)]
pub(super) async fn list(
    State(app): State<App>,
    _: By<only::StationsRead>,
    Params(which): Params<Which>,
) -> Result<Json<Stations>, DeskError> {
    let unknown = || ApiError::RequestRefused { problem: "no state has this name".into() };
    let state = which.state.map(|name| StationState::from_name(&name).ok_or_else(unknown)).transpose()?;
    let wanted = Wanted { state, text: which.q.unwrap_or_default() };
    let after = which.after.as_deref().map(select::mac).transpose()?;
    let limit = select::limit(which.limit, PAGE)?;
    let stations = blocking(&app, move |desk| {
        let register = desk.register();
        let mut all = register.list_seen()?;
        all.retain(|one| wanted.includes(&one.station));
        let matching = all.len();
        // Places may have changed meanwhile: by MAC ID no station is missed, and none is answered twice.
        all.sort_by_key(|one| one.station.mac);
        all.retain(|one| after.is_none_or(|after| one.station.mac > after));
        let next = all.get(limit).and(all.get(limit - 1)).map(|last| last.station.mac.to_string());
        let stations = all.iter().take(limit).map(|one| described(register, one)).collect::<Result<_, _>>()?;
        Ok(Stations { stations, matching, next })
    });
    Ok(Json(stations.await?))
}

fn described(register: &Register, listed: &Listed) -> Result<Station, DeskError> {
    let shown = register.fetched(&listed.station)?.map(|shown| shown.code.to_string());
    Ok(Station::new(listed, shown, register.now()))
}

/// One station
#[utoipa::path(
    get, path = "/api/v1/stations/{mac}", tag = "stations", operation_id = "station",
    params(("mac" = String, Path, description = "Its MAC ID, in any spelling")),
    security(("script" = ["stations:read"])), responses((status = 200, body = Station)),
)]
pub(super) async fn one(
    State(app): State<App>,
    _: By<only::StationsRead>,
    Path(mac): Path<String>,
) -> Result<Json<Station>, DeskError> {
    let mac = select::mac(&mac)?;
    Ok(Json(blocking(&app, move |desk| looked_up(desk.register(), mac)).await?))
}

fn looked_up(register: &Register, mac: MacId) -> Result<Station, DeskError> {
    let (station, _) = register.get(mac)?.ok_or(RegisterError::NotRegistered { mac })?;
    let seen = register.seen(mac)?;
    described(register, &Listed { station, seen })
}

/// Register stations: all of them, or none and every one that is wrong
#[utoipa::path(
    post, path = "/api/v1/stations", tag = "stations", operation_id = "addStations", request_body = NewStations,
    security(("script" = ["stations:write"])), responses((status = 201, body = Added)),
)]
pub(super) async fn add(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    Body(new): Body<NewStations>,
) -> Result<(StatusCode, Json<Added>), DeskError> {
    let typed: Vec<_> = new.stations.into_iter().map(|one| (one.mac, one.location)).collect();
    added(blocking(&app, move |desk| Ok(desk.register().add_typed(&by.name, &typed)?)).await)
}

/// Register the stations of a CSV file (`MAC ID,Location`): all of them, or none and every row that is wrong
#[utoipa::path(
    post, path = "/api/v1/stations/import", tag = "stations", operation_id = "importStations",
    request_body(content = String, content_type = "text/csv", description = "`Template_Provisioning.csv`, filled in"),
    security(("script" = ["stations:write"])), responses((status = 201, body = Added)),
)]
pub(super) async fn import(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    request: Request,
) -> Result<(StatusCode, Json<Added>), DeskError> {
    let file = whole(request, "text/csv").await?;
    added(blocking(&app, move |desk| Ok(desk.register().add_file(&by.name, &file)?)).await)
}

fn added(added: Result<Vec<MacId>, DeskError>) -> Result<(StatusCode, Json<Added>), DeskError> {
    let added = added?.iter().map(ToString::to_string).collect();
    Ok((StatusCode::CREATED, Json(Added { added })))
}

/// Take a station off the list; what it did stays in the audit
#[utoipa::path(
    delete, path = "/api/v1/stations/{mac}", tag = "stations", operation_id = "removeStation",
    params(("mac" = String, Path, description = "Its MAC ID, in any spelling")),
    security(("script" = ["stations:write"])), responses((status = 200, body = Outcome)),
)]
pub(super) async fn remove(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    Path(mac): Path<String>,
) -> Result<Json<Outcome>, DeskError> {
    deed(&app, vec![mac], move |register, macs| register.remove(&by.name, macs)).await
}

/// Say where a station is now
#[utoipa::path(
    put, path = "/api/v1/stations/{mac}/location", tag = "stations", operation_id = "relocateStation",
    params(("mac" = String, Path, description = "Its MAC ID, in any spelling")), request_body = Place,
    security(("script" = ["stations:write"])), responses((status = 200, body = Station)),
)]
pub(super) async fn relocate(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    Path(mac): Path<String>,
    Body(place): Body<Place>,
) -> Result<Json<Station>, DeskError> {
    let mac = select::mac(&mac)?;
    let moved = blocking(&app, move |desk| {
        desk.register().relocate(&by.name, mac, &place.location)?;
        looked_up(desk.register(), mac)
    });
    Ok(Json(moved.await?))
}

/// Sign stations in that wait for it or were signed out
#[utoipa::path(
    post, path = "/api/v1/stations/sign-in", tag = "stations", operation_id = "signIn", request_body = SignIn,
    security(("script" = ["stations:write"])), responses((status = 200, body = Outcome)),
)]
pub(super) async fn sign_in(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    Body(SignIn { stations, account }): Body<SignIn>,
) -> Result<Json<Outcome>, DeskError> {
    deed(&app, stations, move |register, macs| register.sign_in(&by.name, macs, &account)).await
}

/// Sign stations out; they can be signed in again at any time
#[utoipa::path(
    post, path = "/api/v1/stations/sign-out", tag = "stations", operation_id = "signOut",
    request_body = Selection, security(("script" = ["stations:write"])),
    responses((status = 200, body = Outcome)),
)]
pub(super) async fn sign_out(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    Body(selection): Body<Selection>,
) -> Result<Json<Outcome>, DeskError> {
    deed(&app, selection.stations, move |register, macs| register.sign_out(&by.name, macs)).await
}

/// Take the worth of the keys and codes of stations, from the next request on
#[utoipa::path(
    post, path = "/api/v1/stations/revoke", tag = "stations", operation_id = "revokeStations",
    request_body = Selection, security(("script" = ["stations:write"])),
    responses((status = 200, body = Outcome)),
)]
pub(super) async fn revoke(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    Body(selection): Body<Selection>,
) -> Result<Json<Outcome>, DeskError> {
    deed(&app, selection.stations, move |register, macs| register.revoke(&by.name, macs)).await
}

/// Have stations wait on their activation again
#[utoipa::path(
    post, path = "/api/v1/stations/provision-again", tag = "stations", operation_id = "provisionAgain",
    request_body = Selection, security(("script" = ["stations:write"])),
    responses((status = 200, body = Outcome)),
)]
pub(super) async fn provision_again(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    Body(selection): Body<Selection>,
) -> Result<Json<Outcome>, DeskError> {
    deed(&app, selection.stations, move |register, macs| register.begin_anew(&by.name, macs)).await
}

/// Have stations that wait for sign-in show a login code
#[utoipa::path(
    post, path = "/api/v1/stations/fetch-login-codes", tag = "stations", operation_id = "fetchLoginCodes",
    request_body = Selection, security(("script" = ["stations:write"])),
    responses((status = 200, body = Outcome)),
)]
pub(super) async fn fetch_login_codes(
    State(app): State<App>,
    by: By<only::StationsWrite>,
    Body(selection): Body<Selection>,
) -> Result<Json<Outcome>, DeskError> {
    deed(&app, selection.stations, move |register, macs| register.fetch_login_codes(&by.name, macs)).await
}

/// Make verification codes, which are told this once; older ones of these stations are worth nothing any more
#[utoipa::path(
    post, path = "/api/v1/stations/codes", tag = "stations", operation_id = "makeCodes", request_body = MakeCodes,
    security(("script" = ["codes:make"])), responses((status = 200, body = IssuedCodes)),
)]
pub(super) async fn make_codes(
    State(app): State<App>,
    by: By<only::CodesMake>,
    Body(wanted): Body<MakeCodes>,
) -> Result<Json<IssuedCodes>, DeskError> {
    let digits = wanted.digits.unwrap_or(CodeLength::SHORTEST.digits());
    let length =
        CodeLength::new(digits).ok_or_else(|| ApiError::RequestRefused { problem: "digits are not 6 to 12".into() })?;
    let life = wanted.minutes.map_or(DEFAULT_LIFE, |minutes| minutes.saturating_mul(60));
    let order = CodeOrder { length, life, shared: wanted.shared };
    let macs = select::macs(&wanted.stations)?;
    let made = blocking(&app, move |desk| {
        let mut made = desk.register().make_codes(&by.name, &macs, order)?;
        if made.codes.is_empty() && !made.skipped.is_empty() {
            return Err(made.skipped.swap_remove(0).into());
        }
        Ok(IssuedCodes::from(&made))
    });
    Ok(Json(made.await?))
}

/// Take back the verification codes of stations that can still be used
#[utoipa::path(
    post, path = "/api/v1/stations/revoke-codes", tag = "stations", operation_id = "revokeCodes",
    request_body = Selection, security(("script" = ["codes:make"])), responses((status = 200, body = Outcome)),
)]
pub(super) async fn revoke_codes(
    State(app): State<App>,
    by: By<only::CodesMake>,
    Body(selection): Body<Selection>,
) -> Result<Json<Outcome>, DeskError> {
    deed(&app, selection.stations, move |register, macs| register.revoke_codes(&by.name, macs)).await
}

/// Does something with a selection. What was done with none of it has failed.
async fn deed(
    app: &App,
    stations: Vec<String>,
    work: impl FnOnce(&Register, &[MacId]) -> Result<Bulk, RegisterError> + Send + 'static,
) -> Result<Json<Outcome>, DeskError> {
    let macs = select::macs(&stations)?;
    let mut bulk = blocking(app, move |desk| Ok(work(desk.register(), &macs)?)).await?;
    if bulk.done.is_empty() && !bulk.skipped.is_empty() {
        return Err(bulk.skipped.swap_remove(0).into());
    }
    let done = bulk.done.iter().map(ToString::to_string).collect();
    Ok(Json(Outcome { done, skipped: bulk.skipped.iter().map(Skipped::from).collect() }))
}
