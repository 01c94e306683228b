//! Every file below `fixtures/import`: the good ones give their tokens, the bad ones their problems.
//!
//! What is expected stands in `expected` beside the files; `OATHBURN_UPDATE=1 cargo test -p oathburn-formats --test
//! import` writes it anew, to be read before it is believed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use oathburn_formats::{
    FORMATS, FormatError, KeyPackage, Kind, Likeness, Problem, ReadOptions, Row, Unsaid, Wrapping, format, identify,
    read_uris, wrapping,
};
use oathburn_oath::{Algorithm, Digits, Encoding, Params, Remedy, TimeStep, Totp, TotpParams, UnixTime};
use zeroize::Zeroizing;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/import")
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The formats that have files, with their folders. What was encrypted with age is for the program.
fn formats() -> BTreeMap<String, PathBuf> {
    let paths = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.is_dir() && !path.ends_with("age"));
    paths.map(|path| (name_of(&path), path)).collect()
}

/// The files of a format, by name.
fn files(folder: &Path, beginning: &str) -> BTreeMap<String, PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (name_of(&path), path)).filter(|(name, _)| name.starts_with(beginning)).collect()
}

/// What the caller says, by words in the name of a file: `good-six--hotp--step60.csv`.
fn options(name: &str) -> ReadOptions {
    let mut unsaid = Unsaid::NOTHING;
    let (mut password, mut ignore_mac) = (None, false);
    for word in name.split('.').next().unwrap_or_default().split("--").skip(1) {
        match word {
            "hotp" => unsaid.kind = Some(Kind::Hotp),
            "hex" => unsaid.encoding = Some(Encoding::Hex),
            "base32" => unsaid.encoding = Some(Encoding::Base32),
            "step30" => unsaid.step = Some(TimeStep::S30),
            "step60" => unsaid.step = Some(TimeStep::S60),
            "digits8" => unsaid.digits = Some(Digits::EIGHT),
            "sha1" => unsaid.algorithm = Some(Algorithm::Sha1),
            "password" => password = Some(Zeroizing::new(b"correct horse".to_vec())),
            "key" => password = Some(Zeroizing::new(b"12345678901234567890123456789012".to_vec())),
            "unproved" => ignore_mac = true,
            "wrong" => password = Some(Zeroizing::new(b"wrong horse".to_vec())),
            _ => panic!("{name}: nothing is called {word}"),
        }
    }
    ReadOptions { password, unsaid, ignore_mac }
}

#[derive(Default)]
struct Read {
    packages: Vec<(u64, KeyPackage)>,
    problems: Vec<(Option<u64>, Option<String>, FormatError)>,
}

fn read(folder: &str, name: &str, path: &Path) -> Read {
    let mut read = Read::default();
    if let Err(error) = read_into(&mut read, folder, name, &fs::read(path).unwrap()) {
        read.problems.push((None, None, error));
    }
    read
}

/// Reads a file as the program does: what is around it first, then in the format that it looks like. A bad file is
/// read in the format that it is meant to have.
fn read_into(read: &mut Read, folder: &str, name: &str, bytes: &[u8]) -> Result<(), FormatError> {
    let wrapped = wrapping(bytes);
    wrapped.check()?;
    let uris;
    let text = if wrapped == Wrapping::Picture {
        uris = read_uris(bytes)?;
        uris.as_bytes()
    } else {
        bytes
    };
    let mut found = format(folder).unwrap();
    if name.starts_with("good-") && found.sniff(text) != Likeness::No {
        found = identify(text)?;
        // What PingID takes looks like what Duo takes.
        assert!(found.id() == folder || (folder, found.id()) == ("pingid", "duo"), "{name} looks like {}", found.id());
    }
    let options = options(name);
    found.reader().unwrap().read(&mut BufReader::new(text), &options, &mut |Row { line, outcome }| {
        match outcome {
            Ok(package) => read.packages.push((line, package)),
            Err(Problem { column, error }) => read.problems.push((Some(line), column, error)),
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// The parameters for one code, and the code at second 59 or of the counter.
fn code(package: &KeyPackage) -> (TotpParams, String) {
    match package.params {
        Params::Totp(params) => (params, Totp::new(&package.seed, params).code_at(UnixTime::new(59)).to_string()),
        Params::Hotp(hotp) => {
            let params = TotpParams { algorithm: hotp.algorithm, digits: hotp.digits, ..TotpParams::default() };
            (params, Totp::new(&package.seed, params).code_of(hotp.counter).to_string())
        }
    }
}

fn describe(package: &KeyPackage) -> String {
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".into());
    let (params, code) = code(package);
    let when = match package.params {
        Params::Totp(params) => format!("every {} s", params.step),
        Params::Hotp(params) => format!("counter {}", params.counter),
    };
    format!(
        "{} | {} | {} | {} | {} | {} {} {when} | {} bytes, code {code}",
        package.serial.as_ref().map_or("-", |serial| serial.as_str()),
        name(&package.upn),
        name(&package.issuer),
        name(&package.manufacturer),
        name(&package.model),
        params.algorithm,
        params.digits,
        package.seed.len(),
    )
}

fn report(folder: &str, name: &str, path: &Path) -> String {
    let read = read(folder, name, path);
    let mut text = format!("{name}\n");
    for (line, package) in &read.packages {
        writeln!(text, "  {line}: {}", describe(package)).unwrap();
    }
    for (line, column, error) in &read.problems {
        let line = line.map_or_else(String::new, |line| format!("{line}: "));
        let column = column.as_ref().map_or_else(String::new, |column| format!("{column}: "));
        assert!(error.remedy().is_some(), "{error}");
        writeln!(text, "  ! {line}{column}{error} [{}]", error.code()).unwrap();
    }
    text
}

#[test]
fn every_file_gives_what_is_expected() {
    let (mut good, mut bad, mut codes, mut misnamed) = (0, 0, BTreeSet::new(), Vec::new());
    for (folder, path) in formats() {
        let mut found = String::new();
        for (name, file) in files(&path, "").into_iter().filter(|(name, _)| name != "expected") {
            let report = report(&folder, &name, &file);
            let wrong = report.contains("\n  ! ");
            if wrong != name.starts_with("bad-") {
                misnamed.push(format!("{folder}: {report}"));
            }
            *(if wrong { &mut bad } else { &mut good }) += 1;
            let code = |line: &str| Some(line.rsplit_once(" [")?.1.trim_end_matches(']').to_owned());
            codes.extend(report.lines().filter(|line| line.starts_with("  ! ")).filter_map(code));
            found.push_str(&report);
        }
        let expected = path.join("expected");
        if std::env::var_os("OATHBURN_UPDATE").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{folder}");
        }
        assert_eq!(found.lines().count(), expected.lines().count(), "{folder}");
    }
    assert!(misnamed.is_empty(), "{}", misnamed.join("\n"));
    assert!(good >= 30 && bad >= 150, "{good} good files, {bad} bad ones");
    let missing: Vec<_> = CODES.iter().filter(|code| !codes.contains(**code)).collect();
    let unlisted: Vec<_> = codes.iter().filter(|code| !CODES.contains(&code.as_str())).collect();
    assert!(missing.is_empty() && unlisted.is_empty(), "no bad file has {missing:?}, and the list lacks {unlisted:?}");
}

/// What the bad files show between them.
const CODES: &[&str] = &[
    "algorithm-unknown",
    "algorithm-unsaid",
    "base32-for-hex",
    "cell-missing",
    "cipher-unknown",
    "column-missing",
    "column-twice",
    "counter-invalid",
    "digits-out-of-range",
    "encoding-ambiguous",
    "encoding-unknown",
    "file-empty",
    "file-truncated",
    "file-wrapped",
    "hex-for-base32",
    "json-broken",
    "json-other",
    "key-derivation",
    "key-needed",
    "key-wrong",
    "line-too-long",
    "mac-missing",
    "mac-wrong",
    "migration-broken",
    "migration-part",
    "name-invalid",
    "no-qr-code",
    "not-a-key-uri",
    "not-a-seed",
    "not-base64",
    "not-citrix",
    "not-text",
    "other-codes",
    "password-needed",
    "password-wrong",
    "policy-unknown",
    "quote-open",
    "scientific-notation",
    "seed-empty",
    "seed-not-base32",
    "seed-not-hex",
    "seed-odd-hex",
    "seed-too-long",
    "seed-too-short",
    "seed-truncated",
    "seed-zero",
    "seeds-encrypted",
    "serial-invalid",
    "spreadsheet-damage",
    "start-time",
    "step-invalid",
    "step-or-counter",
    "step-unsaid",
    "step-unusual",
    "too-few-cells",
    "too-large",
    "too-many-cells",
    "too-many-columns",
    "uri-parameter",
    "uri-parameter-twice",
    "uri-too-long",
    "uri-without-secret",
    "vault-broken",
    "vault-without-password",
    "xml-broken",
    "xml-doctype",
    "xml-root",
];

#[test]
fn every_reader_has_files() {
    let folders = formats();
    // Read as another, which has the files.
    let same = ["graph-create", "privacyidea2", "duo-hotp"];
    for format in FORMATS.iter().filter(|format| format.reader().is_some() && !same.contains(&format.id())) {
        let folder = folders.get(format.id()).unwrap_or_else(|| panic!("{} has no files", format.id()));
        assert!(!files(folder, "good-").is_empty() && !files(folder, "bad-").is_empty(), "{}", format.id());
    }
}

/// Nothing of a seed is in a problem, not even the part that could be read.
#[test]
fn problems_do_not_quote_seeds() {
    for (folder, path) in formats() {
        for (name, file) in files(&path, "bad-") {
            for (_, column, error) in read(&folder, &name, &file).problems {
                let said = format!("{column:?} {error} {error:?} {:?}", error.remedy());
                for seed in ["GEZDGNBV", "gezdgnbv", "31323334", "MTIzNDU2", "1234567890"] {
                    assert!(!said.contains(seed), "{folder}/{name}: {said}");
                }
            }
        }
    }
}

/// A foreign judge: `oathtool` makes the same code of each token that was read.
#[test]
fn oathtool_makes_the_same_codes() {
    let there = Command::new("oathtool").arg("--version").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "oathtool is not installed");
    if !there {
        let _ = writeln!(std::io::stderr(), "skipped: oathtool is not installed");
        return;
    }
    for (folder, path) in formats() {
        for (name, file) in files(&path, "good-") {
            for (line, package) in read(&folder, &name, &file).packages {
                let (params, ours) = code(&package);
                // It knows no more than eight digits, and counts with SHA-1 only.
                let hotp_counter = package.params.counter();
                if params.digits.get() > 8 || (hotp_counter.is_some() && params.algorithm != Algorithm::Sha1) {
                    continue;
                }
                let mut oathtool = Command::new("oathtool");
                match hotp_counter {
                    Some(counter) => oathtool.args(["--hotp".into(), format!("--counter={counter}")]),
                    None => oathtool.args([
                        format!("--totp={}", params.algorithm),
                        format!("--time-step-size={}s", params.step),
                        "--now=1970-01-01 00:00:59 UTC".into(),
                    ]),
                };
                oathtool.arg(format!("--digits={}", params.digits)).arg("-");
                let mut child = oathtool.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
                child.stdin.take().unwrap().write_all(package.seed.to_hex().as_bytes()).unwrap();
                let theirs = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
                assert_eq!(theirs.trim(), ours, "{folder}/{name}, line {line}");
            }
        }
    }
}
