//! What former officers could open: it counts as known, whatever was sealed anew since.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::audit::{self, SESSIONS, WrapTable};
use crate::escrow::{EVENTS, PAGE};
use crate::roster::Trust;
use crate::store::{self, View};
use crate::{Entry, EntryId, Escrow, EscrowError, EventFilter, EventKind, Facts, Member, Role, WriterId};

/// An entry in use whose seed somebody may know who is no officer any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// The entry; its token should be burned with another seed.
    pub entry: Entry,
    /// The former officers who could open it.
    pub to: Vec<Member>,
}

/// Former officers, by what they sign with.
pub(crate) type Former = BTreeSet<WriterId>;

/// The fact that names them in the event that seals anew.
const EXPOSED_TO: &str = "exposed_to";

impl Trust {
    /// Those who were in this role and are not any more, each once, with their latest label.
    pub(crate) fn former(&self, role: Role) -> Vec<Member> {
        let latest = self.latest();
        let mut former: Vec<Member> = Vec::new();
        for member in self.rosters().iter().rev().flat_map(|roster| roster.members(role)) {
            let is_new = !former.iter().any(|known| known.keys == member.keys);
            if is_new && !latest.members(role).iter().any(|one| one.keys.recipient == member.keys.recipient) {
                former.push(member.clone());
            }
        }
        former
    }

    /// The former officers who were on one version of the roster.
    pub(crate) fn former_of(&self, version: i64) -> Former {
        let roster = u64::try_from(version).ok().and_then(|version| self.version(version));
        let gone = self.former(Role::Officer);
        let officers = roster.into_iter().flat_map(|roster| &roster.officers);
        officers.map(|one| one.keys.writer).filter(|writer| gone.iter().any(|one| one.keys.writer == *writer)).collect()
    }
}

/// To whom of the former officers each key of a table was ever wrapped, as the signed events say: a row that was set back
/// to an older wrap hides nothing. Keys that none of them could open are left out.
pub(crate) fn of_keys(
    view: &dyn View,
    trust: &Trust,
    table: WrapTable,
) -> Result<HashMap<Vec<u8>, Former>, EscrowError> {
    let mut exposed: HashMap<Vec<u8>, Former> = HashMap::new();
    let by_version: BTreeMap<i64, Former> = trust
        .rosters()
        .iter()
        .filter_map(|roster| i64::try_from(roster.version).ok())
        .map(|version| (version, trust.former_of(version)))
        .filter(|(_, former)| !former.is_empty())
        .collect();
    if by_version.is_empty() {
        return Ok(exposed);
    }
    for kind in BTreeSet::from([table.kind, table.again]) {
        each_event(view, trust, kind, &mut |event, facts| {
            if let Some(former) = by_version.get(&audit::wrapped_for(event, facts)) {
                let id = facts.text("key").unwrap_or_default();
                let id = data_encoding::HEXLOWER.decode(id.as_bytes()).unwrap_or_default();
                exposed.entry(id).or_default().extend(former);
            }
            Ok(())
        })?;
    }
    Ok(exposed)
}

/// Whether a former officer could ever open an entry, whatever it was sealed anew under since.
pub(crate) fn is_known(view: &dyn View, trust: &Trust, row: &store::EntryRow) -> Result<bool, EscrowError> {
    let gone: Former = trust.former(Role::Officer).into_iter().map(|member| member.keys.writer).collect();
    if gone.is_empty() {
        return Ok(false);
    }
    if of_keys(view, trust, SESSIONS)?.contains_key(&row.session) {
        return Ok(true);
    }
    let Some(id) = EntryId::from_slice(&row.id) else { return Ok(false) };
    for key in view.touches_of(&id)? {
        let event = view.event_at(key.writer, key.sequence)?;
        let verified = event.as_ref().and_then(|event| audit::verify(trust, event).ok());
        if verified.is_some_and(|event| event.kind == EventKind::Resealed && !named(&event.facts).is_disjoint(&gone)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Shows all events of a kind, verified, page by page.
fn each_event(
    view: &dyn View,
    trust: &Trust,
    kind: EventKind,
    look: &mut dyn FnMut(&store::EventRow, &Facts) -> Result<(), EscrowError>,
) -> Result<(), EscrowError> {
    let filter = EventFilter { kind: Some(kind), ..EventFilter::default() };
    let mut after = (i64::MIN, i64::MIN);
    loop {
        let page = view.events(&filter, after, EVENTS)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.writer_number, last.sequence);
        for event in &page {
            let verified = audit::verify(trust, event).map_err(|problem| EscrowError::Damaged {
                table: "events",
                row: format!("{}/{}", data_encoding::HEXLOWER.encode(&event.writer), event.sequence),
                problem,
            })?;
            look(event, &verified.facts)?;
        }
    }
}

/// What an event says that seals anew: to whom the old seals were open. Nothing where they were merely merged.
pub(crate) fn facts(former: &Former) -> Facts {
    let names: Vec<_> = former.iter().map(ToString::to_string).collect();
    Facts::new().with_some(EXPOSED_TO, Some(names.join(",")).filter(|names| !names.is_empty()))
}

fn named(facts: &Facts) -> Former {
    let names = facts.text(EXPOSED_TO).unwrap_or_default().split(',');
    let bytes = names.filter_map(|name| data_encoding::HEXLOWER.decode(name.as_bytes()).ok());
    bytes.filter_map(|bytes| WriterId::from_slice(&bytes)).collect()
}

impl Escrow {
    /// The entries in use whose seeds former officers could open, oldest first, also those that hold such a seed once
    /// more. An entry is on the list until its token was burned with another seed, or went out of use. Access keys of tokens
    /// are among them, and what people sign in with at the desk. The key of the desk's records is not: it is
    /// replaced.
    pub fn exposed(&self) -> Result<Vec<Exposed>, EscrowError> {
        self.inner.look(|view, trust| {
            let mut known: BTreeMap<EntryId, Former> = BTreeMap::new();
            for (session, former) in of_keys(view, trust, SESSIONS)? {
                let mut after = i64::MIN;
                loop {
                    let page = view.seals_of(&session, after, PAGE)?;
                    let Some(last) = page.last() else { break };
                    after = last.place;
                    for id in page.iter().filter_map(|seal| EntryId::from_slice(&seal.id)) {
                        known.entry(id).or_default().extend(&former);
                    }
                }
            }
            each_event(view, trust, EventKind::Resealed, &mut |event, facts| {
                let former = named(facts);
                let touched = event.touched.iter().filter_map(|touch| EntryId::from_slice(&touch.entry));
                for id in touched.filter(|_| !former.is_empty()) {
                    known.entry(id).or_default().extend(&former);
                }
                Ok(())
            })?;
            in_use(view, trust, known)
        })
    }
}

/// Of the known seeds those that are in use, wherever they are.
fn in_use(view: &dyn View, trust: &Trust, known: BTreeMap<EntryId, Former>) -> Result<Vec<Exposed>, EscrowError> {
    let gone = trust.former(Role::Officer);
    let mut found: BTreeMap<EntryId, (Entry, Former)> = BTreeMap::new();
    for (id, former) in known {
        let Some(row) = view.entry(&id)? else { continue };
        // The entry itself, and those that have the same seed.
        for row in view.entries_tagged(row.tag_key, &row.tag)? {
            let entry = Entry::try_from(&row)?;
            if entry.state.is_live() && !entry.is_desk_key() {
                found.entry(entry.id).or_insert_with(|| (entry, Former::new())).1.extend(&former);
            }
        }
    }
    let members = |former: Former| gone.iter().filter(|one| former.contains(&one.keys.writer)).cloned().collect();
    let all = found.into_values().map(|(entry, former)| Exposed { entry, to: members(former) });
    // Who was removed and came back knows nothing that an officer must not know.
    Ok(all.filter(|exposed: &Exposed| !exposed.to.is_empty()).collect())
}
