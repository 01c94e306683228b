//! The store in a SQLite file.

mod batches;
mod fault;
mod format;
mod image;
mod query;
mod readers;
mod records;
mod remote;
mod view;
mod write;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use self::fault::Fault;
pub(crate) use self::image::Arriving;
use self::readers::Readers;
use self::view::SqliteView;
use crate::store::{
    Commit, EscrowStore, Filling, HolderRow, LeaseWanted, Leased, LineRow, LinesWanted, RemoteLeaseRow, View,
};
use crate::{EscrowError, keyfile};

/// `oath`: how SQLite files of ours are marked (PRAGMA `application_id`).
const APPLICATION_ID: i64 = 0x6f61_7468;
/// How long another process may hold the store.
const PATIENCE: Duration = Duration::from_secs(5);
/// From so many new entries on a transaction is a bulk one.
const BULK: usize = 1000;
/// How a connection works usually: a cache of 32 MiB at most, and what is in the log goes into the file from 4 MiB on.
const USUAL: &str = "PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 1000;";
/// In bulk: keyed tags fall anywhere in their index, so that thousands of entries change thousands of its pages. None is
/// written twice in one transaction, and once into the file for several.
const IN_BULK: &str = "PRAGMA cache_size = -131072; PRAGMA wal_autocheckpoint = 32768;";
/// The newest format known here: the number of migrations.
const FORMAT: i64 = 6;
/// The changes of the format, oldest first.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/sqlite/0001_escrow.sql"),
    include_str!("../migrations/sqlite/0002_custody.sql"),
    include_str!("../migrations/sqlite/0003_event_based.sql"),
    include_str!("../migrations/sqlite/0004_batches.sql"),
    include_str!("../migrations/sqlite/0005_manufacturer.sql"),
    include_str!("../migrations/sqlite/0006_records.sql"),
];

/// A SQLite file: write-ahead log, every commit synced, deleted rows overwritten.
pub(crate) struct SqliteStore {
    /// For those who come while the other one is in use. They are closed before it.
    readers: Readers,
    connection: Mutex<Connection>,
    fault: Fault,
}

impl SqliteStore {
    /// Opens a store and brings it to the newest format.
    pub(crate) fn open(path: &Path) -> Result<Self, EscrowError> {
        // SQLite does not wait for everything that those do who open a store, or close it as the last, at the same time.
        let end = Instant::now() + PATIENCE;
        loop {
            match Self::open_within(path, PATIENCE) {
                Err(EscrowError::StoreBusy { .. }) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                result => return result,
            }
        }
    }

    fn open_within(path: &Path, patience: Duration) -> Result<Self, EscrowError> {
        let fault = Fault::at(path);
        let metadata = fs::metadata(path).map_err(|error| fault.of_file(&error))?;
        if !metadata.is_file() || metadata.len() == 0 {
            return Err(EscrowError::NotDatabase { store: fault.store() });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(|error| fault.of(error))?;
        connection.busy_timeout(patience).map_err(|error| fault.of(error))?;
        recognise(&connection, &fault)?;
        if connection.is_readonly("main").map_err(|error| fault.of(error))? {
            return Err(EscrowError::StoreReadOnly { store: fault.store() });
        }
        prepare(&connection).map_err(|error| fault.of(error))?;
        migrate(&mut connection, &fault)?;
        Ok(Self { readers: Readers::of(path), connection: Mutex::new(connection), fault })
    }

    /// Makes a store that somebody else fills. The file appears at `path` whole or not at all, after `publish` was called,
    /// and never in place of another.
    pub(crate) fn make(
        path: &Path,
        fill: impl FnOnce(&Self) -> Result<(), EscrowError>,
        publish: impl FnOnce() -> Result<(), EscrowError>,
    ) -> Result<(), EscrowError> {
        let fault = Fault::at(path);
        if fs::symlink_metadata(path).is_ok() {
            return Err(EscrowError::StoreExists { store: fault.store() });
        }
        let beside = Beside::create(path).map_err(|error| fault.of_folder(&error))?;
        let mut connection =
            Connection::open_with_flags(&beside.0, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(|error| fault.of(error))?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;",
            )
            .and_then(|()| connection.pragma_update(None, "application_id", APPLICATION_ID))
            .and_then(|()| keep_plans(&connection))
            .map_err(|error| fault.of(error))?;
        migrate(&mut connection, &fault)?;
        let store = Self::alone(connection, fault.clone());
        fill(&store)?;
        drop(store);
        File::open(&beside.0).and_then(|file| file.sync_all()).map_err(|error| fault.of_folder(&error))?;
        publish()?;
        match fs::hard_link(&beside.0, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(EscrowError::StoreExists { store: fault.store() })
            }
            other => other.and_then(|()| keyfile::sync_folder(path)).map_err(|error| fault.of_folder(&error)),
        }
    }

    /// A store in memory, or one without a log, which has one connection and no more.
    fn alone(connection: Connection, fault: Fault) -> Self {
        Self { readers: Readers::none(), connection: Mutex::new(connection), fault }
    }

    /// Lets `job` write what it likes, in one transaction: all of it is durable when this returns, or nothing is there.
    pub(crate) fn fill(&self, job: &mut dyn FnMut(&dyn Filling) -> Result<(), EscrowError>) -> Result<(), EscrowError> {
        let mut connection = self.connection();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| self.fault.of(error))?;
        job(&SqliteView { connection: &transaction, fault: &self.fault })?;
        transaction.commit().map_err(|error| self.fault.of(error))
    }

    fn look(
        &self,
        connection: &mut Connection,
        job: &mut dyn FnMut(&dyn View) -> Result<(), EscrowError>,
    ) -> Result<(), EscrowError> {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Deferred)
            .map_err(|error| self.fault.of(error))?;
        job(&SqliteView { connection: &transaction, fault: &self.fault })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere rolled its transaction back: the connection is as good as before.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new file of mode 0600 beside the one to be, removed when it goes out of sight.
struct Beside(PathBuf);

impl Beside {
    fn create(path: &Path) -> io::Result<Self> {
        let beside = keyfile::beside(path)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        Ok(Self(beside))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Refuses files of other programs and of newer versions, before anything is written to them.
fn recognise(connection: &Connection, fault: &Fault) -> Result<(), EscrowError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(|error| fault.of(error))?;
    let found = number("user_version").map_err(|error| fault.of(error))?;
    if application != APPLICATION_ID || found < 1 {
        return Err(EscrowError::NotEscrow { store: fault.store() });
    }
    if found > FORMAT {
        return Err(EscrowError::StoreNewer { store: fault.store(), found, known: FORMAT });
    }
    Ok(())
}

/// Keeps what was prepared. Otherwise SQLite plans a statement anew for every value that is bound to it, in the hope of a
/// better plan, which takes longer than most of our statements.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// How a connection works. A log that grew in bulk is cut when it begins anew.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    keep_plans(connection)?;
    connection.set_prepared_statement_cache_capacity(64);
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    }
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = 8388608;",
    )?;
    connection.execute_batch(USUAL)
}

/// Runs the migrations that a store does not have yet, all in one transaction.
fn migrate(connection: &mut Connection, fault: &Fault) -> Result<(), EscrowError> {
    let mut run = || {
        if format_of(connection)? == FORMAT {
            return Ok(());
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let done = usize::try_from(format_of(&transaction)?).unwrap_or(0);
        for migration in &MIGRATIONS[done.min(MIGRATIONS.len())..] {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()
    };
    run().map_err(|error| fault.of(error))
}

fn format_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

impl EscrowStore for SqliteStore {
    fn read(&self, job: &mut dyn FnMut(&dyn View) -> Result<(), EscrowError>) -> Result<(), EscrowError> {
        let free = match self.connection.try_lock() {
            Ok(connection) => Some(connection),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut connection) = free {
            return self.look(&mut connection, job);
        }
        let Some(mut reader) = self.readers.take() else { return self.look(&mut self.connection(), job) };
        let result = self.look(&mut reader, job);
        self.readers.give(reader);
        result
    }

    fn read_once(&self, job: &mut dyn FnMut(&dyn View) -> Result<(), EscrowError>) -> Result<(), EscrowError> {
        self.read(job)
    }

    fn commit(&self, job: &mut dyn FnMut(&dyn View) -> Result<Commit, EscrowError>) -> Result<(), EscrowError> {
        let mut connection = self.connection();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| self.fault.of(error))?;
        let commit = job(&SqliteView { connection: &transaction, fault: &self.fault })?;
        let bulk = commit.new_entries.len() >= BULK;
        let write = || {
            if bulk {
                transaction.execute_batch(IN_BULK)?;
            }
            write::write(&transaction, &commit)?;
            transaction.commit()
        };
        let written = write();
        if bulk {
            connection.execute_batch(USUAL).map_err(|error| self.fault.of(error))?;
        }
        written.map_err(|error| self.fault.of(error))
    }

    fn holders(&self, batch: &[u8]) -> Result<Vec<HolderRow>, EscrowError> {
        batches::holders(&self.connection(), batch).map_err(|error| self.fault.of(error))
    }

    fn lease(&self, wanted: &LeaseWanted) -> Result<Leased, EscrowError> {
        batches::lease(&mut self.connection(), wanted).map_err(|error| self.fault.of(error))
    }

    fn release(&self, batch: &[u8], line: i64, holder: &HolderRow) -> Result<(), EscrowError> {
        batches::release(&mut self.connection(), batch, line, holder).map_err(|error| self.fault.of(error))
    }

    fn lease_lines(&self, wanted: &LinesWanted) -> Result<Vec<LineRow>, EscrowError> {
        remote::lease_lines(&mut self.connection(), wanted).map_err(|error| self.fault.of(error))
    }

    fn remote_leases(&self, station: Option<&str>) -> Result<Vec<RemoteLeaseRow>, EscrowError> {
        remote::leases(&self.connection(), station).map_err(|error| self.fault.of(error))
    }

    fn release_remote(&self, station: &str, of: (Option<&[u8]>, Option<i64>)) -> Result<u64, EscrowError> {
        remote::release(&self.connection(), station, of).map_err(|error| self.fault.of(error))
    }
}

impl Filling for SqliteView<'_> {
    fn write(&self, rows: &Commit) -> Result<(), EscrowError> {
        write::write(self.connection, rows).map_err(|error| self.fault.of(error))
    }

    fn view(&self) -> &dyn View {
        self
    }
}

#[cfg(test)]
mod tests;
