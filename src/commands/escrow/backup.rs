//! `oathburn escrow backup`

use std::path::PathBuf;

use clap::Args;
use oathburn_escrow::{EscrowError, Officer};
use serde_json::json;

use crate::commands::{Result, audit};
use crate::context::Context;
use crate::exit::Exit;
use crate::output::{Outcome, printable};

/// Write the whole escrow into a new file that only its officers can open
///
/// Other programs may go on meanwhile: it is the state of one moment. The file is an age file of mode 0600. What is
/// written is checked, with every seal where an officer's file is at hand; then the file is read again, opened, and
/// compared with that. Exit code 6 when something in it is not as it was signed; it is kept all the same.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// The new file
    file: PathBuf,
    /// Do not open it again, even where an officer's file is at hand
    #[arg(long)]
    sealed: bool,
}

impl Backup {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let officer = self.officer(context)?;
        let report = escrow.backup(&self.file, officer.as_ref())?;
        let name = self.file.display().to_string();
        if !report.opened {
            context.talk.warn("no officer's file was at hand and open: the backup was compared, and not opened again");
        }
        let problems: Vec<_> = report.check.findings.iter().map(audit::finding_to_json).collect();
        let json = json!({
            "file": name,
            "sha256": report.digest,
            "bytes": report.bytes,
            "entries": report.check.entries,
            "events": report.check.events,
            "opened": report.check.opened,
            "officers": report.officers,
            "ok": problems.is_empty(),
            "problems": problems,
        });
        let officers = report.officers.iter().map(|label| printable(label)).collect::<Vec<_>>().join(", ");
        let (entries, opened, events) = (report.check.entries, report.check.opened, report.check.events);
        let mut text = format!(
            "{name}: {entries} entries ({opened} opened), {events} events\nsha256 {}\nfor {officers}\n",
            report.digest
        );
        text.push_str(&audit::findings_to_text(&report.check.findings));
        let exit = if report.check.is_sound() { Exit::Done } else { Exit::Escrow };
        Ok(Outcome::new(json, text).ending(exit))
    }

    fn officer(&self, context: &Context) -> std::result::Result<Option<Officer>, EscrowError> {
        let wanted = !self.sealed && (context.globals.identity.is_some() || context.has_officer());
        match wanted.then(|| context.officer()).transpose() {
            Err(EscrowError::KeyFileLocked { .. }) => Ok(None),
            result => result,
        }
    }
}
