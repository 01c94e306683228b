//! `oathburn escrow reveal`

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use oathburn_escrow::{Disclosure, Facts, Purpose};
use oathburn_formats::KeyUri;
use oathburn_oath::TokenRecord;
use serde_json::json;
use zeroize::Zeroizing;

use super::which::OneOfUser;
use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Outcome;

/// Show a seed
///
/// Whoever has the seed has the token: what codes prove is better proved with codes (`oathburn code`). The seed goes to
/// the terminal, if stdout is one; with --out into a new file of mode 0600, or, with `--out -`, to whatever stdout is.
/// Each call is a disclosure in the audit trail, with the reason that was given.
#[derive(Args, Debug)]
pub(crate) struct Reveal {
    #[command(flatten)]
    which: OneOfUser,
    /// The form
    #[arg(long, value_name = "FORM", default_value = "base32")]
    to: Form,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// A new file for the seed (`-`: stdout, also where it is a pipe)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Forms of a seed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// A to Z and 2 to 7 (RFC 4648)
    Base32,
    /// Two digits a byte
    Hex,
    /// What QR codes hold
    Otpauth,
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::Base32 => "base32",
            Self::Hex => "hex",
            Self::Otpauth => "otpauth",
        }
    }
}

/// Where the seed goes.
enum Target<'a> {
    Stdout,
    File(NewFile<'a>),
}

impl Reveal {
    pub(crate) fn run(self, context: &Context) -> Result {
        if self.reason.trim().is_empty() {
            return Err(Failure::usage("the reason is empty", "say why the seed is needed"));
        }
        // Whatever can be wrong with the place is found before the disclosure is noted.
        let target = self.target()?;
        let escrow = context.escrow()?;
        let entry = self.which.find(context, &escrow)?;
        if matches!(self.to, Form::Otpauth) {
            entry.params.totp()?;
        }
        let opener = escrow.opener(context.officer()?)?;
        let to = match (&target, self.out.is_some()) {
            (Target::File(_), _) => "file",
            (Target::Stdout, true) => "stdout",
            (Target::Stdout, false) => "terminal",
        };
        let disclosure = Disclosure {
            purpose: Purpose::Reveal,
            facts: Facts::new().with("form", self.to.name()).with("to", to),
            reason: Some(self.reason.clone()),
        };
        let record = opener.open(&entry, &disclosure)?;
        let (id, serial) = (entry.id.to_string(), entry.identity.serial.as_str());
        let seed = self.text(record);
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * seed.len() + 256));
        match target {
            Target::File(file) => {
                bytes.extend(seed.as_bytes());
                bytes.push(b'\n');
                file.write(&bytes)?;
                let name = self.out.as_deref().unwrap_or(Path::new("")).display().to_string();
                let text = format!("the seed of {serial} is in {name}\n");
                Ok(Outcome::new(json!({ "entry": id, "serial": serial, "form": self.to.name(), "file": name }), text))
            }
            Target::Stdout => {
                if context.globals.json {
                    // No form of a seed has anything in it that JSON escapes; a buffer of serde's is not wiped.
                    let head = json!({ "entry": id, "form": self.to.name(), "serial": serial }).to_string();
                    bytes.extend(head.trim_end_matches('}').as_bytes());
                    bytes.extend(b",\"seed\":\"");
                    bytes.extend(seed.as_bytes());
                    bytes.extend(b"\"}\n");
                } else {
                    bytes.extend(seed.as_bytes());
                    bytes.push(b'\n');
                }
                write_stdout(&bytes)?;
                Ok(Outcome::new(serde_json::Value::Null, ""))
            }
        }
    }

    fn target(&self) -> std::result::Result<Target<'_>, Failure> {
        match self.out.as_deref() {
            Some(path) if path == Path::new("-") => Ok(Target::Stdout),
            Some(path) => NewFile::create(path).map(Target::File),
            None if io::stdout().is_terminal() => Ok(Target::Stdout),
            None => Err(Failure::new(
                Exit::NotPermitted,
                "seed-to-pipe",
                "stdout is no terminal, and a seed in a pipe or a log stays there",
                "give a new file with --out FILE, or say --out - if the pipe is meant",
            )),
        }
    }

    fn text(&self, record: TokenRecord) -> Zeroizing<String> {
        match self.to {
            Form::Base32 => record.seed.to_base32(),
            Form::Hex => record.seed.to_hex(),
            Form::Otpauth => {
                let account = record.upn.unwrap_or_else(|| record.identity.serial.to_string());
                let uri = KeyUri {
                    issuer: record.issuer,
                    account: Some(account),
                    seed: record.seed,
                    algorithm: Some(record.params.algorithm()),
                    digits: Some(record.params.digits()),
                    step: record.params.step(),
                    counter: record.params.counter(),
                };
                uri.to_uri()
            }
        }
    }
}

/// Past the buffers of the standard library, which are not wiped.
fn write_stdout(bytes: &[u8]) -> std::result::Result<(), Failure> {
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    match stdout.and_then(|mut stdout| stdout.write_all(bytes)) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(Exit::Bug, "stdout", format!("failed to write the result: {error}"), "")),
        Ok(()) => Ok(()),
    }
}

/// A file of mode 0600 that goes again unless it is written whole.
struct NewFile<'a> {
    path: &'a Path,
    file: File,
    whole: bool,
}

impl<'a> NewFile<'a> {
    fn create(path: &'a Path) -> std::result::Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.map(|file| Self { path, file, whole: false }).map_err(|error| failed(path, &error))
    }

    fn write(mut self, bytes: &[u8]) -> std::result::Result<(), Failure> {
        self.file.write_all(bytes).and_then(|()| self.file.sync_all()).map_err(|error| failed(self.path, &error))?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.whole {
            let _ = fs::remove_file(self.path);
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let message = format!("failed to write the seed to {}: {error}", path.display());
    Failure::new(Exit::Input, "seed-out", message, "name a new file in a folder of your own")
}
