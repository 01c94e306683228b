//! Requests that scripts repeat, because no answer came: they are done once.
//!
//! A script names what it asks for by a key of its own. The key is claimed in the store before anything is done, so that of two
//! requests at the same time, at whichever desks, one goes on; and what was done carries the claim, so that it is found whatever
//! happened to the desk before it could answer.

use data_encoding::HEXLOWER;
use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ApiError;
use crate::table::{Next, Stored};
use crate::{Desk, DeskError};

/// For how long a key is known, in seconds: a week.
const LIFE: u64 = 7 * 24 * 3600;
/// After so many seconds nobody works on what was claimed and is not there.
const UNDER_WAY: u64 = 300;

/// A key that was claimed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claimed {
    /// SHA-256 of what was asked.
    digest: String,
    /// When it was claimed, or taken up again, in Unix seconds.
    at: u64,
}

impl Stored for Claimed {
    const KIND: &'static str = "script-request";

    fn expires_at(&self) -> Option<UnixTime> {
        Some(UnixTime::new(self.at.saturating_add(LIFE)))
    }
}

/// What becomes of a request with a key.
pub(crate) enum Claim {
    /// It is to be done, under this name.
    New(String),
    /// It was asked before, or is being done: if it is there, it has this name.
    Before(String),
}

impl Desk {
    /// Claims a script's key for a request with this body.
    pub(crate) fn claim(&self, script: &str, key: &str, body: &[u8]) -> Result<Claim, DeskError> {
        let id = self.id_of::<Claimed>(&format!("{script}\n{key}"));
        let (name, now) = (HEXLOWER.encode(&id), self.now().seconds());
        let digest = HEXLOWER.encode(&Sha256::digest(body));
        self.update::<Claimed, _>(&id, |claimed| match claimed {
            Some(claimed) if claimed.digest != digest => Err(ApiError::KeyReused.into()),
            Some(_) => Ok((Next::Keep, Claim::Before(name.clone()))),
            None => Ok((Next::Put(Claimed { digest: digest.clone(), at: now }), Claim::New(name.clone()))),
        })
    }

    /// Takes up what was claimed and is not there: nobody works on it any more.
    pub(crate) fn claim_again(&self, script: &str, key: &str) -> Result<(), DeskError> {
        let id = self.id_of::<Claimed>(&format!("{script}\n{key}"));
        let now = self.now().seconds();
        self.update::<Claimed, _>(&id, |claimed| match claimed {
            Some(claimed) if now < claimed.at.saturating_add(UNDER_WAY) => Err(ApiError::UnderWay.into()),
            Some(claimed) => Ok((Next::Put(Claimed { at: now, ..claimed.clone() }), ())),
            None => Err(ApiError::UnderWay.into()),
        })
    }

    /// Gives a key back: nothing was done.
    pub(crate) fn unclaim(&self, script: &str, key: &str) -> Result<(), DeskError> {
        let id = self.id_of::<Claimed>(&format!("{script}\n{key}"));
        self.update::<Claimed, _>(&id, |_| Ok((Next::Delete, ())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use oathburn_oath::Remedy as _;

    use super::*;
    use crate::testing::Home;

    fn is_new(claim: Result<Claim, DeskError>) -> bool {
        matches!(claim.unwrap(), Claim::New(_))
    }

    /// A desk may end after it has claimed a key and before it did anything: for a while nobody knows, then it is taken up, once.
    #[test]
    fn what_was_claimed_and_never_done_is_taken_up_again() {
        let home = Home::new();
        let desk = home.desk();
        assert!(is_new(desk.claim("script:hr", "march", b"list")));
        assert!(!is_new(desk.claim("script:hr", "march", b"list")));
        assert_eq!(desk.claim_again("script:hr", "march").unwrap_err().code(), "request-under-way");
        home.clock.pass(UNDER_WAY);
        desk.claim_again("script:hr", "march").unwrap();
        assert_eq!(home.desk().claim_again("script:hr", "march").unwrap_err().code(), "request-under-way");
    }

    #[test]
    fn a_key_stands_for_one_request_of_one_script_for_a_week() {
        let home = Home::new();
        let desk = home.desk();
        assert!(is_new(desk.claim("script:hr", "march", b"list")));
        assert!(is_new(desk.claim("script:it", "march", b"other")));
        let reused = desk.claim("script:hr", "march", b"other").map(drop).unwrap_err();
        assert_eq!(reused.code(), "idempotency-key-reused");
        desk.unclaim("script:hr", "march").unwrap();
        assert!(is_new(desk.claim("script:hr", "march", b"other")));
        home.clock.pass(LIFE);
        assert!(is_new(desk.claim("script:hr", "march", b"list")));
    }
}
