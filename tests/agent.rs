//! An officer's keys, unlocked for a while.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::{Desk, Run, feed};

/// A desk whose officer's file has a passphrase, and a folder for sockets.
fn desk() -> Desk {
    let desk = Desk::without_readers();
    fs::create_dir(desk.home().join("run")).unwrap();
    fs::set_permissions(desk.home().join("run"), fs::Permissions::from_mode(0o700)).unwrap();
    desk.run_with(&["--passphrase-file", "-", "escrow", "init"], "horse\n").expect(0);
    desk
}

/// Runs the program where the agent of this desk is, with something on stdin, and nobody to ask.
fn run(desk: &Desk, arguments: &[&str], stdin: &str) -> Run {
    let mut command = desk.command(arguments);
    command.env("XDG_RUNTIME_DIR", desk.home().join("run"));
    feed(command, stdin)
}

#[test]
fn an_unlocked_escrow_opens_without_a_passphrase_until_it_is_locked() {
    let desk = desk();
    let opens = || {
        let run = run(&desk, &["escrow", "check"], "").expect(0);
        !run.stderr.contains("no seal was opened")
    };
    assert!(!opens());

    let wrong = run(&desk, &["--passphrase-file", "-", "unlock", "--json"], "donkey\n").expect(6);
    assert_eq!(wrong.error_code(), "passphrase-wrong");
    let unlocked =
        run(&desk, &["--passphrase-file", "-", "unlock", "--for", "10m", "--json"], "horse\n").expect(0).json();
    assert_eq!(unlocked["unlocked"], true);
    assert!(unlocked["until"].as_str().unwrap().ends_with('Z'));
    assert!(opens());
    // Whoever gives a passphrase wants it used.
    let given = run(&desk, &["--passphrase-file", "-", "escrow", "check", "--json"], "donkey\n").expect(6);
    assert_eq!(given.error_code(), "passphrase-wrong");
    // What the agent signed is as good as what the officer's file signs.
    run(&desk, &["escrow", "audit", "verify"], "").expect(0);

    assert_eq!(run(&desk, &["lock", "--json"], "").expect(0).json()["was_unlocked"], true);
    assert_eq!(run(&desk, &["lock", "--json"], "").expect(0).json()["was_unlocked"], false);
    assert!(!opens());
}

#[test]
fn an_agent_needs_a_place_of_its_own() {
    let desk = desk();
    fs::create_dir(desk.home().join("run/oathburn")).unwrap();
    fs::set_permissions(desk.home().join("run/oathburn"), fs::Permissions::from_mode(0o777)).unwrap();
    let run = run(&desk, &["--passphrase-file", "-", "unlock"], "horse\n").expect(6);
    assert!(run.stderr.contains("is not yours alone"), "{run:?}");
}
