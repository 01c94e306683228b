//! Makes an escrow with many tokens, for measuring.
//!
//! `cargo run --release --package oathburn-escrow --example fill -- FOLDER COUNT [SESSIONS]` puts it into FOLDER,
//! with a plain officer's file, sealed under one session or so many, and prints the seed of the last token in Base32.
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
    let usage = "arguments: FOLDER COUNT [SESSIONS]";
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    let count: usize = arguments.next().ok_or(usage)?.parse()?;
    let sessions: Option<usize> = arguments.next().map(|text| text.parse()).transpose()?;

    let officer = Officer::generate()?;
    std::fs::create_dir_all(&folder)?;
    officer.create_file(&folder.join("officer.key"), None)?;
    let station = StationKey::load_or_create(&folder.join("station.key"))?;
    let (url, pins) = (StoreUrl::sqlite(folder.join("escrow.db")), Pins::new(folder.join("pins")));
    let who = Writer { operator: None, uid: 1000, host: "bench".into() };
    Escrow::init(&url, &officer, &station, &pins, &who, &SystemClock)?;
    let open = || -> Result<Escrow, Box<dyn Error>> {
        let station = StationKey::load_or_create(&folder.join("station.key"))?;
        Ok(Escrow::open(&url, station, &pins, who.clone(), Arc::new(SystemClock))?)
    };
    let mut escrow = open()?;

    let chunk = sessions.map_or(CHUNK, |sessions| count.div_ceil(sessions.max(1)).clamp(1, CHUNK));
    let mut last = None;
    for begin in (0..count).step_by(chunk) {
        if sessions.is_some() {
            // Each time somebody opens it, another session begins.
            escrow = open()?;
        }
        let records: Vec<_> = (begin..count.min(begin + chunk)).map(record).collect::<Result<_, _>>()?;
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
        manufacturer: None,
        model: None,
        upn: Some(format!("user{number}@example.com")),
        issuer: None,
    })
}
