//! Batches, their lines and the leases on them.

use super::outcome::Mark;
use super::rows::{LINE_SELECT, holder, line};
use super::session::{Param, Session};
use super::write::{self, Writers, number_of};
use crate::EscrowError;
use crate::batch::{LineCounts, LineState};
use crate::store::{Commit, HolderRow, LeaseWanted, Leased, LineRow};

/// Lines that go in one statement.
const ROWS: usize = 2000;

pub(super) fn counts(session: &Session, batch: &[u8]) -> Result<LineCounts, EscrowError> {
    let mut counts = LineCounts::default();
    let sql = "SELECT state, count(*) FROM batch_lines WHERE batch = $1 GROUP BY state";
    for row in session.query(sql, &[&batch])? {
        let count = u64::try_from(session.value::<i64>(&row, 1)?).unwrap_or(0);
        match LineState::from_name(&session.value::<String>(&row, 0)?) {
            Some(LineState::Open) => counts.open = count,
            Some(LineState::Reserved) => counts.reserved = count,
            Some(LineState::Done) => counts.done = count,
            Some(LineState::Failed) => counts.failed = count,
            None => {}
        }
    }
    Ok(counts)
}

/// Writes what a transaction does to batches.
pub(super) fn write(session: &Session, commit: &Commit, writers: &Writers) -> Result<(), EscrowError> {
    if let Some((batch, lines)) = &commit.batch {
        session.execute(
            "INSERT INTO batches (id, created_at, name, lines, options, writer, sequence, state, ended_at, revision)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            &[
                &batch.id,
                &batch.created_at,
                &batch.name,
                &batch.lines,
                &batch.options,
                &number_of(writers, &batch.writer),
                &batch.sequence,
                &batch.state,
                &batch.ended_at,
                &batch.revision,
            ],
        )?;
        lines.chunks(ROWS).try_for_each(|lines| insert_lines(session, lines))?;
    }
    if let Some(batch) = &commit.changed_batch {
        session.execute(
            "UPDATE batches SET state = $2, ended_at = $3, revision = $4 WHERE id = $1",
            &[&batch.id, &batch.state, &batch.ended_at, &batch.revision],
        )?;
    }
    commit.changed_lines.chunks(ROWS).try_for_each(|lines| update_lines(session, lines))
}

fn column<'r, T>(rows: &'r [LineRow], value: impl Fn(&'r LineRow) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn insert_lines(session: &Session, lines: &[LineRow]) -> Result<(), EscrowError> {
    session.execute(
        "INSERT INTO batch_lines (batch, line, upn, serial, issuer, label, algorithm, digits, time_step, seed, state,
            error, failed_at)
         SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::bigint[], $9::bigint[], $10::bytea[], $11::text[], $12::text[], $13::bigint[])",
        &[
            &column(lines, |line| &line.batch),
            &column(lines, |line| line.line),
            &column(lines, |line| &line.upn),
            &column(lines, |line| &line.serial),
            &column(lines, |line| &line.issuer),
            &column(lines, |line| &line.label),
            &column(lines, |line| &line.algorithm),
            &column(lines, |line| line.digits),
            &column(lines, |line| line.time_step),
            &column(lines, |line| &line.seed),
            &column(lines, |line| &line.state),
            &column(lines, |line| &line.error),
            &column(lines, |line| line.failed_at),
        ],
    )?;
    Ok(())
}

fn update_lines(session: &Session, lines: &[LineRow]) -> Result<(), EscrowError> {
    let changed = session.execute(
        "UPDATE batch_lines SET state = n.state, error = n.error, failed_at = n.failed_at
         FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[], $5::bigint[])
            AS n (batch, line, state, error, failed_at)
         WHERE batch_lines.batch = n.batch AND batch_lines.line = n.line",
        &[
            &column(lines, |line| &line.batch),
            &column(lines, |line| line.line),
            &column(lines, |line| &line.state),
            &column(lines, |line| &line.error),
            &column(lines, |line| line.failed_at),
        ],
    )?;
    write::all(session, changed, lines.len())
}

/// Who holds leases on lines of a batch.
pub(super) fn holders(session: &Session, batch: &[u8]) -> Result<Vec<HolderRow>, EscrowError> {
    let sql = "SELECT DISTINCT station, host, boot, namespace, pid, started FROM leases WHERE batch = $1";
    let rows = session.query(sql, &[&batch])?;
    rows.iter().map(holder).collect::<Result<_, _>>().map_err(|error| session.fault.of(error))
}

/// Begins a transaction that need not survive a loss of power: it is in the log before the next one that must.
pub(super) const HASTILY: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off";
/// The same, where it must.
pub(super) const SAFELY: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// Two may see the same open line at once; the one that comes too late looks again.
const TRIES: usize = 20;

pub(super) fn lease(session: &Session, wanted: &LeaseWanted) -> Result<(Leased, Mark), EscrowError> {
    clear(session, &wanted.batch, &wanted.dead, wanted.now)?;
    for _ in 0..TRIES {
        match pick(session, wanted)? {
            Leased::Line(line) => {
                if take(session, &line, &wanted.holder, wanted.expires_at)? {
                    let mark = Mark::Lease(line.batch.clone(), line.line);
                    return Ok((Leased::Line(line), mark));
                }
            }
            other => return Ok((other, Mark::Nothing)),
        }
    }
    Err(EscrowError::StoreBusy { store: session.fault.store.clone() })
}

/// Drops the leases of the dead and the expired ones.
pub(super) fn clear(session: &Session, batch: &[u8], dead: &[HolderRow], now: i64) -> Result<(), EscrowError> {
    session.execute("DELETE FROM leases WHERE batch = $1 AND expires_at <= $2", &[&batch, &now])?;
    dead.iter().try_for_each(|dead| drop_leases(session, batch, None, dead))
}

/// Writes a lease; says whether nobody else has it.
pub(super) fn take(
    session: &Session,
    line: &LineRow,
    holder: &HolderRow,
    expires_at: i64,
) -> Result<bool, EscrowError> {
    let HolderRow { station, host, boot, namespace, pid, started } = holder;
    let written = session.execute(
        "INSERT INTO leases (batch, line, station, host, boot, namespace, pid, started, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        &[&line.batch, &line.line, station, host, boot, namespace, pid, started, &expires_at],
    )?;
    Ok(written == 1)
}

/// Who holds the lease of a line.
pub(super) fn leased_by(session: &Session, batch: &[u8], line: i64) -> Result<Option<HolderRow>, EscrowError> {
    let sql = "SELECT station, host, boot, namespace, pid, started FROM leases WHERE batch = $1 AND line = $2";
    let row = session.row(sql, &[&batch, &line])?;
    row.as_ref().map(holder).transpose().map_err(|error| session.fault.of(error))
}

pub(super) fn drop_leases(
    session: &Session,
    batch: &[u8],
    line: Option<i64>,
    holder: &HolderRow,
) -> Result<(), EscrowError> {
    let HolderRow { station, host, boot, namespace, pid, started } = holder;
    session.execute(
        "DELETE FROM leases WHERE batch = $1 AND ($2::bigint IS NULL OR line = $2) AND station = $3 AND host = $4
            AND boot = $5 AND namespace = $6 AND pid = $7 AND started = $8",
        &[&batch, &line, station, host, boot, namespace, pid, started],
    )?;
    Ok(())
}

/// The line of the token's unfinished burn; the one that names the token; the first open one that names none. Its row
/// is locked until the lease is written, and rows that others have locked for that are passed over.
fn pick(session: &Session, wanted: &LeaseWanted) -> Result<Leased, EscrowError> {
    let one = |condition: &str, params: &[Param<'_>]| {
        let row = session.row(&format!("{LINE_SELECT} WHERE batch = $1 AND {condition}"), params)?;
        row.as_ref().map(line).transpose().map_err(|error| session.fault.of(error))
    };
    let own = match wanted.own {
        Some(number) => one("line = $2 FOR UPDATE", &[&wanted.batch, &number])?,
        None => one("serial = $2 ORDER BY line LIMIT 1 FOR UPDATE", &[&wanted.batch, &wanted.serial])?,
    };
    if let Some(own) = own {
        let leased = leased_by(session, &own.batch, own.line)?.is_some();
        let ready = match LineState::from_name(&own.state) {
            Some(LineState::Open) => true,
            // The unfinished burn may be this token's; another one's is finished by that token.
            Some(LineState::Reserved) => wanted.own.is_some(),
            _ => return Ok(Leased::Ended(own.line, own.state)),
        };
        return Ok(if leased || !ready { Leased::Busy(own.line) } else { Leased::Line(Box::new(own)) });
    }
    let open = one(
        "state = 'open' AND serial IS NULL AND line <> ALL ($2)
            AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.batch = batch_lines.batch AND leases.line = batch_lines.line)
         ORDER BY line LIMIT 1 FOR UPDATE SKIP LOCKED",
        &[&wanted.batch, &wanted.skip],
    )?;
    Ok(open.map_or(Leased::Nothing, |line| Leased::Line(Box::new(line))))
}
