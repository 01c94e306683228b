//! Leases in the name of remote stations.

use super::batches::{clear, drop_leases, leased_by, take};
use super::outcome::Mark;
use super::rows::{LINE_SELECT, line};
use super::session::{Param, Session};
use crate::EscrowError;
use crate::batch::LineState;
use crate::lease::REMOTE;
use crate::store::{LineRow, LinesWanted, LinesWhich, RemoteLeaseRow};

pub(super) fn lease_lines(session: &Session, wanted: &LinesWanted) -> Result<(Vec<LineRow>, Mark), EscrowError> {
    clear(session, &wanted.batch, &wanted.dead, wanted.now)?;
    let mut taken = Vec::new();
    match wanted.which {
        // Others may lease some of the lines between looking and taking: then more are looked for, until none is left.
        LinesWhich::Open { limit, named } => loop {
            let open = open(session, &wanted.batch, limit - taken.len(), named)?;
            if open.is_empty() {
                break;
            }
            for line in open {
                if take(session, &line, &wanted.holder, wanted.expires_at)? {
                    taken.push(line);
                }
            }
        },
        LinesWhich::This { line, take_over } => {
            if let Some(line) = this(session, wanted, line, take_over)?
                && take(session, &line, &wanted.holder, wanted.expires_at)?
            {
                taken.push(line);
            }
        }
    }
    taken.sort_by_key(|line| line.line);
    let mark = taken.last().map_or(Mark::Nothing, |line| Mark::Lease(line.batch.clone(), line.line));
    Ok((taken, mark))
}

/// Open lines that nobody leases; their rows are locked, those that others have locked are passed over.
fn open(session: &Session, batch: &[u8], limit: usize, named: bool) -> Result<Vec<LineRow>, EscrowError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = format!(
        "{LINE_SELECT} WHERE batch = $1 AND state = 'open' AND ($3 OR serial IS NULL)
         AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.batch = batch_lines.batch AND leases.line = batch_lines.line)
         ORDER BY line LIMIT $2 FOR UPDATE SKIP LOCKED"
    );
    let rows = session.query(&sql, &[&batch, &limit, &named])?;
    rows.iter().map(line).collect::<Result<_, _>>().map_err(|error| session.fault.of(error))
}

/// One line, if it can be leased: what was leased on it is dropped.
fn this(session: &Session, wanted: &LinesWanted, number: i64, take_over: bool) -> Result<Option<LineRow>, EscrowError> {
    let sql = format!("{LINE_SELECT} WHERE batch = $1 AND line = $2 FOR UPDATE");
    let row = session.row(&sql, &[&wanted.batch, &number])?;
    let found = row.as_ref().map(line).transpose().map_err(|error| session.fault.of(error))?;
    let Some(found) = found.filter(|line| LineState::from_name(&line.state).is_some_and(LineState::is_left)) else {
        return Ok(None);
    };
    if let Some(other) = leased_by(session, &wanted.batch, number)? {
        let remote = other.namespace == REMOTE;
        if other != wanted.holder && !(take_over && remote) {
            return Ok(None);
        }
        drop_leases(session, &wanted.batch, Some(number), &other)?;
    }
    Ok(Some(found))
}

pub(super) fn leases(session: &Session, station: Option<&str>) -> Result<Vec<RemoteLeaseRow>, EscrowError> {
    let rows = session.query(
        "SELECT batch, line, host, expires_at FROM leases WHERE namespace = $1 AND ($2::text IS NULL OR host = $2)
         ORDER BY batch, line",
        &[&REMOTE, &station],
    )?;
    let read = |row: &postgres::Row| {
        Ok(RemoteLeaseRow {
            batch: session.value(row, 0)?,
            line: session.value(row, 1)?,
            station: session.value(row, 2)?,
            expires_at: session.value(row, 3)?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) fn release(
    session: &Session,
    station: &str,
    (batch, line): (Option<&[u8]>, Option<i64>),
) -> Result<u64, EscrowError> {
    let params: [Param<'_>; 4] = [&REMOTE, &station, &batch, &line];
    session.execute(
        "DELETE FROM leases WHERE namespace = $1 AND host = $2 AND ($3::bytea IS NULL OR batch = $3)
            AND ($4::bigint IS NULL OR line = $4)",
        &params,
    )
}
