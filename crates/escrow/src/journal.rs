//! Writing events: into the writer's chain, with what they change, in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet, btree_map};

use data_encoding::HEXLOWER;

use crate::batch;
use crate::history::{self, Events};
use crate::keys::KeyPair;
use crate::projection::{Happening, Projection};
use crate::roster::Trust;
use crate::seal::{self, Sealed};
use crate::store::{
    BatchRow, ChainHead, Commit, EntryRow, EventRow, HeaderRow, LineRow, RecordRow, RosterRow, Touch, View, WrapRow,
};
use crate::{EntryId, EscrowError, EscrowId, EventKind, Facts, Writer};

/// Entries that one event touches at most: an event is verified whole, also when one entry is opened.
pub(crate) const MAX_TOUCHED: usize = 1000;

/// What is to be written, before it is numbered, chained and signed.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) header: Option<HeaderRow>,
    pub(crate) rosters: Vec<RosterRow>,
    /// Keys and sessions without their events: those that name them are among `events`.
    pub(crate) duplicate_keys: Vec<WrapRow>,
    pub(crate) sessions: Vec<WrapRow>,
    /// The same, of those that are in the store, wrapped once more.
    pub(crate) rewrapped_keys: Vec<WrapRow>,
    pub(crate) rewrapped_sessions: Vec<WrapRow>,
    /// Keys and sessions to be deleted, by their ids.
    pub(crate) dropped_keys: Vec<Vec<u8>>,
    pub(crate) dropped_sessions: Vec<Vec<u8>>,
    /// New entries; their events make the columns that change.
    pub(crate) entries: Vec<EntryRow>,
    pub(crate) events: Vec<EventDraft>,
    /// A new batch, whose first event is among `events`.
    pub(crate) batch: Option<BatchDraft>,
    /// A batch, and lines, that `events` change; the states of lines are computed here.
    pub(crate) changed_batch: Option<BatchRow>,
    pub(crate) lines: Vec<LineRow>,
    /// Records to be written, and the keys of those that go.
    pub(crate) records: Vec<RecordRow>,
    pub(crate) dropped_records: Vec<(String, Vec<u8>)>,
    /// Records that expired at this time or before go as well.
    pub(crate) sweep: Option<i64>,
    /// Events that were verified while it was put together, in the transaction that writes it.
    pub(crate) verified: Events,
}

/// A batch to be.
pub(crate) struct BatchDraft {
    pub(crate) row: BatchRow,
    pub(crate) lines: Vec<LineRow>,
}

/// An event to be.
#[derive(Clone)]
pub(crate) struct EventDraft {
    pub(crate) kind: EventKind,
    pub(crate) facts: Facts,
    pub(crate) reason: Option<String>,
    /// Who says to be at the keyboard, where it is not who is for all events of this escrow.
    pub(crate) operator: Option<String>,
    pub(crate) touched: Vec<TouchDraft>,
}

/// What an event to be says of one entry.
#[derive(Clone)]
pub(crate) struct TouchDraft {
    pub(crate) entry: EntryId,
    pub(crate) digest: Option<[u8; 32]>,
    /// Another seal for the entry; the digest is that of the row with it.
    pub(crate) reseal: Option<Reseal>,
    pub(crate) facts: Facts,
}

/// A seed that was sealed and tagged anew.
#[derive(Clone)]
pub(crate) struct Reseal {
    pub(crate) session: Vec<u8>,
    pub(crate) sealed: Sealed,
    pub(crate) tag_key: i64,
    pub(crate) tag: [u8; 16],
}

impl EventDraft {
    pub(crate) fn new(kind: EventKind, facts: Facts) -> Self {
        Self { kind, facts, reason: None, operator: None, touched: Vec::new() }
    }

    pub(crate) fn because(mut self, reason: Option<&str>) -> Self {
        self.reason = reason.map(Into::into);
        self
    }

    pub(crate) fn touching(mut self, entries: impl IntoIterator<Item = EntryId>) -> Self {
        let touch = |entry| TouchDraft { entry, digest: None, reseal: None, facts: Facts::new() };
        self.touched.extend(entries.into_iter().map(touch));
        self
    }

    /// The event that signs a wrapped key.
    pub(crate) fn wrapping(kind: EventKind, row: &WrapRow, domain: &str, escrow: &EscrowId) -> Self {
        let facts = Facts::new()
            .with("key", HEXLOWER.encode(&row.id))
            .with("digest", HEXLOWER.encode(&row.digest(domain, escrow)));
        Self::new(kind, facts)
    }

    /// The same for a key that is wrapped to another version of the roster than the event is signed under.
    pub(crate) fn wrapping_again(kind: EventKind, row: &WrapRow, domain: &str, escrow: &EscrowId) -> Self {
        let mut event = Self::wrapping(kind, row, domain, escrow);
        event.facts = event.facts.with("roster", row.roster);
        event
    }

    /// Refuses what is too long to be kept.
    pub(crate) fn check(&self, who: &Writer) -> Result<(), EscrowError> {
        self.facts.check()?;
        let texts = [
            ("the reason", self.reason.as_deref()),
            ("the operator's name", self.operator.as_deref().or(who.operator.as_deref())),
            ("the host's name", Some(who.host.as_str())),
        ];
        match texts.into_iter().find(|(_, text)| text.is_some_and(|text| text.len() > Facts::MAX_TEXT)) {
            Some((what, _)) => Err(EscrowError::FactRefused { what: what.into() }),
            None => Ok(()),
        }
    }
}

/// Who signs, for which escrow and under which roster, and when.
pub(crate) struct Journal<'a> {
    pub(crate) trust: &'a Trust,
    pub(crate) signer: &'a KeyPair,
    pub(crate) who: &'a Writer,
    pub(crate) time: i64,
}

impl Journal<'_> {
    /// Numbers, chains and signs the events of a draft and computes what they make of their entries.
    pub(crate) fn write(&self, view: &dyn View, draft: Draft) -> Result<Commit, EscrowError> {
        let mut head = view.head(&self.signer.writer())?;
        let mut rows = Rows::new(view, self.trust, draft.entries, draft.verified);
        let mut commit = Commit {
            header: draft.header,
            rosters: draft.rosters,
            duplicate_keys: draft.duplicate_keys,
            sessions: draft.sessions,
            rewrapped_keys: draft.rewrapped_keys,
            rewrapped_sessions: draft.rewrapped_sessions,
            dropped_keys: draft.dropped_keys,
            dropped_sessions: draft.dropped_sessions,
            changed_batch: draft.changed_batch,
            batch: draft.batch.map(|batch| (batch.row, batch.lines)),
            records: draft.records,
            dropped_records: draft.dropped_records,
            sweep: draft.sweep,
            ..Commit::default()
        };
        for event in draft.events {
            let event = self.event(event, &mut head, &mut rows)?;
            let keys = commit.duplicate_keys.iter_mut().chain(&mut commit.rewrapped_keys);
            for wrap in keys.chain(&mut commit.sessions).chain(&mut commit.rewrapped_sessions) {
                let name = format!("\"key\":\"{}\"", HEXLOWER.encode(&wrap.id));
                if event.touched.is_empty() && event.facts.contains(&name) {
                    (wrap.writer, wrap.sequence) = (event.writer.clone(), event.sequence);
                }
            }
            if let Some((batch, _)) = commit.batch.as_mut().filter(|_| event.kind == EventKind::BatchCreated.as_str()) {
                (batch.writer, batch.sequence) = (event.writer.clone(), event.sequence);
            }
            commit.events.push(event);
        }
        let revised = rows.revised();
        commit.revised_entries = revised.iter().map(|(_, row)| (row.id.clone(), row.revision)).collect();
        commit.changed_lines = rows.lines(draft.lines)?;
        commit.new_entries = rows.new;
        let resealed = rows.resealed;
        let (sealed, changed) =
            rows.changed.into_iter().partition::<BTreeMap<_, _>, _>(|(id, _)| resealed.contains(id));
        commit.resealed_entries = sealed.into_values().collect();
        commit.changed_entries = changed.into_values().collect();
        Ok(commit)
    }

    fn event(&self, draft: EventDraft, head: &mut ChainHead, rows: &mut Rows<'_>) -> Result<EventRow, EscrowError> {
        draft.check(self.who)?;
        let mut touched = Vec::with_capacity(draft.touched.len());
        for (touch, position) in draft.touched.into_iter().zip(1..) {
            touch.facts.check()?;
            let happening = Happening { kind: draft.kind, time: self.time, facts: [&touch.facts, &draft.facts] };
            let revision = rows.apply(touch.entry, &happening)?;
            let digest = match touch.reseal {
                Some(reseal) => Some(rows.reseal(touch.entry, reseal)?),
                None => touch.digest,
            };
            touched.push(Touch {
                position,
                revision,
                entry: touch.entry.as_bytes().to_vec(),
                digest: digest.map(Into::into),
                facts: touch.facts.to_json(),
            });
        }
        let mut event = EventRow {
            writer_number: 0,
            writer: self.signer.writer().as_bytes().to_vec(),
            sequence: head.sequence + 1,
            previous: std::mem::take(&mut head.hash),
            roster: self.trust.latest().version.try_into().unwrap_or(i64::MAX),
            time: self.time,
            uid: self.who.uid.into(),
            host: self.who.host.clone(),
            operator: draft.operator.or_else(|| self.who.operator.clone()),
            kind: draft.kind.as_str().into(),
            facts: draft.facts.to_json(),
            reason: draft.reason,
            hash: Vec::new(),
            signature: Vec::new(),
            touched,
        };
        let digest = event.digest(&self.trust.escrow());
        event.hash = digest.to_vec();
        let signature = self.signer.sign(&digest)?;
        self.trust.proven.signed(self.signer, &digest, &signature);
        event.signature = signature.to_vec();
        *head = ChainHead { sequence: event.sequence, hash: event.hash.clone() };
        Ok(event)
    }
}

/// The entries that a transaction touches, as its events have made them so far.
struct Rows<'a> {
    view: &'a dyn View,
    trust: &'a Trust,
    verified: Events,
    new: Vec<EntryRow>,
    /// Where in `new` an entry lies.
    places: HashMap<EntryId, usize>,
    changed: BTreeMap<EntryId, EntryRow>,
    /// What the changed ones were.
    before: HashMap<EntryId, EntryRow>,
    /// Those of the changed ones that have another seal.
    resealed: HashSet<EntryId>,
}

impl<'a> Rows<'a> {
    fn new(view: &'a dyn View, trust: &'a Trust, new: Vec<EntryRow>, verified: Events) -> Self {
        let places =
            new.iter().zip(0..).filter_map(|(row, place)| Some((EntryId::from_slice(&row.id)?, place))).collect();
        let (changed, before, resealed) = (BTreeMap::new(), HashMap::new(), HashSet::new());
        Self { view, trust, verified, new, places, changed, before, resealed }
    }

    /// Applies an event to an entry; says the entry's revision after it.
    fn apply(&mut self, entry: EntryId, event: &Happening<'_>) -> Result<i64, EscrowError> {
        let row = match self.places.get(&entry) {
            Some(&place) => &mut self.new[place],
            None => self.stored(entry)?,
        };
        let mut projection = match row.revision {
            0 => Projection::default(),
            _ => Projection::of(row).ok_or_else(|| EscrowError::Damaged {
                table: "entries",
                row: entry.to_string(),
                problem: format!("{:?} is not a state", row.state),
            })?,
        };
        let before = projection.state;
        projection.apply(event).map_err(|refused| EscrowError::WrongState {
            entry,
            state: before.unwrap_or(refused.wanted),
            wanted: refused.wanted,
        })?;
        let revision = projection.revision;
        projection.store(row);
        Ok(revision)
    }

    /// Puts another seal into an entry of the store; says the digest of the row with it.
    fn reseal(&mut self, entry: EntryId, reseal: Reseal) -> Result<[u8; 32], EscrowError> {
        let escrow = self.trust.escrow();
        let row = self.stored(entry)?;
        (row.format, row.session) = (seal::FORMAT, reseal.session);
        (row.nonce, row.ciphertext) = (reseal.sealed.nonce, reseal.sealed.ciphertext);
        (row.tag_key, row.tag) = (reseal.tag_key, reseal.tag.to_vec());
        let digest = row.digest(&escrow);
        self.resealed.insert(entry);
        Ok(digest)
    }

    /// Takes those away of which nothing changed but the revision: no line has another state for them.
    fn revised(&mut self) -> Vec<(EntryId, EntryRow)> {
        let mut before = std::mem::take(&mut self.before);
        let mut is_revised = |id: &EntryId, row: &EntryRow| {
            let same = before.remove(id).map(|before| EntryRow { revision: row.revision, ..before });
            same.as_ref() == Some(row)
        };
        let all = std::mem::take(&mut self.changed).into_iter();
        let (revised, changed) = all.partition::<Vec<_>, _>(|(id, row)| is_revised(id, row));
        self.changed = changed.into_iter().collect();
        revised
    }

    /// The lines that were changed, or whose entries were, with the states that these give them.
    fn lines(&self, drafted: Vec<LineRow>) -> Result<Vec<LineRow>, EscrowError> {
        let key = |line: LineRow| ((line.batch.clone(), line.line), line);
        let mut lines: BTreeMap<_, _> = drafted.into_iter().map(key).collect();
        for row in self.new.iter().chain(self.changed.values()) {
            let Some(key) = row.batch.clone().zip(row.line) else { continue };
            if let btree_map::Entry::Vacant(place) = lines.entry(key) {
                let (batch, line) = place.key();
                if let Some(line) = self.view.line(batch, *line)? {
                    place.insert(line);
                }
            }
        }
        for line in lines.values_mut() {
            let mut entries = self.view.line_entries(&line.batch, line.line)?;
            for entry in &mut entries {
                let changed = EntryId::from_slice(&entry.id).and_then(|id| self.changed.get(&id));
                if let Some(changed) = changed {
                    entry.clone_from(changed);
                }
            }
            let own = |row: &&EntryRow| row.line == Some(line.line) && row.batch.as_ref() == Some(&line.batch);
            entries.extend(self.new.iter().filter(own).cloned());
            line.state = batch::state_of(&entries, line.error.is_some()).to_string();
        }
        Ok(lines.into_values().collect())
    }

    /// A row of the store, if it is what its events made it: nothing is signed on top of what somebody else wrote.
    fn stored(&mut self, entry: EntryId) -> Result<&mut EntryRow, EscrowError> {
        match self.changed.entry(entry) {
            btree_map::Entry::Occupied(row) => Ok(row.into_mut()),
            btree_map::Entry::Vacant(place) => {
                let row = if let Some(row) = self.verified.row(&entry) {
                    row.clone()
                } else {
                    let row = self.view.entry(&entry)?;
                    let row = row.ok_or_else(|| EscrowError::EntryUnknown { text: entry.to_string() })?;
                    history::verify(self.view, self.trust, entry, &row, &mut self.verified)?;
                    row
                };
                self.before.insert(entry, row.clone());
                Ok(place.insert(row))
            }
        }
    }
}
