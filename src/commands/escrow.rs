//! `oathburn escrow …`

mod check;
mod entries;
mod init;
mod retire;

use clap::Subcommand;

use crate::commands::{Result, audit};
use crate::context::Context;

/// Keep the seeds
#[derive(Debug, Subcommand)]
pub(crate) enum Escrow {
    /// Make an officer's file and a new escrow
    Init(init::Init),
    /// List the entries
    List(entries::List),
    /// Show an entry and what happened to it
    Show(entries::Show),
    /// Take a token out of use; its seed stays in the escrow
    Retire(retire::Retire),
    /// Compare everything in the store with its signed events
    Check(check::Check),
    /// Read and verify the audit trail
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
            Self::Audit(command) => command.run(context),
        }
    }
}
