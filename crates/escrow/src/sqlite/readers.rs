//! Connections that read while another one writes: the write-ahead log lets them see the state before.
//!
//! A process that does one thing after the other never needs one. Where somebody writes all the time, whoever reads would wait
//! for the disk with every page.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::{PATIENCE, keep_plans};

/// Connections that are kept when nobody uses them.
const KEPT: usize = 4;
/// A cache of 4 MiB at most: what others write makes it worthless.
const USUAL: &str = "PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON; PRAGMA query_only = ON;";

/// Connections to the same file.
pub(super) struct Readers {
    path: PathBuf,
    /// Which file it was when the store was opened: what took its place since is another store. Nothing where there are no
    /// readers.
    file: Option<(u64, u64)>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.into(), file: identity(path), idle: Mutex::default() }
    }

    pub(super) fn none() -> Self {
        Self { path: PathBuf::new(), file: None, idle: Mutex::default() }
    }

    /// A connection for one reader; nothing where there cannot be another one.
    pub(super) fn take(&self) -> Option<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.or_else(|| self.open())
    }

    /// Takes a connection back.
    pub(super) fn give(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(connection);
        }
    }

    fn open(&self) -> Option<Connection> {
        // Whoever opens another file finds the log of this one beside it.
        let is_same = || self.file.is_some() && self.file == identity(&self.path);
        if !is_same() {
            return None;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).ok()?;
        connection.busy_timeout(PATIENCE).ok()?;
        keep_plans(&connection).ok()?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(USUAL).ok()?;
        is_same().then_some(connection)
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
