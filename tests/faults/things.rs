//! What else people put on a reader.

use crate::support::{Desk, RESTRICTED, UNRESTRICTED};

/// What was sent since the log was cleared, which is cleared again.
fn sent(desk: &Desk) -> Vec<String> {
    let log = desk.lab().log(0).unwrap();
    desk.lab().command("log 0 clear").unwrap();
    log.into_iter().map(|(command, _)| command).collect()
}

#[test]
fn foreign_cards_are_named_by_harmless_questions_only() {
    let cards: [(&str, &str, &[&str]); 5] = [
        ("fido", "security-key", &["fido"]),
        ("ndef", "ndef-tag", &["ndef"]),
        ("payment", "payment-card", &["payment"]),
        ("transit", "transit-card", &["desfire"]),
        ("dumb", "unknown-card", &[]),
    ];
    // Those with an OATH applet are no strangers.
    let applets = ["oath", "security-key"];
    assert_eq!(cards.len() + applets.len(), oathburn_emulator::Foreign::all().len(), "every kind is tried");
    let desk = Desk::new(1);
    for (card, kind, applets) in cards {
        desk.lab().insert(0, card).unwrap();
        for command in [&["identify", "--json"][..], &["burn", "--json"], &["burn", "--json", "--unlisted-model"]] {
            let run = desk.run(command).expect(4);
            let json = run.json();
            assert_eq!(run.error_code(), "foreign-card", "{card}");
            assert_eq!((&json["kind"], &json["applets"]), (&kind.into(), &applets.into()), "{card}");
            assert_eq!((&json["programmable"], &json["entry"]), (&false.into(), &serde_json::Value::Null), "{card}");
            let sent = sent(&desk);
            let harmless = |command: &String| {
                ["80410000020211", "804100000170"].contains(&command.as_str()) || command.starts_with("00a40400")
            };
            assert!(!sent.is_empty() && sent.iter().all(harmless), "{card}: {sent:?}");
        }
        let run = desk.run(&["identify"]).expect(4);
        assert!(run.stdout.is_empty() && run.stderr.contains("no programmable token"), "{run:?}");
    }
    for card in applets {
        desk.lab().insert(0, card).unwrap();
        // They say who they are and nothing else: they are identified, and left alone.
        let identified = desk.json(&["identify"]);
        assert_eq!((&identified["family"], &identified["slots"]), (&"ykoath".into(), &serde_json::Value::Null));
        assert_eq!(desk.run(&["burn", "--slot", "bob", "--json"]).expect(4).error_code(), "token-refused");
        let harmless = |command: &String| ["8041", "00a40400", "00a1"].iter().any(|known| command.starts_with(known));
        let sent = sent(&desk);
        assert!(sent.iter().all(harmless), "{card}: {sent:?}");
    }
    assert!(desk.json(&["escrow", "list"]).as_array().unwrap().is_empty());
}

#[test]
fn an_unlisted_serial_number_is_written_only_when_told() {
    let desk = Desk::new(1);
    // The right protocol, no model that is known.
    desk.lab().insert(0, "token2-single serial=8650000000001").unwrap();
    let run = desk.run(&["identify", "--json"]).expect(4);
    assert_eq!((run.error_code().as_str(), &run.json()["serial"]), ("model-unlisted", &"8650000000001".into()));
    assert_eq!((&run.json()["programmable"], &run.json()["model"]), (&false.into(), &serde_json::Value::Null));
    let run = desk.run(&["burn", "--json"]).expect(4);
    assert_eq!(run.error_code(), "model-unlisted");
    assert!(run.json()["error"]["message"].as_str().unwrap().contains("8650000000001"));
    assert!(sent(&desk).iter().all(|command| command.starts_with("8041")));
    assert!(desk.newest("8650000000001").is_null());
    let burned = desk.json(&["burn", "--unlisted-model"]);
    assert_eq!((&burned["state"], &burned["model"]), (&"programmed".into(), &serde_json::Value::Null));
    assert!(desk.shows(0, &burned["entry"]));
    // An unfinished burn of it is finished only with the same permission.
    desk.lab().fault(0, "status sw=6F00 ins=C5").unwrap();
    let broken = desk.run(&["burn", "--unlisted-model", "--replace", "--json"]).expect(4).json();
    assert_eq!(desk.run(&["burn", "--json"]).expect(4).error_code(), "model-unlisted");
    let burned = desk.json(&["burn", "--unlisted-model"]);
    assert_eq!(burned["entry"], broken["entry"]);
    assert!(desk.shows(0, &burned["entry"]));
}

#[test]
fn a_model_with_a_fixed_seed_is_never_written() {
    let desk = Desk::new(1);
    desk.lab().insert(0, "token2-single serial=8659623000001").unwrap();
    let run = desk.run(&["identify", "--json"]).expect(4);
    assert_eq!((run.error_code().as_str(), &run.json()["model"]), ("not-programmable", &"C202/C203".into()));
    for permit in [&["burn", "--json"][..], &["burn", "--json", "--unlisted-model", "--replace"]] {
        assert_eq!(desk.run(permit).expect(4).error_code(), "not-programmable");
    }
    assert!(sent(&desk).iter().all(|command| command.starts_with("8041")));
    assert!(desk.json(&["escrow", "list"]).as_array().unwrap().is_empty());
}

#[test]
fn between_two_tokens_nobody_guesses() {
    let desk = Desk::new(2);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    desk.lab().insert(1, &format!("token2-single serial={UNRESTRICTED}")).unwrap();
    for command in ["identify", "burn"] {
        assert_eq!(desk.run(&[command, "--json"]).expect(2).error_code(), "reader-ambiguous");
    }
    assert!(desk.json(&["escrow", "list"]).as_array().unwrap().is_empty());
    let burned = desk.json(&["burn", "--reader", "A 00 01"]);
    assert_eq!(burned["serial"], UNRESTRICTED);
    assert_eq!(desk.lab().state(0).unwrap()["has_seed"], false);
}
