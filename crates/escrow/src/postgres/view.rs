//! Reading rows.

use postgres::{Error, Row};

use super::query::{self, Query};
use super::rows::{
    BATCH_SELECT, ENTRY_COLUMNS, EVENT_SELECT, HISTORY_SELECT, LINE_SELECT, SESSION_SELECT, batch, duplicate_key,
    entry, event, event_of_entry, header, holder, line, roster, seal, session, touch, touch_key, touch_row,
};
use super::session::{Param, Session};
use super::{batches, records};
use crate::conditions::of_events;
use crate::seal::SealRow;
use crate::sqlite::SqliteStore;
use crate::store::{
    BatchRow, ChainHead, Commit, EntryRow, EventRow, Filling, HeaderRow, HolderRow, LineRow, Look, RecordRow,
    RosterRow, Take, TouchKey, TouchRow, View, WrapRow, WriterRow,
};
use crate::{EntryId, EscrowError, EventFilter, Filter, LineCounts, Stats, WriterId};

/// The store inside a transaction.
pub(super) struct PostgresView<'a> {
    pub(super) session: &'a Session,
    /// Whether what is read decides what is written.
    pub(super) writing: bool,
}

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl PostgresView<'_> {
    fn list<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, EscrowError> {
        let rows = self.session.query(sql, params)?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| self.session.fault.of(error))
    }

    fn one<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: fn(&Row) -> Result<T, Error>,
    ) -> Result<Option<T>, EscrowError> {
        let row = self.session.row(sql, params)?;
        row.as_ref().map(read).transpose().map_err(|error| self.session.fault.of(error))
    }

    fn with_touched(&self, event: EventRow) -> Result<EventRow, EscrowError> {
        let mut events = [event];
        self.touch_all(&mut events)?;
        let [event] = events;
        Ok(event)
    }

    /// Reads what some events touched, for all of them at once.
    fn touch_all(&self, events: &mut [EventRow]) -> Result<(), EscrowError> {
        let writers: Vec<i64> = events.iter().map(|event| event.writer_number).collect();
        let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        let touched = self.list(
            "SELECT t.position, t.entry, t.revision, t.digest, t.facts, n.place
             FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS n (writer, sequence, place)
             JOIN event_entries t ON t.writer = n.writer AND t.sequence = n.sequence ORDER BY n.place, t.position",
            &[&writers, &sequences],
            |row| Ok((touch(row)?, row.try_get::<_, i64>(5)?)),
        )?;
        for (touch, place) in touched {
            if let Some(event) = usize::try_from(place - 1).ok().and_then(|place| events.get_mut(place)) {
                event.touched.push(touch);
            }
        }
        Ok(())
    }
}

impl View for PostgresView<'_> {
    fn header(&self) -> Result<Vec<HeaderRow>, EscrowError> {
        self.list("SELECT id, created_at FROM escrow", &[], header)
    }

    fn rosters(&self) -> Result<Vec<RosterRow>, EscrowError> {
        self.list("SELECT version, body, signer, signature FROM rosters ORDER BY version", &[], roster)
    }

    fn roster_version(&self) -> Result<i64, EscrowError> {
        let version = self.one("SELECT coalesce(max(version), 0) FROM rosters", &[], |row| row.try_get(0))?;
        Ok(version.unwrap_or(0))
    }

    fn writers(&self) -> Result<Vec<WriterRow>, EscrowError> {
        self.list("SELECT id, key FROM writers ORDER BY id", &[], |row| {
            Ok(WriterRow { id: row.try_get(0)?, key: row.try_get(1)? })
        })
    }

    fn head(&self, writer: &WriterId) -> Result<ChainHead, EscrowError> {
        let head = self.one(
            "SELECT e.sequence, e.hash FROM events e WHERE e.writer = (SELECT id FROM writers WHERE key = $1)
             ORDER BY e.sequence DESC LIMIT 1",
            &[&writer.as_bytes().as_slice()],
            |row| Ok(ChainHead { sequence: row.try_get(0)?, hash: row.try_get(1)? }),
        )?;
        Ok(head.unwrap_or_default())
    }

    fn heads(&self) -> Result<Vec<(Vec<u8>, ChainHead)>, EscrowError> {
        self.list(
            "SELECT w.key, e.sequence, e.hash FROM writers w JOIN events e ON e.writer = w.id
             WHERE e.sequence = (SELECT max(sequence) FROM events WHERE writer = w.id) ORDER BY w.key",
            &[],
            |row| Ok((row.try_get(0)?, ChainHead { sequence: row.try_get(1)?, hash: row.try_get(2)? })),
        )
    }

    fn event_hash(&self, writer: &WriterId, sequence: i64) -> Result<Option<Vec<u8>>, EscrowError> {
        self.one(
            "SELECT hash FROM events WHERE writer = (SELECT id FROM writers WHERE key = $1) AND sequence = $2",
            &[&writer.as_bytes().as_slice(), &sequence],
            |row| row.try_get(0),
        )
    }

    fn session(&self, id: &[u8]) -> Result<Option<WrapRow>, EscrowError> {
        self.one(&format!("{SESSION_SELECT} WHERE s.id = $1"), &[&id], session)
    }

    fn sessions(&self, after: &[u8], limit: usize) -> Result<Vec<WrapRow>, EscrowError> {
        let sql = format!("{SESSION_SELECT} WHERE s.id > $1 ORDER BY s.id LIMIT $2");
        self.list(&sql, &[&after, &rows(limit)], session)
    }

    fn duplicate_keys(&self) -> Result<Vec<WrapRow>, EscrowError> {
        self.list(
            "SELECT d.id, d.roster, d.created_at, d.wrap, w.key, d.sequence, d.writer
             FROM duplicate_keys d LEFT JOIN writers w ON w.id = d.writer ORDER BY d.id",
            &[],
            duplicate_key,
        )
    }

    fn entry(&self, id: &EntryId) -> Result<Option<EntryRow>, EscrowError> {
        self.one(&format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE id = $1"), &[&id.as_bytes().as_slice()], entry)
    }

    fn entries(&self, filter: &Filter, after: &[u8], limit: usize) -> Result<Vec<EntryRow>, EscrowError> {
        let mut query = query::entries(ENTRY_COLUMNS, filter, after);
        query.end(" ORDER BY id", limit);
        self.list(&query.sql, &query.params(), entry)
    }

    fn entries_between(&self, low: &[u8], high: &[u8], limit: usize) -> Result<Vec<EntryRow>, EscrowError> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3");
        self.list(&sql, &[&low, &high, &rows(limit)], entry)
    }

    fn seals(&self, after: i64, limit: usize) -> Result<Vec<SealRow>, EscrowError> {
        self.list(
            "SELECT rowid, id, format, session, nonce, ciphertext FROM entries
             WHERE rowid > $1 ORDER BY rowid LIMIT $2",
            &[&after, &rows(limit)],
            seal,
        )
    }

    fn seals_of(&self, session: &[u8], after: i64, limit: usize) -> Result<Vec<SealRow>, EscrowError> {
        self.list(
            "SELECT rowid, id, format, session, nonce, ciphertext FROM entries
             WHERE session = $1 AND rowid > $2 ORDER BY rowid LIMIT $3",
            &[&session, &after, &rows(limit)],
            seal,
        )
    }

    fn session_sizes(&self) -> Result<Vec<(Vec<u8>, u64)>, EscrowError> {
        self.list("SELECT session, count(*) FROM entries GROUP BY session", &[], |row| {
            Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?.try_into().unwrap_or(0)))
        })
    }

    fn sessions_tagged_otherwise(&self, tag_key: i64) -> Result<Vec<Vec<u8>>, EscrowError> {
        self.list("SELECT DISTINCT session FROM entries WHERE tag_key <> $1", &[&tag_key], |row| row.try_get(0))
    }

    fn is_tag_key_used(&self, tag_key: i64) -> Result<bool, EscrowError> {
        let found =
            self.one("SELECT 1 FROM entries WHERE tag_key = $1 LIMIT 1", &[&tag_key], |row| row.try_get::<_, i32>(0))?;
        Ok(found.is_some())
    }

    fn entries_tagged(&self, tag_key: i64, tag: &[u8]) -> Result<Vec<EntryRow>, EscrowError> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE tag = $1 AND tag_key = $2 ORDER BY id");
        self.list(&sql, &[&tag, &tag_key], entry)
    }

    fn event(&self, writer: &[u8], sequence: i64) -> Result<Option<EventRow>, EscrowError> {
        let sql = format!("{EVENT_SELECT} WHERE w.key = $1 AND e.sequence = $2");
        self.one(&sql, &[&writer, &sequence], event)?.map(|event| self.with_touched(event)).transpose()
    }

    fn event_at(&self, writer: i64, sequence: i64) -> Result<Option<EventRow>, EscrowError> {
        let sql = format!("{EVENT_SELECT} WHERE e.writer = $1 AND e.sequence = $2");
        self.one(&sql, &[&writer, &sequence], event)?.map(|event| self.with_touched(event)).transpose()
    }

    fn touches_of(&self, entry: &EntryId) -> Result<Vec<TouchKey>, EscrowError> {
        self.list(
            "SELECT entry, writer, sequence, position FROM event_entries WHERE entry = $1",
            &[&entry.as_bytes().as_slice()],
            touch_key,
        )
    }

    fn history_of(&self, entry: &EntryId) -> Result<Vec<Option<EventRow>>, EscrowError> {
        self.list(HISTORY_SELECT, &[&entry.as_bytes().as_slice()], event_of_entry)
    }

    fn events(&self, filter: &EventFilter, after: (i64, i64), limit: usize) -> Result<Vec<EventRow>, EscrowError> {
        let mut query = Query::new(&format!("{EVENT_SELECT} WHERE (e.writer, e.sequence) > (?, ?)"));
        query.value(after.0);
        query.value(after.1);
        query.and_all(of_events(filter));
        query.end(" ORDER BY e.writer, e.sequence", limit);
        let mut events = self.list(&query.sql, &query.params(), event)?;
        self.touch_all(&mut events)?;
        Ok(events)
    }

    fn events_before(&self, filter: &EventFilter, end: (i64, i64), limit: usize) -> Result<Vec<EventRow>, EscrowError> {
        let mut query = Query::new(&format!("{EVENT_SELECT} WHERE e.writer = ? AND e.sequence < ?"));
        query.value(end.0);
        query.value(end.1);
        query.and_all(of_events(filter));
        query.end(" ORDER BY e.sequence DESC", limit);
        let mut events = self.list(&query.sql, &query.params(), event)?;
        self.touch_all(&mut events)?;
        Ok(events)
    }

    fn touches(&self, after: &TouchKey, limit: usize) -> Result<Vec<TouchRow>, EscrowError> {
        self.list(
            "SELECT t.entry, t.writer, t.sequence, t.position, t.revision, t.digest, t.facts, e.kind, e.time, e.facts
             FROM event_entries t LEFT JOIN events e ON e.writer = t.writer AND e.sequence = t.sequence
             WHERE (t.entry, t.writer, t.sequence, t.position) > ($1, $2, $3, $4)
             ORDER BY t.entry, t.writer, t.sequence, t.position LIMIT $5",
            &[&after.entry, &after.writer, &after.sequence, &after.position, &rows(limit)],
            touch_row,
        )
    }

    fn stats(&self) -> Result<Stats, EscrowError> {
        query::stats(self.session)
    }

    fn image(&self, take: Take<'_>, look: Look<'_>) -> Result<(), EscrowError> {
        SqliteStore::image_of(self, &self.session.fault.store, take, look)
    }

    fn batches(&self) -> Result<Vec<BatchRow>, EscrowError> {
        self.list(&format!("{BATCH_SELECT} ORDER BY b.id"), &[], batch)
    }

    fn batch(&self, id: &[u8]) -> Result<Option<BatchRow>, EscrowError> {
        self.one(&format!("{BATCH_SELECT} WHERE b.id = $1"), &[&id], batch)
    }

    fn lines(&self, batch: &[u8], after: i64, limit: usize) -> Result<Vec<LineRow>, EscrowError> {
        let sql = format!("{LINE_SELECT} WHERE batch = $1 AND line > $2 ORDER BY line LIMIT $3");
        self.list(&sql, &[&batch, &after, &rows(limit)], line)
    }

    fn line(&self, batch: &[u8], number: i64) -> Result<Option<LineRow>, EscrowError> {
        let sql = format!("{LINE_SELECT} WHERE batch = $1 AND line = $2");
        self.one(&sql, &[&batch, &number], line)
    }

    fn lines_failed(&self, batch: &[u8]) -> Result<Vec<LineRow>, EscrowError> {
        let sql = format!("{LINE_SELECT} WHERE batch = $1 AND error IS NOT NULL ORDER BY line");
        self.list(&sql, &[&batch], line)
    }

    fn line_counts(&self, batch: &[u8]) -> Result<LineCounts, EscrowError> {
        batches::counts(self.session, batch)
    }

    fn line_entries(&self, batch: &[u8], line: i64) -> Result<Vec<EntryRow>, EscrowError> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE batch = $1 AND line = $2 ORDER BY id");
        self.list(&sql, &[&batch, &line], entry)
    }

    fn seeds_left(&self, batch: &[u8]) -> Result<Vec<Vec<u8>>, EscrowError> {
        self.list(
            "SELECT l.seed FROM batch_lines l JOIN entries e ON e.id = l.seed
             WHERE l.batch = $1 AND e.state IN ('reserved', 'unknown') ORDER BY l.line",
            &[&batch],
            |row| row.try_get(0),
        )
    }

    fn batches_of_lines(&self) -> Result<Vec<Vec<u8>>, EscrowError> {
        self.list("SELECT DISTINCT batch FROM batch_lines ORDER BY batch", &[], |row| row.try_get(0))
    }

    fn lease_of(&self, batch: &[u8], line: i64) -> Result<Option<(HolderRow, i64)>, EscrowError> {
        // Whoever writes because a lease is held keeps it from being taken away until that is written.
        let lock = if self.writing { " FOR KEY SHARE" } else { "" };
        let sql = format!(
            "SELECT station, host, boot, namespace, pid, started, expires_at FROM leases WHERE batch = $1 AND line = $2{lock}"
        );
        self.one(&sql, &[&batch, &line], |row| Ok((holder(row)?, row.try_get(6)?)))
    }

    fn record(&self, kind: &str, id: &[u8]) -> Result<Option<RecordRow>, EscrowError> {
        self.one(&format!("{} WHERE kind = $1 AND id = $2", records::SELECT), &[&kind, &id], records::record)
    }

    fn records_found(&self, kind: &str, lookup: &[u8]) -> Result<Vec<RecordRow>, EscrowError> {
        let sql = format!("{} WHERE kind = $1 AND lookup = $2 ORDER BY id", records::SELECT);
        self.list(&sql, &[&kind, &lookup], records::record)
    }

    fn records(&self, after: (&str, &[u8]), kind: Option<&str>, limit: usize) -> Result<Vec<RecordRow>, EscrowError> {
        let sql = format!(
            "{} WHERE (kind, id) > ($1, $2) AND ($3::text IS NULL OR kind = $3) ORDER BY kind, id LIMIT $4",
            records::SELECT
        );
        self.list(&sql, &[&after.0, &after.1, &kind, &rows(limit)], records::record)
    }

    fn catalog(&self) -> &'static str {
        "pg_catalog"
    }

    fn structure(&self) -> Result<Vec<String>, EscrowError> {
        super::structure::problems(self.session)
    }
}

impl Filling for PostgresView<'_> {
    fn write(&self, rows: &Commit) -> Result<(), EscrowError> {
        super::write::write(self.session, rows)
    }

    fn view(&self) -> &dyn View {
        self
    }
}
