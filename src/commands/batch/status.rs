//! `oathburn batch status`, `cancel` and `release`: also from another terminal, while the batch runs.

use std::fmt::Write as _;

use clap::Args;
use oathburn_escrow::{Batch, BatchState, Escrow, Line, LineState};
use oathburn_oath::SerialNumber;
use serde_json::{Value, json};

use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, printable, rfc3339, table};

/// Show how far batches are
///
/// With a batch, the lines that failed or wait for their token are listed, too.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// The batch, or the beginning of its id [default: all of them]
    batch: Option<String>,
}

/// Give a batch up
///
/// Lines that were left are not burned any more. Tokens that are done stay done; an unfinished burn is finished by
/// burning the same token again.
#[derive(Args, Debug)]
pub(crate) struct Cancel {
    /// The batch, or the beginning of its id
    batch: String,
    /// Why; noted in the audit trail
    #[arg(long)]
    reason: Option<String>,
}

/// Take a line away from a token that cannot be finished
///
/// A burn that was begun and broke is finished by the same token. When that token is lost or broken, its line is given to
/// the next one by this command.
#[derive(Args, Debug)]
pub(crate) struct Release {
    /// The batch, or the beginning of its id
    batch: String,
    /// The number on the back of the token that is lost
    #[arg(long)]
    serial: SerialNumber,
    /// Why; noted in the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl Status {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let (batches, named) = match &self.batch {
            Some(id) => (vec![escrow.batch(id)?], true),
            None => (escrow.batches()?, false),
        };
        let mut json: Vec<_> = batches.iter().map(to_json).collect();
        let rows: Vec<_> = batches.iter().map(row).collect();
        let mut text = table(["BATCH", "NAME", "STATE", "LINES", "DONE", "FAILED", "LEFT"], &rows);
        if let (true, [batch], [json]) = (named, batches.as_slice(), json.as_mut_slice()) {
            let mut waiting = Vec::new();
            let mut note = |line: Line| {
                if matches!(line.state, LineState::Reserved | LineState::Failed) {
                    waiting.push(line);
                }
            };
            escrow.each_line(batch.id, &mut note)?;
            text.push_str(&waiting_text(&waiting));
            json["waiting"] = waiting.iter().map(line_json).collect();
        }
        Ok(Outcome::new(json.into(), text))
    }
}

impl Cancel {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let batch = escrow.batch(&self.batch)?;
        escrow.cancel_batch(batch.id, self.reason.as_deref())?;
        let batch = escrow.batch(&batch.id.to_string())?;
        let text =
            format!("batch {} is cancelled: {} done, {} left\n", batch.id, batch.counts.done, batch.counts.left());
        Ok(Outcome::new(to_json(&batch), text))
    }
}

impl Release {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let batch = escrow.batch(&self.batch)?;
        let mut found = None;
        escrow.each_line(batch.id, |line| {
            let entry = line.entry.as_ref().filter(|entry| entry.state.is_unfinished());
            if entry.is_some_and(|entry| entry.identity.serial == self.serial) {
                found = Some(line);
            }
        })?;
        let Some((line, entry)) = found.and_then(|line| line.entry.clone().map(|entry| (line, entry))) else {
            let message = format!("no line of batch {} waits for {}", batch.id, self.serial);
            return Err(Failure::new(
                Exit::Input,
                "no-line-waits",
                message,
                "see `oathburn batch status` with the batch's id",
            ));
        };
        let reason = self.reason.as_deref().unwrap_or("the token cannot be finished");
        escrow.supersede(entry.id, Some(reason))?;
        let json = json!({ "batch": batch.id.to_string(), "line": line.number, "serial": self.serial.as_str() });
        Ok(Outcome::new(json, format!("line {} is open for another token\n", line.number)))
    }
}

/// The batch that is named, or the only one that is running, or the newest.
pub(super) fn chosen(escrow: &Escrow, id: Option<&str>) -> std::result::Result<Batch, Failure> {
    if let Some(id) = id {
        return Ok(escrow.batch(id)?);
    }
    let mut batches = escrow.batches()?;
    let running: Vec<_> = batches.iter().filter(|batch| batch.state == BatchState::Running).cloned().collect();
    match running.as_slice() {
        [only] => Ok(only.clone()),
        [] => batches.pop().ok_or_else(|| {
            Failure::new(Exit::Input, "no-batch", "there is no batch", "make one with `oathburn batch run`")
        }),
        _ => Err(Failure::usage("more than one batch is running", "name one by its id, from `oathburn batch status`")),
    }
}

pub(super) fn to_json(batch: &Batch) -> Value {
    json!({
        "batch": batch.id.to_string(),
        "name": batch.name,
        "state": batch.state.as_str(),
        "lines": batch.lines,
        "done": batch.counts.done,
        "failed": batch.counts.failed,
        "left": batch.counts.left(),
        "created_at": rfc3339(batch.created_at),
        "ended_at": batch.ended_at.map(rfc3339),
    })
}

fn row(batch: &Batch) -> [String; 7] {
    [
        batch.id.to_string(),
        printable(&batch.name),
        batch.state.to_string(),
        batch.lines.to_string(),
        batch.counts.done.to_string(),
        batch.counts.failed.to_string(),
        batch.counts.left().to_string(),
    ]
}

fn line_json(line: &Line) -> Value {
    let entry = line.entry.as_ref();
    json!({
        "line": line.number,
        "upn": line.upn,
        "serial": entry.map(|entry| entry.identity.serial.as_str()).or(line.serial.as_ref().map(SerialNumber::as_str)),
        "state": line.state.as_str(),
        "error": line.failure.as_ref().map(|(error, _)| error),
    })
}

fn waiting_text(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let upn = line.upn.as_deref().map_or_else(|| "-".into(), printable);
        let serial = line.entry.as_ref().map(|entry| &entry.identity.serial).or(line.serial.as_ref());
        let serial = serial.map_or_else(|| "-".into(), ToString::to_string);
        // Writing to a string cannot fail.
        let _ = match (&line.state, &line.failure) {
            (LineState::Failed, Some((error, _))) => {
                writeln!(text, "line {} {upn} failed with {serial}: {}", line.number, printable(error))
            }
            _ => writeln!(text, "line {} {upn} waits for {serial}: lay it on again", line.number),
        };
    }
    text
}
