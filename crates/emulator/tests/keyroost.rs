//! A foreign client's commands on the emulated Molto2: `keyroost-proto`, which was tried on real tokens and has ciphers of
//! its own. What it sends is understood, and what comes back it can read.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use keyroost_proto::commands::{
    self, Command, DEFAULT_CUSTOMER_KEY, DisplayTimeout, HmacAlgo, OtpDigits, ProfileConfig, TimeStep,
};
use oathburn_emulator::{Card, Molto2, Reply};
use oathburn_oath::{Algorithm, Digits, FixedClock, Seed, TotpParams, UnixTime};

const NOW: u32 = 1_700_000_000;

fn token() -> Molto2 {
    let clock = FixedClock(UnixTime::new(NOW.into()));
    Molto2::new("7659622000001".parse().unwrap(), 100).with_clock(Arc::new(clock))
}

/// Data and status word.
fn send(token: &mut Molto2, command: &Command) -> (Vec<u8>, [u8; 2]) {
    let Reply::Answer(mut answer) = token.transmit(&command.apdu) else { panic!("no answer to {}", command.label) };
    let word = answer.split_off(answer.len() - 2);
    (answer, [word[0], word[1]])
}

fn login(token: &mut Molto2, customer_key: &[u8]) -> [u8; 2] {
    let (challenge, _) = send(token, &commands::get_challenge());
    let key = commands::derive_sm4_key(customer_key);
    send(token, &commands::answer_challenge(&key, challenge.as_slice().try_into().unwrap())).1
}

fn is_done(token: &mut Molto2, command: &Command) -> bool {
    let (_, [high, low]) = send(token, command);
    commands::sw_completed(high, low)
}

fn config(algorithm: HmacAlgo, digits: OtpDigits, time_step: TimeStep) -> ProfileConfig {
    ProfileConfig { display_timeout: DisplayTimeout::Sec60, algorithm, digits, time_step, utc_time: NOW }
}

#[test]
fn what_it_writes_is_there_and_readable() {
    let mut token = token();
    let (info, _) = send(&mut token, &commands::get_info());
    assert_eq!(commands::parse_info(&info).unwrap(), ("7659622000001".to_owned(), NOW));
    assert_eq!(login(&mut token, DEFAULT_CUSTOMER_KEY), [0x90, 0x00]);
    let key = commands::derive_sm4_key(DEFAULT_CUSTOMER_KEY);
    let mut profile = 0;
    for (algorithm, code) in [(HmacAlgo::Sha1, Algorithm::Sha1), (HmacAlgo::Sha256, Algorithm::Sha256)] {
        for (digits, count) in [(OtpDigits::Six, 6), (OtpDigits::Eight, 8), (OtpDigits::Ten, 10)] {
            for (step, seconds) in [(TimeStep::Seconds30, 30), (TimeStep::Seconds60, 60)] {
                // It sends seeds of whole blocks without padding, of which nobody knows what a token makes.
                let len = [1, 15, 17, 20, 31, 33, 47, 49, 62, 63, 5, 40][usize::from(profile)];
                let seed: Vec<u8> = (1..=len).map(|byte: u8| byte ^ profile).collect();
                let title = format!("Profile {profile}");
                assert!(is_done(&mut token, &commands::set_seed(&key, profile, &seed)));
                assert!(is_done(&mut token, &commands::set_title(&key, profile, &title)));
                assert!(is_done(&mut token, &commands::set_config(&key, profile, &config(algorithm, digits, step))));

                let (data, _) = send(&mut token, &commands::read_public_data(profile));
                let read = commands::parse_public_data(&data).unwrap();
                assert_eq!((read.title.as_deref(), read.seed_present, read.flag), (Some(title.as_str()), true, 0x20));
                assert_eq!((read.algorithm, read.digits, read.time_step), (algorithm as u8, count, seconds));
                let params = TotpParams {
                    algorithm: code,
                    digits: Digits::new(count).unwrap(),
                    step: oathburn_oath::TimeStep::new(seconds.into()).unwrap(),
                };
                let at = UnixTime::new(NOW.into());
                let expected = oathburn_oath::Totp::new(&Seed::new(seed).unwrap(), params).code_at(at).to_string();
                assert_eq!(token.display_at(profile.into(), at).unwrap(), expected);
                profile += 1;
            }
        }
    }
    let (data, _) = send(&mut token, &commands::read_public_data(99));
    let empty = commands::parse_public_data(&data).unwrap();
    assert_eq!((empty.title, empty.seed_present, empty.digits, empty.time_step), (None, false, 6, 30));
}

#[test]
fn clocks_are_set_and_seeds_deleted() {
    let mut token = token();
    login(&mut token, DEFAULT_CUSTOMER_KEY);
    let key = commands::derive_sm4_key(DEFAULT_CUSTOMER_KEY);
    assert!(is_done(&mut token, &commands::set_seed(&key, 7, b"12345678901234567890")));
    assert!(is_done(&mut token, &commands::sync_time(&key, 7, NOW + 60)));
    assert_eq!((token.profiles()[7].ahead, token.profiles()[8].ahead), (60, 0));
    token.power_off();
    assert!(is_done(&mut token, &commands::delete_seed(7)));
    assert_eq!(send(&mut token, &commands::delete_seed(7)).1, [0x6a, 0x83]);
}

#[test]
fn a_wrong_key_is_told_with_what_is_left() {
    let mut token = token();
    let [high, low] = login(&mut token, b"0123456789ABCDEF");
    assert!(commands::sw_auth_failed(high) && low == 0xc7);
    assert_eq!(login(&mut token, DEFAULT_CUSTOMER_KEY), [0x90, 0x00]);
    assert_eq!(token.attempts(), 8);
}

#[test]
fn the_button_confirms_a_new_key_and_a_factory_reset() {
    let mut token = token();
    let new = b"0123456789ABCDEF";
    login(&mut token, DEFAULT_CUSTOMER_KEY);
    let key = commands::derive_sm4_key(DEFAULT_CUSTOMER_KEY);
    let (_, [high, low]) = send(&mut token, &commands::set_customer_key(&key, new));
    assert!(commands::sw_awaiting_button(high, low));
    assert_eq!(token.confirm(), Some("customer-key"));
    assert_eq!(login(&mut token, new), [0x90, 0x00]);
    assert!(is_done(&mut token, &commands::set_title(&commands::derive_sm4_key(new), 0, "new")));
    let (_, [high, low]) = send(&mut token, &commands::factory_reset());
    assert!(commands::sw_awaiting_button(high, low));
    assert_eq!(token.confirm(), Some("factory-reset"));
    assert!(is_done(&mut token, &commands::factory_reset()));
    assert_eq!(login(&mut token, DEFAULT_CUSTOMER_KEY), [0x90, 0x00]);
    assert!(token.profiles()[0].title.is_empty());
}
