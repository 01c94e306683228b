//! A batch: token after token, hands-free, on as many readers as there are.
//!
//! The escrow is the journal. Whatever ends a run, the next one goes on where the escrow says this one was: a line whose
//! burn was begun waits for its token, a line that was not begun takes the next. The loop prints nothing; it tells a
//! [`BatchObserver`].

mod plan;
mod results;
mod run;
mod supply;
mod token;

use std::collections::HashMap;

use oathburn_escrow::{BatchId, EntryId, Facts, LineCounts};
use oathburn_oath::{Algorithm, FamilyId, Remedy, Seed, SerialNumber};
use oathburn_token::{DisplayTimeout, FAMILIES, Slots, TokenFamily, Transport};

pub use self::plan::PlanProblem;
pub use self::results::{LINE_COLUMNS, line_row};
pub use self::run::{BatchEnd, BatchRun};
pub use self::supply::{OneBatch, OpenBatch, Supply};
use crate::{Event, Identified, StationError};

/// A place where tokens are laid: a reader, by whatever wire.
pub trait Place: Send {
    /// Waits until something lies there, asking now and then whether to give up.
    fn wait_for_token(&mut self, interrupted: &dyn Fn() -> bool) -> Result<(), Trouble>;

    /// Waits until what lay there is gone.
    fn wait_for_removal(&mut self, interrupted: &dyn Fn() -> bool) -> Result<(), Trouble>;

    /// Begins a conversation; dropping it ends it and resets the token.
    fn connect(&mut self) -> Result<Box<dyn Transport>, Trouble>;
}

/// Why a place is of no use at the moment.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What can be done about it.
    pub kind: TroubleKind,
    /// A stable code.
    pub code: &'static str,
    /// What happened, for people.
    pub message: String,
    /// What to do, for people.
    pub remedy: Option<String>,
}

/// What a [`Trouble`] calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// We were told to give up.
    Interrupted,
    /// What lies there must be taken off first.
    TakeOff,
    /// The reader or its service is away: look again in a moment.
    Away,
}

/// What a batch's burns have in common. It is kept with the batch, so that whoever resumes it goes on in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// The family whose tokens are burned; `None` for every one with a single slot. Who has a security key of their own
    /// lying about does not want it to get somebody's line.
    pub family: Option<FamilyId>,
    /// Replace seeds that are in use.
    pub replace: bool,
    /// Compare the displayed code after each burn.
    pub verify: bool,
    /// Write to tokens that belong to no known model.
    pub unlisted_model: bool,
    /// Bytes of a generated seed; `None` for 20 with SHA-1 and 32 with the others.
    pub seed_len: Option<usize>,
    /// How long displays stay lit.
    pub display_timeout: DisplayTimeout,
}

impl BatchOptions {
    /// As the escrow keeps them.
    pub fn to_facts(&self) -> Facts {
        let seed_len = self.seed_len.and_then(|len| i64::try_from(len).ok());
        Facts::new()
            .with("replace", i64::from(self.replace))
            .with("verify", i64::from(self.verify))
            .with("unlisted_model", i64::from(self.unlisted_model))
            .with("display_timeout", i64::from(self.display_timeout.seconds()))
            .with_some("seed_len", seed_len)
            .with_some("family", self.family.as_ref().map(FamilyId::as_str))
    }

    /// As the escrow kept them; what is not said allows nothing.
    pub fn from_facts(facts: &Facts) -> Self {
        let flag = |name| facts.number(name) == Some(1);
        let display_timeout = facts.number("display_timeout").and_then(|seconds| u32::try_from(seconds).ok());
        Self {
            family: facts.text("family").and_then(|family| FamilyId::new(family).ok()),
            replace: flag("replace"),
            verify: flag("verify"),
            unlisted_model: flag("unlisted_model"),
            seed_len: facts.number("seed_len").and_then(|len| usize::try_from(len).ok()),
            display_timeout: display_timeout.and_then(DisplayTimeout::from_seconds).unwrap_or_default(),
        }
    }

    /// How many bytes a seed has that is made for a line with this hash.
    pub fn seed_len_for(&self, algorithm: Algorithm) -> usize {
        self.seed_len.unwrap_or_else(|| usual_len(algorithm))
    }

    /// The families whose tokens are burned.
    pub(crate) fn families(&self) -> impl Iterator<Item = &'static dyn TokenFamily> {
        FAMILIES.iter().copied().filter(|family| match &self.family {
            Some(wanted) => family.id() == *wanted,
            None => family.capabilities().slots == Slots::Single,
        })
    }
}

/// How long a seed is unless somebody says it.
fn usual_len(algorithm: Algorithm) -> usize {
    if algorithm == Algorithm::Sha1 { 20 } else { 32 }
}

/// Prescribed seeds that are at hand, by the numbers of their lines. Those that are not are opened by an officer.
pub type Prescribed = HashMap<u32, Seed>;

/// Hears what happens on the readers, from the thread of each.
pub trait BatchObserver: Sync {
    /// Something happened on the reader with this place in the list.
    fn event(&self, reader: usize, event: &BatchEvent<'_>);

    /// Somebody is to switch the token off and on and type the code it shows; `None` when nobody will.
    fn ask_code(&self, reader: usize, serial: &SerialNumber, try_number: u32) -> Option<String>;
}

/// What happens on a reader.
#[derive(Debug)]
pub enum BatchEvent<'a> {
    /// It waits for a token.
    Waiting,
    /// A token said who it is.
    Identified(&'a Identified),
    /// It gets this line.
    Leased {
        /// Its batch.
        batch: BatchId,
        /// The line.
        line: u32,
        /// Its user.
        upn: Option<&'a str>,
    },
    /// A step of its burn.
    Step(&'a Event),
    /// Its line is done.
    Done(&'a DoneLine<'a>),
    /// The token gets no line, and has to be taken off.
    Refused {
        /// Its number, if it told it.
        serial: Option<&'a SerialNumber>,
        /// Why.
        why: &'a dyn Remedy,
    },
    /// The burn broke; the same token laid on again goes on, if it is to.
    Broken {
        /// Its number, if it told it.
        serial: Option<&'a SerialNumber>,
        /// The batch for which it was burned, where there was one.
        batch: Option<BatchId>,
        /// The line that waits for it; `None` when the line is open for any token again.
        line: Option<u32>,
        /// What happened.
        why: &'a dyn Remedy,
    },
    /// A line was given up.
    LineFailed {
        /// Its batch.
        batch: BatchId,
        /// The line.
        line: u32,
        /// Its user.
        upn: Option<&'a str>,
        /// The token that lay there.
        serial: &'a SerialNumber,
        /// Why.
        why: &'a dyn Remedy,
    },
    /// The displayed code was compared, or nobody typed one.
    Compared {
        /// How many steps the token is ahead; `None` when no code was compared.
        drift_steps: Option<i64>,
    },
    /// The token has to be taken off.
    TakeOff,
    /// The reader or its service is away; it is looked for until it is back.
    Away(&'a Trouble),
    /// The run ends: nothing can be burned any more.
    Stopped(&'a StationError),
}

/// A line that is done.
#[derive(Debug)]
pub struct DoneLine<'a> {
    /// Its batch.
    pub batch: BatchId,
    /// The line.
    pub line: u32,
    /// Its user.
    pub upn: Option<&'a str>,
    /// The service.
    pub issuer: Option<&'a str>,
    /// What is printed beside the user.
    pub label: Option<&'a str>,
    /// The token.
    pub serial: &'a SerialNumber,
    /// Its model.
    pub model: Option<&'a str>,
    /// Its entry.
    pub entry: EntryId,
    /// Its clock minus ours, in seconds.
    pub drift_seconds: Option<i64>,
    /// How the lines stand now, as far as this run knows.
    pub counts: LineCounts,
    /// How many of those that are left are here, where others are elsewhere.
    pub at_hand: Option<u64>,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Trouble {}

impl Remedy for Trouble {
    fn code(&self) -> &'static str {
        self.code
    }

    fn remedy(&self) -> Option<String> {
        self.remedy.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_their_facts() {
        let options = BatchOptions {
            family: Some(FamilyId::new("molto2").unwrap()),
            replace: true,
            verify: false,
            unlisted_model: true,
            seed_len: Some(32),
            display_timeout: DisplayTimeout::S120,
        };
        assert_eq!(BatchOptions::from_facts(&options.to_facts()), options);
        let nothing = BatchOptions::from_facts(&Facts::new());
        assert!(!nothing.replace && !nothing.unlisted_model && nothing.seed_len.is_none());
        let ids = |options: BatchOptions| options.families().map(|family| family.id().to_string()).collect::<Vec<_>>();
        assert_eq!((ids(options), ids(nothing)), (vec!["molto2".into()], vec!["token2-single".into()]));
    }
}
