use data_encoding::HEXUPPER;
use oathburn_oath::FixedClock;
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_700_000_000;

fn token() -> Molto2 {
    Molto2::new("7659622000001".parse().unwrap(), 100).with_clock(Arc::new(FixedClock(UnixTime::new(NOW))))
}

fn word(reply: &Reply) -> u16 {
    match reply {
        Reply::Answer(bytes) => u16::from_be_bytes(*bytes.last_chunk().unwrap()),
        _ => panic!("no answer"),
    }
}

fn send(token: &mut Molto2, command: &[u8]) -> u16 {
    word(&token.transmit(command))
}

fn hex(text: &str) -> Vec<u8> {
    HEXUPPER.decode(text.as_bytes()).unwrap()
}

fn login_with(token: &mut Molto2, customer_key: &[u8]) -> u16 {
    let Reply::Answer(bytes) = token.transmit(&[0x80, GET_CHALLENGE, 0x08, 0, 0]) else { panic!("no challenge") };
    let proof = Cipher::new(&derive(customer_key)).proof(*bytes.first_chunk().unwrap());
    send(token, &[&[0x80, ANSWER_CHALLENGE, 0, 0, 16], proof.as_slice()].concat())
}

fn login(token: &mut Molto2) {
    assert_eq!(login_with(token, FACTORY_KEY), DONE);
}

fn secured(instruction: u8, p1: u8, profile: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap();
    let mac = Cipher::new(&derive(FACTORY_KEY)).mac([0x80, instruction, p1, profile, length], body);
    [&[0x84, instruction, p1, profile, length + 4], body, &mac].concat()
}

/// The page's known answers, which were made with another program's SM4.
const SEED: &str = "84C50103245D848C69EB8E884E7D20591FF89ADEFF31FD80354BF08248E60D457774BBF06EF31F3315";
const TITLE: &str = "84D5000314B92704351FF156BDF979EA736B443CA590911456";
const CONFIG: &str = "84D401031A81141F01010F046553F10086090A01010B01060D011E8D01AF91";
const NEW_KEY: &str = "84D700002464C71A71E0D64C1AECEB5012C503B2EE7F1A1C55EA56F41801BFEB8EB15ACC960E724239";

fn written() -> Molto2 {
    let mut token = token();
    login(&mut token);
    for command in [SEED, TITLE, CONFIG] {
        assert_eq!(send(&mut token, &hex(command)), DONE);
    }
    token
}

fn read(token: &mut Molto2, profile: u8) -> Vec<u8> {
    let Reply::Answer(data) = token.transmit(&[0x80, GET_INFO, 0, profile, 1, PROFILE]) else { panic!("no answer") };
    data
}

#[test]
fn known_answers_of_the_page() {
    let challenge = hex("1122334455667788").try_into().unwrap();
    let mut token = token().with_challenges(Box::new(move || Some(challenge)));
    assert_eq!(send(&mut token, &[0x80, GET_CHALLENGE, 0x08, 0, 0]), DONE);
    let answer = [hex("80CE000010"), hex("550EC1328F963EB02972BB141E1CF521")].concat();
    assert_eq!(send(&mut token, &answer), DONE);
    let token = &mut written();
    // RFC 6238, appendix B, the last six of eight digits.
    assert_eq!(token.display_at(3, UnixTime::new(1_111_111_109)).unwrap(), "081804");
    assert_eq!(token.display_at(4, UnixTime::new(1_111_111_109)).unwrap(), "------");
    assert_eq!(token.display_at(100, UnixTime::new(0)), None);
    let mut expected = hex("951F701D2041434D45");
    expected.resize(21, 0);
    expected.extend(hex("6553F1006553F100011E06019000"));
    assert_eq!(read(token, 3), expected);
    assert_eq!(read(token, 4)[4..], hex("00000000000000000000000000000000006553F10000000000011E06009000"));
}

#[test]
fn info_says_serial_number_and_clock_to_anybody() {
    let mut token = token();
    token.shift_clock(-77);
    let expected = [b"\0\0\0\x0d7659622000001\0\0".as_slice(), &hex("6553F0B39000")].concat();
    for command in [&[0x80, GET_INFO, 0, 0][..], &[0x80, GET_INFO, 0, 0, 0], &[0x80, GET_INFO, 0, 0, 2, 2, 0x11]] {
        assert!(token.transmit(command) == Reply::Answer(expected.clone()));
    }
}

#[test]
fn refusals_in_their_order() {
    let mut token = token();
    let mut broken = hex(SEED);
    *broken.last_mut().unwrap() ^= 1;
    let unknown = secured(0x11, 0, 3, &[0; 16]);
    for (command, expected) in [
        (&[0x80, GET_INFO, 0][..], WRONG_LENGTH),
        (&[0x80, GET_INFO, 0, 0, 2, 1], WRONG_LENGTH),
        (&[0x84, WRITE_SEED, 1, 0, 3, 1, 2, 3], WRONG_LENGTH),
        (&[0x00, SELECT, 4, 0], UNKNOWN_CLASS),
        (&broken, NOT_AUTHENTICATED),
        (&unknown, UNKNOWN_INSTRUCTION),
        (&secured(WRITE_SEED, 0, 3, &[0; 16]), UNKNOWN_INSTRUCTION),
        (&[0x80, 0x11, 0, 0], UNKNOWN_INSTRUCTION),
        (&[0x80, GET_CHALLENGE, 0, 0, 0], UNKNOWN_INSTRUCTION),
        (&hex(SEED), NOT_AUTHENTICATED),
        (&hex(NEW_KEY), NOT_AUTHENTICATED),
        (&[0x80, LOCK_SCREEN, 0x0c, 2, 0], NOT_AUTHENTICATED),
        (&[0x80, GET_INFO, 0, 100, 1, PROFILE], NOT_FOUND),
        (&[0x80, GET_INFO, 0, 3, 1, PROFILE, 0], LE_FORBIDDEN),
        (&[0x80, DELETE_SEED, 0, 3, 0], NOT_FOUND),
        (&[0x80, ANSWER_CHALLENGE, 0, 0, 1, 0], WRONG_DATA),
    ] {
        assert_eq!(send(&mut token, command), expected, "{command:02x?}");
    }
    login(&mut token);
    for (command, expected) in [
        (secured(WRITE_SEED, 1, 100, &[0; 16]), NOT_FOUND),
        (secured(WRITE_SEED, 1, 3, &[0; 15]), WRONG_DATA),
        (secured(WRITE_SEED, 1, 3, &[0; 80]), WRONG_DATA),
        (secured(WRITE_TITLE, 0, 3, &[0; 32]), WRONG_DATA),
        (secured(WRITE_TITLE, 0, 3, &[0; 16]), WRONG_DATA),
        (secured(WRITE_CONFIG, 1, 3, &[0; 22]), WRONG_DATA),
        (secured(SET_CUSTOMER_KEY, 0, 0, &[0; 32]), WRONG_DATA),
        (vec![0x80, LOCK_SCREEN, 0x0c, 2, 1, 0], WRONG_DATA),
    ] {
        assert_eq!(send(&mut token, &command), expected, "{command:02x?}");
    }
    assert_eq!(read(&mut token, 3)[4], 0);
}

const SELECT: u8 = 0xa4;

/// Encrypts as a host does: decryption is all the token needs, so this is the one place that goes the other way.
fn encrypted(plain: &[u8]) -> Vec<u8> {
    use sm4::cipher::{BlockCipherEncrypt as _, KeyInit as _};
    let cipher = sm4::Sm4::new((&*derive(FACTORY_KEY)).into());
    let encrypt = |block: &[u8; BLOCK]| {
        let mut block = (*block).into();
        cipher.encrypt_block(&mut block);
        <[u8; BLOCK]>::from(block)
    };
    plain.as_chunks::<BLOCK>().0.iter().flat_map(encrypt).collect()
}

#[test]
fn zeros_clear_a_profile_and_keep_its_title() {
    for plain in
        [&[0; 16][..], &[0; 32], &[&[0_u8; 20][..], &[0x80], &[0; 11]].concat(), &[&[0x80][..], &[0; 15]].concat()]
    {
        let mut token = written();
        assert_eq!(send(&mut token, &secured(WRITE_SEED, 1, 3, &encrypted(plain))), DONE, "{plain:?}");
        let data = read(&mut token, 3);
        assert_eq!((data[32], &data[5..9]), (0, &b"ACME"[..]));
    }
    // Sent without padding.
    let mut token = written();
    assert_eq!(send(&mut token, &secured(WRITE_SEED, 1, 3, &encrypted(&[7; 16]))), WRONG_DATA);
    assert_eq!(read(&mut token, 3)[32], 1);
}

#[test]
fn deleting_needs_no_key() {
    let mut token = written();
    token.power_off();
    assert_eq!(send(&mut token, &[0x80, DELETE_SEED, 0, 3, 0]), DONE);
    assert_eq!(send(&mut token, &[0x80, DELETE_SEED, 0, 3, 0]), NOT_FOUND);
    assert_eq!(send(&mut token, &[0x80, DELETE_SEED, 0, 200, 0]), NOT_FOUND);
    assert_eq!(read(&mut token, 3)[5..9], *b"ACME");
}

#[test]
fn a_clock_is_set_without_the_rest() {
    let mut token = written();
    let clock = [&[0x81, 0x06, 0x0f, 4][..], &7_u32.to_be_bytes()].concat();
    assert_eq!(send(&mut token, &secured(WRITE_CONFIG, 1, 3, &clock)), DONE);
    assert_eq!(token.profiles()[3].ahead, 7 - i64::try_from(NOW).unwrap());
    assert_eq!((token.profiles()[4].ahead, token.clock_offset()), (0, 0));
    assert!(token.profiles()[3].seed.is_some());
    assert_eq!(read(&mut token, 3)[21..29], hex("0000000700000007"));
}

#[test]
fn digits_and_steps_are_shown_as_set() {
    // 94287082 is the code of eight digits at 59 s; the truncated number is 1094287082.
    for (digits, step, at, shown) in [
        (4, 30, 59, "7082"),
        (6, 30, 59, "287082"),
        (8, 30, 59, "94287082"),
        (10, 30, 59, "1094287082"),
        (8, 60, 119, "94287082"),
        (8, 0, 59, "------"),
        (0, 30, 59, "------"),
        (11, 30, 59, "------"),
    ] {
        let mut token = written();
        let body = [
            &[0x81, 0x14, 0x1f, 1, 2, 0x0f, 4][..],
            &1_700_000_000_u32.to_be_bytes(),
            &[0x86, 9, 0x0a, 1, 1, 0x0b, 1, digits, 0x0d, 1, step],
        ]
        .concat();
        assert_eq!(send(&mut token, &secured(WRITE_CONFIG, 1, 3, &body)), DONE);
        assert_eq!(token.display_at(3, UnixTime::new(at)).unwrap(), shown, "{digits} {step}");
        assert_eq!(token.display_timeout(), 2);
    }
}

#[test]
fn wrong_answers_are_counted_until_it_locks() {
    let mut token = token();
    assert_eq!(login_with(&mut token, b"wrong"), 0x63c7);
    assert_eq!(login_with(&mut token, b"wrong"), 0x63c6);
    login(&mut token);
    assert_eq!(token.attempts(), 8);
    for left in (0..8).rev() {
        token.power_off();
        assert_eq!(login_with(&mut token, b"wrong"), 0x63c0 | left);
    }
    assert_eq!(login_with(&mut token, FACTORY_KEY), NOT_AUTHENTICATED);
    assert_eq!(send(&mut token, &[0x80, GET_INFO, 0, 0, 0]), DONE);
    assert_eq!(send(&mut token, &[0x80, FACTORY_RESET, 0, 0, 0]), WAITING);
    assert_eq!(token.confirm(), Some("factory-reset"));
    login(&mut token);
}

#[test]
fn a_challenge_is_answered_once() {
    let mut token = token();
    send(&mut token, &[0x80, GET_CHALLENGE, 0x08, 0, 0]);
    let wrong = [&[0x80, ANSWER_CHALLENGE, 0, 0, 16][..], &[0; 16]].concat();
    assert_eq!((send(&mut token, &wrong), send(&mut token, &wrong)), (0x63c7, WRONG_DATA));
    login(&mut token);
    token.reset();
    assert_eq!(send(&mut token, &hex(SEED)), NOT_AUTHENTICATED);
}

#[test]
fn a_new_key_holds_once_it_is_confirmed() {
    let mut token = written();
    assert_eq!(token.confirm(), None);
    assert_eq!(send(&mut token, &hex(NEW_KEY)), WAITING);
    assert_eq!(token.pending(), Some("customer-key"));
    // The host hangs up and looks; neither ends the waiting.
    token.power_off();
    read(&mut token, 3);
    assert!(token.has_factory_key());
    assert_eq!(token.confirm(), Some("customer-key"));
    assert!(token.has_customer_key(b"0123456789ABCDEF"));
    assert_eq!(login_with(&mut token, FACTORY_KEY), 0x63c7);
    assert_eq!(login_with(&mut token, b"0123456789ABCDEF"), DONE);
    assert!(token.profiles()[3].seed.is_some());
}

#[test]
fn any_other_command_ends_the_waiting() {
    let mut token = written();
    send(&mut token, &hex(NEW_KEY));
    send(&mut token, &[0x80, GET_CHALLENGE, 0x08, 0, 0]);
    assert_eq!((token.confirm(), token.has_factory_key()), (None, true));
}

#[test]
fn a_factory_reset_takes_everything_without_a_key() {
    let mut token = written().with_customer_key(b"another");
    assert_eq!(send(&mut token, &[0x80, FACTORY_RESET, 0, 0, 0]), WAITING);
    assert_eq!(send(&mut token, &[0x80, FACTORY_RESET, 0, 0, 0]), WAITING);
    assert_eq!(read(&mut token, 3)[32], 1);
    assert_eq!(token.confirm(), Some("factory-reset"));
    assert_eq!(read(&mut token, 3)[4..21], [0; 17]);
    assert!(token.has_factory_key());
    // Asked once more, it says that it is done; asked again, it begins anew.
    assert_eq!(send(&mut token, &[0x80, FACTORY_RESET, 0, 0, 0]), DONE);
    assert_eq!(token.pending(), None);
    assert_eq!(send(&mut token, &[0x80, FACTORY_RESET, 0, 0, 0]), WAITING);
}

#[test]
fn a_locked_screen_shows_nothing() {
    let mut token = written();
    assert_eq!(send(&mut token, &[0x80, LOCK_SCREEN, 0x0c, 2, 0]), DONE);
    assert_eq!(token.display_at(3, UnixTime::new(59)).unwrap(), "------");
    token.power_off();
    login(&mut token);
    assert_eq!(send(&mut token, &[0x80, LOCK_SCREEN, 0x0c, 2, 1, 1]), DONE);
    assert_eq!(token.display_at(3, UnixTime::new(59)).unwrap(), "287082");
    let mut old = written().with_firmware([2, 0]);
    assert_eq!(send(&mut old, &[0x80, LOCK_SCREEN, 0x0c, 2, 0]), UNKNOWN_INSTRUCTION);
}

#[test]
fn a_tear_leaves_what_the_page_says() {
    let mut token = written();
    let body = [&[0x81, 0x06, 0x0f, 4][..], &7_u32.to_be_bytes()].concat();
    assert!(token.arm_tear(Tear::Config));
    assert!(token.transmit(&secured(WRITE_CONFIG, 1, 3, &body)) == Reply::Gone);
    assert_eq!(token.profiles()[3].ahead, 7 - i64::try_from(NOW).unwrap());
    assert_eq!(send(&mut token, &hex(CONFIG)), NOT_AUTHENTICATED, "the session went with the field");
    for command in [SEED, TITLE, CONFIG] {
        let mut token = written();
        // Another profile, which is not touched.
        assert_eq!(
            send(&mut token, &secured(WRITE_SEED, 1, 4, &encrypted(&[&[9, 0x80][..], &[0; 14]].concat()))),
            DONE
        );
        token.arm_tear(Tear::Store);
        assert!(token.transmit(&hex(command)) == Reply::Gone);
        let data = read(&mut token, 3);
        assert_eq!((&data[4..21], &data[29..33]), (&[0; 17][..], &hex("011E0600")[..]));
        assert_eq!(read(&mut token, 4)[32], 1);
    }
}

proptest! {
    /// Whatever comes, the answer has a status word, and what is not authenticated writes nothing.
    #[test]
    fn random_bytes_are_answered(commands in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..8)) {
        let mut token = token();
        for command in commands {
            let Reply::Answer(answer) = token.transmit(&command) else { panic!("no answer") };
            prop_assert!(answer.len() >= 2);
        }
        prop_assert!(token.profiles().iter().all(|profile| profile.seed.is_none() && profile.title.is_empty()));
    }

    /// Bodies under a right MAC in an open session: the parsers proper.
    #[test]
    fn random_bodies_are_answered(
        instruction in prop_oneof![Just(WRITE_SEED), Just(WRITE_TITLE), Just(WRITE_CONFIG), Just(SET_CUSTOMER_KEY)],
        p1 in 0..2_u8, profile in 0..101_u8,
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..=251),
            proptest::collection::vec(any::<u8>(), 16),
            proptest::collection::vec(any::<u8>(), 32),
        ],
        tear in proptest::option::of(prop_oneof![Just(Tear::Config), Just(Tear::Store)]),
    ) {
        let mut token = token();
        login(&mut token);
        if let Some(tear) = tear {
            token.arm_tear(tear);
        }
        match token.transmit(&secured(instruction, p1, profile, &body)) {
            Reply::Answer(answer) => prop_assert!(answer.len() >= 2),
            Reply::Gone => prop_assert!(tear.is_some()),
            _ => prop_assert!(false, "neither answer nor tear"),
        }
    }

    /// What a host encrypts comes out again, whatever its length.
    #[test]
    fn padded_seeds_are_kept(seed in proptest::collection::vec(any::<u8>(), 1..=63)) {
        prop_assume!(seed.iter().any(|&byte| byte != 0));
        let mut padded = [seed.as_slice(), &[0x80]].concat();
        padded.resize(padded.len().next_multiple_of(BLOCK), 0);
        let mut token = token();
        login(&mut token);
        prop_assert_eq!(send(&mut token, &secured(WRITE_SEED, 1, 99, &encrypted(&padded))), DONE);
        prop_assert_eq!(token.profiles()[99].seed.as_ref().unwrap().expose(), seed.as_slice());
    }
}
