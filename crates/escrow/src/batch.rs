//! Batches: lists of tokens to be burned. The escrow is their journal.
//!
//! Who is on which line is signed when a batch is made. What becomes of a line is told by the events of the entries that
//! were reserved for it, and by its own when it failed: nothing about a line is stored that its events do not say.

use oathburn_oath::{Digits, Seed, SerialNumber, TimeStep, TotpParams, UnixTime};

use crate::entry::named;
use crate::store::{BatchRow, EntryRow, HolderRow, LineRow};
use crate::{BatchId, Entry, EntryId, EscrowError, Facts};

named! {
    /// Where a batch stands.
    BatchState {
        /// Lines are left.
        Running = "running",
        /// Every line is done or has failed.
        Finished = "finished",
        /// Given up: lines that were left are not burned any more.
        Cancelled = "cancelled",
    }
}

named! {
    /// Where a line stands.
    LineState {
        /// Nothing was begun.
        Open = "open",
        /// A burn was begun and not finished: the line belongs to that token.
        Reserved = "reserved",
        /// Its token was programmed and read back.
        Done = "done",
        /// It was given up.
        Failed = "failed",
    }
}

impl LineState {
    /// Whether there is work left on it.
    pub const fn is_left(self) -> bool {
        matches!(self, Self::Open | Self::Reserved)
    }
}

/// A batch to be.
#[derive(Debug)]
pub struct NewBatch<'a> {
    /// What people call it: the name of the list.
    pub name: &'a str,
    /// What whoever resumes it has to know; never a secret.
    pub options: Facts,
    /// Its lines, in order.
    pub lines: &'a [NewLine],
}

/// A line to be.
#[derive(Debug)]
pub struct NewLine {
    /// The user.
    pub upn: Option<String>,
    /// The only token that will do.
    pub serial: Option<SerialNumber>,
    /// The service the seed is for.
    pub issuer: Option<String>,
    /// What is printed beside the user.
    pub label: Option<String>,
    /// How its codes are to be made.
    pub params: TotpParams,
    /// The seed to burn, if it is prescribed. It is sealed when the batch is made.
    pub seed: Option<Seed>,
}

/// A batch as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Which batch.
    pub id: BatchId,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: UnixTime,
    /// What was said when it was made.
    pub options: Facts,
    /// Where it stands.
    pub state: BatchState,
    /// When it was finished or cancelled.
    pub ended_at: Option<UnixTime>,
    /// How many lines it has.
    pub lines: u64,
    /// How many of them stand where.
    pub counts: LineCounts,
}

/// How many lines stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Not begun.
    pub open: u64,
    /// Begun and not finished.
    pub reserved: u64,
    /// Done.
    pub done: u64,
    /// Failed.
    pub failed: u64,
}

impl LineCounts {
    /// Lines on which there is work left.
    pub const fn left(self) -> u64 {
        self.open + self.reserved
    }
}

/// A line as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its place in the batch, counted from 1.
    pub number: u32,
    /// The user.
    pub upn: Option<String>,
    /// The only token that will do.
    pub serial: Option<SerialNumber>,
    /// The service.
    pub issuer: Option<String>,
    /// What is printed beside the user.
    pub label: Option<String>,
    /// How its codes are made.
    pub params: TotpParams,
    /// The entry that holds the prescribed seed, if there is one.
    pub seed: Option<EntryId>,
    /// Where it stands.
    pub state: LineState,
    /// Why it failed, and when.
    pub failure: Option<(String, UnixTime)>,
    /// The entry that was burned for it, or is being burned: the newest that counts.
    pub entry: Option<Entry>,
}

/// The right to burn one line, while it lasts. It is given back by [`Escrow::release`](crate::Escrow::release).
#[derive(Debug)]
pub struct Lease {
    /// Of which batch.
    pub batch: BatchId,
    /// The line, as its signed events say it.
    pub line: Line,
    /// Who holds it.
    pub(crate) holder: HolderRow,
}

/// What a token gets that comes to be burned.
#[derive(Debug)]
pub enum Claim {
    /// This line.
    Leased(Box<Lease>),
    /// The line that is meant for it is being worked on by another reader or process.
    Busy {
        /// Which one.
        line: u32,
    },
    /// The line that is meant for this token has ended.
    Ended {
        /// Which one.
        line: u32,
        /// How.
        state: LineState,
    },
    /// No line is open for it.
    Nothing,
}

impl Batch {
    pub(crate) fn read(row: &BatchRow, counts: LineCounts) -> Result<Self, EscrowError> {
        let id = BatchId::from_slice(&row.id);
        let name = id.map_or_else(|| data_encoding::HEXLOWER.encode(&row.id), |id| id.to_string());
        let damaged = |column: &str| EscrowError::Damaged {
            table: "batches",
            row: name.clone(),
            problem: format!("its {column} is not one"),
        };
        let time = |value: i64| u64::try_from(value).map(UnixTime::new).map_err(|_| damaged("time"));
        Ok(Self {
            id: id.ok_or_else(|| damaged("id"))?,
            name: row.name.clone(),
            created_at: time(row.created_at)?,
            options: Facts::from_json(&row.options).ok_or_else(|| damaged("options"))?,
            state: BatchState::from_name(&row.state).ok_or_else(|| damaged("state"))?,
            ended_at: row.ended_at.map(time).transpose()?,
            lines: u64::try_from(row.lines).map_err(|_| damaged("lines"))?,
            counts,
        })
    }
}

impl Line {
    /// Reads a row; what is not a line of ours is damage.
    pub(crate) fn read(row: &LineRow, entries: &[EntryRow]) -> Result<Self, EscrowError> {
        let damaged = |column: &str| row.damaged(&format!("its {column} is not one"));
        let digits = u8::try_from(row.digits).ok().and_then(|digits| Digits::new(digits).ok());
        let step = u32::try_from(row.time_step).ok().and_then(|step| TimeStep::new(step).ok());
        let failure = row.error.clone().zip(row.failed_at);
        let failed_at = |time: i64| u64::try_from(time).map(UnixTime::new).map_err(|_| damaged("time"));
        let serial = row.serial.as_deref().map(|serial| SerialNumber::new(serial).map_err(|_| damaged("serial")));
        let seed = row.seed.as_deref().map(|seed| EntryId::from_slice(seed).ok_or_else(|| damaged("seed")));
        Ok(Self {
            number: u32::try_from(row.line).map_err(|_| damaged("number"))?,
            upn: row.upn.clone(),
            serial: serial.transpose()?,
            issuer: row.issuer.clone(),
            label: row.label.clone(),
            params: TotpParams {
                algorithm: row.algorithm.parse().map_err(|_| damaged("algorithm"))?,
                digits: digits.ok_or_else(|| damaged("digits"))?,
                step: step.ok_or_else(|| damaged("time_step"))?,
            },
            seed: seed.transpose()?,
            state: LineState::from_name(&row.state).ok_or_else(|| damaged("state"))?,
            failure: failure.map(|(error, time)| Ok((error, failed_at(time)?))).transpose()?,
            entry: deciding(entries).map(Entry::try_from).transpose()?,
        })
    }
}

/// Of the entries of a line, oldest first, the one that tells where it stands: the one on its token, or else the one
/// that is being burned.
fn deciding(entries: &[EntryRow]) -> Option<&EntryRow> {
    let programmed = entries.iter().rev().find(|entry| entry.programmed_at.is_some());
    programmed.or_else(|| entries.iter().rev().find(|entry| is_unfinished(entry)))
}

fn is_unfinished(entry: &EntryRow) -> bool {
    crate::EntryState::from_name(&entry.state).is_some_and(crate::EntryState::is_unfinished)
}

/// What the entries of a line and its failure make of it. A token that was programmed is done, whatever was thought of
/// its line before.
pub(crate) fn state_of(entries: &[EntryRow], failed: bool) -> LineState {
    if entries.iter().any(|entry| entry.programmed_at.is_some()) {
        LineState::Done
    } else if failed {
        LineState::Failed
    } else if entries.iter().any(is_unfinished) {
        LineState::Reserved
    } else {
        LineState::Open
    }
}
