//! The whole store: backed up, restored, first seen, and gone back.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::{add, desk};

#[test]
fn a_backup_is_restored_and_says_what_it_does_not_know() {
    let desk = desk();
    add(&desk, "1001", &[]);
    let file = desk.home().join("escrow.age");
    let name = file.display().to_string();
    let made = desk.json(&["escrow", "backup", &name]);
    assert_eq!((&made["ok"], &made["entries"], &made["opened"]), (&true.into(), &1.into(), &1.into()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(desk.run(&["escrow", "backup", &name, "--json"]).expect(6).error_code(), "backup-exists");
    let sealed = desk.home().join("sealed.age").display().to_string();
    let run = desk.run(&["escrow", "backup", &sealed, "--sealed", "--json"]).expect(0);
    assert!(run.json()["opened"] == 0 && run.stderr.contains("not opened again"), "{run:?}");

    let later = add(&desk, "1002", &[]);
    assert_eq!(desk.run(&["escrow", "restore", &name, "--json"]).expect(6).error_code(), "store-exists");
    let run = desk.run(&["escrow", "restore", &name, "--replace", "--json"]).expect(0);
    let restored = run.json();
    assert_eq!((&restored["entries"], &restored["opened"]), (&1.into(), &1.into()));
    let lost = &restored["lost"]["tokens"];
    assert_eq!(
        (&lost[0]["serial"], &lost[0]["entry"], lost.as_array().unwrap().len()),
        (&"1002".into(), &later.as_str().into(), 1)
    );
    assert!(run.stderr.contains("oathburn escrow accept"), "{run:?}");
    let old = format!("sqlite:{}", restored["replaced"].as_str().unwrap());
    assert_eq!(desk.json(&["escrow", "list", "--store", &old]).as_array().unwrap().len(), 2);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
    assert_eq!(desk.json(&["escrow", "audit", "list", "--kind", "restored"]).as_array().unwrap().len(), 1);
    let nothing = desk.json(&["escrow", "accept", "--yes"]);
    assert_eq!(nothing["accepted"], false);

    // On a machine that has only the backup and the officer's file.
    let other = crate::support::Desk::without_readers();
    let key = desk.folder().join("officer.key").display().to_string();
    let run = other.run(&["escrow", "restore", &name, "--identity", &key]).expect(0);
    assert!(run.stdout.contains("1 entries") && !run.stdout.contains("burn it again"), "{run:?}");
    assert_eq!(other.json(&["code", "1001", "--at", "59", "--identity", &key])["serial"], "1001");
    let stranger = crate::desk();
    let key = stranger.folder().join("officer.key").display().to_string();
    let store = format!("sqlite:{}", stranger.home().join("x.db").display());
    let run = stranger.run(&["escrow", "restore", &name, "--identity", &key, "--store", &store, "--json"]).expect(6);
    assert_eq!(run.error_code(), "backup-for-others");
}

#[test]
fn a_store_that_went_back_is_refused_until_somebody_decides() {
    let desk = desk();
    add(&desk, "1001", &[]);
    let store = desk.folder().join("escrow.db");
    let older = fs::read(&store).unwrap();
    add(&desk, "1002", &[]);
    fs::write(&store, &older).unwrap();
    for command in [&["escrow", "list"][..], &["escrow", "check"], &["code", "1001"], &["burn"]] {
        assert_eq!(desk.run(&[command, &["--json"]].concat()).expect(6).error_code(), "store-older", "{command:?}");
    }
    let run = desk.run(&["escrow", "accept", "--json"]).expect(8);
    assert_eq!(run.error_code(), "not-confirmed");
    assert!(run.stderr.contains("1002 was imported") && run.stderr.contains("this may be an attack"), "{run:?}");
    assert_eq!(desk.run(&["escrow", "list", "--json"]).expect(6).error_code(), "store-older");
    let accepted = desk.json(&["escrow", "accept", "--yes"]);
    assert_eq!((&accepted["accepted"], &accepted["lost"]["tokens"][0]["serial"]), (&true.into(), &"1002".into()));
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
    add(&desk, "1003", &[]);
}

#[test]
fn a_passphrase_that_others_can_read_is_told() {
    let desk = crate::support::Desk::without_readers();
    let file = desk.home().join("passphrase");
    fs::write(&file, "correct horse\n").unwrap();
    let name = file.display().to_string();
    for (mode, told) in [(0o600, false), (0o640, true), (0o604, true)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let run = desk.run(&["escrow", "init", "--passphrase-file", &name, "--json"]);
        assert_eq!(run.stderr.contains("others can read the passphrase"), told, "{mode:o}: {run:?}");
    }
}

#[test]
fn a_broken_models_file_stops_only_what_asks_for_models() {
    let desk = desk();
    fs::create_dir_all(desk.home().join(".config/oathburn")).unwrap();
    fs::write(desk.home().join(".config/oathburn/models.toml"), "[[model]\n").unwrap();
    let run = desk.run(&["escrow", "list"]).expect(0);
    assert!(run.stderr.contains("models.toml"), "{run:?}");
    add(&desk, "1001", &["--family", "preprogrammed"]);
    desk.run(&["code", "1001"]).expect(0);
    desk.run(&["seed", "generate"]).expect(0);
    let run = desk.run_with(&["escrow", "add", "--serial", "1002", "--seed-file", "-", "--json"], crate::SEED);
    assert_eq!(run.expect(7).error_code(), "models-file");
    assert!(desk.run(&["identify", "--json"]).expect(7).error_code().starts_with("models-file"));
}
