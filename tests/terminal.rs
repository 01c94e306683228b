//! What somebody at a terminal can do to a question.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use support::terminal::{CTRL_C, Terminal};
use support::{Desk, RESTRICTED};

#[test]
fn an_interrupt_at_a_new_passphrase_makes_nothing_and_gives_the_echo_back() {
    let desk = Desk::without_readers();
    for answers in [
        &[("Passphrase for the officer's file: ", CTRL_C)][..],
        &[("Passphrase for the officer's file: ", "correct horse\n"), ("The same again: ", CTRL_C)],
    ] {
        let mut terminal = Terminal::new();
        assert_eq!(terminal.run(&desk, &["escrow", "init"], answers), Some(130));
        assert!(terminal.echoes(), "the terminal was left without echo");
        assert!(!desk.folder().join("officer.key").exists());
        assert!(!desk.folder().join("escrow.db").exists());
    }
}

#[test]
fn an_interrupt_at_a_passphrase_gives_the_echo_back() {
    let desk = Desk::without_readers();
    desk.run_with(&["escrow", "init", "--passphrase-file", "-"], "correct horse\n").expect(0);
    for arguments in [&["escrow", "check"][..], &["identify-code", "123456"]] {
        let mut terminal = Terminal::new();
        assert_eq!(terminal.run(&desk, arguments, &[("Passphrase of ", CTRL_C)]), Some(130), "{arguments:?}");
        assert!(terminal.echoes(), "the terminal was left without echo");
    }
}

#[test]
fn the_end_of_the_program_at_a_passphrase_gives_the_echo_back() {
    let desk = Desk::without_readers();
    desk.run_with(&["escrow", "init", "--passphrase-file", "-"], "correct horse\n").expect(0);
    let mut terminal = Terminal::new();
    let mut program = terminal.command(&desk, &["escrow", "check"]).spawn().unwrap();
    terminal.wait_for("Passphrase of ");
    rustix::process::kill_process(rustix::process::Pid::from_child(&program), rustix::process::Signal::TERM).unwrap();
    assert_eq!(program.wait().unwrap().code(), Some(130));
    assert!(terminal.echoes(), "the terminal was left without echo");
}

#[test]
fn an_interrupt_at_a_passphrase_beside_a_token_leaves_the_token_alone() {
    let desk = Desk::without_escrow(1);
    desk.run_with(&["escrow", "init", "--passphrase-file", "-"], "correct horse\n").expect(0);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    desk.run(&["burn"]).expect(0);
    desk.lab().command("log 0 clear").unwrap();
    let mut terminal = Terminal::new();
    assert_eq!(terminal.run(&desk, &["sync"], &[("Passphrase of ", CTRL_C)]), Some(130));
    assert!(terminal.echoes(), "the terminal was left without echo");
    let log = desk.lab().command("log 0").unwrap().to_string();
    assert!(log.contains("\"8041"), "the token was not asked who it is: {log}");
    assert!(!log.contains("\"84d4") && !log.contains("\"84c5"), "nothing was to be written: {log}");
    assert_eq!(desk.newest(RESTRICTED)["state"], "programmed");
    assert_eq!(desk.count(RESTRICTED), 1);
}
