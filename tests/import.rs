//! `oathburn import`: all or nothing, twice over, from every wrapping.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::{Desk, Run};

const HEADER: &str = "upn,serial number,secret key,time interval,manufacturer,model\n";

/// An escrow without readers: nothing here touches a token.
fn desk() -> Desk {
    let desk = Desk::without_readers();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    desk
}

fn fixture(name: &str) -> String {
    format!("{}/fixtures/import/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A row of Entra's list with a seed of its own.
fn row(serial: &str, seed: usize) -> String {
    let seed = data_encoding::BASE32_NOPAD.encode(format!("seed number {seed:08}").as_bytes());
    format!("bob{serial}@example.com,{serial},{seed},30,Token2,C202\n")
}

fn write(desk: &Desk, name: &str, text: &str) -> String {
    let path = desk.home().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn import(desk: &Desk, arguments: &[&str]) -> Run {
    desk.run(&[&["import", "--json"], arguments].concat())
}

fn counts(json: &Value) -> (u64, u64, usize) {
    (json["imported"].as_u64().unwrap(), json["skipped"].as_u64().unwrap(), json["problems"].as_array().unwrap().len())
}

fn codes(json: &Value) -> Vec<&str> {
    json["problems"].as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap()).collect()
}

fn entries(desk: &Desk) -> usize {
    desk.json(&["escrow", "list"]).as_array().unwrap().len()
}

#[test]
fn a_factory_file_comes_in_once() {
    let desk = desk();
    let file = fixture("entra/good-legacy.csv");
    let dry = import(&desk, &["--dry-run", &file]).expect(0).json();
    assert_eq!((counts(&dry), dry["new"].as_u64()), ((0, 0, 0), Some(2)));
    assert_eq!(entries(&desk), 0);
    let first = import(&desk, &[&file]).expect(0).json();
    assert_eq!((first["format"].as_str(), counts(&first)), (Some("entra"), (2, 0, 0)));
    let again = import(&desk, &[&file]).expect(0).json();
    assert_eq!(counts(&again), (0, 2, 0));
    let list = desk.json(&["escrow", "list"]);
    let entry = &list[0];
    for (field, expected) in [
        ("family", "preprogrammed"),
        ("serial", "2300000000001"),
        ("model", "C202"),
        ("upn", "alice@example.com"),
        ("state", "imported"),
    ] {
        assert_eq!(entry[field], expected, "{field}");
    }
    let code = desk.json(&["code", "2300000000001", "--at", "59", "--reason", "test"]);
    assert_eq!(code["codes"][0]["code"], "287082");
    let events = desk.json(&["escrow", "audit", "list"]).to_string();
    assert!(events.contains("good-legacy.csv") && events.contains("\"format\":\"entra\""), "{events}");
    desk.run(&["escrow", "check"]).expect(0);
}

#[test]
fn one_wrong_row_keeps_all_out_unless_the_others_are_wanted() {
    let desk = desk();
    let text = format!("{HEADER}{}{}{}", row("2300000000001", 1), row("2.3E+12", 2), row("2300000000003", 3));
    let file = write(&desk, "damaged.csv", &text);
    let refused = import(&desk, &[&file]).expect(7);
    assert_eq!(refused.error_code(), "rows-refused");
    let json = refused.json();
    assert_eq!((counts(&json), codes(&json)), ((0, 0, 1), vec!["scientific-notation"]));
    let problem = &json["problems"][0];
    assert_eq!((problem["line"].as_u64(), problem["column"].as_str()), (Some(3), Some("serial number")));
    assert!(problem["remedy"].as_str().unwrap().contains("spreadsheet"));
    assert_eq!(entries(&desk), 0);
    let kept = import(&desk, &["--keep-going", &file]).expect(7).json();
    assert_eq!(counts(&kept), (2, 0, 1));
    assert_eq!(entries(&desk), 2);
    // For people, too, and without a seed.
    let told = desk.run(&["import", &file]).expect(7);
    assert!(told.stderr.contains("line 3, serial number: ") && !told.stderr.contains("ONSWKZBA"), "{told:?}");
}

#[test]
fn what_is_there_twice_is_named() {
    let desk = desk();
    let text = [HEADER.to_owned(), row("1001", 1), row("1001", 2), row("1003", 1), row("1004", 4), row("1004", 4)];
    let file = write(&desk, "twice.csv", &text.concat());
    let json = import(&desk, &[&file]).expect(7).json();
    assert_eq!(codes(&json), ["token-twice", "seed-twice"]);
    assert!(json["problems"][0]["message"].as_str().unwrap().contains("line 2"), "{json}");
    let kept = import(&desk, &["--keep-going", &file]).expect(7).json();
    assert_eq!((counts(&kept), entries(&desk)), ((2, 1, 2), 2));
    // The same against what is in the escrow now.
    let other = write(&desk, "other.csv", &[HEADER, &row("1001", 9), &row("1009", 4)].concat());
    let json = import(&desk, &[&other]).expect(7).json();
    assert_eq!(codes(&json), ["token-known", "seed-known"]);
    assert_eq!(entries(&desk), 2);
}

#[test]
fn an_import_that_was_interrupted_is_finished_by_the_next() {
    let desk = desk();
    let rows: Vec<_> = (1..=30).map(|number| row(&format!("23000000000{number:02}"), number)).collect();
    let part = write(&desk, "part.csv", &format!("{HEADER}{}", rows[..20].concat()));
    import(&desk, &[&part]).expect(0);
    let whole = write(&desk, "whole.csv", &format!("{HEADER}{}", rows.concat()));
    let json = import(&desk, &[&whole]).expect(0).json();
    assert_eq!((counts(&json), entries(&desk)), ((10, 20, 0), 30));
}

#[test]
fn zeros_that_a_spreadsheet_dropped_are_seen_and_put_back() {
    let desk = desk();
    let file = write(&desk, "zeros.csv", &[HEADER, &row("2300000000001", 1), &row("123456789", 2)].concat());
    let json = import(&desk, &[&file]).expect(7).json();
    assert_eq!(codes(&json), ["zeros-lost"]);
    assert_eq!(counts(&import(&desk, &["--keep-going", "--dry-run", &file]).expect(7).json()), (0, 0, 1));
    import(&desk, &["--serial-digits", "13", &file]).expect(0);
    assert!(desk.json(&["escrow", "list"]).to_string().contains("\"0000123456789\""));
    let other = write(&desk, "short.csv", &[HEADER, &row("2300000000003", 3), &row("987654321", 4)].concat());
    import(&desk, &["--serial-digits", "any", &other]).expect(0);
    assert!(desk.json(&["escrow", "list"]).to_string().contains("\"987654321\""));
}

#[test]
fn tokens_belong_to_the_family_that_can_burn_them() {
    let desk = desk();
    let file = write(&desk, "tokens.csv", &[HEADER, &row("8659622000001", 1), &row("2300000000001", 2)].concat());
    import(&desk, &[&file]).expect(0);
    let list = desk.json(&["escrow", "list"]);
    assert_eq!(
        (list[0]["family"].as_str(), list[1]["family"].as_str()),
        (Some("token2-single"), Some("preprogrammed"))
    );
    let named = write(&desk, "named.csv", &[HEADER, &row("77", 7)].concat());
    import(&desk, &["--family", "molto1", &named]).expect(0);
    assert_eq!(desk.json(&["escrow", "list"])[2]["family"], "molto1");
}

#[test]
fn tokens_that_count_keep_their_counter_and_are_not_burned() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={}", support::RESTRICTED)).unwrap();
    import(&desk, &["--type", "hotp", &fixture("duo/good-hotp6--hotp.csv")]).expect(0);
    let entry = desk.json(&["escrow", "list"])[0].clone();
    assert_eq!(entry["serial"], "9900000000009");
    let unsaid = desk.run(&["burn", "--again", "9900000000009", "--json"]).expect(2);
    assert!(unsaid.stdout.contains("--counter"), "{unsaid:?}");
    let refused = desk.run(&["burn", "--again", "9900000000009", "--counter", "5", "--json"]).expect(7);
    assert_eq!(refused.error_code(), "token-event-based");
}

#[test]
fn accounts_of_apps_come_from_vaults_pictures_and_pipes() {
    let desk = desk();
    let password = write(&desk, "password", "correct horse\n");
    let vault = fixture("aegis/good-encrypted--password.json");
    assert_eq!(import(&desk, &[&vault]).expect(7).error_code(), "password-needed");
    let wrong = write(&desk, "wrong", "wrong horse\n");
    assert_eq!(import(&desk, &["--password-file", &wrong, &vault]).expect(7).error_code(), "password-wrong");
    // Two of its three accounts have the same seed: RFC test keys.
    let json = import(&desk, &["--keep-going", "--password-file", &password, &vault]).expect(7).json();
    assert_eq!((counts(&json), codes(&json)), ((2, 0, 1), vec!["seed-twice"]));
    let code = desk.json(&["code", "ACME:alice@example.com", "--at", "59", "--reason", "test"]);
    assert_eq!(code["codes"][0]["code"], "287082");
    let picture = fixture("otpauth/good-qr-2.png");
    let json = import(&desk, &[&picture]).expect(7).json();
    assert_eq!(codes(&json), ["seed-known"]);

    let desk = self::desk();
    let uris = fs::read_to_string(fixture("otpauth/good-migration-two-parts.txt")).unwrap();
    let json = desk.run_with(&["import", "--json", "-"], &uris).expect(0).json();
    assert_eq!((json["format"].as_str(), counts(&json)), (Some("otpauth"), (3, 0, 0)));
    let part = fixture("otpauth/bad-qr-part-missing.png");
    let missing = import(&desk, &[&part]).expect(7);
    assert_eq!(missing.error_code(), "migration-part");
    assert!(missing.stdout.contains("part 1 of 2"), "{missing:?}");
    // Both parts as pictures of a foreign maker.
    let desk = self::desk();
    let pictures: Vec<_> = uris.lines().take(2).enumerate().map(|(number, uri)| qr(&desk, number, uri)).collect();
    let Some(pictures) = pictures.into_iter().collect::<Option<Vec<_>>>() else { return };
    let names: Vec<_> = pictures.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(counts(&import(&desk, &names).expect(0).json()), (3, 0, 0));
}

/// A picture that `qrencode` draws; `None` where it is not installed.
fn qr(desk: &Desk, number: usize, text: &str) -> Option<PathBuf> {
    let path = desk.home().join(format!("{number}.png"));
    match Command::new("qrencode").arg("-o").arg(&path).arg(text).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "qrencode: {error}");
            return None;
        }
    }
    Some(path)
}

#[test]
fn what_is_no_list_is_refused_for_what_it_is() {
    let desk = desk();
    for (name, code) in [
        ("entra/bad-zip.csv", "file-wrapped"),
        ("privacyidea/bad-pgp.csv", "pgp-not-opened"),
        ("entra/bad-empty.csv", "file-empty"),
        ("otpauth/bad-no-qr-code.png", "no-qr-code"),
        ("otpauth/bad-qr-url.png", "not-a-seed"),
    ] {
        assert_eq!(import(&desk, &[&fixture(name)]).expect(7).error_code(), code, "{name}");
    }
    let letter = write(&desk, "letter.txt", "Dear Sirs,\nthe tokens are in the post.\n");
    assert_eq!(import(&desk, &[&letter]).expect(7).error_code(), "format-unknown");
    assert_eq!(import(&desk, &["--format", "graph", &letter]).expect(7).error_code(), "json-broken");
    assert_eq!(import(&desk, &["--format", "spreadsheet", &letter]).expect(2).error_code(), "usage");
    assert_eq!(import(&desk, &[&letter, &letter]).expect(2).error_code(), "usage");
    assert_eq!(import(&desk, &["--password-file", "-", "-"]).expect(2).error_code(), "usage");
    let missing = desk.home().join("missing.csv");
    assert_eq!(import(&desk, &[missing.to_str().unwrap()]).expect(7).error_code(), "import-file");
    let nameless = write(&desk, "nameless", &format!("otpauth://totp/?secret={}\n", "GEZDGNBVGY3TQOJQ"));
    let json = import(&desk, &[&nameless]).expect(7).json();
    assert_eq!(codes(&json), ["token-nameless"]);
    assert_eq!(entries(&desk), 0);
}

#[test]
fn age_files_are_opened_on_the_way() {
    let desk = desk();
    let (file, identity) = (fixture("age/entra.csv.age"), fixture("age/identity.txt"));
    assert_eq!(import(&desk, &[&file]).expect(7).error_code(), "age-key-needed");
    let json = import(&desk, &["--age-identity", &identity, &file]).expect(0).json();
    assert_eq!((json["format"].as_str(), counts(&json)), (Some("entra"), (2, 0, 0)));
    assert_eq!(import(&desk, &["--age-identity", &file, &file]).expect(7).error_code(), "age-not-opened");
}

/// `GnuPG` with a key ring of the test's own; it ends with the test.
struct Gnupg {
    desk: Desk,
}

impl Gnupg {
    /// With a key of ACME's, which needs no passphrase.
    fn new() -> Self {
        let gnupg = Self { desk: desk() };
        fs::create_dir(gnupg.home()).unwrap();
        fs::set_permissions(gnupg.home(), PermissionsExt::from_mode(0o700)).unwrap();
        gnupg.gpg(&["--passphrase", "", "--quick-generate-key", "it@acme.example", "default", "default", "never"]);
        gnupg
    }

    /// Where it looks when nobody says another place: that is how the program finds it, too.
    fn home(&self) -> PathBuf {
        self.desk.home().join(".gnupg")
    }

    fn gpg(&self, arguments: &[&str]) {
        let mut gpg = Command::new("gpg");
        gpg.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.desk.home());
        let run = gpg.args(["--quiet", "--batch", "--pinentry-mode", "loopback"]).args(arguments).output().unwrap();
        assert!(run.status.success(), "{run:?}");
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("HOME", self.desk.home()).args(["--kill", "all"]).status();
    }
}

#[test]
fn openpgp_messages_are_opened_by_gnupg() {
    let gnupg = Gnupg::new();
    let desk = &gnupg.desk;
    let row = |number: usize| HEADER.to_owned() + &row(&format!("230000000000{number}"), number);
    let paths = ["key.csv", "password.csv", "signed.csv"].map(|name| desk.home().join(name));
    for (number, path) in paths.iter().enumerate() {
        fs::write(path, row(number)).unwrap();
    }
    let [key, password, signed] = paths.map(|path| path.to_str().unwrap().to_owned());
    let secret = write(desk, "password", "correct horse\n");

    gnupg.gpg(&["--armor", "--recipient", "it@acme.example", "--trust-model", "always", "--encrypt", &key]);
    let json = import(desk, &[&format!("{key}.asc")]).expect(0).json();
    assert_eq!((json["format"].as_str(), counts(&json)), (Some("entra"), (1, 0, 0)));

    gnupg.gpg(&["--passphrase", "correct horse", "--symmetric", &password]);
    let file = format!("{password}.gpg");
    assert_eq!(import(desk, &[&file]).expect(7).error_code(), "pgp-not-opened");
    let wrong = write(desk, "wrong", "incorrect\n");
    assert_eq!(import(desk, &["--password-file", &wrong, &file]).expect(7).error_code(), "pgp-not-opened");
    assert_eq!(counts(&import(desk, &["--password-file", &secret, &file]).expect(0).json()), (1, 0, 0));

    // From a pipe, and signed: what was changed on the way is not looked at.
    let sign = ["--armor", "--recipient", "it@acme.example", "--trust-model", "always", "--sign", "--encrypt"];
    gnupg.gpg(&[&sign[..], &[&signed]].concat());
    let whole = fs::read_to_string(format!("{signed}.asc")).unwrap();
    let piped = |text: &str| desk.run_with(&["import", "--json", "-"], text);
    for place in [whole.len() / 2, whole.len() - 120] {
        let other = if whole.as_bytes()[place] == b'A' { "B" } else { "A" };
        let changed = [&whole[..place], other, &whole[place + 1..]].concat();
        assert_eq!(piped(&changed).expect(7).error_code(), "pgp-not-opened");
        assert_eq!(piped(&whole[..place]).expect(7).error_code(), "pgp-not-opened");
    }
    assert_eq!(counts(&piped(&whole).expect(0).json()), (1, 0, 0));
    assert_eq!(entries(desk), 3);
}

#[test]
fn every_problem_is_in_the_table_however_many_there_are() {
    let desk = desk();
    // More than are told: bad seeds, and numbers that lost their zeros.
    let bad: String = (0..1200).map(|one| row(&format!("23{one:011}"), one).replace(",ON", ",1N")).collect();
    let short: String = (0..1200).map(|one| row(&format!("{:010}", 7_000_000 + one), one)).collect();
    let file = write(&desk, "tokens.csv", &(HEADER.to_owned() + &row("2400000000001", 9999) + &bad + &short));
    let table = desk.home().join("problems.csv");
    let json = import(&desk, &["--problems", table.to_str().unwrap(), &file]).expect(7).json();
    assert_eq!((json["problem_count"].as_u64(), json["problems"].as_array().unwrap().len()), (Some(2400), 1000));
    let text = fs::read_to_string(&table).unwrap();
    assert!(text.starts_with("line,column,code,message,remedy\n3,secret key,"), "{text:.200}");
    let lines: BTreeSet<u32> =
        text.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(lines, (3..2403).collect());
    assert_eq!(entries(&desk), 0);
    // A table that cannot be written is said before anything is looked at.
    let nowhere = desk.home().join("no/problems.csv");
    assert_eq!(
        import(&desk, &["--problems", nowhere.to_str().unwrap(), &file]).expect(7).error_code(),
        "file-not-written"
    );
}

#[test]
fn two_imports_of_one_file_at_the_same_time_take_each_token_once() {
    let desk = desk();
    for round in 0..3 {
        let number = |row: usize| round * 1000 + row;
        let rows: String = (0..200).map(|one| row(&format!("24{:011}", number(one)), number(one))).collect();
        let file = write(&desk, &format!("{round}.csv"), &(HEADER.to_owned() + &rows));
        let both = [(); 2].map(|()| desk.spawn(&["import", "--json", &file]));
        let both = both.map(|running| counts(&running.finish().expect(0).json()));
        assert_eq!((both[0].0 + both[1].0, both[0].1 + both[1].1), (200, 200), "{both:?}");
        assert_eq!(entries(&desk), (round + 1) * 200);
    }
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}

#[test]
fn who_made_a_token_is_kept_and_exported() {
    let desk = desk();
    let theirs = row("2400000000001", 1).replace("Token2,C202", "Feitian,c200");
    // A product that we could burn, under the name of who sold it.
    let sold = row("8659622000002", 2).replace("Token2,C202", "ACME,OTPC-P2-i");
    let silent = row("8659622000003", 3).replace("Token2,", ",");
    let file = write(&desk, "tokens.csv", &(HEADER.to_owned() + &theirs + &sold + &silent));
    assert_eq!(counts(&import(&desk, &[&file]).expect(0).json()), (3, 0, 0));
    let list = desk.json(&["escrow", "list", "--text", "FEITIAN"]);
    assert_eq!((list.as_array().unwrap().len(), &list[0]["manufacturer"]), (1, &"Feitian".into()));
    let entry = list[0]["entry"].as_str().unwrap();
    assert_eq!(desk.json(&["escrow", "show", entry])["manufacturer"], "Feitian");
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
    let exported = desk.home().join("exported.csv");
    let out = ["--out", exported.to_str().unwrap()];
    desk.run(
        &[&["export", "--format", "entra", "--reason", "new tenant", "--manufacturer", "Nobody"], &out[..]].concat(),
    )
    .expect(0);
    let written = fs::read_to_string(exported).unwrap();
    let makers: Vec<_> = written.lines().skip(1).map(|line| line.split(',').nth(4).unwrap()).collect();
    // Its own, its own before its family's, its family's before that of the command line.
    assert_eq!(makers, ["Feitian", "ACME", "Token2"]);
}

#[test]
fn a_signature_is_not_believed_and_another_program_verifies_it() {
    let desk = desk();
    let signed = fixture("pskc/good-signed.xml");
    let run = import(&desk, &["--keep-going", "--dry-run", &signed]);
    assert_eq!(run.json()["signature"], "unverified");
    assert!(run.stderr.contains("the signature is not verified here"), "{run:?}");
    assert!(
        import(&desk, &["--keep-going", "--dry-run", &fixture("pskc/good-plain.xml")]).json()["signature"].is_null()
    );
    // The program that we name does it, and sees what was changed.
    let certificate = format!("{}/fixtures/certificates/pskc-signer.pem", env!("CARGO_MANIFEST_DIR"));
    let changed = write(&desk, "changed.xml", &fs::read_to_string(&signed).unwrap().replace("MTIz", "MTI0"));
    for (file, verified) in [(&signed, true), (&changed, false)] {
        match Command::new("pskctool").args(["--verify", "--verify-crt", &certificate, file]).output() {
            Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout).contains("OK"), verified, "{output:?}"),
            Err(error) => assert!(std::env::var_os("CI").is_none(), "pskctool: {error}"),
        }
    }
}

/// The moments are taken from how far the store's log has grown, in another order each time.
#[test]
fn an_import_that_is_killed_leaves_nothing_half() {
    const ROWS: usize = 6000;
    let desk = desk();
    let rows: String = (1..=ROWS).map(|number| row(&format!("25{number:011}"), number)).collect();
    let file = write(&desk, "tokens.csv", &(HEADER.to_owned() + &rows));
    let seed = std::env::var("OATHBURN_CHANCE").ok().and_then(|text| text.parse().ok()).unwrap_or(1_u64);
    println!("OATHBURN_CHANCE={seed}");
    let (mut before, mut killed) = (0, 0);
    for round in 0..6 {
        // Steele, Lea and Flood's way of mixing.
        let mixed = (seed + round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let target = (mixed ^ mixed >> 31) % 4_000_000;
        let import = desk.spawn(&["import", "--json", &file]);
        let log = desk.folder().join("escrow.db-wal");
        let process = format!("/proc/{}/stat", import.id());
        let is_over = || fs::read_to_string(&process).is_ok_and(|stat| stat.contains(") Z "));
        let has_come_far = || fs::metadata(&log).is_ok_and(|log| log.len() > target);
        while !has_come_far() && !is_over() {
            std::thread::yield_now();
        }
        killed += usize::from(!is_over());
        import.kill();
        let now = entries(&desk);
        assert!(before <= now && now <= ROWS, "{before}, then {now}");
        assert_eq!(desk.json(&["escrow", "check"])["ok"], true, "after {now} rows");
        before = now;
    }
    assert!(killed > 0, "nothing was killed");
    let json = import(&desk, &[&file]).expect(0).json();
    assert_eq!(counts(&json), ((ROWS - before) as u64, before as u64, 0));
    let list = desk.json(&["escrow", "list"]);
    let serials: BTreeSet<_> = list.as_array().unwrap().iter().map(|entry| entry["serial"].as_str().unwrap()).collect();
    assert_eq!((serials.len(), entries(&desk)), (ROWS, ROWS));
    assert_eq!(counts(&import(&desk, &[&file]).expect(0).json()), (0, ROWS as u64, 0));
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}
