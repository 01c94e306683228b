//! A verification code that was typed at a station: rationed, judged, and used up.

use std::net::IpAddr;

use super::rows::Draft;
use super::{ALL, GUESSES, Register, STATION, retrying};
use crate::protocol::{Refusal, StationKeys};
use crate::stations::code::{CodeState, StoredCode, Verdict, VerificationCode};
use crate::stations::throttle::{ADDRESS_SHARES, Ledger, SHARES, address_key};
use crate::stations::{MacId, RegisterError, Station};

/// What is written in the place of the ledger of all where a guess cannot hit: it takes as long.
const DECOY: &str = "decoy ";

/// A guess that was entered.
struct Entered {
    /// The code that the station had then.
    code: Option<StoredCode>,
    /// Whether it counts for everybody.
    counts: bool,
}

impl Register {
    /// Activates a station for the owner of these keys, who has proved to have them and types this code.
    ///
    /// The guess is entered into the ledgers before it is judged (see [`crate::stations::throttle`]), and given back when it was
    /// right. A machine that is not registered, one without a code and a wrong code are refused alike, and after the same work.
    /// Who is activated already with the same keys is told so again: its answer may have been lost.
    pub fn activate(
        &self,
        (mac, keys): (MacId, &StationKeys),
        typed: &str,
        address: IpAddr,
    ) -> Result<(Station, u64), RegisterError> {
        if let Some((station, version)) = self.get(mac)?
            && station.is_activated_with(keys)
        {
            return Ok((station, version));
        }
        // What is no code hits nothing, and costs nothing.
        let typed = VerificationCode::parse(typed).ok_or(Refusal::CodeWrong)?;
        let entered = self.enter(mac, &typed, address)?;
        self.judge((mac, keys), &typed, address, &entered)
    }

    /// Enters a guess, or says when there is room for it again.
    fn enter(&self, mac: MacId, typed: &VerificationCode, address: IpAddr) -> Result<Entered, RegisterError> {
        let (length, own_id) = (typed.length(), self.address_id("", address));
        retrying(|| {
            let now = self.now();
            let (mut all, all_version) = self.ledger(ALL)?;
            let (own, own_version) = self.ledger(&own_id)?;
            let mut own = Ledger::for_address(&all, own_version.map(|_| own));
            let throttled = |retry_after| Refusal::Throttled { retry_after };
            // Before anybody looks whether there is such a station: a full ledger tells nothing about it.
            own.enter(now, length, &ADDRESS_SHARES).map_err(throttled)?;
            all.enter(now, length, &SHARES).map_err(throttled)?;
            let code = self.get(mac)?.and_then(|(station, _)| station.code);
            // A code that was used or taken back counts until its time is over: others may share it.
            let counts = code.as_ref().is_some_and(|code| code.length == length && now.seconds() < code.expires_at);
            let mut draft = Draft::default();
            draft.put(GUESSES, &own_id, own_version, Some(own.expires_at(now)), &own);
            if counts {
                draft.put(GUESSES, ALL, all_version, Some(all.expires_at(now)), &all);
            } else {
                let decoy = self.address_id(DECOY, address);
                let version = self.ledger(&decoy)?.1;
                draft.put(GUESSES, &decoy, version, Some(now.seconds() + 1), &all);
            }
            self.records.commit(&draft.changes())?;
            Ok(Entered { code, counts })
        })
    }

    fn judge(
        &self,
        (mac, keys): (MacId, &StationKeys),
        typed: &VerificationCode,
        address: IpAddr,
        entered: &Entered,
    ) -> Result<(Station, u64), RegisterError> {
        let key = self.secret("verification codes");
        let by = Self::itself(mac);
        retrying(|| {
            let now = self.now();
            let Some((mut station, version)) = self.get(mac)? else { return Err(Refusal::CodeWrong.into()) };
            let code = station.code.as_mut();
            // A code that was made after the guess was entered has not been paid for.
            let code = code.filter(|code| entered.code.as_ref().is_some_and(|paid| paid.is_same(code)));
            let Some(code) = code else { return Err(Refusal::CodeWrong.into()) };
            match code.judge(typed, &key, mac, now) {
                Verdict::Wrong => return Err(Refusal::CodeWrong.into()),
                Verdict::Expired => return Err(Refusal::CodeExpired.into()),
                Verdict::Used => return Err(Refusal::CodeUsed.into()),
                Verdict::Revoked => return Err(Refusal::CodeRevoked.into()),
                Verdict::Good => code.state = CodeState::Used,
            }
            station.activate(keys.clone(), &by, now);
            let mut draft = Draft::default();
            draft.put(STATION, &self.id(STATION, mac), Some(version), None, &station);
            self.forget_seen(mac, &mut draft)?;
            self.give_back(typed, address, entered, &mut draft)?;
            let mut deed = Self::deed(&by, "station-activated", &[mac]);
            deed.facts = deed.facts.with("writer", keys.writer.as_str()).with("address", address.to_string());
            self.commit(&deed, draft)?;
            Ok((station, version + 1))
        })
    }

    /// A right code was no guess.
    fn give_back(
        &self,
        typed: &VerificationCode,
        address: IpAddr,
        entered: &Entered,
        draft: &mut Draft,
    ) -> Result<(), RegisterError> {
        let own_id = self.address_id("", address);
        for id in [Some(own_id.as_slice()), entered.counts.then_some(ALL)].into_iter().flatten() {
            if let (mut ledger, Some(version)) = self.ledger(id)? {
                ledger.give_back(typed.length());
                draft.put(GUESSES, id, Some(version), Some(ledger.expires_at(self.now())), &ledger);
            }
        }
        Ok(())
    }

    fn address_id(&self, what: &str, address: IpAddr) -> [u8; 32] {
        self.records.id_of(GUESSES, &format!("{what}{}", address_key(address)))
    }
}
