//! The operator: lays tokens on readers and takes them off, told by the program's events.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::Desk;

/// How long a run may say nothing before it hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// A run of `oathburn batch … --json`, with its events as they come.
pub(crate) struct Batch {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    events: Receiver<Value>,
    /// All that were heard.
    pub(crate) heard: Vec<Value>,
}

impl Batch {
    pub(crate) fn start(desk: &Desk, arguments: &[&str]) -> Self {
        Self::of(desk, &[&["batch"], arguments, &["--json"]].concat())
    }

    /// The same of another command that says the same.
    pub(crate) fn of(desk: &Desk, arguments: &[&str]) -> Self {
        let mut command = desk.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, events) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Half a line is what a killed program leaves.
                let Ok(event) = serde_json::from_str(&line) else { break };
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        let stdin = child.stdin.take();
        Self { child, stdin, events, heard: Vec::new() }
    }

    /// The next event; `None` when the program has ended.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let event = match self.events.recv_timeout(PATIENCE) {
            Ok(event) => event,
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing more is heard: {:#?}", self.heard),
        };
        self.heard.push(event.clone());
        Some(event)
    }

    /// Waits for an event of this name.
    pub(crate) fn wait_for(&mut self, name: &str) -> Value {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("no {name}: {:#?}", self.heard));
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Its end: the exit code and the last object.
    pub(crate) fn finish(mut self) -> (i32, Value, Vec<Value>) {
        while self.next().is_some() {}
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.heard.last().cloned().unwrap_or(Value::Null), std::mem::take(&mut self.heard))
    }

    pub(crate) fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    pub(crate) fn kill(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while self.next().is_some() {}
        std::mem::take(&mut self.heard)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // After a failure it would wait for tokens for good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The operator with a box of tokens: whatever a reader wants to be taken off is taken off, and the next is laid on. Tokens
/// that were not finished go back into the box.
pub(crate) struct Hands<'a> {
    desk: &'a Desk,
    /// The tokens that wait, by serial number.
    pub(crate) tokens: Vec<String>,
    /// What lies on each reader.
    lying: BTreeMap<String, String>,
    /// Those that were laid on at least once.
    known: BTreeSet<String>,
    /// Readers on which something has lain.
    used: BTreeSet<String>,
}

impl<'a> Hands<'a> {
    pub(crate) fn new(desk: &'a Desk, tokens: impl IntoIterator<Item = String>) -> Self {
        let mut tokens: Vec<_> = tokens.into_iter().collect();
        tokens.reverse();
        Self { desk, tokens, lying: BTreeMap::new(), known: BTreeSet::new(), used: BTreeSet::new() }
    }

    /// Does what an event asks for. `before` may prepare something for the token that is laid on next.
    pub(crate) fn obey(&mut self, event: &Value, before: &mut dyn FnMut(&str, &str)) {
        let Some(reader) = event["reader"].as_str().map(|name| self.reader(name)) else { return };
        match event["event"].as_str().unwrap_or_default() {
            "waiting" if !self.lying.contains_key(&reader) => self.lay_on(&reader, before),
            "broken" => {
                // It goes to the bottom of the box.
                if let Some(serial) = self.lying.get(&reader) {
                    self.tokens.insert(0, serial.clone());
                }
            }
            // The next one is laid on when the program has seen this one go: by libnfc it is asked for now and then only.
            "take-off" => self.take_off(&reader),
            _ => {}
        }
    }

    /// Takes off whatever lies there, after a program was killed.
    pub(crate) fn clear(&mut self, done: &BTreeSet<String>) {
        for (reader, serial) in self.lying.clone() {
            self.take_off(&reader);
            if !done.contains(&serial) && !self.tokens.contains(&serial) {
                self.tokens.insert(0, serial);
            }
        }
    }

    /// What the emulator calls the reader that the program calls so.
    fn reader(&self, name: &str) -> String {
        let (slots, chips) = (self.desk.lab().reader_names(), self.desk.lab().connstrings());
        let place = |list: &[String]| list.iter().position(|one| name.ends_with(one.as_str()));
        place(slots)
            .map(|slot| slot.to_string())
            .or_else(|| place(chips).map(|chip| format!("nfc{chip}")))
            .unwrap_or_else(|| panic!("{name} is neither in {slots:?} nor in {chips:?}"))
    }

    fn take_off(&mut self, reader: &str) {
        if self.lying.remove(reader).is_some() {
            self.desk.lab().command(&format!("faults {reader} clear")).unwrap();
            self.desk.lab().remove(reader).unwrap();
        }
    }

    fn lay_on(&mut self, reader: &str, before: &mut dyn FnMut(&str, &str)) {
        let Some(serial) = self.tokens.pop() else { return };
        let card = if self.known.insert(serial.clone()) {
            format!("token2-single serial={serial}")
        } else {
            format!("token {serial}")
        };
        // Faults wait on a reader for whatever is laid there next; one that has had no card yet has none.
        if !self.used.insert(reader.to_owned()) {
            before(reader, &serial);
        }
        self.desk.lab().insert(reader, &card).unwrap();
        self.lying.insert(reader.to_owned(), serial);
    }
}

/// Serial numbers of a box of restricted tokens.
pub(crate) fn tokens(count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(|number| format!("8659622{number:06}"))
}

/// Every token that is done shows what its entry says, no seed and no line was burned twice, and the escrow is whole.
pub(crate) fn all_is_right(desk: &Desk, batch: &str) {
    let entries = desk.json(&["escrow", "list", "--state", "programmed"]);
    let entries = entries.as_array().unwrap();
    let (mut seeds, mut users) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries.iter().filter(|entry| entry["batch"] == batch) {
        let serial = entry["serial"].as_str().unwrap();
        let state = desk.lab().command(&format!("state token {serial} --with-seed")).unwrap();
        let shown = desk.lab().command(&format!("display token {serial}")).unwrap();
        let ahead = state["clock_offset"].as_i64().unwrap();
        let at = shown["at"].as_u64().unwrap().checked_add_signed(ahead).unwrap();
        assert!(ahead.abs() <= 3, "{serial}: {state}");
        assert_eq!(shown["code"], desk.code_of(&entry["entry"], at), "{serial}");
        assert!(seeds.insert(state["seed"].as_str().unwrap().to_owned()), "{serial} has the seed of another");
        let upn = entry["upn"].as_str().unwrap_or_default();
        assert!(upn.is_empty() || users.insert(upn.to_owned()), "{upn} has two tokens");
    }
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

/// The rows of the results, by line.
pub(crate) fn results(desk: &Desk, batch: &str) -> Vec<Vec<String>> {
    let text = desk.run(&["batch", "results", batch]).expect(0).stdout;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), vec!["line", "upn", "serial", "model", "state", "time", "drift", "error"]);
    reader.records().map(|row| row.unwrap().iter().map(ToOwned::to_owned).collect()).collect()
}
