//! The register of stations: sealed records in the escrow's store, shared by all desks of it.
//!
//! Every deed reads what is there, decides, and writes all of it at once, together with the event that says who did it; when another
//! desk was faster it begins again. A record of its own changes with every deed, so that whoever waits has one place to look.

mod activation;
mod codes;
mod deeds;
mod login;
mod requests;
mod rows;

use std::fmt;
use std::sync::Arc;

use oathburn_escrow::{Deed, Escrow, EscrowError, Facts, Opener, Records};
use oathburn_oath::{Clock, UnixTime};
use serde::{Deserialize, Serialize};

pub use self::codes::{CodeOrder, IssuedCode, IssuedCodes};
pub use self::deeds::Bulk;
pub use self::login::LoginOffer;
use self::rows::Draft;
use super::csv::MAX_ROWS;
use super::{MacId, RegisterError, Station};

/// The kinds of records.
const STATION: &str = "station";
const SEEN: &str = "station-seen";
const LOGIN: &str = "station-login";
const GUESSES: &str = "station-guesses";
const FLOOD: &str = "station-flood";
const CHANGED: &str = "stations-changed";
/// Of this kind there are no records: it makes keys.
const SECRET: &str = "station-secret";

/// The id of the one record that concerns all stations.
const ALL: &[u8] = b"all";
/// How often a deed begins again when others are faster.
const TRIES: usize = 200;
/// How many records are fetched at a time.
const PAGE: usize = 500;

/// The register of stations. Clones are the same register.
#[derive(Clone)]
pub struct Register {
    records: Records,
    opener: Arc<Opener>,
    clock: Arc<dyn Clock>,
    desk: Arc<str>,
    organisation: Arc<str>,
}

/// When a station was heard of last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Which station.
    pub mac: MacId,
    /// The counter of its newest request.
    pub counter: u64,
    /// When, in Unix seconds.
    pub at: u64,
}

/// A station with what is known of it beside its record.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The station.
    pub station: Station,
    /// When it was heard of, since its activation.
    pub seen: Option<Seen>,
}

impl Register {
    /// The register in an escrow, for a desk that has opened its records. Stations show whose desk it is.
    pub fn new(
        escrow: &Escrow,
        records: Records,
        opener: Arc<Opener>,
        clock: Arc<dyn Clock>,
        organisation: &str,
    ) -> Self {
        let desk = escrow.id().to_string().into();
        Self { records, opener, clock, desk, organisation: organisation.into() }
    }

    /// The id that stations sign for.
    pub fn desk(&self) -> &str {
        &self.desk
    }

    /// The time by which it judges.
    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// One station, and the version that its record has.
    pub fn get(&self, mac: MacId) -> Result<Option<(Station, u64)>, RegisterError> {
        Ok(self.read(STATION, &self.id(STATION, mac))?)
    }

    /// All stations, by location and MAC ID.
    pub fn list(&self) -> Result<Vec<Station>, RegisterError> {
        let mut all: Vec<Station> = self.all(STATION)?;
        all.sort_by(|one, other| (&one.location, one.mac).cmp(&(&other.location, other.mac)));
        Ok(all)
    }

    /// All stations, with when each was heard of.
    pub fn list_seen(&self) -> Result<Vec<Listed>, RegisterError> {
        let mut seen: std::collections::HashMap<_, _> =
            self.all::<Seen>(SEEN)?.into_iter().map(|seen| (seen.mac, seen)).collect();
        let listed = |station: Station| Listed { seen: seen.remove(&station.mac), station };
        Ok(self.list()?.into_iter().map(listed).collect())
    }

    /// When a station was heard of, since its activation.
    pub fn seen(&self, mac: MacId) -> Result<Option<Seen>, RegisterError> {
        Ok(self.read::<Seen>(SEEN, &self.id(SEEN, mac))?.map(|(seen, _)| seen))
    }

    /// Changes whenever a station does, at whichever desk.
    pub fn changes(&self) -> Result<u64, RegisterError> {
        let record = self.records.get(CHANGED, ALL)?;
        Ok(record.map_or(0, |record| record.version))
    }

    fn id(&self, kind: &str, mac: MacId) -> [u8; 32] {
        self.records.id_of(kind, &mac.to_string())
    }

    /// A key that all desks of this escrow have, and nobody else.
    fn secret(&self, what: &str) -> [u8; 32] {
        self.records.id_of(SECRET, what)
    }

    /// What somebody did, as the event says it.
    fn deed(by: &str, what: &str, macs: &[MacId]) -> Deed {
        /// Twelve digits and a space each; a fact takes 4096 bytes.
        const PER_FACT: usize = 300;
        let count = i64::try_from(macs.len()).unwrap_or(i64::MAX);
        let mut facts = Facts::new().with("deed", what).with("count", count);
        for (index, part) in macs.chunks(PER_FACT).enumerate() {
            let name = if index == 0 { "stations".to_owned() } else { format!("stations_{}", index + 1) };
            let bare = part.iter().map(|mac| data_encoding::HEXUPPER.encode(&mac.bytes()));
            facts = facts.with(&name, bare.collect::<Vec<_>>().join(" "));
        }
        Deed { operator: by.into(), facts, ..Deed::default() }
    }

    /// Who a station is when it does something itself.
    fn itself(mac: MacId) -> String {
        format!("station {mac}")
    }

    /// Writes a draft, together with the event of the deed and the change that whoever waits looks at.
    fn commit(&self, deed: &Deed, mut draft: Draft) -> Result<(), RegisterError> {
        let changed = self.records.get(CHANGED, ALL)?.map(|record| record.version);
        draft.put(CHANGED, ALL, changed, None, &());
        Ok(self.records.commit_noted(&self.opener, deed, &draft.changes())?)
    }
}

/// Tries until nobody else changes what was read meanwhile.
fn retrying<T>(mut attempt: impl FnMut() -> Result<T, RegisterError>) -> Result<T, RegisterError> {
    for _ in 1..TRIES {
        match attempt() {
            Err(RegisterError::Escrow(EscrowError::RecordChanged { .. })) => {}
            other => return other,
        }
    }
    attempt()
}

/// Each machine once, in the order in which they were selected.
fn selection(macs: &[MacId]) -> Result<Vec<MacId>, RegisterError> {
    let mut seen = std::collections::HashSet::new();
    let macs: Vec<_> = macs.iter().copied().filter(|mac| seen.insert(*mac)).collect();
    match macs.len() {
        0 => Err(RegisterError::NothingSelected),
        1..=MAX_ROWS => Ok(macs),
        _ => Err(RegisterError::TooManySelected),
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register").field("desk", &self.desk).finish_non_exhaustive()
    }
}
