//! What machines ask for, below `/api/`.

pub(crate) mod signed;
mod station;
pub(crate) mod v1;
mod work;

use axum::Router;

use crate::App;

/// All of it: one line for each area.
pub(crate) fn routes() -> Router<App> {
    Router::new().merge(station::routes()).merge(work::routes()).merge(v1::routes())
}
