//! What stations reported, and does not fit: kept beside, until an admin has looked at it.

use oathburn_escrow::{BatchId, EntryId, EntryState, Facts, Programmed};
use serde::{Deserialize, Serialize};

use super::order::deed_on;
use crate::table::{Next, Stored};
use crate::{Desk, DeskError};

/// Something that somebody has to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The order.
    pub order: String,
    /// Its line.
    pub line: u32,
    /// The line's user.
    pub upn: Option<String>,
    /// What does not fit.
    pub kind: ConflictKind,
    /// Who reported it.
    pub station: String,
    /// The token.
    pub serial: String,
    /// The entry that was made for it.
    pub entry: String,
    /// What it is in conflict with: an entry.
    pub other: Option<String>,
    /// Whether the token was read back after its burn.
    pub burned: bool,
    /// When the desk heard of it, in Unix seconds.
    pub at: u64,
    /// How it was settled.
    pub settled: Option<Settled>,
}

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// The line has a token already: there are two with the same seed.
    SecondToken,
    /// The line was given up before.
    AfterFailure,
    /// The order was cancelled before.
    AfterCancel,
    /// The line is another station's by now, and the burn was not finished.
    Broken,
    /// The token was burned for somebody else later: this line needs another one.
    BurnedOver,
    /// The token was somebody else's: that one needs another.
    TookAnothers,
}

impl ConflictKind {
    /// For people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::SecondToken => "a second token has the seed of this line",
            Self::AfterFailure => "the line was given up before its token was reported",
            Self::AfterCancel => "the order was cancelled before the token was reported",
            Self::Broken => "a burn was not finished, and another station has the line",
            Self::BurnedOver => "the token was burned for somebody else since: this user needs another one",
            Self::TookAnothers => "the token belonged to another user, who needs another one",
        }
    }

    /// Whether there is an entry beside that somebody has to decide about.
    pub const fn is_beside(self) -> bool {
        !matches!(self, Self::BurnedOver | Self::TookAnothers)
    }
}

/// What is done about a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settlement {
    /// The token is put out of use: it is burned anew, or destroyed.
    Retired,
    /// The token is in use, and counts.
    Accepted,
    /// Somebody has seen to it.
    Seen,
}

/// Who settled a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// How.
    pub how: Settlement,
    /// Who.
    pub by: String,
    /// When, in Unix seconds.
    pub at: u64,
}

impl Stored for Conflict {
    const KIND: &'static str = "conflict";
}

impl Desk {
    /// Conflicts of an order, or of all, each with its id, oldest first.
    pub fn conflicts(&self, order: Option<BatchId>) -> Result<Vec<(Vec<u8>, Conflict)>, DeskError> {
        let order = order.map(|id| id.to_string());
        let mut found: Vec<_> = self
            .all::<Conflict>()?
            .into_iter()
            .map(|kept| (kept.id, kept.value))
            .filter(|(_, conflict)| order.as_ref().is_none_or(|order| *order == conflict.order))
            .collect();
        found.sort_by_key(|(_, conflict)| conflict.at);
        Ok(found)
    }

    /// Settles a conflict. What is settled already stays as it is.
    pub fn settle(&self, person: &str, id: &[u8], how: Settlement, reason: &str) -> Result<(), DeskError> {
        if reason.trim().is_empty() {
            return Err(DeskError::ReasonMissing);
        }
        let kept = self.get::<Conflict>(id)?.ok_or(DeskError::PageUnknown)?;
        let conflict = kept.value;
        let fits = match how {
            Settlement::Seen => !conflict.kind.is_beside(),
            Settlement::Retired => conflict.kind.is_beside(),
            Settlement::Accepted => conflict.kind.is_beside() && conflict.burned,
        };
        if conflict.settled.is_some() || !fits {
            return Err(DeskError::Settled);
        }
        let entry = conflict.entry.parse::<EntryId>()?;
        let escrow = self.escrow.acting_for(person);
        let state = self.escrow.entry(&conflict.entry)?.state;
        match how {
            Settlement::Accepted if state.is_unfinished() => {
                let facts = Facts::new().with("station", conflict.station.as_str()).with("accepted", 1);
                escrow.mark_programmed(entry, &Programmed { facts, ..Programmed::default() })?;
            }
            Settlement::Retired if state.is_live() => escrow.retire(entry, Some(reason))?,
            Settlement::Accepted if state != EntryState::Programmed => {
                return Err(DeskError::Settled);
            }
            _ => {}
        }
        let order = super::wire::batch_id(&conflict.order).ok_or(DeskError::Malformed)?;
        let mut about = deed_on(person, "conflict-settled", order);
        about.facts = about.facts.with("line", i64::from(conflict.line)).with("serial", conflict.serial.as_str());
        (about.reason, about.entries) = (Some(reason.into()), vec![entry]);
        let settled = Settled { how, by: person.into(), at: self.now().seconds() };
        self.update_noted(id, |now: Option<&Conflict>| {
            let next = Conflict { settled: Some(settled.clone()), ..now.unwrap_or(&conflict).clone() };
            Ok((Next::Put(next), about.clone(), ()))
        })
    }

    pub(super) fn note_conflict(&self, id: &[u8], conflict: &Conflict) -> Result<(), DeskError> {
        self.update(id, |before: Option<&Conflict>| {
            Ok((if before.is_some() { Next::Keep } else { Next::Put(conflict.clone()) }, ()))
        })
    }
}
