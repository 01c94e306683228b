//! Who asks.

use axum::Json;
use axum::extract::State;

use super::answers::{Whoami, rfc3339};
use super::extract::Caller;
use crate::App;
use oathburn_oath::UnixTime;

/// The script whose token this is, and what it may do
#[utoipa::path(
    get, path = "/api/v1/whoami", tag = "desk", security(("script" = [])),
    responses((status = 200, body = Whoami)),
)]
pub(super) async fn whoami(State(app): State<App>, Caller(script): Caller) -> Json<Whoami> {
    Json(Whoami {
        operator: script.operator(),
        scopes: script.scopes.iter().map(|scope| scope.as_str().into()).collect(),
        expires_at: rfc3339(UnixTime::new(script.expires_at)),
        organisation: app.desk.settings().organisation.clone(),
        script: script.name,
    })
}
