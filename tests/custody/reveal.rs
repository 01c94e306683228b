//! Seeds are shown to whoever asks for them by name, and never by the way.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::{SEED, desk};

#[test]
fn a_seed_goes_where_it_was_asked_to_go_and_each_time_it_is_noted() {
    let desk = desk();
    let uri = format!("otpauth://totp/ACME:bob@example.com?secret={SEED}&issuer=ACME");
    desk.run_with(&["escrow", "add", "--serial", "1001", "--seed-file", "-"], &uri).expect(0);
    let reveal =
        |more: &[&str]| desk.run(&[&["escrow", "reveal", "--serial", "1001", "--reason", "moving"], more].concat());
    // A pipe is not meant unless it is named, and then nothing is noted.
    let run = reveal(&["--json"]).expect(8);
    assert_eq!(run.error_code(), "seed-to-pipe");
    assert!(desk.json(&["escrow", "audit", "list", "--kind", "revealed"]).as_array().unwrap().is_empty());
    assert_eq!(reveal(&["--out", "-"]).expect(0).stdout, format!("{SEED}\n"));
    let hex = "3132333435363738393031323334353637383930";
    assert_eq!(reveal(&["--out", "-", "--to", "hex"]).expect(0).stdout, format!("{hex}\n"));
    let shown = reveal(&["--out", "-", "--to", "otpauth", "--json"]).expect(0).json();
    let seed = shown["seed"].as_str().unwrap();
    assert!(seed.starts_with("otpauth://totp/ACME:bob@example.com?secret=") && seed.contains(SEED), "{seed}");
    assert_eq!((&shown["serial"], &shown["form"]), (&"1001".into(), &"otpauth".into()));

    let file = desk.home().join("seed.txt");
    let name = file.display().to_string();
    let run = reveal(&["--out", &name, "--json"]).expect(0);
    assert!(!run.stdout.contains(SEED) && run.json()["file"] == name.as_str());
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{SEED}\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // Nothing is written over, nothing half is left, and what was not shown is not noted.
    assert_eq!(reveal(&["--out", &name, "--json"]).expect(7).error_code(), "seed-out");
    let other = desk.home().join("other.txt").display().to_string();
    assert_eq!(
        reveal(&["--out", &other, "--identity", "/nowhere", "--json"]).expect(6).error_code(),
        "key-file-missing"
    );
    assert!(!desk.home().join("other.txt").exists());
    for wrong in [&["escrow", "reveal", "1001"][..], &["escrow", "reveal", "--serial", "1001", "--reason", " "]] {
        assert_eq!(desk.run(&[wrong, &["--json"]].concat()).expect(2).error_code(), "usage");
    }
    let noted = desk.json(&["escrow", "audit", "list", "--kind", "revealed"]);
    let to: Vec<_> = noted.as_array().unwrap().iter().map(|event| event["facts"]["to"].as_str().unwrap()).collect();
    assert_eq!(to, ["stdout", "stdout", "stdout", "file"]);
    assert!(noted.as_array().unwrap().iter().all(|event| event["reason"] == "moving"));
    assert!(!noted.to_string().contains(SEED));
}

#[test]
fn an_entry_is_shown_without_its_seed() {
    let desk = desk();
    desk.run_with(&["escrow", "add", "--serial", "1001", "--seed-file", "-"], SEED).expect(0);
    for arguments in [&["escrow", "show", "--serial", "1001"][..], &["escrow", "list"], &["escrow", "audit", "export"]]
    {
        for json in [&[][..], &["--json"]] {
            let run = desk.run(&[arguments, json].concat()).expect(0);
            assert!(!run.stdout.contains(SEED) && !run.stdout.contains("31323334"), "{run:?}");
        }
    }
}
