//! What is written is read again as it was, but for what its format says that it loses.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use oathburn_formats::{Carried, FORMATS, Format, KeyPackage, Kind, ReadOptions, Row, Unsaid, WriteOptions};
use oathburn_oath::{Algorithm, Digits, HotpParams, Params, Seed, SerialNumber, TimeStep, TotpParams};

fn all_params() -> Vec<Params> {
    let mut all = Vec::new();
    for algorithm in Algorithm::ALL {
        for digits in [Digits::SIX, Digits::EIGHT] {
            all.push(HotpParams { algorithm, digits, counter: 7 }.into());
            for step in [TimeStep::S30, TimeStep::S60] {
                all.push(TotpParams { algorithm, digits, step }.into());
            }
        }
    }
    all
}

fn package(number: u8, params: Params) -> KeyPackage {
    let len = match params.algorithm() {
        Algorithm::Sha1 => 20,
        Algorithm::Sha256 => 32,
        Algorithm::Sha512 => 64,
    };
    KeyPackage {
        serial: Some(SerialNumber::new(&format!("230000000000{number}")).unwrap()),
        manufacturer: Some("Token2".into()),
        model: Some("C202".into()),
        upn: Some(format!("user{number}@example.com")),
        issuer: Some("ACME Co".into()),
        params,
        seed: Seed::new(vec![number + 1; len]).unwrap(),
    }
}

/// What somebody says who knows the tokens: some files hold nothing but numbers and seeds.
fn unsaid(params: &Params) -> Unsaid {
    Unsaid {
        kind: Some(if params.counter().is_some() { Kind::Hotp } else { Kind::Totp }),
        algorithm: Some(params.algorithm()),
        digits: Some(params.digits()),
        step: params.step(),
        ..Unsaid::NOTHING
    }
}

fn read(format: &dyn Format, file: &[u8], options: &ReadOptions) -> Vec<KeyPackage> {
    let mut packages = Vec::new();
    let mut sink = |row: Row| {
        packages.push(row.outcome.unwrap_or_else(|problem| panic!("{}, line {}: {problem:?}", format.id(), row.line)));
        ControlFlow::Continue(())
    };
    format.reader().unwrap().read(&mut &*file, options, &mut sink).unwrap();
    packages
}

/// The same in what a format carries, nothing where it loses.
fn same(format: &dyn Format, before: &KeyPackage, after: &KeyPackage) {
    let fidelity = format.fidelity();
    let serial = |package: &KeyPackage| package.serial.as_ref().map(ToString::to_string);
    for (what, carried, before, after) in [
        ("serial", fidelity.serial, serial(before), serial(after)),
        ("manufacturer", fidelity.manufacturer, before.manufacturer.clone(), after.manufacturer.clone()),
        ("model", fidelity.model, before.model.clone(), after.model.clone()),
        ("upn", fidelity.upn, before.upn.clone(), after.upn.clone()),
        ("issuer", fidelity.issuer, before.issuer.clone(), after.issuer.clone()),
    ] {
        let expected = if carried == Carried::No { None } else { before };
        assert_eq!(after, expected, "{} of {}", what, format.id());
    }
    assert_eq!(before.params, after.params, "{}", format.id());
    assert!(before.seed == after.seed, "{}", format.id());
}

#[test]
fn what_is_written_is_read_again_but_for_what_is_lost() {
    let settings = [("profile", "fpr0"), ("realm", "office"), ("resolver", "ad")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let options = WriteOptions { settings, ..WriteOptions::default() };
    let mut judged = BTreeSet::new();
    for format in FORMATS.iter().copied().filter(|format| format.reader().is_some()) {
        let Some(writer) = format.writer() else { continue };
        for params in all_params() {
            let packages = [package(0, params), package(1, params)];
            let refused = |package: &KeyPackage| {
                let refusal = format.fidelity().refuses(package);
                refusal.or_else(|| writer.refuses(package, &params, &options)).is_some()
            };
            if packages.iter().any(refused) {
                continue;
            }
            let mut file = Vec::new();
            let mut writing = writer.begin(&mut file, &options).unwrap();
            for package in &packages {
                writing.write(package).unwrap();
            }
            writing.finish().unwrap();
            let reading = ReadOptions { unsaid: unsaid(&params), ..ReadOptions::default() };
            let after = read(format, &file, &reading);
            assert_eq!(after.len(), packages.len(), "{}", format.id());
            for (before, after) in packages.iter().zip(&after) {
                same(format, before, after);
            }
            judged.insert(format.id());
        }
    }
    let both = FORMATS.iter().filter(|format| format.reader().is_some() && format.writer().is_some());
    assert_eq!(judged, both.map(|format| format.id()).collect(), "some are not judged");
}
