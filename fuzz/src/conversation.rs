//! Whole conversations with tokens that answer as the fuzzer wants, and a judge of what the driver made of them.

use std::cell::RefCell;

use oathburn_oath::{Algorithm, FixedClock, Seed, SerialNumber, Slot, TimeStep, TotpParams, UnixTime};
use oathburn_token::{
    Body, ClockOrder, Command, DisplayTimeout, FAMILIES, Models, Order, Permits, Progress, Token2Single, TokenError,
    TokenFamily, TokenInfo, name_foreign,
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
        Some(Ok(TokenInfo { serial, clock, .. })) => {
            assert!(serial.as_str().bytes().all(|byte| byte.is_ascii_digit()));
            assert!(clock.is_some_and(|clock| u32::try_from(clock.seconds()).is_ok()));
        }
        Some(Err(error)) => {
            has_remedy(&error);
            assert!(!error.after_write(), "{error}");
        }
    }
    let harmless = |step: &Step| matches!(step.ins(), INFO | 0xa4);
    assert!(wire.steps().iter().all(harmless), "something else than GET INFO and SELECT was sent");
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
        params: params(first),
        display_timeout: DisplayTimeout::default(),
        clock: &FixedClock(UnixTime::new(NOW)),
        models: &models,
        permits: Permits::default(),
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
