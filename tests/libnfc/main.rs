//! The main job over the real libnfc and an emulated PN532: burns, tears, a chip that goes wrong, and two who want one
//! reader. What a token can do wrong is played through over both stacks by the fault matrix.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![cfg(feature = "libnfc")]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod burns;
mod chip;
mod tears;
mod worker;

use std::time::{Duration, Instant};

use support::{Desk, RESTRICTED};

/// A desk with a token on its reader `nfc0`.
fn desk_with(serial: &str) -> Desk {
    let desk = Desk::over_libnfc();
    desk.lab().insert("nfc0", &format!("token2-single serial={serial}")).unwrap();
    desk
}

/// What the chip was given, once it sleeps: the program does not wait for the answer to its good night, so that the chip
/// may hear it after the program has ended.
fn heard(desk: &Desk) -> Vec<(String, Option<String>)> {
    let given_up = Instant::now() + Duration::from_secs(10);
    loop {
        let log = desk.lab().chip_log("nfc0").unwrap();
        if log.last().is_some_and(|(last, _)| last == "16f0") || Instant::now() > given_up {
            return log;
        }
    }
}

/// Where in the conversation of an `identify` the chip is given commands of this kind, counted from 1.
fn places(desk: &Desk, command: &str) -> Vec<usize> {
    // The first time libnfc also writes registers, which keep what they were given.
    desk.run(&["identify"]).expect(0);
    heard(desk);
    desk.lab().command("chip nfc0 log clear").unwrap();
    desk.run(&["identify"]).expect(0);
    heard(desk)
        .iter()
        .enumerate()
        .filter(|(_, (one, _))| one.starts_with(command))
        .map(|(index, _)| index + 1)
        .collect()
}

/// A desk with a token whose seed goes when its clock is set.
fn desk() -> Desk {
    desk_with(RESTRICTED)
}
