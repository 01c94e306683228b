//! Security keys with an OATH applet over the real pcscd: burn, read back, keep in order; and Yubico's own client as judge of
//! what was written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use support::Desk;
use support::ykman::ykman;

const SERIAL: &str = "12345678";
const KEY: &str = "ykoath serial=12345678 version=5.4.3 device-id=0123456789abcdef";
/// RFC 6238's seed, `12345678901234567890`.
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn desk(key: &str) -> Desk {
    let desk = Desk::new(1);
    desk.lab().insert(0, key).unwrap();
    desk
}

fn entries(desk: &Desk) -> Vec<Value> {
    desk.lab().command("state 0 --with-seed").unwrap()["entries"].as_array().unwrap().clone()
}

fn file(desk: &Desk, name: &str, text: &str) -> String {
    let path = desk.home().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// States of all entries of seeds, oldest first.
fn states(desk: &Desk) -> Vec<String> {
    let listed = desk.json(&["escrow", "list"]);
    listed.as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_burn_proves_itself_and_is_verified_again() {
    let desk = desk(KEY);
    let identified = desk.json(&["identify"]);
    assert_eq!((&identified["serial"], &identified["family"]), (&SERIAL.into(), &"ykoath".into()));
    assert_eq!((&identified["model"], &identified["version"]), (&"YubiKey".into(), &"5.4.3".into()));
    assert_eq!((&identified["device_id"], &identified["slots"]), (&"0123456789abcdef".into(), &json!([])));
    assert_eq!((&identified["clock"], &identified["capabilities"]["slots"]), (&Value::Null, &"named".into()));
    // Nobody knows what to call it.
    assert_eq!(desk.run(&["burn", "--json"]).expect(7).error_code(), "slot-needed");

    let burned = desk.json(&["burn", "--issuer", "ACME", "--upn", "bob@example.com"]);
    assert_eq!((&burned["slot"], &burned["codes_compared"]), (&"ACME:bob@example.com".into(), &true.into()));
    assert!(desk.json(&["escrow", "show", burned["entry"].as_str().unwrap()])["verified_at"].is_string());
    let again = desk.run(&["burn", "--issuer", "ACME", "--upn", "bob@example.com", "--json"]).expect(8);
    assert_eq!((again.error_code().as_str(), &again.json()["entry"]), ("token-in-use", &burned["entry"]));
    for (arguments, slot) in [
        (&["--upn", "eve", "--algorithm", "sha512", "--digits", "8", "--time-step", "60"][..], "60/eve"),
        (&["--upn", "count", "--counter", "4294967295", "--algorithm", "sha256", "--digits", "7"], "count"),
        (&["--slot", "ACME:touched", "--touch"], "ACME:touched"),
        (&["--slot", "7", "--seed-bytes", "1"], "7"),
        (&["--slot", "日本:é", "--seed-bytes", "128"], "日本:é"),
    ] {
        let burned = desk.json(&[&["burn"], arguments].concat());
        assert_eq!(burned["slot"].to_string().trim_matches('"'), slot);
    }
    let held = entries(&desk);
    assert_eq!(held.len(), 6);
    // What was used up to prove it was put back; what costs a touch does so now.
    assert_eq!((&held[2]["counter"], &held[2]["type"]), (&4_294_967_295_u64.into(), &"hotp".into()));
    assert_eq!((&held[3]["touch"], &held[0]["touch"]), (&true.into(), &false.into()));
    let slots = desk.json(&["token", "slots"]);
    assert_eq!((&slots["slots"][1]["slot"], &slots["slots"][1]["time_step"]), (&"60/eve".into(), &60.into()));

    let verified = desk.json(&["verify", "--slot", "60/eve"]);
    assert_eq!((&verified["match"], &verified["codes_compared"]), (&true.into(), &3.into()));
    let counted = desk.json(&["verify", "--slot", "count"]);
    assert_eq!((&counted["match"], &counted["counts_ahead"]), (&true.into(), &0.into()));
    assert_eq!(desk.json(&["verify", "--slot", "count"])["counts_ahead"], 1);
    assert_eq!(desk.run(&["verify", "--json"]).expect(7).error_code(), "entry-ambiguous");
    let code = desk.json(&["token", "code", "--slot", "60/eve"]);
    assert_eq!(code["code"].as_str().unwrap().len(), 8);
    // It has no clock, and says so.
    let sync = desk.run(&["sync", "--json"]).expect(4);
    assert!(sync.json()["error"]["message"].as_str().unwrap().contains("it has none"), "{sync:?}");
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);

    // The same seed once more, into its own slot.
    let before = entries(&desk)[1].clone();
    let id = desk.json(&["escrow", "list"])[1]["entry"].as_str().unwrap().to_owned();
    assert_eq!(desk.json(&["burn", "--entry", &id])["slot"], "60/eve");
    assert_eq!(entries(&desk)[1]["seed"], before["seed"]);
    // One that counts goes on where its server is: its used codes are not made good again.
    let counts = desk.json(&["escrow", "list"])[2]["entry"].as_str().unwrap().to_owned();
    let refused = desk.run(&["burn", "--entry", &counts, "--json"]).expect(2);
    assert!(refused.json()["error"]["remedy"].as_str().unwrap().contains("--counter"), "{refused:?}");
    let before = entries(&desk)[2].clone();
    let again = desk.json(&["burn", "--entry", &counts, "--counter", "7"]);
    let after = entries(&desk)[2].clone();
    assert_eq!((&after["seed"], &after["counter"]), (&before["seed"], &7.into()));
    assert_eq!(desk.json(&["escrow", "show", again["entry"].as_str().unwrap()])["counter"], 7);
    assert_eq!(desk.json(&["verify", "--slot", "count"])["counts_ahead"], 0);
}

#[test]
fn what_is_on_the_key_already_is_not_given_up_unasked() {
    let desk = desk("ykoath serial=NK-1 kind=generic device-id=00000000000000aa long-entries=31");
    // Its maker tells a number of its own where it says who it is.
    let identified = desk.json(&["identify"]);
    assert_eq!(identified["serial"].as_str().unwrap().len(), 8);
    assert_eq!(
        (&identified["device_id"], &identified["model"]),
        (&"00000000000000aa".into(), &"OATH security key".into())
    );
    let slots = desk.json(&["token", "slots"])["slots"].clone();
    let taken = slots[0]["slot"].as_str().unwrap().to_owned();
    let refused = desk.run(&["burn", "--slot", &taken, "--json"]).expect(8);
    assert_eq!(refused.error_code(), "slot-in-use");
    assert!(states(&desk).is_empty());
    desk.json(&["burn", "--slot", "one more"]);
    let full = desk.run(&["burn", "--slot", "too many", "--json"]).expect(4);
    assert_eq!((full.error_code().as_str(), &full.json()["state"]), ("token-full", &"reserved".into()));
    desk.json(&["burn", "--slot", &taken, "--replace"]);
    assert_eq!(entries(&desk).len(), 32);
    for (arguments, code) in [
        (&["--upn", "60/eve"][..], "slot-name"),
        (&["--issuer", "AC:ME", "--upn", "eve"], "slot-name"),
        (&["--upn", &"x".repeat(65)], "slot-name"),
        (&["--upn", "eve", "--digits", "10"], "token-digits"),
        (&["--upn", "eve", "--counter", "4294967296"], "token-counter"),
    ] {
        assert_eq!(desk.run(&[&["burn", "--json"], arguments].concat()).expect(7).error_code(), code, "{arguments:?}");
    }
    assert_eq!(desk.run(&["burn", "--upn", "eve", "--title", "x", "--json"]).expect(4).error_code(), "token-unable");
}

#[test]
fn a_key_is_kept_in_order_and_the_escrow_knows() {
    let desk = desk(KEY);
    desk.json(&["burn", "--slot", "ACME:bob"]);
    desk.json(&["burn", "--slot", "60/eve", "--time-step", "60"]);
    let seed = entries(&desk)[0]["seed"].clone();
    let renamed = desk.json(&["token", "rename", "--slot", "ACME:bob", "--to", "ACME:robert"]);
    assert_eq!(
        (&renamed["entries"][0]["state"], &renamed["entries"][1]["state"]),
        (&"programmed".into(), &"superseded".into())
    );
    assert_eq!((&entries(&desk)[0]["name"], &entries(&desk)[0]["seed"]), (&"ACME:robert".into(), &seed));
    assert_eq!(desk.json(&["verify", "--slot", "ACME:robert"])["match"], true);
    let step = desk.run(&["token", "rename", "--slot", "60/eve", "--to", "eve", "--json"]).expect(7);
    assert_eq!(step.error_code(), "slot-name");
    assert_eq!(states(&desk), ["superseded", "programmed", "programmed", "superseded"]);

    let delete = ["token", "delete", "--slot", "60/eve", "--serial", SERIAL, "--json"];
    assert_eq!(desk.run(&delete).expect(8).error_code(), "erase-not-permitted");
    assert_eq!(
        desk.run(&["token", "delete", "--slot", "60/eve", "--serial", "1", "--allow-erase", "--json"])
            .expect(4)
            .error_code(),
        "other-token"
    );
    let deleted = desk.run(&[&delete[..], &["--allow-erase"]].concat()).expect(0).json();
    assert_eq!(deleted["entries"][0]["state"], "retired");
    assert_eq!(desk.run(&[&delete[..], &["--allow-erase"]].concat()).expect(7).error_code(), "slot-empty");
    assert_eq!(desk.run(&["token", "lock", "--json"]).expect(4).error_code(), "token-unable");

    let reset = ["token", "reset", "--serial", SERIAL, "--json"];
    assert_eq!(desk.run(&reset).expect(8).error_code(), "erase-not-permitted");
    desk.run(&[&reset[..], &["--allow-erase"]].concat()).expect(0);
    assert!(entries(&desk).is_empty());
    assert_eq!(states(&desk), ["superseded", "retired", "retired", "superseded"]);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn an_access_key_is_sealed_and_a_wrong_one_is_tried_once() {
    let desk = desk(KEY);
    let (first, second) = (file(&desk, "first", "hunter2\n"), file(&desk, "second", "hunter3\n"));
    let set = desk.json(&["token", "access-key", "set", "--new-key-file", &first, "--seal"]);
    assert!(set["entry"].is_string() && desk.lab().state(0).unwrap()["access_code"] == true);
    assert_eq!((&desk.json(&["identify"])["locked"], &desk.json(&["identify"])["slots"]), (&true.into(), &Value::Null));
    // The officer's escrow has it, so nobody is asked; it is no seed, so no list of seeds shows it.
    assert_eq!(desk.json(&["burn", "--slot", "bob"])["state"], "programmed");
    assert_eq!(states(&desk), ["programmed"]);
    desk.lab().command("log 0 clear").unwrap();
    let wrong = desk.run(&["burn", "--slot", "eve", "--access-key-file", &second, "--json"]).expect(4);
    assert_eq!(wrong.error_code(), "access-key-wrong");
    let tried = desk.lab().log(0).unwrap().iter().filter(|(sent, _)| sent.starts_with("00a3")).count();
    assert_eq!((tried, states(&desk).len()), (1, 1));
    // Another one, which nobody keeps: the sealed one is out of use, and none is guessed.
    desk.json(&["token", "access-key", "set", "--new-key-file", &second]);
    assert_eq!(desk.json(&["escrow", "show", set["entry"].as_str().unwrap()])["state"], "retired");
    assert_eq!(desk.run(&["token", "slots", "--json"]).expect(4).error_code(), "access-key-needed");
    assert!(desk.json(&["token", "access-key", "check", "--access-key-file", &second, "--seal"])["entry"].is_string());
    assert_eq!(desk.json(&["token", "slots"])["slots"][0]["slot"], "bob");
    desk.json(&["token", "access-key", "remove"]);
    assert_eq!(desk.json(&["identify"])["locked"], false);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn a_tear_at_any_command_is_made_good_by_the_next_burn() {
    // One burn each way: codes by time, torn after the command; codes by count, torn before it.
    for (source, fault) in
        [(&["--slot", "bob"][..], "tear-after"), (&["--slot", "bob", "--counter", "5"], "tear-before")]
    {
        let desk = desk(KEY);
        let burn = [&["burn", "--replace", "--json"], source].concat();
        desk.run(&burn).expect(0);
        let commands = desk.lab().log(0).unwrap();
        let first_write = commands.iter().position(|(sent, _)| sent.starts_with("0001")).unwrap() + 1;
        let mut begun = false;
        // Where nothing is written yet, torn before one command is torn after the one before it.
        let from = if fault == "tear-before" { 1 } else { first_write - 1 };
        for at in from..=commands.len() {
            desk.lab().command("log 0 clear").unwrap();
            let before = states(&desk);
            desk.lab().fault(0, &format!("{fault} at={at}")).unwrap();
            let torn = desk.run(&burn).expect(3);
            let found = torn.json()["state"].clone();
            let known = states(&desk);
            // While the key is only looked at there is nothing to note, and its seed stays in use.
            let looking = found.is_null() && !begun;
            begun |= !looking;
            let state = if at < first_write { "reserved" } else { "unknown" };
            assert!(
                if looking { at < first_write && known == before } else { found == state },
                "{fault} at {at}: {torn:?}"
            );
            desk.lab().command("press 0").unwrap();
            // It is finished without a flag.
            let burn: Vec<_> = burn.iter().copied().filter(|argument| looking || *argument != "--replace").collect();
            let done = desk.run(&burn).expect(0).json()["entry"].clone();
            assert!(looking || done == torn.json()["entry"], "{fault} at {at}");
            assert_eq!(desk.json(&["verify", "--slot", "bob"])["match"], true, "{fault} at {at}");
        }
        assert!(begun);
        assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
    }
}

#[test]
fn a_key_that_computes_other_codes_is_found_out() {
    let desk = desk(KEY);
    desk.lab().fault(0, "flip bit=40 ins=A2").unwrap();
    let run = desk.run(&["burn", "--slot", "bob", "--json"]).expect(4);
    assert_eq!((run.error_code().as_str(), &run.json()["state"]), ("read-back-differs", &"unknown".into()));
    assert_eq!(desk.json(&["burn", "--slot", "bob"])["state"], "programmed");
    // Somebody has put another seed there since.
    if ykman().is_some() {
        desk.ykman_lines(0, &["oath", "accounts", "add", "--force", "bob", SEED]);
        assert_eq!(desk.run(&["verify", "--slot", "bob", "--json"]).expect(9).json()["match"], false);
    }
}

#[test]
fn what_is_written_yubicos_client_reads_and_the_other_way_round() {
    if ykman().is_none() {
        return;
    }
    let desk = desk(KEY);
    let seed = file(&desk, "seed", SEED);
    desk.json(&["burn", "--seed-file", &seed, "--issuer", "ACME", "--upn", "bob"]);
    desk.json(&[
        "burn",
        "--upn",
        "eve",
        "--issuer",
        "ÄÖ",
        "--time-step",
        "60",
        "--digits",
        "8",
        "--algorithm",
        "sha256",
    ]);
    desk.json(&["burn", "--upn", "count", "--counter", "3"]);
    assert_eq!(desk.ykman_lines(0, &["oath", "accounts", "list"]), ["ACME:bob", "count", "60/ÄÖ:eve"]);
    for (slot, account) in [("ACME:bob", "ACME:bob"), ("60/ÄÖ:eve", "ÄÖ:eve")] {
        let ours = || desk.json(&["token", "code", "--slot", slot])["code"].clone();
        let (before, theirs, after) = (ours(), desk.ykman_code(0, account), ours());
        assert!([before, after].contains(&theirs.clone().into()), "{account} {theirs}");
    }
    // It made code 3; the next one is ours.
    desk.ykman_code(0, "count");
    assert_eq!(desk.json(&["verify", "--slot", "count"])["counts_ahead"], 1);
    // What it adds, renames and deletes we see.
    desk.ykman_lines(0, &["oath", "accounts", "add", "--period", "15", "--issuer", "Other", "mallory", SEED]);
    desk.ykman_lines(0, &["oath", "accounts", "rename", "--force", "ACME:bob", "ACME:robert"]);
    desk.ykman_lines(0, &["oath", "accounts", "delete", "--force", "count"]);
    let slots = desk.json(&["token", "slots"])["slots"].clone();
    let names: Vec<_> = slots.as_array().unwrap().iter().map(|slot| slot["slot"].as_str().unwrap()).collect();
    assert_eq!(names, ["ACME:robert", "60/ÄÖ:eve", "15/Other:mallory"]);
    let code = desk.json(&["token", "code", "--slot", "15/Other:mallory"]);
    assert!(code["valid_until"].is_string() && code["code"].as_str().unwrap().len() == 6);
    // Its password opens the key for us, and ours for it.
    desk.ykman_lines(0, &["oath", "access", "change", "--new-password", "hunter2"]);
    let key = file(&desk, "key", "hunter2");
    assert_eq!(desk.json(&["token", "slots", "--access-key-file", &key])["slots"].as_array().unwrap().len(), 3);
    let new = file(&desk, "new", "tr0ub4dor&3");
    desk.json(&["token", "access-key", "set", "--new-key-file", &new, "--access-key-file", &key]);
    assert_eq!(desk.ykman_lines(0, &["oath", "accounts", "list", "--password", "tr0ub4dor&3"]).len(), 3);
}
