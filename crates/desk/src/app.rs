//! What handlers share, and the table of all routes.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::Semaphore;

use crate::changes::Changes;
use crate::metrics::Metrics;
use crate::{Desk, ServedCertificate, api, csrf, health, limits, metrics, pages, problem};

/// What every handler gets. Clones share everything.
#[derive(Clone)]
pub struct App {
    pub(crate) desk: Arc<Desk>,
    /// Whether those who ask do it over TLS, so that cookies may be kept to it.
    pub(crate) secure: bool,
    /// Bytes of bodies that may be in memory at the same time.
    pub(crate) bodies: Arc<Semaphore>,
    /// What stations know the desk by, where it speaks TLS itself.
    pub(crate) certificate: Option<ServedCertificate>,
    /// What those wait for who want to know how stations stand.
    pub(crate) changes: Changes,
    /// Passwords that may be compared at the same time: each takes 19 MiB and a processor.
    pub(crate) passwords: Arc<Semaphore>,
    /// Searches through the whole escrow: one at a time, for each takes all processors.
    pub(crate) searches: Arc<Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
}

/// See [`App::passwords`].
const PASSWORDS: usize = 2;

impl App {
    /// What handlers of this desk share. `secure` says that browsers reach it over TLS.
    pub fn new(desk: Arc<Desk>, secure: bool) -> Self {
        let bodies = Arc::new(Semaphore::new(desk.settings().limits.bodies));
        let passwords = Arc::new(Semaphore::new(PASSWORDS));
        let searches = Arc::new(Semaphore::new(1));
        let (changes, metrics) = (Changes::new(), Arc::default());
        Self { desk, secure, bodies, certificate: None, changes, passwords, searches, metrics }
    }
}

/// All pages, and all that machines ask for: one line for each area.
pub fn router(app: App) -> Router {
    Router::new()
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(api::routes())
        .merge(pages::routes())
        .fallback(problem::unknown)
        .method_not_allowed_fallback(problem::method)
        // From the inside outwards: what is read first stands last.
        .layer(from_fn_with_state(app.clone(), csrf::guard))
        .layer(from_fn_with_state(app.clone(), limits::body))
        .layer(from_fn(problem::show))
        .layer(from_fn(limits::headers))
        .layer(from_fn_with_state(app.clone(), metrics::count))
        .with_state(app)
}
