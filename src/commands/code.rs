//! `oathburn code`

mod shown;

use clap::{ArgGroup, Args};
use oathburn_oath::{ClockReading, SerialNumber, SystemClock, TimeStep, UnixTime};
use oathburn_station::{OpenerSource, Station};

use self::shown::Shown;
use crate::cli::parse_time;
use crate::commands::Result;
use crate::commands::codes::{self, Range};
use crate::commands::select;
use crate::context::{Context, LazyOpener};
use crate::output::{Outcome, rfc3339};

/// Generate the codes of an escrowed token
///
/// One line a code: offset in steps, code, first second it holds, first second it no longer does, the same in local
/// time. They are the codes that a service accepts, which goes by the right time: what a user types who has no token.
/// With --on-token they are what the token's display shows, its known drift applied. Each call is a disclosure in the
/// audit trail.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true).multiple(false).args(["serial", "entry", "upn"]))]
pub(crate) struct Code {
    /// The number on the token's back
    serial: Option<SerialNumber>,
    /// The entry's id, or the beginning of it
    #[arg(long, value_name = "ID")]
    entry: Option<String>,
    /// The user's name
    #[arg(long)]
    upn: Option<String>,
    /// So many codes before the present one
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=MAX_CODES))]
    past: u32,
    /// So many codes after the present one
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=MAX_CODES))]
    future: u32,
    /// So many codes in all, from the present one on; with --watch: end after so many
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_CODES), conflicts_with = "future")]
    count: Option<u32>,
    /// Count from this time instead of now (RFC 3339 or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,
    /// What the token's display shows instead of what the service accepts
    #[arg(long)]
    on_token: bool,
    /// Show each new code when it comes, counting down on a terminal, until Ctrl-C
    #[arg(short, long, conflicts_with_all = ["past", "future"])]
    watch: bool,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// A day of codes at 30 s each way.
const MAX_CODES: i64 = 2880;

impl Code {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let entry = match (&self.entry, &self.serial, &self.upn) {
            (Some(id), ..) => select::entry(&escrow, id)?,
            (_, Some(serial), _) => select::entry_of_serial(context, &escrow, serial)?,
            (_, _, upn) => select::entry_of_upn(context, &escrow, upn.as_deref().unwrap_or_default())?,
        };
        let params = entry.params.totp()?;
        if !entry.state.is_live() {
            context.talk.warn(format_args!("entry {} is {}: no service should take its codes", entry.id, entry.state));
        }
        let officer = LazyOpener::new(context, &escrow);
        let station =
            Station { escrow: &escrow, officer: Some(&officer), models: &context.models, clock: &SystemClock };
        let known = station.known_drift(&entry)?;
        self.say_drift(context, params.step, known);
        let at = self.at.unwrap_or_else(|| context.time());
        let shown = Shown {
            opener: officer.opener()?,
            entry: &entry,
            drift: known.filter(|_| self.on_token).map_or(0, |known| known.drift.seconds()),
            reason: self.reason.as_deref(),
        };
        if self.watch {
            return shown.watch(context, at, self.count);
        }
        let range = Range { past: self.past, future: self.count.map_or(self.future, |count| count - 1) };
        if range.future > 0 {
            context.talk.say(
                "note: a future code is good in its time for whoever reads it until then; give it to its user alone",
            );
        }
        let codes = shown.disclose(at, range)?;
        let mut json = shown.json(known);
        json["clock"] = if self.on_token { "token" } else { "service" }.into();
        json["state"] = entry.state.as_str().into();
        json["codes"] = codes::to_json(&codes);
        Ok(Outcome::new(json, codes::to_text(&codes)))
    }

    /// What is known of the token's clock, where it matters.
    fn say_drift(&self, context: &Context, step: TimeStep, known: Option<ClockReading>) {
        let Some(known) = known else {
            if self.on_token {
                context.talk.say("note: nothing is known of the token's clock; it is taken to be right");
            }
            return;
        };
        let (drift, when) = (known.drift, &rfc3339(known.at)[..10]);
        if self.on_token {
            context
                .talk
                .say(format_args!("note: these are the codes on the display, whose clock was {drift} off on {when}"));
        } else if drift.seconds().unsigned_abs() >= u64::from(step.seconds()) {
            context.talk.say(format_args!(
                "note: the token's clock was {drift} off on {when}: its display shows other codes (--on-token)"
            ));
        }
    }
}
