//! Leases in the name of remote stations.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::batches::{LINE_SELECT, drop_leases, holder, insert_lease, line};
use super::view::text;
use crate::batch::LineState;
use crate::lease::REMOTE;
use crate::store::{LineRow, LinesWanted, LinesWhich, RemoteLeaseRow};

pub(super) fn lease_lines(connection: &mut Connection, wanted: &LinesWanted) -> rusqlite::Result<Vec<LineRow>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction
        .prepare_cached("DELETE FROM leases WHERE batch = ?1 AND expires_at <= ?2")?
        .execute(params![wanted.batch, wanted.now])?;
    for dead in &wanted.dead {
        drop_leases(&transaction, &wanted.batch, None, dead)?;
    }
    let lines = match wanted.which {
        LinesWhich::Open { limit, named } => open(&transaction, &wanted.batch, limit, named)?,
        LinesWhich::This { line, take_over } => this(&transaction, wanted, line, take_over)?.into_iter().collect(),
    };
    for line in &lines {
        insert_lease(&transaction, line, &wanted.holder, wanted.expires_at)?;
    }
    transaction.commit()?;
    Ok(lines)
}

/// Open lines that nobody leases.
fn open(connection: &Connection, batch: &[u8], limit: usize, named: bool) -> rusqlite::Result<Vec<LineRow>> {
    let mut select = connection.prepare_cached(&format!(
        "{LINE_SELECT} WHERE batch = ?1 AND state = 'open' AND (?3 OR serial IS NULL)
         AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.batch = batch_lines.batch AND leases.line = batch_lines.line)
         ORDER BY line LIMIT ?2"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    select.query_map(params![batch, limit, named], line)?.collect()
}

/// One line, if it can be leased: what was leased on it is dropped.
fn this(
    connection: &Connection,
    wanted: &LinesWanted,
    number: i64,
    take_over: bool,
) -> rusqlite::Result<Option<LineRow>> {
    let found = connection
        .prepare_cached(&format!("{LINE_SELECT} WHERE batch = ?1 AND line = ?2"))?
        .query_row(params![wanted.batch, number], line)
        .optional()?;
    let Some(found) = found.filter(|line| LineState::from_name(&line.state).is_some_and(LineState::is_left)) else {
        return Ok(None);
    };
    let leased = connection
        .prepare_cached(
            "SELECT station, host, boot, namespace, pid, started FROM leases WHERE batch = ?1 AND line = ?2",
        )?
        .query_row(params![wanted.batch, number], holder)
        .optional()?;
    if let Some(other) = leased {
        let remote = other.namespace == REMOTE;
        if other != wanted.holder && !(take_over && remote) {
            return Ok(None);
        }
        drop_leases(connection, &wanted.batch, Some(number), &other)?;
    }
    Ok(Some(found))
}

pub(super) fn leases(connection: &Connection, station: Option<&str>) -> rusqlite::Result<Vec<RemoteLeaseRow>> {
    let mut select = connection.prepare_cached(
        "SELECT batch, line, host, expires_at FROM leases WHERE namespace = ?1 AND (?2 IS NULL OR host = ?2)
         ORDER BY batch, line",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(RemoteLeaseRow { batch: row.get(0)?, line: row.get(1)?, station: text(row, 2)?, expires_at: row.get(3)? })
    };
    select.query_map(params![REMOTE, station], read)?.collect()
}

pub(super) fn release(
    connection: &Connection,
    station: &str,
    (batch, line): (Option<&[u8]>, Option<i64>),
) -> rusqlite::Result<u64> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM leases WHERE namespace = ?1 AND host = ?2 AND (?3 IS NULL OR batch = ?3)
            AND (?4 IS NULL OR line = ?4)",
    )?;
    let dropped = delete.execute(params![REMOTE, station, batch, line])?;
    Ok(u64::try_from(dropped).unwrap_or(u64::MAX))
}
