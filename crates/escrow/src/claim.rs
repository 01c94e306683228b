//! Whose a seed is, and what a token has: looked up in the very transaction that seals, so that of two programs that seal
//! at the same time one is told.

use oathburn_oath::{TokenIdentity, TokenRecord};

use crate::history::{self, Events};
use crate::roster::Trust;
use crate::store::View;
use crate::wrap::Key;
use crate::{Entry, EntryId, EntryState, EscrowError, Filter, duplicate};

/// The entries that decide what is on a token's slot, as [`crate::Escrow::current`] says.
pub(crate) fn current(view: &dyn View, trust: &Trust, identity: &TokenIdentity) -> Result<Vec<Entry>, EscrowError> {
    let rows = view.entries(&Filter::identity(identity), &[], usize::MAX)?;
    let (mut events, mut entries) = (Events::new(), Vec::new());
    for row in rows.iter().rev() {
        let entry = Entry::try_from(row)?;
        history::verify(view, trust, entry.id, row, &mut events)?;
        let decides = entry.state.is_finished();
        entries.push(entry);
        if decides {
            break;
        }
    }
    Ok(entries)
}

/// The entries that hold this very seed, in any state, oldest first.
pub(crate) fn holders(
    view: &dyn View,
    trust: &Trust,
    keys: &[(i64, Key)],
    record: &TokenRecord,
) -> Result<Vec<Entry>, EscrowError> {
    let mut events = Events::new();
    let mut entries = Vec::new();
    for (number, key) in keys {
        for row in view.entries_tagged(*number, &duplicate::tag(key, &record.seed))? {
            let entry = Entry::try_from(&row)?;
            history::verify(view, trust, entry.id, &row, &mut events)?;
            // Access keys may be the same for many.
            if entry.is_of_token() {
                entries.push(entry);
            }
        }
    }
    Ok(entries)
}

/// Refuses a seed that another token has; the entry that keeps it for this one is no other.
pub(crate) fn seed_is_free(
    view: &dyn View,
    trust: &Trust,
    keys: &[(i64, Key)],
    record: &TokenRecord,
    own: Option<EntryId>,
) -> Result<(), EscrowError> {
    let other = |entry: &Entry| entry.state.is_live() && entry.identity != record.identity && Some(entry.id) != own;
    match holders(view, trust, keys, record)?.into_iter().find(other) {
        Some(other) => Err(EscrowError::SeedTaken { serial: other.identity.serial, entry: other.id }),
        None => Ok(()),
    }
}

/// What a seed that no burn writes supersedes. A seed that any live entry has is refused, and so is one for a token that
/// has another, unless that is to be replaced. A reservation supersedes nothing: its burn will.
pub(crate) fn superseded(
    view: &dyn View,
    trust: &Trust,
    keys: &[(i64, Key)],
    record: &TokenRecord,
    (imported, replace): (bool, bool),
) -> Result<Vec<EntryId>, EscrowError> {
    if let Some(other) = holders(view, trust, keys, record)?.into_iter().find(|other| other.state.is_live()) {
        return Err(EscrowError::SeedTaken { serial: other.identity.serial, entry: other.id });
    }
    if !imported {
        return Ok(Vec::new());
    }
    let mut live = current(view, trust, &record.identity)?;
    live.retain(|entry| entry.state.is_live());
    match live.iter().find(|entry| entry.state != EntryState::Reserved) {
        _ if replace => Ok(live.iter().map(|entry| entry.id).collect()),
        Some(in_use) => Err(EscrowError::TokenTaken { serial: in_use.identity.serial.clone(), entry: in_use.id }),
        None => Ok(Vec::new()),
    }
}
