//! What a script, or whoever makes one, is refused.

use axum::http::StatusCode;
use oathburn_oath::Remedy;

use super::{DAYS, Scope};
use crate::work::RowFault;

oathburn_oath::variants! {
    ApiError: TokenMissing TokenWrong TokenExpired TokenRevoked TokenInUrl ScopeNeeded NameRefused NameTaken NameUnknown ScopesMissing ScopeUnknown Life RequestRefused MediaType AdminKept TicketMissing OrderRefused KeyReused UnderWay TooFast
}

/// What a script is refused at the desk's API, and what makes no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No token, or two, or something else in its place.
    #[error("there is no script's token in the request")]
    TokenMissing,
    /// Nobody has it.
    #[error("no script has this token")]
    TokenWrong,
    /// Its time is over.
    #[error("the script's token has expired")]
    TokenExpired,
    /// An admin has taken its worth.
    #[error("the script's token was revoked")]
    TokenRevoked,
    /// Addresses are logged by whatever passes them on.
    #[error("a script's token stands in the address of the request")]
    TokenInUrl,
    /// Not for this script.
    #[error("the script does not have the scope {scope}")]
    ScopeNeeded {
        /// Which it needs.
        scope: Scope,
    },
    /// No name.
    #[error("this is no name of a script")]
    NameRefused,
    /// One that is at work.
    #[error("there is a script of this name, and its token is good")]
    NameTaken,
    /// No script, or one that was revoked before.
    #[error("there is no script of this name whose token could be revoked")]
    NameUnknown,
    /// A script that may nothing.
    #[error("no scope was chosen")]
    ScopesMissing,
    /// No scope.
    #[error("{text:?} is no scope")]
    ScopeUnknown {
        /// As it was given.
        text: String,
    },
    /// Too short, or too long.
    #[error("a script's token is good for {} days at least and {} at most", DAYS.start(), DAYS.end())]
    Life,
    /// Not as the document describes it. What it holds is not repeated.
    #[error("the request is not as the API has it: {problem}")]
    RequestRefused {
        /// What is wrong.
        problem: String,
    },
    /// Another kind of body.
    #[error("the body's Content-Type is not {expected}")]
    MediaType {
        /// What is read there.
        expected: &'static str,
    },
    /// What makes admins makes everything.
    #[error("a script neither makes, changes nor resets an admin")]
    AdminKept,
    /// Nobody could look up why.
    #[error("there is no ticket number")]
    TicketMissing,
    /// Rows of an order's list; none was given.
    #[error("{} of the list {}; no order was given", cells(problems.len()), if problems.len() == 1 { "is wrong" } else { "are wrong" })]
    OrderRefused {
        /// Each with its row and column.
        problems: Vec<RowFault>,
    },
    /// One key for two things.
    #[error("the Idempotency-Key was sent before, with another body")]
    KeyReused,
    /// Sent twice at a time, or the desk ended on the way.
    #[error("the request with this Idempotency-Key is under way")]
    UnderWay,
    /// More requests within a second than one script may ask.
    #[error("the script asks more than {most} times a second")]
    TooFast {
        /// How many it may.
        most: u32,
    },
}

fn cells(problems: usize) -> String {
    if problems == 1 { "1 cell or row".into() } else { format!("{problems} cells or rows") }
}

impl ApiError {
    /// What answers say beside the text (RFC 9110, section 15; RFC 6750, section 3.1).
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::TokenMissing | Self::TokenWrong | Self::TokenExpired | Self::TokenRevoked => StatusCode::UNAUTHORIZED,
            Self::ScopeNeeded { .. } | Self::AdminKept => StatusCode::FORBIDDEN,
            Self::NameTaken | Self::UnderWay => StatusCode::CONFLICT,
            Self::OrderRefused { .. } | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NameUnknown => StatusCode::NOT_FOUND,
            Self::MediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooFast { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TokenInUrl
            | Self::NameRefused
            | Self::ScopesMissing
            | Self::ScopeUnknown { .. }
            | Self::Life
            | Self::RequestRefused { .. }
            | Self::TicketMissing => StatusCode::BAD_REQUEST,
        }
    }

    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        vec![
            Self::TokenMissing,
            Self::TokenWrong,
            Self::TokenExpired,
            Self::TokenRevoked,
            Self::TokenInUrl,
            Self::ScopeNeeded { scope: Scope::CodesGive },
            Self::NameRefused,
            Self::NameTaken,
            Self::NameUnknown,
            Self::ScopesMissing,
            Self::ScopeUnknown { text: "admin".into() },
            Self::Life,
            Self::RequestRefused { problem: "the field `reason` is missing, at line 1, column 17".into() },
            Self::MediaType { expected: "application/json" },
            Self::AdminKept,
            Self::TicketMissing,
            Self::OrderRefused {
                problems: vec![RowFault {
                    row: 3,
                    column: Some("upn".into()),
                    code: "users-upn-missing",
                    message: "there is no user".into(),
                    remedy: None,
                }],
            },
            Self::KeyReused,
            Self::UnderWay,
            Self::TooFast { most: 100 },
        ]
    }
}

impl Remedy for ApiError {
    fn code(&self) -> &'static str {
        match self {
            Self::TokenMissing => "script-token-missing",
            Self::TokenWrong => "script-token-wrong",
            Self::TokenExpired => "script-token-expired",
            Self::TokenRevoked => "script-token-revoked",
            Self::TokenInUrl => "script-token-in-url",
            Self::ScopeNeeded { .. } => "script-scope",
            Self::NameRefused => "script-name",
            Self::NameTaken => "script-taken",
            Self::NameUnknown => "script-unknown",
            Self::ScopesMissing => "script-scopes",
            Self::ScopeUnknown { .. } => "script-scope-unknown",
            Self::Life => "script-life",
            Self::RequestRefused { .. } => "api-request",
            Self::MediaType { .. } => "api-media-type",
            Self::AdminKept => "admin-kept",
            Self::TicketMissing => "ticket-missing",
            Self::OrderRefused { .. } => "order-not-given",
            Self::KeyReused => "idempotency-key-reused",
            Self::UnderWay => "request-under-way",
            Self::TooFast { .. } => "script-too-fast",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::TokenMissing => "send one header `Authorization: Bearer …` with the token that the script was given",
            Self::TokenWrong => "send the token as it was shown, or ask an admin of the desk for a new one",
            Self::TokenExpired | Self::TokenRevoked => "ask an admin of the desk for a new one",
            Self::TokenInUrl => {
                "send it in the header `Authorization: Bearer …`, and have the one in the address revoked: addresses are logged"
            }
            Self::ScopeNeeded { .. } => "ask an admin of the desk for a token that has this scope",
            Self::NameRefused => {
                "take a to z, digits, dot, dash and underscore, up to 40 of them, such as nightly-import"
            }
            Self::NameTaken => "take another name, or revoke that one first",
            Self::NameUnknown => "look at `oathburn desk token list`",
            Self::ScopesMissing => "choose at least one scope",
            Self::ScopeUnknown { .. } => {
                let names: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
                return Some(format!("the scopes are {}", names.join(", ")));
            }
            Self::Life => "choose another number of days",
            Self::RequestRefused { .. } => "compare it with /api/v1/openapi.json",
            Self::MediaType { .. } => "send it with that Content-Type",
            Self::AdminKept => "do it on the page *People*, as an admin",
            Self::TicketMissing => "say under which ticket number the user asked",
            Self::OrderRefused { .. } => "mend the rows that are named, and send the whole list again",
            Self::KeyReused => "take a new key for each request, and the same one only to repeat it",
            Self::UnderWay => "ask again in a few minutes, with the same key",
            Self::TooFast { .. } => "wait for a second; ask for many things in one request, such as a whole list",
        };
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_refused_is_at_fault() {
        for error in ApiError::samples() {
            assert!(error.status().is_client_error() && error.remedy().is_some(), "{error}");
        }
    }
}
