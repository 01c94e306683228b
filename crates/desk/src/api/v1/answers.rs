//! What scripts get.
#![allow(clippy::struct_field_names, reason = "the names are those on the wire, as the commands have them")]

mod audit;
mod orders;
mod stations;
mod tokens;

use jiff::Timestamp;
use oathburn_oath::UnixTime;
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use self::audit::{Event, EventPage, Events, Finding, Findings};
pub(super) use self::orders::{Conflict, Conflicts, Lines, Order, OrderLine, OrderProgress, Orders};
pub(super) use self::stations::{Added, IssuedCodes, Offer, Outcome, Skipped, Station, Stations};
pub(super) use self::tokens::{
    Candidate, Drift, Explanation, Explanations, GivenCodes, Search, Token, TokenWithClock, Tokens,
};
use crate::people::Account;
use crate::people::enrolment::EnrolmentCode;

/// RFC 3339, UTC, to the second.
pub(super) fn rfc3339(time: UnixTime) -> String {
    let timestamp = i64::try_from(time.seconds()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| time.to_string(), |timestamp| timestamp.to_string())
}

fn seconds(seconds: u64) -> String {
    rfc3339(UnixTime::new(seconds))
}

/// What every answer is that is no success. It describes what [`crate::problem`] writes.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is described here, and written there")]
pub(super) struct Failed {
    error: Trouble,
}

/// What was refused, or went wrong.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is described here, and written there")]
pub(super) struct Trouble {
    /// Stable; docs/errors.md lists them.
    #[schema(example = "throttled")]
    code: String,
    /// For people, and for logs.
    message: String,
    /// What to do.
    #[schema(required)]
    remedy: Option<String>,
    /// How long to wait, in seconds.
    #[schema(nullable = false)]
    retry_after: Option<u64>,
    /// Every row of a list that is wrong; nothing of the list was taken.
    #[schema(nullable = false)]
    problems: Option<Vec<RowProblem>>,
}

/// What is wrong with a row of a list.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is described here, and written there")]
pub(super) struct RowProblem {
    /// The row, counted from 1; of a file the header is a row, too.
    row: u64,
    /// The column, where one cell is at fault.
    #[schema(required)]
    column: Option<String>,
    /// Stable.
    code: String,
    /// For people.
    message: String,
    /// What to do.
    #[schema(required)]
    remedy: Option<String>,
}

/// Who asks, and what it may do.
#[derive(Serialize, ToSchema)]
pub(super) struct Whoami {
    /// The script's name.
    pub(super) script: String,
    /// What the audit calls it.
    pub(super) operator: String,
    /// What it may do.
    pub(super) scopes: Vec<String>,
    /// From when on its token is refused.
    #[schema(format = DateTime)]
    pub(super) expires_at: String,
    /// Whose desk it is.
    pub(super) organisation: String,
}

/// Somebody did something at some time.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    /// Who.
    by: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
}

impl From<&crate::stations::Done> for Done {
    fn from(done: &crate::stations::Done) -> Self {
        Self { by: done.by.clone(), at: seconds(done.at) }
    }
}

/// Everybody with an account at the desk, by name.
#[derive(Serialize, ToSchema)]
pub(super) struct People {
    pub(super) people: Vec<SomebodyAtDesk>,
}

/// The code with which somebody enrols at `/enrol`.
#[derive(Serialize, ToSchema)]
pub(super) struct Invitation {
    name: String,
    /// It is good once, and shown only here.
    enrolment_code: String,
    /// Until when it is good.
    #[schema(format = DateTime)]
    valid_until: String,
}

impl Invitation {
    pub(super) fn new(name: String, code: &EnrolmentCode) -> Self {
        Self { name, enrolment_code: code.shown.to_string(), valid_until: seconds(code.expires_at.seconds()) }
    }
}

/// Somebody with an account.
#[derive(Serialize, ToSchema)]
pub(super) struct SomebodyAtDesk {
    name: String,
    /// admin, helpdesk, auditor.
    roles: Vec<String>,
    /// invited, active, disabled.
    state: String,
}

impl From<&Account> for SomebodyAtDesk {
    fn from(account: &Account) -> Self {
        Self {
            name: account.name.clone(),
            roles: account.roles.iter().map(|role| role.as_str().into()).collect(),
            state: account.state().into(),
        }
    }
}
