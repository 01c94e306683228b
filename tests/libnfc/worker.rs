//! The process in which libnfc runs: how it dies, and what it leaves.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::desk;
use crate::support::RESTRICTED;

/// The worker of a program that is running.
fn worker_of(parent: u32) -> Pid {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let children = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
    let children: String = children.collect::<Vec<_>>().join(" ");
    let mut pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    let pid: i32 = pids.next().expect("it has a worker");
    assert_eq!(pids.next(), None, "and no other child");
    Pid::from_raw(pid).unwrap()
}

/// The chip answers the question for its firmware wrongly, upon which libnfc calls abort.
#[test]
fn libnfc_may_abort_its_process_and_nothing_is_lost() {
    let desk = desk();
    for (times, answer) in ["32", "320106", "0001060708", ""].iter().enumerate() {
        let data = if answer.is_empty() { "truncated len=9".to_owned() } else { format!("data bytes={answer}") };
        desk.lab().chip("nfc0", &format!("{data} cmd=02")).unwrap();
        let run = desk.run(&["burn", "--replace", "--json"]).expect(3);
        assert_eq!(run.error_code(), "reader-failed", "{answer}");
        assert!(run.json()["error"]["message"].as_str().unwrap().contains("libnfc ended its process (signal 6)"));
        assert_eq!(desk.count(RESTRICTED), times, "an entry was made");
        desk.run(&["burn", "--replace"]).expect(0);
    }
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

/// As if it aborted at the worst time.
#[test]
fn a_worker_that_dies_in_the_middle_is_a_reader_that_failed() {
    let desk = desk();
    for (at, state) in [(2, "reserved"), (4, "reserved"), (6, "unknown"), (7, "unknown"), (8, "unknown")] {
        desk.lab().command("log nfc0 clear").unwrap();
        desk.lab().fault("nfc0", &format!("slow ms=600000 at={at}")).unwrap();
        let burn = desk.spawn(&["burn", "--replace", "--json", "--timeout", "600"]);
        desk.lab().command(&format!("await nfc0 at={at}")).unwrap();
        kill_process(worker_of(burn.id()), Signal::ABORT).unwrap();
        let run = burn.finish().expect(3);
        assert_eq!((run.error_code().as_str(), run.json()["state"].as_str()), ("reader-failed", Some(state)), "{at}");
        let newest = desk.newest(RESTRICTED);
        assert_eq!((&newest["entry"], &newest["state"]), (&run.json()["entry"], &state.into()), "{at}");
        assert_eq!(desk.json(&["burn"])["entry"], newest["entry"], "{at}");
        assert!(desk.shows("nfc0", &newest["entry"]), "{at}");
    }
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn a_worker_leaves_no_core_hears_no_interrupt_and_goes_with_its_program() {
    let desk = desk();
    desk.lab().fault("nfc0", "slow ms=600000 at=2").unwrap();
    let burn = desk.spawn(&["burn", "--timeout", "600"]);
    desk.lab().command("await nfc0 at=2").unwrap();
    let worker = worker_of(burn.id());
    let proc = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", worker.as_raw_nonzero()));
    assert_eq!(proc("cmdline").unwrap().split('\0').nth(1), Some("--libnfc-worker"));
    let limits = proc("limits").unwrap();
    let core: Vec<_> = limits.lines().find(|line| line.starts_with("Max core")).unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
    // A process group of its own: the terminal's Ctrl-C is not for it.
    let stat = proc("stat").unwrap();
    let group = stat.rsplit(')').next().unwrap().split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(group, worker.as_raw_nonzero().to_string());
    burn.kill();
    // It may take a moment to be gone; one that stays would make this test never end.
    while proc("stat").is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
}

/// Whoever calls it by hand, or sends it nonsense.
#[test]
fn a_worker_takes_no_nonsense() {
    let desk = desk();
    for input in ["", "\0", "\0\x01", "hello, is anybody there?", "\u{0}\u{1}\u{63}", "\0\x06\x05\0\0\0\0a"] {
        let mut child = desk.command(&["--libnfc-worker"]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{input:?}");
    }
    // With anything beside it, it is an argument that nobody knows, and it is in no help.
    desk.run(&["--libnfc-worker", "readers"]).expect(2);
    assert!(!desk.run(&["--help"]).expect(0).stdout.contains("libnfc-worker"));
    let version = Command::new(env!("CARGO_BIN_EXE_oathburn")).arg("--version").output().unwrap();
    assert!(version.status.success());
}
