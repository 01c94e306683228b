//! `oathburn escrow list` and `oathburn escrow show`

use std::fmt::Write as _;

use clap::Args;
use oathburn_escrow::{Entry, EventFilter, Filter};
use oathburn_oath::TimeStep;
use serde_json::{Value, json};

use super::filters::Filters;
use super::listing::{Form, Listing};
use super::which::OneOfUser;
use crate::commands::{Result, audit, codes, select};
use crate::context::Context;
use crate::output::{Outcome, printable, rfc3339};

/// List the entries, oldest first
///
/// The list is written as it is read, however long it is. With --limit it goes on after the last entry of the page
/// before (--after). What the rows say is shown; `oathburn escrow check` compares them with what was signed.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    filters: Filters,
    /// No more than so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Go on after this entry
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    lines: bool,
}

/// Show an entry and what happened to it, without its seed
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    which: OneOfUser,
}

/// Entries that are read at a time.
const PAGE: u64 = 500;

impl List {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let filter = Filter::from(self.filters);
        let mut after = self.after.map(|id| select::entry(&escrow, &id)).transpose()?.map(|entry| entry.id);
        let form = Form::new(context.globals.json, self.lines);
        let mut listing = Listing::new(form, ["ENTRY", "SERIAL", "MODEL", "UPN", "STATE", "PROGRAMMED", "TAGS"]);
        let mut left = self.limit.unwrap_or(u64::MAX);
        while left > 0 && !listing.is_closed() {
            let size = left.min(PAGE);
            let page = escrow.entries_after(&filter, after, usize::try_from(size).unwrap_or(usize::MAX))?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            left -= size;
            listing.page(&page, to_json, cells)?;
            if (page.len() as u64) < size {
                break;
            }
            if left == 0 && !escrow.entries_after(&filter, after, 1)?.is_empty() {
                context.talk.say(format_args!("there are more: --after {}", last.id));
            }
        }
        listing.end()
    }
}

fn cells(entry: &Entry) -> [String; 7] {
    let text = |name: Option<&str>| name.map_or_else(|| "-".into(), printable);
    let tags = entry.annotations.tags.join(",");
    [
        entry.id.to_string(),
        entry.identity.serial.to_string(),
        text(entry.model.as_deref()),
        text(entry.upn.as_deref()),
        entry.state.to_string(),
        entry.programmed_at.map_or_else(|| "-".into(), rfc3339),
        text(Some(tags.as_str()).filter(|tags| !tags.is_empty())),
    ]
}

impl Show {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let entry = self.which.find(context, &escrow)?;
        let events = escrow.events(&EventFilter { entry: Some(entry.id), ..EventFilter::default() })?;
        let mut json = to_json(&entry);
        json["verified_at"] = entry.verified_at.map(rfc3339).into();
        json["drift_at"] = entry.drift_at.map(rfc3339).into();
        json["origin"] = entry.origin.as_str().into();
        let mut text = String::new();
        for (name, value) in json.as_object().into_iter().flatten() {
            let value = match value {
                Value::String(text) => printable(text),
                Value::Null => "-".to_owned(),
                Value::Array(list) if list.is_empty() => "-".to_owned(),
                Value::Array(list) => {
                    list.iter().filter_map(Value::as_str).map(printable).collect::<Vec<_>>().join(", ")
                }
                other => other.to_string(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:14} {value}");
        }
        text.push('\n');
        text.push_str(&audit::to_text(&events));
        json["events"] = events.iter().map(audit::to_json).collect();
        Ok(Outcome::new(json, text))
    }
}

/// What everybody may know of an entry.
pub(crate) fn to_json(entry: &Entry) -> Value {
    let notes = &entry.annotations;
    json!({
        "entry": entry.id.to_string(),
        "family": entry.identity.family.as_str(),
        "serial": entry.identity.serial.as_str(),
        "slot": codes::slot(&entry.identity.slot),
        "manufacturer": entry.manufacturer,
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
        "drift_seconds": entry.drift_seconds,
        "note": notes.note,
        "purchase_order": notes.purchase_order,
        "tags": notes.tags,
        "exported_at": notes.exported_at.map(rfc3339),
        "export_format": notes.export_format,
        "activated_at": notes.activated_at.map(rfc3339),
    })
}
