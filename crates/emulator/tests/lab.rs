//! The program `emulate` and its client, with the real PC/SC service.
//!
//! What clients see through the service is tested where the clients are; here the program's own look at the service
//! has to be enough: a command that returned was noticed.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use oathburn_emulator::{EmulatorError, Lab, emulate_binary, find_driver};
use serde_json::Value;

const EMULATE: &str = env!("CARGO_BIN_EXE_emulate");

/// Whether the service and the driver are here. Where tests must not be skipped, their absence is a failure.
fn is_complete() -> bool {
    let complete = Path::new("/usr/sbin/pcscd").exists()
        && find_driver(&[EMULATE.into()]).is_ok()
        && oathburn_emulator::namespaces::check().is_ok();
    assert!(complete || std::env::var_os("CI").is_none(), "pcscd, the vpcd driver or namespaces are missing");
    if !complete {
        eprintln!("skipped: pcscd, the vpcd driver or namespaces are missing (cargo xtask setup)");
    }
    complete
}

fn lab(readers: usize) -> Option<Lab> {
    is_complete().then(|| Lab::start(Path::new(EMULATE), readers).unwrap())
}

#[test]
fn cards_come_and_go_and_keep_what_they_know() {
    let Some(lab) = lab(3) else { return };
    assert_eq!(lab.reader_names(), ["Emulated Reader A 00 00", "Emulated Reader A 00 01", "Emulated Reader B 00 00"]);
    assert!(lab.socket().exists());
    lab.insert(0, "token2-single serial=86596220000001 clock-offset=-7200").unwrap();
    lab.insert(2, "fido").unwrap();
    assert_eq!(lab.display(0).unwrap(), "------");
    lab.power_cycle(0).unwrap();
    lab.remove(0).unwrap();
    lab.press(0).unwrap();
    lab.remove(0).unwrap();
    // To another reader, with its clock.
    lab.insert(1, "token 86596220000001").unwrap();
    let state = lab.state(1).unwrap();
    assert_eq!((&state["clock_offset"], &state["seed"]), (&Value::from(-7200), &Value::Null));
    assert!(matches!(lab.state(0), Err(EmulatorError::LabRefused { .. })));
    // The service asks for power and presence only; it sends no commands of its own.
    assert_eq!(lab.log(1).unwrap(), []);
}

#[test]
fn the_service_can_go_and_come_back() {
    let Some(lab) = lab(2) else { return };
    lab.insert(0, "token2-single serial=86596220000001").unwrap();
    for end in ["stop", "kill"] {
        lab.command(&format!("pcscd {end}")).unwrap();
        assert_eq!(lab.command("status").unwrap()["pcscd"], "stopped");
        assert!(UnixStream::connect(lab.socket()).is_err());
        // Without a service nobody notices anything, and nobody is waited for.
        lab.insert(1, "dumb").unwrap();
        lab.remove(1).unwrap();
        lab.command("pcscd start").unwrap();
        assert!(UnixStream::connect(lab.socket()).is_ok());
        lab.remove(0).unwrap();
        lab.press(0).unwrap();
    }
}

#[test]
fn labs_do_not_see_each_other() {
    let (Some(one), Some(other)) = (lab(1), lab(1)) else { return };
    one.insert(0, "token2-single serial=1").unwrap();
    assert_ne!(one.socket(), other.socket());
    assert_eq!(other.command("status").unwrap()["readers"][0]["inserted"], false);
}

#[test]
fn a_lab_clears_away_behind_itself() {
    let Some(lab) = lab(1) else { return };
    let folder = lab.socket().parent().unwrap().to_owned();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(lab.control().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    drop(lab);
    assert!(!folder.exists());
}

/// `emulate` without its client.
struct Process {
    child: Child,
    ready: Value,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut child =
            Command::new(EMULATE).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap() }
    }

    fn path(&self, field: &str) -> PathBuf {
        self.ready[field].as_str().unwrap().into()
    }

    /// Connections to the program and to its service: they end when those do.
    fn witnesses(&self) -> [UnixStream; 2] {
        ["control", "socket"].map(|field| UnixStream::connect(self.path(field)).unwrap())
    }
}

/// Nothing more comes, because the other end is gone.
fn assert_gone(witnesses: [UnixStream; 2]) {
    for mut witness in witnesses {
        // Reset or closed, as it happens.
        let read = witness.read(&mut [0; 1]);
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}

#[test]
fn killed_it_takes_everything_down() {
    if !is_complete() {
        return;
    }
    let mut process = Process::start(&["--until-eof"]);
    let witnesses = process.witnesses();
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    assert_gone(witnesses);
}

#[test]
fn asked_to_end_it_ends_in_order() {
    if !is_complete() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("here");
    for end in ["signal", "quit", "eof"] {
        let mut process = Process::start(&["--until-eof", "--readers", "2", "--dir", dir.to_str().unwrap()]);
        assert_eq!(process.path("control"), dir.canonicalize().unwrap().join("control.sock"));
        let witnesses = process.witnesses();
        match end {
            "signal" => {
                let pid = rustix::process::Pid::from_child(&process.child);
                rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            }
            "quit" => {
                let mut control = UnixStream::connect(process.path("control")).unwrap();
                control.write_all(b"quit\n").unwrap();
            }
            _ => drop(process.child.stdin.take()),
        }
        assert!(process.child.wait().unwrap().success(), "{end}");
        assert_gone(witnesses);
        // A folder that was named stays.
        assert!(dir.exists());
    }
}

#[test]
fn without_a_service_there_is_no_need_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    // The driver is not even looked for.
    let mut process = Process::start(&["--until-eof", "--nfc", "2", "--dir", dir, "--driver", "/no/driver.so"]);
    assert_eq!((&process.ready["socket"], &process.ready["readers"]), (&Value::Null, &serde_json::json!([])));
    let path = folder.path().canonicalize().unwrap();
    assert_eq!(process.ready["nfc"][1]["connstring"], format!("pn532_uart:{}/nfc1", path.display()));
    assert!(path.join("nfc1").exists());
    let mut witness = UnixStream::connect(process.path("control")).unwrap();
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    assert!(matches!(witness.read(&mut [0; 1]), Ok(0) | Err(_)));
    let colon = folder.path().join("a:b");
    assert_eq!(refusal(&["--nfc", "1", "--dir", colon.to_str().unwrap()]).0["code"], "port-path");
}

#[test]
fn commands_come_by_standard_input_too() {
    if !is_complete() {
        return;
    }
    let mut process = Process::start(&["--stdin", "--until-eof"]);
    let mut stdin = process.child.stdin.take().unwrap();
    stdin.write_all(b"insert 0 token2-single serial=86596120000001\nstate 0\nrain\n").unwrap();
    drop(stdin);
    let output = process.child.wait_with_output().unwrap();
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["ok"] == true).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(lines[1]["restricted"], false);
}

#[test]
fn other_packages_get_the_program_built() {
    let binary = emulate_binary().unwrap();
    assert!(Command::new(binary).arg("--version").status().unwrap().success());
}

fn refusal(arguments: &[&str]) -> (Value, Output) {
    let output = Command::new(EMULATE).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    (serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), output)
}

#[test]
fn what_is_missing_is_said_with_its_remedy() {
    let (json, output) = refusal(&["--driver", "/no/driver.so"]);
    assert_eq!(json["code"], "vpcd-driver-missing");
    assert!(String::from_utf8(output.stderr).unwrap().contains("cargo xtask setup"));
    if is_complete() {
        assert_eq!(refusal(&["--readers", "17"]).0["code"], "readers-out-of-range");
        assert_eq!(refusal(&["--nfc", "17"]).0["code"], "nfc-readers-out-of-range");
        let refused = Lab::start(Path::new(EMULATE), 0);
        assert!(matches!(refused, Err(EmulatorError::LabEnded { reason }) if reason.contains("1 to 16 readers")));
    }
}

#[test]
fn a_card_on_somebody_elses_reader() {
    let driver = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = driver.local_addr().unwrap().to_string();
    let mut process = Process::start(&["--connect", &address, "--card", "token2-single serial=86596220000001"]);
    assert_eq!(process.ready["ready"], true);
    let (mut stream, _) = driver.accept().unwrap();
    stream.write_all(&[0, 1, 0x04]).unwrap();
    let mut atr = [0; 7];
    stream.read_exact(&mut atr).unwrap();
    assert_eq!(atr, [0, 5, 0x3b, 0x80, 0x80, 0x01, 0x01]);
    drop(process.child.stdin.take());
    assert!(process.child.wait().unwrap().success());
}
