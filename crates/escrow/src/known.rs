//! What the escrow already knows of tokens that come in a file.

use oathburn_oath::{TokenIdentity, TokenRecord};

use crate::escrow::duplicate_keys;
use crate::history::{self, Events};
use crate::keys::KeyPair;
use crate::roster::Trust;
use crate::store::{EntryRow, View};
use crate::{Entry, EntryId, Escrow, EscrowError, Filter, duplicate};

/// What is in the escrow of a token and its seed. Entries that are out of use do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Neither of them.
    Nothing,
    /// This seed for this token.
    Same(EntryId),
    /// This seed, for another token.
    SeedOf(EntryId, Box<TokenIdentity>),
    /// This token, with another seed.
    TokenOf(EntryId),
}

impl Escrow {
    /// Looks each token up, in one state of the store and without opening anything. What is found is compared with its
    /// signed events. Stations that are not on the roster cannot ask.
    pub fn known(&self, records: &[&TokenRecord]) -> Result<Vec<Known>, EscrowError> {
        self.inner.look(|view, trust| of(view, trust, self.inner.station.keys(), records))
    }
}

/// What the store has of each token, for a station with these keys.
pub(crate) fn of(
    view: &dyn View,
    trust: &Trust,
    keys: &KeyPair,
    records: &[&TokenRecord],
) -> Result<Vec<Known>, EscrowError> {
    let keys = duplicate_keys(view, trust, keys)?;
    let mut events = Events::new();
    let mut live = |row: &EntryRow| -> Result<Option<Entry>, EscrowError> {
        let entry = Entry::try_from(row)?;
        history::verify(view, trust, entry.id, row, &mut events)?;
        Ok(Some(entry).filter(|entry| entry.state.is_live()))
    };
    let mut known = Vec::with_capacity(records.len());
    for record in records {
        let mut found = Known::Nothing;
        for (number, key) in &keys {
            for row in view.entries_tagged(*number, &duplicate::tag(key, &record.seed))? {
                match live(&row)? {
                    Some(entry) if entry.identity == record.identity => found = Known::Same(entry.id),
                    Some(entry) if found == Known::Nothing => {
                        found = Known::SeedOf(entry.id, Box::new(entry.identity));
                    }
                    _ => {}
                }
            }
        }
        if !matches!(found, Known::Same(_)) {
            for row in view.entries(&Filter::identity(&record.identity), &[], usize::MAX)? {
                if let Some(entry) = live(&row)? {
                    found = Known::TokenOf(entry.id);
                }
            }
        }
        known.push(found);
    }
    Ok(known)
}
