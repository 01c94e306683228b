//! `--on-done`: a program of the operator's for each line that is done.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long it may take: a reader does not wait for it, the end of the run does.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a running one is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Runs a command for each line, one after the other, beside the readers.
pub(super) struct Hook {
    lines: Option<Sender<Value>>,
    worker: Option<JoinHandle<u64>>,
}

impl Hook {
    /// `failed` hears of every command that did not end well.
    pub(super) fn new(command: String, failed: impl Fn(&str) + Send + 'static) -> Self {
        let (lines, inbox) = channel::<Value>();
        let worker = thread::spawn(move || {
            let mut failures = 0;
            for line in inbox {
                if let Err(why) = run(&command, &line, PATIENCE) {
                    failures += 1;
                    failed(&why);
                }
            }
            failures
        });
        Self { lines: Some(lines), worker: Some(worker) }
    }

    pub(super) fn tell(&self, line: Value) {
        if let Some(lines) = &self.lines {
            // A worker that panicked is counted at the end.
            let _ = lines.send(line);
        }
    }

    /// Waits until it was told of every line; says how often it failed.
    pub(super) fn end(mut self) -> u64 {
        self.lines = None;
        self.worker.take().map_or(0, |worker| worker.join().unwrap_or(1))
    }
}

fn run(command: &str, line: &Value, patience: Duration) -> Result<(), String> {
    // What it prints is not our data.
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::null());
    // A group of its own: Ctrl-C is for us, and a command that takes too long goes with all it has started.
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    let mut child = shell.spawn().map_err(|error| format!("it cannot be started: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not want to know is fine.
        let _ = writeln!(stdin, "{line}");
    }
    match wait(&mut child, patience) {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => Err(format!("it ended with {status}")),
        Ok(None) => Err(format!("it took longer than {} s", patience.as_secs())),
        Err(error) => Err(format!("nobody knows how it ended: {error}")),
    }
}

fn wait(child: &mut Child, patience: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(LOOK);
    }
    let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(child), rustix::process::Signal::KILL);
    child.wait()?;
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    #[test]
    fn each_line_is_told_and_failures_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("told");
        let why = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&why);
        let command = format!("cat >> {}; grep -q 3 {0} && exit 7; exit 0", file.display());
        let hook = Hook::new(command, move |text| heard.lock().unwrap().push(text.to_owned()));
        for line in 1..=3 {
            hook.tell(json!({ "line": line }));
        }
        assert_eq!(hook.end(), 1);
        assert_eq!(std::fs::read_to_string(file).unwrap(), "{\"line\":1}\n{\"line\":2}\n{\"line\":3}\n");
        assert_eq!(*why.lock().unwrap(), ["it ended with exit status: 7"]);
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let why = run("sleep 600 & wait", &json!({}), Duration::from_millis(50)).unwrap_err();
        assert_eq!(why, "it took longer than 0 s");
        // One that reads nothing does no harm.
        assert_eq!(run("exec 0<&-", &json!({ "label": "x".repeat(1 << 20) }), PATIENCE), Ok(()));
    }
}
