//! The key of the records: an entry that an officer has made.

use std::sync::Arc;

use oathburn_oath::{Seed, TokenRecord};

use super::{RecordKeys, Records};
use crate::opener::{self, Events};
use crate::roster::Trust;
use crate::store::{self, EntryRow, View};
use crate::{Disclosure, Entry, Escrow, EscrowError, EventKind, Filter, Opener, Origin, Purpose, Reservation};

impl Escrow {
    /// The records of this escrow's desk, whose key an officer opens, or makes at the first use. Either is noted.
    pub fn records(&self, opener: &Opener) -> Result<Records, EscrowError> {
        let mut entry = self.desk_key()?;
        if entry.is_none() {
            self.make_desk_key(opener)?;
            entry = self.desk_key()?;
        }
        let entry = entry.ok_or(EscrowError::RecordsKeyless)?;
        let record = opener.open(&entry, &Disclosure::new(Purpose::Desk))?;
        let keys = RecordKeys::of(self.id(), &record.seed);
        Ok(Records { escrow: Arc::clone(&self.inner), keys: Arc::new(keys) })
    }

    fn desk_key(&self) -> Result<Option<Entry>, EscrowError> {
        let trust = self.inner.trust();
        let row = store::read(&*self.inner.store, |view| find_key(view, &trust))?;
        row.as_ref().map(Entry::try_from).transpose()
    }

    fn make_desk_key(&self, opener: &Opener) -> Result<(), EscrowError> {
        self.inner.known(&opener.officer)?;
        let record = TokenRecord {
            identity: Entry::desk_key(),
            params: Entry::no_codes(),
            seed: Seed::generate(32).map_err(|_| EscrowError::Random)?,
            manufacturer: None,
            model: None,
            upn: None,
            issuer: None,
        };
        let reservation = Reservation { record: &record, origin: Origin::Generated, batch: None };
        let inner = &*self.inner;
        self.seal_by_officer(opener.officer.keys(), &reservation, EventKind::DeskKeyMade, &mut |view| {
            // Of two desks that start for the first time one makes it.
            if find_key(view, &inner.trust())?.is_some() {
                return Ok(false);
            }
            // Records whose key was taken away would be lost behind another one.
            if view.records(("", &[]), None, 1)?.is_empty() { Ok(true) } else { Err(EscrowError::RecordsKeyless) }
        })
    }
}

/// The row that holds the key: the newest one in use that an officer has made. What stations have put there does not
/// count; a row that is not what was signed is an error.
pub(crate) fn find_key(view: &dyn View, trust: &Trust) -> Result<Option<EntryRow>, EscrowError> {
    let rows = view.entries(&Filter::identity(&Entry::desk_key()), &[], usize::MAX)?;
    for row in rows.into_iter().rev() {
        let entry = Entry::try_from(&row)?;
        let mut events = Events::new();
        opener::verify_history(view, trust, entry.id, &row, &mut events)?;
        let by_officer = events.values().any(|event| event.kind == EventKind::DeskKeyMade.as_str());
        if by_officer && entry.state.is_finished() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}
