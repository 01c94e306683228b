//! The escrow as a station and a helpdesk use it.

use std::sync::Arc;

use oathburn_oath::{Clock, Seed, TokenIdentity, TokenRecord};

use crate::{
    CheckReport, Disclosure, Entry, EntryId, EscrowError, EscrowId, Event, EventFilter, Facts, Filter, Finding,
    Officer, Pins, Programmed, Reservation, StationKey, StoreUrl,
};

/// Who is asking; claimed facts that every event carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Who says to be at the keyboard.
    pub operator: Option<String>,
    /// The user id of the process.
    pub uid: u32,
    /// The machine's name.
    pub host: String,
}

/// An open escrow.
pub struct Escrow {}

/// Opens seals with an officer's keys.
pub struct Opener {}

#[allow(unused, clippy::todo, missing_docs)]
impl Escrow {
    /// Makes a new store with this officer and this station on its roster, and pins it. Never overwrites a store.
    pub fn init(
        url: &StoreUrl,
        officer: &Officer,
        station: &StationKey,
        pins: &Pins,
        who: &Writer,
        clock: &dyn Clock,
    ) -> Result<EscrowId, EscrowError> {
        todo!()
    }
    /// Opens a store. Reading lists works for every station, writing for approved ones.
    pub fn open(
        url: &StoreUrl,
        station: StationKey,
        pins: &Pins,
        who: Writer,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EscrowError> {
        todo!()
    }
    pub fn id(&self) -> EscrowId {
        todo!()
    }
    /// Seals a seed; durable when it returns.
    pub fn reserve(&self, reservation: &Reservation<'_>) -> Result<EntryId, EscrowError> {
        todo!()
    }
    /// Seals the seeds of a file in one transaction, under one event.
    pub fn import(&self, reservations: &[Reservation<'_>], facts: Facts) -> Result<Vec<EntryId>, EscrowError> {
        todo!()
    }
    pub fn mark_unknown(&self, entry: EntryId, facts: Facts) -> Result<(), EscrowError> {
        todo!()
    }
    pub fn mark_programmed(&self, entry: EntryId, programmed: &Programmed) -> Result<(), EscrowError> {
        todo!()
    }
    /// Gives up an entry: it stays in the store as superseded.
    pub fn supersede(&self, entry: EntryId, reason: Option<&str>) -> Result<(), EscrowError> {
        todo!()
    }
    pub fn retire(&self, entry: EntryId, reason: Option<&str>) -> Result<(), EscrowError> {
        todo!()
    }
    pub fn assign(
        &self,
        entry: EntryId,
        upn: Option<&str>,
        issuer: Option<&str>,
        reason: Option<&str>,
    ) -> Result<(), EscrowError> {
        todo!()
    }
    pub fn unassign(&self, entry: EntryId, reason: Option<&str>) -> Result<(), EscrowError> {
        todo!()
    }
    pub fn note_verified(&self, entry: EntryId, facts: Facts) -> Result<(), EscrowError> {
        todo!()
    }
    pub fn note_synced(&self, entry: EntryId, drift_seconds: i64, facts: Facts) -> Result<(), EscrowError> {
        todo!()
    }
    /// All entries of a token's slot, newest first.
    pub fn find(&self, identity: &TokenIdentity) -> Result<Vec<Entry>, EscrowError> {
        todo!()
    }
    /// The entry whose id begins with `text`.
    pub fn entry(&self, text: &str) -> Result<Entry, EscrowError> {
        todo!()
    }
    /// Entries, oldest first.
    pub fn entries(&self, filter: &Filter) -> Result<Vec<Entry>, EscrowError> {
        todo!()
    }
    /// Up to `limit` entries after one, oldest first.
    pub fn entries_after(
        &self,
        filter: &Filter,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<Vec<Entry>, EscrowError> {
        todo!()
    }
    pub fn duplicates_of(&self, seed: &Seed) -> Result<Vec<Entry>, EscrowError> {
        todo!()
    }
    pub fn opener(&self, officer: Officer) -> Result<Opener, EscrowError> {
        todo!()
    }
    pub fn check(&self, officer: Option<&Officer>) -> Result<CheckReport, EscrowError> {
        todo!()
    }
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, EscrowError> {
        todo!()
    }
    pub fn verify_events(&self) -> Result<Vec<Finding>, EscrowError> {
        todo!()
    }
}

#[allow(unused, clippy::todo)]
impl Opener {
    /// The record of an entry with its seed, after the disclosure was committed.
    pub fn open(&self, entry: &Entry, disclosure: &Disclosure) -> Result<TokenRecord, EscrowError> {
        todo!()
    }
    /// Many at once, under one event.
    pub fn open_all(&self, entries: &[Entry], disclosure: &Disclosure) -> Result<Vec<TokenRecord>, EscrowError> {
        todo!()
    }
}
