//! Batches, their lines and the leases on them.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::view::{maybe_text, text};
use crate::batch::{LineCounts, LineState};
use crate::store::{BatchRow, Commit, HolderRow, LeaseWanted, Leased, LineRow};

pub(super) const BATCH_SELECT: &str = "SELECT b.id, b.created_at, b.name, b.lines, b.options, w.key, b.sequence, b.state, \
    b.ended_at, b.revision FROM batches b LEFT JOIN writers w ON w.id = b.writer";
pub(super) const LINE_SELECT: &str = "SELECT batch, line, upn, serial, issuer, label, algorithm, digits, time_step, seed, \
    state, error, failed_at FROM batch_lines";

pub(super) fn batch(row: &Row<'_>) -> rusqlite::Result<BatchRow> {
    Ok(BatchRow {
        id: row.get(0)?,
        created_at: row.get(1)?,
        name: text(row, 2)?,
        lines: row.get(3)?,
        options: text(row, 4)?,
        writer: row.get::<_, Option<Vec<u8>>>(5)?.unwrap_or_default(),
        sequence: row.get(6)?,
        state: text(row, 7)?,
        ended_at: row.get(8)?,
        revision: row.get(9)?,
    })
}

pub(super) fn line(row: &Row<'_>) -> rusqlite::Result<LineRow> {
    Ok(LineRow {
        batch: row.get(0)?,
        line: row.get(1)?,
        upn: maybe_text(row, 2)?,
        serial: maybe_text(row, 3)?,
        issuer: maybe_text(row, 4)?,
        label: maybe_text(row, 5)?,
        algorithm: text(row, 6)?,
        digits: row.get(7)?,
        time_step: row.get(8)?,
        seed: row.get(9)?,
        state: text(row, 10)?,
        error: maybe_text(row, 11)?,
        failed_at: row.get(12)?,
    })
}

pub(super) fn holder(row: &Row<'_>) -> rusqlite::Result<HolderRow> {
    Ok(HolderRow {
        station: row.get(0)?,
        host: text(row, 1)?,
        boot: text(row, 2)?,
        namespace: text(row, 3)?,
        pid: row.get(4)?,
        started: row.get(5)?,
    })
}

pub(super) fn counts(connection: &Connection, batch: &[u8]) -> rusqlite::Result<LineCounts> {
    let mut counts = LineCounts::default();
    let mut select =
        connection.prepare_cached("SELECT state, count(*) FROM batch_lines WHERE batch = ?1 GROUP BY state")?;
    let mut rows = select.query([batch])?;
    while let Some(row) = rows.next()? {
        let count = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        match LineState::from_name(&text(row, 0)?) {
            Some(LineState::Open) => counts.open = count,
            Some(LineState::Reserved) => counts.reserved = count,
            Some(LineState::Done) => counts.done = count,
            Some(LineState::Failed) => counts.failed = count,
            None => {}
        }
    }
    Ok(counts)
}

/// Writes what a transaction does to batches; `writer_number` finds or makes the number of a writer.
pub(super) fn write(
    connection: &Connection,
    commit: &Commit,
    writer_number: fn(&Connection, &[u8]) -> rusqlite::Result<i64>,
) -> rusqlite::Result<()> {
    if let Some((batch, lines)) = &commit.batch {
        connection.execute(
            "INSERT INTO batches (id, created_at, name, lines, options, writer, sequence, state, ended_at, revision)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                batch.id,
                batch.created_at,
                batch.name,
                batch.lines,
                batch.options,
                writer_number(connection, &batch.writer)?,
                batch.sequence,
                batch.state,
                batch.ended_at,
                batch.revision
            ],
        )?;
        lines.iter().try_for_each(|line| insert_line(connection, line))?;
    }
    if let Some(batch) = &commit.changed_batch {
        connection.execute(
            "UPDATE batches SET state = ?2, ended_at = ?3, revision = ?4 WHERE id = ?1",
            params![batch.id, batch.state, batch.ended_at, batch.revision],
        )?;
    }
    for line in &commit.changed_lines {
        let mut update = connection.prepare_cached(
            "UPDATE batch_lines SET state = ?3, error = ?4, failed_at = ?5 WHERE batch = ?1 AND line = ?2",
        )?;
        let changed = update.execute(params![line.batch, line.line, line.state, line.error, line.failed_at])?;
        if changed != 1 {
            return Err(rusqlite::Error::StatementChangedRows(changed));
        }
    }
    Ok(())
}

fn insert_line(connection: &Connection, line: &LineRow) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO batch_lines (batch, line, upn, serial, issuer, label, algorithm, digits, time_step, seed, state,
            error, failed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    insert.execute(params![
        line.batch,
        line.line,
        line.upn,
        line.serial,
        line.issuer,
        line.label,
        line.algorithm,
        line.digits,
        line.time_step,
        line.seed,
        line.state,
        line.error,
        line.failed_at
    ])?;
    Ok(())
}

/// Who holds leases on lines of a batch.
pub(super) fn holders(connection: &Connection, batch: &[u8]) -> rusqlite::Result<Vec<HolderRow>> {
    let mut select = connection
        .prepare_cached("SELECT DISTINCT station, host, boot, namespace, pid, started FROM leases WHERE batch = ?1")?;
    select.query_map([batch], holder)?.collect()
}

/// Runs a transaction that need not survive a loss of power: it is in the log before the next one that must.
fn hastily<T>(
    connection: &mut Connection,
    job: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let done = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
        let result = job(&transaction)?;
        transaction.commit()?;
        Ok(result)
    });
    connection.pragma_update(None, "synchronous", "FULL")?;
    done
}

pub(super) fn lease(connection: &mut Connection, wanted: &LeaseWanted) -> rusqlite::Result<Leased> {
    hastily(connection, |transaction| {
        transaction
            .prepare_cached("DELETE FROM leases WHERE batch = ?1 AND expires_at <= ?2")?
            .execute(params![wanted.batch, wanted.now])?;
        for dead in &wanted.dead {
            drop_leases(transaction, &wanted.batch, None, dead)?;
        }
        let found = pick(transaction, wanted)?;
        if let Leased::Line(line) = &found {
            let holder = &wanted.holder;
            insert_lease(transaction, line, holder, wanted.expires_at)?;
        }
        Ok(found)
    })
}

pub(super) fn insert_lease(
    connection: &Connection,
    line: &LineRow,
    holder: &HolderRow,
    expires_at: i64,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO leases (batch, line, station, host, boot, namespace, pid, started, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let HolderRow { station, host, boot, namespace, pid, started } = holder;
    insert.execute(params![line.batch, line.line, station, host, boot, namespace, pid, started, expires_at])?;
    Ok(())
}

pub(super) fn release(
    connection: &mut Connection,
    batch: &[u8],
    line: i64,
    holder: &HolderRow,
) -> rusqlite::Result<()> {
    hastily(connection, |transaction| drop_leases(transaction, batch, Some(line), holder))
}

pub(super) fn drop_leases(
    connection: &Connection,
    batch: &[u8],
    line: Option<i64>,
    holder: &HolderRow,
) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM leases WHERE batch = ?1 AND (?2 IS NULL OR line = ?2) AND station = ?3 AND host = ?4 AND boot = ?5
            AND namespace = ?6 AND pid = ?7 AND started = ?8",
    )?;
    let HolderRow { station, host, boot, namespace, pid, started } = holder;
    delete.execute(params![batch, line, station, host, boot, namespace, pid, started])?;
    Ok(())
}

/// The line of the token's unfinished burn; the one that names the token; the first open one that names none.
fn pick(connection: &Connection, wanted: &LeaseWanted) -> rusqlite::Result<Leased> {
    let one = |sql: &str, key: &dyn rusqlite::ToSql| {
        let mut select = connection.prepare_cached(sql)?;
        select.query_row(params![wanted.batch, key], line).optional()
    };
    let own = match wanted.own {
        Some(number) => one(&format!("{LINE_SELECT} WHERE batch = ?1 AND line = ?2"), &number)?,
        None => one(&format!("{LINE_SELECT} WHERE batch = ?1 AND serial = ?2"), &wanted.serial)?,
    };
    if let Some(own) = own {
        let leased = connection
            .prepare_cached("SELECT 1 FROM leases WHERE batch = ?1 AND line = ?2")?
            .exists(params![own.batch, own.line])?;
        let ready = match LineState::from_name(&own.state) {
            Some(LineState::Open) => true,
            // The unfinished burn may be this token's; another one's is finished by that token.
            Some(LineState::Reserved) => wanted.own.is_some(),
            _ => return Ok(Leased::Ended(own.line, own.state)),
        };
        return Ok(if leased || !ready { Leased::Busy(own.line) } else { Leased::Line(Box::new(own)) });
    }
    // A few lines at most are leased or skipped at a time.
    let mut select = connection.prepare_cached(&format!(
        "{LINE_SELECT} WHERE batch = ?1 AND state = 'open' AND serial IS NULL
         AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.batch = batch_lines.batch AND leases.line = batch_lines.line)
         ORDER BY line"
    ))?;
    let mut rows = select.query([&wanted.batch])?;
    while let Some(row) = rows.next()? {
        let line = line(row)?;
        if !wanted.skip.contains(&line.line) {
            return Ok(Leased::Line(Box::new(line)));
        }
    }
    Ok(Leased::Nothing)
}
