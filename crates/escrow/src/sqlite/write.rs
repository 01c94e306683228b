//! Writing the rows of one transaction.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};

use super::{batches, records};
use crate::store::{Commit, EntryRow, EventRow, WrapRow};

/// Writes everything; parents before children.
pub(super) fn write(connection: &Connection, commit: &Commit) -> rusqlite::Result<()> {
    if let Some(header) = &commit.header {
        connection
            .execute("INSERT INTO escrow (id, created_at) VALUES (?1, ?2)", params![header.id, header.created_at])?;
    }
    for roster in &commit.rosters {
        connection.execute(
            "INSERT INTO rosters (version, body, signer, signature) VALUES (?1, ?2, ?3, ?4)",
            params![roster.version, roster.body, roster.signer, roster.signature],
        )?;
    }
    for session in &commit.sessions {
        let writer = writer_number(connection, &session.writer)?;
        connection
            .prepare_cached(
                "INSERT INTO sessions (id, roster, created_at, wrap, writer, sequence) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![session.id, session.roster, session.created_at, session.wrap, writer, session.sequence])?;
    }
    for key in &commit.duplicate_keys {
        write_duplicate_key(connection, key)?;
    }
    for session in &commit.rewrapped_sessions {
        rewrap(
            connection,
            "UPDATE sessions SET roster = ?2, wrap = ?3, writer = ?4, sequence = ?5 WHERE id = ?1",
            session,
        )?;
    }
    for key in &commit.rewrapped_keys {
        rewrap(
            connection,
            "UPDATE duplicate_keys SET roster = ?2, wrap = ?3, writer = ?4, sequence = ?5 WHERE id = ?1",
            key,
        )?;
    }
    for entry in &commit.new_entries {
        insert_entry(connection, entry)?;
    }
    for entry in &commit.resealed_entries {
        reseal_entry(connection, entry)?;
        update_entry(connection, entry)?;
    }
    for entry in &commit.changed_entries {
        update_entry(connection, entry)?;
    }
    for (id, revision) in &commit.revised_entries {
        revise_entry(connection, id, *revision)?;
    }
    for id in &commit.dropped_sessions {
        connection.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([id])?;
    }
    for id in &commit.dropped_keys {
        connection.execute("DELETE FROM duplicate_keys WHERE id = ?1", [number(id)])?;
    }
    batches::write(connection, commit, writer_number)?;
    records::write(connection, commit)?;
    let mut known: Option<(&[u8], i64)> = None;
    for event in &commit.events {
        let number = match known {
            Some((writer, number)) if writer == event.writer => number,
            _ => writer_number(connection, &event.writer)?,
        };
        known = Some((&event.writer, number));
        write_event(connection, event, number)?;
    }
    Ok(())
}

/// The number of a duplicate key.
fn number(id: &[u8]) -> i64 {
    id.try_into().map_or(0, i64::from_be_bytes)
}

/// The number of a writer in this store; a new one at the first event.
fn writer_number(connection: &Connection, key: &[u8]) -> rusqlite::Result<i64> {
    let mut select = connection.prepare_cached("SELECT id FROM writers WHERE key = ?1")?;
    if let Some(number) = select.query_row([key], |row| row.get(0)).optional()? {
        return Ok(number);
    }
    connection.execute("INSERT INTO writers (key) VALUES (?1)", [key])?;
    Ok(connection.last_insert_rowid())
}

fn write_duplicate_key(connection: &Connection, key: &WrapRow) -> rusqlite::Result<()> {
    let (writer, number) = (writer_number(connection, &key.writer)?, number(&key.id));
    connection.execute(
        "INSERT INTO duplicate_keys (id, roster, created_at, wrap, writer, sequence) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![number, key.roster, key.created_at, key.wrap, writer, key.sequence],
    )?;
    Ok(())
}

/// Writes another wrap of a key that is there.
fn rewrap(connection: &Connection, sql: &str, row: &WrapRow) -> rusqlite::Result<()> {
    let writer = writer_number(connection, &row.writer)?;
    let id = if row.id.len() == 8 { Value::Integer(number(&row.id)) } else { Value::Blob(row.id.clone()) };
    let changed = connection.prepare_cached(sql)?.execute(params![id, row.roster, row.wrap, writer, row.sequence])?;
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// Writes another seal of an entry.
fn reseal_entry(connection: &Connection, entry: &EntryRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE entries SET format = ?2, session = ?3, nonce = ?4, ciphertext = ?5, tag_key = ?6, tag = ?7
             WHERE id = ?1",
        )?
        .execute(params![
            entry.id,
            entry.format,
            entry.session,
            entry.nonce,
            entry.ciphertext,
            entry.tag_key,
            entry.tag
        ])?;
    Ok(())
}

fn insert_entry(connection: &Connection, entry: &EntryRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO entries (id, family, serial, slot, algorithm, digits, time_step, origin, batch, format,
                session, nonce, ciphertext, tag_key, tag, reserved_at, state, model, upn, issuer, programmed_at,
                verified_at, drift_seconds, drift_at, revision, note, purchase_order, tags, exported_at,
                export_format, activated_at, counter, line, manufacturer)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
                ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34)",
        )?
        .execute(params![
            entry.id,
            entry.family,
            entry.serial,
            entry.slot,
            entry.algorithm,
            entry.digits,
            entry.time_step,
            entry.origin,
            entry.batch,
            entry.format,
            entry.session,
            entry.nonce,
            entry.ciphertext,
            entry.tag_key,
            entry.tag,
            entry.reserved_at,
            entry.state,
            entry.model,
            entry.upn,
            entry.issuer,
            entry.programmed_at,
            entry.verified_at,
            entry.drift_seconds,
            entry.drift_at,
            entry.revision,
            entry.annotations.note,
            entry.annotations.purchase_order,
            entry.annotations.tags,
            entry.annotations.exported_at,
            entry.annotations.export_format,
            entry.annotations.activated_at,
            entry.counter,
            entry.line,
            entry.manufacturer,
        ])?;
    Ok(())
}

/// Writes the columns that events change; the seal changes in [`reseal_entry`] alone, and nothing else ever does.
fn update_entry(connection: &Connection, entry: &EntryRow) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE entries SET state = ?2, model = ?3, upn = ?4, issuer = ?5, programmed_at = ?6, verified_at = ?7,
            drift_seconds = ?8, drift_at = ?9, revision = ?10, note = ?11, purchase_order = ?12, tags = ?13,
            exported_at = ?14, export_format = ?15, activated_at = ?16 WHERE id = ?1",
    )?;
    let changed = update.execute(params![
        entry.id,
        entry.state,
        entry.model,
        entry.upn,
        entry.issuer,
        entry.programmed_at,
        entry.verified_at,
        entry.drift_seconds,
        entry.drift_at,
        entry.revision,
        entry.annotations.note,
        entry.annotations.purchase_order,
        entry.annotations.tags,
        entry.annotations.exported_at,
        entry.annotations.export_format,
        entry.annotations.activated_at,
    ])?;
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// Writes a revision, and nothing else: no index has to be touched for it.
fn revise_entry(connection: &Connection, id: &[u8], revision: i64) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached("UPDATE entries SET revision = ?2 WHERE id = ?1")?;
    let changed = update.execute(params![id, revision])?;
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

fn write_event(connection: &Connection, event: &EventRow, writer: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO events (writer, sequence, previous, roster, time, uid, host, operator, kind, facts, reason,
                hash, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            writer,
            event.sequence,
            event.previous,
            event.roster,
            event.time,
            event.uid,
            event.host,
            event.operator,
            event.kind,
            event.facts,
            event.reason,
            event.hash,
            event.signature,
        ])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO event_entries (writer, sequence, position, entry, revision, digest, facts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for touch in &event.touched {
        insert.execute(params![
            writer,
            event.sequence,
            touch.position,
            touch.entry,
            touch.revision,
            touch.digest,
            touch.facts
        ])?;
    }
    Ok(())
}
