//! How many there are of what.

use crate::{Escrow, EscrowError, store};

/// How many entries there are of which kind. Counted from the rows as they are: `check` compares them with what was
/// signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// All entries, access keys and those of the desk included.
    pub entries: u64,
    /// Access keys of tokens; they count nowhere else here.
    pub access_keys: u64,
    /// What the desk keeps in entries: the key of its records, and what people sign in with; they count nowhere else here.
    pub desk: u64,
    /// Entries of seeds by state; states of which there are none are left out, as in all lists here.
    pub states: Vec<(String, u64)>,
    /// Entries in use (neither superseded nor retired) by family.
    pub families: Vec<(String, u64)>,
    /// Entries in use by model; an empty name where the model is not known.
    pub models: Vec<(String, u64)>,
    /// Entries in use by where their seeds came from.
    pub origins: Vec<(String, u64)>,
    /// Entries in use that belong to a user.
    pub assigned: u64,
    /// Entries in use that were written out for a service.
    pub exported: u64,
    /// Entries in use whose token was seen to show the right code.
    pub verified: u64,
    /// All events.
    pub events: u64,
    /// Sealing sessions.
    pub sessions: u64,
    /// The store's size in bytes.
    pub bytes: u64,
}

impl Escrow {
    /// How many entries there are of which kind.
    pub fn stats(&self) -> Result<Stats, EscrowError> {
        store::read(&*self.inner.store, |view| view.stats())
    }
}
