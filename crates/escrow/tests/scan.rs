//! Every seed is looked at, and nothing that was moved or changed is.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::num::NonZeroUsize;

use oathburn_escrow::*;

use self::support::*;

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn disclosure() -> Disclosure {
    Disclosure { facts: Facts::new().with("scope", "all"), ..Disclosure::new(Purpose::CompareCode) }
}

#[test]
fn every_seed_is_looked_at_once_in_whatever_state_and_session() {
    let home = Home::new();
    let mut ids = Vec::new();
    // Each process begins a session of its own, and an import is larger than a chunk.
    for process in 0..3_u8 {
        let escrow = home.open();
        let records: Vec<_> = (0..700_u16)
            .map(|number| record(&format!("{process}-{number}"), &[&[process][..], &number.to_be_bytes()].concat()))
            .collect();
        let reservations: Vec<_> =
            records.iter().map(|record| Reservation { record, origin: Origin::Imported, batch: None }).collect();
        ids.extend(escrow.import(&reservations, Facts::new()).unwrap());
    }
    let escrow = home.open();
    escrow.retire(ids[5], None).unwrap();
    let opener = escrow.opener(home.officer()).unwrap();
    let scan = opener.scan(&disclosure(), TWO, |seed, _| Some(seed.expose().to_vec())).unwrap();
    assert_eq!((scan.searched, scan.unopened.len()), (2100, 0));
    let found: Vec<_> = scan.found.iter().map(|(id, _)| *id).collect();
    ids.sort();
    assert_eq!(found, ids);
    let seeds: std::collections::HashSet<_> = scan.found.into_iter().map(|(_, seed)| seed).collect();
    assert_eq!(seeds.len(), 2100);

    // One event for all, which touches none.
    let filter = EventFilter { kind: Some(EventKind::CodeCompared), ..EventFilter::default() };
    let events = escrow.events(&filter).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].entries.len(), events[0].facts.text("scope")), (0, Some("all")));
    assert!(escrow.check(Some(&home.officer())).unwrap().is_sound());
}

#[test]
fn seals_that_were_changed_or_moved_are_named_and_not_looked_at() {
    let home = Home::new();
    let escrow = home.open();
    let ids: Vec<_> = (1..=4).map(|number| reserve(&escrow, &number.to_string(), &[number; 20])).collect();
    drop(escrow);
    let id = |index: usize| blob(ids[index].as_bytes());
    let len = home.blobs("SELECT ciphertext FROM entries")[0].len();
    home.sql(&format!("UPDATE entries SET ciphertext = {} WHERE id = {}", blob(&vec![0; len]), id(0)));
    // The second token's seal in the third one's row.
    let seal = format!("SELECT nonce, ciphertext FROM entries WHERE id = {}", id(1));
    home.sql(&format!("UPDATE entries SET (nonce, ciphertext) = ({seal}) WHERE id = {}", id(2)));
    let escrow = home.open();
    let opener = escrow.opener(home.officer()).unwrap();
    let scan = opener.scan(&disclosure(), TWO, |seed, _| Some(seed.expose()[0])).unwrap();
    assert_eq!(scan.unopened, [ids[0], ids[2]]);
    assert_eq!(scan.found, [(ids[1], 2), (ids[3], 4)]);
    assert_eq!(scan.searched, 2);
}

#[test]
fn a_session_that_nobody_signed_opens_nothing() {
    let home = Home::new();
    let entry = reserve(&home.open(), "1", &[1; 20]);
    home.sql(&format!("UPDATE sessions SET wrap = {}", blob(&[0; 200])));
    let escrow = home.open();
    let opener = escrow.opener(home.officer()).unwrap();
    let scan = opener.scan(&disclosure(), TWO, |_, _| Some(())).unwrap();
    assert_eq!((scan.unopened, scan.searched), (vec![entry], 0));
}

#[test]
fn strangers_do_not_scan_and_panics_come_through() {
    let home = Home::new();
    let escrow = home.open();
    reserve(&escrow, "1", &[1; 20]);
    assert!(matches!(escrow.opener(Officer::generate().unwrap()), Err(EscrowError::OfficerUnknown { .. })));
    let opener = escrow.opener(home.officer()).unwrap();
    let scan = || opener.scan(&disclosure(), TWO, |_, _| -> Option<()> { panic!("looked") });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(scan)).is_err());
}
