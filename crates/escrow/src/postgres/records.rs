//! The records of the desk.

use postgres::{Error, Row};

use super::session::Session;
use crate::EscrowError;
use crate::store::{Commit, RecordRow};

pub(super) const SELECT: &str = "SELECT kind, id, version, lookup, expires_at, body FROM records";
/// Expired records that one transaction deletes at most: whoever writes does not wait for an old store to be swept.
const SWEPT: i64 = 64;

pub(super) fn record(row: &Row) -> Result<RecordRow, Error> {
    Ok(RecordRow {
        kind: row.try_get(0)?,
        id: row.try_get(1)?,
        version: row.try_get(2)?,
        lookup: row.try_get(3)?,
        expires_at: row.try_get(4)?,
        body: row.try_get(5)?,
    })
}

pub(super) fn write(session: &Session, commit: &Commit) -> Result<(), EscrowError> {
    for (kind, id) in &commit.dropped_records {
        session.execute("DELETE FROM records WHERE kind = $1 AND id = $2", &[kind, id])?;
    }
    for row in &commit.records {
        session.execute(
            "INSERT INTO records (kind, id, version, lookup, expires_at, body) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, lookup = excluded.lookup,
                expires_at = excluded.expires_at, body = excluded.body",
            &[&row.kind, &row.id, &row.version, &row.lookup, &row.expires_at, &row.body],
        )?;
    }
    if let Some(time) = commit.sweep {
        // What another one is deleting need not be deleted twice.
        session.execute(
            "DELETE FROM records WHERE (kind, id) IN (SELECT kind, id FROM records WHERE expires_at <= $1
                ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            &[&time, &SWEPT],
        )?;
    }
    Ok(())
}
