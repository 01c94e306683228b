//! `oathburn escrow audit verify` and `oathburn escrow audit checkpoint`

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use oathburn_escrow::Checkpoint;
use serde_json::json;

use super::trail::{new_file, unwritten};
use super::{finding_to_json, findings_to_text};
use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, rfc3339};

/// Check every signature and every chain
///
/// With --checkpoint, also what the store had when an officer signed that file: what was cut off or replaced since is
/// named. No officer is needed. Exit code 6 when anything is wrong.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// A file that `oathburn escrow audit checkpoint` wrote
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// Sign how far the audit trail has come
///
/// The file names the last event of every officer and station, the version of the roster and the number of entries,
/// and holds no secret. Keep it where nobody who can write to the store can write: whatever is cut off later shows
/// against it. Nothing is signed when anything is wrong.
#[derive(Args, Debug)]
pub(crate) struct Sign {
    /// A new file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result {
        let checkpoint = self.checkpoint.as_deref().map(read).transpose()?;
        let escrow = context.escrow()?;
        let mut findings = escrow.verify_events()?;
        if let Some(checkpoint) = &checkpoint {
            findings.extend(escrow.verify_checkpoint(checkpoint)?);
        }
        let events = escrow.stats()?.events;
        let problems: Vec<_> = findings.iter().map(finding_to_json).collect();
        let mut json = json!({ "ok": findings.is_empty(), "events": events, "problems": problems });
        if let Some(checkpoint) = &checkpoint {
            json["checkpoint"] = to_json(checkpoint);
        }
        if !findings.is_empty() {
            return Ok(Outcome::new(json, findings_to_text(&findings)).ending(Exit::Escrow));
        }
        let mut text = format!("nothing is wrong: {events} events\n");
        if let Some(checkpoint) = &checkpoint {
            let (known, time) = (checkpoint.events(), rfc3339(checkpoint.signed_at()));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "all {known} events of the checkpoint of {time} are there");
        }
        Ok(Outcome::new(json, text))
    }
}

impl Sign {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let findings = escrow.verify_events()?;
        if !findings.is_empty() {
            let problems: Vec<_> = findings.iter().map(finding_to_json).collect();
            let json = json!({ "ok": false, "problems": problems });
            return Ok(Outcome::new(json, findings_to_text(&findings)).ending(Exit::Escrow));
        }
        let officer = context.officer()?;
        let mut file = new_file(&self.out)?;
        let checkpoint = escrow.checkpoint(&officer).inspect_err(|_| drop(fs::remove_file(&self.out)))?;
        let written = file.write_all(checkpoint.to_json().as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| {
            let _ = fs::remove_file(&self.out);
            unwritten(&self.out, &error)
        })?;
        let mut json = to_json(&checkpoint);
        json["file"] = self.out.display().to_string().into();
        let (entries, events) = (checkpoint.entries(), checkpoint.events());
        Ok(Outcome::new(json, format!("{}: {entries} entries, {events} events\n", self.out.display())))
    }
}

fn to_json(checkpoint: &Checkpoint) -> serde_json::Value {
    json!({
        "signed_at": rfc3339(checkpoint.signed_at()),
        "signer": checkpoint.signer().to_string(),
        "roster": checkpoint.roster(),
        "entries": checkpoint.entries(),
        "events": checkpoint.events(),
    })
}

fn read(path: &Path) -> std::result::Result<Checkpoint, Failure> {
    let mut text = String::new();
    let limit = Checkpoint::MAX_LEN as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text));
    read.map_err(|error| {
        let message = format!("failed to read the checkpoint {}: {error}", path.display());
        Failure::new(Exit::Input, "checkpoint-file", message, "check the file's name and rights")
    })?;
    Ok(Checkpoint::parse(&text)?)
}
