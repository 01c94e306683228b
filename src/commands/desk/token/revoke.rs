//! `oathburn desk token revoke`

use clap::Args;
use oathburn_desk::Settings;
use serde_json::json;

use super::super::serve::open;
use super::operator;
use crate::commands::Result;
use crate::context::Context;
use crate::output::Outcome;

/// Take the worth of a script's token: every desk refuses it from its next request on
#[derive(Args, Debug)]
pub(crate) struct Revoke {
    /// The script
    name: String,
}

impl Revoke {
    pub(crate) fn run(self, context: &Context) -> Result {
        let desk = open(context, Settings::default())?;
        let script = desk.revoke_script(&operator(context), &self.name)?;
        Ok(Outcome::new(json!({ "name": script.name, "state": "revoked" }), format!("revoked {}\n", script.name)))
    }
}
