//! What goes wrong between stations and their desk, with the real program at both ends.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use oathburn_desk::work::wire::{LeaseRequest, Outcome, Report, ReportRequest, ReportState, ReportedToken};
use oathburn_desk::work::{ConflictKind, Settlement, Worker};
use oathburn_escrow::StationKey;
use oathburn_oath::{Clock as _, FixedClock, SystemClock};
use serde_json::Value;

use crate::cut::Way;
use crate::hands::Hands;
use crate::office::{Office, run};
use crate::runs::{holds_no_seed, play, tokens};

/// How often the desk is killed.
const KILLS: u32 = 5;

/// A token for which there is no line while the desk is away is laid on again later.
pub(crate) fn back_into_the_box(hands: &mut Hands<'_>, event: &Value) {
    let refused = event["error"]["code"].as_str().filter(|_| event["event"] == "refused");
    if matches!(refused, Some("no-line-open" | "no-line-at-hand")) {
        hands.tokens.insert(0, event["serial"].as_str().unwrap().to_owned());
    }
}

#[test]
fn a_desk_killed_at_random_loses_nothing_and_does_nothing_twice() {
    let office = Office::open();
    let (one, two) = (office.station("00-1A-2B-3C-4D-01", "Ulm", 2), office.station("00-1A-2B-3C-4D-02", "Ulm", 2));
    let order = office.order(8, "Ulm");
    let (office, kills, begun) = (Mutex::new(office), AtomicU32::new(0), AtomicU32::new(0));
    let work = |station, first| {
        let mut hands = Hands::new(station, tokens(first, 8));
        let mut running = run(station, &["--ahead", "2"]);
        let mut lines = false;
        while let Some(event) = running.next() {
            if event["event"] == "lines" && !lines {
                lines = true;
                begun.fetch_add(1, Ordering::SeqCst);
            }
            // Wherever the stations are, once both have begun: at once, and then at about one event in six.
            let unlucky = kills.load(Ordering::SeqCst) == 0 || RandomState::new().hash_one(event.to_string()) % 6 == 0;
            if unlucky && begun.load(Ordering::SeqCst) == 2 && kills.fetch_add(1, Ordering::SeqCst) < KILLS {
                let mut office = office.lock().unwrap();
                office.kill();
                office.start();
            }
            back_into_the_box(&mut hands, &event);
            hands.obey(&event, &mut |_, _| {});
        }
        running.finish()
    };
    let (first, second) = thread::scope(|scope| {
        let (first, second) = (scope.spawn(|| work(&one, 1)), scope.spawn(|| work(&two, 101)));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!((first.0, second.0), (0, 0), "{first:#?} {second:#?}");
    assert_eq!(first.1["done"].as_u64().unwrap() + second.1["done"].as_u64().unwrap(), 8);
    assert!(kills.into_inner() > 0, "both have ended before both had begun");
    let office = office.into_inner().unwrap();
    assert_eq!(office.done(order, &[&one, &two]), 8);
    // No token has two entries, and there is nothing to look at.
    assert!(tokens(1, 8).chain(tokens(101, 8)).all(|serial| office.machine.count(&serial) <= 1));
    assert_eq!(office.core.conflicts(Some(order)).unwrap(), []);
    holds_no_seed(&one, tokens(1, 8));
}

#[test]
fn a_network_that_is_cut_between_report_and_answer_does_nothing_twice() {
    let office = Office::open();
    let way = Way::to(&office.address);
    let station = office.station_by(&format!("https://{}", way.address), "00-1A-2B-3C-4D-01", ("Ulm", 2));
    let order = office.order(6, "Ulm");
    let mut hands = Hands::new(&station, tokens(1, 6));
    let mut running = run(&station, &["--ahead", "6"]);
    let known = || office.core.order(order).unwrap().batch.counts.done;
    let (mut unheard, mut away, mut before) = (0, false, 0);
    // What the hands are to do once the desk is back: else all is burned while it is away, and nothing is left to be cut.
    let mut put_off = Vec::new();
    while let Some(event) = running.next() {
        match event["event"].as_str().unwrap() {
            // The report of this token arrives, and nobody hears that it did; unless something else was on its way.
            "step" if event["step"] == "reserved" && unheard < 3 && !away => {
                way.cut(true);
                before = known();
            }
            "desk-back" => away = false,
            "desk-away" => {
                away = true;
                unheard += u64::from(way.lost() > 0 && known() > before);
                way.cut(false);
            }
            _ => {}
        }
        // At one reader, so that one request is on its way at a time.
        if !event["reader"].as_str().is_some_and(|reader| reader.ends_with("00 01")) {
            put_off.push(event);
        }
        for event in if away { Vec::new() } else { std::mem::take(&mut put_off) } {
            hands.obey(&event, &mut |_, _| {});
        }
    }
    way.cut(false);
    let (code, summary, heard) = running.finish();
    assert!(unheard > 0, "{heard:#?}");
    assert_eq!((code, &summary["done"], &summary["untold"]), (0, &6.into(), &false.into()), "{heard:#?}");
    assert_eq!(office.done(order, &[&station]), 6);
    assert!(tokens(1, 6).all(|serial| office.machine.count(&serial) == 1));
    assert_eq!(office.core.conflicts(Some(order)).unwrap(), []);
}

#[test]
fn a_station_whose_lease_has_ended_at_the_desk_is_told_of_the_conflict() {
    let mut office = Office::open();
    let station = office.station("00-1A-2B-3C-4D-01", "Ulm", 2);
    let order = office.order(2, "Ulm");
    let mut running = run(&station, &["--ahead", "2"]);
    running.wait_for("waiting");
    office.end();
    station.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    running.wait_for("done");
    running.wait_for("take-off");
    // Another desk, whose clock is most of a day ahead: the lease has ended there, and another station gets the lines.
    let ahead = office.core_at(FixedClock(SystemClock.now().offset(20 * 3600)));
    let key = StationKey::create(&station.home().join("other.key")).unwrap();
    let other = Worker {
        station: "00-1A-2B-3C-4D-02".into(),
        location: "Ulm".into(),
        keys: key.public(),
        operator: Some("branch-Ulm".into()),
    };
    let answer = ahead.lease(&other, &LeaseRequest { lines: 2, ..LeaseRequest::default() }).unwrap();
    assert_eq!(answer.portions[0].lines.len(), 2);
    let token = ReportedToken {
        family: "token2-single".into(),
        serial: "8659622000101".into(),
        slot: "0".into(),
        manufacturer: Some("Token2".into()),
        model: Some("OTPC-P2-i".into()),
        drift_seconds: Some(0),
        burned_at: SystemClock.now().seconds(),
    };
    let (order_id, attempt) = (order.to_string(), "1".to_owned());
    let report =
        Report { order: order_id, line: 1, attempt, state: ReportState::Done, token: Some(token), error: None };
    let noted = ahead.report(&other, &ReportRequest { reports: vec![report] }).unwrap();
    assert_eq!(noted.taken[0].outcome, Outcome::Noted);
    // The first station comes back: its token is not lost, and not taken for the one that counts.
    office.start();
    let conflict = running.wait_for("conflict");
    assert_eq!((&conflict["line"], &conflict["serial"]), (&1.into(), &"8659622000001".into()));
    // The other line is another station's, too: what is laid on now gets nothing.
    running.wait_for("lines-closed");
    running.interrupt();
    let (code, _, heard) = running.finish();
    assert_eq!(code, 130, "{heard:#?}");
    let conflicts = office.core.conflicts(Some(order)).unwrap();
    let [(id, found)] = conflicts.as_slice() else { panic!("{conflicts:#?}") };
    assert_eq!((found.kind, found.serial.as_str(), found.burned), (ConflictKind::SecondToken, "8659622000001", true));
    assert_eq!(office.machine.newest("8659622000001")["state"], "unknown");
    office.core.settle("ann", id, Settlement::Retired, "it is in the shredder").unwrap();
    assert_eq!(office.machine.newest("8659622000001")["state"], "retired");
    assert_eq!(office.machine.newest("8659622000101")["state"], "programmed");
    // The file for Entra has the one that counts.
    let (file, count) = office.core.export_order("ann", order, "import").unwrap();
    assert_eq!(count, 1);
    assert!(String::from_utf8_lossy(&file).contains("8659622000101"));
    assert_eq!(office.machine.json(&["escrow", "check"])["ok"], true);
    assert_eq!(play(&station, std::iter::empty(), &["--wait", "1"]).1["done"], 0);
}
