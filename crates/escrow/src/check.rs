//! Comparing a store with what was signed.
//!
//! The events are verified chain by chain; every other row must be what they say: the escrow and its rosters, the
//! wrapped keys, and each entry, whose unchanging columns its first event signs and whose other columns are computed
//! again. Memory grows with sessions and rosters, not with entries or events.

mod batches;
mod chains;
mod entries;
mod records;

use std::collections::BTreeSet;

use self::chains::Chains;
use crate::audit::{DUPLICATE_KEYS, SESSIONS};
use crate::keys::KeyPair;
use crate::roster::Trust;
use crate::store::View;
use crate::{CheckReport, EntryId, EscrowError, EscrowId, EventId, Finding};

/// Everything.
pub(crate) fn check(view: &dyn View, trust: &Trust, officer: Option<&KeyPair>) -> Result<CheckReport, EscrowError> {
    let mut report = CheckReport::default();
    for problem in view.structure()? {
        report.findings.push(finding(view.catalog(), String::new(), None, problem));
    }
    let chains = ledger(view, trust, &mut report)?;
    entries::check(view, trust, officer, &mut report)?;
    batches::check(view, trust, &chains, &mut report)?;
    records::check(view, trust, officer, &mut report)?;
    Ok(report)
}

/// Rosters, events and wrapped keys.
pub(crate) fn verify_events(view: &dyn View, trust: &Trust) -> Result<Vec<Finding>, EscrowError> {
    let mut report = CheckReport::default();
    ledger(view, trust, &mut report)?;
    entries::check_touches(view, &mut report)?;
    Ok(report.findings)
}

pub(crate) fn finding(
    table: &'static str,
    row: String,
    column: Option<&'static str>,
    problem: impl Into<String>,
) -> Finding {
    Finding { table, row, column, entry: None, event: None, problem: problem.into() }
}

fn entry_finding(entry: &[u8], column: Option<&'static str>, problem: impl Into<String>) -> Finding {
    let id = EntryId::from_slice(entry);
    let row = id.map_or_else(|| data_encoding::HEXLOWER.encode(entry), |id| id.to_string());
    Finding { entry: id, ..finding("entries", row, column, problem) }
}

pub(crate) fn event_finding(id: EventId, problem: impl Into<String>) -> Finding {
    Finding { event: Some(id), ..finding("events", id.to_string(), None, problem) }
}

fn ledger(view: &dyn View, trust: &Trust, report: &mut CheckReport) -> Result<Chains, EscrowError> {
    let chains = Chains::verify(view, trust, report)?;
    check_header(view, trust, &chains, report)?;
    check_rosters(view, trust, &chains, report)?;
    check_writers(view, trust, &chains, report)?;
    check_sessions(view, &chains, report)?;
    for row in view.duplicate_keys()? {
        report.findings.extend(chains.wrap_finding(DUPLICATE_KEYS, &row));
    }
    let present: Vec<_> = view.duplicate_keys()?.into_iter().map(|row| row.id).collect();
    for id in chains.wraps(DUPLICATE_KEYS).filter(|id| !present.contains(id)) {
        let row = id.as_slice().try_into().map_or(0, i64::from_be_bytes);
        report.findings.push(finding("duplicate_keys", row.to_string(), None, "the key was deleted"));
    }
    Ok(chains)
}

fn check_header(view: &dyn View, trust: &Trust, chains: &Chains, report: &mut CheckReport) -> Result<(), EscrowError> {
    let rows = view.header()?;
    let findings = &mut report.findings;
    if rows.len() != 1 {
        findings.push(finding("escrow", "1".into(), None, format!("there are {} rows instead of one", rows.len())));
    }
    for row in &rows {
        let id = EscrowId::from_slice(&row.id);
        let name = id.map_or_else(|| data_encoding::HEXLOWER.encode(&row.id), |id| id.to_string());
        if id != Some(trust.escrow()) {
            let problem = format!("the escrow is {}", trust.escrow());
            findings.push(finding("escrow", name.clone(), Some("id"), problem));
        }
        if chains.created_at() != Some(row.created_at) {
            let problem = "it is not the time of the event that made the escrow";
            findings.push(finding("escrow", name, Some("created_at"), problem));
        }
    }
    Ok(())
}

fn check_rosters(view: &dyn View, trust: &Trust, chains: &Chains, report: &mut CheckReport) -> Result<(), EscrowError> {
    let rows = view.rosters()?;
    report.rosters = rows.len() as u64;
    let findings = &mut report.findings;
    if let Err(error) = Trust::verify(trust.escrow(), &rows) {
        let version = match &error {
            EscrowError::RosterForged { version } => *version,
            _ => 0,
        };
        findings.push(finding("rosters", version.to_string(), None, error.to_string()));
    }
    // Another process may have seen versions that we have not: their events tell of them.
    let told: BTreeSet<_> =
        trust.rosters().iter().map(|roster| roster.version).chain(chains.roster_versions()).collect();
    for version in told {
        if !rows.iter().any(|row| u64::try_from(row.version) == Ok(version)) {
            findings.push(finding("rosters", version.to_string(), None, "the version was deleted"));
        }
    }
    for roster in trust.rosters() {
        if chains.roster_hash(roster.version) != Some(&data_encoding::HEXLOWER.encode(&roster.hash)) {
            findings.push(finding("rosters", roster.version.to_string(), None, "no event tells of this version"));
        }
    }
    Ok(())
}

fn check_writers(view: &dyn View, trust: &Trust, chains: &Chains, report: &mut CheckReport) -> Result<(), EscrowError> {
    for row in view.writers()? {
        let key = crate::WriterId::from_slice(&row.key);
        let problem = match key {
            Some(key) if trust.label(&key).is_none() => "the key is on no version of the roster",
            Some(_) if chains.has(row.id) => continue,
            _ => "nothing was signed with this key",
        };
        report.findings.push(finding("writers", row.id.to_string(), Some("key"), problem));
    }
    Ok(())
}

fn check_sessions(view: &dyn View, chains: &Chains, report: &mut CheckReport) -> Result<(), EscrowError> {
    let mut after = Vec::new();
    let mut left: std::collections::HashSet<_> = chains.wraps(SESSIONS).cloned().collect();
    loop {
        let page = view.sessions(&after, crate::escrow::PAGE)?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        for row in &page {
            report.sessions += 1;
            left.remove(&row.id);
            report.findings.extend(chains.wrap_finding(SESSIONS, row));
        }
    }
    for id in left {
        let name = crate::SessionId::from_slice(&id).map_or_else(String::new, |id| id.to_string());
        report.findings.push(finding("sessions", name, None, "the session was deleted"));
    }
    Ok(())
}
