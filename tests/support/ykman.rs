//! Yubico's own client, as a foreign judge of emulated security keys and of what is written onto them.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Desk, Run, finished};

/// The client's program, if it is here: under continuous integration it must be.
pub(crate) fn ykman() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path).map(|folder| folder.join("ykman")).find(|file| file.is_file());
    assert!(program.is_some() || std::env::var_os("CI").is_none(), "ykman is not installed");
    if program.is_none() {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: ykman is not installed\n");
    }
    program
}

impl Desk {
    /// Runs the client against a reader of this desk. It finds no other programs: before it gives up on a reader it would end
    /// those of the user that it takes for rivals.
    pub(crate) fn ykman(&self, reader: usize, arguments: &[&str]) -> Run {
        let program = ykman().expect("the caller has asked whether it is there");
        let mut command = Command::new(program);
        command.args(["--reader", &self.lab().reader_names()[reader]]).args(arguments);
        command.env_clear().env("HOME", self.home()).env("PATH", self.home()).env("LC_ALL", "C.UTF-8");
        command.env("PCSCLITE_CSOCK_NAME", self.lab().socket());
        finished(command.stdin(Stdio::null()).output().unwrap())
    }

    /// The lines that the client prints when all is well.
    pub(crate) fn ykman_lines(&self, reader: usize, arguments: &[&str]) -> Vec<String> {
        self.ykman(reader, arguments).expect(0).stdout.lines().map(str::to_owned).collect()
    }

    /// The code that the client reads for one account.
    pub(crate) fn ykman_code(&self, reader: usize, account: &str) -> String {
        let lines = self.ykman_lines(reader, &["oath", "accounts", "code", "--single", account]);
        lines.into_iter().find(|line| line.bytes().all(|byte| byte.is_ascii_digit())).unwrap()
    }

    /// Keeps the conversation that the client has had with the key on a reader as a file that judges driver and emulator; only
    /// when the files are to be written anew (`OATHBURN_UPDATE=1`). `setup` is what the key was inserted with.
    pub(crate) fn record_ykman(&self, name: &str, about: &str, setup: &str) {
        if std::env::var_os("OATHBURN_UPDATE").is_none() {
            return;
        }
        let version = Command::new(ykman().unwrap()).arg("--version").output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        let version = version.trim().rsplit(' ').next().unwrap();
        let mut text = format!(
            "# {about}\n# recorded between ykman {version} (pyscard, pcscd) and the emulated applet of this repository\n"
        );
        for word in setup.split_ascii_whitespace() {
            text.push_str(&word.replace('=', " "));
            text.push('\n');
        }
        let log = self.lab().log(0).unwrap();
        for (at, (command, answer)) in log.iter().enumerate() {
            let answer = answer.as_ref().expect("every command was answered");
            if let Some(random) = random_before(command, answer, &log[at + 1..]) {
                writeln!(text, "device-random {random}").unwrap();
            }
            writeln!(text, "> {command}\n< {answer}").unwrap();
        }
        writeln!(text, "state {}", state(&self.lab().state(0).unwrap())).unwrap();
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/transcripts/ykoath");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("ykman-{name}.apdu")), text).unwrap();
    }
}

const SELECT_OATH: &str = "00a4040007a0000005272101";

/// What the key took from its random numbers for this answer: the challenge of a SELECT; the device id after a RESET,
/// which the next SELECT tells.
fn random_before(command: &str, answer: &str, later: &[(String, Option<String>)]) -> Option<String> {
    if command.starts_with(SELECT_OATH) {
        // 79 03 version 71 08 id 74 08 challenge
        return answer.get(30..50).and_then(|field| field.strip_prefix("7408")).map(str::to_owned);
    }
    if !command.starts_with("0004dead") || answer != "9000" {
        return None;
    }
    let select = later.iter().find(|(command, _)| command.starts_with(SELECT_OATH))?;
    select.1.as_ref()?.get(14..30).map(str::to_owned)
}

/// What the key holds at the end, on one line.
fn state(state: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |entry: &Value| {
        let flags = match (entry["touch"] == true, entry["increasing"] == true) {
            (false, false) => "-",
            (true, false) => "t",
            (false, true) => "i",
            (true, true) => "ti",
        };
        let [name, oath_type, algorithm, seed] = ["name_hex", "type", "algorithm", "seed"].map(|f| text(&entry[f]));
        format!(" {name}/{oath_type}/{algorithm}/{}/{flags}/{}/{seed}", entry["digits"], entry["counter"])
    };
    let entries: String = state["entries"].as_array().unwrap().iter().map(entry).collect();
    format!("id={} code={}{entries}", text(&state["device_id"]), u8::from(state["access_code"] == true))
}
