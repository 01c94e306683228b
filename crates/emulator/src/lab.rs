//! Readers and tokens for a test, in a process of their own.

use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;

use crate::EmulatorError;

/// A running `emulate`: a private PC/SC service with readers on which tokens can be laid, and NFC readers.
///
/// Programs reach the service when `PCSCLITE_CSOCK_NAME` is set to [`Lab::socket`], and the NFC readers through libnfc
/// by their [`Lab::connstrings`]. Dropping it ends everything, and so does the death of the process that made it.
///
/// Readers are named as in the control protocol: `0`, `1` and so on are those of the service, `"nfc0"`, `"nfc1"` and so on
/// the others.
pub struct Lab {
    child: Child,
    place: Place,
    connection: Mutex<BufReader<UnixStream>>,
}

/// What a lab is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabOptions {
    /// Readers of a PC/SC service, up to 16. Without any there is no service either.
    pub readers: usize,
    /// NFC readers, up to 16.
    pub nfc: usize,
}

/// Where everything is.
struct Place {
    socket: PathBuf,
    control: PathBuf,
    reader_names: Vec<String>,
    connstrings: Vec<String>,
}

impl Lab {
    /// Starts `binary` with this many PC/SC readers, 1 to 16; back when the service shows them.
    pub fn start(binary: &Path, readers: usize) -> Result<Self, EmulatorError> {
        Self::start_with(binary, LabOptions { readers, nfc: 0 })
    }

    /// Starts `binary` with what is wanted; back when it is there.
    pub fn start_with(binary: &Path, options: LabOptions) -> Result<Self, EmulatorError> {
        let mut child = Command::new(binary)
            .args(["--until-eof", "--readers", &options.readers.to_string(), "--nfc", &options.nfc.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(EmulatorError::io(format!("start {}", binary.display())))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(EmulatorError::io("read from the emulator"))?;
        }
        let ready = serde_json::from_str(&line).unwrap_or(Value::Null);
        let connected = Place::read(&ready).and_then(|place| connect(&place.control).map(|stream| (place, stream)));
        match connected {
            Ok((place, stream)) => Ok(Self { child, place, connection: Mutex::new(BufReader::new(stream)) }),
            Err(error) => {
                drop(child.stdin.take());
                // What it ended with is in the error already.
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The service's socket, for the variable `PCSCLITE_CSOCK_NAME`. Without a service nobody listens there.
    pub fn socket(&self) -> &Path {
        &self.place.socket
    }

    /// The socket of the control protocol, for programs that speak it themselves.
    pub fn control(&self) -> &Path {
        &self.place.control
    }

    /// The PC/SC names of the readers. With an odd number of readers the service shows one more, which is always
    /// empty: readers come in pairs.
    pub fn reader_names(&self) -> &[String] {
        &self.place.reader_names
    }

    /// What libnfc calls the NFC readers: `pn532_uart:` and a path.
    pub fn connstrings(&self) -> &[String] {
        &self.place.connstrings
    }

    /// Sends one line of the control protocol; back when its effect is to be seen.
    pub fn command(&self, line: &str) -> Result<Value, EmulatorError> {
        converse(&mut self.lock(), line)
    }

    /// Lays a card on a reader: `token2-single serial=…`, `token SERIAL`, `same`, `fido` and so on.
    pub fn insert(&self, reader: impl fmt::Display, card: &str) -> Result<(), EmulatorError> {
        self.command(&format!("insert {reader} {card}")).map(drop)
    }

    /// Takes the card away.
    pub fn remove(&self, reader: impl fmt::Display) -> Result<(), EmulatorError> {
        self.command(&format!("remove {reader}")).map(drop)
    }

    /// Presses the token's button: it is on the reader again if it was not.
    pub fn press(&self, reader: impl fmt::Display) -> Result<(), EmulatorError> {
        self.command(&format!("press {reader}")).map(drop)
    }

    /// Takes the card away and lays it there again.
    pub fn power_cycle(&self, reader: impl fmt::Display) -> Result<(), EmulatorError> {
        self.command(&format!("power-cycle {reader}")).map(drop)
    }

    /// The code on the display now; `------` without a seed.
    pub fn display(&self, reader: impl fmt::Display) -> Result<String, EmulatorError> {
        let answer = self.command(&format!("display {reader}"))?;
        Ok(answer["code"].as_str().unwrap_or_default().to_owned())
    }

    /// What the token holds, the seed in hex (field `seed`, `null` without one) included.
    pub fn state(&self, reader: impl fmt::Display) -> Result<Value, EmulatorError> {
        self.command(&format!("state {reader} --with-seed"))
    }

    /// Arms a fault, for example `tear-after ins=D4`.
    pub fn fault(&self, reader: impl fmt::Display, fault: &str) -> Result<(), EmulatorError> {
        self.command(&format!("fault {reader} {fault}")).map(drop)
    }

    /// What was on the wire since the log was cleared: commands in hex with their answers, `None` for those that had
    /// none.
    pub fn log(&self, reader: impl fmt::Display) -> Result<Vec<(String, Option<String>)>, EmulatorError> {
        Ok(exchanges(&self.command(&format!("log {reader}"))?))
    }

    /// Does something to an NFC reader's chip or line, for example `data-checksum at=3` or `unplug`.
    pub fn chip(&self, reader: impl fmt::Display, what: &str) -> Result<(), EmulatorError> {
        self.command(&format!("chip {reader} {what}")).map(drop)
    }

    /// What an NFC reader's chip was told since the log was cleared, with its replies: the contents of the frames in
    /// hex, `None` for commands that had no reply.
    pub fn chip_log(&self, reader: impl fmt::Display) -> Result<Vec<(String, Option<String>)>, EmulatorError> {
        Ok(exchanges(&self.command(&format!("chip {reader} log"))?))
    }

    fn lock(&self) -> MutexGuard<'_, BufReader<UnixStream>> {
        // Each conversation is whole or failed; a panic elsewhere changes nothing.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The end of its input is the emulator's sign to clear away and go.
        drop(self.child.stdin.take());
        // It cannot outlive us in any case.
        let _ = self.child.wait();
    }
}

impl Place {
    fn read(ready: &Value) -> Result<Self, EmulatorError> {
        let ended = || EmulatorError::LabEnded {
            reason: ready["error"].as_str().unwrap_or("it said neither that it is ready nor why not").into(),
        };
        let control: PathBuf = ready["control"].as_str().map(PathBuf::from).ok_or_else(ended)?;
        let socket = ready["socket"].as_str().map_or_else(|| control.with_file_name("pcscd.comm"), PathBuf::from);
        let texts = |list: &Value, text: fn(&Value) -> Option<&str>| {
            let list = list.as_array().ok_or_else(ended)?;
            Ok::<Vec<_>, EmulatorError>(list.iter().filter_map(text).map(str::to_owned).collect())
        };
        let reader_names = texts(&ready["readers"], Value::as_str)?;
        let connstrings = texts(&ready["nfc"], |reader| reader["connstring"].as_str())?;
        Ok(Self { socket, control, reader_names, connstrings })
    }
}

fn exchanges(answer: &Value) -> Vec<(String, Option<String>)> {
    let exchanges = answer["log"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    exchanges.iter().map(|e| (text(&e["command"]).unwrap_or_default(), text(&e["answer"]))).collect()
}

fn connect(control: &Path) -> Result<UnixStream, EmulatorError> {
    UnixStream::connect(control).map_err(EmulatorError::io(format!("connect to {}", control.display())))
}

fn converse(connection: &mut BufReader<UnixStream>, line: &str) -> Result<Value, EmulatorError> {
    let ended = |reason: &str| EmulatorError::LabEnded { reason: reason.into() };
    connection
        .get_mut()
        .write_all(format!("{line}\n").as_bytes())
        .map_err(EmulatorError::io("write to the emulator"))?;
    let mut answer = String::new();
    connection.read_line(&mut answer).map_err(EmulatorError::io("read from the emulator"))?;
    let answer: Value = serde_json::from_str(&answer).map_err(|_| ended("it hung up"))?;
    if answer["ok"] == true {
        return Ok(answer);
    }
    let reason = answer["error"].as_str().unwrap_or("without a reason").to_owned();
    Err(EmulatorError::LabRefused { command: line.to_owned(), reason })
}

/// The `emulate` program, built first if need be, once per process.
pub fn emulate_binary() -> Result<PathBuf, EmulatorError> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build).clone().map_err(|reason| EmulatorError::LabEnded { reason })
}

/// Cargo, for a program that cargo may have started. What that one says of the package it started is left out: build scripts
/// look at it, and would have everything that rests on them compiled anew, for each package that asks.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    let of_a_package = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    for name in std::env::vars_os().map(|(name, _)| name).filter(of_a_package) {
        cargo.env_remove(name);
    }
    cargo
}

/// Asks cargo, which also says where the program lies. With the whole workspace and an example beside it, what it depends
/// on has the features that it has in tests, and is not compiled once more.
fn build() -> Result<PathBuf, String> {
    let output = cargo()
        .args(["build", "--quiet", "--workspace", "--bin", "emulate", "--example", "code_rates"])
        .args(["--message-format", "json"])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok().filter(|it: &Value| it["target"]["name"] == "emulate")?;
        message["executable"].as_str().map(PathBuf::from)
    };
    messages
        .lines()
        .filter_map(executable)
        .next_back()
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("cargo does not build emulate:\n{}", String::from_utf8_lossy(&output.stderr)))
}
