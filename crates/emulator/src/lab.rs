//! Readers and tokens for a test, in a process of their own.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;

use crate::EmulatorError;

/// A running `emulate`: a private PC/SC service with readers on which tokens can be laid.
///
/// Programs reach it when `PCSCLITE_CSOCK_NAME` is set to [`Lab::socket`]. Dropping it ends everything, and so does
/// the death of the process that made it.
pub struct Lab {
    child: Child,
    socket: PathBuf,
    control: PathBuf,
    reader_names: Vec<String>,
    connection: Mutex<BufReader<UnixStream>>,
}

impl Lab {
    /// Starts `binary` with this many readers, 1 to 16; back when the service shows them.
    pub fn start(binary: &Path, readers: usize) -> Result<Self, EmulatorError> {
        let mut child = Command::new(binary)
            .args(["--until-eof", "--readers", &readers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(EmulatorError::io(format!("start {}", binary.display())))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(EmulatorError::io("read from the emulator"))?;
        }
        let ready = serde_json::from_str(&line).unwrap_or(Value::Null);
        match Self::connect(&ready) {
            Ok((socket, control, reader_names, connection)) => {
                Ok(Self { child, socket, control, reader_names, connection })
            }
            Err(error) => {
                drop(child.stdin.take());
                // What it ended with is in the error already.
                let _ = child.wait();
                Err(error)
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "the fields of a Lab, on their way into it")]
    fn connect(ready: &Value) -> Result<(PathBuf, PathBuf, Vec<String>, Mutex<BufReader<UnixStream>>), EmulatorError> {
        let ended = || EmulatorError::LabEnded {
            reason: ready["error"].as_str().unwrap_or("it said neither that it is ready nor why not").into(),
        };
        let path = |field: &str| ready[field].as_str().map(PathBuf::from).ok_or_else(ended);
        let (socket, control) = (path("socket")?, path("control")?);
        let names = ready["readers"].as_array().ok_or_else(ended)?;
        let names = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let stream = connect(&control)?;
        Ok((socket, control, names, Mutex::new(BufReader::new(stream))))
    }

    /// The service's socket, for the variable `PCSCLITE_CSOCK_NAME`.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The socket of the control protocol, for programs that speak it themselves.
    pub fn control(&self) -> &Path {
        &self.control
    }

    /// The PC/SC names of the readers. With an odd number of readers the service shows one more, which is always
    /// empty: readers come in pairs.
    pub fn reader_names(&self) -> &[String] {
        &self.reader_names
    }

    /// Sends one line of the control protocol; back when its effect is to be seen.
    pub fn command(&self, line: &str) -> Result<Value, EmulatorError> {
        converse(&mut self.lock(), line)
    }

    /// Lays a card on a reader: `token2-single serial=…`, `token SERIAL`, `same`, `fido` and so on.
    pub fn insert(&self, reader: usize, card: &str) -> Result<(), EmulatorError> {
        self.command(&format!("insert {reader} {card}")).map(drop)
    }

    /// Takes the card away.
    pub fn remove(&self, reader: usize) -> Result<(), EmulatorError> {
        self.command(&format!("remove {reader}")).map(drop)
    }

    /// Presses the token's button: it is on the reader again if it was not.
    pub fn press(&self, reader: usize) -> Result<(), EmulatorError> {
        self.command(&format!("press {reader}")).map(drop)
    }

    /// Takes the card away and lays it there again.
    pub fn power_cycle(&self, reader: usize) -> Result<(), EmulatorError> {
        self.command(&format!("power-cycle {reader}")).map(drop)
    }

    /// The code on the display now; `------` without a seed.
    pub fn display(&self, reader: usize) -> Result<String, EmulatorError> {
        let answer = self.command(&format!("display {reader}"))?;
        Ok(answer["code"].as_str().unwrap_or_default().to_owned())
    }

    /// What the token holds, the seed in hex (field `seed`, `null` without one) included.
    pub fn state(&self, reader: usize) -> Result<Value, EmulatorError> {
        self.command(&format!("state {reader} --with-seed"))
    }

    /// Arms a fault, for example `tear-after ins=D4`.
    pub fn fault(&self, reader: usize, fault: &str) -> Result<(), EmulatorError> {
        self.command(&format!("fault {reader} {fault}")).map(drop)
    }

    /// What was on the wire since the log was cleared: commands in hex with their answers, `None` for those that had
    /// none.
    pub fn log(&self, reader: usize) -> Result<Vec<(String, Option<String>)>, EmulatorError> {
        let answer = self.command(&format!("log {reader}"))?;
        let exchanges = answer["log"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(exchanges.iter().map(|e| (text(&e["command"]).unwrap_or_default(), text(&e["answer"]))).collect())
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

/// Asks cargo, which also says where the program lies.
fn build() -> Result<PathBuf, String> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "oathburn-emulator", "--bin", "emulate", "--message-format", "json"])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    };
    messages
        .lines()
        .filter_map(executable)
        .next_back()
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("cargo does not build emulate:\n{}", String::from_utf8_lossy(&output.stderr)))
}
