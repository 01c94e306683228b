//! How an error is shown: as a page to people, as JSON to programs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use oathburn_oath::Remedy as _;
use serde_json::{Map, Value, json};

use crate::api::v1;
use crate::scripts::ApiError;
use crate::stations::RegisterError;
use crate::{DeskError, pages};

/// What is shown of an error. Why the desk itself failed stands in its log, not here.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) remedy: Option<String>,
    /// What programs are told beside: every row of a list that is wrong, how long to wait.
    more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn of(error: &DeskError) -> Self {
        let (status, code) = (error.status(), error.code());
        if status.is_server_error() {
            tracing::error!(code, %error, "a request failed");
            let (message, remedy) = if status == StatusCode::SERVICE_UNAVAILABLE {
                let remedy = "wait a moment, look whether it was done, and try again";
                ("the desk cannot reach its store now", remedy.to_owned())
            } else {
                let remedy = format!("ask those who run the desk to look for {code} in its log");
                ("the desk cannot do this now", remedy)
            };
            return Self { status, code, message: message.into(), remedy: Some(remedy), more: Map::new() };
        }
        Self { status, code, message: error.to_string(), remedy: error.remedy(), more: more(error) }
    }

    fn to_json(&self) -> String {
        let mut error = self.more.clone();
        error.insert("code".into(), self.code.into());
        error.insert("message".into(), self.message.as_str().into());
        error.insert("remedy".into(), self.remedy.as_deref().into());
        json!({ "error": error }).to_string()
    }

    /// The same for a script, which has no buttons.
    fn for_scripts(mut self) -> Self {
        if ["page-unknown", "method", "request-malformed"].contains(&self.code) {
            self.remedy = Some(format!("look at {} for what there is", v1::DOCUMENT));
        }
        self
    }
}

/// After how many seconds it is worth while to ask again.
const fn retry_after(error: &DeskError) -> Option<u64> {
    match error {
        DeskError::Throttled { seconds } => Some(*seconds),
        DeskError::Script(ApiError::TooFast { .. }) => Some(1),
        _ => None,
    }
}

fn more(error: &DeskError) -> Map<String, Value> {
    let mut more = Map::new();
    match error {
        DeskError::Throttled { .. } | DeskError::Script(ApiError::TooFast { .. }) => {
            more.insert("retry_after".into(), retry_after(error).into());
        }
        DeskError::Register(RegisterError::Rows { problems }) => {
            let row = |problem: &crate::stations::StationsProblem| {
                let fault = &problem.fault;
                let (code, remedy) = (fault.code(), fault.remedy());
                let message = fault.to_string();
                json!({ "row": problem.row, "column": problem.column, "code": code, "message": message, "remedy": remedy })
            };
            more.insert("problems".into(), problems.iter().map(row).collect());
        }
        DeskError::Script(ApiError::OrderRefused { problems }) => {
            let row = |problem: &crate::work::RowFault| {
                let (code, message, remedy) = (problem.code, &problem.message, &problem.remedy);
                json!({ "row": problem.row, "column": problem.column, "code": code, "message": message, "remedy": remedy })
            };
            more.insert("problems".into(), problems.iter().map(row).collect());
        }
        _ => {}
    }
    more
}

/// The bare fact; `show` makes a page or JSON of it.
impl IntoResponse for DeskError {
    fn into_response(self) -> Response {
        let problem = Problem::of(&self);
        let mut response = problem.status.into_response();
        if let Some(seconds) = retry_after(&self) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = challenge(&self) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.extensions_mut().insert(Arc::new(problem));
        response
    }
}

/// How a script is to say who it is (RFC 6750, section 3).
fn challenge(error: &DeskError) -> Option<&'static str> {
    match error {
        DeskError::Script(ApiError::TokenMissing) => Some("Bearer realm=\"oathburn\""),
        DeskError::Script(ApiError::ScopeNeeded { .. }) => {
            Some("Bearer realm=\"oathburn\", error=\"insufficient_scope\"")
        }
        DeskError::Script(error) if error.status() == StatusCode::UNAUTHORIZED => {
            Some("Bearer realm=\"oathburn\", error=\"invalid_token\"")
        }
        _ => None,
    }
}

/// No route has this path.
pub(crate) async fn unknown() -> DeskError {
    DeskError::PageUnknown
}

/// No route has this path with this method.
pub(crate) async fn method() -> DeskError {
    DeskError::Method
}

/// Gives every error its form, also those that the framework has found.
pub(crate) async fn show(request: Request, next: Next) -> Response {
    let wants_json = wants_json(request.uri().path(), request.headers());
    let is_script = request.uri().path().starts_with(v1::BASE);
    let place = request.uri().path_and_query().map(ToString::to_string).filter(|_| request.method() == Method::GET);
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = match response.extensions().get::<Arc<Problem>>() {
        Some(problem) => Arc::clone(problem),
        // A body of its own is an answer, not a failure of the framework: those are plain text.
        None if !is_plain(response.headers()) => return response,
        None => Arc::new(Problem::of(&match status {
            StatusCode::NOT_FOUND => DeskError::PageUnknown,
            StatusCode::METHOD_NOT_ALLOWED => DeskError::Method,
            StatusCode::PAYLOAD_TOO_LARGE => DeskError::TooLarge,
            _ if status.is_client_error() => DeskError::Malformed,
            _ => DeskError::Broken,
        })),
    };
    if problem.status == StatusCode::UNAUTHORIZED && !wants_json {
        return pages::to_sign_in(place.as_deref());
    }
    let problem = if is_script { Problem::clone(&problem).for_scripts().into() } else { problem };
    if wants_json { as_json(&problem, &response) } else { as_page(&problem, &response) }
}

fn wants_json(path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    path.starts_with("/api/") || (accepts.contains("application/json") && !accepts.contains("text/html"))
}

fn is_plain(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_none_or(|kind| kind.starts_with("text/plain"))
}

fn as_json(problem: &Problem, response: &Response) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    with_headers_of(response, (problem.status, json, problem.to_json()).into_response())
}

fn as_page(problem: &Problem, response: &Response) -> Response {
    let page = pages::problem(problem);
    with_headers_of(response, (problem.status, page).into_response())
}

/// What handlers have set beside the body stays: cookies, `Allow`, `Retry-After`.
fn with_headers_of(old: &Response<Body>, mut new: Response<Body>) -> Response<Body> {
    for (name, value) in old.headers() {
        if ![header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name) {
            new.headers_mut().append(name.clone(), value.clone());
        }
    }
    new
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use oathburn_escrow::EscrowError;
    use oathburn_station::StationError;
    use serde_json::Value;

    use super::*;
    use crate::blocking::blocking;
    use crate::protocol::Refusal;
    use crate::stations::RegisterError;
    use crate::testing::Home;
    use crate::{App, Role};

    fn shown(error: &DeskError) -> Value {
        let problem = Problem::of(error);
        let json: Value = serde_json::from_str(&problem.to_json()).unwrap();
        json["error"].clone()
    }

    #[test]
    fn what_was_asked_wrongly_is_said() {
        for (error, status, code) in [
            (DeskError::Malformed, 400, "request-malformed"),
            (DeskError::SignInNeeded, 401, "sign-in-needed"),
            (DeskError::RoleNeeded { role: Role::Helpdesk }, 403, "role-needed"),
            (EscrowError::EntryUnknown { text: "x".into() }.into(), 404, "entry-unknown"),
            (EscrowError::RecordChanged { kind: "x".into() }.into(), 409, "record-changed"),
            (DeskError::Station(StationError::OfficerNeeded), 409, StationError::OfficerNeeded.code()),
            (RegisterError::NothingSelected.into(), 400, "stations-none-selected"),
            (RegisterError::LoginCodeUnknown.into(), 404, "login-code-unknown"),
            (RegisterError::from(Refusal::Revoked).into(), 403, "station-revoked"),
        ] {
            let json = shown(&error);
            assert_eq!((error.status().as_u16(), json["code"].as_str()), (status, Some(code)));
            assert_eq!(json["message"].as_str(), Some(error.to_string().as_str()));
        }
    }

    #[test]
    fn what_is_wrong_with_the_desk_stands_in_its_log_alone() {
        let store = || "/srv/secret-place.db".to_owned();
        for (error, status) in [
            (EscrowError::StoreMissing { store: store() }, 500),
            (EscrowError::StoreBusy { store: store() }, 503),
            (EscrowError::StoreUnavailable { store: store(), detail: "no route to secret-place".into() }, 503),
            (EscrowError::StoreUncertain { store: store() }, 503),
            (EscrowError::StoreFull { store: store() }, 507),
        ] {
            let error = DeskError::Escrow(error);
            let json = shown(&error);
            assert_eq!((error.status().as_u16(), json["code"].as_str()), (status, Some(error.code())));
            assert!(!json.to_string().contains("secret-place"), "{json}");
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_breaks_one_request() {
        let home = Home::new();
        let app = App::new(home.desk().into(), false);
        let broken = blocking(&app, |_| -> Result<(), DeskError> { panic!("on purpose") }).await.unwrap_err();
        assert_eq!((broken.status().as_u16(), broken.code()), (500, "desk-broken"));
        blocking(&app, |_| Ok(())).await.unwrap();
    }
}
