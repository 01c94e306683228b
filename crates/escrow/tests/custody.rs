//! The life of entries, from reservation to retirement.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::os::unix::process::ExitStatusExt;

use oathburn_escrow::{EntryState as S, *};
use oathburn_oath::{Remedy, Seed, SerialNumber, Slot, TokenRecord, UnixTime};
use support::*;

const SEED: &[u8] = b"12345678901234567890";

fn entry(escrow: &Escrow, id: EntryId) -> Entry {
    escrow.entry(&id.to_string()).unwrap()
}

#[test]
fn a_burn_is_reserved_programmed_and_opened() {
    let home = Home::new();
    let escrow = home.open();
    let id = reserve(&escrow, "0001", SEED);
    let reserved = entry(&escrow, id);
    assert_eq!(reserved.state, EntryState::Reserved);
    assert_eq!((reserved.upn.as_deref(), reserved.reserved_at), (Some("0001@example.com"), NOW.offset(60)));
    assert_eq!((reserved.programmed_at, reserved.drift_seconds, reserved.revision), (None, None, 1));

    let programmed = Programmed { model: Some("C302-i".into()), drift_seconds: Some(-3), facts: Facts::new() };
    home.open_at(NOW.offset(90)).mark_programmed(id, &programmed).unwrap();
    let programmed = entry(&escrow, id);
    assert_eq!(programmed.state, EntryState::Programmed);
    assert_eq!(programmed.model.as_deref(), Some("C302-i"));
    assert_eq!(programmed.programmed_at, Some(NOW.offset(90)));
    assert_eq!((programmed.drift_seconds, programmed.drift_at), (Some(-3), Some(NOW.offset(90))));

    let opener = escrow.opener(home.officer()).unwrap();
    let disclosure = Disclosure {
        purpose: Purpose::ShowCodes,
        facts: Facts::new().with("count", 3),
        reason: Some("the user called".into()),
    };
    let record = opener.open(&programmed, &disclosure).unwrap();
    assert_eq!(record.seed.expose(), SEED);
    assert_eq!((record.identity, record.params), (programmed.identity, programmed.params));
    let kind = Some(EventKind::CodeDisclosed);
    let events = escrow.events(&EventFilter { kind, ..EventFilter::default() }).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].entries.as_slice(), events[0].reason.as_deref()), ([id].as_slice(), Some("the user called")));
    assert_eq!((events[0].facts.number("count"), events[0].writer.as_str()), (Some(3), "alice"));
    assert_eq!(events[0].id.writer, home.officer.public().writer);
    let report = escrow.check(Some(&home.officer)).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.entries, report.opened, report.rosters, report.sessions), (1, 1, 1, 1));
    assert_eq!(report.events, 3 + 2 + 1 + 1);
}

#[test]
fn programming_supersedes_what_was_on_the_token_before() {
    let home = Home::new();
    let escrow = home.open();
    let first = reserve(&escrow, "0001", b"first seed of token 1");
    escrow.mark_programmed(first, &Programmed::default()).unwrap();
    let broken = reserve(&escrow, "0001", b"second seed of token 1");
    escrow.mark_unknown(broken, Facts::new().with("step", "seed")).unwrap();
    let other = reserve(&escrow, "0002", b"a seed of token 2");
    let third = reserve(&escrow, "0001", b"third seed of token 1");
    let younger = reserve(&escrow, "0001", b"being burned elsewhere");
    assert_eq!(entry(&escrow, first).state, EntryState::Programmed);

    escrow.mark_programmed(third, &Programmed::default()).unwrap();
    let states = |ids: [EntryId; 5]| ids.map(|id| entry(&escrow, id).state);
    assert_eq!(
        states([first, broken, other, third, younger]),
        [S::Superseded, S::Superseded, S::Reserved, S::Programmed, S::Reserved]
    );
    let found = escrow.find(&identity("0001")).unwrap();
    assert_eq!(found.iter().map(|entry| entry.id).collect::<Vec<_>>(), [younger, third, broken, first]);
    escrow.mark_programmed(younger, &Programmed::default()).unwrap();
    assert_eq!(entry(&escrow, third).state, EntryState::Superseded);
    assert!(escrow.check(Some(&home.officer)).unwrap().is_sound());
}

#[test]
fn states_that_make_no_sense_are_refused_and_leave_no_trace() {
    let home = Home::new();
    let escrow = home.open();
    let id = reserve(&escrow, "0001", SEED);
    escrow.mark_programmed(id, &Programmed::default()).unwrap();
    let before = escrow.events(&EventFilter::default()).unwrap().len();
    let error = escrow.mark_programmed(id, &Programmed::default()).unwrap_err();
    assert!(matches!(error, EscrowError::WrongState { state: EntryState::Programmed, .. }), "{error}");
    escrow.retire(id, Some("lost")).unwrap();
    assert!(matches!(escrow.supersede(id, None), Err(EscrowError::WrongState { .. })));
    assert!(matches!(escrow.mark_unknown(EntryId::new(), Facts::new()), Err(EscrowError::EntryUnknown { .. })));
    let long = "x".repeat(Facts::MAX_TEXT + 1);
    assert!(matches!(escrow.assign(id, None, None, Some(&long)), Err(EscrowError::FactRefused { .. })));
    assert!(matches!(escrow.assign(id, Some(&long), None, None), Err(EscrowError::FactRefused { .. })));
    assert_eq!(escrow.events(&EventFilter::default()).unwrap().len(), before + 1);
    assert!(escrow.check(None).unwrap().is_sound());
}

#[test]
fn what_changes_is_noted() {
    let home = Home::new();
    let escrow = home.open();
    let id = reserve(&escrow, "0001", SEED);
    escrow.mark_programmed(id, &Programmed::default()).unwrap();
    escrow.assign(id, Some("Ünïcode \u{202e}\"'; DROP TABLE entries; --"), Some("Entra"), Some("new hire")).unwrap();
    escrow.note_verified(id, Facts::new().with("drift_steps", 0)).unwrap();
    escrow.note_synced(id, 1, Facts::new()).unwrap();
    let now = entry(&escrow, id);
    assert_eq!(now.upn.as_deref(), Some("Ünïcode \u{202e}\"'; DROP TABLE entries; --"));
    assert_eq!((now.issuer.as_deref(), now.verified_at), (Some("Entra"), Some(NOW.offset(60))));
    assert_eq!(now.drift_seconds, Some(1));
    let filter = Filter { upn: now.upn.clone(), states: vec![EntryState::Programmed], ..Filter::default() };
    assert_eq!(escrow.entries(&filter).unwrap(), [now]);
    escrow.unassign(id, None).unwrap();
    assert_eq!(entry(&escrow, id).upn, None);
    let of_entry = EventFilter { entry: Some(id), ..EventFilter::default() };
    let kinds: Vec<_> = escrow.events(&of_entry).unwrap().iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["reserved", "programmed", "assigned", "verified", "synced", "unassigned"]);
    let later = EventFilter { since: Some(NOW.offset(61)), ..EventFilter::default() };
    assert_eq!(escrow.events(&later).unwrap(), []);
    assert!(escrow.check(None).unwrap().is_sound());
}

#[test]
fn a_file_is_imported_all_or_nothing_and_read_page_by_page() {
    let home = Home::new();
    let escrow = home.open();
    let mut records: Vec<_> = (0..2500).map(|n| record(&format!("{n:04}"), format!("seed {n}").as_bytes())).collect();
    let reservations = |records: &[TokenRecord]| {
        let one = |record| Reservation { record, origin: Origin::Imported, batch: None };
        escrow.import(&records.iter().map(one).collect::<Vec<_>>(), Facts::new().with("file", "tokens.csv"))
    };
    records[2400].identity.slot = Slot::Name("x".repeat(300).into());
    assert!(matches!(reservations(&records), Err(EscrowError::FactRefused { .. })));
    assert_eq!(escrow.entries(&Filter::default()).unwrap(), []);
    records[2400].identity.slot = Slot::Name("ACME:bob".into());
    let ids = reservations(&records).unwrap();
    let mut listed = Vec::new();
    loop {
        let page = escrow.entries_after(&Filter::default(), listed.last().copied(), 999).unwrap();
        if page.is_empty() {
            break;
        }
        listed.extend(page.iter().map(|entry| entry.id));
    }
    assert_eq!(listed, ids);
    let imported = EventFilter { kind: Some(EventKind::Imported), ..EventFilter::default() };
    let events = escrow.events(&imported).unwrap();
    assert_eq!(events.iter().map(|event| event.entries.len()).collect::<Vec<_>>(), [1000, 1000, 500]);
    let found = escrow.entries(&Filter { slot: Some(Slot::Name("ACME:bob".into())), ..Filter::default() }).unwrap();
    assert_eq!(found[0].id, ids[2400]);

    let opener = escrow.opener(home.officer()).unwrap();
    let all = escrow.entries(&Filter::default()).unwrap();
    let exported = opener.open_all(&all, &Disclosure::new(Purpose::Export)).unwrap();
    assert!(exported.iter().zip(&records).all(|(ours, theirs)| ours.seed == theirs.seed));
    let report = escrow.check(Some(&home.officer)).unwrap();
    assert_eq!((report.findings.as_slice(), report.opened), ([].as_slice(), 2500));
}

#[test]
fn the_same_seed_is_found_in_any_state_without_an_officer() {
    let home = Home::new();
    let id = reserve(&home.open(), "0001", SEED);
    let escrow = home.open();
    escrow.retire(id, None).unwrap();
    let again = reserve(&escrow, "0002", SEED);
    let seed = Seed::new(SEED.to_vec()).unwrap();
    let found: Vec<_> = escrow.duplicates_of(&seed).unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(found, [id, again]);
    assert_eq!(escrow.duplicates_of(&Seed::new(b"another".to_vec()).unwrap()).unwrap(), []);
}

#[test]
fn entries_are_found_by_the_beginning_of_their_id() {
    let home = Home::new();
    let escrow = home.open();
    let (first, second) = (reserve(&escrow, "0001", SEED), reserve(&escrow, "0001", SEED));
    let text = first.to_string();
    assert_eq!(escrow.entry(&text).unwrap().id, first);
    let shared = text.bytes().zip(second.to_string().bytes()).take_while(|(one, other)| one == other).count();
    assert_eq!(escrow.entry(&text[..=shared].to_uppercase()).unwrap().id, first);
    assert!(matches!(escrow.entry(&text[..shared]), Err(EscrowError::EntryAmbiguous { .. })));
    for none in ["", "-", "zz", "ffffffff", &format!("{text}0"), "%"] {
        assert!(matches!(escrow.entry(none), Err(EscrowError::EntryUnknown { .. })), "{none:?}");
    }
}

#[test]
fn filters_pass_what_they_say() {
    let home = Home::new();
    let escrow = home.open();
    let batch = BatchId::new();
    let one = record("0001", SEED);
    let id = escrow.reserve(&Reservation { record: &one, origin: Origin::Generated, batch: Some(batch) }).unwrap();
    reserve(&escrow, "0002", b"other");
    let ids = |filter: Filter| escrow.entries(&filter).unwrap().iter().map(|entry| entry.id).collect::<Vec<_>>();
    let of = Filter::default;
    assert_eq!(ids(of()).len(), 2);
    assert_eq!(ids(Filter { batch: Some(batch), ..of() }), [id]);
    assert_eq!(ids(Filter { serial: Some(SerialNumber::new("0001").unwrap()), ..of() }), [id]);
    assert_eq!(ids(Filter { upn: Some("0001@example.com".into()), ..of() }), [id]);
    // A clerk types as the caller speaks.
    assert_eq!(ids(Filter { upn: Some("0001@Example.COM".into()), ..of() }), [id]);
    assert_eq!(ids(Filter { states: vec![EntryState::Programmed], ..of() }), []);
    assert_eq!(ids(Filter { states: vec![EntryState::Programmed, EntryState::Reserved], ..of() }).len(), 2);
    assert_eq!(ids(Filter { model: Some("C302".into()), ..of() }), []);
    assert_eq!(entry(&escrow, id).batch, Some(batch));
}

#[test]
fn two_processes_write_the_same_chain() {
    let home = Home::new();
    let escrows = [home.open(), home.open()];
    std::thread::scope(|scope| {
        for (number, escrow) in escrows.iter().enumerate() {
            scope.spawn(move || {
                for burn in 0..20 {
                    let id = reserve(escrow, &format!("{number}-{burn}"), format!("{number} {burn}").as_bytes());
                    escrow.mark_programmed(id, &Programmed::default()).unwrap();
                }
            });
        }
    });
    let report = home.open().check(Some(&home.officer)).unwrap();
    assert_eq!((report.findings.as_slice(), report.entries, report.sessions), ([].as_slice(), 40, 2));
    assert_eq!(report.events, 3 + 2 + 80);
}

#[test]
fn a_clock_that_goes_backwards_breaks_no_chain() {
    let home = Home::new();
    let first = reserve(&home.open(), "0001", SEED);
    let before = home.open_at(UnixTime::new(1));
    before.mark_programmed(first, &Programmed { drift_seconds: Some(1), ..Programmed::default() }).unwrap();
    let second = reserve(&before, "0001", b"a later seed");
    before.mark_programmed(second, &Programmed::default()).unwrap();
    // What came later counts, whatever its clock says.
    assert_eq!(home.open().current(&identity("0001")).unwrap()[0].id, second);
    assert_eq!((entry(&before, first).state, entry(&before, second).state), (S::Superseded, S::Programmed));
    assert_eq!(entry(&before, second).programmed_at, Some(UnixTime::new(1)));
    assert_eq!(home.open().check(Some(&home.officer)).unwrap().findings, []);
    let far = home.open_at(UnixTime::new(u64::MAX));
    far.retire(second, None).unwrap();
    assert!(home.open().check(None).unwrap().is_sound());
}

#[test]
fn an_escrow_is_made_once() {
    let home = Home::new();
    let id = home.open().id();
    let init = |officer: &Officer| {
        Escrow::init(&home.url(), officer, &home.station(), &home.pins(), &who(), &oathburn_oath::FixedClock(NOW))
    };
    let other = Officer::generate().unwrap();
    assert_eq!(init(&other).unwrap_err().code(), "store-exists");
    assert_eq!(home.open().id(), id);
    assert_eq!(home.open().roster().officers[0].keys, home.officer.public());
    match &home.database {
        Some(database) => drop(database.sql("DROP SCHEMA oathburn CASCADE")),
        None => std::fs::remove_file(home.path("escrow.db")).unwrap(),
    }
    assert_eq!(home.try_open().err().unwrap().code(), "store-missing");
    // Making a new one at the same place is a decision to trust it.
    let new = init(&other).unwrap();
    assert_ne!(new, id);
    assert_eq!(home.open().id(), new);
    assert_eq!(home.open().opener(home.officer()).unwrap_err().code(), "officer-unknown");
}

#[test]
fn a_reservation_outlives_a_killed_process() {
    // The child that this test starts is the test itself, told where to die.
    if let Some(folder) = std::env::var_os("ESCROW_TEST_HOME") {
        reserve_and_die(std::path::Path::new(&folder));
    }
    let home = Home::new();
    let child = child_of_this_test(&home).output().unwrap();
    assert!(child.status.signal() == Some(9), "{child:?}");
    assert!(ON_SERVER || home.path("escrow.db-wal").exists());
    let escrow = home.open();
    let entries = escrow.entries(&Filter::default()).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.state).collect::<Vec<_>>(), [EntryState::Reserved]);
    let opener = escrow.opener(home.officer()).unwrap();
    assert_eq!(opener.open(&entries[0], &Disclosure::new(Purpose::Burn)).unwrap().seed.expose(), SEED);
    assert!(escrow.check(Some(&home.officer)).unwrap().is_sound());
}

/// What the child of the test above does: it is killed the moment `reserve` has returned.
fn reserve_and_die(folder: &std::path::Path) {
    let station = StationKey::load_or_create(&folder.join("keys/station.key")).unwrap();
    let clock = std::sync::Arc::new(oathburn_oath::FixedClock(UnixTime::new(1)));
    let escrow = Escrow::open(&told_store(), station, &Pins::new(folder.join("pins")), who(), clock).unwrap();
    reserve(&escrow, "0001", SEED);
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
}

#[test]
fn strangers_read_lists_and_nothing_else() {
    let home = Home::new();
    let id = reserve(&home.open(), "0001", SEED);
    let stranger = StationKey::load_or_create(&home.path("stranger.key")).unwrap();
    let clock = std::sync::Arc::new(oathburn_oath::SystemClock);
    let escrow = Escrow::open(&home.url(), stranger, &home.pins(), who(), clock).unwrap();
    assert!(!escrow.is_approved());
    assert_eq!(escrow.entries(&Filter::default()).unwrap().len(), 1);
    let record = record("0002", SEED);
    let refused = [
        escrow.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None }).unwrap_err(),
        escrow.retire(id, None).unwrap_err(),
        escrow.mark_programmed(id, &Programmed::default()).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.code(), "station-not-approved");
    }
    assert_eq!(escrow.duplicates_of(&record.seed).unwrap_err().code(), "key-not-wrapped");
    assert_eq!(escrow.opener(Officer::generate().unwrap()).unwrap_err().code(), "officer-unknown");
    let other = Officer::generate().unwrap();
    assert_eq!(escrow.check(Some(&other)).unwrap_err().code(), "officer-unknown");
    // An officer opens at any station.
    let opener = escrow.opener(home.officer()).unwrap();
    let entry = escrow.entry(&id.to_string()).unwrap();
    assert_eq!(opener.open(&entry, &Disclosure::new(Purpose::Reveal)).unwrap().seed.expose(), SEED);
    assert!(escrow.check(Some(&home.officer)).unwrap().is_sound());
}

#[test]
fn ciphertexts_tell_nothing_about_the_length_of_seeds() {
    let home = Home::new();
    let escrow = home.open();
    for len in [1, 20, 32, 64, 128] {
        reserve(&escrow, "0001", &vec![7; len]);
    }
    assert_eq!(home.numbers("SELECT count(DISTINCT length(ciphertext)) FROM entries"), [1]);
}

#[test]
fn an_access_key_lives_like_a_seed_and_is_none() {
    let home = Home::new();
    let escrow = home.open();
    let seed = reserve(&escrow, "0001", SEED);
    let keep = |key: &[u8]| {
        let identity = Entry::access_key_of(&identity("0001").family, &identity("0001").serial);
        let record = TokenRecord { identity, params: Entry::no_codes(), upn: None, ..record("0001", key) };
        let id = escrow.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None }).unwrap();
        escrow.mark_programmed(id, &Programmed::default()).unwrap();
        (id, record.identity)
    };
    let (first, _) = keep(SEED);
    let (second, whose) = keep(b"hunter2");
    assert_eq!((entry(&escrow, first).state, entry(&escrow, second).state), (S::Superseded, S::Programmed));
    assert!(entry(&escrow, second).is_access_key() && !entry(&escrow, seed).is_access_key());
    // Whoever asks for seeds gets none of it, by whatever he asks.
    let filter = Filter { serial: Some(whose.serial.clone()), ..Filter::default() };
    let ids = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>();
    assert_eq!(ids(escrow.entries(&filter).unwrap()), [seed]);
    assert_eq!(ids(escrow.entries(&Filter::default()).unwrap()), [seed]);
    assert_eq!(ids(escrow.duplicates_of(&Seed::new(SEED.to_vec()).unwrap()).unwrap()), [seed]);
    assert_eq!(ids(escrow.current(&whose).unwrap()), [second]);
    let opener = escrow.opener(home.officer()).unwrap();
    let open = |purpose| opener.open(&entry(&escrow, second), &Disclosure::new(purpose));
    for purpose in [Purpose::Export, Purpose::ShowCodes, Purpose::CompareCode] {
        assert!(matches!(open(purpose), Err(EscrowError::AccessKey { entry }) if entry == second));
    }
    assert_eq!(open(Purpose::Burn).unwrap().seed.expose(), b"hunter2");
    let report = escrow.check(Some(&home.officer)).unwrap();
    assert_eq!((report.findings.as_slice(), report.entries, report.opened), (&[][..], 3, 3));
}
