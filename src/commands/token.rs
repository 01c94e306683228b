//! `oathburn token …`: what keeps a token in order.

mod access_key;
mod code;
mod delete;
mod lock;
mod rename;
mod reset;
mod slots;

use clap::Subcommand;
use oathburn_escrow::{EntryId, Escrow};
use oathburn_oath::{SerialNumber, SystemClock};
use oathburn_station::{Act, ActOrder, Acted, Station};
use oathburn_token::Permits;
use serde_json::{Value, json};

pub(crate) use slots::slots_to_json;

use crate::commands::Result;
use crate::commands::access::Access;
use crate::commands::select::Wait;
use crate::context::{Context, LazyOpener};
use crate::failure::Failure;
use crate::prompt;

/// Look into a token and keep it in order
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    Slots(slots::List),
    Code(code::Code),
    Delete(delete::Delete),
    Rename(rename::Rename),
    Reset(reset::Reset),
    #[command(subcommand)]
    AccessKey(access_key::AccessKey),
    Lock(lock::Lock),
    Unlock(lock::Unlock),
}

impl Token {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Slots(command) => command.run(context),
            Self::Code(command) => command.run(context),
            Self::Delete(command) => command.run(context),
            Self::Rename(command) => command.run(context),
            Self::Reset(command) => command.run(context),
            Self::AccessKey(command) => command.run(context),
            Self::Lock(command) => command.run(context),
            Self::Unlock(command) => command.run(context),
        }
    }
}

/// What is asked of the token on the reader.
struct Wanted<'a> {
    serial: Option<&'a SerialNumber>,
    act: Act,
    erase: bool,
    access: &'a Access,
    wait: &'a Wait,
}

/// Does it, and says what became of the token's entries.
fn act(context: &Context, wanted: &Wanted<'_>) -> std::result::Result<(Acted, Value), Failure> {
    let order = ActOrder {
        serial: wanted.serial.cloned(),
        act: wanted.act.clone(),
        access_key: wanted.access.read()?,
        permits: Permits { erase: wanted.erase, ..Permits::default() },
    };
    let escrow = context.escrow()?;
    let officer = LazyOpener::new(context, &escrow);
    let station = Station {
        escrow: &escrow,
        officer: if context.has_officer() { Some(&officer) } else { None },
        models: &context.models,
        clock: &SystemClock,
    };
    let deferred = context.defer_interrupts();
    let (_reader, mut conversation) = wanted.wait.for_token(context, &deferred)?;
    let acted = station.act(&mut conversation, &order, &confirm, &|event| context.talk.burn_event(event))?;
    let json = json!({
        "serial": acted.info.serial.as_str(),
        "family": acted.info.family.as_str(),
        "entries": states(&escrow, &acted.entries)?,
    });
    Ok((acted, json))
}

/// What the escrow says of entries now.
fn states(escrow: &Escrow, entries: &[EntryId]) -> std::result::Result<Vec<Value>, Failure> {
    let state = |id: &EntryId| -> std::result::Result<Value, Failure> {
        let entry = escrow.entry(&id.to_string())?;
        Ok(json!({ "entry": id.to_string(), "state": entry.state.as_str() }))
    };
    entries.iter().map(state).collect()
}

/// Asks whoever is there to press the token's button. Nobody is there: nothing is confirmed.
fn confirm() -> bool {
    prompt::entered("Press ▲ on the token, then Enter here").unwrap_or(false)
}
