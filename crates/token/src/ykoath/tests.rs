//! The driver against a small applet that can be told to misbehave; the emulator is the real judge.

#![allow(clippy::naive_bytecount, reason = "a conversation has a handful of commands")]

use std::cell::RefCell;

use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use oathburn_oath::{
    Algorithm, Digits, FixedClock, HotpParams, Params, Seed, SerialNumber, Slot, TimeStep, Totp, TotpParams, UnixTime,
};
use proptest::prelude::*;

use super::commands;
use crate::{
    AccessKey, Action, ActionOrder, CodesOrder, DisplayTimeout, Done, Extras, Models, Order, Permits, Progress,
    TokenError, TokenFamily, Transport, TransportError, YkOath,
};

const NOW: UnixTime = UnixTime::new(1_700_000_000);
const ID: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const SERIAL: &str = "0123456789abcdef";
const SEED: &[u8] = b"12345678901234567890";

/// An entry: what PUT said of it, and how often it was counted.
struct Entry {
    name: Vec<u8>,
    kind: u8,
    digits: u8,
    key: Vec<u8>,
    touch: bool,
    counter: u64,
}

/// What happens at the n-th command (counted from 0) in place of the right answer.
enum Mishap {
    Removed,
    Answer(Vec<u8>),
}

#[derive(Default)]
struct Little {
    entries: Vec<Entry>,
    code: Option<Vec<u8>>,
    open: bool,
    challenge: u8,
    /// A YubiKey's number.
    number: Option<u32>,
    /// Bytes that are sent at a time.
    piece: usize,
    left: Vec<u8>,
    mishaps: Vec<(usize, Mishap)>,
    /// Refuses names that it has.
    refuses_overwriting: bool,
    /// Keeps another key than it was given.
    forgetful: bool,
    log: Vec<u8>,
}

fn little() -> Little {
    Little { piece: 256, ..Little::default() }
}

fn fields(data: &[u8]) -> Vec<(u8, Vec<u8>)> {
    super::tlv::parse(data).unwrap().into_iter().map(|(tag, value)| (tag, value.to_vec())).collect()
}

impl Little {
    fn find(&mut self, name: &[u8]) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.name == name)
    }

    fn code_of(entry: &mut Entry, challenge: &[u8]) -> Vec<u8> {
        let step = if entry.kind & 0xf0 == 0x10 {
            entry.counter += 1;
            entry.counter - 1
        } else {
            u64::from_be_bytes(challenge.try_into().unwrap())
        };
        let algorithm = Algorithm::ALL[usize::from(entry.kind & 0x0f) - 1];
        let params = TotpParams { algorithm, digits: Digits::new(10).unwrap(), ..TotpParams::default() };
        let bits = Totp::new(&Seed::new(entry.key.clone()).unwrap(), params).code_of(step).value();
        [&[0x76, 5, entry.digits][..], &bits.to_be_bytes()].concat()
    }

    #[allow(clippy::too_many_lines, reason = "one arm a command")]
    fn run(&mut self, c: &[u8]) -> (Vec<u8>, u16) {
        let data = if c.len() > 5 { &c[5..5 + usize::from(c[4])] } else { &[][..] };
        match (c[1], c[2]) {
            (0xa4, 4) if data.len() == 8 => match self.number {
                Some(_) => (b"mgr".to_vec(), 0x9000),
                None => (vec![], 0x6a82),
            },
            (0x1d, _) => match self.number {
                Some(number) => ([&[9, 1, 1, 0x3f, 2, 4][..], &number.to_be_bytes()].concat(), 0x9000),
                None => (vec![], 0x6d00),
            },
            (0xa4, 4) => {
                self.open = self.code.is_none();
                self.challenge += 1;
                let mut out = vec![0x79, 3, 5, 4, 3, 0x71, 8];
                out.extend(ID);
                if self.code.is_some() {
                    out.extend([0x74, 8]);
                    out.extend([self.challenge; 8]);
                    out.extend([0x7b, 1, 1]);
                }
                (out, 0x9000)
            }
            (0xa3, _) => {
                let fields = fields(data);
                let key = zeroize::Zeroizing::new(self.code.clone().unwrap().try_into().unwrap());
                if fields[0].1 != commands::proof(&key, &[self.challenge; 8]) {
                    return (vec![], 0x6a80);
                }
                self.open = true;
                ([&[0x75, 20][..], &commands::proof(&key, &fields[1].1)].concat(), 0x9000)
            }
            (0x04, _) => {
                self.entries.clear();
                self.code = None;
                (vec![], 0x9000)
            }
            _ if !self.open => (vec![], 0x6982),
            (0x01, _) => {
                let name_len = usize::from(data[1]);
                let name = data[2..2 + name_len].to_vec();
                let rest = &data[2 + name_len..];
                let (start, len) = if rest[1] == 0x81 { (3, rest[2]) } else { (2, rest[1]) };
                let value = &rest[start..start + usize::from(len)];
                let after = &rest[start + usize::from(len)..];
                // Only behind the key: a seed may have these bytes, too.
                let touch = after.starts_with(&[0x78, 0x02]);
                let imf = after.iter().position(|&b| b == 0x7a).map(|at| &after[at + 2..at + 6]);
                let counter = imf.map_or(0, |imf| u32::from_be_bytes(imf.try_into().unwrap()).into());
                let mut key = value[2..].to_vec();
                key[0] ^= u8::from(self.forgetful);
                let entry = Entry { name: name.clone(), kind: value[0], digits: value[1], key, touch, counter };
                let (refuses, full) = (self.refuses_overwriting, self.entries.len() == 32);
                match self.find(&name) {
                    Some(_) if refuses => return (vec![], 0x6985),
                    Some(old) => *old = entry,
                    None if full => return (vec![], 0x6a84),
                    None => self.entries.push(entry),
                }
                (vec![], 0x9000)
            }
            (0x02, _) => {
                let name = fields(data)[0].1.clone();
                self.entries.retain(|entry| entry.name != name);
                (vec![], 0x9000)
            }
            (0x03, _) => {
                let fields = fields(data);
                self.code = Some(fields[0].1.get(1..).unwrap_or_default().to_vec()).filter(|code| !code.is_empty());
                (vec![], 0x9000)
            }
            (0x05, _) => {
                let names = fields(data);
                self.find(&names[0].1).unwrap().name = names[1].1.clone();
                (vec![], 0x9000)
            }
            (0xa1, _) => {
                let mut out = Vec::new();
                for entry in &self.entries {
                    super::tlv::push(&mut out, 0x72, &[&[entry.kind][..], &entry.name].concat());
                }
                (out, 0x9000)
            }
            (0xa2, _) => {
                let fields = fields(data);
                match self.find(&fields[0].1) {
                    Some(entry) if entry.touch => (vec![], 0x6982),
                    Some(entry) => (Self::code_of(entry, &fields[1].1), 0x9000),
                    None => (vec![], 0x6984),
                }
            }
            (0xa4, _) => {
                let mut out = Vec::new();
                for entry in &self.entries {
                    super::tlv::push(&mut out, 0x71, &entry.name);
                    let tag = if entry.kind & 0xf0 == 0x10 {
                        0x77
                    } else if entry.touch {
                        0x7c
                    } else {
                        0x76
                    };
                    let value: &[u8] = if tag == 0x76 { &[6, 0, 0, 0, 0] } else { &[6] };
                    super::tlv::push(&mut out, tag, value);
                }
                (out, 0x9000)
            }
            other => panic!("{other:x?}"),
        }
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
            }
        }
        let (data, status) = if c[1] == 0xa5 { (std::mem::take(&mut self.left), 0x9000) } else { self.run(c) };
        let mut data = data;
        self.left = data.split_off(data.len().min(self.piece));
        let status = match self.left.len() {
            0 => status,
            left => 0x6100 | u16::from(u8::try_from(left).unwrap_or(0)),
        };
        data.extend(status.to_be_bytes());
        Ok(data)
    }
}

fn totp() -> Params {
    TotpParams::default().into()
}

fn hotp(counter: u64) -> Params {
    HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter }.into()
}

/// What a burn is changed by.
#[derive(Default)]
struct Wish<'a> {
    extras: Extras<'a>,
    permits: Permits,
    seed: Option<&'a Seed>,
    progress: Option<&'a dyn Fn(Progress)>,
}

fn burn<'a>(
    key: &mut Little,
    slot: &str,
    params: Params,
    change: impl FnOnce(&mut Wish<'a>),
) -> Result<(), TokenError> {
    let mut wish = Wish::default();
    change(&mut wish);
    let seed = Seed::new(SEED.to_vec()).unwrap();
    let order = Order {
        serial: &SerialNumber::new(SERIAL).unwrap(),
        slot: &slot.parse().unwrap(),
        seed: wish.seed.unwrap_or(&seed),
        params,
        display_timeout: DisplayTimeout::default(),
        clock: &FixedClock(NOW),
        models: &Models::builtin(),
        permits: wish.permits,
        extras: wish.extras,
        progress: wish.progress.unwrap_or(&|_| {}),
    };
    YkOath.program(key, &order).map(drop)
}

fn act(key: &mut Little, action: Action<'_>, access_key: Option<&AccessKey>, erase: bool) -> Result<Done, TokenError> {
    let order = ActionOrder {
        serial: &SerialNumber::new(SERIAL).unwrap(),
        action,
        access_key,
        permits: Permits { erase, ..Permits::default() },
        progress: &|_| {},
    };
    YkOath.act(key, &order)
}

fn password(text: &str) -> AccessKey {
    AccessKey::new(text.into()).unwrap()
}

/// The known answers of the protocol page.
#[test]
fn commands_are_those_of_the_page() {
    let seed = Seed::new(SEED.to_vec()).unwrap();
    let params = TotpParams { digits: Digits::EIGHT, ..TotpParams::default() }.into();
    let put = commands::put(b"abc", &seed, params, false).encode();
    let expected = "000100001d71036162637316210831323334353637383930313233343536373839 30".replace(' ', "");
    assert_eq!(HEX.encode(&put), expected);
    let calculate = commands::calculate(b"abc", Some(1)).encode();
    assert_eq!(HEX.encode(&calculate), "00a200010f710361626374080000000000000001");
    assert_eq!(commands::parse_code(&HEX.decode(b"76050841397eea").unwrap()), Some((8, 0x4139_7eea)));
    let code = commands::derive(&password("password"), ID);
    assert_eq!(HEX.encode(code.as_slice()), "a62944ef56eca395b3415f40836758d1");
    // Short keys are filled up, longer ones than the hash's block are hashed, touch and counter come last.
    let short = commands::put(b"a", &Seed::new(vec![7]).unwrap(), hotp(258), true).encode();
    assert_eq!(
        &HEX.encode(&short)[10..],
        "710161731011060700000000000000000000000000 78027a0400000102".replace(' ', "")
    );
    let long = commands::put(b"a", &Seed::new(vec![7; 100]).unwrap(), totp(), false);
    assert_eq!(long.encode().len(), 5 + 3 + 2 + 2 + 20);
    assert!(!format!("{put:?}").is_empty() && format!("{long:?}").contains("secret bytes"));
}

#[test]
fn a_burn_proves_itself_by_codes() {
    let mut key = little();
    let heard = RefCell::new(Vec::new());
    let note = |step| heard.borrow_mut().push(step);
    burn(&mut key, "ACME:bob", totp(), |order| order.progress = Some(&note)).unwrap();
    assert_eq!(key.log.iter().filter(|&&ins| ins == 0xa2).count(), 4);
    assert_eq!(heard.into_inner(), [Progress::SeedWritten, Progress::CodesCompared, Progress::ReadBack]);
    // The same name is somebody's already.
    let error = burn(&mut key, "ACME:bob", totp(), |_| {}).unwrap_err();
    assert!(matches!(error, TokenError::SlotInUse { .. }));
    burn(&mut key, "ACME:bob", totp(), |order| order.permits.overwrite_seed = true).unwrap();
    assert_eq!(key.entries.len(), 1);
    // A key that keeps something else is found out, and one that was told another number of digits.
    let short = Mishap::Answer(vec![0x76, 5, 7, 0, 0, 0, 0, 0x90, 0]);
    let mut key = Little { mishaps: vec![(5, short)], ..little() };
    let error = burn(&mut key, "ACME:bob", totp(), |_| {}).unwrap_err();
    assert_eq!(*error.cause(), TokenError::ReadBack { what: "number of digits" });
    let mut key = Little { forgetful: true, ..little() };
    let error = burn(&mut key, "ACME:bob", totp(), |_| {}).unwrap_err();
    assert!(error.after_write() && matches!(error.cause(), TokenError::ReadBack { .. }), "{error}");
}

#[test]
fn codes_that_were_used_up_are_put_back() {
    for refuses_overwriting in [false, true] {
        let mut key = Little { refuses_overwriting, ..little() };
        burn(&mut key, "bob", hotp(7), |_| {}).unwrap();
        assert_eq!((key.entries[0].counter, key.entries[0].kind), (7, 0x11));
        burn(&mut key, "60/eve", TotpParams { step: TimeStep::S60, ..TotpParams::default() }.into(), |order| {
            order.extras.touch = true;
        })
        .unwrap();
        assert!(key.entries[1].touch);
        burn(&mut key, "bob", hotp(9), |order| order.permits.overwrite_seed = true).unwrap();
        assert_eq!(key.find(b"bob").unwrap().counter, 9);
    }
}

#[test]
fn an_access_key_is_tried_once() {
    let right = password("hunter2");
    let mut key = little();
    act(&mut key, Action::SetAccessKey { key: &right }, None, false).unwrap();
    assert!(YkOath.identify(&mut key).unwrap().unwrap().locked);
    assert_eq!(burn(&mut key, "bob", totp(), |_| {}).unwrap_err(), TokenError::AccessKeyNeeded);
    key.log.clear();
    let wrong = password("hunter3");
    let error = burn(&mut key, "bob", totp(), |order| order.extras.access_key = Some(&wrong)).unwrap_err();
    assert_eq!(error, TokenError::AccessKeyWrong { left: None });
    assert_eq!(key.log.iter().filter(|&&ins| ins == 0xa3).count(), 1);
    burn(&mut key, "bob", totp(), |order| order.extras.access_key = Some(&right)).unwrap();
    assert_eq!(YkOath.slots(&mut key, Some(&right)).unwrap().len(), 1);
    act(&mut key, Action::SetAccessKey { key: &wrong }, Some(&right), false).unwrap();
    act(&mut key, Action::RemoveAccessKey, Some(&wrong), false).unwrap();
    assert!(!YkOath.identify(&mut key).unwrap().unwrap().locked);
    // One that opens without knowing the code itself is an impostor.
    act(&mut key, Action::SetAccessKey { key: &right }, None, false).unwrap();
    let at = key.log.len() + 3;
    key.mishaps.push((at, Mishap::Answer([&[0x75, 20][..], &[0; 20], &[0x90, 0]].concat())));
    assert!(matches!(YkOath.slots(&mut key, Some(&right)), Err(TokenError::Garbled { command: "VALIDATE", .. })));
}

#[test]
fn a_yubikey_is_known_by_the_number_on_its_back() {
    let mut key = Little { number: Some(12_345_678), ..little() };
    let info = YkOath.identify(&mut key).unwrap().unwrap();
    assert_eq!((info.serial.as_str(), info.device_id.as_deref()), ("12345678", Some(SERIAL)));
    assert_eq!((info.version.as_deref(), info.clock), (Some("5.4.3"), None));
    let error = burn(&mut key, "bob", totp(), |_| {}).unwrap_err();
    assert!(matches!(error, TokenError::OtherToken { .. }));
    assert_eq!(YkOath.identify(&mut little()).unwrap().unwrap().serial.as_str(), SERIAL);
}

#[test]
fn entries_are_deleted_renamed_and_reset() {
    let mut key = little();
    let (bob, eve): (Slot, Slot) = ("ACME:bob".parse().unwrap(), "60/eve".parse().unwrap());
    burn(&mut key, "ACME:bob", totp(), |_| {}).unwrap();
    burn(&mut key, "60/eve", TotpParams { step: TimeStep::S60, ..TotpParams::default() }.into(), |_| {}).unwrap();
    let rename = |key: &mut Little, slot, to| act(key, Action::Rename { slot, to }, None, false);
    assert!(matches!(rename(&mut key, &eve, "eve"), Err(TokenError::SlotName { .. })));
    assert!(matches!(rename(&mut key, &bob, "60/bob"), Err(TokenError::SlotName { .. })));
    rename(&mut key, &eve, "60/ACME:eve").unwrap();
    assert!(matches!(rename(&mut key, &eve, "60/x"), Err(TokenError::SlotEmpty { .. })));
    burn(&mut key, "alice", totp(), |_| {}).unwrap();
    assert!(matches!(rename(&mut key, &bob, "alice"), Err(TokenError::SlotInUse { .. })));
    let delete = |key: &mut Little, erase| act(key, Action::Delete { slot: &bob }, None, erase);
    assert!(matches!(delete(&mut key, false), Err(TokenError::EraseNotPermitted { .. })));
    delete(&mut key, true).unwrap();
    assert!(matches!(delete(&mut key, true), Err(TokenError::SlotEmpty { .. })));
    assert_eq!(key.entries.len(), 2);
    let reset = |key: &mut Little, erase| act(key, Action::Reset, None, erase);
    assert!(matches!(reset(&mut key, false), Err(TokenError::EraseNotPermitted { .. })));
    key.code = Some(vec![1; 16]);
    assert_eq!(reset(&mut key, true), Ok(Done::Now));
    assert!(key.entries.is_empty() && key.code.is_none());
    assert!(matches!(act(&mut key, Action::Lock { locked: true }, None, true), Err(TokenError::Unable { .. })));
}

#[test]
fn codes_are_read_from_the_key() {
    let mut key = little();
    burn(&mut key, "bob", totp(), |_| {}).unwrap();
    burn(&mut key, "count", hotp(1), |_| {}).unwrap();
    burn(&mut key, "touched", totp(), |wish| wish.extras.touch = true).unwrap();
    let serial = SerialNumber::new(SERIAL).unwrap();
    let mut read = |slot: &str, params, steps: &[u64]| {
        let slot = slot.parse().unwrap();
        let order = CodesOrder { serial: &serial, slot: &slot, params, steps, access_key: None, progress: &|_| {} };
        YkOath.read_codes(&mut key, &order).map(|codes| codes.into_iter().map(|code| code.text).collect::<Vec<_>>())
    };
    // RFC 4226, appendix D.
    assert_eq!(read("bob", totp(), &[0, 9]).unwrap(), ["755224", "520489"]);
    assert_eq!(read("count", hotp(1), &[0, 0]).unwrap(), ["287082", "359152"]);
    assert!(matches!(read("eve", totp(), &[0]), Err(TokenError::SlotEmpty { .. })));
    assert_eq!(read("touched", totp(), &[0]), Err(TokenError::NotTouched));
}

#[test]
fn long_lists_come_in_pieces_and_a_full_key_says_so() {
    let mut key = little();
    for index in 0..32 {
        let name = format!("{index:02}{}", "x".repeat(62));
        key.entries.push(Entry {
            name: name.into(),
            kind: 0x21,
            digits: 6,
            key: SEED.into(),
            touch: false,
            counter: 0,
        });
    }
    key.entries[5].name = b"\xff\xfe".to_vec();
    key.entries[6].name = b"a\nb".to_vec();
    for piece in [256, 255, 100, 1] {
        key.piece = piece;
        if piece == 1 {
            key.entries.truncate(8);
        }
        let listed = YkOath.slots(&mut key, None).unwrap();
        assert_eq!(listed.len(), key.entries.len());
        assert_eq!((&listed[5].slot, listed[5].label.as_str()), (&None, "\u{fffd}\u{fffd}"));
        assert!(listed[6].slot.is_none() && listed[7].slot.is_some());
    }
    key.entries.clear();
    for index in 0..32_u8 {
        burn(&mut key, &format!("user{index}"), totp(), |_| {}).unwrap();
    }
    // What a key refuses has not changed it.
    assert_eq!(burn(&mut key, "one more", totp(), |_| {}), Err(TokenError::Full));
    // Answers without end are cut off.
    let mut key = little();
    let (start, endless) = (key.log.len() + 3, || [&[0x72; 256][..], &[0x61, 0xff]].concat());
    key.mishaps = (0..2000).map(|n| (start + n, Mishap::Answer(endless()))).collect();
    assert!(matches!(YkOath.slots(&mut key, None), Err(TokenError::Garbled { .. })));
}

#[test]
fn a_wire_that_breaks_leaves_what_is_known() {
    let commands = {
        let mut key = little();
        burn(&mut key, "bob", hotp(0), |_| {}).unwrap();
        key.log
    };
    let first_write = commands.iter().position(|&ins| ins == 0x01).unwrap();
    for at in 0..commands.len() {
        let mut key = Little { mishaps: vec![(at, Mishap::Removed)], ..little() };
        let error = burn(&mut key, "bob", hotp(0), |_| {}).unwrap_err();
        assert_eq!(error.after_write(), at >= first_write, "{at}: {error}");
        // The same key again.
        burn(&mut key, "bob", hotp(0), |order| order.permits.overwrite_seed = true).unwrap();
        assert_eq!(key.entries[0].counter, 0);
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_a_word() {
    let mut key = little();
    let refused = |key: &mut Little, slot: &str, params: Params, change: fn(&mut Wish<'static>)| {
        let error = burn(key, slot, params, change).unwrap_err();
        assert!(key.log.is_empty() && !error.after_write());
        error
    };
    let ten = TotpParams { digits: Digits::new(10).unwrap(), ..TotpParams::default() };
    assert!(matches!(refused(&mut key, "bob", ten.into(), |_| {}), TokenError::Digits { .. }));
    assert!(matches!(refused(&mut key, "bob", hotp(1 << 32), |_| {}), TokenError::Counter { .. }));
    assert!(matches!(refused(&mut key, "60/bob", totp(), |_| {}), TokenError::SlotName { .. }));
    let minute = TotpParams { step: TimeStep::S60, ..TotpParams::default() };
    assert!(matches!(refused(&mut key, "bob", minute.into(), |_| {}), TokenError::SlotName { .. }));
    let title = |order: &mut Wish<'static>| order.extras.title = Some("x");
    assert!(matches!(refused(&mut key, "bob", totp(), title), TokenError::Unable { .. }));
}

proptest! {
    #[test]
    fn any_seed_is_proved(
        seed in proptest::collection::vec(any::<u8>(), 1..=128),
        algorithm in prop_oneof![Just(Algorithm::Sha1), Just(Algorithm::Sha256), Just(Algorithm::Sha512)],
        digits in 6..=8_u8,
        step in prop_oneof![Just(30_u32), 1..100_000_u32],
    ) {
        let seed = Seed::new(seed).unwrap();
        prop_assume!(!seed.is_zero());
        let (step, digits) = (TimeStep::new(step).unwrap(), Digits::new(digits).unwrap());
        let name = if step == TimeStep::S30 { "bob".into() } else { format!("{step}/bob") };
        let mut key = little();
        let result = burn(&mut key, &name, TotpParams { algorithm, digits, step }.into(), |order| order.seed = Some(&seed));
        prop_assert_eq!(result, Ok(()));
        prop_assert!((14..=128).contains(&key.entries[0].key.len()));
    }

    #[test]
    fn no_answer_is_too_strange(answers in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 2..40), 0..12,
    ), offset in 0..4_usize) {
        let mut key = little();
        key.mishaps = answers.into_iter().enumerate().map(|(at, bytes)| (at + offset, Mishap::Answer(bytes))).collect();
        let _ = burn(&mut key, "bob", totp(), |_| {});
    }
}
