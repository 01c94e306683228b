//! `oathburn escrow check`

use std::fmt::Write as _;

use clap::Args;
use oathburn_escrow::{EscrowError, Officer};
use serde_json::json;

use crate::commands::{Result, audit};
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Outcome;

/// Compare everything in the store with its signed events
///
/// With an officer's file at hand, every seal is opened, too. Exit code 6 when anything differs.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Do not open the seals, even where an officer's file is at hand
    #[arg(long)]
    sealed: bool,
}

impl Check {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let officer = self.officer(context)?;
        let report = escrow.check(officer.as_ref())?;
        if officer.is_none() {
            context.talk.warn("no officer's file was at hand and open, so no seal was opened");
        }
        let json = json!({
            "ok": report.findings.is_empty(),
            "escrow": escrow.id().to_string(),
            "fingerprint": escrow.fingerprint(),
            "entries": report.entries,
            "events": report.events,
            "opened": report.opened,
            "records": report.records,
            "problems": report.findings.iter().map(audit::finding_to_json).collect::<Vec<_>>(),
        });
        let mut text = audit::findings_to_text(&report.findings);
        if report.findings.is_empty() {
            let (entries, events, opened) = (report.entries, report.events, report.opened);
            text = format!("nothing differs: {entries} entries ({opened} opened), {events} events\n");
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "escrow {}, fingerprint {}", escrow.id(), escrow.fingerprint());
        let exit = if report.findings.is_empty() { Exit::Done } else { Exit::Escrow };
        Ok(Outcome::new(json, text).ending(exit))
    }

    /// A file that was named and is not there, or not an officer's, must not turn into a check of less. One that is
    /// locked, with nobody to ask for its passphrase, opens nothing, and the outcome says how many seals were opened.
    fn officer(&self, context: &Context) -> std::result::Result<Option<Officer>, EscrowError> {
        let wanted = !self.sealed && (context.globals.identity.is_some() || context.has_officer());
        match wanted.then(|| context.officer()).transpose() {
            Err(EscrowError::KeyFileLocked { .. }) => Ok(None),
            result => result,
        }
    }
}
