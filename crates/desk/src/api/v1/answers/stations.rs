//! Answers about stations.

use oathburn_oath::{Remedy as _, UnixTime};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Done, seconds};
use crate::stations::{self, IssuedCodes as Made, Listed, LoginOffer, RegisterError};

/// Stations, by MAC ID.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Stations {
    /// A page of them.
    pub(in crate::api::v1) stations: Vec<Station>,
    /// How many match, on all pages.
    pub(in crate::api::v1) matching: usize,
    /// What to say as `after` for the next page; nothing at the end.
    #[schema(required)]
    pub(in crate::api::v1) next: Option<String>,
}

/// A station.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Station {
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
    pub(in crate::api::v1) fn new(listed: &Listed, login_code: Option<String>, now: UnixTime) -> Self {
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
pub(in crate::api::v1) struct Added {
    /// Their MAC IDs, as they are kept.
    pub(in crate::api::v1) added: Vec<String>,
}

/// What became of a deed that was done to a selection. Where it could be done with none of them, the first reason is the answer.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Outcome {
    /// With these it was done, all at once.
    pub(in crate::api::v1) done: Vec<String>,
    /// With these it could not be done.
    pub(in crate::api::v1) skipped: Vec<Skipped>,
}

/// Something could not be done with a station.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct Skipped {
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
pub(in crate::api::v1) struct IssuedCodes {
    /// By location and MAC ID.
    codes: Vec<IssuedCode>,
    /// The stations that got none.
    skipped: Vec<Skipped>,
}

/// A verification code with its station.
#[derive(Serialize, ToSchema)]
pub(in crate::api::v1) struct IssuedCode {
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
pub(in crate::api::v1) struct Offer {
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
    pub(in crate::api::v1) fn new(offer: &LoginOffer, station: Option<&stations::Station>) -> Self {
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
