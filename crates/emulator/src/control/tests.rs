use super::*;
use crate::Card as _;

/// A bench whose reader nobody listens behind: the cards are there, and no service looks at them.
fn bench() -> Bench {
    let unused = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    Bench::connected_to(unused)
}

fn say(bench: &Bench, line: &str) -> Value {
    let answer = bench.execute(line);
    assert_eq!(answer.json["ok"], true, "{line}: {}", answer.json);
    answer.json
}

fn refused(bench: &Bench, line: &str) -> String {
    let answer = bench.execute(line);
    assert_eq!(answer.json["ok"], false, "{line}: {}", answer.json);
    answer.json["error"].as_str().unwrap().to_owned()
}

#[test]
fn tokens_keep_their_state_wherever_they_go() {
    let bench = bench();
    say(&bench, "insert 0 token2-single serial=86596220000001 clock-offset=3600 old-firmware=7");
    say(&bench, "insert 0 fido");
    assert_eq!(refused(&bench, "state 0"), "the card is not a token");
    let state = say(&bench, "state token 86596220000001");
    assert_eq!((&state["clock_offset"], &state["restricted"]), (&json!(3600), &json!(true)));
    let inserted = say(&bench, "insert 0 token 86596220000001");
    assert_eq!(inserted["serial"], "86596220000001");
    say(&bench, "clock 0 shift=-3600");
    assert_eq!(say(&bench, "state 0")["clock_offset"], 0);
    // It lies on the reader now, so it cannot be had for another.
    assert!(refused(&bench, "insert 0 token 86596220000001").contains("to be had"));
    say(&bench, "remove 0");
    say(&bench, "insert 0 same");
    say(&bench, "power-cycle 0");
    say(&bench, "press 0");
    assert_eq!(say(&bench, "status")["readers"][0]["inserted"], true);
}

#[test]
fn models_say_what_a_config_does_unless_told() {
    let bench = bench();
    for (spec, restricted) in [
        ("serial=86596120000001", false),
        ("serial=86596000000001", false),
        ("serial=86596320000001", false),
        ("serial=86596010000001", true),
        ("serial=86596120000001 restricted=1", true),
        ("serial=86596220000001 restricted=0", false),
    ] {
        say(&bench, &format!("insert 0 token2-single {spec}"));
        assert_eq!(say(&bench, "state 0")["restricted"], restricted, "{spec}");
    }
}

#[test]
fn the_seed_is_shown_only_by_name() {
    let bench = bench();
    say(&bench, "insert 0 token2-single serial=1");
    assert_eq!(say(&bench, "state 0").get("seed"), None);
    assert_eq!(say(&bench, "state 0 --with-seed")["seed"], Value::Null);
    assert_eq!(say(&bench, "display 0")["code"], "------");
}

#[test]
fn faults_are_armed_and_cleared() {
    let bench = bench();
    assert_eq!(refused(&bench, "fault 0 mute"), "reader 0 has had no card yet");
    say(&bench, "insert 0 token2-single serial=1");
    for fault in [
        "tear-before",
        "tear-after at=3",
        "tear-config",
        "tear-store ins=C5",
        "mute at=2",
        "lapse at=7",
        "slow ms=5 at=9",
        "status sw=6A80 ins=d4",
        "short len=1",
        "flip bit=3",
        "swap at=2 token2-single serial=2",
        "swap fido",
    ] {
        say(&bench, &format!("fault 0 {fault}"));
    }
    assert_eq!(say(&bench, "status")["readers"][0]["faults"], 12);
    say(&bench, "faults 0 clear");
    // The card that was to be swapped in went into the drawer.
    say(&bench, "state token 2");
    say(&bench, "fault 0 lock tries=3");
    for wrong in [
        "fault 0",
        "fault 0 rain",
        "fault 0 slow",
        "fault 0 slow ms=x",
        "fault 0 short len=0",
        "fault 0 status sw=9",
        "fault 0 mute at=0",
        "fault 0 mute at=1 ins=00",
        "fault 0 mute now",
        "fault 0 lock tries=0",
        "faults 0 arm",
    ] {
        refused(&bench, wrong);
    }
    say(&bench, "insert 0 dumb");
    assert_eq!(refused(&bench, "fault 0 tear-config"), "the card is not a token");
}

#[test]
fn the_log_shows_and_forgets() {
    let bench = bench();
    say(&bench, "insert 0 token2-single serial=1");
    bench.reader(ReaderId::Pcsc(0)).unwrap().card().unwrap().transmit(&[0x80]);
    assert_eq!(say(&bench, "log 0 clear")["log"], json!([{ "command": "80", "answer": "6700" }]));
    assert_eq!(say(&bench, "log 0")["log"], json!([]));
}

#[test]
fn commands_are_awaited() {
    let bench = bench();
    assert_eq!(refused(&bench, "await 0 at=1"), "reader 0 has had no card yet");
    say(&bench, "insert 0 dumb");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| say(&bench, "await 0 at=2"));
        for _ in 0..2 {
            bench.reader(ReaderId::Pcsc(0)).unwrap().card().unwrap().transmit(&[0x80]);
        }
        waiting.join().unwrap();
    });
    say(&bench, "await 0 at=1");
    assert_eq!(refused(&bench, "await 0 at=0"), "at is a number from 1, not `0`");
}

#[test]
fn what_cannot_be_is_refused_with_a_code() {
    let bench = bench();
    assert_eq!(refused(&bench, "rain"), "there is no command `rain`");
    assert_eq!(refused(&bench, ""), "a command is missing");
    assert_eq!(refused(&bench, "remove 7"), "there is no reader 7");
    assert_eq!(refused(&bench, "press 0"), "reader 0 has had no card yet");
    assert_eq!(refused(&bench, "insert 0 token2-single"), "serial= is missing");
    assert_eq!(refused(&bench, "insert 0 token2-single serial=1 restricted=2"), "restricted is 0 or 1, not `2`");
    assert!(refused(&bench, "insert 0 toaster").contains("`toaster`"));
    assert_eq!(refused(&bench, "pcscd stop"), "the PC/SC service is not ours");
    assert_eq!(bench.execute("quit now").json["ok"], false);
    assert!(bench.execute("quit").quit);
    assert_eq!(bench.execute("help").json["commands"].as_array().unwrap().len(), HELP.len());
}

/// A bench with two NFC readers and no service.
fn nfc_bench() -> (tempfile::TempDir, Bench) {
    let folder = tempfile::tempdir().unwrap();
    let port = |name| crate::Pn532Port::new(&folder.path().join(name)).unwrap();
    let bench = Bench::new(None, vec![port("nfc0"), port("nfc1")]);
    (folder, bench)
}

#[test]
fn nfc_readers_have_the_same_verbs() {
    let (_folder, bench) = nfc_bench();
    assert_eq!((bench.reader_names().len(), bench.connstrings().len()), (0, 2));
    assert_eq!(refused(&bench, "remove 0"), "there is no reader 0");
    assert_eq!(refused(&bench, "remove nfc2"), "there is no reader nfc2");
    assert_eq!(refused(&bench, "press nfc0"), "reader nfc0 has had no card yet");
    say(&bench, "insert nfc0 token2-single serial=86596220000001 clock-offset=60");
    say(&bench, "insert nfc1 fido");
    assert_eq!(say(&bench, "display nfc0")["code"], "------");
    say(&bench, "remove nfc0");
    assert_eq!(say(&bench, "status")["readers"][0]["inserted"], false);
    say(&bench, "press nfc0");
    say(&bench, "power-cycle nfc0");
    assert_eq!(say(&bench, "fault nfc0 tear-after ins=D4")["faults"], 1);
    let status = say(&bench, "status");
    assert_eq!(status["pcscd"], Value::Null);
    assert_eq!((&status["readers"][0]["reader"], &status["readers"][0]["inserted"]), (&json!("nfc0"), &json!(true)));
    say(&bench, "faults nfc0 clear");
    assert_eq!(say(&bench, "log nfc0 clear")["log"], json!([]));
    say(&bench, "remove nfc0");
    // The same token on the other reader.
    say(&bench, "insert nfc1 token 86596220000001");
    assert_eq!(say(&bench, "state nfc1")["clock_offset"], 60);
    assert_eq!(refused(&bench, "pcscd stop"), "the PC/SC service is not ours");
    bench.close();
}

#[test]
fn chips_have_faults_and_plugs_of_their_own() {
    let (_folder, bench) = nfc_bench();
    let faults = [
        "mute",
        "no-reply",
        "nack",
        "error-frame",
        "vanish",
        "tear-before",
        "tear-after",
        "length-checksum",
        "data-checksum",
        "slow ms=5",
        "truncated len=0",
        "noise bytes=00",
        "extra bytes=00ff",
        "data bytes=FF cmd=02",
    ];
    for (armed, fault) in (1..).zip(faults) {
        assert_eq!(say(&bench, &format!("chip nfc1 {fault}"))["faults"], armed);
    }
    say(&bench, "chip nfc1 clear");
    assert_eq!(say(&bench, "chip nfc1 nack at=7")["faults"], 1);
    say(&bench, "chip nfc1 unplug");
    say(&bench, "chip nfc1 plug");
    assert_eq!(say(&bench, "chip nfc1 log clear")["log"], json!([]));
    for (line, reason) in [
        ("chip", "a reader is missing"),
        ("chip nfc0", "a fault, clear, unplug, plug or log is missing"),
        ("chip nfc0 rain", "a chip has no fault `rain`"),
        ("chip nfc0 slow", "ms= is missing"),
        ("chip nfc0 mute ins=02", "`ins=02` is one word too many"),
        ("chip nfc0 mute at=1 cmd=02", "a fault happens at= a number or at cmd=, not both"),
        ("chip nfc0 extra bytes=0", "bytes is hex digits for at most 262 bytes, not `0`"),
    ] {
        assert_eq!(refused(&bench, line), reason);
    }
    assert_eq!(refused(&self::bench(), "chip 0 mute"), "reader 0 is no NFC chip");
}

#[test]
fn a_molto2_has_profiles_and_a_button_that_confirms() {
    let bench = bench();
    say(
        &bench,
        "insert 0 molto2 serial=7659622000001 profiles=50 firmware=2.0 key=0123456789ABCDEF attempts=3 clock-offset=-9",
    );
    let state = say(&bench, "state 0");
    assert_eq!((&state["card"], &state["firmware"], &state["attempts"]), (&json!("molto2"), &json!("2.0"), &json!(3)));
    assert_eq!((&state["factory_key"], &state["profiles"][49]["clock_offset"]), (&json!(false), &json!(-9)));
    assert_eq!((state["profiles"].as_array().unwrap().len(), state["profiles"][0].get("seed")), (50, None));
    assert_eq!(say(&bench, "state 0 --with-seed")["profiles"][7]["seed"], Value::Null);
    assert_eq!(say(&bench, "display 0 profile=49")["code"], "------");
    assert_eq!(say(&bench, "display 0")["code"], "------");
    assert_eq!(refused(&bench, "display 0 profile=50"), "there are 50 profiles");
    assert_eq!(say(&bench, "press 0")["confirmed"], Value::Null);
    bench.reader(ReaderId::Pcsc(0)).unwrap().card().unwrap().transmit(&[0x80, 0x56, 0, 0, 0]);
    assert_eq!(say(&bench, "state 0")["waiting_for_button"], "factory-reset");
    assert_eq!(say(&bench, "press 0")["confirmed"], "factory-reset");
    assert_eq!(say(&bench, "state 0")["factory_key"], true);
    assert_eq!(say(&bench, "clock 0 shift=10")["clock_offset"], 1);
    say(&bench, "fault 0 lock tries=1");
    assert_eq!(say(&bench, "state 0")["attempts"], 1);
    for fault in ["tear-config", "tear-store ins=C5", "swap ykoath serial=2"] {
        say(&bench, &format!("fault 0 {fault}"));
    }
    say(&bench, "insert 0 dumb");
    assert_eq!(say(&bench, "state token 7659622000001")["card"], "molto2");
    for wrong in [
        "",
        "serial=1 profiles=0",
        "serial=1 profiles=101",
        "serial=1 firmware=2",
        "serial=1 key=short",
        "serial=1 attempts=0",
    ] {
        refused(&bench, &format!("insert 0 molto2 {wrong}"));
    }
}

#[test]
fn a_security_key_has_entries_and_is_touched() {
    let bench = bench();
    say(
        &bench,
        "insert 0 ykoath serial=12345678 version=5.2.7 transport=usb device-id=0123456789ABCDEF password=x long-entries=99",
    );
    let state = say(&bench, "state 0");
    assert_eq!((&state["kind"], &state["version"]), (&json!("yubikey"), &json!("5.2.7")));
    assert_eq!((&state["device_id"], &state["access_code"]), (&json!("0123456789abcdef"), &json!(true)));
    assert_eq!((state["entries"].as_array().unwrap().len(), state["entries"][0].get("seed")), (32, None));
    assert_eq!(say(&bench, "state 0 --with-seed")["entries"][31]["seed"].as_str().unwrap().len(), 40);
    assert_eq!(say(&bench, "press 0")["touched"], true);
    say(&bench, "fault 0 tear-store");
    for wrong in ["display 0", "clock 0 shift=1", "fault 0 tear-config", "fault 0 lock tries=1"] {
        refused(&bench, wrong);
    }
    say(&bench, "insert 0 ykoath serial=NK-1 kind=generic");
    assert_eq!(say(&bench, "state token 12345678")["transport"], "usb");
    assert_eq!(say(&bench, "state 0")["transport"], "nfc");
    for wrong in
        ["serial=NK-1", "serial=1 kind=x", "serial=1 version=5", "serial=1 device-id=00", "serial=1 transport=ble"]
    {
        refused(&bench, &format!("insert 0 ykoath {wrong}"));
    }
}
