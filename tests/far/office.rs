//! Headquarters: a desk that serves over TLS, an admin who works on the same escrow, and machines elsewhere.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::Arc;

use oathburn_desk::stations::{CodeLength, CodeOrder, MacId};
use oathburn_desk::work::{Audience, NewOrder};
use oathburn_desk::{Desk as Core, Settings};
use oathburn_escrow::{BatchId, Escrow, Facts, NewLine, Officer, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::{Clock, SystemClock, TotpParams};
use oathburn_station::BatchOptions;
use serde_json::Value;

use crate::hands::Batch;
use crate::support::{Desk, finished};

pub(crate) struct Office {
    pub(crate) machine: Desk,
    serving: Option<Child>,
    url: String,
    pub(crate) address: String,
    fingerprint: String,
    /// What the desk's pages work on.
    pub(crate) core: Core,
}

impl Office {
    pub(crate) fn open() -> Self {
        Self::open_at(Desk::without_readers())
    }

    /// The same with an escrow wherever the machine has its own.
    pub(crate) fn open_at(machine: Desk) -> Self {
        machine.run(&["escrow", "init", "--plain-identity"]).expect(0);
        machine.run(&["desk", "certificate", "--host", "127.0.0.1"]).expect(0);
        let (serving, ready) = serve(&machine, "127.0.0.1:0");
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        let core = core(&machine, Arc::new(SystemClock));
        let (url, address, fingerprint) = (text("url"), text("address"), text("fingerprint"));
        Self { url, address, fingerprint, serving: Some(serving), machine, core }
    }

    /// The desk is switched off.
    pub(crate) fn end(&mut self) {
        if let Some(serving) = self.serving.take() {
            let pid = rustix::process::Pid::from_child(&serving);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            finished(serving.wait_with_output().unwrap()).expect(0);
        }
    }

    /// The desk is killed at whatever it does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            serving.kill().unwrap();
            serving.wait().unwrap();
        }
    }

    /// The desk is there again, at the same address.
    pub(crate) fn start(&mut self) {
        self.serving = Some(serve(&self.machine, &self.address).0);
    }

    /// The desk's pages on the same escrow, with another clock.
    pub(crate) fn core_at(&self, clock: impl Clock + 'static) -> Core {
        core(&self.machine, Arc::new(clock))
    }

    /// A machine with readers, as a station that is signed in.
    pub(crate) fn station(&self, mac: &str, location: &str, readers: usize) -> Desk {
        self.station_by(&self.url, mac, (location, readers))
    }

    /// The same of a station that reaches the desk at another address.
    pub(crate) fn station_by(&self, url: &str, mac: &str, (location, readers): (&str, usize)) -> Desk {
        let machine = Desk::without_escrow(readers);
        let id: MacId = mac.parse().unwrap();
        let register = self.core.register();
        register.add_typed("ann", &[(mac.into(), location.into())]).unwrap();
        let order = CodeOrder { length: CodeLength::SHORTEST, life: 3600, shared: false };
        let code = register.make_codes("ann", &[id], order).unwrap().codes[0].code.shown().to_owned();
        let provision = ["--json", "station", "provision", "--desk", url, "--mac", mac];
        let more = ["--fingerprint", &self.fingerprint, "--code", &code];
        machine.run(&[&provision[..], &more].concat()).expect(0);
        register.sign_in("ann", &[id], &format!("branch-{location}")).unwrap();
        machine
    }

    /// An order for so many users at a place.
    pub(crate) fn order(&self, count: usize, location: &str) -> BatchId {
        let line = |number| NewLine {
            upn: Some(format!("user{number}@example.com")),
            serial: None,
            issuer: Some("ACME".into()),
            label: None,
            params: TotpParams::default(),
            seed: None,
        };
        let lines = (1..=count).map(line).collect();
        let audience = Audience { stations: Vec::new(), locations: vec![location.into()] };
        let options = BatchOptions::from_facts(&Facts::new());
        self.core.give_order("ann", NewOrder { name: "users.csv", audience, options, lines }).unwrap()
    }

    /// How many lines are done; each token shows what its entry says, wherever it lies; no user has two, no seed is on two.
    pub(crate) fn done(&self, order: BatchId, stations: &[&Desk]) -> usize {
        let rows = crate::hands::results(&self.machine, &order.to_string());
        let done: Vec<_> = rows.iter().filter(|row| row[4] == "done").collect();
        let (mut seeds, mut serials) = (BTreeSet::new(), BTreeSet::new());
        for row in &done {
            let serial = &row[2];
            assert!(serials.insert(serial.clone()), "{serial} is done twice");
            let find = |desk: &&Desk| desk.lab().command(&format!("state token {serial} --with-seed")).ok();
            let at: Vec<_> = stations.iter().filter_map(|desk| Some((desk, find(desk)?))).collect();
            let [(desk, state)] = at.as_slice() else { panic!("{serial} is at {} stations", at.len()) };
            let shown = desk.lab().command(&format!("display token {serial}")).unwrap();
            let ahead = state["clock_offset"].as_i64().unwrap();
            let time = shown["at"].as_u64().unwrap().checked_add_signed(ahead).unwrap();
            let entry = self.machine.newest(serial);
            assert_eq!((&entry["state"], entry["upn"].as_str()), (&"programmed".into(), Some(row[1].as_str())));
            assert_eq!(shown["code"], self.machine.code_of(&entry["entry"], time), "{serial}");
            assert!(seeds.insert(state["seed"].as_str().unwrap().to_owned()), "{serial} has the seed of another");
        }
        assert_eq!(self.machine.json(&["escrow", "check"])["ok"], true);
        done.len()
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.kill();
    }
}

/// `station run`, with its events as they come.
pub(crate) fn run(station: &Desk, arguments: &[&str]) -> Batch {
    Batch::of(station, &[&["station", "run", "--json"], arguments].concat())
}

pub(crate) fn serve(machine: &Desk, address: &str) -> (Child, Value) {
    let serve = ["--json", "desk", "serve", "--listen", address, "--organisation", "Example AG"];
    let mut serving = machine.command(&serve).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(serving.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    serving.stdout = Some(stdout.into_inner());
    let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it does not serve: {line}"));
    (serving, ready)
}

fn core(machine: &Desk, clock: Arc<dyn Clock>) -> Core {
    let folder = machine.folder();
    let passwords = format!("&passfile={}", machine.home().join(".pgpass").display());
    let url = match machine.store() {
        None => StoreUrl::sqlite(folder.join("escrow.db")),
        Some(url) => (url.to_owned() + &passwords).parse().unwrap(),
    };
    let who = Writer { operator: None, uid: 1000, host: "desk".into() };
    let key = StationKey::load(&folder.join("station.key")).unwrap();
    let escrow = Escrow::open(&url, key, &Pins::new(folder.join("pins")), who, clock.clone()).unwrap();
    let opener = escrow.opener(Officer::load(&folder.join("officer.key"), None).unwrap()).unwrap();
    Core::open(escrow, opener, clock, Settings::default()).unwrap()
}
