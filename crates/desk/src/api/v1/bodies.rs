//! What scripts send.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Stations that are to be registered: all of them, or none.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStations {
    /// 1 to 10,000 of them.
    #[schema(min_items = 1, max_items = 10_000)]
    pub stations: Vec<NewStation>,
}

/// A station that is to be registered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStation {
    /// Its MAC ID (EUI-48), in any spelling.
    #[schema(example = "00-1A-2B-3C-4D-5E")]
    pub mac: String,
    /// Where it is: up to 128 characters.
    #[schema(example = "Ulm")]
    pub location: String,
}

/// Which stations.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// MAC IDs, in any spelling: 1 to 10,000.
    #[schema(min_items = 1, max_items = 10_000)]
    pub stations: Vec<String>,
}

/// Which stations are to be signed in, and for whom.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// MAC IDs, in any spelling: 1 to 10,000.
    #[schema(min_items = 1, max_items = 10_000)]
    pub stations: Vec<String>,
    /// The account that they act for.
    #[schema(example = "branch-ulm")]
    pub account: String,
}

/// Somebody who is to have an account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    /// What they sign in with.
    #[schema(example = "bob@example.org")]
    pub name: String,
    /// `helpdesk`, `auditor`.
    #[schema(min_items = 1)]
    pub roles: Vec<String>,
}

/// What somebody may do from now on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// `helpdesk`, `auditor`.
    #[schema(min_items = 1)]
    pub roles: Vec<String>,
}

/// Which verification codes are wanted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeCodes {
    /// MAC IDs, in any spelling: 1 to 10,000.
    #[schema(min_items = 1, max_items = 10_000)]
    pub stations: Vec<String>,
    /// Digits of a code at least, 6 unless it is said; where many codes are good at a time they get more.
    #[schema(minimum = 6, maximum = 12)]
    pub digits: Option<u8>,
    /// For how long they are good, in minutes: a day unless it is said, 30 days at most.
    #[schema(minimum = 10, maximum = 43_200)]
    pub minutes: Option<u32>,
    /// The same code for all, instead of another for each.
    #[serde(default)]
    pub shared: bool,
}

/// Where a station is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Up to 128 characters.
    #[schema(example = "Ulm")]
    pub location: String,
}

/// What a station shows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginCode {
    /// Nine letters and digits.
    #[schema(example = "ACD-EFG-346")]
    pub code: String,
}

/// A station that shows a login code is let in and signed in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptLogin {
    /// Nine letters and digits.
    #[schema(example = "ACD-EFG-346")]
    pub code: String,
    /// The account that it acts for.
    #[schema(example = "branch-ulm")]
    pub account: String,
    /// Where it is; needed where it is not registered.
    pub location: Option<String>,
}

/// Codes for a user without a token. On record, with both, before they are answered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveCodes {
    /// Why: 3 to 500 characters that somebody understands later.
    #[schema(example = "token is in the post")]
    pub reason: String,
    /// The ticket under which the user asked: 1 to 64 characters.
    #[schema(example = "INC-4711")]
    pub ticket: String,
    /// For a code at this time (RFC 3339), up to a week ahead; now unless it is said.
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// Codes before it.
    #[serde(default)]
    #[schema(maximum = 10)]
    pub past: u32,
    /// Codes after it.
    #[serde(default)]
    #[schema(maximum = 10)]
    pub future: u32,
    /// What the token's display shows, its known drift applied, instead of what the service accepts.
    #[serde(default)]
    pub on_token: bool,
}

/// An order: a list of users, and who may work on it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GiveOrder {
    /// What people call it.
    #[schema(example = "Ulm, March", max_length = 200)]
    pub name: String,
    /// Who may work on it.
    pub audience: Audience,
    /// The service of users that name none.
    pub issuer: Option<String>,
    /// The users, one token each. Either these or `csv`.
    #[schema(nullable = false)]
    pub users: Option<Vec<User>>,
    /// The users as a CSV file has them, with a header: `upn`, and if you like `serial`, `seed`, `algorithm`, `time step`,
    /// `issuer`, `label`.
    #[schema(value_type = Option<String>, nullable = false)]
    pub csv: Option<Zeroizing<String>>,
    /// Seeds that are in use may be replaced.
    #[serde(default)]
    pub replace: bool,
    /// Tokens of unknown models may be written to.
    #[serde(default)]
    pub unlisted_model: bool,
}

/// A user of an order.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user.
    #[schema(example = "bob@example.com")]
    pub upn: String,
    /// The only token that will do.
    pub serial: Option<String>,
    /// The seed, Base32 or hex or a key URI; one is made where none is given.
    #[schema(value_type = Option<String>)]
    pub seed: Option<Zeroizing<String>>,
    /// sha1 or sha256.
    pub algorithm: Option<String>,
    /// In seconds: 30 or 60.
    pub time_step: Option<u32>,
    /// The service.
    pub issuer: Option<String>,
    /// What is printed beside the user.
    pub label: Option<String>,
}

/// Who may work on an order: every station that is signed in, or whoever is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// Every station that is signed in; nothing else is named then.
    #[serde(default)]
    pub everywhere: bool,
    /// All stations at these places.
    #[serde(default)]
    pub locations: Vec<String>,
    /// These stations, by their MAC IDs in any spelling.
    #[serde(default)]
    pub stations: Vec<String>,
}

/// Why.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Words that somebody understands later.
    #[schema(example = "the branch was closed", min_length = 1, max_length = 4096)]
    pub reason: String,
}

/// A line that is taken away from a token that cannot be finished.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its number.
    pub line: u32,
    /// Words that somebody understands later.
    pub reason: String,
}

/// What is done about something that does not fit.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// retired: the token is put out of use; accepted: it counts; seen: somebody has seen to it.
    pub how: String,
    /// Words that somebody understands later.
    pub reason: String,
}

/// What somebody reads from a display.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The code.
    #[schema(value_type = String, example = "755224")]
    pub code: Zeroizing<String>,
    /// The next one, which makes it sure.
    #[schema(value_type = Option<String>)]
    pub next: Option<Zeroizing<String>>,
}

/// Whether a body is one of those described here: the same when it is written again. For whoever tries all bytes.
#[doc(hidden)]
pub fn read_any(data: &[u8]) {
    fn returns<T: Serialize + serde::de::DeserializeOwned>(data: &[u8]) {
        match super::extract::read::<T>(data) {
            Ok(body) => {
                let written = serde_json::to_vec(&body).expect("texts and numbers are JSON");
                let again: T = super::extract::read(&written).expect("what was written is read");
                assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
            }
            Err(error) => assert!(matches!(error, crate::scripts::ApiError::RequestRefused { .. })),
        }
    }
    returns::<NewStations>(data);
    returns::<Selection>(data);
    returns::<SignIn>(data);
    returns::<NewPerson>(data);
    returns::<Roles>(data);
    returns::<MakeCodes>(data);
    returns::<Place>(data);
    returns::<LoginCode>(data);
    returns::<AcceptLogin>(data);
    returns::<GiveCodes>(data);
    returns::<Reading>(data);
    returns::<GiveOrder>(data);
    returns::<Audience>(data);
    returns::<Reason>(data);
    returns::<Release>(data);
    returns::<Settle>(data);
}
