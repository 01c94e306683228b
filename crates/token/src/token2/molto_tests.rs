//! The driver against a small token that can be told to misbehave; the emulator is the real judge.

#![allow(clippy::naive_bytecount, reason = "a conversation has a handful of commands")]

use data_encoding::HEXUPPER_PERMISSIVE as HEX;
use oathburn_oath::{
    Algorithm, Digits, FixedClock, HotpParams, Seed, SerialNumber, Slot, TimeStep, TotpParams, UnixTime,
};
use proptest::prelude::*;
use sha1::{Digest, Sha1};

use super::molto::{config_command, parse_profile, set_key_command, title_command};
use super::seal::DeviceKey;
use super::single::seed_command;
use crate::{
    AccessKey, Action, ActionOrder, ClockOrder, DisplayTimeout, Done, Extras, Models, Molto2, Naming, Order, Permits,
    TokenError, TokenFamily, Transport, TransportError, find_slot,
};

const NOW: UnixTime = UnixTime::new(1_700_000_000);
const SERIAL: &str = "87654321098";
const SEED: &[u8] = b"12345678901234567890";
const CHALLENGE: [u8; 8] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];

fn device(key: &[u8]) -> [u8; 16] {
    Sha1::digest(key)[..16].try_into().unwrap()
}

fn factory() -> DeviceKey {
    DeviceKey::new(&device(b"TOKEN2MOLTO1-KEY"))
}

/// The known answers of the protocol page.
#[test]
fn commands_are_those_of_the_page() {
    let key = factory();
    assert_eq!(device(b"TOKEN2MOLTO1-KEY"), *HEX.decode(b"099250FDB017F442DA429ECBBEE17F79").unwrap());
    assert_eq!(HEX.encode(&key.answer(CHALLENGE)), "550EC1328F963EB02972BB141E1CF521");
    let seed = Seed::new(SEED.to_vec()).unwrap();
    assert_eq!(
        HEX.encode(&seed_command(&key, &seed, 3).encode()),
        "84C50103245D848C69EB8E884E7D20591FF89ADEFF31FD80354BF08248E60D457774BBF06EF31F3315"
    );
    assert_eq!(
        HEX.encode(&title_command(&key, 3, "ACME").encode()),
        "84D5000314B92704351FF156BDF979EA736B443CA590911456"
    );
    let now = u32::try_from(NOW.seconds()).unwrap();
    assert_eq!(
        HEX.encode(&config_command(&key, 3, TotpParams::default(), DisplayTimeout::S30, now).encode()),
        "84D401031A81141F01010F046553F10086090A01010B01060D011E8D01AF91"
    );
    let new = set_key_command(&key, &device(b"0123456789ABCDEF"));
    assert_eq!(
        HEX.encode(&new.encode()),
        "84D700002464C71A71E0D64C1AECEB5012C503B2EE7F1A1C55EA56F41801BFEB8EB15ACC960E724239"
    );
    assert!(format!("{new:?}").contains("secret bytes"));
}

#[derive(Clone)]
struct Profile {
    title: [u8; 16],
    config: [u8; 3],
    seed: Option<Vec<u8>>,
}

/// What happens at the n-th command (counted from 0) in place of the right answer.
enum Mishap {
    Removed,
    Answer(Vec<u8>),
    SessionLost,
}

struct Little {
    key: [u8; 16],
    profiles: Vec<Profile>,
    open: bool,
    tries: u8,
    old_software: bool,
    delete_needs_session: bool,
    mishaps: Vec<(usize, Mishap)>,
    log: Vec<u8>,
}

fn little() -> Little {
    Little {
        key: device(b"TOKEN2MOLTO1-KEY"),
        profiles: vec![Profile { title: [0; 16], config: [1, 30, 6], seed: None }; 50],
        open: false,
        tries: 8,
        old_software: false,
        delete_needs_session: false,
        mishaps: Vec::new(),
        log: Vec::new(),
    }
}

impl Little {
    fn run(&mut self, c: &[u8]) -> (Vec<u8>, u16) {
        let profile = usize::from(c[3]);
        let body = c.get(5..).unwrap_or_default();
        match (c[0], c[1]) {
            (0x80, 0x41) if body == [0x70] => {
                let Some(profile) = self.profiles.get(profile) else { return (vec![], 0x6a83) };
                let mut out = vec![0x95, 0x1f, 0x70, 0x1d, 0x20];
                out.extend(profile.title);
                out.extend([0; 8]);
                out.extend(profile.config);
                out.push(u8::from(profile.seed.is_some()));
                (out, 0x9000)
            }
            (0x80, 0x41) => {
                let mut out = vec![0, 0, 0, u8::try_from(SERIAL.len()).unwrap()];
                out.extend(SERIAL.as_bytes());
                out.extend([0; 6]);
                (out, 0x9000)
            }
            (0x80, 0x4b) => {
                self.open = false;
                (CHALLENGE.into(), 0x9000)
            }
            (0x80, 0xce) if self.tries == 0 => (vec![], 0x6983),
            (0x80, 0xce) => {
                if body == DeviceKey::new(&self.key).answer(CHALLENGE) {
                    self.open = true;
                    self.tries = 8;
                    return (vec![], 0x9000);
                }
                self.tries -= 1;
                (vec![], 0x63c0 | u16::from(self.tries))
            }
            (0x80, 0x56) => (vec![], 0x9060),
            // The rest of an answer, which an answer that was put into its mouth has promised.
            (0x00, 0xc0) => (vec![], 0x6985),
            (0x80, 0xe6) if self.delete_needs_session && !self.open => (vec![], 0x6983),
            (0x80, 0xe6) => {
                self.profiles[profile].seed = None;
                (vec![], 0x9000)
            }
            (0x80, 0xd8) => (vec![], if self.old_software { 0x6d00 } else { 0x9000 }),
            (0x84, ins) => {
                let (body, mac) = body.split_at(body.len() - 4);
                if !self.open || mac != DeviceKey::new(&self.key).mac([ins, c[2], c[3]], body) {
                    return (vec![], 0x6983);
                }
                match ins {
                    0xc5 => self.profiles[profile].seed = Some(body.into()),
                    0xd5 => self.profiles[profile].title = *b"ACME\0\0\0\0\0\0\0\0\0\0\0\0",
                    0xd4 if body.len() == 22 => self.profiles[profile].config = [body[15], body[21], body[18]],
                    0xd4 => {}
                    0xd7 => return (vec![], 0x9060),
                    other => panic!("{other:x}"),
                }
                (vec![], 0x9000)
            }
            other => panic!("{other:x?}"),
        }
    }

    fn answers(&self) -> usize {
        self.log.iter().filter(|&&ins| ins == 0xce).count()
    }
}

impl Transport for Little {
    fn transmit(&mut self, c: &[u8]) -> Result<Vec<u8>, TransportError> {
        let count = self.log.len();
        self.log.push(c[1]);
        if let Some(at) = self.mishaps.iter().position(|(at, _)| *at == count) {
            match self.mishaps.remove(at).1 {
                Mishap::Removed => return Err(TransportError::Removed),
                Mishap::Answer(bytes) => return Ok(bytes),
                Mishap::SessionLost => self.open = false,
            }
        }
        let (mut data, status) = self.run(c);
        data.extend(status.to_be_bytes());
        Ok(data)
    }
}

#[derive(Default)]
struct Wish<'a> {
    extras: Extras<'a>,
    permits: Permits,
    params: TotpParams,
}

fn burn<'a>(token: &mut Little, slot: u8, change: impl FnOnce(&mut Wish<'a>)) -> Result<(), TokenError> {
    let mut wish = Wish::default();
    change(&mut wish);
    let order = Order {
        serial: &SerialNumber::new(SERIAL).unwrap(),
        slot: &Slot::Number(slot),
        seed: &Seed::new(SEED.to_vec()).unwrap(),
        params: wish.params.into(),
        display_timeout: DisplayTimeout::default(),
        clock: &FixedClock(NOW),
        models: &Models::builtin(),
        permits: wish.permits,
        extras: wish.extras,
        progress: &|_| {},
    };
    Molto2.program(token, &order).map(drop)
}

fn act(token: &mut Little, action: Action<'_>, key: Option<&AccessKey>, erase: bool) -> Result<Done, TokenError> {
    let order = ActionOrder {
        serial: &SerialNumber::new(SERIAL).unwrap(),
        action,
        access_key: key,
        permits: Permits { erase, ..Permits::default() },
        progress: &|_| {},
    };
    Molto2.act(token, &order)
}

#[test]
fn a_profile_is_burned_and_read_back() {
    let mut token = little();
    let info = Molto2.identify(&mut token).unwrap().unwrap();
    assert_eq!((info.serial.as_str(), info.clock, info.product), (SERIAL, None, Some("Molto2")));
    burn(&mut token, 7, |wish| {
        wish.extras.title = Some("ACME");
        wish.params = TotpParams { algorithm: Algorithm::Sha256, digits: Digits::FOUR, step: TimeStep::S60 };
    })
    .unwrap();
    let slots = Molto2.slots(&mut token, None).unwrap();
    assert_eq!(slots.len(), 50);
    let seven = find_slot(&slots, &Slot::Number(7)).unwrap();
    assert_eq!((seven.label.as_str(), seven.has_seed, seven.digits), ("ACME", true, Some(4)));
    assert_eq!((seven.algorithm, seven.step), (Some(Algorithm::Sha256), Some(TimeStep::S60)));
    // In use; another title than was written; a profile beyond the last.
    assert!(matches!(burn(&mut token, 7, |_| {}), Err(TokenError::SlotInUse { .. })));
    burn(&mut token, 7, |wish| wish.permits.overwrite_seed = true).unwrap();
    let error = burn(&mut token, 8, |wish| wish.extras.title = Some("other")).unwrap_err();
    assert!(error.after_write() && *error.cause() == TokenError::ReadBack { what: "title" });
    assert!(matches!(burn(&mut token, 60, |_| {}), Err(TokenError::NoSuchSlot { .. })));
    token.profiles.resize(100, token.profiles[0].clone());
    burn(&mut token, 60, |_| {}).unwrap();
    assert_eq!(Molto2.identify(&mut token).unwrap().unwrap().product, Some("Molto2v2"));
}

#[test]
fn what_cannot_be_written_is_refused_before_a_word() {
    let refused = |change: fn(&mut Wish<'static>)| {
        let mut token = little();
        let error = burn(&mut token, 0, change).unwrap_err();
        assert!(token.log.is_empty() && !error.after_write());
        error
    };
    let hotp = HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: 0 };
    let order = Order {
        serial: &SerialNumber::new(SERIAL).unwrap(),
        slot: &Slot::Number(0),
        seed: &Seed::new(SEED.to_vec()).unwrap(),
        params: hotp.into(),
        display_timeout: DisplayTimeout::default(),
        clock: &FixedClock(NOW),
        models: &Models::builtin(),
        permits: Permits::default(),
        extras: Extras::default(),
        progress: &|_| {},
    };
    assert_eq!(Molto2.validate(&order), Err(TokenError::EventBased));
    assert!(matches!(refused(|wish| wish.params.algorithm = Algorithm::Sha512), TokenError::Algorithm { .. }));
    assert!(matches!(refused(|wish| wish.params.digits = Digits::SEVEN), TokenError::Digits { .. }));
    let odd = |wish: &mut Wish<'static>| wish.params.step = TimeStep::new(45).unwrap();
    assert!(matches!(refused(odd), TokenError::TimeStep { .. }));
    assert!(matches!(refused(|wish| wish.extras.touch = true), TokenError::Unable { .. }));
    assert!(matches!(refused(|wish| wish.extras.title = Some("")), TokenError::Title { .. }));
}

#[test]
fn the_next_free_profile_is_chosen() {
    let mut token = little();
    let choose = |slots: &[_], slot: Option<&Slot>| {
        let params = TotpParams::default().into();
        Molto2.choose_slot(&Naming { slot, issuer: None, account: None, params, slots })
    };
    burn(&mut token, 0, |_| {}).unwrap();
    let slots = Molto2.slots(&mut token, None).unwrap();
    assert_eq!(choose(&slots, None), Ok(Slot::Number(1)));
    assert_eq!(choose(&slots, Some(&Slot::Number(0))), Ok(Slot::Number(0)));
    assert!(matches!(choose(&slots, Some(&Slot::Number(50))), Err(TokenError::NoSuchSlot { .. })));
    assert!(matches!(choose(&slots, Some(&Slot::Name("x".into()))), Err(TokenError::NoSuchSlot { .. })));
    token.profiles.iter_mut().for_each(|profile| profile.seed = Some(vec![1]));
    assert_eq!(choose(&Molto2.slots(&mut token, None).unwrap(), None), Err(TokenError::Full));
}

#[test]
fn a_wrong_key_is_tried_once_and_what_is_left_is_said() {
    let mut token = Little { key: device(b"0123456789ABCDEF"), ..little() };
    let key = |bytes: &[u8]| AccessKey::new(bytes.to_vec()).unwrap();
    assert_eq!(burn(&mut token, 0, |_| {}), Err(TokenError::AccessKeyWrong { left: Some(7) }));
    assert_eq!((token.answers(), token.tries), (1, 7));
    let (right, short) = (key(b"0123456789ABCDEF"), key(b"short"));
    token.log.clear();
    let error = burn(&mut token, 0, |wish| wish.extras.access_key = Some(&short)).unwrap_err();
    assert_eq!((error, token.log.len()), (TokenError::AccessKeyLen { len: 5, wanted: "16" }, 0));
    burn(&mut token, 0, |wish| wish.extras.access_key = Some(&right)).unwrap();
    assert_eq!(token.tries, 8);
    token.tries = 0;
    assert!(matches!(act(&mut token, Action::TryAccessKey, Some(&right), false), Err(TokenError::LockedOut { .. })));
    // An answer in the other form.
    let mut token = little();
    token.mishaps.push((4, Mishap::Answer(vec![0x63, 0x03])));
    assert_eq!(burn(&mut token, 0, |_| {}), Err(TokenError::AccessKeyWrong { left: Some(3) }));
}

#[test]
fn a_lost_session_is_opened_again_once() {
    // Info, profile, info, challenge, answer, info, config, seed.
    let mut token = little();
    token.mishaps.push((6, Mishap::SessionLost));
    burn(&mut token, 0, |_| {}).unwrap();
    assert_eq!(token.answers(), 2);
    let mut token = little();
    token.mishaps.extend([(6, Mishap::SessionLost), (12, Mishap::SessionLost)]);
    assert!(burn(&mut token, 0, |_| {}).unwrap_err().after_write());
    assert_eq!(token.answers(), 2);
    // Where no key was accepted none is tried.
    let mut token = little();
    let at = 1;
    token.mishaps.push((at, Mishap::Answer(vec![0x69, 0x83])));
    assert!(act(&mut token, Action::Reset, None, true).is_err());
    assert_eq!(token.answers(), 0);
}

#[test]
fn a_wire_that_breaks_leaves_what_is_known() {
    let commands = {
        let mut token = little();
        burn(&mut token, 0, |wish| wish.extras.title = Some("ACME")).unwrap();
        token.log
    };
    let first_write = commands.iter().position(|&ins| ins == 0xd5).unwrap();
    for at in 0..commands.len() {
        let mut token = Little { mishaps: vec![(at, Mishap::Removed)], ..little() };
        let error = burn(&mut token, 0, |wish| wish.extras.title = Some("ACME")).unwrap_err();
        assert_eq!(error.after_write(), at >= first_write, "{at}: {error}");
        burn(&mut token, 0, |wish| wish.permits.overwrite_seed = true).unwrap();
    }
}

#[test]
fn clocks_are_set_one_by_one_or_all_that_count() {
    let mut token = little();
    for slot in [3, 9] {
        burn(&mut token, slot, |_| {}).unwrap();
    }
    let sync = |token: &mut Little, slot: Option<&Slot>, other_time| {
        token.log.clear();
        let order = ClockOrder {
            serial: &SerialNumber::new(SERIAL).unwrap(),
            slot,
            access_key: None,
            params: TotpParams::default(),
            display_timeout: DisplayTimeout::default(),
            clock: &FixedClock(NOW),
            other_time,
            models: &Models::builtin(),
            permits: Permits::default(),
            progress: &|_| {},
        };
        let result = Molto2.sync_clock(token, &order).map(drop);
        result.map(|()| token.log.iter().filter(|&&ins| ins == 0xd4).count())
    };
    assert_eq!(sync(&mut token, None, None), Ok(2));
    assert_eq!(sync(&mut token, Some(&Slot::Number(3)), None), Ok(1));
    assert!(matches!(sync(&mut token, Some(&Slot::Number(4)), None), Err(TokenError::SlotEmpty { .. })));
    assert_eq!(sync(&mut token, None, Some(NOW)), Err(TokenError::OtherTimeNotPermitted));
    assert!(token.profiles[3].seed.is_some());
}

#[test]
fn a_token_is_kept_in_order() {
    let mut token = little();
    burn(&mut token, 3, |_| {}).unwrap();
    let three = Slot::Number(3);
    let delete = |token: &mut Little, erase| act(token, Action::Delete { slot: &three }, None, erase);
    assert!(matches!(delete(&mut token, false), Err(TokenError::EraseNotPermitted { .. })));
    for needs_session in [false, true] {
        token.delete_needs_session = needs_session;
        burn(&mut token, 3, |wish| wish.permits.overwrite_seed = true).unwrap();
        (token.open, token.log) = (false, Vec::new());
        assert_eq!(delete(&mut token, true), Ok(Done::Now));
        assert_eq!(token.answers(), usize::from(needs_session));
        assert!(matches!(delete(&mut token, true), Err(TokenError::SlotEmpty { .. })));
    }
    assert_eq!(act(&mut token, Action::Rename { slot: &three, to: "ACME" }, None, false), Ok(Done::Now));
    let long = Action::Rename { slot: &three, to: "thirteen char" };
    assert_eq!(act(&mut token, long, None, false), Err(TokenError::Title { len: 13, max: 12 }));
    assert_eq!(act(&mut token, Action::Lock { locked: true }, None, false), Ok(Done::Now));
    token.old_software = true;
    let error = act(&mut token, Action::Lock { locked: false }, None, false).unwrap_err();
    assert!(matches!(error, TokenError::Unable { .. }) && !error.after_write());
    assert!(matches!(act(&mut token, Action::Reset, None, false), Err(TokenError::EraseNotPermitted { .. })));
    token.log.clear();
    assert_eq!(act(&mut token, Action::Reset, None, true), Ok(Done::ToBeConfirmed));
    assert_eq!(token.answers(), 0);
    let new = AccessKey::new(b"0123456789ABCDEF".to_vec()).unwrap();
    assert_eq!(act(&mut token, Action::SetAccessKey { key: &new }, None, false), Ok(Done::ToBeConfirmed));
    assert_eq!(act(&mut token, Action::RemoveAccessKey, None, false), Ok(Done::ToBeConfirmed));
    assert_eq!(act(&mut token, Action::TryAccessKey, None, false), Ok(Done::Now));
}

#[test]
fn a_profile_that_is_none_is_refused() {
    let good = [&[0x95, 0x1f, 0x70, 0x1d][..], &[0; 28], &[1]].concat();
    assert!(parse_profile(0, &good).is_some_and(|info| info.has_seed && info.step.is_none()));
    for len in 0..good.len() {
        assert_eq!(parse_profile(0, &good[..len]), None);
    }
    assert_eq!(parse_profile(0, &[&good[..32], &[2]].concat()), None);
    assert_eq!(parse_profile(0, &[&good[..], &[0]].concat()), None);
}

proptest! {
    #[test]
    fn no_answer_is_too_strange(answers in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 2..40), 0..12,
    ), offset in 0..8_usize) {
        let mut token = little();
        token.mishaps = answers.into_iter().enumerate().map(|(at, bytes)| (at + offset, Mishap::Answer(bytes))).collect();
        let _ = burn(&mut token, 0, |_| {});
        prop_assert!(token.answers() <= 2);
    }
}
