//! What one who asks may cost, and what every answer says beside its body.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::{App, DeskError};

/// What one who asks may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body of a request, in bytes.
    pub body: usize,
    /// The bytes of bodies that may be in memory at the same time; not less than `body`.
    pub bodies: usize,
    /// In what time the head of a request must arrive, also the next one on a connection.
    pub head_time: Duration,
    /// In what time the body of a request must arrive.
    pub body_time: Duration,
    /// For how long an answer may lie there without anything of it being taken.
    pub write_time: Duration,
    /// In what time TLS must be agreed on.
    pub handshake_time: Duration,
    /// Connections at the same time.
    pub connections: usize,
    /// Connections at the same time from one address, unless it is a proxy.
    pub connections_each: usize,
    /// For how long what was begun may go on after the end was asked for.
    pub end_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A list of 10,000 users or stations has its place in 1 MiB, with the form around it.
            body: 1024 * 1024 + 64 * 1024,
            bodies: 128 * 1024 * 1024,
            head_time: Duration::from_secs(15),
            body_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            handshake_time: Duration::from_secs(10),
            connections: 2048,
            connections_each: 256,
            end_time: Duration::from_secs(10),
        }
    }
}

/// Reads the body of every request, whole and within its limits, before anybody looks at it.
pub(crate) async fn body(State(app): State<App>, request: Request, next: Next) -> Response {
    match whole(&app, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => {
            let mut response = error.into_response();
            // The rest of the body may still be on its way: nothing else is read from this connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

async fn whole(app: &App, request: Request) -> Result<Request, DeskError> {
    let limits = &app.desk.settings().limits;
    let (mut parts, body) = request.into_parts();
    // Somebody in between may read such a request otherwise (RFC 9112, section 6.3).
    if parts.headers.contains_key(header::CONTENT_LENGTH) && parts.headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(DeskError::Malformed);
    }
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced = match length.map(str::parse::<usize>) {
        None if !parts.headers.contains_key(header::TRANSFER_ENCODING) => {
            return Ok(Request::from_parts(parts, Body::empty()));
        }
        // Who does not say how much it will be gets room for the most.
        None => limits.body,
        Some(length) => length.map_err(|_| DeskError::Malformed)?,
    };
    if announced > limits.body {
        return Err(DeskError::TooLarge);
    }
    let room = u32::try_from(announced).unwrap_or(u32::MAX);
    let reading = async {
        let room = Arc::clone(&app.bodies).acquire_many_owned(room).await.map_err(|_| DeskError::Broken)?;
        let bytes = to_bytes(body, limits.body).await.map_err(|_| DeskError::TooLarge)?;
        Ok::<_, DeskError>((bytes, room))
    };
    let (bytes, room) = tokio::time::timeout(limits.body_time, reading).await.map_err(|_| DeskError::TooSlow)??;
    // The room is given back when the request has been answered.
    parts.extensions.insert(Arc::new(room));
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

const HEADERS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // Without any, browsers would not say either where a form comes from.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("x-robots-tag", "noindex"),
];

/// Gives every answer the headers that keep it where it belongs. Nothing is kept by a browser unless a handler says so.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
