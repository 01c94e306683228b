//! A store that goes back is noticed by whoever has seen the newer state: by heads that were seen, by checkpoints; and so is what was
//! changed since a process has verified it.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::collections::BTreeMap;
use std::fs;

use oathburn_escrow::*;
use oathburn_oath::{Remedy, UnixTime};
use rusqlite::Connection;
use support::*;

/// A store with a past: its bytes in between, and at the end.
fn grown() -> (Home, Vec<u8>, Vec<u8>) {
    let home = Home::new();
    burn(&home, "0001");
    let before = fs::read(home.path("escrow.db")).unwrap();
    burn(&home, "0002");
    let after = fs::read(home.path("escrow.db")).unwrap();
    (home, before, after)
}

fn burn(home: &Home, serial: &str) -> EntryId {
    let escrow = home.open();
    let id = reserve(&escrow, serial, format!("seed of token {serial}").as_bytes());
    escrow.mark_programmed(id, &Programmed::default()).unwrap();
    id
}

fn code(home: &Home) -> Option<&'static str> {
    home.try_open().err().map(|error| error.code())
}

fn change(home: &Home, sql: &str) {
    let connection = Connection::open(home.path("escrow.db")).unwrap();
    connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
}

#[test]
fn an_older_state_is_refused_by_whoever_saw_the_newer_one() {
    let (home, before, after) = grown();
    fs::write(home.path("escrow.db"), &before).unwrap();
    assert_eq!(code(&home), Some("store-older"));
    let error = home.try_open().err().unwrap();
    assert!(
        matches!(error, EscrowError::StoreOlder { ref writer, seen: 6, found: 3 } if writer == "desk-7"),
        "{error}"
    );
    // The newest events alone, with what they changed: as if the second burn had never been.
    fs::write(home.path("escrow.db"), &after).unwrap();
    let cut = "DELETE FROM event_entries WHERE sequence > 3 AND writer = 2; DELETE FROM events WHERE sequence > 3
        AND writer = 2; DELETE FROM entries WHERE serial = '0002'; DELETE FROM sessions WHERE sequence > 3 AND writer = 2";
    change(&home, cut);
    assert_eq!(code(&home), Some("store-older"));
    // Nothing in the store shows it to somebody who comes anew.
    home.forget_heads();
    assert_eq!(home.open().check(Some(&home.officer)).unwrap().findings, []);
    drop(home.open());
    fs::write(home.path("escrow.db"), &after).unwrap();
    drop(home.open());
    // An event was put in the place of the last one.
    change(&home, "UPDATE events SET hash = zeroblob(32) WHERE writer = 2 AND sequence = 6");
    assert_eq!(code(&home), Some("store-older"));
    fs::write(home.path("escrow.db"), &after).unwrap();
    assert_eq!(code(&home), None);
}

#[test]
fn what_a_hostile_hand_appends_is_not_missed_when_it_is_gone() {
    let (home, _, after) = grown();
    let forged = "INSERT INTO events SELECT writer, 1000, previous, roster, time, uid, host, operator, kind, facts,
        reason, randomblob(32), signature FROM events WHERE writer = 2 AND sequence = 6";
    change(&home, forged);
    assert!(!home.open().check(None).unwrap().is_sound());
    fs::write(home.path("escrow.db"), &after).unwrap();
    assert_eq!(code(&home), None);
}

#[test]
fn what_a_process_wrote_is_known_before_it_ends() {
    let (home, _, after) = grown();
    let escrow = home.open();
    reserve(&escrow, "0003", b"a third");
    let pins = home.pins();
    let look = |home: &Home| Escrow::loss(&home.url(), &home.pins()).unwrap();
    assert!(look(&home).is_none());
    // It was remembered when the reservation returned.
    drop(escrow);
    fs::write(home.path("escrow.db"), &after).unwrap();
    assert_eq!(code(&home), Some("store-older"));
    let lost = look(&home);
    assert_eq!(lost.tokens.iter().map(|token| token.serial.as_str()).collect::<Vec<_>>(), ["0003"]);
    assert_eq!((lost.tokens[0].kind.as_str(), lost.events[0].label.as_str()), ("reserved", "desk-7"));
    assert_eq!((lost.restored.as_ref(), lost.roster), (None, None));
    // To go on is a decision.
    assert_eq!(Escrow::accept(&home.url(), &pins).unwrap(), lost);
    assert!(look(&home).is_none());
    burn(&home, "0004");
    assert!(home.open().check(Some(&home.officer)).unwrap().is_sound());
}

#[test]
fn nothing_is_signed_on_top_of_a_chain_that_was_cut() {
    let home = Home::new();
    burn(&home, "0001");
    let escrow = home.open();
    let id = reserve(&escrow, "0002", b"seed of a second token");
    // Between two transactions of one process.
    change(
        &home,
        "DELETE FROM event_entries WHERE sequence > 3 AND writer = 2; DELETE FROM events WHERE sequence > 3
        AND writer = 2",
    );
    let error = escrow.mark_programmed(id, &Programmed::default()).unwrap_err();
    assert!(matches!(error, EscrowError::StoreOlder { seen: 5, found: 3, .. }), "{error}");
    assert_eq!(code(&home), Some("store-older"));
}

#[test]
fn what_is_remembered_does_not_grow_with_what_was_written() {
    let home = Home::new();
    let escrow = home.open();
    for number in 0..90 {
        reserve(&escrow, &format!("{number:04}"), format!("seed of token {number}").as_bytes());
    }
    let sizes = || fs::read_dir(home.path("pins")).unwrap().map(|file| file.unwrap());
    let small = |file: &fs::DirEntry| !file.path().to_str().unwrap().ends_with("-tokens");
    assert!(sizes().filter(small).all(|file| file.metadata().unwrap().len() < 17 * 1024));
    drop(escrow);
    assert_eq!(code(&home), None);
    change(
        &home,
        "DELETE FROM event_entries WHERE sequence = 91 AND writer = 2; DELETE FROM events WHERE
        sequence = 91 AND writer = 2",
    );
    let error = home.try_open().err().unwrap();
    assert!(matches!(error, EscrowError::StoreOlder { seen: 91, found: 90, .. }), "{error}");
}

#[test]
fn what_was_seen_and_cannot_be_read_is_told() {
    let (home, ..) = grown();
    let heads = fs::read_dir(home.path("pins")).unwrap().map(|entry| entry.unwrap().path());
    let heads = heads.into_iter().find(|path| path.to_str().unwrap().ends_with("-heads")).unwrap();
    fs::write(&heads, "{}").unwrap();
    assert_eq!(code(&home), Some("pin-unreadable"));
    // Another escrow at the same place was not seen before.
    fs::remove_file(&heads).unwrap();
    drop(home.open());
    let officer = Officer::generate().unwrap();
    fs::remove_file(home.path("escrow.db")).unwrap();
    let clock = oathburn_oath::FixedClock(NOW);
    Escrow::init(&home.url(), &officer, &home.station(), &home.pins(), &who(), &clock).unwrap();
    assert_eq!(code(&home), None);
}

#[test]
fn the_first_use_of_a_store_is_told_with_its_fingerprint() {
    let (home, ..) = grown();
    let escrow = home.open();
    assert!(!escrow.is_first_use());
    let elsewhere = Pins::new(home.path("other-pins"));
    let clock = std::sync::Arc::new(oathburn_oath::FixedClock(NOW));
    let open = || Escrow::open(&home.url(), home.station(), &elsewhere, who(), clock.clone()).unwrap();
    let first = open();
    assert!(first.is_first_use() && !open().is_first_use());
    assert_eq!(first.fingerprint(), escrow.fingerprint());
    assert_eq!(first.fingerprint().len(), 8 * 5 - 1);
    assert_ne!(first.fingerprint(), Home::new().open().fingerprint());
}

#[test]
fn checkpoints_show_what_was_cut_off_and_need_no_officer() {
    let (home, before, after) = grown();
    let checkpoint = home.open().checkpoint(&home.officer).unwrap();
    assert_eq!((checkpoint.entries(), checkpoint.events(), checkpoint.roster()), (2, 9, 1));
    assert_eq!((checkpoint.signer(), checkpoint.signed_at()), (home.officer.public().writer, NOW.offset(60)));
    let text = checkpoint.to_json();
    let checkpoint = Checkpoint::parse(&text).unwrap();
    let verify = |home: &Home| home.open().verify_checkpoint(&checkpoint).unwrap();
    assert_eq!(verify(&home), []);
    burn(&home, "0003");
    assert_eq!(verify(&home), []);
    let events = home.open().events(&EventFilter::default()).unwrap();
    assert_eq!(events.iter().filter(|event| event.kind == EventKind::Checkpointed).count(), 1);
    assert!(home.open().check(None).unwrap().is_sound());

    // An auditor who has never seen the store has the file alone.
    let found = |home: &Home| {
        let escrow = {
            let pins = Pins::new(tempfile::tempdir().unwrap().keep());
            let clock = std::sync::Arc::new(oathburn_oath::FixedClock(NOW));
            Escrow::open(&home.url(), home.station(), &pins, who(), clock).unwrap()
        };
        let findings = escrow.verify_checkpoint(&checkpoint).unwrap();
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    fs::write(home.path("escrow.db"), &before).unwrap();
    let station = home.station().public().writer;
    let expected = [
        "entries : there are 1 entries; the checkpoint knew 2".to_owned(),
        format!("events {station}/6: the checkpoint knew it; the chain ends at 3"),
    ];
    assert_eq!(found(&home), expected);
    fs::write(home.path("escrow.db"), &after).unwrap();
    change(&home, "UPDATE events SET hash = zeroblob(32) WHERE writer = 2 AND sequence = 6");
    assert_eq!(found(&home), [format!("events {station}/6: it is not the event that the checkpoint knew")]);
    fs::write(home.path("escrow.db"), &after).unwrap();
    change(&home, "DELETE FROM events WHERE writer = 2");
    assert_eq!(found(&home), [format!("events {station}/6: the checkpoint knew it; the whole chain is gone")]);
    let other = Home::new();
    assert!(found(&other)[0].contains("the checkpoint is of escrow"), "{:?}", found(&other));
}

#[test]
fn a_checkpoint_that_was_changed_is_no_checkpoint() {
    let (home, ..) = grown();
    let text = home.open().checkpoint(&home.officer).unwrap().to_json();
    let error = |text: &str| Checkpoint::parse(text).unwrap_err();
    for (from, to) in
        [("\"entries\":2", "\"entries\":1"), ("\"events\":6", "\"events\":5"), ("\"roster\":1", "\"roster\":2")]
    {
        assert!(text.contains(from), "{text}");
        assert!(matches!(error(&text.replace(from, to)), EscrowError::CheckpointForged), "{from}");
    }
    for bad in ["", "{}", "[]", &text[..text.len() / 2], &text.replace("\"format\":1", "\"format\":2")] {
        assert_eq!(error(bad).code(), "checkpoint-unreadable", "{bad}");
    }
    assert_eq!(error(&" ".repeat(Checkpoint::MAX_LEN + 1)).code(), "checkpoint-unreadable");
    // Somebody who is no officer signs a good one of his own store, and passes it off as ours.
    let stranger = Officer::generate().unwrap();
    assert_eq!(home.open().checkpoint(&stranger).unwrap_err().code(), "officer-unknown");
    let theirs = Home::new();
    let forged = theirs.open().checkpoint(&theirs.officer).unwrap().to_json();
    let signer = home.officer.public().writer.to_string();
    let forged = forged.replace(&theirs.officer.public().writer.to_string(), &signer);
    assert!(matches!(error(&forged), EscrowError::CheckpointForged));
}

#[test]
fn events_are_handed_out_by_time_and_those_of_a_writer_in_their_order() {
    let home = Home::new();
    let by_time = |filter: &EventFilter| {
        let mut events = Vec::new();
        let taken = home.open().each_event_by_time::<EscrowError>(filter, |event| {
            events.push(event);
            Ok(())
        });
        taken.map(|()| events).unwrap()
    };
    // More than are read at a time, and an officer's events between those of the station.
    let mut ids = Vec::new();
    for number in 0..60 {
        let escrow = home.open_at(NOW.offset(100 + number));
        ids.push(reserve(&escrow, &format!("{number}"), format!("{number:020}").as_bytes()));
        if number % 10 == 0 {
            let entry = escrow.entry(&ids[0].to_string()).unwrap();
            escrow.opener(home.officer()).unwrap().open(&entry, &Disclosure::new(Purpose::Reveal)).unwrap();
        }
    }
    let all = EventFilter::default();
    let listed = home.open().events(&all).unwrap();
    assert!(listed.len() > 120);
    let handed = by_time(&all);
    assert!(handed.is_sorted_by_key(|event| event.time));
    let sorted = |events: &[Event]| {
        let mut ids: Vec<_> = events.iter().map(|event| event.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(sorted(&handed), sorted(&listed));
    for filter in [
        EventFilter { entry: Some(ids[0]), ..EventFilter::default() },
        EventFilter { kind: Some(EventKind::Reserved), ..EventFilter::default() },
        EventFilter { writer: Some(home.officer.public().writer), ..EventFilter::default() },
        EventFilter { since: Some(NOW.offset(130)), until: Some(NOW.offset(140)), ..EventFilter::default() },
        EventFilter { until: Some(UnixTime::new(0)), ..EventFilter::default() },
    ] {
        assert_eq!(sorted(&by_time(&filter)), sorted(&home.open().events(&filter).unwrap()), "{filter:?}");
    }
    // From the end: the same, and by parts that go on before each other.
    let stations = EventFilter { writer: handed.first().map(|event| event.id.writer), ..EventFilter::default() };
    let nobody = EventFilter { operator: Some("nobody".into()), ..EventFilter::default() };
    let of_entry = EventFilter { entry: Some(ids[0]), ..EventFilter::default() };
    let opened = EventFilter { kind: Some(EventKind::Revealed), ..of_entry.clone() };
    for filter in [
        &all,
        &of_entry,
        &opened,
        &stations,
        &nobody,
        &EventFilter { until: Some(NOW.offset(140)), ..EventFilter::default() },
    ] {
        let (mut found, mut marks) = (Vec::new(), BTreeMap::new());
        loop {
            let part = home.open().newest_events_before(filter, &marks, 7).unwrap();
            let Some(_) = part.last() else { break };
            marks.extend(part.iter().map(|event| (event.id.writer, event.id.sequence)));
            found.extend(part);
        }
        found.reverse();
        assert_eq!(found, by_time(filter), "{filter:?}");
    }
    // A clock that went back is shown as it was signed.
    home.open_at(UnixTime::new(1)).retire(ids[1], None).unwrap();
    assert_eq!(by_time(&all).last().unwrap().time, UnixTime::new(1));
    assert_eq!(home.open().newest_events(&all, 1000).unwrap().len(), by_time(&all).len());
    let stopped = home.open().each_event_by_time(&all, |_| Err(EscrowError::Random));
    assert!(matches!(stopped, Err(EscrowError::Random)));
}

#[test]
fn events_are_handed_out_one_by_one_with_their_signatures() {
    let (home, ..) = grown();
    let escrow = home.open();
    let mut all = Vec::new();
    escrow
        .each_event::<EscrowError>(&EventFilter::default(), |event| {
            all.push(event);
            Ok(())
        })
        .unwrap();
    assert_eq!(all.len(), 9);
    for pair in all.windows(2).filter(|pair| pair[0].event.id.writer == pair[1].event.id.writer) {
        assert_eq!(pair[1].previous, pair[0].hash);
    }
    assert!(all.iter().all(|event| event.signature.len() == 128 && event.roster == 1));
    let sealed: Vec<_> =
        all.iter().flat_map(|event| &event.touched).filter(|touched| touched.digest.is_some()).collect();
    assert_eq!((sealed.len(), sealed[0].revision, sealed[0].facts.text("serial")), (2, 1, Some("0001")));
    // Whoever takes them may have had enough.
    let mut count = 0;
    let stopped = escrow.each_event(&EventFilter::default(), |_| {
        count += 1;
        if count == 4 { Err(EscrowError::Random) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(EscrowError::Random)) && count == 4);
    let newest = escrow.newest_events(&EventFilter::default(), 3).unwrap();
    let listed = escrow.events(&EventFilter::default()).unwrap();
    assert_eq!(newest, listed[listed.len() - 3..]);
    let labels: Vec<_> = escrow.writers().into_iter().map(|(_, label)| label).collect();
    assert!(labels.contains(&"alice".to_owned()) && labels.contains(&"desk-7".to_owned()));
}

/// A process that goes on remembers what it has verified, and finds among that only what is still the same.
#[test]
fn what_was_verified_before_is_compared_anew_each_time() {
    let home = Home::new();
    let escrow = home.open();
    let records = [record("0002", b"seed of an imported token"), record("0003", b"seed of another one")];
    let imports = records.each_ref().map(|record| Reservation { record, origin: Origin::Imported, batch: None });
    escrow.import(&imports, Facts::new().with("file", "tokens.csv")).unwrap();
    let opener = escrow.opener(home.officer()).unwrap();
    let [one, other] = ["0002", "0003"].map(|serial| escrow.find(&identity(serial)).unwrap().remove(0));
    let open = |entry: &Entry| opener.open(entry, &Disclosure::new(Purpose::CompareCode)).map(drop);
    for entry in [&one, &other, &one] {
        open(entry).unwrap();
    }
    let import = "SELECT writer, sequence FROM events WHERE kind = 'imported'";
    let touch = |serial: &str| {
        format!("entry = (SELECT id FROM entries WHERE serial = '{serial}') AND (writer, sequence) IN ({import})")
    };
    let own = touch("0002");
    for (table, column, forth, back) in [
        ("events", "time", "time + 1", "time - 1"),
        ("events", "uid", "uid + 1", "uid - 1"),
        ("events", "host", "host || 'x'", "substr(host, 1, length(host) - 1)"),
        ("events", "facts", "facts || ' '", "substr(facts, 1, length(facts) - 1)"),
        ("event_entries", "revision", "revision + 1", "revision - 1"),
        ("event_entries", "position", "position + 7", "position - 7"),
        ("event_entries", "facts", "facts || ' '", "substr(facts, 1, length(facts) - 1)"),
    ] {
        let row = if table == "events" { "kind = 'imported'" } else { own.as_str() };
        home.sql(&format!("UPDATE {table} SET {column} = {forth} WHERE {row}"));
        assert_eq!(open(&one).unwrap_err().code(), "store-damaged", "{column}");
        home.sql(&format!("UPDATE {table} SET {column} = {back} WHERE {row}"));
        open(&one).unwrap();
    }
    // What is said of another entry is for whoever opens that one, and for the check.
    home.sql(&format!("DELETE FROM event_entries WHERE {}", touch("0003")));
    open(&one).unwrap();
    assert_eq!(open(&other).unwrap_err().code(), "store-damaged");
    assert!(!escrow.check(None).unwrap().findings.is_empty());
    home.sql(&format!("UPDATE event_entries SET digest = zeroblob(32) WHERE {own}"));
    assert_eq!(open(&one).unwrap_err().code(), "store-damaged");
    home.sql("PRAGMA foreign_keys = OFF; DELETE FROM events WHERE kind = 'imported'");
    assert_eq!(open(&one).unwrap_err().code(), "store-damaged");
}
