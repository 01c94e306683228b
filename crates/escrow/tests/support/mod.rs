//! A home with an escrow in it.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its own part, and may fail")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use oathburn_emulator::{PrivatePostgres, SUPERUSER};
use oathburn_escrow::*;
use oathburn_oath::{FamilyId, FixedClock, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, TotpParams, UnixTime};
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) const NOW: UnixTime = UnixTime::new(1_800_000_000);

/// Whether the store is a database of a server: the binary `postgres` tells the story of the others once more on one.
pub(crate) const ON_SERVER: bool =
    matches!(module_path!().as_bytes(), [b'p', b'o', b's', b't', b'g', b'r', b'e', b's', ..]);

pub(crate) struct Home {
    pub(crate) folder: TempDir,
    pub(crate) officer: Officer,
    pub(crate) database: Option<Database>,
}

/// A database on the server that all tests of a process share.
pub(crate) struct Database(pub(crate) String);

impl Database {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // Each module of tests has its own copy of this one.
        let name = format!("{}_{}", module_path!().replace("::", "_"), NUMBER.fetch_add(1, Ordering::Relaxed));
        let server = PrivatePostgres::shared().unwrap();
        server.database(&name, SUPERUSER).unwrap();
        Self(name)
    }

    pub(crate) fn url(&self) -> StoreUrl {
        let server = PrivatePostgres::shared().unwrap();
        let (folder, port) = (server.socket_folder().display(), server.port());
        format!("postgres://{SUPERUSER}@/{}?host={folder}&port={port}", self.0).parse().unwrap()
    }

    /// What statements print, in the tables of the store and whatever refers to what.
    pub(crate) fn sql(&self, statements: &str) -> String {
        let hostile = "SET session_replication_role = replica; SET search_path = oathburn;";
        PrivatePostgres::shared().unwrap().sql(&self.0, &format!("{hostile} {statements}")).unwrap()
    }
}

pub(crate) fn who() -> Writer {
    Writer { operator: Some("alice".into()), uid: 1000, host: "desk-7".into() }
}

impl Home {
    pub(crate) fn new() -> Self {
        let database = ON_SERVER.then(Database::new);
        let home = Self { folder: tempfile::tempdir().unwrap(), officer: Officer::generate().unwrap(), database };
        Escrow::init(&home.url(), &home.officer, &home.station(), &home.pins(), &who(), &FixedClock(NOW)).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self) -> StoreUrl {
        self.database.as_ref().map_or_else(|| StoreUrl::sqlite(self.path("escrow.db")), Database::url)
    }

    /// Another place for a store, of the same kind.
    pub(crate) fn another(&self, name: &str) -> StoreUrl {
        if ON_SERVER { Database::new().url() } else { StoreUrl::sqlite(self.path(name)) }
    }

    /// Writes to the database behind the escrow's back.
    pub(crate) fn sql(&self, statements: &str) {
        match &self.database {
            Some(database) => drop(database.sql(statements)),
            None => Connection::open(self.path("escrow.db")).unwrap().execute_batch(statements).unwrap(),
        }
    }

    /// Changes rows of the store, which need not be as its tables want them; says how many.
    pub(crate) fn change(&self, statement: &str) -> usize {
        let Some(database) = &self.database else {
            let connection = Connection::open(self.path("escrow.db")).unwrap();
            connection.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
            return connection.execute(statement, []).unwrap();
        };
        let count = format!("WITH changed AS ({statement} RETURNING 1) SELECT count(*) FROM changed");
        database.sql(&count).trim().parse().unwrap()
    }

    /// The numbers in a column.
    pub(crate) fn numbers(&self, select: &str) -> Vec<i64> {
        let Some(database) = &self.database else {
            let connection = Connection::open(self.path("escrow.db")).unwrap();
            let mut all = connection.prepare(select).unwrap();
            return all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        };
        database.sql(select).lines().map(|line| line.parse().unwrap()).collect()
    }

    /// The bytes in a column.
    pub(crate) fn blobs(&self, select: &str) -> Vec<Vec<u8>> {
        let Some(database) = &self.database else {
            let connection = Connection::open(self.path("escrow.db")).unwrap();
            let mut all = connection.prepare(select).unwrap();
            return all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        };
        let hex = |line: &str| data_encoding::HEXLOWER.decode(line.trim_start_matches("\\x").as_bytes()).unwrap();
        database.sql(select).lines().map(hex).collect()
    }

    pub(crate) fn pins(&self) -> Pins {
        Pins::new(self.path("pins"))
    }

    pub(crate) fn station(&self) -> StationKey {
        StationKey::load_or_create(&self.path("keys/station.key")).unwrap()
    }

    pub(crate) fn open(&self) -> Escrow {
        self.open_at(NOW.offset(60))
    }

    pub(crate) fn open_at(&self, time: UnixTime) -> Escrow {
        Escrow::open(&self.url(), self.station(), &self.pins(), who(), Arc::new(FixedClock(time))).unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Escrow, EscrowError> {
        Escrow::open(&self.url(), self.station(), &self.pins(), who(), Arc::new(FixedClock(NOW.offset(60))))
    }

    /// Forgets how far the store had come when it was last seen; the pin stays.
    pub(crate) fn forget_heads(&self) {
        for file in std::fs::read_dir(self.path("pins")).unwrap().map(|entry| entry.unwrap().path()) {
            if ["-heads", "-written"].iter().any(|what| file.to_str().unwrap().ends_with(what)) {
                std::fs::remove_file(file).unwrap();
            }
        }
    }

    /// The officer once more: an opener takes one over.
    pub(crate) fn officer(&self) -> Officer {
        let path = self.path("officer.key");
        if !path.exists() {
            self.officer.create_file(&path, None).unwrap();
        }
        Officer::load(&path, None).unwrap()
    }
}

/// This test once more, in a process that is told where the store and the rest of the home lie.
pub(crate) fn child_of_this_test(home: &Home) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    // The harness gives each test a thread of its name.
    child.args(["--exact", std::thread::current().name().unwrap(), "--nocapture"]);
    child.env("ESCROW_TEST_HOME", home.folder.path()).env("ESCROW_TEST_STORE", home.url().to_string());
    child
}

/// The store that such a process is told.
pub(crate) fn told_store() -> StoreUrl {
    std::env::var("ESCROW_TEST_STORE").unwrap().parse().unwrap()
}

/// Bytes as SQL has them.
pub(crate) fn blob(bytes: &[u8]) -> String {
    let hex = data_encoding::HEXLOWER.encode(bytes);
    if ON_SERVER { format!("'\\x{hex}'::bytea") } else { format!("x'{hex}'") }
}

pub(crate) fn identity(serial: &str) -> TokenIdentity {
    TokenIdentity {
        family: FamilyId::new("token2-single").unwrap(),
        serial: SerialNumber::new(serial).unwrap(),
        slot: Slot::SINGLE,
    }
}

pub(crate) fn record(serial: &str, seed: &[u8]) -> TokenRecord {
    TokenRecord {
        identity: identity(serial),
        params: TotpParams::default().into(),
        seed: Seed::new(seed.to_vec()).unwrap(),
        manufacturer: None,
        model: None,
        upn: Some(format!("{serial}@example.com")),
        issuer: None,
    }
}

pub(crate) fn reserve(escrow: &Escrow, serial: &str, seed: &[u8]) -> EntryId {
    let record = record(serial, seed);
    escrow.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None }).unwrap()
}

/// A record to be written, found by its id.
pub(crate) fn put<'a>(kind: &'a str, id: &'a [u8], expected_version: Option<u64>, body: &'a [u8]) -> Change<'a> {
    let lookup = std::str::from_utf8(id).ok();
    Change::Put { kind, id, expected_version, lookup, expires_at: None, body }
}

/// A line for whichever token comes.
pub(crate) fn new_line(upn: &str) -> NewLine {
    NewLine {
        upn: Some(upn.into()),
        serial: None,
        issuer: None,
        label: None,
        params: TotpParams::default(),
        seed: None,
    }
}

/// Takes a line for a token, and burns it as far as the escrow knows.
pub(crate) fn burn_line(escrow: &Escrow, batch: BatchId, serial: &str, seed: &[u8]) -> EntryId {
    let lease = lease(escrow, batch, serial);
    let mut record = record(serial, seed);
    record.upn.clone_from(&lease.line.upn);
    let entry = escrow.reserve_line(&lease, &record, Origin::Generated).unwrap();
    escrow.mark_programmed(entry, &Programmed { drift_seconds: Some(0), ..Programmed::default() }).unwrap();
    escrow.release(&lease).unwrap();
    entry
}

/// The line that a token gets.
pub(crate) fn lease(escrow: &Escrow, batch: BatchId, serial: &str) -> Lease {
    let claim = escrow.claim(batch, &identity(serial).serial, None, &std::collections::HashSet::new()).unwrap();
    let Claim::Leased(lease) = claim else { panic!("{claim:?}") };
    *lease
}
