//! What a store keeps, and how it is read and written. A store knows ciphertext and public facts, never a key.
//!
//! Rows are as they lie in the tables, without judgement: a hostile hand may have written them. Whoever reads them
//! turns them into entries, rosters and events, and refuses what is not right.

use data_encoding::HEXLOWER;

use crate::annotation::AnnotationRow;
use crate::canon::Canon;
use crate::postgres::PostgresStore;
use crate::seal::SealRow;
use crate::sqlite::SqliteStore;
use crate::{EntryId, EscrowError, EscrowId, EventFilter, Filter, LineCounts, SessionId, Stats, StoreUrl, WriterId};

/// A store. Each call is one whole transaction.
pub(crate) trait EscrowStore: Send + Sync {
    /// Looks at one state of the store, whatever others write meanwhile. The job may run more than once.
    fn read(&self, job: &mut dyn FnMut(&dyn View) -> Result<(), EscrowError>) -> Result<(), EscrowError>;

    /// The same for a job that must not be run again when it was begun.
    fn read_once(&self, job: &mut dyn FnMut(&dyn View) -> Result<(), EscrowError>) -> Result<(), EscrowError>;

    /// Lets `job` look at the store and say what to write, while nobody else writes; what it says is durable when
    /// this returns. The job may run more than once.
    fn commit(&self, job: &mut dyn FnMut(&dyn View) -> Result<Commit, EscrowError>) -> Result<(), EscrowError>;

    /// Who holds leases on lines of a batch.
    fn holders(&self, batch: &[u8]) -> Result<Vec<HolderRow>, EscrowError>;

    /// Drops the leases of the dead and the expired ones, and leases a line if one is open for this token. It need not
    /// be durable: after a crash there is nobody left to hold it.
    fn lease(&self, wanted: &LeaseWanted) -> Result<Leased, EscrowError>;

    /// Drops a lease, if it is this holder's.
    fn release(&self, batch: &[u8], line: i64, holder: &HolderRow) -> Result<(), EscrowError>;

    /// Drops the leases of the dead and the expired ones, and leases lines in the name of a remote station, in order.
    /// It is durable: whoever holds them is not here, and goes on after a crash of this machine.
    fn lease_lines(&self, wanted: &LinesWanted) -> Result<Vec<LineRow>, EscrowError>;

    /// The leases of one remote station, or of all of them, in order.
    fn remote_leases(&self, station: Option<&str>) -> Result<Vec<RemoteLeaseRow>, EscrowError>;

    /// Drops leases of a remote station, on a line or on all lines, of a batch or of all batches; says how many.
    fn release_remote(&self, station: &str, of: (Option<&[u8]>, Option<i64>)) -> Result<u64, EscrowError>;
}

/// A store that is being filled.
pub(crate) trait Filling {
    /// Writes rows; parents before children, also from call to call.
    fn write(&self, rows: &Commit) -> Result<(), EscrowError>;

    /// What was written so far.
    fn view(&self) -> &dyn View;
}

/// What takes an image of a store, piece by piece.
pub(crate) type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), EscrowError>;
/// What looks at an image of a store.
pub(crate) type Look<'a> = &'a mut dyn FnMut(&dyn View) -> Result<(), EscrowError>;

/// Opens a store and brings it to the newest format.
pub(crate) fn open(url: &StoreUrl) -> Result<Box<dyn EscrowStore>, EscrowError> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Box::new(SqliteStore::open(path)?)),
        StoreUrl::Postgres(url) => Ok(Box::new(PostgresStore::open(url)?)),
    }
}

/// The format of a store, and the newest that is known here. Nothing is changed.
pub(crate) fn format(url: &StoreUrl) -> Result<(i64, i64), EscrowError> {
    match url {
        StoreUrl::Sqlite(path) => SqliteStore::format(path),
        StoreUrl::Postgres(url) => PostgresStore::format(url),
    }
}

/// Makes a store and lets `fill` write into it: all of that is durable when this returns, or there is no store. Nothing
/// that lies there is replaced. `publish` is called before it is there for others.
pub(crate) fn make(
    url: &StoreUrl,
    fill: &mut dyn FnMut(&dyn Filling) -> Result<(), EscrowError>,
    publish: impl FnOnce() -> Result<(), EscrowError>,
) -> Result<(), EscrowError> {
    match url {
        StoreUrl::Sqlite(path) => SqliteStore::make(path, |store| store.fill(fill), publish),
        StoreUrl::Postgres(url) => PostgresStore::make(url, None, fill, publish).map(drop),
    }
}

/// Whether anything lies where a store is to be.
pub(crate) fn is_taken(url: &StoreUrl) -> Result<bool, EscrowError> {
    match url {
        StoreUrl::Sqlite(path) => Ok(path.symlink_metadata().is_ok()),
        StoreUrl::Postgres(url) => PostgresStore::is_taken(url),
    }
}

/// [`EscrowStore::read`] with a result.
pub(crate) fn read<T>(
    store: &dyn EscrowStore,
    mut job: impl FnMut(&dyn View) -> Result<T, EscrowError>,
) -> Result<T, EscrowError> {
    let mut result = None;
    store.read(&mut |view| {
        result = Some(job(view)?);
        Ok(())
    })?;
    Ok(result.expect("a read that succeeded ran its job"))
}

/// [`EscrowStore::read_once`] with a result.
pub(crate) fn read_once<T>(
    store: &dyn EscrowStore,
    mut job: impl FnMut(&dyn View) -> Result<T, EscrowError>,
) -> Result<T, EscrowError> {
    let mut result = None;
    store.read_once(&mut |view| {
        result = Some(job(view)?);
        Ok(())
    })?;
    Ok(result.expect("a read that succeeded ran its job"))
}

/// The store inside a transaction. Lists are cut at `limit` and go on after a key.
pub(crate) trait View {
    fn header(&self) -> Result<Vec<HeaderRow>, EscrowError>;
    fn rosters(&self) -> Result<Vec<RosterRow>, EscrowError>;
    /// The highest version; 0 without rosters.
    fn roster_version(&self) -> Result<i64, EscrowError>;
    fn writers(&self) -> Result<Vec<WriterRow>, EscrowError>;
    /// The end of a writer's chain.
    fn head(&self, writer: &WriterId) -> Result<ChainHead, EscrowError>;
    /// The ends of all chains, by the writers' keys.
    fn heads(&self) -> Result<Vec<(Vec<u8>, ChainHead)>, EscrowError>;
    /// The hash of an event.
    fn event_hash(&self, writer: &WriterId, sequence: i64) -> Result<Option<Vec<u8>>, EscrowError>;
    fn session(&self, id: &[u8]) -> Result<Option<WrapRow>, EscrowError>;
    fn sessions(&self, after: &[u8], limit: usize) -> Result<Vec<WrapRow>, EscrowError>;
    fn duplicate_keys(&self) -> Result<Vec<WrapRow>, EscrowError>;
    fn entry(&self, id: &EntryId) -> Result<Option<EntryRow>, EscrowError>;
    fn entries(&self, filter: &Filter, after: &[u8], limit: usize) -> Result<Vec<EntryRow>, EscrowError>;
    /// Entries whose ids lie in this range, both ends included.
    fn entries_between(&self, low: &[u8], high: &[u8], limit: usize) -> Result<Vec<EntryRow>, EscrowError>;
    /// The seals alone, of entries in any state, in the order of their places.
    fn seals(&self, after: i64, limit: usize) -> Result<Vec<SealRow>, EscrowError>;
    /// The seals of one session, in the order of their places.
    fn seals_of(&self, session: &[u8], after: i64, limit: usize) -> Result<Vec<SealRow>, EscrowError>;
    /// How many entries each session has that has any.
    fn session_sizes(&self) -> Result<Vec<(Vec<u8>, u64)>, EscrowError>;
    /// The sessions with entries that are tagged under another key than this one.
    fn sessions_tagged_otherwise(&self, tag_key: i64) -> Result<Vec<Vec<u8>>, EscrowError>;
    /// Whether an entry is tagged under this key.
    fn is_tag_key_used(&self, tag_key: i64) -> Result<bool, EscrowError>;
    fn entries_tagged(&self, tag_key: i64, tag: &[u8]) -> Result<Vec<EntryRow>, EscrowError>;
    fn event(&self, writer: &[u8], sequence: i64) -> Result<Option<EventRow>, EscrowError>;
    /// The event at a place, by the writer's number in this store.
    fn event_at(&self, writer: i64, sequence: i64) -> Result<Option<EventRow>, EscrowError>;
    /// Where an entry is touched, in no particular order.
    fn touches_of(&self, entry: &EntryId) -> Result<Vec<TouchKey>, EscrowError>;
    /// The events that touched an entry, each with that touch alone, whatever else it touched; nothing for one that is gone.
    fn history_of(&self, entry: &EntryId) -> Result<Vec<Option<EventRow>>, EscrowError>;
    /// Events chain by chain, after a writer's number and a sequence.
    fn events(&self, filter: &EventFilter, after: (i64, i64), limit: usize) -> Result<Vec<EventRow>, EscrowError>;
    /// Events of the chain of a writer's number that come before a sequence, the newest first.
    fn events_before(&self, filter: &EventFilter, end: (i64, i64), limit: usize) -> Result<Vec<EventRow>, EscrowError>;
    /// Touches entry by entry, also those whose event or entry is gone.
    fn touches(&self, after: &TouchKey, limit: usize) -> Result<Vec<TouchRow>, EscrowError>;
    /// How many there are of what.
    fn stats(&self) -> Result<Stats, EscrowError>;
    /// Hands out the whole store as the bytes of a SQLite file, piece by piece, and shows what lies in it to `look`.
    fn image(&self, take: Take<'_>, look: Look<'_>) -> Result<(), EscrowError>;
    /// All batches, oldest first.
    fn batches(&self) -> Result<Vec<BatchRow>, EscrowError>;
    fn batch(&self, id: &[u8]) -> Result<Option<BatchRow>, EscrowError>;
    /// Lines in order, after a number.
    fn lines(&self, batch: &[u8], after: i64, limit: usize) -> Result<Vec<LineRow>, EscrowError>;
    fn line(&self, batch: &[u8], line: i64) -> Result<Option<LineRow>, EscrowError>;
    /// Those that were given up.
    fn lines_failed(&self, batch: &[u8]) -> Result<Vec<LineRow>, EscrowError>;
    fn line_counts(&self, batch: &[u8]) -> Result<LineCounts, EscrowError>;
    /// The entries that were reserved for a line, oldest first.
    fn line_entries(&self, batch: &[u8], line: i64) -> Result<Vec<EntryRow>, EscrowError>;
    /// The entries of prescribed seeds that are on no token.
    fn seeds_left(&self, batch: &[u8]) -> Result<Vec<Vec<u8>>, EscrowError>;
    /// The batches that lines name, each once.
    fn batches_of_lines(&self) -> Result<Vec<Vec<u8>>, EscrowError>;
    /// Who holds the lease of a line, and until when.
    fn lease_of(&self, batch: &[u8], line: i64) -> Result<Option<(HolderRow, i64)>, EscrowError>;
    /// A record of the desk, expired or not.
    fn record(&self, kind: &str, id: &[u8]) -> Result<Option<RecordRow>, EscrowError>;
    /// The records of a kind with this lookup.
    fn records_found(&self, kind: &str, lookup: &[u8]) -> Result<Vec<RecordRow>, EscrowError>;
    /// Records by kind and id after one, of all kinds or of one.
    fn records(&self, after: (&str, &[u8]), kind: Option<&str>, limit: usize) -> Result<Vec<RecordRow>, EscrowError>;
    /// What the database calls the place where it keeps what its tables are.
    fn catalog(&self) -> &'static str;
    /// What the database itself finds wrong with its tables, and tables that are not as we made them.
    fn structure(&self) -> Result<Vec<String>, EscrowError>;
}

/// The row of `escrow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderRow {
    pub(crate) id: Vec<u8>,
    pub(crate) created_at: i64,
}

/// A row of `rosters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RosterRow {
    pub(crate) version: i64,
    pub(crate) body: String,
    pub(crate) signer: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// A row of `writers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriterRow {
    pub(crate) id: i64,
    pub(crate) key: Vec<u8>,
}

/// A row of `sessions` or `duplicate_keys` (whose number stands in `id` as eight bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrapRow {
    pub(crate) id: Vec<u8>,
    pub(crate) roster: i64,
    pub(crate) created_at: i64,
    pub(crate) wrap: Vec<u8>,
    /// The number in this store of the writer of the event that signed it; 0 before it is written.
    pub(crate) writer_number: i64,
    /// The public key of that writer; empty when there is none.
    pub(crate) writer: Vec<u8>,
    pub(crate) sequence: i64,
}

impl WrapRow {
    /// How people know it.
    pub(crate) fn name(&self) -> String {
        match self.id.as_slice().try_into() {
            Ok(number) => i64::from_be_bytes(number).to_string(),
            Err(_) => SessionId::from_slice(&self.id).map_or_else(|| HEXLOWER.encode(&self.id), |id| id.to_string()),
        }
    }

    /// What an event signs of it. `domain` tells sessions and duplicate keys apart.
    pub(crate) fn digest(&self, domain: &str, escrow: &EscrowId) -> [u8; 32] {
        Canon::new(domain)
            .bytes(escrow.as_bytes())
            .bytes(&self.id)
            .number(self.roster)
            .number(self.created_at)
            .bytes(&self.wrap)
            .digest()
    }
}

/// A row of `entries`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryRow {
    pub(crate) id: Vec<u8>,
    pub(crate) family: String,
    pub(crate) serial: String,
    pub(crate) slot: String,
    pub(crate) algorithm: String,
    pub(crate) digits: i64,
    /// 0 for event-based tokens.
    pub(crate) time_step: i64,
    /// The counter's 64 bits, for event-based tokens.
    pub(crate) counter: Option<i64>,
    pub(crate) origin: String,
    pub(crate) batch: Option<Vec<u8>>,
    pub(crate) format: i64,
    pub(crate) session: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) tag_key: i64,
    pub(crate) tag: Vec<u8>,
    pub(crate) reserved_at: i64,
    pub(crate) state: String,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) upn: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) programmed_at: Option<i64>,
    pub(crate) verified_at: Option<i64>,
    pub(crate) drift_seconds: Option<i64>,
    pub(crate) drift_at: Option<i64>,
    pub(crate) revision: i64,
    pub(crate) annotations: AnnotationRow,
    /// The line of its batch that it is burned for.
    pub(crate) line: Option<i64>,
}

impl EntryRow {
    /// What the first event signs of it: all that never changes.
    pub(crate) fn digest(&self, escrow: &EscrowId) -> [u8; 32] {
        let canon = Canon::new("oathburn escrow entry 1")
            .bytes(escrow.as_bytes())
            .bytes(&self.id)
            .text(&self.family)
            .text(&self.serial)
            .text(&self.slot)
            .text(&self.algorithm)
            .number(self.digits)
            .number(self.time_step)
            .text(&self.origin)
            .maybe(self.batch.as_deref())
            .number(self.format)
            .bytes(&self.session)
            .bytes(&self.nonce)
            .bytes(&self.ciphertext)
            .number(self.tag_key)
            .bytes(&self.tag)
            .number(self.reserved_at);
        // Time-based entries are signed as they were before there were others.
        match self.counter {
            Some(counter) => canon.number(counter).digest(),
            None => canon.digest(),
        }
    }
}

/// A row of `events` with its rows of `event_entries`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventRow {
    /// The writer's number in this store; not signed, another store may give another.
    pub(crate) writer_number: i64,
    /// The writer's public key; empty when the number stands for nobody.
    pub(crate) writer: Vec<u8>,
    pub(crate) sequence: i64,
    pub(crate) previous: Vec<u8>,
    pub(crate) roster: i64,
    pub(crate) time: i64,
    pub(crate) uid: i64,
    pub(crate) host: String,
    pub(crate) operator: Option<String>,
    pub(crate) kind: String,
    pub(crate) facts: String,
    pub(crate) reason: Option<String>,
    pub(crate) hash: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) touched: Vec<Touch>,
}

/// A row of `event_entries`, as its event signs it; its position is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(crate) position: i64,
    pub(crate) entry: Vec<u8>,
    pub(crate) revision: i64,
    pub(crate) digest: Option<Vec<u8>>,
    pub(crate) facts: String,
}

impl EventRow {
    /// What is chained and signed: everything but the signature.
    pub(crate) fn digest(&self, escrow: &EscrowId) -> [u8; 32] {
        let mut canon = Canon::new("oathburn escrow event 1")
            .bytes(escrow.as_bytes())
            .bytes(&self.writer)
            .number(self.sequence)
            .bytes(&self.previous)
            .number(self.roster)
            .number(self.time)
            .number(self.uid)
            .text(&self.host)
            .maybe(self.operator.as_deref().map(str::as_bytes))
            .text(&self.kind)
            .text(&self.facts)
            .maybe(self.reason.as_deref().map(str::as_bytes));
        for touch in &self.touched {
            canon = canon
                .number(touch.position)
                .bytes(&touch.entry)
                .number(touch.revision)
                .maybe(touch.digest.as_deref())
                .text(&touch.facts);
        }
        canon.digest()
    }
}

/// The end of a chain; the default is the end of one that has not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChainHead {
    pub(crate) sequence: i64,
    pub(crate) hash: Vec<u8>,
}

impl Default for ChainHead {
    fn default() -> Self {
        Self { sequence: 0, hash: vec![0; 32] }
    }
}

/// Where a list of touches goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TouchKey {
    pub(crate) entry: Vec<u8>,
    pub(crate) writer: i64,
    pub(crate) sequence: i64,
    pub(crate) position: i64,
}

/// A touch with what its event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TouchRow {
    pub(crate) key: TouchKey,
    pub(crate) revision: i64,
    pub(crate) digest: Option<Vec<u8>>,
    pub(crate) facts: String,
    /// `None` when the event is gone.
    pub(crate) event: Option<TouchEvent>,
}

/// The part of an event that projections are computed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TouchEvent {
    pub(crate) kind: String,
    pub(crate) time: i64,
    pub(crate) facts: String,
}

/// What one transaction writes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) header: Option<HeaderRow>,
    pub(crate) rosters: Vec<RosterRow>,
    pub(crate) duplicate_keys: Vec<WrapRow>,
    pub(crate) sessions: Vec<WrapRow>,
    /// Those that are there already, wrapped anew.
    pub(crate) rewrapped_keys: Vec<WrapRow>,
    pub(crate) rewrapped_sessions: Vec<WrapRow>,
    /// The ids of those that go. Nothing refers to them any more.
    pub(crate) dropped_keys: Vec<Vec<u8>>,
    pub(crate) dropped_sessions: Vec<Vec<u8>>,
    pub(crate) new_entries: Vec<EntryRow>,
    /// Entries that have another seal, and whose projections may have changed.
    pub(crate) resealed_entries: Vec<EntryRow>,
    /// Entries whose projections changed.
    pub(crate) changed_entries: Vec<EntryRow>,
    /// Entries of which nothing changed but their revisions, by their ids.
    pub(crate) revised_entries: Vec<(Vec<u8>, i64)>,
    /// A new batch with its lines.
    pub(crate) batch: Option<(BatchRow, Vec<LineRow>)>,
    /// A batch, and lines, whose changing columns are others now.
    pub(crate) changed_batch: Option<BatchRow>,
    pub(crate) changed_lines: Vec<LineRow>,
    pub(crate) events: Vec<EventRow>,
    /// Records to be written, in place of those with the same key.
    pub(crate) records: Vec<RecordRow>,
    /// The kinds and ids of those that go.
    pub(crate) dropped_records: Vec<(String, Vec<u8>)>,
    /// Records that expired at this time or before go as well, some at a time.
    pub(crate) sweep: Option<i64>,
}

/// A row of `records`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordRow {
    pub(crate) kind: String,
    pub(crate) id: Vec<u8>,
    pub(crate) version: i64,
    pub(crate) lookup: Option<Vec<u8>>,
    pub(crate) expires_at: Option<i64>,
    /// The nonce and the ciphertext.
    pub(crate) body: Vec<u8>,
}

/// A row of `batches`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BatchRow {
    pub(crate) id: Vec<u8>,
    pub(crate) created_at: i64,
    pub(crate) name: String,
    pub(crate) lines: i64,
    pub(crate) options: String,
    /// The public key of the writer of the event that made it; empty when there is none.
    pub(crate) writer: Vec<u8>,
    pub(crate) sequence: i64,
    pub(crate) state: String,
    pub(crate) ended_at: Option<i64>,
    /// Counts the events of the batch.
    pub(crate) revision: i64,
}

/// A row of `batch_lines`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineRow {
    pub(crate) batch: Vec<u8>,
    pub(crate) line: i64,
    pub(crate) upn: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) algorithm: String,
    pub(crate) digits: i64,
    pub(crate) time_step: i64,
    pub(crate) seed: Option<Vec<u8>>,
    pub(crate) state: String,
    pub(crate) error: Option<String>,
    pub(crate) failed_at: Option<i64>,
}

/// Who holds a lease: a process of a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HolderRow {
    pub(crate) station: Vec<u8>,
    pub(crate) host: String,
    pub(crate) boot: String,
    pub(crate) namespace: String,
    pub(crate) pid: i64,
    pub(crate) started: i64,
}

/// A lease that is asked for.
#[derive(Debug)]
pub(crate) struct LeaseWanted {
    pub(crate) batch: Vec<u8>,
    /// The token that is there.
    pub(crate) serial: String,
    /// The line of the token's unfinished burn.
    pub(crate) own: Option<i64>,
    /// Lines that name no token and are not wanted.
    pub(crate) skip: Vec<i64>,
    pub(crate) holder: HolderRow,
    /// Holders whose leases do not count.
    pub(crate) dead: Vec<HolderRow>,
    pub(crate) now: i64,
    pub(crate) expires_at: i64,
}

/// Leases that are asked for in the name of a remote station.
#[derive(Debug)]
pub(crate) struct LinesWanted {
    pub(crate) batch: Vec<u8>,
    pub(crate) which: LinesWhich,
    pub(crate) holder: HolderRow,
    /// Holders whose leases do not count.
    pub(crate) dead: Vec<HolderRow>,
    pub(crate) now: i64,
    pub(crate) expires_at: i64,
}

/// Which lines are asked for.
#[derive(Debug)]
pub(crate) enum LinesWhich {
    /// Up to `limit` lines that are open and leased by nobody, in order; those that name a token only if `named`.
    Open { limit: usize, named: bool },
    /// This one, if work is left on it and nobody leases it but the holder; `take_over`: or another remote station.
    This { line: i64, take_over: bool },
}

/// A lease of a remote station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteLeaseRow {
    pub(crate) batch: Vec<u8>,
    pub(crate) line: i64,
    pub(crate) station: String,
    pub(crate) expires_at: i64,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Leased {
    Line(Box<LineRow>),
    Busy(i64),
    Ended(i64, String),
    Nothing,
}
