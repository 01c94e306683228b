//! Whether the desk can work: for balancers and for whoever watches it.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::blocking::blocking;
use crate::{App, DeskError};

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/healthz", get(health))
}

/// 200 while the escrow's store answers. It says nothing that strangers should not know.
async fn health(State(app): State<App>) -> Result<Json<Value>, DeskError> {
    blocking(&app, |desk| Ok(desk.records.get("health", b"store")?.map(drop))).await?;
    Ok(Json(json!({ "status": "ok" })))
}
