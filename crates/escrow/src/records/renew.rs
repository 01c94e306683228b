//! Sealing records anew, when a former officer knows the key under which they were sealed.

use super::key::{must_change, replace};
use super::ring::{self, Ring, generations};
use crate::custodian::Custodian;
use crate::journal::{Draft, EventDraft};
use crate::roster::Trust;
use crate::store::{self, Commit};
use crate::wrap::Key;
use crate::{EscrowError, EventKind, Facts};

/// Records that are sealed anew in one transaction: desks write between two of them.
const BATCH: usize = 200;

impl Custodian {
    /// Makes another key of the records where a former officer knows the one in use, and seals under it what is sealed
    /// under former ones. `tag_key` is the newest duplicate key.
    ///
    /// Each step is one transaction. Whatever was not reached is left under a former key, and found by the next run;
    /// desks read it meanwhile. An event says that nothing is left; from then on nobody believes the former keys. `false`
    /// where this officer cannot open the keys.
    pub(crate) fn renew_records(
        &self,
        trust: &Trust,
        tag_key: impl FnOnce() -> Result<(i64, Key), EscrowError>,
        tell: &mut dyn FnMut(u64),
    ) -> Result<bool, EscrowError> {
        let inner = &*self.escrow;
        let (must, moving) = store::read(&*inner.store, |view| {
            let found = generations(view, trust)?;
            Ok((must_change(view, trust, &found)?, ring::is_moving(&found)))
        })?;
        if must {
            let (number, tag_with) = tag_key()?;
            let roster = trust.latest();
            let officers: Vec<_> = roster.officers.iter().map(|one| one.keys.recipient.as_str()).collect();
            let time = inner.now();
            inner.commit(trust, self.officer.keys(), &mut |view| {
                let mut draft = Draft::default();
                // Another officer may have done it.
                if must_change(view, trust, &generations(view, trust)?)? {
                    replace(view, trust, (roster.version, &officers), (number, &tag_with), time, &mut draft)?;
                }
                Ok(draft)
            })?;
        }
        if must || moving { self.move_records(trust, tell) } else { Ok(true) }
    }

    fn move_records(&self, trust: &Trust, tell: &mut dyn FnMut(u64)) -> Result<bool, EscrowError> {
        let inner = &*self.escrow;
        let ring = store::read(&*inner.store, |view| {
            ring::refuse_gaps(view, trust)?;
            Ring::opened_by(view, trust, self.officer.keys())
        })?;
        let Some(ring) = ring else { return Ok(false) };
        let mut after = (String::new(), Vec::new());
        let mut moved = 0;
        loop {
            let page = store::read(&*inner.store, |view| view.records((&after.0, &after.1), None, BATCH))?;
            let Some(last) = page.last() else { break };
            after = (last.kind.clone(), last.id.clone());
            let mut count = 0;
            inner.store.commit(&mut |view| {
                if !ring.is_complete(view)? {
                    return Err(EscrowError::RosterUnsteady);
                }
                let mut records = Vec::new();
                for row in &page {
                    // As it is now: a desk may have written it meanwhile, or taken it away.
                    if let Some(row) = view.record(&row.kind, &row.id)? {
                        records.extend(ring.move_up(&row)?);
                    }
                }
                count = records.len() as u64;
                Ok(Commit { records, ..Commit::default() })
            })?;
            if count > 0 {
                moved += count;
                tell(moved);
            }
        }
        inner.commit(trust, self.officer.keys(), &mut |view| {
            if !ring.is_complete(view)? {
                return Err(EscrowError::RosterUnsteady);
            }
            let mut draft = Draft::default();
            if ring::is_moving(&generations(view, trust)?) {
                let facts = Facts::new().with("records", i64::try_from(moved).unwrap_or(i64::MAX));
                let event = EventDraft::new(EventKind::DeskRecordsSealed, facts);
                draft.events.push(event.touching(ring.leaving()));
            }
            Ok(draft)
        })?;
        Ok(true)
    }
}
