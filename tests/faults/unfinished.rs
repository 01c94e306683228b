//! Burns that were not finished, and what finishes them.

use serde_json::Value;

use crate::support::{Desk, RESTRICTED, Run};

const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const OTHER_SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// A fault before the first write, and one after it, with the state each leaves.
const BREAKS: [(&str, &str); 2] = [("status sw=6F00 ins=4B", "reserved"), ("status sw=6F00 ins=C5", "unknown")];

struct Broken {
    desk: Desk,
    state: &'static str,
    entry: Value,
}

impl Broken {
    /// A burn that broke, with these arguments and this on stdin.
    fn new((fault, state): (&str, &'static str), arguments: &[&str], stdin: &str) -> Self {
        let desk = Desk::new(1);
        desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
        desk.lab().fault(0, fault).unwrap();
        let run = desk.run_with(&[&["burn", "--json"], arguments].concat(), stdin).expect(4);
        assert_eq!(run.json()["state"], state);
        Self { entry: run.json()["entry"].clone(), state, desk }
    }

    fn burn(&self, arguments: &[&str], stdin: &str) -> Run {
        self.desk.run_with(&[&["burn", "--json"], arguments].concat(), stdin)
    }

    /// The states of all entries of the token, oldest first.
    fn states(&self) -> Vec<String> {
        let entries = self.desk.json(&["escrow", "list", "--serial", RESTRICTED]);
        entries.as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap().to_owned()).collect()
    }

    /// The token shows the newest entry, and all is well with the escrow.
    fn is_well(&self, states: &[&str]) {
        assert_eq!(self.states(), states, "it was {}", self.state);
        assert!(self.desk.shows(0, &self.desk.newest(RESTRICTED)["entry"]), "it was {}", self.state);
        assert_eq!(self.desk.json(&["escrow", "check"])["ok"], true);
        // Only one thing is unfinished at a time, and now nothing is: the seed is in use.
        assert_eq!(self.burn(&[], "").expect(8).error_code(), "token-in-use");
    }

    fn without_officer(&self) {
        std::fs::rename(self.desk.folder().join("officer.key"), self.desk.home().join("officer.key")).unwrap();
    }

    fn with_officer(&self) {
        std::fs::rename(self.desk.home().join("officer.key"), self.desk.folder().join("officer.key")).unwrap();
    }
}

#[test]
fn a_generated_seed_gives_way_to_the_escrowed_one_where_an_officer_is() {
    for broken in BREAKS.map(|fault| Broken::new(fault, &[], "")) {
        let code = broken.desk.code_of(&broken.entry, 59);
        let done = broken.burn(&["--upn", "bob@example.com"], "").expect(0).json();
        assert_eq!((&done["entry"], broken.desk.code_of(&done["entry"], 59)), (&broken.entry, code));
        assert_eq!(broken.desk.newest(RESTRICTED)["upn"], "bob@example.com");
        broken.is_well(&["programmed"]);
    }
}

#[test]
fn other_parameters_ask_for_another_seed() {
    for broken in BREAKS.map(|fault| Broken::new(fault, &[], "")) {
        let done = broken.burn(&["--algorithm", "sha256", "--time-step", "60"], "").expect(0).json();
        assert_ne!(done["entry"], broken.entry);
        broken.is_well(&["superseded", "programmed"]);
    }
}

#[test]
fn a_given_seed_wins() {
    for fault in BREAKS {
        // Over a generated one, over another given one, and over itself.
        for (before, now) in [(None, SEED), (Some(OTHER_SEED), SEED), (Some(SEED), SEED)] {
            let source: &[&str] = if before.is_some() { &["--seed-file", "-"] } else { &[] };
            let broken = Broken::new(fault, source, before.unwrap_or_default());
            let done = broken.burn(&["--seed-file", "-"], now).expect(0).json();
            assert_ne!(done["entry"], broken.entry);
            // RFC 6238, appendix B: the last six of eight digits at 59 s.
            assert_eq!(broken.desk.code_of(&done["entry"], 59), "287082");
            broken.is_well(&["superseded", "programmed"]);
        }
    }
}

#[test]
fn without_an_officer_a_fresh_seed_takes_the_place() {
    for broken in BREAKS.map(|fault| Broken::new(fault, &[], "")) {
        let code = broken.desk.code_of(&broken.entry, 59);
        broken.without_officer();
        let done = broken.burn(&[], "").expect(0).json();
        assert_ne!(done["entry"], broken.entry);
        broken.with_officer();
        assert_ne!(broken.desk.code_of(&done["entry"], 59), code);
        // The old seed is kept: the token may have been handed out with it.
        assert_eq!(broken.desk.code_of(&broken.entry, 59), code);
        broken.is_well(&["superseded", "programmed"]);
    }
}

#[test]
fn an_escrowed_seed_is_burned_by_entry_or_serial_number() {
    for fault in BREAKS {
        for by_entry in [true, false] {
            let broken = Broken::new(fault, &["--seed-file", "-"], SEED);
            let entry = broken.entry.as_str().unwrap();
            let source = if by_entry { ["--entry", entry] } else { ["--again", RESTRICTED] };
            broken.without_officer();
            let refused = broken.burn(&source, "").expect(6);
            assert_eq!(refused.error_code(), "key-file-missing");
            broken.with_officer();
            let done = broken.burn(&source, "").expect(0).json();
            assert_eq!(broken.desk.code_of(&done["entry"], 59), "287082");
            broken.is_well(&["superseded", "programmed"]);
        }
    }
}

#[test]
fn a_burn_that_breaks_again_and_again_is_finished_at_last() {
    let broken = Broken::new(BREAKS[1], &[], "");
    for (given, (fault, state)) in [(SEED, BREAKS[0]), (OTHER_SEED, BREAKS[1])] {
        broken.desk.lab().fault(0, fault).unwrap();
        let run = broken.burn(&["--seed-file", "-"], given).expect(4);
        assert_eq!(run.json()["state"], state);
    }
    assert_eq!(broken.states(), ["unknown", "reserved", "unknown"]);
    // The newest one is finished, the others are given up.
    broken.burn(&[], "").expect(0);
    broken.is_well(&["superseded", "superseded", "programmed"]);
    // Replacing breaks as well; finishing that needs no second permission.
    broken.desk.lab().fault(0, BREAKS[1].0).unwrap();
    broken.burn(&["--replace"], "").expect(4);
    assert_eq!(broken.states(), ["superseded", "superseded", "programmed", "unknown"]);
    broken.burn(&[], "").expect(0);
    broken.is_well(&["superseded", "superseded", "superseded", "programmed"]);
}

#[test]
fn codes_of_an_unfinished_burn_come_with_a_warning() {
    let broken = Broken::new(BREAKS[1], &[], "");
    let run = broken.desk.run(&["code", RESTRICTED]).expect(0);
    assert!(run.stderr.contains("is unknown: the token may hold that seed"), "{run:?}");
}

#[test]
fn an_officers_file_that_cannot_be_used_is_not_passed_over_in_silence() {
    use std::os::unix::fs::PermissionsExt;
    let broken = Broken::new(BREAKS[0], &[], "");
    let key = broken.desk.folder().join("officer.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(broken.burn(&[], "").expect(6).error_code(), "key-file-exposed");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let good = std::fs::read(&key).unwrap();
    std::fs::write(&key, "no key").unwrap();
    assert_eq!(broken.burn(&[], "").expect(6).error_code(), "key-file-foreign");
    assert_eq!(broken.states(), ["reserved"]);
    std::fs::write(&key, good).unwrap();
    assert_eq!(broken.burn(&[], "").expect(0).json()["entry"], broken.entry);
    broken.is_well(&["programmed"]);
}
