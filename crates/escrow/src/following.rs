//! Following the roster: of the store that is opened, and of one that others go on writing to.

use std::sync::{Arc, PoisonError};

use crate::escrow::Inner;
use crate::heads::{self, Heads};
use crate::roster::Trust;
use crate::store::{self, EscrowStore, View};
use crate::{EscrowError, EscrowId, Pins, StoreUrl};

impl Inner {
    /// Reads the roster again and follows it.
    pub(crate) fn refresh(&self) -> Result<(), EscrowError> {
        let (trust, seen) = follow(&*self.store, &self.url, &self.pins, Some(self.trust().escrow()))?;
        self.seen().merge(&seen);
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
        Ok(())
    }

    /// Does something under the roster in force; again when it changed meanwhile.
    pub(crate) fn steadily<T>(&self, mut job: impl FnMut(&Trust) -> Result<T, EscrowError>) -> Result<T, EscrowError> {
        for _ in 0..3 {
            match job(&self.trust()) {
                Err(EscrowError::RosterUnsteady) => self.refresh()?,
                // Whoever was let in meanwhile need not begin again.
                Err(error @ (EscrowError::StationNotApproved { .. } | EscrowError::OfficerUnknown { .. })) => {
                    let before = self.trust().latest().version;
                    self.refresh()?;
                    if self.trust().latest().version == before {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
        Err(EscrowError::RosterUnsteady)
    }

    /// Looks at one state of the store with the roster that is in force in it: somebody who was let in since this program
    /// began may have signed what is there.
    pub(crate) fn look<T>(
        &self,
        mut job: impl FnMut(&dyn View, &Trust) -> Result<T, EscrowError>,
    ) -> Result<T, EscrowError> {
        self.steadily(|trust| {
            store::read(&*self.store, |view| {
                steady(view, trust)?;
                job(view, trust)
            })
        })
    }

    /// The roster in force, as far as it can be followed: whoever looks for what was changed does not stop at a roster that
    /// was.
    pub(crate) fn followed(&self) -> Arc<Trust> {
        let trust = self.trust();
        match store::read(&*self.store, |view| steady(view, &trust)) {
            Err(EscrowError::RosterUnsteady) if self.refresh().is_ok() => self.trust(),
            _ => trust,
        }
    }
}

/// Reads the rosters of a store and moves the pin on; says what was seen of the chains. What was read before another
/// process moved the pin is read again: only a store that then is still behind the pin went back. So did one that lacks
/// an event that was seen: events are seen only when they are in the store, so what was seen is asked for first.
pub(crate) fn follow(
    store: &dyn EscrowStore,
    url: &StoreUrl,
    pins: &Pins,
    known: Option<EscrowId>,
) -> Result<(Trust, Heads), EscrowError> {
    let mut tries = 0;
    loop {
        let pinned = known.map_or_else(|| pins.escrow(url), |id| Ok(Some(id)))?;
        let mut seen = pinned.map_or_else(|| Ok(Heads::default()), |escrow| pins.heads(url, escrow))?;
        let (trust, lost, newer) = store::read(store, |view| {
            let trust = trust(view, pinned)?;
            let (lost, newer) = (seen.lost(view, &trust)?, seen.newer(view, &trust)?);
            Ok((trust, lost, newer))
        })?;
        tries += 1;
        match pins.follow(url, &trust) {
            Err(EscrowError::RosterOlder { .. }) if tries < 5 => {}
            Err(error) => return Err(error),
            Ok(()) => {
                heads::refuse(&lost)?;
                pins.advance(url, trust.escrow(), &newer)?;
                seen.merge(&newer);
                return Ok((trust, seen));
            }
        }
    }
}

/// Refuses to go on with another version of the roster than the one that is in force.
pub(crate) fn steady(view: &dyn View, trust: &Trust) -> Result<(), EscrowError> {
    match u64::try_from(view.roster_version()?) {
        Ok(version) if version == trust.latest().version => Ok(()),
        _ => Err(EscrowError::RosterUnsteady),
    }
}

/// Reads and verifies the rosters of a store; `pinned` is the escrow that should be there.
pub(crate) fn trust(view: &dyn View, pinned: Option<EscrowId>) -> Result<Trust, EscrowError> {
    let header = view.header()?;
    let escrow = match header.as_slice() {
        [header] => EscrowId::from_slice(&header.id),
        _ => None,
    };
    let found = escrow.ok_or_else(|| EscrowError::Damaged {
        table: "escrow",
        row: "1".into(),
        problem: "it does not say which escrow this is".into(),
    })?;
    match pinned {
        Some(pinned) if pinned != found => Err(EscrowError::OtherEscrow { pinned, found }),
        _ => Trust::verify(found, &view.rosters()?),
    }
}
