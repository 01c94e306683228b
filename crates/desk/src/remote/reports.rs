//! What the desk has to be told, read from the station's own escrow.

use std::collections::BTreeSet;

use oathburn_escrow::{BatchId, Entry, EntryState, Escrow, Filter, LINE_FAMILY, LineState};

use super::RemoteError;
use super::portion::PortionFile;
use crate::work::wire::{MAX_ERROR, Report, ReportState, ReportedToken};

/// What became of the lines of a portion, as far as it was not acknowledged. `at_rest` says that no burn is going on.
pub(super) fn untold(
    escrow: &Escrow,
    batch: BatchId,
    file: &PortionFile,
    at_rest: bool,
) -> Result<Vec<Report>, RemoteError> {
    let mut reports = Vec::new();
    let mut begun = BTreeSet::new();
    let entries = escrow.entries(&Filter { batch: Some(batch), ..Filter::default() })?;
    for entry in entries.iter().filter(|entry| entry.identity.family.as_str() != LINE_FAMILY) {
        let Some(line) = line_of(file, entry.line) else { continue };
        let attempt = entry.id.to_string();
        let told = file.told.get(&attempt);
        let state = match entry.state {
            _ if entry.programmed_at.is_some() => ReportState::Done,
            EntryState::Unknown => ReportState::Unknown,
            EntryState::Reserved if at_rest => ReportState::Unknown,
            EntryState::Reserved => {
                begun.insert(entry.line);
                continue;
            }
            // Given up: that matters only where it was told of.
            _ if told == Some(&ReportState::Unknown) => ReportState::Dropped,
            _ => continue,
        };
        // Nothing follows what was told for good.
        if told.is_some_and(|told| *told >= state) {
            continue;
        }
        reports.push(Report { token: Some(token(entry)), ..report(file, line, attempt, state) });
    }
    for line in escrow.lines(batch, 0, usize::MAX)? {
        let Some(number) = line_of(file, Some(line.number)) else { continue };
        let held = file.lines.iter().find(|held| held.leased.line == number);
        if held.is_none_or(|held| held.over) {
            continue;
        }
        let name = |what: &str| format!("{}/{}/{what}", file.id, line.number);
        match line.state {
            LineState::Failed => {
                let why = line.failure.as_ref().map(|(why, _)| why.chars().take(MAX_ERROR).collect());
                let report = report(file, number, name("failed"), ReportState::Failed);
                reports.push(Report { error: why, ..report });
            }
            LineState::Open if file.closed.is_some() && !begun.contains(&Some(line.number)) => {
                reports.push(report(file, number, name("returned"), ReportState::Returned));
            }
            _ => {}
        }
    }
    Ok(reports)
}

fn report(file: &PortionFile, line: u32, attempt: String, state: ReportState) -> Report {
    Report { order: file.order.clone(), line, attempt, state, token: None, error: None }
}

fn line_of(file: &PortionFile, local: Option<u32>) -> Option<u32> {
    let place = usize::try_from(local?).ok()?.checked_sub(1)?;
    file.lines.get(place).map(|held| held.leased.line)
}

fn token(entry: &Entry) -> ReportedToken {
    ReportedToken {
        family: entry.identity.family.to_string(),
        serial: entry.identity.serial.to_string(),
        slot: entry.identity.slot.to_string(),
        manufacturer: entry.manufacturer.clone(),
        model: entry.model.clone(),
        drift_seconds: entry.drift_seconds,
        burned_at: entry.programmed_at.unwrap_or(entry.reserved_at).seconds(),
    }
}
