//! What stations and the desk say to each other: JSON over HTTPS below `/api/station/v1`.
//!
//! A station introduces itself with its MAC ID and its public keys, opens a challenge that was sealed to them, and signs what it
//! sends ([`Credentials`]). From its activation on it signs every request, with its generation and a counter that only grows, so that
//! nothing that was heard or stored is worth anything a second time.
//!
//! Requests are taken only as they are described here; of answers a station reads what it knows, so that a newer desk can say more.

mod credentials;
mod refusal;

use oathburn_escrow::{PublicKeys, WriterId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::credentials::{Credentials, SCHEME};
pub use self::refusal::Refusal;
use crate::stations::{LoginCode, MacId, StationState};

/// Where a station asks for a challenge.
pub const CHALLENGE: &str = "/api/station/v1/challenge";
/// Where it is activated with a verification code.
pub const ACTIVATE: &str = "/api/station/v1/activate";
/// Where one that is not activated asks for a login code.
pub const LOGIN_CODE: &str = "/api/station/v1/login-code";
/// Where it waits until an admin has typed that code.
pub const LOGIN_WAIT: &str = "/api/station/v1/login-code/wait";
/// Where an activated station asks how it stands, and waits until that changes.
pub const STATUS: &str = "/api/station/v1/status";
/// Where it shows that it is being provisioned: it asks for the login code that the desk fetches.
pub const OWN_LOGIN_CODE: &str = "/api/station/v1/own-login-code";
/// Where it signs itself out.
pub const SIGN_OUT: &str = "/api/station/v1/sign-out";
/// Where it says that it forgets its keys.
pub const RESET: &str = "/api/station/v1/reset";

/// The longest request of a station at these places, in bytes.
pub const MAX_REQUEST: usize = 16 * 1024;
/// The longest answer that a station reads at these places, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;
/// For how long a station may ask the desk to hold an answer back, in seconds.
pub const MAX_WAIT: u32 = 30;
/// For how long an opened challenge is good, in seconds: longer than a login code.
pub const CHALLENGE_LIFE: u64 = 20 * 60;
/// What challenges are sealed for.
pub const CHALLENGE_DOMAIN: &str = "oathburn station challenge 1";

/// A request as it is described here; anything else, and anything longer, is refused.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    if body.len() > MAX_REQUEST {
        return Err(Refusal::RequestUnreadable);
    }
    serde_json::from_slice(body).map_err(|_| Refusal::RequestUnreadable)
}

/// The public half of a station's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StationKeys {
    /// The age recipient: `age1…`.
    pub recipient: String,
    /// The Ed25519 public key, in hex.
    pub writer: String,
}

impl StationKeys {
    /// The keys, if they are sound.
    pub fn public(&self) -> Option<PublicKeys> {
        let writer =
            (self.writer.len() == 64).then(|| data_encoding::HEXLOWER.decode(self.writer.as_bytes()).ok())??;
        let keys = PublicKeys { recipient: self.recipient.clone(), writer: WriterId::from_slice(&writer)? };
        keys.are_sound().then_some(keys)
    }
}

impl From<&PublicKeys> for StationKeys {
    fn from(keys: &PublicKeys) -> Self {
        Self { recipient: keys.recipient.clone(), writer: keys.writer.to_string() }
    }
}

/// A station asks for something that only the owner of these keys can open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeRequest {
    /// Which machine.
    pub mac: MacId,
    /// Its keys.
    pub keys: StationKeys,
}

/// What only the owner of the keys can open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The id of the desk's escrow, which requests are signed for.
    pub desk: String,
    /// When it was made, in Unix seconds by the desk's clock.
    pub issued_at: u64,
    /// The answer, sealed to the station: age, in Base64.
    pub sealed: String,
}

/// Who a station is before it is activated. The request is signed with the keys that it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introduction {
    /// Which machine.
    pub mac: MacId,
    /// Its keys.
    pub keys: StationKeys,
    /// The challenge's time.
    pub issued_at: u64,
    /// What was sealed, in hex.
    pub answer: String,
}

/// A verification code that was typed at a station.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationRequest {
    /// Who asks.
    pub station: Introduction,
    /// What was typed.
    pub code: zeroize::Zeroizing<String>,
}

/// A station without a verification code asks for a login code, or how its own fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Who asks.
    pub station: Introduction,
}

/// A login code that a station shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownCode {
    /// The code.
    pub code: LoginCode,
    /// Until when it can be typed, in Unix seconds by the desk's clock.
    pub expires_at: u64,
}

/// How a station with a login code fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginStatus {
    /// What it shows; nothing once it was typed.
    pub shown: Option<ShownCode>,
    /// How the station stands, once the code was typed.
    pub station: Option<StationStatus>,
}

/// How a station stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationStatus {
    /// Whose desk it is.
    pub organisation: String,
    /// Which machine.
    pub mac: MacId,
    /// Where it is.
    pub location: String,
    /// Whether it may work.
    pub state: StationState,
    /// The account that it acts for, while it is signed in.
    pub operator: Option<String>,
    /// Counts activations and revocations; requests name it.
    pub generation: u64,
    /// Changes whenever anything of this does: what the station waits for.
    pub version: u64,
    /// The desk fetches a login code: the station asks for it and shows that it is being provisioned.
    pub login_code_wanted: bool,
    /// The login code that it shows.
    pub shown: Option<ShownCode>,
    /// The desk's clock, in Unix seconds.
    pub time: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_taken_as_they_are_described_and_answers_may_say_more() {
        let keys = r#"{"recipient":"age1x","writer":"00"}"#;
        let asked = |text: &str| read::<ChallengeRequest>(text.as_bytes());
        let sound = format!(r#"{{"mac":"001a.2b3c.4d5e","keys":{keys}}}"#);
        assert!(asked(&sound).is_ok());
        for wrong in [
            format!(r#"{{"mac":"printer","keys":{keys}}}"#),
            format!(r#"{{"mac":"001a.2b3c.4d5e","keys":{keys},"admin":true}}"#),
            format!("{sound}{sound}"),
            "[".repeat(10_000),
            sound.clone() + &" ".repeat(MAX_REQUEST),
        ] {
            assert_eq!(asked(&wrong), Err(Refusal::RequestUnreadable), "{wrong:.80}");
        }
        let more = r#"{"desk":"d","issued_at":1,"sealed":"","news":1}"#;
        assert_eq!(serde_json::from_str::<Challenge>(more).unwrap().issued_at, 1);
    }

    #[test]
    fn only_sound_keys_are_keys() {
        let keys = |recipient: &str, writer: &str| StationKeys { recipient: recipient.into(), writer: writer.into() };
        assert!(keys("age1x", "00").public().is_none());
        assert!(keys("age1x", &"0".repeat(64)).public().is_none());
        assert!(keys("age1x", &"ü".repeat(32)).public().is_none());
    }
}
