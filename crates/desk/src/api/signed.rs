//! Requests that a station has signed.

use axum::Json;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use crate::blocking::blocking;
use crate::protocol::{self, Credentials, Introduction, Refusal};
use crate::stations::{RegisterError, Station};
use crate::{App, DeskError};

/// Why a station gets no answer: in the words of the protocol, where there are some.
#[derive(Debug)]
pub(crate) struct Refused(DeskError);

impl<E: Into<DeskError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<Refusal> for DeskError {
    fn from(refusal: Refusal) -> Self {
        RegisterError::Refused(refusal).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let DeskError::Register(RegisterError::Refused(refusal)) = self.0 else { return self.0.into_response() };
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, Json(refusal.to_json())).into_response();
        if let Some(seconds) = refusal.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What was signed: the method, the path with its query, and the body.
pub(crate) struct Signed {
    method: String,
    target: String,
    pub(crate) body: Bytes,
    pub(crate) credentials: Credentials,
}

impl Signed {
    fn request(&self) -> (&str, &str, &[u8]) {
        (&self.method, &self.target, &self.body)
    }
}

/// A request with credentials, which nobody has judged yet.
impl FromRequest<App> for Signed {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &App) -> Result<Self, Refused> {
        let credentials = credentials(request.headers()).ok_or(Refusal::NotKnown)?;
        let method = request.method().as_str().to_owned();
        let target = request.uri().path_and_query().map_or_else(|| "/".into(), ToString::to_string);
        // It was read by now, and is as long as it may be.
        let body = to_bytes(request.into_body(), usize::MAX).await.map_err(|_| DeskError::Malformed)?;
        Ok(Self { method, target, body, credentials })
    }
}

fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let line = lines.next()?.to_str().ok()?;
    // Of two, nobody knows which is meant.
    lines.next().is_none().then(|| Credentials::parse(line))?
}

/// A request of an activated station, signed with its keys and not seen before. A handler that takes one is reached by no other.
pub(crate) struct SignedStation {
    /// Who asks, as the register has it.
    pub(crate) station: Station,
    /// What it sent.
    pub(crate) body: Bytes,
}

impl FromRequest<App> for SignedStation {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refused> {
        let signed = Signed::from_request(request, app).await?;
        let body = signed.body.clone();
        let (station, _) =
            blocking(app, move |desk| Ok(desk.register().authenticate(&signed.credentials, signed.request())?)).await?;
        Ok(Self { station, body })
    }
}

/// A request of a station that introduces itself: it has the keys that it names. Whether it is the machine that it says it is, an
/// admin or a verification code must say.
pub(crate) struct Introduced<T>(pub(crate) T);

/// A request that holds an introduction.
pub(crate) trait Introduces: DeserializeOwned + Send + 'static {
    /// Who asks.
    fn station(&self) -> &Introduction;
}

impl<T: Introduces> FromRequest<App> for Introduced<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refused> {
        let signed = Signed::from_request(request, app).await?;
        let read: T = protocol::read(&signed.body)?;
        let checked = blocking(app, move |desk| {
            desk.register().check_introduction(read.station(), &signed.credentials, signed.request())?;
            Ok(read)
        });
        Ok(Self(checked.await?))
    }
}
