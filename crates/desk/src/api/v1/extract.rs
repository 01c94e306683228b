//! What handlers take: who asks, and what for. Both are looked at in this order, so that strangers learn nothing of the rest.

use std::marker::PhantomData;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use zeroize::Zeroizing;

use crate::blocking::blocking;
use crate::scripts::{ApiError, PREFIX, Scoped, Script};
use crate::serve::Peer;
use crate::{App, DeskError};

/// The longest token that is looked up.
const MAX_TOKEN: usize = 128;

/// A script whose token is good, whatever it may do.
pub(crate) struct Caller(pub(crate) Script);

impl FromRequestParts<App> for Caller {
    type Rejection = DeskError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, DeskError> {
        if parts.uri.query().is_some_and(names_token) {
            return Err(ApiError::TokenInUrl.into());
        }
        let token = bearer(&parts.headers)?;
        let Peer(address) = Peer::from_request_parts(parts, app).await?;
        Ok(Self(blocking(app, move |desk| desk.script(&token, address)).await?))
    }
}

/// A script that has a scope. A handler that takes one is reached by no other.
pub(crate) struct By<S> {
    /// Whose deed it is, for the audit and for limits.
    pub(crate) name: String,
    scope: PhantomData<S>,
}

impl<S: Scoped> FromRequestParts<App> for By<S> {
    type Rejection = DeskError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, DeskError> {
        let Caller(script) = Caller::from_request_parts(parts, app).await?;
        script.require(S::SCOPE)?;
        Ok(Self { name: script.operator(), scope: PhantomData })
    }
}

/// Whether an address holds a token: RFC 6750, section 2.3, has a name for it, and ours are known by how they begin.
fn names_token(query: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some("access_token")) || query.contains(PREFIX)
}

/// RFC 6750, section 2.1. Of two headers nobody knows which is meant.
fn bearer(headers: &HeaderMap) -> Result<Zeroizing<String>, ApiError> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(ApiError::TokenMissing) };
    let (scheme, token) = line.to_str().ok().and_then(|line| line.split_once(' ')).ok_or(ApiError::TokenMissing)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(ApiError::TokenMissing);
    }
    if token.len() > MAX_TOKEN || !token.bytes().all(plain) {
        return Err(ApiError::TokenWrong);
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// What is asked for behind the question mark.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = DeskError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, DeskError> {
        let refused = |_| ApiError::RequestRefused {
            problem: "a parameter is not known, twice there, or not of its type".into(),
        };
        let Query(params) = Query::try_from_uri(&parts.uri).map_err(refused)?;
        Ok(Self(params))
    }
}

/// A body of JSON, as it is described.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = DeskError;

    async fn from_request(request: Request, _: &App) -> Result<Self, DeskError> {
        let bytes = whole(request, "application/json").await?;
        Ok(Self(read(&bytes)?))
    }
}

/// A body of this kind. It was read by now, and is as long as it may be.
pub(crate) async fn whole(request: Request, expected: &'static str) -> Result<Bytes, DeskError> {
    let mut kinds = request.headers().get_all(header::CONTENT_TYPE).iter();
    let kind = kinds.next().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(expected) || kinds.next().is_some() {
        return Err(ApiError::MediaType { expected }.into());
    }
    to_bytes(request.into_body(), usize::MAX).await.map_err(|_| DeskError::Malformed)
}

/// JSON, as it is described. What cannot be read is named by its place and its field, never by what it holds: that may be a code.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        let field = |word: &str| text.strip_prefix(word).and_then(|rest| rest.split('`').nth(1)).map(str::to_owned);
        let what = match (field("missing field"), field("duplicate field"), field("unknown field"), error.classify()) {
            (Some(field), ..) => format!("the field `{field}` is missing"),
            (_, Some(field), ..) => format!("the field `{field}` stands there twice"),
            (_, _, Some(field), _) => {
                format!("the field {:?} is not known", field.chars().take(40).collect::<String>())
            }
            (.., Category::Data) => "a value is not of its type".to_owned(),
            (.., Category::Eof) => "the JSON ends too early".to_owned(),
            _ => "it is no JSON, or is nested too deeply".to_owned(),
        };
        ApiError::RequestRefused { problem: format!("{what}, at line {}, column {}", error.line(), error.column()) }
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use oathburn_oath::Remedy as _;

    use super::super::bodies::{NewStations, Reading};
    use super::*;

    #[test]
    fn one_token_stands_in_one_header() {
        let code = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            bearer(&headers).map(|token| token.to_string()).map_err(|error| error.code())
        };
        assert_eq!(code(&["Bearer abc-_1"]), Ok("abc-_1".into()));
        assert_eq!(code(&["bEARER abc"]), Ok("abc".into()));
        let missing = Err("script-token-missing");
        for lines in
            [&[][..], &["Bearer a", "Bearer a"], &["Bearer"], &["Bearer "], &["Basic YTpi"], &["abc"], &["ä b"]]
        {
            assert_eq!(code(lines), missing, "{lines:?}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        for line in ["Bearer  a", "Bearer a b", "Bearer a,b", "Bearer a\tb", "Bearer \"a\"", &long] {
            assert_eq!(code(&[line]), Err("script-token-wrong"), "{line}");
        }
        assert!(names_token("a=b&access_token=x") && names_token("q=oathburn_abc") && !names_token("token=1"));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_repeated() {
        let problem = |error: Result<(), ApiError>| match error {
            Err(ApiError::RequestRefused { problem }) => problem,
            other => panic!("{other:?}"),
        };
        for (body, expected) in [
            (r#"{"code":"755224","extra":1}"#, "the field \"extra\" is not known, at line 1, column 24"),
            (r#"{"next":"755224"}"#, "the field `code` is missing, at line 1, column 17"),
            (r#"{"code":"1","code":"755224"}"#, "the field `code` stands there twice, at line 1, column 18"),
            (r#"{"code":755224}"#, "a value is not of its type, at line 1, column 14"),
            (r#"{"code":"755224""#, "the JSON ends too early, at line 1, column 16"),
            ("755224", "a value is not of its type, at line 1, column 6"),
            ("", "the JSON ends too early, at line 1, column 0"),
            ("code=755224", "it is no JSON, or is nested too deeply, at line 1, column 1"),
        ] {
            assert_eq!(problem(read::<Reading>(body.as_bytes()).map(drop)), expected, "{body}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let nested = problem(read::<NewStations>(format!("{{\"stations\":{deep}}}").as_bytes()).map(drop));
        assert!(nested.starts_with("a value is not of its type") || nested.contains("nested"), "{nested}");
        assert!(problem(read::<serde_json::Value>(deep.as_bytes()).map(drop)).contains("nested too deeply"));
    }
}
