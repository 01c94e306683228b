//! The main job over the real pcscd: burn, read back, compare the display.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use support::{Desk, RESTRICTED, UNRESTRICTED, files};

/// The code that `oathtool`, a foreign judge, makes of a seed.
fn oathtool(seed: &[u8], algorithm: &str, step: &str, at: u64) -> String {
    let mut command = Command::new("oathtool");
    command.arg(format!("--totp={algorithm}")).args(["-s", step, "-N", &format!("@{at}"), "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), HEXLOWER.encode(seed).as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

/// A seed that differs in every byte from those of other lengths.
fn seed(len: u8) -> Vec<u8> {
    (0..len).map(|index| index.wrapping_mul(37).wrapping_add(len) | 1).collect()
}

/// Burns every seed length with every algorithm and step onto one token, and compares its display with `oathtool`.
fn every_seed_shows_what_oathtool_says(serial: &str) {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={serial}")).unwrap();
    for len in 1..=63 {
        let seed = seed(len);
        for (algorithm, step) in [("sha1", "30"), ("sha1", "60"), ("sha256", "30"), ("sha256", "60")] {
            let arguments = [
                "burn",
                "--seed-file",
                "-",
                "--encoding",
                "hex",
                "--algorithm",
                algorithm,
                "--time-step",
                step,
                "--replace",
            ];
            desk.run_with(&arguments, &HEXLOWER.encode(&seed)).expect(0);
            let shown = desk.lab().command("display 0").unwrap();
            // A second may have turned between the driver's look at the clock and the token's.
            let ahead = desk.lab().state(0).unwrap()["clock_offset"].as_i64().unwrap();
            let at = shown["at"].as_u64().unwrap().checked_add_signed(ahead).unwrap();
            assert_eq!(shown["code"], oathtool(&seed, algorithm, step, at), "{len} bytes, {algorithm}, {step} s");
        }
    }
    desk.run(&["escrow", "check"]).expect(0);
}

#[test]
fn every_seed_on_a_restricted_token_shows_what_oathtool_says() {
    every_seed_shows_what_oathtool_says(RESTRICTED);
}

#[test]
fn every_seed_on_an_unrestricted_token_shows_what_oathtool_says() {
    every_seed_shows_what_oathtool_says(UNRESTRICTED);
}

#[test]
fn a_burn_is_escrowed_proved_and_audited() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED} clock-offset=-77")).unwrap();
    let identified = desk.json(&["identify"]);
    assert_eq!(identified["serial"], RESTRICTED);
    assert_eq!((&identified["model"], &identified["sync"]), (&"OTPC-P2-i".into(), &"restricted".into()));
    assert_eq!(identified["programmable"], true);
    assert!((-79..=-75).contains(&identified["drift_seconds"].as_i64().unwrap()), "{identified}");

    let burned =
        desk.json(&["burn", "--upn", "bob@example.com", "--issuer", "ACME", "--operator", "eve", "--show-codes"]);
    assert_eq!((&burned["serial"], &burned["slot"]), (&RESTRICTED.into(), &0.into()));
    assert_eq!((&burned["family"], &burned["state"]), (&"token2-single".into(), &"programmed".into()));
    assert!(burned["drift_seconds"].as_i64().unwrap().abs() <= 2);
    let shown = desk.lab().display(0).unwrap();
    assert!(["previous", "current", "next"].iter().any(|name| burned["codes"][name] == shown), "{burned} {shown}");
    assert!(desk.display_is_escrowed(0, RESTRICTED));

    let entry = desk.newest(RESTRICTED);
    assert_eq!(entry["entry"], burned["entry"]);
    assert_eq!((&entry["upn"], &entry["issuer"]), (&"bob@example.com".into(), &"ACME".into()));
    assert_eq!((&entry["algorithm"], &entry["digits"], &entry["time_step"]), (&"sha1".into(), &6.into(), &30.into()));
    assert!(entry["reserved_at"].is_string() && entry["programmed_at"].is_string() && entry["batch"].is_null());

    let shown = desk.lab().display(0).unwrap();
    let verified = desk.json(&["verify", "--code", &shown]);
    assert_eq!((&verified["match"], &verified["serial"]), (&true.into(), &RESTRICTED.into()));
    assert_eq!(desk.run(&["verify", "--code", "12345", "--json"]).expect(9).json()["match"], false);
    // What it shows cannot be asked for over the wire.
    assert_eq!(desk.run(&["verify", "--json"]).expect(2).error_code(), "usage");

    let events = desk.json(&["escrow", "audit", "list", "--entry", entry["entry"].as_str().unwrap()]);
    let kinds: Vec<_> = events.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    for kind in ["reserved", "programmed", "code-disclosed", "code-compared", "verified"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    assert_eq!(events.as_array().unwrap().iter().filter(|event| event["operator"] == "eve").count(), 3);
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
    assert_eq!(desk.json(&["escrow", "audit", "verify"])["ok"], true);
}

#[test]
fn a_seed_in_use_is_replaced_only_when_told() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let first = desk.json(&["burn"]);
    let refused = desk.run(&["burn", "--json"]).expect(8);
    assert_eq!((refused.error_code().as_str(), &refused.json()["entry"]), ("token-in-use", &first["entry"]));
    assert!(desk.display_is_escrowed(0, RESTRICTED));
    let second = desk.json(&["burn", "--replace"]);
    assert_ne!(first["entry"], second["entry"]);
    let entries = desk.json(&["escrow", "list"]);
    let states: Vec<_> = entries.as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["superseded", "programmed"]);
    assert!(desk.display_is_escrowed(0, RESTRICTED));
}

#[test]
fn an_escrowed_seed_is_burned_once_more() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let first = desk.json(&["burn", "--algorithm", "sha256", "--time-step", "60", "--upn", "bob@example.com"]);
    let code = |at: &str| desk.expected_code(RESTRICTED, at);
    let before = code("1000000000");
    let again = desk.json(&["burn", "--again", RESTRICTED]);
    assert_ne!(first["entry"], again["entry"]);
    assert_eq!(code("1000000000"), before);
    assert_eq!(desk.newest(RESTRICTED)["upn"], "bob@example.com");
    desk.json(&["burn", "--entry", again["entry"].as_str().unwrap(), "--serial", RESTRICTED]);
    assert_eq!(code("1000000000"), before);
    assert!(desk.display_is_escrowed(0, RESTRICTED));
    assert_eq!(
        desk.run(&["burn", "--again", RESTRICTED, "--time-step", "30", "--json"]).expect(2).error_code(),
        "usage"
    );

    // The same seed on another token is a copy, and refused while the first one is in use.
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    let copy = desk.run(&["burn", "--again", RESTRICTED, "--json"]).expect(7);
    assert_eq!(copy.error_code(), "duplicate-seed");
    desk.run(&["escrow", "retire", desk.newest(RESTRICTED)["entry"].as_str().unwrap(), "--reason", "lost"]).expect(0);
    assert_eq!(desk.run(&["burn", "--again", RESTRICTED, "--json"]).expect(7).error_code(), "entry-unknown");
}

#[test]
fn only_the_named_token_is_burned() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let refused = desk.run(&["burn", "--serial", UNRESTRICTED, "--json"]).expect(4);
    assert_eq!(refused.error_code(), "other-token");
    assert!(desk.newest(RESTRICTED).is_null());
    desk.run(&["burn", "--serial", RESTRICTED]).expect(0);
}

#[test]
fn a_dry_run_writes_nothing_anywhere() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let planned = desk.json(&["burn", "--dry-run"]);
    assert_eq!((&planned["state"], &planned["entry"]), (&"planned".into(), &serde_json::Value::Null));
    assert!(desk.newest(RESTRICTED).is_null());
    let sent = desk.lab().log(0).unwrap();
    assert!(sent.iter().all(|(command, _)| command.starts_with("8041")), "{sent:?}");
}

#[test]
fn a_burn_asks_for_the_displayed_code_when_told() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let wrong = desk.run_with(&["burn", "--verify", "--json"], "000\n").expect(9);
    assert_eq!((&wrong.json()["state"], &wrong.json()["match"]), (&"programmed".into(), &false.into()));
    // Nothing was typed, so nothing was compared; what was burned is said all the same.
    let silent = desk.run_with(&["burn", "--replace", "--verify", "--json"], "").expect(7);
    assert_eq!((silent.error_code().as_str(), &silent.json()["state"]), ("no-code", &"programmed".into()));
    assert_eq!(silent.json()["entry"], desk.newest(RESTRICTED)["entry"]);
    // The code is not known before the burn, so the seed is one that the test knows.
    let seed = seed(20);
    let file = desk.home().join("seed");
    std::fs::write(&file, HEXLOWER.encode(&seed)).unwrap();
    let at = "1700000000";
    let code = oathtool(&seed, "sha1", "30", 1_700_000_000);
    let file = file.to_str().unwrap();
    let arguments = ["burn", "--seed-file", file, "--encoding", "hex", "--replace", "--verify", "--time", at, "--json"];
    let right = desk.run_with(&arguments, &format!("{code}\n")).expect(0).json();
    assert_eq!((&right["match"], &right["drift_steps"]), (&true.into(), &0.into()));
}

#[test]
fn no_trace_of_a_seed_is_left() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let seed = seed(20);
    let uri = format!("otpauth://totp/ACME:bob?secret={}&issuer=ACME", BASE32_NOPAD.encode(&seed));
    let mut talk = Vec::new();
    for arguments in [
        &["burn", "--seed-file", "-", "-vv"][..],
        &["burn", "--seed-file", "-", "-vv", "--json", "--replace", "--show-codes"],
        &["burn", "--seed-file", "-", "-vv", "--json"],
        &["code", RESTRICTED, "-vv"],
        &["escrow", "check", "-vv"],
        &["escrow", "list", "--json"],
        &["escrow", "audit", "list", "--json"],
    ] {
        let run = desk.run_with(arguments, &uri);
        talk.extend([run.stdout, run.stderr].map(String::into_bytes));
    }
    let stored: Vec<_> = files(desk.home()).into_iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(stored.len() >= 4, "store, officer, station, pin");
    let forms = [
        seed.clone(),
        HEXLOWER.encode(&seed).into_bytes(),
        HEXUPPER.encode(&seed).into_bytes(),
        BASE32_NOPAD.encode(&seed).into_bytes(),
        BASE32_NOPAD.encode(&seed).to_ascii_lowercase().into_bytes(),
        BASE64.encode(&seed).into_bytes(),
        BASE64URL_NOPAD.encode(&seed).into_bytes(),
    ];
    for form in &forms {
        // Half of a seed is a leak, too.
        for part in [&form[..form.len() / 2], &form[form.len() / 2..]] {
            for place in stored.iter().chain(&talk) {
                let leaked = place.windows(part.len()).any(|window| window == part);
                assert!(!leaked, "a part of the seed was found in {:?}", String::from_utf8_lossy(place));
            }
        }
    }
    // What the search would have found, had it been there.
    assert!(talk.iter().any(|text| String::from_utf8_lossy(text).contains("WRITE SEED 84c50100 [36 secret bytes]")));
}

#[test]
fn files_are_for_their_owner_alone() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    desk.run(&["burn"]).expect(0);
    let mut found = 0;
    for path in files(&desk.folder()) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
        found += 1;
    }
    assert!(found >= 4, "store, officer, station, pin");
    let mode = std::fs::metadata(desk.folder()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
}

#[test]
fn readers_are_listed_chosen_and_missed() {
    let desk = Desk::new(2);
    let readers = desk.json(&["readers"]);
    assert_eq!(readers.as_array().unwrap().len(), 2);
    assert_eq!((&readers[0]["stack"], &readers[0]["token_present"]), (&"pcsc".into(), &false.into()));
    assert_eq!(desk.run(&["identify", "--json"]).expect(2).error_code(), "reader-ambiguous");
    assert_eq!(desk.run(&["identify", "--reader", "A 00 00", "--json"]).expect(3).error_code(), "no-token");
    assert_eq!(desk.run(&["identify", "--reader", "nothing", "--json"]).expect(3).error_code(), "reader-unknown");
    desk.lab().insert(1, &format!("token2-single serial={RESTRICTED}")).unwrap();
    assert_eq!(desk.json(&["readers"])[1]["token_present"], true);
    let found = desk.json(&["identify"]);
    assert_eq!(found["selector"], readers[1]["selector"]);
    let found = desk.json(&["identify", "--reader", readers[1]["selector"].as_str().unwrap()]);
    assert_eq!(found["serial"], RESTRICTED);
}

#[test]
fn what_the_reader_knows_of_the_token_is_shown_when_asked_for() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    assert!(desk.json(&["identify"])["atr"].is_null());
    let json = desk.json(&["identify", "-v"]);
    // This reader has no radio to tell of, and says so by an error.
    assert_eq!((&json["atr"], &json["uid"]), (&"3b80800101".into(), &serde_json::Value::Null), "{json}");
    let log = desk.lab().log(0).unwrap();
    assert_eq!(log.last().unwrap().0, "ffca000000");
    assert!(desk.run(&["identify", "-v"]).expect(0).stdout.contains("uid     unknown\n"));
}

#[test]
fn a_token_is_waited_for() {
    let desk = Desk::new(1);
    let waiting = desk.command(&["identify", "--wait", "60", "--json", "--reader", "A 00 00"]).spawn().unwrap();
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_missing_service_is_named() {
    let desk = Desk::without_readers();
    for arguments in [&["readers", "--json"][..], &["identify", "--json"]] {
        assert_eq!(desk.run(arguments).expect(3).error_code(), "service-missing");
    }
}

#[test]
fn a_usage_error_names_what_is_missing() {
    let run = Desk::without_readers().run(&["token", "delete", "--slot", "3", "--json"]).expect(2);
    let message = run.json()["error"]["message"].clone();
    assert!(message.as_str().unwrap().contains("--serial"), "{message}");
}
