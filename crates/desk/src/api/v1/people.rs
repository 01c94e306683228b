//! Who works at the desk.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::answers::{Invitation, People, SomebodyAtDesk};
use super::bodies::{NewPerson, Roles};
use super::extract::{Body, By};
use crate::blocking::blocking;
use crate::people::manage::{self, Manager};
use crate::people::{Account, Role, name_of};
use crate::scripts::{ApiError, only};
use crate::table::Kept;
use crate::{App, Desk, DeskError};

/// Everybody with an account at the desk
#[utoipa::path(
    get, path = "/api/v1/people", tag = "people", operation_id = "people", security(("script" = ["people:read"])),
    responses((status = 200, body = People)),
)]
pub(super) async fn list(State(app): State<App>, _: By<only::PeopleRead>) -> Result<Json<People>, DeskError> {
    let mut people = blocking(&app, Desk::all::<Account>).await?;
    people.sort_by(|one, other| one.value.name.cmp(&other.value.name));
    Ok(Json(People { people: people.iter().map(|kept| SomebodyAtDesk::from(&kept.value)).collect() }))
}

/// Invite somebody: the code with which they enrol is in the answer, and nowhere else
#[utoipa::path(
    post, path = "/api/v1/people", tag = "people", operation_id = "invite", request_body = NewPerson,
    security(("script" = ["people:write"])), responses((status = 201, body = Invitation)),
)]
pub(super) async fn add(
    State(app): State<App>,
    by: By<only::PeopleWrite>,
    Body(new): Body<NewPerson>,
) -> Result<(StatusCode, Json<Invitation>), DeskError> {
    let roles = read(&new.roles)?;
    let made = blocking(&app, move |desk| {
        let code = manage::add(desk, &Manager::script(&by.name), &new.name, &roles)?;
        Ok(Invitation::new(name_of(&new.name)?, &code))
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

/// Somebody with an account
#[utoipa::path(
    get, path = "/api/v1/people/{name}", tag = "people", operation_id = "person",
    params(("name" = String, Path, description = "What they sign in with")),
    security(("script" = ["people:read"])), responses((status = 200, body = SomebodyAtDesk)),
)]
pub(super) async fn one(
    State(app): State<App>,
    _: By<only::PeopleRead>,
    Path(name): Path<String>,
) -> Result<Json<SomebodyAtDesk>, DeskError> {
    let kept = blocking(&app, move |desk| found(desk, &name)).await?;
    Ok(Json(SomebodyAtDesk::from(&kept.value)))
}

/// Give somebody other roles; they hold at once
#[utoipa::path(
    put, path = "/api/v1/people/{name}/roles", tag = "people", operation_id = "changeRoles", request_body = Roles,
    params(("name" = String, Path, description = "What they sign in with")),
    security(("script" = ["people:write"])), responses((status = 200, body = SomebodyAtDesk)),
)]
pub(super) async fn roles(
    State(app): State<App>,
    by: By<only::PeopleWrite>,
    Path(name): Path<String>,
    Body(wanted): Body<Roles>,
) -> Result<Json<SomebodyAtDesk>, DeskError> {
    let roles = read(&wanted.roles)?;
    change(app, by, name, move |desk, by, id| manage::set_roles(desk, by, id, &roles)).await
}

/// Keep somebody out; all their sessions end
#[utoipa::path(
    post, path = "/api/v1/people/{name}/disable", tag = "people", operation_id = "disable",
    params(("name" = String, Path, description = "What they sign in with")),
    security(("script" = ["people:write"])), responses((status = 200, body = SomebodyAtDesk)),
)]
pub(super) async fn disable(
    State(app): State<App>,
    by: By<only::PeopleWrite>,
    Path(name): Path<String>,
) -> Result<Json<SomebodyAtDesk>, DeskError> {
    change(app, by, name, |desk, by, id| manage::set_disabled(desk, by, id, true)).await
}

/// Let somebody in again
#[utoipa::path(
    post, path = "/api/v1/people/{name}/enable", tag = "people", operation_id = "enable",
    params(("name" = String, Path, description = "What they sign in with")),
    security(("script" = ["people:write"])), responses((status = 200, body = SomebodyAtDesk)),
)]
pub(super) async fn enable(
    State(app): State<App>,
    by: By<only::PeopleWrite>,
    Path(name): Path<String>,
) -> Result<Json<SomebodyAtDesk>, DeskError> {
    change(app, by, name, |desk, by, id| manage::set_disabled(desk, by, id, false)).await
}

/// Take somebody's password and second factor away: the code with which they enrol anew is in the answer
#[utoipa::path(
    post, path = "/api/v1/people/{name}/reset", tag = "people", operation_id = "reset",
    params(("name" = String, Path, description = "What they sign in with")),
    security(("script" = ["people:write"])), responses((status = 200, body = Invitation)),
)]
pub(super) async fn reset(
    State(app): State<App>,
    by: By<only::PeopleWrite>,
    Path(name): Path<String>,
) -> Result<Json<Invitation>, DeskError> {
    let made = blocking(&app, move |desk| {
        let kept = found(desk, &name)?;
        let (name, code) = manage::reset(desk, &Manager::script(&by.name), &kept.id)?;
        Ok(Invitation::new(name, &code))
    });
    Ok(Json(made.await?))
}

async fn change(
    app: App,
    by: By<only::PeopleWrite>,
    name: String,
    job: impl FnOnce(&Desk, &Manager, &[u8]) -> Result<(), DeskError> + Send + 'static,
) -> Result<Json<SomebodyAtDesk>, DeskError> {
    let changed = blocking(&app, move |desk| {
        job(desk, &Manager::script(&by.name), &found(desk, &name)?.id)?;
        found(desk, &name)
    });
    Ok(Json(SomebodyAtDesk::from(&changed.await?.value)))
}

fn found(desk: &Desk, name: &str) -> Result<Kept<Account>, DeskError> {
    let unknown = |_| DeskError::PageUnknown;
    desk.get::<Account>(&desk.account_id(&name_of(name).map_err(unknown)?))?.ok_or(DeskError::PageUnknown)
}

fn read(names: &[String]) -> Result<Vec<Role>, DeskError> {
    let role = |name: &String| Role::ALL.iter().copied().find(|role| role.as_str() == name);
    let unknown = || ApiError::RequestRefused { problem: "no role has this name".into() };
    let mut roles = names.iter().map(|name| role(name).ok_or_else(unknown)).collect::<Result<Vec<_>, _>>()?;
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}
