//! Everything that can be wrong with a file, provoked on real files.

use std::fs;
use std::time::Duration;

use oathburn_oath::Remedy;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::*;
use crate::store::HeaderRow;

fn header() -> Commit {
    Commit { header: Some(HeaderRow { id: vec![7; 16], created_at: 1 }), ..Commit::default() }
}

impl SqliteStore {
    fn create(
        path: &Path,
        first: impl FnOnce(&dyn View) -> Result<Commit, EscrowError>,
        publish: impl FnOnce() -> Result<(), EscrowError>,
    ) -> Result<(), EscrowError> {
        let mut first = Some(first);
        let mut fill =
            |filling: &dyn Filling| first.take().map_or(Ok(()), |first| filling.write(&first(filling.view())?));
        Self::make(path, |store| store.fill(&mut fill), publish)
    }
}

fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("escrow.db");
    SqliteStore::create(&path, |_| Ok(header()), || Ok(())).unwrap();
    (folder, path)
}

fn code(path: &Path) -> &'static str {
    SqliteStore::open_within(path, Duration::ZERO).err().expect("it must not open").code()
}

#[test]
fn the_format_is_the_number_of_migrations() {
    assert_eq!(usize::try_from(FORMAT), Ok(MIGRATIONS.len()));
}

/// Burns on several readers begin like this.
#[test]
fn those_who_open_a_new_store_at_the_same_time_all_get_it() {
    for _ in 0..20 {
        let (_folder, path) = fresh();
        let start = std::sync::Barrier::new(8);
        let open = || {
            start.wait();
            SqliteStore::open(&path).map(drop).map_err(|error| error.code())
        };
        std::thread::scope(|scope| {
            for opened in [(); 8].map(|()| scope.spawn(open)) {
                assert_eq!(opened.join().unwrap(), Ok(()));
            }
        });
    }
}

#[test]
fn a_store_appears_whole_and_is_never_overwritten() {
    let (folder, path) = fresh();
    let store = SqliteStore::open(&path).unwrap();
    store
        .read(&mut |view| {
            assert_eq!(view.header()?, [HeaderRow { id: vec![7; 16], created_at: 1 }]);
            assert_eq!(view.structure()?, Vec::<String>::new());
            Ok(())
        })
        .unwrap();
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::create(&path, |_| Ok(header()), || Ok(())).unwrap_err();
    assert_eq!(error.code(), "store-exists");
    assert_eq!(fs::read(&path).unwrap(), before);
    drop(store);
    // One that appears while ours is being made is not overwritten either.
    let second = folder.path().join("second.db");
    let appear = || {
        fs::write(&second, "somebody else's").unwrap();
        Ok(())
    };
    assert_eq!(SqliteStore::create(&second, |_| Ok(header()), appear).unwrap_err().code(), "store-exists");
    assert_eq!(fs::read(&second).unwrap(), b"somebody else's");
    // Nothing half lies about.
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["escrow.db", "second.db"]);
}

#[test]
fn a_store_that_cannot_be_made_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("escrow.db");
    let refuse = || Err(EscrowError::Random);
    assert_eq!(SqliteStore::create(&path, |_| Ok(header()), refuse).unwrap_err().code(), "random-failed");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let nowhere = folder.path().join("missing").join("escrow.db");
    assert_eq!(SqliteStore::create(&nowhere, |_| Ok(header()), || Ok(())).unwrap_err().code(), "store-io");
}

#[test]
fn files_that_are_no_escrow_are_told_apart_and_left_alone() {
    let (folder, path) = fresh();
    let at = |name: &str| folder.path().join(name);
    assert_eq!(code(&at("missing.db")), "store-missing");
    assert_eq!(code(&path.join("below-a-file.db")), "store-missing");
    assert_eq!(code(folder.path()), "store-not-database");
    fs::write(at("empty"), "").unwrap();
    assert_eq!(code(&at("empty")), "store-not-database");
    fs::write(at("text"), "not a database at all, but long enough to have a header\n".repeat(20)).unwrap();
    assert_eq!(code(&at("text")), "store-not-database");
    Connection::open(at("other.db")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let before = fs::read(at("other.db")).unwrap();
    assert_eq!(code(&at("other.db")), "store-not-escrow");
    assert_eq!(fs::read(at("other.db")).unwrap(), before);
}

#[test]
fn a_newer_store_is_left_to_newer_versions() {
    let (_folder, path) = fresh();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", FORMAT + 1).unwrap();
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path).err().unwrap();
    assert!(matches!(error, EscrowError::StoreNewer { found, known, .. } if found == FORMAT + 1 && known == FORMAT));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_locked_store_is_busy_and_nothing_is_written() {
    let (_folder, path) = fresh();
    let store = SqliteStore::open_within(&path, Duration::ZERO).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(&mut |_| Ok(Commit::default())).unwrap_err();
    assert_eq!(error.code(), "store-busy");
    // Readers are not kept out.
    store.read(&mut |view| view.header().map(drop)).unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(&mut |_| Ok(Commit::default())).unwrap();
}

#[test]
fn whoever_reads_does_not_wait_for_whoever_writes() {
    let (_folder, path) = fresh();
    let store = SqliteStore::open(&path).unwrap();
    let version = || crate::store::read(&store, |view| view.roster_version()).unwrap();
    let elsewhere = || std::thread::scope(|scope| scope.spawn(version).join().unwrap());
    for number in 1..=3 {
        let roster =
            crate::store::RosterRow { version: number, body: "x".into(), signer: vec![0; 32], signature: vec![0; 64] };
        store
            .commit(&mut |_| {
                assert_eq!(elsewhere(), number - 1);
                Ok(Commit { rosters: vec![roster.clone()], ..Commit::default() })
            })
            .unwrap();
        assert_eq!((version(), elsewhere()), (number, number));
    }
    // What took the place of the file is another store.
    let kept = store.readers.take().unwrap();
    let (_other, foreign) = fresh();
    fs::rename(foreign, &path).unwrap();
    assert!(store.readers.take().is_none());
    assert_eq!(kept.query_row("SELECT max(version) FROM rosters", [], |row| row.get::<_, i64>(0)), Ok(3));
    assert!(kept.execute("DELETE FROM rosters", []).is_err());
}

#[test]
fn a_full_disk_is_told_and_nothing_is_written() {
    let (_folder, path) = fresh();
    let store = SqliteStore::open(&path).unwrap();
    store.connection().pragma_update_and_check(None, "max_page_count", 1, |_| Ok(())).unwrap();
    let roster =
        crate::store::RosterRow { version: 1, body: "x".repeat(1 << 20), signer: vec![0; 32], signature: vec![0; 64] };
    let error = store.commit(&mut |_| Ok(Commit { rosters: vec![roster.clone()], ..Commit::default() })).unwrap_err();
    assert_eq!(error.code(), "store-full");
    store
        .read(&mut |view| {
            assert_eq!(view.rosters()?, []);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_store_that_cannot_be_written_is_read_only() {
    let (_folder, path) = fresh();
    drop(SqliteStore::open(&path).unwrap());
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let store = SqliteStore::alone(connection, Fault::at(&path));
    assert_eq!(store.commit(&mut |_| Ok(header())).unwrap_err().code(), "store-read-only");
    // What the system says of a disk that is mounted for reading only, and of one that is not ours.
    let fault = Fault::at(&path);
    assert_eq!(fault.of_file(&io::ErrorKind::ReadOnlyFilesystem.into()).code(), "store-read-only");
    assert_eq!(fault.of_file(&io::ErrorKind::PermissionDenied.into()).code(), "store-denied");
    assert_eq!(fault.of_file(&io::ErrorKind::StorageFull.into()).code(), "store-full");
}

#[test]
fn what_was_prepared_stays_prepared() {
    let (_folder, path) = fresh();
    let store = SqliteStore::open(&path).unwrap();
    let connection = store.connection();
    let mut select = connection.prepare("SELECT family FROM entries WHERE upn = ?1 AND id > ?2").unwrap();
    for upn in ["ada", "bob", "cid"] {
        assert!(!select.exists([upn, ""]).unwrap());
    }
    assert_eq!(select.get_status(rusqlite::StatementStatus::RePrepare), 0);
}

#[test]
fn a_damaged_store_is_told() {
    let (_folder, path) = fresh();
    let mut bytes = fs::read(&path).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    bytes[page..2 * page].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let error = SqliteStore::open(&path).and_then(|store| store.read(&mut |view| view.header().map(drop)));
    assert_eq!(error.unwrap_err().code(), "store-corrupt");
}

#[test]
fn a_folder_in_the_place_of_the_log_is_told() {
    let (_folder, path) = fresh();
    drop(SqliteStore::open(&path).unwrap());
    fs::create_dir(path.with_file_name("escrow.db-wal")).unwrap();
    assert_eq!(code(&path), "store-io");
}
