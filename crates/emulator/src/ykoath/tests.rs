use data_encoding::HEXLOWER_PERMISSIVE;
use proptest::prelude::*;

use super::tlv::Fields;
use super::*;

fn fresh(version: [u8; 3]) -> YkOath {
    YkOath::new("12345678".parse().unwrap(), KeyKind::YubiKey, Version(version))
}

/// A key of today with the applet selected.
fn selected() -> YkOath {
    let mut key = fresh([5, 7, 4]);
    select(&mut key);
    key
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(text.replace(' ', "").as_bytes()).unwrap()
}

fn transmit(key: &mut YkOath, command: &[u8]) -> (Vec<u8>, u16) {
    let Reply::Answer(mut answer) = key.transmit(command) else { panic!("no answer") };
    let word = answer.split_off(answer.len() - 2);
    (answer, u16::from_be_bytes([word[0], word[1]]))
}

fn send(key: &mut YkOath, header: [u8; 4], data: &[u8]) -> (Vec<u8>, u16) {
    let length = u8::try_from(data.len()).unwrap();
    transmit(key, &[&header, [length].as_slice(), data].concat())
}

fn word(key: &mut YkOath, header: [u8; 4], data: &[u8]) -> u16 {
    send(key, header, data).1
}

fn select(key: &mut YkOath) -> Vec<u8> {
    let (answer, word) = send(key, [0, SELECT, BY_NAME, 0], key::OATH);
    assert_eq!(word, DONE);
    answer
}

fn field(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    tlv::push(&mut field, tag, &[value]);
    field
}

/// The data of PUT; `tail` is property and initial factor.
fn put_data(name: &[u8], kind: u8, tail: &[u8]) -> Vec<u8> {
    let key = [&[kind, 6], b"12345678901234567890".as_slice()].concat();
    [field(tlv::NAME, name), field(tlv::KEY, &key), tail.to_vec()].concat()
}

fn put(key: &mut YkOath, name: &[u8], kind: u8, tail: &[u8]) -> u16 {
    word(key, [0, PUT, 0, 0], &put_data(name, kind, tail))
}

fn calculate_data(name: &[u8], challenge: &[u8]) -> Vec<u8> {
    [field(tlv::NAME, name), field(tlv::CHALLENGE, challenge)].concat()
}

fn calculate(key: &mut YkOath, name: &[u8], challenge: &[u8]) -> (Vec<u8>, u16) {
    send(key, [0, CALCULATE, 0, 1], &calculate_data(name, challenge))
}

/// The whole answer, piece by piece, and how many pieces there were.
fn joined(key: &mut YkOath, header: [u8; 4], data: &[u8]) -> (Vec<u8>, usize) {
    let (mut all, mut word) = send(key, header, data);
    let mut pieces = 1;
    while word & 0xff00 == MORE {
        let (more, next) = transmit(key, &[0, SEND_REMAINING, 0, 0]);
        assert!(all.len().is_multiple_of(MAX_ANSWER) && (1..=MAX_ANSWER).contains(&more.len()));
        all.extend(more);
        (word, pieces) = (next, pieces + 1);
    }
    assert_eq!(word, DONE);
    (all, pieces)
}

const TIME_59: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];

#[test]
fn known_answers_of_the_page() {
    let mut key = selected();
    let put = hex("00 01 00 00 1D 71 03 61 62 63 73 16 21 08 3132333435363738393031323334353637383930");
    assert_eq!(transmit(&mut key, &put), (vec![], DONE));
    let calculate = hex("00 A2 00 01 0F 71 03 61 62 63 74 08 0000000000000001");
    assert_eq!(transmit(&mut key, &calculate), (hex("76 05 08 41397EEA"), DONE));
    let id = hex("0123456789ABCDEF").try_into().unwrap();
    let protected = fresh([5, 7, 4]).with_device_id(id).with_password("password");
    let code = protected.memory.access_code.unwrap();
    assert_eq!(code.key.as_slice(), hex("A62944EF56ECA395B3415F40836758D1"));
}

#[test]
fn every_algorithm_makes_the_codes_of_rfc_6238() {
    let mut key = selected();
    let digits = b"1234567890".repeat(7);
    for (kind, len, code) in [(0x21, 20, 94_287_082), (0x22, 32, 46_119_246), (0x23, 64, 90_693_936)] {
        let data = [field(tlv::NAME, b"x"), field(tlv::KEY, &[&[kind, 8], &digits[..len]].concat())].concat();
        assert_eq!(word(&mut key, [0, PUT, 0, 0], &data), DONE);
        let (answer, _) = calculate(&mut key, b"x", &TIME_59);
        assert_eq!(answer[..3], [tlv::TRUNCATED, 5, 8]);
        assert_eq!(u32::from_be_bytes(*answer.last_chunk().unwrap()) % 100_000_000, code);
        let (whole, _) = send(&mut key, [0, CALCULATE, 0, 0], &calculate_data(b"x", &TIME_59));
        let hash_len = [20, 32, 64][usize::from(kind - 0x21)];
        assert_eq!((whole[0], whole[2], whole.len()), (tlv::RESPONSE, 8, 3 + hash_len));
    }
}

#[test]
fn what_is_not_selected_is_not_there() {
    let mut key = fresh([5, 4, 3]);
    assert_eq!(transmit(&mut key, &[0, LIST, 0, 0]).1, UNKNOWN_INSTRUCTION);
    assert_eq!(transmit(&mut key, &[0, LIST, 0]).1, WRONG_LENGTH);
    assert_eq!(transmit(&mut key, &[0, LIST, 0, 0, 5, 1]).1, WRONG_LENGTH);
    assert_eq!(transmit(&mut key, &[0x80, LIST, 0, 0]).1, UNKNOWN_CLASS);
    select(&mut key);
    for list in [&[0, LIST, 0, 0][..], &[0, LIST, 0, 0, 0]] {
        assert_eq!(transmit(&mut key, list), (vec![], DONE));
    }
    // GET RESPONSE is not understood.
    assert_eq!(transmit(&mut key, &[0, 0xc0, 0, 0, 0]).1, UNKNOWN_INSTRUCTION);
    assert_eq!(word(&mut key, [0, LIST, 0, 1], &[]), WRONG_P1P2);
    assert_eq!(word(&mut key, [0, RESET, 0, 0], &[]), WRONG_P1P2);
    assert_eq!(word(&mut key, [0, SELECT, BY_NAME, 0], &hex("A000000308")), NO_APPLICATION);
    assert_eq!(transmit(&mut key, &[0, LIST, 0, 0]).1, UNKNOWN_INSTRUCTION);
    select(&mut key);
    key.power_off();
    assert_eq!(transmit(&mut key, &[0, LIST, 0, 0]).1, UNKNOWN_INSTRUCTION);
}

#[test]
fn only_a_yubikey_is_known_by_its_other_applications() {
    let mut yubikey = fresh([5, 4, 3]);
    let otp = send(&mut yubikey, [0, SELECT, BY_NAME, 0], key::OTP);
    assert_eq!((&otp.0[..3], otp.1), (&[5, 4, 3][..], DONE));
    assert_eq!(send(&mut yubikey, [0, OTP_REQUEST, SERIAL_REQUEST, 0], &[]).0, 12_345_678_u32.to_be_bytes());
    let management = send(&mut yubikey, [0, SELECT, BY_NAME, 0], key::MANAGEMENT);
    assert_eq!(management.0, b"Virtual mgr - FW version 5.4.3");
    let (info, _) = send(&mut yubikey, [0, READ_CONFIG, 0, 0], &[]);
    assert_eq!(usize::from(info[0]), info.len() - 1);
    assert_eq!(info[9..15], hex("02 04 00BC614E"));
    assert_eq!(transmit(&mut yubikey, &[0, LIST, 0, 0]).1, UNKNOWN_INSTRUCTION);

    let mut generic = YkOath::new("N-1".parse().unwrap(), KeyKind::Generic, Version([4, 13, 0]));
    for name in [key::OTP, key::MANAGEMENT] {
        assert_eq!(word(&mut generic, [0, SELECT, BY_NAME, 0], name), NO_APPLICATION);
    }
    let answer = select(&mut generic);
    assert_eq!(answer[..7], [0x79, 3, 4, 13, 0, 0x71, 8]);
    // What no host knows.
    assert_eq!((answer[15..17].to_vec(), answer.len()), (vec![0x8f, 4], 21));
}

#[test]
fn put_refuses_what_the_page_refuses() {
    let mut key = selected();
    let long = vec![b'n'; 65];
    for (name, kind, tail) in [
        (&b""[..], 0x21, &[][..]),
        (&long, 0x21, &[]),
        (b"n", 0x31, &[]),
        (b"n", 0x20, &[]),
        (b"n", 0x24, &[]),
        (b"n", 0x21, &[tlv::PROPERTY]),
        (b"n", 0x21, &[tlv::PROPERTY, 4]),
        (b"n", 0x21, &[tlv::FACTOR, 4, 0, 0, 0, 1]),
        (b"n", 0x11, &[tlv::FACTOR, 3, 0, 0, 1]),
        (b"n", 0x21, &[0]),
    ] {
        assert_eq!(put(&mut key, name, kind, tail), WRONG_SYNTAX, "{name:?} {kind:02x} {tail:?}");
    }
    for (digits, kind, len) in [(5, 0x21, 20), (9, 0x21, 20), (6, 0x21, 0), (6, 0x22, 65), (6, 0x23, 129)] {
        let data = [field(tlv::NAME, b"n"), field(tlv::KEY, &[&[kind, digits][..], &vec![7; len]].concat())].concat();
        assert_eq!(word(&mut key, [0, PUT, 0, 0], &data), WRONG_SYNTAX, "{digits} {kind:02x} {len}");
    }
    assert_eq!(key.entries().count(), 0);
    for (kind, len) in [(0x21, 1), (0x21, 64), (0x22, 64), (0x23, 128)] {
        let data = [field(tlv::NAME, &long[1..]), field(tlv::KEY, &[&[kind, 6][..], &vec![7; len]].concat())].concat();
        assert_eq!(word(&mut key, [0, PUT, 0, 0], &data), DONE, "{kind:02x} {len}");
    }
    assert_eq!(key.entries().count(), 1);
}

#[test]
fn older_keys_can_less() {
    let mut key = fresh([4, 2, 3]);
    select(&mut key);
    assert_eq!(put(&mut key, b"n", 0x23, &[]), WRONG_SYNTAX);
    assert_eq!(put(&mut key, b"n", 0x21, &[tlv::PROPERTY, 2]), WRONG_SYNTAX);
    assert_eq!(put(&mut key, b"n", 0x21, &[tlv::PROPERTY, 1]), DONE);
    assert_eq!(word(&mut key, [0, RENAME, 0, 0], &[]), UNKNOWN_INSTRUCTION);
    for (version, max) in [([5, 6, 9], 32), ([5, 7, 0], 64)] {
        let mut key = fresh(version);
        select(&mut key);
        for number in 0..max {
            assert_eq!(put(&mut key, format!("{number}").as_bytes(), 0x21, &[]), DONE);
        }
        assert_eq!(put(&mut key, b"one more", 0x21, &[]), NO_SPACE);
        assert_eq!(put(&mut key, b"0", 0x11, &[]), DONE, "overwriting needs no space");
    }
}

#[test]
fn names_are_deleted_renamed_and_overwritten_in_their_place() {
    let mut key = selected();
    for name in [b"a", b"b", b"c"] {
        put(&mut key, name, 0x21, &[]);
    }
    assert_eq!(word(&mut key, [0, DELETE, 0, 0], &field(tlv::NAME, b"x")), NO_OBJECT);
    assert_eq!(word(&mut key, [0, DELETE, 0, 0], b"x"), WRONG_SYNTAX);
    assert_eq!(word(&mut key, [0, DELETE, 0, 0], &field(tlv::NAME, b"a")), DONE);
    let rename = |old: &[u8], new: &[u8]| [field(tlv::NAME, old), field(tlv::NAME, new)].concat();
    assert_eq!(word(&mut key, [0, RENAME, 0, 0], &rename(b"a", b"d")), NO_OBJECT);
    assert_eq!(word(&mut key, [0, RENAME, 0, 0], &rename(b"b", b"c")), NO_OBJECT);
    assert_eq!(word(&mut key, [0, RENAME, 0, 0], &rename(b"b", b"")), WRONG_SYNTAX);
    assert_eq!(word(&mut key, [0, RENAME, 0, 0], &rename(b"b", b"B:b")), DONE);
    put(&mut key, b"e", 0x12, &[]);
    put(&mut key, b"c", 0x22, &[]);
    let (list, _) = send(&mut key, [0, LIST, 0, 0], &[]);
    assert_eq!(list, b"\x72\x02\x12e\x72\x04\x21B:b\x72\x02\x22c");
}

#[test]
fn counters_begin_at_their_factor_and_count_at_each_code() {
    let mut key = selected();
    put(&mut key, b"h", 0x11, &[tlv::FACTOR, 4, 0, 0, 0, 8]);
    // RFC 4226, appendix D, counters 8 and 9.
    for code in [399_871, 520_489] {
        let all = field(tlv::CHALLENGE, &TIME_59);
        assert_eq!(send(&mut key, [0, CALCULATE_ALL, 0, 1], &all).0, b"\x71\x01h\x77\x01\x06");
        let (answer, word) = calculate(&mut key, b"h", &[]);
        assert_eq!(word, DONE);
        assert_eq!(u32::from_be_bytes(*answer.last_chunk().unwrap()) % 1_000_000, code);
    }
    assert_eq!(word(&mut key, [0, CALCULATE, 0, 1], &field(tlv::NAME, b"h")), WRONG_SYNTAX);
    assert_eq!(key.entries().next().unwrap().counter, 10);
    // It is gone with the entry, and 0 in a new one.
    put(&mut key, b"h", 0x11, &[]);
    assert_eq!(key.entries().next().unwrap().counter, 0);
}

#[test]
fn challenges_have_1_to_64_bytes_and_may_have_to_rise() {
    let mut key = selected();
    put(&mut key, b"t", 0x21, &[tlv::PROPERTY, 1]);
    for (challenge, expected) in [
        (&[][..], WRONG_SYNTAX),
        (&[0; 65], WRONG_SYNTAX),
        (&[0, 0, 5], DONE),
        (&[5], DONE),
        (&[0; 64], NOT_SATISFIED),
        (&[4], NOT_SATISFIED),
        (&[1, 0], DONE),
        (&[0xff], NOT_SATISFIED),
    ] {
        assert_eq!(calculate(&mut key, b"t", challenge).1, expected, "{challenge:?}");
    }
    assert_eq!(word(&mut key, [0, CALCULATE_ALL, 0, 1], &field(tlv::CHALLENGE, &[9])), NOT_SATISFIED);
    assert_eq!(calculate(&mut key, b"u", &[1]).1, NO_OBJECT);
}

#[test]
fn a_touch_is_good_for_one_code_and_not_needed_in_a_field() {
    let mut near = selected();
    let mut plugged = fresh([5, 7, 4]).on_contact();
    select(&mut plugged);
    for key in [&mut near, &mut plugged] {
        put(key, b"t", 0x21, &[tlv::PROPERTY, 2]);
        let all = send(key, [0, CALCULATE_ALL, 0, 1], &field(tlv::CHALLENGE, &TIME_59)).0;
        assert_eq!(all, b"\x71\x01t\x7c\x01\x06");
    }
    assert_eq!(calculate(&mut near, b"t", &TIME_59).1, DONE);
    assert_eq!(calculate(&mut plugged, b"t", &TIME_59).1, NOT_SATISFIED);
    plugged.touch();
    assert_eq!(calculate(&mut plugged, b"t", &TIME_59).1, DONE);
    assert_eq!(calculate(&mut plugged, b"t", &TIME_59).1, NOT_SATISFIED);
    assert_ne!(near.atr(), plugged.atr());
}

#[test]
fn long_answers_come_in_pieces() {
    let mut key = fresh([5, 7, 4]).with_long_entries(32);
    select(&mut key);
    let names: Vec<Vec<u8>> = key.entries().map(|entry| entry.name.clone()).collect();
    let (list, pieces) = joined(&mut key, [0, LIST, 0, 0], &[]);
    assert_eq!((list.len(), pieces), (2144, 9));
    let mut fields = Fields(&list);
    for name in &names {
        assert_eq!(fields.value(tlv::LISTED).unwrap()[1..], *name);
    }
    fields.end().unwrap();
    let (codes, pieces) = joined(&mut key, [0, CALCULATE_ALL, 0, 1], &field(tlv::CHALLENGE, &TIME_59));
    assert_eq!((codes.len(), pieces), (2336, 10));
    // What is left is told when it is less than 256 bytes, and dropped by any other command.
    let words: Vec<u16> = std::iter::once([0, LIST, 0, 0])
        .chain(std::iter::repeat_n([0, SEND_REMAINING, 0, 0], 8))
        .map(|command| transmit(&mut key, &command).1)
        .collect();
    assert_eq!(words, [0x6100, 0x6100, 0x6100, 0x6100, 0x6100, 0x6100, 0x6100, 0x6160, DONE]);
    assert_eq!(transmit(&mut key, &[0, SEND_REMAINING, 0, 0]), (vec![], DONE));
    transmit(&mut key, &[0, LIST, 0, 0]);
    word(&mut key, [0, DELETE, 0, 0], &[]);
    assert_eq!(transmit(&mut key, &[0, SEND_REMAINING, 0, 0]), (vec![], DONE));
}

const CODE: [u8; 16] = [7; 16];

fn set_code_data(code: &[u8]) -> Vec<u8> {
    let response = hash::hmac(Algorithm::Sha1, code, b"12345678");
    let key = [&[0x21], code].concat();
    [field(tlv::KEY, &key), field(tlv::CHALLENGE, b"12345678"), field(tlv::RESPONSE, &response)].concat()
}

/// SELECT and VALIDATE.
fn unlock(key: &mut YkOath, code: &[u8]) -> (Vec<u8>, u16) {
    let answer = select(key);
    let mut fields = Fields(&answer[15..]);
    let challenge = fields.value(tlv::CHALLENGE).unwrap();
    let response = hash::hmac(Algorithm::Sha1, code, challenge);
    let data = [field(tlv::RESPONSE, &response), field(tlv::CHALLENGE, b"87654321")].concat();
    send(key, [0, VALIDATE, 0, 0], &data)
}

#[test]
fn an_access_code_protects_everything_but_reset() {
    let mut key = selected();
    put(&mut key, b"n", 0x21, &[]);
    assert_eq!(word(&mut key, [0, VALIDATE, 0, 0], &[]), NO_OBJECT);
    assert_eq!(word(&mut key, [0, SET_CODE, 0, 0], &set_code_data(&CODE)), DONE);
    // The session goes on, until the next SELECT.
    assert_eq!(word(&mut key, [0, LIST, 0, 0], &[]), DONE);
    let answer = select(&mut key);
    assert_eq!((&answer[15..17], &answer[25..]), (&[0x74, 8][..], &[0x7b, 1, 1][..]));
    for instruction in [PUT, DELETE, SET_CODE, RENAME, LIST, CALCULATE, CALCULATE_ALL, SEND_REMAINING, 0x77] {
        assert_eq!(word(&mut key, [0, instruction, 9, 9], &[]), NOT_SATISFIED, "{instruction:02x}");
    }
    assert_eq!(unlock(&mut key, &[8; 16]).1, WRONG_SYNTAX);
    assert_eq!(word(&mut key, [0, LIST, 0, 0], &[]), NOT_SATISFIED);
    let (answer, word_) = unlock(&mut key, &CODE);
    assert_eq!(word_, DONE);
    assert_eq!(answer[2..], hash::hmac(Algorithm::Sha1, &CODE, b"87654321"));
    assert_eq!(word(&mut key, [0, LIST, 0, 0], &[]), DONE);
    // Changed and removed without a proof of the old one.
    assert_eq!(word(&mut key, [0, SET_CODE, 0, 0], &set_code_data(&[9; 16])), DONE);
    assert_eq!(unlock(&mut key, &CODE).1, WRONG_SYNTAX);
    assert_eq!(unlock(&mut key, &[9; 16]).1, DONE);
    assert_eq!(word(&mut key, [0, SET_CODE, 0, 0], &[tlv::KEY, 0]), DONE);
    assert_eq!(select(&mut key).len(), 15);
    assert_eq!(key.entries().count(), 1);
}

#[test]
fn a_wrong_proof_sets_no_code() {
    let mut key = selected();
    let good = set_code_data(&CODE);
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(word(&mut key, [0, SET_CODE, 0, 0], &wrong), NO_OBJECT);
    let mut unknown = good.clone();
    unknown[2] = 0x24;
    for bad in [&good[..10], &unknown, &[tlv::KEY, 1, 0x21]] {
        assert_eq!(word(&mut key, [0, SET_CODE, 0, 0], bad), WRONG_SYNTAX);
    }
    assert!(!key.has_access_code());
}

#[test]
fn a_challenge_is_used_up_by_a_right_answer_only() {
    let mut key = selected();
    word(&mut key, [0, SET_CODE, 0, 0], &set_code_data(&CODE));
    let answer = select(&mut key);
    let response = hash::hmac(Algorithm::Sha1, &CODE, &answer[17..25]);
    let short = [field(tlv::RESPONSE, &response), field(tlv::CHALLENGE, b"7654321")].concat();
    let good = [field(tlv::RESPONSE, &response), field(tlv::CHALLENGE, b"87654321")].concat();
    for (data, expected) in [(&short, WRONG_SYNTAX), (&good, DONE), (&good, WRONG_SYNTAX)] {
        assert_eq!(word(&mut key, [0, VALIDATE, 0, 0], data), expected);
    }
    assert_eq!(word(&mut key, [0, LIST, 0, 0], &[]), DONE, "the session is still open");
}

#[test]
fn a_neo_locks_itself_when_a_code_is_set() {
    let mut key = YkOath::new("1".parse().unwrap(), KeyKind::Generic, Version([0, 2, 2]));
    select(&mut key);
    word(&mut key, [0, SET_CODE, 0, 0], &set_code_data(&CODE));
    assert_eq!(word(&mut key, [0, LIST, 0, 0], &[]), NOT_SATISFIED);
    assert_eq!(unlock(&mut key, &CODE).1, DONE);
    assert_eq!(select(&mut key)[25..27], [0x8f, 4], "no algorithm");
}

#[test]
fn a_reset_leaves_nothing_not_even_the_device_id() {
    let mut key = selected();
    put(&mut key, b"n", 0x21, &[]);
    word(&mut key, [0, SET_CODE, 0, 0], &set_code_data(&CODE));
    let before = select(&mut key);
    assert_eq!(word(&mut key, [0, RESET, 0xde, 0xad], &[]), DONE);
    assert_eq!(send(&mut key, [0, LIST, 0, 0], &[]), (vec![], DONE));
    let after = select(&mut key);
    assert_eq!(after.len(), 15);
    assert_ne!(before[7..15], after[7..15]);
    let mut key = key.with_random(Box::new(|| None));
    assert_eq!(word(&mut key, [0, RESET, 0xde, 0xad], &[]), NO_RANDOM);
}

#[test]
fn a_tear_leaves_what_the_page_says() {
    let torn = |header: [u8; 4], data: &[u8]| {
        let mut key = selected();
        put(&mut key, b"h", 0x11, &[]);
        word(&mut key, [0, SET_CODE, 0, 0], &set_code_data(&CODE));
        let id = key.device_id();
        assert!(key.arm_tear(Tear::Store) && !key.arm_tear(Tear::Config));
        // Reading passes no such place.
        assert_eq!(word(&mut key, [0, LIST, 0, 0], &[]), DONE);
        let length = u8::try_from(data.len()).unwrap();
        assert!(key.transmit(&[&header, [length].as_slice(), data].concat()) == Reply::Gone);
        assert_eq!(key.device_id(), id);
        // The session went with the power, and the tear happens once.
        assert_eq!(transmit(&mut key, &[0, LIST, 0, 0]).1, UNKNOWN_INSTRUCTION);
        let names: Vec<_> = key.entries().map(|entry| (entry.name.clone(), entry.counter)).collect();
        (names, unlock_or_select(&mut key))
    };
    let there = |counter| vec![(b"h".to_vec(), counter)];
    assert_eq!(torn([0, PUT, 0, 0], &put_data(b"h", 0x11, &[])), (vec![], true));
    assert_eq!(torn([0, PUT, 0, 0], &put_data(b"i", 0x11, &[])), (there(0), true));
    assert_eq!(torn([0, CALCULATE, 0, 1], &calculate_data(b"h", &[])), (there(1), true));
    assert_eq!(torn([0, DELETE, 0, 0], &field(tlv::NAME, b"h")), (there(0), true));
    let rename = [field(tlv::NAME, b"h"), field(tlv::NAME, b"i")].concat();
    assert_eq!(torn([0, RENAME, 0, 0], &rename), (there(0), true));
    assert_eq!(torn([0, SET_CODE, 0, 0], &[tlv::KEY, 0]), (there(0), true));
    assert_eq!(torn([0, RESET, 0xde, 0xad], &[]), (there(0), false));
}

/// Whether the access code is still the one that was set.
fn unlock_or_select(key: &mut YkOath) -> bool {
    key.has_access_code() && unlock(key, &CODE).1 == DONE
}

#[test]
fn versions_are_read_as_they_are_written() {
    assert_eq!("5.4.3".parse(), Ok(Version([5, 4, 3])));
    assert_eq!(Version([5, 4, 3]).to_string(), "5.4.3");
    for bad in ["", "5", "5.4", "5.4.3.2", "5.4.300", "a.b.c"] {
        assert_eq!(bad.parse::<Version>(), Err(()), "{bad}");
    }
}

#[test]
fn a_nitrokey_refuses_what_others_do() {
    let nitrokey = || YkOath::new("1".parse().unwrap(), KeyKind::Nitrokey, Version([4, 14, 0]));
    let mut key = nitrokey();
    let answer = select(&mut key);
    assert_eq!((answer.len(), &answer[5..7], &answer[15..17]), (21, &[0x71, 8][..], &[0x8f, 4][..]));
    assert_eq!(put(&mut key, b"n", 0x21, &[]), DONE);
    assert_eq!(put(&mut key, b"n", 0x21, &[]), BLOCKED);
    assert_eq!(put(&mut key, b"m", 0x23, &[]), WRONG_SYNTAX);
    assert_eq!(calculate(&mut key, b"x", &TIME_59).1, NO_APPLICATION);
    assert_eq!(send(&mut key, [0, CALCULATE, 0, 0], &calculate_data(b"n", &TIME_59)).0[0], tlv::TRUNCATED);
    for instruction in [SET_CODE, VALIDATE, CALCULATE_ALL, SEND_REMAINING] {
        assert_eq!(word(&mut key, [0, instruction, 0, 0], &[]), NOT_HERE);
    }
    assert_eq!(word(&mut key, [0, RENAME, 0, 0], &[]), UNKNOWN_INSTRUCTION);
    assert_eq!(word(&mut key, [0, DELETE, 0, 0], &field(tlv::NAME, b"n")), DONE);
    // With a PIN nothing of Yubico's protocol tells which key it is, and yet it works.
    let mut key = nitrokey().with_password("123456").on_contact();
    assert_eq!(select(&mut key)[..8], [0x79, 3, 4, 14, 0, 0x82, 1, 8]);
    assert_eq!(put(&mut key, b"n", 0x21, &[tlv::PROPERTY, 2]), NOT_SATISFIED);
    assert_eq!(put(&mut key, b"n", 0x21, &[]), DONE);
    assert_eq!(word(&mut key, [0, DELETE, 0, 0], &field(tlv::NAME, b"n")), NOT_SATISFIED);
    key.touch();
    assert_eq!(word(&mut key, [0, DELETE, 0, 0], &field(tlv::NAME, b"n")), DONE);
    assert_eq!(word(&mut key, [0, RESET, 0xde, 0xad], &[]), NOT_SATISFIED);
}

fn instruction() -> impl Strategy<Value = u8> {
    prop_oneof![1..=5_u8, 0xa1..=0xa5_u8, any::<u8>()]
}

proptest! {
    /// Whatever comes, the answer has a status word and at most 256 bytes before it.
    #[test]
    fn random_bytes_are_answered(
        password in any::<bool>(),
        commands in proptest::collection::vec(
            (instruction(), 0..3_u8, 0..2_u8, proptest::collection::vec(any::<u8>(), 0..255)), 1..12),
    ) {
        let mut key = fresh([5, 7, 4]);
        if password {
            key = key.with_password("x");
        }
        select(&mut key);
        for (instruction, p1, p2, data) in commands {
            let (answer, word) = send(&mut key, [0, instruction, p1, p2], &data);
            prop_assert!(answer.len() <= MAX_ANSWER && word >= 0x6100);
            prop_assert!(!password || word == NOT_SATISFIED || matches!(instruction, VALIDATE | RESET));
        }
    }

    /// Every name that fits is kept to the letter, whatever colons and slashes are in it.
    #[test]
    fn names_come_back(names in proptest::collection::btree_set(proptest::collection::vec(any::<u8>(), 1..=64), 1..=64)) {
        let mut key = selected();
        for name in &names {
            prop_assert_eq!(put(&mut key, name, 0x21, &[]), DONE);
        }
        let (list, _) = joined(&mut key, [0, LIST, 0, 0], &[]);
        let mut fields = Fields(&list);
        for name in &names {
            prop_assert_eq!(&fields.value(tlv::LISTED).unwrap()[1..], name.as_slice());
        }
        let (codes, _) = joined(&mut key, [0, CALCULATE_ALL, 0, 0], &field(tlv::CHALLENGE, &TIME_59));
        let mut fields = Fields(&codes);
        for name in &names {
            prop_assert_eq!(fields.value(tlv::NAME).unwrap(), name.as_slice());
            prop_assert_eq!(fields.value(tlv::RESPONSE).unwrap().len(), 21);
        }
    }
}
