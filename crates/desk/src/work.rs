//! Work: orders of burns that an admin gives at the desk, and that stations far away carry out.
//!
//! An order is a batch in the escrow. Its seeds are all made, and sealed, when it is given, so that the helpdesk has codes
//! before any token is burned. Stations lease lines, for a time; each gets the seeds of its lines sealed to its own key, burns,
//! and reports, hours later if need be. What it reports is written into the escrow in its name.
//!
//! A line is given to another station only when its lease has ended and some more time has passed, so that no two stations
//! that keep to their leases burn it. What is reported in spite of that is never lost: it is kept beside, for an admin to
//! look at ([`Conflict`]).

mod conflict;
mod export;
mod lease;
mod list;
mod order;
mod progress;
mod report;
mod results;
#[cfg(test)]
mod tests;
pub mod wire;

use oathburn_escrow::{PublicKeys, RemoteHolder};

pub use self::conflict::{Conflict, ConflictKind, Settled, Settlement};
pub use self::list::RowFault;
pub(crate) use self::list::{Judged, Terms};
pub use self::order::{Audience, NewOrder, Order};
pub use self::progress::{OnStation, Progress};

/// For how long leases last, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// For so long a station may work on a line.
    pub seconds: u64,
    /// For so much longer nobody else gets it: clocks run differently, and a burn may just have begun.
    pub grace: u64,
}

impl Default for LeaseTerms {
    /// Half a day, and half an hour.
    fn default() -> Self {
        Self { seconds: 12 * 3600, grace: 30 * 60 }
    }
}

/// A station that is signed in, as far as work is concerned.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its MAC ID: what it is called in leases and in the audit.
    pub station: String,
    /// Where it is.
    pub location: String,
    /// Its keys.
    pub keys: PublicKeys,
    /// The account that it acts for.
    pub operator: Option<String>,
}

impl Worker {
    /// In whose name it holds leases.
    pub(crate) fn holder(&self) -> RemoteHolder {
        RemoteHolder::new(&self.station)
    }

    /// Who does what it does: its account, or the machine itself.
    pub(crate) fn operator(&self) -> &str {
        self.operator.as_deref().unwrap_or(&self.station)
    }
}
