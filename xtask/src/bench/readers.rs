//! Burns over libnfc, and on several readers at once.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{BURNS, interleaved, median, ms, print_row, ratio, timed, title};
use crate::emulator::Emulator;
use crate::failure::{Failure, While as _};
use crate::paint::{BOLD, Paint};
use crate::place;

/// How many readers burn at once.
const AT_ONCE: [usize; 3] = [1, 2, 4];
/// Rounds of each: one burn on each reader.
const ROUNDS: usize = 20;
/// How long a token takes over each of its two writes, in milliseconds, as flash memory does.
const WRITING: u64 = 50;

pub(super) fn run() -> Result<(), Failure> {
    let emulate = place::built("release", "emulate");
    let oathburn = place::built("release", "oathburn");
    over_libnfc(&emulate, &oathburn)?;
    for (what, pcsc) in [("pcscd", true), ("libnfc", false)] {
        let count = AT_ONCE[AT_ONCE.len() - 1];
        let (slots, chips) = if pcsc { (count, 0) } else { (0, count) };
        at_once(what, &oathburn, &mut Emulator::start_with(&emulate, slots, chips)?)?;
    }
    Ok(())
}

/// A whole burn over libnfc against its conversation alone, with the same token.
fn over_libnfc(emulate: &Path, oathburn: &Path) -> Result<(), Failure> {
    let emulator = Emulator::start_with(emulate, 0, 1)?;
    let bare = place::built("release", "examples/bare_burn_libnfc");
    init(&emulator, oathburn)?;
    let reader = emulator.readers()[0].clone();
    let connstring = reader.strip_prefix("libnfc:").unwrap_or_default();
    let (whole, alone) = interleaved(
        BURNS,
        || timed(emulator.command(oathburn).args(["burn", "--replace", "--reader", &reader])),
        || timed(emulator.command(&bare).arg(connstring)),
    )?;
    let mut opening = Vec::new();
    for _ in 0..BURNS {
        let output = emulator.command(&bare).arg(connstring).output().while_doing("start bare_burn_libnfc")?;
        let said: Value = serde_json::from_slice(&output.stdout).while_doing("understand bare_burn_libnfc")?;
        opening.push(Duration::from_micros(said["open_us"].as_u64().unwrap_or_default()));
    }
    title("a burn over libnfc", BURNS);
    print_row("oathburn burn", whole);
    print_row("libnfc and its commands alone", alone);
    print_row("of that, opening the reader", median(opening));
    println!("  {:<28} {:>7.2} x", "ratio", ratio(whole, alone));
    println!("  {:<28} {:>7} ms", "our own time", ms(whole.saturating_sub(alone)));
    Ok(())
}

fn init(emulator: &Emulator, oathburn: &Path) -> Result<(), Failure> {
    timed(emulator.command(oathburn).args(["--quiet", "escrow", "init", "--plain-identity"])).map(drop)
}

/// One process a reader, all at the same time, one escrow for all.
fn at_once(what: &str, oathburn: &Path, emulator: &mut Emulator) -> Result<(), Failure> {
    init(emulator, oathburn)?;
    println!(
        "{}, {ROUNDS} rounds each; a token takes {WRITING} ms over each of its two writes",
        Paint::of_stdout().with(BOLD, &format!("burns on several readers at once over {what}"))
    );
    let mut one = 0.0;
    for count in AT_ONCE {
        let mut times = Vec::new();
        for round in 0..=ROUNDS {
            let time = burn_round(oathburn, emulator, count)?;
            // The first pays for cold caches.
            if round > 0 {
                times.push(time);
            }
        }
        let time = median(times);
        let number = u32::try_from(count).expect("a handful");
        let rate = f64::from(number) / time.as_secs_f64();
        if count == 1 {
            one = rate;
        }
        println!(
            "  {count} readers {:>17} ms a round, {rate:>5.1} burns/s, {:.2} times one reader",
            ms(time),
            rate / one
        );
    }
    Ok(())
}

fn burn_round(oathburn: &Path, emulator: &mut Emulator, count: usize) -> Result<Duration, Failure> {
    let names = emulator.names()[..count].to_vec();
    for name in &names {
        for instruction in ["D4", "C5"] {
            emulator.ask(&format!("fault {name} slow ms={WRITING} ins={instruction}"))?;
        }
    }
    let start = Instant::now();
    let mut burns = Vec::new();
    for reader in &emulator.readers()[..count] {
        let mut burn = emulator.command(oathburn);
        burn.args(["burn", "--replace", "--quiet", "--json", "--reader", reader]);
        burns.push(burn.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().while_doing("start oathburn")?);
    }
    for burn in burns {
        let output = burn.wait_with_output().while_doing("wait for oathburn")?;
        if !output.status.success() {
            return Err(Failure::new(format!("a burn failed: {}", String::from_utf8_lossy(&output.stdout))));
        }
    }
    Ok(start.elapsed())
}
