use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use oathburn_oath::{Algorithm, Digits, HotpParams, Params, Seed, SerialNumber, TimeStep, TotpParams};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::{Problem, ReadOptions};

const KEY: &[u8] = b"12345678901234567890123456789012\n";

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/import/pskc").join(name);
    fs::read_to_string(path).unwrap()
}

fn options(secret: Option<&[u8]>) -> ReadOptions {
    ReadOptions { password: secret.map(|secret| Zeroizing::new(secret.to_vec())), ..ReadOptions::default() }
}

type Rows = Vec<(u64, Result<KeyPackage, Problem>)>;

fn read_with(text: &str, options: &ReadOptions) -> Result<Rows, FormatError> {
    let mut rows = Vec::new();
    Pskc.reader().unwrap().read(&mut text.as_bytes(), options, &mut |row| {
        rows.push((row.line, row.outcome));
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

fn read(text: &str, secret: Option<&[u8]>) -> Result<Vec<KeyPackage>, FormatError> {
    Ok(read_with(text, &options(secret))?.into_iter().map(|(line, row)| row.map_err(|e| (line, e)).unwrap()).collect())
}

/// The first problem of a file, as column and error.
fn problem(text: &str, secret: Option<&[u8]>) -> (Option<String>, FormatError) {
    match read_with(text, &options(secret)) {
        Err(error) => (None, error),
        Ok(rows) => {
            let problem = rows.into_iter().find_map(|(_, row)| row.err()).unwrap();
            (problem.column, problem.error)
        }
    }
}

/// What a package says, so that two can be compared.
fn said(package: &KeyPackage) -> impl PartialEq + std::fmt::Debug + use<> {
    let texts = [&package.manufacturer, &package.model, &package.upn, &package.issuer].map(Clone::clone);
    let serial = package.serial.as_ref().map(ToString::to_string);
    (serial, texts, package.params, package.seed.to_hex().to_string())
}

const SHA1_SEED: &[u8] = b"12345678901234567890";

#[test]
fn a_signature_that_nobody_verified_is_told() {
    for (name, signed) in [("good-signed.xml", true), ("good-plain.xml", false)] {
        let text = fixture(name);
        let reader = Pskc.reader().unwrap();
        let remarks = reader.read(&mut text.as_bytes(), &options(None), &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(remarks.signature_unverified, signed, "{name}");
    }
    let alone = "<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'/>";
    assert_eq!(problem(alone, None).1, FormatError::XmlRoot { expected: "KeyContainer" });
}

#[test]
fn plain_containers_are_read_whole() {
    for name in ["good-plain.xml", "good-suite-sha256.xml", "good-signed.xml"] {
        let packages = read(&fixture(name), None).unwrap();
        let first = &packages[0];
        assert_eq!(first.serial.as_ref().unwrap().as_str(), "2300000000001", "{name}");
        assert_eq!((first.manufacturer.as_deref(), first.model.as_deref()), (Some("Token2"), Some("C202")));
        assert_eq!(first.issuer.as_deref(), Some("Example"));
        assert_eq!((first.params, first.seed.expose()), (Params::default(), SHA1_SEED));
        let steps: Vec<_> = packages.iter().map(|one| one.params.step().map(TimeStep::seconds)).collect();
        let hashes: Vec<_> = packages.iter().map(|one| one.params.algorithm()).collect();
        assert_eq!(steps[..3], [Some(30), Some(60), Some(30)], "{name}");
        assert_eq!(hashes[..3], [Algorithm::Sha1, Algorithm::Sha1, Algorithm::Sha256], "{name}");
    }
}

#[test]
fn what_other_programs_encrypted_is_opened() {
    let cases: [(&str, &[u8]); 4] = [
        ("good-shared-key--key.xml", KEY),
        ("good-key-wrap--key.xml", KEY),
        ("good-pbkdf2--password.xml", b"correct horse"),
        ("good-parameters-in-xenc11--password.xml", b"correct horse"),
    ];
    for (name, secret) in cases {
        let packages = read(&fixture(name), Some(secret)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(packages[0].seed.expose(), SHA1_SEED, "{name}");
        assert_eq!(packages[0].serial.as_ref().unwrap().as_str(), "2300000000001", "{name}");
    }
    // The key as bytes and as Base64.
    let text = fixture("good-shared-key--key.xml");
    for secret in
        [&b"\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12"[..], b"EjRWeJASNFZ4kBI0VniQEg=="]
    {
        assert_eq!(read(&text, Some(secret)).unwrap()[0].seed.expose(), SHA1_SEED);
    }
}

#[test]
fn nothing_opens_without_the_key_that_fits() {
    let (shared, password) = (fixture("good-shared-key--key.xml"), fixture("good-pbkdf2--password.xml"));
    assert_eq!(problem(&shared, None), (None, FormatError::KeyNeeded));
    assert_eq!(problem(&password, None), (None, FormatError::PasswordNeeded));
    assert_eq!(problem(&shared, Some(b"too short")), (None, FormatError::KeyWrong));
    // A wrong key opens the MAC's key once in a while to something: then the MAC is wrong.
    for (text, wrong) in [(&shared, FormatError::KeyWrong), (&password, FormatError::PasswordWrong)] {
        let (_, error) = problem(text, Some(b"22345678901234567890123456789012"));
        assert!(error == wrong || error == FormatError::MacWrong, "{error}");
    }
}

#[test]
fn macs_are_taken_strictly_unless_asked_otherwise() {
    let text = fixture("good-shared-key--key.xml");
    let changed = text.replacen("AQEBAQEBAQEBAQEBAQEBAbsJ63yl7z5y", "AQEBAQEBAQEBAQEBAQEBAbsJ63yl7z5z", 1);
    let tag = text.split_once("<ValueMAC>").unwrap().1.split_once("</ValueMAC>").unwrap().0;
    let stripped = text.replacen(&format!("<ValueMAC>{tag}</ValueMAC>"), "", 1);
    let begin = text.find("<MACMethod").unwrap();
    let end = text.find("</MACMethod>").unwrap() + "</MACMethod>".len();
    let no_method = format!("{}{}", &text[..begin], &text[end..]);
    let secret = Some("Secret".to_owned());
    assert_ne!(changed, text);
    assert_eq!(problem(&changed, Some(KEY)), (secret.clone(), FormatError::MacWrong));
    assert_eq!(problem(&stripped, Some(KEY)), (secret.clone(), FormatError::MacMissing));
    assert_eq!(problem(&no_method, Some(KEY)), (secret, FormatError::MacMissing));
    let mut lenient = options(Some(KEY));
    lenient.ignore_mac = true;
    for text in [stripped, no_method] {
        let rows = read_with(&text, &lenient).unwrap();
        assert_eq!(rows[0].1.as_ref().unwrap().seed.expose(), SHA1_SEED);
    }
}

fn one(key: &str) -> String {
    format!(
        "<KeyContainer xmlns='urn:ietf:params:xml:ns:keyprov:pskc' Version='1.0'><KeyPackage><DeviceInfo>\
         <SerialNo>1</SerialNo></DeviceInfo>{key}</KeyPackage></KeyContainer>"
    )
}

const DATA: &str = "<Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret>";

#[test]
fn drafts_and_odd_writers_are_understood() {
    // privacyIDEA's own export: all in lower case, the hash in an attribute.
    let text = "<keycontainer version='1.0'><keypackage><deviceinfo><serialno>1</serialno></deviceinfo>\
         <key id='x' algorithm='urn:ietf:params:xml:ns:keyprov:pskc:totp'><algorithmparameters>\
         <suite hashalgo='sha256'/><responseformat length='8' encoding='DECIMAL'/></algorithmparameters><data>\
         <secret><plainvalue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</plainvalue></secret>\
         <timeinterval><plainvalue>60</plainvalue></timeinterval></data></key></keypackage></keycontainer>";
    let expected = TotpParams { algorithm: Algorithm::Sha256, digits: Digits::EIGHT, step: TimeStep::S60 };
    assert_eq!(read(text, None).unwrap()[0].params, expected.into());
    // An old draft: a device, named data, numbers in Base64, several keys.
    let draft = "<p:KeyContainer xmlns:p='u' Version='1.0'><p:Device><p:DeviceInfo><p:Manufacturer>oath.X</p:Manufacturer>\
         </p:DeviceInfo><p:Key KeyAlgorithm='http://www.ietf.org/keyprov/pskc#hotp' KeyId='77'><p:Usage OTP='true'>\
         <p:ResponseFormat Length='6' Format='DECIMAL'/></p:Usage>\
         <p:Data Name='COUNTER'><p:PlainValue>AAAAAAAAAAk=</p:PlainValue></p:Data>\
         <p:Data Name='SECRET'><p:PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</p:PlainValue></p:Data></p:Key>\
         <p:Key KeyAlgorithm='http://www.ietf.org/keyprov/pskc#totp' KeyId='78'>\
         <p:Data Name='SECRET'><p:Value>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA</p:Value></p:Data></p:Key></p:Device></p:KeyContainer>";
    let keys = read(draft, None).unwrap();
    let hotp = HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: 9 };
    assert_eq!((keys[0].params, keys[0].serial.as_ref().unwrap().as_str()), (hotp.into(), "77"));
    assert_eq!((keys[1].params, keys[1].serial.as_ref().unwrap().as_str()), (Params::default(), "78"));
    assert_eq!(keys[0].manufacturer.as_deref(), Some("X"));
}

#[test]
fn what_cannot_be_honoured_is_named() {
    let key = |attributes: &str, inner: &str| one(&format!("<Key Id='x' {attributes}>{inner}</Key>"));
    let totp = "Algorithm='urn:ietf:params:xml:ns:keyprov:pskc:totp'";
    let data = format!("<Data>{DATA}</Data>");
    let format =
        |attributes: &str| format!("<AlgorithmParameters><ResponseFormat {attributes}/></AlgorithmParameters>{data}");
    let parameters = |inner: &str| format!("<AlgorithmParameters>{inner}</AlgorithmParameters>{data}");
    let value =
        |name: &str, value: &str| format!("<Data>{DATA}<{name}><PlainValue>{value}</PlainValue></{name}></Data>");
    let policy = |inner: &str| format!("{data}<Policy>{inner}</Policy>");
    let seed = |text: &str| format!("<Data><Secret><PlainValue>{text}</PlainValue></Secret></Data>");
    let cases = [
        (key("Algorithm='urn:ietf:params:xml:ns:keyprov:pskc#OCRA-1'", &data), "Algorithm", "other-codes"),
        (key("Algorithm='http://www.yubico.com/#yubikey-aes'", &data), "Algorithm", "other-codes"),
        (key("", &data), "Algorithm", "other-codes"),
        (key(totp, &format("Length='6' Encoding='HEXADECIMAL'")), "ResponseFormat", "other-codes"),
        (key(totp, &format("Length='6' Encoding='DECIMAL' CheckDigits='true'")), "ResponseFormat", "other-codes"),
        (key(totp, &format("Length='99'")), "ResponseFormat", "digits-out-of-range"),
        (key(totp, &parameters("<Suite>MD5</Suite>")), "Suite", "algorithm-unknown"),
        (key(totp, &value("Time", "86400")), "Time", "start-time"),
        (key(totp, &value("TimeInterval", "0")), "TimeInterval", "step-invalid"),
        (key(totp, &value("TimeInterval", "86400")), "TimeInterval", "step-invalid"),
        (key(totp, &value("Time", "soon!")), "Time", "not-base64"),
        (key(totp, &policy("<PINPolicy PINUsageMode='Local'/>")), "PINPolicy", "policy-unknown"),
        (
            key(totp, &policy("<NumberOfTransactions>3</NumberOfTransactions>")),
            "NumberOfTransactions",
            "policy-unknown",
        ),
        (key(totp, &policy("<KeyUsage>CR</KeyUsage>")), "KeyUsage", "policy-unknown"),
        (key(totp, &policy("<Moon>full</Moon>")), "Policy", "policy-unknown"),
        (key(totp, "<Data/>"), "", "cell-missing"),
        (key(totp, &seed("")), "", "cell-missing"),
        (key(totp, &seed("%%%")), "Secret", "not-base64"),
        (key(totp, &seed("AAAAAAAAAAAAAAAA")), "Secret", "seed-zero"),
        (key(totp, &seed(&"QUFB".repeat(60))), "Secret", "seed-too-long"),
        (one(""), "", "cell-missing"),
        ("<KeyContainer Version='1.0'></KeyContainer>".into(), "", "file-empty"),
        ("<html><body/></html>".into(), "", "xml-root"),
        ("<!DOCTYPE a><KeyContainer/>".into(), "", "xml-doctype"),
        (key(totp, "&boom;"), "", "xml-broken"),
        (key(totp, &data).replace("</KeyContainer>", ""), "", "file-truncated"),
        (key(totp, &"<a>".repeat(40)), "", "xml-broken"),
        (key(totp, &format!("<FriendlyName>{}</FriendlyName>{data}", "x".repeat(300_000))), "", "too-large"),
    ];
    for (text, column, code) in cases {
        let (found, error) = problem(&text, None);
        let shown = text.get(..300).unwrap_or(&text);
        assert_eq!((found.as_deref().unwrap_or(""), oathburn_oath::Remedy::code(&error)), (column, code), "{shown}");
    }
    // Dates are not ours to judge.
    let dates = policy(
        "<StartDate>2020-01-01T00:00:00Z</StartDate><ExpiryDate>2021-01-01T00:00:00Z</ExpiryDate><KeyUsage>OTP</KeyUsage>",
    );
    assert_eq!(read(&key(totp, &dates), None).unwrap().len(), 1);
}

#[test]
fn absurd_protections_are_refused() {
    let text = fixture("good-pbkdf2--password.xml");
    let cases = [
        (text.replace(">100000<", ">4000000000<"), "key-derivation"),
        (text.replace(">100000<", ">0<"), "key-derivation"),
        (text.replace(">16<", ">17<"), "cipher-unknown"),
        (text.replace("pkcs-5v2-0#pbkdf2", "pkcs-5v2-0#scrypt"), "cipher-unknown"),
        (text.replace("xmlenc#aes128-cbc", "xmlenc#tripledes-cbc"), "cipher-unknown"),
        (text.replace("xmldsig#hmac-sha1", "xmldsig#hmac-md5"), "cipher-unknown"),
    ];
    for (text, code) in cases {
        assert_eq!(oathburn_oath::Remedy::code(&problem(&text, Some(b"correct horse")).1), code);
    }
}

fn package(serial: &str, params: impl Into<Params>, seed: &[u8]) -> KeyPackage {
    KeyPackage {
        serial: Some(SerialNumber::new(serial).unwrap()),
        manufacturer: Some("Tökens & <Sons>".into()),
        model: Some("C202".into()),
        upn: Some("bob+x@example.com".into()),
        issuer: Some("ACME \"ID\"".into()),
        params: params.into(),
        seed: Seed::new(seed.to_vec()).unwrap(),
    }
}

fn write(packages: &[KeyPackage], options: &WriteOptions) -> String {
    let mut out = Vec::new();
    let mut writing = Pskc.begin(&mut out, options).unwrap();
    for package in packages {
        writing.write(package).unwrap();
    }
    writing.finish().unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let hotp = HotpParams { algorithm: Algorithm::Sha1, digits: Digits::EIGHT, counter: 5 };
    let sha512 = TotpParams { algorithm: Algorithm::Sha512, digits: Digits::SIX, step: TimeStep::S60 };
    let packages =
        [package("1", TotpParams::default(), SHA1_SEED), package("2", hotp, b"\x01"), package("3", sha512, &[7; 128])];
    let secrets = [
        (WriteOptions::default(), None),
        (WriteOptions { key: Some(Zeroizing::new(KEY.to_vec())), ..WriteOptions::default() }, Some(KEY)),
        (
            WriteOptions { password: Some(Zeroizing::new(b"horse".to_vec())), ..WriteOptions::default() },
            Some(&b"horse"[..]),
        ),
    ];
    let mut values = BTreeMap::new();
    for (options, secret) in &secrets {
        let text = write(&packages, options);
        assert_eq!(sniff(text.as_bytes()), Likeness::Sure);
        let again = read(&text, *secret).unwrap();
        assert_eq!(again.iter().map(said).collect::<Vec<_>>(), packages.iter().map(said).collect::<Vec<_>>());
        if secret.is_some() {
            assert!(!text.contains("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA"));
            for value in text.split("<xenc:CipherValue>").skip(1) {
                *values.entry(value[..21].to_owned()).or_insert(0) += 1;
            }
        }
    }
    assert!(
        values.len() == 8 && values.values().all(|count| *count == 1),
        "initialization vectors come once: {values:?}"
    );
    for key in [&b"short"[..], &[0; 17]] {
        let options = WriteOptions { key: Some(Zeroizing::new(key.to_vec())), ..WriteOptions::default() };
        assert_eq!(Pskc.begin(&mut Vec::new(), &options).err(), Some(FormatError::KeyLength));
    }
}

#[test]
fn users_are_names_in_the_directorys_way() {
    for user in ["bob@example.com", "a,b+c\\d", " x ", "#1", "é=ü"] {
        assert_eq!(user_of(&name_of(user)), user);
    }
    assert_eq!(name_of("a,b"), "UID=a\\,b");
    for name in ["UID=jsmith,DC=example,DC=net", "CN=Bob", "bob@example.com", "UID=a\\2c"] {
        assert_eq!(user_of(name), name);
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "[<>/&;a-z='\" ]{0,80}") {
        let _ = read_with(&text, &options(None));
        let _ = read_with(&one(&text), &options(Some(KEY)));
    }
}
