//! `oathburn desk`

mod bootstrap;
mod certificate;
mod serve;
mod token;

use clap::Subcommand;

use crate::commands::Result;
use crate::context::Context;

/// The desk: stations provisioned from afar, and pages for those who run them
#[derive(Debug, Subcommand)]
pub(crate) enum Desk {
    Serve(serve::Serve),
    Bootstrap(bootstrap::Bootstrap),
    Certificate(certificate::Certificate),
    #[command(subcommand)]
    Token(token::Token),
}

impl Desk {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Serve(command) => command.run(context),
            Self::Bootstrap(command) => command.run(context),
            Self::Certificate(command) => command.run(context),
            Self::Token(command) => command.run(context),
        }
    }
}
