//! What people take for a seed. Each is named, and no part of it is repeated.

use crate::support::{Desk, RESTRICTED, Run};

/// 20 bytes that differ, in Base32.
const BASE32: &str = "KRUGS4ZANFZSA43FMNZGK5BAMZXXE5DZ";

/// No six characters in a row of what was given are in what is said.
fn is_kept(run: &Run, given: &str) {
    let said = format!("{}{}", run.stdout, run.stderr).to_lowercase();
    // Words of the formats are no secret; what stands between them may be.
    let public = [
        "otpauth",
        "migration",
        "phonefactor",
        "activate",
        "account",
        "algorithm",
        "secret",
        "digits",
        "period",
        "counter",
        "issuer",
        "sha512",
        "private",
    ];
    let words = given.to_lowercase();
    let words = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '+');
    for word in words.filter(|word| !public.contains(word)) {
        let letters: Vec<_> = word.chars().collect();
        for part in letters.windows(6) {
            let part: String = part.iter().collect();
            assert!(!said.contains(&part), "{part} of {given} was said: {run:#?}");
        }
    }
}

/// Gives it to `burn`, as JSON and with all the talk there is.
fn refused(desk: &Desk, arguments: &[&str], given: &str, code: &str) {
    let command = [&["burn", "--seed-file", "-"], arguments].concat();
    let run = desk.run_with(&[&command[..], &["--json"]].concat(), given).expect(7);
    assert_eq!(run.error_code(), code, "{given}: {run:#?}");
    assert!(run.json()["error"]["remedy"].is_string(), "{given}");
    is_kept(&run, given);
    let run = desk.run_with(&[&command[..], &["-vv"]].concat(), given).expect(7);
    assert!(run.stderr.contains("error: ") && run.stderr.contains("hint: "), "{run:#?}");
    is_kept(&run, given);
}

#[test]
fn what_is_no_seed_is_named_and_not_repeated() {
    // Nobody has to lay a token on the reader for that.
    let desk = Desk::without_readers();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    for (given, code) in [
        ("", "not-a-seed"),
        (" \n\t", "not-a-seed"),
        ("8651234567890", "not-a-seed"),
        ("492039", "not-a-seed"),
        ("https://login.example.com/mfasetup/JBSWY3DPEHPK3PXP", "not-a-seed"),
        ("phonefactor://activate_account?code=918273645&url=https%3A%2F%2Fexample.com", "not-a-seed"),
        ("FIDO:/13245768091827364554637281901827364555463728190", "not-a-seed"),
        ("otpauth-migration://offline?data=CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6", "not-a-seed"),
        ("otpauth://hotp/ACME:bob?secret=KRUGS4ZANFZSA43FMNZGK5BAMZXXE5DZ&counter=7", "not-a-seed"),
        ("otpauth://steam/ACME:bob?secret=KRUGS4ZANFZSA43FMNZGK5BAMZXXE5DZ", "not-a-seed"),
        ("VGhpcyBpcyBzZWNyZXQgZm9ydHk9PT0+", "not-a-seed"),
        ("KRUGS4ZANFZSA43F!NZGK5BAMZXXE5DZ", "not-a-seed"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA", "not-a-seed"),
        // Cut off, or with one character too many.
        ("KRUGS4ZANFZSA43FMNZGK5BAMZXXE5D", "seed-truncated"),
        ("otpauth://totp/ACME:bob?secret=KRUGS4ZANFZSA43FMNZGK5BAMZXXE5D", "seed-truncated"),
        ("otpauth://totp/ACME:bob?issuer=ACME", "uri-without-secret"),
        ("otpauth://totp/ACME:bob", "uri-without-secret"),
        ("otpauth://totp/ACME:bob?secret=", "seed-empty"),
        ("otpauth://totp/ACME:bob?secret=KRUGS4ZANFZSA43F0189K5BAMZXXE5DZ", "seed-not-base32"),
        // Hex that is Base32 as well: two seeds.
        ("ABCDEF23ABCDEF23ABCDEF23ABCDEF23ABCDEF23", "encoding-ambiguous"),
        ("otpauth://totp/x?secret=KRUGS4ZANFZSA43FMNZGK5BAMZXXE5DZ&digits=3", "uri-parameter"),
        ("otpauth://totp/x?secret=KRUGS4ZANFZSA43FMNZGK5BAMZXXE5DZ&algorithm=MD5", "uri-parameter"),
        ("otpauth://totp/x?secret=KRUGS4ZANFZSA43FMNZGK5BAMZXXE5DZ&period=soon", "uri-parameter"),
        ("otpauth://totp/x?secret=KRUGS4ZANFZSA43FMNZGK5BAMZXXE5DZ&secret=JBSWY3DPEHPK3PXP", "uri-parameter-twice"),
    ] {
        refused(&desk, &[], given, code);
    }
    // Told what it is, it is that or nothing.
    refused(&desk, &["--encoding", "base32"], "54686973206973207365637265742030", "seed-not-base32");
    refused(&desk, &["--encoding", "base32"], "KRUGS4ZANFZSA43FMNZGK5BAMZXXE5D", "seed-truncated");
    refused(&desk, &["--encoding", "hex"], BASE32, "seed-not-hex");
    refused(&desk, &["--encoding", "hex"], "5468697320697320736563726574203", "seed-odd-hex");
    refused(&desk, &[], &"KRUGS4ZANFZSA43FMNZGK5BAMZXXE5DZ".repeat(40), "seed-too-long");
    refused(&desk, &[], &format!("otpauth://totp/x?secret={BASE32}&image={}", "x-".repeat(2500)), "uri-too-long");
    assert!(desk.json(&["escrow", "list"]).as_array().unwrap().is_empty());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let desk = Desk::without_readers();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    let path = |name: &str| desk.home().join(name).display().to_string();
    std::fs::write(path("binary"), [0xff, 0xfe, 0x00, 0x9f]).unwrap();
    std::fs::write(path("large"), BASE32.repeat(1000)).unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    for name in ["binary", "large", "folder", "missing"] {
        let run = desk.run(&["burn", "--seed-file", &path(name), "--json"]).expect(7);
        assert_eq!(run.error_code(), "seed-file", "{name}");
        assert!(run.json()["error"]["message"].as_str().unwrap().contains(&path(name)), "{run:?}");
        is_kept(&run, BASE32);
    }
}

#[test]
fn a_seed_that_the_token_cannot_take_is_named_before_anything_is_reserved() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let uri = |more: &str| format!("otpauth://totp/ACME:bob?secret={BASE32}&{more}");
    refused(&desk, &[], &uri("period=45"), "token-time-step");
    refused(&desk, &["--time-step", "45"], BASE32, "token-time-step");
    refused(&desk, &[], &uri("digits=8"), "token-digits");
    refused(&desk, &[], &uri("algorithm=SHA512"), "token-algorithm");
    refused(&desk, &["--algorithm", "sha512"], BASE32, "token-algorithm");
    refused(&desk, &["--encoding", "base32"], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "seed-all-zero");
    refused(&desk, &["--encoding", "hex"], &"00".repeat(20), "seed-all-zero");
    refused(&desk, &["--slot", "2"], BASE32, "token-slot");
    // 64 bytes, and the last one counts: neither shorter nor hashed.
    let long = data_encoding::HEXLOWER.encode(&(1..=64_u8).map(|byte| byte.wrapping_mul(37)).collect::<Vec<_>>());
    refused(&desk, &["--encoding", "hex"], &long, "token-seed-too-long");
    assert!(desk.json(&["escrow", "list"]).as_array().unwrap().is_empty());
    let sent = desk.lab().log(0).unwrap();
    assert!(sent.iter().all(|(command, _)| command == "80410000020211"), "{sent:?}");
    // The same seed on a second token is refused by serial number, never by seed.
    desk.run_with(&["burn", "--seed-file", "-"], BASE32).expect(0);
    desk.lab().insert(0, "token2-single serial=8659622000002").unwrap();
    refused(&desk, &[], BASE32, "duplicate-seed");
    refused(&desk, &[], &uri("period=30"), "duplicate-seed");
}
