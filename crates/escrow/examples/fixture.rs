//! Writes a small finished store into a folder: `cargo run -p oathburn-escrow --example fixture -- DIR`.
//!
//! One folder for each format lies below `fixtures/escrow`, so that later versions keep reading it. All seeds are
//! test keys of RFC 6238, appendix B.

use std::collections::HashSet;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use oathburn_escrow::{
    Annotation, BatchId, Change, Claim, Deed, Disclosure, Escrow, Facts, NewBatch, NewLine, Officer, Opener, Origin,
    Pins, Programmed, Purpose, Reservation, StationKey, StoreUrl, Writer,
};
use oathburn_oath::{
    Algorithm, Digits, FamilyId, FixedClock, HotpParams, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord,
    TotpParams, UnixTime,
};

fn record(serial: &str, slot: Slot, algorithm: Algorithm, len: usize) -> Result<TokenRecord, Box<dyn Error>> {
    let family = if slot == Slot::SINGLE { "token2-single" } else { "molto2" };
    Ok(TokenRecord {
        identity: TokenIdentity { family: FamilyId::new(family)?, serial: SerialNumber::new(serial)?, slot },
        params: TotpParams { algorithm, digits: Digits::SIX, ..TotpParams::default() }.into(),
        seed: Seed::new(b"1234567890".repeat(7)[..len].to_vec())?,
        manufacturer: Some("Token2".into()),
        model: Some("C302-i".into()),
        upn: Some(format!("{serial}@example.com")),
        issuer: None,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("give the folder to write to")?);
    std::fs::create_dir_all(&folder)?;
    let officer = Officer::generate()?;
    officer.create_file(&folder.join("officer.key"), None)?;
    let station = StationKey::load_or_create(&folder.join("station.key"))?;
    // Pins belong to a place: whoever reads the fixture pins it where it lies then.
    let pins = tempfile::tempdir()?;
    let pins = Pins::new(pins.path());
    let url = StoreUrl::sqlite(folder.join("escrow.db"));
    let who = Writer { operator: Some("alice".into()), uid: 1000, host: "desk-7".into() };
    let clock = FixedClock(UnixTime::new(1_800_000_000));
    Escrow::init(&url, &officer, &station, &pins, &who, &clock)?;
    let escrow = Escrow::open(&url, station, &pins, who, Arc::new(clock))?;

    let reserve =
        |record: &TokenRecord, origin| escrow.reserve(&Reservation { record, origin, batch: Some(BatchId::new()) });
    let first = record("865900001", Slot::SINGLE, Algorithm::Sha1, 20)?;
    let replaced = reserve(&first, Origin::Generated)?;
    escrow.mark_programmed(replaced, &Programmed::default())?;
    let programmed = reserve(&first, Origin::Again)?;
    let read_back = Programmed { model: Some("C302-i".into()), drift_seconds: Some(-2), facts: Facts::new() };
    escrow.mark_programmed(programmed, &read_back)?;
    escrow.note_verified(programmed, Facts::new().with("drift_steps", 0))?;
    escrow.note_synced(programmed, 1, Facts::new())?;
    escrow.assign(programmed, Some("bob@example.com"), Some("Entra"), Some("new hire"))?;
    reserve(&record("865900002", Slot::SINGLE, Algorithm::Sha256, 32)?, Origin::Given)?;
    let broken = reserve(&record("865900003", Slot::Number(7), Algorithm::Sha512, 64)?, Origin::Given)?;
    escrow.mark_unknown(broken, Facts::new().with("step", "seed"))?;
    let imports = [
        record("865900004", Slot::SINGLE, Algorithm::Sha1, 20)?,
        record("865900005", Slot::Name("ACME:carol".into()), Algorithm::Sha1, 20)?,
    ];
    let reservations = imports.each_ref().map(|record| Reservation { record, origin: Origin::Imported, batch: None });
    let imported = escrow.import(&reservations, Facts::new().with("file", "tokens.csv"))?;
    escrow.unassign(imported[0], None)?;
    let annotation = Annotation {
        note: Some("for the branch".into()),
        purchase_order: Some("PO-7".into()),
        add_tags: vec!["oslo".parse()?, "2026".parse()?],
        ..Annotation::default()
    };
    escrow.annotate(&imported, &annotation, Some("sorted"))?;
    escrow.note_exported(&imported, "entra", Some("weekly"))?;
    escrow.note_activated(&imported[..1], Facts::new(), None)?;
    escrow.retire(imported[1], Some("lost"))?;
    let counts = HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: 1 << 63 };
    let counting = TokenRecord {
        params: counts.into(),
        seed: Seed::new(b"counts what it shows".to_vec())?,
        ..record("865900006", Slot::Name("counted".into()), Algorithm::Sha1, 20)?
    };
    reserve(&counting, Origin::Given)?;
    burned_batch(&escrow)?;
    let opener = escrow.opener(Officer::load(&folder.join("officer.key"), None)?)?;
    for purpose in Purpose::ALL.iter().filter(|purpose| **purpose != Purpose::Desk) {
        let disclosure = Disclosure { purpose: *purpose, facts: Facts::new().with("count", 1), reason: None };
        opener.open(&escrow.entry(&programmed.to_string())?, &disclosure)?;
    }
    desk(&escrow, &opener)
}

/// What a desk keeps.
fn desk(escrow: &Escrow, opener: &Opener) -> Result<(), Box<dyn Error>> {
    let records = escrow.records(opener)?;
    let deed = Deed { operator: "alice".into(), facts: Facts::new().with("deed", "bootstrap"), ..Deed::default() };
    let person = Change::Put {
        kind: "person",
        id: b"alice",
        expected_version: None,
        lookup: Some("alice"),
        expires_at: None,
        body: b"{\"name\":\"alice\"}",
    };
    let visit = Change::Put {
        kind: "visit",
        id: b"1",
        expected_version: None,
        lookup: None,
        expires_at: Some(UnixTime::new(1_800_086_400)),
        body: b"{}",
    };
    records.commit_noted(opener, &deed, &[person, visit])?;
    Ok(())
}

/// A batch that is over: one line brought its seed, and one failed.
fn burned_batch(escrow: &Escrow) -> Result<(), Box<dyn Error>> {
    let new = record("865900007", Slot::SINGLE, Algorithm::Sha1, 20)?;
    let new = TokenRecord { seed: Seed::new(b"a seed from the list".to_vec())?, ..new };
    let line = |upn: &str, seed| NewLine {
        upn: Some(upn.into()),
        serial: None,
        issuer: Some("Entra".into()),
        label: Some("desk 7".into()),
        params: TotpParams::default(),
        seed,
    };
    let lines = [line("dave@example.com", Some(new.seed.clone())), line("eve@example.com", None)];
    let options = Facts::new().with("replace", 1);
    let batch = escrow.create_batch(&NewBatch { name: "users.csv", options, lines: &lines })?;
    let claim = escrow.claim(batch, &new.identity.serial, None, &HashSet::new())?;
    let Claim::Leased(lease) = claim else { return Err(format!("no line was free: {claim:?}").into()) };
    let entry = escrow.reserve_line(&lease, &new, Origin::Given)?;
    escrow.mark_programmed(entry, &Programmed::default())?;
    escrow.release(&lease)?;
    escrow.fail_line(batch, 2, "the token refused")?;
    escrow.finish_batch(batch)?;
    Ok(())
}
