//! Something happens at each frame between libnfc and the chip, from the first wake-up to the good night.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::Value;

use crate::support::{Desk, RESTRICTED, UNRESTRICTED};
use crate::{desk_with, heard};

/// What happens to the token, on both kinds of tokens: one loses its seed with its config.
const TEARS: [&str; 2] = ["tear-before", "tear-after"];
/// What happens to the chip or the line.
const CHIP: [&str; 10] = [
    "vanish",
    "mute",
    "no-reply",
    "nack",
    "error-frame",
    "length-checksum",
    "data-checksum",
    "truncated len=6",
    "noise bytes=00",
    "extra bytes=00ff00",
];

/// What went over the line in a burn that nothing disturbs.
fn frames(desk: &Desk) -> Vec<String> {
    // The first time libnfc also writes registers, which keep what they were given.
    desk.run(&["burn"]).expect(0);
    heard(desk);
    desk.lab().command("chip nfc0 log clear").unwrap();
    desk.run(&["burn", "--replace"]).expect(0);
    heard(desk).into_iter().map(|(command, _)| command).collect()
}

/// Whether a write reached the token since its log was cleared.
fn was_written(desk: &Desk) -> bool {
    desk.lab().log("nfc0").unwrap().iter().any(|(command, _)| command.starts_with("84"))
}

/// Burns while `fault` happens at one frame, and looks whether what is said of it is so.
fn play(desk: &Desk, serial: &str, fault: &str, at: usize) {
    let (lab, name) = (desk.lab(), format!("{fault} at frame {at} ({serial})"));
    let entries = desk.count(serial);
    let seed = lab.state("nfc0").unwrap()["seed"].clone();
    lab.command("log nfc0 clear").unwrap();
    lab.chip("nfc0", &format!("{fault} at={at}")).unwrap();
    let run = desk.run(&["burn", "--replace", "--json", "--timeout", "0.3"]);
    let json = run.json();
    let (written, after) = (was_written(desk), lab.state("nfc0").unwrap()["seed"].clone());
    let state = json["state"].as_str();
    match (run.code, state) {
        // What went wrong was over, or did no harm.
        (0, Some("programmed")) | (3, Some("unknown")) => {}
        (3, Some("reserved")) => assert!(!written && after == seed, "{name}: {run:?}"),
        (3, None) => assert!(!written && after == seed && desk.count(serial) == entries, "{name}: {run:?}"),
        _ => panic!("{name}: {run:?}"),
    }
    let newest = desk.newest(serial);
    if state.is_some() {
        assert_eq!((&newest["entry"], &newest["state"]), (&json["entry"], &json["state"]), "{name}");
    }
    lab.chip("nfc0", "clear").unwrap();
    lab.chip("nfc0", "plug").unwrap();
    lab.press("nfc0").unwrap();
    if matches!(state, Some("unknown" | "reserved")) {
        // The same token again finishes it, with the same entry.
        assert_eq!(desk.json(&["burn"])["entry"], json["entry"], "{name}");
    }
    if newest != Value::Null {
        assert!(desk.shows("nfc0", &newest["entry"]), "{name}");
    }
}

#[test]
fn nothing_at_any_frame_of_a_burn_makes_us_lie() {
    let tears = TEARS.iter().flat_map(|fault| [(RESTRICTED, *fault), (UNRESTRICTED, *fault)]);
    let jobs: VecDeque<_> = tears.chain(CHIP.iter().map(|fault| (RESTRICTED, *fault))).collect();
    let jobs = Mutex::new(jobs);
    let work = || {
        let next = || jobs.lock().unwrap().pop_front();
        while let Some((serial, fault)) = next() {
            let desk = desk_with(serial);
            let frames = frames(&desk);
            // It is the whole story: opening, finding, eight commands, closing.
            let commands = frames.iter().filter(|frame| frame.starts_with("4001")).count();
            assert!(commands == 8 && frames.len() > 20 && frames.last().unwrap() == "16f0", "{frames:?}");
            for at in 1..=frames.len() {
                play(&desk, serial, fault, at);
            }
            assert_eq!(desk.json(&["escrow", "check"])["ok"], true, "{fault}");
            assert_eq!(desk.json(&["escrow", "audit", "verify"])["ok"], true, "{fault}");
        }
    };
    // Most of the time is libnfc's, which waits 50 ms at each start.
    std::thread::scope(|scope| {
        for worker in [(); 8].map(|()| scope.spawn(work)) {
            worker.join().unwrap();
        }
    });
}
