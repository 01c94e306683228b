//! `oathburn batch …`

mod ending;
mod hook;
mod labels;
mod list;
pub(super) mod place;
mod results;
mod run;
pub(super) mod screen;
mod status;
mod work;

use clap::Subcommand;

use crate::commands::Result;
use crate::context::Context;

/// Program tokens by the hundred, hands-free
///
/// Lay a token on a reader, see it done, take it off, next. The escrow keeps count: whatever ends a run, `batch resume`
/// goes on where it ended, and no token is burned twice. Exit code 5 when lines failed.
#[derive(Debug, Subcommand)]
pub(crate) enum Batch {
    Run(run::Run),
    Resume(run::Resume),
    RetryFailed(run::RetryFailed),
    Status(status::Status),
    Results(results::Results),
    Labels(labels::Labels),
    Release(status::Release),
    Cancel(status::Cancel),
}

impl Batch {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Run(command) => command.run(context),
            Self::Resume(command) => command.run(context),
            Self::RetryFailed(command) => command.run(context),
            Self::Status(command) => command.run(context),
            Self::Results(command) => command.run(context),
            Self::Labels(command) => command.run(context),
            Self::Release(command) => command.run(context),
            Self::Cancel(command) => command.run(context),
        }
    }
}
