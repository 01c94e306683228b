//! Who works at the desk.

use axum::Json;
use axum::extract::State;

use super::answers::{People, SomebodyAtDesk};
use super::extract::By;
use crate::blocking::blocking;
use crate::people::Account;
use crate::scripts::only;
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
