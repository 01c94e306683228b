//! `oathburn drift`

mod shown;

use clap::Args;
use oathburn_escrow::Entry;
use oathburn_oath::{DisplayedCode, SerialNumber, Sighting, SystemClock, Window};
use oathburn_station::{DriftOrder, Identified, Station};
use serde_json::json;

pub(crate) use self::shown::chance;
use crate::commands::Result;
use crate::commands::select::{self, Wait};
use crate::context::{Context, LazyOpener};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Outcome;

/// Say how far a token's clock is off, and until when the service bears it
///
/// The codes on the display tell it in whole time steps. Without --code the clock of the token on the reader is read,
/// which tells it to the second. Exit code 9 when the code was not found.
#[derive(Args, Debug)]
pub(crate) struct Drift {
    /// The number on the token's back [default: the token on the reader]
    #[arg(conflicts_with = "entry")]
    serial: Option<SerialNumber>,
    /// The entry's id, or the beginning of it
    #[arg(long, value_name = "ID")]
    entry: Option<String>,
    /// The code on the token's display
    #[arg(long, value_name = "CODE")]
    code: Option<DisplayedCode>,
    /// The code that was displayed right after it
    #[arg(long, value_name = "CODE", requires = "code")]
    code2: Option<DisplayedCode>,
    /// How many steps the clock may be off, either way
    #[arg(long, value_name = "STEPS", default_value_t = 240, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    window: u32,
    /// How many seconds the service bears, either way (Entra: about 120)
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    tolerance: u32,
    #[command(flatten)]
    wait: Wait,
}

/// From one in so many on, a second code is asked for.
const DOUBT: f64 = 1.0 / 1000.0;

impl Drift {
    pub(crate) fn run(self, context: &Context) -> Result {
        if self.code.is_some() && self.serial.is_none() && self.entry.is_none() {
            return Err(Failure::usage(
                "a code alone names no token",
                "give its serial number, or see `oathburn identify-code`",
            ));
        }
        let sighting = self.code.map(|code| Sighting::new(code, self.code2)).transpose()?;
        let escrow = context.escrow()?;
        let officer = LazyOpener::new(context, &escrow);
        let station =
            Station { escrow: &escrow, officer: Some(&officer), models: &context.models, clock: &SystemClock };
        let named = match (&self.entry, &self.serial) {
            (Some(id), _) => Some(select::entry(&escrow, id)?),
            (None, Some(serial)) => Some(select::entry_of_serial(context, &escrow, serial)?),
            (None, None) => None,
        };
        if let (Some(sighting), Some(entry)) = (sighting, &named) {
            let window = Window::around(self.window);
            let order = DriftOrder { at: context.time(), window, tolerance: self.tolerance };
            let Some(report) = station.drift_of_codes(entry, sighting, order)? else {
                return Ok(self.not_found(entry, sighting));
            };
            let doubtful = report.false_hits > DOUBT || !report.others.is_empty();
            if doubtful && !sighting.is_pair() {
                context.talk.warn("one code is not enough to be sure: wait for the next one and add it with --code2");
            }
            return Ok(shown::outcome(entry, &report, self.tolerance));
        }
        let deferred = context.defer_interrupts();
        let (_reader, mut conversation) = self.wait.for_token(context, &deferred)?;
        let token = Identified::read(&mut conversation, &context.models, &SystemClock)?;
        drop((conversation, deferred));
        let entry = match named {
            Some(entry) if entry.identity.serial == token.info.serial => entry,
            Some(entry) => {
                let (expected, found) = (entry.identity.serial, token.info.serial);
                return Err(oathburn_station::StationError::OtherToken { expected, found }.into());
            }
            None => select::entry_of_serial(context, &escrow, &token.info.serial)?,
        };
        let report = station.drift_of_clock(&entry, &token.info, self.tolerance)?.ok_or_else(|| {
            let message = format!("{} does not tell its time", token.info.serial);
            Failure::new(Exit::Refused, "no-clock", message, "give the code on its display with --code")
        })?;
        Ok(shown::outcome(&entry, &report, self.tolerance))
    }

    fn not_found(&self, entry: &Entry, sighting: Sighting) -> Outcome {
        let serial = &entry.identity.serial;
        let json = json!({
            "entry": entry.id.to_string(), "serial": serial.as_str(), "drift_steps": null, "drift_seconds": null,
            "false_hits": sighting.false_hits(Window::around(self.window).steps()),
        });
        let text = format!(
            "not found: {serial} does not show this within {} steps\nThe token may have another seed: see \
             `oathburn identify-code` (whose code is it?) and `oathburn explain` (why do they differ?).\n",
            self.window
        );
        Outcome::new(json, text).ending(Exit::NoMatch)
    }
}
