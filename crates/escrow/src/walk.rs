//! A whole store, page by page, in an order that depends on nothing but its rows. Two stores are the same when their
//! pages are.

use data_encoding::HEXLOWER;

use crate::escrow::{EVENTS, PAGE};
use crate::store::{BatchRow, ChainHead, Commit, View, WrapRow};
use crate::{EscrowError, EventFilter, Filter, WriterId};

/// Some rows, parents before children, without the numbers that a store gives to writers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The table that most of them belong to.
    pub(crate) table: &'static str,
    pub(crate) rows: Commit,
}

/// Where reading goes on.
enum Next {
    Beginning,
    Sessions(Vec<u8>),
    Entries(Vec<u8>),
    Batch(usize),
    Records(String, Vec<u8>),
    Events { writer: usize, after: i64 },
}

/// Reads a store from beginning to end. Memory grows with pages, writers and the longest list of a batch.
pub(crate) struct Walk<'a> {
    view: &'a dyn View,
    next: Option<Next>,
    batches: Vec<BatchRow>,
    /// The writers by their keys, with their numbers in this store.
    chains: Vec<(WriterId, i64, ChainHead)>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(view: &'a dyn View) -> Result<Self, EscrowError> {
        let mut batches = view.batches()?;
        batches.sort_by(|one, other| one.id.cmp(&other.id));
        let mut chains = Vec::new();
        for row in view.writers()? {
            // What is no key has signed nothing; the check that goes before says so.
            let Some(writer) = WriterId::from_slice(&row.key) else { continue };
            chains.push((writer, row.id, view.head(&writer)?));
        }
        chains.sort_by(|one, other| one.0.as_bytes().cmp(other.0.as_bytes()));
        Ok(Self { view, next: Some(Next::Beginning), batches, chains })
    }

    /// The next page that holds anything.
    pub(crate) fn next(&mut self) -> Result<Option<Page>, EscrowError> {
        while let Some(next) = self.next.take() {
            let page = match next {
                Next::Beginning => self.beginning()?,
                Next::Sessions(after) => self.sessions(&after)?,
                Next::Entries(after) => self.entries(&after)?,
                Next::Batch(number) => self.batch(number)?,
                Next::Records(kind, id) => self.records(&kind, &id)?,
                Next::Events { writer, after } => self.events(writer, after)?,
            };
            if page.is_some() {
                return Ok(page);
            }
        }
        Ok(None)
    }

    fn beginning(&mut self) -> Result<Option<Page>, EscrowError> {
        self.next = Some(Next::Sessions(Vec::new()));
        let rows = Commit {
            header: self.view.header()?.into_iter().next(),
            rosters: self.view.rosters()?,
            duplicate_keys: unnumbered(self.view.duplicate_keys()?),
            ..Commit::default()
        };
        Ok(Some(Page { table: "rosters", rows }))
    }

    fn sessions(&mut self, after: &[u8]) -> Result<Option<Page>, EscrowError> {
        let sessions = unnumbered(self.view.sessions(after, PAGE)?);
        let last = sessions.last().map(|row| row.id.clone());
        self.next = Some(last.clone().map_or_else(|| Next::Entries(Vec::new()), Next::Sessions));
        Ok(last.map(|_| Page { table: "sessions", rows: Commit { sessions, ..Commit::default() } }))
    }

    fn entries(&mut self, after: &[u8]) -> Result<Option<Page>, EscrowError> {
        let new_entries = self.view.entries(&Filter::default(), after, PAGE)?;
        let last = new_entries.last().map(|row| row.id.clone());
        self.next = Some(last.clone().map_or(Next::Batch(0), Next::Entries));
        Ok(last.map(|_| Page { table: "entries", rows: Commit { new_entries, ..Commit::default() } }))
    }

    /// A batch with all of its lines.
    fn batch(&mut self, number: usize) -> Result<Option<Page>, EscrowError> {
        let Some(batch) = self.batches.get(number).cloned() else {
            self.next = Some(Next::Records(String::new(), Vec::new()));
            return Ok(None);
        };
        self.next = Some(Next::Batch(number + 1));
        let mut lines = Vec::new();
        loop {
            let after = lines.last().map_or(0, |row: &crate::store::LineRow| row.line);
            let page = self.view.lines(&batch.id, after, PAGE)?;
            if page.is_empty() {
                break;
            }
            lines.extend(page);
        }
        Ok(Some(Page { table: "batch_lines", rows: Commit { batch: Some((batch, lines)), ..Commit::default() } }))
    }

    /// What the desk keeps.
    fn records(&mut self, kind: &str, id: &[u8]) -> Result<Option<Page>, EscrowError> {
        let records = self.view.records((kind, id), None, PAGE)?;
        let last = records.last().map(|row| (row.kind.clone(), row.id.clone()));
        let events = Next::Events { writer: 0, after: 0 };
        self.next = Some(last.clone().map_or(events, |(kind, id)| Next::Records(kind, id)));
        Ok(last.map(|_| Page { table: "records", rows: Commit { records, ..Commit::default() } }))
    }

    /// Events of one writer.
    fn events(&mut self, writer: usize, after: i64) -> Result<Option<Page>, EscrowError> {
        let Some((key, number, head)) = self.chains.get(writer) else { return Ok(None) };
        // Not one more than there are: looking for it would go through the events of all writers after this one.
        let left = usize::try_from(head.sequence - after).unwrap_or(0);
        if left == 0 {
            self.next = Some(Next::Events { writer: writer + 1, after: 0 });
            return Ok(None);
        }
        let filter = EventFilter { writer: Some(*key), ..EventFilter::default() };
        let mut events = self.view.events(&filter, (*number, after), left.min(EVENTS))?;
        let last = events.last().map(|event| event.sequence);
        self.next = Some(match last {
            Some(after) => Next::Events { writer, after },
            None => Next::Events { writer: writer + 1, after: 0 },
        });
        for event in &mut events {
            event.writer_number = 0;
        }
        Ok(last.map(|_| Page { table: "events", rows: Commit { events, ..Commit::default() } }))
    }
}

fn unnumbered(mut rows: Vec<WrapRow>) -> Vec<WrapRow> {
    for row in &mut rows {
        row.writer_number = 0;
    }
    rows
}

impl Page {
    /// How many rows there are of which table; tables without rows are left out.
    pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
        let rows = &self.rows;
        let touched = rows.events.iter().map(|event| event.touched.len()).sum();
        let counts = [
            ("escrow", usize::from(rows.header.is_some())),
            ("rosters", rows.rosters.len()),
            ("duplicate_keys", rows.duplicate_keys.len()),
            ("sessions", rows.sessions.len()),
            ("entries", rows.new_entries.len()),
            ("batches", usize::from(rows.batch.is_some())),
            ("batch_lines", rows.batch.as_ref().map_or(0, |(_, lines)| lines.len())),
            ("records", rows.records.len()),
            ("events", rows.events.len()),
            ("event_entries", touched),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).map(|(table, count)| (table, count as u64)).collect()
    }

    /// How many rows there are of its table.
    pub(crate) fn count(&self) -> u64 {
        self.counts().iter().find(|(table, _)| *table == self.table).map_or(0, |(_, count)| *count)
    }

    /// The first row that another page does not have as it is here: its table and its key.
    pub(crate) fn first_difference(&self, other: Option<&Self>) -> (&'static str, String) {
        let nothing = Commit::default();
        let (rows, others) = (&self.rows, other.map_or(&nothing, |other| &other.rows));
        let missing = |name: String| (self.table, name);
        if rows.header != others.header {
            return ("escrow", "1".into());
        }
        if let Some(row) = rows.rosters.iter().find(|row| !others.rosters.contains(row)) {
            return ("rosters", row.version.to_string());
        }
        if let Some(row) = rows.duplicate_keys.iter().find(|row| !others.duplicate_keys.contains(row)) {
            return ("duplicate_keys", row.name());
        }
        if let Some(row) = rows.sessions.iter().find(|row| !others.sessions.contains(row)) {
            return missing(row.name());
        }
        if let Some(row) = rows.new_entries.iter().find(|row| !others.new_entries.contains(row)) {
            return missing(HEXLOWER.encode(&row.id));
        }
        if let Some(row) = rows.records.iter().find(|row| !others.records.contains(row)) {
            return missing(format!("{}/{}", row.kind, HEXLOWER.encode(&row.id)));
        }
        if let Some(row) = rows.events.iter().find(|row| !others.events.contains(row)) {
            return missing(format!("{}/{}", HEXLOWER.encode(&row.writer), row.sequence));
        }
        match (&rows.batch, &others.batch) {
            (Some((batch, lines)), other) if rows.batch != *other => {
                let theirs = other.as_ref().filter(|(other, _)| other == batch).map(|(_, lines)| lines);
                let line = theirs.and_then(|theirs| lines.iter().find(|line| !theirs.contains(line)));
                let name = HEXLOWER.encode(&batch.id);
                line.map_or(("batches", name.clone()), |line| missing(format!("{name}/{}", line.line)))
            }
            _ => missing("a row that is not in the other store".into()),
        }
    }
}
