//! Whether a transaction was committed whose answer never came.

use super::fault::Trouble;
use super::session::Session;
use crate::EscrowError;
use crate::store::{Commit, RecordRow};

/// What a transaction leaves in the store, and no other one can.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// An event: writer, sequence and hash.
    Event(Vec<u8>, i64, Vec<u8>),
    /// A lease, by batch and line: its row knows which transaction wrote it.
    Lease(Vec<u8>, i64),
    /// A record, by kind, id and body: each body is sealed with a nonce of its own.
    Record(String, Vec<u8>, Vec<u8>),
    /// Nothing that can be told.
    Nothing,
}

impl Mark {
    /// Of what a transaction writes.
    pub(super) fn of(commit: &Commit) -> Self {
        if let Some(event) = commit.events.last() {
            return Self::Event(event.writer.clone(), event.sequence, event.hash.clone());
        }
        let record = |row: &RecordRow| Self::Record(row.kind.clone(), row.id.clone(), row.body.clone());
        commit.records.last().map_or(Self::Nothing, record)
    }
}

/// What finds a transaction again after its connection broke.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// Its number on the server.
    xid: String,
    mark: Mark,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Committed,
    RolledBack,
    /// The server is still at it.
    Open,
    /// Nothing tells.
    Unknown,
}

impl Pending {
    /// Of the transaction that is open. It is asked for last: one in which anything failed does not answer.
    pub(super) fn of(session: &Session, mark: Mark) -> Result<Self, EscrowError> {
        let row = session.row("SELECT pg_current_xact_id()::text", &[])?;
        Ok(Self { xid: row.map_or(Ok(String::new()), |row| session.value(&row, 0))?, mark })
    }

    /// Asks over another connection. What the transaction left decides: after a standby was promoted, or an older copy
    /// took the store's place, its number may be another one's. What was overwritten since decides nothing.
    pub(super) fn ask(&self, session: &Session) -> Result<Outcome, EscrowError> {
        let status = self.status(session)?;
        if status.as_deref() == Some("in progress") {
            return Ok(Outcome::Open);
        }
        let found = match &self.mark {
            Mark::Event(writer, sequence, hash) => session.row(
                "SELECT 1 FROM events e JOIN writers w ON w.id = e.writer
                 WHERE w.key = $1 AND e.sequence = $2 AND e.hash = $3",
                &[writer, sequence, hash],
            )?,
            Mark::Lease(batch, line) => session.row(
                "SELECT 1 FROM leases WHERE batch = $1 AND line = $2 AND xmin = $3::text::xid8::xid",
                &[batch, line, &self.xid],
            )?,
            Mark::Record(kind, id, body) => {
                session.row("SELECT 1 FROM records WHERE kind = $1 AND id = $2 AND body = $3", &[kind, id, body])?
            }
            Mark::Nothing => None,
        };
        Ok(match (found, &self.mark, status.as_deref()) {
            (Some(_), ..) | (None, Mark::Nothing, Some("committed")) => Outcome::Committed,
            // Events stay for ever. A lease that is gone is as good as one that never was.
            (None, Mark::Event(..) | Mark::Lease(..), _) | (None, _, Some("aborted")) => Outcome::RolledBack,
            (None, ..) => Outcome::Unknown,
        })
    }

    /// What the server says of the number; nothing where it has not come so far, as after an older copy took its place,
    /// or where it has forgotten.
    fn status(&self, session: &Session) -> Result<Option<String>, EscrowError> {
        session.forget_trouble();
        match session.row("SELECT pg_xact_status($1::text::xid8)", &[&self.xid]) {
            Err(_) if session.trouble() == Some(Trouble::Refused) => Ok(None),
            row => row?.map_or(Ok(None), |row| session.value(&row, 0)),
        }
    }
}
