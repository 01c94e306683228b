//! What scripts get.
#![allow(clippy::struct_field_names, reason = "the names are those on the wire, as the commands have them")]

use jiff::Timestamp;
use oathburn_escrow::Entry;
use oathburn_oath::{ClockReading, Remedy as _, UnixTime};
use oathburn_station::DriftReport;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::helpdesk::Given;
use crate::people::Account;
use crate::stations::{self, IssuedCodes as Made, Listed, LoginOffer, RegisterError};

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

impl From<&stations::Done> for Done {
    fn from(done: &stations::Done) -> Self {
        Self { by: done.by.clone(), at: seconds(done.at) }
    }
}

/// Stations, by MAC ID.
#[derive(Serialize, ToSchema)]
pub(super) struct Stations {
    /// A page of them.
    pub(super) stations: Vec<Station>,
    /// How many match, on all pages.
    pub(super) matching: usize,
    /// What to say as `after` for the next page; nothing at the end.
    #[schema(required)]
    pub(super) next: Option<String>,
}

/// A station.
#[derive(Serialize, ToSchema)]
pub(super) struct Station {
    /// Which machine.
    mac: String,
    /// Where it is.
    location: String,
    /// Where it stands on its way to work: waiting-on-activation, waiting-for-sign-in, signed-in, signed-out, revoked.
    state: String,
    /// The account that it acts for, while it is signed in.
    #[schema(required)]
    account: Option<String>,
    /// Counts activations and revocations.
    generation: u64,
    /// Its public signing key, from its activation on.
    #[schema(required)]
    key: Option<String>,
    /// Until when its verification code can be used, where it has one that can.
    #[schema(required, format = DateTime)]
    code_until: Option<String>,
    /// Whether the desk wants it to show a login code.
    login_code_wanted: bool,
    /// The login code that the desk has fetched.
    #[schema(required)]
    login_code: Option<String>,
    /// Who has registered it.
    added: Done,
    /// Who brought it into its state.
    changed: Done,
    /// When it was activated last.
    #[schema(required, format = DateTime)]
    activated_at: Option<String>,
    /// When it was heard of, since its activation.
    #[schema(required, format = DateTime)]
    seen_at: Option<String>,
}

impl Station {
    pub(super) fn new(listed: &Listed, login_code: Option<String>, now: UnixTime) -> Self {
        let station = &listed.station;
        Self {
            mac: station.mac.to_string(),
            location: station.location.clone(),
            state: station.state.as_str().into(),
            account: station.operator.clone(),
            generation: station.generation,
            key: station.keys.as_ref().map(|keys| keys.writer.clone()),
            code_until: station.code.as_ref().filter(|code| code.is_live(now)).map(|code| seconds(code.expires_at)),
            login_code_wanted: station.is_fetched(now),
            login_code,
            added: (&station.added).into(),
            changed: (&station.changed).into(),
            activated_at: station.activated_at.map(seconds),
            seen_at: listed.seen.as_ref().map(|seen| seconds(seen.at)),
        }
    }
}

/// Stations that were registered.
#[derive(Serialize, ToSchema)]
pub(super) struct Added {
    /// Their MAC IDs, as they are kept.
    pub(super) added: Vec<String>,
}

/// What became of a deed that was done to a selection. Where it could be done with none of them, the first reason is the answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Outcome {
    /// With these it was done, all at once.
    pub(super) done: Vec<String>,
    /// With these it could not be done.
    pub(super) skipped: Vec<Skipped>,
}

/// Something could not be done with a station.
#[derive(Serialize, ToSchema)]
pub(super) struct Skipped {
    /// Stable.
    code: String,
    /// For people: it names the station.
    message: String,
    /// What to do.
    #[schema(required)]
    remedy: Option<String>,
}

impl From<&RegisterError> for Skipped {
    fn from(error: &RegisterError) -> Self {
        Self { code: error.code().into(), message: error.to_string(), remedy: error.remedy() }
    }
}

/// Verification codes. They are told this once: the desk keeps digests.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuedCodes {
    /// By location and MAC ID.
    codes: Vec<IssuedCode>,
    /// The stations that got none.
    skipped: Vec<Skipped>,
}

/// A verification code with its station.
#[derive(Serialize, ToSchema)]
pub(super) struct IssuedCode {
    /// For which machine.
    mac: String,
    /// Where that is.
    location: String,
    /// What is typed there.
    code: String,
    /// From when on it is refused.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<&Made> for IssuedCodes {
    fn from(made: &Made) -> Self {
        let code = |one: &stations::IssuedCode| IssuedCode {
            mac: one.mac.to_string(),
            location: one.location.clone(),
            code: one.code.shown().into(),
            expires_at: seconds(one.expires_at),
        };
        Self { codes: made.codes.iter().map(code).collect(), skipped: made.skipped.iter().map(Skipped::from).collect() }
    }
}

/// A station that shows a login code.
#[derive(Serialize, ToSchema)]
pub(super) struct Offer {
    /// Which machine it says it is.
    mac: String,
    /// Its public signing key.
    key: String,
    /// Where it speaks from.
    address: String,
    /// From when on the code is refused.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Where it is, if it is registered.
    #[schema(required)]
    location: Option<String>,
    /// How it stands, if it is registered.
    #[schema(required)]
    state: Option<String>,
}

impl Offer {
    pub(super) fn new(offer: &LoginOffer, station: Option<&stations::Station>) -> Self {
        Self {
            mac: offer.mac.to_string(),
            key: offer.keys.writer.clone(),
            address: offer.address.clone(),
            expires_at: seconds(offer.expires_at),
            location: station.map(|station| station.location.clone()),
            state: station.map(|station| station.state.as_str().into()),
        }
    }
}

/// Hardware tokens that were found: those in use first, the newest first; 50 at most.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    /// They.
    pub(super) tokens: Vec<Token>,
    /// Whether there may be more: ask for more of the name.
    pub(super) more: bool,
}

/// A hardware token, by its entry in the escrow. Its seed is told nowhere.
#[derive(Serialize, ToSchema)]
pub(super) struct Token {
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
pub(super) struct TokenWithClock {
    /// The token.
    pub(super) token: Token,
    /// How far its clock is off; nothing where nothing is known.
    #[schema(required)]
    pub(super) clock: Option<Clock>,
}

/// What is known of a token's clock.
#[derive(Serialize, ToSchema)]
pub(super) struct Clock {
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
pub(super) struct GivenCodes {
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
pub(super) struct GivenCode {
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
pub(super) struct Drift {
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
    pub(super) fn new(entry: &Entry, report: Option<&DriftReport>) -> Self {
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
pub(super) struct Explanations {
    pub(super) explanations: Vec<Explanation>,
    /// How many codes were compared.
    pub(super) searched: u64,
}

/// One way in which the codes fit.
#[derive(Serialize, ToSchema)]
pub(super) struct Explanation {
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
pub(super) struct Search {
    /// Likeliest first; 50 at most.
    pub(super) candidates: Vec<Candidate>,
    /// How many tokens show them by chance.
    pub(super) expected_false_hits: f64,
    /// How many tokens were compared.
    pub(super) searched: u64,
    /// Entries that could not be opened and were not compared.
    pub(super) unopened: Vec<String>,
}

/// A token that may show the codes.
#[derive(Serialize, ToSchema)]
pub(super) struct Candidate {
    pub(super) token: Token,
    /// Steps that it is ahead, if it is the one.
    pub(super) drift_steps: i64,
}

/// Events.
#[derive(Serialize, ToSchema)]
pub(super) struct Events {
    pub(super) events: Vec<Event>,
}

/// Events by their time, each once.
#[derive(Serialize, ToSchema)]
pub(super) struct EventPage {
    pub(super) events: Vec<Event>,
    /// What to say as `after` to go on, now or later: what happened meanwhile follows.
    pub(super) next: String,
    /// Whether there is more already. A page may be empty and yet not the last.
    pub(super) more: bool,
}

/// A signed event.
#[derive(Serialize, ToSchema)]
pub(super) struct Event {
    /// Its signer's key and its place in that chain.
    id: String,
    /// The signer's label.
    writer: String,
    /// When, by the signer's clock.
    #[schema(format = DateTime)]
    time: String,
    /// The machine.
    host: String,
    /// Whose deed it is: a person, `script:NAME`, a station.
    #[schema(required)]
    operator: Option<String>,
    /// What happened.
    kind: String,
    /// The entries that it touched.
    entries: Vec<String>,
    /// What else it says: names with texts or whole numbers.
    #[schema(value_type = Object, additional_properties)]
    facts: Value,
    /// Why.
    #[schema(required)]
    reason: Option<String>,
}

impl From<&oathburn_escrow::Event> for Event {
    fn from(event: &oathburn_escrow::Event) -> Self {
        Self {
            id: event.id.to_string(),
            writer: event.writer.clone(),
            time: rfc3339(event.time),
            host: event.host.clone(),
            operator: event.operator.clone(),
            kind: event.kind.as_str().into(),
            entries: event.entries.iter().map(ToString::to_string).collect(),
            facts: serde_json::to_value(&event.facts).unwrap_or_default(),
            reason: event.reason.clone(),
        }
    }
}

/// What verifying has found.
#[derive(Serialize, ToSchema)]
pub(super) struct Findings {
    /// Whether every signature and every chain holds.
    pub(super) sound: bool,
    /// What is wrong; 1,000 at most.
    pub(super) findings: Vec<Finding>,
}

/// Something that is not as its signed events say.
#[derive(Serialize, ToSchema)]
pub(super) struct Finding {
    table: String,
    row: String,
    #[schema(required)]
    column: Option<String>,
    #[schema(required)]
    entry: Option<String>,
    problem: String,
}

impl From<&oathburn_escrow::Finding> for Finding {
    fn from(finding: &oathburn_escrow::Finding) -> Self {
        Self {
            table: finding.table.into(),
            row: finding.row.clone(),
            column: finding.column.map(Into::into),
            entry: finding.entry.map(|entry| entry.to_string()),
            problem: finding.problem.clone(),
        }
    }
}

/// Everybody with an account at the desk, by name.
#[derive(Serialize, ToSchema)]
pub(super) struct People {
    pub(super) people: Vec<SomebodyAtDesk>,
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
