//! What admins do with stations, singly or with many at once.

use oathburn_escrow::Facts;
use oathburn_oath::UnixTime;

use super::rows::Draft;
use super::{Register, SEEN, STATION, retrying, selection};
use crate::stations::csv::{self, StationRow};
use crate::stations::{MacId, RegisterError, Station, StationsFault, StationsProblem};

/// The longest name of an account, in characters.
const MAX_NAME: usize = 128;

/// What became of a deed that was done to many stations.
#[derive(Debug, Default)]
pub struct Bulk {
    /// With these it was done, all at once.
    pub done: Vec<MacId>,
    /// With these it could not be done.
    pub skipped: Vec<RegisterError>,
}

impl Register {
    /// Registers the stations of a CSV file: all of them, or none and every problem.
    pub fn add_file(&self, by: &str, file: &[u8]) -> Result<Vec<MacId>, RegisterError> {
        let rows = csv::read_stations(file).map_err(|problems| RegisterError::Rows { problems })?;
        self.add(by, &rows)
    }

    /// Registers stations that were typed, each with its location; pairs of which nothing was typed are passed over.
    pub fn add_typed(&self, by: &str, pairs: &[(String, String)]) -> Result<Vec<MacId>, RegisterError> {
        let (mut rows, mut problems) = (Vec::new(), Vec::new());
        let mut first_rows = std::collections::HashMap::new();
        for (index, (mac, location)) in pairs.iter().enumerate() {
            let row = index + 1;
            if mac.trim().is_empty() && location.trim().is_empty() {
                continue;
            }
            let mut problem =
                |column: &str, fault| problems.push(StationsProblem { row, column: Some(column.into()), fault });
            let mac = mac.parse::<MacId>().and_then(|mac| match *first_rows.entry(mac).or_insert(row) {
                first if first == row => Ok(mac),
                first => Err(StationsFault::MacTwice { first }),
            });
            let mac = mac.map_err(|fault| problem("MAC ID", fault));
            let location = csv::location(location).map_err(|fault| problem("Location", fault));
            if let (Ok(mac), Ok(location)) = (mac, location) {
                rows.push(StationRow { row, mac, location });
            }
        }
        match (problems.is_empty(), rows.is_empty()) {
            (false, _) => Err(RegisterError::Rows { problems }),
            (true, true) => Err(StationsFault::MacMissing.into()),
            (true, false) => self.add(by, &rows),
        }
    }

    /// Registers stations: all of them, or none and every one that is registered already.
    pub fn add(&self, by: &str, rows: &[StationRow]) -> Result<Vec<MacId>, RegisterError> {
        let macs = selection(&rows.iter().map(|row| row.mac).collect::<Vec<_>>())?;
        retrying(|| {
            let mut registered = std::collections::HashSet::new();
            for &mac in &macs {
                if self.get(mac)?.is_some() {
                    registered.insert(mac);
                }
            }
            csv::refuse_registered(rows, |mac| registered.contains(&mac))
                .map_err(|problems| RegisterError::Rows { problems })?;
            let mut draft = Draft::default();
            for row in rows {
                let station = Station::new(row.mac, row.location.clone(), by, self.now());
                draft.put(STATION, &self.id(STATION, row.mac), None, None, &station);
            }
            self.commit(&Self::deed(by, "stations-added", &macs), draft)
        })?;
        Ok(macs)
    }

    /// Signs stations in that wait for it or were signed out, to act for this account.
    pub fn sign_in(&self, by: &str, macs: &[MacId], operator: &str) -> Result<Bulk, RegisterError> {
        let operator = account(operator)?;
        let facts = Facts::new().with("account", operator.as_str());
        self.each(by, ("stations-signed-in", &facts), macs, |station, now| station.sign_in(&operator, by, now))
    }

    /// Signs stations out; they can be signed in again at any time.
    pub fn sign_out(&self, by: &str, macs: &[MacId]) -> Result<Bulk, RegisterError> {
        self.each(by, ("stations-signed-out", &Facts::new()), macs, |station, now| station.sign_out(by, now))
    }

    /// Takes the worth of the keys and codes of stations, from the next request on.
    pub fn revoke(&self, by: &str, macs: &[MacId]) -> Result<Bulk, RegisterError> {
        self.each(by, ("stations-revoked", &Facts::new()), macs, |station, now| station.revoke(by, now))
    }

    /// Has stations wait on their activation again.
    pub fn begin_anew(&self, by: &str, macs: &[MacId]) -> Result<Bulk, RegisterError> {
        self.each(by, ("stations-begun-anew", &Facts::new()), macs, |station, now| station.begin_anew(by, now))
    }

    /// Asks stations that wait for sign-in to show a login code.
    pub fn fetch_login_codes(&self, by: &str, macs: &[MacId]) -> Result<Bulk, RegisterError> {
        self.each(by, ("login-codes-fetched", &Facts::new()), macs, Station::fetch)
    }

    /// Takes back the verification codes of stations that can still be used; says of how many.
    pub fn revoke_codes(&self, by: &str, macs: &[MacId]) -> Result<Bulk, RegisterError> {
        self.each(by, ("verification-codes-revoked", &Facts::new()), macs, |station, now| {
            if station.revoke_code(now) { Ok(()) } else { Err(RegisterError::NoCode { mac: station.mac }) }
        })
    }

    /// Changes where a station is.
    pub fn relocate(&self, by: &str, mac: MacId, location: &str) -> Result<(), RegisterError> {
        let location = csv::location(location)?;
        let facts = Facts::new().with("location", location.as_str());
        let bulk = self.each(by, ("station-moved", &facts), &[mac], |station, _| {
            station.location.clone_from(&location);
            Ok(())
        })?;
        bulk.only()
    }

    /// Takes stations off the register that are not activated.
    pub fn remove(&self, by: &str, macs: &[MacId]) -> Result<Bulk, RegisterError> {
        let macs = selection(macs)?;
        retrying(|| {
            let (mut draft, mut bulk) = (Draft::default(), Bulk::default());
            for &mac in &macs {
                match self.get(mac)? {
                    None => bulk.skipped.push(RegisterError::NotRegistered { mac }),
                    Some((station, _)) if station.state.is_activated() => {
                        bulk.skipped.push(RegisterError::StillActivated { mac });
                    }
                    Some((_, version)) => {
                        draft.delete(STATION, &self.id(STATION, mac), version);
                        self.forget_seen(mac, &mut draft)?;
                        bulk.done.push(mac);
                    }
                }
            }
            self.finish(by, ("stations-removed", &Facts::new()), draft, bulk)
        })
    }

    /// Does something to each station of a selection, where it can be done, and writes all of it at once.
    pub(super) fn each(
        &self,
        by: &str,
        what: (&str, &Facts),
        macs: &[MacId],
        mut change: impl FnMut(&mut Station, UnixTime) -> Result<(), RegisterError>,
    ) -> Result<Bulk, RegisterError> {
        let macs = selection(macs)?;
        retrying(|| {
            let (mut draft, mut bulk) = (Draft::default(), Bulk::default());
            for &mac in &macs {
                let Some((mut station, version)) = self.get(mac)? else {
                    bulk.skipped.push(RegisterError::NotRegistered { mac });
                    continue;
                };
                match change(&mut station, self.now()) {
                    Ok(()) => {
                        draft.put(STATION, &self.id(STATION, mac), Some(version), None, &station);
                        bulk.done.push(mac);
                    }
                    Err(error) => bulk.skipped.push(error),
                }
            }
            self.finish(by, what, draft, bulk)
        })
    }

    fn finish(&self, by: &str, (what, facts): (&str, &Facts), draft: Draft, bulk: Bulk) -> Result<Bulk, RegisterError> {
        if bulk.done.is_empty() {
            return Ok(bulk);
        }
        let mut deed = Self::deed(by, what, &bulk.done);
        for (name, fact) in facts.iter() {
            deed.facts = deed.facts.with(name, fact.clone());
        }
        self.commit(&deed, draft)?;
        Ok(bulk)
    }

    /// The counters of a machine's requests begin again: keys that are not known any more sign no request.
    pub(super) fn forget_seen(&self, mac: MacId, draft: &mut Draft) -> Result<(), RegisterError> {
        let id = self.id(SEEN, mac);
        if let Some(record) = self.records.get(SEEN, &id)? {
            draft.delete(SEEN, &id, record.version);
        }
        Ok(())
    }
}

impl Bulk {
    /// What became of a deed that was done to one station.
    pub fn only(mut self) -> Result<(), RegisterError> {
        self.skipped.pop().map_or(Ok(()), Err)
    }
}

/// The name of an account as it is kept.
pub(super) fn account(text: &str) -> Result<String, RegisterError> {
    let name = csv::location(text).map_err(|_| RegisterError::OperatorRefused)?;
    if name.chars().count() > MAX_NAME { Err(RegisterError::OperatorRefused) } else { Ok(name) }
}
