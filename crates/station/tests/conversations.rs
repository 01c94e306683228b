//! Random conversations: an emulated token to which anything may happen, driven by the driver.
//!
//! The driver has never seen the emulator's code. Whatever goes wrong, success is claimed only when the token that was
//! named holds the seed; a token is unchanged when the entry says that nothing was written; and the next burn, without
//! mishaps, makes all of it good.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use oathburn_emulator::{Card, Fault, Faulty, Reply, Tear, Token2Single, Trigger};
use oathburn_escrow::{EntryState, Escrow, Officer, Opener, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::{Algorithm, FixedClock, Seed, SerialNumber, TimeStep, TotpParams, UnixTime};
use oathburn_station::{BurnOrder, Burned, SeedSource, Station, StationError};
use oathburn_token::{Models, Permits, Transport, TransportError};
use proptest::prelude::*;
use tempfile::TempDir;

static NOW: FixedClock = FixedClock(UnixTime::new(1_800_000_000));

const SERIAL: &str = "8659622000001";
/// Another token, and one whose serial number differs in one bit.
const OTHERS: [&str; 2] = ["8659612777777", "8659622000000"];

/// What a token may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

fn token(serial: &str, restricted: bool, tries: Option<u8>) -> Token2Single {
    let token = Token2Single::new(serial.parse().unwrap(), restricted).with_clock(Arc::new(NOW));
    match tries {
        Some(tries) => token.with_lock_after(tries),
        None => token,
    }
}

/// The wire: a conversation that has failed is over.
struct Wire<'a> {
    card: &'a mut Faulty<Token2Single>,
    failed: Option<TransportError>,
}

impl<'a> Wire<'a> {
    fn to(card: &'a mut Faulty<Token2Single>) -> Self {
        card.present();
        card.power_on();
        Self { card, failed: None }
    }
}

impl Transport for Wire<'_> {
    fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let answer = match self.card.transmit(c_apdu) {
            Reply::Answer(bytes) if bytes.len() >= 2 => Ok(bytes),
            Reply::Late(delay, bytes) if delay < PATIENCE && bytes.len() >= 2 => Ok(bytes),
            Reply::Answer(_) | Reply::Gone => Err(TransportError::Removed),
            Reply::Late(..) | Reply::Silence => Err(TransportError::Timeout { seconds: PATIENCE.as_secs() }),
        };
        self.failed = answer.as_ref().err().cloned();
        answer
    }
}

/// What is to happen, at which command.
#[derive(Clone, Debug)]
enum Mishap {
    TearBefore,
    TearAfter,
    TearConfig,
    TearStore,
    Mute,
    Slow(u64),
    Status(u16),
    Short(usize),
    Flip(usize),
    Swap(usize),
    Lapse,
}

impl Mishap {
    fn fault(&self, restricted: bool) -> Fault<Token2Single> {
        match *self {
            Self::TearBefore => Fault::TearBefore,
            Self::TearAfter => Fault::TearAfter,
            Self::TearConfig => Fault::TearInside(Tear::Config),
            Self::TearStore => Fault::TearInside(Tear::Store),
            Self::Mute => Fault::Mute,
            Self::Slow(seconds) => Fault::Slow(Duration::from_secs(seconds)),
            Self::Status(word) => Fault::StatusWord(word),
            Self::Short(len) => Fault::Short(len),
            Self::Flip(bit) => Fault::FlipBit(bit),
            Self::Swap(which) => Fault::Swap(token(OTHERS[which], restricted, None)),
            Self::Lapse => Fault::Lapse,
        }
    }
}

fn any_mishap() -> impl Strategy<Value = (u32, Mishap)> {
    let mishap = prop_oneof![
        Just(Mishap::TearBefore),
        Just(Mishap::TearAfter),
        Just(Mishap::TearConfig),
        Just(Mishap::TearStore),
        Just(Mishap::Mute),
        (5..15_u64).prop_map(Mishap::Slow),
        // A token that answers `9000` and does nothing cannot be told from one that works: it has no read-back.
        prop_oneof![Just(0x6983), Just(0x6a80), any::<u16>().prop_filter("a lie", |word| *word != 0x9000)]
            .prop_map(Mishap::Status),
        (1..30_usize).prop_map(Mishap::Short),
        (0..200_usize).prop_map(Mishap::Flip),
        (0..OTHERS.len()).prop_map(Mishap::Swap),
        Just(Mishap::Lapse),
        Just(Mishap::Lapse),
    ];
    (1..=12_u32, mishap)
}

fn any_params() -> impl Strategy<Value = TotpParams> {
    (any::<bool>(), any::<bool>()).prop_map(|(sha256, slow)| TotpParams {
        algorithm: if sha256 { Algorithm::Sha256 } else { Algorithm::Sha1 },
        step: if slow { TimeStep::S60 } else { TimeStep::S30 },
        ..TotpParams::default()
    })
}

/// An escrow with its officer.
struct Home {
    _folder: TempDir,
    escrow: Escrow,
    opener: Opener,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (url, pins) = (StoreUrl::sqlite(folder.path().join("escrow.db")), Pins::new(folder.path().join("pins")));
        let who = Writer { operator: None, uid: 0, host: "desk".into() };
        let station = || StationKey::load_or_create(&folder.path().join("station.key")).unwrap();
        let officer = Officer::generate().unwrap();
        Escrow::init(&url, &officer, &station(), &pins, &who, &NOW).unwrap();
        let escrow = Escrow::open(&url, station(), &pins, who, Arc::new(NOW)).unwrap();
        let opener = escrow.opener(officer).unwrap();
        Self { _folder: folder, escrow, opener }
    }

    fn burn(&self, card: &mut Faulty<Token2Single>, order: &BurnOrder) -> Result<Burned, StationError> {
        let models = Models::builtin();
        let station = Station { escrow: &self.escrow, officer: Some(&self.opener), models: &models, clock: &NOW };
        station.burn(&mut Wire::to(card), order, &|_| {})
    }
}

/// What the token shows at three times, or nothing.
fn shown(token: &Token2Single) -> Vec<String> {
    [0, 59, 1_000_000].map(|later| token.display_at(UnixTime::new(NOW.0.seconds() + later))).into()
}

/// Whether a token shows what was burned.
fn holds(token: &Token2Single, burned: &Burned) -> bool {
    let expected =
        [0, 59, 1_000_000].map(|later| burned.totp.code_at(UnixTime::new(NOW.0.seconds() + later)).to_string());
    shown(token) == expected
}

/// The token with this serial number, which lies there or was swapped out.
fn find<'a>(card: &'a Faulty<Token2Single>, gone: &'a [Token2Single], serial: &SerialNumber) -> &'a Token2Single {
    gone.iter().chain([card.card()]).find(|token| token.serial() == serial).unwrap()
}

fn answers_refused(card: &Faulty<Token2Single>) -> usize {
    let refused = |answer: &Option<Vec<u8>>| answer.as_deref() == Some(&[0x69, 0x83]);
    card.log().filter(|exchange| exchange.command.get(1) == Some(&0xce) && refused(&exchange.answer)).count()
}

fn was_written(card: &Faulty<Token2Single>) -> bool {
    card.log().any(|exchange| exchange.command.first() == Some(&0x84))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_false_is_claimed_and_the_next_burn_makes_it_good(
        restricted: bool,
        tries in proptest::option::of(3..5_u8),
        in_use: bool,
        given in proptest::option::of(proptest::collection::vec(1..=255_u8, 1..=63)),
        params in any_params(),
        mishaps in proptest::collection::vec(any_mishap(), 0..4),
    ) {
        let home = Home::new();
        let mut card = Faulty::new(token(SERIAL, restricted, tries));
        let serial: SerialNumber = SERIAL.parse().unwrap();
        let permits = Permits { overwrite_seed: true, ..Permits::default() };
        let source = given.map_or(SeedSource::Generate { len: 20 }, |seed| SeedSource::Given(Seed::new(seed).unwrap()));
        let order = BurnOrder { permits, ..BurnOrder::new(source, params) };
        if in_use {
            let first = BurnOrder::new(SeedSource::Generate { len: 32 }, TotpParams::default());
            home.burn(&mut card, &first).unwrap();
            card.clear_log();
        }
        let before = shown(card.card());
        for (at, mishap) in &mishaps {
            card.arm(Trigger::Command(*at), mishap.fault(restricted));
        }

        let result = home.burn(&mut card, &order);
        let waiting = card.disarm();
        let gone = card.take_swapped_out();
        prop_assert!(card.log().count() <= 40, "it goes on and on");
        prop_assert!(answers_refused(&card) <= 1, "a second try was spent");
        let mut unfinished = None;
        match &result {
            Ok(burned) => {
                let entry = home.escrow.entry(&burned.entry.to_string()).unwrap();
                prop_assert_eq!(entry.state, EntryState::Programmed);
                prop_assert!(holds(find(&card, &gone, &burned.info.serial), burned), "success was claimed");
            }
            Err(StationError::Burn { entry, source }) => {
                let entry = home.escrow.entry(&entry.to_string()).unwrap();
                let state = if was_written(&card) { EntryState::Unknown } else { EntryState::Reserved };
                prop_assert_eq!((entry.state, source.after_write()), (state, state == EntryState::Unknown));
                unfinished = Some(entry);
            }
            Err(_) => prop_assert!(!was_written(&card)),
        }
        // Only the named token may have changed, and only when a write was sent.
        let misread = unfinished.as_ref().is_some_and(|entry| entry.identity.serial != serial);
        if !was_written(&card) || misread {
            prop_assert_eq!(shown(find(&card, &gone, &serial)), before);
        }
        let others = gone.iter().chain([card.card()]).filter(|token| *token.serial() != serial);
        for other in others {
            let is_burned = result.as_ref().is_ok_and(|burned| burned.info.serial == *other.serial());
            prop_assert!(other.settings().seed.is_none() || is_burned, "a seed on the wrong token");
        }
        drop(waiting);

        // The same token once more, and nothing happens to it.
        if card.card().serial() != &serial {
            let token = gone.into_iter().find(|token| *token.serial() == serial).unwrap();
            card.replace(token);
        }
        if card.card().is_locked() {
            return Ok(());
        }
        // A tear inside the token may still wait for its place, which is passed once.
        let mut again = home.burn(&mut card, &order);
        if again.is_err() && mishaps.iter().any(|(_, mishap)| matches!(mishap, Mishap::TearConfig | Mishap::TearStore)) {
            again = home.burn(&mut card, &order);
        }
        // A misread number has a reservation of a seed that was given; its remedy is to retire that one.
        if let Err(StationError::DuplicateSeed { entry, serial: other }) = &again {
            prop_assert!(misread && *other != serial);
            home.escrow.retire(*entry, Some("misread")).unwrap();
            again = home.burn(&mut card, &order);
        }
        let again = again.unwrap();
        prop_assert!(holds(card.card(), &again));
        if let (Some(entry), SeedSource::Generate { .. }, false) = (unfinished, &order.source, misread) {
            prop_assert_eq!(again.entry, entry.id, "the unfinished burn was not the one that was finished");
        }
        prop_assert!(home.escrow.check(None).unwrap().is_sound());
    }
}
