//! Handing many seeds out: all are looked at first, all are noted, and only then does the first one leave.

use std::vec;

use oathburn_oath::TokenRecord;

use crate::history::Events;
use crate::journal::{Draft, EventDraft, MAX_TOUCHED};
use crate::store::{self, EntryRow};
use crate::{Disclosure, Entry, EntryId, EscrowError, Filter, Opener};

/// Entries that can be handed out: each was compared with its signed events, opened, and found to fit.
///
/// It remembers 16 bytes an entry, and no seed.
#[derive(Debug)]
pub struct Selection<'a> {
    opener: &'a Opener,
    entries: Vec<EntryId>,
}

/// Hands the records of a selection out, oldest entry first; some are held at a time. The first error ends it.
#[derive(Debug)]
pub struct HandOut<'a> {
    opener: &'a Opener,
    left: vec::IntoIter<EntryId>,
    page: vec::IntoIter<TokenRecord>,
}

impl Opener {
    /// Shows each entry that passes the filter, whose seed is known to be on a token and that is `wanted`, to `fits`,
    /// and keeps those for which it says so. Nothing is noted yet, for nothing has left: `fits` has to forget what it
    /// saw.
    ///
    /// A wanted entry whose row or seal was tampered with is an error, as everywhere where seals are opened.
    pub fn select(
        &self,
        filter: &Filter,
        mut wanted: impl FnMut(&Entry) -> bool,
        mut fits: impl FnMut(&Entry, &TokenRecord) -> bool,
    ) -> Result<Selection<'_>, EscrowError> {
        let trust = self.escrow.followed();
        // No service has a use for what opens a token.
        let filter = &Filter { seeds_only: true, ..filter.clone() };
        let (mut entries, mut after) = (Vec::new(), Vec::new());
        loop {
            let last = store::read_once(&*self.escrow.store, |view| {
                let rows = view.entries(filter, &after, MAX_TOUCHED)?;
                let mut events = Events::new();
                for row in &rows {
                    let entry = Entry::try_from(row)?;
                    if entry.state.is_finished() && wanted(&entry) {
                        let record = self.record(view, &trust, &entry, &mut events)?;
                        if fits(&entry, &record) {
                            entries.push(entry.id);
                        }
                    }
                }
                Ok(rows.last().map(|row: &EntryRow| row.id.clone()))
            })?;
            match last {
                Some(id) => after = id,
                None => return Ok(Selection { opener: self, entries }),
            }
        }
    }
}

impl<'a> Selection<'a> {
    /// The entries, oldest first.
    pub fn entries(&self) -> &[EntryId] {
        &self.entries
    }

    /// Commits the disclosure of all entries, then hands them out. An entry that went out of use meanwhile ends it
    /// with an error.
    pub fn hand_out(self, disclosure: &Disclosure) -> Result<HandOut<'a>, EscrowError> {
        let escrow = &self.opener.escrow;
        for some in self.entries.chunks(MAX_TOUCHED) {
            let event = EventDraft::new(disclosure.purpose.event(), disclosure.facts.clone())
                .because(disclosure.reason.as_deref())
                .touching(some.iter().copied());
            escrow.steadily(|trust| {
                escrow.known(&self.opener.officer)?;
                escrow.commit(trust, self.opener.officer.keys(), &mut |_| {
                    Ok(Draft { events: vec![event.clone()], ..Draft::default() })
                })
            })?;
        }
        Ok(HandOut { opener: self.opener, left: self.entries.into_iter(), page: Vec::new().into_iter() })
    }
}

impl HandOut<'_> {
    /// The next records; none at the end.
    fn read_page(&mut self) -> Result<Vec<TokenRecord>, EscrowError> {
        let ids: Vec<_> = self.left.by_ref().take(MAX_TOUCHED).collect();
        let (opener, trust) = (self.opener, self.opener.escrow.followed());
        store::read(&*opener.escrow.store, |view| {
            let (mut events, mut records) = (Events::new(), Vec::with_capacity(ids.len()));
            for id in &ids {
                let row = view.entry(id)?.ok_or_else(|| EscrowError::EntryUnknown { text: id.to_string() })?;
                let entry = Entry::try_from(&row)?;
                if !entry.state.is_finished() {
                    return Err(EscrowError::NotOnToken { entry: *id, state: entry.state });
                }
                records.push(opener.record(view, &trust, &entry, &mut events)?);
            }
            Ok(records)
        })
    }
}

impl Iterator for HandOut<'_> {
    type Item = Result<TokenRecord, EscrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0 {
            match self.read_page() {
                Ok(page) => self.page = page.into_iter(),
                Err(error) => {
                    self.left = Vec::new().into_iter();
                    return Some(Err(error));
                }
            }
        }
        self.page.next().map(Ok)
    }
}
