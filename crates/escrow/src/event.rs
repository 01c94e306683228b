//! Events: who did what to which entries, when and why; signed, in the writer's own chain.

use data_encoding::HEXLOWER;
use oathburn_oath::UnixTime;

use crate::entry::named;
use crate::roster::Trust;
use crate::store::EventRow;
use crate::{EntryId, EscrowError, Facts, WriterId};

named! {
    /// What happened. The names are stored and signed; the list can grow.
    EventKind {
        /// The escrow was made.
        EscrowCreated = "escrow-created",
        /// A version of the roster was signed.
        RosterSigned = "roster-signed",
        /// The key that finds duplicates was wrapped to a roster.
        DuplicateKeyWrapped = "duplicate-key-wrapped",
        /// A session key was wrapped to the officers of a roster.
        SessionCreated = "session-created",
        /// A session key that is in use was wrapped anew, to the officers of a later roster.
        SessionWrapped = "session-wrapped",
        /// Sessions without entries were deleted, with their wrapped keys.
        SessionsDropped = "sessions-dropped",
        /// A duplicate key under which nothing is tagged any more was deleted.
        DuplicateKeyDropped = "duplicate-key-dropped",
        /// Seeds were sealed and tagged anew, under another session.
        Resealed = "resealed",
        /// A seed was sealed, before a token was touched.
        Reserved = "reserved",
        /// A seed was sealed that came in a file.
        Imported = "imported",
        /// A token was programmed and read back.
        Programmed = "programmed",
        /// A conversation broke after the first write.
        Unknown = "unknown",
        /// An entry was replaced by a later one, or given up.
        Superseded = "superseded",
        /// A token was seen to show the right code.
        Verified = "verified",
        /// A token's clock was set.
        Synced = "synced",
        /// A token was changed in another way: a title, a name, a lock.
        TokenChanged = "token-changed",
        /// UPN or issuer were set.
        Assigned = "assigned",
        /// UPN and issuer were taken away.
        Unassigned = "unassigned",
        /// Notes, tags or the purchase order were changed.
        Annotated = "annotated",
        /// Seeds were written out whole, for a service.
        ExportCompleted = "export-completed",
        /// The service accepted the token.
        Activated = "activated",
        /// The entry went out of use.
        Retired = "retired",
        /// The seed was opened to burn it once more.
        Opened = "opened",
        /// Codes were shown.
        CodeDisclosed = "code-disclosed",
        /// The seed was opened to compare a code with it; nothing was shown.
        CodeCompared = "code-compared",
        /// The ends of all chains were signed.
        Checkpointed = "checkpointed",
        /// The store was written into a backup.
        BackedUp = "backed-up",
        /// The store came out of a backup.
        Restored = "restored",
        /// The seed was shown.
        Revealed = "revealed",
        /// The seed was opened to write it into a file or a pipe.
        Exported = "exported",
        /// The key of the desk's records was made and sealed.
        DeskKeyMade = "desk-key-made",
        /// Another key of the desk's records was made in the place of this one, which a former officer knows.
        DeskKeyReplaced = "desk-key-replaced",
        /// Nothing of the desk's records is sealed under this former key any more.
        DeskRecordsSealed = "desk-records-sealed",
        /// The key of the desk's records was opened, to serve.
        DeskOpened = "desk-opened",
        /// Somebody did something at the desk.
        DeskDeed = "desk-deed",
        /// A batch was made.
        BatchCreated = "batch-created",
        /// Digests of lines of the batch that was made before.
        BatchLines = "batch-lines",
        /// A line of a batch was given up.
        LineFailed = "line-failed",
        /// The failed lines of a batch were taken up again.
        BatchReopened = "batch-reopened",
        /// No line of a batch was left.
        BatchFinished = "batch-finished",
        /// A batch was given up.
        BatchCancelled = "batch-cancelled",
    }
}

impl EventKind {
    /// Whether only an officer may sign it.
    pub const fn is_for_officers(self) -> bool {
        use EventKind as K;
        matches!(
            self,
            K::EscrowCreated
                | K::RosterSigned
                | K::DuplicateKeyWrapped
                | K::SessionWrapped
                | K::SessionsDropped
                | K::DuplicateKeyDropped
                | K::Resealed
                | K::Opened
                | K::CodeDisclosed
                | K::CodeCompared
                | K::Revealed
                | K::Exported
                | K::Checkpointed
                | K::Restored
                | K::DeskKeyMade
                | K::DeskKeyReplaced
                | K::DeskRecordsSealed
                | K::DeskOpened
                | K::DeskDeed
        )
    }

    /// Whether it is the first event of an entry.
    pub const fn is_birth(self) -> bool {
        matches!(self, Self::Reserved | Self::Imported | Self::DeskKeyMade)
    }

    /// Whether it carries the digest of a sealed row. No other event can say what a seal is: a station must not be
    /// able to put another one in its place.
    pub const fn seals(self) -> bool {
        self.is_birth() || matches!(self, Self::Resealed)
    }
}

named! {
    /// What an officer opens a seed for. Each is an event of the same name.
    Purpose {
        /// To burn it once more.
        Burn = "opened",
        /// To show codes.
        ShowCodes = "code-disclosed",
        /// To compare a code that somebody read from a token; nothing is shown.
        CompareCode = "code-compared",
        /// To show the seed.
        Reveal = "revealed",
        /// To write it into a file or a pipe.
        Export = "exported",
        /// To keep the desk's records.
        Desk = "desk-opened",
    }
}

impl Purpose {
    /// The event that is committed before the seed is handed out.
    pub const fn event(self) -> EventKind {
        match self {
            Self::Burn => EventKind::Opened,
            Self::ShowCodes => EventKind::CodeDisclosed,
            Self::CompareCode => EventKind::CodeCompared,
            Self::Reveal => EventKind::Revealed,
            Self::Export => EventKind::Exported,
            Self::Desk => EventKind::DeskOpened,
        }
    }
}

/// Why seeds are opened; it is signed and kept for ever.
#[derive(Clone, Debug)]
pub struct Disclosure {
    /// What for.
    pub purpose: Purpose,
    /// What else is worth keeping: how many codes, which file. Never a seed, never a code.
    pub facts: Facts,
    /// The reason somebody gave.
    pub reason: Option<String>,
}

impl Disclosure {
    /// A disclosure without facts and without a reason.
    pub fn new(purpose: Purpose) -> Self {
        Self { purpose, facts: Facts::new(), reason: None }
    }
}

/// Where an event stands: in whose chain, and at which place, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Who signed it.
    pub writer: WriterId,
    /// Its place in the writer's chain.
    pub sequence: u64,
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.writer, self.sequence)
    }
}

/// An event as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it stands.
    pub id: EventId,
    /// The writer's label on the roster.
    pub writer: String,
    /// When, by the writer's clock.
    pub time: UnixTime,
    /// The user id of the process.
    pub uid: u32,
    /// The machine.
    pub host: String,
    /// Who said to be at the keyboard; a claim.
    pub operator: Option<String>,
    /// What happened.
    pub kind: EventKind,
    /// The entries that it touched, in order.
    pub entries: Vec<EntryId>,
    /// What else it says; where it touched one entry, with the facts of that entry.
    pub facts: Facts,
    /// Why.
    pub reason: Option<String>,
}

impl Event {
    /// Reads a row; what is not an event of ours is damage.
    pub(crate) fn read(row: &EventRow, trust: &Trust) -> Result<Self, EscrowError> {
        let name = || format!("{}/{}", HEXLOWER.encode(&row.writer), row.sequence);
        let damaged = |problem: &str| EscrowError::Damaged { table: "events", row: name(), problem: problem.into() };
        let writer = WriterId::from_slice(&row.writer).ok_or_else(|| damaged("it has no writer"))?;
        let number = |value: i64| u64::try_from(value).map_err(|_| damaged("a number is negative"));
        let facts = |json: &str| Facts::from_json(json).ok_or_else(|| damaged("its facts are not canonical"));
        let mut all = facts(&row.facts)?;
        if let [only] = row.touched.as_slice() {
            for (name, fact) in facts(&only.facts)?.iter() {
                all = all.with(name, fact.clone());
            }
        }
        let entries = row.touched.iter().map(|touch| EntryId::from_slice(&touch.entry)).collect::<Option<_>>();
        Ok(Self {
            id: EventId { writer, sequence: number(row.sequence)? },
            writer: trust.label(&writer).unwrap_or("unknown").into(),
            time: UnixTime::new(number(row.time)?),
            uid: row.uid.try_into().map_err(|_| damaged("its uid is out of range"))?,
            host: row.host.clone(),
            operator: row.operator.clone(),
            kind: EventKind::from_name(&row.kind).ok_or_else(|| damaged("its kind is unknown"))?,
            entries: entries.ok_or_else(|| damaged("it touches what is no entry"))?,
            facts: all,
            reason: row.reason.clone(),
        })
    }
}

/// Which events; what is `None` lets all pass.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Those that touched this entry.
    pub entry: Option<EntryId>,
    /// Those of this kind.
    pub kind: Option<EventKind>,
    /// Those of this writer.
    pub writer: Option<WriterId>,
    /// Those that were done for this operator, by the whole name.
    pub operator: Option<String>,
    /// Those at this time or later.
    pub since: Option<UnixTime>,
    /// Those before this time.
    pub until: Option<UnixTime>,
}

impl EventFilter {
    /// Whether an event passes.
    pub(crate) fn passes(&self, event: &Event) -> bool {
        self.entry.is_none_or(|entry| event.entries.contains(&entry))
            && self.kind.is_none_or(|kind| event.kind == kind)
            && self.writer.is_none_or(|writer| event.id.writer == writer)
            && self.operator.as_ref().is_none_or(|operator| event.operator.as_ref() == Some(operator))
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_their_events_share_a_name() {
        for purpose in Purpose::ALL {
            assert_eq!(purpose.as_str(), purpose.event().as_str());
            assert!(purpose.event().is_for_officers());
        }
    }
}
