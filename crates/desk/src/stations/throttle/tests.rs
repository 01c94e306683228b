use std::collections::HashSet;

use super::*;
use crate::stations::code::DEFAULT_LIFE;

const SIX: CodeLength = CodeLength::SHORTEST;

fn length(digits: u8) -> CodeLength {
    CodeLength::new(digits).unwrap()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::new(1_000_000 + seconds)
}

/// A ledger in which codes of a day's life were just made.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.made(at(0), DEFAULT_LIFE);
    ledger
}

/// How many guesses are let through at a time.
fn let_through(ledger: &mut Ledger, now: UnixTime, length: CodeLength, tried: u64) -> u64 {
    (0..tried).filter(|_| ledger.enter(now, length, &SHARES).is_ok()).count() as u64
}

#[test]
fn all_guesses_together_stay_below_one_in_ten_thousand() {
    // The worst that can be let through in one span, in units of 10^-12.
    let mut ledger = ledger();
    let six = let_through(&mut ledger, at(0), SIX, 1000);
    let ten = let_through(&mut ledger, at(0), length(10), 200_000);
    assert_eq!((six, ten), (90, 90_000));
    let chance = six * cost(SIX) + ten * cost(length(10));
    assert_eq!((chance, UNITS_PER_CERTAINTY / 10_000), (99_000_000, 100_000_000));
    // Other lengths draw on the same shares.
    for digits in 6..=12 {
        assert!(ledger.enter(at(0), length(digits), &SHARES).is_err() || digits > 6, "{digits}");
    }
    let guesses: Vec<_> = (6..=12).map(|digits| SHARES.guesses(length(digits))).collect();
    assert_eq!(guesses, [90, 900, 9000, 90_000, 90_000, 900_000, 9_000_000]);
}

#[test]
fn no_span_of_a_codes_life_holds_more_however_guesses_are_spread() {
    let life = u64::from(DEFAULT_LIFE);
    // All at once at the end of a part, a steady trickle, and bursts at the seams of the parts.
    let patterns: [fn(u64) -> u64; 3] = [|_| 50, |n| n * 97, |n| n / 30 * 3600 + n % 30];
    for (which, pattern) in patterns.into_iter().enumerate() {
        let mut ledger = ledger();
        let mut times = Vec::new();
        for n in 0..5000 {
            let now = pattern(n).min(5 * life);
            ledger.made(at(now), DEFAULT_LIFE);
            if ledger.enter(at(now), SIX, &SHARES).is_ok() {
                times.push(now);
            }
        }
        assert!(times.len() >= 90, "pattern {which}: the ledger opens again");
        for (index, &start) in times.iter().enumerate() {
            let within = times[index..].iter().take_while(|&&time| time < start + life).count();
            assert!(within <= 90, "pattern {which}: {within} guesses from {start} on");
        }
        assert!(ledger.buckets.len() <= 26, "{}", ledger.buckets.len());
    }
}

#[test]
fn a_longer_life_makes_guesses_count_longer_and_a_clock_that_goes_back_makes_no_room() {
    let (day, week) = (u64::from(DEFAULT_LIFE), 7 * u64::from(DEFAULT_LIFE));
    let mut ledger = ledger();
    ledger.made(at(0), 7 * DEFAULT_LIFE);
    ledger.made(at(10), 600);
    assert_eq!(let_through(&mut ledger, at(0), SIX, 100), 90);
    assert_eq!(ledger.enter(at(day), SIX, &SHARES), Err(week - day));
    assert_eq!(ledger.enter(at(week - 1), SIX, &SHARES), Err(1));
    assert!(ledger.expires_at(at(week)) > at(week).seconds());
    // The week's codes are gone: what is made now lives a day.
    ledger.made(at(week), DEFAULT_LIFE);
    assert_eq!(let_through(&mut ledger, at(week), SIX, 100), 90);
    assert!(ledger.enter(at(0), SIX, &SHARES).is_err());
    assert!(ledger.enter(at(week + day - 1), SIX, &SHARES).is_err());
    assert!(ledger.enter(at(week + day), SIX, &SHARES).is_ok());
}

#[test]
fn a_right_code_costs_nothing() {
    let mut ledger = ledger();
    for technician in 0..1000 {
        ledger.enter(at(technician), SIX, &SHARES).unwrap();
        ledger.give_back(SIX);
    }
    assert_eq!(ledger.spent(SIX), 0);
    // What was not entered is not given back.
    Ledger::default().give_back(SIX);
}

#[test]
fn one_address_cannot_use_up_what_all_have() {
    let mut all = ledger();
    let mut kept = None;
    let mut passed = 0;
    for _ in 0..1000 {
        let mut own = Ledger::for_address(&all, kept.take());
        if own.enter(at(0), SIX, &ADDRESS_SHARES).is_ok() && all.enter(at(0), SIX, &SHARES).is_ok() {
            passed += 1;
        }
        kept = Some(own);
    }
    assert_eq!(passed, 9);
    assert!(all.enter(at(0), SIX, &SHARES).is_ok(), "others go on");
    // Ten addresses close the short codes; long ones and their technicians go on.
    assert_eq!(let_through(&mut all, at(0), SIX, 100), 80);
    assert!(all.enter(at(0), length(10), &SHARES).is_ok());
}

#[test]
fn an_address_is_a_site() {
    let key = |text: &str| address_key(text.parse().unwrap());
    assert_eq!(key("192.0.2.7"), "192.0.2.7");
    assert_eq!(key("::ffff:192.0.2.7"), "192.0.2.7");
    assert_eq!(key("2001:db8:1:2::3"), key("2001:db8:1:ffff::4"));
    assert_ne!(key("2001:db8:1::1"), key("2001:db8:2::1"));
}

/// A small generator for simulations (SplitMix64): they are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }
}

/// How an attacker chooses the next guess: which station, which code.
type Strategy = fn(&mut Dice, u64, u64) -> (u64, u64);

/// Plays attacks on codes that are guessed a thousand times as easily, with shares a thousand times as large: the same
/// ledger and the same number of guesses, but hits that are frequent enough to be counted.
#[test]
fn attackers_hit_no_more_often_than_the_arithmetic_says() {
    const CODES: u64 = 1000;
    const RUNS: u64 = 4000;
    let strategies: [(&str, Strategy); 4] = [
        ("one station, every code in turn", |_, n, _| (0, n)),
        ("another station each time, the same code", |_, n, stations| (n % stations, 7)),
        ("any station, any code", |dice, _, stations| (dice.below(stations), dice.below(CODES))),
        ("all codes at a few stations", |dice, n, _| (dice.below(3), n)),
    ];
    for stations in [1, 40, 1000] {
        for shared in [false, true] {
            for (name, next) in strategies {
                let mut dice = Dice(stations + u64::from(shared));
                let mut hit = 0;
                for _ in 0..RUNS {
                    let all = dice.below(CODES);
                    let codes: Vec<_> = (0..stations).map(|_| if shared { all } else { dice.below(CODES) }).collect();
                    let mut ledger = ledger();
                    // The ledger decides when it is over.
                    let guesses = (0..).map_while(|n| ledger.enter(at(n), SIX, &SHARES).ok().map(|()| n));
                    let mut found = false;
                    for n in guesses {
                        let (station, code) = next(&mut dice, n, stations);
                        found |= codes[usize::try_from(station % stations).unwrap()] == code;
                    }
                    hit += u64::from(found);
                }
                // 90 guesses at 1 in 1000: 0.09, with a standard deviation of 0.0045 in so many runs.
                let rate = f64::from(u32::try_from(hit).unwrap()) / 4000.0;
                assert!(rate <= 0.09 + 5.0 * 0.0046, "{name}, {stations} stations, shared {shared}: {rate}");
                let bound_is_reached = name.starts_with("one station");
                assert!(
                    !bound_is_reached || rate > 0.09 - 5.0 * 0.0046,
                    "{name}: {rate}, the simulation finds nothing"
                );
            }
        }
    }
}

/// Guesses from many addresses at once: each enters before any is judged.
#[test]
fn guesses_at_the_same_time_do_not_pass_together() {
    let mut ledger = ledger();
    let mut stations = HashSet::new();
    for address in 0..10_000_u64 {
        if ledger.enter(at(0), SIX, &SHARES).is_ok() {
            stations.insert(address);
        }
    }
    assert_eq!(stations.len(), 90);
}
