//! Keys follow the roster: what a new officer may open is wrapped to them, what a former one could open is sealed anew,
//! and what many small burns leave is merged.
//!
//! What is left to do is read from the store each time: from the rosters, from the events that say to which of them each
//! session was wrapped, and from the entries. So a run that was killed is finished by the next one, whoever begins it.
//! Each step is one transaction, in which an entry goes from one seal that opens to another one that does.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::audit::{self, DUPLICATE_KEYS, SESSIONS};
use crate::escrow::PAGE;
use crate::exposure::{self, Former};
use crate::journal::{Draft, EventDraft, Reseal, TouchDraft};
use crate::roster::Trust;
use crate::seal::{self, SealRow, Sealer};
use crate::store::{self, View, WrapRow};
use crate::wrap::{self, Key};
use crate::{Custodian, EntryId, Escrow, EscrowError, EventKind, Facts, duplicate};

/// Seeds that are sealed anew in one transaction: others burn between two of them.
const BATCH: usize = 500;
/// Session keys that are wrapped anew in one transaction.
const WRAPS: usize = 200;
/// Sessions with fewer entries are merged: so a seed is sealed anew a few times in its life, however often officers do it.
const SMALL: u64 = 10_000;
/// How often the work is begun again because the roster changed.
const TRIES: usize = 5;

/// How much is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What the roster asks for.
    Roster,
    /// That, and small sessions are merged.
    Merge,
}

/// How far a renewal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Renewing {
    /// What there is to do.
    Planned {
        /// Session keys to be wrapped to new officers.
        keys: u64,
        /// Seeds to be sealed anew.
        seeds: u64,
    },
    /// So many session keys are wrapped; they stay so.
    Wrapped(u64),
    /// So many seeds are sealed anew; they stay so.
    Sealed(u64),
    /// So many records of the desk are sealed anew; they stay so.
    Records(u64),
}

/// What a renewal has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Session keys that were wrapped to new officers.
    pub keys: u64,
    /// Seeds that were sealed anew.
    pub seeds: u64,
    /// Records of the desk that were sealed anew, because a former officer knows the key under which they were.
    pub records: u64,
    /// Sessions that went, because nothing is sealed under them any more.
    pub sessions: u64,
    /// Entries that could not be sealed anew: their seals do not open, or are not what was signed. They were left as
    /// they are; `check` says more.
    pub left: Vec<EntryId>,
    /// Sessions whose keys this officer cannot open, and one more where that is so of a key of the desk's records; one who
    /// can has to renew, too.
    pub locked: u64,
}

/// What there is to do.
#[derive(Debug, Default)]
struct Plan {
    /// Session keys that lack an officer.
    wrap: Vec<Vec<u8>>,
    /// Sessions to be emptied, by who of the former officers could open them.
    reseal: BTreeMap<Former, Vec<Vec<u8>>>,
    seeds: u64,
    /// Sessions without entries.
    empty: Vec<Vec<u8>>,
}

impl Plan {
    fn make(view: &dyn View, trust: &Trust, depth: Depth) -> Result<Self, EscrowError> {
        let exposed = exposure::of_keys(view, trust, SESSIONS)?;
        let sizes: HashMap<_, _> = view.session_sizes()?.into_iter().collect();
        let stale = stale_tags(view, trust, depth)?;
        let (mut plan, mut small) = (Self::default(), Vec::new());
        let mut after = Vec::new();
        loop {
            let page = view.sessions(&after, PAGE)?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            for WrapRow { id, roster, .. } in page {
                let size = sizes.get(&id).copied().unwrap_or(0);
                if size == 0 {
                    plan.empty.push(id);
                } else if let Some(former) = exposed.get(&id) {
                    plan.reseal.entry(former.clone()).or_default().push(id);
                    plan.seeds += size;
                } else if stale.contains(&id) {
                    plan.reseal.entry(Former::new()).or_default().push(id);
                    plan.seeds += size;
                } else if depth == Depth::Merge && size < SMALL {
                    small.push((id, size, roster));
                } else if lacks_officer(trust, roster) {
                    plan.wrap.push(id);
                }
            }
        }
        // One alone has nothing to be merged with.
        let merged = small.len() > 1 || (small.len() == 1 && plan.seeds > 0);
        for (id, size, roster) in small {
            if merged {
                plan.reseal.entry(Former::new()).or_default().push(id);
                plan.seeds += size;
            } else if lacks_officer(trust, roster) {
                plan.wrap.push(id);
            }
        }
        Ok(plan)
    }
}

/// Whether a key that is wrapped to the officers of this version of the roster is closed to one in force.
fn lacks_officer(trust: &Trust, version: i64) -> bool {
    let wrapped = u64::try_from(version).ok().and_then(|version| trust.version(version));
    let holds = |recipient: &str| {
        wrapped.is_some_and(|roster| roster.officers.iter().any(|one| one.keys.recipient == recipient))
    };
    trust.latest().officers.iter().any(|officer| !holds(&officer.keys.recipient))
}

/// The sessions with seeds that are tagged under a key which a former officer knows; to be merged, under any old key.
fn stale_tags(view: &dyn View, trust: &Trust, depth: Depth) -> Result<HashSet<Vec<u8>>, EscrowError> {
    let keys = view.duplicate_keys()?;
    let Some((newest, old)) = keys.split_last() else { return Ok(HashSet::new()) };
    let known = exposure::of_keys(view, trust, DUPLICATE_KEYS)?;
    if old.is_empty() || (depth == Depth::Roster && !old.iter().any(|row| known.contains_key(&row.id))) {
        return Ok(HashSet::new());
    }
    Ok(view.sessions_tagged_otherwise(number(newest))?.into_iter().collect())
}

fn number(key: &WrapRow) -> i64 {
    key.id.as_slice().try_into().map_or(0, i64::from_be_bytes)
}

impl Escrow {
    /// What the roster asks for and was not done yet: session keys to be wrapped to new officers, and seeds to be sealed
    /// anew because a former officer could open them.
    pub fn unrenewed(&self) -> Result<(u64, u64), EscrowError> {
        let trust = self.inner.trust();
        let plan = store::read(&*self.inner.store, |view| Plan::make(view, &trust, Depth::Roster))?;
        Ok((plan.wrap.len() as u64, plan.seeds))
    }
}

/// One run: the keys that are in use, and what was done so far.
struct Run<'a> {
    custodian: &'a Custodian,
    trust: &'a Trust,
    tag_key: (i64, Key),
    sealer: Sealer,
    /// Whether the session that seals is in the store.
    stored: bool,
    done: &'a mut Renewed,
    observer: &'a mut dyn FnMut(Renewing),
}

/// A seed that is about to have another seal.
struct Item {
    id: EntryId,
    /// The seal that it has: whoever changed it first wins.
    session: Vec<u8>,
    nonce: Vec<u8>,
    reseal: Reseal,
}

impl Custodian {
    /// Does what the roster asks for, whoever left it undone: wraps session keys to new officers, and seals and tags anew
    /// what former ones could open; the records of the desk, too, are sealed anew, under another key. With
    /// [`Depth::Merge`], small sessions are merged, too.
    ///
    /// It can be interrupted at any moment and begun again. Others burn meanwhile.
    pub fn renew(&self, depth: Depth, observer: &mut dyn FnMut(Renewing)) -> Result<Renewed, EscrowError> {
        let mut done = Renewed::default();
        for _ in 0..TRIES {
            self.escrow.known(&self.officer)?;
            let trust = self.escrow.trust();
            match self.renew_under(&trust, depth, &mut done, observer) {
                // The keys that were wrapped and sealed are as good as before; what is left is planned again.
                Err(EscrowError::RosterUnsteady) => self.escrow.refresh()?,
                other => return other.map(|()| done),
            }
        }
        Err(EscrowError::RosterUnsteady)
    }

    fn renew_under(
        &self,
        trust: &Trust,
        depth: Depth,
        done: &mut Renewed,
        observer: &mut dyn FnMut(Renewing),
    ) -> Result<(), EscrowError> {
        (done.left, done.locked) = (Vec::new(), 0);
        let plan = store::read(&*self.escrow.store, |view| Plan::make(view, trust, depth))?;
        observer(Renewing::Planned { keys: plan.wrap.len() as u64, seeds: plan.seeds });
        if plan.seeds > 0 {
            let tag_key = self.newest_tag_key(trust)?;
            let officers = trust.latest().officers.iter().map(|officer| officer.keys.recipient.as_str());
            let sealer = Sealer::begin(trust.escrow(), trust.latest().version, officers)?;
            let mut run = Run {
                custodian: self,
                trust,
                tag_key,
                sealer,
                stored: false,
                done: &mut *done,
                observer: &mut *observer,
            };
            for (former, sessions) in &plan.reseal {
                run.empty(sessions, former)?;
            }
        }
        self.wrap(trust, &plan.wrap, done, observer)?;
        let sessions = plan.empty.iter().chain(plan.reseal.values().flatten()).cloned().collect::<BTreeSet<_>>();
        self.drop_sessions(trust, &sessions.into_iter().collect::<Vec<_>>(), done)?;
        self.drop_tag_keys(trust)?;
        let before = done.records;
        let opened = self.renew_records(trust, || self.newest_tag_key(trust), &mut |moved| {
            done.records = before + moved;
            observer(Renewing::Records(done.records));
        })?;
        done.locked += u64::from(!opened);
        Ok(())
    }

    fn newest_tag_key(&self, trust: &Trust) -> Result<(i64, Key), EscrowError> {
        let keys = self.officer.keys();
        let found = store::read(&*self.escrow.store, |view| crate::escrow::duplicate_keys(view, trust, keys))?;
        found.into_iter().next_back().ok_or(EscrowError::NotWrapped { key: DUPLICATE_KEYS.key })
    }

    /// Wraps session keys to the officers in force.
    fn wrap(
        &self,
        trust: &Trust,
        sessions: &[Vec<u8>],
        done: &mut Renewed,
        observer: &mut dyn FnMut(Renewing),
    ) -> Result<(), EscrowError> {
        let roster = trust.latest();
        let version = i64::try_from(roster.version).unwrap_or(i64::MAX);
        for some in sessions.chunks(WRAPS) {
            let mut rows = Vec::new();
            for id in some {
                let Some((row, key)) = self.session_key(trust, id)? else {
                    done.locked += 1;
                    continue;
                };
                let officers = roster.officers.iter().map(|officer| officer.keys.recipient.as_str());
                let wrap = wrap::wrap(&key, officers, SESSIONS.key)?;
                rows.push((row.roster, WrapRow { roster: version, wrap, ..row }));
            }
            let mut count = 0;
            self.escrow.commit(trust, self.officer.keys(), &mut |view| {
                let mut draft = Draft::default();
                for (before, row) in &rows {
                    if view.session(&row.id)?.is_some_and(|now| now.roster == *before) {
                        let event = EventDraft::wrapping(SESSIONS.again, row, SESSIONS.domain, &trust.escrow());
                        draft.events.push(event);
                        draft.rewrapped_sessions.push(row.clone());
                    }
                }
                count = draft.events.len() as u64;
                Ok(draft)
            })?;
            done.keys += count;
            observer(Renewing::Wrapped(done.keys));
        }
        Ok(())
    }

    /// A session with its key; `None` when it is gone, is not what was signed, or is not wrapped to this officer.
    fn session_key(&self, trust: &Trust, id: &[u8]) -> Result<Option<(WrapRow, Key)>, EscrowError> {
        store::read(&*self.escrow.store, |view| {
            let Some(row) = view.session(id)? else { return Ok(None) };
            let key = SESSIONS.verify(view, trust, &row);
            match key.and_then(|()| wrap::unwrap(&row.wrap, self.officer.keys(), SESSIONS.key)) {
                Ok(key) => Ok(Some((row, key))),
                Err(EscrowError::Damaged { .. } | EscrowError::NotWrapped { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Deletes sessions under which nothing is sealed any more: their keys are of no use but to those who should not
    /// have them.
    fn drop_sessions(&self, trust: &Trust, sessions: &[Vec<u8>], done: &mut Renewed) -> Result<(), EscrowError> {
        for some in sessions.chunks(audit::MAX_DROPPED) {
            let mut count = 0;
            self.escrow.commit(trust, self.officer.keys(), &mut |view| {
                let mut unused = Vec::new();
                for id in some {
                    if view.session(id)?.is_some() && view.seals_of(id, i64::MIN, 1)?.is_empty() {
                        unused.push(id.clone());
                    }
                }
                count = unused.len() as u64;
                Ok(dropping(SESSIONS.dropped, &unused, |draft, ids| draft.dropped_sessions = ids))
            })?;
            done.sessions += count;
        }
        Ok(())
    }

    /// Deletes the duplicate keys under which nothing is tagged any more, but the newest.
    fn drop_tag_keys(&self, trust: &Trust) -> Result<(), EscrowError> {
        let unused = |view: &dyn View| {
            let mut unused = Vec::new();
            for row in view.duplicate_keys()?.split_last().map_or(&[][..], |(_, old)| old) {
                if !view.is_tag_key_used(number(row))? {
                    unused.push(row.id.clone());
                }
            }
            Ok(unused)
        };
        if store::read(&*self.escrow.store, unused)?.is_empty() {
            return Ok(());
        }
        self.escrow.commit(trust, self.officer.keys(), &mut |view| {
            Ok(dropping(DUPLICATE_KEYS.dropped, &unused(view)?, |draft, ids| draft.dropped_keys = ids))
        })
    }
}

/// What deletes keys, and the event that tells of it; nothing when there are none.
fn dropping(kind: EventKind, ids: &[Vec<u8>], put: impl Fn(&mut Draft, Vec<Vec<u8>>)) -> Draft {
    let mut draft = Draft::default();
    if !ids.is_empty() {
        draft.events.push(EventDraft::new(kind, audit::dropping(ids)));
        put(&mut draft, ids.to_vec());
    }
    draft
}

impl Run<'_> {
    /// Seals anew what is sealed under these sessions.
    fn empty(&mut self, sessions: &[Vec<u8>], former: &Former) -> Result<(), EscrowError> {
        let mut batch = Vec::with_capacity(BATCH);
        for session in sessions {
            let Some((_, key)) = self.custodian.session_key(self.trust, session)? else {
                self.done.locked += 1;
                continue;
            };
            let mut after = i64::MIN;
            loop {
                let limit = BATCH - batch.len();
                let page = store::read(&*self.custodian.escrow.store, |view| view.seals_of(session, after, limit))?;
                let Some(last) = page.last() else { break };
                after = last.place;
                for row in &page {
                    match self.item(row, &key)? {
                        Some(item) => batch.push(item),
                        None => self.done.left.extend(EntryId::from_slice(&row.id)),
                    }
                }
                if batch.len() == BATCH {
                    self.write(&std::mem::take(&mut batch), former)?;
                }
            }
        }
        self.write(&batch, former)
    }

    /// The seed of a seal, in another one; `None` when it does not open.
    fn item(&self, row: &SealRow, key: &Key) -> Result<Option<Item>, EscrowError> {
        let bound = (row.id.as_slice(), row.format, row.session.as_slice());
        let opened = seal::unseal(bound, (&row.nonce, &row.ciphertext), &self.trust.escrow(), key);
        let (Some(id), Some(opened)) = (EntryId::from_slice(&row.id), opened) else { return Ok(None) };
        let (tag_key, tag_with) = &self.tag_key;
        let reseal = Reseal {
            session: self.sealer.id().as_bytes().to_vec(),
            sealed: self.sealer.seal_again(&id, &opened)?,
            tag_key: *tag_key,
            tag: duplicate::tag(tag_with, &opened.seed),
        };
        Ok(Some(Item { id, session: row.session.clone(), nonce: row.nonce.clone(), reseal }))
    }

    /// Writes some seals; where an entry is not what was signed, the others one by one.
    fn write(&mut self, items: &[Item], former: &Former) -> Result<(), EscrowError> {
        match self.commit(items, former) {
            Err(EscrowError::Damaged { .. }) if items.len() > 1 => {
                items.iter().try_for_each(|item| self.write(std::slice::from_ref(item), former))
            }
            Err(EscrowError::Damaged { .. }) => {
                self.done.left.extend(items.iter().map(|item| item.id));
                Ok(())
            }
            other => other,
        }
    }

    fn commit(&mut self, items: &[Item], former: &Former) -> Result<(), EscrowError> {
        let (trust, custodian) = (self.trust, self.custodian);
        let time = custodian.escrow.now();
        let mut count = 0;
        custodian.escrow.commit(trust, custodian.officer.keys(), &mut |view| {
            let mut event = EventDraft::new(EventKind::Resealed, exposure::facts(former));
            for item in items {
                let row = view.entry(&item.id)?;
                if row.is_some_and(|row| row.session == item.session && row.nonce == item.nonce) {
                    let (entry, reseal) = (item.id, Some(item.reseal.clone()));
                    event.touched.push(TouchDraft { entry, digest: None, reseal, facts: Facts::new() });
                }
            }
            count = event.touched.len() as u64;
            let mut draft = Draft::default();
            if count > 0 {
                if !self.stored {
                    let session = self.sealer.row(time);
                    let escrow = trust.escrow();
                    draft.events.push(EventDraft::wrapping(SESSIONS.kind, &session, SESSIONS.domain, &escrow));
                    draft.sessions.push(session);
                }
                draft.events.push(event);
            }
            Ok(draft)
        })?;
        if count > 0 {
            self.stored = true;
            self.done.seeds += count;
            (self.observer)(Renewing::Sealed(self.done.seeds));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oathburn_oath::{
        FamilyId, FixedClock, Remedy, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, TotpParams, UnixTime,
    };

    use super::*;
    use crate::{Disclosure, Officer, Origin, Pins, Purpose, Reservation, StationKey, StoreUrl, Writer};

    /// A station has keys to sign, and may be able to write to the database as it likes.
    #[test]
    fn a_station_cannot_put_another_seal_in_the_place_of_one() {
        // Neither by the event that officers sign, nor by one of its own that says what only a sealing can say.
        for kind in [EventKind::Resealed, EventKind::Assigned] {
            forge(kind);
        }
    }

    fn forge(kind: EventKind) {
        let folder = tempfile::tempdir().unwrap();
        let officer = Officer::generate().unwrap();
        let url = StoreUrl::sqlite(folder.path().join("escrow.db"));
        let pins = Pins::new(folder.path().join("pins"));
        let station = || StationKey::load_or_create(&folder.path().join("station.key")).unwrap();
        let who = Writer { operator: None, uid: 0, host: "desk".into() };
        let clock = FixedClock(UnixTime::new(1));
        Escrow::init(&url, &officer, &station(), &pins, &who, &clock).unwrap();
        let escrow = Escrow::open(&url, station(), &pins, who, Arc::new(clock)).unwrap();
        let record = |seed: &[u8]| TokenRecord {
            identity: TokenIdentity {
                family: FamilyId::new("token2-single").unwrap(),
                serial: SerialNumber::new("1").unwrap(),
                slot: Slot::SINGLE,
            },
            params: TotpParams::default().into(),
            seed: Seed::new(seed.to_vec()).unwrap(),
            manufacturer: None,
            model: None,
            upn: None,
            issuer: None,
        };
        let (burned, other) = (record(b"the seed on the token"), record(b"another one"));
        let entry = escrow.reserve(&Reservation { record: &burned, origin: Origin::Given, batch: None }).unwrap();
        let sealer = Sealer::begin(escrow.id(), 1, [officer.public().recipient.as_str()]).unwrap();
        let seal = sealer.seal(&entry, &Reservation { record: &other, origin: Origin::Given, batch: None }).unwrap();
        let session = sealer.row(1);
        let reseal = Reseal { session: session.id.clone(), sealed: seal, tag_key: 1, tag: [7; 16] };
        let touch = TouchDraft { entry, digest: None, reseal: Some(reseal), facts: Facts::new() };
        let wrapping = EventDraft::wrapping(SESSIONS.kind, &session, SESSIONS.domain, &escrow.id());
        let swap = EventDraft { touched: vec![touch], ..EventDraft::new(kind, Facts::new()) };
        let draft = |_: &dyn View| {
            let events = vec![wrapping.clone(), swap.clone()];
            Ok(Draft { sessions: vec![session.clone()], events, ..Draft::default() })
        };
        let trust = escrow.inner.trust();
        escrow.inner.commit(&trust, escrow.inner.station.keys(), &mut { draft }).unwrap();

        let findings = escrow.check(Some(&officer)).unwrap().findings;
        let named =
            |one: &crate::Finding| one.entry == Some(entry) || one.event.is_some_and(|event| event.sequence == 4);
        assert!(findings.iter().any(named), "{kind}: {findings:?}");
        assert_eq!(escrow.current(&burned.identity).unwrap_err().code(), "store-damaged", "{kind}");
        let chosen = escrow.entry(&entry.to_string()).unwrap();
        let opener = escrow.opener(officer).unwrap();
        let error = opener.open(&chosen, &Disclosure::new(Purpose::Burn)).unwrap_err();
        assert_eq!(error.code(), "store-damaged", "{kind}");
        assert_eq!(escrow.note_verified(entry, Facts::new()).unwrap_err().code(), "store-damaged", "{kind}");
    }
}
