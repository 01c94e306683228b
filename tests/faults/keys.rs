//! Officers' and stations' files that are missing, locked, exposed or not the right ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Desk, RESTRICTED};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A desk with a burned token.
fn desk() -> Desk {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    desk.run(&["burn"]).expect(0);
    desk.lab().command("log 0 clear").unwrap();
    desk
}

/// What needs an officer is refused before a token is touched and before anything is noted.
fn refused(desk: &Desk, more: &[&str], code: &str) {
    let entry = desk.newest(RESTRICTED)["entry"].as_str().unwrap().to_owned();
    for command in [
        &["code", RESTRICTED][..],
        &["verify", "--serial", RESTRICTED, "--code", "123456"],
        &["burn", "--replace", "--show-codes"],
        &["burn", "--entry", &entry],
    ] {
        let run = desk.run(&[command, more, &["--json"]].concat()).expect(6);
        assert_eq!(run.error_code(), code, "{command:?}: {run:?}");
        assert!(run.json()["error"]["remedy"].is_string());
    }
    assert!(desk.lab().log(0).unwrap().is_empty(), "no token was touched");
    assert_eq!(desk.count(RESTRICTED), 1);
}

#[test]
fn an_officers_file_that_is_missing_exposed_or_none() {
    let desk = desk();
    let key = desk.folder().join("officer.key");
    let events = desk.json(&["escrow", "audit", "list"]).as_array().unwrap().len();
    refused(&desk, &["--identity", "/nowhere/officer.key"], "key-file-missing");
    for mode in [0o604, 0o640, 0o660, 0o644] {
        set_mode(&key, mode);
        refused(&desk, &[], "key-file-exposed");
    }
    set_mode(&key, 0o600);
    let good = fs::read(&key).unwrap();
    for bytes in [&b""[..], b"secret", &good[..good.len() / 2], &fs::read(desk.folder().join("station.key")).unwrap()] {
        fs::write(&key, bytes).unwrap();
        refused(&desk, &[], "key-file-foreign");
    }
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    refused(&desk, &[], "key-file-io");
    fs::remove_dir(&key).unwrap();
    fs::write(&key, good).unwrap();
    set_mode(&key, 0o600);
    assert_eq!(desk.json(&["escrow", "audit", "list"]).as_array().unwrap().len(), events, "nothing was noted");
    desk.run(&["code", RESTRICTED]).expect(0);
}

#[test]
fn an_officer_of_another_escrow_opens_nothing() {
    let (desk, other) = (desk(), Desk::without_readers());
    other.run(&["escrow", "init", "--plain-identity"]).expect(0);
    let key = other.folder().join("officer.key");
    refused(&desk, &["--identity", key.to_str().unwrap()], "officer-unknown");
    let check = desk.run(&["escrow", "check", "--identity", key.to_str().unwrap(), "--json"]).expect(6);
    assert_eq!(check.error_code(), "officer-unknown");
}

#[test]
fn a_check_with_an_officer_who_is_not_there_is_no_smaller_check() {
    let desk = desk();
    for (name, wrong) in [("nowhere.key", "key-file-missing"), ("station.key", "key-file-foreign")] {
        let key = desk.folder().join(name);
        let check = desk.run(&["escrow", "check", "--identity", key.to_str().unwrap(), "--json"]).expect(6);
        assert_eq!(check.error_code(), wrong);
    }
    assert_eq!(desk.json(&["escrow", "check", "--sealed", "--identity", "/nowhere"])["opened"], 0);
}

#[test]
fn a_locked_file_wants_its_own_passphrase() {
    let desk = Desk::without_escrow(1);
    let file = |name: &str, text: &str| {
        fs::write(desk.home().join(name), text).unwrap();
        desk.home().join(name).display().to_string()
    };
    let (right, wrong) = (file("right", "correct horse\nignored\n"), file("wrong", "correct horses\n"));
    let empty = file("empty", "\n");
    desk.run(&["escrow", "init", "--passphrase-file", &right]).expect(0);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    // Whoever burns need not be able to read.
    desk.run(&["burn"]).expect(0);
    desk.lab().command("log 0 clear").unwrap();
    let code = |more: &[&str]| desk.run(&[&["code", RESTRICTED, "--json"], more].concat());
    assert_eq!(code(&[]).expect(6).error_code(), "key-file-locked");
    let refused = code(&["--passphrase-file", &wrong]).expect(6);
    assert_eq!(refused.error_code(), "passphrase-wrong");
    assert!(!refused.stdout.contains("horse"), "{refused:?}");
    assert_eq!(code(&["--passphrase-file", &empty]).expect(6).error_code(), "key-file-io");
    assert_eq!(code(&["--passphrase-file", "/nowhere"]).expect(6).error_code(), "key-file-io");
    code(&["--passphrase-file", &right]).expect(0);
    let burn = desk.run(&["burn", "--again", RESTRICTED, "--passphrase-file", &wrong, "--json"]).expect(6);
    assert_eq!(burn.error_code(), "passphrase-wrong");
    assert!(desk.lab().log(0).unwrap().is_empty(), "no token was touched");
    // Named, locked, and nobody to ask: what can be checked without it is, and no seal is said to have been opened.
    let officer = desk.folder().join("officer.key").display().to_string();
    let check = desk.run(&["escrow", "check", "--json", "--identity", &officer]).expect(0);
    assert!(check.json()["opened"] == 0 && check.stderr.contains("no seal was opened"), "{check:?}");
    let check = desk.run(&["escrow", "check", "--json", "--identity", &officer, "--passphrase-file", &right]).expect(0);
    assert_eq!(check.json()["opened"], 1);
}

#[test]
fn a_station_that_nobody_approved_reserves_nothing() {
    let desk = desk();
    let key = desk.folder().join("station.key");
    set_mode(&key, 0o644);
    assert_eq!(desk.run(&["burn", "--replace", "--json"]).expect(6).error_code(), "key-file-exposed");
    set_mode(&key, 0o600);
    fs::rename(&key, desk.home().join("station.key")).unwrap();
    // A new one is made, which is not on the roster.
    let run = desk.run(&["burn", "--replace", "--json"]).expect(6);
    assert_eq!(run.error_code(), "station-not-approved");
    assert!(desk.lab().log(0).unwrap().iter().all(|(sent, _)| sent.starts_with("8041")));
    assert_eq!(desk.count(RESTRICTED), 1);
    fs::rename(desk.home().join("station.key"), &key).unwrap();
    desk.run(&["burn", "--replace"]).expect(0);
}
