//! Making the key of the records: at the first use, and another one when somebody knows it who is no officer any more.

use std::sync::{Arc, Mutex, RwLock};

use oathburn_oath::{Seed, TokenRecord};

use super::Records;
use super::ring::{self, GENERATION, Ring, generations};
use crate::audit::SESSIONS;
use crate::journal::{Draft, EventDraft};
use crate::roster::Trust;
use crate::seal::Sealer;
use crate::sealing::{births, sealed_row};
use crate::store::View;
use crate::wrap::Key;
use crate::{Entry, Escrow, EscrowError, EventKind, Facts, Opener, Origin, Reservation};

impl Escrow {
    /// The records of this escrow's desk, whose key an officer opens, or makes at the first use. Either is noted.
    pub fn records(&self, opener: &Opener) -> Result<Records, EscrowError> {
        if self.inner.look(generations)?.is_empty() {
            self.make_desk_key(opener)?;
        }
        let ring = Ring::open(&self.inner, opener, None)?;
        Ok(Records {
            escrow: Arc::clone(&self.inner),
            opener: Arc::new(opener.shared()),
            ring: Arc::new(RwLock::new(Arc::new(ring))),
            turning: Arc::new(Mutex::new(())),
        })
    }

    /// Whether records are still sealed so that a former officer could read them, or would be: see
    /// [`Custodian::renew`](crate::Custodian::renew).
    pub fn records_unrenewed(&self) -> Result<bool, EscrowError> {
        self.inner.look(|view, trust| {
            let found = generations(view, trust)?;
            Ok(ring::is_moving(&found) || must_change(view, trust, &found)?)
        })
    }

    fn make_desk_key(&self, opener: &Opener) -> Result<(), EscrowError> {
        self.inner.known(&opener.officer)?;
        let record = new_key()?;
        let reservation = Reservation { record: &record, origin: Origin::Generated, batch: None };
        let inner = &*self.inner;
        self.seal_by_officer(opener.officer.keys(), &reservation, EventKind::DeskKeyMade, &mut |view| {
            // Of two desks that start for the first time one makes it.
            if !generations(view, &inner.trust())?.is_empty() {
                return Ok(false);
            }
            // Records whose key was taken away would be lost behind another one.
            if view.records(("", &[]), None, 1)?.is_empty() { Ok(true) } else { Err(EscrowError::RecordsKeyless) }
        })
    }
}

fn new_key() -> Result<TokenRecord, EscrowError> {
    Ok(TokenRecord {
        identity: Entry::desk_key(),
        params: Entry::no_codes(),
        seed: Seed::generate(32).map_err(|_| EscrowError::Random)?,
        manufacturer: None,
        model: None,
        upn: None,
        issuer: None,
    })
}

/// Whether somebody could open the newest key who is no officer any more.
pub(crate) fn must_change(view: &dyn View, trust: &Trust, found: &[ring::Generation]) -> Result<bool, EscrowError> {
    match found.last() {
        Some(last) if !last.replaced => crate::exposure::is_known(view, trust, &last.row),
        _ => Ok(false),
    }
}

/// Puts another key in the place of the newest one, where there is one: sealed for the officers of a version of the roster
/// under a session of its own, and tagged under a key that no former officer knows.
pub(crate) fn replace(
    view: &dyn View,
    trust: &Trust,
    (version, officers): (u64, &[&str]),
    (tag_key, tag_with): (i64, &Key),
    time: i64,
    draft: &mut Draft,
) -> Result<(), EscrowError> {
    let found = generations(view, trust)?;
    let Some(last) = found.last() else { return Ok(()) };
    let record = new_key()?;
    let reservation = Reservation { record: &record, origin: Origin::Generated, batch: None };
    let sealer = Sealer::begin(trust.escrow(), version, officers.iter().copied())?;
    let (session, row) = (sealer.row(time), sealed_row(&sealer, (tag_key, tag_with), &reservation, time)?);
    let made = EventDraft::new(EventKind::DeskKeyMade, Facts::new().with(GENERATION, last.number + 1));
    let former = found.iter().filter(|one| !one.replaced).map(|one| one.id);
    draft.events.push(EventDraft::wrapping_again(SESSIONS.kind, &session, SESSIONS.domain, &trust.escrow()));
    draft.events.push(births(trust, made, std::slice::from_ref(&row), &[reservation], None));
    draft.events.push(EventDraft::new(EventKind::DeskKeyReplaced, Facts::new()).touching(former));
    draft.sessions.push(session);
    draft.entries.push(row);
    Ok(())
}
