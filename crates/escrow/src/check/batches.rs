//! Every batch and every line compared with their events.

use std::collections::HashMap;

use data_encoding::HEXLOWER;

use super::chains::{Chains, Turn};
use super::{event_finding, finding};
use crate::batch::{BatchState, state_of};
use crate::escrow::PAGE;
use crate::lines::{digests, is_made_so, is_signed, place_of_digest};
use crate::roster::Trust;
use crate::store::{BatchRow, LineRow, View};
use crate::{BatchId, CheckReport, EscrowError, EventId, EventKind, Finding, WriterId};

/// Why a line failed, and when.
type Failures = HashMap<i64, (String, i64)>;

pub(super) fn check(
    view: &dyn View,
    trust: &Trust,
    chains: &Chains,
    report: &mut CheckReport,
) -> Result<(), EscrowError> {
    let rows = view.batches()?;
    for row in &rows {
        let failures = check_batch(row, chains, report);
        check_lines(view, trust, row, &failures, report)?;
    }
    for (id, _) in chains.batches().filter(|(id, _)| !rows.iter().any(|row| name(&row.id) == **id)) {
        report.findings.push(finding("batches", id.clone(), None, "the batch was deleted"));
    }
    for id in view.batches_of_lines()? {
        if !rows.iter().any(|row| row.id == id) {
            report.findings.push(finding("batch_lines", name(&id), None, "the lines belong to no batch"));
        }
    }
    Ok(())
}

fn name(id: &[u8]) -> String {
    BatchId::from_slice(id).map_or_else(|| HEXLOWER.encode(id), |id| id.to_string())
}

/// Compares the row of a batch; says which of its lines failed.
fn check_batch(row: &BatchRow, chains: &Chains, report: &mut CheckReport) -> Failures {
    let id = name(&row.id);
    let mut found = |column, problem: String| report.findings.push(finding("batches", id.clone(), column, problem));
    let Some(made) = chains.made(&id) else {
        found(None, "no event tells of it".into());
        return Failures::new();
    };
    if !is_made_so(row, made.time, &made.facts) {
        found(None, "it is not what its event made".into());
    }
    if row.writer != made.writer {
        found(Some("writer"), "its event was signed by another writer".into());
    }
    if row.sequence != made.sequence {
        found(Some("sequence"), "its event has another place in the chain".into());
    }
    let turns = chains.turns(&id);
    for (turn, revision) in turns.iter().zip(2..) {
        if turn.revision != revision {
            found(None, format!("event {revision} of it is missing"));
            break;
        }
    }
    let last = turns.last().map_or(1, |turn| turn.revision);
    let (state, ended_at, failures) = replay(&turns);
    if row.state != state.as_str() {
        found(Some("state"), format!("its events make it {state:?}"));
    }
    if row.ended_at != ended_at {
        found(Some("ended_at"), "its events tell another time".into());
    }
    if row.revision != last {
        found(Some("revision"), format!("its events make it {last}"));
    }
    failures
}

fn replay(turns: &[&Turn]) -> (BatchState, Option<i64>, Failures) {
    let (mut state, mut ended_at, mut failures) = (BatchState::Running, None, Failures::new());
    for turn in turns {
        match (turn.kind, turn.line) {
            (EventKind::LineFailed, Some(line)) => {
                failures.insert(line, (turn.error.clone().unwrap_or_default(), turn.time));
            }
            (EventKind::BatchReopened, _) => {
                (state, ended_at) = (BatchState::Running, None);
                failures.clear();
            }
            (EventKind::BatchFinished, _) => (state, ended_at) = (BatchState::Finished, Some(turn.time)),
            (EventKind::BatchCancelled, _) => (state, ended_at) = (BatchState::Cancelled, Some(turn.time)),
            _ => {}
        }
    }
    (state, ended_at, failures)
}

fn check_lines(
    view: &dyn View,
    trust: &Trust,
    batch: &BatchRow,
    failures: &Failures,
    report: &mut CheckReport,
) -> Result<(), EscrowError> {
    let (mut after, mut known) = (0, None);
    loop {
        let page = view.lines(&batch.id, after, PAGE)?;
        let Some(last) = page.last() else { break };
        let mut expected = after;
        after = last.line;
        for line in &page {
            report.lines += 1;
            expected += 1;
            if line.line != expected {
                report.findings.push(missing(batch, expected, line.line - 1));
                expected = line.line;
            }
            if !known.as_ref().is_some_and(|digests| is_signed(&trust.escrow(), line, digests)) {
                known = digests(view, trust, batch, line.line)?;
                if known.is_none() {
                    report.findings.extend(without_digests(view, batch, line.line)?);
                }
            }
            if !known.as_ref().is_some_and(|digests| is_signed(&trust.escrow(), line, digests)) {
                let problem = "it is not what was signed when the batch was made";
                report.findings.push(finding("batch_lines", line.name(), None, problem));
            }
            report.findings.extend(check_line(view, line, failures.get(&line.line))?);
        }
    }
    if after < batch.lines {
        report.findings.push(missing(batch, after + 1, batch.lines));
    }
    Ok(())
}

/// The event that should hold the digest of a line, if it is gone: the last one of a chain leaves no gap.
fn without_digests(view: &dyn View, batch: &BatchRow, line: i64) -> Result<Option<Finding>, EscrowError> {
    let sequence = place_of_digest(batch, line);
    if view.event(&batch.writer, sequence)?.is_some() {
        return Ok(None);
    }
    let id = WriterId::from_slice(&batch.writer).zip(u64::try_from(sequence).ok());
    let id = id.map(|(writer, sequence)| EventId { writer, sequence });
    Ok(id.map(|id| event_finding(id, format!("it is missing; it tells of lines of batch {}", name(&batch.id)))))
}

fn missing(batch: &BatchRow, first: i64, last: i64) -> Finding {
    let problem = if first == last { "it is missing".into() } else { format!("it and those up to {last} are missing") };
    finding("batch_lines", format!("{}/{first}", name(&batch.id)), None, problem)
}

/// Compares the columns that change.
fn check_line(view: &dyn View, line: &LineRow, failure: Option<&(String, i64)>) -> Result<Vec<Finding>, EscrowError> {
    let entries = view.line_entries(&line.batch, line.line)?;
    let state = state_of(&entries, failure.is_some());
    let mut findings = Vec::new();
    let mut found = |column, problem: String| findings.push(finding("batch_lines", line.name(), Some(column), problem));
    if line.state != state.as_str() {
        found("state", format!("its events make it {:?}", state.as_str()));
    }
    if line.error.as_ref() != failure.map(|(error, _)| error) {
        found("error", "its events tell another error".into());
    }
    if line.failed_at != failure.map(|(_, time)| *time) {
        found("failed_at", "its events tell another time".into());
    }
    Ok(findings)
}
