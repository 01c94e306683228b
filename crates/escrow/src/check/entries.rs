//! Every entry compared with its events, and its seal opened.

use std::collections::{HashMap, VecDeque};

use super::{entry_finding, finding};
use crate::audit::{DUPLICATE_KEYS, SESSIONS};
use crate::escrow::PAGE;
use crate::keys::KeyPair;
use crate::projection::{Happening, Projection};
use crate::roster::Trust;
use crate::store::{EntryRow, TouchKey, TouchRow, View};
use crate::wrap::{self, Key};
use crate::{CheckReport, EntryId, EscrowError, EventKind, Facts, Filter, Finding, duplicate, seal};

/// Walks entries and touches side by side, both sorted by entry.
pub(super) fn check(
    view: &dyn View,
    trust: &Trust,
    officer: Option<&KeyPair>,
    report: &mut CheckReport,
) -> Result<(), EscrowError> {
    let mut seals = officer.map(|keys| Seals::new(view, trust, keys, report)).transpose()?;
    let mut touches = Touches::new(view);
    let mut after = Vec::new();
    loop {
        let page = view.entries(&Filter::default(), &after, PAGE)?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        for row in &page {
            report.entries += 1;
            while touches.peek()?.is_some_and(|touch| touch.key.entry < row.id) {
                report.findings.extend(touches.take().map(|touch| orphan(&touch)));
            }
            let mut own = Vec::new();
            while touches.peek()?.is_some_and(|touch| touch.key.entry == row.id) {
                own.extend(touches.take());
            }
            report.findings.extend(compare(trust, row, own));
            if let Some(seals) = &mut seals {
                seals.check(view, row, report)?;
            }
        }
    }
    while touches.peek()?.is_some() {
        report.findings.extend(touches.take().map(|touch| orphan(&touch)));
    }
    Ok(())
}

/// Touches whose event is gone; the events themselves have been verified with their touches.
pub(super) fn check_touches(view: &dyn View, report: &mut CheckReport) -> Result<(), EscrowError> {
    let mut touches = Touches::new(view);
    while touches.peek()?.is_some() {
        let lost = touches.take().filter(|touch| touch.event.is_none());
        report.findings.extend(lost.map(|touch| without_event(&touch)));
    }
    Ok(())
}

/// Touches, read page by page.
struct Touches<'a> {
    view: &'a dyn View,
    page: VecDeque<TouchRow>,
    after: TouchKey,
}

impl<'a> Touches<'a> {
    fn new(view: &'a dyn View) -> Self {
        Self { view, page: VecDeque::new(), after: TouchKey::default() }
    }

    fn peek(&mut self) -> Result<Option<&TouchRow>, EscrowError> {
        if self.page.is_empty() {
            self.page = self.view.touches(&self.after, PAGE)?.into();
            if let Some(last) = self.page.back() {
                self.after = last.key.clone();
            }
        }
        Ok(self.page.front())
    }

    fn take(&mut self) -> Option<TouchRow> {
        self.page.pop_front()
    }
}

fn orphan(touch: &TouchRow) -> Finding {
    let name = format!("{}/{}", touch.key.writer, touch.key.sequence);
    entry_finding(&touch.key.entry, None, format!("the entry was deleted; event {name} tells of it"))
}

fn without_event(touch: &TouchRow) -> Finding {
    let row = format!("{}/{}/{}", touch.key.writer, touch.key.sequence, touch.key.position);
    let entry = EntryId::from_slice(&touch.key.entry);
    Finding { entry, ..finding("event_entries", row, None, "its event was deleted") }
}

/// Compares a row with what its events say.
fn compare(trust: &Trust, row: &EntryRow, mut touches: Vec<TouchRow>) -> Vec<Finding> {
    let mut findings: Vec<_> = touches.iter().filter(|touch| touch.event.is_none()).map(without_event).collect();
    touches.sort_by_key(|touch| touch.revision);
    let mut projection = Projection::default();
    let mut signed = None;
    for touch in &touches {
        let Some(event) = &touch.event else { continue };
        let kind = EventKind::from_name(&event.kind);
        let facts = Facts::from_json(&touch.facts).zip(Facts::from_json(&event.facts));
        // What cannot be read was found when the events were verified.
        let (Some(kind), Some((own, common))) = (kind, facts) else { continue };
        let happening = Happening { kind, time: event.time, facts: [&own, &common] };
        if projection.apply(&happening).is_err() {
            findings.push(entry_finding(&row.id, None, format!("the event {kind} cannot follow those before it")));
        }
        if projection.revision != touch.revision {
            let problem = format!("event {} of it is missing", projection.revision);
            findings.push(entry_finding(&row.id, None, problem));
            projection.revision = touch.revision;
        }
        if touch.digest.is_some() != kind.seals() {
            let problem = format!("the event {kind} says what only a sealing can say");
            findings.push(entry_finding(&row.id, None, problem));
        }
        signed = touch.digest.clone().or(signed);
    }
    match signed {
        None => findings.push(entry_finding(&row.id, None, "nobody signed it: no event tells of its sealing")),
        Some(digest) if digest != row.digest(&trust.escrow()) => {
            let problem = "it is not what was signed when it was sealed";
            findings.push(entry_finding(&row.id, None, problem));
        }
        Some(_) => {}
    }
    for (column, ours) in projection.differences(row) {
        findings.push(entry_finding(&row.id, Some(column), format!("its events make it {ours}")));
    }
    findings
}

/// An officer's keys for the seals.
struct Seals<'a> {
    trust: &'a Trust,
    officer: &'a KeyPair,
    tag_keys: HashMap<i64, Key>,
    /// `None` for sessions that do not open.
    sessions: HashMap<Vec<u8>, Option<Key>>,
}

impl<'a> Seals<'a> {
    fn new(
        view: &dyn View,
        trust: &'a Trust,
        officer: &'a KeyPair,
        report: &mut CheckReport,
    ) -> Result<Self, EscrowError> {
        let mut tag_keys = HashMap::new();
        for row in view.duplicate_keys()? {
            match wrap::unwrap(&row.wrap, officer, DUPLICATE_KEYS.key) {
                Ok(key) => {
                    tag_keys.insert(row.id.as_slice().try_into().map_or(0, i64::from_be_bytes), key);
                }
                Err(error) => {
                    let name = row.name();
                    report.findings.push(finding("duplicate_keys", name, Some("wrap"), error.to_string()));
                }
            }
        }
        Ok(Self { trust, officer, tag_keys, sessions: HashMap::new() })
    }

    /// Opens the seal and compares what it holds; nothing of it leaves this function.
    fn check(&mut self, view: &dyn View, row: &EntryRow, report: &mut CheckReport) -> Result<(), EscrowError> {
        let Some(id) = EntryId::from_slice(&row.id) else {
            report.findings.push(entry_finding(&row.id, Some("id"), "it is not an id"));
            return Ok(());
        };
        let Some(key) = self.session(view, row, report)? else { return Ok(()) };
        match seal::open(row, id, &self.trust.escrow(), &key) {
            Ok(opened) => {
                report.opened += 1;
                let tag = self.tag_keys.get(&row.tag_key).map(|key| duplicate::tag(key, &opened.seed));
                if tag.is_none_or(|tag| row.tag != tag) {
                    let problem = "it is not the tag of the sealed seed";
                    report.findings.push(entry_finding(&row.id, Some("tag"), problem));
                }
            }
            Err(EscrowError::SealDiffers { column, .. }) => {
                report.findings.push(entry_finding(&row.id, Some(column), "it is not what was sealed"));
            }
            Err(error) => report.findings.push(entry_finding(&row.id, None, error.to_string())),
        }
        Ok(())
    }

    fn session(
        &mut self,
        view: &dyn View,
        row: &EntryRow,
        report: &mut CheckReport,
    ) -> Result<Option<Key>, EscrowError> {
        if !self.sessions.contains_key(&row.session) {
            let key = match view.session(&row.session)? {
                None => Err("its session is missing".to_owned()),
                Some(session) => {
                    wrap::unwrap(&session.wrap, self.officer, SESSIONS.key).map_err(|error| error.to_string())
                }
            };
            if let Err(problem) = &key {
                report.findings.push(entry_finding(&row.id, Some("session"), problem.clone()));
            }
            self.sessions.insert(row.session.clone(), key.ok());
        }
        Ok(self.sessions[&row.session].clone())
    }
}
