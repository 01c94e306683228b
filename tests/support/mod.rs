//! A desk for a test: a home folder, emulated readers on a real pcscd, and the program.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub(crate) mod page;
pub(crate) mod terminal;
pub(crate) mod ykman;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use oathburn_emulator::{Lab, LabOptions, emulate_binary};
use serde_json::Value;
use tempfile::TempDir;

/// A restricted token (its seed goes when its clock is set), and an unrestricted one.
pub(crate) const RESTRICTED: &str = "8659622000001";
pub(crate) const UNRESTRICTED: &str = "8659612000001";

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The one JSON value on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The run, which must have ended so.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// The stable code of the error in the JSON.
    pub(crate) fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {self:?}")).to_owned()
    }
}

/// One user's machine.
pub(crate) struct Desk {
    home: TempDir,
    lab: Option<Lab>,
    /// The store, where it is another than the user's own file.
    store: Option<String>,
}

impl Desk {
    /// A machine without readers: no PC/SC service is running there.
    pub(crate) fn without_readers() -> Self {
        Self { home: tempfile::tempdir().unwrap(), lab: None, store: None }
    }

    /// A machine with readers and an escrow that has a plain officer's file.
    pub(crate) fn new(readers: usize) -> Self {
        let desk = Self::without_escrow(readers);
        desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
        desk
    }

    /// A machine with readers.
    pub(crate) fn without_escrow(readers: usize) -> Self {
        let lab = Lab::start(&emulate_binary().unwrap(), readers).unwrap_or_else(|error| panic!("{error}"));
        Self { home: tempfile::tempdir().unwrap(), lab: Some(lab), store: None }
    }

    /// A machine without a PC/SC service, with one reader of libnfc, `nfc0`, and an escrow.
    pub(crate) fn over_libnfc() -> Self {
        let desk = Self::with(LabOptions { readers: 0, nfc: 1 });
        desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
        desk
    }

    /// A machine with readers of both kinds.
    pub(crate) fn with(options: LabOptions) -> Self {
        let lab = Lab::start_with(&emulate_binary().unwrap(), options).unwrap_or_else(|error| panic!("{error}"));
        Self { home: tempfile::tempdir().unwrap(), lab: Some(lab), store: None }
    }

    /// The same machine for a store that lies elsewhere, whose passwords are these lines.
    pub(crate) fn with_store(mut self, url: &str, passwords: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.home.path().join(".pgpass");
        std::fs::write(&file, passwords).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.store = Some(url.to_owned());
        self
    }

    pub(crate) fn lab(&self) -> &Lab {
        self.lab.as_ref().expect("this desk has readers")
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where the escrow lies, if not in the user's own file.
    pub(crate) fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    /// Where the program keeps its files.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.path().join(".local/share/oathburn")
    }

    /// The program with these arguments, in a clean environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oathburn"));
        let socket = self.lab.as_ref().map_or_else(|| self.home.path().join("no-service"), |lab| lab.socket().into());
        command.args(arguments).env_clear().env("HOME", self.home.path()).env("PCSCLITE_CSOCK_NAME", socket);
        command.envs(self.store.as_ref().map(|store| ("OATHBURN_STORE", store)));
        // Where there is no service, libnfc knows of its first reader as its own programs do.
        if let Some(lab) = self.lab.as_ref().filter(|lab| lab.reader_names().is_empty()) {
            command.envs(lab.connstrings().first().map(|connstring| ("LIBNFC_DEVICE", connstring)));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        finished(self.command(arguments).output().unwrap())
    }

    /// Starts the program.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        Running(self.command(arguments).spawn().unwrap())
    }

    /// Runs the program with this text on stdin.
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> Run {
        feed(self.command(arguments), stdin)
    }

    /// Runs the program and reads the one JSON value it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).expect(0).json()
    }

    /// The state of the newest entry of a token.
    pub(crate) fn newest(&self, serial: &str) -> Value {
        let entries = self.json(&["escrow", "list", "--serial", serial]);
        entries.as_array().unwrap().last().unwrap_or(&Value::Null).clone()
    }

    /// The code the escrow expects at a time, from the newest entry of a token.
    pub(crate) fn expected_code(&self, serial: &str, at: &str) -> String {
        let entry = self.newest(serial)["entry"].as_str().unwrap().to_owned();
        let codes = self.json(&["code", "--entry", &entry, "--at", at]);
        codes["codes"][0]["code"].as_str().unwrap().to_owned()
    }

    /// How many entries a token has.
    pub(crate) fn count(&self, serial: &str) -> usize {
        self.json(&["escrow", "list", "--serial", serial]).as_array().unwrap().len()
    }

    /// The code of an entry at a time.
    pub(crate) fn code_of(&self, entry: &Value, at: u64) -> String {
        let codes = self.json(&["code", "--entry", entry.as_str().unwrap(), "--at", &at.to_string()]);
        codes["codes"][0]["code"].as_str().unwrap().to_owned()
    }

    /// Whether the token on a reader shows, by its own clock, what an entry says, and its clock is right.
    pub(crate) fn shows(&self, reader: impl Display, entry: &Value) -> bool {
        let shown = self.lab().command(&format!("display {reader}")).unwrap();
        let ahead = self.lab().state(&reader).unwrap()["clock_offset"].as_i64().unwrap();
        let at = shown["at"].as_u64().unwrap().checked_add_signed(ahead).unwrap();
        ahead.abs() <= 3 && shown["code"] == self.code_of(entry, at)
    }

    /// Whether the token on a reader shows what its newest entry says.
    pub(crate) fn display_is_escrowed(&self, reader: impl Display, serial: &str) -> bool {
        self.shows(reader, &self.newest(serial)["entry"])
    }
}

/// The program while it runs.
pub(crate) struct Running(std::process::Child);

impl Running {
    /// Its end.
    pub(crate) fn finish(self) -> Run {
        finished(self.0.wait_with_output().unwrap())
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), rustix::process::Signal::INT).unwrap();
    }

    /// Kills it as the kernel does it when memory is short, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

pub(crate) fn finished(output: Output) -> Run {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// All files below a folder.
pub(crate) fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Runs a command with this text on stdin.
pub(crate) fn feed(mut command: Command, stdin: &str) -> Run {
    use std::io::Write;
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // A program that fails before it reads closes the pipe: its exit code says more than ours would.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    finished(child.wait_with_output().unwrap())
}
