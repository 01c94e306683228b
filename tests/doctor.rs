//! What `oathburn doctor` finds, each brought about on purpose. What concerns the kernel, drivers, rules and rights is
//! provoked in the reader crate, on machines made of files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oathburn_escrow::{Escrow, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::{Clock, FixedClock, SystemClock, UnixTime};
use serde_json::Value;
use support::{Desk, RESTRICTED};

/// What the doctor says, which ends with this exit code.
fn findings(desk: &Desk, arguments: &[&str], exit: i32) -> Vec<Value> {
    let run = desk.run(&[&["doctor", "--json"], arguments].concat()).expect(exit);
    let json = run.json();
    assert_eq!(json["ok"], exit == 0, "{json}");
    let findings = json["findings"].as_array().unwrap().clone();
    for finding in &findings {
        let mends = finding["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty());
        assert_eq!(mends, finding["severity"] != "fine", "{finding}");
    }
    findings
}

/// The finding of this code.
fn the<'a>(findings: &'a [Value], code: &str) -> &'a Value {
    findings.iter().find(|one| one["code"] == code).unwrap_or_else(|| panic!("no {code} in {findings:#?}"))
}

/// The codes of what is wrong with the escrow.
fn of_escrow(findings: &[Value]) -> Vec<&str> {
    let wrong = findings.iter().filter(|one| one["area"] == "escrow" && one["severity"] != "fine");
    wrong.map(|one| one["code"].as_str().unwrap()).collect()
}

/// Of one who burns and is no officer, on a machine without a service.
fn desk() -> Desk {
    let desk = Desk::without_readers();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    desk
}

fn store(desk: &Desk) -> PathBuf {
    desk.folder().join("escrow.db")
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_machine_that_burns_has_nothing_wrong_with_its_escrow() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    desk.run(&["burn"]).expect(0);
    let run = desk.run(&["doctor", "--json"]);
    // This machine may have a driver that no machine should have; its escrow is our own.
    assert!(matches!(run.code, 0 | 3), "{run:?}");
    let json = run.json();
    let findings = json["findings"].as_array().unwrap();
    assert!(the(findings, "service")["message"].as_str().unwrap().contains("is running and shows"));
    assert_eq!(of_escrow(findings), ["officer-file-plain", "backup-missing"], "{findings:#?}");
    for code in ["station-file", "store-format"] {
        assert_eq!(the(findings, code)["severity"], "fine");
    }
    // Without what is fine it is shorter, and it says the same to people.
    let text = desk.run(&["doctor"]).stdout;
    assert!(text.contains("✓ the PC/SC service is running"), "{text}");
    assert!(text.contains("! the escrow was never backed up") && text.contains("  → oathburn escrow backup"), "{text}");
    let short = desk.run(&["doctor", "--problems"]).stdout;
    assert!(!short.contains('✓') && short.contains("never backed up"), "{short}");
}

#[test]
fn a_look_changes_nothing() {
    let desk = Desk::without_readers();
    let findings = findings(&desk, &[], 6);
    assert_eq!(of_escrow(&findings), ["store-missing"]);
    assert_eq!(the(&findings, "store-missing")["remedy"], "oathburn escrow init");
    assert!(the(&findings, "officer-file")["message"].as_str().unwrap().contains("no officer's file"));
    assert!(!desk.folder().exists(), "no key was made");
}

#[test]
fn without_a_service_no_reader_can_be_used() {
    let desk = desk();
    let findings = findings(&desk, &[], 3);
    let finding = the(&findings, "service-missing");
    assert_eq!((&finding["area"], &finding["severity"]), (&"readers".into(), &"problem".into()));
    assert!(finding["remedy"].as_str().unwrap().starts_with("sudo "));
}

#[test]
fn a_service_that_turns_us_away_is_told_from_one_that_ended() {
    let desk = desk();
    let socket = desk.home().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let codes = || {
        let output = desk.command(&["doctor", "--json"]).env("PCSCLITE_CSOCK_NAME", &socket).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["findings"].as_array().unwrap().clone()
    };
    // So does pcscd when polkit denies access to it.
    std::thread::scope(|scope| {
        let hangs_up = listener.try_clone().unwrap();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            while stopped.try_recv().is_err() {
                drop(hangs_up.accept());
            }
        });
        let findings = codes();
        assert!(the(&findings, "service-access-denied")["remedy"].as_str().unwrap().contains("polkit"));
        stop.send(()).unwrap();
        drop(std::os::unix::net::UnixStream::connect(&socket));
    });
    drop(listener);
    assert!(the(&codes(), "service-stopped")["remedy"].as_str().unwrap().contains("systemctl restart"));
}

#[test]
fn files_that_are_open_to_others_are_named() {
    let desk = desk();
    for (path, mode, right, code) in [
        (desk.folder(), 0o755, 0o700, "file-exposed"),
        (store(&desk), 0o644, 0o600, "file-exposed"),
        (desk.folder().join("officer.key"), 0o640, 0o600, "key-file-exposed"),
        (desk.folder().join("station.key"), 0o604, 0o600, "key-file-exposed"),
    ] {
        chmod(&path, mode);
        let findings = findings(&desk, &[], 6);
        let finding = the(&findings, code);
        assert!(finding["message"].as_str().unwrap().contains(path.to_str().unwrap()), "{finding}");
        assert!(finding["remedy"].as_str().unwrap().contains("chmod"), "{finding}");
        chmod(&path, right);
    }
    assert_eq!(of_escrow(&findings(&desk, &[], 3)), ["officer-file-plain", "backup-missing"]);
}

#[test]
fn files_that_are_broken_are_named() {
    let desk = desk();
    for name in ["officer.key", "station.key", "escrow.db"] {
        let path = desk.folder().join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, "nothing of ours").unwrap();
        let findings = findings(&desk, &[], 6);
        let code = if name == "escrow.db" { "store-not-database" } else { "key-file-foreign" };
        assert!(the(&findings, code)["message"].as_str().unwrap().contains(name), "{findings:#?}");
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_store_of_another_version_is_told_so() {
    let desk = desk();
    let copy = desk.home().join("other.db");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/escrow/v1/escrow.db"), &copy).unwrap();
    chmod(&copy, 0o600);
    let url = format!("sqlite:{}", copy.display());
    let before = fs::read(&copy).unwrap();
    let old = findings(&desk, &["--store", &url], 3);
    assert_eq!(the(&old, "store-format-old")["severity"], "warning");
    assert!(fs::read(&copy).unwrap() == before, "it was touched");
    // SQLite keeps the number here (its file format, section 1.3.13).
    let mut newer = before;
    newer[60..64].copy_from_slice(&999_u32.to_be_bytes());
    fs::write(&copy, newer).unwrap();
    the(&findings(&desk, &["--store", &url], 6), "store-newer");
    // Nobody listens on port 1 of this machine.
    let away = "postgres://burner@127.0.0.1:1/escrow?sslmode=disable";
    the(&findings(&desk, &["--store", away], 6), "store-unavailable");
    the(&findings(&desk, &["--store", "postgres://db/escrow"], 6), "store-url-refused");
}

#[test]
fn a_station_that_nobody_approved_is_told_so() {
    let (one, other) = (desk(), desk());
    let url = format!("sqlite:{}", store(&one).display());
    // Somebody's store at first sight.
    other.run(&["escrow", "list", "--store", &url]).expect(0);
    let findings = findings(&other, &["--store", &url], 6);
    assert!(the(&findings, "station-not-approved")["remedy"].as_str().unwrap().contains("stations approve"));
}

#[test]
fn a_backup_is_missed_and_grows_old() {
    let desk = desk();
    let url = StoreUrl::sqlite(store(&desk));
    let back_up = |name: &str, clock: Arc<dyn Clock>| {
        let station = StationKey::load_or_create(&desk.folder().join("station.key")).unwrap();
        let writer = Writer { operator: None, uid: 0, host: "here".into() };
        let escrow = Escrow::open(&url, station, &Pins::new(desk.folder().join("pins")), writer, clock).unwrap();
        escrow.backup(&desk.home().join(name), None).unwrap();
    };
    the(&findings(&desk, &[], 3), "backup-missing");
    let long_ago = UnixTime::new(SystemClock.now().seconds() - 40 * 24 * 60 * 60);
    back_up("first", Arc::new(FixedClock(long_ago)));
    let old = findings(&desk, &[], 3);
    assert!(the(&old, "backup-old")["message"].as_str().unwrap().contains("40 days ago"), "{old:#?}");
    back_up("second", Arc::new(SystemClock));
    assert_eq!(the(&findings(&desk, &[], 3), "backup")["severity"], "fine");
}

#[cfg(feature = "libnfc")]
#[test]
fn a_reader_of_libnfc_is_looked_at() {
    let desk = Desk::over_libnfc();
    let said = |exit| findings(&desk, &[], exit);
    let message = |code: &str| the(&said(3), code)["message"].as_str().unwrap().to_owned();
    assert!(message("libnfc-reader").ends_with("answers; no token lies on it"));
    desk.lab().insert("nfc0", &format!("token2-single serial={RESTRICTED}")).unwrap();
    assert!(message("libnfc-reader").ends_with("answers; a token lies on it"));
    assert!(desk.lab().log("nfc0").unwrap().is_empty(), "the token was spoken to");
    desk.lab().chip("nfc0", "mute").unwrap();
    assert!(message("reader-silent").contains("does not answer"));
    desk.lab().chip("nfc0", "clear").unwrap();
    desk.lab().chip("nfc0", "data bytes=32 cmd=02").unwrap();
    assert!(message("reader-failed").contains("libnfc ended its process"));
    desk.lab().chip("nfc0", "unplug").unwrap();
    assert!(message("reader-missing").contains("is not connected"));
    let findings = findings(&desk, &["--reader", "libnfc:pn532_uart:/nowhere/at/all"], 3);
    assert_eq!(findings.iter().filter(|one| one["code"] == "reader-missing").count(), 2);
}
