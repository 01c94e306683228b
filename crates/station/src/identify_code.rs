//! Whose token shows this?

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use oathburn_escrow::{Disclosure, Entry, EntryId, EscrowError, Facts, Purpose, ScanTimes};
use oathburn_oath::{Sighting, Totp, UnixTime, Window};

use crate::{Station, StationError};

/// A token that may show the code.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its entry, verified.
    pub entry: Entry,
    /// Steps that the token is ahead if it is the one.
    pub drift_steps: i64,
}

/// What came of a search through the whole escrow.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeSearch {
    /// Tokens that may show the code, likeliest first: those in use before those that are not, then those whose
    /// clock is nearest to where it is known to be.
    pub candidates: Vec<Candidate>,
    /// How many seeds were compared: those whose codes have as many digits.
    pub searched: u64,
    /// How many tokens will show the code by chance.
    pub false_hits: f64,
    /// Entries whose seals do not open, and which were not compared.
    pub unopened: Vec<EntryId>,
    /// Where the time went.
    pub times: ScanTimes,
}

impl Station<'_> {
    /// Compares displayed codes with every seed of the escrow. The search is noted, and each candidate once more;
    /// the codes are not.
    pub fn identify_code(
        &self,
        sighting: Sighting,
        at: UnixTime,
        window: Window,
        threads: NonZeroUsize,
    ) -> Result<CodeSearch, StationError> {
        let opener = self.officer.ok_or(StationError::OfficerNeeded)?.opener()?;
        let at_seconds = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
        let facts = Facts::new()
            .with("scope", "all")
            .with("at", at_seconds)
            .with("past_steps", i64::from(window.past))
            .with("future_steps", i64::from(window.future));
        let disclosure = Disclosure { facts, ..Disclosure::new(Purpose::CompareCode) };
        let passed_over = AtomicU64::new(0);
        let scan = opener.scan(&disclosure, threads, |seed, params| {
            let comparable = params.totp().ok().filter(|params| params.digits == sighting.digits());
            let Some(params) = comparable else {
                passed_over.fetch_add(1, Ordering::Relaxed);
                return None;
            };
            let found = sighting.find(&Totp::new(seed, params), at, window);
            (!found.is_empty()).then_some(found)
        })?;
        let entries: Vec<_> =
            scan.found.iter().map(|(id, _)| self.escrow.entry(&id.to_string())).collect::<Result<_, EscrowError>>()?;
        if !entries.is_empty() {
            // Only now is it known what the entries say beside their seals.
            let disclosure = Disclosure::new(Purpose::CompareCode);
            opener.open_all(&entries, &disclosure)?;
        }
        let mut candidates = Vec::with_capacity(entries.len());
        for (entry, (_, offsets)) in entries.into_iter().zip(scan.found) {
            let known =
                self.known_drift(&entry)?.zip(entry.params.step()).map_or(0, |(known, step)| known.drift.steps(step));
            let nearest = offsets.into_iter().min_by_key(|offset| offset.abs_diff(known));
            candidates
                .extend(nearest.map(|drift_steps| (drift_steps.abs_diff(known), Candidate { entry, drift_steps })));
        }
        candidates.sort_by_key(|(distance, one)| (!one.entry.state.is_live(), *distance, one.entry.id));
        let searched = scan.searched - passed_over.into_inner();
        Ok(CodeSearch {
            candidates: candidates.into_iter().map(|(_, candidate)| candidate).collect(),
            searched,
            false_hits: sighting.false_hits(window.steps().saturating_mul(searched)),
            unopened: scan.unopened,
            times: scan.times,
        })
    }
}
