//! Rows of the tables as they are read.

use postgres::{Error, Row};

use crate::annotation::AnnotationRow;
use crate::seal::SealRow;
use crate::store::{
    BatchRow, EntryRow, EventRow, HeaderRow, HolderRow, LineRow, RosterRow, Touch, TouchEvent, TouchKey, TouchRow,
    WrapRow,
};

pub(super) const ENTRY_COLUMNS: &str = "id, family, serial, slot, algorithm, digits, time_step, origin, batch, format, session, \
    nonce, ciphertext, tag_key, tag, reserved_at, state, model, upn, issuer, programmed_at, verified_at, \
    drift_seconds, drift_at, revision, note, purchase_order, tags, exported_at, export_format, activated_at, \
    counter, line, manufacturer";
pub(super) const EVENT_SELECT: &str = "SELECT e.writer, w.key, e.sequence, e.previous, e.roster, e.time, e.uid, e.host, \
    e.operator, e.kind, e.facts, e.reason, e.hash, e.signature FROM events e LEFT JOIN writers w ON w.id = e.writer";
pub(super) const HISTORY_SELECT: &str = "SELECT e.writer, w.key, e.sequence, e.previous, e.roster, e.time, e.uid, e.host, \
    e.operator, e.kind, e.facts, e.reason, e.hash, e.signature, t.position, t.entry, t.revision, t.digest, t.facts \
    FROM event_entries t LEFT JOIN events e ON e.writer = t.writer AND e.sequence = t.sequence \
    LEFT JOIN writers w ON w.id = e.writer WHERE t.entry = $1";
pub(super) const SESSION_SELECT: &str = "SELECT s.id, s.roster, s.created_at, s.wrap, w.key, s.sequence, s.writer \
    FROM sessions s LEFT JOIN writers w ON w.id = s.writer";
pub(super) const BATCH_SELECT: &str = "SELECT b.id, b.created_at, b.name, b.lines, b.options, w.key, b.sequence, b.state, \
    b.ended_at, b.revision FROM batches b LEFT JOIN writers w ON w.id = b.writer";
pub(super) const LINE_SELECT: &str = "SELECT batch, line, upn, serial, issuer, label, algorithm, digits, time_step, seed, \
    state, error, failed_at FROM batch_lines";

pub(super) fn batch(row: &Row) -> Result<BatchRow, Error> {
    Ok(BatchRow {
        id: row.try_get(0)?,
        created_at: row.try_get(1)?,
        name: row.try_get(2)?,
        lines: row.try_get(3)?,
        options: row.try_get(4)?,
        writer: row.try_get::<_, Option<Vec<u8>>>(5)?.unwrap_or_default(),
        sequence: row.try_get(6)?,
        state: row.try_get(7)?,
        ended_at: row.try_get(8)?,
        revision: row.try_get(9)?,
    })
}

pub(super) fn line(row: &Row) -> Result<LineRow, Error> {
    Ok(LineRow {
        batch: row.try_get(0)?,
        line: row.try_get(1)?,
        upn: row.try_get(2)?,
        serial: row.try_get(3)?,
        issuer: row.try_get(4)?,
        label: row.try_get(5)?,
        algorithm: row.try_get(6)?,
        digits: row.try_get(7)?,
        time_step: row.try_get(8)?,
        seed: row.try_get(9)?,
        state: row.try_get(10)?,
        error: row.try_get(11)?,
        failed_at: row.try_get(12)?,
    })
}

pub(super) fn holder(row: &Row) -> Result<HolderRow, Error> {
    Ok(HolderRow {
        station: row.try_get(0)?,
        host: row.try_get(1)?,
        boot: row.try_get(2)?,
        namespace: row.try_get(3)?,
        pid: row.try_get(4)?,
        started: row.try_get(5)?,
    })
}

pub(super) fn header(row: &Row) -> Result<HeaderRow, Error> {
    Ok(HeaderRow { id: row.try_get(0)?, created_at: row.try_get(1)? })
}

pub(super) fn roster(row: &Row) -> Result<RosterRow, Error> {
    Ok(RosterRow {
        version: row.try_get(0)?,
        body: row.try_get(1)?,
        signer: row.try_get(2)?,
        signature: row.try_get(3)?,
    })
}

pub(super) fn session(row: &Row) -> Result<WrapRow, Error> {
    Ok(WrapRow {
        id: row.try_get(0)?,
        roster: row.try_get(1)?,
        created_at: row.try_get(2)?,
        wrap: row.try_get(3)?,
        writer: row.try_get::<_, Option<Vec<u8>>>(4)?.unwrap_or_default(),
        sequence: row.try_get(5)?,
        writer_number: row.try_get(6)?,
    })
}

pub(super) fn duplicate_key(row: &Row) -> Result<WrapRow, Error> {
    Ok(WrapRow {
        id: row.try_get::<_, i64>(0)?.to_be_bytes().to_vec(),
        roster: row.try_get(1)?,
        created_at: row.try_get(2)?,
        wrap: row.try_get(3)?,
        writer: row.try_get::<_, Option<Vec<u8>>>(4)?.unwrap_or_default(),
        sequence: row.try_get(5)?,
        writer_number: row.try_get(6)?,
    })
}

pub(super) fn entry(row: &Row) -> Result<EntryRow, Error> {
    Ok(EntryRow {
        id: row.try_get(0)?,
        family: row.try_get(1)?,
        serial: row.try_get(2)?,
        slot: row.try_get(3)?,
        algorithm: row.try_get(4)?,
        digits: row.try_get(5)?,
        time_step: row.try_get(6)?,
        origin: row.try_get(7)?,
        batch: row.try_get(8)?,
        format: row.try_get(9)?,
        session: row.try_get(10)?,
        nonce: row.try_get(11)?,
        ciphertext: row.try_get(12)?,
        tag_key: row.try_get(13)?,
        tag: row.try_get(14)?,
        reserved_at: row.try_get(15)?,
        state: row.try_get(16)?,
        model: row.try_get(17)?,
        upn: row.try_get(18)?,
        issuer: row.try_get(19)?,
        programmed_at: row.try_get(20)?,
        verified_at: row.try_get(21)?,
        drift_seconds: row.try_get(22)?,
        drift_at: row.try_get(23)?,
        revision: row.try_get(24)?,
        annotations: annotations(row, 25)?,
        counter: row.try_get(31)?,
        line: row.try_get(32)?,
        manufacturer: row.try_get(33)?,
    })
}

/// The annotations, which begin at some column.
pub(super) fn annotations(row: &Row, first: usize) -> Result<AnnotationRow, Error> {
    Ok(AnnotationRow {
        note: row.try_get(first)?,
        purchase_order: row.try_get(first + 1)?,
        tags: row.try_get(first + 2)?,
        exported_at: row.try_get(first + 3)?,
        export_format: row.try_get(first + 4)?,
        activated_at: row.try_get(first + 5)?,
    })
}

pub(super) fn event(row: &Row) -> Result<EventRow, Error> {
    Ok(EventRow {
        writer_number: row.try_get(0)?,
        writer: row.try_get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default(),
        sequence: row.try_get(2)?,
        previous: row.try_get(3)?,
        roster: row.try_get(4)?,
        time: row.try_get(5)?,
        uid: row.try_get(6)?,
        host: row.try_get(7)?,
        operator: row.try_get(8)?,
        kind: row.try_get(9)?,
        facts: row.try_get(10)?,
        reason: row.try_get(11)?,
        hash: row.try_get(12)?,
        signature: row.try_get(13)?,
        touched: Vec::new(),
    })
}

pub(super) fn seal(row: &Row) -> Result<SealRow, Error> {
    Ok(SealRow {
        place: row.try_get(0)?,
        id: row.try_get(1)?,
        format: row.try_get(2)?,
        session: row.try_get(3)?,
        nonce: row.try_get(4)?,
        ciphertext: row.try_get(5)?,
    })
}

pub(super) fn touch(row: &Row) -> Result<Touch, Error> {
    touch_from(row, 0)
}

/// A touch, which begins at some column.
fn touch_from(row: &Row, first: usize) -> Result<Touch, Error> {
    Ok(Touch {
        position: row.try_get(first)?,
        entry: row.try_get(first + 1)?,
        revision: row.try_get(first + 2)?,
        digest: row.try_get(first + 3)?,
        facts: row.try_get(first + 4)?,
    })
}

pub(super) fn event_of_entry(row: &Row) -> Result<Option<EventRow>, Error> {
    match row.try_get::<_, Option<i64>>(0)? {
        Some(_) => Ok(Some(EventRow { touched: vec![touch_from(row, 14)?], ..event(row)? })),
        None => Ok(None),
    }
}

pub(super) fn touch_key(row: &Row) -> Result<TouchKey, Error> {
    Ok(TouchKey {
        entry: row.try_get(0)?,
        writer: row.try_get(1)?,
        sequence: row.try_get(2)?,
        position: row.try_get(3)?,
    })
}

pub(super) fn touch_row(row: &Row) -> Result<TouchRow, Error> {
    let event = match row.try_get::<_, Option<String>>(7)? {
        Some(kind) => Some(TouchEvent { kind, time: row.try_get(8)?, facts: row.try_get(9)? }),
        None => None,
    };
    Ok(TouchRow {
        key: touch_key(row)?,
        revision: row.try_get(4)?,
        digest: row.try_get(5)?,
        facts: row.try_get(6)?,
        event,
    })
}
