//! A token and a reader that are none, behind the real PC/SC service, for demo and bench.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;

use crate::failure::{Failure, While as _};

/// A model whose seed is erased when its clock is set: the more demanding kind.
pub(crate) const SERIAL: &str = "8659622000001";

/// A running `emulate`. When this process ends, however it ends, so does the emulator, and its folder goes with it.
pub(crate) struct Emulator {
    child: Child,
    /// The emulator runs until this is closed.
    alive: Option<ChildStdin>,
    control: Control,
    path: PathBuf,
    socket: PathBuf,
    home: PathBuf,
    /// How it calls its readers, and what chooses them in our program.
    readers: Vec<(String, String)>,
}

/// A conversation with the emulator.
pub(crate) struct Control(BufReader<UnixStream>);

impl Control {
    /// Sends one line of the control protocol.
    pub(crate) fn ask(&mut self, line: &str) -> Result<Value, Failure> {
        writeln!(self.0.get_mut(), "{line}").while_doing("reach the emulator")?;
        let answer = answer(&mut self.0)?;
        if answer["ok"] == true {
            Ok(answer)
        } else {
            Err(Failure::new(format!("the emulator refused `{line}`: {}", reason(&answer))))
        }
    }
}

impl Emulator {
    /// Starts `program` with one reader and a fresh token on it.
    pub(crate) fn start(program: &Path) -> Result<Self, Failure> {
        Self::start_with(program, 1, 0)
    }

    /// Starts `program` with so many readers of PC/SC and of libnfc, each with a fresh token on it.
    pub(crate) fn start_with(program: &Path, slots: usize, chips: usize) -> Result<Self, Failure> {
        let mut emulator = Self::empty(program, slots, chips)?;
        let first: u64 = SERIAL.parse().expect("a literal of digits");
        for (serial, name) in (first..).zip(emulator.names()) {
            emulator.ask(&format!("insert {name} token2-single serial={serial}"))?;
        }
        Ok(emulator)
    }

    /// Starts `program` with so many readers of PC/SC and of libnfc, and nothing on them.
    pub(crate) fn empty(program: &Path, slots: usize, chips: usize) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .args(["--readers", &slots.to_string(), "--nfc", &chips.to_string(), "--until-eof"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .while_doing(format_args!("start {}", program.display()))?;
        let alive = child.stdin.take();
        let ready = answer(&mut BufReader::new(child.stdout.take().expect("it was asked for")))?;
        let path = |name: &str| ready[name].as_str().map(PathBuf::from);
        let Some(path_of_control) = path("control") else {
            return Err(Failure::new(format!("the emulator did not start: {}", reason(&ready))));
        };
        let socket = path("socket").unwrap_or_else(|| path_of_control.with_file_name("pcscd.comm"));
        let texts = |list: &str, text: fn(&Value) -> Option<&str>| -> Vec<String> {
            ready[list].as_array().into_iter().flatten().filter_map(text).map(str::to_owned).collect()
        };
        let slots = texts("readers", Value::as_str).into_iter().take(slots).enumerate();
        let chips = texts("nfc", |reader| reader["connstring"].as_str()).into_iter().enumerate();
        let readers = slots
            .map(|(at, name)| (at.to_string(), format!("pcsc:{name}")))
            .chain(chips.map(|(at, name)| (format!("nfc{at}"), format!("libnfc:{name}"))))
            .collect::<Vec<_>>();
        let control = connect(&path_of_control)?;
        // In the emulator's own folder, which it removes whatever happens to us.
        let home = socket.with_file_name("home");
        fs::create_dir(&home).while_doing("make a home")?;
        Ok(Self { child, alive, control, path: path_of_control, socket, home, readers })
    }

    /// How its readers are called in the control protocol.
    pub(crate) fn names(&self) -> Vec<String> {
        self.readers.iter().map(|(name, _)| name.clone()).collect()
    }

    /// What chooses its readers in our program.
    pub(crate) fn readers(&self) -> Vec<String> {
        self.readers.iter().map(|(_, selector)| selector.clone()).collect()
    }

    /// Sends one line of the control protocol.
    pub(crate) fn ask(&mut self, line: &str) -> Result<Value, Failure> {
        self.control.ask(line)
    }

    /// One more conversation with it.
    pub(crate) fn connect(&self) -> Result<Control, Failure> {
        connect(&self.path)
    }

    /// The home of the programs that see it.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// What the token's display shows.
    pub(crate) fn display(&mut self) -> Result<String, Failure> {
        let answer = self.ask("display 0")?;
        answer["code"].as_str().map(str::to_owned).ok_or_else(|| Failure::new("the token's display is dark"))
    }

    /// A program that sees the emulated reader and a home of its own, and nothing of this machine's.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("PCSCLITE_CSOCK_NAME", &self.socket).env("HOME", &self.home).env("XDG_DATA_HOME", &self.home);
        for name in ["OATHBURN_STORE", "OATHBURN_IDENTITY", "OATHBURN_READER", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.alive = None;
        // It ends by itself now; if waiting fails there is nothing to wait for.
        let _ = self.child.wait();
    }
}

fn connect(path: &Path) -> Result<Control, Failure> {
    Ok(Control(BufReader::new(UnixStream::connect(path).while_doing("reach the emulator")?)))
}

/// One line of JSON.
fn answer(lines: &mut BufReader<impl Read>) -> Result<Value, Failure> {
    let mut line = String::new();
    lines.read_line(&mut line).while_doing("hear from the emulator")?;
    serde_json::from_str(&line).while_doing("understand the emulator")
}

/// Why, and what can be done, in the emulator's words.
fn reason(answer: &Value) -> String {
    let word = |name: &str| answer[name].as_str().unwrap_or_default();
    format!("{}\n{}", word("error"), word("remedy")).trim_end().to_owned()
}
