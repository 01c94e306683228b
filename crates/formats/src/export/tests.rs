//! What is written, against the samples of what targets take.

use oathburn_oath::{Algorithm, Digits, HotpParams, Seed, SerialNumber, TimeStep, TotpParams};
use serde_json::{Value, json};

use super::*;
use crate::qr::tests::judge;
use crate::{Columns, FORMATS, Format, WriteOptions, format};

pub(super) const KEY: &[u8] = b"12345678901234567890";
const OTHER: &[u8] = b"09876543210987654321";

pub(super) fn totp(algorithm: Algorithm, digits: u8, step: u32) -> Params {
    let step = TimeStep::new(step).unwrap();
    TotpParams { algorithm, digits: Digits::new(digits).unwrap(), step }.into()
}

pub(super) fn hotp(digits: u8, counter: u64) -> Params {
    HotpParams { algorithm: Algorithm::Sha1, digits: Digits::new(digits).unwrap(), counter }.into()
}

pub(super) fn package(serial: &str, seed: &[u8], params: Params) -> KeyPackage {
    KeyPackage {
        serial: Some(SerialNumber::new(serial).unwrap()),
        manufacturer: None,
        model: None,
        upn: None,
        issuer: None,
        params,
        seed: Seed::new(seed.to_vec()).unwrap(),
    }
}

fn of(package: KeyPackage, upn: &str, manufacturer: &str, model: &str) -> KeyPackage {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    KeyPackage { upn: text(upn), manufacturer: text(manufacturer), model: text(model), ..package }
}

fn alice() -> KeyPackage {
    of(package("2300000000001", KEY, Params::default()), "alice@example.com", "Token2", "C202")
}

fn bob() -> KeyPackage {
    of(package("0000123456789", OTHER, totp(Algorithm::Sha1, 6, 60)), "bob@example.com", "Feitian", "OTP c200")
}

/// The token of 32 bytes.
fn long(serial: &str, params: Params) -> KeyPackage {
    package(serial, b"12345678901234567890123456789012", params)
}

pub(super) fn settings(settings: &[(&str, &str)]) -> WriteOptions {
    let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    WriteOptions { settings, ..WriteOptions::default() }
}

/// Writes a file of tokens that are not refused.
pub(super) fn written_as(format: &dyn Format, packages: &[KeyPackage], options: &WriteOptions) -> String {
    for package in packages {
        assert_eq!(refusal(format, package, &packages[0], options), None);
    }
    let mut file = Vec::new();
    let mut writing = format.writer().unwrap().begin(&mut file, options).unwrap();
    for package in packages {
        writing.write(package).unwrap();
    }
    writing.finish().unwrap();
    String::from_utf8(file).unwrap()
}

fn written(id: &str, packages: &[KeyPackage]) -> String {
    written_as(format(id).unwrap(), packages, &WriteOptions::default())
}

/// Why a token is refused in a file that begins with another.
pub(super) fn refusal(
    format: &dyn Format,
    package: &KeyPackage,
    first: &KeyPackage,
    options: &WriteOptions,
) -> Option<Refusal> {
    let refused = format.fidelity().refuses(package);
    refused.or_else(|| format.writer().unwrap().refuses(package, &first.params, options))
}

fn refused(id: &str, package: &KeyPackage) -> Option<Refusal> {
    refusal(format(id).unwrap(), package, package, &WriteOptions::default())
}

#[test]
fn entra_is_the_sample_byte_by_byte() {
    assert_eq!(written("entra", &[alice(), bob()]), include_str!("../../../../fixtures/export/entra_legacy.csv"));
    assert_eq!(written("entra", &[]), "upn,serial number,secret key,time interval,manufacturer,model\r\n");
}

#[test]
fn entra_takes_what_its_page_says() {
    let with = |change: fn(&mut KeyPackage)| {
        let mut package = alice();
        change(&mut package);
        refused("entra", &package)
    };
    assert_eq!(with(|package| package.upn = None), Some(Refusal::Missing("user (UPN)")));
    assert_eq!(with(|package| package.model = None), Some(Refusal::Missing("model")));
    assert_eq!(
        with(|package| package.params = totp(Algorithm::Sha256, 6, 30)),
        Some(Refusal::Algorithm(Algorithm::Sha256))
    );
    assert_eq!(with(|package| package.params = totp(Algorithm::Sha1, 8, 30)), Some(Refusal::Digits(8)));
    assert_eq!(with(|package| package.params = totp(Algorithm::Sha1, 6, 45)), Some(Refusal::Step(45)));
    assert_eq!(with(|package| package.params = hotp(6, 0)), Some(Refusal::EventBased));
    // 80 bytes are the 128 characters that the page allows.
    assert_eq!(with(|package| package.seed = Seed::new(vec![1; 80]).unwrap()), None);
    assert_eq!(
        with(|package| package.seed = Seed::new(vec![1; 81]).unwrap()),
        Some(Refusal::SeedTooLong { len: 81, max: 80 })
    );
    let character = |what, character| Some(Refusal::Character { what, character });
    assert_eq!(with(|package| package.model = Some("C202, black".into())), character("model", ','));
    assert_eq!(with(|package| package.upn = Some("a\"b@example.com".into())), character("user (UPN)", '"'));
    assert_eq!(with(|package| package.model = Some("C202\n".into())), character("model", '\n'));
    for upn in ["=cmd|' /C calc'!A0", "+1@example.com", "-a@example.com", "@SUM(1)"] {
        let package = KeyPackage { upn: Some(upn.into()), ..alice() };
        assert_eq!(refused("entra", &package), Some(Refusal::Formula { what: "user (UPN)" }), "{upn}");
    }
    assert_eq!(with(|package| package.issuer = Some("=not written".into())), None);
}

#[test]
fn graph_is_the_sample_but_for_the_assignment() {
    let third = of(long("2400000000003", totp(Algorithm::Sha256, 6, 30)), "", "Token2", "miniOTP-1");
    let text = written("graph", &[alice(), bob(), third]);
    let sample = include_str!("../../../../fixtures/export/graph_bulk_patch.json");
    let assigned = ",\n      \"assignTo\": {\n        \"id\": \"00000000-0000-4000-8000-000000000002\"\n      }";
    assert_eq!(text, sample.replace(assigned, ""));
    let none: Value = serde_json::from_str(&written("graph", &[])).unwrap();
    assert_eq!(none["value"], json!([]));
    let odd = of(alice(), "", "Quote \" and \u{7}", "Ünï");
    let text: Value = serde_json::from_str(&written("graph", &[odd])).unwrap();
    assert_eq!(
        (&text["value"][0]["manufacturer"], &text["value"][0]["model"]),
        (&json!("Quote \" and \u{7}"), &json!("Ünï"))
    );
}

#[test]
fn graph_create_has_a_body_a_line() {
    let text = written("graph-create", &[alice(), bob()]);
    let bodies: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut sample: Value =
        serde_json::from_str(include_str!("../../../../fixtures/export/graph_create_one.json")).unwrap();
    sample.as_object_mut().unwrap().remove("displayName");
    assert_eq!((bodies.len(), &bodies[0]), (2, &sample));
    assert_eq!(bodies[1]["timeIntervalInSeconds"], json!(60));
}

#[test]
fn okta_has_the_body_of_the_sample_for_each_user() {
    let format = format("okta").unwrap();
    let options = settings(&[("profile", "fpr00000000000000000")]);
    let text = written_as(format, &[alice()], &options);
    let line: Value = serde_json::from_str(&text).unwrap();
    let sample: Value =
        serde_json::from_str(include_str!("../../../../fixtures/export/okta_enroll_custom_totp.json")).unwrap();
    assert_eq!(line, json!({ "login": "alice@example.com", "serialNumber": "2300000000001", "body": sample }));
    // One profile has one time step.
    let refused = refusal(format, &bob(), &alice(), &options);
    assert_eq!(refused, Some(Refusal::Mixed { what: "time step", first: "30 s".into() }));
    let begun = format.writer().unwrap().begin(&mut Vec::new(), &WriteOptions::default()).err();
    assert!(matches!(begun, Some(FormatError::SettingMissing { name: "profile", .. })), "{begun:?}");
}

#[test]
fn pingone_is_the_sample_byte_by_byte() {
    let counted = package("9900000000009", KEY, hotp(6, 0));
    let text = written("pingone", &[alice(), counted]);
    assert_eq!(text, include_str!("../../../../fixtures/export/pingone_oath_job.json"));
    let params = HotpParams { algorithm: Algorithm::Sha256, digits: Digits::SIX, counter: 0 };
    let refused = refused("pingone", &package("1", KEY, params.into()));
    assert_eq!(refused, Some(Refusal::EventBasedAlgorithm(Algorithm::Sha256)));
}

#[test]
fn privacyidea_is_the_sample_byte_by_byte() {
    let tokens = [
        package("TOK0001", KEY, hotp(6, 0)),
        package("TOK0002", KEY, Params::default()),
        long("TOK0003", totp(Algorithm::Sha256, 8, 60)),
    ];
    assert_eq!(written("privacyidea", &tokens), include_str!("../../../../fixtures/export/privacyidea_oath_v1.csv"));
}

#[test]
fn privacyidea_would_guess_the_hash_and_is_not_led_astray() {
    let guessed =
        |seed_len: usize, algorithm| refused("privacyidea", &package("1", &vec![7; seed_len], totp(algorithm, 6, 30)));
    assert_eq!(guessed(32, Algorithm::Sha256), None);
    assert_eq!(guessed(64, Algorithm::Sha512), None);
    assert_eq!(guessed(20, Algorithm::Sha1), None);
    for (len, guess, algorithm) in [
        (32, "sha256", Algorithm::Sha1),
        (28, "sha224", Algorithm::Sha1),
        (48, "sha384", Algorithm::Sha512),
        (20, "sha1", Algorithm::Sha256),
    ] {
        assert_eq!(guessed(len, algorithm), Some(Refusal::GuessedHash { len, guess, algorithm }));
    }
    let hidden = refused("privacyidea", &package("#1", KEY, Params::default()));
    assert_eq!(hidden, Some(Refusal::Character { what: "serial number", character: '#' }));
}

#[test]
fn privacyidea_2_names_the_user_and_needs_to_know_where() {
    let format = format("privacyidea2").unwrap();
    let options = |username| settings(&[("realm", "office"), ("resolver", "ad"), ("username", username)]);
    let text = written_as(format, &[alice()], &options("upn"));
    let (head, line) = text.split_once('\n').unwrap();
    assert_eq!(head, "# version: 2");
    assert_eq!(
        line,
        "alice@example.com, ad, office, 2300000000001, 3132333435363738393031323334353637383930, totp, 6, 30\n"
    );
    let text = written_as(format, &[alice()], &options("name"));
    assert!(text.contains("\nalice, ad, office, "), "{text}");
    let error = |options: &WriteOptions| format.writer().unwrap().begin(&mut Vec::new(), options).err().unwrap();
    assert_eq!(error(&options("mail")), FormatError::SettingValue { name: "username" });
    let comma = settings(&[("realm", "a,b"), ("resolver", "ad")]);
    assert_eq!(error(&comma), FormatError::SettingValue { name: "realm" });
    assert!(matches!(error(&settings(&[("realm", "office")])), FormatError::SettingMissing { name: "resolver", .. }));
    let nobody = package("1", KEY, Params::default());
    assert_eq!(refusal(format, &nobody, &nobody, &options("upn")), Some(Refusal::Missing("user (UPN)")));
}

#[test]
fn duo_and_ping_have_one_kind_a_file() {
    assert_eq!(written("duo", &[alice(), bob()]), include_str!("../../../../fixtures/export/duo_totp6.csv"));
    let counted = package("9900000000009", KEY, hotp(6, 0));
    assert_eq!(
        written("duo-hotp", std::slice::from_ref(&counted)),
        include_str!("../../../../fixtures/export/duo_hotp6.csv")
    );
    assert_eq!(written("pingid", &[alice()]), include_str!("../../../../fixtures/export/pingid.csv"));
    assert!(written("pingid", &[package("9", KEY, hotp(6, 7))]).ends_with("3930,7\r\n"));
    let mixed = |id: &str, other: &KeyPackage| refusal(format(id).unwrap(), other, &alice(), &WriteOptions::default());
    let kind = Some(Refusal::Mixed { what: "type", first: "time-based".into() });
    assert_eq!((mixed("duo", &counted), mixed("pingid", &counted)), (Some(Refusal::EventBased), kind));
    assert_eq!(refused("duo-hotp", &alice()), Some(Refusal::TimeBased));
    assert!(format("duo-hotp").unwrap().writer().unwrap().unconfirmed().is_some());
    let eight = package("8", KEY, totp(Algorithm::Sha1, 8, 30));
    assert_eq!(mixed("duo", &eight), Some(Refusal::Mixed { what: "number of digits", first: "6".into() }));
    assert_eq!(mixed("pingid", &bob()), Some(Refusal::Mixed { what: "time step", first: "30 s".into() }));
    assert_eq!(refused("duo", &long("1", totp(Algorithm::Sha256, 6, 30))), Some(Refusal::Algorithm(Algorithm::Sha256)));
}

#[test]
fn other_columns_are_as_their_targets_read_them() {
    let third = long("3", totp(Algorithm::Sha256, 8, 60));
    let hex = "3132333435363738393031323334353637383930";
    assert_eq!(
        written("linotp", &[alice(), third.clone()]),
        format!("2300000000001, {hex}, totp, 6, 30, sha1\n3, {hex}313233343536373839303132, totp, 8, 60, sha256\n")
    );
    assert_eq!(written("netiq", &[bob()]), "0000123456789, 3039383736353433323130393837363534333231, totp, 6, 60\n");
    assert_eq!(refused("netiq", &third), Some(Refusal::Algorithm(Algorithm::Sha256)));
    assert_eq!(refused("linotp", &package("4", KEY, hotp(6, 0))), Some(Refusal::EventBased));

    let sample = include_str!("../../../../fixtures/export/rcdevs_webadm_inventory.csv");
    let generated = "# Generated on January 1, 2026, 12:00 am\n";
    assert!(sample.contains(generated));
    assert_eq!(written("rcdevs", &[alice(), bob()]), sample.replace(generated, "# Generated by oathburn\n"));

    let whole = KeyPackage { issuer: Some("A \"B\", C".into()), ..of(package("5", KEY, hotp(10, 7)), "a@b", "", "x") };
    let text = written("generic", &[alice(), whole]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "serial,manufacturer,model,upn,issuer,type,algorithm,digits,time_step,counter,secret_base32");
    let base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    assert_eq!(lines[1], format!("2300000000001,Token2,C202,alice@example.com,,totp,sha1,6,30,,{base32}"));
    assert_eq!(lines[2], format!("5,,x,a@b,\"A \"\"B\"\", C\",hotp,sha1,10,,7,{base32}"));
}

fn named(package: KeyPackage, upn: &str, issuer: &str) -> KeyPackage {
    KeyPackage { issuer: Some(issuer.into()), ..of(package, upn, "", "") }
}

/// The tokens of the sample.
fn with_issuers() -> [KeyPackage; 4] {
    [
        named(alice(), "alice@example.com", "ACME Co"),
        named(bob(), "bob+x@example.com", "B & C"),
        named(long("3", totp(Algorithm::Sha256, 6, 30)), "carol@example.com", "ACME Co"),
        named(package("4", KEY, hotp(6, 0)), "dave@example.com", "ACME Co"),
    ]
}

#[test]
fn uris_are_the_sample_byte_by_byte() {
    let text = written("otpauth", &with_issuers());
    assert_eq!(text, include_str!("../../../../fixtures/export/otpauth_uris.txt"));
    let bare = written("otpauth", &[of(alice(), "alice", "", "")]);
    assert!(bare.starts_with("otpauth://totp/alice?secret=GEZ") && !bare.contains("issuer"), "{bare}");
    let refused = |upn: &str, issuer: &str| refused("otpauth", &named(alice(), upn, issuer));
    let character = |what, character| Some(Refusal::Character { what, character });
    assert_eq!(refused("a:b", "x"), character("user (UPN)", ':'));
    assert_eq!(refused("a", "x\n"), character("issuer", '\n'));
    assert_eq!(refused("a", " x"), character("issuer", ' '));
    assert_eq!(refused("ünï@example.com", "Süd & Söhne"), None);
}

#[test]
fn a_sheet_shows_codes_and_escapes_names() {
    let names = ["<script>alert(1)</script>@x", "a&b'\"@x"];
    let tokens = names.map(|name| KeyPackage { model: Some("<b>".into()), ..named(alice(), name, "A<B") });
    let page = written("qr-sheet", &tokens);
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;@x"), "{page}");
    assert!(page.contains("a&amp;b&#39;&quot;@x") && page.contains("<bdi>&lt;b&gt;</bdi>"), "{page}");
    assert_eq!((page.matches("<figure>").count(), page.matches("</figure>").count()), (2, 2));
    assert!(page.ends_with("</html>\n") && !page.contains("GEZDGNBV"), "the seed is in the picture alone");
    let long = named(alice(), &format!("{}@example.com", "ü".repeat(400)), "ACME");
    assert_eq!(refused("qr-sheet", &long), Some(Refusal::QrTooLong));
    let fits = named(alice(), &format!("{}@example.com", "u".repeat(2150)), "ACME");
    assert_eq!(refused("qr-sheet", &fits), None);
    assert!(written("qr-sheet", &[fits]).contains("<svg"));
}

/// Each drawing of the page, made a picture by librsvg and read by zbar.
#[test]
fn others_read_the_codes_of_a_sheet() {
    let page = written("qr-sheet", &with_issuers());
    let drawings: Vec<_> = page.split("<svg ").skip(1).map(|rest| rest.split_once("</svg>").unwrap().0).collect();
    let mut read = String::new();
    for drawing in drawings {
        let svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" {drawing}</svg>");
        let Some(picture) = judge("rsvg-convert", &["--width", "480"], svg.as_bytes()) else { return };
        let Some(text) = judge("zbarimg", &["--quiet", "--raw", "-"], &picture) else { return };
        read.push_str(&String::from_utf8(text).unwrap());
    }
    assert_eq!(read, include_str!("../../../../fixtures/export/otpauth_uris.txt"));
}

#[test]
fn no_format_writes_what_a_spreadsheet_computes_or_a_line_cannot_hold() {
    let options = settings(&[("profile", "p"), ("realm", "r"), ("resolver", "s")]);
    for format in FORMATS.iter().filter(|format| format.writer().is_some()) {
        let no_cells = matches!(format.writer().unwrap().extension(), "json" | "jsonl" | "xml");
        let takes = |serial: &str| {
            let package = of(package(serial, KEY, Params::default()), "alice@example.com", "Token2", "C202");
            refusal(*format, &package, &package, &options).is_none()
        };
        if format.fidelity().steps == Some(&[]) {
            continue;
        }
        assert!(takes("0001"), "{}", format.id());
        for serial in ["=1", "+1", "-1", "@1"] {
            assert!(
                no_cells || !takes(serial) || format.fidelity().serial == crate::Carried::No,
                "{} {serial}",
                format.id()
            );
        }
    }
}

#[test]
fn nothing_that_was_not_written_counts_as_written() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(28))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let options = settings(&[("profile", "p"), ("realm", "r"), ("resolver", "s")]);
    for format in FORMATS.iter().filter_map(|format| format.writer()) {
        let mut out = Full;
        let ended = format.begin(&mut out, &options).and_then(|mut writing| {
            writing.write(&alice())?;
            writing.finish()
        });
        assert!(matches!(ended, Err(FormatError::Output { .. })), "{ended:?}");
    }
}

#[test]
fn options_say_what_tokens_do_not() {
    let options = WriteOptions {
        manufacturer: Some("Token2".into()),
        model: Some("C202".into()),
        issuer: Some("ACME".into()),
        ..WriteOptions::default()
    };
    let mut silent = package("1", KEY, Params::default());
    options.fill(&mut silent);
    assert_eq!((silent.manufacturer.as_deref(), silent.model.as_deref()), (Some("Token2"), Some("C202")));
    let mut own = bob();
    options.fill(&mut own);
    assert_eq!((own.manufacturer.as_deref(), own.issuer.as_deref()), (Some("Feitian"), Some("ACME")));
}

#[test]
fn lines_grow_without_losing_anything() {
    let mut line = Line::new();
    let long = "x".repeat(5000);
    line.add("a").add(&long).add_value(7);
    let mut out = Vec::new();
    line.write(&mut out).unwrap();
    assert_eq!(out, format!("a{long}7").into_bytes());
    line.add("b").write(&mut out).unwrap();
    assert!(out.ends_with(b"7b"));
}

#[test]
fn columns_of_ones_own_are_written_as_described() {
    let text = r#"
        [[format]]
        id = "acme"
        title = "ACME"
        bom = true
        extension = "txt"
        preamble = ["made for ACME"]
        header = ["Who", "Key; padded", "N"]
        cells = ["{upn:upper}", "{seed:base32-padded}", "{serial}/{digits}"]
        delimiter = ";"
        quote = "needed"
        newline = "lf"
        takes = { algorithms = ["sha256"], digits = [6, 8], steps = [30], max-seed-bytes = 32, needs = ["upn"] }
        "#;
    let formats = Columns::read(text).unwrap();
    let acme = formats[0];
    assert_eq!((acme.id(), acme.title(), acme.writer().unwrap().extension()), ("acme", "ACME", "txt"));
    let token = of(long("7", totp(Algorithm::Sha256, 8, 30)), "zoë@example.com", "", "");
    assert_eq!(
        written_as(acme, std::slice::from_ref(&token), &WriteOptions::default()),
        "\u{feff}made for ACME\nWho;\"Key; padded\";N\nZOË@EXAMPLE.COM;GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA====;7/8\n"
    );
    let nobody = KeyPackage { upn: None, ..token };
    assert_eq!(refusal(acme, &nobody, &nobody, &WriteOptions::default()), Some(Refusal::Missing("user (UPN)")));
}

#[test]
fn what_is_wrong_with_a_columns_file_is_named_by_line_and_key() {
    let error = |text: &str| match Columns::read(text) {
        Err(FormatError::ColumnsFile { line, problem }) => (line, problem),
        other => panic!("{other:?}"),
    };
    let file = |lines: &str| format!("[[format]]\nid = 'x'\ntitle = 'X'\n{lines}\n");
    let takes = "takes = { algorithms = ['sha1'], digits = [6], steps = [30] }";
    let with = |line: &str| error(&file(&format!("cells = ['{{serial}}', '{{seed:hex}}']\n{takes}\n{line}")));
    assert_eq!(
        error("\n[[format]]\nid = 'X Y'\ntitle = 't'\ntakes = { algorithms = [], digits = [] }"),
        (3, "id: 1 to 32 of a to z, 0 to 9 and dashes".into())
    );
    assert_eq!(with("quote = 'sometimes'"), (6, "quote: one of needed, never, always".into()));
    assert_eq!(with("newline = 'cr'"), (6, "newline: one of crlf, lf".into()));
    assert_eq!(with("comment = '##'"), (6, "comment: one character".into()));
    assert_eq!(with("extension = '../x'"), (6, "extension: 1 to 8 letters and digits".into()));
    assert_eq!(with("header = ['one']"), (6, "header: it has another number of columns than the cells".into()));
    assert_eq!(
        with("header = ['a', 'b,c']\nquote = 'never'"),
        (6, "header: a name needs quotes, and quote is never".into())
    );
    assert_eq!(with("uniform = ['colour']"), (6, "uniform: any of type, algorithm, digits, step".into()));
    assert_eq!(with("preamble = [\"a\\nb\"]"), (6, "preamble: a text has control characters".into()));
    assert_eq!(with("event-cells = ['{seed:hex}']"), (6, "event-cells: the counter is in none of them".into()));
    assert_eq!(with("colour = 'red'").0, 6);
    assert!(with("delimiter = '--'").1.starts_with("delimiter: one of"));
    assert_eq!(
        error(&file(&format!("cells = ['{{serial}}']\n{takes}"))),
        (4, "cells: the seed is in none of them".into())
    );
    assert_eq!(error(&file(&format!("cells = ['{{seed}}']\n{takes}"))).0, 4);
    assert_eq!(error(&file(takes)), (2, "cells: they are missing".into()));
    let taking = |takes: &str| error(&file(&format!("cells = ['{{seed:hex}}']\ntakes = {{ {takes} }}")));
    assert_eq!(taking("algorithms = ['md5'], digits = [6]"), (5, "algorithms: any of sha1, sha256, sha512".into()));
    assert_eq!(taking("algorithms = ['sha1'], digits = [5]"), (5, "digits: numbers from 6 to 10".into()));
    assert_eq!(taking("algorithms = ['sha1'], digits = [6], steps = [0]"), (5, "steps: seconds, at least 1".into()));
    assert_eq!(taking("algorithms = [], digits = [6]"), (5, "takes: algorithms and digits may not be empty".into()));
    assert_eq!(
        taking("algorithms = ['sha1'], digits = [6], steps = [30], max-seed-bytes = 129"),
        (5, "max-seed-bytes: 1 to 128".into())
    );
    assert_eq!(
        taking("algorithms = ['sha1'], digits = [6], steps = [30], needs = ['pin']"),
        (5, "needs: any of serial, manufacturer, model, upn, issuer".into())
    );
    // What the target takes several of, the file must tell apart: nothing is lost in silence.
    for takes in [
        "algorithms = ['sha1', 'sha256'], digits = [6], steps = [30]",
        "algorithms = ['sha1'], digits = [6, 8], steps = [30]",
        "algorithms = ['sha1'], digits = [6], steps = [30, 60]",
        "algorithms = ['sha1'], digits = [6]",
    ] {
        assert!(taking(takes).1.ends_with("which neither a cell nor uniform tells apart"), "{takes}");
    }
    let twice = file(&format!("cells = ['{{seed:hex}}']\n{takes}")).repeat(2);
    assert_eq!(error(&twice), (7, "id: another format has it".into()));
    assert_eq!(error(&" ".repeat(crate::MAX_COLUMNS_FILE + 1)), (1, "the file is too large".into()));
    assert_eq!(error("\n\nx = ").0, 3);
    assert!(Columns::read("").unwrap().is_empty());
}
