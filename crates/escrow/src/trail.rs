//! The audit trail, event by event, in constant memory.

use std::collections::{BTreeMap, VecDeque};

use data_encoding::HEXLOWER;
use oathburn_oath::UnixTime;

use crate::escrow::EVENTS;
use crate::roster::Trust;
use crate::store::{self, EventRow, View, WriterRow};
use crate::{EntryId, Escrow, EscrowError, Event, EventFilter, EventId, Facts, WriterId};

/// Events of one chain that are read at a time where all chains are read at once: some touch a thousand entries.
const CHAIN_PAGE: usize = 50;

/// An event with everything that is chained and signed, so that it can be verified elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedEvent {
    /// What it says.
    pub event: Event,
    /// The version of the roster it was signed under.
    pub roster: u64,
    /// The facts of the event without those of its entries.
    pub facts: Facts,
    /// What it says of each entry, in order.
    pub touched: Vec<TouchedEntry>,
    /// The hash of the event before it in its chain, as hex.
    pub previous: String,
    /// Its own hash, as hex.
    pub hash: String,
    /// The Ed25519 signature of the hash, as hex.
    pub signature: String,
}

/// What an event says of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchedEntry {
    /// Which entry.
    pub entry: EntryId,
    /// Which event of the entry it is, counted from 1.
    pub revision: u64,
    /// The digest of the sealed row as hex, where the event seals it.
    pub digest: Option<String>,
    /// What it says of this entry alone.
    pub facts: Facts,
}

impl Escrow {
    /// Hands out events, chain by chain and in the order of each chain, all from one state of the store.
    pub fn each_event<E: From<EscrowError>>(
        &self,
        filter: &EventFilter,
        mut take: impl FnMut(SignedEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        let trust = self.inner.followed();
        let mut refused = None;
        store::read_once(&*self.inner.store, |view| {
            let mut after = (i64::MIN, i64::MIN);
            loop {
                let page = view.events(filter, after, EVENTS)?;
                let Some(last) = page.last() else { return Ok(()) };
                after = (last.writer_number, last.sequence);
                for row in &page {
                    if let Err(error) = take(signed(row, Event::read(row, &trust)?)?) {
                        refused = Some(error);
                        return Ok(());
                    }
                }
            }
        })?;
        refused.map_or(Ok(()), Err)
    }

    /// Hands out events by their time, all from one state of the store. What one writer signed stays in the order in which
    /// it was signed, also where a clock went back.
    pub fn each_event_by_time<E: From<EscrowError>>(
        &self,
        filter: &EventFilter,
        take: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_event_after(filter, &BTreeMap::new(), take)
    }

    /// The same, without the events of each writer up to one of its chain. Whoever notes the last event of each writer, and
    /// goes on after it, sees every event once, whatever the clocks say.
    pub fn each_event_after<E: From<EscrowError>>(
        &self,
        filter: &EventFilter,
        after: &BTreeMap<WriterId, u64>,
        mut take: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let trust = self.inner.followed();
        let mut refused = None;
        store::read_once(&*self.inner.store, |view| {
            let seen = |writer| after.get(&writer).map_or(0, |seen| i64::try_from(*seen).unwrap_or(i64::MAX));
            let mut chains = chains(view, filter, seen)?;
            loop {
                let mut first: Option<(usize, (UnixTime, EventId))> = None;
                for (place, chain) in chains.iter_mut().enumerate() {
                    let next = chain.first(view, &trust)?;
                    first = match (first, next) {
                        (Some(first), Some(next)) if next < first.1 => Some((place, next)),
                        (None, Some(next)) => Some((place, next)),
                        (first, _) => first,
                    };
                }
                let Some(event) = first.and_then(|(place, _)| chains[place].read.pop_front()) else { return Ok(()) };
                if let Err(error) = take(event) {
                    refused = Some(error);
                    return Ok(());
                }
            }
        })?;
        refused.map_or(Ok(()), Err)
    }

    /// Up to `limit` of the newest events that pass, by time. See [`Escrow::newest_events_before`].
    pub fn newest_events(&self, filter: &EventFilter, limit: usize) -> Result<Vec<Event>, EscrowError> {
        let mut newest = self.newest_events_before(filter, &BTreeMap::new(), limit)?;
        newest.reverse();
        Ok(newest)
    }

    /// Up to `limit` of the newest events that pass, the newest first; of each writer who has a mark, those before it.
    /// Whoever notes the oldest event of each writer, and goes on before it, sees every event of them once. No more of the
    /// trail is read than that takes.
    pub fn newest_events_before(
        &self,
        filter: &EventFilter,
        before: &BTreeMap<WriterId, u64>,
        limit: usize,
    ) -> Result<Vec<Event>, EscrowError> {
        let trust = self.inner.trust();
        store::read_once(&*self.inner.store, |view| {
            if let Some(entry) = &filter.entry {
                return of_entry(view, &trust, entry, (filter, before), limit);
            }
            let mut chains = chains(view, filter, |writer| {
                before.get(&writer).map_or(i64::MAX, |mark| i64::try_from(*mark).unwrap_or(i64::MAX))
            })?;
            let mut newest = Vec::new();
            while newest.len() < limit {
                let mut last: Option<(usize, (UnixTime, EventId))> = None;
                for (place, chain) in chains.iter_mut().enumerate() {
                    if let Some(next) = chain.last(view, &trust)?
                        && last.is_none_or(|(_, last)| next > last)
                    {
                        last = Some((place, next));
                    }
                }
                let Some(event) = last.and_then(|(place, _)| chains[place].read.pop_front()) else { break };
                newest.push(event);
            }
            Ok(newest)
        })
    }

    /// Everybody who was ever on the roster, with the newest label.
    pub fn writers(&self) -> Vec<(WriterId, String)> {
        let trust = self.inner.followed();
        let mut writers = BTreeMap::new();
        for roster in trust.rosters() {
            for member in roster.officers.iter().chain(&roster.stations) {
                writers.insert(member.keys.writer, member.label.clone());
            }
        }
        writers.into_iter().collect()
    }
}

/// The chains of those writers who pass, each from the place that `from` says.
fn chains(view: &dyn View, filter: &EventFilter, from: impl Fn(WriterId) -> i64) -> Result<Vec<Chain>, EscrowError> {
    let chain = |row: WriterRow| {
        let writer = WriterId::from_slice(&row.key).filter(|writer| filter.writer.is_none_or(|one| one == *writer))?;
        let filter = EventFilter { writer: Some(writer), ..filter.clone() };
        Some(Chain { filter, place: (row.id, from(writer)), read: VecDeque::new(), ended: false })
    };
    Ok(view.writers()?.into_iter().filter_map(chain).collect())
}

/// The newest events of one entry: they are found by the entry, however long the chains are.
fn of_entry(
    view: &dyn View,
    trust: &Trust,
    entry: &EntryId,
    (filter, before): (&EventFilter, &BTreeMap<WriterId, u64>),
    limit: usize,
) -> Result<Vec<Event>, EscrowError> {
    let mut newest: BTreeMap<(UnixTime, EventId), Event> = BTreeMap::new();
    for touch in view.touches_of(entry)? {
        let Some(row) = view.event_at(touch.writer, touch.sequence)? else { continue };
        let event = Event::read(&row, trust)?;
        let is_before = before.get(&event.id.writer).is_none_or(|mark| event.id.sequence < *mark);
        if is_before && filter.passes(&event) {
            newest.insert((event.time, event.id), event);
            if newest.len() > limit {
                newest.pop_first();
            }
        }
    }
    Ok(newest.into_values().rev().collect())
}

/// The events of one writer that pass a filter, as they are read.
struct Chain {
    filter: EventFilter,
    /// The writer's number, and the event after which, or before which, reading goes on.
    place: (i64, i64),
    read: VecDeque<Event>,
    ended: bool,
}

impl Chain {
    /// When the next event was signed, and which it is.
    fn first(&mut self, view: &dyn View, trust: &Trust) -> Result<Option<(UnixTime, EventId)>, EscrowError> {
        if self.read.is_empty() && !self.ended {
            let page = view.events(&self.filter, self.place, CHAIN_PAGE)?;
            self.ended = page.len() < CHAIN_PAGE;
            if let Some(last) = page.last() {
                self.place = (last.writer_number, last.sequence);
            }
            self.read = page.iter().map(|row| Event::read(row, trust)).collect::<Result<_, _>>()?;
        }
        Ok(self.next())
    }

    /// The same where the chain is read from its end.
    fn last(&mut self, view: &dyn View, trust: &Trust) -> Result<Option<(UnixTime, EventId)>, EscrowError> {
        if self.read.is_empty() && !self.ended {
            let page = view.events_before(&self.filter, self.place, CHAIN_PAGE)?;
            self.ended = page.len() < CHAIN_PAGE;
            if let Some(last) = page.last() {
                self.place = (last.writer_number, last.sequence);
            }
            self.read = page.iter().map(|row| Event::read(row, trust)).collect::<Result<_, _>>()?;
        }
        Ok(self.next())
    }

    fn next(&self) -> Option<(UnixTime, EventId)> {
        self.read.front().map(|event| (event.time, event.id))
    }
}

fn signed(row: &EventRow, event: Event) -> Result<SignedEvent, EscrowError> {
    let damaged =
        || EscrowError::Damaged { table: "events", row: event.id.to_string(), problem: "it cannot be read".into() };
    let touched = row.touched.iter().map(|touch| {
        Some(TouchedEntry {
            entry: EntryId::from_slice(&touch.entry)?,
            revision: touch.revision.try_into().ok()?,
            digest: touch.digest.as_deref().map(|digest| HEXLOWER.encode(digest)),
            facts: Facts::from_json(&touch.facts)?,
        })
    });
    Ok(SignedEvent {
        roster: row.roster.try_into().map_err(|_| damaged())?,
        facts: Facts::from_json(&row.facts).ok_or_else(damaged)?,
        touched: touched.collect::<Option<_>>().ok_or_else(damaged)?,
        previous: HEXLOWER.encode(&row.previous),
        hash: HEXLOWER.encode(&row.hash),
        signature: HEXLOWER.encode(&row.signature),
        event,
    })
}
