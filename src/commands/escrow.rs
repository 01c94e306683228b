//! `oathburn escrow …`

mod check;
mod compact;
mod entries;
mod init;
mod members;
mod officers;
mod retire;
mod stations;

use clap::Subcommand;

use crate::commands::{Result, audit};
use crate::context::Context;

/// Keep the seeds
#[derive(Debug, Subcommand)]
pub(crate) enum Escrow {
    Init(init::Init),
    List(entries::List),
    Show(entries::Show),
    Retire(retire::Retire),
    Check(check::Check),
    Compact(compact::Compact),
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
            Self::List(command) => command.run(context),
            Self::Show(command) => command.run(context),
            Self::Retire(command) => command.run(context),
            Self::Check(command) => command.run(context),
            Self::Compact(command) => command.run(context),
            Self::Officers(command) => command.run(context),
            Self::Stations(command) => command.run(context),
            Self::Audit(command) => command.run(context),
        }
    }
}
