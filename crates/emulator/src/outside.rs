//! The process that is started by people and tests. It starts itself once more, in namespaces of its own if there is to
//! be a PC/SC service, hands over commands, and takes everything down with it: the inner process ends when the pipe
//! between them does.

use std::fs;
use std::io::{BufRead, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use oathburn_emulator::{EmulatorError, find_driver, namespaces};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::Cli;

/// What the inner process is to hear.
enum Word {
    Command(String),
    End,
}

pub(crate) fn run(cli: &Cli) -> Result<ExitCode, EmulatorError> {
    const MAX_NFC: usize = 16;
    if cli.nfc > MAX_NFC {
        return Err(EmulatorError::NfcReaders { readers: cli.nfc });
    }
    if cli.slots() == 0 && cli.nfc == 0 {
        return Err(EmulatorError::Readers { readers: 0 });
    }
    let driver = if cli.slots() > 0 { Some(driver(cli)?) } else { None };
    if driver.is_some() {
        namespaces::check()?;
    }
    let (folder, remove) = folder(cli)?;
    let mut child = spawn(cli, &folder, driver.as_deref(), remove)?;
    let (sender, receiver) = channel();
    end_on_signals(sender.clone())?;
    listen(cli, sender);
    if let Some(stdin) = child.stdin.take() {
        // This thread waits for a word, the main thread for the end of the inner process.
        std::thread::spawn(move || hand_over(&receiver, stdin));
    }
    let status = child.wait().map_err(io("wait for the inner process"))?;
    if remove {
        // It is gone already unless the inner process was killed.
        let _ = fs::remove_dir_all(&folder);
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn spawn(cli: &Cli, folder: &Path, driver: Option<&Path>, remove: bool) -> Result<Child, EmulatorError> {
    let own = std::env::current_exe().map_err(io("find this program"))?;
    let mut command = if let Some(driver) = driver {
        let mut command = namespaces::isolated(&own);
        command.arg("--driver").arg(driver);
        command
    } else {
        let mut command = Command::new(&own);
        // Ctrl-C in a terminal is for this process, which then ends the other one in order.
        command.process_group(0);
        command
    };
    command.arg("--inside").arg(folder);
    command.args(["--readers", &cli.slots().to_string(), "--nfc", &cli.nfc.to_string()]);
    if remove {
        command.arg("--remove");
    }
    command.stdin(Stdio::piped()).spawn().map_err(io("start unshare"))
}

fn driver(cli: &Cli) -> Result<PathBuf, EmulatorError> {
    if let Some(path) = &cli.driver {
        return path.canonicalize().map_err(|_| EmulatorError::DriverMissing { path: path.clone() });
    }
    let starts = [std::env::current_exe(), std::env::current_dir()];
    find_driver(&starts.into_iter().flatten().collect::<Vec<_>>())
}

/// The folder, for its owner only, and whether it is ours to remove.
fn folder(cli: &Cli) -> Result<(PathBuf, bool), EmulatorError> {
    let owner_only = fs::Permissions::from_mode(0o700);
    let Some(dir) = &cli.dir else {
        let folder = tempfile::Builder::new().prefix("emulate-").permissions(owner_only).tempdir();
        return Ok((folder.map_err(io("make a temporary folder"))?.keep(), true));
    };
    let fail = || io(format!("make {}", dir.display()));
    fs::create_dir_all(dir).map_err(fail())?;
    fs::set_permissions(dir, owner_only).map_err(fail())?;
    Ok((dir.canonicalize().map_err(fail())?, false))
}

fn end_on_signals(sender: Sender<Word>) -> Result<(), EmulatorError> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(io("handle signals"))?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            // Nobody listens any more when everything has ended already.
            let _ = sender.send(Word::End);
        }
    });
    Ok(())
}

/// Reads commands where they are wanted, and the end of input where it counts.
fn listen(cli: &Cli, sender: Sender<Word>) {
    let stdin = std::io::stdin();
    let commands = cli.stdin || (stdin.is_terminal() && !cli.until_eof);
    let until_eof = cli.until_eof || stdin.is_terminal();
    if !commands && !until_eof {
        return;
    }
    std::thread::spawn(move || {
        for line in stdin.lock().lines().map_while(Result::ok) {
            if commands && sender.send(Word::Command(line)).is_err() {
                return;
            }
        }
        if until_eof {
            let _ = sender.send(Word::End);
        }
    });
}

fn hand_over(receiver: &Receiver<Word>, mut stdin: ChildStdin) {
    while let Ok(Word::Command(line)) = receiver.recv() {
        if writeln!(stdin, "{line}").is_err() {
            return;
        }
    }
}

fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> EmulatorError {
    let action = action.into();
    move |source| EmulatorError::Io { action, source }
}
