//! Writing the rows of one transaction: many rows of a table in one statement, each column an array.

use std::collections::BTreeMap;

use super::session::{Param, Session};
use super::{batches, records};
use crate::EscrowError;
use crate::store::{Commit, EntryRow, EventRow, WrapRow};

/// Rows that go in one statement.
const ROWS: usize = 2000;

/// The numbers of writers in this store.
pub(super) type Writers = BTreeMap<Vec<u8>, i64>;

/// Writes everything; parents before children.
pub(super) fn write(session: &Session, commit: &Commit) -> Result<(), EscrowError> {
    let writers = writers(session, commit)?;
    if let Some(header) = &commit.header {
        session.execute("INSERT INTO escrow (id, created_at) VALUES ($1, $2)", &[&header.id, &header.created_at])?;
    }
    for roster in &commit.rosters {
        session.execute(
            "INSERT INTO rosters (version, body, signer, signature) VALUES ($1, $2, $3, $4)",
            &[&roster.version, &roster.body, &roster.signer, &roster.signature],
        )?;
    }
    for row in &commit.sessions {
        let writer = number_of(&writers, &row.writer);
        session.execute(
            "INSERT INTO sessions (id, roster, created_at, wrap, writer, sequence) VALUES ($1, $2, $3, $4, $5, $6)",
            &[&row.id, &row.roster, &row.created_at, &row.wrap, &writer, &row.sequence],
        )?;
    }
    for row in &commit.duplicate_keys {
        let writer = number_of(&writers, &row.writer);
        session.execute(
            "INSERT INTO duplicate_keys (id, roster, created_at, wrap, writer, sequence)
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[&number(&row.id), &row.roster, &row.created_at, &row.wrap, &writer, &row.sequence],
        )?;
    }
    for row in &commit.rewrapped_sessions {
        let sql = "UPDATE sessions SET roster = $2, wrap = $3, writer = $4, sequence = $5 WHERE id = $1";
        rewrap(session, sql, &row.id, row, &writers)?;
    }
    for row in &commit.rewrapped_keys {
        let sql = "UPDATE duplicate_keys SET roster = $2, wrap = $3, writer = $4, sequence = $5 WHERE id = $1";
        rewrap(session, sql, &number(&row.id), row, &writers)?;
    }
    commit.new_entries.chunks(ROWS).try_for_each(|rows| insert_entries(session, rows))?;
    for rows in commit.resealed_entries.chunks(ROWS) {
        reseal_entries(session, rows)?;
        update_entries(session, rows)?;
    }
    commit.changed_entries.chunks(ROWS).try_for_each(|rows| update_entries(session, rows))?;
    commit.revised_entries.chunks(ROWS).try_for_each(|rows| revise_entries(session, rows))?;
    if !commit.dropped_sessions.is_empty() {
        session.execute("DELETE FROM sessions WHERE id = ANY ($1)", &[&commit.dropped_sessions])?;
    }
    if !commit.dropped_keys.is_empty() {
        let numbers: Vec<i64> = commit.dropped_keys.iter().map(|id| number(id)).collect();
        session.execute("DELETE FROM duplicate_keys WHERE id = ANY ($1)", &[&numbers])?;
    }
    batches::write(session, commit, &writers)?;
    records::write(session, commit)?;
    commit.events.chunks(ROWS).try_for_each(|rows| write_events(session, rows, &writers))
}

/// The number of a duplicate key.
fn number(id: &[u8]) -> i64 {
    id.try_into().map_or(0, i64::from_be_bytes)
}

/// The number of a writer; 0, which no row has, for one that was not looked up.
pub(super) fn number_of(writers: &Writers, key: &[u8]) -> i64 {
    writers.get(key).copied().unwrap_or(0)
}

/// The numbers of all who sign in a transaction; who signs for the first time gets one.
fn writers(session: &Session, commit: &Commit) -> Result<Writers, EscrowError> {
    let wraps = commit.sessions.iter().chain(&commit.duplicate_keys);
    let wraps = wraps.chain(&commit.rewrapped_sessions).chain(&commit.rewrapped_keys).map(|row| &row.writer);
    let batch = commit.batch.iter().map(|(batch, _)| &batch.writer);
    let mut keys: Vec<&Vec<u8>> = commit.events.iter().map(|event| &event.writer).chain(wraps).chain(batch).collect();
    keys.sort();
    keys.dedup();
    let mut writers = Writers::new();
    if keys.is_empty() {
        return Ok(writers);
    }
    for row in session.query("SELECT key, id FROM writers WHERE key = ANY ($1)", &[&keys])? {
        writers.insert(session.value(&row, 0)?, session.value(&row, 1)?);
    }
    for key in keys {
        if !writers.contains_key(key) {
            let sql = "INSERT INTO writers (id, key) SELECT coalesce(max(id), 0) + 1, $1 FROM writers RETURNING id";
            if let Some(row) = session.row(sql, &[key])? {
                writers.insert(key.clone(), session.value(&row, 0)?);
            }
        }
    }
    Ok(writers)
}

/// Writes another wrap of a key that is there.
fn rewrap(session: &Session, sql: &str, id: Param<'_>, row: &WrapRow, writers: &Writers) -> Result<(), EscrowError> {
    let writer = number_of(writers, &row.writer);
    let changed = session.execute(sql, &[id, &row.roster, &row.wrap, &writer, &row.sequence])?;
    all(session, changed, 1)
}

/// Refuses a statement that did not find its rows.
pub(super) fn all(session: &Session, changed: u64, wanted: usize) -> Result<(), EscrowError> {
    if u64::try_from(wanted) == Ok(changed) {
        Ok(())
    } else {
        Err(session.fault.corrupt(format!("{changed} rows were changed instead of {wanted}")))
    }
}

/// A column of some rows.
fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn insert_entries(session: &Session, rows: &[EntryRow]) -> Result<(), EscrowError> {
    session.execute(
        "INSERT INTO entries (id, family, serial, slot, algorithm, digits, time_step, origin, batch, format, session,
            nonce, ciphertext, tag_key, tag, reserved_at, state, model, upn, issuer, programmed_at, verified_at,
            drift_seconds, drift_at, revision, note, purchase_order, tags, exported_at, export_format, activated_at,
            counter, line, manufacturer)
         SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
            $8::text[], $9::bytea[], $10::bigint[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bigint[],
            $15::bytea[], $16::bigint[], $17::text[], $18::text[], $19::text[], $20::text[], $21::bigint[],
            $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[], $26::text[], $27::text[], $28::text[],
            $29::bigint[], $30::text[], $31::bigint[], $32::bigint[], $33::bigint[], $34::text[])",
        &[
            &column(rows, |row| &row.id),
            &column(rows, |row| &row.family),
            &column(rows, |row| &row.serial),
            &column(rows, |row| &row.slot),
            &column(rows, |row| &row.algorithm),
            &column(rows, |row| row.digits),
            &column(rows, |row| row.time_step),
            &column(rows, |row| &row.origin),
            &column(rows, |row| &row.batch),
            &column(rows, |row| row.format),
            &column(rows, |row| &row.session),
            &column(rows, |row| &row.nonce),
            &column(rows, |row| &row.ciphertext),
            &column(rows, |row| row.tag_key),
            &column(rows, |row| &row.tag),
            &column(rows, |row| row.reserved_at),
            &column(rows, |row| &row.state),
            &column(rows, |row| &row.model),
            &column(rows, |row| &row.upn),
            &column(rows, |row| &row.issuer),
            &column(rows, |row| row.programmed_at),
            &column(rows, |row| row.verified_at),
            &column(rows, |row| row.drift_seconds),
            &column(rows, |row| row.drift_at),
            &column(rows, |row| row.revision),
            &column(rows, |row| &row.annotations.note),
            &column(rows, |row| &row.annotations.purchase_order),
            &column(rows, |row| &row.annotations.tags),
            &column(rows, |row| row.annotations.exported_at),
            &column(rows, |row| &row.annotations.export_format),
            &column(rows, |row| row.annotations.activated_at),
            &column(rows, |row| row.counter),
            &column(rows, |row| row.line),
            &column(rows, |row| &row.manufacturer),
        ],
    )?;
    Ok(())
}

/// Writes other seals of entries.
fn reseal_entries(session: &Session, rows: &[EntryRow]) -> Result<(), EscrowError> {
    let changed = session.execute(
        "UPDATE entries SET format = n.format, session = n.session, nonce = n.nonce, ciphertext = n.ciphertext,
            tag_key = n.tag_key, tag = n.tag
         FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bytea[])
            AS n (id, format, session, nonce, ciphertext, tag_key, tag)
         WHERE entries.id = n.id",
        &[
            &column(rows, |row| &row.id),
            &column(rows, |row| row.format),
            &column(rows, |row| &row.session),
            &column(rows, |row| &row.nonce),
            &column(rows, |row| &row.ciphertext),
            &column(rows, |row| row.tag_key),
            &column(rows, |row| &row.tag),
        ],
    )?;
    all(session, changed, rows.len())
}

/// Writes the columns that events change; the seal changes in [`reseal_entries`] alone, and nothing else ever does.
fn update_entries(session: &Session, rows: &[EntryRow]) -> Result<(), EscrowError> {
    let changed = session.execute(
        "UPDATE entries SET state = n.state, model = n.model, upn = n.upn, issuer = n.issuer,
            programmed_at = n.programmed_at, verified_at = n.verified_at, drift_seconds = n.drift_seconds,
            drift_at = n.drift_at, revision = n.revision, note = n.note, purchase_order = n.purchase_order,
            tags = n.tags, exported_at = n.exported_at, export_format = n.export_format,
            activated_at = n.activated_at
         FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
            $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::bigint[],
            $15::text[], $16::bigint[])
            AS n (id, state, model, upn, issuer, programmed_at, verified_at, drift_seconds, drift_at, revision, note,
            purchase_order, tags, exported_at, export_format, activated_at)
         WHERE entries.id = n.id",
        &[
            &column(rows, |row| &row.id),
            &column(rows, |row| &row.state),
            &column(rows, |row| &row.model),
            &column(rows, |row| &row.upn),
            &column(rows, |row| &row.issuer),
            &column(rows, |row| row.programmed_at),
            &column(rows, |row| row.verified_at),
            &column(rows, |row| row.drift_seconds),
            &column(rows, |row| row.drift_at),
            &column(rows, |row| row.revision),
            &column(rows, |row| &row.annotations.note),
            &column(rows, |row| &row.annotations.purchase_order),
            &column(rows, |row| &row.annotations.tags),
            &column(rows, |row| row.annotations.exported_at),
            &column(rows, |row| &row.annotations.export_format),
            &column(rows, |row| row.annotations.activated_at),
        ],
    )?;
    all(session, changed, rows.len())
}

/// Writes revisions, and nothing else: no index has to be touched for them.
fn revise_entries(session: &Session, rows: &[(Vec<u8>, i64)]) -> Result<(), EscrowError> {
    let changed = session.execute(
        "UPDATE entries SET revision = n.revision FROM unnest($1::bytea[], $2::bigint[]) AS n (id, revision)
         WHERE entries.id = n.id",
        &[&column(rows, |(id, _)| id), &column(rows, |(_, revision)| *revision)],
    )?;
    all(session, changed, rows.len())
}

fn write_events(session: &Session, rows: &[EventRow], writers: &Writers) -> Result<(), EscrowError> {
    session.execute(
        "INSERT INTO events (writer, sequence, previous, roster, time, uid, host, operator, kind, facts, reason, hash,
            signature)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[],
            $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bytea[], $13::bytea[])",
        &[
            &column(rows, |row| number_of(writers, &row.writer)),
            &column(rows, |row| row.sequence),
            &column(rows, |row| &row.previous),
            &column(rows, |row| row.roster),
            &column(rows, |row| row.time),
            &column(rows, |row| row.uid),
            &column(rows, |row| &row.host),
            &column(rows, |row| &row.operator),
            &column(rows, |row| &row.kind),
            &column(rows, |row| &row.facts),
            &column(rows, |row| &row.reason),
            &column(rows, |row| &row.hash),
            &column(rows, |row| &row.signature),
        ],
    )?;
    let touched = rows.iter().flat_map(|event| event.touched.iter().map(move |touch| (event, touch)));
    let touched: Vec<_> = touched.collect();
    for touched in touched.chunks(ROWS) {
        session.execute(
            "INSERT INTO event_entries (writer, sequence, position, entry, revision, digest, facts)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[],
                $7::text[])",
            &[
                &column(touched, |(event, _)| number_of(writers, &event.writer)),
                &column(touched, |(event, _)| event.sequence),
                &column(touched, |(_, touch)| touch.position),
                &column(touched, |(_, touch)| &touch.entry),
                &column(touched, |(_, touch)| touch.revision),
                &column(touched, |(_, touch)| &touch.digest),
                &column(touched, |(_, touch)| &touch.facts),
            ],
        )?;
    }
    Ok(())
}
