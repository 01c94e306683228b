//! The records of the desk: rows of the right form and, for an officer, seals that hold.

use data_encoding::HEXLOWER;

use super::finding;
use crate::escrow::PAGE;
use crate::keys::KeyPair;
use crate::records::{Ring, generations, in_use};
use crate::roster::Trust;
use crate::store::{RecordRow, View};
use crate::{CheckReport, EscrowError};

pub(super) fn check(
    view: &dyn View,
    trust: &Trust,
    officer: Option<&KeyPair>,
    report: &mut CheckReport,
) -> Result<(), EscrowError> {
    let has_key = match generations(view, trust) {
        // What is wrong with entries was found where they were compared.
        Err(EscrowError::Damaged { .. }) => false,
        found => in_use(&found?).is_some(),
    };
    let ring = match officer.filter(|_| has_key) {
        Some(officer) => Ring::opened_by(view, trust, officer)?,
        None => None,
    };
    let mut after = (String::new(), Vec::new());
    loop {
        let page = view.records((&after.0, &after.1), None, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.kind.clone(), last.id.clone());
        for row in &page {
            report.records += 1;
            let problem = match &ring {
                _ if !has_key => Some("there is no key for it that an officer has made"),
                _ if !is_well_formed(row) => Some("it is no record"),
                Some(ring) if ring.read(row).is_none() => Some("the desk did not write it as it is"),
                None if officer.is_some() => Some("its key does not open"),
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
