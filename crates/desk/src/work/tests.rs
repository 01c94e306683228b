//! A desk and its stations, without a network between them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use oathburn_escrow::{
    BatchId, BatchState, Claim, Disclosure, Entry, EntryState, Escrow, EventFilter, EventKind, Filter, LineState,
    NewLine, Origin, Programmed, Purpose, StationKey, Writer,
};
use oathburn_oath::{FamilyId, Remedy as _, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, TotpParams};
use oathburn_station::{BatchEvent, BatchObserver, BatchOptions, DoneLine, Supply as _};
use tempfile::TempDir;

use super::wire::*;
use super::*;
use crate::remote::*;
use crate::testing::Home;
use crate::{Desk, DeskError};

mod far;
mod orders;
mod rival;

/// A machine with a station on it, and what it remembers.
struct Far {
    folder: TempDir,
    mac: &'static str,
    location: &'static str,
    clock: HandClocks,
}

/// Clocks that are moved by hand.
#[derive(Default)]
struct HandClocks {
    wall: AtomicU64,
    up: AtomicU64,
}

impl HandClocks {
    fn pass(&self, seconds: u64) {
        self.wall.fetch_add(seconds, Ordering::SeqCst);
        self.up.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clocks for HandClocks {
    fn now(&self) -> Moment {
        let (wall, up) = (self.wall.load(Ordering::SeqCst), self.up.load(Ordering::SeqCst));
        Moment { wall: 1_800_000_000 + wall, boot: "boot".into(), up }
    }
}

/// The way to the desk, which can be cut.
struct Way<'a> {
    desk: &'a Desk,
    worker: Worker,
    /// No request arrives.
    cut: Mutex<bool>,
    /// Requests arrive, and answers do not.
    deaf: Mutex<bool>,
}

impl Way<'_> {
    fn pass<T>(&self, job: impl FnOnce() -> Result<T, DeskError>) -> Result<T, DeskTrouble> {
        let away = || DeskTrouble { passes: true, code: "desk-away", message: "cut".into(), remedy: None };
        if *self.cut.lock().unwrap() {
            return Err(away());
        }
        let answer = job();
        if *self.deaf.lock().unwrap() {
            return Err(away());
        }
        answer.map_err(|error| DeskTrouble {
            passes: false,
            code: error.code(),
            message: error.to_string(),
            remedy: error.remedy(),
        })
    }
}

/// What goes over the wire, goes through JSON.
fn wired<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

impl RemoteDesk for Way<'_> {
    fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, DeskTrouble> {
        self.pass(|| self.desk.lease(&self.worker, &wired(request)).map(|answer| wired(&answer)))
    }

    fn report(&self, request: &ReportRequest) -> Result<ReportAnswer, DeskTrouble> {
        self.pass(|| self.desk.report(&self.worker, &wired(request)).map(|answer| wired(&answer)))
    }

    fn token(&self, request: &TokenRequest) -> Result<TokenAnswer, DeskTrouble> {
        self.pass(|| self.desk.is_in_use(&wired(request)))
    }
}

impl Far {
    fn new(mac: &'static str, location: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), mac, location, clock: HandClocks::default() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn key(&self) -> StationKey {
        StationKey::load_or_create(&self.path().join("station.key")).unwrap()
    }

    fn worker(&self) -> Worker {
        let operator = Some(format!("account-of-{}", self.location));
        Worker { station: self.mac.into(), location: self.location.into(), keys: self.key().public(), operator }
    }

    fn way<'a>(&self, desk: &'a Desk) -> Way<'a> {
        Way { desk, worker: self.worker(), cut: Mutex::new(false), deaf: Mutex::new(false) }
    }

    /// Opens what is there, as a run does when it begins, and works; nothing is taken away at the end, as if the
    /// process were killed.
    fn work<T>(&self, way: &Way<'_>, ahead: usize, job: impl FnOnce(&RemoteWork<'_>, &Escrow) -> T) -> T {
        let home = RemoteHome::open(&self.path().join("work")).unwrap();
        let who = Writer { operator: None, uid: 1000, host: self.mac.into() };
        let escrow = home.escrow(&who).unwrap().unwrap_or_else(|| {
            let officers = way.lease(&LeaseRequest::default()).unwrap().officers;
            home.escrow_for(&officers, &who).unwrap()
        });
        let key = self.key();
        let clocks = &self.clock;
        let parts = RemoteParts {
            home: &home,
            escrow: &escrow,
            key: &key,
            desk: way,
            clocks,
            ahead,
            stay: false,
            told: &|_| {},
        };
        job(&RemoteWork::open(parts).unwrap(), &escrow)
    }

    /// All that lies in the station's folder, but its key.
    fn files(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut folders = vec![self.path().join("work")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { all.extend(std::fs::read(path).unwrap()) }
            }
        }
        all
    }

    fn portions(&self) -> usize {
        std::fs::read_dir(self.path().join("work/portions")).unwrap().count()
    }
}

fn line(upn: &str) -> NewLine {
    NewLine {
        upn: Some(upn.into()),
        serial: None,
        issuer: Some("ACME".into()),
        label: None,
        params: TotpParams::default(),
        seed: None,
    }
}

fn options() -> BatchOptions {
    BatchOptions::from_facts(&oathburn_escrow::Facts::new())
}

fn order(desk: &Desk, count: usize, audience: Audience) -> BatchId {
    let lines = (1..=count).map(|number| line(&format!("user{number}@example.com"))).collect();
    desk.give_order("ann", NewOrder { name: "users.csv", audience, options: options(), lines }).unwrap()
}

fn at(locations: &[&str]) -> Audience {
    Audience { stations: Vec::new(), locations: locations.iter().map(|&location| location.to_owned()).collect() }
}

fn identity(serial: &str) -> TokenIdentity {
    TokenIdentity {
        family: FamilyId::new("token2-single").unwrap(),
        serial: SerialNumber::new(serial).unwrap(),
        slot: Slot::SINGLE,
    }
}

/// How far a burn goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Reserved,
    Unknown,
    Done,
}

/// Burns a token on the next open line, as far as the station's escrow sees it: the seed is the one at hand.
fn burn(work: &RemoteWork<'_>, escrow: &Escrow, serial: &str, how_far: Reach) -> Option<Seed> {
    let serial = SerialNumber::new(serial).unwrap();
    for batch in work.batches() {
        let Claim::Leased(lease) = escrow.claim(batch.id, &serial, None, &HashSet::new()).unwrap() else { continue };
        let seed = work.seed(batch.id, lease.line.number).expect("its seed is at hand");
        let record = TokenRecord {
            identity: identity(serial.as_str()),
            params: lease.line.params.into(),
            seed: seed.clone(),
            manufacturer: Some("Token2".into()),
            model: Some("C202".into()),
            upn: lease.line.upn.clone(),
            issuer: lease.line.issuer.clone(),
        };
        let entry = escrow.reserve_line(&lease, &record, Origin::Given).unwrap();
        match how_far {
            Reach::Reserved => {}
            Reach::Unknown => escrow.mark_unknown(entry, oathburn_escrow::Facts::new()).unwrap(),
            Reach::Done => {
                let programmed =
                    Programmed { model: Some("C202".into()), drift_seconds: Some(2), ..Programmed::default() };
                escrow.mark_programmed(entry, &programmed).unwrap();
            }
        }
        escrow.release(&lease).unwrap();
        return Some(seed);
    }
    None
}

/// The entries of a token in the desk's escrow, newest first, with the seed of the newest.
fn at_desk(desk: &Desk, serial: &str) -> Vec<Entry> {
    desk.escrow.find(&identity(serial)).unwrap()
}

fn seed_of(desk: &Desk, entry: &Entry) -> Seed {
    desk.opener.open(entry, &Disclosure::new(Purpose::Reveal)).unwrap().seed
}

fn line_states(desk: &Desk, order: BatchId) -> Vec<LineState> {
    desk.order_lines(order, 0, 1000).unwrap().into_iter().map(|line| line.state).collect()
}

fn is_sound(desk: &Desk) {
    assert_eq!(desk.escrow.check(None).unwrap().findings, []);
}
