//! Clocks over the real service: set, lost, moved on purpose; and products that a user has added.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use support::{Desk, RESTRICTED, UNRESTRICTED};

/// A desk with one token on its reader, burned, whose clock is then moved.
fn desk_with(serial: &str, shift: i64) -> Desk {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={serial}")).unwrap();
    desk.json(&["burn", "--upn", "bob@example.com", "--time-step", "60", "--display-timeout", "120"]);
    desk.lab().command(&format!("clock 0 shift={shift}")).unwrap();
    desk
}

#[test]
fn an_unrestricted_token_keeps_its_seed_and_everything_else() {
    let desk = desk_with(UNRESTRICTED, -300);
    let before = desk.newest(UNRESTRICTED)["entry"].clone();
    let synced = desk.json(&["sync"]);
    assert_eq!(
        (&synced["entry"], &synced["reburned"], &synced["sync"]),
        (&before, &false.into(), &"unrestricted".into())
    );
    assert!((-303..=-298).contains(&synced["drift_before_seconds"].as_i64().unwrap()), "{synced}");
    assert!(synced["drift_seconds"].as_i64().unwrap().abs() <= 2, "{synced}");
    assert!(desk.display_is_escrowed(0, UNRESTRICTED));
    let state = desk.lab().state(0).unwrap();
    assert_eq!((&state["time_step"], &state["display_timeout"]), (&60.into(), &3.into()));
    assert!(desk.json(&["escrow", "audit", "list", "--kind", "synced"]).as_array().unwrap().len() == 1);
}

#[test]
fn a_restricted_token_is_burned_again_with_its_own_seed() {
    let desk = desk_with(RESTRICTED, 300);
    let (before, code) = (desk.newest(RESTRICTED), desk.expected_code(RESTRICTED, "1000000000"));
    let run = desk.run(&["sync", "--json"]).expect(0);
    assert_eq!(run.stderr.matches("✓ token ").count(), 1, "{}", run.stderr);
    let synced = run.json();
    assert_eq!((&synced["reburned"], &synced["sync"]), (&true.into(), &"restricted".into()));
    assert_ne!(synced["entry"], before["entry"]);
    assert_eq!(desk.expected_code(RESTRICTED, "1000000000"), code);
    assert_eq!(desk.newest(RESTRICTED)["upn"], "bob@example.com");
    assert!(desk.display_is_escrowed(0, RESTRICTED));
    assert_eq!(desk.lab().state(0).unwrap()["display_timeout"], 3);
    desk.run(&["escrow", "check"]).expect(0);
}

#[test]
fn without_an_officer_a_restricted_token_is_left_alone() {
    let desk = desk_with(RESTRICTED, 300);
    std::fs::rename(desk.folder().join("officer.key"), desk.home().join("officer.key")).unwrap();
    desk.lab().command("log 0 clear").unwrap();
    assert_eq!(desk.run(&["sync", "--json"]).expect(8).error_code(), "sync-erases-seed");
    assert!(desk.lab().log(0).unwrap().iter().all(|(command, _)| command.starts_with("8041")));
    assert_eq!(desk.newest(RESTRICTED)["state"], "programmed");

    let synced = desk.json(&["sync", "--allow-erase"]);
    assert_eq!((&synced["entry"], &synced["reburned"]), (&serde_json::Value::Null, &false.into()));
    assert_eq!(desk.lab().display(0).unwrap(), "------");
    assert_eq!(desk.newest(RESTRICTED)["state"], "retired");
}

#[test]
fn a_seed_that_may_be_erased_is_never_said_to_be_on_the_token() {
    for (fault, code) in [("tear-before ins=4B", "token-removed"), ("tear-after ins=D4", "token-removed")] {
        let desk = desk_with(RESTRICTED, 300);
        desk.lab().fault(0, fault).unwrap();
        let broken = desk.run(&["sync", "--allow-erase", "--json"]).expect(3).json();
        assert_eq!(
            (&broken["error"]["code"], &broken["state"]),
            (&code.into(), &"unknown".into()),
            "{fault}: {broken}"
        );
        assert_eq!(desk.newest(RESTRICTED)["state"], "unknown");
        desk.lab().press(0).unwrap();
        desk.run(&["burn", "--again", RESTRICTED]).expect(0);
        assert!(desk.display_is_escrowed(0, RESTRICTED));
    }
}

#[test]
fn stdin_is_not_read_twice() {
    let desk = Desk::new(1);
    for more in [&["--verify"][..], &["--passphrase-file", "-"]] {
        let run = desk.run_with(&[&["burn", "--seed-file", "-", "--json"], more].concat(), "GEZDGNBVGY3TQOJQ\n");
        assert_eq!(run.expect(2).error_code(), "usage");
    }
}

#[test]
fn another_time_is_set_only_when_it_is_allowed() {
    for (serial, reburned) in [(UNRESTRICTED, false), (RESTRICTED, true)] {
        let desk = desk_with(serial, 0);
        let arguments = ["sync", "--set-time", "2040-01-01T00:00:00Z", "--json"];
        assert_eq!(desk.run(&arguments).expect(8).error_code(), "other-time");
        assert!(desk.display_is_escrowed(0, serial));
        let synced = desk.run(&[&arguments[..], &["--allow-time-travel"]].concat()).expect(0).json();
        assert_eq!(synced["reburned"], reburned);
        // The escrow knows how far off the token is now, and who did it to what.
        let drift = synced["drift_seconds"].as_i64().unwrap();
        assert!(drift.abs() > 1000, "{synced}");
        let shown = desk.json(&["escrow", "show", synced["entry"].as_str().unwrap()]);
        assert_eq!(shown["drift_seconds"], drift);
        let events = shown["events"].as_array().unwrap();
        assert!(events.iter().any(|event| event["facts"]["set_to"] == 2_208_988_800_u64), "{shown:#}");
    }
}

#[test]
fn a_token_the_escrow_does_not_know_is_not_set() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={UNRESTRICTED}")).unwrap();
    assert_eq!(desk.run(&["sync", "--json"]).expect(7).error_code(), "not-escrowed");
}

#[test]
fn a_torn_sync_is_known_and_mended_by_a_burn() {
    for fault in ["tear-config", "tear-store"] {
        let desk = desk_with(UNRESTRICTED, 300);
        desk.lab().fault(0, &format!("{fault} ins=D4")).unwrap();
        let torn = desk.run(&["sync", "--json"]).expect(3).json();
        assert_eq!((&torn["state"], &torn["error"]["code"]), (&"unknown".into(), &"token-removed".into()), "{fault}");
        assert_eq!(desk.newest(UNRESTRICTED)["state"], "unknown");
        desk.lab().press(0).unwrap();
        assert_eq!(desk.run(&["sync", "--json"]).expect(7).error_code(), "burn-unfinished");
        desk.run(&["burn", "--again", UNRESTRICTED]).expect(0);
        assert!(desk.display_is_escrowed(0, UNRESTRICTED));
    }
}

#[test]
fn added_models_are_known_and_mistakes_are_named_by_line() {
    let desk = Desk::new(1);
    desk.lab().insert(0, "token2-single serial=8659699000001 restricted=1").unwrap();
    assert_eq!(desk.run(&["identify", "--json"]).expect(4).error_code(), "model-unlisted");
    let folder = desk.home().join(".config/oathburn");
    std::fs::create_dir_all(&folder).unwrap();
    let model = "[[model]]\nprefix = '8659699'\nname = 'eSecuOTP-1A'\nsync = 'restricted'\n";
    std::fs::write(folder.join("models.toml"), model).unwrap();
    let known = desk.json(&["identify"]);
    assert_eq!((&known["model"], &known["programmable"]), (&"eSecuOTP-1A".into(), &true.into()));
    desk.json(&["burn"]);
    assert!(desk.display_is_escrowed(0, "8659699000001"));

    std::fs::write(folder.join("models.toml"), model.replace("restricted", "sometimes")).unwrap();
    let wrong = desk.run(&["identify", "--json"]).expect(7);
    assert_eq!(wrong.error_code(), "models-file");
    assert!(wrong.json()["error"]["message"].as_str().unwrap().contains("models.toml: line 4"), "{wrong:?}");
}

#[test]
fn a_code_of_another_token_is_traced_to_it() {
    let desk = Desk::new(1);
    for serial in [RESTRICTED, UNRESTRICTED] {
        desk.lab().insert(0, &format!("token2-single serial={serial}")).unwrap();
        desk.json(&["burn", "--upn", serial]);
    }
    let shown = desk.lab().display(0).unwrap();
    let wrong = desk.run(&["verify", "--code", &shown, "--serial", RESTRICTED, "--json"]).expect(9).json();
    assert_eq!((&wrong["match"], &wrong["shown_by"][0]["serial"]), (&false.into(), &UNRESTRICTED.into()), "{wrong}");
    let right = desk.run(&["verify", "--code", &shown, "--serial", UNRESTRICTED, "--json"]).expect(0).json();
    assert_eq!(right["match"], true);
}

#[test]
fn the_clock_of_an_unlisted_token_is_set_by_what_the_error_advises() {
    let (desk, serial) = (Desk::new(1), "1234567890123");
    desk.lab().insert(0, &format!("token2-single serial={serial}")).unwrap();
    desk.json(&["burn", "--unlisted-model"]);
    desk.lab().command("clock 0 shift=300").unwrap();
    let refused = desk.run(&["sync", "--json"]).expect(4);
    assert_eq!(refused.error_code(), "model-unlisted");
    let advice = format!("{}", refused.json()["error"]["remedy"]);
    assert!(advice.contains("oathburn burn --again SERIAL --unlisted-model"), "{advice}");
    desk.json(&["burn", "--again", serial, "--unlisted-model"]);
    assert!(desk.display_is_escrowed(0, serial));
}

#[test]
fn kinds_of_events_stand_in_a_column() {
    let desk = desk_with(UNRESTRICTED, 0);
    let list = desk.run(&["escrow", "audit", "list"]).expect(0).stdout;
    let columns: Vec<_> = list.lines().map(|line| line.find('@')).collect();
    assert!(columns.len() > 4 && columns.iter().all(|column| *column == columns[0]), "{list}");
}
