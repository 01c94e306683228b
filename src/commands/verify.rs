//! `oathburn verify`

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::thread;

use clap::Args;
use oathburn_escrow::Entry;
use oathburn_oath::{DisplayedCode, Sighting, SystemClock, Window};
use oathburn_station::{Candidate, Identified, Station};
use serde_json::json;

use crate::commands::codes::{Comparison, WINDOW};
use crate::commands::select::{self, Wait, Which};
use crate::commands::{Result, audit};
use crate::context::{Context, LazyOpener};
use crate::failure::Failure;
use crate::output::Outcome;

/// Check that a token shows what the escrow says
///
/// Without --serial and --entry the token on the reader is meant. Exit code 9 when the code does not match; then the
/// whole escrow is searched for the token that would show it.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The code on the token's display
    #[arg(long, value_name = "CODE")]
    code: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wait: Wait,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let entry = match (&self.which.entry, &self.which.serial) {
            (Some(id), _) => select::entry(&escrow, id)?,
            (None, Some(serial)) => select::entry_of_serial(context, &escrow, serial)?,
            (None, None) => {
                let deferred = context.defer_interrupts();
                let (_reader, mut conversation) = self.wait.for_token(context, &deferred)?;
                let token = Identified::read(&mut conversation, &context.models, &SystemClock)?;
                select::entry_of_serial(context, &escrow, &token.info.serial)?
            }
        };
        let officer = LazyOpener::new(context, &escrow);
        let station =
            Station { escrow: &escrow, officer: Some(&officer), models: &context.models, clock: &SystemClock };
        let found = station.verify(&entry, &self.code, context.time(), Window::around(WINDOW))?;
        let mut outcome = Comparison::new(&entry, found).outcome();
        if found.drift_steps.is_none() {
            let others = self.others(context, &station, &entry)?;
            name_others(&others, &mut outcome);
        }
        Ok(outcome)
    }

    /// Whose the code is, if it is not this token's: somebody may have taken the wrong one out of the box.
    fn others(
        &self,
        context: &Context,
        station: &Station<'_>,
        entry: &Entry,
    ) -> std::result::Result<Vec<Candidate>, Failure> {
        let Ok(code) = self.code.parse::<DisplayedCode>() else { return Ok(Vec::new()) };
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let sighting = Sighting::new(code, None)?;
        let search = station.identify_code(sighting, context.time(), Window::around(WINDOW), threads)?;
        Ok(search.candidates.into_iter().filter(|candidate| candidate.entry.id != entry.id).collect())
    }
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
