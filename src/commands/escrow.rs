//! `oathburn escrow …`

mod add;
mod annotate;
mod assign;
mod backup;
mod check;
mod compact;
mod copy;
mod entries;
pub(crate) mod filters;
mod init;
mod listing;
mod members;
mod officers;
mod restore;
mod retire;
mod reveal;
mod stations;
mod stats;
mod which;

use clap::Subcommand;

use crate::commands::{Result, audit};
use crate::context::Context;

/// Keep the seeds
#[derive(Debug, Subcommand)]
pub(crate) enum Escrow {
    Init(init::Init),
    Add(add::Add),
    List(entries::List),
    Show(entries::Show),
    Reveal(reveal::Reveal),
    Assign(assign::Assign),
    Unassign(assign::Unassign),
    Annotate(annotate::Annotate),
    Retire(retire::Retire),
    Stats(stats::Stats),
    Check(check::Check),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Accept(restore::Accept),
    Compact(compact::Compact),
    Copy(copy::Copy),
    #[command(subcommand)]
    Officers(officers::Officers),
    #[command(subcommand)]
    Stations(stations::Stations),
    #[command(subcommand)]
    Audit(audit::Audit),
}

impl Escrow {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Init(command) => command.run(context),
            Self::Add(command) => command.run(context),
            Self::Reveal(command) => command.run(context),
            Self::Assign(command) => command.run(context),
            Self::Unassign(command) => command.run(context),
            Self::Annotate(command) => command.run(context),
            Self::Stats(command) => command.run(context),
            Self::Backup(command) => command.run(context),
            Self::Restore(command) => command.run(context),
            Self::Accept(command) => command.run(context),
            Self::List(command) => command.run(context),
            Self::Show(command) => command.run(context),
            Self::Retire(command) => command.run(context),
            Self::Check(command) => command.run(context),
            Self::Compact(command) => command.run(context),
            Self::Copy(command) => command.run(context),
            Self::Officers(command) => command.run(context),
            Self::Stations(command) => command.run(context),
            Self::Audit(command) => command.run(context),
        }
    }
}
