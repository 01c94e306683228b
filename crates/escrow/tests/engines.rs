//! Stores that go from one kind of database to the other: copied, backed up, restored.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::sync::Arc;

use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy};
use support::*;

/// A store with something in every table.
fn full(home: &Home) -> Escrow {
    let escrow = home.open();
    for number in 0..3 {
        let id = reserve(&escrow, &format!("000{number}"), format!("seed of token number {number}").as_bytes());
        escrow.mark_programmed(id, &Programmed::default()).unwrap();
    }
    let lines = [new_line("ada@example.org"), new_line("bob@example.org"), new_line("cy@example.org")];
    let batch = escrow.create_batch(&NewBatch { name: "box", options: Facts::new(), lines: &lines }).unwrap();
    burn_line(&escrow, batch, "1001", b"seed of the first line");
    let _held = lease(&escrow, batch, "1002");
    let records = escrow.records(&escrow.opener(home.officer()).unwrap()).unwrap();
    records.commit(&[put("person", b"alice", None, b"what the desk keeps")]).unwrap();
    escrow
}

fn open(home: &Home, url: &StoreUrl) -> Escrow {
    Escrow::open(url, home.station(), &home.pins(), who(), Arc::new(FixedClock(NOW.offset(60)))).unwrap()
}

fn copy(home: &Home, from: &StoreUrl, to: &StoreUrl) -> Result<CopyReport, EscrowError> {
    Escrow::copy(from, to, &home.pins(), &mut |_| {})
}

/// To a server and back: the same each time, and worked with each time.
#[test]
fn a_store_goes_to_a_server_and_back() {
    let home = Home::new();
    let escrow = full(&home);
    let (server, file) = (Database::new(), StoreUrl::sqlite(home.path("back.db")));
    let there = copy(&home, &home.url(), &server.url()).unwrap();
    assert_eq!((there.escrow, &there.fingerprint), (escrow.id(), &escrow.fingerprint()));
    assert!(there.check.is_sound() && !there.overtaken);
    let rows = |report: &CopyReport, table: &str| report.tables.iter().find(|(name, _)| *name == table).unwrap().1;
    assert_eq!((rows(&there, "entries"), rows(&there, "batch_lines"), rows(&there, "records")), (5, 3, 1));
    // It is in nobody's way, and its tables are as they should be.
    assert_eq!(server.sql("SELECT count(*) FROM leases"), "0\n");
    assert_eq!(copy(&home, &home.url(), &server.url()).unwrap_err().code(), "store-exists");

    let on_server = open(&home, &server.url());
    assert!(!on_server.is_first_use());
    assert_eq!(on_server.entries(&Filter::default()).unwrap(), escrow.entries(&Filter::default()).unwrap());
    assert_eq!(on_server.events(&EventFilter::default()).unwrap(), escrow.events(&EventFilter::default()).unwrap());
    assert_eq!(on_server.rosters(), escrow.rosters());
    let batch = on_server.batches().unwrap()[0].id;
    burn_line(&on_server, batch, "1003", b"seed of the second line");
    reserve(&on_server, "0009", b"burned with the copy");
    assert!(on_server.check(Some(&home.officer)).unwrap().is_sound());

    let back = copy(&home, &server.url(), &file).unwrap();
    assert_eq!(back.fingerprint, there.fingerprint);
    // A session, two reservations, and one that was programmed.
    assert_eq!((rows(&back, "entries"), rows(&back, "events")), (7, rows(&there, "events") + 4));
    let again = open(&home, &file);
    assert!(again.check(Some(&home.officer)).unwrap().is_sound());
    assert_eq!(again.line_counts(batch).unwrap(), on_server.line_counts(batch).unwrap());
    reserve(&again, "0010", b"burned with the copy of the copy");
}

#[test]
fn a_copy_to_a_server_that_is_overtaken_or_unsound_leaves_nothing() {
    let home = Home::new();
    let escrow = full(&home);
    let server = Database::new();
    let overtaken = Escrow::copy(&home.url(), &server.url(), &home.pins(), &mut |step| {
        if matches!(step, Copying::Written("entries", _)) {
            reserve(&escrow, "2001", b"a seed that comes in between");
        }
    });
    assert_eq!(overtaken.unwrap_err().code(), "copy-overtaken");
    home.sql("UPDATE entries SET upn = 'mallory@example.org' WHERE serial = '0001'");
    assert_eq!(copy(&home, &home.url(), &server.url()).unwrap_err().code(), "copy-unsound");
    let clock = Arc::new(FixedClock(NOW));
    let opened = Escrow::open(&server.url(), home.station(), &home.pins(), who(), clock);
    assert_eq!(opened.err().unwrap().code(), "store-missing");
    assert_eq!(server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'oathburn'"), "0\n");
}

/// Backed up on a server, restored into a file, into another database, and in place of what lies there.
#[test]
fn a_backup_of_a_server_comes_back_anywhere() {
    let home = Home::new();
    full(&home);
    let server = Database::new();
    copy(&home, &home.url(), &server.url()).unwrap();
    let escrow = open(&home, &server.url());
    let file = home.path("backup.age");
    let report = escrow.backup(&file, Some(&home.officer)).unwrap();
    assert_eq!((report.check.findings.as_slice(), report.check.opened, report.opened), ([].as_slice(), 5, true));
    let entries = escrow.entries(&Filter::default()).unwrap();
    let later = reserve(&escrow, "0777", b"sealed after the backup");
    escrow.mark_programmed(later, &Programmed::default()).unwrap();
    let restore = |to: &StoreUrl, replace| {
        Escrow::restore(&file, to, &home.officer, &home.pins(), &who(), &FixedClock(NOW.offset(900)), replace)
    };
    for url in [StoreUrl::sqlite(home.path("restored.db")), Database::new().url()] {
        let restored = restore(&url, false).unwrap();
        assert_eq!((restored.escrow, restored.check.opened, restored.replaced), (escrow.id(), 5, None));
        let restored = open(&home, &url);
        assert_eq!(restored.entries(&Filter::default()).unwrap(), entries);
        assert!(restored.check(Some(&home.officer)).unwrap().is_sound());
        reserve(&restored, "0002", b"burned after the restore");
    }
    assert_eq!(restore(&server.url(), false).unwrap_err().code(), "store-exists");
    let replaced = restore(&server.url(), true).unwrap();
    let tokens: Vec<_> = replaced.loss.tokens.iter().map(|one| (one.serial.as_str(), one.kind.as_str())).collect();
    assert_eq!(tokens, [("0777", "programmed")]);
    // What lay there is kept, under another name.
    let time = NOW.offset(900).seconds();
    assert_eq!(replaced.replaced, Some(format!("the schema oathburn_replaced_{time}")));
    assert_eq!(server.sql(&format!("SELECT count(*) FROM oathburn_replaced_{time}.entries")), "6\n");
    assert_eq!(open(&home, &server.url()).entries(&Filter::default()).unwrap(), entries);
    assert!(open(&home, &server.url()).check(Some(&home.officer)).unwrap().is_sound());
}
