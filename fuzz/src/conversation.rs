//! Whole conversations with tokens that answer as the fuzzer wants, and a judge of what the driver made of them.

use std::cell::RefCell;

use oathburn_oath::{
    Algorithm, FixedClock, HotpParams, Params, Seed, SerialNumber, Slot, TimeStep, TotpParams, UnixTime,
};
use oathburn_token::{
    AccessKey, Body, ClockOrder, Command, DisplayTimeout, Extras, FAMILIES, Models, Molto2, Order, Permits, Progress,
    Token2Single, TokenError, TokenFamily, TokenInfo, YkOath, name_foreign,
};

use super::has_remedy;
use super::wire::{Step, Wire};

/// The token that all orders are for; the one of the recorded conversations.
const SERIAL: &str = "86596220000001";
/// The present, when it was recorded.
const NOW: u64 = 1_700_000_000;

/// Instructions (`docs/protocol/token2-single.md`).
const INFO: u8 = 0x41;
const CHALLENGE: u8 = 0x4b;
const ANSWER: u8 = 0xce;
const CONFIG: u8 = 0xd4;
const SEED: u8 = 0xc5;
/// Instructions (`docs/protocol/ykoath.md`).
const SELECT: u8 = 0xa4;
const DEVICE_INFO: u8 = 0x1d;
const SEND_REMAINING: u8 = 0xa5;
const PUT: u8 = 0x01;
const CALCULATE: u8 = 0xa2;
const DELETE: u8 = 0x02;
const VALIDATE: u8 = 0xa3;
/// Instructions (`docs/protocol/molto2.md`).
const TITLE: u8 = 0xd5;

/// Chained, corrected and torn answers; the first byte is Le.
pub fn exchange(data: &[u8]) {
    let Some((&first, answers)) = data.split_first() else { return };
    let mut wire = Wire::new(answers);
    let ne = (first != 0xff).then_some(first);
    let command = Command { name: "LIST", header: [0x80, 0xa1, 0, 0], body: Body::Plain(vec![7]), ne };
    let result = oathburn_token::exchange(&mut wire, &command);
    let steps = wire.steps();
    let [Step { data, status, .. }] = steps.as_slice() else { panic!("{steps:?}") };
    match result {
        Ok(response) => assert_eq!((&response.data, Some(response.status.0)), (data, *status)),
        Err(error) => {
            has_remedy(&error);
            let torn = status.is_none_or(|status| status >> 8 == 0x61);
            assert!(torn && !error.after_write(), "{error}");
        }
    }
}

/// Who is there? Nothing is written to find out.
pub fn identify(data: &[u8]) {
    let mut wire = Wire::new(data);
    let ours = FAMILIES.iter().find_map(|family| match family.identify(&mut wire) {
        Ok(info) => info.map(Ok),
        Err(error) => Some(Err(error)),
    });
    match ours {
        None => {
            if let Ok(card) = name_foreign(&mut wire) {
                assert_eq!(card.applets.is_empty(), card.kind == "unknown-card", "{card:?}");
            }
        }
        Some(Ok(TokenInfo { family, serial, clock, .. })) => {
            // Device ids are hex, printed numbers decimal.
            assert!(serial.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()), "{family}: {serial}");
            assert!(clock.is_none_or(|clock| u32::try_from(clock.seconds()).is_ok()));
        }
        Some(Err(error)) => {
            has_remedy(&error);
            assert!(!error.after_write(), "{error}");
        }
    }
    let harmless = |step: &Step| matches!(step.ins(), INFO | SELECT | DEVICE_INFO | SEND_REMAINING);
    assert!(wire.steps().iter().all(harmless), "something else than questions was sent");
}

/// A burn; the first byte chooses what is burned.
pub fn program(data: &[u8]) {
    let Some((&first, answers)) = data.split_first() else { return };
    let (serial, models) = (serial(), Models::builtin());
    let seed = Seed::new(if first & 4 == 0 { b"12345678901234567890".to_vec() } else { vec![0x5a; 63] });
    let (wire, progress) = (&mut Wire::new(answers), RefCell::new(Vec::new()));
    let order = Order {
        serial: &serial,
        slot: &Slot::SINGLE,
        seed: &seed.expect("a literal of a fit length"),
        params: params(first).into(),
        display_timeout: DisplayTimeout::default(),
        clock: &FixedClock(UnixTime::new(NOW)),
        models: &models,
        permits: Permits::default(),
        extras: Extras::default(),
        progress: &|step| progress.borrow_mut().push(step),
    };
    let result = Token2Single.program(wire, &order);
    judge(&result, &wire.steps(), &[CONFIG, SEED]);
    let told = progress.into_inner();
    assert_eq!(result.is_ok(), told.last() == Some(&Progress::ReadBack), "{told:?}");
}

/// Setting a clock; the first byte chooses the parameters.
pub fn sync_clock(data: &[u8]) {
    let Some((&first, answers)) = data.split_first() else { return };
    let (serial, models) = (serial(), Models::builtin());
    let wire = &mut Wire::new(answers);
    let order = ClockOrder {
        serial: &serial,
        slot: None,
        access_key: None,
        params: params(first),
        display_timeout: DisplayTimeout::default(),
        clock: &FixedClock(UnixTime::new(NOW)),
        other_time: None,
        models: &models,
        permits: Permits { erase_seed_on_sync: first & 8 == 0, ..Permits::default() },
        progress: &|_| {},
    };
    let result = Token2Single.sync_clock(wire, &order);
    judge(&result, &wire.steps(), &[CONFIG]);
}

/// A burn onto a key with an applet; the first byte chooses what is burned.
pub fn program_applet(data: &[u8]) {
    let Some((&first, answers)) = data.split_first() else { return };
    let hotp = HotpParams { algorithm: Algorithm::Sha1, digits: params(first).digits, counter: 7 };
    let params: Params = if first & 8 == 0 { params(first).into() } else { hotp.into() };
    let name = if params.step() == Some(TimeStep::S60) { "60/ACME:bob" } else { "ACME:bob" };
    let slot = name.parse().expect("a literal that is a name");
    let (result, steps) = program_slot(&YkOath, "0123456789abcdef", &slot, params, first, answers);
    let written = steps.iter().any(|step| matches!(step.ins(), PUT | DELETE));
    let validated = steps.iter().filter(|step| step.ins() == VALIDATE).count();
    assert!(validated <= 1, "a second try was spent: {steps:?}");
    match result {
        // Without codes that were compared nothing is claimed.
        Ok(_) => assert!(written && steps.iter().filter(|step| step.ins() == CALCULATE).count() >= 2, "{steps:?}"),
        Err(error) => assert!(!error.after_write() || written, "{error}: {steps:?}"),
    }
}

/// A burn onto a token with many profiles; the first byte chooses what is burned.
pub fn program_profile(data: &[u8]) {
    let Some((&first, answers)) = data.split_first() else { return };
    let slot = Slot::Number(first >> 4);
    let (result, steps) = program_slot(&Molto2, SERIAL, &slot, params(first).into(), first, answers);
    let is_write = |step: &&Step| matches!(step.ins(), CONFIG | SEED | TITLE);
    let refused = steps.iter().filter(|step| step.ins() == ANSWER && !step.done()).count();
    assert!(refused <= 1 && steps.iter().filter(|step| step.ins() == ANSWER).count() <= 2, "{steps:?}");
    if let Some(first) = steps.iter().position(|step| is_write(&step)) {
        let before: Vec<_> = steps[..first].iter().map(Step::ins).collect();
        assert_eq!(before, [INFO, INFO, INFO, CHALLENGE, ANSWER, INFO], "what precedes the first write");
        assert!(steps[..first].iter().all(Step::done) && is_ours(&steps[first - 1]), "{steps:?}");
    }
    match result {
        Ok(_) => {
            let end = steps.last().expect("success without a word");
            assert!(end.done() && end.ins() == INFO && end.data.last() == Some(&1), "{steps:?}");
        }
        Err(error) => assert_eq!(error.after_write(), steps.iter().any(|step| is_write(&step)), "{error}: {steps:?}"),
    }
}

/// One burn with whatever a family has beside the seed.
fn program_slot(
    family: &dyn TokenFamily,
    serial: &str,
    slot: &Slot,
    params: Params,
    first: u8,
    answers: &[u8],
) -> (Result<TokenInfo, TokenError>, Vec<Step>) {
    let wire = &mut Wire::new(answers);
    let key = AccessKey::new(b"TOKEN2MOLTO1-KEY".to_vec()).expect("a literal of a fit length");
    let order = Order {
        serial: &SerialNumber::new(serial).expect("a literal of digits"),
        slot,
        seed: &Seed::new(b"12345678901234567890".to_vec()).expect("a literal of a fit length"),
        params,
        display_timeout: DisplayTimeout::default(),
        clock: &FixedClock(UnixTime::new(NOW)),
        models: &Models::builtin(),
        permits: Permits { overwrite_seed: first & 4 == 0, ..Permits::default() },
        extras: Extras { access_key: Some(&key), ..Extras::default() },
        progress: &|_| {},
    };
    let result = family.program(wire, &order);
    if let Err(error) = &result {
        has_remedy(error);
    }
    (result, wire.steps())
}

fn serial() -> SerialNumber {
    SerialNumber::new(SERIAL).expect("a literal of digits")
}

fn params(first: u8) -> TotpParams {
    let algorithm = if first & 1 == 0 { Algorithm::Sha1 } else { Algorithm::Sha256 };
    let step = if first & 2 == 0 { TimeStep::S30 } else { TimeStep::S60 };
    TotpParams { algorithm, step, ..TotpParams::default() }
}

/// Success needs every write confirmed in its order, between two looks at the right token; anything else says
/// whether a write was sent.
fn judge(result: &Result<TokenInfo, TokenError>, steps: &[Step], writes: &[u8]) {
    let is_write = |step: &&Step| matches!(step.ins(), CONFIG | SEED);
    let written: Vec<_> = steps.iter().filter(is_write).collect();
    // Old tokens count wrong answers, so there is one repetition at most.
    assert!(steps.iter().filter(|step| step.ins() == ANSWER).count() <= 2, "{steps:?}");
    assert!(written.iter().filter(|step| step.status == Some(0x6983)).count() <= 2, "{steps:?}");
    if let Some(first) = steps.iter().position(|step| is_write(&step)) {
        let before = &steps[..first];
        assert_eq!(
            before.iter().map(Step::ins).collect::<Vec<_>>(),
            [INFO, CHALLENGE, ANSWER, INFO],
            "what precedes the first write"
        );
        assert!(before.iter().all(Step::done) && is_ours(&before[0]) && is_ours(&before[3]), "{steps:?}");
    }
    match result {
        Ok(info) => {
            assert_eq!(info.serial.as_str(), SERIAL);
            let confirmed: Vec<_> = written.iter().filter(|step| step.done()).collect();
            assert_eq!(confirmed.iter().map(|step| step.ins()).collect::<Vec<_>>(), writes, "{steps:?}");
            assert!(confirmed.iter().all(|step| step.data.is_empty()), "{steps:?}");
            let lost = written.iter().filter(|step| !step.done());
            assert!(lost.clone().count() <= 1 && lost.clone().all(|step| step.status == Some(0x6983)), "{steps:?}");
            let end = steps.last().expect("success without a word");
            assert!(end.done() && is_ours(end), "{steps:?}");
            let clock = end.data.last_chunk().map(|clock| u32::from_be_bytes(*clock)).expect("it was read");
            assert!(u64::from(clock).abs_diff(NOW) <= 3 && info.clock == Some(UnixTime::new(clock.into())), "{clock}");
        }
        Err(error) => {
            has_remedy(error);
            assert_eq!(error.after_write(), !written.is_empty(), "{error}: {steps:?}");
        }
    }
}

/// Whether this is a look at the token that the order is for.
fn is_ours(step: &Step) -> bool {
    let serial = step.data.get(3..).and_then(|rest| rest.split_first());
    step.ins() == INFO && serial.is_some_and(|(&n, rest)| rest.get(..usize::from(n)) == Some(SERIAL.as_bytes()))
}
