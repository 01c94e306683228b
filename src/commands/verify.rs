//! `oathburn verify`

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::thread;

use clap::Args;
use oathburn_escrow::Entry;
use oathburn_oath::{DisplayedCode, Sighting, Slot, SystemClock, Window};
use oathburn_station::{Candidate, Identified, ReadBack, Station};
use oathburn_token::family;
use serde_json::json;

use crate::commands::access::Access;
use crate::commands::codes::{Comparison, WINDOW};
use crate::commands::select::{self, Wait, Which};
use crate::commands::{Result, audit};
use crate::context::{Context, LazyOpener};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Outcome;

/// Check that a token shows what the escrow says
///
/// Without --serial and --entry the token on the reader is meant. Without --code the token computes codes itself, as far as
/// it can, and all of them are compared; a seed that counts makes its next code by that. Exit code 9 when the code does not match; then the
/// whole escrow is searched for the token that would show it.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The code on the token's display [default: those that it computes over the wire, where it can]
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Where in the token, for tokens with several profiles
    #[arg(long, value_name = "N|NAME", conflicts_with = "entry")]
    slot: Option<Slot>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    wait: Wait,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result {
        let access_key = self.access.read()?;
        let escrow = context.escrow()?;
        let named = match (&self.which.entry, &self.which.serial) {
            (Some(id), _) => Some(select::entry(&escrow, id)?),
            (None, Some(serial)) => Some(select::entry_in_slot(context, &escrow, serial, self.slot.as_ref())?),
            (None, None) => None,
        };
        let deferred = context.defer_interrupts();
        let mut on_reader = None;
        if named.is_none() || self.code.is_none() {
            on_reader = Some(self.wait.for_token(context, &deferred)?);
        }
        let entry = match (named, &mut on_reader) {
            (None, Some((_, conversation))) => {
                let token = Identified::read(conversation, &context.models, &SystemClock)?;
                select::entry_in_slot(context, &escrow, &token.info.serial, self.slot.as_ref())?
            }
            (Some(entry), _) => entry,
            (None, None) => unreachable!("a token that is not named is on the reader"),
        };
        let officer = LazyOpener::new(context, &escrow);
        let station =
            Station { escrow: &escrow, officer: Some(&officer), models: &context.models, clock: &SystemClock };
        let Some(code) = &self.code else {
            let reads = family(&entry.identity.family).is_some_and(|family| family.capabilities().reads_codes);
            let Some((_, conversation)) = on_reader.as_mut().filter(|_| reads) else {
                let message = "this token cannot tell its codes over the wire";
                return Err(Failure::usage(message, "read one from its display and give it with --code"));
            };
            let talk = |event: &_| context.talk.burn_event(event);
            let read = station.read_back(conversation, &entry, access_key.as_ref(), &talk)?;
            return Ok(computed(&entry, read));
        };
        drop(on_reader);
        let found = station.verify(&entry, code, context.time(), Window::around(WINDOW))?;
        let mut outcome = Comparison::new(&entry, found).outcome();
        if found.drift_steps.is_none() {
            let others = others(code, context, &station, &entry)?;
            name_others(&others, &mut outcome);
        }
        Ok(outcome)
    }
}

/// What the token computed itself.
fn computed(entry: &Entry, read: ReadBack) -> Outcome {
    let serial = &entry.identity.serial;
    let json = json!({
        "entry": entry.id.to_string(),
        "serial": serial.as_str(),
        "match": read.matches,
        "codes_compared": read.compared,
        "counts_ahead": read.counts_ahead,
    });
    if read.matches {
        return Outcome::new(json, format!("match: {serial} computes the codes of the escrow's seed\n"));
    }
    Outcome::new(json, format!("no match: {serial} computes other codes\n")).ending(Exit::NoMatch)
}

/// Whose the code is, if it is not this token's: somebody may have taken the wrong one out of the box.
fn others(
    code: &str,
    context: &Context,
    station: &Station<'_>,
    entry: &Entry,
) -> std::result::Result<Vec<Candidate>, Failure> {
    let Ok(code) = code.parse::<DisplayedCode>() else { return Ok(Vec::new()) };
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let sighting = Sighting::new(code, None)?;
    let search = station.identify_code(sighting, context.time(), Window::around(WINDOW), threads)?;
    Ok(search.candidates.into_iter().filter(|candidate| candidate.entry.id != entry.id).collect())
}

fn name_others(others: &[Candidate], outcome: &mut Outcome) {
    let json = others.iter().map(|other| {
        json!({
            "entry": other.entry.id.to_string(),
            "serial": other.entry.identity.serial.as_str(),
            "upn": other.entry.upn,
            "drift_steps": other.drift_steps,
        })
    });
    outcome.json["shown_by"] = json.collect();
    for other in others {
        let upn = other.entry.upn.as_deref().map_or_else(String::new, |upn| format!(" of {}", audit::printable(upn)));
        let (serial, id, steps) = (&other.entry.identity.serial, other.entry.id, other.drift_steps);
        // Writing to a string cannot fail.
        let _ = writeln!(outcome.text, "{serial}{upn} would show it, {steps:+} steps off (entry {id})");
    }
}
