//! A home with an escrow in it.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its own part, and may fail")]

use std::path::PathBuf;
use std::sync::Arc;

use oathburn_escrow::*;
use oathburn_oath::{FamilyId, FixedClock, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, TotpParams, UnixTime};
use tempfile::TempDir;

pub(crate) const NOW: UnixTime = UnixTime::new(1_800_000_000);

pub(crate) struct Home {
    pub(crate) folder: TempDir,
    pub(crate) officer: Officer,
}

pub(crate) fn who() -> Writer {
    Writer { operator: Some("alice".into()), uid: 1000, host: "desk-7".into() }
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), officer: Officer::generate().unwrap() };
        Escrow::init(&home.url(), &home.officer, &home.station(), &home.pins(), &who(), &FixedClock(NOW)).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self) -> StoreUrl {
        StoreUrl::sqlite(self.path("escrow.db"))
    }

    pub(crate) fn pins(&self) -> Pins {
        Pins::new(self.path("pins"))
    }

    pub(crate) fn station(&self) -> StationKey {
        StationKey::load_or_create(&self.path("keys/station.key")).unwrap()
    }

    pub(crate) fn open(&self) -> Escrow {
        self.open_at(NOW.offset(60))
    }

    pub(crate) fn open_at(&self, time: UnixTime) -> Escrow {
        Escrow::open(&self.url(), self.station(), &self.pins(), who(), Arc::new(FixedClock(time))).unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Escrow, EscrowError> {
        Escrow::open(&self.url(), self.station(), &self.pins(), who(), Arc::new(FixedClock(NOW.offset(60))))
    }

    /// Forgets how far the store had come when it was last seen; the pin stays.
    pub(crate) fn forget_heads(&self) {
        for file in std::fs::read_dir(self.path("pins")).unwrap().map(|entry| entry.unwrap().path()) {
            if ["-heads", "-written"].iter().any(|what| file.to_str().unwrap().ends_with(what)) {
                std::fs::remove_file(file).unwrap();
            }
        }
    }

    /// The officer once more: an opener takes one over.
    pub(crate) fn officer(&self) -> Officer {
        let path = self.path("officer.key");
        if !path.exists() {
            self.officer.create_file(&path, None).unwrap();
        }
        Officer::load(&path, None).unwrap()
    }
}

pub(crate) fn identity(serial: &str) -> TokenIdentity {
    TokenIdentity {
        family: FamilyId::new("token2-single").unwrap(),
        serial: SerialNumber::new(serial).unwrap(),
        slot: Slot::SINGLE,
    }
}

pub(crate) fn record(serial: &str, seed: &[u8]) -> TokenRecord {
    TokenRecord {
        identity: identity(serial),
        params: TotpParams::default().into(),
        seed: Seed::new(seed.to_vec()).unwrap(),
        manufacturer: None,
        model: None,
        upn: Some(format!("{serial}@example.com")),
        issuer: None,
    }
}

pub(crate) fn reserve(escrow: &Escrow, serial: &str, seed: &[u8]) -> EntryId {
    let record = record(serial, seed);
    escrow.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None }).unwrap()
}

/// A record to be written, found by its id.
pub(crate) fn put<'a>(kind: &'a str, id: &'a [u8], expected_version: Option<u64>, body: &'a [u8]) -> Change<'a> {
    let lookup = std::str::from_utf8(id).ok();
    Change::Put { kind, id, expected_version, lookup, expires_at: None, body }
}

/// A line for whichever token comes.
pub(crate) fn new_line(upn: &str) -> NewLine {
    NewLine {
        upn: Some(upn.into()),
        serial: None,
        issuer: None,
        label: None,
        params: TotpParams::default(),
        seed: None,
    }
}

/// Takes a line for a token, and burns it as far as the escrow knows.
pub(crate) fn burn_line(escrow: &Escrow, batch: BatchId, serial: &str, seed: &[u8]) -> EntryId {
    let lease = lease(escrow, batch, serial);
    let mut record = record(serial, seed);
    record.upn.clone_from(&lease.line.upn);
    let entry = escrow.reserve_line(&lease, &record, Origin::Generated).unwrap();
    escrow.mark_programmed(entry, &Programmed { drift_seconds: Some(0), ..Programmed::default() }).unwrap();
    escrow.release(&lease).unwrap();
    entry
}

/// The line that a token gets.
pub(crate) fn lease(escrow: &Escrow, batch: BatchId, serial: &str) -> Lease {
    let claim = escrow.claim(batch, &identity(serial).serial, None, &std::collections::HashSet::new()).unwrap();
    let Claim::Leased(lease) = claim else { panic!("{claim:?}") };
    *lease
}
