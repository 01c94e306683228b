//! Codes and their comparison, as several commands show them.

use std::fmt::Write as _;
use std::io;

use oathburn_escrow::{Disclosure, Entry, Facts, Opener, Purpose};
use oathburn_oath::{Drift, Slot, TimedCode, Totp, UnixTime, Window};
use oathburn_station::{Station, Verification};
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, local, rfc3339};
use crate::prompt;

/// How many steps a displayed code may be off: ten minutes at 30 s, which no fresh token is.
pub(crate) const WINDOW: u32 = 20;

/// Which codes, counted in steps from the one that holds now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) past: u32,
    pub(crate) future: u32,
}

impl Range {
    pub(crate) const fn around(steps: u32) -> Self {
        Self { past: steps, future: steps }
    }
}

/// Opens the seed of an entry and generates its codes. The disclosure is in the audit trail before a code is made.
pub(crate) fn disclose(
    opener: &Opener,
    entry: &Entry,
    at: UnixTime,
    range: Range,
    reason: Option<&str>,
) -> Result<Vec<TimedCode>, Failure> {
    let params = entry.params.totp()?;
    let at_seconds = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
    let facts = Facts::new()
        .with("at", at_seconds)
        .with("from_offset", -i64::from(range.past))
        .with("to_offset", i64::from(range.future));
    let disclosure = Disclosure { facts, reason: reason.map(str::to_owned), ..Disclosure::new(Purpose::ShowCodes) };
    let record = opener.open(entry, &disclosure)?;
    Ok(Totp::new(&record.seed, params).window(at, range.past, range.future).collect())
}

/// The codes as a list.
pub(crate) fn to_json(codes: &[TimedCode]) -> Value {
    codes
        .iter()
        .map(|timed| {
            json!({
                "code": timed.code.to_string(),
                "step": timed.step,
                "offset": timed.offset,
                "valid_from": rfc3339(timed.valid_from),
                "valid_until": rfc3339(timed.valid_until),
            })
        })
        .collect()
}

/// The codes one step before, at and one step after now, by name.
pub(crate) fn named(codes: &[TimedCode]) -> Value {
    let of = |offset| codes.iter().find(|timed| timed.offset == offset).map(|timed| timed.code.to_string());
    json!({ "previous": of(-1), "current": of(0), "next": of(1) })
}

/// One line a code: offset, code, from when, until when, until when in local time.
pub(crate) fn to_text(codes: &[TimedCode]) -> String {
    let mut text = String::new();
    for timed in codes {
        let (from, until) = (rfc3339(timed.valid_from), rfc3339(timed.valid_until));
        // Writing to a string cannot fail.
        let _ = write!(text, "{} {} {from} {until}", timed.offset, timed.code);
        if let Some((from, until)) = local(timed.valid_from).zip(local(timed.valid_until)) {
            let _ = write!(text, "  ({from} to {until})");
        }
        text.push('\n');
    }
    text
}

/// A slot as a number or a name.
pub(crate) fn slot(slot: &Slot) -> Value {
    match slot {
        Slot::Number(number) => json!(number),
        Slot::Name(name) => json!(name),
    }
}

/// Asks for the code on the display and looks for it.
pub(crate) fn ask(
    context: &Context,
    station: &Station<'_>,
    entry: &Entry,
    totp: &Totp,
) -> Result<Verification, Failure> {
    let typed = prompt::line("Switch the token off and on, then type the code it shows").and_then(|code| {
        // Nothing was compared: that is no code that differs.
        if code.trim().is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(code) }
    });
    let code = typed.map_err(|error| {
        Failure::new(Exit::Input, "no-code", format!("failed to read the code: {error}"), "type it, or pipe it in")
    })?;
    Ok(station.compare(entry, totp, &code, context.time(), Window::around(WINDOW))?)
}

/// Whether a token shows what the escrow says.
pub(crate) struct Comparison<'a> {
    entry: &'a Entry,
    found: Verification,
}

impl<'a> Comparison<'a> {
    pub(crate) const fn new(entry: &'a Entry, found: Verification) -> Self {
        Self { entry, found }
    }

    /// The comparison as the whole outcome of a command.
    pub(crate) fn outcome(&self) -> Outcome {
        let json = json!({ "entry": self.entry.id.to_string(), "serial": self.entry.identity.serial.as_str() });
        self.added_to(Outcome::new(json, ""))
    }

    /// The comparison beside what a command has done.
    pub(crate) fn added_to(&self, mut outcome: Outcome) -> Outcome {
        let serial = &self.entry.identity.serial;
        outcome.json["match"] = self.found.drift_steps.is_some().into();
        outcome.json["drift_steps"] = self.found.drift_steps.into();
        outcome.json["drift_seconds"] = self.found.drift.map(Drift::seconds).into();
        // Writing to a string cannot fail.
        let _ = match self.found.drift_steps {
            Some(0) => writeln!(outcome.text, "match: {serial} shows what the escrow says"),
            Some(steps) => writeln!(outcome.text, "match: {serial} shows what the escrow says, {steps:+} steps off"),
            None => writeln!(outcome.text, "no match: {serial} does not show this code within {WINDOW} steps"),
        };
        let exit = if self.found.drift_steps.is_some() { Exit::Done } else { Exit::NoMatch };
        outcome.ending(exit)
    }
}
