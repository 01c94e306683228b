//! `oathburn escrow retire`

use clap::Args;
use serde_json::json;

use super::which::One;
use crate::commands::Result;
use crate::context::Context;
use crate::output::Outcome;

/// Take a token out of use; its seed stays in the escrow
#[derive(Args, Debug)]
pub(crate) struct Retire {
    #[command(flatten)]
    which: One,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Retire {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let entry = self.which.find(context, &escrow)?;
        escrow.retire(entry.id, self.reason.as_deref())?;
        let json =
            json!({ "entry": entry.id.to_string(), "serial": entry.identity.serial.as_str(), "state": "retired" });
        Ok(Outcome::new(json, format!("{} is retired, entry {}\n", entry.identity.serial, entry.id)))
    }
}
