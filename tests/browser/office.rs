//! Headquarters: a desk that serves over TLS, and the people who work there.

use std::io::{BufRead, BufReader};
use std::process::Child;

use oathburn_oath::{Seed, Totp, TotpParams, UnixTime};
use serde_json::Value;

use crate::chrome::Browser;
use crate::support::Desk;

/// What is ordered from the desk's machine, and where it serves.
pub(crate) struct Office {
    pub(crate) machine: Desk,
    serving: Child,
    pub(crate) url: String,
    pub(crate) fingerprint: String,
    /// With which the first admin enrols.
    pub(crate) enrolment: String,
}

/// The first admin.
pub(crate) const ADMIN: &str = "ada@example.com";

impl Office {
    /// A desk on a machine with so many readers.
    pub(crate) fn open(readers: usize) -> Self {
        Self::of("Example AG", readers)
    }

    /// The same of an organisation of this name.
    pub(crate) fn of(organisation: &str, readers: usize) -> Self {
        let machine = if readers == 0 { Desk::without_readers() } else { Desk::without_escrow(readers) };
        machine.run(&["escrow", "init", "--plain-identity"]).expect(0);
        machine.run(&["desk", "certificate", "--host", "127.0.0.1"]).expect(0);
        let enrolment = machine.json(&["desk", "bootstrap", ADMIN])["enrolment_code"].as_str().unwrap().to_owned();
        let serve = ["--json", "desk", "serve", "--listen", "127.0.0.1:0", "--organisation", organisation];
        let mut serving = machine.command(&serve).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(serving.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        serving.stdout = Some(stdout.into_inner());
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it does not serve: {line}"));
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self { url: text("url"), fingerprint: text("fingerprint"), machine, serving, enrolment }
    }

    /// A machine at a branch office is provisioned with a code.
    pub(crate) fn provision(&self, station: &Desk, mac: &str, code: &str) -> Value {
        let own = ["station", "provision", "--desk", &self.url, "--mac", mac, "--code", code];
        station.json(&[&own[..], &["--fingerprint", &self.fingerprint]].concat())
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let _ = self.serving.kill();
        let _ = self.serving.wait();
    }
}

/// Somebody who works at the desk, and their telephone.
pub(crate) struct Colleague {
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
    /// The second factor, as text.
    pub(crate) key: String,
    used: u64,
}

impl Colleague {
    /// Somebody whose telephone holds this key.
    pub(crate) fn new(name: &'static str, key: &str) -> Self {
        Self { name, password: "three small wooden boats", key: key.replace(' ', ""), used: 0 }
    }

    /// What the telephone shows, or is about to show: each code once, for none is good twice.
    pub(crate) fn code(&mut self) -> String {
        let totp = Totp::new(&Seed::from_base32(&self.key).unwrap(), TotpParams::default());
        let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let now = totp.step_at(UnixTime::new(seconds));
        self.used = (self.used + 1).max(now);
        assert!(self.used <= now + 1, "too many codes at a time");
        totp.code_of(self.used).to_string()
    }

    /// Enrols with a code, as far as the second factor.
    pub(crate) fn begin(browser: &mut Browser, name: &'static str, code: &str) -> Self {
        browser.go("/enrol", "Enrol");
        browser.fill("Name", name);
        browser.fill("Enrolment code", code);
        browser.press("Go on", "Enrol");
        browser.says("It is shown only once.");
        Self::new(name, &browser.text("code.code"))
    }

    /// Chooses a password, and is in.
    pub(crate) fn finish(&mut self, browser: &mut Browser, first_page: &str) {
        browser.fill("Name", self.name);
        browser.fill("Password", self.password);
        browser.fill("Password once more", self.password);
        browser.fill("Code that your app shows", &self.code());
        browser.press("Finish", first_page);
    }

    pub(crate) fn sign_in(&mut self, browser: &mut Browser, first_page: &str) {
        browser.go("/sign-in", "Sign in");
        browser.fill("Name", self.name);
        browser.fill("Password", self.password);
        browser.fill("Code that your app shows", &self.code());
        browser.press("Sign in", first_page);
    }
}
