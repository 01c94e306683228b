//! Answers about hardware tokens.

use oathburn_escrow::Entry;
use oathburn_oath::ClockReading;
use oathburn_station::DriftReport;
use serde::Serialize;
use utoipa::ToSchema;

use super::rfc3339;
use crate::helpdesk::Given;

/// Hardware tokens that were found: those in use first, the newest first; 50 at most.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Tokens {
    /// They.
    pub(in crate::api::v1) tokens: Vec<Token>,
    /// Whether there may be more: ask for more of the name.
    pub(in crate::api::v1) more: bool,
}

/// A hardware token, by its entry in the escrow. Its seed is told nowhere.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Token {
    /// The entry: what it is asked for by.
    entry: String,
    /// One wire protocol.
    family: String,
    /// What is printed on it.
    serial: String,
    /// Where in it.
    slot: String,
    /// One product.
    #[schema(required)]
    model: Option<String>,
    /// Its user.
    #[schema(required)]
    upn: Option<String>,
    /// The service.
    #[schema(required)]
    issuer: Option<String>,
    /// reserved, unknown, programmed, imported, superseded, retired.
    state: String,
    /// Whether a service should take its codes.
    live: bool,
    /// The hash.
    algorithm: String,
    /// Of a code.
    digits: u8,
    /// In seconds; nothing where each code lasts until the next one is asked for.
    #[schema(required)]
    time_step: Option<u32>,
    /// The batch, or the order, it belongs to.
    #[schema(required)]
    batch: Option<String>,
    /// When its seed was sealed.
    #[schema(format = DateTime)]
    reserved_at: String,
    /// When it was programmed last.
    #[schema(required, format = DateTime)]
    programmed_at: Option<String>,
    /// When it was last seen to show the right code.
    #[schema(required, format = DateTime)]
    verified_at: Option<String>,
}

impl From<&Entry> for Token {
    fn from(entry: &Entry) -> Self {
        Self {
            entry: entry.id.to_string(),
            family: entry.identity.family.as_str().into(),
            serial: entry.identity.serial.as_str().into(),
            slot: entry.identity.slot.to_string(),
            model: entry.model.clone(),
            upn: entry.upn.clone(),
            issuer: entry.issuer.clone(),
            state: entry.state.as_str().into(),
            live: entry.state.is_live(),
            algorithm: entry.params.algorithm().as_str().into(),
            digits: entry.params.digits().get(),
            time_step: entry.params.step().map(oathburn_oath::TimeStep::seconds),
            batch: entry.batch.map(|batch| batch.to_string()),
            reserved_at: rfc3339(entry.reserved_at),
            programmed_at: entry.programmed_at.map(rfc3339),
            verified_at: entry.verified_at.map(rfc3339),
        }
    }
}

/// A hardware token, and what is known of its clock.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct TokenWithClock {
    /// The token.
    pub(in crate::api::v1) token: Token,
    /// How far its clock is off; nothing where nothing is known.
    #[schema(required)]
    pub(in crate::api::v1) clock: Option<Clock>,
}

/// What is known of a token's clock.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Clock {
    /// So many seconds ahead.
    drift_seconds: i64,
    /// When it was seen.
    #[schema(format = DateTime)]
    at: String,
}

impl From<ClockReading> for Clock {
    fn from(reading: ClockReading) -> Self {
        Self { drift_seconds: reading.drift.seconds(), at: rfc3339(reading.at) }
    }
}

/// Codes that were given.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct GivenCodes {
    entry: String,
    serial: String,
    #[schema(required)]
    upn: Option<String>,
    /// How the entry stands; codes of one that is superseded or retired should be taken by no service.
    state: String,
    codes: Vec<GivenCode>,
}

/// A code, and when it holds.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct GivenCode {
    /// The digits.
    code: String,
    /// Its time step, counted from 1970.
    step: u64,
    /// Steps from the one that was asked for.
    offset: i64,
    /// The first second in which it holds.
    #[schema(format = DateTime)]
    valid_from: String,
    /// The first second in which it does not any more.
    #[schema(format = DateTime)]
    valid_until: String,
}

impl From<&Given> for GivenCodes {
    fn from(given: &Given) -> Self {
        let code = |timed: &oathburn_oath::TimedCode| GivenCode {
            code: timed.code.to_string(),
            step: timed.step,
            offset: timed.offset,
            valid_from: rfc3339(timed.valid_from),
            valid_until: rfc3339(timed.valid_until),
        };
        let entry = &given.entry;
        Self {
            entry: entry.id.to_string(),
            serial: entry.identity.serial.as_str().into(),
            upn: entry.upn.clone(),
            state: entry.state.as_str().into(),
            codes: given.codes.iter().map(code).collect(),
        }
    }
}

/// How far a token's clock is off, as its display tells. Where it is not found, the token may have another seed.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Drift {
    entry: String,
    serial: String,
    /// Whether the codes are the token's, within two hours.
    found: bool,
    /// Steps that it is ahead.
    #[schema(required)]
    drift_steps: Option<i64>,
    /// The same in seconds.
    #[schema(required)]
    drift_seconds: Option<i64>,
    /// Whether services bear it.
    #[schema(required)]
    in_window: Option<bool>,
    /// When it leaves what services bear, or left it.
    #[schema(required, format = DateTime)]
    leaves_window_at: Option<String>,
    /// How many steps would show the codes by chance: ask for a second code where it is not small.
    #[schema(required)]
    false_hits: Option<f64>,
    /// Other steps that show the codes, too.
    others: Vec<i64>,
}

impl Drift {
    pub(in crate::api::v1) fn new(entry: &Entry, report: Option<&DriftReport>) -> Self {
        Self {
            entry: entry.id.to_string(),
            serial: entry.identity.serial.as_str().into(),
            found: report.is_some(),
            drift_steps: report.map(|report| report.steps),
            drift_seconds: report.map(|report| report.reading.drift.seconds()),
            in_window: report.map(|report| report.in_window),
            leaves_window_at: report.and_then(|report| report.leaves_window_at).map(rfc3339),
            false_hits: report.map(|report| report.false_hits),
            others: report.map(|report| report.others.clone()).unwrap_or_default(),
        }
    }
}

/// Why a token shows other codes than its seed makes, likeliest first.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Explanations {
    pub(in crate::api::v1) explanations: Vec<Explanation>,
    /// How many codes were compared.
    pub(in crate::api::v1) searched: u64,
}

/// One way in which the codes fit.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Explanation {
    sentence: String,
    remedy: String,
    algorithm: String,
    digits: u8,
    time_step: u32,
    drift_steps: i64,
    /// How many ways that are as likely would fit by chance.
    false_hits: f64,
}

impl From<&oathburn_formats::Explanation> for Explanation {
    fn from(one: &oathburn_formats::Explanation) -> Self {
        Self {
            sentence: one.sentence(),
            remedy: one.remedy(),
            algorithm: one.params.algorithm.as_str().into(),
            digits: one.params.digits.get(),
            time_step: one.params.step.seconds(),
            drift_steps: one.drift_steps,
            false_hits: one.false_hits,
        }
    }
}

/// Whose token shows the codes.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Search {
    /// Likeliest first; 50 at most.
    pub(in crate::api::v1) candidates: Vec<Candidate>,
    /// How many tokens show them by chance.
    pub(in crate::api::v1) expected_false_hits: f64,
    /// How many tokens were compared.
    pub(in crate::api::v1) searched: u64,
    /// Entries that could not be opened and were not compared.
    pub(in crate::api::v1) unopened: Vec<String>,
}

/// A token that may show the codes.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Candidate {
    pub(in crate::api::v1) token: Token,
    /// Steps that it is ahead, if it is the one.
    pub(in crate::api::v1) drift_steps: i64,
}
