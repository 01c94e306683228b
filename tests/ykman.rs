//! Yubico's own client drives the emulated OATH applet through the real pcscd: what it writes is there, what it reads is
//! right, what it may not do is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use oathburn_oath::{Algorithm, Digits, Seed, TimeStep, Totp, TotpParams};
use serde_json::Value;
use support::Desk;
use support::ykman::ykman;

/// RFC 6238's seed, `12345678901234567890`, and another.
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const OTHER: &str = "JBSWY3DPEHPK3PXP";

const YUBIKEY: &str = "serial=12345678 kind=yubikey version=5.4.3 device-id=0123456789abcdef";

/// A desk with a security key on its reader; `None` when the client is not here.
fn desk(key: &str) -> Option<Desk> {
    ykman()?;
    let desk = Desk::without_escrow(1);
    desk.lab().insert(0, &format!("ykoath {key}")).unwrap();
    Some(desk)
}

fn accounts(desk: &Desk) -> Vec<String> {
    desk.ykman_lines(0, &["oath", "accounts", "list"])
}

fn entries(desk: &Desk) -> Vec<Value> {
    desk.lab().state(0).unwrap()["entries"].as_array().unwrap().clone()
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The codes that an entry may have shown at some time between two.
fn codes(entry: &Value, step: u32, from: u64, to: u64) -> BTreeSet<String> {
    let params = TotpParams {
        algorithm: entry["algorithm"].as_str().unwrap().parse::<Algorithm>().unwrap(),
        digits: Digits::new(u8::try_from(entry["digits"].as_u64().unwrap()).unwrap()).unwrap(),
        step: TimeStep::new(step).unwrap(),
    };
    let totp = Totp::new(&Seed::from_hex(entry["seed"].as_str().unwrap()).unwrap(), params);
    let step = u64::from(step);
    (from / step..=to / step).map(|counter| totp.code_of(counter).to_string()).collect()
}

#[test]
fn accounts_are_added_read_renamed_and_deleted() {
    let Some(desk) = desk(YUBIKEY) else { return };
    let add = |arguments: &[&str]| desk.ykman_lines(0, &[&["oath", "accounts", "add"], arguments].concat());
    let code = |account: &str, at: usize, step: u32| {
        let from = seconds();
        let code = desk.ykman_code(0, account);
        assert!(codes(&entries(&desk)[at], step, from, seconds()).contains(&code), "{account} {code}");
    };
    assert_eq!(accounts(&desk), [""; 0]);
    add(&["--issuer", "ACME", "bob@example.com", SEED]);
    add(&["--algorithm", "SHA256", "--digits", "8", "--period", "60", "--issuer", "ÄÖ/Ü", "東京", SEED]);
    add(&["--algorithm", "SHA512", "--digits", "7", "--touch", "touch me", SEED]);
    add(&["--oath-type", "HOTP", "--counter", "5", "counted", SEED]);
    add(&["--period", "15", "short", OTHER]);
    let kinds: Vec<_> = entries(&desk)
        .iter()
        .map(|entry| ["name", "type", "algorithm", "digits", "touch", "counter"].map(|field| entry[field].clone()))
        .map(|[name, kind, algorithm, digits, touch, counter]| {
            format!("{name} {kind} {algorithm} {digits} {touch} {counter}").replace('"', "")
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "ACME:bob@example.com totp sha1 6 false 0",
            "60/ÄÖ/Ü:東京 totp sha256 8 false 0",
            "touch me totp sha512 7 true 0",
            "counted hotp sha1 6 false 5",
            "15/short totp sha1 6 false 0",
        ]
    );
    // The last one's seed had ten bytes: the client fills it up.
    assert_eq!(entries(&desk)[4]["seed"], "48656c6c6f21deadbeef00000000");
    assert_eq!(accounts(&desk).len(), 5);
    code("ACME:bob@example.com", 0, 30);
    code("60/ÄÖ/Ü:東京", 1, 60);
    code("touch me", 2, 30);
    code("15/short", 4, 15);
    // RFC 4226, appendix D, counters 5 and 6.
    assert_eq!((desk.ykman_code(0, "counted"), desk.ykman_code(0, "counted")), ("254676".into(), "287922".into()));
    assert_eq!(entries(&desk)[3]["counter"], 7);

    desk.ykman(0, &["oath", "accounts", "rename", "--force", "ACME", "Umbrella:alice"]).expect(0);
    desk.ykman(0, &["oath", "accounts", "add", "--force", "counted", OTHER]).expect(0);
    desk.ykman(0, &["oath", "accounts", "delete", "--force", "touch me"]).expect(0);
    let expected = ["15/short", "60/ÄÖ/Ü:東京", "counted", "Umbrella:alice"].map(str::to_owned);
    assert_eq!(BTreeSet::from_iter(accounts(&desk)), BTreeSet::from(expected));
    assert_eq!((&entries(&desk)[2]["name"], &entries(&desk)[2]["type"]), (&"counted".into(), &"totp".into()));
    code("Umbrella:alice", 0, 30);
    desk.record_ykman("accounts", "add, list, code, rename, overwrite, delete", YUBIKEY);
}

#[test]
fn an_access_code_is_asked_for_until_it_is_removed() {
    let Some(desk) = desk(YUBIKEY) else { return };
    desk.ykman(0, &["oath", "accounts", "add", "bob", SEED]).expect(0);
    desk.ykman(0, &["oath", "access", "change", "--new-password", "hunter2"]).expect(0);
    let list = |password: &str| desk.ykman(0, &["oath", "accounts", "list", "--password", password]);
    let refused = list("hunter3");
    assert!(refused.code == 1 && refused.stderr.contains("Wrong password"), "{refused:?}");
    assert_eq!(list("hunter2").expect(0).stdout, "bob\n");
    let change = ["oath", "access", "change", "--password", "hunter2", "--new-password", "fifty-ünicode"];
    desk.ykman(0, &change).expect(0);
    assert_eq!(desk.ykman(0, &change).code, 1);
    assert_eq!(list("fifty-ünicode").expect(0).stdout, "bob\n");
    desk.ykman(0, &["oath", "access", "change", "--password", "fifty-ünicode", "--clear"]).expect(0);
    assert_eq!(accounts(&desk), ["bob"]);
    assert_eq!(desk.lab().state(0).unwrap()["device_id"], "0123456789abcdef");
    desk.record_ykman("access-code", "access code set, wrong, right, changed, removed", YUBIKEY);
}

#[test]
fn a_code_of_a_password_given_beforehand_is_the_clients() {
    let Some(desk) = desk(&format!("{YUBIKEY} password=hunter2")) else { return };
    let run = desk.ykman(0, &["oath", "accounts", "list", "--password", "hunter2"]);
    assert_eq!(run.expect(0).stdout, "");
    assert_eq!(desk.ykman(0, &["oath", "accounts", "list", "--password", "Hunter2"]).code, 1);
}

#[test]
fn a_reset_needs_no_access_code_and_changes_the_device_id() {
    let Some(desk) = desk(YUBIKEY) else { return };
    desk.ykman(0, &["oath", "accounts", "add", "bob", SEED]).expect(0);
    desk.ykman(0, &["oath", "access", "change", "--new-password", "hunter2"]).expect(0);
    desk.ykman(0, &["oath", "reset", "--force"]).expect(0);
    assert_eq!(accounts(&desk), [""; 0]);
    let state = desk.lab().state(0).unwrap();
    assert_ne!(state["device_id"], "0123456789abcdef");
    assert_eq!((&state["access_code"], entries(&desk).len()), (&false.into(), 0));
    desk.record_ykman("reset", "reset of a protected applet", YUBIKEY);
}

#[test]
fn answers_in_pieces_are_joined() {
    let key = format!("{YUBIKEY} long-entries=32");
    let Some(desk) = desk(&key) else { return };
    let entries = entries(&desk);
    let names: Vec<_> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert!(names.iter().all(|name| name.len() == 64));
    assert_eq!(accounts(&desk), names);
    let from = seconds();
    let lines = desk.ykman_lines(0, &["oath", "accounts", "code"]);
    let to = seconds();
    assert_eq!(lines.len(), 32);
    for (entry, line) in entries.iter().zip(lines) {
        let (name, code) = line.rsplit_once(' ').unwrap();
        assert_eq!(name.trim_end(), entry["name"].as_str().unwrap());
        assert!(codes(entry, 30, from, to).contains(code), "{line}");
    }
    let pieces = desk.lab().log(0).unwrap().iter().filter(|(command, _)| command.starts_with("00a50000")).count();
    assert_eq!(pieces, 8 + 9);
    // And there is no room for another.
    let full = desk.ykman(0, &["oath", "accounts", "add", "one more", SEED]);
    assert!(full.code == 1 && full.stderr.contains("No space"), "{full:?}");
    desk.record_ykman("chained", "32 long names: answers in pieces; a full key", &key);
}

#[test]
fn keys_of_other_makers_have_the_applet_only() {
    let key = "serial=N-1 kind=generic version=4.13.0 device-id=0123456789abcdef";
    let Some(desk) = desk(key) else { return };
    desk.ykman(0, &["oath", "accounts", "add", "--issuer", "ACME", "bob", SEED]).expect(0);
    assert_eq!(accounts(&desk), ["ACME:bob"]);
    // What the version says it cannot do the client does not try.
    assert_ne!(desk.ykman(0, &["oath", "accounts", "rename", "--force", "ACME", "bob"]).code, 0);
    assert_eq!(accounts(&desk), ["ACME:bob"]);
    desk.record_ykman("generic", "a key of another maker: no other application, no rename", key);
}

#[test]
fn a_nitrokey_is_written_once_and_tells_codes_one_by_one() {
    let Some(desk) = desk("serial=N-2 kind=nitrokey") else { return };
    let add = || desk.ykman(0, &["oath", "accounts", "add", "--force", "bob", SEED]);
    add().expect(0);
    assert_eq!(accounts(&desk), ["bob"]);
    assert_ne!(add().code, 0, "a name that is there is refused");
    assert_ne!(desk.ykman(0, &["oath", "accounts", "code"]).code, 0, "there is no CALCULATE ALL");
    desk.ykman(0, &["oath", "accounts", "delete", "--force", "bob"]).expect(0);
    assert_eq!(accounts(&desk), [""; 0]);
}

#[test]
fn a_key_that_is_torn_away_keeps_what_it_has_stored() {
    let Some(desk) = desk(YUBIKEY) else { return };
    let add = |seed| desk.ykman(0, &["oath", "accounts", "add", "--force", "bob", seed]);
    let tear = |fault: &str, seed| {
        desk.lab().fault(0, fault).unwrap();
        assert_ne!(add(seed).code, 0, "{fault}");
        desk.lab().press(0).unwrap();
        entries(&desk).first().map(|entry| entry["seed"].as_str().unwrap().to_owned())
    };
    let [first, second] = [SEED, OTHER].map(|seed| Seed::from_base32(seed).unwrap());
    assert_eq!(tear("tear-before ins=01", SEED), None);
    assert_eq!(tear("tear-after ins=01", SEED), Some(first.to_hex().to_string()));
    // The client fills a short seed up; the old one is still there when nothing was executed.
    assert_eq!(tear("tear-before ins=01", OTHER), Some(first.to_hex().to_string()));
    assert!(tear("tear-after ins=01", OTHER).unwrap().starts_with(&*second.to_hex()));
    // Overwriting begins with the end of what was there.
    assert_eq!(tear("tear-store", SEED), None);
    add(SEED).expect(0);
    assert_eq!(accounts(&desk), ["bob"]);
}
