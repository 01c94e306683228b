//! Imports of what the escrow may have already.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::sync::Barrier;

use oathburn_escrow::*;
use oathburn_oath::TokenRecord;
use support::*;

fn import_new(escrow: &Escrow, records: &[TokenRecord]) -> Vec<Result<EntryId, Known>> {
    let one = |record| Reservation { record, origin: Origin::Imported, batch: None };
    escrow.import_new(&records.iter().map(one).collect::<Vec<_>>(), Facts::new().with("file", "tokens.csv")).unwrap()
}

#[test]
fn what_is_there_is_left_out_and_named() {
    let home = Home::new();
    let escrow = home.open();
    let mut first = record("0001", b"the first seed of all");
    first.manufacturer = Some("Feitian".into());
    let Ok(id) = import_new(&escrow, std::slice::from_ref(&first)).remove(0) else { panic!("it is new") };
    assert_eq!(escrow.entry(&id.to_string()).unwrap().manufacturer.as_deref(), Some("Feitian"));
    let others = [
        record("0002", b"a second seed for it"),
        record("0001", b"another seed for it"),
        record("0003", b"the first seed of all"),
        first,
        record("0004", b"a fourth seed for it"),
    ];
    let outcome = import_new(&escrow, &others);
    let [Ok(second), Err(Known::TokenOf(of)), Err(Known::SeedOf(seed_of, token)), Err(Known::Same(same)), Ok(fourth)] =
        outcome.as_slice()
    else {
        panic!("{outcome:?}");
    };
    assert_eq!((of, seed_of, same, &**token), (&id, &id, &id, &identity("0001")));
    // Each of the others got the entry that is its own.
    for (entry, serial) in [(second, "0002"), (fourth, "0004")] {
        assert_eq!(escrow.entry(&entry.to_string()).unwrap().identity, identity(serial));
    }
    let events = escrow.events(&EventFilter::default()).unwrap().len();
    assert!(import_new(&escrow, &others).iter().all(Result::is_err));
    assert_eq!(escrow.events(&EventFilter::default()).unwrap().len(), events);
    // What is out of use may come again.
    escrow.retire(id, None).unwrap();
    assert!(import_new(&escrow, &others[3..4])[0].is_ok());
    assert_eq!(escrow.entries(&Filter::default()).unwrap().len(), 4);
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
}

/// Each of them has looked, and found nothing, before any of them writes.
#[test]
fn of_those_who_import_one_file_at_the_same_time_one_gets_each_token() {
    let home = Home::new();
    let records: Vec<_> =
        (0..20).map(|n| record(&format!("{n:04}"), format!("seed number {n:08}").as_bytes())).collect();
    let start = Barrier::new(3);
    let import = || {
        let escrow = home.open();
        assert!(escrow.known(&records.iter().collect::<Vec<_>>()).unwrap().iter().all(|one| *one == Known::Nothing));
        start.wait();
        import_new(&escrow, &records)
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads = [(); 3].map(|()| scope.spawn(import));
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for number in 0..records.len() {
        let entries: Vec<_> = all.iter().filter_map(|outcome| outcome[number].as_ref().ok()).collect();
        let [entry] = entries.as_slice() else { panic!("{number}: {entries:?}") };
        let others = all.iter().filter_map(|outcome| outcome[number].as_ref().err());
        assert!(others.eq([&Known::Same(**entry); 2]), "{number}");
    }
    let escrow = home.open();
    assert_eq!(escrow.entries(&Filter::default()).unwrap().len(), records.len());
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
}

/// The second has looked, and found nothing, before the first one writes: both hold an escrow that is open.
#[test]
fn a_seed_that_was_taken_meanwhile_is_refused() {
    let home = Home::new();
    let (one, two) = (home.open(), home.open());
    let first = reserve(&one, "0001", b"the first seed of all");
    let mine = record("0002", b"the first seed of all");
    let error = two.reserve(&Reservation { record: &mine, origin: Origin::Given, batch: None }).unwrap_err();
    assert!(matches!(&error, EscrowError::SeedTaken { entry, .. } if *entry == first), "{error}");
    // For its own token once more it is no duplicate, nor when the other is out of use.
    let again = reserve(&two, "0001", b"the first seed of all");
    for entry in [first, again] {
        one.retire(entry, None).unwrap();
    }
    reserve(&two, "0002", b"the first seed of all");
    assert!(one.check(Some(&home.officer)).unwrap().is_sound());
}

#[test]
fn a_token_that_was_added_meanwhile_is_replaced_on_purpose_only() {
    let home = Home::new();
    let (one, two) = (home.open(), home.open());
    let add = |escrow: &Escrow, serial: &str, seed: &[u8], origin, replace| {
        let record = record(serial, seed);
        let reservation = Reservation { record: &record, origin, batch: None };
        escrow.add(&reservation, &Annotation::default(), replace, None)
    };
    let (first, _) = add(&one, "0001", b"a first seed for it.", Origin::Imported, false).unwrap();
    let error = add(&two, "0001", b"a second seed for it", Origin::Imported, false).unwrap_err();
    assert!(matches!(&error, EscrowError::TokenTaken { entry, .. } if *entry == first), "{error}");
    // Nor may a seed come twice, whatever is to be replaced.
    for (serial, origin) in [("0001", Origin::Imported), ("0002", Origin::Imported), ("0002", Origin::Given)] {
        let error = add(&two, serial, b"a first seed for it.", origin, true).unwrap_err();
        assert!(matches!(&error, EscrowError::SeedTaken { entry, .. } if *entry == first), "{error}");
    }
    // A burn that is to come takes nothing away yet.
    let (reserved, none) = add(&two, "0001", b"a third seed for it.", Origin::Given, false).unwrap();
    assert_eq!(none, []);
    let (last, mut gone) = add(&two, "0001", b"a second seed for it", Origin::Imported, true).unwrap();
    gone.sort_unstable();
    assert_eq!(gone, [first, reserved]);
    let state = |id: EntryId| one.entry(&id.to_string()).unwrap().state;
    assert_eq!(
        [first, reserved, last].map(state),
        [EntryState::Superseded, EntryState::Superseded, EntryState::Imported]
    );
    assert!(one.check(Some(&home.officer)).unwrap().is_sound());
}
