//! Deeds of many in one transaction: what it costs to wait for the disk is shared by all who wait.

use std::collections::BTreeMap;

use oathburn_oath::{TokenRecord, UnixTime};

use super::{Change, Record, Records, Ring, SWEEP_AFTER};
use crate::history::Events;
use crate::journal::{Draft, EventDraft};
use crate::opener::fits;
use crate::roster::Trust;
use crate::store::{RecordRow, View};
use crate::{Disclosure, Entry, EntryId, EscrowError, Opener};

/// Deeds that are written together, in one transaction: each sees what those before it have changed, and one that fails leaves
/// nothing behind. Nothing of them is durable before [`Records::together`] returns; until then nothing may be told of them.
pub struct Together<'a> {
    records: &'a Records,
    ring: &'a Ring,
    opener: &'a Opener,
    view: &'a dyn View,
    trust: &'a Trust,
    now: i64,
    verified: Events,
    /// What the deeds that are done have written, and what the one writes that is under way.
    done: Written,
    begun: Written,
}

#[derive(Default)]
struct Written {
    /// Records as they will be; nothing where one goes.
    records: BTreeMap<(String, Vec<u8>), Option<RecordRow>>,
    events: Vec<EventDraft>,
}

impl Records {
    /// Shows a transaction to `deeds`, and makes durable what they write in it. It may be begun again, so that `deeds` is called
    /// more than once: what came out of the last call holds, if this returns without an error.
    pub fn together(&self, opener: &Opener, deeds: &mut dyn FnMut(&mut Together<'_>)) -> Result<(), EscrowError> {
        self.under_keys_in_force(|ring, trust| {
            self.escrow.known(&opener.officer)?;
            self.escrow.commit(trust, opener.officer.keys(), &mut |view| {
                ring.refuse_others(view)?;
                let now = self.escrow.now();
                let (verified, done, begun) = (Events::new(), Written::default(), Written::default());
                let mut together = Together { records: self, ring, opener, view, trust, now, verified, done, begun };
                deeds(&mut together);
                Ok(together.draft())
            })
        })
    }
}

impl Together<'_> {
    /// One deed: all that it writes, or nothing where it fails.
    pub fn deed<T, E>(&mut self, deed: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        self.begun = Written::default();
        let result = deed(self);
        let begun = std::mem::take(&mut self.begun);
        if result.is_ok() {
            self.done.records.extend(begun.records);
            self.done.events.extend(begun.events);
        }
        result
    }

    /// The time that all of them have.
    pub fn now(&self) -> UnixTime {
        UnixTime::new(self.now.try_into().unwrap_or(0))
    }

    /// The record with this id, as the deeds so far have made it.
    pub fn get(&self, kind: &str, id: &[u8]) -> Result<Option<Record>, EscrowError> {
        let row = self.row(kind, id)?.filter(|row| row.expires_at.is_none_or(|end| self.now < end));
        row.map(|row| Records::open(self.ring, &row)).transpose()
    }

    /// Changes a record, which must have the version that the change says: [`EscrowError::RecordChanged`] otherwise.
    pub fn change(&mut self, change: &Change<'_>) -> Result<(), EscrowError> {
        change.check()?;
        let (kind, id, _) = change.target();
        let row = Records::row(self.ring, self.row(kind, id)?.as_ref(), change, self.now)?;
        self.begun.records.insert((kind.to_owned(), id.to_vec()), row);
        Ok(())
    }

    /// The token's record with its seed, as [`Opener::open`] gives it, noted under the name of `operator`.
    pub fn disclose(
        &mut self,
        operator: &str,
        entry: &Entry,
        disclosure: &Disclosure,
    ) -> Result<TokenRecord, EscrowError> {
        fits(entry, disclosure.purpose)?;
        let event = EventDraft::new(disclosure.purpose.event(), disclosure.facts.clone());
        let event = event.because(disclosure.reason.as_deref()).touching([entry.id]);
        let event = EventDraft { operator: Some(operator.to_owned()), ..event };
        // What cannot be noted is the fault of this deed, and of no other.
        event.check(&self.records.escrow.who)?;
        let (record, row) = self.opener.record_and_row(self.view, self.trust, entry, &mut self.verified)?;
        self.verified.keep(entry.id, row);
        self.begun.events.push(event);
        Ok(record)
    }

    /// The entry with this id, as it stands in the store.
    pub fn entry(&self, id: &EntryId) -> Result<Entry, EscrowError> {
        let row = self.view.entry(id)?.ok_or_else(|| EscrowError::EntryUnknown { text: id.to_string() })?;
        Entry::try_from(&row)
    }

    /// An id that is made of a text, as [`Records::id_of`] makes it.
    pub fn id_of(&self, kind: &str, text: &str) -> [u8; 32] {
        self.ring.id(kind, text)
    }

    fn row(&self, kind: &str, id: &[u8]) -> Result<Option<RecordRow>, EscrowError> {
        let key = (kind.to_owned(), id.to_vec());
        match self.begun.records.get(&key).or_else(|| self.done.records.get(&key)) {
            Some(row) => Ok(row.clone()),
            None => self.view.record(kind, id),
        }
    }

    fn draft(self) -> Draft {
        let mut draft = Draft {
            sweep: Some(self.now - SWEEP_AFTER),
            events: self.done.events,
            verified: self.verified,
            ..Draft::default()
        };
        for (key, row) in self.done.records {
            match row {
                Some(row) => draft.records.push(row),
                None => draft.dropped_records.push(key),
            }
        }
        draft
    }
}

/// Says whose it is, never what it knows.
impl std::fmt::Debug for Together<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Together").field("records", &self.records).finish_non_exhaustive()
    }
}
