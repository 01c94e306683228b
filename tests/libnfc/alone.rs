//! Two who want one reader.

use oathburn_emulator::LabOptions;

use crate::desk;
use crate::support::{Desk, RESTRICTED, UNRESTRICTED};

#[test]
fn of_two_one_gets_the_reader_and_one_is_told() {
    let desk = desk();
    desk.lab().fault("nfc0", "slow ms=600000 at=3").unwrap();
    let first = desk.spawn(&["burn", "--json", "--timeout", "600"]);
    desk.lab().command("await nfc0 at=3").unwrap();
    let frames = desk.lab().chip_log("nfc0").unwrap().len();
    let second = desk.run(&["burn", "--json", "--wait", "60"]).expect(3);
    assert_eq!(second.error_code(), "reader-busy");
    assert!(second.json()["error"]["message"].as_str().unwrap().contains("another program holds the reader"));
    // In a list it is there, and nobody knows what lies on it.
    let listed = desk.json(&["readers"]);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["token_present"]), (1, &serde_json::Value::Null));
    assert!(desk.run(&["readers"]).expect(0).stdout.contains("unknown"));
    assert_eq!(desk.lab().chip_log("nfc0").unwrap().len(), frames, "the first was disturbed");
    desk.lab().remove("nfc0").unwrap();
    assert_eq!(first.finish().expect(3).error_code(), "token-removed");
    assert_eq!(desk.newest(RESTRICTED)["state"], "reserved");
    desk.lab().press("nfc0").unwrap();
    desk.run(&["burn"]).expect(0);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn a_reader_is_free_when_its_user_was_killed() {
    let desk = desk();
    desk.lab().fault("nfc0", "slow ms=600000 at=7").unwrap();
    let burn = desk.spawn(&["burn", "--timeout", "600"]);
    desk.lab().command("await nfc0 at=7").unwrap();
    burn.kill();
    let entry = desk.newest(RESTRICTED);
    assert_eq!(entry["state"], "reserved");
    assert_eq!(desk.json(&["burn"])["entry"], entry["entry"]);
    assert!(desk.shows("nfc0", &entry["entry"]));
}

#[test]
fn two_readers_burn_at_the_same_time() {
    let desk = Desk::with(LabOptions { readers: 0, nfc: 2 });
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    let selectors: Vec<_> = desk.lab().connstrings().iter().map(|name| format!("libnfc:{name}")).collect();
    for (reader, serial) in [("nfc0", RESTRICTED), ("nfc1", UNRESTRICTED)] {
        desk.lab().insert(reader, &format!("token2-single serial={serial}")).unwrap();
        desk.lab().fault(reader, "slow ms=600000 at=8").unwrap();
    }
    let burns: Vec<_> =
        selectors.iter().map(|one| desk.spawn(&["burn", "--json", "--timeout", "600", "--reader", one])).collect();
    // Both are in their last command at once; then one of the tokens leaves.
    let mut burns: std::collections::VecDeque<_> = burns.into();
    for reader in ["nfc0", "nfc1"] {
        if let Err(error) = desk.lab().command(&format!("await {reader} at=8")) {
            panic!("{error}: {:#?}", burns.remove(usize::from(reader == "nfc1")).unwrap().finish());
        }
        desk.lab().remove(reader).unwrap();
        desk.lab().press(reader).unwrap();
    }
    for (burn, (selector, serial)) in burns.into_iter().zip(selectors.iter().zip([RESTRICTED, UNRESTRICTED])) {
        let json = burn.finish().expect(3).json();
        assert_eq!(json["state"], "unknown");
        let again = desk.json(&["burn", "--reader", selector]);
        assert_eq!((&again["entry"], &again["serial"]), (&json["entry"], &serial.into()));
    }
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}
