//! Stores that are copied: all of it, proved, or nothing.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::sync::Arc;

use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy};
use rusqlite::Connection;
use support::*;

fn copy(home: &Home, to: &StoreUrl) -> Result<CopyReport, EscrowError> {
    Escrow::copy(&home.url(), to, &home.pins(), &mut |_| {})
}

/// A store with something in every table.
fn full(home: &Home) -> Escrow {
    let escrow = home.open();
    for number in 0..3 {
        let id = reserve(&escrow, &format!("000{number}"), format!("seed of token number {number}").as_bytes());
        escrow.mark_programmed(id, &Programmed::default()).unwrap();
    }
    let lines = [new_line("ada@example.org"), new_line("bob@example.org")];
    let batch = escrow.create_batch(&NewBatch { name: "box", options: Facts::new(), lines: &lines }).unwrap();
    burn_line(&escrow, batch, "1001", b"seed of the first line");
    let _held = lease(&escrow, batch, "1002");
    let records = escrow.records(&escrow.opener(home.officer()).unwrap()).unwrap();
    let record = Change::Put {
        kind: "person",
        id: b"alice",
        expected_version: None,
        lookup: Some("alice"),
        expires_at: None,
        body: b"what the desk keeps",
    };
    records.commit(&[record]).unwrap();
    escrow
}

#[test]
fn a_copy_is_the_same_and_is_worked_with() {
    let home = Home::new();
    let escrow = full(&home);
    let before = std::fs::read(home.path("escrow.db")).unwrap();
    let to = StoreUrl::sqlite(home.path("copy.db"));
    let mut steps = Vec::new();
    let report = Escrow::copy(&home.url(), &to, &home.pins(), &mut |step| steps.push(step)).unwrap();
    assert_eq!((report.escrow, &report.fingerprint), (escrow.id(), &escrow.fingerprint()));
    assert!(report.check.is_sound() && !report.overtaken);
    // The fifth entry is the key of the desk.
    let rows = |table: &str| report.tables.iter().find(|(name, _)| *name == table).map_or(0, |(_, rows)| *rows);
    assert_eq!((rows("entries"), rows("batches"), rows("batch_lines"), rows("records")), (5, 1, 2, 1));
    assert!(rows("events") > 8 && rows("event_entries") >= 8 && rows("sessions") >= 1 && rows("rosters") == 1);
    assert_eq!(steps[0], Copying::Checking);
    assert!(steps.contains(&Copying::Written("entries", 5)) && steps.contains(&Copying::Compared("entries", 5)));
    assert_eq!(std::fs::read(home.path("escrow.db")).unwrap(), before);

    // Everything but the leases; what was seen of the store is believed of the copy.
    let leases = |name: &str| -> i64 {
        let database = Connection::open(home.path(name)).unwrap();
        database.query_row("SELECT count(*) FROM leases", [], |row| row.get(0)).unwrap()
    };
    assert_eq!((leases("escrow.db"), leases("copy.db")), (1, 0));
    let again = Escrow::open(&to, home.station(), &home.pins(), who(), Arc::new(FixedClock(NOW))).unwrap();
    assert!(!again.is_first_use());
    assert!(again.check(Some(&home.officer)).unwrap().is_sound());
    reserve(&again, "0009", b"burned with the copy");
    assert_eq!(copy(&home, &to).unwrap_err().code(), "store-exists");
}

#[test]
fn a_copy_that_goes_back_is_noticed() {
    let home = Home::new();
    full(&home);
    let old = home.path("old.db");
    Connection::open(home.path("escrow.db")).unwrap().execute("VACUUM INTO ?1", [old.to_str().unwrap()]).unwrap();
    reserve(&home.open(), "0007", b"the newest seed of all");
    let to = StoreUrl::sqlite(home.path("copy.db"));
    copy(&home, &to).unwrap();
    std::fs::rename(old, home.path("copy.db")).unwrap();
    let opened = Escrow::open(&to, home.station(), &home.pins(), who(), Arc::new(FixedClock(NOW)));
    assert_eq!(opened.err().unwrap().code(), "store-older");
    // The token that is lost is known by name, as it was before the copy.
    let loss = Escrow::loss(&to, &home.pins()).unwrap();
    assert_eq!(loss.tokens.iter().map(|token| token.serial.as_str()).collect::<Vec<_>>(), ["0007"]);
}

#[test]
fn what_is_not_sound_is_not_copied() {
    let home = Home::new();
    drop(full(&home));
    let database = Connection::open(home.path("escrow.db")).unwrap();
    database.execute("UPDATE entries SET upn = 'mallory@example.org' WHERE serial = '0001'", []).unwrap();
    let to = StoreUrl::sqlite(home.path("copy.db"));
    let error = copy(&home, &to).unwrap_err();
    assert_eq!(error.code(), "copy-unsound");
    assert!(!home.path("copy.db").exists());
}

#[test]
fn somebody_who_goes_on_writing_is_found() {
    let home = Home::new();
    let escrow = full(&home);
    let to = StoreUrl::sqlite(home.path("copy.db"));
    let mut number = 0;
    let error = Escrow::copy(&home.url(), &to, &home.pins(), &mut |step| {
        if matches!(step, Copying::Written("entries", _)) {
            number += 1;
            reserve(&escrow, &format!("2{number:03}"), b"a seed that comes in between");
        }
    });
    assert_eq!(error.unwrap_err().code(), "copy-overtaken");
    assert!(!home.path("copy.db").exists());
    copy(&home, &to).unwrap();
}

/// A table that is added to the store has to be added to the copy.
#[test]
fn no_table_is_forgotten() {
    let home = Home::new();
    full(&home);
    let report = copy(&home, &StoreUrl::sqlite(home.path("copy.db"))).unwrap();
    let database = Connection::open(home.path("escrow.db")).unwrap();
    let mut names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
    // Writers are compared with each event; leases are for the moment.
    let left_out = ["writers", "leases"];
    let mut expected: Vec<_> = names.filter(|name| !left_out.contains(&name.as_str())).collect();
    let mut copied: Vec<_> = report.tables.iter().map(|(table, _)| (*table).to_owned()).collect();
    expected.sort();
    copied.sort();
    assert_eq!(copied, expected);
}
