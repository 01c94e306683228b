//! `oathburn desk token`

mod add;
mod list;
mod revoke;

use clap::Subcommand;
use oathburn_desk::scripts::Script;
use oathburn_oath::UnixTime;

use crate::commands::Result;
use crate::context::Context;
use crate::output::rfc3339;

/// The tokens of scripts that ask the desk's API
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    Add(add::Add),
    List(list::List),
    Revoke(revoke::Revoke),
}

impl Token {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Add(command) => command.run(context),
            Self::List(_) => list::List::run(context),
            Self::Revoke(command) => command.run(context),
        }
    }
}

/// Whoever has the officer's key, as the audit names them.
fn operator(context: &Context) -> String {
    let operator = context.globals.operator.clone();
    operator.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

fn scopes(script: &Script) -> Vec<&'static str> {
    script.scopes.iter().map(|scope| scope.as_str()).collect()
}

fn end(script: &Script) -> String {
    rfc3339(UnixTime::new(script.expires_at))
}
