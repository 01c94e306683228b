//! What handlers share, and the table of all routes.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::Semaphore;

use crate::changes::Changes;
use crate::{Desk, Fingerprint, api, csrf, health, limits, pages, problem};

/// What every handler gets. Clones share everything.
#[derive(Clone)]
pub struct App {
    pub(crate) desk: Arc<Desk>,
    /// Whether those who ask do it over TLS, so that cookies may be kept to it.
    pub(crate) secure: bool,
    /// Bytes of bodies that may be in memory at the same time.
    pub(crate) bodies: Arc<Semaphore>,
    /// What stations know the desk by, where it speaks TLS itself.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// What those wait for who want to know how stations stand.
    pub(crate) changes: Changes,
    /// Passwords that may be compared at the same time: each takes 19 MiB and a processor.
    pub(crate) passwords: Arc<Semaphore>,
}

/// See [`App::passwords`].
const PASSWORDS: usize = 2;

impl App {
    /// What handlers of this desk share. `secure` says that browsers reach it over TLS.
    pub fn new(desk: Arc<Desk>, secure: bool) -> Self {
        let bodies = Arc::new(Semaphore::new(desk.settings().limits.bodies));
        let passwords = Arc::new(Semaphore::new(PASSWORDS));
        Self { desk, secure, bodies, fingerprint: None, changes: Changes::new(), passwords }
    }
}

/// All pages, and all that machines ask for: one line for each area.
pub fn router(app: App) -> Router {
    Router::new()
        .merge(health::routes())
        .merge(api::routes())
        .merge(pages::routes())
        .fallback(problem::unknown)
        .method_not_allowed_fallback(problem::method)
        // From the inside outwards: what is read first stands last.
        .layer(from_fn_with_state(app.clone(), csrf::guard))
        .layer(from_fn_with_state(app.clone(), limits::body))
        .layer(from_fn(problem::show))
        .layer(from_fn(limits::headers))
        .with_state(app)
}
