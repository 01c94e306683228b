//! Stations of a desk from the command line: the real program at both ends, over TLS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Child;
use std::sync::Arc;

use oathburn_desk::stations::{CodeLength, CodeOrder, MacId, Register};
use oathburn_escrow::{Escrow, Officer, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::SystemClock;
use serde_json::Value;
use support::{Desk, Run, files, finished, page};

const MAC: &str = "00-1A-2B-3C-4D-5E";

/// Headquarters: a desk that serves over TLS, and an admin who works on the same escrow.
struct Office {
    machine: Desk,
    serving: Option<Child>,
    url: String,
    fingerprint: String,
    register: Register,
}

impl Office {
    fn open() -> Self {
        let machine = Desk::without_readers();
        machine.run(&["escrow", "init", "--plain-identity"]).expect(0);
        machine.run(&["desk", "certificate", "--host", "127.0.0.1"]).expect(0);
        let serve = ["--json", "desk", "serve", "--listen", "127.0.0.1:0", "--organisation", "Example AG"];
        let mut serving = machine.command(&serve).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(serving.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        serving.stdout = Some(stdout.into_inner());
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it does not serve: {line}"));
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        let register = register(&machine);
        Self { url: text("url"), fingerprint: text("fingerprint"), serving: Some(serving), machine, register }
    }

    fn code(&self) -> String {
        let mac: MacId = MAC.parse().unwrap();
        if self.register.get(mac).unwrap().is_none() {
            self.register.add_typed("alice", &[(MAC.into(), "Ulm <b>[31m".into())]).unwrap();
        }
        let order = CodeOrder { length: CodeLength::SHORTEST, life: 3600, shared: false };
        self.register.make_codes("alice", &[mac], order).unwrap().codes[0].code.shown().to_owned()
    }

    fn provision(&self, station: &Desk, arguments: &[&str]) -> Run {
        let own = ["--json", "station", "provision", "--desk", &self.url, "--mac", MAC];
        station.run(&[&own, ["--fingerprint", &self.fingerprint].as_slice(), arguments].concat())
    }

    fn end(&mut self) {
        if let Some(serving) = self.serving.take() {
            let pid = rustix::process::Pid::from_child(&serving);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            finished(serving.wait_with_output().unwrap()).expect(0);
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            let _ = serving.kill();
            let _ = serving.wait();
        }
    }
}

/// What the desk's pages work on.
fn register(machine: &Desk) -> Register {
    let folder = machine.folder();
    let url = StoreUrl::sqlite(folder.join("escrow.db"));
    let who = Writer { operator: None, uid: 1000, host: "desk".into() };
    let key = StationKey::load(&folder.join("station.key")).unwrap();
    let clock = Arc::new(SystemClock);
    let escrow = Escrow::open(&url, key, &Pins::new(folder.join("pins")), who, clock.clone()).unwrap();
    let opener = escrow.opener(Officer::load(&folder.join("officer.key"), None).unwrap()).unwrap();
    let records = escrow.records(&opener).unwrap();
    Register::new(&escrow, records, Arc::new(opener), clock, "Example AG")
}

#[test]
fn a_technician_provisions_a_station_and_sees_that_it_worked() {
    let mut office = Office::open();
    let station = Desk::without_readers();
    let none = station.run(&["--json", "station", "status"]).expect(6);
    assert_eq!(none.error_code(), "station-not-provisioned");
    let code = office.code();
    let done = office.provision(&station, &["--code", &code]).expect(0).json();
    assert_eq!((&done["organisation"], &done["location"]), (&"Example AG".into(), &"Ulm <b>[31m".into()));
    assert_eq!((&done["mac"], &done["state"]), (&MAC.into(), &"waiting-for-sign-in".into()));
    // Running it again changes nothing.
    assert_eq!(office.provision(&station, &[]).expect(0).json(), done);
    let shown = station.run(&["station", "status"]).expect(0).stdout;
    assert_eq!(shown, format!("Example AG\nstation {MAC} at Ulm <b>[31m\nprovisioned, waiting for sign-in\n"));
    office.register.sign_in("alice", &[MAC.parse().unwrap()], "branch-ulm").unwrap();
    let status = station.json(&["station", "status"]);
    assert_eq!((&status["state"], &status["operator"]), (&"signed-in".into(), &"branch-ulm".into()));
    assert_eq!(station.json(&["station", "sign-out"])["state"], "signed-out");
    // Its files are for its user alone, and hold no code.
    for file in files(&station.folder().join("station")) {
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        assert!(!std::fs::read_to_string(&file).unwrap().contains(&code), "{}", file.display());
    }
    assert_eq!(station.run(&["--json", "station", "reset"]).expect(8).error_code(), "reset-not-confirmed");
    let reset = station.json(&["station", "reset", "--yes"]);
    assert_eq!((&reset["reset"], &reset["told"]), (&true.into(), &true.into()));
    assert_eq!(station.json(&["station", "reset", "--yes"])["reset"], false);
    let used = office.provision(&station, &["--code", &code]).expect(7);
    assert_eq!(used.error_code(), "verification-code-used");
    office.end();
    let away = office.provision(&station, &["--code", &code]).expect(6);
    assert_eq!(away.error_code(), "desk-unreachable");
    let deeds = office.machine.json(&["escrow", "audit", "list", "--kind", "desk-deed"]);
    let who: Vec<_> = deeds.as_array().unwrap().iter().map(|deed| deed["operator"].as_str().unwrap()).collect();
    let itself = "station 00-1A-2B-3C-4D-5E";
    assert_eq!(who, ["alice", "alice", itself, "alice", itself, itself]);
}

#[test]
fn a_station_shows_a_login_code_and_waits_for_the_admin() {
    let office = Office::open();
    let station = Desk::without_readers();
    let own = ["--json", "station", "provision", "--desk", &office.url, "--mac", MAC, "--login-code"];
    let mut running =
        station.command(&[&own, ["--fingerprint", &office.fingerprint].as_slice()].concat()).spawn().unwrap();
    let mut stdout = BufReader::new(running.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let shown: Value = serde_json::from_str(&line).unwrap();
    let code = shown["login_code"].as_str().unwrap().to_lowercase().parse().unwrap();
    office.register.accept_login("alice", &code, Some("Bern"), "branch-bern").unwrap();
    line.clear();
    stdout.read_line(&mut line).unwrap();
    let status: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&status["state"], &status["location"]), (&"signed-in".into(), &"Bern".into()));
    assert!(running.wait().unwrap().success());
}

#[test]
fn what_cannot_be_right_is_refused_before_anything_is_sent() {
    let station = Desk::without_readers();
    let provision = |arguments: &[&str]| {
        station.run(&[["--json", "station", "provision", "--mac", MAC].as_slice(), arguments].concat())
    };
    let with = |url, more: &[&str]| provision(&[["--desk", url, "--code", "123456"].as_slice(), more].concat());
    assert_eq!(with("http://desk.example.com", &[]).expect(2).error_code(), "desk-url-plain");
    assert_eq!(with("desk.example.com", &[]).expect(2).error_code(), "desk-url");
    let pin = with("https://desk.example.com", &["--fingerprint", "12:34"]).expect(2);
    assert_eq!(pin.error_code(), "fingerprint-malformed");
    let mac = provision(&["--desk", "https://desk.example.com", "--code", "1", "--mac", "printer"]);
    assert_eq!(mac.code, 2, "--mac twice: {mac:?}");
    let own = ["--json", "station", "provision", "--desk", "https://127.0.0.1:1", "--code", "123456"];
    assert_eq!(
        station.run(&[&own, ["--mac", "printer"].as_slice()].concat()).expect(7).error_code(),
        "mac-id-malformed"
    );
    assert_eq!(provision(&["--desk", "https://127.0.0.1:1"]).expect(2).error_code(), "usage");
    let office = Office::open();
    let other = "00".repeat(32);
    let refused = station.run(&[
        "--json",
        "station",
        "provision",
        "--desk",
        &office.url,
        "--mac",
        MAC,
        "--code",
        "1",
        "--fingerprint",
        &other,
    ]);
    assert_eq!(refused.expect(6).error_code(), "desk-certificate-other");
    let unknown = station.run(&["--json", "station", "provision", "--desk", &office.url, "--mac", MAC, "--code", "1"]);
    assert_eq!(unknown.expect(6).error_code(), "desk-certificate-unknown");
    assert_eq!(office.provision(&station, &["--code", "1"]).expect(7).error_code(), "verification-code-wrong");
}

#[test]
fn a_revoked_station_says_so_and_is_provisioned_again() {
    let office = Office::open();
    let station = Desk::without_readers();
    office.provision(&station, &["--code", &office.code()]).expect(0);
    let macs = [MAC.parse().unwrap()];
    office.register.revoke("alice", &macs).unwrap();
    assert_eq!(station.run(&["--json", "station", "status"]).expect(8).error_code(), "station-revoked");
    office.register.begin_anew("alice", &macs).unwrap();
    assert_eq!(station.run(&["--json", "station", "status"]).expect(8).error_code(), "station-not-known");
    let again = office.provision(&station, &["--code", &office.code()]).expect(0).json();
    assert_eq!(again["state"], "waiting-for-sign-in");
    assert_eq!(station.json(&["station", "status"])["generation"], again["generation"]);
}

/// What the page says to technicians is what the program says; the admin's part is played between the lines.
#[test]
fn the_page_for_technicians_is_executed() {
    const URL: &str = "https://desk.example.com:8443";
    const FINGERPRINT: &str = "4F1C 09AE 77D2 5B60 3E88 A1C4 92D7 0B5F";
    let office = Office::open();
    let station = Desk::without_readers();
    let mac: MacId = MAC.parse().unwrap();
    office.register.add_typed("alice", &[(MAC.into(), "Ulm".into())]).unwrap();
    let code = office.code();
    let real = |text: &str| text.replace(URL, &office.url);
    let steps = page::steps("docs/stations.md");
    assert_eq!(steps.len(), 4);
    for (command, expected) in steps {
        if command == "oathburn station status" {
            office.register.sign_in("alice", &[mac], "branch-ulm").unwrap();
        }
        let typed = real(&command).replace(FINGERPRINT, &office.fingerprint).replace("697150", &code);
        let mut shell = std::process::Command::new("sh");
        let folder = std::path::Path::new(env!("CARGO_BIN_EXE_oathburn")).parent().unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        shell.arg("-c").env_clear().env("PATH", path).env("HOME", station.home());
        page::compare(&command, &page::output(&mut shell, &typed), &real(&expected));
    }
}
