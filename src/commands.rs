//! One command, one file: arguments, call, render.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod burn;
pub(crate) mod code;
pub(crate) mod codes;
pub(crate) mod desk;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod escrow;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod family;
pub(crate) mod formats;
pub(crate) mod identify;
pub(crate) mod identify_code;
pub(crate) mod import;
pub(crate) mod readers;
pub(crate) mod seed;
pub(crate) mod select;
pub(crate) mod source;
pub(crate) mod station;
pub(crate) mod sync;
pub(crate) mod token;
pub(crate) mod unlock;
pub(crate) mod verify;

use crate::cli::Command;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Outcome;

/// What a command gives: its outcome, or why there is none.
pub(crate) type Result = std::result::Result<Outcome, Failure>;

/// Runs a command.
pub(crate) fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Readers(command) => command.run(context),
        Command::Doctor(command) => command.run(context),
        Command::Identify(command) => command.run(context),
        Command::Burn(command) => command.run(context),
        Command::Verify(command) => command.run(context),
        Command::Sync(command) => command.run(context),
        Command::Batch(command) => command.run(context),
        Command::Desk(command) => command.run(context),
        Command::Token(command) => command.run(context),
        Command::Code(command) => command.run(context),
        Command::Drift(command) => command.run(context),
        Command::IdentifyCode(command) => command.run(context),
        Command::Explain(command) => command.run(context),
        Command::Import(command) => command.run(context),
        Command::Export(command) => command.run(context),
        Command::Formats(command) => command.run(context),
        Command::Escrow(command) => command.run(context),
        Command::Audit(command) => command.run(context),
        Command::Seed(command) => command.run(context),
        Command::Station(command) => command.run(context),
        Command::Unlock(command) => command.run(context),
        Command::Lock(command) => command.run(context),
    }
}
