//! Reading rows.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Params, Row, params, params_from_iter};

use super::fault::Fault;
use super::query::{self, Query};
use super::{batches, records};
use crate::annotation::AnnotationRow;
use crate::conditions::of_events;
use crate::seal::SealRow;
use crate::store::{
    BatchRow, ChainHead, EntryRow, EventRow, HeaderRow, HolderRow, LineRow, Look, RecordRow, RosterRow, Take, Touch,
    TouchEvent, TouchKey, TouchRow, View, WrapRow, WriterRow,
};
use crate::{EntryId, EscrowError, EventFilter, Filter, LineCounts, Stats, WriterId};

/// The store inside a transaction.
pub(super) struct SqliteView<'a> {
    pub(super) connection: &'a Connection,
    pub(super) fault: &'a Fault,
}

const ENTRY_COLUMNS: &str = "id, family, serial, slot, algorithm, digits, time_step, origin, batch, format, session, \
    nonce, ciphertext, tag_key, tag, reserved_at, state, model, upn, issuer, programmed_at, verified_at, \
    drift_seconds, drift_at, revision, note, purchase_order, tags, exported_at, export_format, activated_at, \
    counter, line, manufacturer";
const EVENT_SELECT: &str = "SELECT e.writer, w.key, e.sequence, e.previous, e.roster, e.time, e.uid, e.host, \
    e.operator, e.kind, e.facts, e.reason, e.hash, e.signature FROM events e LEFT JOIN writers w ON w.id = e.writer";
const HISTORY_SELECT: &str = "SELECT e.writer, w.key, e.sequence, e.previous, e.roster, e.time, e.uid, e.host, \
    e.operator, e.kind, e.facts, e.reason, e.hash, e.signature, t.position, t.entry, t.revision, t.digest, t.facts \
    FROM event_entries t LEFT JOIN events e ON e.writer = t.writer AND e.sequence = t.sequence \
    LEFT JOIN writers w ON w.id = e.writer WHERE t.entry = ?1";
const SESSION_SELECT: &str = "SELECT s.id, s.roster, s.created_at, s.wrap, w.key, s.sequence, s.writer \
    FROM sessions s LEFT JOIN writers w ON w.id = s.writer";

/// A text; what is not UTF-8 was not written by us, and shows as what no signature covers.
pub(super) fn text(row: &Row<'_>, index: usize) -> rusqlite::Result<String> {
    Ok(maybe_text(row, index)?.unwrap_or_default())
}

pub(super) fn maybe_text(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<String>> {
    match row.get_ref(index)? {
        ValueRef::Null => Ok(None),
        ValueRef::Text(bytes) => Ok(Some(String::from_utf8_lossy(bytes).into_owned())),
        other => Err(rusqlite::Error::InvalidColumnType(index, "text".into(), other.data_type())),
    }
}

fn header(row: &Row<'_>) -> rusqlite::Result<HeaderRow> {
    Ok(HeaderRow { id: row.get(0)?, created_at: row.get(1)? })
}

fn roster(row: &Row<'_>) -> rusqlite::Result<RosterRow> {
    Ok(RosterRow { version: row.get(0)?, body: text(row, 1)?, signer: row.get(2)?, signature: row.get(3)? })
}

fn session(row: &Row<'_>) -> rusqlite::Result<WrapRow> {
    Ok(WrapRow {
        id: row.get(0)?,
        roster: row.get(1)?,
        created_at: row.get(2)?,
        wrap: row.get(3)?,
        writer: row.get::<_, Option<Vec<u8>>>(4)?.unwrap_or_default(),
        sequence: row.get(5)?,
        writer_number: row.get(6)?,
    })
}

fn duplicate_key(row: &Row<'_>) -> rusqlite::Result<WrapRow> {
    Ok(WrapRow {
        id: row.get::<_, i64>(0)?.to_be_bytes().to_vec(),
        roster: row.get(1)?,
        created_at: row.get(2)?,
        wrap: row.get(3)?,
        writer: row.get::<_, Option<Vec<u8>>>(4)?.unwrap_or_default(),
        sequence: row.get(5)?,
        writer_number: row.get(6)?,
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<EntryRow> {
    Ok(EntryRow {
        id: row.get(0)?,
        family: text(row, 1)?,
        serial: text(row, 2)?,
        slot: text(row, 3)?,
        algorithm: text(row, 4)?,
        digits: row.get(5)?,
        time_step: row.get(6)?,
        origin: text(row, 7)?,
        batch: row.get(8)?,
        format: row.get(9)?,
        session: row.get(10)?,
        nonce: row.get(11)?,
        ciphertext: row.get(12)?,
        tag_key: row.get(13)?,
        tag: row.get(14)?,
        reserved_at: row.get(15)?,
        state: text(row, 16)?,
        model: maybe_text(row, 17)?,
        upn: maybe_text(row, 18)?,
        issuer: maybe_text(row, 19)?,
        programmed_at: row.get(20)?,
        verified_at: row.get(21)?,
        drift_seconds: row.get(22)?,
        drift_at: row.get(23)?,
        revision: row.get(24)?,
        annotations: annotations(row, 25)?,
        counter: row.get(31)?,
        line: row.get(32)?,
        manufacturer: maybe_text(row, 33)?,
    })
}

/// The annotations, which begin at some column.
fn annotations(row: &Row<'_>, first: usize) -> rusqlite::Result<AnnotationRow> {
    Ok(AnnotationRow {
        note: maybe_text(row, first)?,
        purchase_order: maybe_text(row, first + 1)?,
        tags: maybe_text(row, first + 2)?,
        exported_at: row.get(first + 3)?,
        export_format: maybe_text(row, first + 4)?,
        activated_at: row.get(first + 5)?,
    })
}

fn event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        writer_number: row.get(0)?,
        writer: row.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default(),
        sequence: row.get(2)?,
        previous: row.get(3)?,
        roster: row.get(4)?,
        time: row.get(5)?,
        uid: row.get(6)?,
        host: text(row, 7)?,
        operator: maybe_text(row, 8)?,
        kind: text(row, 9)?,
        facts: text(row, 10)?,
        reason: maybe_text(row, 11)?,
        hash: row.get(12)?,
        signature: row.get(13)?,
        touched: Vec::new(),
    })
}

fn seal(row: &Row<'_>) -> rusqlite::Result<SealRow> {
    Ok(SealRow {
        place: row.get(0)?,
        id: row.get(1)?,
        format: row.get(2)?,
        session: row.get(3)?,
        nonce: row.get(4)?,
        ciphertext: row.get(5)?,
    })
}

fn touch(row: &Row<'_>) -> rusqlite::Result<Touch> {
    touch_from(row, 0)
}

/// A touch, which begins at some column.
fn touch_from(row: &Row<'_>, first: usize) -> rusqlite::Result<Touch> {
    Ok(Touch {
        position: row.get(first)?,
        entry: row.get(first + 1)?,
        revision: row.get(first + 2)?,
        digest: row.get(first + 3)?,
        facts: text(row, first + 4)?,
    })
}

fn event_of_entry(row: &Row<'_>) -> rusqlite::Result<Option<EventRow>> {
    if row.get_ref(0)? == ValueRef::Null {
        return Ok(None);
    }
    Ok(Some(EventRow { touched: vec![touch_from(row, 14)?], ..event(row)? }))
}

fn touch_key(row: &Row<'_>) -> rusqlite::Result<TouchKey> {
    Ok(TouchKey { entry: row.get(0)?, writer: row.get(1)?, sequence: row.get(2)?, position: row.get(3)? })
}

fn touch_row(row: &Row<'_>) -> rusqlite::Result<TouchRow> {
    let event = match maybe_text(row, 7)? {
        Some(kind) => Some(TouchEvent { kind, time: row.get(8)?, facts: text(row, 9)? }),
        None => None,
    };
    Ok(TouchRow { key: touch_key(row)?, revision: row.get(4)?, digest: row.get(5)?, facts: text(row, 6)?, event })
}

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl SqliteView<'_> {
    fn list<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, EscrowError> {
        self.try_list(sql, params, read).map_err(|error| self.fault.of(error))
    }

    fn try_list<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.connection.prepare_cached(sql)?.query_map(params, read)?.collect()
    }

    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, EscrowError> {
        let row =
            self.connection.prepare_cached(sql).and_then(|mut statement| statement.query_row(params, read).optional());
        row.map_err(|error| self.fault.of(error))
    }

    fn with_touched(&self, mut event: EventRow) -> Result<EventRow, EscrowError> {
        event.touched = self.list(
            "SELECT position, entry, revision, digest, facts FROM event_entries
             WHERE writer = ?1 AND sequence = ?2 ORDER BY position",
            params![event.writer_number, event.sequence],
            touch,
        )?;
        Ok(event)
    }
}

impl View for SqliteView<'_> {
    fn header(&self) -> Result<Vec<HeaderRow>, EscrowError> {
        self.list("SELECT id, created_at FROM escrow", [], header)
    }

    fn rosters(&self) -> Result<Vec<RosterRow>, EscrowError> {
        self.list("SELECT version, body, signer, signature FROM rosters ORDER BY version", [], roster)
    }

    fn roster_version(&self) -> Result<i64, EscrowError> {
        let version = self.one("SELECT coalesce(max(version), 0) FROM rosters", [], |row| row.get(0))?;
        Ok(version.unwrap_or(0))
    }

    fn writers(&self) -> Result<Vec<WriterRow>, EscrowError> {
        self.list("SELECT id, key FROM writers ORDER BY id", [], |row| {
            Ok(WriterRow { id: row.get(0)?, key: row.get(1)? })
        })
    }

    fn head(&self, writer: &WriterId) -> Result<ChainHead, EscrowError> {
        let head = self.one(
            "SELECT e.sequence, e.hash FROM events e WHERE e.writer = (SELECT id FROM writers WHERE key = ?1)
             ORDER BY e.sequence DESC LIMIT 1",
            [writer.as_bytes()],
            |row| Ok(ChainHead { sequence: row.get(0)?, hash: row.get(1)? }),
        )?;
        Ok(head.unwrap_or_default())
    }

    fn heads(&self) -> Result<Vec<(Vec<u8>, ChainHead)>, EscrowError> {
        self.list(
            "SELECT w.key, e.sequence, e.hash FROM writers w JOIN events e ON e.writer = w.id
             WHERE e.sequence = (SELECT max(sequence) FROM events WHERE writer = w.id) ORDER BY w.key",
            [],
            |row| Ok((row.get(0)?, ChainHead { sequence: row.get(1)?, hash: row.get(2)? })),
        )
    }

    fn event_hash(&self, writer: &WriterId, sequence: i64) -> Result<Option<Vec<u8>>, EscrowError> {
        self.one(
            "SELECT hash FROM events WHERE writer = (SELECT id FROM writers WHERE key = ?1) AND sequence = ?2",
            params![writer.as_bytes(), sequence],
            |row| row.get(0),
        )
    }

    fn session(&self, id: &[u8]) -> Result<Option<WrapRow>, EscrowError> {
        self.one(&format!("{SESSION_SELECT} WHERE s.id = ?1"), [id], session)
    }

    fn sessions(&self, after: &[u8], limit: usize) -> Result<Vec<WrapRow>, EscrowError> {
        let sql = format!("{SESSION_SELECT} WHERE s.id > ?1 ORDER BY s.id LIMIT ?2");
        self.list(&sql, params![after, rows(limit)], session)
    }

    fn duplicate_keys(&self) -> Result<Vec<WrapRow>, EscrowError> {
        self.list(
            "SELECT d.id, d.roster, d.created_at, d.wrap, w.key, d.sequence, d.writer
             FROM duplicate_keys d LEFT JOIN writers w ON w.id = d.writer ORDER BY d.id",
            [],
            duplicate_key,
        )
    }

    fn entry(&self, id: &EntryId) -> Result<Option<EntryRow>, EscrowError> {
        self.one(&format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE id = ?1"), [id.as_bytes()], entry)
    }

    fn entries(&self, filter: &Filter, after: &[u8], limit: usize) -> Result<Vec<EntryRow>, EscrowError> {
        let mut query = query::entries(ENTRY_COLUMNS, filter, after);
        query.end(" ORDER BY id", limit);
        self.list(&query.sql, params_from_iter(query.values), entry)
    }

    fn entries_between(&self, low: &[u8], high: &[u8], limit: usize) -> Result<Vec<EntryRow>, EscrowError> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3");
        self.list(&sql, params![low, high, rows(limit)], entry)
    }

    fn seals(&self, after: i64, limit: usize) -> Result<Vec<SealRow>, EscrowError> {
        // In the order of the table itself: an index would fetch each row from elsewhere.
        self.list(
            "SELECT rowid, id, format, session, nonce, ciphertext FROM entries NOT INDEXED
             WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
            params![after, rows(limit)],
            seal,
        )
    }

    fn seals_of(&self, session: &[u8], after: i64, limit: usize) -> Result<Vec<SealRow>, EscrowError> {
        self.list(
            "SELECT rowid, id, format, session, nonce, ciphertext FROM entries
             WHERE session = ?1 AND rowid > ?2 ORDER BY rowid LIMIT ?3",
            params![session, after, rows(limit)],
            seal,
        )
    }

    fn session_sizes(&self) -> Result<Vec<(Vec<u8>, u64)>, EscrowError> {
        self.list("SELECT session, count(*) FROM entries GROUP BY session", [], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.try_into().unwrap_or(0)))
        })
    }

    fn sessions_tagged_otherwise(&self, tag_key: i64) -> Result<Vec<Vec<u8>>, EscrowError> {
        self.list("SELECT DISTINCT session FROM entries WHERE tag_key <> ?1", [tag_key], |row| row.get(0))
    }

    fn is_tag_key_used(&self, tag_key: i64) -> Result<bool, EscrowError> {
        let found =
            self.one("SELECT 1 FROM entries WHERE tag_key = ?1 LIMIT 1", [tag_key], |row| row.get::<_, i64>(0))?;
        Ok(found.is_some())
    }

    fn entries_tagged(&self, tag_key: i64, tag: &[u8]) -> Result<Vec<EntryRow>, EscrowError> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE tag = ?1 AND tag_key = ?2 ORDER BY id");
        self.list(&sql, params![tag, tag_key], entry)
    }

    fn event(&self, writer: &[u8], sequence: i64) -> Result<Option<EventRow>, EscrowError> {
        let sql = format!("{EVENT_SELECT} WHERE w.key = ?1 AND e.sequence = ?2");
        self.one(&sql, params![writer, sequence], event)?.map(|event| self.with_touched(event)).transpose()
    }

    fn event_at(&self, writer: i64, sequence: i64) -> Result<Option<EventRow>, EscrowError> {
        let sql = format!("{EVENT_SELECT} WHERE e.writer = ?1 AND e.sequence = ?2");
        self.one(&sql, params![writer, sequence], event)?.map(|event| self.with_touched(event)).transpose()
    }

    fn touches_of(&self, entry: &EntryId) -> Result<Vec<TouchKey>, EscrowError> {
        self.list(
            "SELECT entry, writer, sequence, position FROM event_entries WHERE entry = ?1",
            [entry.as_bytes()],
            touch_key,
        )
    }

    fn history_of(&self, entry: &EntryId) -> Result<Vec<Option<EventRow>>, EscrowError> {
        self.list(HISTORY_SELECT, [entry.as_bytes()], event_of_entry)
    }

    fn events(&self, filter: &EventFilter, after: (i64, i64), limit: usize) -> Result<Vec<EventRow>, EscrowError> {
        let mut query = Query::new(
            format!("{EVENT_SELECT} WHERE (e.writer, e.sequence) > (?, ?)"),
            [Value::Integer(after.0), Value::Integer(after.1)],
        );
        query.and_all(of_events(filter));
        query.end(" ORDER BY e.writer, e.sequence", limit);
        let events = self.list(&query.sql, params_from_iter(query.values), event)?;
        events.into_iter().map(|event| self.with_touched(event)).collect()
    }

    fn events_before(&self, filter: &EventFilter, end: (i64, i64), limit: usize) -> Result<Vec<EventRow>, EscrowError> {
        let mut query = Query::new(
            format!("{EVENT_SELECT} WHERE e.writer = ? AND e.sequence < ?"),
            [Value::Integer(end.0), Value::Integer(end.1)],
        );
        query.and_all(of_events(filter));
        query.end(" ORDER BY e.sequence DESC", limit);
        let events = self.list(&query.sql, params_from_iter(query.values), event)?;
        events.into_iter().map(|event| self.with_touched(event)).collect()
    }

    fn touches(&self, after: &TouchKey, limit: usize) -> Result<Vec<TouchRow>, EscrowError> {
        self.list(
            "SELECT t.entry, t.writer, t.sequence, t.position, t.revision, t.digest, t.facts, e.kind, e.time, e.facts
             FROM event_entries t LEFT JOIN events e ON e.writer = t.writer AND e.sequence = t.sequence
             WHERE (t.entry, t.writer, t.sequence, t.position) > (?1, ?2, ?3, ?4)
             ORDER BY t.entry, t.writer, t.sequence, t.position LIMIT ?5",
            params![after.entry, after.writer, after.sequence, after.position, rows(limit)],
            touch_row,
        )
    }

    fn stats(&self) -> Result<Stats, EscrowError> {
        query::stats(self.connection).map_err(|error| self.fault.of(error))
    }

    fn image(&self, take: Take<'_>, look: Look<'_>) -> Result<(), EscrowError> {
        super::image::image(self.connection, self.fault, take, look)
    }

    fn batches(&self) -> Result<Vec<BatchRow>, EscrowError> {
        self.list(&format!("{} ORDER BY b.id", batches::BATCH_SELECT), [], batches::batch)
    }

    fn batch(&self, id: &[u8]) -> Result<Option<BatchRow>, EscrowError> {
        self.one(&format!("{} WHERE b.id = ?1", batches::BATCH_SELECT), [id], batches::batch)
    }

    fn lines(&self, batch: &[u8], after: i64, limit: usize) -> Result<Vec<LineRow>, EscrowError> {
        let sql = format!("{} WHERE batch = ?1 AND line > ?2 ORDER BY line LIMIT ?3", batches::LINE_SELECT);
        self.list(&sql, params![batch, after, rows(limit)], batches::line)
    }

    fn line(&self, batch: &[u8], line: i64) -> Result<Option<LineRow>, EscrowError> {
        let sql = format!("{} WHERE batch = ?1 AND line = ?2", batches::LINE_SELECT);
        self.one(&sql, params![batch, line], batches::line)
    }

    fn lines_failed(&self, batch: &[u8]) -> Result<Vec<LineRow>, EscrowError> {
        let sql = format!("{} WHERE batch = ?1 AND error IS NOT NULL ORDER BY line", batches::LINE_SELECT);
        self.list(&sql, [batch], batches::line)
    }

    fn line_counts(&self, batch: &[u8]) -> Result<LineCounts, EscrowError> {
        batches::counts(self.connection, batch).map_err(|error| self.fault.of(error))
    }

    fn line_entries(&self, batch: &[u8], line: i64) -> Result<Vec<EntryRow>, EscrowError> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE batch = ?1 AND line = ?2 ORDER BY id");
        self.list(&sql, params![batch, line], entry)
    }

    fn seeds_left(&self, batch: &[u8]) -> Result<Vec<Vec<u8>>, EscrowError> {
        self.list(
            "SELECT l.seed FROM batch_lines l JOIN entries e ON e.id = l.seed
             WHERE l.batch = ?1 AND e.state IN ('reserved', 'unknown') ORDER BY l.line",
            [batch],
            |row| row.get(0),
        )
    }

    fn batches_of_lines(&self) -> Result<Vec<Vec<u8>>, EscrowError> {
        self.list("SELECT DISTINCT batch FROM batch_lines ORDER BY batch", [], |row| row.get(0))
    }

    fn lease_of(&self, batch: &[u8], line: i64) -> Result<Option<(HolderRow, i64)>, EscrowError> {
        let sql = "SELECT station, host, boot, namespace, pid, started, expires_at FROM leases
            WHERE batch = ?1 AND line = ?2";
        self.one(sql, params![batch, line], |row| Ok((batches::holder(row)?, row.get(6)?)))
    }

    fn record(&self, kind: &str, id: &[u8]) -> Result<Option<RecordRow>, EscrowError> {
        let sql = format!("{} WHERE kind = ?1 AND id = ?2", records::SELECT);
        self.one(&sql, params![kind, id], records::record)
    }

    fn records_found(&self, kind: &str, lookup: &[u8]) -> Result<Vec<RecordRow>, EscrowError> {
        let sql = format!("{} WHERE kind = ?1 AND lookup = ?2 ORDER BY id", records::SELECT);
        self.list(&sql, params![kind, lookup], records::record)
    }

    fn records(&self, after: (&str, &[u8]), kind: Option<&str>, limit: usize) -> Result<Vec<RecordRow>, EscrowError> {
        let sql = format!(
            "{} WHERE (kind, id) > (?1, ?2) AND (?3 IS NULL OR kind = ?3) ORDER BY kind, id LIMIT ?4",
            records::SELECT
        );
        self.list(&sql, params![after.0, after.1, kind, rows(limit)], records::record)
    }

    fn catalog(&self) -> &'static str {
        "sqlite_schema"
    }

    fn structure(&self) -> Result<Vec<String>, EscrowError> {
        self.try_structure().map_err(|error| self.fault.of(error))
    }
}

/// Every object of a database with its definition; statistics, which SQLite makes for itself, left out.
const SCHEMA: &str = "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_schema \
    WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY 1";

impl SqliteView<'_> {
    fn try_structure(&self) -> rusqlite::Result<Vec<String>> {
        let one_text = |row: &Row<'_>| text(row, 0);
        let found: Vec<String> = self.try_list("PRAGMA integrity_check", [], one_text)?;
        let mut problems: Vec<_> = found.into_iter().filter(|line| line != "ok").collect();
        let orphans = self.try_list("PRAGMA foreign_key_check", [], |row| {
            Ok(format!("a row of {} belongs to no row of {}", text(row, 0)?, text(row, 2)?))
        })?;
        problems.extend(orphans);
        let model = Connection::open_in_memory()?;
        for migration in super::MIGRATIONS {
            model.execute_batch(migration)?;
        }
        let expected: Vec<String> = model.prepare(SCHEMA)?.query_map([], one_text)?.collect::<Result<_, _>>()?;
        let actual = self.try_list(SCHEMA, [], one_text)?;
        problems.extend(expected.iter().filter(|one| !actual.contains(one)).map(|one| format!("missing {one}")));
        problems.extend(actual.iter().filter(|one| !expected.contains(one)).map(|one| format!("unexpected {one}")));
        Ok(problems)
    }
}
