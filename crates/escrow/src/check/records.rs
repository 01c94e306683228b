//! The records of the desk: rows of the right form and, for an officer, seals that hold.

use data_encoding::HEXLOWER;

use super::finding;
use crate::audit::SESSIONS;
use crate::escrow::PAGE;
use crate::keys::KeyPair;
use crate::records::{RecordKeys, find_key};
use crate::roster::Trust;
use crate::store::{RecordRow, View};
use crate::{CheckReport, EntryId, EscrowError, seal, wrap};

pub(super) fn check(
    view: &dyn View,
    trust: &Trust,
    officer: Option<&KeyPair>,
    report: &mut CheckReport,
) -> Result<(), EscrowError> {
    let key = match find_key(view, trust) {
        // What is wrong with entries was found where they were compared.
        Err(EscrowError::Damaged { .. }) => None,
        other => other?,
    };
    let keys = match (&key, officer) {
        (Some(row), Some(officer)) => record_keys(view, trust, row, officer),
        _ => None,
    };
    let mut after = (String::new(), Vec::new());
    loop {
        let page = view.records((&after.0, &after.1), None, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.kind.clone(), last.id.clone());
        for row in &page {
            report.records += 1;
            let problem = match (&key, &keys) {
                (None, _) => Some("there is no key for it that an officer has made"),
                _ if !is_well_formed(row) => Some("it is no record"),
                (_, Some(keys)) if keys.open(row).is_none() => Some("the desk did not write it as it is"),
                (Some(_), None) if officer.is_some() => Some("its key does not open"),
                _ => None,
            };
            let name = || format!("{}/{}", row.kind, HEXLOWER.encode(&row.id));
            report.findings.extend(problem.map(|problem| finding("records", name(), None, problem)));
        }
    }
}

fn is_well_formed(row: &RecordRow) -> bool {
    let plain = row.kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    plain
        && (1..=32).contains(&row.kind.len())
        && (1..=64).contains(&row.id.len())
        && row.version > 0
        && row.body.len() >= 40
        && row.lookup.as_ref().is_none_or(|lookup| lookup.len() == 32)
}

/// `None` where the seal does not open, which was found when all seals were.
fn record_keys(view: &dyn View, trust: &Trust, row: &crate::store::EntryRow, officer: &KeyPair) -> Option<RecordKeys> {
    let session = view.session(&row.session).ok()??;
    let key = wrap::unwrap(&session.wrap, officer, SESSIONS.key).ok()?;
    let opened = seal::open(row, EntryId::from_slice(&row.id)?, &trust.escrow(), &key).ok()?;
    Some(RecordKeys::of(trust.escrow(), &opened.seed))
}
