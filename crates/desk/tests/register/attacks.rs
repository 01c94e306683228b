//! What strangers try at the register: guesses, replays, other people's MAC IDs, stolen keys.

use std::collections::HashSet;
use std::thread;

use crate::support::*;
use oathburn_desk::protocol::{Credentials, Introduction, Refusal};
use oathburn_desk::stations::*;
use oathburn_oath::Remedy as _;

const REQUEST: (&str, &str, &[u8]) = ("POST", "/api/station/v1/sign-out", b"{}");

/// Everybody guesses at once: from many addresses, at many stations, through three desks. What is judged in the life of the codes is
/// what the arithmetic allows, to the guess.
#[test]
fn guesses_from_everywhere_are_judged_ninety_times_in_a_codes_life() {
    let home = Home::new();
    let desks = [home.desk(), home.desk(), home.desk()];
    let macs = register(&desks[0], 40);
    let codes = desks[0].make_codes("alice", &macs, order(false)).unwrap().codes;
    assert_eq!(codes[0].code.length(), CodeLength::SHORTEST);
    let right: HashSet<_> = codes.iter().map(|one| one.code.shown().to_owned()).collect();
    let wrong: Vec<_> = (0..).map(|n| format!("{n:06}")).filter(|code| !right.contains(code)).take(50).collect();
    let attack = |round: u16| -> usize {
        thread::scope(|scope| {
            let attackers = desks.iter().zip(0_u16..).map(|(desk, who)| {
                let (home, wrong) = (&home, &wrong);
                scope.spawn(move || {
                    let machine = home.machine(0);
                    let judged = (0..40_u16).filter(|&n| {
                        let target = mac(u8::try_from((n * 3 + who) % 40 + 1).unwrap());
                        // Five guesses from each address.
                        let from = address(round * 1000 + who * 100 + n / 5);
                        let code = &wrong[usize::from(n)];
                        match refusal(desk.activate((target, &machine.keys()), code, from)) {
                            Refusal::CodeWrong => true,
                            Refusal::Throttled { retry_after } => {
                                assert!(retry_after > 0 && retry_after <= DAY);
                                false
                            }
                            other => panic!("{other}"),
                        }
                    });
                    judged.count()
                })
            });
            attackers.collect::<Vec<_>>().into_iter().map(|one| one.join().unwrap()).sum()
        })
    };
    assert_eq!(attack(1), 90);
    assert_eq!(desks[1].guesses_left(CodeLength::SHORTEST).unwrap(), 0);
    // Whoever comes later, and whatever they know: nothing is judged any more, not even the right code.
    assert_eq!(attack(2), 0);
    let late = home.machine(1);
    let code = codes.iter().find(|one| one.mac == mac(1)).unwrap().code.shown();
    assert!(matches!(refusal(late.activate(&desks[0], code, 9999)), Refusal::Throttled { .. }));
    home.pass(DAY - 1);
    assert!(matches!(refusal(late.activate(&desks[0], code, 9999)), Refusal::Throttled { .. }));
    // Long codes have a share of their own, and go on; so do login codes.
    let order = CodeOrder { length: CodeLength::new(10).unwrap(), ..order(false) };
    let long = desks[2].make_codes("alice", &[mac(1)], order).unwrap().codes;
    late.activate(&desks[1], long[0].code.shown(), 9999).unwrap();
    assert!(desks[0].offer_login(mac(77), &home.machine(77).keys(), address(1)).is_ok());
    home.pass(DAY + 1);
    assert_eq!(desks[0].guesses_left(CodeLength::SHORTEST).unwrap(), 90);
}

#[test]
fn one_address_is_stopped_before_it_stops_the_others() {
    let home = Home::new();
    let desk = home.desk();
    register(&desk, 2);
    let code = code_for(&desk, mac(1));
    let other = if code == "000000" { "000001" } else { "000000" };
    let machine = home.machine(1);
    let answers: Vec<_> = (0..12).map(|_| refusal(machine.activate(&desk, other, 7))).collect();
    assert_eq!(answers.iter().filter(|one| **one == Refusal::CodeWrong).count(), 9, "{answers:?}");
    // The office next door types its code.
    machine.activate(&desk, &code, 8).unwrap();
    // Right codes cost nothing: a hall full of machines is provisioned from one address.
    assert_eq!(desk.guesses_left(CodeLength::SHORTEST).unwrap(), 81);
}

/// Registered or not, with a code or without, another length: the answers are the same, and so is when they end.
#[test]
fn a_stranger_does_not_learn_which_machines_are_registered() {
    let home = Home::new();
    let desk = home.desk();
    register(&desk, 2);
    let code = code_for(&desk, mac(1));
    let typed = if code == "111111" { "222222" } else { "111111" };
    let answers = |number: u8, from: u16| -> Vec<Refusal> {
        let machine = home.machine(number);
        (0..11).map(|_| refusal(machine.activate(&desk, typed, from))).collect()
    };
    let waiting = answers(1, 1);
    assert_eq!(waiting, answers(2, 2), "registered, without a code");
    assert_eq!(waiting, answers(9, 3), "not registered");
    // Only the first could have hit.
    assert_eq!(desk.guesses_left(CodeLength::SHORTEST).unwrap(), 81);
    let request = |number: u8| {
        let machine = home.machine(number);
        refusal(desk.authenticate(&machine.signs((1, 1), &desk, REQUEST), REQUEST))
    };
    assert_eq!([request(1), request(9)], [Refusal::NotKnown; 2]);
}

/// A shared code that was used at one station is still good at others: asking there is a guess like any other.
#[test]
fn a_used_station_is_no_oracle_for_a_shared_code() {
    let home = Home::new();
    let desk = home.desk();
    let macs = register(&desk, 2);
    let code = desk.make_codes("alice", &macs, order(true)).unwrap().codes[0].code.shown().to_owned();
    home.machine(1).activate(&desk, &code, 1).unwrap();
    let before = desk.guesses_left(CodeLength::SHORTEST).unwrap();
    let other = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(refusal(home.machine(1).activate(&desk, other, 2)), Refusal::CodeWrong);
    assert_eq!(refusal(home.machine(1).activate(&desk, &code, 2)), Refusal::CodeUsed);
    assert_eq!(desk.guesses_left(CodeLength::SHORTEST).unwrap(), before - 2);
}

#[test]
fn a_request_is_taken_once_and_only_from_its_station() {
    let home = Home::new();
    let desk = home.desk();
    register(&desk, 2);
    let (one, other) = (home.machine(1), home.machine(2));
    one.activate(&desk, &code_for(&desk, mac(1)), 1).unwrap();
    other.activate(&desk, &code_for(&desk, mac(2)), 1).unwrap();
    let signed = one.signs((1, 5), &desk, REQUEST);
    let (station, _) = desk.authenticate(&signed, REQUEST).unwrap();
    assert_eq!(station.mac, mac(1));
    // Again, here and at another desk; and an older one that was held back.
    assert_eq!(refusal(desk.authenticate(&signed, REQUEST)), Refusal::Repeated { newest: 5 });
    assert_eq!(refusal(home.desk().authenticate(&signed, REQUEST)), Refusal::Repeated { newest: 5 });
    let older = one.signs((1, 4), &desk, REQUEST);
    assert_eq!(refusal(desk.authenticate(&older, REQUEST)), Refusal::Repeated { newest: 5 });
    // Somebody else's MAC ID, another body, another place, another generation.
    let posing = Credentials { mac: mac(1), ..other.signs((1, 6), &desk, REQUEST) };
    assert_eq!(refusal(desk.authenticate(&posing, REQUEST)), Refusal::NotKnown);
    let fresh = one.signs((1, 6), &desk, REQUEST);
    assert_eq!(refusal(desk.authenticate(&fresh, ("POST", REQUEST.1, b"{} "))), Refusal::NotKnown);
    assert_eq!(refusal(desk.authenticate(&fresh, ("POST", "/api/station/v1/reset", b"{}"))), Refusal::NotKnown);
    assert_eq!(refusal(desk.authenticate(&one.signs((0, 6), &desk, REQUEST), REQUEST)), Refusal::OldGeneration);
    desk.authenticate(&fresh, REQUEST).unwrap();
    // A stolen key, after the station was revoked.
    desk.revoke("alice", &[mac(1)]).unwrap();
    assert_eq!(refusal(desk.authenticate(&one.signs((2, 7), &desk, REQUEST), REQUEST)), Refusal::Revoked);
    assert_eq!(refusal(one.activate(&desk, "123456", 3)), Refusal::CodeWrong);
    desk.begin_anew("alice", &[mac(1)]).unwrap();
    assert_eq!(refusal(desk.authenticate(&one.signs((3, 8), &desk, REQUEST), REQUEST)), Refusal::NotKnown);
}

#[test]
fn of_the_same_request_at_many_desks_at_once_one_is_taken() {
    let home = Home::new();
    let desk = home.desk();
    register(&desk, 1);
    let machine = home.machine(1);
    machine.activate(&desk, &code_for(&desk, mac(1)), 1).unwrap();
    let signed = machine.signs((1, 1), &desk, REQUEST);
    let desks: Vec<_> = (0..4).map(|_| home.desk()).collect();
    let taken = thread::scope(|scope| {
        let running: Vec<_> =
            desks.iter().map(|desk| scope.spawn(|| desk.authenticate(&signed, REQUEST).is_ok())).collect();
        running.into_iter().map(|one| one.join().unwrap()).filter(|taken| *taken).count()
    });
    assert_eq!(taken, 1);
}

#[test]
fn only_who_has_both_keys_is_introduced() {
    let home = Home::new();
    let (desk, elsewhere) = (home.desk(), Home::new());
    let (machine, stranger) = (home.machine(1), home.machine(2));
    let challenge = desk.challenge(&machine.asks()).unwrap();
    let introduced = machine.introduced(&challenge);
    let check = |introduced: &Introduction, credentials: Credentials| {
        desk.check_introduction(introduced, &credentials, REQUEST)
    };
    let sign = |who: &Machine| who.signs((0, 1), &desk, REQUEST);
    check(&introduced, sign(&machine)).unwrap();
    // Any desk of the same escrow can judge it; another escrow cannot.
    home.desk().check_introduction(&introduced, &sign(&machine), REQUEST).unwrap();
    let foreign = elsewhere.desk();
    let theirs = machine.signs((0, 1), &foreign, REQUEST);
    assert_eq!(refusal(foreign.check_introduction(&introduced, &theirs, REQUEST)), Refusal::ChallengeStale);
    let stale = |introduced: &Introduction, credentials| {
        assert_eq!(refusal(check(introduced, credentials)), Refusal::ChallengeStale);
    };
    stale(&introduced, Credentials { mac: mac(1), ..sign(&stranger) });
    stale(&introduced, machine.signs((1, 1), &desk, REQUEST));
    stale(&Introduction { mac: mac(2), ..introduced.clone() }, sign(&machine));
    stale(&Introduction { answer: String::new(), ..introduced.clone() }, sign(&machine));
    let later = Introduction { issued_at: introduced.issued_at + 1, ..introduced.clone() };
    stale(&later, sign(&machine));
    // The recipient of one and the signing key of another.
    let mut mixed = machine.asks();
    mixed.keys.writer = stranger.keys().writer;
    let challenge = desk.challenge(&mixed).unwrap();
    let mut introduced_mixed = machine.introduced(&challenge);
    introduced_mixed.keys = mixed.keys;
    stale(&introduced_mixed, sign(&machine));
    home.pass(20 * 60);
    stale(&introduced, sign(&machine));
    let mut unsound = machine.asks();
    unsound.keys.recipient = "age1nonsense".into();
    assert_eq!(refusal(desk.challenge(&unsound)), Refusal::KeysRefused);
}

#[test]
fn a_login_code_lets_in_whom_the_admin_expects() {
    let home = Home::new();
    let desk = home.desk();
    let (machine, thief) = (home.machine(1), home.machine(1));
    let shown = desk.offer_login(machine.mac, &machine.keys(), address(1)).unwrap();
    assert_eq!((shown.expires_at, shown.code.plain().len()), (NOW + 900, 9));
    // Asked for again, it is the same; a stranger with the same MAC ID gets another and takes nothing away.
    assert_eq!(desk.offer_login(machine.mac, &machine.keys(), address(1)).unwrap(), shown);
    let other = desk.offer_login(thief.mac, &thief.keys(), address(2)).unwrap();
    assert_ne!(other.code, shown.code);
    let status = desk.login_status(machine.mac, &machine.keys()).unwrap();
    assert_eq!((status.shown.as_ref(), status.station), (Some(&shown), None));
    let (offer, station) = desk.find_login(&shown.code).unwrap().unwrap();
    assert_eq!((offer.mac, offer.address.as_str(), station), (mac(1), "203.0.0.1", None));
    let typed: LoginCode = shown.code.to_string().to_lowercase().parse().unwrap();
    assert_eq!(desk.accept_login("bob", &typed, None, "ulm").unwrap_err().code(), "location-needed");
    assert_eq!(desk.accept_login("bob", &typed, Some("Ulm"), " ").unwrap_err().code(), "account-refused");
    let station = desk.accept_login("bob", &typed, Some("Ulm"), "ulm").unwrap();
    assert_eq!((station.state, station.generation), (StationState::SignedIn, 1));
    assert!(station.is_activated_with(&machine.keys()));
    let status = desk.login_status(machine.mac, &machine.keys()).unwrap().station.unwrap();
    assert_eq!((status.state, status.operator.as_deref()), (StationState::SignedIn, Some("ulm")));
    // Used up; and the other one does not replace a station that works.
    assert_eq!(desk.accept_login("bob", &typed, Some("Ulm"), "ulm").unwrap_err().code(), "login-code-unknown");
    assert_eq!(desk.accept_login("bob", &other.code, None, "ulm").unwrap_err().code(), "station-not-now");
    desk.refuse_login("bob", &other.code).unwrap();
    assert_eq!(refusal(desk.login_status(thief.mac, &thief.keys())), Refusal::LoginCodeGone);
    assert_eq!(desk.refuse_login("bob", &other.code).unwrap_err().code(), "login-code-unknown");
    assert_eq!(
        "ACD-EFG-340".parse::<LoginCode>().map_err(RegisterError::from).unwrap_err().code(),
        "login-code-malformed"
    );
}

#[test]
fn a_login_code_lives_a_quarter_of_an_hour() {
    let home = Home::new();
    let desk = home.desk();
    let machine = home.machine(1);
    let shown = desk.offer_login(machine.mac, &machine.keys(), address(1)).unwrap();
    home.pass(899);
    assert!(desk.find_login(&shown.code).unwrap().is_some());
    home.pass(1);
    assert!(desk.find_login(&shown.code).unwrap().is_none());
    assert_eq!(desk.accept_login("bob", &shown.code, Some("Ulm"), "ulm").unwrap_err().code(), "login-code-unknown");
    assert_eq!(refusal(desk.login_status(machine.mac, &machine.keys())), Refusal::LoginCodeGone);
}

#[test]
fn the_desk_fetches_a_code_from_a_station_that_waits() {
    let home = Home::new();
    let desk = home.desk();
    register(&desk, 1);
    let machine = home.machine(1);
    machine.activate(&desk, &code_for(&desk, mac(1)), 1).unwrap();
    let status = || {
        let (station, version) = desk.get(mac(1)).unwrap().unwrap();
        desk.status(&station, version).unwrap()
    };
    assert!(!status().login_code_wanted);
    desk.fetch_login_codes("bob", &[mac(1)]).unwrap();
    assert!(status().login_code_wanted && status().shown.is_none());
    let (station, _) = desk.get(mac(1)).unwrap().unwrap();
    let shown = desk.offer_own_login(&station, address(1)).unwrap();
    assert_eq!(status().shown, Some(shown.clone()));
    let station = desk.accept_login("bob", &shown.code, None, "ulm").unwrap();
    assert_eq!((station.state, station.generation), (StationState::SignedIn, 1), "its keys stay");
    assert!(!status().login_code_wanted && status().shown.is_none());
    assert_eq!(refusal(desk.offer_own_login(&station, address(1))), Refusal::LoginCodeGone);
    // A code that was fetched before somebody revoked the station is worth nothing.
    desk.sign_out("bob", &[mac(1)]).unwrap();
    let (station, _) = desk.get(mac(1)).unwrap().unwrap();
    let shown = desk.offer_own_login(&station, address(1)).unwrap();
    desk.revoke("bob", &[mac(1)]).unwrap();
    assert_eq!(desk.accept_login("bob", &shown.code, None, "ulm").unwrap_err().code(), "login-code-unknown");
}

#[test]
fn a_flood_of_login_codes_is_dammed() {
    let home = Home::new();
    let desk = home.desk();
    let keys = home.machine(1).keys();
    let ask = |number: u8, from| desk.offer_login(mac(number), &keys, address(from));
    let given = (0..70).filter(|&number| ask(number, 1).is_ok()).count();
    assert_eq!(given, 60);
    assert_eq!(refusal(ask(99, 1)), Refusal::TooManyLoginCodes { retry_after: 900 });
    assert!(ask(99, 2).is_ok(), "others go on");
    home.pass(900);
    assert!(ask(98, 1).is_ok());
}
