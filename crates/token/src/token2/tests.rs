//! The driver against a small token that can be told to misbehave.
//!
//! This token knows the protocol just well enough to follow a conversation; the emulator is the real judge.

use std::cell::RefCell;

use oathburn_oath::{Algorithm, Digits, FixedClock, Seed, SerialNumber, Slot, TimeStep, TotpParams, UnixTime};
use proptest::prelude::*;

use super::single::parse_info;
use crate::{
    ClockOrder, DisplayTimeout, Extras, Models, Order, Permits, Progress, StatusWord, Token2Single, TokenError,
    TokenFamily, Transport, TransportError,
};

const NOW: UnixTime = UnixTime::new(1_700_000_000);
static FAR: FixedClock = FixedClock(UnixTime::new(1 << 32));
const RESTRICTED: &str = "8659622000001";
const UNRESTRICTED: &str = "8659612000001";

/// What happens at the n-th command (counted from 0) in place of the right answer.
#[derive(Clone, Debug)]
enum Mishap {
    /// The wire breaks, before or after the token has carried the command out.
    Wire(TransportError),
    /// The token answers this.
    Answer(Vec<u8>),
    /// The session is lost before the command, as after a reset.
    SessionLost,
    /// Another token has taken its place.
    Swapped(&'static str),
}

/// Logged in or not; what was written, as sent.
#[derive(Default)]
struct Little {
    serial: String,
    clock: u32,
    authenticated: bool,
    written: Vec<u8>,
    count: usize,
    mishaps: Vec<(usize, Mishap)>,
    log: Vec<u8>,
}

impl Little {
    fn new(serial: &str, mishaps: Vec<(usize, Mishap)>) -> Self {
        Self { serial: serial.into(), mishaps, ..Self::default() }
    }

    fn answer(&mut self, c_apdu: &[u8]) -> Vec<u8> {
        match c_apdu[1] {
            0x41 => {
                let mut info = vec![0, 0, 0, u8::try_from(self.serial.len()).unwrap()];
                info.extend_from_slice(self.serial.as_bytes());
                info.extend([0, 0]);
                info.extend(self.clock.to_be_bytes());
                info.extend([0x90, 0]);
                info
            }
            0x4b => vec![1, 2, 3, 4, 5, 6, 7, 8, 0x90, 0],
            0xce => {
                self.authenticated = true;
                vec![0x90, 0]
            }
            0xc5 | 0xd4 if self.authenticated => {
                if c_apdu[1] == 0xd4 {
                    self.clock = u32::from_be_bytes(c_apdu[12..16].try_into().unwrap());
                }
                self.written.push(c_apdu[1]);
                vec![0x90, 0]
            }
            _ => vec![0x69, 0x83],
        }
    }
}

impl Transport for Little {
    fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.log.push(c_apdu[1]);
        let mishap = self.mishaps.iter().find(|(at, _)| *at == self.count).map(|(_, mishap)| mishap.clone());
        self.count += 1;
        match mishap {
            Some(Mishap::Wire(error)) => return Err(error),
            Some(Mishap::Answer(answer)) => return Ok(answer),
            Some(Mishap::SessionLost) => self.authenticated = false,
            Some(Mishap::Swapped(serial)) => (self.serial, self.authenticated) = (serial.into(), false),
            None => {}
        }
        Ok(self.answer(c_apdu))
    }
}

fn order_with<T>(
    serial: &str,
    seed: &Seed,
    change: impl FnOnce(&mut Order<'_>),
    then: impl FnOnce(&Order<'_>) -> T,
) -> T {
    let serial = SerialNumber::new(serial).unwrap();
    let models = Models::builtin();
    let mut order = Order {
        serial: &serial,
        slot: &Slot::SINGLE,
        seed,
        params: TotpParams::default().into(),
        display_timeout: DisplayTimeout::default(),
        clock: &FixedClock(NOW),
        models: &models,
        permits: Permits::default(),
        extras: Extras::default(),
        progress: &|_| {},
    };
    change(&mut order);
    then(&order)
}

fn program(token: &mut Little, serial: &str) -> Result<crate::TokenInfo, TokenError> {
    let seed = Seed::new(b"12345678901234567890".to_vec()).unwrap();
    order_with(serial, &seed, |_| {}, |order| Token2Single.program(token, order))
}

/// GET INFO, challenge, answer, GET INFO, config, seed, GET INFO.
const ORDER_OF_COMMANDS: [u8; 7] = [0x41, 0x4b, 0xce, 0x41, 0xd4, 0xc5, 0x41];

#[test]
fn config_first_seed_last_and_the_serial_read_before_and_after() {
    let mut token = Little::new(RESTRICTED, vec![]);
    let seed = Seed::new(vec![7; 20]).unwrap();
    let heard = RefCell::new(vec![]);
    let note = |progress| heard.borrow_mut().push(progress);
    let info = order_with(
        RESTRICTED,
        &seed,
        |_| {},
        |order| Token2Single.program(&mut token, &Order { progress: &note, ..*order }),
    );
    assert_eq!(info.unwrap().clock, Some(NOW));
    assert_eq!(token.log, ORDER_OF_COMMANDS);
    let expected = [Progress::Authenticated, Progress::ConfigWritten, Progress::SeedWritten, Progress::ReadBack];
    assert_eq!(heard.into_inner(), expected);
}

#[test]
fn a_break_before_the_first_write_leaves_the_token_as_it_was() {
    for at in 0..ORDER_OF_COMMANDS.len() {
        let mut token = Little::new(RESTRICTED, vec![(at, Mishap::Wire(TransportError::Removed))]);
        let error = program(&mut token, RESTRICTED).unwrap_err();
        assert_eq!(error.after_write(), at >= 4, "command {at}: {error}");
        assert!(matches!(error.cause(), TokenError::Wire { source: TransportError::Removed, .. }));
        assert_eq!(token.log, ORDER_OF_COMMANDS[..=at]);
    }
}

#[test]
fn no_wrong_answer_is_taken_for_success() {
    let answers: [&[u8]; 9] = [
        &[],
        &[0x90],
        &[0x6a, 0x80],
        &[0x67, 0],
        &[0x6d, 0],
        &[0x6e, 0],
        &[0x00, 0x90, 0x00],
        &[0x91, 0x00],
        &[0x62, 0x83],
    ];
    for at in 0..ORDER_OF_COMMANDS.len() {
        for answer in answers {
            if at == 2 && answer.len() == 3 {
                // Data after the log-in is odd, and harmless: the writes show whether it held.
                continue;
            }
            let mut token = Little::new(RESTRICTED, vec![(at, Mishap::Answer(answer.to_vec()))]);
            let error = program(&mut token, RESTRICTED).unwrap_err();
            assert_eq!(error.after_write(), at >= 4, "command {at}, answer {answer:02x?}: {error}");
        }
    }
}

#[test]
fn a_lost_session_is_opened_once_more_with_the_serial_read_again() {
    for at in [4, 5] {
        let mut token = Little::new(RESTRICTED, vec![(at, Mishap::SessionLost)]);
        program(&mut token, RESTRICTED).unwrap();
        let again = [0x41, 0x4b, 0xce, 0x41];
        assert_eq!(token.log[at + 1..at + 5], again);
        assert_eq!(token.written, [0xd4, 0xc5]);
    }
    let mut token = Little::new(RESTRICTED, vec![(4, Mishap::SessionLost), (9, Mishap::SessionLost)]);
    let error = program(&mut token, RESTRICTED).unwrap_err();
    assert!(matches!(error.cause(), TokenError::Refused { status: StatusWord(0x6983), .. }) && error.after_write());
    let answers: Vec<_> = token.log.iter().filter(|ins| **ins == 0xce).collect();
    assert_eq!(answers.len(), 2);
}

#[test]
fn a_wrong_key_is_never_tried_twice() {
    let mut token = Little::new(RESTRICTED, vec![(2, Mishap::Answer(vec![0x69, 0x83]))]);
    let error = program(&mut token, RESTRICTED).unwrap_err();
    assert_eq!(error, TokenError::WrongKey { status: StatusWord(0x6983) });
    assert_eq!(token.log, [0x41, 0x4b, 0xce]);
}

#[test]
fn a_swapped_token_is_never_written_to() {
    for at in 0..ORDER_OF_COMMANDS.len() {
        let mut token = Little::new(RESTRICTED, vec![(at, Mishap::Swapped("8659622000002"))]);
        let error = program(&mut token, RESTRICTED).unwrap_err();
        assert!(matches!(error.cause(), TokenError::OtherToken { .. }), "swapped at {at}: {error}");
        assert_eq!(error.after_write(), at >= 4);
        // Whatever was written went to the first token.
        assert_eq!(token.written, [0xd4, 0xc5][..at.saturating_sub(4).min(2)]);
    }
}

#[test]
fn a_clock_that_does_not_hold_is_found() {
    let wrong = |seconds: i64| {
        let clock = u32::try_from(NOW.offset(seconds).seconds()).unwrap();
        let mut info = b"\0\0\0\x0d8659622000001\0\0".to_vec();
        info.extend(clock.to_be_bytes());
        info.extend([0x90, 0]);
        program(&mut Little::new(RESTRICTED, vec![(6, Mishap::Answer(info))]), RESTRICTED)
    };
    assert!(wrong(3).is_ok() && wrong(-3).is_ok());
    assert_eq!(wrong(-4).unwrap_err().cause(), &TokenError::ClockNotSet { seconds: -4 });
    assert_eq!(wrong(86_400).unwrap_err().cause(), &TokenError::ClockNotSet { seconds: 86_400 });
}

#[test]
fn what_the_token_would_swallow_is_refused_before_a_word_is_said() {
    let seed = Seed::new(vec![1; 20]).unwrap();
    let refuse = |serial: &str, seed: &Seed, change: fn(&mut Order<'_>)| {
        let mut token = Little::new(serial, vec![]);
        let error = order_with(serial, seed, change, |order| Token2Single.program(&mut token, order)).unwrap_err();
        assert!(token.log.is_empty() && !error.after_write(), "{error}");
        error
    };
    let serial = |text| SerialNumber::new(text).unwrap();
    assert_eq!(refuse("1234567", &seed, |_| {}), TokenError::UnlistedModel { serial: serial("1234567") });
    assert_eq!(
        refuse("8659623000001", &seed, |order| order.permits.unlisted_model = true),
        TokenError::NotProgrammable { model: "C202/C203".into(), serial: serial("8659623000001") }
    );
    assert!(matches!(
        refuse(RESTRICTED, &seed, |order| order.params =
            TotpParams { algorithm: Algorithm::Sha512, ..TotpParams::default() }.into()),
        TokenError::Algorithm { .. }
    ));
    assert!(matches!(
        refuse(RESTRICTED, &seed, |order| order.params =
            TotpParams { digits: Digits::EIGHT, ..TotpParams::default() }.into()),
        TokenError::Digits { .. }
    ));
    assert!(matches!(
        refuse(RESTRICTED, &seed, |order| {
            order.params = TotpParams { step: TimeStep::new(45).unwrap(), ..TotpParams::default() }.into();
        }),
        TokenError::TimeStep { .. }
    ));
    assert!(matches!(refuse(RESTRICTED, &seed, |order| order.slot = &Slot::Number(1)), TokenError::NoSuchSlot { .. }));
    assert!(matches!(refuse(RESTRICTED, &seed, |order| order.clock = &FAR), TokenError::TimeOutOfRange { .. }));
    assert_eq!(refuse(RESTRICTED, &Seed::new(vec![0; 20]).unwrap(), |_| {}), TokenError::SeedAllZero);
    assert_eq!(
        refuse(RESTRICTED, &Seed::new(vec![1; 64]).unwrap(), |_| {}),
        TokenError::SeedTooLong { len: 64, max: 63 }
    );
}

#[test]
fn long_seeds_that_have_an_exact_equivalent_are_burned() {
    let mut ends_in_zeros = vec![1; 64];
    ends_in_zeros[63] = 0;
    for bytes in [ends_in_zeros, vec![1; 65], vec![9; 128]] {
        let seed = Seed::new(bytes).unwrap();
        let mut token = Little::new(RESTRICTED, vec![]);
        order_with(RESTRICTED, &seed, |_| {}, |order| Token2Single.program(&mut token, order)).unwrap();
        assert_eq!(token.written, [0xd4, 0xc5]);
    }
}

#[test]
fn an_unlisted_model_needs_its_permit() {
    let seed = Seed::new(vec![1; 20]).unwrap();
    let mut token = Little::new("1234567", vec![]);
    order_with(
        "1234567",
        &seed,
        |order| order.permits.unlisted_model = true,
        |order| Token2Single.program(&mut token, order),
    )
    .unwrap();
    assert_eq!(token.written, [0xd4, 0xc5]);
}

fn sync(
    serial: &str,
    permits: Permits,
    other_time: Option<UnixTime>,
) -> (Result<crate::TokenInfo, TokenError>, Little) {
    let mut token = Little::new(serial, vec![]);
    let order = ClockOrder {
        serial: &SerialNumber::new(serial).unwrap(),
        slot: None,
        access_key: None,
        params: TotpParams::default(),
        display_timeout: DisplayTimeout::default(),
        clock: &FixedClock(NOW),
        other_time,
        models: &Models::builtin(),
        permits,
        progress: &|_| {},
    };
    let result = Token2Single.sync_clock(&mut token, &order);
    (result, token)
}

#[test]
fn a_clock_is_set_where_the_seed_survives_it() {
    let (result, token) = sync(UNRESTRICTED, Permits::default(), None);
    assert_eq!((result.unwrap().clock, token.written.as_slice()), (Some(NOW), &[0xd4][..]));
    let (result, token) = sync(RESTRICTED, Permits::default(), None);
    assert!(matches!(result, Err(TokenError::SyncErasesSeed { .. })) && token.log.is_empty());
    let erase = Permits { erase_seed_on_sync: true, ..Permits::default() };
    assert!(sync(RESTRICTED, erase, None).0.is_ok());
}

#[test]
fn an_unlisted_token_is_taken_for_one_that_loses_its_seed() {
    let unlisted = Permits { unlisted_model: true, ..Permits::default() };
    let (result, token) = sync("1234567", unlisted, None);
    assert!(matches!(result, Err(TokenError::SyncErasesSeed { .. })) && token.log.is_empty());
}

#[test]
fn another_time_needs_its_permit() {
    let then = UnixTime::new(1_000_000_000);
    let (result, token) = sync(UNRESTRICTED, Permits::default(), Some(then));
    assert!(matches!(result, Err(TokenError::OtherTimeNotPermitted)) && token.log.is_empty());
    let permits = Permits { set_other_time: true, ..Permits::default() };
    assert_eq!(sync(UNRESTRICTED, permits, Some(then)).0.unwrap().clock, Some(then));
}

#[test]
fn identify_reads_both_forms_of_info_and_lets_others_pass() {
    let identify = |answer: &[u8]| {
        Token2Single.identify(&mut Little::new("1", vec![(0, Mishap::Answer(answer.to_vec()))])).unwrap()
    };
    for info in
        [&b"\x95\x13\x02\x0d8659622000001\x11\x04\0\0\0\x07\x90\0"[..], b"\0\0\0\x0d8659622000001\0\0\0\0\0\x07\x90\0"]
    {
        let info = identify(info).unwrap();
        assert_eq!((info.serial.as_str(), info.clock), (RESTRICTED, Some(UnixTime::new(7))));
    }
    for other in [&[0x6d, 0][..], &[0x6e, 0], &[0x90, 0], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x90, 0]] {
        assert_eq!(identify(other), None, "{other:02x?}");
    }
    let error = Token2Single.identify(&mut Little::new("1", vec![(0, Mishap::Wire(TransportError::Removed))]));
    assert!(error.is_err());
}

proptest! {
    #[test]
    fn info_of_any_bytes_is_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Some((serial, _)) = parse_info(&data) {
            prop_assert_eq!(serial.as_str().len() + 10, data.len());
        }
    }

    /// Whatever a token answers, success is claimed only by one that took config and seed in the right session.
    #[test]
    fn no_random_conversation_ends_in_a_false_success(
        mishaps in proptest::collection::vec((0..12_usize, prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..24).prop_map(Mishap::Answer),
            Just(Mishap::Answer(vec![0x69, 0x83])),
            Just(Mishap::SessionLost),
            Just(Mishap::Swapped("8659622000009")),
            Just(Mishap::Wire(TransportError::Timeout { seconds: 5 })),
        ]), 0..4),
    ) {
        let faked = mishaps.iter().any(|(_, mishap)| matches!(mishap, Mishap::Answer(answer) if answer == &[0x90, 0]));
        let mut token = Little::new(RESTRICTED, mishaps);
        if program(&mut token, RESTRICTED).is_ok() && !faked {
            prop_assert_eq!(token.written.last(), Some(&0xc5));
            prop_assert!(token.written.contains(&0xd4));
            prop_assert_eq!(token.serial.as_str(), RESTRICTED);
        }
    }
}
