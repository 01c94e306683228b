//! Tokens with several slots: refused unless the batch is for them, and then one line each.

use std::fs;

use crate::hands::Batch;
use crate::support::Desk;

const ONE: &str = "7659622000001";
const OTHER: &str = "7659622000002";

#[test]
fn only_a_batch_that_is_for_them_burns_tokens_with_several_slots() {
    let desk = Desk::new(1);
    let mut batch = Batch::start(&desk, &["run", "--count", "1", "--yes"]);
    for card in [&format!("molto2 serial={ONE} profiles=50"), "ykoath serial=12345678"] {
        batch.wait_for("waiting");
        desk.lab().insert(0, card).unwrap();
        assert_eq!(batch.wait_for("refused")["error"]["code"], "token-other-family", "{card}");
        batch.wait_for("take-off");
        desk.lab().remove(0).unwrap();
    }
    batch.kill();
    assert!(desk.json(&["escrow", "list"]).as_array().unwrap().is_empty());

    let mut batch = Batch::start(&desk, &["run", "--count", "2", "--yes", "--family", "molto2"]);
    batch.wait_for("waiting");
    desk.lab().insert(0, "token2-single serial=8659622000001").unwrap();
    assert_eq!(batch.wait_for("refused")["error"]["code"], "token-other-family");
    batch.wait_for("take-off");
    desk.lab().insert(0, &format!("token {ONE}")).unwrap();
    let done = batch.wait_for("done");
    assert_eq!((&done["serial"], &done["line"]), (&ONE.into(), &1.into()));
    // There is room for another seed, and yet it gets no second line.
    batch.wait_for("take-off");
    desk.lab().power_cycle(0).unwrap();
    assert_eq!(batch.wait_for("refused")["error"]["code"], "token-done");
    batch.wait_for("take-off");
    // One that breaks goes on in the slot where it broke.
    desk.lab().remove(0).unwrap();
    desk.lab().fault(0, "tear-after ins=C5").unwrap();
    desk.lab().insert(0, &format!("molto2 serial={OTHER} profiles=50")).unwrap();
    assert_eq!(batch.wait_for("broken")["line"], 2);
    batch.wait_for("take-off");
    desk.lab().insert(0, &format!("token {OTHER}")).unwrap();
    assert_eq!(batch.wait_for("done")["line"], 2);
    assert_eq!(batch.finish().0, 0);
    for serial in [ONE, OTHER] {
        let state = desk.lab().command(&format!("state token {serial} --with-seed")).unwrap();
        let used = state["profiles"].as_array().unwrap().iter().filter(|profile| profile["seed"].is_string()).count();
        assert_eq!(used, 1, "{serial}: {state}");
        assert_eq!(desk.newest(serial)["slot"], 0);
    }
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn security_keys_prove_themselves_and_ask_for_no_display() {
    let desk = Desk::new(1);
    let users = desk.home().join("users.csv");
    fs::write(&users, "upn\nann@example.com\nbob@example.com\n").unwrap();
    let users = users.to_str().unwrap();
    let stock = desk.run(&["batch", "run", "--count", "1", "--yes", "--family", "ykoath", "--json"]).expect(7);
    let problem = &stock.json()["problems"][0];
    assert_eq!((&problem["code"], &problem["column"]), (&"slot-needed".into(), &"upn".into()));
    let arguments = ["run", users, "--yes", "--family", "ykoath", "--issuer", "ACME", "--verify"];
    let mut batch = Batch::start(&desk, &arguments);
    for (line, upn) in [(1, "ann@example.com"), (2, "bob@example.com")] {
        batch.wait_for("waiting");
        desk.lab().insert(0, &format!("ykoath serial=1234567{line}")).unwrap();
        let done = batch.wait_for("done");
        assert_eq!((&done["line"], &done["upn"]), (&line.into(), &upn.into()));
        let entries = desk.lab().state(0).unwrap()["entries"].clone();
        assert_eq!(entries.as_array().unwrap().len(), 1, "{entries}");
        if line == 1 {
            batch.wait_for("take-off");
            desk.lab().remove(0).unwrap();
        }
    }
    let (code, _, heard) = batch.finish();
    assert_eq!(code, 0);
    assert!(heard.iter().all(|event| event["event"] != "code-wanted"), "{heard:#?}");
    // What one family cannot do together is seen before anything is burned.
    let run = |family: &[&str]| {
        let arguments = ["batch", "run", "--count", "1", "--dry-run", "--json", "--seed-bytes", "64"];
        desk.run(&[&arguments[..], &["--algorithm", "sha256"], family].concat())
    };
    // Longer keys than its block are hashed first (RFC 2104), shorter ones are what they are.
    assert_eq!(run(&[]).expect(7).json()["problems"][0]["code"], "token-seed-too-long");
    assert_eq!(run(&["--family", "molto2"]).expect(7).json()["problems"][0]["column"], "seed");
    run(&["--family", "nothing"]).expect(2);
}
