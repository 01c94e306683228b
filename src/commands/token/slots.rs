//! `oathburn token slots`

use std::fmt::Write as _;

use clap::Args;
use oathburn_oath::{Algorithm, SystemClock, TimeStep};
use oathburn_station::Station;
use oathburn_token::SlotInfo;
use serde_json::{Value, json};

use crate::commands::access::Access;
use crate::commands::select::Wait;
use crate::commands::{Result, codes};
use crate::context::{Context, LazyOpener};
use crate::output::{Outcome, printable, table};

/// List what is in the slots of the token on the reader; writes nothing
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Empty slots, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    wait: Wait,
}

impl List {
    pub(crate) fn run(self, context: &Context) -> Result {
        let access_key = self.access.read()?;
        let escrow = context.escrow()?;
        let officer = LazyOpener::new(context, &escrow);
        let station = Station {
            escrow: &escrow,
            officer: if context.has_officer() { Some(&officer) } else { None },
            models: &context.models,
            clock: &SystemClock,
        };
        let deferred = context.defer_interrupts();
        let (_reader, mut conversation) = self.wait.for_token(context, &deferred)?;
        let (token, slots) = station.slots(&mut conversation, access_key.as_ref())?;
        let json = json!({
            "serial": token.info.serial.as_str(),
            "family": token.info.family.as_str(),
            "slots": slots_to_json(&slots),
        });
        let shown: Vec<_> = slots.into_iter().filter(|slot| self.all || slot.has_seed).collect();
        Ok(Outcome::new(json, slots_text(&shown)))
    }
}

/// All slots; what the token does not tell is null.
pub(crate) fn slots_to_json(slots: &[SlotInfo]) -> Value {
    let to_json = |slot: &SlotInfo| {
        json!({
            "slot": slot.slot.as_ref().map(codes::slot),
            "label": slot.label,
            "has_seed": slot.has_seed,
            "event_based": slot.event_based,
            "algorithm": slot.algorithm.map(Algorithm::as_str),
            "digits": slot.digits,
            "time_step": slot.step.map(TimeStep::seconds),
        })
    };
    slots.iter().map(to_json).collect()
}

/// One line a slot.
fn slots_text(slots: &[SlotInfo]) -> String {
    if slots.is_empty() {
        return "there is no seed on it\n".into();
    }
    let known = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let row = |slot: &SlotInfo| {
        let mut kind = String::from(if slot.event_based { "counter" } else { "time" });
        if let Some(step) = slot.step.filter(|_| !slot.event_based) {
            // Writing to a string cannot fail.
            let _ = write!(kind, " {step} s");
        }
        [
            known(slot.slot.as_ref().map(|slot| printable(&slot.to_string()))),
            if slot.label.is_empty() { "-".into() } else { printable(&slot.label) },
            (if slot.has_seed { "yes" } else { "no" }).into(),
            kind,
            known(slot.algorithm.map(|algorithm| algorithm.to_string())),
            known(slot.digits.map(|digits| digits.to_string())),
        ]
    };
    table(["SLOT", "NAME", "SEED", "CODES BY", "HASH", "DIGITS"], &slots.iter().map(row).collect::<Vec<_>>())
}
