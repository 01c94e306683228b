//! What stations and the desk say to each other about work: JSON below `/api/station/v1`, in signed requests.

use data_encoding::BASE64;
use oathburn_escrow::{BatchId, EntryId, EscrowError, Facts, PublicKeys, StationKey};
use oathburn_oath::{Seed, SerialNumber};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Where a station asks for lines, and says which it holds.
pub const LEASE: &str = "/api/station/v1/lease";
/// Where it tells what became of lines.
pub const REPORT: &str = "/api/station/v1/report";
/// Where it asks whether a token may be burned.
pub const TOKEN: &str = "/api/station/v1/token";

/// The most lines that are given out in one answer.
pub const MAX_LINES: usize = 25;
/// The most lines that a station may hold.
pub const MAX_HELD: usize = 1000;
/// The most reports in one request.
pub const MAX_REPORTS: usize = 10;
/// The most serial numbers that a station asks lines for at once.
pub const MAX_SERIALS: usize = 16;
/// The longest reason that is reported for a failure, in characters.
pub const MAX_ERROR: usize = 200;

/// What seeds of leased lines are sealed for.
const DOMAIN: &str = "oathburn lease 1";

/// A station asks for lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// How many lines it wants beside those it holds.
    pub lines: usize,
    /// Tokens that lie there, for which it has no line: one that names them is wanted.
    #[serde(default)]
    pub serials: Vec<SerialText>,
    /// What it holds.
    #[serde(default)]
    pub held: Vec<Held>,
    /// Whether the leases of what it holds are to last longer.
    #[serde(default)]
    pub renew: bool,
}

/// A serial number as text.
pub type SerialText = String;

/// Lines of an order that a station holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The order.
    pub order: String,
    /// The lines.
    pub lines: Vec<u32>,
}

/// What a station gets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LeaseAnswer {
    /// For how long the new leases last, and those that were to be renewed, in seconds from when they were asked for.
    pub seconds: u64,
    /// Those who can open what the station seals, each as a line `oathburn-officer …`.
    pub officers: Vec<String>,
    /// New lines.
    pub portions: Vec<Portion>,
    /// Of what it holds, what is still its own.
    pub held: Vec<Held>,
    /// Orders that are there for it, and not at their end.
    pub orders: Vec<OrderState>,
    /// The desk's clock, in Unix seconds, by which the station judges its own; a desk that is older does not say.
    #[serde(default)]
    pub time: Option<u64>,
}

/// Lines of one order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Portion {
    /// The order.
    pub order: String,
    /// What it is called.
    pub name: String,
    /// How its lines are burned.
    pub options: Facts,
    /// The lines.
    pub lines: Vec<LeasedLine>,
}

/// A line with its seed, which only the station can open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasedLine {
    /// Its number in the order.
    pub line: u32,
    /// The user.
    pub upn: Option<String>,
    /// The only token that will do.
    pub serial: Option<SerialText>,
    /// The service.
    pub issuer: Option<String>,
    /// What is printed beside the user.
    pub label: Option<String>,
    /// The hash.
    pub algorithm: String,
    /// Digits of a code.
    pub digits: u8,
    /// Seconds of a time step.
    pub step: u32,
    /// Its seed: age, in Base64.
    pub sealed: String,
}

/// How an order stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    /// The order.
    pub order: String,
    /// What it is called.
    pub name: String,
    /// How many lines it has.
    pub lines: u64,
    /// How many are done.
    pub done: u64,
    /// How many have failed.
    pub failed: u64,
    /// How many are left, here and elsewhere.
    pub left: u64,
}

/// A station tells what became of lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// What became of them, oldest first.
    pub reports: Vec<Report>,
}

/// What became of a line, or of one attempt at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The order.
    pub order: String,
    /// The line.
    pub line: u32,
    /// Which attempt: the station's own name for it, the same whenever it is told again.
    pub attempt: String,
    /// What became of it.
    pub state: ReportState,
    /// The token, where there was one.
    #[serde(default)]
    pub token: Option<ReportedToken>,
    /// Why it failed, for people.
    #[serde(default)]
    pub error: Option<String>,
}

/// What became of an attempt at a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportState {
    /// The seed may or may not be on the token.
    Unknown,
    /// What was unknown does not matter any more: the token has another seed now, or none of the line's.
    Dropped,
    /// The token was programmed and read back.
    Done,
    /// The line was given up.
    Failed,
    /// Nothing was begun: others may have the line.
    Returned,
}

/// A token that was burned, or began to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedToken {
    /// Its family.
    pub family: String,
    /// Its serial number.
    pub serial: SerialText,
    /// Where in it.
    pub slot: String,
    /// Under whose name it is sold.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// Its model.
    #[serde(default)]
    pub model: Option<String>,
    /// Its clock minus the station's, in seconds.
    #[serde(default)]
    pub drift_seconds: Option<i64>,
    /// When it was burned, in Unix seconds by the station's clock.
    pub burned_at: u64,
}

/// What the desk did with reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// Each, in order.
    pub taken: Vec<Taken>,
}

/// What the desk did with a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Which attempt.
    pub attempt: String,
    /// What was reported of it.
    pub state: ReportState,
    /// What was done.
    pub outcome: Outcome,
    /// Why, where it was not simply noted.
    #[serde(default)]
    pub why: Option<String>,
}

/// What the desk did with a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is noted.
    Noted,
    /// It is noted, and somebody at the desk has to look at it.
    Conflict,
    /// It is not this station's to report; told again it is refused again.
    Refused,
    /// It could not be noted now: tell it again.
    Later,
}

/// A station asks whether a token is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Its family.
    pub family: String,
    /// Its serial number.
    pub serial: SerialText,
}

/// Whether a token is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// Whether it is.
    pub in_use: bool,
}

/// An order by its id as text.
pub(crate) fn batch_id(text: &str) -> Option<BatchId> {
    // The id of an entry is read in the same way.
    text.parse::<EntryId>().ok().and_then(|id| BatchId::from_slice(id.as_bytes()))
}

/// Seals the seed of a line to a station. The line is sealed with it: no seed serves for another line.
pub fn seal_seed(keys: &PublicKeys, order: BatchId, line: u32, seed: &Seed) -> Result<String, EscrowError> {
    let base32 = seed.to_base32();
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let mut text = Zeroizing::new(String::with_capacity(64 + base32.len()));
    for part in [&heading(order, line), base32.as_str()] {
        text.push_str(part);
    }
    Ok(BASE64.encode(&keys.seal(DOMAIN, text.as_bytes())?))
}

/// Opens what [`seal_seed`] sealed for this line; `None` for anything else.
pub fn open_seed(key: &StationKey, order: BatchId, line: u32, sealed: &str) -> Option<Seed> {
    let sealed = BASE64.decode(sealed.as_bytes()).ok()?;
    let text = key.open_sealed(DOMAIN, &sealed).ok()?;
    let base32 = text.strip_prefix(heading(order, line).as_bytes())?;
    Seed::from_base32(std::str::from_utf8(base32).ok()?).ok()
}

fn heading(order: BatchId, line: u32) -> String {
    format!("{order}\n{line}\n")
}

/// A serial number, if the text is one.
pub(crate) fn serial(text: &str) -> Option<SerialNumber> {
    SerialNumber::new(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_opens_for_its_station_and_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| StationKey::create(&folder.path().join(name)).unwrap();
        let (paris, rome) = (key("paris"), key("rome"));
        let (order, seed) = (BatchId::new(), Seed::generate(32).unwrap());
        let sealed = seal_seed(&paris.public(), order, 7, &seed).unwrap();
        assert_eq!(open_seed(&paris, order, 7, &sealed).unwrap(), seed);
        assert!(open_seed(&paris, order, 77, &sealed).is_none());
        assert!(open_seed(&paris, BatchId::new(), 7, &sealed).is_none());
        assert!(open_seed(&rome, order, 7, &sealed).is_none());
        assert!(open_seed(&paris, order, 7, "!").is_none());
        assert_eq!(batch_id(&order.to_string()), Some(order));
        assert_eq!(batch_id("order"), None);
    }

    #[test]
    fn requests_are_taken_as_they_are_described() {
        assert!(serde_json::from_str::<LeaseRequest>(r#"{"lines":1}"#).is_ok());
        assert!(serde_json::from_str::<LeaseRequest>(r#"{"lines":1,"seeds":true}"#).is_err());
        assert!(serde_json::from_str::<LeaseRequest>(r#"{"lines":-1}"#).is_err());
        let report = r#"{"order":"o","line":1,"attempt":"a","state":"done"}"#;
        assert_eq!(serde_json::from_str::<Report>(report).unwrap().state, ReportState::Done);
        assert!(serde_json::from_str::<Report>(&report.replace("done", "burned")).is_err());
    }
}
