//! Records: what the desk keeps beside the entries, sealed in the same store, so that several desks share it.
//!
//! A record has a kind, an id, a version that counts its changes, something it may be found by, a time at which it ends,
//! and a body. The body is sealed with XChaCha20-Poly1305 under a key of the desk, which binds it to all the rest: whoever
//! writes to the database can destroy a record or bring back an older state of it, and neither read nor make one.
//!
//! The key lies in an entry of its own, which an officer has made and signed: stations cannot give the desk another one.
//! It is sealed, renewed, backed up and restored as seeds are. When an officer is removed, another one takes its place.

mod key;
mod renew;
mod ring;
mod seal;
mod together;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use oathburn_oath::UnixTime;
use zeroize::Zeroizing;

pub(crate) use self::key::replace;
pub(crate) use self::ring::{Ring, generations, in_use};
use self::seal::RecordKeys;
pub use self::together::Together;
use crate::escrow::{Inner, seconds};
use crate::journal::{Draft, EventDraft};
use crate::roster::Trust;
use crate::store::{self, RecordRow, View};
use crate::{EntryId, EscrowError, EventKind, Facts, Opener};

/// For how long after its end a record stays in the store, in seconds: the clocks of two desks differ.
const SWEEP_AFTER: i64 = 24 * 3600;
/// The longest body, in bytes.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// How often [`Records::update`] begins again when others are faster, and whatever else when the keys change.
const TRIES: usize = 100;

/// The records of a desk. Clones share one key.
#[derive(Clone)]
pub struct Records {
    escrow: Arc<Inner>,
    opener: Arc<Opener>,
    ring: Arc<RwLock<Arc<Ring>>>,
    /// Held by whoever looks for other keys.
    turning: Arc<Mutex<()>>,
}

/// A record that was read, and whose seal held.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is a record of.
    pub kind: String,
    /// Which one.
    pub id: Vec<u8>,
    /// Grows with every change.
    pub version: u64,
    /// From when on it is not there any more.
    pub expires_at: Option<UnixTime>,
    /// What it holds.
    pub body: Zeroizing<Vec<u8>>,
}

/// A change of one record.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    /// Write it.
    Put {
        /// What it is a record of: 1 to 32 lower-case letters, digits and dashes.
        kind: &'a str,
        /// Which one: 1 to 64 bytes, which whoever reads the database sees.
        id: &'a [u8],
        /// The version it must have; `None` where it must not exist.
        expected_version: Option<u64>,
        /// What it is found by; the database shows a keyed digest of it.
        lookup: Option<&'a str>,
        /// From when on it is not there any more.
        expires_at: Option<UnixTime>,
        /// What it holds.
        body: &'a [u8],
    },
    /// Take it away.
    Delete {
        /// What it is a record of.
        kind: &'a str,
        /// Which one.
        id: &'a [u8],
        /// The version it must have.
        expected_version: u64,
    },
}

/// What becomes of a record that is looked at; see [`Records::update`].
pub enum Next {
    /// It stays, or stays away.
    Keep,
    /// It is written.
    Put {
        /// What it is found by.
        lookup: Option<String>,
        /// From when on it is not there any more.
        expires_at: Option<UnixTime>,
        /// What it holds.
        body: Zeroizing<Vec<u8>>,
    },
    /// It goes.
    Delete,
}

/// What somebody did at the desk: an event of the kind `desk-deed`, signed by the desk's officer.
#[derive(Clone, Debug, Default)]
pub struct Deed {
    /// Who.
    pub operator: String,
    /// What, as a word, and to whom or to which. Never a secret, never a code.
    pub facts: Facts,
    /// Why.
    pub reason: Option<String>,
    /// The entries it concerns.
    pub entries: Vec<EntryId>,
}

impl Records {
    /// The record with this id.
    pub fn get(&self, kind: &str, id: &[u8]) -> Result<Option<Record>, EscrowError> {
        let (row, ring) = self.read(|view, _| view.record(kind, id))?;
        row.filter(|row| self.is_there(row)).map(|row| Self::open(&ring, &row)).transpose()
    }

    /// The records that are found by this text, by their ids.
    pub fn find(&self, kind: &str, lookup: &str) -> Result<Vec<Record>, EscrowError> {
        let (rows, ring) = self.read(|view, ring| {
            let mut rows = Vec::new();
            for lookup in ring.lookups(kind, lookup) {
                rows.extend(view.records_found(kind, &lookup)?);
            }
            Ok(rows)
        })?;
        let found = rows.iter().filter(|row| self.is_there(row)).map(|row| Self::open(&ring, row));
        let mut found = found.collect::<Result<Vec<_>, _>>()?;
        // Under a former key there may be some more.
        found.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(found)
    }

    /// Up to `limit` records of a kind with ids after one (all follow an empty one), by their ids. Only at the end there
    /// are none.
    pub fn list(&self, kind: &str, after: &[u8], limit: usize) -> Result<Vec<Record>, EscrowError> {
        let mut found = Vec::new();
        let mut after = after.to_vec();
        while found.len() < limit {
            let (rows, ring) = self.read(|view, _| view.records((kind, &after), Some(kind), limit))?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.id);
            for row in rows.iter().filter(|row| self.is_there(row)) {
                if found.len() < limit {
                    found.push(Self::open(&ring, row)?);
                }
            }
        }
        Ok(found)
    }

    /// An id that is made of a text, under the key: whoever reads the database does not see the text, and of one kind
    /// there is one record with it. It stays what it is when the key changes.
    pub fn id_of(&self, kind: &str, text: &str) -> [u8; 32] {
        self.ring().id(kind, text)
    }

    /// A secret of all desks of this escrow, for what lasts a moment: when an officer is removed, it is another one.
    pub fn secret(&self, what: &str) -> [u8; 32] {
        self.ring().secret(what)
    }

    /// Makes all changes, or none: [`EscrowError::RecordChanged`] where one of the records has another version. They are
    /// durable when this returns.
    pub fn commit(&self, changes: &[Change<'_>]) -> Result<(), EscrowError> {
        let now = self.escrow.now();
        changes.iter().try_for_each(Change::check)?;
        self.under_keys_in_force(|ring, _| {
            self.escrow.store.commit(&mut |view| {
                let (records, dropped_records) = Self::rows(ring, view, changes, now)?;
                let sweep = Some(now - SWEEP_AFTER);
                Ok(store::Commit { records, dropped_records, sweep, ..store::Commit::default() })
            })
        })
    }

    /// The same, together with an event that says who did it: both, or neither.
    pub fn commit_noted(&self, opener: &Opener, deed: &Deed, changes: &[Change<'_>]) -> Result<(), EscrowError> {
        changes.iter().try_for_each(Change::check)?;
        let event = EventDraft {
            operator: Some(deed.operator.clone()),
            ..EventDraft::new(EventKind::DeskDeed, deed.facts.clone())
        };
        let event = event.because(deed.reason.as_deref()).touching(deed.entries.iter().copied());
        self.under_keys_in_force(|ring, trust| {
            self.escrow.known(&opener.officer)?;
            self.escrow.commit(trust, opener.officer.keys(), &mut |view| {
                let now = self.escrow.now();
                let (records, dropped_records) = Self::rows(ring, view, changes, now)?;
                let events = vec![event.clone()];
                Ok(Draft { records, dropped_records, sweep: Some(now - SWEEP_AFTER), events, ..Draft::default() })
            })
        })
    }

    /// Shows a record to `next` and does what it says; once more when somebody else changed the record meanwhile. What
    /// comes out of the last call is returned.
    pub fn update<T, E: From<EscrowError>>(
        &self,
        kind: &str,
        id: &[u8],
        mut next: impl FnMut(Option<&Record>) -> Result<(Next, T), E>,
    ) -> Result<T, E> {
        let mut tries = 0;
        loop {
            let record = self.get(kind, id)?;
            let version = record.as_ref().map(|record| record.version);
            let (next, result) = next(record.as_ref())?;
            let changed = match (&next, version) {
                (Next::Keep, _) | (Next::Delete, None) => return Ok(result),
                (Next::Delete, Some(expected_version)) => self.commit(&[Change::Delete { kind, id, expected_version }]),
                (Next::Put { lookup, expires_at, body }, expected_version) => self.commit(&[Change::Put {
                    kind,
                    id,
                    expected_version,
                    lookup: lookup.as_deref(),
                    expires_at: *expires_at,
                    body,
                }]),
            };
            tries += 1;
            match changed {
                Err(EscrowError::RecordChanged { .. }) if tries < TRIES => {}
                other => return other.map(|()| result).map_err(E::from),
            }
        }
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks for the keys in force, if nobody else has done so since `ring` was got.
    fn turn(&self, ring: &Arc<Ring>) -> Result<(), EscrowError> {
        let _turning = self.turning.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(ring, &self.ring()) {
            self.escrow.refresh()?;
            let ring = Ring::open(&self.escrow, &self.opener, Some(ring))?;
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        }
        Ok(())
    }

    /// Reads one state of the store; and the keys of that very state.
    fn read<T>(
        &self,
        mut job: impl FnMut(&dyn View, &Ring) -> Result<T, EscrowError>,
    ) -> Result<(T, Arc<Ring>), EscrowError> {
        for _ in 0..TRIES {
            let ring = self.ring();
            let read = |view: &dyn View| if ring.holds(view)? { job(view, &ring).map(Some) } else { Ok(None) };
            if let Some(found) = store::read(&*self.escrow.store, read)? {
                return Ok((found, ring));
            }
            self.turn(&ring)?;
        }
        Err(EscrowError::RosterUnsteady)
    }

    /// Does something under the roster and the keys in force; again when they changed meanwhile.
    fn under_keys_in_force<T>(
        &self,
        mut job: impl FnMut(&Ring, &Trust) -> Result<T, EscrowError>,
    ) -> Result<T, EscrowError> {
        for _ in 0..TRIES {
            let ring = self.ring();
            match self.escrow.steadily(|trust| job(&ring, trust)) {
                Err(EscrowError::RosterUnsteady) => self.turn(&ring)?,
                other => return other,
            }
        }
        Err(EscrowError::RosterUnsteady)
    }

    /// Compares the versions, and seals.
    #[allow(clippy::type_complexity, reason = "what is written, and what goes")]
    fn rows(
        ring: &Ring,
        view: &dyn View,
        changes: &[Change<'_>],
        now: i64,
    ) -> Result<(Vec<RecordRow>, Vec<(String, Vec<u8>)>), EscrowError> {
        ring.refuse_others(view)?;
        let (mut written, mut dropped) = (Vec::new(), Vec::new());
        for change in changes {
            let (kind, id, _) = change.target();
            match Self::row(ring, view.record(kind, id)?.as_ref(), change, now)? {
                Some(row) => written.push(row),
                None => dropped.push((kind.to_owned(), id.to_vec())),
            }
        }
        Ok((written, dropped))
    }

    /// What becomes of the record that was found, if it has the version it must have; nothing where it goes.
    fn row(
        ring: &Ring,
        found: Option<&RecordRow>,
        change: &Change<'_>,
        now: i64,
    ) -> Result<Option<RecordRow>, EscrowError> {
        let (kind, id, expected) = change.target();
        let live = found.filter(|row| row.expires_at.is_none_or(|end| now < end));
        if live.map(|row| row.version.cast_unsigned()) != expected {
            return Err(EscrowError::RecordChanged { kind: kind.into() });
        }
        match change {
            Change::Delete { .. } => Ok(None),
            Change::Put { lookup, expires_at, body, .. } => {
                let version = match found {
                    Some(row) => row.version.saturating_add(1),
                    None => first_version()?,
                };
                let expires_at = expires_at.map(|time| seconds(time.seconds()));
                ring.seal((kind, id), version, *lookup, expires_at, body).map(Some)
            }
        }
    }

    fn is_there(&self, row: &RecordRow) -> bool {
        row.expires_at.is_none_or(|end| self.escrow.now() < end)
    }

    fn open(ring: &Ring, row: &RecordRow) -> Result<Record, EscrowError> {
        let broken =
            || EscrowError::RecordBroken { kind: row.kind.clone(), id: data_encoding::HEXLOWER.encode(&row.id) };
        let body = ring.read(row).ok_or_else(broken)?;
        Ok(Record {
            kind: row.kind.clone(),
            id: row.id.clone(),
            version: row.version.cast_unsigned(),
            expires_at: row.expires_at.map(|time| UnixTime::new(time.try_into().unwrap_or(0))),
            body,
        })
    }
}

impl Change<'_> {
    fn target(&self) -> (&str, &[u8], Option<u64>) {
        match self {
            Self::Put { kind, id, expected_version, .. } => (kind, id, *expected_version),
            Self::Delete { kind, id, expected_version } => (kind, id, Some(*expected_version)),
        }
    }

    fn check(&self) -> Result<(), EscrowError> {
        let refused = |what: &str| Err(EscrowError::FactRefused { what: what.into() });
        let (kind, id, _) = self.target();
        let plain = kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        match self {
            _ if kind.is_empty() || kind.len() > 32 || !plain => refused("the kind of a record"),
            _ if id.is_empty() || id.len() > 64 => refused("the id of a record"),
            Self::Put { body, .. } if body.len() > MAX_BODY => refused("what is to be kept at the desk"),
            _ => Ok(()),
        }
    }
}

/// Where a record's versions begin: somewhere, so that one that was deleted and made anew is not taken for the old one.
fn first_version() -> Result<i64, EscrowError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes[3..]).map_err(|_| EscrowError::Random)?;
    Ok(i64::from_be_bytes(bytes) + 1)
}

/// Says which records, never the key.
impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

/// Says which record, never what it holds.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("kind", &self.kind).field("version", &self.version).finish_non_exhaustive()
    }
}
