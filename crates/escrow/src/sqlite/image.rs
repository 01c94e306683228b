//! Whole stores as bytes: for backups, and back from them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::{APPLICATION_ID, Beside, Fault, SqliteStore, keep_plans, migrate, recognise, write};
use crate::store::View;
use crate::walk::Walk;
use crate::{EscrowError, keyfile};

/// Where a SQLite file says how it is written and read: 1 for a rollback journal, 2 for a write-ahead log.
const MODES: std::ops::Range<usize> = 18..20;

/// Hands out the bytes of a store as they are in this transaction, what is in the log included.
pub(super) fn image(
    connection: &Connection,
    fault: &Fault,
    take: &mut dyn FnMut(&[u8]) -> Result<(), EscrowError>,
) -> Result<(), EscrowError> {
    let mut copy = Connection::open_in_memory().map_err(|error| fault.of(error))?;
    // All pages in one step: nobody else is kept waiting, for readers and writers do not meet in a write-ahead log.
    let copied = Backup::new(connection, &mut copy).and_then(|backup| backup.step(-1));
    if !matches!(copied.map_err(|error| fault.of(error))?, StepResult::Done) {
        return Err(EscrowError::StoreBusy { store: fault.store() });
    }
    hand_out(&mut copy, fault, take)
}

/// Hands out the bytes of a store in memory.
fn hand_out(
    copy: &mut Connection,
    fault: &Fault,
    take: &mut dyn FnMut(&[u8]) -> Result<(), EscrowError>,
) -> Result<(), EscrowError> {
    let bytes = copy.serialize(MAIN_DB).map_err(|error| fault.of(error))?;
    let (head, rest) = bytes.split_at_checked(100).ok_or(EscrowError::NotDatabase { store: fault.store() })?;
    // There is no log beside an image.
    let mut head = head.to_vec();
    head[MODES].fill(1);
    take(&head)?;
    rest.chunks(64 * 1024).try_for_each(take)
}

impl SqliteStore {
    /// Hands out the bytes of a store in which the same lies as in another one, as a view shows that. `name` is what
    /// errors call it. Rows that refer to none are kept as they are.
    pub(crate) fn image_of(
        view: &dyn View,
        name: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), EscrowError>,
    ) -> Result<(), EscrowError> {
        let fault = Fault::at(Path::new(name));
        let open = || {
            let connection = Connection::open_in_memory()?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.execute_batch("PRAGMA foreign_keys = OFF;")?;
            keep_plans(&connection)?;
            Ok(connection)
        };
        let mut connection = open().map_err(|error| fault.of(error))?;
        migrate(&mut connection, &fault)?;
        let transaction = connection.transaction().map_err(|error| fault.of(error))?;
        let mut walk = Walk::new(view)?;
        while let Some(page) = walk.next()? {
            write::write(&transaction, &page.rows).map_err(|error| fault.of(error))?;
        }
        transaction.commit().map_err(|error| fault.of(error))?;
        hand_out(&mut connection, &fault, take)
    }

    /// A store in memory that may be written to, of the newest format.
    pub(crate) fn received(bytes: &[u8], name: &Path) -> Result<Self, EscrowError> {
        let fault = Fault::at(name);
        let open = || {
            let mut connection = Connection::open_in_memory()?;
            connection.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false)?;
            connection
                .execute_batch("PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
            keep_plans(&connection)?;
            Ok(connection)
        };
        let mut connection = open().map_err(|error| fault.of(error))?;
        recognise(&connection, &fault)?;
        migrate(&mut connection, &fault)?;
        Ok(Self { connection: Mutex::new(connection), fault })
    }

    /// A store in memory, for reading only. `name` is what errors call it.
    pub(crate) fn in_memory(bytes: &[u8], name: &Path) -> Result<Self, EscrowError> {
        let fault = Fault::at(name);
        let open = || {
            let mut connection = Connection::open_in_memory()?;
            connection.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), true)?;
            connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
            keep_plans(&connection)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| fault.of(error))?;
        recognise(&connection, &fault)?;
        Ok(Self { connection: Mutex::new(connection), fault })
    }
}

/// A store that is being put together beside its place.
pub(crate) struct Arriving {
    beside: Beside,
    path: PathBuf,
    fault: Fault,
}

impl Arriving {
    /// A new file beside `path`, which `job` fills with an image.
    pub(crate) fn receive(
        path: &Path,
        job: impl FnOnce(&mut File) -> Result<(), EscrowError>,
    ) -> Result<(Self, SqliteStore), EscrowError> {
        let fault = Fault::at(path);
        let beside = Beside::create(path).map_err(|error| fault.of_folder(&error))?;
        let opened = OpenOptions::new().write(true).mode(0o600).open(&beside.0);
        let mut file = opened.map_err(|error| fault.of_folder(&error))?;
        job(&mut file)?;
        drop(file);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&beside.0, flags).map_err(|error| fault.of(error))?;
        recognise(&connection, &fault)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;
                 PRAGMA cell_size_check = ON;",
            )
            .and_then(|()| keep_plans(&connection))
            .map_err(|error| fault.of(error))?;
        migrate(&mut connection, &fault)?;
        let store = SqliteStore { connection: Mutex::new(connection), fault: fault.clone() };
        Ok((Self { beside, path: path.into(), fault }, store))
    }

    /// Gives it its place, in which nothing may lie. The store must have been dropped.
    pub(crate) fn publish(self) -> Result<(), EscrowError> {
        self.sync()?;
        match fs::hard_link(&self.beside.0, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(EscrowError::StoreExists { store: self.fault.store() })
            }
            other => {
                other.and_then(|()| keyfile::sync_folder(&self.path)).map_err(|error| self.fault.of_folder(&error))
            }
        }
    }

    /// Gives it its place, and whatever lies there a name beside it, which is returned.
    pub(crate) fn replace(self, time: i64) -> Result<PathBuf, EscrowError> {
        self.sync()?;
        let with = |path: &Path, suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let aside = with(&self.path, &format!(".replaced-{time}"));
        let moved = || {
            // The old store keeps its name until the new one takes it; its log must be gone by then, for SQLite would
            // take it for the new one's.
            fs::hard_link(&self.path, &aside)?;
            match fs::rename(with(&self.path, "-wal"), with(&aside, "-wal")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
            match fs::remove_file(with(&self.path, "-shm")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
            fs::rename(&self.beside.0, &self.path)?;
            keyfile::sync_folder(&self.path)
        };
        moved().map_err(|error| self.fault.of_folder(&error))?;
        Ok(aside)
    }

    fn sync(&self) -> Result<(), EscrowError> {
        File::open(&self.beside.0).and_then(|file| file.sync_all()).map_err(|error| self.fault.of_folder(&error))
    }
}
