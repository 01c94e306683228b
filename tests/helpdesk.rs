//! What a helpdesk does all day: codes for users without a token, refused codes, found tokens. No reader is needed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;

use oathburn_escrow::{
    Escrow, EscrowError, Facts, Origin, Pins, Programmed, Reservation, StationKey, StoreUrl, Writer,
};
use oathburn_oath::{
    Algorithm, Digits, FamilyId, FixedClock, HotpParams, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, Totp,
    TotpParams, UnixTime,
};
use serde_json::Value;
use support::{Desk, RESTRICTED, UNRESTRICTED, files, page};

/// 2027-01-15T08:00:00Z, the time of all codes here.
const NOW: u64 = 1_800_000_000;
/// When the tokens were burned: half a year before.
const BURNED: u64 = NOW - 183 * 86_400;

const BOB: &str = "8659622101234";
const CAROL: &str = "8659632200001";

/// A desk with an escrow and two tokens in it, and no reader.
fn desk() -> Desk {
    let desk = Desk::without_readers();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    add(&desk, BOB, b"12345678901234567890", "bob@example.com", -2);
    add(&desk, CAROL, b"09876543210987654321", "carol@example.com", 0);
    desk
}

fn open(desk: &Desk) -> Result<Escrow, EscrowError> {
    let station = StationKey::load_or_create(&desk.folder().join("station.key"))?;
    let who = Writer { operator: None, uid: 1000, host: "desk-7".into() };
    let url = StoreUrl::sqlite(desk.folder().join("escrow.db"));
    let clock = Arc::new(FixedClock(UnixTime::new(BURNED)));
    Escrow::open(&url, station, &Pins::new(desk.folder().join("pins")), who, clock)
}

/// Puts a programmed token into the escrow.
fn add(desk: &Desk, serial: &str, seed: &[u8], upn: &str, drift: i64) {
    let record = TokenRecord {
        identity: TokenIdentity {
            family: FamilyId::new("token2-single").unwrap(),
            serial: SerialNumber::new(serial).unwrap(),
            slot: Slot::SINGLE,
        },
        params: TotpParams::default().into(),
        seed: Seed::new(seed.to_vec()).unwrap(),
        manufacturer: None,
        model: None,
        upn: Some(upn.into()),
        issuer: None,
    };
    let escrow = open(desk).unwrap();
    let entry = escrow.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None }).unwrap();
    escrow.mark_programmed(entry, &Programmed { drift_seconds: Some(drift), ..Programmed::default() }).unwrap();
}

/// What a token with this seed shows so many seconds after [`NOW`].
fn shown(seed: &[u8], after: i64) -> String {
    let totp = Totp::new(&Seed::new(seed.to_vec()).unwrap(), TotpParams::default());
    totp.code_at(UnixTime::new(NOW).offset(after)).to_string()
}

fn bob(after: i64) -> String {
    shown(b"12345678901234567890", after)
}

const TIME: [&str; 2] = ["--time", "1800000000"];

#[test]
fn codes_come_with_their_validity_and_leave_no_trace_of_themselves() {
    let desk = desk();
    let run =
        desk.run(&[&["code", BOB, "--past", "1", "--future", "1", "--reason", "lost", "--json"], &TIME[..]].concat());
    assert!(run.stderr.contains("a future code is good in its time"), "{run:?}");
    let json = run.expect(0).json();
    assert_eq!(
        (&json["serial"], &json["clock"], &json["drift_seconds"]),
        (&BOB.into(), &"service".into(), &(-2).into())
    );
    let codes = json["codes"].as_array().unwrap();
    let expected = [(-1, -30), (0, 0), (1, 30)];
    assert_eq!(codes.len(), expected.len());
    for (code, (offset, after)) in codes.iter().zip(expected) {
        assert_eq!((&code["code"], &code["offset"]), (&bob(after).into(), &offset.into()));
    }
    assert_eq!((&codes[1]["valid_from"], &codes[1]["step"]), (&"2027-01-15T08:00:00Z".into(), &60_000_000.into()));
    assert_eq!(codes[1]["valid_until"], "2027-01-15T08:00:30Z");

    // So many from the present one on; another time; by user; no note where no future code is given.
    let counted = desk.json(&["code", "--upn", "bob@example.com", "--count", "3", "--at", "1800000030"]);
    let counted: Vec<_> = counted["codes"].as_array().unwrap().iter().map(|code| code["code"].clone()).collect();
    assert_eq!(counted, [bob(30), bob(60), bob(90)]);
    let run = desk.run(&[&["code", BOB], &TIME[..]].concat()).expect(0);
    assert!(!run.stderr.contains("future"), "{run:?}");
    assert_eq!(run.stdout.split_whitespace().nth(1), Some(bob(0).as_str()));

    let events = desk.json(&["escrow", "audit", "list"]).to_string();
    assert!(events.contains("\"lost\"") && events.contains("to_offset"), "{events}");
    for file in files(desk.home()) {
        let bytes = std::fs::read(&file).unwrap();
        for code in [bob(-30), bob(0), bob(30)] {
            // Random bytes are never long enough to hold six digits by chance that often.
            let found = bytes.windows(6).filter(|window| *window == code.as_bytes()).count();
            assert_eq!(found, 0, "{}", file.display());
        }
    }
}

#[test]
fn local_time_stands_beside_utc() {
    let desk = desk();
    let mut command = desk.command(&[&["code", BOB], &TIME[..]].concat());
    let output = command.env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = format!("0 {} 2027-01-15T08:00:00Z 2027-01-15T08:00:30Z  (09:00:00 CET to 09:00:30 CET)\n", bob(0));
    assert_eq!(text, expected);
}

#[test]
fn watching_ends_after_so_many_codes() {
    let desk = desk();
    let text = desk.run(&[&["code", BOB, "--watch", "--count", "1"], &TIME[..]].concat()).expect(0).stdout;
    assert!(text.starts_with(&format!("0 {} 2027-01-15T08:00:00Z ", bob(0))) && text.lines().count() == 1, "{text}");
    let json = desk.run(&[&["code", BOB, "--watch", "--count", "1", "--json"], &TIME[..]].concat()).expect(0).json();
    assert_eq!((&json["code"], &json["offset"]), (&bob(0).into(), &0.into()));
    assert_eq!(desk.run(&["code", BOB, "--watch", "--future", "1"]).expect(2).stdout, "");
}

#[test]
fn a_drift_is_told_by_codes_noted_and_applied() {
    let desk = desk();
    let ask = |arguments: &[&str]| desk.run(&[&["drift", BOB, "--json"], arguments, &TIME[..]].concat());
    let run = ask(&["--code", &bob(150), "--code2", &bob(180)]).expect(0);
    assert!(!run.stderr.contains("not enough"), "{run:?}");
    let json = run.json();
    assert_eq!((&json["drift_steps"], &json["drift_seconds"]), (&6.into(), &180.into()));
    // 182 s in half a year.
    assert!((json["ppm"].as_f64().unwrap() - 11.51).abs() < 0.01, "{json}");
    assert_eq!(json["in_window"], false);
    // At that rate the edge of 120 s was passed 60 s before.
    assert_eq!(&json["leaves_window_at"].as_str().unwrap()[..7], "2026-11");
    let remedy = json["remedy"].as_str().unwrap();
    assert!(remedy.contains("oathburn sync") && remedy.contains("burned again"), "{remedy}");
    assert!(json["false_hits"].as_f64().unwrap() < 1e-8);

    // What the service accepts stays; what the display shows is another code.
    let service = desk.run(&[&["code", BOB], &TIME[..]].concat()).expect(0);
    assert!(service.stdout.contains(&bob(0)) && service.stderr.contains("+180 s off on 2027-01-15"), "{service:?}");
    let token = desk.json(&[&["code", BOB, "--on-token"], &TIME[..]].concat());
    let code = &token["codes"][0];
    assert_eq!((&code["code"], &token["clock"]), (&bob(180).into(), &"token".into()));
    // And it holds there now, not in three minutes.
    assert_eq!(code["valid_from"], "2027-01-15T08:00:00Z");
    desk.run(&["escrow", "audit", "verify"]).expect(0);
}

#[test]
fn one_code_in_a_large_window_is_doubted() {
    let desk = desk();
    let run = desk.run(&[&["drift", BOB, "--code", &bob(60), "--window", "20000"], &TIME[..]].concat()).expect(0);
    assert!(run.stderr.contains("--code2"), "{run:?}");
    assert!(run.stdout.contains("+60 s (+2 steps)") && run.stdout.contains("0.04 false hits"), "{run:?}");
    let run = desk.run(&[&["drift", BOB, "--code", &bob(60)], &TIME[..]].concat()).expect(0);
    assert!(!run.stderr.contains("--code2") && run.stdout.contains("inside ±120 s"), "{run:?}");
    // A service that bears less.
    let run = desk.run(&[&["drift", BOB, "--code", &bob(60), "--tolerance", "30"], &TIME[..]].concat()).expect(0);
    assert!(run.stdout.contains("outside ±30 s"), "{run:?}");
}

#[test]
fn the_remedy_is_the_models() {
    let desk = desk();
    let code = shown(b"09876543210987654321", -600);
    let json = desk.json(&[&["drift", CAROL, "--code", &code], &TIME[..]].concat());
    assert_eq!(json["drift_steps"], -20);
    assert!(json["remedy"].as_str().unwrap().contains("keeps its seed"), "{json}");
    add(&desk, "1234567890", &[5; 20], "dave@example.com", 0);
    let json = desk.json(&[&["drift", "1234567890", "--code", &shown(&[5; 20], -600)], &TIME[..]].concat());
    assert!(json["remedy"].as_str().unwrap().contains("model is not known"), "{json}");
}

#[test]
fn codes_of_an_entry_out_of_use_are_not_handed_out_without_a_word() {
    let desk = desk();
    let entry = desk.newest(BOB)["entry"].as_str().unwrap().to_owned();
    let code = || desk.run(&["code", "--entry", &entry, "--json"]).expect(0);
    assert_eq!(code().json()["state"], "programmed");
    assert!(!code().stderr.contains("warning"), "{:?}", code());
    desk.run(&["escrow", "retire", &entry]).expect(0);
    let retired = code();
    assert_eq!(retired.json()["state"], "retired");
    assert!(retired.stderr.contains("is retired"), "{retired:?}");
}

#[test]
fn codes_that_are_not_the_tokens_are_told() {
    let desk = desk();
    let other = shown(b"09876543210987654321", 0);
    let run = desk.run(&[&["drift", BOB, "--code", &other], &TIME[..]].concat()).expect(9);
    assert!(run.stdout.contains("not found") && run.stdout.contains("identify-code"), "{run:?}");
    let json = desk.run(&[&["drift", BOB, "--code", &other, "--json"], &TIME[..]].concat()).expect(9).json();
    assert_eq!(json["drift_steps"], Value::Null);
    desk.run(&["drift", "--code", "123456"]).expect(2);
    desk.run(&["drift", BOB, "--code", "12345"]).expect(2);
    assert_eq!(
        desk.run(&["drift", BOB, "--code", "123456", "--code2", "12345678", "--json"]).expect(7).error_code(),
        "displayed-code"
    );
    desk.run(&["drift", "8659622999999", "--code", "123456"]).expect(7);
}

#[test]
fn a_found_token_is_known_by_its_codes() {
    let desk = desk();
    for number in 0..60_u8 {
        add(&desk, &format!("86596221100{number:02}"), &[number + 100; 20], &format!("user{number}@example.com"), 0);
    }
    let (first, second) = (shown(&[142; 20], -60), shown(&[142; 20], -30));
    let run = desk.run(&[&["identify-code", &first, &second, "--json"], &TIME[..]].concat()).expect(0);
    let json = run.json();
    let candidates = json["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 1);
    assert_eq!((&candidates[0]["upn"], &candidates[0]["drift_steps"]), (&"user42@example.com".into(), &(-1).into()));
    assert_eq!((&json["searched"], &json["unopened"]), (&62.into(), &serde_json::json!([])));
    assert!(json["expected_false_hits"].as_f64().unwrap() < 1e-8);

    // The same seed in an older entry that is out of use comes last, and is not left out.
    let entry = candidates[0]["entry"].as_str().unwrap();
    desk.run(&["escrow", "retire", entry]).expect(0);
    add(&desk, "8659622110099", &[142; 20], "heir@example.com", 0);
    let run = desk.run(&[&["identify-code", &first, "--window", "5", "-v"], &TIME[..]].concat()).expect(0);
    let lines: Vec<_> = run.stdout.lines().filter(|line| line.contains("example.com")).collect();
    assert!(lines.len() == 2 && lines[0].contains("heir") && lines[1].contains("retired"), "{run:?}");
    assert!(run.stderr.contains("opening seals"), "{run:?}");

    // Outside the window, or nobody's.
    desk.run(&[&["identify-code", &shown(&[142; 20], 700)], &TIME[..]].concat()).expect(9);
    let none =
        desk.run(&[&["identify-code", &shown(&[99; 20], 0), &shown(&[99; 20], 30), "--json"], &TIME[..]].concat());
    assert_eq!(none.expect(9).json()["candidates"], serde_json::json!([]));
    desk.run(&["escrow", "check"]).expect(0);
}

#[test]
fn codes_that_differ_are_explained() {
    let desk = Desk::without_readers();
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let explain =
        |arguments: &[&str]| desk.run_with(&[&["explain", "--seed-file", "-"], arguments, &TIME[..]].concat(), seed);
    let run = explain(&["--code", &bob(7200), "--code2", &bob(7230)]).expect(0);
    assert!(run.stdout.starts_with("the token has a clock that is about 2 h 0 min ahead\nremedy: "), "{run:?}");
    let letters = |after| shown(seed.as_bytes(), after);
    let json = explain(&["--code", &letters(0), "--code2", &letters(30), "--json"]).expect(0).json();
    let best = &json["explanations"][0];
    assert_eq!(best["sentence"], "the token has the seed read as plain characters instead of Base32");
    assert!(best["remedy"].as_str().unwrap().contains("--encoding"), "{best}");
    let run = explain(&["--code", &shown(&[7; 20], 0), "--code2", &shown(&[7; 20], 30)]).expect(9);
    assert!(run.stdout.starts_with("nothing explains this code"), "{run:?}");
    assert!(!run.stdout.contains(seed), "{run:?}");
    let run = desk.run_with(&["explain", "--seed-file", "-", "--code", "123456", "--json"], "https://example.com");
    assert_eq!(run.expect(7).error_code(), "not-a-seed");
}

#[test]
fn qr_codes_are_drawn_into_files_of_ones_own() {
    let desk = Desk::without_readers();
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let draw = |arguments: &[&str]| {
        let names = ["seed", "qr", "--seed-file", "-", "--issuer", "ACME", "--account", "bob", "--time-step", "60"];
        desk.run_with(&[&names, arguments].concat(), seed)
    };
    for name in ["code.png", "code.svg"] {
        let file = desk.home().join(name);
        let run = draw(&["--out", file.to_str().unwrap()]).expect(0);
        assert_eq!((run.stdout.as_str(), run.stderr.contains("secret")), ("", true));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        // Nothing is overwritten.
        draw(&["--out", file.to_str().unwrap()]).expect(7);
    }
    let png = oathburn_formats::read_seed_image(&std::fs::read(desk.home().join("code.png")).unwrap()).unwrap();
    assert_eq!((png.issuer.as_deref(), png.account.as_deref()), (Some("ACME"), Some("bob")));
    assert_eq!((png.seed.to_base32().as_str(), png.params().step.seconds()), (seed, 60));
    assert!(draw(&[]).expect(0).stdout.contains('\u{2580}'));
    draw(&["--out", "code.gif"]).expect(2);
    desk.run_with(&["seed", "qr", "--seed-file", "-"], seed).expect(2);
}

#[test]
fn what_is_no_seed_in_a_picture_is_named_before_any_token_is_asked_for() {
    let desk = Desk::without_readers();
    let sample = |name: &str| format!("{}/fixtures/import/otpauth/{name}", env!("CARGO_MANIFEST_DIR"));
    let code = |image: &str| desk.run(&["burn", "--qr", image, "--json"]).expect(7).error_code();
    assert_eq!(code(&sample("good-migration.png")), "not-a-seed");
    assert_eq!(code(&format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"))), "not-a-picture");
    assert_eq!(code("/no/such/picture.png"), "seed-file");
    desk.run(&["burn", "--qr", &sample("good-qr-1.png"), "--generate"]).expect(2);
}

#[test]
fn a_picture_is_burned_and_the_clock_is_read_over_the_air() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={UNRESTRICTED}")).unwrap();
    let picture = format!("{}/fixtures/import/otpauth/good-qr-2.png", env!("CARGO_MANIFEST_DIR"));
    desk.run(&["burn", "--qr", &picture]).expect(0);
    let entry = desk.newest(UNRESTRICTED);
    assert_eq!((&entry["upn"], &entry["time_step"]), (&"bob+x@example.com".into(), &60.into()));
    let json = desk.json(&["drift"]);
    assert_eq!((&json["serial"], &json["in_window"]), (&UNRESTRICTED.into(), &true.into()));
    assert!(json["drift_seconds"].as_i64().unwrap().abs() <= 3 && json["false_hits"] == 0.0, "{json}");
    // Another token than the one that was named.
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    desk.run(&["drift", UNRESTRICTED]).expect(4);
}

/// The walk through docs/helpdesk.md, word by word: every command gives what stands under it.
#[test]
fn the_helpdesk_page_is_true() {
    let desk = desk();
    let home = desk.home().to_str().unwrap().to_owned();
    std::fs::write(desk.home().join("seed.txt"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n").unwrap();
    let steps = page::steps("docs/helpdesk.md");
    assert!(steps.len() >= 8, "{steps:?}");
    for (command, expected) in steps {
        let script = format!("oathburn() {{ \"$OATHBURN\" --time {NOW} \"$@\"; }}; {command}");
        let mut shell = Command::new("sh");
        shell.arg("-c").current_dir(&home).env_clear().env("HOME", &home);
        shell.env("OATHBURN", env!("CARGO_BIN_EXE_oathburn")).env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
        let output = page::output(&mut shell, &script);
        // Ids are new each time.
        let output = output.lines().map(|line| cut_id(line).to_owned() + "\n").collect::<String>();
        page::compare(&command, &output, &expected);
    }
}

/// A line without the id at its end.
fn cut_id(line: &str) -> &str {
    let id = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    match line.rsplit_once("  ") {
        Some((rest, last)) if id(last) => rest.trim_end(),
        _ if line.ends_with("ENTRY") => line.trim_end_matches("ENTRY").trim_end(),
        _ => line,
    }
}

/// Tokens that count are kept, listed and left alone: nothing that needs a time takes them for one.
#[test]
fn tokens_that_count_have_no_codes_by_the_clock() {
    let desk = desk();
    let hotp = HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: u64::MAX };
    let record = TokenRecord {
        identity: TokenIdentity {
            family: FamilyId::new("yubico-otp").unwrap(),
            serial: SerialNumber::new("C-1").unwrap(),
            slot: Slot::SINGLE,
        },
        params: hotp.into(),
        seed: Seed::new(b"12345678901234567890".to_vec()).unwrap(),
        manufacturer: None,
        model: None,
        upn: Some("dave@example.com".into()),
        issuer: None,
    };
    let reservation = Reservation { record: &record, origin: Origin::Imported, batch: None };
    let entry = open(&desk).unwrap().import(&[reservation], Facts::new()).unwrap()[0].to_string();
    let listed = desk.newest("C-1");
    assert_eq!((&listed["time_step"], &listed["counter"]), (&Value::Null, &u64::MAX.into()));
    for command in [
        &["code", "C-1"][..],
        &["verify", "--entry", &entry, "--code", "755224"],
        &["drift", "C-1", "--code", "755224"],
    ] {
        let run = desk.run(&[command, &["--json"]].concat()).expect(7);
        assert_eq!(run.error_code(), "event-based", "{command:?}");
    }
    // Its code is one of Bob's seed, whose token follows the time.
    let found = desk.json(&["identify-code", "755224", "--time", "0"]);
    let serials: Vec<_> = found["candidates"].as_array().unwrap().iter().map(|one| &one["serial"]).collect();
    assert_eq!((serials, &found["searched"]), (vec![&Value::from(BOB)], &2.into()));
    desk.run(&["escrow", "check"]).expect(0);
}
