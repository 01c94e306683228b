use oathburn_oath::FixedClock;
use proptest::prelude::*;

use super::*;

fn token() -> Token2Single {
    Token2Single::new("86596220000001".parse().unwrap(), true).with_clock(Arc::new(FixedClock(UnixTime::new(0))))
}

fn word(reply: &Reply) -> u16 {
    match reply {
        Reply::Answer(bytes) => u16::from_be_bytes(*bytes.last_chunk().unwrap()),
        _ => panic!("no answer"),
    }
}

fn login(token: &mut Token2Single) -> u16 {
    let Reply::Answer(bytes) = token.transmit(&[0x80, GET_CHALLENGE, 0x08, 0, 0]) else { panic!("no challenge") };
    let proof = Cipher::new(&DEVICE_KEY).proof(*bytes.first_chunk().unwrap());
    word(&token.transmit(&[&[0x80, ANSWER_CHALLENGE, 0, 0, 16], proof.as_slice()].concat()))
}

fn wrong_login(token: &mut Token2Single) -> u16 {
    token.transmit(&[0x80, GET_CHALLENGE, 0x08, 0, 0]);
    word(&token.transmit(&[&[0x80, ANSWER_CHALLENGE, 0, 0, 16], [0x55; 16].as_slice()].concat()))
}

fn secured(instruction: u8, p1: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap();
    let mac = Cipher::new(&DEVICE_KEY).mac([0x80, instruction, p1, 0, length], body);
    [&[0x84, instruction, p1, 0, length + 4], body, &mac].concat()
}

fn config(clock: u32) -> Vec<u8> {
    let [t3, t2, t1, t0] = clock.to_be_bytes();
    let body = [0x81, 0x11, 0x1f, 1, 3, 0x0f, 4, t3, t2, t1, t0, 0x86, 6, 0x0a, 1, 2, 0x0d, 1, 60];
    secured(WRITE_CONFIG, 0, &body)
}

/// The vendor's known answer as a whole command: the seed `12345678901234567890`.
fn seed() -> Vec<u8> {
    let hex = b"84c50100245e5856092fd3228d4d33eee3daac4b55ce37d18d332b7ac6a40e8661fa23042af47b0153";
    data_encoding::HEXLOWER.decode(hex).unwrap()
}

#[test]
fn a_burned_token_shows_the_codes_of_rfc_6238() {
    let mut token = token();
    assert_eq!(token.display(), "------");
    assert_eq!(login(&mut token), DONE);
    assert_eq!(word(&token.transmit(&seed())), DONE);
    // RFC 6238, appendix B, the last six of eight digits.
    assert_eq!(token.display_at(UnixTime::new(1_111_111_109)), "081804");
}

#[test]
fn a_torn_config_has_moved_the_clock_and_nothing_else() {
    let mut token = token();
    login(&mut token);
    token.transmit(&seed());
    assert!(token.arm_tear(Tear::Config));
    assert!(token.transmit(&config(1_111_111_109)) == Reply::Gone);
    assert_eq!(token.time(), UnixTime::new(1_111_111_109));
    assert_eq!(token.display(), "081804");
    let settings = token.settings();
    assert_eq!((settings.algorithm, settings.time_step, settings.display_timeout), (1, 30, 1));
    // The session went with the field.
    assert_eq!(word(&token.transmit(&config(7))), NOT_AUTHENTICATED);
    // The tear happens once.
    login(&mut token);
    assert_eq!(word(&token.transmit(&config(7))), DONE);
    assert_eq!(token.settings().time_step, 60);
}

#[test]
fn a_torn_store_falls_back_to_the_factory() {
    for command in [seed(), config(1_111_111_109)] {
        let mut token = token();
        login(&mut token);
        token.transmit(&config(5));
        token.transmit(&seed());
        token.arm_tear(Tear::Store);
        assert!(token.transmit(&command) == Reply::Gone);
        let settings = token.settings();
        assert!(settings.seed.is_none());
        assert_eq!((settings.algorithm, settings.time_step, settings.display_timeout), (1, 30, 1));
        assert_eq!(token.serial().as_str(), "86596220000001");
    }
}

#[test]
fn todays_firmware_never_locks() {
    let mut token = token();
    for _ in 0..300 {
        assert_eq!(wrong_login(&mut token), NOT_AUTHENTICATED);
    }
    assert_eq!(login(&mut token), DONE);
}

#[test]
fn old_firmware_locks_for_good() {
    let mut token = token().with_lock_after(3);
    for _ in 0..3 {
        assert_eq!((wrong_login(&mut token), wrong_login(&mut token)), (NOT_AUTHENTICATED, NOT_AUTHENTICATED));
        // A right answer in time makes up for both.
        assert_eq!(login(&mut token), DONE);
    }
    for _ in 0..3 {
        assert!(!token.is_locked());
        assert_eq!(wrong_login(&mut token), NOT_AUTHENTICATED);
    }
    assert!(token.is_locked());
    token.power_off();
    token.power_on();
    assert_eq!(login(&mut token), NOT_AUTHENTICATED);
    assert_eq!(word(&token.transmit(&[0x80, GET_INFO, 0, 0, 0])), DONE);
}

#[test]
fn a_token_without_random_says_so() {
    let mut token = token().with_challenges(Box::new(|| None));
    assert_eq!(word(&token.transmit(&[0x80, GET_CHALLENGE, 0x08, 0, 0])), NO_RANDOM);
}

#[test]
fn the_clock_has_32_bits_and_can_be_shifted() {
    let mut token = token();
    token.set_time(UnixTime::new(1 << 32));
    token.shift_clock(-1);
    let Reply::Answer(info) = token.transmit(&[0x80, GET_INFO, 0, 0]) else { panic!("no answer") };
    assert_eq!(info[info.len() - 6..], [0xff, 0xff, 0xff, 0xff, 0x90, 0x00]);
    assert_eq!(token.clock_offset(), (1 << 32) - 1);
}

proptest! {
    /// Whatever comes, the answer has a status word, and what is not authenticated changes nothing.
    #[test]
    fn random_bytes_are_answered(commands in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..8)) {
        let mut token = token();
        for command in commands {
            let Reply::Answer(answer) = token.transmit(&command) else { panic!("no answer") };
            prop_assert!(answer.len() >= 2);
        }
        prop_assert!(token.settings().seed.is_none());
    }

    /// Bodies under a right MAC in an open session: the parsers proper.
    #[test]
    fn random_bodies_are_answered(
        instruction in prop_oneof![Just(WRITE_SEED), Just(WRITE_CONFIG), any::<u8>()], p1 in 0..3_u8,
        body in proptest::collection::vec(any::<u8>(), 0..=251), tear in proptest::option::of(prop_oneof![Just(Tear::Config), Just(Tear::Store)]),
    ) {
        let mut token = token();
        prop_assert_eq!(login(&mut token), DONE);
        if let Some(tear) = tear {
            token.arm_tear(tear);
        }
        match token.transmit(&secured(instruction, p1, &body)) {
            Reply::Answer(answer) => prop_assert!(answer.len() >= 2),
            Reply::Gone => prop_assert!(tear.is_some()),
            _ => prop_assert!(false, "neither answer nor tear"),
        }
        prop_assert_eq!(token.display().len(), 6);
    }
}
