//! Those who once belonged to an escrow and can write to its store: a stolen station, a removed officer, and whoever puts
//! older rows back.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy};
use rusqlite::Connection;
use support::*;

fn line(role: Role, label: &str, keys: PublicKeys) -> PublicLine {
    PublicLine { role, member: Member::new(label, keys).unwrap() }
}

fn custodian(home: &Home) -> Custodian {
    home.open().custodian(home.officer()).unwrap()
}

/// The store at some other place, opened by whoever has these keys.
fn open_copy(home: &Home, copy: &Path, station: &str) -> Escrow {
    let station = StationKey::load_or_create(&home.path(station)).unwrap();
    let pins = Pins::new(home.path("pins of the copy"));
    Escrow::open(&StoreUrl::sqlite(copy), station, &pins, who(), Arc::new(FixedClock(NOW.offset(60)))).unwrap()
}

/// A copy of the store as it is now.
fn copy(home: &Home) -> std::path::PathBuf {
    let copy = home.path("copy.db");
    assert!(!home.path("escrow.db-wal").exists());
    fs::copy(home.path("escrow.db"), &copy).unwrap();
    copy
}

/// Writes into the store whatever a copy has beyond it, with these changes of the rows.
fn merge(home: &Home, copy: &Path, changes: &str) {
    let connection = Connection::open(home.path("escrow.db")).unwrap();
    connection.execute("ATTACH ?1 AS copy", [copy.display().to_string()]).unwrap();
    let sql = "PRAGMA foreign_keys = OFF;
        INSERT OR IGNORE INTO main.events SELECT * FROM copy.events;
        INSERT OR IGNORE INTO main.event_entries SELECT * FROM copy.event_entries;";
    connection.execute_batch(&format!("{sql} {changes}")).unwrap();
}

/// Nobody follows what they wrote: `check` names the event, and the entry is not opened.
fn assert_refused(home: &Home, entry: EntryId, writer: WriterId) {
    let escrow = home.open();
    let findings = escrow.check(Some(&home.officer)).unwrap().findings;
    let named = findings.iter().find(|one| one.event.is_some_and(|event| event.writer == writer));
    assert!(named.is_some_and(|one| one.problem.contains("not entitled")), "{findings:?}");
    assert_eq!(escrow.verify_events().unwrap().iter().filter(|one| one.event.is_some()).count(), 1);
    let opener = escrow.opener(home.officer()).unwrap();
    let entry = escrow.entry(&entry.to_string()).unwrap();
    assert_eq!(opener.open(&entry, &Disclosure::new(Purpose::Reveal)).unwrap_err().code(), "store-damaged");
    assert_eq!(escrow.assign(entry.id, Some("x"), None, None).unwrap_err().code(), "store-damaged");
}

#[test]
fn a_stolen_station_signs_nothing_after_it_was_revoked() {
    let home = Home::new();
    let thief = StationKey::load_or_create(&home.path("stolen.key")).unwrap().public();
    custodian(&home).add(&line(Role::Station, "stolen", thief.clone())).unwrap();
    let entry = reserve(&open_copy(&home, &home.path("escrow.db"), "stolen.key"), "0001", b"burned before the theft");
    let copy = copy(&home);
    custodian(&home).remove(Role::Station, "stolen").unwrap();
    assert_eq!(home.open().check(Some(&home.officer)).unwrap().findings, []);
    // In a copy from before, its keys still work; the event says the version of the roster that it knew.
    open_copy(&home, &copy, "stolen.key").retire(entry, None).unwrap();
    merge(&home, &copy, "UPDATE entries SET state = 'retired', revision = 2");
    assert_refused(&home, entry, thief.writer);
}

#[test]
fn a_removed_officer_signs_nothing_afterwards() {
    let home = Home::new();
    let path = home.path("eve.key");
    Officer::generate().unwrap().create_file(&path, None).unwrap();
    let eve = || Officer::load(&path, None).unwrap();
    let public = eve().public();
    custodian(&home).add(&line(Role::Officer, "eve", public.clone())).unwrap();
    let entry = reserve(&home.open(), "0001", b"a seed that eve knows");
    let open = |escrow: Escrow| {
        let chosen = escrow.entry(&entry.to_string()).unwrap();
        escrow.opener(eve()).unwrap().open(&chosen, &Disclosure::new(Purpose::Reveal)).unwrap();
    };
    // What she opened as long as she was there stays good.
    open(home.open());
    let copy = copy(&home);
    custodian(&home).remove(Role::Officer, "eve").unwrap();
    assert_eq!(home.open().check(Some(&home.officer)).unwrap().findings, []);
    let sound = fs::read(home.path("escrow.db")).unwrap();
    open(open_copy(&home, &copy, "another.key"));
    merge(&home, &copy, "UPDATE entries SET revision = revision + 1");
    assert_refused(&home, entry, public.writer);

    // Nor can anybody cut off what she had signed: the roster says how long her chain was.
    fs::write(home.path("escrow.db"), sound).unwrap();
    let connection = Connection::open(home.path("escrow.db")).unwrap();
    let number: i64 = connection
        .query_row("SELECT id FROM writers WHERE key = ?1", [public.writer.as_bytes()], |row| row.get(0))
        .unwrap();
    let sql = "PRAGMA foreign_keys = OFF; DELETE FROM event_entries WHERE writer = ?1;
        DELETE FROM events WHERE writer = ?1; UPDATE entries SET revision = revision - 1;";
    connection.execute_batch(&sql.replace("?1", &number.to_string())).unwrap();
    drop(connection);
    // Whoever used the store knows it; whoever sees it for the first time is told by the roster.
    assert_eq!(home.try_open().err().unwrap().code(), "store-older");
    let findings = open_copy(&home, &home.path("escrow.db"), "another.key").verify_events().unwrap();
    let missing = findings.iter().find(|one| one.event.is_some_and(|event| event.writer == public.writer));
    assert!(missing.is_some_and(|one| one.problem.contains("knows the chain longer")), "{findings:?}");
}

#[test]
fn rosters_that_nobody_entitled_signed_let_nobody_in() {
    let home = Home::new();
    let station = home.station().public();
    let before = fs::read(home.path("escrow.db")).unwrap();
    // The roster of an escrow of the stranger's own, as the next version of ours; and one that only adds a recipient.
    let other = Home::new();
    let stolen: (String, Vec<u8>, Vec<u8>) = Connection::open(other.path("escrow.db"))
        .unwrap()
        .query_row("SELECT body, signer, signature FROM rosters", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    let own: String = Connection::open(home.path("escrow.db"))
        .unwrap()
        .query_row("SELECT body FROM rosters", [], |row| row.get(0))
        .unwrap();
    let added = own.replace(&home.officer.public().recipient, &other.officer.public().recipient);
    let second = stolen.0.replace("\"version\":1", "\"version\":2");
    for (version, body) in [(2, &second), (2, &own), (1, &added)] {
        fs::write(home.path("escrow.db"), &before).unwrap();
        let connection = Connection::open(home.path("escrow.db")).unwrap();
        connection
            .execute(
                "INSERT OR REPLACE INTO rosters VALUES (?1, ?2, ?3, ?4)",
                rusqlite::params![version, body, stolen.1, stolen.2],
            )
            .unwrap();
        drop(connection);
        assert_eq!(home.try_open().err().unwrap().code(), "roster-forged", "{body}");
    }
    fs::write(home.path("escrow.db"), &before).unwrap();
    // A process that had the store open does not follow it either: it seals for whom it knew, or not at all.
    let open = home.open();
    let connection = Connection::open(home.path("escrow.db")).unwrap();
    connection
        .execute("INSERT INTO rosters VALUES (2, ?1, ?2, ?3)", rusqlite::params![second, stolen.1, stolen.2])
        .unwrap();
    drop(connection);
    let record = record("0001", b"not for strangers");
    let refused = open.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None }).unwrap_err();
    assert_eq!(refused.code(), "roster-forged");
    let change = open.custodian(home.officer()).err().unwrap();
    assert_eq!(change.code(), "roster-forged");
    assert_eq!(open.roster().stations[0].keys, station);
}

#[test]
fn an_older_wrap_and_a_dropped_session_that_come_back_are_found() {
    let home = Home::new();
    let bob = Officer::generate().unwrap();
    reserve(&home.open(), "0001", b"a seed");
    let old = copy(&home);
    let alice = custodian(&home);
    alice.add(&line(Role::Officer, "bob", bob.public())).unwrap();
    alice.renew(Depth::Roster, &mut |_| {}).unwrap();
    drop(alice);
    let newer = fs::read(home.path("escrow.db")).unwrap();
    let connection = Connection::open(home.path("escrow.db")).unwrap();
    connection.execute("ATTACH ?1 AS copy", [old.display().to_string()]).unwrap();
    let sql = "UPDATE main.sessions SET (roster, wrap, writer, sequence) = (SELECT roster, wrap, writer, sequence FROM copy.sessions)";
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let findings = home.open().check(None).unwrap().findings;
    assert!(findings.iter().any(|one| one.table == "sessions" && one.problem.contains("older wrap")), "{findings:?}");
    // What was opened to somebody by an older wrap is known all the same: the events say it.
    let alice = custodian(&home);
    alice.remove(Role::Officer, "bob").unwrap();
    assert_eq!(home.open().exposed().unwrap().len(), 1);
    assert_eq!(alice.renew(Depth::Roster, &mut |_| {}).unwrap().seeds, 1);
    drop(alice);
    assert_eq!(home.open().check(Some(&home.officer)).unwrap().findings, []);
    let connection = Connection::open(home.path("escrow.db")).unwrap();
    fs::write(&old, newer).unwrap();
    connection.execute("ATTACH ?1 AS copy", [old.display().to_string()]).unwrap();
    connection.execute_batch("INSERT INTO main.sessions SELECT * FROM copy.sessions").unwrap();
    drop(connection);
    let findings = home.open().check(None).unwrap().findings;
    assert!(findings.iter().any(|one| one.table == "sessions" && one.problem.contains("is back")), "{findings:?}");
}

/// What opens the old seals of a removed officer is in no corner of the file: SQLite overwrites what it deletes.
#[test]
fn what_was_deleted_is_overwritten() {
    let home = Home::new();
    let eve = Officer::generate().unwrap();
    let alice = custodian(&home);
    alice.add(&line(Role::Officer, "eve", eve.public())).unwrap();
    for number in 0..30 {
        reserve(&home.open(), &format!("{number:04}"), format!("a seed that eve knows {number}").as_bytes());
    }
    let blobs = |sql: &str| -> Vec<Vec<u8>> {
        let connection = Connection::open(home.path("escrow.db")).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut old = blobs("SELECT ciphertext FROM entries");
    old.extend(blobs("SELECT wrap FROM sessions"));
    assert_eq!(old.len(), 60);
    alice.remove(Role::Officer, "eve").unwrap();
    alice.renew(Depth::Roster, &mut |_| {}).unwrap();
    let new = blobs("SELECT ciphertext FROM entries");
    drop(alice);
    assert!(!home.path("escrow.db-wal").exists());
    let bytes = fs::read(home.path("escrow.db")).unwrap();
    // The middle of each: how a wrap begins they share.
    let lies = |blob: &Vec<u8>| {
        let middle = &blob[blob.len() / 2..blob.len() / 2 + 32];
        bytes.windows(middle.len()).any(|window| window == middle)
    };
    assert!(new.iter().all(lies), "the search finds what is there");
    assert_eq!(old.iter().filter(|blob| lies(blob)).count(), 0);
}
