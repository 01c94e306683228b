//! `oathburn identify-code`

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::thread;

use clap::Args;
use oathburn_oath::{DisplayedCode, Sighting, SystemClock, Window};
use oathburn_station::{CodeSearch, Station};
use serde_json::{Value, json};

use crate::commands::codes::WINDOW;
use crate::commands::drift::chance;
use crate::commands::{Result, audit};
use crate::context::{Context, LazyOpener};
use crate::exit::Exit;
use crate::output::{Outcome, table};

/// Say whose token shows a code: the whole escrow is searched
///
/// Tokens in use come first, and those whose clock is nearest to where it should be. Exit code 9 when no token shows
/// the code.
#[derive(Args, Debug)]
pub(crate) struct IdentifyCode {
    /// The code on the token's display
    code: DisplayedCode,
    /// The code that was displayed right after it
    code2: Option<DisplayedCode>,
    /// How many steps a token's clock may be off, either way
    #[arg(long, value_name = "STEPS", default_value_t = WINDOW, value_parser = clap::value_parser!(u32).range(..=100_000))]
    window: u32,
}

impl IdentifyCode {
    pub(crate) fn run(self, context: &Context) -> Result {
        let sighting = Sighting::new(self.code, self.code2)?;
        let escrow = context.escrow()?;
        let officer = LazyOpener::new(context, &escrow);
        let station =
            Station { escrow: &escrow, officer: Some(&officer), models: &context.models, clock: &SystemClock };
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let search = station.identify_code(sighting, context.time(), Window::around(self.window), threads)?;
        if context.globals.verbose > 0 {
            let times = search.times;
            context.talk.say(format_args!(
                "reading {} ms, opening seals {} ms, comparing {} ms (the sums of {threads} threads)",
                times.reading.as_millis(),
                times.opening.as_millis(),
                times.looking.as_millis()
            ));
        }
        if !search.unopened.is_empty() {
            context.talk.warn(format_args!(
                "{} entries could not be opened and were not searched; see `oathburn escrow check`",
                search.unopened.len()
            ));
        }
        if !sighting.is_pair() && !search.candidates.is_empty() && search.false_hits > 0.01 {
            context.talk.warn(format_args!(
                "{} of these are expected to be chance: wait for the next code and give both",
                chance(search.false_hits)
            ));
        }
        let exit = if search.candidates.is_empty() { Exit::NoMatch } else { Exit::Done };
        Ok(Outcome::new(to_json(&search), to_text(&search, self.window)).ending(exit))
    }
}

fn to_json(search: &CodeSearch) -> Value {
    let candidates: Vec<_> = search
        .candidates
        .iter()
        .map(|candidate| {
            let entry = &candidate.entry;
            json!({
                "entry": entry.id.to_string(),
                "serial": entry.identity.serial.as_str(),
                "upn": entry.upn,
                "state": entry.state.as_str(),
                "drift_steps": candidate.drift_steps,
            })
        })
        .collect();
    json!({
        "candidates": candidates,
        "expected_false_hits": search.false_hits,
        "searched": search.searched,
        "unopened": search.unopened.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn to_text(search: &CodeSearch, window: u32) -> String {
    if search.candidates.is_empty() {
        return format!("not found: none of {} tokens shows this within {window} steps\n", search.searched);
    }
    let rows: Vec<_> = search
        .candidates
        .iter()
        .map(|candidate| {
            let entry = &candidate.entry;
            [
                entry.identity.serial.to_string(),
                entry.upn.as_deref().map_or_else(|| "-".into(), audit::printable),
                entry.state.to_string(),
                format!("{:+}", candidate.drift_steps),
                entry.id.to_string(),
            ]
        })
        .collect();
    let mut text = table(["SERIAL", "UPN", "STATE", "STEPS", "ENTRY"], &rows);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n{} tokens searched, {} false hits expected", search.searched, chance(search.false_hits));
    text
}
