//! Every event verified, every chain followed.

use std::collections::{HashMap, HashSet};

use data_encoding::HEXLOWER;

use super::{event_finding, finding};
use crate::audit::{self, DUPLICATE_KEYS, SESSIONS, Verified, WrapTable};
use crate::escrow::EVENTS;
use crate::roster::Trust;
use crate::store::{ChainHead, EventRow, View, WrapRow};
use crate::{CheckReport, EscrowError, EscrowId, EventFilter, EventId, EventKind, Facts, Finding, WriterId};

/// What the verified events say of rows that are not entries.
pub(super) struct Chains {
    escrow: EscrowId,
    created_at: Option<i64>,
    rosters: HashMap<i64, String>,
    wraps: HashMap<(&'static str, Vec<u8>), Wraps>,
    /// The numbers of writers who signed something.
    writers: HashSet<i64>,
    /// Which event made a batch.
    batches: HashMap<String, Made>,
    /// What became of batches, in no particular order.
    turns: Vec<Turn>,
}

/// Where and when a batch was made.
pub(super) struct Made {
    pub(super) writer: Vec<u8>,
    pub(super) sequence: i64,
    pub(super) time: i64,
    pub(super) facts: Facts,
}

/// What an event says of a batch after it was made.
pub(super) struct Turn {
    batch: String,
    pub(super) revision: i64,
    pub(super) kind: EventKind,
    pub(super) time: i64,
    pub(super) line: Option<i64>,
    pub(super) error: Option<String>,
}

/// What events say of one wrapped key.
#[derive(Default)]
struct Wraps {
    /// A key is wrapped anew for another roster: the one that counts is that of the latest.
    signed: Vec<Signed>,
    dropped: bool,
}

/// What an event says of a wrapped key.
struct Signed {
    /// The version of the roster to which it was wrapped.
    roster: i64,
    digest: [u8; 32],
    /// The number of the event's writer.
    writer: i64,
    sequence: i64,
}

/// How far one chain was followed.
struct Link {
    writer: i64,
    head: ChainHead,
    roster: i64,
}

impl Chains {
    pub(super) fn verify(view: &dyn View, trust: &Trust, report: &mut CheckReport) -> Result<Self, EscrowError> {
        let mut chains = Self {
            escrow: trust.escrow(),
            created_at: None,
            rosters: HashMap::new(),
            wraps: HashMap::new(),
            writers: HashSet::new(),
            batches: HashMap::new(),
            turns: Vec::new(),
        };
        let mut link = Link { writer: i64::MIN, head: ChainHead::default(), roster: 0 };
        let mut reached = HashMap::new();
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let page = view.events(&EventFilter::default(), after, EVENTS)?;
            let Some(last) = page.last() else {
                check_closings(trust, &reached, report);
                return Ok(chains);
            };
            after = (last.writer_number, last.sequence);
            for event in &page {
                report.events += 1;
                link.follow(event, report);
                if let Some(writer) = WriterId::from_slice(&event.writer) {
                    let expected = trust.closed_at(&writer, event.sequence);
                    if expected.is_some_and(|hash| event.hash != hash) {
                        let problem = "it is not the one at which the roster closed the chain";
                        report.findings.push(finding_of(event, problem));
                    }
                    reached.insert(writer, event.sequence);
                }
                match audit::verify(trust, event) {
                    Ok(verified) => chains.learn(event, &verified),
                    Err(problem) => report.findings.push(finding_of(event, problem)),
                }
            }
        }
    }

    fn learn(&mut self, event: &EventRow, verified: &Verified) {
        self.writers.insert(event.writer_number);
        let text = |name: &str| verified.facts.text(name).unwrap_or_default().to_owned();
        match verified.kind {
            EventKind::EscrowCreated => self.created_at = Some(event.time),
            EventKind::RosterSigned => {
                self.rosters.insert(verified.facts.number("version").unwrap_or(0), text("hash"));
            }
            EventKind::BatchCreated => {
                let (writer, sequence, time) = (event.writer.clone(), event.sequence, event.time);
                let facts = verified.facts.clone();
                self.batches.insert(text("batch"), Made { writer, sequence, time, facts });
            }
            kind @ (EventKind::LineFailed
            | EventKind::BatchReopened
            | EventKind::BatchFinished
            | EventKind::BatchCancelled) => self.turns.push(Turn {
                batch: text("batch"),
                revision: verified.facts.number("revision").unwrap_or(0),
                kind,
                time: event.time,
                line: verified.facts.number("line"),
                error: verified.facts.text("error").map(Into::into),
            }),
            _ => {}
        }
        for table in [SESSIONS, DUPLICATE_KEYS] {
            if [table.kind, table.again].contains(&verified.kind) {
                let id = HEXLOWER.decode(text("key").as_bytes()).unwrap_or_default();
                let digest = HEXLOWER.decode(text("digest").as_bytes()).ok().and_then(|digest| digest.try_into().ok());
                let roster = audit::wrapped_for(event, &verified.facts);
                let (writer, sequence) = (event.writer_number, event.sequence);
                let signed = Signed { roster, digest: digest.unwrap_or_default(), writer, sequence };
                self.wraps.entry((table.table, id)).or_default().signed.push(signed);
            } else if verified.kind == table.dropped {
                for id in audit::dropped(&verified.facts) {
                    self.wraps.entry((table.table, id)).or_default().dropped = true;
                }
            }
        }
    }

    /// The batches that were made.
    pub(super) fn batches(&self) -> impl Iterator<Item = (&String, &Made)> {
        self.batches.iter()
    }

    /// What made a batch.
    pub(super) fn made(&self, batch: &str) -> Option<&Made> {
        self.batches.get(batch)
    }

    /// What became of a batch, in order.
    pub(super) fn turns(&self, batch: &str) -> Vec<&Turn> {
        let mut turns: Vec<_> = self.turns.iter().filter(|turn| turn.batch == batch).collect();
        turns.sort_by_key(|turn| turn.revision);
        turns
    }

    /// When the escrow was made.
    pub(super) fn created_at(&self) -> Option<i64> {
        self.created_at
    }

    /// The hash of a version of the roster, as an event tells it.
    pub(super) fn roster_hash(&self, version: u64) -> Option<&String> {
        self.rosters.get(&i64::try_from(version).ok()?)
    }

    /// The versions of the roster that events tell of.
    pub(super) fn roster_versions(&self) -> impl Iterator<Item = u64> {
        self.rosters.keys().filter_map(|version| u64::try_from(*version).ok())
    }

    /// Whether the writer with this number signed anything.
    pub(super) fn has(&self, writer: i64) -> bool {
        self.writers.contains(&writer)
    }

    /// The ids of the wrapped keys of a table that there must be.
    pub(super) fn wraps(&self, table: WrapTable) -> impl Iterator<Item = &Vec<u8>> {
        let of_table = self.wraps.iter().filter(move |((name, _), _)| *name == table.table);
        of_table.filter(|(_, wraps)| !wraps.dropped).map(|((_, id), _)| id)
    }

    /// What is wrong with a wrapped key, if anything is.
    pub(super) fn wrap_finding(&self, table: WrapTable, row: &WrapRow) -> Option<Finding> {
        let found = |column, problem: &str| Some(finding(table.table, row.name(), column, problem));
        let Some(wraps) = self.wraps.get(&(table.table, row.id.clone())) else {
            return found(None, "no event tells of it");
        };
        if wraps.dropped {
            return found(None, "it was deleted, as an event tells, and is back");
        }
        let digest = row.digest(table.domain, &self.escrow);
        let Some(signed) = wraps.signed.iter().max_by_key(|signed| signed.roster) else {
            return found(None, "no event tells of it");
        };
        if signed.digest != digest {
            let older = wraps.signed.iter().any(|signed| signed.digest == digest);
            let problem =
                if older { "an older wrap of the key was put back" } else { "it is not what its event signed" };
            return found(None, problem);
        }
        if signed.writer != row.writer_number {
            return found(Some("writer"), "its event was signed by another writer");
        }
        if signed.sequence != row.sequence {
            return found(Some("sequence"), "its event has another place in the chain");
        }
        None
    }
}

/// The chains of those who were taken off the roster must reach as far as the roster says.
fn check_closings(trust: &Trust, reached: &HashMap<WriterId, i64>, report: &mut CheckReport) {
    for (version, closing) in trust.closings() {
        let last = reached.get(&closing.writer).copied().unwrap_or(0);
        if let (true, Ok(sequence)) = (last < closing.sequence, u64::try_from(last + 1)) {
            let id = EventId { writer: closing.writer, sequence };
            let problem = format!("it is missing: version {version} of the roster knows the chain longer");
            report.findings.push(event_finding(id, problem));
        }
    }
}

impl Link {
    /// Compares an event with the one before it in its chain.
    fn follow(&mut self, event: &EventRow, report: &mut CheckReport) {
        if event.writer_number != self.writer {
            *self = Self { writer: event.writer_number, head: ChainHead::default(), roster: 0 };
        }
        let mut problems = Vec::new();
        let expected = self.head.sequence + 1;
        if event.sequence > expected {
            let problem = match event.sequence - 1 {
                last if last == expected => "it is missing".to_owned(),
                last => format!("it and those up to {last} are missing"),
            };
            report.findings.push(finding_at(event, expected, problem));
        } else if event.sequence < expected || event.previous != self.head.hash {
            problems.push("it does not follow the event before it".to_owned());
        }
        if event.roster < self.roster {
            problems.push("it goes back to an older roster".to_owned());
        }
        for (touch, position) in event.touched.iter().zip(1..) {
            if touch.position != position {
                problems.push(format!("the entry at position {position} is missing"));
                break;
            }
        }
        report.findings.extend(problems.into_iter().map(|problem| finding_of(event, problem)));
        self.head = ChainHead { sequence: event.sequence, hash: event.hash.clone() };
        self.roster = event.roster;
    }
}

fn finding_of(event: &EventRow, problem: impl Into<String>) -> Finding {
    finding_at(event, event.sequence, problem)
}

/// A finding at some place of the chain that an event belongs to.
fn finding_at(event: &EventRow, sequence: i64, problem: impl Into<String>) -> Finding {
    match (WriterId::from_slice(&event.writer), u64::try_from(sequence)) {
        (Some(writer), Ok(sequence)) => event_finding(EventId { writer, sequence }, problem),
        _ => finding("events", format!("{}/{sequence}", event.writer_number), None, problem),
    }
}
