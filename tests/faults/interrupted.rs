//! Killed programs, tokens that count, misread numbers, and several mishaps in one burn.

use crate::support::{Desk, RESTRICTED, UNRESTRICTED};

/// An answer that comes when everything else is over.
const NEVER: &str = "slow ms=600000";

fn desk_with(card: &str) -> Desk {
    let desk = Desk::new(1);
    desk.lab().insert(0, card).unwrap();
    desk
}

/// How often the token was given a wrong answer to its challenge since the log was cleared.
fn wrong_answers(desk: &Desk) -> usize {
    let log = desk.lab().log(0).unwrap();
    log.iter().filter(|(sent, got)| sent.starts_with("80ce") && got.as_deref() == Some("6983")).count()
}

#[test]
fn a_killed_burn_is_reserved_and_finished_by_the_next() {
    let desk = desk_with(&format!("token2-single serial={RESTRICTED}"));
    // From the first command after the reservation to the last one.
    for at in 2..=8 {
        desk.lab().command("log 0 clear").unwrap();
        desk.lab().fault(0, &format!("{NEVER} at={at}")).unwrap();
        let burn = desk.spawn(&["burn", "--replace", "--timeout", "600"]);
        desk.lab().command(&format!("await 0 at={at}")).unwrap();
        burn.kill();
        let entry = desk.newest(RESTRICTED);
        assert_eq!(entry["state"], "reserved", "killed at command {at}");
        assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
        let code = desk.code_of(&entry["entry"], 59);
        desk.lab().power_cycle(0).unwrap();
        let finished = desk.json(&["burn"]);
        assert_eq!((&finished["entry"], desk.code_of(&entry["entry"], 59)), (&entry["entry"], code));
        assert!(desk.shows(0, &finished["entry"]), "killed at command {at}");
    }
}

#[test]
fn an_interrupt_waits_until_the_conversation_is_over() {
    let desk = desk_with(&format!("token2-single serial={RESTRICTED}"));
    desk.lab().fault(0, "slow ms=300 at=6").unwrap();
    let burn = desk.spawn(&["burn", "--json"]);
    desk.lab().command("await 0 at=6").unwrap();
    burn.interrupt();
    let run = burn.finish();
    // Whether it ends with 0 or with 130, the token and the escrow agree.
    assert!(matches!(run.code, 0 | 130), "{run:?}");
    let entry = desk.newest(RESTRICTED);
    assert_eq!(entry["state"], "programmed");
    assert!(desk.shows(0, &entry["entry"]));
}

#[test]
fn a_token_that_counts_is_never_given_a_second_wrong_answer() {
    // The challenge is misread, the answer is refused, a write is refused and the challenge after it misread.
    let mishaps: &[&[&str]] = &[
        &["flip bit=0 ins=4B"],
        &["status sw=6983 ins=CE"],
        &["status sw=6983 ins=D4", "flip bit=0 at=8"],
        &["status sw=6983 ins=C5", "flip bit=0 at=9"],
        &["lapse at=5", "flip bit=0 at=8"],
    ];
    for mishap in mishaps {
        let desk = desk_with(&format!("token2-single serial={RESTRICTED} old-firmware=2"));
        for fault in *mishap {
            desk.lab().fault(0, fault).unwrap();
        }
        let run = desk.run(&["burn", "--json"]).expect(4);
        assert_eq!(run.error_code(), "token-wrong-key", "{mishap:?}");
        assert_eq!(wrong_answers(&desk), 1, "{mishap:?}");
        assert_eq!(desk.lab().state(0).unwrap()["locked"], false, "{mishap:?}");
        // Nobody is sent back to it with a light heart, whatever was written before.
        let remedy = run.json()["error"]["remedy"].as_str().unwrap().to_owned();
        assert!(remedy.contains("older tokens count failures and lock for good"), "{mishap:?}: {remedy}");
        let written = run.json()["state"] == "unknown";
        assert_eq!(written, mishap.len() > 1, "{mishap:?}: {run:?}");
        // A right answer in time makes up for it.
        let entry = run.json()["entry"].clone();
        assert_eq!(desk.json(&["burn"])["entry"], entry);
        assert!(desk.shows(0, &entry));
    }
}

#[test]
fn a_locked_token_is_left_alone() {
    let desk = desk_with(&format!("token2-single serial={RESTRICTED} old-firmware=1"));
    desk.lab().fault(0, "flip bit=0 ins=4B").unwrap();
    desk.run(&["burn", "--json"]).expect(4);
    assert_eq!(desk.lab().state(0).unwrap()["locked"], true);
    desk.lab().command("log 0 clear").unwrap();
    let run = desk.run(&["burn", "--json"]).expect(4);
    assert_eq!((run.error_code().as_str(), &run.json()["state"]), ("token-wrong-key", &"reserved".into()));
    assert!(run.json()["error"]["message"].as_str().unwrap().contains("or has locked itself for good (status 6983)"));
    assert_eq!(wrong_answers(&desk), 1);
    assert!(desk.lab().log(0).unwrap().iter().all(|(sent, _)| !sent.starts_with("84")));
}

#[test]
fn a_lost_session_is_opened_again_once() {
    for serial in [RESTRICTED, UNRESTRICTED] {
        let desk = desk_with(&format!("token2-single serial={serial} old-firmware=3"));
        for (lapses, logins) in [(&["lapse at=5"][..], 2), (&["lapse at=6"], 2), (&["lapse at=5", "lapse at=10"], 2)] {
            desk.lab().command("log 0 clear").unwrap();
            for lapse in lapses {
                desk.lab().fault(0, lapse).unwrap();
            }
            let run = desk.run(&["burn", "--replace", "--json"]);
            let log = desk.lab().log(0).unwrap();
            let count = |ins| log.iter().filter(|(sent, _)| sent.starts_with(ins)).count();
            assert_eq!((count("80ce"), wrong_answers(&desk)), (logins, 0), "{lapses:?}: {log:?}");
            // The serial number is read between the log-in and the next write.
            let login = log.iter().rposition(|(sent, _)| sent.starts_with("80ce")).unwrap();
            assert!(log[login + 1].0.starts_with("8041"), "{lapses:?}: {log:?}");
            if lapses.len() == 1 {
                assert_eq!(run.expect(0).json()["state"], "programmed");
                assert!(desk.shows(0, &desk.newest(serial)["entry"]));
            } else {
                // Lost a second time: it is not opened a third time.
                assert_eq!(run.expect(4).json()["state"], "unknown");
                let entry = desk.newest(serial)["entry"].clone();
                assert_eq!(desk.json(&["burn"])["entry"], entry);
                assert!(desk.shows(0, &entry));
            }
        }
    }
}

#[test]
fn a_token_that_is_swapped_during_the_log_in_is_never_written() {
    // The session is lost at the first write, and while it is opened again another token takes the place.
    let other = "8659622777777";
    for at in 7..=9 {
        let desk = desk_with(&format!("token2-single serial={RESTRICTED}"));
        desk.lab().fault(0, "lapse at=5").unwrap();
        desk.lab().fault(0, &format!("swap at={at} token2-single serial={other}")).unwrap();
        let run = desk.run(&["burn", "--json"]).expect(4);
        assert_eq!(run.json()["state"], "unknown", "{run:?}");
        let state = desk.lab().command(&format!("state token {other}")).unwrap();
        assert_eq!(state["has_seed"], false, "swapped after command {at}");
        let writes = desk.lab().log(0).unwrap().iter().filter(|(sent, _)| sent.starts_with("84")).count();
        assert_eq!(writes, 1, "swapped after command {at}");
    }
}

#[test]
fn a_misread_serial_number_is_found_out_before_anything_is_written() {
    let desk = desk_with(&format!("token2-single serial={RESTRICTED}"));
    // The last digit: another token of the same model.
    desk.lab().fault(0, "flip bit=135 at=1").unwrap();
    let run = desk.run(&["burn", "--json"]).expect(4);
    assert_eq!((run.error_code().as_str(), &run.json()["state"]), ("other-token", &"reserved".into()));
    assert!(desk.newest(RESTRICTED).is_null());
    assert_eq!(desk.newest("8659622000000")["entry"], run.json()["entry"]);
    assert!(desk.lab().log(0).unwrap().iter().all(|(sent, _)| sent.starts_with("8041")));
    let entry = desk.json(&["burn"])["entry"].clone();
    assert!(desk.shows(0, &entry));
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn an_unknown_entry_stays_unknown_when_the_next_burn_breaks_earlier() {
    let desk = desk_with(&format!("token2-single serial={RESTRICTED}"));
    desk.lab().fault(0, "status sw=6F00 ins=C5").unwrap();
    let first = desk.run(&["burn", "--json"]).expect(4).json();
    assert_eq!(first["state"], "unknown");
    desk.lab().fault(0, "status sw=6F00 ins=4B").unwrap();
    let second = desk.run(&["burn", "--json"]).expect(4).json();
    assert_eq!((&second["entry"], &second["state"]), (&first["entry"], &"unknown".into()));
    assert_eq!(desk.newest(RESTRICTED)["state"], "unknown");
    desk.lab().fault(0, "status sw=6F00 ins=C5").unwrap();
    let third = desk.run(&["burn", "--json"]).expect(4).json();
    assert_eq!((&third["entry"], &third["state"]), (&first["entry"], &"unknown".into()));
    assert_eq!(desk.json(&["burn"])["entry"], first["entry"]);
    assert!(desk.shows(0, &first["entry"]));
}

#[test]
fn identify_names_what_happened_too() {
    let desk = desk_with(&format!("token2-single serial={RESTRICTED}"));
    for (fault, exit, error, mend) in [
        ("tear-before", 3, "token-removed", "press 0"),
        ("tear-after", 3, "token-removed", "press 0"),
        ("mute", 3, "token-timeout", "power-cycle 0"),
        ("status sw=6983", 4, "foreign-card", "status"),
        ("short len=9", 4, "foreign-card", "status"),
    ] {
        desk.lab().fault(0, fault).unwrap();
        let run = desk.run(&["identify", "--json", "--timeout", "0.5"]).expect(exit);
        assert_eq!(run.error_code(), error, "{fault}");
        desk.lab().command(mend).unwrap();
        desk.run(&["identify"]).expect(0);
    }
}
