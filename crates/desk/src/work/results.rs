//! What became of the lines of an order, as a table; and lines that wait.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oathburn_escrow::{BatchId, EntryState, Filter, Line, LineState, RemoteHolder};
use oathburn_oath::UnixTime;
use oathburn_station::{LINE_COLUMNS, line_row};

use crate::stations::csv;
use crate::{Desk, DeskError};

/// How many waiting lines are shown.
const MOST: usize = 100;
/// Lines that are read at a time.
const PAGE: usize = 500;

impl Desk {
    /// One row for each line, in order, in the columns of `oathburn batch results`, and the station's.
    pub fn order_results(&self, id: BatchId) -> Result<String, DeskError> {
        self.order(id)?;
        let (mut rows, mut after) = (Vec::new(), 0);
        loop {
            let lines = self.escrow.lines(id, after, PAGE)?;
            let Some(last) = lines.last() else { break };
            after = last.number;
            let stations = self.stations_of(id, &lines)?;
            rows.extend(lines.iter().map(|line| {
                let station = stations.get(&line.number).cloned().unwrap_or_default();
                line_row(line, rfc3339).into_iter().chain([station]).collect::<Vec<_>>()
            }));
        }
        let header: Vec<_> = LINE_COLUMNS.into_iter().chain(["station"]).collect();
        Ok(csv::write(&header, rows.iter().map(|row| row.iter().map(String::as_str).collect())))
    }

    /// Which station has which of these lines of an order, or told what became of it.
    pub fn stations_of(&self, id: BatchId, lines: &[Line]) -> Result<BTreeMap<u32, String>, DeskError> {
        let now = self.now();
        let held = self.escrow.remote_leases(None)?.into_iter().filter(|lease| lease.batch == id && lease.until > now);
        let mut stations: BTreeMap<u32, String> = held.map(|lease| (lease.line, lease.station)).collect();
        for line in lines.iter().filter(|line| line.state != LineState::Open) {
            if let Some(station) = self.who_told(id, line)? {
                stations.insert(line.number, station);
            }
        }
        Ok(stations)
    }

    /// Lines that were begun and wait for their token.
    pub fn waiting_lines(&self, id: BatchId) -> Result<Vec<Line>, DeskError> {
        let states = vec![EntryState::Reserved, EntryState::Unknown];
        let begun = Filter { batch: Some(id), states, ..Filter::default() };
        let mut numbers: Vec<u32> = Vec::new();
        for entry in self.escrow.entries(&begun)? {
            // The seeds of open lines are kept in entries, too.
            numbers.extend(entry.line.filter(|_| entry.identity.family.as_str() != oathburn_escrow::LINE_FAMILY));
        }
        numbers.sort_unstable();
        numbers.dedup();
        let mut lines = Vec::new();
        for number in numbers.into_iter().take(MOST) {
            lines.extend(self.escrow.line(id, number)?.filter(|line| line.state == LineState::Reserved));
        }
        Ok(lines)
    }

    /// Takes a line away from a token that cannot be finished: it is open for another. A station that holds it is told when
    /// it asks.
    pub fn release_line(&self, person: &str, id: BatchId, line: u32, reason: &str) -> Result<(), DeskError> {
        self.order(id)?;
        if reason.trim().is_empty() {
            return Err(DeskError::ReasonMissing);
        }
        let found = self.escrow.line(id, line)?.and_then(|line| line.entry);
        let entry = found.filter(|entry| entry.state.is_unfinished()).ok_or(DeskError::Settled)?;
        self.escrow.acting_for(person).supersede(entry.id, Some(reason.trim()))?;
        for lease in self.escrow.remote_leases(None)? {
            if (lease.batch, lease.line) == (id, line) {
                self.escrow.release_remote(&RemoteHolder::new(&lease.station), (Some(id), Some(line)))?;
            }
        }
        Ok(())
    }
}

fn rfc3339(time: UnixTime) -> String {
    let timestamp = i64::try_from(time.seconds()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| time.seconds().to_string(), |timestamp| timestamp.to_string())
}
