//! Key containers, judged by programs of others: `pskctool` holds the schema, python-pskc opens what we encrypt and
//! encrypts what we open.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use oathburn_formats::{KeyPackage, ReadOptions, WriteOptions, format};
use oathburn_oath::{Algorithm, Digits, HotpParams, Params, Seed, SerialNumber, TimeStep, TotpParams};
use zeroize::Zeroizing;

const KEY: &str = "12345678901234567890123456789012";
const PASSWORD: &str = "correct horse";

/// What it prints; `None` where it is missing and nobody insists.
fn judge(program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing: cargo xtask setup installs it");
        eprintln!("skipped: {program} is missing");
        return None;
    };
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn package(serial: &str, params: impl Into<Params>, seed: &[u8]) -> KeyPackage {
    KeyPackage {
        serial: Some(SerialNumber::new(serial).unwrap()),
        manufacturer: Some("Töken & Sons".into()),
        model: Some("C202".into()),
        upn: Some("bob@example.com".into()),
        issuer: Some("ACME".into()),
        params: params.into(),
        seed: Seed::new(seed.to_vec()).unwrap(),
    }
}

fn packages() -> Vec<KeyPackage> {
    let sha256 = TotpParams { algorithm: Algorithm::Sha256, digits: Digits::EIGHT, step: TimeStep::S60 };
    let hotp = HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: 7 };
    vec![
        package("2300000000001", TotpParams::default(), b"12345678901234567890"),
        package("2300000000002", sha256, b"12345678901234567890123456789012"),
        package("2300000000003", hotp, b"1234567890123456"),
    ]
}

fn protections() -> [(&'static str, WriteOptions); 3] {
    let secret = |text: &str| Some(Zeroizing::new(text.as_bytes().to_vec()));
    [
        ("plain", WriteOptions::default()),
        ("key", WriteOptions { key: secret(KEY), ..WriteOptions::default() }),
        ("password", WriteOptions { password: secret(PASSWORD), ..WriteOptions::default() }),
    ]
}

fn write(folder: &Path, name: &str, options: &WriteOptions) -> String {
    let mut out = Vec::new();
    let writer = format("pskc").unwrap().writer().unwrap();
    let mut writing = writer.begin(&mut out, options).unwrap();
    for package in packages() {
        writing.write(&package).unwrap();
    }
    writing.finish().unwrap();
    let path = folder.join(format!("{name}.xml"));
    fs::write(&path, out).unwrap();
    path.display().to_string()
}

#[test]
fn containers_keep_to_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in protections() {
        let path = write(folder.path(), name, &options);
        let Some(said) = judge("pskctool", &["--validate", &path]) else { return };
        assert!(said.contains("OK"), "{name}: {said}");
    }
}

/// Opens a container and prints each key.
const OPEN: &str = r"
import sys, binascii
from pskc import PSKC
p = PSKC(sys.argv[1])
if sys.argv[2] == 'key': p.encryption.key = binascii.unhexlify(sys.argv[3])
if sys.argv[2] == 'password': p.encryption.derive_key(sys.argv[3])
for k in p.keys:
    print(k.serial, binascii.hexlify(k.secret).decode(), k.algorithm.rsplit(':')[-1].lower(), k.algorithm_suite or '-',
          k.response_length, k.time_interval, k.counter, k.policy.may_use('OTP'))
";

#[test]
fn others_open_what_we_write() {
    let folder = tempfile::tempdir().unwrap();
    let expected = "2300000000001 3132333435363738393031323334353637383930 totp - 6 30 None True\n\
        2300000000002 3132333435363738393031323334353637383930313233343536373839303132 totp SHA256 8 60 None True\n\
        2300000000003 31323334353637383930313233343536 hotp - 6 None 7 True\n";
    for (name, options) in protections() {
        let path = write(folder.path(), name, &options);
        let secret = if name == "key" { KEY } else { PASSWORD };
        let Some(said) = judge("/usr/bin/python3", &["-c", OPEN, &path, name, secret]) else { return };
        assert_eq!(said, expected, "{name}");
    }
}

/// Encrypts a key in each way it knows.
const ENCRYPT: &str = r"
import sys, binascii
from pskc import PSKC
for cipher in ['aes128-cbc', 'aes192-cbc', 'aes256-cbc', 'kw-aes128', 'kw-aes192', 'kw-aes256']:
    for how in ['key', 'password']:
        p = PSKC()
        k = p.add_key(id='1', serial='2300000000001', algorithm='totp', response_length=6, response_encoding='DECIMAL',
                      time_interval=30, secret=b'12345678901234567890')
        n = int(cipher.replace('kw-', '')[3:6]) // 8
        if how == 'key': p.encryption.setup_preshared_key(key=bytes(range(n)), algorithm=cipher)
        else: p.encryption.setup_pbkdf2('correct horse', iterations=1000, algorithm=cipher)
        p.write('%s/%s-%s.xml' % (sys.argv[1], cipher, how))
";

#[test]
fn we_open_what_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_) = judge("/usr/bin/python3", &["-c", ENCRYPT, folder.path().to_str().unwrap()]) else { return };
    let reader = format("pskc").unwrap().reader().unwrap();
    let mut read = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let len = ["128", "192", "256"].iter().position(|bits| name.contains(bits)).unwrap();
        let len = [16, 24, 32][len];
        let key = data_encoding::HEXLOWER.encode(&(0..len).collect::<Vec<u8>>());
        let secret = if name.ends_with("key") { key } else { PASSWORD.to_owned() };
        let options = ReadOptions { password: Some(Zeroizing::new(secret.into_bytes())), ..ReadOptions::default() };
        let mut seeds = Vec::new();
        let outcome = reader.read(&mut fs::read(&path).unwrap().as_slice(), &options, &mut |row| {
            seeds.push(row.outcome.map(|package| package.seed));
            ControlFlow::Continue(())
        });
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(seeds.len(), 1, "{name}");
        let seed = seeds.remove(0).unwrap_or_else(|problem| panic!("{name}: {problem:?}"));
        assert_eq!(seed, Seed::new(b"12345678901234567890".to_vec()).unwrap(), "{name}");
        read += 1;
    }
    assert_eq!(read, 12);
}
