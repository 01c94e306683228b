//! `oathburn desk bootstrap`

use clap::Args;
use oathburn_desk::Settings;
use serde_json::json;

use super::serve::open;
use crate::commands::Result;
use crate::context::Context;
use crate::output::{Outcome, rfc3339};

/// Make the desk's first admin
///
/// Prints an enrolment code, good once and for three days: with it the admin chooses a password at the desk and takes a
/// second factor. Whoever has not enrolled gets a new code by running it again. Everybody else is added by an admin, at
/// the desk. Exit code 8 when there is an admin.
#[derive(Args, Debug)]
pub(crate) struct Bootstrap {
    /// What the admin signs in with, and what the audit trail calls them, such as ada@example.com
    name: String,
    /// Although there is an admin: where nobody can sign in any more. An account of this name begins anew
    #[arg(long)]
    another: bool,
}

impl Bootstrap {
    pub(crate) fn run(self, context: &Context) -> Result {
        let desk = open(context, Settings::default())?;
        let operator = context.globals.operator.clone();
        let operator = operator.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
        let (code, until) = desk.bootstrap(&operator, &self.name, self.another)?;
        let (name, until) = (self.name.trim().to_lowercase(), rfc3339(until));
        context.talk.say("whoever has this code becomes an admin of the desk: hand it over in person");
        let json = json!({ "name": name, "enrolment_code": *code, "valid_until": until });
        let text = format!("name {name}\nenrolment code {}\ngood until {until}, at /enrol of the desk\n", *code);
        Ok(Outcome::new(json, text))
    }
}
