//! `oathburn escrow audit …`

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use oathburn_escrow::{Event, EventFilter, EventKind, Finding};
use serde_json::{Value, json};

use crate::commands::{Result, select};
use crate::context::Context;
use crate::exit::Exit;
pub(crate) use crate::output::printable;
use crate::output::{Outcome, rfc3339};

/// Read and verify the audit trail
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    List(List),
    /// Check every signature and every chain
    ///
    /// Exit code 6 when anything is wrong.
    Verify,
}

/// List the events, oldest first
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only those of this entry
    #[arg(long, value_name = "ID")]
    entry: Option<String>,
    /// Only those of this kind (`reserved`, `programmed`, `code-disclosed`, …)
    #[arg(long, value_parser = parse_kind)]
    kind: Option<EventKind>,
}

fn parse_kind(text: &str) -> std::result::Result<EventKind, String> {
    let names = || EventKind::ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    EventKind::from_name(text).ok_or_else(|| format!("one of {}", names()))
}

impl Audit {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::List(command) => command.run(context),
            Self::Verify => verify(context),
        }
    }
}

impl List {
    fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let entry = self.entry.map(|id| select::entry(&escrow, &id)).transpose()?.map(|entry| entry.id);
        let events = escrow.events(&EventFilter { entry, kind: self.kind, ..EventFilter::default() })?;
        Ok(Outcome::new(events.iter().map(to_json).collect(), to_text(&events)))
    }
}

fn verify(context: &Context) -> Result {
    let escrow = context.escrow()?;
    let findings = escrow.verify_events()?;
    let events = escrow.events(&EventFilter::default()).map_or(0, |events| events.len());
    let problems: Vec<_> = findings.iter().map(finding_to_json).collect();
    let json = json!({ "ok": findings.is_empty(), "events": events, "problems": problems });
    if findings.is_empty() {
        return Ok(Outcome::new(json, format!("nothing is wrong: {events} events\n")));
    }
    Ok(Outcome::new(json, findings_to_text(&findings)).ending(Exit::Escrow))
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
