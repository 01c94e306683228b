//! What is counted, in the text format of Prometheus. Names, codes and seeds are not in it, but it says how much is done here, so
//! it is for this machine and for those who were named.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use oathburn_escrow::Stats;

use crate::blocking::blocking;
use crate::serve::Peer;
use crate::{App, DeskError};

/// Counters of this process; they begin anew with it.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Answers by the first digit of their status.
    answers: [AtomicU64; 6],
    /// Requests that are not answered yet.
    open: AtomicU64,
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/metrics", get(show))
}

/// Counts every answer.
pub(crate) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let open = Open::begin(&app.metrics);
    let response = next.run(request).await;
    let class = usize::from(response.status().as_u16() / 100).min(5);
    open.0.answers[class].fetch_add(1, Ordering::Relaxed);
    response
}

/// A request that is not answered yet, or never will be.
struct Open(Arc<Metrics>);

impl Open {
    fn begin(metrics: &Arc<Metrics>) -> Self {
        metrics.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn show(State(app): State<App>, peer: Peer) -> Result<Response, DeskError> {
    let named = app.desk.settings().metrics_for.contains(&peer.0);
    if !named && !peer.0.is_loopback() {
        return Err(DeskError::PageUnknown);
    }
    let stats = blocking(&app, |desk| Ok(desk.escrow.stats()?)).await?;
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((headers, text(&app.metrics, &stats)).into_response())
}

/// The text exposition format, version 0.0.4.
fn text(metrics: &Metrics, stats: &Stats) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, rows: &[(String, u64)]| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let answers: Vec<_> = (1..)
        .zip(&metrics.answers[1..])
        .map(|(class, count)| (format!("{{status=\"{class}xx\"}}"), count.load(Ordering::Relaxed)))
        .collect();
    family("oathburn_desk_answers_total", "counter", "Requests that were answered, by status.", &answers);
    let open = metrics.open.load(Ordering::Relaxed);
    family("oathburn_desk_open_requests", "gauge", "Requests that are not answered yet.", &[(String::new(), open)]);
    let by_state: Vec<_> =
        stats.states.iter().map(|(state, count)| (format!("{{state=\"{state}\"}}"), *count)).collect();
    family("oathburn_tokens", "gauge", "Entries of tokens in the escrow, by state.", &by_state);
    family("oathburn_events", "gauge", "Events in the audit trail.", &[(String::new(), stats.events)]);
    text
}
