//! Backups: whole, for officers only, verified; and stores that come back out of them.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy};
use support::*;

const SEED: &[u8] = b"\x8f!very secret seed of a token\xfe\x01";

fn burn(escrow: &Escrow, serial: &str, seed: &[u8]) -> EntryId {
    let id = reserve(escrow, serial, seed);
    escrow.mark_programmed(id, &Programmed::default()).unwrap();
    id
}

fn restore(home: &Home, from: &Path, to: &StoreUrl, replace: bool) -> Result<RestoreReport, EscrowError> {
    Escrow::restore(from, to, &home.officer, &home.pins(), &who(), &FixedClock(NOW.offset(900)), replace)
}

#[test]
fn a_backup_is_whole_and_comes_back() {
    let home = Home::new();
    let escrow = home.open();
    let id = burn(&escrow, "0001", SEED);
    let file = home.path("backup.age");
    let report = escrow.backup(&file, Some(&home.officer)).unwrap();
    assert_eq!((report.check.findings.as_slice(), report.check.opened, report.opened), ([].as_slice(), 1, true));
    assert_eq!(report.officers, ["alice"]);
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, report.bytes));
    let events = escrow.events(&EventFilter { kind: Some(EventKind::BackedUp), ..EventFilter::default() }).unwrap();
    assert_eq!(events[0].facts.text("digest"), Some(report.digest.as_str()));
    assert_eq!((events[0].facts.text("file"), events[0].facts.number("entries")), (Some("backup.age"), Some(1)));
    // Nothing of it can be read, not even whose tokens they are.
    let bytes = fs::read(&file).unwrap();
    for secret in [SEED, b"0001@example.com", b"SQLite format 3"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    assert_eq!(escrow.backup(&file, None).unwrap_err().code(), "backup-exists");
    assert_eq!(fs::read(&file).unwrap(), bytes);

    // Later somewhere else: the same escrow, with a roster of its own to be believed.
    let elsewhere = StoreUrl::sqlite(home.path("restored.db"));
    let restored = restore(&home, &file, &elsewhere, false).unwrap();
    assert_eq!((restored.escrow, restored.check.opened, restored.replaced), (escrow.id(), 1, None));
    assert!(restored.loss.is_none());
    let clock = std::sync::Arc::new(FixedClock(NOW));
    let copy = Escrow::open(&elsewhere, home.station(), &home.pins(), who(), clock).unwrap();
    let opener = copy.opener(home.officer()).unwrap();
    let entry = copy.entry(&id.to_string()).unwrap();
    assert_eq!(opener.open(&entry, &Disclosure::new(Purpose::Reveal)).unwrap().seed.expose(), SEED);
    let restored = copy.events(&EventFilter { kind: Some(EventKind::Restored), ..EventFilter::default() }).unwrap();
    assert_eq!(restored[0].facts.text("backup"), Some(report.digest.as_str()));
    assert!(copy.check(Some(&home.officer)).unwrap().is_sound());
    assert_eq!(fs::metadata(home.path("restored.db")).unwrap().permissions().mode() & 0o777, 0o600);
    burn(&copy, "0002", b"burned after the restore");
}

#[test]
fn a_station_backs_up_what_it_cannot_read() {
    let home = Home::new();
    let escrow = home.open();
    burn(&escrow, "0001", SEED);
    let report = escrow.backup(&home.path("backup.age"), None).unwrap();
    assert_eq!((report.check.findings.as_slice(), report.check.entries, report.opened), ([].as_slice(), 1, false));
    let stranger = Officer::generate().unwrap();
    assert_eq!(escrow.backup(&home.path("other.age"), Some(&stranger)).unwrap_err().code(), "officer-unknown");
    let station = StationKey::load_or_create(&home.path("stranger.key")).unwrap();
    let clock = std::sync::Arc::new(FixedClock(NOW));
    let foreign = Escrow::open(&home.url(), station, &home.pins(), who(), clock).unwrap();
    assert_eq!(foreign.backup(&home.path("other.age"), None).unwrap_err().code(), "station-not-approved");
    let nowhere = home.path("missing/backup.age");
    assert_eq!(escrow.backup(&nowhere, None).unwrap_err().code(), "backup-io");
    let left: Vec<_> = fs::read_dir(home.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().contains(".new")), "{left:?}");
}

#[test]
fn a_backup_of_an_earlier_time_opens_for_whoever_was_an_officer_then() {
    let home = Home::new();
    let eve = Officer::generate().unwrap();
    let alice = home.open().custodian(home.officer()).unwrap();
    let line = PublicLine { role: Role::Officer, member: Member::new("eve", eve.public()).unwrap() };
    alice.add(&line).unwrap();
    burn(&home.open(), "0001", SEED);
    let [earlier, later] = ["earlier.age", "later.age"].map(|name| home.path(name));
    home.open().backup(&earlier, None).unwrap();
    alice.remove(Role::Officer, "eve").unwrap();
    home.open().backup(&later, None).unwrap();
    let (target, pins) = (StoreUrl::sqlite(home.path("eve.db")), Pins::new(home.path("eve-pins")));
    let open = |file| Escrow::restore(file, &target, &eve, &pins, &who(), &FixedClock(NOW.offset(900)), false);
    assert_eq!(open(&later).unwrap_err().code(), "backup-for-others");
    assert_eq!(open(&earlier).unwrap().check.opened, 1);
}

#[test]
fn backups_that_are_not_ours_or_not_whole_are_refused_and_leave_nothing() {
    let home = Home::new();
    burn(&home.open(), "0001", SEED);
    let file = home.path("backup.age");
    home.open().backup(&file, None).unwrap();
    let good = fs::read(&file).unwrap();
    let target = StoreUrl::sqlite(home.path("restored.db"));
    let code = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let code = restore(&home, &file, &target, false).unwrap_err().code();
        assert!(!home.path("restored.db").exists());
        code
    };
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    assert_eq!(code(b""), "backup-unreadable");
    assert_eq!(code(b"SQLite format 3\0"), "backup-unreadable");
    assert_eq!(code(&good[..good.len() - 1]), "backup-unreadable");
    assert_eq!(code(&good[..good.len() / 2]), "backup-unreadable");
    assert_eq!(code(&[good.as_slice(), b"x"].concat()), "backup-unreadable");
    for at in [30, good.len() / 3, good.len() - 1] {
        assert!(["backup-unreadable", "backup-for-others"].contains(&code(&flipped(at))), "{at}");
    }
    let other = Home::new();
    let theirs = home.path("theirs.age");
    other.open().backup(&theirs, None).unwrap();
    assert_eq!(restore(&home, &theirs, &target, false).unwrap_err().code(), "backup-for-others");
    assert_eq!(restore(&home, &home.path("none.age"), &target, false).unwrap_err().code(), "backup-io");
    // Encrypted to our officer by somebody who is none: what is in it counts.
    let recipient: age::x25519::Recipient = home.officer.public().recipient.parse().unwrap();
    let planted = |bytes: &[u8]| age::encrypt(&recipient, bytes).unwrap();
    assert_eq!(code(&planted(b"no database")), "store-not-database");
    drop(other.open());
    assert_eq!(code(&planted(&fs::read(other.path("escrow.db")).unwrap())), "officer-unknown");
    let here = home.path("escrow.db");
    fs::write(&file, planted(&fs::read(other.path("escrow.db")).unwrap())).unwrap();
    assert_eq!(restore(&other, &theirs, &home.url(), false).unwrap_err().code(), "store-exists");
    let copy = home.path("changed.db");
    fs::copy(&here, &copy).unwrap();
    rusqlite::Connection::open(&copy).unwrap().execute("UPDATE entries SET upn = 'eve'", []).unwrap();
    assert_eq!(code(&planted(&fs::read(&copy).unwrap())), "backup-unsound");
    let left: Vec<_> = fs::read_dir(home.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().contains(".new")), "{left:?}");
}

#[test]
fn a_restore_says_which_tokens_were_burned_since_and_keeps_the_old_store() {
    let home = Home::new();
    burn(&home.open(), "0001", SEED);
    let file = home.path("backup.age");
    home.open().backup(&file, None).unwrap();
    burn(&home.open(), "0002", b"burned after the backup");
    reserve(&home.open(), "0003", b"only reserved");
    assert_eq!(restore(&home, &file, &home.url(), false).unwrap_err().code(), "store-exists");
    let before = home.open().events(&EventFilter::default()).unwrap().len();

    let restored = restore(&home, &file, &home.url(), true).unwrap();
    let tokens: Vec<_> = restored.loss.tokens.iter().map(|one| (one.serial.as_str(), one.kind.as_str())).collect();
    assert_eq!(tokens, [("0002", "programmed"), ("0003", "reserved")]);
    assert_eq!(restored.loss.events[0].label, "desk-7");
    let old = StoreUrl::sqlite(restored.replaced.unwrap());
    let clock = std::sync::Arc::new(FixedClock(NOW));
    let old = Escrow::open(&old, home.station(), &Pins::new(home.path("old-pins")), who(), clock.clone()).unwrap();
    assert_eq!(old.events(&EventFilter::default()).unwrap().len(), before);
    // This machine goes on; one that saw the newer state as well has to be told.
    burn(&home.open(), "0004", b"burned after the restore");
    assert!(home.open().check(Some(&home.officer)).unwrap().is_sound());
}

#[test]
fn another_station_goes_on_with_a_restored_store_when_it_is_told_to() {
    let home = Home::new();
    let file = home.path("backup.age");
    home.open().backup(&file, None).unwrap();
    let theirs = Pins::new(home.path("second-user"));
    let clock = std::sync::Arc::new(FixedClock(NOW));
    let open = || Escrow::open(&home.url(), home.station(), &theirs, who(), clock.clone());
    burn(&open().unwrap(), "0002", b"burned by another user");
    restore(&home, &file, &home.url(), true).unwrap();
    assert_eq!(open().err().unwrap().code(), "store-older");
    let loss = Escrow::loss(&home.url(), &theirs).unwrap();
    assert_eq!(loss.tokens.iter().map(|one| one.serial.as_str()).collect::<Vec<_>>(), ["0002"]);
    let restored = loss.restored.as_ref().unwrap();
    assert_eq!((restored.writer.as_str(), restored.time), ("alice", NOW.offset(900)));
    Escrow::accept(&home.url(), &theirs).unwrap();
    burn(&open().unwrap(), "0003", b"burned after that");
}

#[test]
fn a_backup_that_cannot_be_noted_is_none() {
    let home = Home::new();
    let escrow = home.open();
    burn(&escrow, "0001", SEED);
    let other = rusqlite::Connection::open(home.path("escrow.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(escrow.backup(&home.path("backup.age"), None).unwrap_err().code(), "store-busy");
    assert!(!home.path("backup.age").exists());
    other.execute_batch("ROLLBACK").unwrap();
    escrow.backup(&home.path("backup.age"), None).unwrap();
}

#[test]
fn a_backup_is_of_one_moment_while_others_write() {
    let home = Home::new();
    let escrow = home.open();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let other = home.open();
            for burned in 0..30 {
                burn(&other, &format!("w-{burned}"), format!("seed {burned}").as_bytes());
            }
        });
        let mut number = 0;
        while !writer.is_finished() || number == 0 {
            let file = home.path(&format!("backup-{number}.age"));
            let report = escrow.backup(&file, Some(&home.officer)).unwrap();
            assert_eq!(report.check.findings, [], "backup {number}");
            number += 1;
        }
    });
}
