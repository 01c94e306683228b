//! The escrow as its keepers use it, through the program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod entries;
mod reveal;
mod trail;
mod whole;

use std::fs;

use support::Desk;

/// The seed of RFC 6238, appendix B, and what it shows at 59 s.
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// A desk without readers, with an escrow.
fn desk() -> Desk {
    let desk = Desk::without_readers();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    desk
}

/// Adds a token, and says which entry it has.
fn add(desk: &Desk, serial: &str, more: &[&str]) -> String {
    let file = desk.home().join(format!("{serial}.seed"));
    fs::write(&file, format!("3132333435363738393031323334353637383930{}", hex(serial))).unwrap();
    let file = file.display().to_string();
    let arguments = ["escrow", "add", "--serial", serial, "--seed-file", &file, "--encoding", "hex"];
    let added = desk.json(&[&arguments, more].concat());
    added["entry"].as_str().unwrap().to_owned()
}

fn hex(text: &str) -> String {
    data_encoding::HEXLOWER.encode(text.as_bytes())
}
