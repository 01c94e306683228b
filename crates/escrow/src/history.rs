//! What its signed events make of an entry: a row that differs from it is refused.
//!
//! Each event is read anew, and compared with what was signed. One that touched a thousand entries is read whole only once:
//! after that its own row and the touch of the entry at hand are compared with those that were signed, as far as
//! [`crate::proven`] remembers them.

use std::collections::HashMap;

use crate::audit;
use crate::projection::{Happening, Projection};
use crate::roster::Trust;
use crate::store::{EntryRow, EventRow, Touch, TouchKey, View};
use crate::{EntryId, EscrowError, EventKind, Facts};

/// When so many entries of one event were asked for in one state of the store, it is read whole: they are many.
const MANY: u32 = 8;

/// What was read and verified in one state of the store.
#[derive(Default)]
pub(crate) struct Events {
    /// Events with all that they touched, by the place they have in it.
    whole: HashMap<(i64, i64), EventRow>,
    /// How often others were met.
    met: HashMap<(i64, i64), u32>,
    /// Rows of entries that are what their events make of them.
    rows: HashMap<EntryId, EntryRow>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Remembers the row of an entry that was found to be what its events make of it.
    pub(crate) fn keep(&mut self, entry: EntryId, row: EntryRow) {
        self.rows.insert(entry, row);
    }

    /// Such a row.
    pub(crate) fn row(&self, entry: &EntryId) -> Option<&EntryRow> {
        self.rows.get(entry)
    }
}

/// What one event did to an entry.
struct Past {
    revision: i64,
    kind: EventKind,
    time: i64,
    /// What it says of this entry alone, and what of all.
    facts: [Facts; 2],
    digest: Option<Vec<u8>>,
}

impl Past {
    fn of(event: &EventRow, touch: &Touch) -> Option<Self> {
        Some(Self {
            revision: touch.revision,
            kind: EventKind::from_name(&event.kind)?,
            time: event.time,
            facts: [Facts::from_json(&touch.facts)?, Facts::from_json(&event.facts)?],
            digest: touch.digest.clone(),
        })
    }
}

/// Refuses a row that differs from what its signed events make of it.
pub(crate) fn verify(
    view: &dyn View,
    trust: &Trust,
    id: EntryId,
    row: &EntryRow,
    events: &mut Events,
) -> Result<(), EscrowError> {
    told(view, trust, id, row, events).map(drop)
}

/// The same; says what happened to the entry, in order, with what was said of all that it happened to.
pub(crate) fn told(
    view: &dyn View,
    trust: &Trust,
    id: EntryId,
    row: &EntryRow,
    events: &mut Events,
) -> Result<Vec<(EventKind, Facts)>, EscrowError> {
    let mut all = past(view, trust, id, row, events)?;
    all.sort_by_key(|past| past.revision);
    let mut projection = Projection::default();
    let mut signed = None;
    for past in &all {
        let [own, common] = &past.facts;
        let happening = Happening { kind: past.kind, time: past.time, facts: [own, common] };
        if projection.apply(&happening).is_err() || projection.revision != past.revision {
            return Err(damaged(&row.id, "its events do not follow each other"));
        }
        if past.digest.is_some() != past.kind.seals() {
            return Err(damaged(&row.id, "an event of it says what only a sealing can say"));
        }
        signed = past.digest.as_ref().or(signed);
    }
    if signed.map(Vec::as_slice) != Some(&row.digest(&trust.escrow())) {
        return Err(damaged(&row.id, "the row is not the one that was signed"));
    }
    match projection.differences(row).first() {
        Some((column, ours)) => Err(damaged(&row.id, &format!("its {column} should be {ours}"))),
        None => Ok(all.into_iter().map(|Past { kind, facts: [_, common], .. }| (kind, common)).collect()),
    }
}

/// What happened to an entry; every event of it was verified.
fn past(
    view: &dyn View,
    trust: &Trust,
    id: EntryId,
    row: &EntryRow,
    events: &mut Events,
) -> Result<Vec<Past>, EscrowError> {
    let read = |past: Option<Past>| past.ok_or_else(|| damaged(&row.id, "an event of it cannot be read"));
    let mut all = Vec::new();
    // Where nothing was read whole, nobody need be asked where to look for it.
    let keys = if events.whole.is_empty() { None } else { Some(view.touches_of(&id)?) };
    let is_whole = |key: &TouchKey| events.whole.contains_key(&(key.writer, key.sequence));
    if let Some(keys) = keys.filter(|keys| keys.iter().all(is_whole)) {
        for key in &keys {
            let event = &events.whole[&(key.writer, key.sequence)];
            all.push(read(Past::of(event, touch_at(event, key.position, row)?))?);
        }
        return Ok(all);
    }
    for event in view.history_of(&id)? {
        let event = event.ok_or_else(|| damaged(&row.id, "an event of it was deleted"))?;
        let [touch] = event.touched.as_slice() else { return Err(damaged(&row.id, "an event of it has gaps")) };
        let place = (event.writer_number, event.sequence);
        if !events.whole.contains_key(&place) {
            if stands(trust, &event, place, events) {
                all.push(read(Past::of(&event, touch))?);
                continue;
            }
            let whole = view.event_at(place.0, place.1)?;
            let whole = whole.ok_or_else(|| damaged(&row.id, "an event of it was deleted"))?;
            audit::verify(trust, &whole).map_err(|problem| damaged(&row.id, &format!("its event: {problem}")))?;
            trust.proven.keep(&whole);
            events.whole.insert(place, whole);
        }
        let event = &events.whole[&place];
        all.push(read(Past::of(event, touch_at(event, touch.position, row)?))?);
    }
    Ok(all)
}

/// Whether an event with one touch is what was signed: that touched nothing else, or was verified whole before.
fn stands(trust: &Trust, event: &EventRow, place: (i64, i64), events: &mut Events) -> bool {
    if event.touched[0].position == 1 && audit::verify(trust, event).is_ok() {
        return true;
    }
    let met = events.met.entry(place).or_default();
    *met += 1;
    *met < MANY && trust.proven.has_touched(event)
}

/// What an event that was verified says of an entry.
fn touch_at<'e>(event: &'e EventRow, position: i64, row: &EntryRow) -> Result<&'e Touch, EscrowError> {
    let place = position.checked_sub(1).and_then(|place| usize::try_from(place).ok());
    let touch = place.and_then(|place| event.touched.get(place)).filter(|touch| touch.entry == row.id);
    touch.ok_or_else(|| damaged(&row.id, "an event of it has gaps"))
}

pub(crate) fn damaged(entry: &[u8], problem: &str) -> EscrowError {
    let row = EntryId::from_slice(entry).map_or_else(String::new, |id| id.to_string());
    EscrowError::Damaged { table: "entries", row, problem: problem.into() }
}
