//! Tokens with many profiles over the real pcscd: burn into slots, set clocks, keep in order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use support::Desk;

const SERIAL: &str = "7659622000001";

fn desk(more: &str) -> Desk {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("molto2 serial={SERIAL} profiles=50 {more}")).unwrap();
    desk
}

fn profile(desk: &Desk, number: usize) -> Value {
    desk.lab().state(0).unwrap()["profiles"][number].clone()
}

/// Whether a profile shows, by its own clock, what its newest entry says.
fn shows(desk: &Desk, number: usize, entry: &Value) -> bool {
    let shown = desk.lab().command(&format!("display 0 profile={number}")).unwrap();
    let ahead = profile(desk, number)["clock_offset"].as_i64().unwrap();
    let at = shown["at"].as_u64().unwrap().checked_add_signed(ahead).unwrap();
    ahead.abs() <= 3 && shown["code"] == desk.code_of(entry, at)
}

fn file(desk: &Desk, name: &str, text: &str) -> String {
    let path = desk.home().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn states(desk: &Desk) -> Vec<String> {
    let listed = desk.json(&["escrow", "list"]);
    listed.as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn seeds_go_into_the_next_free_slot_or_the_one_that_is_named() {
    let desk = desk("");
    let identified = desk.json(&["identify"]);
    assert_eq!((&identified["model"], &identified["serial"]), (&"Molto2".into(), &SERIAL.into()));
    assert_eq!(identified["slots"].as_array().unwrap().len(), 50);
    let first = desk.json(&["burn", "--upn", "bob@example.com"]);
    assert_eq!((&first["slot"], &first["codes_compared"]), (&0.into(), &false.into()));
    assert!(shows(&desk, 0, &first["entry"]) && profile(&desk, 0)["title"] == "bob");
    let arguments = ["--algorithm", "sha256", "--time-step", "60", "--digits", "10", "--title", "ÄÖÜ"];
    let second = desk.json(&[&["burn"], &arguments[..]].concat());
    assert_eq!((&second["slot"], &profile(&desk, 1)["title"]), (&1.into(), &"ÄÖÜ".into()));
    assert!(shows(&desk, 1, &second["entry"]));
    // Four digits are what no standard has and this token can.
    let four = desk.json(&["burn", "--slot", "7", "--digits", "4"]);
    assert!(shows(&desk, 7, &four["entry"]));
    let code = desk.lab().command("display 0 profile=7").unwrap()["code"].as_str().unwrap().to_owned();
    assert_eq!(desk.json(&["verify", "--slot", "7", "--code", &code])["match"], true);
    assert_eq!(desk.run(&["burn", "--slot", "7", "--json"]).expect(8).error_code(), "token-in-use");
    let replaced = desk.json(&["burn", "--slot", "7", "--replace", "--issuer", "ACME International"]);
    assert!(shows(&desk, 7, &replaced["entry"]) && profile(&desk, 7)["title"] == "ACME Interna");
    assert_eq!(states(&desk), ["programmed", "programmed", "superseded", "programmed"]);
    for (arguments, exit, code) in [
        (&["--slot", "50"][..], 7, "token-slot"),
        (&["--slot", "bob"], 7, "token-slot"),
        (&["--digits", "7"], 7, "token-digits"),
        (&["--algorithm", "sha512"], 7, "token-algorithm"),
        (&["--title", "thirteen char"], 7, "token-title"),
        (&["--counter", "1"], 7, "token-event-based"),
        (&["--touch"], 4, "token-unable"),
    ] {
        let run = desk.run(&[&["burn", "--json"], arguments].concat()).expect(exit);
        assert_eq!(run.error_code(), code, "{arguments:?}");
    }
    assert_eq!(states(&desk).len(), 4);
    // Somebody else's seed, that no escrow keeps, and a token without room.
    for slot in 0..50 {
        if ![0, 1, 7].contains(&slot) {
            desk.json(&["burn", "--slot", &slot.to_string()]);
        }
    }
    assert_eq!(desk.run(&["burn", "--json"]).expect(4).error_code(), "token-full");
    let other = Desk::new(1);
    other.lab().insert(0, &format!("molto2 serial={SERIAL} profiles=100")).unwrap();
    assert_eq!(other.json(&["identify"])["model"], "Molto2v2");
    assert_eq!(other.json(&["burn", "--slot", "99"])["slot"], 99);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn clocks_are_set_and_seeds_stay() {
    let desk = desk("clock-offset=-500");
    let (one, two) = (desk.json(&["burn"]), desk.json(&["burn"]));
    desk.lab().command("clock 0 shift=77").unwrap();
    assert!(!shows(&desk, 0, &one["entry"]));
    let synced = desk.json(&["sync", "--slot", "0"]);
    assert_eq!(synced["slots"], serde_json::json!([0]));
    assert!(shows(&desk, 0, &one["entry"]) && !shows(&desk, 1, &two["entry"]));
    assert_eq!(desk.json(&["sync"])["slots"], serde_json::json!([0, 1]));
    assert!(shows(&desk, 1, &two["entry"]));
    assert_eq!(desk.run(&["sync", "--slot", "9", "--json"]).expect(7).error_code(), "slot-empty");
    assert_eq!(desk.run(&["sync", "--set-time", "59", "--json"]).expect(8).error_code(), "other-time");
    desk.json(&["sync", "--slot", "1", "--set-time", "1700000000", "--allow-time-travel"]);
    assert!(profile(&desk, 1)["clock_offset"].as_i64().unwrap() < -1000);
    assert_eq!(states(&desk), ["programmed", "programmed"]);
}

#[test]
fn a_wrong_key_is_tried_once_and_what_is_left_is_said() {
    let desk = desk("key=0123456789ABCDEF");
    let refused = desk.run(&["burn", "--json"]).expect(4);
    assert_eq!(refused.error_code(), "access-key-wrong");
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("7 more wrong ones lock it"), "{refused:?}");
    assert_eq!((&desk.lab().state(0).unwrap()["attempts"], &refused.json()["state"]), (&7.into(), &"reserved".into()));
    let answers = desk.lab().log(0).unwrap().iter().filter(|(sent, _)| sent.starts_with("80ce")).count();
    assert_eq!(answers, 1);
    // It is remembered: whatever would try the maker's key again is refused before it does.
    for command in
        [&["burn"][..], &["burn", "--dry-run"], &["sync"], &["token", "lock"], &["token", "access-key", "check"]]
    {
        let run = desk.run(&[command, &["--json"]].concat()).expect(7);
        assert_eq!(run.error_code(), "factory-key-refused", "{command:?}");
    }
    assert_eq!(desk.lab().state(0).unwrap()["attempts"], 7);
    assert_eq!(desk.json(&["token", "slots"])["slots"].as_array().unwrap().len(), 50);
    // Who insists says so, each time.
    let insist = ["token", "access-key", "check", "--factory-key", "--json"];
    for left in [6, 5] {
        assert_eq!(desk.run(&insist).expect(4).error_code(), "access-key-wrong");
        assert_eq!(desk.lab().state(0).unwrap()["attempts"], left);
    }
    let (right, short) = (file(&desk, "right", "0123456789ABCDEF\n"), file(&desk, "short", "0123\n"));
    let run = desk.run(&["burn", "--access-key-file", &short, "--json"]).expect(7);
    assert_eq!((run.error_code().as_str(), &desk.lab().state(0).unwrap()["attempts"]), ("access-key-len", &5.into()));
    // The unfinished burn is finished in its slot; a right key makes up for the wrong one.
    let burned = desk.json(&["burn", "--access-key-file", &right]);
    assert_eq!((&burned["slot"], &desk.lab().state(0).unwrap()["attempts"]), (&0.into(), &8.into()));
    // Kept in the escrow it is given no more.
    assert!(desk.json(&["token", "access-key", "check", "--access-key-file", &right, "--seal"])["entry"].is_string());
    assert_eq!(desk.json(&["burn"])["slot"], 1);
    desk.lab().fault(0, "lock tries=0").ok();
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn a_makers_key_that_is_replaced_or_back_is_remembered() {
    let desk = desk("");
    let tried = || desk.lab().log(0).unwrap().iter().filter(|(sent, _)| sent.starts_with("80ce")).count();
    let new = file(&desk, "new", "0123456789ABCDEF");
    // Nobody keeps the new one, and the maker's is known to be wrong without a try.
    confirmed(&desk, &["token", "access-key", "set", "--new-key-file", &new, "--json"], true).expect(0);
    let before = tried();
    assert_eq!(desk.run(&["burn", "--json"]).expect(7).error_code(), "factory-key-refused");
    assert_eq!((tried(), &desk.lab().state(0).unwrap()["attempts"]), (before, &8.into()));
    let remove = ["token", "access-key", "remove", "--access-key-file", &new, "--json"];
    confirmed(&desk, &remove, true).expect(0);
    assert_eq!(desk.json(&["burn"])["slot"], 0);
    // Changed behind our back, and set back there.
    desk.lab().command("remove 0").unwrap();
    desk.lab().insert(0, &format!("molto2 serial={SERIAL} profiles=50 key=0123456789ABCDEF")).unwrap();
    assert_eq!(desk.run(&["sync", "--slot", "0", "--json"]).expect(7).error_code(), "slot-empty");
    assert_eq!(desk.run(&["token", "lock", "--json"]).expect(4).error_code(), "access-key-wrong");
    assert_eq!(desk.run(&["token", "lock", "--json"]).expect(7).error_code(), "factory-key-refused");
    desk.lab().command("remove 0").unwrap();
    desk.lab().insert(0, &format!("molto2 serial={SERIAL} profiles=50")).unwrap();
    desk.json(&["token", "access-key", "check", "--factory-key"]);
    desk.json(&["token", "lock"]);
    // A sealed key that is refused is not tried a second time either.
    let set = ["token", "access-key", "set", "--new-key-file", &new, "--seal", "--json"];
    confirmed(&desk, &set, true).expect(0);
    desk.json(&["token", "lock"]);
    desk.lab().command("remove 0").unwrap();
    desk.lab().insert(0, &format!("molto2 serial={SERIAL} profiles=50 key=FEDCBA9876543210")).unwrap();
    assert_eq!(desk.run(&["token", "lock", "--json"]).expect(4).error_code(), "access-key-wrong");
    assert_eq!(desk.run(&["token", "lock", "--json"]).expect(7).error_code(), "access-key-unsure");
    assert_eq!(desk.lab().state(0).unwrap()["attempts"], 7);
    let stats = desk.json(&["escrow", "stats"]);
    assert_eq!((&stats["entries"], &stats["access_keys"]), (&1.into(), &1.into()));
    assert_eq!(stats["in_use"]["families"], serde_json::json!({ "molto2": 1 }));
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

/// Runs a change that the token wants to have confirmed, and presses its button, or not.
fn confirmed(desk: &Desk, arguments: &[&str], press: bool) -> support::Run {
    use std::io::Write;
    let mut child = desk.command(arguments).stdin(std::process::Stdio::piped()).spawn().unwrap();
    while desk.lab().state(0).unwrap()["waiting_for_button"].is_null() {
        assert!(child.try_wait().unwrap().is_none(), "it does not wait: {:?}", child.wait_with_output());
        std::thread::yield_now();
    }
    if press {
        desk.lab().command("press 0").unwrap();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
    } else {
        drop(child.stdin.take());
    }
    support::finished(child.wait_with_output().unwrap())
}

#[test]
fn a_key_is_changed_with_the_button_and_sealed_before() {
    let desk = desk("");
    desk.json(&["burn"]);
    let new = file(&desk, "new", "0123456789ABCDEF");
    let set = ["token", "access-key", "set", "--new-key-file", &new, "--seal", "--json"];
    // Nobody there to press it: nothing is known for certain, and nothing is guessed.
    let unsure = confirmed(&desk, &set, false).expect(4);
    assert_eq!(unsure.error_code(), "token-not-confirmed");
    let refused = desk.run(&["burn", "--json"]).expect(7);
    assert_eq!(refused.error_code(), "access-key-unsure");
    assert_eq!(desk.lab().state(0).unwrap()["attempts"], 8);
    let factory = file(&desk, "factory", "TOKEN2MOLTO1-KEY");
    // Any other command ends the wait.
    desk.json(&["token", "access-key", "check", "--access-key-file", &factory]);
    let set = [&set[..], &["--access-key-file", &factory]].concat();
    let entry = confirmed(&desk, &set, true).expect(0).json()["entry"].clone();
    assert!(entry.is_string() && desk.lab().state(0).unwrap()["factory_key"] == false);
    assert_eq!(desk.json(&["burn"])["slot"], 1);
    // The maker's again.
    confirmed(&desk, &["token", "access-key", "remove", "--json"], true).expect(0);
    assert_eq!(desk.lab().state(0).unwrap()["factory_key"], true);
    assert_eq!(desk.json(&["escrow", "show", entry.as_str().unwrap()])["state"], "retired");
    assert_eq!(desk.json(&["burn"])["slot"], 2);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn a_token_is_kept_in_order_and_the_escrow_knows() {
    let desk = desk("");
    let burned = desk.json(&["burn", "--upn", "bob"]);
    desk.json(&["burn"]);
    let titled = desk.json(&["token", "rename", "--slot", "0", "--to", "Robert"]);
    assert_eq!((&titled["entries"][0]["entry"], &profile(&desk, 0)["title"]), (&burned["entry"], &"Robert".into()));
    desk.json(&["token", "lock"]);
    assert_eq!(desk.lab().state(0).unwrap()["screen_locked"], true);
    desk.json(&["token", "unlock"]);
    assert_eq!(desk.lab().state(0).unwrap()["screen_locked"], false);
    let delete = ["token", "delete", "--slot", "0", "--serial", SERIAL, "--json"];
    assert_eq!(desk.run(&delete).expect(8).error_code(), "erase-not-permitted");
    desk.run(&[&delete[..], &["--allow-erase"]].concat()).expect(0);
    assert_eq!(
        (states(&desk), profile(&desk, 0)["has_seed"].clone()),
        (vec!["retired".into(), "programmed".into()], false.into())
    );
    let reset = ["token", "reset", "--serial", SERIAL, "--allow-erase", "--json"];
    confirmed(&desk, &reset, false).expect(4);
    assert_eq!((states(&desk)[1].as_str(), &profile(&desk, 1)["has_seed"]), ("unknown", &true.into()));
    desk.json(&["token", "access-key", "check"]);
    confirmed(&desk, &reset, true).expect(0);
    assert_eq!((states(&desk)[1].as_str(), &profile(&desk, 1)["has_seed"]), ("retired", &false.into()));
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn a_tear_at_any_command_is_made_good_by_the_next_burn() {
    let desk = desk("");
    desk.json(&["burn", "--slot", "3"]);
    // Fifty looks at the profiles are alike: of those the first and the last are torn, and all that comes after.
    let commands = desk.lab().log(0).unwrap();
    let first_write = commands.iter().position(|(sent, _)| sent.starts_with("84")).unwrap();
    let looks = commands.iter().take_while(|(sent, _)| sent != "804100310170").count();
    let all = (1..=8).chain(looks..=commands.len());
    for (at, fault) in all
        .flat_map(|at| [(at, "tear-before"), (at, "tear-after")])
        .filter(|&(at, fault)| fault == "tear-before" || at >= first_write)
        .chain([(first_write + 1, "tear-config"), (first_write + 1, "tear-store")])
    {
        desk.lab().command("log 0 clear").unwrap();
        desk.lab().fault(0, &format!("{fault} at={at}")).unwrap();
        let before = states(&desk);
        let mut looking = false;
        let torn = desk.run(&["burn", "--slot", "3", "--replace", "--json"]);
        if torn.code != 0 {
            let written = desk.lab().log(0).unwrap().iter().any(|(sent, _)| sent.starts_with("84"));
            let found = torn.json()["state"].clone();
            looking = found.is_null() && !written;
            let state = if written { "unknown" } else { "reserved" };
            let same = if looking { states(&desk) == before } else { found == state };
            assert!(same && (at < first_write - 5 || !looking), "{fault} at {at}: {torn:?}");
        }
        desk.lab().command("press 0").unwrap();
        // Without a word of the slot: the unfinished burn says where.
        let arguments: &[&str] =
            if looking || torn.code == 0 { &["burn", "--slot", "3", "--replace"] } else { &["burn"] };
        let burned = desk.json(arguments);
        assert_eq!(burned["slot"], 3, "{fault} at {at}");
        assert!(shows(&desk, 3, &burned["entry"]), "{fault} at {at}");
    }
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}
