//! `oathburn escrow retire`

use clap::Args;
use serde_json::json;

use crate::commands::{Result, select};
use crate::context::Context;
use crate::output::Outcome;

/// Take a token out of use; its seed stays in the escrow
#[derive(Args, Debug)]
pub(crate) struct Retire {
    /// The entry's id, or the beginning of it
    entry: String,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Retire {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let entry = select::entry(&escrow, &self.entry)?;
        escrow.retire(entry.id, self.reason.as_deref())?;
        let json =
            json!({ "entry": entry.id.to_string(), "serial": entry.identity.serial.as_str(), "state": "retired" });
        Ok(Outcome::new(json, format!("{} is retired, entry {}\n", entry.identity.serial, entry.id)))
    }
}
