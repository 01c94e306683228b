//! A burn from end to end.

use std::process::Command;

use data_encoding::{BASE32_NOPAD, HEXLOWER, HEXUPPER};
use oathburn_emulator::LabOptions;

use crate::support::{Desk, RESTRICTED, UNRESTRICTED, files};
use crate::{desk, desk_with, heard, places};

#[test]
fn a_burn_is_escrowed_proved_and_audited() {
    for serial in [RESTRICTED, UNRESTRICTED] {
        let desk = desk_with(serial);
        let burned = desk.json(&["burn", "--upn", "bob@example.com", "--operator", "eve", "--show-codes"]);
        assert_eq!((&burned["serial"], &burned["state"]), (&serial.into(), &"programmed".into()));
        let shown = desk.lab().display("nfc0").unwrap();
        assert!(["previous", "current", "next"].iter().any(|name| burned["codes"][name] == shown), "{burned} {shown}");
        assert!(desk.shows("nfc0", &burned["entry"]));
        let shown = desk.lab().display("nfc0").unwrap();
        assert_eq!(desk.json(&["verify", "--code", &shown])["match"], true);
        assert_eq!(desk.run(&["burn", "--json"]).expect(8).error_code(), "token-in-use");
        let second = desk.json(&["burn", "--replace"]);
        assert_ne!(second["entry"], burned["entry"]);
        assert_eq!((desk.newest(serial)["state"].as_str(), desk.count(serial)), (Some("programmed"), 2));
        let kinds = desk.json(&["escrow", "audit", "list", "--entry", second["entry"].as_str().unwrap()]);
        for kind in ["reserved", "programmed"] {
            assert!(kinds.as_array().unwrap().iter().any(|event| event["kind"] == kind), "{kind} in {kinds}");
        }
        assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
    }
}

#[test]
fn a_clock_is_set() {
    let desk = desk_with(UNRESTRICTED);
    let entry = desk.json(&["burn"])["entry"].clone();
    desk.lab().command("clock nfc0 shift=500").unwrap();
    let synced = desk.json(&["sync"]);
    assert_eq!((&synced["entry"], &synced["reburned"]), (&entry, &false.into()));
    assert!(desk.shows("nfc0", &entry));
}

/// Every length of a command that a burn has.
#[test]
fn every_seed_arrives_whole() {
    let desk = desk();
    for len in 1..=63_u8 {
        let seed: Vec<u8> = (0..len).map(|index| index.wrapping_mul(37).wrapping_add(len) | 1).collect();
        let arguments = ["burn", "--seed-file", "-", "--encoding", "hex", "--algorithm", "sha256", "--replace"];
        desk.run_with(&arguments, &HEXLOWER.encode(&seed)).expect(0);
        assert_eq!(desk.lab().state("nfc0").unwrap()["seed"], HEXLOWER.encode(&seed), "{len} bytes");
    }
}

#[test]
fn what_the_token_said_over_the_air_is_shown_when_asked_for() {
    let desk = desk();
    assert!(desk.json(&["identify"])["uid"].is_null());
    let json = desk.json(&["identify", "-v"]);
    for (name, value) in [("atqa", "0004"), ("sak", "20"), ("ats", "78774102"), ("atr", "3b80800101")] {
        assert_eq!(json[name], value, "{json}");
    }
    assert_eq!(json["uid"].as_str().unwrap().len(), 8);
    let text = desk.run(&["identify", "-v"]).expect(0).stdout;
    assert!(text.contains("atqa    0004\n") && text.contains("ats     78774102\n"), "{text}");
    // It is the one that libnfc's own program sees.
    let Some(said) = nfc_list(&desk) else { return };
    assert!(said.replace(' ', "").contains(&format!("UID(NFCID1):{}", json["uid"].as_str().unwrap())), "{said}");
}

/// What libnfc's own program says; `None` where it is not installed and tests may be skipped.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn nfc_list(desk: &Desk) -> Option<String> {
    let output = Command::new("nfc-list").env("LIBNFC_DEVICE", &desk.lab().connstrings()[0]).output();
    if output.is_err() {
        assert!(std::env::var_os("CI").is_none(), "nfc-list is missing");
        eprintln!("skipped: nfc-list is missing (cargo xtask setup)");
        return None;
    }
    Some(String::from_utf8(output.unwrap().stdout).unwrap())
}

#[test]
fn a_reader_is_left_as_others_need_it() {
    let desk = desk();
    desk.run(&["burn"]).expect(0);
    let log = heard(&desk);
    // Field off, asleep.
    let last: Vec<_> = log[log.len() - 2..].iter().map(|(command, _)| command.as_str()).collect();
    assert_eq!(last, ["320100", "16f0"]);
    let Some(said) = nfc_list(&desk) else { return };
    assert!(said.contains("1 ISO14443A passive target(s) found"), "{said}");
    desk.run(&["identify"]).expect(0);
}

#[test]
fn a_card_that_takes_no_commands_is_sent_none() {
    let desk = desk();
    // The chip says so of a memory card: the same target, whose SAK lacks the bit for commands.
    for place in places(&desk, "4a") {
        desk.lab().chip("nfc0", &format!("data bytes=010100040804aabbccdd at={place}")).unwrap();
    }
    desk.lab().command("chip nfc0 log clear").unwrap();
    let run = desk.run(&["identify", "--json"]).expect(4);
    assert_eq!(run.error_code(), "token-protocol");
    let log = desk.lab().chip_log("nfc0").unwrap();
    assert!(log.iter().all(|(command, _)| !command.starts_with("40")), "{log:?}");
}

#[test]
fn a_token_is_waited_for() {
    let desk = Desk::over_libnfc();
    assert_eq!(desk.run(&["identify", "--json"]).expect(3).error_code(), "no-token");
    let waiting = desk.spawn(&["identify", "--wait", "60", "--json"]);
    while !desk.lab().chip_log("nfc0").unwrap().iter().any(|(command, _)| command.starts_with("4a")) {
        std::thread::yield_now();
    }
    desk.lab().insert("nfc0", &format!("token2-single serial={RESTRICTED}")).unwrap();
    assert_eq!(waiting.finish().expect(0).json()["serial"], RESTRICTED);
    desk.lab().remove("nfc0").unwrap();
    let waiting = desk.spawn(&["identify", "--wait", "60", "--json"]);
    desk.lab().command("chip nfc0 log clear").unwrap();
    while !desk.lab().chip_log("nfc0").unwrap().iter().any(|(command, _)| command.starts_with("4a")) {
        std::thread::yield_now();
    }
    waiting.interrupt();
    assert_eq!(waiting.finish().expect(130).error_code(), "interrupted");
}

#[test]
fn readers_are_listed_chosen_and_missed() {
    let desk = Desk::with(LabOptions { readers: 1, nfc: 1 });
    let connstring = desk.lab().connstrings()[0].clone();
    let selector = format!("libnfc:{connstring}");
    let run = |arguments: &[&str]| {
        let output = desk.command(&[arguments, &["--json"]].concat()).env("LIBNFC_DEVICE", &connstring).output();
        serde_json::from_slice::<serde_json::Value>(&output.unwrap().stdout).unwrap()
    };
    let listed = run(&["readers"]);
    assert_eq!((&listed[0]["stack"], &listed[0]["token_present"]), (&"pcsc".into(), &false.into()));
    let last = listed.as_array().unwrap().last().unwrap();
    assert_eq!((&last["selector"], &last["stack"]), (&selector.as_str().into(), &"libnfc".into()));
    assert_eq!((&last["name"], &last["token_present"]), (&connstring.as_str().into(), &false.into()));

    // Where PC/SC can decide, nobody disturbs a chip.
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    desk.lab().command("chip nfc0 log clear").unwrap();
    assert_eq!(run(&["identify"])["selector"], listed[0]["selector"]);
    assert!(desk.lab().chip_log("nfc0").unwrap().is_empty());
    desk.lab().insert("nfc0", &format!("token2-single serial={UNRESTRICTED}")).unwrap();
    assert_eq!(run(&["identify", "--reader", &selector])["serial"], UNRESTRICTED);
    assert_eq!(run(&["identify", "--reader", "libnfc:nfc0"])["serial"], UNRESTRICTED);
    assert_eq!(run(&["identify", "--reader", "libnfc:nothing"])["error"]["code"], "reader-unknown");
    assert_eq!(run(&["identify", "--reader", "libnfc:pn532_uart:/nowhere"])["error"]["code"], "reader-missing");
    assert_eq!(run(&["identify", "--reader", "libnfc:pn532_uart:/dev/null"])["error"]["code"], "reader-silent");
    assert_eq!(run(&["identify", "--reader", "libnfc:pn532_uart"])["error"]["code"], "connstring-invalid");

    // Without a service the chip is the only reader.
    desk.lab().command("pcscd kill").unwrap();
    assert_eq!(run(&["identify"])["selector"], selector.as_str());
    assert_eq!(run(&["readers"]).as_array().unwrap().len(), 1);
}

#[test]
fn no_trace_of_a_seed_is_left() {
    let desk = desk();
    let seed: Vec<u8> = (0..20).map(|index| index * 11 + 3).collect();
    let mut talk = Vec::new();
    for arguments in [&["burn", "--seed-file", "-", "-vv"][..], &["burn", "--seed-file", "-", "-vv", "--replace"]] {
        let uri = format!("otpauth://totp/ACME:bob?secret={}", BASE32_NOPAD.encode(&seed));
        let file = desk.home().join("uri");
        std::fs::write(&file, &uri).unwrap();
        let mut command = desk.command(arguments);
        // At this level libnfc's own programs show every byte.
        command.env("LIBNFC_LOG_LEVEL", "3").stdin(std::fs::File::open(&file).unwrap());
        let output = command.output().unwrap();
        std::fs::remove_file(&file).unwrap();
        talk.extend([output.stdout, output.stderr]);
    }
    let log = desk.lab().log("nfc0").unwrap();
    let wire = log.iter().find(|(command, _)| command.starts_with("84c5")).expect("a seed was written").0.clone();
    let stored: Vec<_> = files(desk.home()).into_iter().map(|path| std::fs::read(path).unwrap()).collect();
    // Over the air it is encrypted, under a key that is published.
    let spaced = wire.as_bytes()[10..30].chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>();
    let forms = [seed.clone(), HEXLOWER.encode(&seed).into(), HEXUPPER.encode(&seed).into(), wire[10..30].into()];
    for form in forms.into_iter().chain([spaced.join(" ").into(), spaced.join("  ").into()]) {
        for place in stored.iter().chain(&talk) {
            let leaked = place.windows(form.len() / 2).any(|window| *window == form[..form.len() / 2]);
            assert!(!leaked, "a part of the seed was found in {:?}", String::from_utf8_lossy(place));
        }
    }
    assert!(talk.iter().any(|text| String::from_utf8_lossy(text).contains("WRITE SEED")));
}
