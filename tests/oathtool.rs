//! `t2otp` against `oathtool`, code by code, and everything that is no seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write;
use std::process::{Command, Stdio};

use data_encoding::{BASE32_NOPAD, HEXLOWER};

/// How a run ended, and what it said.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(program: &str, arguments: &[&str], stdin: &str) -> Run {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    // A program that does not read closes the pipe: what it says then is what counts.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn t2otp(arguments: &[&str], stdin: &str) -> Run {
    run(env!("CARGO_BIN_EXE_t2otp"), arguments, stdin)
}

/// Whether the judge is there: under continuous integration it must be.
fn has_judge() -> bool {
    let there = Command::new("oathtool").arg("--version").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "oathtool is not installed");
    if !there {
        let _ = writeln!(std::io::stderr(), "skipped: oathtool is not installed");
    }
    there
}

/// Numbers that look like chance and are the same each time (`SplitMix64`, Steele and others, 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn seed(&mut self) -> Vec<u8> {
        let len = self.below(64) + 1;
        (0..len).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }
}

/// 2100-01-01T00:00:00Z.
const END: u64 = 4_102_444_800;

/// Both programs' code of one seed.
fn both(seed: &[u8], algorithm: &str, digits: u64, step: u64, at: u64) -> (String, String) {
    let (base32, hex) = (BASE32_NOPAD.encode(seed), HEXLOWER.encode(seed));
    let (digits, step, at) = (digits.to_string(), step.to_string(), at.to_string());
    let options = ["--algorithm", algorithm, "--digits", &digits, "--step", &step, "--at", &at];
    // In turns as an argument and on stdin, in Base32 and in hex.
    let ours = if seed[0].is_multiple_of(2) {
        t2otp(&[&[base32.as_str()][..], &options].concat(), "")
    } else {
        t2otp(&[&["-", "--encoding", "hex"][..], &options].concat(), &hex)
    };
    let totp = format!("--totp={algorithm}");
    let (step, now) = (format!("{step}s"), format!("@{at}"));
    let theirs = run("oathtool", &[&totp, "-d", &digits, "-s", &step, "-N", &now, &hex], "");
    assert_eq!((ours.code, theirs.code), (Some(0), Some(0)), "{} {}", ours.stderr, theirs.stderr);
    (ours.stdout, theirs.stdout)
}

#[test]
fn every_code_is_oathtools() {
    if !has_judge() {
        return;
    }
    let mut numbers = Numbers(20_270_115);
    for round in 0..40 {
        for algorithm in ["sha1", "sha256", "sha512"] {
            for digits in 6..=8 {
                let seed = numbers.seed();
                let step = [30, 60, 1, numbers.below(86_400) + 1][round % 4];
                // One in four beyond 32 bits; the others from 1970 to 2100.
                let at = if round % 4 == 3 { numbers.below(1 << 36) } else { numbers.below(END) };
                let (ours, theirs) = both(&seed, algorithm, digits, step, at);
                assert_eq!(ours, theirs, "{} {algorithm} {digits} {step} {at}", HEXLOWER.encode(&seed));
            }
        }
    }
}

#[test]
fn windows_are_oathtools() {
    if !has_judge() {
        return;
    }
    let mut numbers = Numbers(6238);
    for _ in 0..20 {
        let (seed, at, future) = (numbers.seed(), numbers.below(END), numbers.below(200));
        let (base32, hex) = (BASE32_NOPAD.encode(&seed), HEXLOWER.encode(&seed));
        let (at, future) = (at.to_string(), future.to_string());
        let ours = t2otp(&[&base32, "--future", &future, "--at", &at], "");
        let codes: Vec<_> = ours.stdout.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
        let theirs = run("oathtool", &["--totp", "-w", &future, "-N", &format!("@{at}"), &hex], "");
        assert_eq!(codes, theirs.stdout.lines().collect::<Vec<_>>(), "{hex} {at} {future}");
    }
}

#[test]
fn a_window_has_lines() {
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let lines = t2otp(&[secret, "-p", "1", "-f", "1", "--at", "59"], "").stdout;
    let expected = "-1 755224 1970-01-01T00:00:00Z 1970-01-01T00:00:30Z\n\
                    0 287082 1970-01-01T00:00:30Z 1970-01-01T00:01:00Z\n\
                    1 359152 1970-01-01T00:01:00Z 1970-01-01T00:01:30Z\n";
    assert_eq!(lines, expected);
    // Nothing is before the beginning of time.
    assert_eq!(t2otp(&[secret, "--past", "9", "--at", "1970-01-01T00:00:31Z"], "").stdout.lines().count(), 2);
}

#[test]
fn watching_shows_each_code_once() {
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let run = t2otp(&[secret, "--watch", "--count", "1", "--at", "59"], "");
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "0 287082 1970-01-01T00:00:30Z 1970-01-01T00:01:00Z\n"));
    // A second code comes with the second, if its step is one.
    let run = t2otp(&[secret, "--watch", "--count", "2", "--step", "1", "--at", "1"], "");
    let codes: Vec<_> = run.stdout.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    // RFC 4226, appendix D.
    assert_eq!(codes, ["287082", "359152"]);
    assert_eq!(t2otp(&[secret, "--count", "2"], "").code, Some(2));
    assert_eq!(t2otp(&[secret, "--watch", "--past", "1"], "").code, Some(2));
}

#[test]
fn seeds_are_read_as_people_type_them() {
    for secret in [
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
        "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ======",
    ] {
        assert_eq!(t2otp(&[secret, "--at", "59"], "").stdout, "287082\n", "{secret}");
        assert_eq!(t2otp(&["-", "--at", "59"], &format!("{secret}\n")).stdout, "287082\n", "{secret}");
    }
}

#[test]
fn what_is_no_seed_is_named() {
    let long = "A".repeat(300);
    for (secret, words) in [
        ("", "is empty"),
        ("8659622000001", "looks like a serial number"),
        ("123456", "looks like a code"),
        ("https://aka.ms/mfasetup", "looks like a web address"),
        ("otpauth://totp/x?secret=GEZDGNBV", "looks like a key URI (otpauth)"),
        ("otpauth://hotp/x?secret=GEZDGNBV&counter=0", "counted codes (HOTP)"),
        ("otpauth-migration://offline?data=CgA", "otpauth-migration"),
        ("phonefactor://activate_account?code=1", "push app"),
        ("FIDO:/1234", "passkey"),
        ("3132333435363738393031323334353637383930", "looks like hex"),
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "looks like Base64"),
        ("-----BEGIN CERTIFICATE-----", "armoured"),
        ("schlüssel", "not Base32 (character 5)"),
        ("GEZDGNBVGY3TQOJ", "characters are missing"),
        (long.as_str(), "bytes, at most 128"),
    ] {
        let run = t2otp(&["-"], secret);
        assert_eq!((run.code, run.stdout.as_str()), (Some(7), ""), "{secret}: {}", run.stderr);
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains(words), "{secret}: {}", run.stderr);
        assert!(run.stderr.contains("\nhint: "), "{secret}: {}", run.stderr);
        assert!(secret.len() < 8 || !run.stderr.contains(secret), "{}", run.stderr);
    }
    let run = t2otp(&["zz", "--encoding", "hex"], "");
    assert!(run.code == Some(7) && run.stderr.contains("not hex (character 1)"), "{}", run.stderr);
    let run = t2otp(&["-"], &"A".repeat(5000));
    assert!(run.code == Some(7) && run.stderr.contains("larger than any seed"), "{}", run.stderr);
}

#[test]
fn a_full_disk_is_no_bad_seed() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_t2otp"));
    let output = command.arg("GEZDGNBVGY3TQOJQ").stdout(full).stderr(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: failed to write the code: "), "{stderr}");
}

#[test]
fn options_out_of_range_are_usage_errors() {
    for option in [
        ["--digits", "5"],
        ["--digits", "11"],
        ["--step", "0"],
        ["--step", "-30"],
        ["--algorithm", "md5"],
        ["--at", "yesterday"],
        ["--at", "1969-12-31T23:59:59Z"],
        ["--past", "-1"],
        ["--future", "4294967296"],
        ["--encoding", "base58"],
    ] {
        let run = t2otp(&[&["GEZDGNBVGY3TQOJQ"][..], &option].concat(), "");
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{option:?}");
        assert!(run.stderr.starts_with("error: "), "{option:?}: {}", run.stderr);
    }
    assert_eq!(t2otp(&[], "").code, Some(2));
}
