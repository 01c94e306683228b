//! Stores of every format that was ever released are read.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use oathburn_escrow::*;
use oathburn_oath::SystemClock;
use support::{put, who};

/// Serial, slot, state, length of the seed: what `examples/fixture.rs` puts there, oldest first.
const EXPECTED: [(&str, &str, EntryState, usize); 6] = [
    ("865900001", "0", EntryState::Superseded, 20),
    ("865900001", "0", EntryState::Programmed, 20),
    ("865900002", "0", EntryState::Reserved, 32),
    ("865900003", "7", EntryState::Unknown, 64),
    ("865900004", "0", EntryState::Imported, 20),
    ("865900005", "ACME:carol", EntryState::Retired, 20),
];

#[test]
fn stores_of_every_format_are_read() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/escrow");
    let mut formats = Vec::new();
    let all = fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path());
    for folder in all.filter(|path| path.is_dir()) {
        let format = folder.file_name().unwrap().to_str().unwrap().trim_start_matches('v').parse().unwrap();
        read(&folder, format);
        formats.push(format);
    }
    // One for each: whoever adds a format adds a finished store of it.
    formats.sort_unstable();
    let newest = newest();
    assert_eq!(formats, (1..=newest).collect::<Vec<_>>());
}

/// The format of a store that is made now.
fn newest() -> i64 {
    let home = support::Home::new();
    let connection = rusqlite::Connection::open(home.path("escrow.db")).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

fn read(fixture: &Path, format: i64) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["escrow.db", "officer.key", "station.key"] {
        let copy = folder.path().join(name);
        fs::copy(fixture.join(name), &copy).unwrap();
        // Version control keeps no modes.
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let path = |name: &str| folder.path().join(name);
    let station = StationKey::load_or_create(&path("station.key")).unwrap();
    let officer = || Officer::load(&path("officer.key"), None).unwrap();
    let url = StoreUrl::sqlite(path("escrow.db"));
    let escrow = Escrow::open(&url, station, &Pins::new(path("pins")), who(), Arc::new(SystemClock)).unwrap();
    assert!(escrow.is_approved());
    let report = escrow.check(Some(&officer())).unwrap();
    let entries = escrow.entries(&Filter::default()).unwrap();
    // The key of the desk's records is no seed.
    let count = u64::try_from(entries.len()).unwrap() + u64::from(format >= 6);
    assert_eq!((report.findings.as_slice(), report.opened), ([].as_slice(), count), "{}", fixture.display());
    assert_eq!(report.records, if format >= 6 { 2 } else { 0 });

    let opener = escrow.opener(officer()).unwrap();
    let records = opener.open_all(&entries, &Disclosure::new(Purpose::Export)).unwrap();
    let digits = b"1234567890".repeat(7);
    assert_eq!(entries.len(), if format < 4 { EXPECTED.len() } else { EXPECTED.len() + 3 });
    let manufacturer = (format >= 5).then_some("Token2");
    for record in &records[..EXPECTED.len()] {
        assert_eq!(record.manufacturer.as_deref(), manufacturer, "{}", fixture.display());
    }
    for ((entry, record), (serial, slot, state, len)) in entries.iter().zip(&records).zip(EXPECTED) {
        assert_eq!((entry.identity.serial.as_str(), entry.identity.slot.to_string().as_str()), (serial, slot));
        assert_eq!((entry.state, record.seed.expose()), (state, &digits[..len]), "{serial}");
    }
    if format >= 4 {
        assert_eq!(records[6].params.counter(), Some(1 << 63));
        let batches = escrow.batches().unwrap();
        assert_eq!((batches.len(), batches[0].state), (1, BatchState::Finished));
        let states: Vec<_> = escrow.lines(batches[0].id, 0, 9).unwrap().iter().map(|line| line.state).collect();
        assert_eq!(states, [LineState::Done, LineState::Failed]);
        assert_eq!((entries[7].state, entries[8].line), (EntryState::Superseded, Some(1)));
    }
    let burned = &entries[1];
    assert_eq!((burned.upn.as_deref(), burned.issuer.as_deref()), (Some("bob@example.com"), Some("Entra")));
    assert_eq!((burned.drift_seconds, burned.origin), (Some(1), Origin::Again));
    assert_eq!(escrow.duplicates_of(&records[0].seed).unwrap().len(), 4);
    // From this format on a desk keeps records in it; in an older one it can begin to.
    let records = escrow.records(&opener).unwrap();
    let found = records.find("person", "alice").unwrap();
    let expected: &[&[u8]] = if format >= 6 { &[b"{\"name\":\"alice\"}"] } else { &[] };
    assert_eq!(found.iter().map(|one| one.body.as_slice()).collect::<Vec<_>>(), expected);
    records.commit(&[put("person", b"bob", None, b"{}")]).unwrap();
    // The old store is written to as well.
    let annotation = Annotation { add_tags: vec!["old".parse().unwrap()], ..Annotation::default() };
    escrow.annotate(&[burned.id], &annotation, None).unwrap();
    assert_eq!(escrow.entry(&burned.id.to_string()).unwrap().annotations.tags, ["old"]);
    escrow.retire(burned.id, None).unwrap();
    assert!(escrow.check(None).unwrap().is_sound());
}
