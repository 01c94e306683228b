//! Forms are taken from our own pages only: what changes something carries a token that is made for one visit.
//!
//! The token is a keyed digest of the visit's cookie, so any desk of the escrow can tell it. It is looked for before a
//! handler is reached, so that none can forget it.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq as _;

use crate::session::Visit;
use crate::{App, Desk, DeskError};

/// The name of the field.
pub(crate) const FIELD: &str = "form-token";

/// The token of a visit.
pub(crate) fn token(desk: &Desk, number: &str) -> String {
    HEXLOWER.encode(&desk.records.id_of(FIELD, number))
}

/// Refuses what changes something and does not come from a page that was made for this visit. What machines send to
/// `/api/` is signed or carries a token of its own, and no cookie counts there.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let harmless = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if harmless || request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    // It was read by now, and is as long as it may be.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return DeskError::Malformed.into_response() };
    let own = Visit::of(&app, &parts.headers).is_some_and(|visit| carries(&parts.headers, &bytes, &visit.form_token));
    if !own || !same_origin(&parts.headers) {
        return DeskError::FormForeign.into_response();
    }
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

/// Browsers say where a request comes from; who does not is no browser, or an old one, and has the token.
fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return false;
    }
    match (text("origin"), text(header::HOST.as_str())) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
    }
}

/// Whether a form has the field with this token.
fn carries(headers: &HeaderMap, body: &Bytes, token: &str) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is = |value: &[u8]| bool::from(value.ct_eq(token.as_bytes()));
    if kind.starts_with("application/x-www-form-urlencoded") {
        let mut pairs = body.split(|&byte| byte == b'&');
        return pairs.any(|pair| {
            let value = pair.strip_prefix(FIELD.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            value.is_some_and(is)
        });
    }
    // Parts are read by the handler. Nobody else knows the token, wherever it stands.
    kind.starts_with("multipart/form-data") && {
        let head = format!("name=\"{FIELD}\"\r\n\r\n");
        let mut from = 0;
        std::iter::from_fn(|| {
            let rest = body.get(from..)?;
            let at = rest.windows(head.len()).position(|window| window == head.as_bytes())? + head.len();
            from += at;
            Some(rest.get(at..at + token.len()).unwrap_or_default())
        })
        .any(is)
    }
}
