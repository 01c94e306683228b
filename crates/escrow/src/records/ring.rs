//! The keys of the records: the one in use and, until everything is sealed under it, those before it.
//!
//! Each is an entry that an officer has made. When an officer is removed another one is made in the very transaction that
//! takes them off the roster: from then on nothing is written under the former one. What was written before is sealed anew,
//! which may take a while; until an officer has signed that it is done, what opens under a former key is believed, and
//! afterwards it is not. What a record is found by was digested under each of the keys in turn.

use oathburn_oath::Seed;
use zeroize::Zeroizing;

use super::RecordKeys;
use crate::audit::SESSIONS;
use crate::escrow::Inner;
use crate::history::{self, Events};
use crate::keys::KeyPair;
use crate::roster::Trust;
use crate::store::{EntryRow, RecordRow, View};
use crate::{
    Disclosure, Entry, EntryId, EntryState, EscrowError, EventKind, Filter, Opener, Purpose, Role, check, seal, wrap,
};

/// How often keys are looked at again that change while they are opened.
const TRIES: usize = 100;

/// A key of the records as the store has it, verified.
pub(crate) struct Generation {
    pub(crate) id: EntryId,
    pub(crate) row: EntryRow,
    /// The first is 1.
    pub(crate) number: i64,
    /// Whether an officer has made another one in its place.
    pub(crate) replaced: bool,
    /// Whether an officer has signed that nothing is sealed under it any more.
    closed: bool,
}

impl Generation {
    /// Whether it is the one under which the desk writes.
    fn is_in_use(&self) -> bool {
        !self.replaced && EntryState::from_name(&self.row.state).is_some_and(EntryState::is_finished)
    }

    /// Whether records may still be sealed under it, although there is a newer one.
    fn is_leaving(&self) -> bool {
        self.replaced && !self.closed
    }
}

/// The keys that officers have made, oldest first. What stations have put there does not count; a row that is not what
/// was signed is an error.
pub(crate) fn generations(view: &dyn View, trust: &Trust) -> Result<Vec<Generation>, EscrowError> {
    let mut found = Vec::new();
    for row in rows(view)? {
        let entry = Entry::try_from(&row)?;
        let mut events = Events::new();
        let told = history::told(view, trust, entry.id, &row, &mut events)?;
        let of = |kind: EventKind| told.iter().find(|(one, _)| *one == kind).map(|(_, facts)| facts);
        let Some(made) = of(EventKind::DeskKeyMade) else { continue };
        let number = made.number(GENERATION).unwrap_or(1);
        let (replaced, closed) = (of(EventKind::DeskKeyReplaced).is_some(), of(EventKind::DeskRecordsSealed).is_some());
        found.push(Generation { id: entry.id, row, number, replaced, closed });
    }
    found.sort_by_key(|one| (one.number, one.id));
    Ok(found)
}

/// The fact of the event that makes a key; the first key has none.
pub(crate) const GENERATION: &str = "generation";

/// The last of the keys, if the desk writes under it.
pub(crate) fn in_use(generations: &[Generation]) -> Option<&Generation> {
    generations.last().filter(|last| last.is_in_use())
}

/// Whether something may be sealed under a former key.
pub(crate) fn is_moving(generations: &[Generation]) -> bool {
    generations.iter().any(Generation::is_leaving)
}

fn rows(view: &dyn View) -> Result<Vec<EntryRow>, EscrowError> {
    view.entries(&Filter::identity(&Entry::desk_key()), &[], usize::MAX)
}

/// What tells that the keys are as they were.
type Mark = Vec<(Vec<u8>, i64)>;

fn mark(view: &dyn View) -> Result<Mark, EscrowError> {
    Ok(rows(view)?.into_iter().map(|row| (row.id, row.revision)).collect())
}

/// Opened keys, oldest first; never empty.
pub(crate) struct Ring {
    mark: Mark,
    keys: Vec<Known>,
}

#[derive(Clone)]
struct Known {
    id: EntryId,
    /// Whether what opens under it is believed.
    believed: bool,
    keys: RecordKeys,
}

impl Ring {
    /// Opens the keys with an officer's, which is noted. `before` are those that were known already.
    pub(super) fn open(inner: &Inner, opener: &Opener, before: Option<&Self>) -> Result<Self, EscrowError> {
        let mut known: Vec<Known> = before.map_or_else(Vec::new, |ring| ring.keys.clone());
        for _ in 0..TRIES {
            inner.known(&opener.officer)?;
            let (found, mark) = inner.look(|view, trust| {
                let found = generations(view, trust)?;
                if before.is_none() && !trust.former(Role::Officer).is_empty() {
                    refuse_gaps(view, trust)?;
                }
                Ok((found, mark(view)?))
            })?;
            in_use(&found).ok_or(EscrowError::RecordsKeyless)?;
            if let Some(before) = before {
                before.refuse_older(&found)?;
            }
            let is_new = |one: &&Generation| !known.iter().any(|known| known.id == one.id);
            let new =
                found.iter().filter(is_new).map(|one| Entry::try_from(&one.row)).collect::<Result<Vec<_>, _>>()?;
            if new.is_empty() {
                let key = |one: &Generation| {
                    let known = known.iter().find(|known| known.id == one.id)?;
                    Some(Known { believed: !one.closed, ..known.clone() })
                };
                return Ok(Self { mark, keys: found.iter().filter_map(key).collect() });
            }
            // Noted on the entries themselves, so that they are looked at once more.
            let records = opener.open_all(&new, &Disclosure::new(Purpose::Desk))?;
            known.extend(new.iter().zip(records).map(|(entry, record)| {
                let keys = RecordKeys::of(inner.trust().escrow(), &record.seed);
                Known { id: entry.id, believed: true, keys }
            }));
        }
        Err(EscrowError::RosterUnsteady)
    }

    /// Opens the keys for whoever checks or seals anew, without telling anybody what is in the records. `None` where one
    /// that is needed does not open, or there is none in use.
    pub(crate) fn opened_by(view: &dyn View, trust: &Trust, officer: &KeyPair) -> Result<Option<Self>, EscrowError> {
        let found = generations(view, trust)?;
        if in_use(&found).is_none() {
            return Ok(None);
        }
        let mut keys = Vec::with_capacity(found.len());
        for one in found {
            let Some(seed) = unnoted(view, trust, &one, officer)? else { return Ok(None) };
            keys.push(Known { id: one.id, believed: !one.closed, keys: RecordKeys::of(trust.escrow(), &seed) });
        }
        Ok(Some(Self { mark: mark(view)?, keys }))
    }

    /// A key that is gone, or that is believed again, was taken back by somebody who writes to the store.
    fn refuse_older(&self, found: &[Generation]) -> Result<(), EscrowError> {
        for known in &self.keys {
            let now = found.iter().find(|one| one.id == known.id).ok_or(EscrowError::RecordsKeyless)?;
            if !known.believed && !now.closed {
                let problem = "an event of it was deleted".into();
                return Err(EscrowError::Damaged { table: "entries", row: known.id.to_string(), problem });
            }
        }
        Ok(())
    }

    /// Whether these are the keys of the state that a view shows.
    pub(super) fn holds(&self, view: &dyn View) -> Result<bool, EscrowError> {
        Ok(mark(view)? == self.mark)
    }

    /// Refuses to write under other keys than those of the state that a view shows.
    pub(super) fn refuse_others(&self, view: &dyn View) -> Result<(), EscrowError> {
        if self.holds(view)? { Ok(()) } else { Err(EscrowError::RosterUnsteady) }
    }

    /// The same for whoever does not mind that keys were opened meanwhile.
    pub(crate) fn is_complete(&self, view: &dyn View) -> Result<bool, EscrowError> {
        Ok(mark(view)?.iter().map(|(id, _)| id).eq(self.mark.iter().map(|(id, _)| id)))
    }

    fn last(&self) -> &Known {
        self.keys.last().expect("a ring has the key that is in use")
    }

    /// The former keys under which something may be sealed.
    pub(crate) fn leaving(&self) -> Vec<EntryId> {
        let before = self.keys.split_last().map_or(&[][..], |(_, before)| before);
        before.iter().filter(|known| known.believed).map(|known| known.id).collect()
    }

    /// An id that is made of a text, and stays: other records refer to it.
    pub(super) fn id(&self, kind: &str, text: &str) -> [u8; 32] {
        self.keys.first().unwrap_or(self.last()).keys.id(kind, text)
    }

    /// A secret of the desks that is another one as soon as the key is.
    pub(super) fn secret(&self, what: &str) -> [u8; 32] {
        self.last().keys.id("secret", what)
    }

    /// What may stand in the column `lookup` of records that are found by a text: as the key in use makes it first.
    pub(super) fn lookups(&self, kind: &str, text: &str) -> Vec<[u8; 32]> {
        let mut lookups = Vec::with_capacity(1);
        let mut digest = [0; 32];
        for (known, first) in self.keys.iter().zip(std::iter::once(true).chain(std::iter::repeat(false))) {
            digest = if first { known.keys.lookup(kind, text) } else { known.keys.moved(kind, &digest) };
            if known.believed {
                lookups.push(digest);
            }
        }
        lookups.reverse();
        lookups
    }

    /// Seals under the key in use.
    pub(super) fn seal(
        &self,
        (kind, id): (&str, &[u8]),
        version: i64,
        lookup: Option<&str>,
        expires_at: Option<i64>,
        body: &[u8],
    ) -> Result<RecordRow, EscrowError> {
        let lookup = lookup.map(|text| self.lookups(kind, text)[0].to_vec());
        self.last().keys.seal((kind, id), version, lookup, expires_at, body)
    }

    /// What is in a record; `None` when the desk did not write it as it is, or under a key that is not believed any more.
    pub(crate) fn read(&self, row: &RecordRow) -> Option<Zeroizing<Vec<u8>>> {
        self.keys.iter().rev().filter(|known| known.believed).find_map(|known| known.keys.open(row))
    }

    /// A record that was sealed under a former key, under the one in use; `None` where it was not.
    pub(crate) fn move_up(&self, row: &RecordRow) -> Result<Option<RecordRow>, EscrowError> {
        let before = self.keys.split_last().map_or(&[][..], |(_, before)| before);
        for (known, place) in before.iter().zip(1..).filter(|(known, _)| known.believed) {
            let Some(body) = known.keys.open(row) else { continue };
            let newer = &self.keys[place..];
            let move_up = |lookup: &Vec<u8>| {
                newer.iter().fold(lookup.clone(), |digest, one| one.keys.moved(&row.kind, &digest).to_vec())
            };
            let lookup = row.lookup.as_ref().map(move_up);
            let place = (row.kind.as_str(), row.id.as_slice());
            return self.last().keys.seal(place, row.version, lookup, row.expires_at, &body).map(Some);
        }
        Ok(None)
    }
}

/// That a key which somebody knows is in use, or believed, is told by events that are not there: where officers have gone,
/// no event of anybody may be missing.
pub(crate) fn refuse_gaps(view: &dyn View, trust: &Trust) -> Result<(), EscrowError> {
    let findings = check::verify_events(view, trust)?;
    match findings.into_iter().find(|finding| finding.table == "events") {
        Some(first) => Err(EscrowError::Damaged { table: first.table, row: first.row, problem: first.problem }),
        None => Ok(()),
    }
}

/// `None` where the seal does not open, which is found when all seals are.
fn unnoted(view: &dyn View, trust: &Trust, one: &Generation, officer: &KeyPair) -> Result<Option<Seed>, EscrowError> {
    let Some(session) = view.session(&one.row.session)? else { return Ok(None) };
    match wrap::unwrap(&session.wrap, officer, SESSIONS.key) {
        Ok(key) => Ok(seal::open(&one.row, one.id, &trust.escrow(), &key).ok().map(|opened| opened.seed)),
        Err(EscrowError::NotWrapped { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
