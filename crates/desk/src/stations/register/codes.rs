//! Verification codes for a selection of stations.

use oathburn_escrow::{EscrowError, Facts};

use super::rows::Draft;
use super::{ALL, GUESSES, Register, STATION, retrying, selection};
use crate::stations::code::{LIVES, StoredCode, VerificationCode};
use crate::stations::throttle::Ledger;
use crate::stations::{CodeLength, MacId, RegisterError, StationState};

/// Which codes are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeOrder {
    /// How many digits at least; where many codes are live at a time they get more.
    pub length: CodeLength,
    /// For how long they are good, in seconds.
    pub life: u32,
    /// The same code for all, instead of one for each.
    pub shared: bool,
}

/// A code with its station. It is shown this once: the desk keeps a keyed digest.
#[derive(Clone, Debug)]
pub struct IssuedCode {
    /// For which machine.
    pub mac: MacId,
    /// Where that is.
    pub location: String,
    /// The code.
    pub code: VerificationCode,
    /// From when on it is refused, in Unix seconds.
    pub expires_at: u64,
}

/// The codes that were made.
#[derive(Debug)]
pub struct IssuedCodes {
    /// By location and MAC ID.
    pub codes: Vec<IssuedCode>,
    /// The stations that got none.
    pub skipped: Vec<RegisterError>,
}

impl Register {
    /// Makes codes for stations. The codes that these had before are worth nothing any more.
    ///
    /// An activated station keeps its keys until the new code is used: a machine that was set up anew is let in without
    /// anybody's being locked out before.
    pub fn make_codes(&self, by: &str, macs: &[MacId], order: CodeOrder) -> Result<IssuedCodes, RegisterError> {
        let macs = selection(macs)?;
        if !LIVES.contains(&order.life) {
            return Err(RegisterError::CodeLife);
        }
        let key = self.secret("verification codes");
        retrying(|| {
            let now = self.now();
            let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
            for &mac in &macs {
                match self.get(mac)? {
                    None => skipped.push(RegisterError::NotRegistered { mac }),
                    Some((station, _)) if station.state == StationState::Revoked => {
                        let (state, deed) = (station.state, "given a code");
                        skipped.push(RegisterError::NotNow { mac, state, deed });
                    }
                    Some(found) => chosen.push(found),
                }
            }
            if chosen.is_empty() {
                return Ok(IssuedCodes { codes: Vec::new(), skipped });
            }
            let selected: std::collections::HashSet<_> = chosen.iter().map(|(station, _)| station.mac).collect();
            let others = self.list()?.into_iter().filter(|one| one.has_live_code(now) && !selected.contains(&one.mac));
            let length = CodeLength::for_live(others.count() + chosen.len(), order.length);
            let codes = made(length, chosen.len(), order.shared)?;
            let (mut draft, mut issued) = (Draft::default(), Vec::with_capacity(chosen.len()));
            for ((mut station, version), code) in chosen.into_iter().zip(codes) {
                let stored = StoredCode::new(&code, &key, station.mac, now, order.life, order.shared);
                let expires_at = stored.expires_at;
                station.code = Some(stored);
                draft.put(STATION, &self.id(STATION, station.mac), Some(version), None, &station);
                issued.push(IssuedCode { mac: station.mac, location: station.location, code, expires_at });
            }
            let (mut ledger, version) = self.ledger(ALL)?;
            ledger.made(now, order.life);
            draft.put(GUESSES, ALL, version, Some(ledger.expires_at(now)), &ledger);
            let done: Vec<_> = issued.iter().map(|one| one.mac).collect();
            let mut deed = Self::deed(by, "verification-codes-made", &done);
            let facts = Facts::new().with("digits", i64::from(length.digits())).with("life", i64::from(order.life));
            for (name, fact) in facts.with("shared", if order.shared { "yes" } else { "no" }).iter() {
                deed.facts = deed.facts.with(name, fact.clone());
            }
            self.commit(&deed, draft)?;
            issued.sort_by(|one, other| (&one.location, one.mac).cmp(&(&other.location, other.mac)));
            Ok(IssuedCodes { codes: issued, skipped })
        })
    }

    /// How many more wrong codes of this length are judged at present, from everybody together.
    pub fn guesses_left(&self, length: CodeLength) -> Result<u64, RegisterError> {
        let (mut ledger, _) = self.ledger(ALL)?;
        Ok(ledger.left(self.now(), length))
    }

    /// What guesses have cost, with the version of the record.
    pub(super) fn ledger(&self, id: &[u8]) -> Result<(Ledger, Option<u64>), RegisterError> {
        let found = self.read::<Ledger>(GUESSES, id)?;
        Ok(found.map_or_else(|| (Ledger::default(), None), |(ledger, version)| (ledger, Some(version))))
    }
}

fn made(length: CodeLength, count: usize, shared: bool) -> Result<Vec<VerificationCode>, RegisterError> {
    let codes = if shared {
        VerificationCode::generate(length).map(|code| vec![code; count])
    } else {
        VerificationCode::generate_unique(length, count)
    };
    codes.map_err(|_| EscrowError::Random.into())
}
