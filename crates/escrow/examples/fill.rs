//! Makes an escrow with many tokens, for measuring.
//!
//! `cargo run --release --package oathburn-escrow --example fill -- FOLDER COUNT` puts it into FOLDER, with a plain
//! officer's file, and prints the seed of the last token in Base32.
#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use oathburn_escrow::{Escrow, Facts, Officer, Origin, Pins, Reservation, StationKey, StoreUrl, Writer};
use oathburn_oath::{FamilyId, Seed, SerialNumber, Slot, SystemClock, TokenIdentity, TokenRecord, TotpParams};

/// Entries in one transaction.
const CHUNK: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "arguments: FOLDER COUNT";
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    let count: usize = arguments.next().ok_or(usage)?.parse()?;

    let officer = Officer::generate()?;
    std::fs::create_dir_all(&folder)?;
    officer.create_file(&folder.join("officer.key"), None)?;
    let station = StationKey::load_or_create(&folder.join("station.key"))?;
    let (url, pins) = (StoreUrl::sqlite(folder.join("escrow.db")), Pins::new(folder.join("pins")));
    let who = Writer { operator: None, uid: 1000, host: "bench".into() };
    Escrow::init(&url, &officer, &station, &pins, &who, &SystemClock)?;
    let escrow = Escrow::open(&url, station, &pins, who, Arc::new(SystemClock))?;

    let mut last = None;
    for begin in (0..count).step_by(CHUNK) {
        let records: Vec<_> = (begin..count.min(begin + CHUNK)).map(record).collect::<Result<_, _>>()?;
        let reservation = |record| Reservation { record, origin: Origin::Imported, batch: None };
        escrow.import(&records.iter().map(reservation).collect::<Vec<_>>(), Facts::new())?;
        last = records.into_iter().next_back();
    }
    println!("{}", last.ok_or("no tokens")?.seed.to_base32().as_str());
    Ok(())
}

fn record(number: usize) -> Result<TokenRecord, Box<dyn Error>> {
    let identity = TokenIdentity {
        family: FamilyId::new("token2-single")?,
        serial: SerialNumber::new(&format!("865962{number:07}"))?,
        slot: Slot::SINGLE,
    };
    Ok(TokenRecord {
        identity,
        params: TotpParams::default().into(),
        seed: Seed::generate(20)?,
        model: None,
        upn: Some(format!("user{number}@example.com")),
        issuer: None,
    })
}
