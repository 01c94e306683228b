//! Killed at every write to the disk, one after the other: whatever a job was about to write, sync, rename or remove, it
//! dies there, and nothing is half, nothing is lost. `strace` counts and kills.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

#[path = "support/strace.rs"]
mod strace;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use oathburn_escrow::*;
use oathburn_oath::{FixedClock, SystemClock};
use support::*;

/// Kills of each job, spread over all of its writes.
const KILLS: usize = 14;
/// Tokens that were there before.
const TOKENS: u16 = 40;
/// Tokens of an import.
const NEW: u16 = 300;

/// Where a child of a test is to work.
const HOME: &str = "ESCROW_TEST_HOME";

/// This test once more, as a child that works in `folder`.
fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads", "1"]).env(HOME, folder);
    command
}

/// Has a job killed at writes all over it, each time in a folder of its own that `make` fills, and looked at by `judge`;
/// then lets it come to its end there.
fn at_every_write(test: &str, make: impl Fn() -> tempfile::TempDir, judge: impl Fn(&Path, bool)) {
    let Some(program) = strace::strace() else { return };
    let run = |folder: &Path, at| strace::run(&program, &child(test, folder), &folder.join("strace.log"), at);
    let folder = make();
    let whole = run(folder.path(), None);
    assert!(!whole.killed && whole.writes.len() > 5, "{:?}", whole.writes);
    judge(folder.path(), true);
    let (chosen, mut died) = (strace::some(&whole.writes, KILLS), 0);
    for at in &chosen {
        let folder = make();
        let killed = run(folder.path(), Some(at)).killed;
        died += usize::from(killed);
        judge(folder.path(), !killed);
        // Whoever comes next finishes it.
        let finished = child(test, folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(finished.success(), "after {at:?}");
        judge(folder.path(), true);
    }
    // How many writes there are differs a little from run to run.
    assert!(died * 10 >= chosen.len() * 9, "{died} of {} were killed", chosen.len());
}

/// The folder, for a child.
fn home_of_child() -> Option<PathBuf> {
    std::env::var_os(HOME).map(PathBuf::from)
}

fn open(folder: &Path) -> Escrow {
    let station = StationKey::load_or_create(&folder.join("station.key")).unwrap();
    let url = StoreUrl::sqlite(folder.join("escrow.db"));
    Escrow::open(&url, station, &Pins::new(folder.join("pins")), who(), Arc::new(SystemClock)).unwrap()
}

fn officer(folder: &Path) -> Officer {
    Officer::load(&folder.join("officer.key"), None).unwrap()
}

fn seed(number: u16) -> Vec<u8> {
    [number.to_be_bytes(); 10].concat()
}

fn import(escrow: &Escrow, numbers: std::ops::Range<u16>) {
    let records: Vec<_> = numbers.map(|number| record(&format!("{number:05}"), &seed(number))).collect();
    let imports: Vec<_> =
        records.iter().map(|record| Reservation { record, origin: Origin::Imported, batch: None }).collect();
    escrow.import_new(&imports, Facts::new()).unwrap();
}

/// An escrow with some tokens, sealed under several sessions; Eve is an officer, too.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let alice = Officer::generate().unwrap();
    alice.create_file(&folder.path().join("officer.key"), None).unwrap();
    let station = StationKey::load_or_create(&folder.path().join("station.key")).unwrap();
    let (url, pins) = (StoreUrl::sqlite(folder.path().join("escrow.db")), Pins::new(folder.path().join("pins")));
    Escrow::init(&url, &alice, &station, &pins, &who(), &SystemClock).unwrap();
    let eve = Officer::generate().unwrap();
    let line = PublicLine { role: Role::Officer, member: Member::new("eve", eve.public()).unwrap() };
    open(folder.path()).custodian(officer(folder.path())).unwrap().add(&line).unwrap();
    for part in 0..4 {
        import(&open(folder.path()), part * TOKENS / 4..(part + 1) * TOKENS / 4);
    }
    folder
}

/// Every event holds, every seal opens and is the right seed; how many there are.
fn whole(folder: &Path) -> u16 {
    let escrow = open(folder);
    let report = escrow.check(Some(&officer(folder))).unwrap();
    assert_eq!((report.findings.as_slice(), report.opened), ([].as_slice(), report.entries));
    let entries = escrow.entries(&Filter::default()).unwrap();
    let opener = escrow.opener(officer(folder)).unwrap();
    for record in opener.open_all(&entries, &Disclosure::new(Purpose::Export)).unwrap() {
        let number = record.identity.serial.as_str().parse().unwrap();
        assert_eq!(record.seed.expose(), seed(number));
    }
    entries.len().try_into().unwrap()
}

#[test]
fn a_reservation_is_there_or_was_never_made() {
    if let Some(folder) = home_of_child() {
        let escrow = open(&folder);
        let id = reserve(&escrow, "00999", &seed(999));
        fs::write(folder.join("told"), id.to_string()).unwrap();
        escrow.mark_programmed(id, &Programmed::default()).unwrap();
        return;
    }
    at_every_write("a_reservation_is_there_or_was_never_made", filled, |folder, ended| {
        let count = whole(folder);
        // Whoever was told that it is sealed finds it; between sealing and telling both may be.
        let told = fs::read_to_string(folder.join("told")).ok().filter(|told| !told.is_empty());
        assert!(count >= TOKENS + u16::from(told.is_some()), "{count}");
        if let Some(id) = told.filter(|id| id.len() == 36) {
            let state = open(folder).entry(&id).unwrap().state;
            let expected = if ended {
                &[EntryState::Programmed][..]
            } else {
                &[EntryState::Reserved, EntryState::Programmed, EntryState::Superseded]
            };
            assert!(expected.contains(&state), "{state}");
        }
    });
}

#[test]
fn an_import_is_whole_or_has_not_been() {
    if let Some(folder) = home_of_child() {
        return import(&open(&folder), 1000..1000 + NEW);
    }
    at_every_write("an_import_is_whole_or_has_not_been", filled, |folder, ended| {
        let count = whole(folder);
        assert!(count == TOKENS + NEW || (count == TOKENS && !ended), "{count}");
    });
}

#[test]
fn an_officer_leaves_whenever_the_program_dies() {
    if let Some(folder) = home_of_child() {
        let custodian = open(&folder).custodian(officer(&folder)).unwrap();
        custodian.remove(Role::Officer, "eve").unwrap();
        custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
        return;
    }
    at_every_write("an_officer_leaves_whenever_the_program_dies", filled, |folder, ended| {
        assert_eq!(whole(folder), TOKENS);
        let escrow = open(folder);
        let gone = escrow.roster().officers.len() == 1;
        assert_eq!(escrow.exposed().unwrap().len(), if gone { usize::from(TOKENS) } else { 0 });
        assert!(!ended || (gone && escrow.unrenewed().unwrap() == (0, 0)));
    });
}

#[test]
fn the_records_get_another_key_whenever_the_program_dies() {
    /// More than are sealed anew in one transaction.
    const RECORDS: u16 = 450;
    if let Some(folder) = home_of_child() {
        let custodian = open(&folder).custodian(officer(&folder)).unwrap();
        custodian.remove(Role::Officer, "eve").unwrap();
        custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
        return;
    }
    let name = |number: u16| format!("{number:05}");
    let make = || {
        let folder = filled();
        let escrow = open(folder.path());
        let records = escrow.records(&escrow.opener(officer(folder.path())).unwrap()).unwrap();
        let names: Vec<_> = (0..RECORDS).map(name).collect();
        let all: Vec<_> = names.iter().map(|name| put("person", name.as_bytes(), None, name.as_bytes())).collect();
        records.commit(&all).unwrap();
        folder
    };
    at_every_write("the_records_get_another_key_whenever_the_program_dies", make, |folder, ended| {
        let escrow = open(folder);
        let gone = escrow.roster().officers.len() == 1;
        assert!(!ended || (gone && !escrow.records_unrenewed().unwrap()));
        let report = escrow.check(Some(&officer(folder))).unwrap();
        assert_eq!((report.findings.as_slice(), report.records), ([].as_slice(), RECORDS.into()));
        let records = escrow.records(&escrow.opener(officer(folder)).unwrap()).unwrap();
        for name in (0..RECORDS).map(name) {
            assert_eq!(records.find("person", &name).unwrap()[0].body.as_slice(), name.as_bytes());
        }
        let listed = records.list("person", b"", usize::from(RECORDS) + 1).unwrap();
        assert_eq!(listed.len(), usize::from(RECORDS));
    });
}

#[test]
fn sessions_are_merged_whenever_the_program_dies() {
    if let Some(folder) = home_of_child() {
        open(&folder).custodian(officer(&folder)).unwrap().renew(Depth::Merge, &mut |_| {}).unwrap();
        return;
    }
    at_every_write("sessions_are_merged_whenever_the_program_dies", filled, |folder, ended| {
        assert_eq!(whole(folder), TOKENS);
        let sessions = open(folder).check(None).unwrap().sessions;
        assert!(sessions == 1 || !ended, "{sessions}");
    });
}

#[test]
fn a_migration_is_whole_or_has_not_been() {
    if let Some(folder) = home_of_child() {
        open(&folder);
        return;
    }
    let old = || {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/escrow/v1");
        for name in ["escrow.db", "officer.key", "station.key"] {
            let copy = folder.path().join(name);
            fs::copy(fixture.join(name), &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
        }
        folder
    };
    at_every_write("a_migration_is_whole_or_has_not_been", old, |folder, _| {
        let report = open(folder).check(Some(&officer(folder))).unwrap();
        assert_eq!((report.findings.as_slice(), report.opened), ([].as_slice(), 6));
    });
}

#[test]
fn a_backup_has_its_name_when_it_is_whole_and_a_store_when_it_is_restored() {
    if let Some(folder) = home_of_child() {
        let file = folder.join("backup.age");
        if !file.exists() {
            open(&folder).backup(&file, Some(&officer(&folder))).unwrap();
        }
        let (url, pins) = (StoreUrl::sqlite(folder.join("restored.db")), Pins::new(folder.join("others")));
        if !folder.join("restored.db").exists() {
            Escrow::restore(&file, &url, &officer(&folder), &pins, &who(), &SystemClock, false).unwrap();
        }
        return;
    }
    at_every_write(
        "a_backup_has_its_name_when_it_is_whole_and_a_store_when_it_is_restored",
        filled,
        |folder, ended| {
            assert_eq!(whole(folder), TOKENS);
            let file = folder.join("backup.age");
            assert!(file.exists() || !ended);
            if file.exists() {
                let target = tempfile::tempdir().unwrap();
                let (url, pins) = (StoreUrl::sqlite(target.path().join("escrow.db")), Pins::new(target.path()));
                let clock = FixedClock(NOW);
                let report = Escrow::restore(&file, &url, &officer(folder), &pins, &who(), &clock, false).unwrap();
                assert_eq!(report.check.opened, u64::from(TOKENS));
            }
            if folder.join("restored.db").exists() {
                let station = StationKey::load(&folder.join("station.key")).unwrap();
                let (url, pins) = (StoreUrl::sqlite(folder.join("restored.db")), Pins::new(folder.join("others")));
                let restored = Escrow::open(&url, station, &pins, who(), Arc::new(SystemClock)).unwrap();
                assert_eq!(restored.check(Some(&officer(folder))).unwrap().opened, u64::from(TOKENS));
            }
        },
    );
}
