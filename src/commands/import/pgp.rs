//! OpenPGP messages (RFC 9580), opened by the user's own `GnuPG` through pipes: the keys are there, and stay there.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use oathburn_escrow::SecretString;
use rustix::io::{FdFlags, fcntl_setfd};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::source::keep;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::printable;

/// What `GnuPG` says is read up to here.
const MAX_SAID: u64 = 64 * 1024;

/// What is to be opened.
pub(super) enum Message<'a> {
    File(File),
    Bytes(&'a [u8]),
}

/// The text of a message, all of it and only if `GnuPG` was content with it, in a buffer that is wiped. Without a
/// password, and where nobody `can_ask`, only keys that need no passphrase, or whose passphrase the agent knows, open it.
pub(super) fn open(
    message: Message<'_>,
    password: Option<&SecretString>,
    can_ask: bool,
    path: &Path,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    open_with("gpg".as_ref(), message, password, can_ask, path, limit)
}

fn open_with(
    program: &OsStr,
    message: Message<'_>,
    password: Option<&SecretString>,
    can_ask: bool,
    path: &Path,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let passphrase = password.map(passphrase).transpose().map_err(|error| unusable(&error))?;
    let mut gpg = Command::new(program);
    gpg.arg("--quiet").stdout(Stdio::piped()).stderr(Stdio::piped());
    match &passphrase {
        Some(passphrase) => {
            gpg.args(["--batch", "--pinentry-mode", "loopback", "--passphrase-fd"]);
            gpg.arg(passphrase.as_raw_fd().to_string());
        }
        // The agent asks by itself, on the terminal that it is told of.
        None if can_ask => drop(terminal().map(|name| gpg.env("GPG_TTY", name))),
        None => drop(gpg.args(["--batch", "--pinentry-mode", "error"])),
    }
    gpg.arg("--decrypt");
    let bytes = match message {
        Message::File(file) => {
            gpg.stdin(file);
            None
        }
        Message::Bytes(bytes) => {
            gpg.stdin(Stdio::piped());
            Some(bytes)
        }
    };
    let mut child = gpg.spawn().map_err(|error| missing(&error))?;
    drop(passphrase);
    let (kept, said) = converse(&mut child, bytes, path, limit);
    if kept.is_err() {
        // It has more to say than anybody listens to.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| unusable(&error))?;
    let kept = kept?;
    // What was not whole, or not signed as it says, is not looked at: GnuPG writes before it knows.
    if status.success() { Ok(kept) } else { Err(refused(path, &said)) }
}

/// Feeds the message, keeps the text, and hears what is said about it, all at once: pipes are short.
fn converse(
    child: &mut Child,
    bytes: Option<&[u8]>,
    path: &Path,
    limit: usize,
) -> (Result<Zeroizing<Vec<u8>>, Failure>, String) {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|threads| {
        if let (Some(mut stdin), Some(bytes)) = (stdin, bytes) {
            // One that does not want to read on says why, and ends.
            threads.spawn(move || stdin.write_all(bytes));
        }
        let said = threads.spawn(move || {
            let mut said = Vec::new();
            let mut stderr = stderr.expect("it is piped");
            let _ = (&mut stderr).take(MAX_SAID).read_to_end(&mut said);
            let _ = io::copy(&mut stderr, &mut io::sink());
            String::from_utf8_lossy(&said).into_owned()
        });
        let mut stdout = stdout.expect("it is piped");
        let kept = keep(&mut stdout, path, limit);
        drop(stdout);
        (kept, said.join().unwrap_or_default())
    })
}

/// A pipe that the child inherits and from which it reads the passphrase: neither an argument nor a file has it.
fn passphrase(password: &SecretString) -> io::Result<PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    fcntl_setfd(&reader, FdFlags::empty())?;
    // A line of 4 kB at most, for which a pipe has room.
    writer.write_all(password.expose_secret().as_bytes())?;
    writer.write_all(b"\n")?;
    Ok(reader)
}

/// The terminal where somebody is asked, unless the environment says it already.
fn terminal() -> Option<String> {
    if std::env::var_os("GPG_TTY").is_some() {
        return None;
    }
    rustix::termios::ttyname(io::stderr(), Vec::new()).ok()?.into_string().ok()
}

fn missing(error: &io::Error) -> Failure {
    let message = format!("it is an OpenPGP message, and GnuPG cannot be started: {error}");
    let remedy = "install gpg (Debian: gnupg), or decrypt where your key is: gpg --decrypt FILE | oathburn import -";
    Failure::new(Exit::Input, "pgp-program", message, remedy)
}

fn unusable(error: &io::Error) -> Failure {
    Failure::new(Exit::Input, "pgp-pipe", format!("failed to speak with GnuPG: {error}"), "try it again")
}

fn refused(path: &Path, said: &str) -> Failure {
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    let message = format!("GnuPG did not open {}: {}", path.display(), printable(last));
    let remedy = "see what `gpg --decrypt FILE` says: the key may be missing or locked, or the signature not known; \
                  a password goes into --password-file";
    Failure::new(Exit::Input, "pgp-not-opened", message, remedy)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_gnupg_says_so() {
        let refused =
            open_with("/nowhere/gpg".as_ref(), Message::Bytes(b"x"), None, false, Path::new("-"), 1024).unwrap_err();
        assert_eq!((refused.exit, refused.code), (Exit::Input, "pgp-program"));
    }

    #[test]
    fn what_does_not_end_is_not_kept() {
        // `yes --quiet …` would refuse its arguments; a shell does not look at them.
        let folder = tempfile::tempdir().unwrap();
        let endless = folder.path().join("gpg");
        // A child writes it: what this process has open for writing, a fork of a neighbouring test holds, and nothing starts.
        let write = "printf '#!/bin/sh\\nexec yes\\n' > \"$0\" && chmod 700 \"$0\"";
        assert!(Command::new("sh").args(["-c", write]).arg(&endless).status().unwrap().success());
        let refused =
            open_with(endless.as_os_str(), Message::Bytes(b"x"), None, false, Path::new("-"), 1 << 20).unwrap_err();
        assert_eq!((refused.exit, refused.code), (Exit::Input, "import-too-large"));
    }
}
