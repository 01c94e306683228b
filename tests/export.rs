//! Seeds on their way out: what is written, what is refused, what the audit trail says, and what stays when it fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use oathburn_escrow::{Annotation, EntryId, Escrow, Facts, Origin, Pins, Reservation, StationKey, StoreUrl, Writer};
use oathburn_oath::{
    Algorithm, Digits, FamilyId, HotpParams, Params, Seed, SerialNumber, Slot, SystemClock, TimeStep, TokenIdentity,
    TokenRecord, TotpParams,
};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use support::Desk;

const KEY: &[u8] = b"12345678901234567890";
const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const HEX: &str = "3132333435363738393031323334353637383930";

/// A desk with an escrow and no readers.
fn desk() -> Desk {
    let desk = Desk::without_readers();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    desk
}

fn escrow(desk: &Desk) -> Escrow {
    let folder = desk.folder();
    let url = StoreUrl::sqlite(folder.join("escrow.db"));
    let station = StationKey::load_or_create(&folder.join("station.key")).unwrap();
    let who = Writer { operator: None, uid: 0, host: "test".into() };
    Escrow::open(&url, station, &Pins::new(folder.join("pins")), who, Arc::new(SystemClock)).unwrap()
}

fn token(serial: &str, params: impl Into<Params>) -> TokenRecord {
    TokenRecord {
        identity: TokenIdentity {
            family: FamilyId::new("token2-single").unwrap(),
            serial: SerialNumber::new(serial).unwrap(),
            slot: Slot::SINGLE,
        },
        params: params.into(),
        seed: Seed::new(KEY.to_vec()).unwrap(),
        manufacturer: None,
        model: Some("C202".into()),
        upn: Some(format!("user{serial}@example.com")),
        issuer: None,
    }
}

fn import(desk: &Desk, tokens: &[TokenRecord]) -> Vec<EntryId> {
    let one = |record| Reservation { record, origin: Origin::Imported, batch: None };
    escrow(desk).import(&tokens.iter().map(one).collect::<Vec<_>>(), Facts::new()).unwrap()
}

/// Tokens that Entra takes and tokens that it does not.
fn motley() -> Vec<TokenRecord> {
    let usual = TotpParams::default();
    let hotp = HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: 7 };
    let nobody = TokenRecord { upn: None, ..token("1006", usual) };
    let slot = TokenRecord {
        identity: TokenIdentity { slot: Slot::Number(7), ..token("1007", usual).identity },
        ..token("1007", usual)
    };
    vec![
        token("1001", usual),
        token("1002", TotpParams { step: TimeStep::S60, ..usual }),
        token("1003", TotpParams { algorithm: Algorithm::Sha256, ..usual }),
        token("1004", TotpParams { digits: Digits::EIGHT, ..usual }),
        token("1005", hotp),
        nobody,
        slot,
    ]
}

fn events(desk: &Desk, kind: &str) -> Vec<Value> {
    desk.json(&["escrow", "audit", "list", "--kind", kind]).as_array().unwrap().clone()
}

fn out(desk: &Desk, name: &str) -> (PathBuf, String) {
    let path = desk.home().join(name);
    let text = path.display().to_string();
    (path, text)
}

#[test]
fn a_file_for_entra_is_written_noted_and_marked() {
    let desk = desk();
    import(&desk, &motley()[..2]);
    let (path, file) = out(&desk, "entra.csv");
    let done = desk.json(&["export", "--format", "entra", "--reason", "new tenant", "--out", &file]);
    assert_eq!((&done["format"], &done["exported"], &done["file"]), (&"entra".into(), &2.into(), &file.clone().into()));
    assert_eq!(done["skipped"], Value::Array(vec![]));
    let written = fs::read_to_string(&path).unwrap();
    let expected = format!(
        "upn,serial number,secret key,time interval,manufacturer,model\r\n\
         user1001@example.com,1001,{BASE32},30,Token2,C202\r\nuser1002@example.com,1002,{BASE32},60,Token2,C202\r\n"
    );
    assert_eq!(written, expected);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let opened = events(&desk, "exported");
    assert_eq!((opened.len(), opened[0]["entries"].as_array().unwrap().len()), (1, 2));
    assert_eq!((&opened[0]["reason"], &opened[0]["facts"]["format"]), (&"new tenant".into(), &"entra".into()));
    assert_eq!((&opened[0]["facts"]["file"], &opened[0]["facts"]["tokens"]), (&file.clone().into(), &2.into()));
    assert_eq!(events(&desk, "export-completed")[0]["entries"].as_array().unwrap().len(), 2);
    let entries = escrow(&desk).entries(&oathburn_escrow::Filter::default()).unwrap();
    assert!(entries.iter().all(|entry| entry.annotations.export_format.as_deref() == Some("entra")));

    // Nothing is left of what was not exported yet, and the file is not overwritten.
    let (_, other) = out(&desk, "other.csv");
    let run = desk.run(&["export", "--format", "entra", "--reason", "r", "--not-exported", "--out", &other, "--json"]);
    assert_eq!(run.expect(9).error_code(), "nothing-to-export");
    let run = desk.run(&["export", "--format", "entra", "--reason", "r", "--out", &file, "--json"]);
    assert_eq!(run.expect(7).error_code(), "export-file");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(events(&desk, "exported").len(), 1);
    assert!(desk.json(&["escrow", "check"])["ok"].as_bool().unwrap());
}

#[test]
fn without_a_name_the_file_gets_one_in_this_folder() {
    let desk = desk();
    import(&desk, &motley()[..1]);
    let output = desk.command(&["export", "-f", "duo", "--reason", "r"]).current_dir(desk.home()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let name = said.trim_end().rsplit(' ').next().unwrap();
    assert!(name.starts_with("oathburn-duo-20") && name.ends_with("Z.csv"), "{said}");
    assert_eq!(fs::read_to_string(desk.home().join(name)).unwrap(), format!("1001,{HEX},30\r\n"));
    assert!(!said.contains(HEX) && !String::from_utf8(output.stderr).unwrap().contains(HEX));
}

#[test]
fn what_the_target_does_not_take_stops_everything_or_is_left_out_by_name() {
    let desk = desk();
    import(&desk, &motley());
    let (path, file) = out(&desk, "entra.csv");
    let arguments = ["export", "--format", "entra", "--reason", "r", "--out", &file];
    let run = desk.run(&[&arguments[..], &["--json"]].concat()).expect(7);
    assert_eq!(run.error_code(), "format-refuses");
    let json = run.json();
    let refused: Vec<_> = json["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["serial"].as_str().unwrap(), one["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        ("1003", "it takes no sha256"),
        ("1004", "it takes no codes of 8 digits"),
        ("1005", "it takes no event-based tokens (HOTP)"),
        ("1006", "it needs the user (UPN)"),
    ];
    assert_eq!(refused, expected);
    assert!(!path.exists());
    assert_eq!(events(&desk, "exported"), [] as [Value; 0]);
    let run = desk.run(&arguments).expect(7);
    for (serial, reason) in expected {
        assert!(run.stderr.lines().any(|line| line.starts_with(serial) && line.ends_with(reason)), "{}", run.stderr);
    }

    let run = desk.run(&[&arguments[..], &["--skip-unsupported"]].concat()).expect(0);
    assert!(run.stderr.contains("left out: 1005, entry "), "{}", run.stderr);
    let written = fs::read_to_string(&path).unwrap();
    // A slot is a seed of its own, and has a number of its own.
    let serials: Vec<_> = written.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(serials, ["1001", "1002", "1007-7"]);
    assert_eq!(events(&desk, "exported")[0]["entries"].as_array().unwrap().len(), 3);
}

#[test]
fn filters_say_which_and_what_is_named_is_not_left_out_in_silence() {
    let desk = desk();
    let ids = import(&desk, &motley()[..3]);
    let tagged = Annotation { add_tags: vec!["berlin".parse().unwrap()], ..Annotation::default() };
    escrow(&desk).annotate(&ids[1..2], &tagged, None).unwrap();
    let serials = |filters: &[&str]| {
        let arguments = ["export", "--format", "generic", "--reason", "r", "--out", "-", "--quiet"];
        let run = desk.run(&[&arguments[..], filters].concat());
        if run.code == 9 {
            return Vec::new();
        }
        let lines = run.expect(0).stdout;
        lines.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(serials(&[]), ["1001", "1002", "1003"]);
    assert_eq!(serials(&["--serial", "1003", "--serial", "1001"]), ["1001", "1003"]);
    assert_eq!(serials(&["--serial", "1002"]), ["1002"]);
    assert_eq!(serials(&["--entry", &ids[2].to_string()]), ["1003"]);
    assert_eq!(serials(&["--upn", "USER1002@example.com"]), ["1002"]);
    assert_eq!(serials(&["--tag", "berlin"]), ["1002"]);
    assert_eq!(serials(&["--tag", "berlin", "--tag", "paris"]), [""; 0]);
    assert_eq!(serials(&["--state", "imported", "--model", "C202"]).len(), 3);
    assert_eq!(serials(&["--state", "programmed"]), [""; 0]);
    assert_eq!(serials(&["--since", "2026-01-01T00:00:00Z"]).len(), 3);
    assert_eq!(serials(&["--until", "2026-01-01T00:00:00Z"]), [""; 0]);

    let fails = |filters: &[&str], code: i32| {
        let arguments = ["export", "--format", "generic", "--reason", "r", "--out", "x", "--json"];
        desk.run(&[&arguments[..], filters].concat()).expect(code).error_code()
    };
    assert_eq!(fails(&["--serial", "1001", "--serial", "1009"], 7), "export-incomplete");
    escrow(&desk).retire(ids[0], Some("lost")).unwrap();
    assert_eq!(fails(&["--serial", "1001"], 7), "export-incomplete");
    assert_eq!(fails(&["--entry", &ids[0].to_string()], 6), "entry-not-on-token");
    assert_eq!(fails(&["--entry", "00"], 7), "entry-unknown");
    assert_eq!(fails(&["--state", "retired"], 2), "usage");
    assert!(!desk.home().join("x").exists());
}

#[test]
fn stdout_is_for_pipes_alone() {
    let desk = desk();
    import(&desk, &motley()[..1]);
    let arguments = ["export", "--format", "duo", "--reason", "r", "--out", "-"];
    let run = desk.run(&arguments).expect(0);
    assert_eq!(run.stdout, format!("1001,{HEX},30\r\n"));
    assert!(run.stderr.contains("1 token written for duo to stdout"), "{}", run.stderr);
    assert_eq!(desk.run(&[&arguments[..], &["--json"]].concat()).expect(2).error_code(), "usage");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = desk.command(&arguments).stdout(full).output().unwrap();
    assert_eq!(run.status.code(), Some(7), "{run:?}");
    assert!(String::from_utf8(run.stderr).unwrap().contains("failed to write"));
    // The seed was opened for it, and nothing says that it arrived.
    assert_eq!((events(&desk, "exported").len(), events(&desk, "export-completed").len()), (2, 1));
}

#[test]
fn what_fails_before_leaves_nothing_behind() {
    let desk = desk();
    import(&desk, &motley()[..1]);
    let before = fs::read_dir(desk.home()).unwrap().count();
    let run = |arguments: &[&str]| desk.run(&[&["export", "--json"], arguments].concat());
    let duo = ["--format", "duo", "--out", "x"];
    assert_eq!(run(&["--format", "spreadsheet", "--reason", "r"]).expect(2).error_code(), "usage");
    assert_eq!(run(&[&duo[..], &["--reason", " "]].concat()).expect(2).error_code(), "usage");
    assert_eq!(run(&duo).expect(2).error_code(), "usage");
    let okta = ["--format", "okta", "--reason", "r", "--out", "x"];
    assert_eq!(run(&okta).expect(7).error_code(), "setting-missing");
    assert_eq!(run(&[&okta[..], &["--set", "colour=red"]].concat()).expect(2).error_code(), "usage");
    let missing = ["--format", "duo", "--reason", "r", "--out", "no/such/folder/x"];
    assert_eq!(run(&missing).expect(7).error_code(), "export-file");
    fs::remove_file(desk.folder().join("officer.key")).unwrap();
    assert_eq!(run(&[&duo[..], &["--reason", "r"]].concat()).expect(6).error_code(), "key-file-missing");
    assert_eq!(events(&desk, "exported"), [] as [Value; 0]);
    assert_eq!(fs::read_dir(desk.home()).unwrap().count(), before);
}

#[test]
fn formats_of_ones_own_come_from_a_file() {
    let desk = desk();
    import(&desk, &motley()[..1]);
    let text = "[[format]]\nid = 'acme'\ntitle = 'ACME'\ncells = ['{upn}', '{seed:base64}']\n\
                takes = { algorithms = ['sha1'], digits = [6], steps = [30], needs = ['upn'] }\n";
    let folder = desk.home().join(".config/oathburn");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("columns.toml"), text).unwrap();
    let export = ["export", "--format", "acme", "--reason", "r", "--out", "-"];
    assert_eq!(desk.run(&export).expect(0).stdout, "user1001@example.com,MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=\r\n");
    let formats = desk.json(&["formats"]);
    assert!(formats.as_array().unwrap().iter().any(|format| format["format"] == "acme"));

    let (path, file) = out(&desk, "own.toml");
    let with = |text: &str| {
        fs::write(&path, text).unwrap();
        desk.run(&[&export[..6], &["x", "--columns", &file, "--json"]].concat()).expect(7)
    };
    let run = with(&text.replace("base64", "rot13"));
    assert_eq!(run.error_code(), "columns-file");
    let message = run.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("own.toml: line 4 of the columns file: cells: the seed's form is one of"), "{message}");
    assert_eq!(with(&text.replace("acme", "entra")).error_code(), "columns-id");
    fs::remove_file(&path).unwrap();
    let run = desk.run(&["formats", "--columns", &file, "--json"]).expect(7);
    assert_eq!(run.error_code(), "columns-file-unreadable");
}

#[test]
fn formats_are_listed_with_what_they_carry_and_lose() {
    let desk = Desk::without_readers();
    let all = desk.json(&["formats"]);
    let entra = all.as_array().unwrap().iter().find(|format| format["format"] == "entra").unwrap();
    assert_eq!((&entra["writes"], &entra["carries"]["upn"]), (&true.into(), &"needed".into()));
    assert_eq!(entra["loses"], Value::from(vec!["issuer"]));
    let text = desk.run(&["formats"]).expect(0).stdout;
    assert!(text.lines().any(|line| line.starts_with("entra ") && line.contains("upn*")), "{text}");
    let text = desk.run(&["formats", "privacyidea2"]).expect(0).stdout;
    assert!(text.contains("--set realm=…  the realm of the users\n"), "{text}");
    assert_eq!(desk.run(&["formats", "spreadsheet", "--json"]).expect(2).error_code(), "usage");
}

#[test]
fn a_terminal_does_not_get_to_see_seeds_unasked() {
    let desk = desk();
    import(&desk, &motley()[..1]);
    let on_terminal = |more: &[&str]| {
        let screen: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
        let inside = fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
        let arguments = [&["export", "--format", "duo", "--reason", "r", "--out", "-"], more].concat();
        let end = Stdio::from(inside.try_clone().unwrap());
        let status = desk.command(&arguments).stdout(end).stderr(Stdio::null()).status().unwrap();
        // Something to read in any case.
        writeln!(&inside, "end").unwrap();
        let mut shown = [0; 256];
        let len = fs::File::from(screen).read(&mut shown).unwrap();
        (status.code().unwrap(), String::from_utf8_lossy(&shown[..len]).into_owned())
    };
    assert_eq!(on_terminal(&[]), (8, "end\r\n".into()));
    let (code, shown) = on_terminal(&["--show-seeds"]);
    assert_eq!((code, shown.contains(HEX)), (0, true), "{shown:?}");
}
