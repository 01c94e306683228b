//! Runs whose lines come from somebody else: what is in use elsewhere is left alone, and no seed is made up.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use oathburn_emulator::{Card, Reply, Token2Single};
use oathburn_escrow::{BatchId, Escrow, Facts, Filter, NewBatch, NewLine, Officer, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::{FixedClock, Seed, SerialNumber, TotpParams, UnixTime};
use oathburn_station::{
    BatchEnd, BatchEvent, BatchObserver, BatchOptions, BatchRun, OpenBatch, Place, Station, Supply, TokenInfo, Trouble,
    TroubleKind,
};
use oathburn_token::{Models, Transport, TransportError};

static NOW: FixedClock = FixedClock(UnixTime::new(1_800_000_000));

struct Wire(Token2Single);

impl Transport for Wire {
    fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        match self.0.transmit(c_apdu) {
            Reply::Answer(bytes) if bytes.len() >= 2 => Ok(bytes),
            _ => Err(TransportError::Removed),
        }
    }
}

/// Tokens that come one after the other; then we are told to end.
struct Tokens(Vec<&'static str>);

impl Place for Tokens {
    fn wait_for_token(&mut self, interrupted: &dyn Fn() -> bool) -> Result<(), Trouble> {
        let over = Trouble { kind: TroubleKind::Interrupted, code: "o", message: String::new(), remedy: None };
        if interrupted() || self.0.is_empty() { Err(over) } else { Ok(()) }
    }

    fn wait_for_removal(&mut self, _: &dyn Fn() -> bool) -> Result<(), Trouble> {
        Ok(())
    }

    fn connect(&mut self) -> Result<Box<dyn Transport>, Trouble> {
        let mut token = Token2Single::new(self.0.remove(0).parse().unwrap(), true).with_clock(Arc::new(NOW));
        token.power_on();
        Ok(Box::new(Wire(token)))
    }
}

/// Somebody far away who gives out lines.
struct Far {
    batch: OpenBatch,
    seed: Mutex<Option<Seed>>,
    in_use: HashSet<&'static str>,
}

impl Supply for Far {
    fn batches(&self) -> Vec<OpenBatch> {
        vec![self.batch.clone()]
    }

    fn seed(&self, _: BatchId, _: u32) -> Option<Seed> {
        self.seed.lock().unwrap().take()
    }

    fn prescribes_all(&self) -> bool {
        true
    }

    fn knows(&self, _: BatchId) -> bool {
        true
    }

    fn may_grow(&self) -> bool {
        true
    }

    fn changed(&self, _: BatchId) {}

    fn is_in_use(&self, token: &TokenInfo) -> bool {
        self.in_use.contains(token.serial.as_str())
    }

    fn wanted(&self, _: &SerialNumber) -> bool {
        false
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl BatchObserver for Heard {
    fn event(&self, _: usize, event: &BatchEvent<'_>) {
        let heard = match event {
            BatchEvent::Done(done) => format!("done {}", done.serial),
            BatchEvent::Refused { why, .. } | BatchEvent::Broken { why, .. } => why.code().to_owned(),
            _ => return,
        };
        self.0.lock().unwrap().push(heard);
    }

    fn ask_code(&self, _: usize, _: &SerialNumber, _: u32) -> Option<String> {
        None
    }
}

#[test]
fn only_what_is_free_is_burned_and_only_with_what_is_prescribed() {
    let folder = tempfile::tempdir().unwrap();
    let officer = Officer::generate().unwrap();
    let (url, pins) = (StoreUrl::sqlite(folder.path().join("escrow.db")), Pins::new(folder.path().join("pins")));
    let key = || StationKey::load_or_create(&folder.path().join("station.key")).unwrap();
    let who = Writer { operator: None, uid: 1000, host: "far".into() };
    Escrow::init(&url, &officer, &key(), &pins, &who, &NOW).unwrap();
    let escrow = Escrow::open(&url, key(), &pins, who, Arc::new(NOW)).unwrap();
    let line = |upn: &str| NewLine {
        upn: Some(upn.into()),
        serial: None,
        issuer: None,
        label: None,
        params: TotpParams::default(),
        seed: None,
    };
    let lines = [line("a@example.com"), line("b@example.com")];
    let id = escrow.create_batch(&NewBatch { name: "n", options: Facts::new(), lines: &lines }).unwrap();
    let far = Far {
        batch: OpenBatch { id, options: BatchOptions::from_facts(&Facts::new()) },
        seed: Mutex::new(Some(Seed::new(b"12345678901234567890".to_vec()).unwrap())),
        in_use: HashSet::from(["8659622000001"]),
    };
    let models = Models::builtin();
    let tokens = Tokens(vec!["8659622000001", "8659622000002", "8659622000003"]);
    let heard = Heard::default();
    let run = BatchRun {
        station: Station { escrow: &escrow, officer: None, models: &models, clock: &NOW },
        supply: &far,
        interrupted: &|| heard.0.lock().unwrap().len() == 3,
        patience: None,
    };
    let end = run.run(vec![Box::new(tokens)], &heard);
    assert!(matches!(end, BatchEnd::Interrupted), "{end:?}");
    // The last one would have got a line without a seed: nothing was written, and its line is open.
    assert_eq!(heard.0.into_inner().unwrap(), ["token-in-use-elsewhere", "done 8659622000002", "line-taken"]);
    let entries = escrow.entries(&Filter::default()).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(escrow.line_counts(id).unwrap().open, 1);
    let opener = escrow.opener(officer).unwrap();
    let disclosure = oathburn_escrow::Disclosure::new(oathburn_escrow::Purpose::Reveal);
    let seed = opener.open(&entries[0], &disclosure).unwrap().seed;
    assert_eq!(seed.to_hex().as_str(), "3132333435363738393031323334353637383930");
}
