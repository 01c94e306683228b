//! What a station does: sealing before a token is touched, and noting what became of it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::slice;
use std::sync::PoisonError;

use oathburn_oath::{Slot, TokenIdentity, TokenRecord};

use crate::annotation::AnnotationRow;
use crate::audit::SESSIONS;
use crate::claim;
use crate::entry::NO_TOKENS;

use crate::escrow::{Inner, duplicate_keys};
use crate::history::{self, Events};
use crate::journal::{Draft, EventDraft, MAX_TOUCHED, TouchDraft};
use crate::keys::KeyPair;
use crate::known;
use crate::roster::Trust;
use crate::seal::{self, Sealer};
use crate::store::{self, EntryRow, HolderRow, View};
use crate::wrap::Key;
use crate::{
    Annotation, BatchId, BatchState, EntryId, EntryState, Escrow, EscrowError, EventKind, Facts, Filter, Known,
    LineState, Origin, Programmed, Reservation, duplicate,
};

/// What one process seals with, under one version of the roster.
pub(crate) struct Sealing {
    sealer: Sealer,
    /// Whether the session's row is in the store.
    stored: bool,
    /// The keys of tags; the last one tags what is sealed.
    tag_keys: Vec<(i64, Key)>,
}

impl Escrow {
    /// Seals a seed for a token that is about to be programmed. The entry is durable when this returns. A seed that
    /// another token has is refused; that is looked up in the transaction that seals.
    pub fn reserve(&self, reservation: &Reservation<'_>) -> Result<EntryId, EscrowError> {
        self.reserve_beside(reservation, None)
    }

    /// The same for a seed that moves: the entry that has it until now, and any of the same token's slot, may have it.
    pub fn reserve_moved(&self, reservation: &Reservation<'_>, from: EntryId) -> Result<EntryId, EscrowError> {
        self.reserve_beside(reservation, Some(from))
    }

    fn reserve_beside(&self, reservation: &Reservation<'_>, own: Option<EntryId>) -> Result<EntryId, EscrowError> {
        let event = EventDraft::new(EventKind::Reserved, Facts::new());
        let ids =
            self.sealing_rows(slice::from_ref(reservation), &event, Condition::Free { own }, &mut |_, _, _| {})?;
        Ok(ids[0])
    }

    /// Seals the seeds of a file, all or none, in one transaction. The facts go into the events.
    pub fn import(&self, reservations: &[Reservation<'_>], facts: Facts) -> Result<Vec<EntryId>, EscrowError> {
        let event = EventDraft::new(EventKind::Imported, facts);
        self.sealing_rows(reservations, &event, Condition::None, &mut |_, _, _| {})
    }

    /// Seals those of which the escrow has neither token nor seed, in one transaction, and says of each its entry or
    /// what the escrow has. They are looked up in that transaction: of two processes that import one file, one gets a
    /// token. Whether they repeat each other is not looked at.
    pub fn import_new(
        &self,
        reservations: &[Reservation<'_>],
        facts: Facts,
    ) -> Result<Vec<Result<EntryId, Known>>, EscrowError> {
        let mut known = Vec::new();
        let event = EventDraft::new(EventKind::Imported, facts);
        let ids = self.sealing_rows(reservations, &event, Condition::New(&mut known), &mut |_, _, _| {})?;
        let mut ids = ids.into_iter();
        let one = |known| if known == Known::Nothing { ids.next().ok_or(known) } else { Err(known) };
        Ok(known.into_iter().map(one).collect())
    }

    /// Seals a seed that no token is programmed with now, with what is noted of it, and says what it supersedes, in one
    /// transaction. A seed of origin [`Origin::Imported`] is on a token already, because somebody says so; any other is
    /// reserved for a token that will be burned. A seed that a live entry has is refused, and so is one for a token that
    /// has another, unless that is to be replaced.
    pub fn add(
        &self,
        reservation: &Reservation<'_>,
        annotation: &Annotation,
        replace: bool,
        reason: Option<&str>,
    ) -> Result<(EntryId, Vec<EntryId>), EscrowError> {
        let imported = reservation.origin == Origin::Imported;
        let kind = if imported { EventKind::Imported } else { EventKind::Reserved };
        let event = EventDraft::new(kind, annotation.in_facts(Facts::new())).because(reason);
        let superseded = RefCell::default();
        let condition = Condition::Add { imported, replace, superseded: &superseded };
        let ids = self.sealing_rows(slice::from_ref(reservation), &event, condition, &mut |_, rows, draft| {
            let first = rows.first().and_then(|row| EntryId::from_slice(&row.id)).map(|id| id.to_string());
            for some in superseded.borrow().chunks(MAX_TOUCHED) {
                let by = Facts::new().with_some("by", first.clone());
                draft.events.push(EventDraft::new(EventKind::Superseded, by).touching(some.iter().copied()));
            }
        })?;
        Ok((ids[0], superseded.into_inner()))
    }

    /// Seals, and writes on some condition; `more` adds what is to be written in the same transaction.
    pub(crate) fn sealing_rows(
        &self,
        reservations: &[Reservation<'_>],
        event: &EventDraft,
        mut condition: Condition<'_>,
        more: &mut dyn FnMut(&Trust, &[EntryRow], &mut Draft),
    ) -> Result<Vec<EntryId>, EscrowError> {
        let number = condition.line();
        reservations.iter().try_for_each(|one| fits(&one.record.identity))?;
        let inner = &*self.inner;
        inner.steadily(|trust| {
            self.require_approval(trust)?;
            let mut guard = inner.sealing.lock().unwrap_or_else(PoisonError::into_inner);
            let sealing = match guard.take() {
                Some(sealing) if sealing.sealer.roster() == trust.latest().version => guard.insert(sealing),
                _ => guard.insert(self.begin(trust)?),
            };
            let time = inner.now();
            // Sealed before the transaction, which others wait for; once more if it is begun again.
            let mut sealed = Some(sealing.rows(reservations, time)?);
            let mut ids = Vec::new();
            let committed = inner.commit(trust, inner.station.keys(), &mut |view| {
                if sealing.stored && view.session(sealing.sealer.id().as_bytes())?.is_none() {
                    // An officer has merged it with others meanwhile: another one is begun.
                    return Err(EscrowError::RosterUnsteady);
                }
                let rows = sealed.take().map_or_else(|| sealing.rows(reservations, time), Ok)?;
                let from = (rows, reservations);
                let (rows, reservations) = condition.choose(view, trust, inner, &sealing.tag_keys, from, time)?;
                ids = rows.iter().filter_map(|row| EntryId::from_slice(&row.id)).collect();
                let mut draft = Draft::default();
                if !sealing.stored && !rows.is_empty() {
                    let session = sealing.sealer.row(time);
                    let escrow = trust.escrow();
                    draft.events.push(EventDraft::wrapping(SESSIONS.kind, &session, SESSIONS.domain, &escrow));
                    draft.sessions.push(session);
                }
                for (rows, reservations) in rows.chunks(MAX_TOUCHED).zip(reservations.chunks(MAX_TOUCHED)) {
                    draft.events.push(births(trust, event.clone(), rows, reservations, number));
                }
                more(trust, &rows, &mut draft);
                draft.entries = rows;
                Ok(draft)
            });
            sealing.stored |= !ids.is_empty();
            if committed.is_err() {
                // Whether the session's row was written is not certain: the next seal begins another.
                *guard = None;
            }
            committed.map(|()| ids)
        })
    }

    /// Seals something that no station may make: an officer signs it, with a session of its own. It is written only where
    /// `wanted` still says so in the very transaction.
    pub(crate) fn seal_by_officer(
        &self,
        officer: &KeyPair,
        reservation: &Reservation<'_>,
        kind: EventKind,
        wanted: &mut dyn FnMut(&dyn View) -> Result<bool, EscrowError>,
    ) -> Result<(), EscrowError> {
        let inner = &*self.inner;
        inner.steadily(|trust| {
            let sealing = self.begin_with(trust, officer)?;
            let time = inner.now();
            let row = sealing.row(reservation, time)?;
            inner.commit(trust, officer, &mut |view| {
                if !wanted(view)? {
                    return Ok(Draft::default());
                }
                let session = sealing.sealer.row(time);
                let rows = [row.clone()];
                let events = vec![
                    EventDraft::wrapping(SESSIONS.kind, &session, SESSIONS.domain, &trust.escrow()),
                    births(trust, EventDraft::new(kind, Facts::new()), &rows, &[*reservation], None),
                ];
                Ok(Draft { sessions: vec![session], entries: rows.into(), events, ..Draft::default() })
            })
        })
    }

    fn begin(&self, trust: &Trust) -> Result<Sealing, EscrowError> {
        self.begin_with(trust, self.inner.station.keys())
    }

    fn begin_with(&self, trust: &Trust, keys: &KeyPair) -> Result<Sealing, EscrowError> {
        let roster = trust.latest();
        let found = store::read(&*self.inner.store, |view| duplicate_keys(view, trust, keys))?;
        if found.is_empty() {
            return Err(EscrowError::NotWrapped { key: "duplicate key" });
        }
        let officers = roster.officers.iter().map(|officer| officer.keys.recipient.as_str());
        Ok(Sealing { sealer: Sealer::begin(trust.escrow(), roster.version, officers)?, stored: false, tag_keys: found })
    }

    pub(crate) fn require_approval(&self, trust: &Trust) -> Result<(), EscrowError> {
        if trust.latest().is_station(&self.inner.station.keys().writer()) {
            Ok(())
        } else {
            Err(EscrowError::StationNotApproved { escrow: trust.escrow() })
        }
    }

    /// Notes that a conversation broke after the first write: the seed may or may not be on the token.
    pub fn mark_unknown(&self, entry: EntryId, facts: Facts) -> Result<(), EscrowError> {
        self.note(EventKind::Unknown, entry, facts, None)
    }

    /// Notes that the token was programmed and read back, and supersedes, in the same transaction, what was on it
    /// before: every live entry of the same family, serial and slot but reservations that are younger, which another
    /// process may be about to burn, and rows that are not what their events made them, which are for `check`: whoever
    /// moved another token's entry here would have it superseded under this station's signature.
    pub fn mark_programmed(&self, entry: EntryId, programmed: &Programmed) -> Result<(), EscrowError> {
        let facts = programmed
            .facts
            .clone()
            .with_some("model", programmed.model.as_deref())
            .with_some("drift_seconds", programmed.drift_seconds);
        self.inner.steadily(|trust| {
            self.require_approval(trust)?;
            self.inner.commit(trust, self.inner.station.keys(), &mut |view| {
                let unknown = || EscrowError::EntryUnknown { text: entry.to_string() };
                let row = view.entry(&entry)?.ok_or_else(unknown)?;
                let mut verified = Events::new();
                history::verify(view, trust, entry, &row, &mut verified)?;
                let identity = crate::Entry::try_from(&row)?.identity;
                let states = EntryState::ALL.iter().copied().filter(|state| state.is_live()).collect();
                let in_use = Filter { states, ..Filter::identity(&identity) };
                let others = view.entries(&in_use, &[], usize::MAX)?;
                let before = others.iter().filter(|other| other.id != row.id && is_replaced(other, &row));
                let before = before.filter_map(|other| EntryId::from_slice(&other.id).map(|id| (id, other)));
                let mut own = Vec::new();
                for (id, other) in before {
                    match history::verify(view, trust, id, other, &mut verified) {
                        Ok(()) => own.push(id),
                        Err(EscrowError::Damaged { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                // The entry that kept the line's prescribed seed until now has done its work.
                let line = row.batch.as_deref().zip(row.line);
                let line = line.map(|(batch, line)| view.line(batch, line)).transpose()?.flatten();
                if let Some(seed) = line.and_then(|line| line.seed).and_then(|id| EntryId::from_slice(&id)) {
                    let kept = view.entry(&seed)?.filter(is_live);
                    if kept.is_some_and(|kept| history::verify(view, trust, seed, &kept, &mut verified).is_ok()) {
                        own.push(seed);
                    }
                }
                let mut events = vec![EventDraft::new(EventKind::Programmed, facts.clone()).touching([entry])];
                for some in own.chunks(MAX_TOUCHED) {
                    let by = Facts::new().with("by", entry.to_string());
                    events.push(EventDraft::new(EventKind::Superseded, by).touching(some.iter().copied()));
                }
                Ok(Draft { events, ..Draft::default() })
            })
        })
    }

    /// Gives an entry up: it stays in the store, superseded.
    pub fn supersede(&self, entry: EntryId, reason: Option<&str>) -> Result<(), EscrowError> {
        self.note(EventKind::Superseded, entry, Facts::new(), reason)
    }

    /// Takes an entry out of use for good; it stays in the store.
    pub fn retire(&self, entry: EntryId, reason: Option<&str>) -> Result<(), EscrowError> {
        self.note(EventKind::Retired, entry, Facts::new(), reason)
    }

    /// Sets the UPN, the issuer or both; what is `None` stays.
    pub fn assign(
        &self,
        entry: EntryId,
        upn: Option<&str>,
        issuer: Option<&str>,
        reason: Option<&str>,
    ) -> Result<(), EscrowError> {
        let facts = Facts::new().with_some("upn", upn).with_some("issuer", issuer);
        self.note(EventKind::Assigned, entry, facts, reason)
    }

    /// Takes UPN and issuer away.
    pub fn unassign(&self, entry: EntryId, reason: Option<&str>) -> Result<(), EscrowError> {
        self.note(EventKind::Unassigned, entry, Facts::new(), reason)
    }

    /// Notes that the token showed the right code.
    pub fn note_verified(&self, entry: EntryId, facts: Facts) -> Result<(), EscrowError> {
        self.note(EventKind::Verified, entry, facts, None)
    }

    /// Notes that the token's clock was set, and by how many seconds it still differs from ours.
    pub fn note_synced(&self, entry: EntryId, drift_seconds: i64, facts: Facts) -> Result<(), EscrowError> {
        self.note(EventKind::Synced, entry, facts.with("drift_seconds", drift_seconds), None)
    }

    /// Notes that the token of some entries was changed in a way that concerns none of their seeds, all or none.
    pub fn note_changed(&self, entries: &[EntryId], facts: Facts, reason: Option<&str>) -> Result<(), EscrowError> {
        self.note_all(EventKind::TokenChanged, entries, facts, reason)
    }

    /// Notes what concerns a token and none of its entries.
    pub fn note_token(&self, facts: Facts) -> Result<(), EscrowError> {
        let event = EventDraft::new(EventKind::TokenChanged, facts);
        self.inner.steadily(|trust| {
            self.require_approval(trust)?;
            self.inner.commit(trust, self.inner.station.keys(), &mut |_| {
                Ok(Draft { events: vec![event.clone()], ..Draft::default() })
            })
        })
    }

    /// Notes texts and tags of some entries, all or none.
    pub fn annotate(
        &self,
        entries: &[EntryId],
        annotation: &Annotation,
        reason: Option<&str>,
    ) -> Result<(), EscrowError> {
        self.note_all(EventKind::Annotated, entries, annotation.in_facts(Facts::new()), reason)
    }

    /// Notes that the seeds of some entries were written out whole, all or none: from then on they count as exported.
    /// Their disclosure is an event of its own, which an [`crate::Opener`] commits before it hands a seed out.
    pub fn note_exported(&self, entries: &[EntryId], format: &str, reason: Option<&str>) -> Result<(), EscrowError> {
        self.note_all(EventKind::ExportCompleted, entries, Facts::new().with("format", format), reason)
    }

    /// Notes that the service accepted the tokens of some entries, all or none.
    pub fn note_activated(&self, entries: &[EntryId], facts: Facts, reason: Option<&str>) -> Result<(), EscrowError> {
        self.note_all(EventKind::Activated, entries, facts, reason)
    }

    fn note(&self, kind: EventKind, entry: EntryId, facts: Facts, reason: Option<&str>) -> Result<(), EscrowError> {
        self.note_all(kind, slice::from_ref(&entry), facts, reason)
    }

    /// The same event for many entries, in one transaction.
    fn note_all(
        &self,
        kind: EventKind,
        entries: &[EntryId],
        facts: Facts,
        reason: Option<&str>,
    ) -> Result<(), EscrowError> {
        let event = EventDraft::new(kind, facts).because(reason);
        let event = |some: &[EntryId]| event.clone().touching(some.iter().copied());
        self.inner.steadily(|trust| {
            self.require_approval(trust)?;
            self.inner.commit(trust, self.inner.station.keys(), &mut |_| {
                Ok(Draft { events: entries.chunks(MAX_TOUCHED).map(event).collect(), ..Draft::default() })
            })
        })
    }
}

/// What must be so, in the very transaction, for rows to be written.
pub(crate) enum Condition<'a> {
    /// Nothing.
    None,
    /// No other token has the seed; the entry from which it moves is none.
    Free { own: Option<EntryId> },
    /// Neither the seed nor, unless it is replaced, the token is in use; here is what is superseded.
    Add { imported: bool, replace: bool, superseded: &'a RefCell<Vec<EntryId>> },
    /// The line of the batch is still leased by us.
    Leased(&'a (HolderRow, u32)),
    /// The same, for a seed that is on a token already, whoever else has it.
    Burned(&'a (HolderRow, u32)),
    /// The escrow has neither token nor seed: the others are left out, and here is what it has of each.
    New(&'a mut Vec<Known>),
}

impl Condition<'_> {
    fn line(&self) -> Option<i64> {
        match self {
            Self::Leased((_, number)) | Self::Burned((_, number)) => Some((*number).into()),
            Self::None | Self::Free { .. } | Self::Add { .. } | Self::New(_) => None,
        }
    }

    /// The rows that are written, with what they were made of.
    fn choose<'r>(
        &mut self,
        view: &dyn View,
        trust: &Trust,
        inner: &Inner,
        keys: &[(i64, Key)],
        (rows, reservations): (Vec<EntryRow>, &'r [Reservation<'r>]),
        now: i64,
    ) -> Result<(Vec<EntryRow>, Cow<'r, [Reservation<'r>]>), EscrowError> {
        let known = match self {
            Self::None => return Ok((rows, reservations.into())),
            Self::Free { own } => {
                reservations.iter().try_for_each(|one| is_free(view, trust, keys, one.record, *own))?;
                return Ok((rows, reservations.into()));
            }
            Self::Add { imported, replace, superseded } => {
                for one in reservations {
                    let found = claim::superseded(view, trust, keys, one.record, (*imported, *replace))?;
                    superseded.replace(found);
                }
                return Ok((rows, reservations.into()));
            }
            Self::Leased((holder, number)) => {
                for one in reservations {
                    let Some(batch) = one.batch else { continue };
                    still_leased(view, batch, *number, holder, now)?;
                    let line = view.line(batch.as_bytes(), (*number).into())?;
                    let own = line.and_then(|line| line.seed).and_then(|id| EntryId::from_slice(&id));
                    is_free(view, trust, keys, one.record, own)?;
                }
                return Ok((rows, reservations.into()));
            }
            Self::Burned((holder, number)) => {
                for batch in reservations.iter().filter_map(|one| one.batch) {
                    still_leased(view, batch, *number, holder, now)?;
                }
                return Ok((rows, reservations.into()));
            }
            Self::New(known) => known,
        };
        let records: Vec<_> = reservations.iter().map(|one| one.record).collect();
        **known = known::of(view, trust, inner.station.keys(), &records)?;
        let all = rows.into_iter().zip(reservations).zip(&**known);
        let new = all.filter(|(_, known)| **known == Known::Nothing);
        let (rows, reservations): (_, Vec<_>) = new.map(|((row, reservation), _)| (row, *reservation)).unzip();
        Ok((rows, reservations.into()))
    }
}

impl Sealing {
    fn rows(&self, reservations: &[Reservation<'_>], time: i64) -> Result<Vec<EntryRow>, EscrowError> {
        reservations.iter().map(|reservation| self.row(reservation, time)).collect()
    }

    /// A sealed row; the event that goes with it fills in the columns that change.
    fn row(&self, reservation: &Reservation<'_>, time: i64) -> Result<EntryRow, EscrowError> {
        let (tag_key, key) = self.tag_keys.last().expect("there is one, or sealing would not have begun");
        sealed_row(&self.sealer, (*tag_key, key), reservation, time)
    }
}

/// A row that is sealed under a session and tagged under a key.
pub(crate) fn sealed_row(
    sealer: &Sealer,
    (tag_key, key): (i64, &Key),
    reservation: &Reservation<'_>,
    time: i64,
) -> Result<EntryRow, EscrowError> {
    let id = EntryId::new();
    let seal = sealer.seal(&id, reservation)?;
    let record = reservation.record;
    Ok(EntryRow {
        id: id.as_bytes().to_vec(),
        family: record.identity.family.to_string(),
        serial: record.identity.serial.to_string(),
        slot: record.identity.slot.to_string(),
        algorithm: record.params.algorithm().to_string(),
        digits: record.params.digits().get().into(),
        time_step: seal::time_step(&record.params),
        counter: seal::counter(&record.params),
        origin: reservation.origin.to_string(),
        batch: reservation.batch.map(|batch| batch.as_bytes().to_vec()),
        format: seal::FORMAT,
        session: sealer.id().as_bytes().to_vec(),
        nonce: seal.nonce,
        ciphertext: seal.ciphertext,
        tag_key,
        tag: duplicate::tag(key, &record.seed).to_vec(),
        reserved_at: time,
        state: String::new(),
        manufacturer: None,
        model: None,
        upn: None,
        issuer: None,
        programmed_at: None,
        verified_at: None,
        drift_seconds: None,
        drift_at: None,
        revision: 0,
        annotations: AnnotationRow::default(),
        line: None,
    })
}

/// The first event of some entries: it signs their rows, and says which tokens they are for.
pub(crate) fn births(
    trust: &Trust,
    mut event: EventDraft,
    rows: &[EntryRow],
    reservations: &[Reservation<'_>],
    line: Option<i64>,
) -> EventDraft {
    for (row, reservation) in rows.iter().zip(reservations) {
        let record = reservation.record;
        let Some(entry) = EntryId::from_slice(&row.id) else { continue };
        event.touched.push(TouchDraft {
            entry,
            digest: Some(row.digest(&trust.escrow())),
            reseal: None,
            facts: Facts::new()
                .with("family", row.family.as_str())
                .with("serial", row.serial.as_str())
                .with("slot", row.slot.as_str())
                .with_some("manufacturer", record.manufacturer.as_deref())
                .with_some("model", record.model.as_deref())
                .with_some("upn", record.upn.as_deref())
                .with_some("issuer", record.issuer.as_deref())
                .with_some("line", line),
        });
    }
    event
}

/// Refuses a seed that another token has. Access keys may be the same for many.
fn is_free(
    view: &dyn View,
    trust: &Trust,
    keys: &[(i64, Key)],
    record: &TokenRecord,
    own: Option<EntryId>,
) -> Result<(), EscrowError> {
    if NO_TOKENS.contains(&record.identity.family.as_str()) {
        return Ok(());
    }
    claim::seed_is_free(view, trust, keys, record, own)
}

/// Refuses to begin a burn for a line that is somebody else's by now, or that has ended.
fn still_leased(view: &dyn View, batch: BatchId, line: u32, us: &HolderRow, now: i64) -> Result<(), EscrowError> {
    let row = view.batch(batch.as_bytes())?.ok_or_else(|| EscrowError::BatchUnknown { text: batch.to_string() })?;
    if row.state != BatchState::Running.as_str() {
        return Err(EscrowError::BatchEnded { batch, state: row.state });
    }
    let holder = view.lease_of(batch.as_bytes(), line.into())?;
    let ours = holder.is_some_and(|(holder, expires_at)| holder == *us && expires_at > now);
    let state = view.line(batch.as_bytes(), line.into())?.and_then(|line| LineState::from_name(&line.state));
    if ours && matches!(state, Some(LineState::Open | LineState::Reserved)) {
        Ok(())
    } else {
        Err(EscrowError::LineTaken { batch, line })
    }
}

fn is_live(row: &EntryRow) -> bool {
    EntryState::from_name(&row.state).is_some_and(EntryState::is_live)
}

/// Whether programming `row` replaces `other`, an entry of the same token's slot.
fn is_replaced(other: &EntryRow, row: &EntryRow) -> bool {
    let state = EntryState::from_name(&other.state);
    let younger_reservation = state == Some(EntryState::Reserved) && other.id > row.id;
    state.is_some_and(EntryState::is_live) && !younger_reservation
}

/// Refuses slots that do not survive their text.
fn fits(identity: &TokenIdentity) -> Result<(), EscrowError> {
    match identity.slot.to_string().parse::<Slot>() {
        Ok(slot) if slot == identity.slot => Ok(()),
        _ => Err(EscrowError::FactRefused { what: "the slot's name".into() }),
    }
}
