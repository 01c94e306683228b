//! Runs of stations.

use std::collections::BTreeSet;
use std::thread;

use crate::hands::Hands;
use crate::office::{Office, run};
use crate::support::{Desk, files};

pub(crate) fn tokens(first: usize, count: usize) -> impl Iterator<Item = String> {
    (first..first + count).map(|number| format!("8659622{number:06}"))
}

/// Runs a station to its end with willing hands.
pub(crate) fn play(
    station: &Desk,
    tokens: impl Iterator<Item = String>,
    arguments: &[&str],
) -> (i32, serde_json::Value) {
    let mut hands = Hands::new(station, tokens);
    let mut running = run(station, arguments);
    while let Some(event) = running.next() {
        hands.obey(&event, &mut |_, _| {});
    }
    let (code, summary, heard) = running.finish();
    assert!(heard.iter().all(|event| event["event"] != "conflict"), "{heard:#?}");
    (code, summary)
}

/// No file of a station holds a seed that any of its tokens got, in any form.
pub(crate) fn holds_no_seed(station: &Desk, serials: impl Iterator<Item = String>) {
    let all: Vec<u8> = files(&station.folder()).iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    for serial in serials {
        let Ok(state) = station.lab().command(&format!("state token {serial} --with-seed")) else { continue };
        let Some(hex) = state["seed"].as_str().filter(|seed| !seed.is_empty()) else { continue };
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        let base32 = data_encoding::BASE32_NOPAD.encode(&bytes);
        for form in [hex.as_bytes(), base32.as_bytes(), &bytes] {
            assert!(!all.windows(form.len()).any(|window| window == form), "the seed of {serial} is in a file");
        }
    }
}

#[test]
fn two_stations_burn_one_order_and_no_line_twice() {
    let office = Office::open();
    let (one, two) = (office.station("00-1A-2B-3C-4D-01", "Ulm", 2), office.station("00-1A-2B-3C-4D-02", "Ulm", 2));
    let elsewhere = office.station("00-1A-2B-3C-4D-03", "Bern", 1);
    let order = office.order(8, "Ulm");
    // A station at another place has nothing to do.
    let nothing = run(&elsewhere, &[]).finish();
    assert_eq!((nothing.0, &nothing.1["end"], &nothing.1["done"]), (0, &"finished".into(), &0.into()));
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| play(&one, tokens(1, 8), &["--ahead", "2"]));
        let second = scope.spawn(|| play(&two, tokens(101, 8), &["--ahead", "2"]));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!((first.0, second.0), (0, 0), "{first:?} {second:?}");
    assert_eq!(first.1["done"].as_u64().unwrap() + second.1["done"].as_u64().unwrap(), 8);
    assert_eq!((&first.1["left"], &first.1["untold"]), (&0.into(), &false.into()));
    assert_eq!(office.done(order, &[&one, &two]), 8);
    assert_eq!(office.machine.json(&["batch", "status", &order.to_string()])[0]["state"], "finished");
    holds_no_seed(&one, tokens(1, 8));
    holds_no_seed(&two, tokens(101, 8));
    // Who did it: the station, and the account that it acts for.
    let events = office.machine.json(&["escrow", "audit", "list", "--kind", "programmed"]);
    assert!(events.as_array().unwrap().iter().all(|event| event["operator"] == "branch-Ulm"), "{events}");
    // A token that is done at one station is left alone at the other.
    office.order(1, "Ulm");
    let used = tokens(1, 8).find(|serial| one.lab().command(&format!("state token {serial}")).is_ok()).unwrap();
    for reader in 0..2 {
        // What lay there last was not taken off.
        let _ = two.lab().remove(reader);
    }
    let mut again = run(&two, &[]);
    again.wait_for("waiting");
    two.lab().insert(0, &format!("token2-single serial={used}")).unwrap();
    assert_eq!(again.wait_for("refused")["error"]["code"], "token-in-use-elsewhere");
    again.interrupt();
    again.finish();
}

#[test]
fn a_station_goes_on_without_its_desk_and_tells_when_it_is_back() {
    let mut office = Office::open();
    let station = office.station("00-1A-2B-3C-4D-01", "Ulm", 2);
    let order = office.order(4, "Ulm");
    let mut hands = Hands::new(&station, tokens(1, 4));
    let mut running = run(&station, &["--ahead", "10"]);
    let (mut done, mut away, mut back) = (0, false, false);
    while let Some(event) = running.next() {
        match event["event"].as_str().unwrap() {
            "done" => {
                done += 1;
                if done == 1 {
                    office.kill();
                }
            }
            "desk-away" => away = true,
            _ => {}
        }
        if (done, away, back) == (4, true, false) {
            // One report may tell of what both readers did.
            assert!(office.done(order, &[&station]) <= 2);
            office.start();
            back = true;
        }
        hands.obey(&event, &mut |_, _| {});
    }
    let (code, summary, heard) = running.finish();
    assert_eq!((code, &summary["done"]), (0, &4.into()), "{heard:#?}");
    assert!(heard.iter().any(|event| event["event"] == "desk-back"), "{heard:#?}");
    assert_eq!(office.done(order, &[&station]), 4);
}

#[test]
fn what_the_desk_could_not_be_told_is_told_by_the_next_run() {
    let mut office = Office::open();
    let station = office.station("00-1A-2B-3C-4D-01", "Ulm", 2);
    let order = office.order(4, "Ulm");
    let mut running = run(&station, &["--ahead", "3", "--keep"]);
    running.wait_for("waiting");
    office.end();
    station.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    // How far the order is, and for how many tokens there is a line here without the desk.
    let done = running.wait_for("done");
    assert_eq!((&done["done"], &done["left"], &done["at_hand"]), (&1.into(), &3.into(), &2.into()), "{done}");
    running.wait_for("take-off");
    running.interrupt();
    let (code, summary, _) = running.finish();
    assert_eq!((code, &summary["untold"]), (130, &true.into()), "{summary}");
    station.lab().remove(0).unwrap();
    // The next one begins without a desk, too: it has two lines at hand.
    let mut running = run(&station, &["--ahead", "3"]);
    running.wait_for("desk-away");
    running.wait_for("waiting");
    for serial in tokens(2, 2) {
        station.lab().insert(0, &format!("token2-single serial={serial}")).unwrap();
        running.wait_for("done");
        running.wait_for("take-off");
        station.lab().remove(0).unwrap();
    }
    // Whether there is a line for another one nobody can say: it is not put away.
    station.lab().insert(0, "token2-single serial=8659622000004").unwrap();
    let refused = running.wait_for("refused");
    assert_eq!(refused["error"]["code"], "no-line-at-hand");
    assert!(refused["error"]["remedy"].as_str().unwrap().contains("when the desk answers"), "{refused}");
    running.wait_for("take-off");
    office.start();
    running.wait_for("desk-back");
    running.interrupt();
    running.finish();
    assert_eq!(office.done(order, &[&station]), 3);
    // What was not begun was given back.
    let (code, summary) = {
        station.lab().remove(0).unwrap();
        // Another token: of two with one serial number nobody could say which shows its code.
        play(&station, tokens(5, 1), &[])
    };
    assert_eq!((code, &summary["done"]), (0, &1.into()));
    assert_eq!(office.done(order, &[&station]), 4);
}

#[test]
fn killed_at_any_moment_it_goes_on_where_it_was() {
    let office = Office::open();
    let station = office.station("00-1A-2B-3C-4D-01", "Ulm", 2);
    let order = office.order(4, "Ulm");
    let mut hands = Hands::new(&station, tokens(1, 4));
    for moment in ["reserved", "config-written", "seed-written", "programmed"] {
        let mut running = run(&station, &["--ahead", "4"]);
        while let Some(event) = running.next() {
            if event["step"] == moment {
                break;
            }
            hands.obey(&event, &mut |_, _| {});
        }
        running.kill();
        hands.clear(&BTreeSet::new());
    }
    let mut running = run(&station, &["--ahead", "4"]);
    while let Some(event) = running.next() {
        hands.obey(&event, &mut |_, _| {});
    }
    let (code, summary, heard) = running.finish();
    assert_eq!(code, 0, "{summary} {heard:#?}");
    assert_eq!(office.done(order, &[&station]), 4);
    holds_no_seed(&station, tokens(1, 4));
}

#[test]
fn a_station_that_may_not_work_is_told_why() {
    let office = Office::open();
    let station = office.station("00-1A-2B-3C-4D-01", "Ulm", 2);
    let order = office.order(3, "Ulm");
    let mac = ["00-1A-2B-3C-4D-01".parse().unwrap()];
    // Signed out in the middle: what was burned is told all the same, and nothing more comes.
    let mut running = run(&station, &[]);
    running.wait_for("waiting");
    station.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    running.wait_for("done");
    office.core.register().sign_out("ann", &mac).unwrap();
    station.lab().insert(1, "token2-single serial=8659622000002").unwrap();
    running.wait_for("desk-stops");
    let (code, _, heard) = running.finish();
    assert_eq!(code, 8, "{heard:#?}");
    let done = heard.iter().filter(|event| event["event"] == "done").count();
    assert_eq!(office.done(order, &[&station]), done);
    let refused = station.run(&["--json", "station", "run"]).expect(8);
    assert_eq!(refused.error_code(), "station-signed-out");
    let stranger = Desk::without_escrow(1);
    assert_eq!(stranger.run(&["--json", "station", "run"]).expect(6).error_code(), "station-not-provisioned");
    // Two programs would burn the same lines.
    office.core.register().sign_in("ann", &mac, "branch-ulm").unwrap();
    let mut running = run(&station, &[]);
    running.wait_for("waiting");
    assert_eq!(station.run(&["--json", "station", "run"]).expect(7).error_code(), "work-taken");
    running.interrupt();
    assert_eq!(running.finish().0, 130);
}
