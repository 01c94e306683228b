//! Readers and tokens that come and go, over the real pcscd and the real libnfc.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command};

#[cfg(feature = "libnfc")]
use oathburn_emulator::LabOptions;
use serde_json::Value;
use support::{Desk, RESTRICTED, UNRESTRICTED};

/// A watch, and what it says. Each line is waited for as long as it takes.
struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the watch ended");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The next line, which must say this of a reader whose name ends so.
    fn expect(&mut self, change: &str, reader: &str, token: impl Into<Value>) {
        let line = self.next();
        assert_eq!((&line["change"], &line["token_present"]), (&change.into(), &token.into()), "{line}");
        assert!(line["name"].as_str().unwrap().ends_with(reader), "{line}");
        assert_eq!(line["selector"], format!("{}:{}", line["stack"].as_str().unwrap(), line["name"].as_str().unwrap()));
        assert!(line["at"].as_str().unwrap().ends_with('Z'));
    }

    /// Ctrl-C.
    fn interrupt(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
        let mut rest = String::new();
        while self.lines.read_line(&mut rest).unwrap() > 0 {}
        assert_eq!(rest, "", "a watch that was ended says no more");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A test that failed leaves it running.
        let _ = self.child.kill();
    }
}

fn watch(desk: &Desk, arguments: &[&str]) -> Watch {
    Watch::start(desk.command(&[&["readers", "--watch", "--json"], arguments].concat()))
}

fn card(serial: &str) -> String {
    format!("token2-single serial={serial}")
}

#[test]
fn tokens_on_pcsc_readers_come_and_go() {
    let desk = Desk::without_escrow(2);
    desk.lab().insert(1, &card(RESTRICTED)).unwrap();
    let mut watch = watch(&desk, &[]);
    watch.expect("reader-connected", "00 00", false);
    watch.expect("reader-connected", "00 01", true);
    desk.lab().insert(0, &card(UNRESTRICTED)).unwrap();
    watch.expect("token-on", "00 00", true);
    desk.lab().remove(1).unwrap();
    watch.expect("token-off", "00 01", false);
    // The service notices both, whoever looks.
    desk.lab().power_cycle(0).unwrap();
    let change = watch.next();
    if change["change"] == "token-off" {
        watch.expect("token-on", "00 00", true);
    } else {
        assert_eq!(change["change"], "token-swapped");
    }
    // A burn beside it is not disturbed, and resets the token, which is no change.
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    desk.run(&["burn"]).expect(0);
    // The service goes and comes.
    desk.lab().command("pcscd kill").unwrap();
    watch.expect("reader-disconnected", "00 00", Value::Null);
    watch.expect("reader-disconnected", "00 01", Value::Null);
    desk.lab().command("pcscd start").unwrap();
    // Slots may be shown before their tokens.
    let mut seen = vec![watch.next(), watch.next()];
    while !seen.iter().any(|line| line["token_present"] == true) {
        seen.push(watch.next());
    }
    watch.interrupt();
}

#[test]
fn one_reader_is_watched_and_so_many_changes() {
    let desk = Desk::without_escrow(2);
    desk.lab().insert(0, &card(RESTRICTED)).unwrap();
    let run = desk.run(&["readers", "--watch", "--count", "1", "--reader", "A 00 01"]).expect(0);
    assert!(run.stdout.contains("reader-connected") && run.stdout.trim_end().ends_with("empty"), "{run:?}");
    let run = desk.run(&["readers", "--watch", "-c", "1", "--reader", "A 00 00"]).expect(0);
    assert!(run.stdout.trim_end().ends_with("with a token"), "{run:?}");
    desk.run(&["readers", "--count", "1"]).expect(2);
}

#[test]
fn without_a_service_there_is_nothing_to_watch() {
    let desk = Desk::without_readers();
    assert_eq!(desk.run(&["readers", "--watch", "--json"]).expect(3).error_code(), "service-missing");
}

#[cfg(feature = "libnfc")]
#[test]
fn tokens_on_readers_of_libnfc_come_and_go() {
    let desk = Desk::with(LabOptions { readers: 0, nfc: 1 });
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    let mut watch = watch(&desk, &[]);
    watch.expect("reader-connected", "nfc0", false);
    desk.lab().insert("nfc0", &card(RESTRICTED)).unwrap();
    watch.expect("token-on", "nfc0", true);
    // Watched or not, it can be used.
    for _ in 0..10 {
        desk.run(&["burn", "--replace"]).expect(0);
    }
    desk.lab().insert("nfc0", &card(UNRESTRICTED)).unwrap();
    // The old one may have been missed before the new one lay there.
    match watch.next()["change"].as_str().unwrap() {
        "token-swapped" => {}
        "token-off" => watch.expect("token-on", "nfc0", true),
        other => panic!("{other}"),
    }
    desk.lab().remove("nfc0").unwrap();
    watch.expect("token-off", "nfc0", false);
    desk.lab().chip("nfc0", "unplug").unwrap();
    watch.expect("reader-disconnected", "nfc0", Value::Null);
    desk.lab().chip("nfc0", "plug").unwrap();
    watch.expect("reader-connected", "nfc0", false);
    // A chip that makes libnfc abort once has not gone; one that says nothing any more has.
    desk.lab().command("chip nfc0 log clear").unwrap();
    desk.lab().chip("nfc0", "data bytes=32 cmd=02").unwrap();
    while !desk.lab().chip_log("nfc0").unwrap().iter().any(|(command, _)| command.starts_with("4a")) {
        std::thread::yield_now();
    }
    desk.lab().chip("nfc0", "mute").unwrap();
    watch.expect("reader-disconnected", "nfc0", Value::Null);
    desk.lab().chip("nfc0", "clear").unwrap();
    watch.expect("reader-connected", "nfc0", false);
    watch.interrupt();
}

#[cfg(feature = "libnfc")]
#[test]
fn both_kinds_are_watched_at_once() {
    let desk = Desk::with(LabOptions { readers: 1, nfc: 1 });
    let mut command = desk.command(&["readers", "--watch", "--json"]);
    command.env("LIBNFC_DEVICE", &desk.lab().connstrings()[0]);
    let mut watch = Watch::start(command);
    let first: Vec<_> = (0..3).map(|_| watch.next()["stack"].as_str().unwrap().to_owned()).collect();
    // Readers of the service come in pairs.
    assert_eq!(first.iter().filter(|stack| *stack == "libnfc").count(), 1, "{first:?}");
    desk.lab().insert(0, &card(RESTRICTED)).unwrap();
    watch.expect("token-on", "00 00", true);
    desk.lab().insert("nfc0", &card(UNRESTRICTED)).unwrap();
    watch.expect("token-on", "nfc0", true);
    watch.interrupt();
}
