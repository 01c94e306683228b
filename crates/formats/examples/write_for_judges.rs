//! Writes files of many tokens for foreign importers, and what should come out of them.
//!
//! `cargo run --package oathburn-formats --example write_for_judges -- FOLDER`; `cargo xtask judges` runs it.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;

use oathburn_formats::{KeyPackage, WriteOptions, format};
use oathburn_oath::{Algorithm, Digits, HotpParams, Params, Seed, SerialNumber, TimeStep, TotpParams};
use serde_json::{Map, Value, json};

const TOKENS: usize = 3000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("arguments: FOLDER")?;
    let settings = [("realm", "office"), ("resolver", "ad"), ("username", "upn")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let users = WriteOptions { settings, ..WriteOptions::default() };
    let (mut expected, plain) = (Map::new(), WriteOptions::default());
    for (id, options) in [("privacyidea", &plain), ("privacyidea2", &users), ("linotp", &plain)] {
        expected.insert(format!("{id}.csv"), write(Path::new(&folder), id, options)?);
    }
    fs::write(Path::new(&folder).join("expected.json"), Value::Object(expected).to_string())?;
    Ok(())
}

/// Writes a file of whatever the format does not refuse, and says what is in it.
fn write(folder: &Path, id: &str, options: &WriteOptions) -> Result<Value, Box<dyn Error>> {
    let format = format(id).ok_or("no such format")?;
    let writer = format.writer().ok_or("it is not written")?;
    let mut file = File::create(folder.join(format!("{id}.csv")))?;
    let (mut writing, mut expected) = (writer.begin(&mut file, options)?, Map::new());
    for number in 0..TOKENS {
        let package = package(number)?;
        let refusal = format.fidelity().refuses(&package);
        if refusal.or_else(|| writer.refuses(&package, &package.params, options)).is_none() {
            writing.write(&package)?;
            expected.insert(format!("TOK{number:05}"), described(&package));
        }
    }
    writing.finish()?;
    if expected.len() < TOKENS / 10 {
        return Err(format!("{id} refuses nearly everything").into());
    }
    Ok(Value::Object(expected))
}

fn package(number: usize) -> Result<KeyPackage, Box<dyn Error>> {
    let algorithm = Algorithm::ALL[number % 3];
    let digits = if number.is_multiple_of(2) { Digits::SIX } else { Digits::EIGHT };
    let params: Params = if number.is_multiple_of(5) {
        HotpParams { algorithm, digits, counter: number as u64 }.into()
    } else {
        TotpParams { algorithm, digits, step: if number % 7 < 3 { TimeStep::S30 } else { TimeStep::S60 } }.into()
    };
    let usual = [20, 32, 64][number % 3];
    let len = if number.is_multiple_of(11) { 16 + number % 50 } else { usual };
    Ok(KeyPackage {
        serial: Some(SerialNumber::new(&format!("TOK{number:05}"))?),
        manufacturer: None,
        model: None,
        upn: Some(format!("zoë.{number}@example.com")),
        issuer: None,
        params,
        seed: Seed::generate(len)?,
    })
}

fn described(package: &KeyPackage) -> Value {
    let params = &package.params;
    json!({
        "hex": package.seed.to_hex().as_str(),
        "type": if params.counter().is_some() { "hotp" } else { "totp" },
        "algorithm": params.algorithm().as_str(),
        "digits": params.digits().get(),
        "step": params.step().map(TimeStep::seconds),
        "counter": params.counter(),
        "user": [package.upn, "ad", "office"],
    })
}
