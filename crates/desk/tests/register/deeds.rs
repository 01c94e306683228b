//! Stations from their registration to their work, and what admins can do with them.

use std::thread;

use crate::support::*;
use oathburn_desk::protocol::Refusal;
use oathburn_desk::stations::*;
use oathburn_oath::Remedy as _;

use StationState as S;

fn state(desk: &Register, mac: MacId) -> S {
    desk.get(mac).unwrap().unwrap().0.state
}

#[test]
fn a_station_goes_its_way_and_every_deed_says_whose_it_was() {
    let home = Home::new();
    let desk = home.desk();
    let macs = register(&desk, 3);
    let code = code_for(&desk, mac(1));
    let machine = home.machine(1);
    assert_eq!(machine.activate(&desk, &code, 1).unwrap(), 1);
    assert_eq!(state(&desk, mac(1)), S::WaitingForSignIn);
    assert_eq!(desk.remove("alice", &[mac(1)]).unwrap().skipped[0].code(), "station-still-activated");
    let bulk = desk.sign_in("bob", &macs, "branches").unwrap();
    assert_eq!((bulk.done, bulk.skipped.len()), (vec![mac(1)], 2));
    assert!(bulk.skipped.iter().all(|error| error.code() == "station-not-now"), "{:?}", bulk.skipped);
    // Another desk sees it at once.
    let (station, _) = home.desk().get(mac(1)).unwrap().unwrap();
    assert_eq!((station.state, station.operator.as_deref()), (S::SignedIn, Some("branches")));
    desk.sign_out("bob", &macs).unwrap();
    desk.sign_in("bob", &[mac(1)], "branches").unwrap();
    desk.sign_out_itself(mac(1)).unwrap();
    desk.revoke("alice", &[mac(1)]).unwrap();
    desk.begin_anew("alice", &[mac(1)]).unwrap();
    let relocated = desk.relocate("alice", mac(9), "Ulm").unwrap_err();
    assert_eq!(relocated.code(), "station-not-registered");
    desk.relocate("alice", mac(1), "Ulm").unwrap();
    desk.remove("alice", &[mac(1), mac(9)]).unwrap();
    assert_eq!(desk.list().unwrap().len(), 2);
    let one = "001A2B3C4D01";
    let all = "001A2B3C4D01 001A2B3C4D02 001A2B3C4D03";
    let expected = [
        ("alice", "stations-added", all),
        ("alice", "verification-codes-made", one),
        ("station 00-1A-2B-3C-4D-01", "station-activated", one),
        ("bob", "stations-signed-in", one),
        ("bob", "stations-signed-out", one),
        ("bob", "stations-signed-in", one),
        ("station 00-1A-2B-3C-4D-01", "stations-signed-out", one),
        ("alice", "stations-revoked", one),
        ("alice", "stations-begun-anew", one),
        ("alice", "station-moved", one),
        ("alice", "stations-removed", one),
    ];
    let deeds = home.deeds();
    let found: Vec<_> = deeds.iter().map(|(who, what, which)| (who.as_str(), what.as_str(), which.as_str())).collect();
    assert_eq!(found, expected);
    assert!(home.escrow().verify_events().unwrap().is_empty());
}

#[test]
fn a_list_is_taken_whole_or_not_at_all() {
    let home = Home::new();
    let desk = home.desk();
    let add = |file: &str| desk.add_file("alice", file.as_bytes());
    assert_eq!(add("MAC ID,Location\n001a2b3c4d01,Ulm\n001a2b3c4d02,Bern\n").unwrap(), [mac(1), mac(2)]);
    let Err(RegisterError::Rows { problems }) = add("MAC ID,Location\n001a2b3c4d03,Graz\nprinter,\n") else { panic!() };
    let places: Vec<_> = problems.iter().map(|one| (one.row, one.column.as_deref(), one.fault.code())).collect();
    assert_eq!(places, [(3, Some("MAC ID"), "mac-id-malformed"), (3, Some("Location"), "location-missing")]);
    let again = add("MAC ID,Location\n001a2b3c4d03,Graz\n001a2b3c4d02,Bern\n").unwrap_err();
    assert_eq!(
        (again.code(), again.to_string().as_str()),
        ("stations-not-added", "1 cell or row of the list is wrong; no station was added")
    );
    let typed = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|&(mac, location)| (mac.to_owned(), location.to_owned())).collect();
        desk.add_typed("alice", &pairs)
    };
    let twice = typed(&[("001a2b3c4d03", "Graz"), ("", " "), ("00-1A-2B-3C-4D-03", "Linz")]).unwrap_err();
    let RegisterError::Rows { problems } = twice else { panic!("{twice}") };
    assert_eq!((problems[0].row, &problems[0].fault), (3, &StationsFault::MacTwice { first: 1 }));
    assert_eq!(typed(&[("", "")]).unwrap_err().code(), "mac-id-missing");
    assert_eq!(desk.list().unwrap().len(), 2, "nothing of a bad list is there");
    assert_eq!(typed(&[("", ""), ("001a2b3c4d03", "'=Graz")]).unwrap(), [mac(3)]);
}

#[test]
fn of_two_desks_that_register_a_machine_at_once_one_does() {
    let home = Home::new();
    let desks = [home.desk(), home.desk()];
    let results: Vec<_> = thread::scope(|scope| {
        let add = |desk: &Register| {
            desk.add_typed("alice", &[(mac(1).to_string(), "Ulm".into())]).map_err(|error| error.code())
        };
        let running: Vec<_> = desks.iter().map(|desk| scope.spawn(move || add(desk))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(results.contains(&Ok(vec![mac(1)])) && results.contains(&Err("stations-not-added")), "{results:?}");
    assert_eq!(desks[0].list().unwrap().len(), 1);
}

#[test]
fn codes_are_unique_or_shared_and_kept_only_as_digests() {
    let home = Home::new();
    let desk = home.desk();
    let macs = register(&desk, 60);
    let unique = desk.make_codes("alice", &macs, order(false)).unwrap().codes;
    let different: std::collections::HashSet<_> = unique.iter().map(|one| one.code.shown().to_owned()).collect();
    assert_eq!(different.len(), 60);
    // Sixty technicians mistype more often than six digits allow.
    assert!(unique.iter().all(|one| one.code.length().digits() == 7 && one.expires_at == NOW + DAY));
    let shared = desk.make_codes("alice", &macs[..9], order(true)).unwrap();
    assert!(shared.codes.iter().all(|one| one.code == shared.codes[0].code));
    assert!(shared.codes.is_sorted_by_key(|one| one.location.clone()));
    let debug = format!("{shared:?} {:?}", desk.list().unwrap());
    assert!(!debug.contains(shared.codes[0].code.shown()), "{debug}");
    desk.revoke("alice", &macs[..1]).unwrap();
    let skipped = desk.make_codes("alice", &macs[..2], order(false)).unwrap().skipped;
    assert_eq!(skipped.iter().map(oathburn_oath::Remedy::code).collect::<Vec<_>>(), ["station-not-now"]);
    let life = |life| desk.make_codes("alice", &macs, CodeOrder { life, ..order(false) }).unwrap_err().code();
    assert_eq!([life(599), life(30 * 24 * 3600 + 1)], ["verification-code-life"; 2]);
    assert_eq!(desk.make_codes("alice", &[], order(false)).unwrap_err().code(), "stations-none-selected");
    let many: Vec<_> = (0..=10_000_u32)
        .map(|n| {
            let [_, _, a, b] = n.to_be_bytes();
            MacId::new([2, 0, 0, 0, a, b]).unwrap()
        })
        .collect();
    assert_eq!(desk.sign_out("alice", &many).unwrap_err().code(), "stations-many-selected");
}

#[test]
fn a_code_is_good_once_for_its_station_and_its_time() {
    let home = Home::new();
    let desk = home.desk();
    let macs = register(&desk, 4);
    let codes = desk.make_codes("alice", &macs, order(true)).unwrap().codes;
    let code = codes[0].code.shown();
    let one = home.machine(1);
    one.activate(&desk, code, 1).unwrap();
    // Its answer was lost: the same keys are told again, whatever they type.
    assert_eq!(one.activate(&desk, code, 1).unwrap(), 1);
    assert_eq!(refusal(home.machine(1).activate(&desk, code, 1)), Refusal::CodeUsed);
    desk.revoke_codes("alice", &[mac(2)]).unwrap();
    assert_eq!(refusal(home.machine(2).activate(&desk, code, 1)), Refusal::CodeRevoked);
    assert_eq!(desk.revoke_codes("alice", &[mac(2)]).unwrap().skipped[0].code(), "station-without-code");
    let newer = code_for(&desk, mac(3));
    assert_eq!(refusal(home.machine(3).activate(&desk, code, 1)), Refusal::CodeWrong);
    home.machine(3).activate(&desk, &newer, 1).unwrap();
    home.pass(DAY);
    assert_eq!(refusal(home.machine(4).activate(&desk, code, 1)), Refusal::CodeExpired);
    assert_eq!(refusal(home.machine(9).activate(&desk, code, 1)), Refusal::CodeWrong);
    for typed in ["", "12345", "coffee", &"1".repeat(1000)] {
        assert_eq!(refusal(home.machine(4).activate(&desk, typed, 1)), Refusal::CodeWrong);
    }
}

#[test]
fn of_machines_that_use_a_code_at_once_one_is_activated() {
    let home = Home::new();
    let desk = home.desk();
    register(&desk, 1);
    let code = code_for(&desk, mac(1));
    let machines: Vec<_> = (0..4).map(|_| (home.machine(1), home.desk())).collect();
    let results: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = machines
            .iter()
            .map(|(machine, desk)| scope.spawn(|| machine.activate(desk, &code, 1).map_err(|error| error.code())))
            .collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    let (station, _) = desk.get(mac(1)).unwrap().unwrap();
    let winner = machines.iter().zip(&results).find(|(_, result)| result.is_ok()).unwrap().0;
    assert!(station.is_activated_with(&winner.0.keys()));
    assert_eq!(station.generation, 1);
}

#[test]
fn a_machine_set_up_anew_is_let_in_and_its_old_keys_are_not() {
    let home = Home::new();
    let desk = home.desk();
    register(&desk, 1);
    let old = home.machine(1);
    old.activate(&desk, &code_for(&desk, mac(1)), 1).unwrap();
    desk.sign_in("alice", &[mac(1)], "ulm").unwrap();
    let code = code_for(&desk, mac(1));
    let request = ("POST", "/x", b"".as_slice());
    // The new code alone changes nothing.
    desk.authenticate(&old.signs((1, 1), &desk, request), request).unwrap();
    let new = home.machine(1);
    assert_eq!(new.activate(&desk, &code, 1).unwrap(), 2);
    assert_eq!(state(&desk, mac(1)), S::WaitingForSignIn);
    assert_eq!(refusal(desk.authenticate(&old.signs((1, 2), &desk, request), request)), Refusal::NotKnown);
    // Counters begin again with the keys.
    desk.authenticate(&new.signs((2, 1), &desk, request), request).unwrap();
}

#[test]
fn everybody_who_waits_sees_a_change() {
    let home = Home::new();
    let (one, other) = (home.desk(), home.desk());
    let mut last = other.changes().unwrap();
    let mut changed = |what: &str| {
        let now = other.changes().unwrap();
        assert_ne!(now, last, "{what}");
        last = now;
    };
    register(&one, 1);
    changed("a station was added");
    let code = code_for(&one, mac(1));
    changed("a code was made");
    let machine = home.machine(1);
    machine.activate(&one, &code, 1).unwrap();
    changed("a station was activated");
    one.fetch_login_codes("alice", &[mac(1)]).unwrap();
    changed("a login code is wanted");
    let (station, _) = one.get(mac(1)).unwrap().unwrap();
    one.offer_own_login(&station, address(1)).unwrap();
    changed("a login code is shown");
    let before = other.changes().unwrap();
    let request = ("POST", "/x", b"".as_slice());
    one.authenticate(&machine.signs((1, 1), &one, request), request).unwrap();
    assert_eq!(other.changes().unwrap(), before, "that a station was heard of is no change");
    assert_eq!(one.list_seen().unwrap()[0].seen.as_ref().unwrap().at, NOW);
}
