//! Making a store in a database that has none.

use super::PostgresStore;
use super::fault::Trouble;
use super::format::{self, Found};
use super::outcome::{Mark, Outcome, Pending};
use super::session::Session;
use super::view::PostgresView;
use crate::EscrowError;
use crate::store::Filling;
use crate::url::PostgresUrl;

impl PostgresStore {
    /// Makes a store that somebody else fills, all of it in one transaction. What lies in the database already is moved
    /// into a schema with a number at its end if one is given, whose name is returned, and refused otherwise.
    pub(crate) fn make(
        url: &PostgresUrl,
        aside: Option<i64>,
        fill: impl FnOnce(&dyn Filling) -> Result<(), EscrowError>,
        publish: impl FnOnce() -> Result<(), EscrowError>,
    ) -> Result<Option<String>, EscrowError> {
        let store = Self::new(url);
        let session = store.first()?;
        let transaction = session.begin(format::BEGIN)?;
        let moved = match (format::found(&session)?, aside) {
            (Found::Nothing, _) => None,
            (Found::Store(_), None) => return Err(EscrowError::StoreExists { store: store.fault.store.clone() }),
            (Found::Store(_), Some(number)) => Some(format::move_aside(&session, number)?),
            (Found::Foreign, _) => return Err(EscrowError::NotEscrow { store: store.fault.store.clone() }),
        };
        format::make(&session)?;
        fill(&PostgresView { session: &session, writing: true })?;
        let pending = Pending::of(&session, mark(&session)?)?;
        publish()?;
        let Err(error) = transaction.commit() else { return Ok(moved) };
        if session.trouble() != Some(Trouble::Lost) {
            return Err(error);
        }
        let mut slot = store.slot();
        slot.lost(session);
        match store.made(&mut slot, &pending)? {
            Outcome::Committed => Ok(moved),
            _ => Err(store.fault.unavailable("the connection broke before the store was made")),
        }
    }

    /// What became of the transaction that made a store. Where there is none now, it was rolled back.
    fn made(&self, slot: &mut super::Slot, pending: &Pending) -> Result<Outcome, EscrowError> {
        match self.outcome(slot, pending) {
            Err(EscrowError::StoreMissing { .. }) => Ok(Outcome::RolledBack),
            other => other,
        }
    }

    /// Whether anything lies where a store is to be.
    pub(crate) fn is_taken(url: &PostgresUrl) -> Result<bool, EscrowError> {
        Ok(format::found(&Self::new(url).first()?)? != Found::Nothing)
    }
}

/// An event of the store that is being made.
fn mark(session: &Session) -> Result<Mark, EscrowError> {
    let sql =
        "SELECT w.key, e.sequence, e.hash FROM events e JOIN writers w ON w.id = e.writer ORDER BY e.hash LIMIT 1";
    let Some(row) = session.row(sql, &[])? else { return Ok(Mark::Nothing) };
    Ok(Mark::Event(session.value(&row, 0)?, session.value(&row, 1)?, session.value(&row, 2)?))
}
