//! `oathburn sync`

use clap::Args;
use oathburn_escrow::Escrow;
use oathburn_oath::{Drift, Slot, SystemClock, UnixTime};
use oathburn_station::{Station, StationError, SyncOrder, Synced};
use oathburn_token::{ClockSync, Permits, TokenError};
use serde_json::json;

use crate::cli::parse_time;
use crate::commands::access::Access;
use crate::commands::select::Wait;
use crate::commands::{Result, burn, codes};
use crate::context::{Context, LazyOpener};
use crate::failure::Failure;
use crate::host_clock;
use crate::output::Outcome;

/// Set the clock of the token on the reader
///
/// A token that loses its seed when its clock is set is burned again with its escrowed seed, which needs an officer;
/// without one it is left alone. Where each slot has a clock of its own, all of them are set. Keys that have no clock are
/// told the time by whoever asks them for a code: there is nothing to set.
#[derive(Args, Debug)]
pub(crate) struct Sync {
    /// Let a token lose its seed; its entry is retired
    #[arg(long)]
    allow_erase: bool,
    /// Set the clock to this time instead of the present (RFC 3339 or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    set_time: Option<UnixTime>,
    /// Let the clock go to another time than the present: it will show codes of that time
    #[arg(long)]
    allow_time_travel: bool,
    /// Only this slot's clock, on tokens where each slot has its own [default: all that hold a seed]
    #[arg(long, value_name = "N")]
    slot: Option<Slot>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    wait: Wait,
}

impl Sync {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let officer = LazyOpener::new(context, &escrow);
        let station = Station {
            escrow: &escrow,
            officer: if context.has_officer() { Some(&officer) } else { None },
            models: &context.models,
            clock: &SystemClock,
        };
        let order = SyncOrder {
            slot: self.slot.clone(),
            access_key: self.access.read()?,
            other_time: self.set_time,
            permits: Permits {
                erase_seed_on_sync: self.allow_erase,
                set_other_time: self.allow_time_travel,
                ..Permits::default()
            },
        };
        host_clock::warn_unless_synchronised(context.talk);
        let deferred = context.defer_interrupts();
        let (_reader, mut conversation) = self.wait.for_token(context, &deferred)?;
        let synced = station
            .sync(&mut conversation, &order, &|event| context.talk.burn_event(event))
            .map_err(|error| failed(&escrow, error))?;
        Ok(outcome(&synced))
    }
}

/// What the library advises is an option of `burn`, which is the way to set such a token's clock.
fn failed(escrow: &Escrow, error: StationError) -> Failure {
    let unlisted = matches!(&error, StationError::Token(TokenError::UnlistedModel { .. }));
    let mut failure = burn::failed(escrow, error);
    if unlisted {
        failure.remedy = Some(
            "burn its seed again, which sets its clock: `oathburn burn --again SERIAL --unlisted-model`; or say in the \
             models file what it is"
                .into(),
        );
    }
    failure
}

fn outcome(synced: &Synced) -> Outcome {
    let serial = &synced.info.serial;
    let entry = synced.entry.as_ref().map(|entry| entry.id.to_string());
    let json = json!({
        "entry": entry,
        "serial": serial.as_str(),
        "model": synced.model.as_ref().map(|model| &model.name),
        "family": synced.info.family.as_str(),
        "sync": synced.model.as_ref().map_or(ClockSync::None, |model| model.sync).as_str(),
        "drift_before_seconds": synced.before.map(Drift::seconds),
        "drift_seconds": synced.after.map(Drift::seconds),
        "reburned": synced.reburned,
        "slots": synced.slots.iter().map(codes::slot).collect::<Vec<_>>(),
    });
    if !synced.slots.is_empty() {
        let slots: Vec<_> = synced.slots.iter().map(ToString::to_string).collect();
        let text = format!("{serial}: clocks of slots {} set; the seeds were kept\n", slots.join(", "));
        return Outcome::new(json, text);
    }
    let (before, after) = (synced.before.unwrap_or_default(), synced.after.unwrap_or_default());
    let seed = match (&entry, synced.reburned) {
        (None, _) => "the seed is gone".to_owned(),
        (Some(entry), true) => format!("the seed was burned again, entry {entry}"),
        (Some(_), false) => "the seed was kept".to_owned(),
    };
    Outcome::new(json, format!("{serial}: clock was {before} off, now {after}; {seed}\n"))
}
