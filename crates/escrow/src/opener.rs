//! Opening seals: noted before anything is handed out.

use std::collections::{HashMap, hash_map};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use oathburn_oath::TokenRecord;

use crate::audit::SESSIONS;
use crate::escrow::Inner;
use crate::history::{self, Events, damaged};
use crate::journal::{Draft, EventDraft, MAX_TOUCHED};
use crate::roster::Trust;
use crate::store::{self, EntryRow, View};
use crate::wrap::{self, Key};
use crate::{Disclosure, Entry, EscrowError, Officer, Purpose};
use crate::{following, seal};

/// Opens seals with an officer's keys. It remembers the session keys it has unwrapped, and wipes them at its end.
pub struct Opener {
    pub(crate) escrow: Arc<Inner>,
    pub(crate) officer: Arc<Officer>,
    sessions: Arc<Mutex<HashMap<Vec<u8>, Key>>>,
}

impl Opener {
    pub(crate) fn new(escrow: Arc<Inner>, officer: Officer) -> Result<Self, EscrowError> {
        escrow.known(&officer)?;
        Ok(Self { escrow, officer: Arc::new(officer), sessions: Arc::default() })
    }

    /// The same for somebody else at the keyboard: what is opened through it is noted under that name. The officer's
    /// keys are shared.
    #[must_use]
    pub fn acting_for(&self, operator: &str) -> Self {
        Self {
            escrow: Arc::new(self.escrow.acting_for(operator)),
            officer: Arc::clone(&self.officer),
            sessions: Arc::clone(&self.sessions),
        }
    }

    /// The same once more; officer and session keys are shared.
    pub(crate) fn shared(&self) -> Self {
        Self {
            escrow: Arc::clone(&self.escrow),
            officer: Arc::clone(&self.officer),
            sessions: Arc::clone(&self.sessions),
        }
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
        entries.iter().try_for_each(|entry| fits(entry, disclosure.purpose))?;
        self.escrow.steadily(|trust| {
            self.escrow.known(&self.officer)?;
            let records = store::read(&*self.escrow.store, |view| {
                following::steady(view, trust)?;
                let mut events = Events::new();
                entries.iter().map(|entry| self.record(view, trust, entry, &mut events)).collect::<Result<Vec<_>, _>>()
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

    /// Opens one entry as it stands in the store now. What it was chosen for must be what it says now: a row that
    /// named another token or user for as long as somebody typed a passphrase would give away the wrong seed.
    pub(crate) fn record(
        &self,
        view: &dyn View,
        trust: &Trust,
        chosen: &Entry,
        events: &mut Events,
    ) -> Result<TokenRecord, EscrowError> {
        self.record_and_row(view, trust, chosen, events).map(|(record, _)| record)
    }

    /// The same, with the row.
    pub(crate) fn record_and_row(
        &self,
        view: &dyn View,
        trust: &Trust,
        chosen: &Entry,
        events: &mut Events,
    ) -> Result<(TokenRecord, EntryRow), EscrowError> {
        let id = chosen.id;
        let row = view.entry(&id)?.ok_or_else(|| EscrowError::EntryUnknown { text: id.to_string() })?;
        history::verify(view, trust, id, &row, events)?;
        if let Some(column) = changed(chosen, &Entry::try_from(&row)?) {
            return Err(damaged(&row.id, &format!("its {column} is not what it was when the entry was chosen")));
        }
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let key = match sessions.entry(row.session.clone()) {
            hash_map::Entry::Occupied(key) => key.into_mut(),
            hash_map::Entry::Vacant(place) => place.insert(session_key(view, trust, &row, &self.officer)?),
        };
        let opened = seal::open(&row, id, &trust.escrow(), key)?;
        let record = TokenRecord {
            identity: opened.identity,
            params: opened.params,
            seed: opened.seed,
            manufacturer: row.manufacturer.clone(),
            model: row.model.clone(),
            upn: row.upn.clone(),
            issuer: row.issuer.clone(),
        };
        Ok((record, row))
    }
}

/// Says whose it is, never what it knows.
impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("officer", &self.officer).finish_non_exhaustive()
    }
}

/// Refuses to open for a purpose what is not for it: access keys make no codes, what people sign in with is compared and
/// nothing else, and the desk's own key is for its records alone.
pub(crate) fn fits(entry: &Entry, purpose: Purpose) -> Result<(), EscrowError> {
    let entry_id = entry.id;
    match purpose {
        Purpose::Desk if entry.is_desk_key() => Ok(()),
        Purpose::Desk => Err(EscrowError::DeskEntry { entry: entry_id }),
        Purpose::Burn | Purpose::Reveal if entry.is_access_key() => Ok(()),
        Purpose::CompareCode if entry.is_desk_login() => Ok(()),
        _ if entry.is_of_token() => Ok(()),
        _ if entry.is_access_key() => Err(EscrowError::AccessKey { entry: entry_id }),
        _ => Err(EscrowError::DeskEntry { entry: entry_id }),
    }
}

fn session_key(view: &dyn View, trust: &Trust, row: &EntryRow, officer: &Officer) -> Result<Key, EscrowError> {
    let session = view.session(&row.session)?.ok_or_else(|| damaged(&row.id, "its session is missing"))?;
    SESSIONS.verify(view, trust, &session)?;
    wrap::unwrap(&session.wrap, officer.keys(), SESSIONS.key)
}

/// In what the verified entry differs from the one that was chosen, of all that tells whose seed it is and whether it
/// is in use.
fn changed(chosen: &Entry, verified: &Entry) -> Option<&'static str> {
    let same = [
        ("token", chosen.identity == verified.identity),
        ("upn", chosen.upn == verified.upn),
        ("issuer", chosen.issuer == verified.issuer),
        ("state", chosen.state == verified.state),
        ("parameters", chosen.params == verified.params),
    ];
    same.into_iter().find(|(_, same)| !same).map(|(column, _)| column)
}
