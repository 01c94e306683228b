//! Nanoseconds a code: two bare compressions of SHA-1, one code after the other, and many at a time. One core.
//!
//! `cargo run --release --package oathburn-oath --example code_rates` prints one JSON object.
#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use oathburn_oath::{Seed, Sighting, Totp, TotpParams, UnixTime, Window};

/// Codes in a round, and seeds in a round of many seeds.
const CODES: u32 = 200_000;
const SEEDS: u32 = 5_000;
const ROUNDS: usize = 15;

fn main() {
    let seeds: Vec<_> = (0..SEEDS).map(|_| Seed::generate(20).expect("the system has random bytes")).collect();
    let totp = Totp::new(&seeds[0], TotpParams::default());
    let time = UnixTime::new(1_800_000_000);
    let code = "123456".parse().expect("six digits");
    let sighting = Sighting::new(code, None).expect("one code");
    let few = Window::around(20);
    let many_codes = u64::from(SEEDS) * few.steps();

    let mut best = [Duration::MAX; 4];
    // All four in each round, so that whatever else the machine does strikes them alike; the best round counts.
    for _ in 0..ROUNDS {
        let times = [
            timed(|| (0..u64::from(CODES)).for_each(|counter| two_compressions(black_box(counter)))),
            timed(|| {
                (0..u64::from(CODES)).for_each(|counter| {
                    black_box(totp.code_of(black_box(counter)));
                });
            }),
            timed(|| {
                black_box(sighting.find(&totp, time, Window { past: 0, future: CODES - 1 }));
            }),
            timed(|| {
                for seed in &seeds {
                    black_box(sighting.find(&Totp::new(seed, TotpParams::default()), time, few));
                }
            }),
        ];
        for (best, time) in best.iter_mut().zip(times) {
            *best = time.min(*best);
        }
    }
    let codes = [u64::from(CODES), u64::from(CODES), u64::from(CODES), many_codes];
    let names = ["two_compressions", "one_by_one", "one_seed", "many_seeds"];
    let rows = names.iter().zip(best).zip(codes).map(|((name, time), codes)| {
        let picoseconds = time.as_nanos() * 1000 / u128::from(codes);
        format!("\"{name}\":{}.{:02}", picoseconds / 1000, picoseconds % 1000 / 10)
    });
    println!("{{{}}}", rows.collect::<Vec<_>>().join(","));
}

/// What HMAC-SHA-1 cannot do without once the key is hashed.
fn two_compressions(counter: u64) {
    let mut block = [0; 64];
    block[..8].copy_from_slice(&counter.to_be_bytes());
    let mut state = [1, 2, 3, 4, 5];
    sha1::block_api::compress(&mut state, &[block]);
    sha1::block_api::compress(&mut state, &[block]);
    black_box(state);
}

fn timed(job: impl FnOnce()) -> Duration {
    let start = Instant::now();
    job();
    start.elapsed()
}
