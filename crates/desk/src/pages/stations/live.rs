//! The states as they change, for pages that are open: events (HTML, section 9.2) and one small script that shows them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use serde_json::json;
use tokio::time::Instant;

use super::{Admin, note, shown_code};
use crate::blocking::blocking;
use crate::changes::Waiting;
use crate::session;
use crate::stations::{MacId, StationState};
use crate::{App, DeskError};

const SCRIPT: &str = include_str!("stations.js");
/// How long one stream lasts. The browser asks again, and is then known anew.
const LIFE: Duration = Duration::from_secs(session::IDLE);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/stations.js", get(script)).route("/stations/events", get(events))
}

async fn script() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, SCRIPT).into_response()
}

/// What was told so far, and to whom.
struct Told {
    app: App,
    visit: session::Visit,
    waiting: Waiting,
    end: Instant,
    /// What each station's cells show; nothing before the first event.
    shown: Option<HashMap<MacId, (StationState, String)>>,
}

async fn events(State(app): State<App>, Admin(person): Admin) -> Response {
    let waiting = app.changes.subscribe(&app.desk);
    let told = Told { waiting, visit: person.visit, end: Instant::now() + LIFE, shown: None, app };
    Sse::new(stream::unfold(told, next)).keep_alive(KeepAlive::default()).into_response()
}

/// The next event: the cells that changed. The stream ends with its time, with the session, and with the desk.
async fn next(mut told: Told) -> Option<(Result<Event, Infallible>, Told)> {
    loop {
        if told.shown.is_some() && !told.waiting.next_before(told.end).await {
            return None;
        }
        let visit = told.visit.clone();
        let now = blocking(&told.app, move |desk| {
            // Looking on is no use of the session: it ends as if nobody was there.
            if !session::lasts(desk, &visit)? {
                return Err(DeskError::SignInNeeded);
            }
            let register = desk.register();
            let stations = register.list()?.into_iter().map(|station| {
                let code = shown_code(register, &station)?;
                Ok((station.mac, (station.state, note(&station, code.as_deref(), register.now()))))
            });
            stations.collect::<Result<HashMap<_, _>, DeskError>>()
        });
        let now = now.await.ok()?;
        let before = told.shown.take().unwrap_or_default();
        let changed: Vec<_> = now.iter().filter(|(mac, cells)| before.get(*mac) != Some(*cells)).collect();
        let gone: Vec<_> = before.keys().filter(|mac| !now.contains_key(*mac)).collect();
        let cells: Vec<_> = changed
            .into_iter()
            .map(|(mac, (state, note))| json!({ "mac": mac, "state": state.title(), "name": state.as_str(), "note": note }))
            .chain(gone.into_iter().map(|mac| json!({ "mac": mac, "state": "Removed", "name": "removed", "note": "" })))
            .collect();
        let is_empty = cells.is_empty();
        let event = Event::default().event("stations").data(json!(cells).to_string());
        told.shown = Some(now);
        if !is_empty {
            return Some((Ok(event), told));
        }
    }
}
