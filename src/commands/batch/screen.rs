//! What the operator sees while a batch runs: a line for each reader, how far everything is, a bell; plain lines where
//! nobody watches; with `--json` one event a line on stdout.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use oathburn_escrow::Batch;
use oathburn_oath::{Remedy, SerialNumber};
use oathburn_station::{BatchEvent, BatchObserver, DoneLine, Event};
use oathburn_token::Progress;
use serde_json::{Value, json};

use super::hook::Hook;
use crate::context::Context;
use crate::output::printable;
use crate::progress::Talk;
use crate::prompt;

pub(in crate::commands) struct Screen {
    talk: Talk,
    json: bool,
    names: Vec<String>,
    bars: Option<Bars>,
    hook: Option<Hook>,
    /// Whose turn it is to write or to ask.
    turn: Mutex<()>,
    started: Instant,
    done_before: u64,
}

/// What is worked on.
pub(in crate::commands) struct Task {
    /// How it begins, for programs.
    pub(in crate::commands) event: Value,
    /// The same for people.
    pub(in crate::commands) said: String,
    /// How many lines there are, as far as is known.
    pub(in crate::commands) lines: u64,
    /// How many of them have come to their end before.
    pub(in crate::commands) done: u64,
}

impl Task {
    pub(super) fn of_batch(batch: &Batch) -> Self {
        let Batch { id, lines, counts, .. } = batch;
        Self {
            event: json!({ "event": "batch", "batch": id.to_string(), "lines": lines, "left": counts.left() }),
            said: format!("batch {id}: {lines} lines, {} left", counts.left()),
            lines: *lines,
            done: counts.done + counts.failed,
        }
    }
}

/// Lines of a terminal that are written over.
struct Bars {
    all: MultiProgress,
    readers: Vec<ProgressBar>,
    total: ProgressBar,
}

impl Screen {
    pub(in crate::commands) fn new(
        context: &Context,
        about: &Task,
        names: Vec<String>,
        on_done: Option<String>,
    ) -> Self {
        let talk = context.talk;
        let bars = talk.is_watched().then(|| Bars::new(talk, &names, about));
        let all = bars.as_ref().map(|bars| bars.all.clone());
        let json = context.globals.json;
        let hook = on_done.map(|command| {
            Hook::new(command, move |why| {
                if json {
                    print(&json!({ "event": "hook-failed", "message": why }));
                }
                let warn = || talk.warn(format_args!("the command of --on-done failed: {why}"));
                all.as_ref().map_or_else(warn, |all| all.suspend(warn));
            })
        });
        let screen = Self {
            talk,
            json,
            names,
            bars,
            hook,
            turn: Mutex::new(()),
            started: Instant::now(),
            done_before: about.done,
        };
        screen.say(&about.said);
        if json {
            print(&about.event);
        }
        screen
    }

    /// Takes the lines away; says how often the operator's command failed.
    pub(in crate::commands) fn end(self) -> u64 {
        let failures = self.hook.map_or(0, Hook::end);
        if let Some(bars) = &self.bars {
            // Nobody is left to tell when the terminal is gone.
            let _ = bars.all.clear();
        }
        failures
    }

    /// Says something that is about no reader.
    pub(in crate::commands) fn tell(&self, event: &Value, text: &str) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.json {
            print(event);
        }
        self.say(text);
    }

    fn say(&self, line: impl std::fmt::Display) {
        let say = || self.talk.say(&line);
        self.bars.as_ref().map_or_else(say, |bars| bars.all.suspend(say));
    }

    /// A line about a reader that stays; which one is said where there are several.
    fn note(&self, reader: usize, mark: &str, text: &str) {
        match self.names.as_slice() {
            [_] => self.say(format_args!("{mark} {text}")),
            names => self.say(format_args!("{mark} [{}] {text}", names.get(reader).map_or("", String::as_str))),
        }
    }

    fn show(&self, reader: usize, text: String) {
        if let Some(bar) = self.bars.as_ref().and_then(|bars| bars.readers.get(reader)) {
            bar.set_message(text);
        }
    }

    fn ring(&self) {
        if self.bars.is_some() {
            // A terminal without a bell is quiet.
            let _ = write!(std::io::stderr(), "\x07");
        }
    }

    fn problem(&self, reader: usize, what: &str, why: &dyn Remedy) {
        let remedy = why.remedy().map_or_else(String::new, |remedy| format!("; {remedy}"));
        self.note(reader, "!", &printable(&format!("{what}{why}{remedy}")));
        self.show(reader, printable(&format!("{why}{remedy}")));
        self.ring();
    }

    fn done(&self, reader: usize, line: &DoneLine<'_>) {
        let who = line.upn.map_or_else(|| "for stock".into(), printable);
        let model = line.model.map_or_else(String::new, |model| format!(" ({model})"));
        let all = line.counts.done + line.counts.failed + line.counts.left();
        let at_hand = line.at_hand.map_or_else(String::new, |lines| format!("; {lines} more at hand"));
        let text = format!("{}/{all} {who}: {}{model}{at_hand}", line.counts.done + line.counts.failed, line.serial);
        self.note(reader, "✓", &text);
        self.show(reader, format!("{} is done, take it off", line.serial));
        self.count(line);
        self.ring();
        if let Some(hook) = &self.hook {
            hook.tell(done_json(line));
        }
    }

    fn count(&self, line: &DoneLine<'_>) {
        let Some(bars) = &self.bars else { return };
        let counts = line.counts;
        bars.total.set_length(counts.done + counts.failed + counts.left());
        bars.total.set_position(counts.done + counts.failed);
        let (done, seconds) = (counts.done.saturating_sub(self.done_before), self.started.elapsed().as_secs());
        if let Some(lines) = line.at_hand {
            // How fast others are who work on the same order is not known here.
            bars.total.set_message(format!("of the order, {lines} at hand"));
        } else if let (1.., 1..) = (done, seconds) {
            let left = Duration::from_secs(seconds * counts.left() / done);
            let minutes = left.as_secs().div_ceil(60);
            bars.total.set_message(format!("{} a minute, {minutes} min left", done * 60 / seconds));
        }
    }

    fn step(&self, reader: usize, event: &Event) {
        let text = match event {
            Event::Reserved { .. } => "seed sealed",
            Event::Resumed { .. } => "finishing its burn",
            Event::Token(Progress::Authenticated) => "logged in",
            Event::Token(Progress::ConfigWritten) => "clock written",
            Event::Token(Progress::SeedWritten) => "seed written",
            Event::Token(Progress::ReadBack) => "read back",
            Event::Token(Progress::Reauthenticated) => "logged in again",
            Event::Token(Progress::CodesCompared) => "codes compared",
            Event::Token(Progress::TouchAwaited) => "touch it now",
            Event::Token(Progress::ConfirmationAwaited) => "confirm with its button",
            Event::Programmed { .. } | Event::Unknown { .. } | Event::Identified(_) => return,
        };
        self.show(reader, format!("{text}, leave it there"));
    }
}

impl Bars {
    fn new(talk: Talk, names: &[String], about: &Task) -> Self {
        let style =
            |template: &str| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let (line, total) = if talk.is_plain() {
            ("{spinner} {prefix}: {wide_msg}", "  {bar:30} {pos}/{len} {msg}")
        } else {
            ("{spinner:.cyan} {prefix:.bold}: {wide_msg}", "  {bar:30.green} {pos}/{len} {msg}")
        };
        let all = MultiProgress::new();
        let reader = |name: &String| {
            let bar = all.add(ProgressBar::new_spinner().with_style(style(line)).with_prefix(printable(name)));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        };
        let readers = names.iter().map(reader).collect();
        let total = all.add(ProgressBar::new(about.lines).with_style(style(total)));
        total.set_position(about.done);
        Self { all, readers, total }
    }
}

impl BatchObserver for Screen {
    fn event(&self, reader: usize, event: &BatchEvent<'_>) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.json {
            print(&event_json(&self.names[reader], event));
        }
        match event {
            BatchEvent::Waiting => self.show(reader, "press the next token's button and lay it on".into()),
            BatchEvent::Identified(token) => self.show(reader, format!("{}, leave it there", token.info.serial)),
            BatchEvent::Leased { line, upn, .. } => {
                let who = upn.map_or_else(|| "stock".into(), printable);
                self.show(reader, format!("line {line}, {who}, leave it there"));
            }
            BatchEvent::Step(event) => self.step(reader, event),
            BatchEvent::Done(line) => self.done(reader, line),
            BatchEvent::Refused { serial, why } => {
                let what = serial.map_or_else(String::new, |serial| format!("{serial} is not burned: "));
                self.problem(reader, &what, *why);
            }
            BatchEvent::Broken { serial, line, why, .. } => {
                let what = match (serial, line) {
                    (Some(serial), Some(line)) => format!("{serial} is not finished, line {line} waits for it: "),
                    (Some(serial), None) => format!("{serial} was not written to: "),
                    _ => "the token did not tell its number: ".into(),
                };
                self.problem(reader, &what, *why);
            }
            BatchEvent::LineFailed { line, upn, serial, why, .. } => {
                let who = upn.map_or_else(String::new, |upn| format!(" ({})", printable(upn)));
                self.problem(reader, &format!("line {line}{who} failed with {serial}: "), *why);
                if let Some(bars) = &self.bars {
                    bars.total.inc(1);
                }
            }
            BatchEvent::Compared { drift_steps: Some(_) } => self.note(reader, "✓", "the display shows the right code"),
            BatchEvent::Compared { drift_steps: None } => self.note(reader, "!", "no code was compared"),
            BatchEvent::TakeOff => self.show(reader, "take the token off".into()),
            BatchEvent::Away(trouble) => {
                let text = printable(&format!("{trouble}; it is looked for until it is back"));
                if self.bars.is_none() || self.bars.as_ref().is_some_and(|bars| bars.readers[reader].message() != text)
                {
                    self.note(reader, "!", &text);
                    self.ring();
                }
                self.show(reader, text);
            }
            BatchEvent::Stopped(_) => self.ring(),
        }
    }

    fn ask_code(&self, reader: usize, serial: &SerialNumber, try_number: u32) -> Option<String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.json {
            print(&json!({ "event": "code-wanted", "reader": self.names[reader], "serial": serial.as_str() }));
        }
        self.ring();
        let again = if try_number > 1 { "That is not its code. " } else { "" };
        let question =
            format!("{again}Switch {serial} off and on, then type the code it shows (nothing: leave it uncompared)");
        let ask = || prompt::line(&question);
        let answer = self.bars.as_ref().map_or_else(ask, |bars| bars.all.suspend(ask));
        answer.ok().filter(|code| !code.trim().is_empty()).map(|code| code.to_string())
    }
}

/// One line on stdout, at once: somebody waits for it.
fn print(event: &Value) {
    let mut stdout = anstream::stdout().lock();
    // A reader that went away is no failure: the tokens are burned all the same.
    let _ = writeln!(stdout, "{event}").and_then(|()| stdout.flush());
}

fn done_json(line: &DoneLine<'_>) -> Value {
    let mut json = json!({
        "event": "done",
        "batch": line.batch.to_string(),
        "line": line.line,
        "upn": line.upn,
        "issuer": line.issuer,
        "label": line.label,
        "serial": line.serial.as_str(),
        "model": line.model,
        "entry": line.entry.to_string(),
        "drift_seconds": line.drift_seconds,
        "done": line.counts.done,
        "failed": line.counts.failed,
        "left": line.counts.left(),
    });
    if let Some(lines) = line.at_hand {
        json["at_hand"] = lines.into();
    }
    json
}

fn error_json(why: &dyn Remedy) -> Value {
    json!({ "code": why.code(), "message": why.to_string(), "remedy": why.remedy() })
}

fn event_json(reader: &str, event: &BatchEvent<'_>) -> Value {
    let number = |serial: Option<&SerialNumber>| serial.map(|serial| serial.as_str().to_owned());
    let mut json = match event {
        BatchEvent::Waiting => json!({ "event": "waiting" }),
        BatchEvent::Identified(token) => {
            let model = token.model.as_ref().map(|model| &model.name);
            json!({ "event": "identified", "serial": token.info.serial.as_str(), "model": model })
        }
        BatchEvent::Leased { line, upn, .. } => json!({ "event": "leased", "line": line, "upn": upn }),
        BatchEvent::Step(event) => json!({ "event": "step", "step": step_name(event) }),
        BatchEvent::Done(line) => done_json(line),
        BatchEvent::Refused { serial: of, why } => {
            json!({ "event": "refused", "serial": number(*of), "error": error_json(*why) })
        }
        BatchEvent::Broken { serial: of, line, why, .. } => {
            json!({ "event": "broken", "serial": number(*of), "line": line, "error": error_json(*why) })
        }
        BatchEvent::LineFailed { line, upn, serial, why, .. } => json!({
            "event": "line-failed",
            "line": line,
            "upn": upn,
            "serial": serial.as_str(),
            "error": error_json(*why),
        }),
        BatchEvent::Compared { drift_steps } => json!({ "event": "compared", "drift_steps": drift_steps }),
        BatchEvent::TakeOff => json!({ "event": "take-off" }),
        BatchEvent::Away(trouble) => json!({ "event": "reader-away", "error": error_json(*trouble) }),
        BatchEvent::Stopped(why) => json!({ "event": "stopping", "error": error_json(*why) }),
    };
    if let Some(object) = json.as_object_mut() {
        object.remove("batch");
        object.insert("reader".into(), reader.into());
    }
    json
}

fn step_name(event: &Event) -> &'static str {
    match event {
        Event::Identified(_) => "identified",
        Event::Resumed { .. } => "resumed",
        Event::Reserved { .. } => "reserved",
        Event::Token(Progress::Authenticated) => "authenticated",
        Event::Token(Progress::ConfigWritten) => "config-written",
        Event::Token(Progress::SeedWritten) => "seed-written",
        Event::Token(Progress::ReadBack) => "read-back",
        Event::Token(Progress::Reauthenticated) => "reauthenticated",
        Event::Token(Progress::CodesCompared) => "codes-compared",
        Event::Token(Progress::TouchAwaited) => "touch-awaited",
        Event::Token(Progress::ConfirmationAwaited) => "confirmation-awaited",
        Event::Programmed { .. } => "programmed",
        Event::Unknown { .. } => "unknown",
    }
}
