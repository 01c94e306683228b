//! Desks of one escrow, and stations with keys, for tests.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its own part, and may fail")]

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::{BASE64, HEXLOWER};
use oathburn_desk::protocol::{
    CHALLENGE_DOMAIN, Challenge, ChallengeRequest, Credentials, Introduction, Refusal, StationKeys,
};
use oathburn_desk::stations::{CodeLength, CodeOrder, MacId, Register, RegisterError};
use oathburn_escrow::{Escrow, Event, EventFilter, EventKind, Officer, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::{Clock, FixedClock, UnixTime};
use tempfile::TempDir;

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const DAY: u64 = 24 * 3600;

/// A clock that moves when it is told.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn now(&self) -> UnixTime {
        UnixTime::new(self.0.load(Ordering::SeqCst))
    }
}

/// A home with an escrow in it.
pub(crate) struct Home {
    folder: TempDir,
    hand: Hand,
}

fn who() -> Writer {
    Writer { operator: None, uid: 1000, host: "desk-7".into() }
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), hand: Hand(Arc::new(AtomicU64::new(NOW))) };
        let officer = Officer::generate().unwrap();
        officer.create_file(&home.path("officer.key"), None).unwrap();
        let clock = FixedClock(UnixTime::new(NOW));
        Escrow::init(&home.url(), &officer, &home.writer(), &home.pins(), &who(), &clock).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> StoreUrl {
        StoreUrl::sqlite(self.path("escrow.db"))
    }

    fn pins(&self) -> Pins {
        Pins::new(self.path("pins"))
    }

    fn writer(&self) -> StationKey {
        StationKey::load_or_create(&self.path("keys/station.key")).unwrap()
    }

    pub(crate) fn escrow(&self) -> Escrow {
        Escrow::open(&self.url(), self.writer(), &self.pins(), who(), Arc::new(self.hand.clone())).unwrap()
    }

    /// A desk: each call is another one of the same escrow.
    pub(crate) fn desk(&self) -> Register {
        let escrow = self.escrow();
        let opener = escrow.opener(Officer::load(&self.path("officer.key"), None).unwrap()).unwrap();
        let records = escrow.records(&opener).unwrap();
        Register::new(&escrow, records, Arc::new(opener), Arc::new(self.hand.clone()), "Example AG")
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.hand.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// What was done at the desk: who, what, to which stations.
    pub(crate) fn deeds(&self) -> Vec<(String, String, String)> {
        let events = self.escrow().events(&EventFilter::default()).unwrap();
        let deed = |event: Event| {
            let text = |name: &str| event.facts.text(name).unwrap_or_default().to_owned();
            let operator = event.operator.clone().unwrap_or_default();
            (event.kind == EventKind::DeskDeed).then(|| (operator, text("deed"), text("stations")))
        };
        events.into_iter().filter_map(deed).collect()
    }

    /// A machine with new keys.
    pub(crate) fn machine(&self, number: u8) -> Machine {
        let mut name = [0; 8];
        getrandom::fill(&mut name).unwrap();
        let key = StationKey::create(&self.path("machines").join(HEXLOWER.encode(&name))).unwrap();
        Machine { mac: mac(number), key }
    }
}

pub(crate) fn mac(number: u8) -> MacId {
    MacId::new([0, 0x1a, 0x2b, 0x3c, 0x4d, number]).unwrap()
}

/// One of many addresses.
pub(crate) fn address(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    IpAddr::from([203, 0, high, low])
}

/// Codes of six digits for a day.
pub(crate) fn order(shared: bool) -> CodeOrder {
    CodeOrder { length: CodeLength::SHORTEST, life: u32::try_from(DAY).unwrap(), shared }
}

/// Registers so many stations.
pub(crate) fn register(desk: &Register, count: u8) -> Vec<MacId> {
    let typed: Vec<_> = (1..=count).map(|number| (mac(number).to_string(), format!("Branch {number}"))).collect();
    desk.add_typed("alice", &typed).unwrap()
}

/// The code of one station, as it was issued.
pub(crate) fn code_for(desk: &Register, mac: MacId) -> String {
    desk.make_codes("alice", &[mac], order(false)).unwrap().codes[0].code.shown().to_owned()
}

/// A station as a stranger to its desk.
pub(crate) struct Machine {
    pub(crate) mac: MacId,
    pub(crate) key: StationKey,
}

impl Machine {
    pub(crate) fn keys(&self) -> StationKeys {
        StationKeys::from(&self.key.public())
    }

    pub(crate) fn asks(&self) -> ChallengeRequest {
        ChallengeRequest { mac: self.mac, keys: self.keys() }
    }

    /// Opens a challenge.
    pub(crate) fn introduced(&self, challenge: &Challenge) -> Introduction {
        let sealed = BASE64.decode(challenge.sealed.as_bytes()).unwrap();
        let answer = HEXLOWER.encode(&self.key.open_sealed(CHALLENGE_DOMAIN, &sealed).unwrap());
        Introduction { mac: self.mac, keys: self.keys(), issued_at: challenge.issued_at, answer }
    }

    pub(crate) fn signs(
        &self,
        (generation, counter): (u64, u64),
        desk: &Register,
        request: (&str, &str, &[u8]),
    ) -> Credentials {
        Credentials::sign(&self.key, (self.mac, generation, counter), desk.desk(), request).unwrap()
    }

    pub(crate) fn activate(&self, desk: &Register, code: &str, from: u16) -> Result<u64, RegisterError> {
        desk.activate((self.mac, &self.keys()), code, address(from)).map(|(station, _)| station.generation)
    }
}

/// What a station was refused.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, RegisterError>) -> Refusal {
    match result {
        Err(RegisterError::Refused(refusal)) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}
