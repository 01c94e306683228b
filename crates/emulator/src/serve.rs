//! Commands from the control socket and from standard input, until one of them, or the end of input, ends it all.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::ToSocketAddrs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use oathburn_emulator::{Bench, EmulatorError};
use serde_json::json;

use crate::cli::Cli;
use crate::say;

/// The control socket, for its owner only.
pub(crate) fn listen(path: &Path) -> Result<UnixListener, EmulatorError> {
    let fail = |source| EmulatorError::Io { action: format!("make the socket {}", path.display()), source };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(fail)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(fail)?;
    Ok(listener)
}

/// One card on a reader of somebody else's service.
pub(crate) fn run_connected(cli: &Cli, address: &str) -> Result<ExitCode, EmulatorError> {
    let fail = |source| EmulatorError::Io { action: format!("find {address}"), source };
    let found = address.to_socket_addrs().map_err(fail)?.next();
    let bench = Bench::connected_to(found.ok_or_else(|| fail(io::ErrorKind::NotFound.into()))?);
    let inserted = bench.execute(&format!("insert 0 {}", cli.card.as_deref().unwrap_or_default())).json;
    if inserted["ok"] != true {
        say(&inserted);
        return Ok(ExitCode::FAILURE);
    }
    say(&json!({ "ready": true, "readers": bench.reader_names() }));
    until_the_end(bench, None);
    Ok(ExitCode::SUCCESS)
}

/// Serves until `quit` or the end of standard input. Cards are then taken away and the service is ended.
pub(crate) fn until_the_end(bench: Bench, listener: Option<UnixListener>) {
    let bench = Arc::new(bench);
    let (end, ended) = channel();
    if let Some(listener) = listener {
        let (bench, end) = (Arc::clone(&bench), end.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (bench, end) = (Arc::clone(&bench), end.clone());
                thread::spawn(move || converse(&bench, stream, &end));
            }
        });
    }
    let for_stdin = Arc::clone(&bench);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let answer = for_stdin.execute(&line);
            say(&answer.json);
            if answer.quit {
                break;
            }
        }
        // When nobody waits for it, the end has come already.
        let _ = end.send(());
    });
    let _ = ended.recv();
    bench.close();
}

/// One client of the control socket: lines in, lines out.
fn converse(bench: &Bench, stream: UnixStream, end: &Sender<()>) {
    let Ok(mut writer) = stream.try_clone() else { return };
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let answer = bench.execute(&line);
        let sent = writeln!(writer, "{}", answer.json);
        if answer.quit {
            let _ = end.send(());
        }
        if sent.is_err() {
            return;
        }
    }
}
