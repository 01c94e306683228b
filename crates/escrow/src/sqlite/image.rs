//! Whole stores as bytes: for backups, and back from them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, MAIN_DB, OpenFlags};
use sha2::{Digest, Sha256};

use super::view::SqliteView;
use super::{APPLICATION_ID, Beside, Fault, SqliteStore, keep_plans, migrate, recognise, write};
use crate::store::{Look, Take, View};
use crate::walk::Walk;
use crate::{EscrowError, keyfile};

/// Where a SQLite file says how it is written and read: 1 for a rollback journal, 2 for a write-ahead log.
const MODES: std::ops::Range<usize> = 18..20;

/// Hands out the bytes of a store as they are in this transaction, what is in the log included, and shows it to `look`.
///
/// Memory does not grow with the store, for the pages are read one by one. They are read once more after `look`, so that
/// what was handed out is what it has seen, whatever a hand or a disk did to the file beneath SQLite meanwhile.
pub(super) fn image(connection: &Connection, fault: &Fault, take: Take<'_>, look: Look<'_>) -> Result<(), EscrowError> {
    if !tells_pages(connection).map_err(|error| fault.of(error))? {
        return copy(connection, fault, take, look);
    }
    let mut handed = Sha256::new();
    pages(connection, fault, &mut |page| {
        handed.update(page);
        take(page)
    })?;
    look(&SqliteView { connection, fault })?;
    let mut seen = Sha256::new();
    pages(connection, fault, &mut |page| {
        seen.update(page);
        Ok(())
    })?;
    if handed.finalize() == seen.finalize() {
        return Ok(());
    }
    Err(EscrowError::StoreCorrupt { store: fault.store(), detail: "it changed while it was read".into() })
}

/// Whether SQLite was built with its table of pages, and the store has no table of its own in the place of that.
fn tells_pages(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT sqlite_compileoption_used('ENABLE_DBPAGE_VTAB')
            AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE lower(name) = 'sqlite_dbpage')",
        [],
        |row| row.get(0),
    )
}

/// Hands out the pages of this transaction, in order.
fn pages(connection: &Connection, fault: &Fault, take: Take<'_>) -> Result<(), EscrowError> {
    let failed = |error| fault.of(error);
    let mut statement = connection.prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno").map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        let page = row.get_ref(0).and_then(|value| value.as_blob().map_err(Into::into)).map_err(failed)?;
        count += 1;
        if count == 1 { take(&without_log(page, fault)?)? } else { take(page)? }
    }
    let expected = connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0)).map_err(failed)?;
    if count == expected && count > 0 {
        return Ok(());
    }
    Err(EscrowError::StoreCorrupt { store: fault.store(), detail: format!("{count} of {expected} pages were read") })
}

/// A first page that says of its file that there is no log beside it, as there is none beside an image.
fn without_log(page: &[u8], fault: &Fault) -> Result<Vec<u8>, EscrowError> {
    let mut page = page.to_vec();
    page.get_mut(MODES).ok_or(EscrowError::NotDatabase { store: fault.store() })?.fill(1);
    Ok(page)
}

/// The same by way of a copy in memory, for a SQLite that does not tell its pages: twice the size of the store, which must
/// be below 2 GiB.
fn copy(connection: &Connection, fault: &Fault, take: Take<'_>, look: Look<'_>) -> Result<(), EscrowError> {
    let mut copy = Connection::open_in_memory().map_err(|error| fault.of(error))?;
    // All pages in one step: nobody else is kept waiting, for readers and writers do not meet in a write-ahead log.
    let copied = Backup::new(connection, &mut copy).and_then(|backup| backup.step(-1));
    if !matches!(copied.map_err(|error| fault.of(error))?, StepResult::Done) {
        return Err(EscrowError::StoreBusy { store: fault.store() });
    }
    copy.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")
        .and_then(|()| keep_plans(&copy))
        .map_err(|error| fault.of(error))?;
    hand_out(&mut copy, fault, take)?;
    look(&SqliteView { connection: &copy, fault })
}

/// Hands out the bytes of a store in memory.
fn hand_out(copy: &mut Connection, fault: &Fault, take: Take<'_>) -> Result<(), EscrowError> {
    if tells_pages(copy).map_err(|error| fault.of(error))? {
        return pages(copy, fault, take);
    }
    let bytes = copy.serialize(MAIN_DB).map_err(|error| fault.of(error))?;
    let (head, rest) = bytes.split_at_checked(100).ok_or(EscrowError::NotDatabase { store: fault.store() })?;
    take(&without_log(head, fault)?)?;
    rest.chunks(64 * 1024).try_for_each(take)
}

impl SqliteStore {
    /// Hands out the bytes of a store in which the same lies as in another one, as a view shows that, and shows that store
    /// to `look`. It is put together in memory. `name` is what errors call it. Rows that refer to none are kept as they
    /// are.
    pub(crate) fn image_of(view: &dyn View, name: &str, take: Take<'_>, look: Look<'_>) -> Result<(), EscrowError> {
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
        hand_out(&mut connection, &fault, take)?;
        look(&SqliteView { connection: &connection, fault: &fault })
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
        Ok(Self::alone(connection, fault))
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
        let store = SqliteStore::alone(connection, fault.clone());
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

#[cfg(test)]
mod tests {
    use oathburn_oath::Remedy;

    use super::*;

    /// A file with a log, in which the last of its rows still are.
    fn store() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("escrow.db")).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA trusted_schema = OFF; PRAGMA wal_autocheckpoint = 0;
                 CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
                    INSERT INTO rows SELECT i, randomblob(900) FROM n;
                 DELETE FROM rows WHERE number BETWEEN 100 AND 200; PRAGMA wal_checkpoint(TRUNCATE);
                 INSERT INTO rows VALUES (1000, randomblob(9000));",
            )
            .unwrap();
        keep_plans(&connection).unwrap();
        (folder, connection)
    }

    fn fault() -> Fault {
        Fault::at(Path::new("escrow.db"))
    }

    type Image = fn(&Connection, &Fault, Take<'_>, Look<'_>) -> Result<(), EscrowError>;

    fn taken(image: Image, connection: &Connection) -> Vec<u8> {
        let (mut bytes, mut seen) = (Vec::new(), 0);
        let mut take = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        let mut look = |_: &dyn View| {
            seen += 1;
            Ok(())
        };
        image(connection, &fault(), &mut take, &mut look).unwrap();
        assert_eq!(seen, 1);
        bytes
    }

    /// All rows of an image, with what SQLite says of it.
    fn rows(bytes: &[u8]) -> (String, Vec<(i64, Vec<u8>)>) {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), true).unwrap();
        let sound = connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
        let mut statement = connection.prepare("SELECT number, body FROM rows ORDER BY number").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        (sound, rows.collect::<Result<_, _>>().unwrap())
    }

    #[test]
    fn pages_and_copies_hand_out_the_same() {
        let (_folder, connection) = store();
        // Both in one transaction, beside somebody who writes.
        connection.execute_batch("BEGIN; SELECT count(*) FROM rows;").unwrap();
        let other = Connection::open(connection.path().unwrap()).unwrap();
        other.execute_batch("INSERT INTO rows VALUES (2000, 'later'); DELETE FROM rows WHERE number < 50;").unwrap();
        assert!(tells_pages(&connection).unwrap());
        let (paged, copied) = (taken(image, &connection), taken(copy, &connection));
        let (sound, found) = rows(&paged);
        assert_eq!((sound.as_str(), found.len()), ("ok", 200));
        assert_eq!(found.last().map(|(number, body)| (*number, body.len())), Some((1000, 9000)));
        assert_eq!(rows(&copied), (sound, found));
        assert_eq!((&paged[MODES], &copied[MODES]), (&[1, 1][..], &[1, 1][..]));
        // A copy counts as a change, in three numbers of the first page; nothing else differs.
        let counters = [24..28, 40..44, 92..100];
        let differs = |at: &usize| paged[*at] != copied[*at] && !counters.iter().any(|some| some.contains(at));
        assert_eq!((paged.len(), (0..paged.len()).find(differs)), (copied.len(), None));
        // Of a store in memory, as what lies on a server becomes one.
        let mut memory = Connection::open_in_memory().unwrap();
        memory.deserialize_read_exact(MAIN_DB, &paged[..], paged.len(), true).unwrap();
        let mut handed = Vec::new();
        let mut take = |piece: &[u8]| {
            handed.extend_from_slice(piece);
            Ok(())
        };
        hand_out(&mut memory, &fault(), &mut take).unwrap();
        assert!(handed == paged);
    }

    #[test]
    fn a_table_in_the_place_of_the_pages_is_not_asked() {
        let (_folder, connection) = store();
        connection
            .execute_batch(
                "PRAGMA writable_schema = ON;
                 INSERT INTO sqlite_schema SELECT type, 'sqlite_DBPAGE', 'sqlite_DBPAGE', rootpage,
                    'CREATE TABLE sqlite_DBPAGE (pgno INTEGER PRIMARY KEY, data BLOB)' FROM sqlite_schema WHERE name = 'rows';
                 DELETE FROM sqlite_schema WHERE name = 'rows'; PRAGMA writable_schema = RESET;",
            )
            .unwrap();
        let hostile = Connection::open(connection.path().unwrap()).unwrap();
        let shown: i64 = hostile.query_row("SELECT count(*) FROM sqlite_dbpage", [], |row| row.get(0)).unwrap();
        assert_eq!(shown, 200, "the table is there, and would be asked");
        let bytes = taken(image, &hostile);
        assert!(bytes.starts_with(b"SQLite format 3\0"));
    }

    #[test]
    fn a_file_that_is_changed_beneath_is_noticed() {
        let (_folder, connection) = store();
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA cache_size = 1;").unwrap();
        let path = PathBuf::from(connection.path().unwrap());
        let mut look = |_: &dyn View| {
            let mut bytes = fs::read(&path).unwrap();
            let end = bytes.len() - 1;
            bytes[end] ^= 1;
            std::os::unix::fs::FileExt::write_at(
                &OpenOptions::new().write(true).open(&path).unwrap(),
                &bytes[end..],
                end as u64,
            )
            .unwrap();
            Ok(())
        };
        let error = image(&connection, &fault(), &mut |_| Ok(()), &mut look).unwrap_err();
        assert_eq!(error.code(), "store-corrupt");
    }
}
