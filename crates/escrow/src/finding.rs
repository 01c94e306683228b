//! What a check finds.

use std::fmt;

use crate::{EntryId, EventId};

/// Something in the store that is not as its signed events say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// The row, by its key.
    pub row: String,
    /// The column, where one alone is at fault.
    pub column: Option<&'static str>,
    /// The entry it concerns.
    pub entry: Option<EntryId>,
    /// The event it concerns.
    pub event: Option<EventId>,
    /// What is wrong, for people.
    pub problem: String,
}

/// `entries 0198…, column upn: …`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.table, self.row)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// What was checked, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// All that is wrong; empty when the store is sound.
    pub findings: Vec<Finding>,
    /// Entries that were compared with their events.
    pub entries: u64,
    /// Seals that were opened and compared with their rows; 0 without an officer.
    pub opened: u64,
    /// Events whose signatures and chains were verified.
    pub events: u64,
    /// Versions of the roster.
    pub rosters: u64,
    /// Sealing sessions.
    pub sessions: u64,
    /// Lines of batches that were compared with their events.
    pub lines: u64,
    /// Records of the desk; their seals were opened if there was an officer.
    pub records: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}
