//! Officers and stations at several machines, each played by a home folder of its own, with one store between them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;

use oathburn_escrow::{Escrow, Facts, Origin, Pins, Reservation, StationKey, StoreUrl, Writer};
use oathburn_oath::{FamilyId, Seed, SerialNumber, Slot, SystemClock, TokenIdentity, TokenRecord, TotpParams};
use serde_json::Value;
use support::{Desk, RESTRICTED, Run, UNRESTRICTED};

/// The program at one machine, with the store of another.
fn at(desk: &Desk, store: &str, arguments: &[&str]) -> Run {
    desk.run(&[arguments, &["--store", store, "--json"]].concat())
}

fn store_of(desk: &Desk) -> String {
    format!("sqlite:{}", desk.folder().join("escrow.db").display())
}

/// A machine without readers, and an escrow with a plain officer's file.
fn office() -> Desk {
    let desk = Desk::without_readers();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    desk
}

/// The line of an officer or a station, and its fingerprint.
fn line(desk: &Desk, role: &str, options: &[&str]) -> (String, String) {
    let json = desk.json(&[&["escrow", role, "key"], options].concat());
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    (text("line"), text("fingerprint"))
}

fn labels(json: &Value) -> Vec<&str> {
    json.as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap()).collect()
}

#[test]
fn a_second_officer_is_let_in_and_taken_off() {
    let (alice, bob) = (Desk::new(1), Desk::without_readers());
    let store = store_of(&alice);
    alice.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let burned = alice.json(&["burn"]);
    let entry = burned["entry"].as_str().unwrap();

    // Bob has no escrow; his line makes his file, and says nothing secret.
    let (bobs, fingerprint) = line(&bob, "officers", &["--label", "Bob", "--plain-identity"]);
    assert!(bobs.starts_with("oathburn-officer age1") && bobs.ends_with(" Bob"));
    assert_eq!(line(&bob, "officers", &["--label", "Bob"]).1, fingerprint);
    let file = std::fs::read_to_string(bob.folder().join("officer.key")).unwrap();
    let secrets: Vec<_> = file.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(secrets.len() == 2 && secrets.iter().all(|secret| !bobs.contains(secret)));
    let stranger = at(&bob, &store, &["code", "--entry", entry]).expect(6);
    assert_eq!(stranger.error_code(), "officer-unknown");

    // The line may come in one argument or in many; nothing happens before somebody has compared the fingerprint.
    let words: Vec<_> = bobs.split(' ').collect();
    let add = |options: &[&str]| alice.run(&[&["escrow", "officers", "add", "--json"], options].concat());
    assert_eq!(add(&[&bobs]).expect(8).error_code(), "not-confirmed");
    assert_eq!(add(&[&bobs, "--fingerprint", "AAAA-BBBB"]).expect(8).error_code(), "fingerprint-differs");
    assert_eq!(add(&[words[1]]).expect(7).error_code(), "member-line-refused");
    let wrong_role = alice.run(&["escrow", "stations", "approve", &bobs, "--yes", "--json"]);
    assert_eq!(wrong_role.expect(7).error_code(), "member-role");
    assert_eq!(labels(&alice.json(&["escrow", "officers", "list"])).len(), 1);
    let added = add(&[words.as_slice(), &["--fingerprint", &fingerprint.to_lowercase()]].concat()).expect(0).json();
    assert_eq!((&added["added"], &added["roster"], &added["keys_wrapped"]), (&true.into(), &2.into(), &1.into()));
    assert_eq!(added["officer"]["fingerprint"], fingerprint.as_str());
    assert_eq!(add(&[&bobs, "--yes"]).expect(0).json()["added"], false);

    // Bob opens what was burned before him, and his name stands in the trail.
    at(&bob, &store, &["code", "--entry", entry]).expect(0);
    let shown = alice.json(&["escrow", "show", entry]);
    let disclosed = shown["events"].as_array().unwrap().iter().find(|event| event["kind"] == "code-disclosed");
    assert_eq!(disclosed.unwrap()["writer"], "Bob");
    assert_eq!(at(&bob, &store, &["escrow", "check"]).expect(0).json()["opened"], 1);

    // Not himself, but Alice takes him off; the token that he could open is to be burned again.
    let own = at(&bob, &store, &["escrow", "officers", "remove", "Bob", "--yes"]).expect(8);
    assert_eq!(own.error_code(), "officer-own-removal");
    let remove = |name: &str| alice.run(&["escrow", "officers", "remove", name, "--json", "--yes"]);
    assert_eq!(remove("Carol").expect(7).error_code(), "member-unknown");
    let asked = alice.run(&["escrow", "officers", "remove", "Bob", "--json"]).expect(8);
    assert_eq!(asked.error_code(), "not-confirmed");
    let removed = remove("Bob").expect(0).json();
    assert_eq!((&removed["removed"], &removed["seeds_resealed"]), (&true.into(), &1.into()));
    let exposed = &removed["exposed"][0];
    assert_eq!((&exposed["entry"], &exposed["serial"]), (&burned["entry"], &RESTRICTED.into()));
    assert_eq!(exposed["exposed_to"][0]["label"], "Bob");
    assert_eq!(remove("Bob").expect(0).json()["removed"], false);
    let again = at(&bob, &store, &["code", "--entry", entry]).expect(6);
    assert_eq!(again.error_code(), "officer-unknown");
    let all = alice.json(&["escrow", "officers", "list", "--all"]);
    assert_eq!((labels(&all).len(), labels(&all)[1]), (2, "Bob"));
    assert!(all[0]["until"].is_null() && all[1]["until"].is_string());
    assert_eq!(labels(&alice.json(&["escrow", "officers", "list"])).len(), 1);
    assert_eq!(remove(labels(&all)[0]).expect(8).error_code(), "officer-last");

    // The list stays until the token has another seed.
    assert_eq!(alice.json(&["escrow", "officers", "exposed"]).as_array().unwrap().len(), 1);
    alice.json(&["burn", "--again", RESTRICTED, "--replace"]);
    assert_eq!(alice.json(&["escrow", "officers", "exposed"]).as_array().unwrap().len(), 1, "the same seed once more");
    alice.json(&["burn", "--generate", "--replace"]);
    assert_eq!(alice.json(&["escrow", "officers", "exposed"]).as_array().unwrap().len(), 0);
    assert_eq!(alice.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn a_station_burns_what_it_cannot_open() {
    let (alice, branch) = (office(), Desk::without_escrow(1));
    let store = store_of(&alice);
    branch.lab().insert(0, &format!("token2-single serial={UNRESTRICTED}")).unwrap();
    assert_eq!(at(&branch, &store, &["burn"]).expect(6).error_code(), "station-not-approved");
    let (line, fingerprint) = line(&branch, "stations", &["--label", "branch office"]);
    let approve = ["escrow", "stations", "approve", &line, "--fingerprint", &fingerprint];
    assert_eq!(alice.json(&approve)["approved"], true);
    assert_eq!(alice.json(&approve)["approved"], false);

    let burned = at(&branch, &store, &["burn"]).expect(0).json();
    assert_eq!(burned["state"], "programmed");
    let entry = burned["entry"].as_str().unwrap();
    // Its keys open nothing, whatever it tries; an officer opens what it burned.
    assert_eq!(at(&branch, &store, &["code", "--entry", entry]).expect(6).error_code(), "key-file-missing");
    let station_key = branch.folder().join("station.key");
    let as_officer = ["code", "--entry", entry, "--identity", station_key.to_str().unwrap()];
    assert_eq!(at(&branch, &store, &as_officer).expect(6).error_code(), "key-file-foreign");
    let forced = at(&branch, &store, &["escrow", "compact"]).expect(6);
    assert_eq!(forced.error_code(), "key-file-missing");
    alice.json(&["code", "--entry", entry]);

    let revoke = ["escrow", "stations", "revoke", "branch office"];
    let asked = alice.run(&[&revoke[..], &["--json"]].concat()).expect(8);
    assert_eq!(asked.error_code(), "not-confirmed");
    assert_eq!(alice.json(&[&revoke[..], &["--yes"]].concat())["revoked"], true);
    let refused = at(&branch, &store, &["burn", "--replace"]).expect(6);
    assert_eq!(refused.error_code(), "station-not-approved");
    assert_eq!(labels(&alice.json(&["escrow", "stations", "list", "--all"])).len(), 2);
    assert_eq!(alice.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn a_curious_operator_gets_no_seed_and_no_code() {
    let (alice, branch) = (office(), Desk::without_readers());
    let store = store_of(&alice);
    let seed = alice.home().join("seed");
    std::fs::write(&seed, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
    let seed = seed.display().to_string();
    let added =
        alice.json(&["escrow", "add", "--serial", "1001", "--upn", "bob", "--note", "top", "--seed-file", &seed]);
    let entry = added["entry"].as_str().unwrap();
    let (line, fingerprint) = line(&branch, "stations", &["--label", "branch office"]);
    alice.json(&["escrow", "stations", "approve", &line, "--fingerprint", &fingerprint]);
    let events = || alice.json(&["escrow", "audit", "list"]).as_array().unwrap().len();
    let before = events();
    // Whose tokens there are, and what is noted of them, is for everybody who reads the store.
    let list = at(&branch, &store, &["escrow", "list"]).expect(0).json();
    assert_eq!((&list[0]["upn"], &list[0]["note"]), (&"bob".into(), &"top".into()));
    let out = branch.home().join("out").display().to_string();
    let station_key = branch.folder().join("station.key").display().to_string();
    for deed in [
        &["code", "--entry", entry, "--reason", "curious"][..],
        &["code", "--upn", "bob", "--future", "3", "--reason", "curious"],
        &["escrow", "reveal", entry, "--reason", "curious", "--out", &out],
        &["export", "--format", "entra", "--reason", "curious", "--out", &out],
        &["identify-code", "755224"],
        &["escrow", "compact"],
        &["escrow", "officers", "remove", "alice", "--yes"],
    ] {
        for identity in [&[][..], &["--identity", &station_key]] {
            let run = at(&branch, &store, &[deed, identity].concat()).expect(6);
            assert!(["key-file-missing", "key-file-foreign"].contains(&run.error_code().as_str()), "{run:?}");
            assert!(!run.stdout.contains("GEZDG") && !std::path::Path::new(&out).exists(), "{run:?}");
        }
    }
    assert_eq!(events(), before, "nothing was disclosed, so nothing is noted");
    assert_eq!(alice.json(&["escrow", "check"])["ok"], true);
}

/// Seeds from a file, in runs of one session each.
fn import(desk: &Desk, count: usize, sessions: usize) {
    let folder = desk.folder();
    for run in 0..sessions {
        let station = StationKey::load_or_create(&folder.join("station.key")).unwrap();
        let who = Writer { operator: None, uid: 0, host: "test".into() };
        let url = StoreUrl::sqlite(folder.join("escrow.db"));
        let escrow = Escrow::open(&url, station, &Pins::new(folder.join("pins")), who, Arc::new(SystemClock)).unwrap();
        let record = |number: usize| TokenRecord {
            identity: TokenIdentity {
                family: FamilyId::new("token2-single").unwrap(),
                serial: SerialNumber::new(&format!("{run}-{number}")).unwrap(),
                slot: Slot::SINGLE,
            },
            params: TotpParams::default().into(),
            seed: Seed::generate(20).unwrap(),
            manufacturer: None,
            model: None,
            upn: None,
            issuer: None,
        };
        let records: Vec<_> = (0..count / sessions).map(record).collect();
        let imports: Vec<_> =
            records.iter().map(|record| Reservation { record, origin: Origin::Imported, batch: None }).collect();
        escrow.import(&imports, Facts::new()).unwrap();
    }
}

/// Runs the program until it has said so many lines, and kills it as the kernel does it when memory is short. Whether
/// it was still running.
fn killed_after(desk: &Desk, arguments: &[&str], lines: usize) -> bool {
    let mut child = desk.command(arguments).stdout(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let heard = said.by_ref().take(lines).map_while(Result::ok).count();
    child.kill().unwrap();
    child.wait().unwrap();
    heard == lines
}

#[test]
fn a_program_that_is_killed_while_it_seals_anew_is_finished_by_the_next() {
    let (alice, bob) = (office(), Desk::without_readers());
    import(&alice, 1200, 6);
    let (line, _) = line(&bob, "officers", &["--label", "Bob", "--plain-identity"]);
    let add = ["escrow", "officers", "add", &line, "--yes"];
    // After the fingerprint, after the roster; the next is let through.
    for lines in 1..=2 {
        killed_after(&alice, &add, lines);
        assert_eq!(alice.json(&["escrow", "check"])["opened"], 1200);
    }
    let added = alice.json(&add);
    assert_eq!(at(&bob, &store_of(&alice), &["escrow", "check"]).expect(0).json()["opened"], 1200, "{added}");

    let remove = ["escrow", "officers", "remove", "Bob", "--yes"];
    for lines in 1..=3 {
        // Of what is sealed anew it says a line only as long as there is something left.
        assert!(killed_after(&alice, &remove, lines) || lines > 1);
        let check = alice.json(&["escrow", "check"]);
        assert_eq!((&check["ok"], &check["opened"]), (&true.into(), &1200.into()));
    }
    // An officer who looks is told what is left.
    let left = alice.run(&["escrow", "officers", "list"]).expect(0).stderr;
    assert!(left.is_empty() || left.contains("former officer"), "{left}");
    let removed = alice.json(&remove);
    assert_eq!((&removed["removed"], removed["exposed"].as_array().unwrap().len()), (&false.into(), 1200));
    assert_eq!(alice.run(&["escrow", "officers", "list"]).expect(0).stderr, "");

    import(&alice, 300, 6);
    killed_after(&alice, &["escrow", "compact"], 1);
    assert_eq!(alice.json(&["escrow", "check"])["opened"], 1500);
    alice.json(&["escrow", "compact"]);
    assert_eq!(alice.json(&["escrow", "compact"])["seeds_resealed"], 0);
    let check = alice.json(&["escrow", "check"]);
    assert_eq!((&check["ok"], &check["opened"]), (&true.into(), &1500.into()));
}

#[test]
fn an_ssh_key_is_an_officers_file_as_any_other() {
    let (alice, bob) = (Desk::without_readers(), Desk::without_readers());
    let ssh_key = |desk: &Desk, passphrase: &str| {
        let path = desk.home().join("id_ed25519").display().to_string();
        let arguments = ["-q", "-t", "ed25519", "-a", "1", "-N", passphrase, "-f", &path];
        assert!(std::process::Command::new("ssh-keygen").args(arguments).status().unwrap().success());
        path
    };
    let (alices, bobs) = (ssh_key(&alice, ""), ssh_key(&bob, "secret"));
    // Without a passphrase it is used, and said what that means.
    let made = alice.run(&["escrow", "init", "--identity", &alices, "--json"]).expect(0);
    assert!(made.json()["recipient"].as_str().unwrap().starts_with("ssh-ed25519 AAAA"));
    assert!(made.stderr.contains("whoever reads the officer's file"), "{}", made.stderr);

    std::fs::write(bob.home().join("passphrase"), "secret\n").unwrap();
    let passphrase_file = bob.home().join("passphrase").display().to_string();
    let opens = ["--identity", bobs.as_str(), "--passphrase-file", &passphrase_file];
    let key = bob.run(&[&["escrow", "officers", "key", "--label", "Bob", "--json"], &opens[..]].concat()).expect(0);
    assert_eq!(key.stderr.lines().filter(|line| line.contains("whoever reads")).count(), 0);
    let line = key.json()["line"].as_str().unwrap().to_owned();
    let locked = bob.run(&["escrow", "officers", "key", "--identity", &bobs, "--json"]).expect(6);
    assert_eq!(locked.error_code(), "key-file-locked");
    import(&alice, 3, 1);
    alice.json(&["escrow", "officers", "add", &line, "--yes", "--identity", &alices]);
    let check = at(&bob, &store_of(&alice), &[&["escrow", "check"], &opens[..]].concat()).expect(0).json();
    assert_eq!((&check["ok"], &check["opened"]), (&true.into(), &3.into()));
}
