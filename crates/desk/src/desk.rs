//! The desk itself: what is behind all pages.

use std::net::IpAddr;
use std::sync::Arc;

use oathburn_escrow::{Deed, Escrow, Fact, Facts, Opener, Records};
use oathburn_oath::{Clock, UnixTime};

use crate::journal::Journal;
use crate::scripts::Pace;
use crate::stations::Register;
use crate::work::LeaseTerms;
use crate::{DeskError, HelpdeskLimits, Limits};

/// How a desk is set up. Desks that share an escrow should be set up alike.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose desk it is: shown on every page, and at a station that was let in.
    pub organisation: String,
    /// Addresses that pass on the requests of others and say whose they are in `X-Forwarded-For`.
    pub proxies: Vec<IpAddr>,
    /// What one who asks may cost.
    pub limits: Limits,
    /// For how long stations get lines.
    pub leases: LeaseTerms,
    /// What a clerk of the helpdesk may do.
    pub helpdesk: HelpdeskLimits,
    /// Addresses beside this machine that may read `/metrics`.
    pub metrics_for: Vec<IpAddr>,
    /// How often one script may ask this desk within a second.
    pub requests_per_script: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            organisation: "oathburn".into(),
            proxies: Vec::new(),
            limits: Limits::default(),
            leases: LeaseTerms::default(),
            helpdesk: HelpdeskLimits::default(),
            metrics_for: Vec::new(),
            requests_per_script: 100,
        }
    }
}

/// An escrow with an officer's key at hand, and the records beside it. It is synchronous.
pub struct Desk {
    pub(crate) escrow: Escrow,
    pub(crate) opener: Arc<Opener>,
    pub(crate) records: Records,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) journal: Journal,
    pub(crate) pace: Pace,
    register: Register,
    settings: Settings,
}

impl Desk {
    /// Opens the records of an escrow's desk, which is noted, or makes them at the first use. The clock is the escrow's.
    pub fn open(escrow: Escrow, opener: Opener, clock: Arc<dyn Clock>, settings: Settings) -> Result<Self, DeskError> {
        let records = escrow.records(&opener)?;
        let opener = Arc::new(opener);
        let (own, key, time) = (records.clone(), Arc::clone(&opener), Arc::clone(&clock));
        let register = Register::new(&escrow, own, key, time, &settings.organisation);
        let journal = Journal::new(records.clone(), Arc::clone(&opener));
        Ok(Self { escrow, opener, records, clock, journal, pace: Pace::default(), register, settings })
    }

    /// The stations that it knows.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// How it is set up.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The escrow that it serves.
    pub fn escrow(&self) -> &Escrow {
        &self.escrow
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }
}

/// What somebody does, for the escrow's audit: `what` is a word such as `station-added`.
pub(crate) fn deed(operator: &str, what: &str) -> Deed {
    Deed { operator: operator.into(), facts: Facts::new().with("deed", what), ..Deed::default() }
}

/// What a deed says more. Facts are in clear: never a secret, never a code.
pub(crate) trait DeedFacts {
    /// One fact more.
    fn with(self, name: &str, fact: impl Into<Fact>) -> Self;

    /// Where it came from.
    fn with_address(self, address: &str) -> Self;
}

impl DeedFacts for Deed {
    fn with(mut self, name: &str, fact: impl Into<Fact>) -> Self {
        self.facts = self.facts.with(name, fact);
        self
    }

    fn with_address(self, address: &str) -> Self {
        self.with("address", address)
    }
}

/// Says whose it is, never what it knows.
impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("escrow", &self.escrow.id()).finish_non_exhaustive()
    }
}
