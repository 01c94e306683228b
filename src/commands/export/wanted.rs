//! Which entries are to be exported.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use oathburn_escrow::{BatchId, Entry, EntryId, EntryState, Escrow, EscrowError, Filter, Tag};
use oathburn_oath::{SerialNumber, UnixTime};

use crate::cli::parse_time;
use crate::commands::select;
use crate::exit::Exit;
use crate::failure::Failure;

/// Filters; what is not given lets all pass.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Which tokens")]
pub(super) struct Wanted {
    /// This token; may be given again
    #[arg(long)]
    serial: Vec<SerialNumber>,
    /// This entry, by its id or the beginning of it; may be given again
    #[arg(long, value_name = "ID")]
    entry: Vec<String>,
    /// This user's
    #[arg(long)]
    upn: Option<String>,
    /// This model
    #[arg(long)]
    model: Option<String>,
    /// In this state: programmed or imported
    #[arg(long, value_parser = parse_state)]
    state: Option<EntryState>,
    /// Of this batch
    #[arg(long, value_name = "ID", value_parser = parse_batch)]
    batch: Option<BatchId>,
    /// With this tag; given again, with all of them
    #[arg(long)]
    tag: Vec<Tag>,
    /// Programmed, or imported, at this time or later (RFC 3339 or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<UnixTime>,
    /// Programmed, or imported, before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<UnixTime>,
    /// Not exported yet, in any format
    #[arg(long)]
    not_exported: bool,
}

impl Wanted {
    /// All of a batch.
    pub(super) fn of_batch(batch: BatchId) -> Self {
        Self { batch: Some(batch), ..Self::default() }
    }
}

fn parse_state(text: &str) -> Result<EntryState, String> {
    let state = EntryState::from_name(text).filter(|state| state.is_finished());
    state.ok_or_else(|| "programmed or imported; others are not exported".to_owned())
}

fn parse_batch(text: &str) -> Result<BatchId, String> {
    text.parse().map_err(|_| "a batch's id, whole".to_owned())
}

impl Wanted {
    /// What the store sorts out.
    pub(super) fn filter(&self) -> Filter {
        let finished = || EntryState::ALL.iter().copied().filter(|state| state.is_finished()).collect();
        let only = |serials: &[SerialNumber]| if let [one] = serials { Some(one.clone()) } else { None };
        Filter {
            serial: only(&self.serial),
            upn: self.upn.clone(),
            model: self.model.clone(),
            batch: self.batch,
            states: self.state.map_or_else(finished, |state| vec![state]),
            ..Filter::default()
        }
    }

    /// What is sorted out here.
    pub(super) fn matcher(&self, escrow: &Escrow) -> Result<Matcher<'_>, Failure> {
        let mut entries = BTreeMap::new();
        for id in &self.entry {
            let entry = select::entry(escrow, id)?;
            if !entry.state.is_finished() {
                return Err(EscrowError::NotOnToken { entry: entry.id, state: entry.state }.into());
            }
            entries.insert(entry.id, false);
        }
        let serials = self.serial.iter().map(|serial| (serial, false)).collect();
        Ok(Matcher { wanted: self, entries, serials })
    }
}

/// Looks at entries, and remembers which of those that were named came by.
pub(super) struct Matcher<'a> {
    wanted: &'a Wanted,
    entries: BTreeMap<EntryId, bool>,
    serials: BTreeMap<&'a SerialNumber, bool>,
}

impl Matcher<'_> {
    pub(super) fn wants(&mut self, entry: &Entry) -> bool {
        let wanted = self.wanted;
        let tags: BTreeSet<_> = entry.annotations.tags.iter().map(String::as_str).collect();
        let time = entry.programmed_at.unwrap_or(entry.reserved_at);
        let named = (self.entries.is_empty() || self.entries.contains_key(&entry.id))
            && (self.serials.is_empty() || self.serials.contains_key(&entry.identity.serial));
        let wants = named
            && wanted.tag.iter().all(|tag| tags.contains(tag.as_str()))
            && wanted.since.is_none_or(|since| time >= since)
            && wanted.until.is_none_or(|until| time < until)
            && !(wanted.not_exported && entry.annotations.exported_at.is_some());
        if named {
            let seen = [self.entries.get_mut(&entry.id), self.serials.get_mut(&entry.identity.serial)];
            seen.into_iter().flatten().for_each(|seen| *seen = true);
        }
        wants
    }

    /// Refuses when something that was named did not come by: whoever names a token does not want it left out.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        let serial = self.serials.iter().find(|(_, seen)| !**seen).map(|(serial, _)| format!("the token {serial}"));
        let entry = self.entries.iter().find(|(_, seen)| !**seen).map(|(entry, _)| format!("the entry {entry}"));
        let Some(what) = serial.or(entry) else { return Ok(()) };
        let message = format!("of what was asked for, {what} has no seed that is known to be on a token in use");
        Err(Failure::new(
            Exit::Input,
            "export-incomplete",
            message,
            "see `oathburn escrow list --serial`, or do not name it",
        ))
    }
}
