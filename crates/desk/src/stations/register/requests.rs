//! Who sends a request: what the desk believes of a station, and why.

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::rows::Draft;
use super::{Register, SEEN, Seen, retrying};
use crate::protocol::{
    CHALLENGE_DOMAIN, CHALLENGE_LIFE, Challenge, ChallengeRequest, Credentials, Introduction, Refusal, StationKeys,
    StationStatus,
};
use crate::stations::{MacId, RegisterError, Station, StationState};

/// By how much a challenge may seem to come from the future: the clocks of two desks differ.
const SKEW: u64 = 120;

impl Register {
    /// A challenge for whoever says to be the owner of these keys. Nothing is kept of it: any desk can judge the answer.
    pub fn challenge(&self, request: &ChallengeRequest) -> Result<Challenge, RegisterError> {
        let keys = request.keys.public().ok_or(Refusal::KeysRefused)?;
        let issued_at = self.now().seconds();
        let answer = self.answer(request.mac, &request.keys, issued_at);
        let sealed = keys.seal(CHALLENGE_DOMAIN, &answer)?;
        Ok(Challenge { desk: self.desk().to_owned(), issued_at, sealed: BASE64.encode(&sealed) })
    }

    /// Whether a station that introduces itself has opened its challenge, and signed this request: it has both keys that it
    /// names. What it says of its MAC ID is not proved by that.
    pub fn check_introduction(
        &self,
        introduced: &Introduction,
        credentials: &Credentials,
        request: (&str, &str, &[u8]),
    ) -> Result<(), RegisterError> {
        let now = self.now().seconds();
        let Introduction { mac, keys, issued_at, answer } = introduced;
        let is_recent = *issued_at <= now.saturating_add(SKEW) && now < issued_at.saturating_add(CHALLENGE_LIFE);
        let expected = HEXLOWER.encode(&self.answer(*mac, keys, *issued_at));
        let is_opened = bool::from(expected.as_bytes().ct_eq(answer.as_bytes()));
        let public = keys.public().ok_or(Refusal::KeysRefused)?;
        let is_signed = credentials.mac == *mac && credentials.generation == 0;
        if is_recent && is_opened && is_signed && credentials.are_of(&public, &self.desk, request) {
            Ok(())
        } else {
            Err(Refusal::ChallengeStale.into())
        }
    }

    /// The activated station that signed this request, which was not there before; with the version of its record.
    pub fn authenticate(
        &self,
        credentials: &Credentials,
        request: (&str, &str, &[u8]),
    ) -> Result<(Station, u64), RegisterError> {
        let (station, version) = self.get(credentials.mac)?.ok_or(Refusal::NotKnown)?;
        let keys = station.keys.as_ref().and_then(StationKeys::public).ok_or(Refusal::NotKnown)?;
        if !credentials.are_of(&keys, &self.desk, request) {
            return Err(Refusal::NotKnown.into());
        }
        if station.state == StationState::Revoked {
            return Err(Refusal::Revoked.into());
        }
        if credentials.generation != station.generation {
            return Err(Refusal::OldGeneration.into());
        }
        self.count(credentials)?;
        Ok((station, version))
    }

    /// What a station is told of itself.
    pub fn status(&self, station: &Station, version: u64) -> Result<StationStatus, RegisterError> {
        let now = self.now();
        let shown = match &station.keys {
            Some(keys) if station.state != StationState::SignedIn => self.shown(station.mac, keys)?,
            _ => None,
        };
        Ok(StationStatus {
            organisation: self.organisation.to_string(),
            mac: station.mac,
            location: station.location.clone(),
            state: station.state,
            operator: station.operator.clone(),
            generation: station.generation,
            version,
            login_code_wanted: station.is_fetched(now),
            shown,
            time: now.seconds(),
        })
    }

    /// A station signs itself out.
    pub fn sign_out_itself(&self, mac: MacId) -> Result<(), RegisterError> {
        self.sign_out(&Self::itself(mac), &[mac])?.only()
    }

    /// A station forgets its keys: it waits on its activation again.
    pub fn reset_itself(&self, mac: MacId) -> Result<(), RegisterError> {
        self.begin_anew(&Self::itself(mac), &[mac])?.only()
    }

    /// Notes the counter of a request, if it is larger than all before.
    fn count(&self, credentials: &Credentials) -> Result<(), RegisterError> {
        let Credentials { mac, counter, .. } = *credentials;
        let id = self.id(SEEN, mac);
        retrying(|| {
            let seen = self.read::<Seen>(SEEN, &id)?;
            if let Some((seen, _)) = &seen
                && counter <= seen.counter
            {
                return Err(Refusal::Repeated { newest: seen.counter }.into());
            }
            let mut draft = Draft::default();
            let version = seen.map(|(_, version)| version);
            draft.put(SEEN, &id, version, None, &Seen { mac, counter, at: self.now().seconds() });
            Ok(self.records.commit(&draft.changes())?)
        })
    }

    /// What is sealed into a challenge: only a desk of this escrow can compute it.
    fn answer(&self, mac: MacId, keys: &StationKeys, issued_at: u64) -> [u8; 32] {
        let mut answer =
            Hmac::<Sha256>::new_from_slice(&self.records.secret("challenges")).expect("HMAC takes keys of any length");
        answer.update(&mac.bytes());
        answer.update(&issued_at.to_be_bytes());
        for text in [&keys.recipient, &keys.writer] {
            answer.update(&(text.len() as u64).to_be_bytes());
            answer.update(text.as_bytes());
        }
        answer.finalize().into_bytes().into()
    }
}
