//! `oathburn escrow audit …`

mod trail;
mod verify;

use std::fmt::Write as _;

use clap::Subcommand;
use oathburn_escrow::{Event, EventKind, Finding};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::context::Context;
pub(crate) use crate::output::printable;
use crate::output::rfc3339;

/// Read and verify the audit trail
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    List(trail::List),
    Verify(verify::Verify),
    Checkpoint(verify::Sign),
    Export(trail::Export),
}

impl Audit {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::List(command) => command.run(context),
            Self::Verify(command) => command.run(context),
            Self::Checkpoint(command) => command.run(context),
            Self::Export(command) => command.run(context),
        }
    }
}

/// An event as one object.
pub(crate) fn to_json(event: &Event) -> Value {
    json!({
        "event": event.id.to_string(),
        "sequence": event.id.sequence,
        "writer": event.writer,
        "time": rfc3339(event.time),
        "uid": event.uid,
        "host": event.host,
        "operator": event.operator,
        "kind": event.kind.as_str(),
        "entries": event.entries.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "facts": event.facts,
        "reason": event.reason,
    })
}

/// One line an event.
pub(crate) fn to_text(events: &[Event]) -> String {
    let mut text = String::new();
    let width = EventKind::ALL.iter().map(|kind| kind.as_str().len()).max().unwrap_or(0);
    for event in events {
        let who = event.operator.as_deref().map_or_else(|| event.uid.to_string(), printable);
        let what = match event.entries.as_slice() {
            [] => String::new(),
            [entry] => format!(" {entry}"),
            many => format!(" {} entries", many.len()),
        };
        let reason = event.reason.as_deref().map_or_else(String::new, |reason| format!(" ({})", printable(reason)));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} {:width$} {who}@{} {}{what}{reason}",
            rfc3339(event.time),
            event.kind.as_str(),
            printable(&event.host),
            printable(&event.writer),
        );
    }
    text
}

/// A finding as one object.
pub(crate) fn finding_to_json(finding: &Finding) -> Value {
    json!({
        "table": finding.table,
        "row": finding.row,
        "column": finding.column,
        "entry": finding.entry.map(|entry| entry.to_string()),
        "event": finding.event.map(|event| event.to_string()),
        "problem": finding.problem,
    })
}

/// One line a finding.
pub(crate) fn findings_to_text(findings: &[Finding]) -> String {
    findings.iter().flat_map(|finding| [printable(&finding.to_string()), "\n".to_owned()]).collect()
}
