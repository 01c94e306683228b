//! Opening seals: noted before anything is handed out.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use oathburn_oath::TokenRecord;

use crate::audit::{self, SESSIONS};
use crate::escrow::Inner;
use crate::journal::{Draft, EventDraft, MAX_TOUCHED};
use crate::projection::{Happening, Projection};
use crate::roster::Trust;
use crate::seal;
use crate::store::{self, EntryRow, View};
use crate::wrap::{self, Key};
use crate::{Disclosure, Entry, EntryId, EscrowError, EventFilter, Facts, Officer};

/// Opens seals with an officer's keys. It remembers the session keys it has unwrapped, and wipes them at its end.
pub struct Opener {
    escrow: Arc<Inner>,
    officer: Officer,
    known: Mutex<Known>,
}

/// What need not be verified and unwrapped twice.
#[derive(Default)]
struct Known {
    sessions: HashMap<Vec<u8>, Key>,
    /// Hashes of events that were verified.
    events: HashSet<Vec<u8>>,
}

impl Opener {
    pub(crate) fn new(escrow: Arc<Inner>, officer: Officer) -> Result<Self, EscrowError> {
        escrow.known(&officer)?;
        Ok(Self { escrow, officer, known: Mutex::default() })
    }

    /// The token's record with its seed, after the disclosure was committed under the officer's signature.
    ///
    /// Opened is only what the entry's signed events say: a row that was changed, moved or forged is refused.
    pub fn open(&self, entry: &Entry, disclosure: &Disclosure) -> Result<TokenRecord, EscrowError> {
        let mut records = self.open_all(std::slice::from_ref(entry), disclosure)?;
        records.pop().ok_or_else(|| EscrowError::EntryUnknown { text: entry.id.to_string() })
    }

    /// The records of many tokens, in the same order, all or none; they are noted together.
    pub fn open_all(&self, entries: &[Entry], disclosure: &Disclosure) -> Result<Vec<TokenRecord>, EscrowError> {
        self.escrow.steadily(|trust| {
            self.escrow.known(&self.officer)?;
            let records = store::read(&*self.escrow.store, |view| {
                entries.iter().map(|entry| self.record(view, trust, entry.id)).collect::<Result<Vec<_>, _>>()
            })?;
            self.escrow.commit(trust, self.officer.keys(), &mut |_| {
                let event = |some: &[Entry]| {
                    EventDraft::new(disclosure.purpose.event(), disclosure.facts.clone())
                        .because(disclosure.reason.as_deref())
                        .touching(some.iter().map(|entry| entry.id))
                };
                Ok(Draft { events: entries.chunks(MAX_TOUCHED).map(event).collect(), ..Draft::default() })
            })?;
            Ok(records)
        })
    }

    /// Opens one entry as it stands in the store now.
    fn record(&self, view: &dyn View, trust: &Trust, id: EntryId) -> Result<TokenRecord, EscrowError> {
        let row = view.entry(&id)?.ok_or_else(|| EscrowError::EntryUnknown { text: id.to_string() })?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        verify_history(view, trust, id, &row, &mut known.events)?;
        if !known.sessions.contains_key(&row.session) {
            let key = session_key(view, trust, &row, &self.officer)?;
            known.sessions.insert(row.session.clone(), key);
        }
        let opened = seal::open(&row, id, &trust.escrow(), &known.sessions[&row.session])?;
        Ok(TokenRecord {
            identity: opened.identity,
            params: opened.params,
            seed: opened.seed,
            model: row.model,
            upn: row.upn,
            issuer: row.issuer,
        })
    }
}

/// Says whose it is, never what it knows.
impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("officer", &self.officer).finish_non_exhaustive()
    }
}

fn session_key(view: &dyn View, trust: &Trust, row: &EntryRow, officer: &Officer) -> Result<Key, EscrowError> {
    let session = view.session(&row.session)?.ok_or_else(|| damaged(&row.id, "its session is missing"))?;
    SESSIONS.verify(view, trust, &session)?;
    wrap::unwrap(&session.wrap, officer.keys(), SESSIONS.key)
}

fn damaged(entry: &[u8], problem: &str) -> EscrowError {
    let row = EntryId::from_slice(entry).map_or_else(String::new, |id| id.to_string());
    EscrowError::Damaged { table: "entries", row, problem: problem.into() }
}

/// Refuses a row that differs from what its signed events make of it.
fn verify_history(
    view: &dyn View,
    trust: &Trust,
    id: EntryId,
    row: &EntryRow,
    known: &mut HashSet<Vec<u8>>,
) -> Result<(), EscrowError> {
    let filter = EventFilter { entry: Some(id), ..EventFilter::default() };
    let mut history = Vec::new();
    for event in view.events(&filter, (i64::MIN, i64::MIN), usize::MAX)? {
        if !known.contains(&event.digest(&trust.escrow()).to_vec()) {
            audit::verify(trust, &event).map_err(|problem| damaged(&row.id, &format!("its event: {problem}")))?;
            known.insert(event.hash.clone());
        }
        history.push(event);
    }
    let mut touches: Vec<_> = history
        .iter()
        .flat_map(|event| event.touched.iter().filter(|touch| touch.entry == row.id).map(move |touch| (event, touch)))
        .collect();
    touches.sort_by_key(|(_, touch)| touch.revision);
    let mut projection = Projection::default();
    let mut signed = None;
    for (event, touch) in touches {
        let kind = crate::EventKind::from_name(&event.kind);
        let facts = Facts::from_json(&touch.facts).zip(Facts::from_json(&event.facts));
        let (Some(kind), Some((own, common))) = (kind, facts) else {
            return Err(damaged(&row.id, "an event of it cannot be read"));
        };
        let happening = Happening { kind, time: event.time, facts: [&own, &common] };
        if projection.apply(&happening).is_err() || projection.revision != touch.revision {
            return Err(damaged(&row.id, "its events do not follow each other"));
        }
        signed = touch.digest.as_ref().or(signed);
    }
    if signed.map(Vec::as_slice) != Some(&row.digest(&trust.escrow())) {
        return Err(damaged(&row.id, "the row is not the one that was signed"));
    }
    match projection.differences(row).first() {
        Some((column, ours)) => Err(damaged(&row.id, &format!("its {column} should be {ours}"))),
        None => Ok(()),
    }
}
