//! What the desk refuses a station, in words for the technician who stands before it.

use oathburn_oath::Remedy;
use serde_json::{Value, json};

oathburn_oath::variants! {
    Refusal: CodeWrong CodeExpired CodeUsed CodeRevoked Throttled NotKnown Revoked NotSignedIn OldGeneration Repeated ChallengeStale KeysRefused LoginCodeGone TooManyLoginCodes RequestUnreadable
}

/// Everything that the desk refuses a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another code, or a machine that is not registered: which of them is not said.
    #[error("the desk knows no station with this MAC ID and this verification code")]
    CodeWrong,
    /// The right one, too late.
    #[error("the verification code has expired")]
    CodeExpired,
    /// The right one, a second time.
    #[error("the verification code was used already")]
    CodeUsed,
    /// The right one, taken back.
    #[error("the verification code was revoked")]
    CodeRevoked,
    /// Guesses are rationed.
    #[error("too many wrong verification codes; the desk takes others in {} min", retry_after.div_ceil(60))]
    Throttled {
        /// In how many seconds.
        retry_after: u64,
    },
    /// No such station, or not with these keys.
    #[error("the desk does not know this station, or not with these keys")]
    NotKnown,
    /// An admin has revoked it.
    #[error("this station was revoked")]
    Revoked,
    /// It may not work now.
    #[error("this station is not signed in")]
    NotSignedIn,
    /// It was provisioned once more since.
    #[error("this station was provisioned anew since")]
    OldGeneration,
    /// A counter that was there before.
    #[error("the desk has had this request, or a later one, already")]
    Repeated {
        /// The newest counter that the desk has seen.
        newest: u64,
    },
    /// The challenge is too old, or another desk's.
    #[error("the proof that the station has its keys is too old, or not for this desk")]
    ChallengeStale,
    /// Keys that cannot be used.
    #[error("the station's keys cannot be used")]
    KeysRefused,
    /// It was not typed in time.
    #[error("the login code has expired, or was refused at the desk")]
    LoginCodeGone,
    /// A limit against floods.
    #[error("too many stations ask for login codes; try again in {} min", retry_after.div_ceil(60))]
    TooManyLoginCodes {
        /// In how many seconds.
        retry_after: u64,
    },
    /// Not in this protocol.
    #[error("the desk does not understand this station")]
    RequestUnreadable,
}

impl Remedy for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::CodeWrong => "verification-code-wrong",
            Self::CodeExpired => "verification-code-expired",
            Self::CodeUsed => "verification-code-used",
            Self::CodeRevoked => "verification-code-revoked",
            Self::Throttled { .. } => "verification-code-throttled",
            Self::NotKnown => "station-not-known",
            Self::Revoked => "station-revoked",
            Self::NotSignedIn => "station-signed-out",
            Self::OldGeneration => "station-provisioned-anew",
            Self::Repeated { .. } => "request-repeated",
            Self::ChallengeStale => "challenge-stale",
            Self::KeysRefused => "station-keys-refused",
            Self::LoginCodeGone => "login-code-gone",
            Self::TooManyLoginCodes { .. } => "login-codes-throttled",
            Self::RequestUnreadable => "station-request-unreadable",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::CodeWrong => {
                "compare both with the slip; if they are right, ask the admin whether this MAC ID is registered and its code is the newest"
            }
            Self::CodeExpired | Self::CodeRevoked => "ask the admin for a new verification code",
            Self::CodeUsed => "each code is good for one time; ask the admin for a new one",
            Self::Throttled { .. } => {
                "wait, or ask the admin for a code of 10 digits or more, or run `oathburn station provision --login-code` and tell the admin the code that is shown"
            }
            Self::NotKnown | Self::OldGeneration => {
                "run `oathburn station provision` with a verification code from the admin"
            }
            Self::NotSignedIn => "ask the admin to sign it in; nothing needs to be done here",
            Self::Revoked => "ask the admin why; the station can be provisioned again from the desk",
            Self::Repeated { .. } => "run the command again",
            Self::ChallengeStale => "run the command again; if that does not help, compare the clocks",
            Self::KeysRefused => "run `oathburn station reset`, then provision the station again",
            Self::LoginCodeGone => "run the command again for a new code",
            Self::TooManyLoginCodes { .. } => "wait, or ask the admin for a verification code",
            Self::RequestUnreadable => "install the same version of oathburn at the station and at the desk",
        };
        Some(text.into())
    }
}

impl Refusal {
    /// The status of the answer (RFC 9110, RFC 6585).
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotKnown | Self::OldGeneration | Self::ChallengeStale => 401,
            Self::CodeWrong
            | Self::CodeExpired
            | Self::CodeUsed
            | Self::CodeRevoked
            | Self::Revoked
            | Self::NotSignedIn
            | Self::KeysRefused => 403,
            Self::Repeated { .. } => 409,
            Self::LoginCodeGone => 410,
            Self::RequestUnreadable => 400,
            Self::Throttled { .. } | Self::TooManyLoginCodes { .. } => 429,
        }
    }

    /// In how many seconds it is worth trying again, where that is known.
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Throttled { retry_after } | Self::TooManyLoginCodes { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// The body of the answer: `{"error":{"code","message","remedy"}}`, and what a program needs beside it.
    pub fn to_json(&self) -> Value {
        let mut error = json!({ "code": self.code(), "message": self.to_string(), "remedy": self.remedy() });
        if let Some(seconds) = self.retry_after() {
            error["retry_after"] = seconds.into();
        }
        if let Self::Repeated { newest } = self {
            error["newest"] = (*newest).into();
        }
        json!({ "error": error })
    }

    /// What such a body says; `None` where it is no refusal of this protocol.
    pub fn from_json(body: &Value) -> Option<Self> {
        let error = &body["error"];
        let code = error["code"].as_str()?;
        let found = Self::samples().into_iter().find(|refusal| refusal.code() == code)?;
        let retry_after = error["retry_after"].as_u64().unwrap_or(0);
        Some(match found {
            Self::Throttled { .. } => Self::Throttled { retry_after },
            Self::TooManyLoginCodes { .. } => Self::TooManyLoginCodes { retry_after },
            Self::Repeated { .. } => Self::Repeated { newest: error["newest"].as_u64()? },
            other => other,
        })
    }

    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        vec![
            Self::CodeWrong,
            Self::CodeExpired,
            Self::CodeUsed,
            Self::CodeRevoked,
            Self::Throttled { retry_after: 900 },
            Self::NotKnown,
            Self::Revoked,
            Self::NotSignedIn,
            Self::OldGeneration,
            Self::Repeated { newest: 17 },
            Self::ChallengeStale,
            Self::KeysRefused,
            Self::LoginCodeGone,
            Self::TooManyLoginCodes { retry_after: 900 },
            Self::RequestUnreadable,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_arrives_as_it_was_sent() {
        for refusal in Refusal::samples() {
            assert_eq!(Refusal::from_json(&refusal.to_json()), Some(refusal));
            assert!((400..500).contains(&refusal.status()));
        }
        assert_eq!(Refusal::from_json(&json!({ "error": { "code": "coffee" } })), None);
        assert_eq!(Refusal::from_json(&json!([])), None);
    }
}
