//! What a chip can do wrong, and what is said of it.

use crate::{desk, places};

/// While it is opened.
#[test]
fn a_chip_that_does_not_work_is_not_opened() {
    let desk = desk();
    for fault in
        ["mute", "nack", "error-frame", "length-checksum", "data-checksum", "truncated len=6", "noise bytes=00"]
    {
        desk.lab().chip("nfc0", fault).unwrap();
        let run = desk.run(&["burn", "--json"]).expect(3);
        assert_eq!(run.error_code(), "reader-silent", "{fault}");
        assert!(run.json()["error"]["remedy"].as_str().unwrap().contains("HSU"));
        desk.lab().chip("nfc0", "clear").unwrap();
        desk.lab().chip("nfc0", "plug").unwrap();
    }
    desk.lab().chip("nfc0", "unplug").unwrap();
    assert_eq!(desk.run(&["burn", "--json"]).expect(3).error_code(), "reader-missing");
    assert!(desk.json(&["escrow", "list"]).as_array().unwrap().is_empty());
    desk.lab().chip("nfc0", "plug").unwrap();
    desk.run(&["burn"]).expect(0);
}

/// While a token is spoken to: the first command, before anything is reserved.
#[test]
fn a_fault_of_the_chip_is_not_the_tokens() {
    let desk = desk();
    for (fault, error) in [
        ("mute", "token-timeout"),
        ("slow ms=600000", "token-timeout"),
        ("nack", "reader-failed"),
        ("error-frame", "reader-failed"),
        ("length-checksum", "reader-failed"),
        ("data-checksum", "reader-failed"),
        ("noise bytes=00", "reader-failed"),
        ("data bytes=0e", "reader-failed"),
        ("vanish", "reader-lost"),
        ("data bytes=01", "token-timeout"),
        ("data bytes=29", "token-removed"),
        ("data bytes=27", "reader-failed"),
        ("data bytes=00", "token-removed"),
        ("data bytes=0090", "token-removed"),
        ("tear-before", "token-removed"),
    ] {
        desk.lab().chip("nfc0", &format!("{fault} cmd=40")).unwrap();
        let run = desk.run(&["identify", "--json", "--timeout", "1"]).expect(3);
        assert_eq!(run.error_code(), error, "{fault}");
        desk.lab().chip("nfc0", "clear").unwrap();
        desk.lab().chip("nfc0", "plug").unwrap();
        desk.lab().press("nfc0").unwrap();
        desk.run(&["identify"]).expect(0);
    }
    // Late, and right.
    desk.lab().chip("nfc0", "slow ms=200 cmd=40").unwrap();
    desk.run(&["identify"]).expect(0);
}

/// An answer of more than libnfc carries.
#[test]
fn an_answer_that_is_too_long_is_no_answer() {
    let desk = desk();
    let long = format!("00{}9000", "aa".repeat(259));
    desk.lab().chip("nfc0", &format!("data bytes={long} cmd=40")).unwrap();
    assert_eq!(desk.run(&["identify", "--json"]).expect(4).error_code(), "foreign-card");
    // The chip has more of it, and then more still.
    let place = places(&desk, "4001")[0];
    for (at, status) in [(place, "40"), (place + 1, "00")] {
        desk.lab().chip("nfc0", &format!("data bytes={status}{} at={at}", "aa".repeat(260))).unwrap();
    }
    assert_eq!(desk.run(&["identify", "--json"]).expect(3).error_code(), "reader-failed");
    desk.run(&["identify"]).expect(0);
}
