//! `oathburn escrow assign` and `oathburn escrow unassign`

use clap::Args;
use serde_json::json;

use super::entries;
use super::which::{One, check_name};
use crate::commands::Result;
use crate::context::Context;
use crate::output::{Outcome, printable};

/// Say whose a token is
///
/// The token itself is not touched. Its codes and its seed stay what they are; what it is called at the identity
/// provider has to be changed there.
#[derive(Args, Debug)]
pub(crate) struct Assign {
    #[command(flatten)]
    which: One,
    /// The user
    #[arg(long, required_unless_present = "issuer")]
    upn: Option<String>,
    /// The service
    #[arg(long)]
    issuer: Option<String>,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Take user and service away from a token
#[derive(Args, Debug)]
pub(crate) struct Unassign {
    #[command(flatten)]
    which: One,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Assign {
    pub(crate) fn run(self, context: &Context) -> Result {
        check_name("UPN", self.upn.as_deref())?;
        check_name("issuer", self.issuer.as_deref())?;
        let escrow = context.escrow()?;
        let entry = self.which.find(context, &escrow)?;
        if !entry.state.is_live() {
            context.talk.warn(format_args!("entry {} is {}: nobody uses it", entry.id, entry.state));
        }
        escrow.assign(entry.id, self.upn.as_deref(), self.issuer.as_deref(), self.reason.as_deref())?;
        let entry = escrow.entry(&entry.id.to_string())?;
        let whose = entry.upn.as_deref().map_or_else(|| "nobody".into(), printable);
        let text = format!("{} belongs to {whose}, entry {}\n", entry.identity.serial, entry.id);
        Ok(Outcome::new(entries::to_json(&entry), text))
    }
}

impl Unassign {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let entry = self.which.find(context, &escrow)?;
        escrow.unassign(entry.id, self.reason.as_deref())?;
        let text = format!("{} belongs to nobody, entry {}\n", entry.identity.serial, entry.id);
        let entry = entry.id.to_string();
        Ok(Outcome::new(json!({ "entry": entry, "upn": null, "issuer": null }), text))
    }
}
