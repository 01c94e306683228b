#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::sync::Barrier;

use oathburn_escrow::{EventFilter, EventKind, Origin, Reservation};
use oathburn_oath::{FamilyId, Remedy as _, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, TotpParams};

use super::*;
use crate::helpdesk::{self, Grounds, Wanted};
use crate::testing::Home;

const REQUESTS: usize = 200;

fn token(desk: &Desk, number: usize) -> String {
    let record = TokenRecord {
        identity: TokenIdentity {
            family: FamilyId::new("token2-single").unwrap(),
            serial: SerialNumber::new(&format!("86596220{number:05}")).unwrap(),
            slot: Slot::SINGLE,
        },
        params: TotpParams::default().into(),
        seed: Seed::generate(20).unwrap(),
        manufacturer: None,
        model: None,
        upn: None,
        issuer: None,
    };
    desk.escrow.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None }).unwrap().to_string()
}

/// Asks for codes, all at once and at two desks: each by a clerk, of a token; says by whom and of which they were given.
fn ask(home: &Home, who: impl Fn(usize) -> (String, String) + Sync) -> Vec<(String, String)> {
    let (desks, start) = ([home.desk(), home.desk()], Barrier::new(REQUESTS));
    let one = |number: usize| {
        let (clerk, token) = who(number);
        let wanted = Wanted { at: None, past: 0, future: 0, on_token: false };
        let grounds = Grounds::new("token is in the post", "").unwrap();
        start.wait();
        match helpdesk::codes(&desks[number % 2], &clerk, &token, wanted, &grounds) {
            Ok(given) => Some((clerk, given.entry.id.to_string())).filter(|_| given.codes.len() == 1),
            Err(error) => {
                assert_eq!(error.code(), "throttled", "{error}");
                None
            }
        }
    };
    std::thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..REQUESTS).map(|number| scope.spawn(move || one(number))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Who was noted, for which token.
fn noted(desk: &Desk) -> Vec<(String, String)> {
    let filter = EventFilter { kind: Some(EventKind::CodeDisclosed), ..EventFilter::default() };
    let events = desk.escrow.events(&filter).unwrap();
    let one = |event: &oathburn_escrow::Event| (event.operator.clone().unwrap(), event.entries[0].to_string());
    events.iter().map(one).collect()
}

#[test]
fn a_clerks_limit_holds_exactly_whatever_comes_at_once() {
    let home = Home::new();
    let desk = home.desk();
    let tokens: Vec<_> = (0..20).map(|number| token(&desk, number)).collect();
    let mut given = ask(&home, |number| ("carol".into(), tokens[number % tokens.len()].clone()));
    assert_eq!(given.len(), 60);
    let mut noted = noted(&desk);
    given.sort();
    noted.sort();
    assert_eq!(given, noted);
    assert_eq!(desk.escrow.check(None).unwrap().findings, []);
}

#[test]
fn a_tokens_limit_holds_exactly_and_no_clerk_pays_for_what_others_asked() {
    let home = Home::new();
    let desk = home.desk();
    let (popular, other) = (token(&desk, 1), token(&desk, 2));
    let given = ask(&home, |number| (format!("clerk{number}"), popular.clone()));
    assert_eq!(given.len(), 20);
    let clerks: BTreeSet<_> = given.into_iter().map(|(clerk, _)| clerk).collect();
    assert_eq!(noted(&desk).into_iter().map(|(clerk, _)| clerk).collect::<BTreeSet<_>>(), clerks);
    // Tries are kept where something was given, and nowhere else.
    let counted = |name: &str| {
        let counted = crate::throttle::Rate::new("helpdesk codes clerk", 1, 3600).enter(&desk, name);
        counted.is_err()
    };
    assert!((0..REQUESTS).map(|number| format!("clerk{number}")).all(|name| counted(&name) == clerks.contains(&name)));
    assert!(token(&desk, 3) != other);
    assert_eq!(desk.escrow.verify_events().unwrap(), []);
}

#[test]
fn whoever_waits_for_one_who_panicked_is_told_and_the_next_goes_on() {
    let home = Home::new();
    let desk = home.desk();
    let begun = Barrier::new(2);
    let begun = Arc::new(begun);
    std::thread::scope(|scope| {
        let inside = Arc::clone(&begun);
        let panics = scope.spawn(|| {
            desk.together::<()>(move |_| {
                inside.wait();
                inside.wait();
                panic!("a test panics");
            })
        });
        begun.wait();
        // It comes while the other one writes, and is written after that.
        let waits = scope.spawn(|| desk.together(|together| Ok(together.now())));
        begun.wait();
        assert_eq!(panics.join().unwrap().unwrap_err().code(), "desk-broken");
        assert_eq!(waits.join().unwrap().unwrap(), desk.now());
    });
    assert_eq!(desk.together(|_| Ok(7)).unwrap(), 7);
}
