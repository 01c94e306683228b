//! Is an event what its writer signed, and is a wrapped key what an event signed?

use data_encoding::HEXLOWER;

use crate::duplicate::DUPLICATE_DOMAIN;
use crate::roster::Trust;
use crate::seal::SESSION_DOMAIN;
use crate::store::{EventRow, View, WrapRow};
use crate::{EscrowError, EventKind, Facts, WriterId};

/// An event whose hash and signature hold, by a writer who was entitled to it.
pub(crate) struct Verified {
    pub(crate) kind: EventKind,
    pub(crate) facts: Facts,
}

/// Verifies one event by itself; the chain is for whoever sees it whole. The error is the problem, for people.
pub(crate) fn verify(trust: &Trust, event: &EventRow) -> Result<Verified, String> {
    let writer = WriterId::from_slice(&event.writer).ok_or("its writer is not in the table of writers")?;
    let digest = event.digest(&trust.escrow());
    if event.hash != digest {
        return Err("it is not what was signed: its hash differs from its content".into());
    }
    if !trust.proven.has_signed(&writer, &digest, &event.signature) {
        return Err("its signature is not the writer's".into());
    }
    let kind = EventKind::from_name(&event.kind).ok_or_else(|| format!("{:?} is not a kind of event", event.kind))?;
    if !trust.entitles(&writer, event.roster, event.sequence, kind) {
        let version = event.roster;
        return Err(format!(
            "its writer {writer} was not entitled to it by version {version} of the roster, or not then"
        ));
    }
    let facts = Facts::from_json(&event.facts).ok_or("its facts are not canonical")?;
    Ok(Verified { kind, facts })
}

/// What a table of wrapped keys is called, and how its rows are signed.
#[derive(Clone, Copy)]
pub(crate) struct WrapTable {
    pub(crate) table: &'static str,
    /// The event that signs a new key.
    pub(crate) kind: EventKind,
    /// The event that signs a key that was wrapped once more.
    pub(crate) again: EventKind,
    /// The event that tells of deleted keys.
    pub(crate) dropped: EventKind,
    pub(crate) domain: &'static str,
    /// How errors name a key.
    pub(crate) key: &'static str,
}

pub(crate) const SESSIONS: WrapTable = WrapTable {
    table: "sessions",
    kind: EventKind::SessionCreated,
    again: EventKind::SessionWrapped,
    dropped: EventKind::SessionsDropped,
    domain: SESSION_DOMAIN,
    key: "session key",
};
pub(crate) const DUPLICATE_KEYS: WrapTable = WrapTable {
    table: "duplicate_keys",
    kind: EventKind::DuplicateKeyWrapped,
    again: EventKind::DuplicateKeyWrapped,
    dropped: EventKind::DuplicateKeyDropped,
    domain: DUPLICATE_DOMAIN,
    key: "duplicate key",
};

/// The version of the roster to which an event says that a key was wrapped: its own where it says nothing else.
pub(crate) fn wrapped_for(event: &EventRow, facts: &Facts) -> i64 {
    facts.number("roster").unwrap_or(event.roster)
}

/// The ids of deleted keys, as an event names them.
pub(crate) fn dropped(facts: &Facts) -> Vec<Vec<u8>> {
    let keys = facts.text("keys").unwrap_or_default();
    keys.split(',').filter_map(|id| HEXLOWER.decode(id.as_bytes()).ok()).filter(|id| !id.is_empty()).collect()
}

/// The most keys that one event can name: 33 bytes each, and some room.
pub(crate) const MAX_DROPPED: usize = 100;

/// The facts from which [`dropped`] reads.
pub(crate) fn dropping(ids: &[Vec<u8>]) -> Facts {
    let ids: Vec<_> = ids.iter().map(|id| HEXLOWER.encode(id)).collect();
    Facts::new().with("keys", ids.join(","))
}

impl WrapTable {
    /// Refuses a wrapped key that its event did not sign: a hostile hand could have put its own there.
    pub(crate) fn verify(self, view: &dyn View, trust: &Trust, row: &WrapRow) -> Result<(), EscrowError> {
        let damaged = |problem: String| EscrowError::Damaged { table: self.table, row: row.name(), problem };
        let event = view.event(&row.writer, row.sequence)?.ok_or_else(|| damaged("its event is missing".into()))?;
        let verified = verify(trust, &event).map_err(|problem| damaged(format!("its event: {problem}")))?;
        if ![self.kind, self.again].contains(&verified.kind) || !self.is_signed_by(trust, row, &verified.facts) {
            return Err(damaged("it is not what its event signed".into()));
        }
        Ok(())
    }

    /// Whether the facts of a verified event sign this row.
    pub(crate) fn is_signed_by(self, trust: &Trust, row: &WrapRow, facts: &Facts) -> bool {
        facts.text("key") == Some(&HEXLOWER.encode(&row.id))
            && facts.text("digest") == Some(&HEXLOWER.encode(&row.digest(self.domain, &trust.escrow())))
    }
}
