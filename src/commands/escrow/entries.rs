//! `oathburn escrow list` and `oathburn escrow show`

use std::fmt::Write as _;

use clap::Args;
use oathburn_escrow::{Entry, EntryState, EventFilter, Filter};
use oathburn_oath::{SerialNumber, TimeStep};
use serde_json::{Value, json};

use crate::commands::{Result, audit, codes, select};
use crate::context::Context;
use crate::output::{Outcome, rfc3339, table};

/// List the entries
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only this token
    #[arg(long)]
    serial: Option<SerialNumber>,
    /// Only this user's
    #[arg(long)]
    upn: Option<String>,
    /// Only this model
    #[arg(long)]
    model: Option<String>,
    /// Only in this state: reserved, unknown, programmed, imported, superseded, retired
    #[arg(long, value_parser = parse_state)]
    state: Vec<EntryState>,
}

/// Show an entry and what happened to it
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The entry's id, or the beginning of it
    entry: String,
}

fn parse_state(text: &str) -> std::result::Result<EntryState, String> {
    let names = || EntryState::ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    EntryState::from_name(text).ok_or_else(|| format!("one of {}", names()))
}

impl List {
    pub(crate) fn run(self, context: &Context) -> Result {
        let filter =
            Filter { serial: self.serial, upn: self.upn, model: self.model, states: self.state, ..Filter::default() };
        let entries = context.escrow()?.entries(&filter)?;
        let rows: Vec<_> = entries
            .iter()
            .map(|entry| {
                [
                    entry.id.to_string(),
                    entry.identity.serial.to_string(),
                    text(entry.model.as_deref()),
                    text(entry.upn.as_deref()),
                    entry.state.to_string(),
                    entry.programmed_at.map_or_else(|| "-".into(), rfc3339),
                ]
            })
            .collect();
        let text = table(["ENTRY", "SERIAL", "MODEL", "UPN", "STATE", "PROGRAMMED"], &rows);
        Ok(Outcome::new(entries.iter().map(to_json).collect(), text))
    }
}

impl Show {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let entry = select::entry(&escrow, &self.entry)?;
        let events = escrow.events(&EventFilter { entry: Some(entry.id), ..EventFilter::default() })?;
        let mut json = to_json(&entry);
        json["verified_at"] = entry.verified_at.map(rfc3339).into();
        json["drift_seconds"] = entry.drift_seconds.into();
        json["drift_at"] = entry.drift_at.map(rfc3339).into();
        json["origin"] = entry.origin.as_str().into();
        json["events"] = events.iter().map(audit::to_json).collect();
        let mut text = String::new();
        for (name, value) in json.as_object().into_iter().flatten().filter(|(name, _)| *name != "events") {
            let value = value.as_str().map_or_else(|| value.to_string(), audit::printable);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:14} {}", if value == "null" { "-" } else { &value });
        }
        text.push('\n');
        text.push_str(&audit::to_text(&events));
        Ok(Outcome::new(json, text))
    }
}

/// What everybody may know of an entry.
pub(crate) fn to_json(entry: &Entry) -> Value {
    json!({
        "entry": entry.id.to_string(),
        "family": entry.identity.family.as_str(),
        "serial": entry.identity.serial.as_str(),
        "slot": codes::slot(&entry.identity.slot),
        "model": entry.model,
        "upn": entry.upn,
        "issuer": entry.issuer,
        "state": entry.state.as_str(),
        "algorithm": entry.params.algorithm().as_str(),
        "digits": entry.params.digits().get(),
        "time_step": entry.params.step().map(TimeStep::seconds),
        "counter": entry.params.counter(),
        "batch": entry.batch.map(|batch| batch.to_string()),
        "reserved_at": rfc3339(entry.reserved_at),
        "programmed_at": entry.programmed_at.map(rfc3339),
    })
}

/// A name on a terminal: what it cannot show is escaped.
fn text(name: Option<&str>) -> String {
    name.map_or_else(|| "-".into(), audit::printable)
}
