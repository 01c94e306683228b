//! How an order stands, for those who look at it.

use std::collections::BTreeMap;

use oathburn_escrow::{BatchId, Line};
use oathburn_oath::UnixTime;

use super::Order;
use crate::{Desk, DeskError};

/// How an order stands.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The order, with how many of its lines stand where.
    pub order: Order,
    /// Who holds lines of it now.
    pub on: Vec<OnStation>,
    /// How much somebody has to look at.
    pub conflicts: usize,
}

/// Lines that a station holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnStation {
    /// The station.
    pub station: String,
    /// How many lines.
    pub lines: usize,
    /// When the last of them goes to others, if nothing is heard.
    pub until: UnixTime,
}

impl Desk {
    /// How an order stands.
    pub fn progress(&self, id: BatchId) -> Result<Progress, DeskError> {
        let order = self.order(id)?;
        let mut on: BTreeMap<String, OnStation> = BTreeMap::new();
        let now = self.now();
        for lease in self.escrow.remote_leases(None)? {
            if lease.batch == id && lease.until > now {
                let station = lease.station.clone();
                let held = on.entry(lease.station).or_insert(OnStation { station, lines: 0, until: lease.until });
                (held.lines, held.until) = (held.lines + 1, held.until.max(lease.until));
            }
        }
        let conflicts = self.conflicts(Some(id))?.iter().filter(|(_, conflict)| conflict.settled.is_none()).count();
        Ok(Progress { order, on: on.into_values().collect(), conflicts })
    }

    /// Up to `limit` lines of an order after one, in order.
    pub fn order_lines(&self, id: BatchId, after: u32, limit: usize) -> Result<Vec<Line>, DeskError> {
        self.order(id)?;
        Ok(self.escrow.lines(id, after, limit)?)
    }
}
