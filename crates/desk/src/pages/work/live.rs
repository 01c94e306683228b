//! How orders stand as it changes, for pages that are open: as with stations, events and one small script.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use serde_json::json;
use tokio::time::Instant;

use super::order::{Shown, Wish, id_of};
use super::summary;
use crate::blocking::blocking;
use crate::changes::Waiting;
use crate::people::{Person, Role};
use crate::session;
use crate::{App, Desk, DeskError};

const SCRIPT: &str = include_str!("work.js");
/// How long one stream lasts. The browser asks again, and is then known anew.
const LIFE: Duration = Duration::from_secs(session::IDLE);
/// How often it is looked how orders stand, while somebody looks on.
const PERIOD: Duration = Duration::from_secs(1);

/// What changes on a page: texts, by the key of their row and the name of their cell.
pub(super) type Cells = BTreeMap<String, BTreeMap<&'static str, String>>;

type Look = Arc<dyn Fn(&Desk) -> Result<Cells, DeskError> + Send + Sync>;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/work.js", get(script))
        .route("/work/events", get(of_all))
        .route("/work/{id}/events", get(of_one))
}

async fn script() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, SCRIPT).into_response()
}

async fn of_all(State(app): State<App>, person: Person) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let look = |desk: &Desk| {
        let orders = desk.orders()?;
        Ok(orders.iter().map(|order| (order.batch.id.to_string(), summary(order))).collect())
    };
    Ok(follow(app, person, Arc::new(look)))
}

async fn of_one(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, DeskError> {
    person.require(Role::Admin)?;
    let id = id_of(&id)?;
    // Whether there is such an order, before a stream is begun.
    blocking(&app, move |desk| desk.order(id)).await?;
    let look = move |desk: &Desk| Ok(Shown::of(desk, id, wish.after)?.cells(wish.seen.as_deref()));
    Ok(follow(app, person, Arc::new(look)))
}

/// What was told so far, and to whom.
struct Told {
    app: App,
    visit: session::Visit,
    waiting: Waiting,
    end: Instant,
    look: Look,
    /// What the page shows; nothing before the first event.
    shown: Option<Cells>,
}

fn follow(app: App, person: Person, look: Look) -> Response {
    let waiting = app.changes.subscribe(&app.desk);
    let told = Told { waiting, visit: person.visit, end: Instant::now() + LIFE, look, shown: None, app };
    Sse::new(stream::unfold(told, next)).keep_alive(KeepAlive::default()).into_response()
}

/// The next event: at first all rows, then those that changed, and those that are gone. The stream ends with its time, with the session, and with the desk.
async fn next(mut told: Told) -> Option<(Result<Event, Infallible>, Told)> {
    loop {
        if told.shown.is_some() {
            let now = Instant::now();
            if now >= told.end || !told.waiting.pause(now + PERIOD).await {
                return None;
            }
        }
        let (visit, look) = (told.visit.clone(), Arc::clone(&told.look));
        let now = blocking(&told.app, move |desk| {
            // Looking on is no use of the session: it ends as if nobody was there.
            if session::lasts(desk, &visit)? { look(desk) } else { Err(DeskError::SignInNeeded) }
        });
        let now = now.await.ok()?;
        let name = if told.shown.is_some() { "cells" } else { "all" };
        let before = told.shown.take().unwrap_or_default();
        let changed = now.iter().filter(|(key, cells)| before.get(*key) != Some(*cells));
        let changed = changed.map(|(key, cells)| json!({ "key": key, "cells": cells }));
        let gone = before.keys().filter(|key| !now.contains_key(*key)).map(|key| json!({ "key": key, "cells": null }));
        let rows: Vec<_> = changed.chain(gone).collect();
        let is_empty = rows.is_empty();
        let event = Event::default().event(name).data(json!(rows).to_string());
        told.shown = Some(now);
        if !is_empty {
            return Some((Ok(event), told));
        }
    }
}
