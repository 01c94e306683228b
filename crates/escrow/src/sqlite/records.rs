//! The records of the desk.

use rusqlite::{Connection, Row, params};

use super::view::text;
use crate::store::{Commit, RecordRow};

pub(super) const SELECT: &str = "SELECT kind, id, version, lookup, expires_at, body FROM records";
/// Expired records that one transaction deletes at most: whoever writes does not wait for an old store to be swept.
const SWEPT: i64 = 64;

pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<RecordRow> {
    Ok(RecordRow {
        kind: text(row, 0)?,
        id: row.get(1)?,
        version: row.get(2)?,
        lookup: row.get(3)?,
        expires_at: row.get(4)?,
        body: row.get(5)?,
    })
}

pub(super) fn write(connection: &Connection, commit: &Commit) -> rusqlite::Result<()> {
    for (kind, id) in &commit.dropped_records {
        connection.prepare_cached("DELETE FROM records WHERE kind = ?1 AND id = ?2")?.execute(params![kind, id])?;
    }
    for row in &commit.records {
        connection
            .prepare_cached(
                "INSERT INTO records (kind, id, version, lookup, expires_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, lookup = excluded.lookup,
                    expires_at = excluded.expires_at, body = excluded.body",
            )?
            .execute(params![row.kind, row.id, row.version, row.lookup, row.expires_at, row.body])?;
    }
    if let Some(time) = commit.sweep {
        connection
            .prepare_cached(
                "DELETE FROM records WHERE rowid IN
                    (SELECT rowid FROM records WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
            )?
            .execute([time, SWEPT])?;
    }
    Ok(())
}
