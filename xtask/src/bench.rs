//! `cargo xtask bench`: what our work costs beside the same work done bare, as whole processes.

mod batch;
mod codes;
mod desk;
mod escrow;
mod formats;
mod import;
mod postgres;
mod process;
mod pskc;
mod readers;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::emulator::Emulator;
use crate::failure::{Failure, While as _};
use crate::paint::{BOLD, Paint};
use crate::{place, setup};

/// A burn takes some milliseconds: enough runs for a steady median, few enough to wait for.
const BURNS: usize = 40;

/// What we allow ourselves for a burn with a plain officer's file.
const OWN_TIME: Duration = Duration::from_millis(5);

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let usage = "bench takes no arguments, or one of: burns, batch, codes, desk, escrow, formats, postgres [COUNT]";
    let (chosen, count) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (None, None),
        [one @ ("burns" | "batch" | "codes" | "desk" | "escrow" | "formats" | "postgres")] => (Some(one), None),
        [one @ "postgres", count] => (Some(one), Some(count.parse().map_err(|_| Failure::usage(usage))?)),
        _ => return Err(Failure::usage(usage)),
    };
    let wants = |name: &str| chosen.is_none_or(|chosen| chosen == name);
    setup::ensure()?;
    build(chosen)?;
    if wants("burns") {
        burns()?;
        readers::run()?;
    }
    if wants("batch") {
        batch::run()?;
    }
    if wants("codes") {
        codes::run()?;
    }
    if wants("escrow") {
        escrow::run()?;
    }
    if wants("postgres") {
        postgres::run(count)?;
    }
    if wants("desk") {
        desk::run()?;
    }
    if wants("formats") {
        pskc::run()?;
        import::run()?;
        formats::run()?;
    }
    Ok(())
}

/// What each part of the bench runs, beside the programs.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("burns", &["bare_burn", "bare_burn_libnfc"]),
    ("batch", &["bare_burn"]),
    ("codes", &["code_rates", "fill"]),
    ("escrow", &["escrow_rates"]),
    ("postgres", &["station_rates"]),
    ("desk", &["desk_load", "postgres_server"]),
    ("formats", &["fill"]),
];

/// Builds what all parts need, or one of them. All packages are named each time: built one by one, each would bring other
/// features to what they share, and have it built again.
pub(crate) fn build(chosen: Option<&str>) -> Result<(), Failure> {
    let packages =
        ["oathburn", "oathburn-emulator", "oathburn-reader", "oathburn-oath", "oathburn-escrow", "oathburn-desk"];
    let mut cargo = place::cargo();
    cargo.args(["build", "--quiet", "--release"]);
    // What measures the escrow's library alone needs none of the programs, whose linking takes minutes.
    if chosen != Some("escrow") {
        cargo.arg("--bins");
    }
    for package in packages {
        cargo.args(["--package", package]);
    }
    let wanted = EXAMPLES.iter().filter(|(part, _)| chosen.is_none_or(|chosen| chosen == *part));
    let examples: BTreeSet<_> = wanted.flat_map(|(_, examples)| *examples).collect();
    for example in examples {
        cargo.args(["--example", example]);
    }
    if !cargo.status().while_doing("build")?.success() {
        return Err(Failure::new("the programs do not build"));
    }
    Ok(())
}

/// A whole burn against its conversation alone, over the same service with the same token.
fn burns() -> Result<(), Failure> {
    let emulator = Emulator::start(&place::built("release", "emulate"))?;
    let oathburn = place::built("release", "oathburn");
    let bare = place::built("release", "examples/bare_burn");
    let mut init = emulator.command(&oathburn);
    timed(init.args(["--quiet", "escrow", "init", "--plain-identity"]))?;
    let burn = || {
        let mut command = emulator.command(&oathburn);
        command.args(["burn", "--generate", "--replace"]);
        command
    };
    let (whole, alone) = interleaved(BURNS, || timed(&mut burn()), || timed(&mut emulator.command(&bare)))?;

    title("a burn over pcscd", BURNS);
    print_row("oathburn burn", whole);
    print_row("its commands alone", alone);
    let (commands, wire) = on_the_wire(&emulator, &bare)?;
    let own = whole.saturating_sub(alone);
    println!("  {:<28} {:>7.2} x", "ratio", ratio(whole, alone));
    let verdict = if own <= OWN_TIME { "met" } else { "missed" };
    println!("  {:<28} {:>7} ms  (aim: {} ms or less, {verdict})", "our own time", ms(own), OWN_TIME.as_millis());
    println!("  of the commands alone, {} ms are spent in {commands} exchanges", ms(wire));
    println!("  where a burn spends its time:");
    for (name, median) in phases(burn)? {
        println!("    {name:<26} {:>7} ms", ms(median));
    }
    Ok(())
}

fn title(what: &str, runs: usize) {
    println!("{}, medians of {runs} runs each, in turns", Paint::of_stdout().with(BOLD, what));
}

fn print_row(name: &str, time: Duration) {
    println!("  {name:<28} {:>7} ms", ms(time));
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}

/// The medians of two things done in turns, so that whatever else the machine does strikes both.
fn interleaved(
    runs: usize,
    mut a: impl FnMut() -> Result<Duration, Failure>,
    mut b: impl FnMut() -> Result<Duration, Failure>,
) -> Result<(Duration, Duration), Failure> {
    // The first of each pays for cold caches.
    a()?;
    b()?;
    let (mut times_a, mut times_b) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        times_a.push(a()?);
        times_b.push(b()?);
    }
    Ok((median(times_a), median(times_b)))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let middle = times.len() / 2;
    if times.len() % 2 == 1 { times[middle] } else { (times[middle - 1] + times[middle]) / 2 }
}

/// From the start of a process to its end.
fn timed(command: &mut Command) -> Result<Duration, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().while_doing("start a program")?;
    let elapsed = start.elapsed();
    if status.success() { Ok(elapsed) } else { Err(Failure::new(format!("{command:?}: {status}"))) }
}

/// How many commands a burn has, and how long they take.
fn on_the_wire(emulator: &Emulator, bare: &Path) -> Result<(u64, Duration), Failure> {
    let mut commands = 0;
    let mut times = Vec::new();
    for _ in 0..BURNS {
        let output = emulator.command(bare).output().while_doing("start bare_burn")?;
        let said: Value = serde_json::from_slice(&output.stdout).while_doing("understand bare_burn")?;
        let number = |name: &str| said[name].as_u64().ok_or_else(|| Failure::new(format!("bare_burn has no {name}")));
        commands = number("commands")?;
        times.push(Duration::from_micros(number("wire_us")?));
    }
    Ok((commands, median(times)))
}

/// Between the lines of progress that a burn prints: the first when the token is identified, the second when the seed
/// is sealed, the last when it is read back. Listening costs a little, so these are runs of their own.
fn phases(burn: impl Fn() -> Command) -> Result<Vec<(&'static str, Duration)>, Failure> {
    let names = ["start, reader, identify", "seal, escrow on disk", "write, read back", "mark, reset the token, end"];
    let mut times = vec![Vec::new(); names.len()];
    for _ in 0..BURNS {
        let mut last = Instant::now();
        let mut child = burn().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().while_doing("start oathburn")?;
        let lines = BufReader::new(child.stderr.take().expect("it was asked for")).lines();
        let mut marks: Vec<_> =
            lines.map_while(Result::ok).filter(|line| line.starts_with('✓')).map(|_| Instant::now()).collect();
        if !child.wait().while_doing("wait for oathburn")?.success() || marks.len() < 3 {
            return Err(Failure::new("a burn failed, or its progress has another form now"));
        }
        marks.drain(2..marks.len() - 1);
        marks.push(Instant::now());
        for (phase, mark) in times.iter_mut().zip(marks) {
            phase.push(mark - last);
            last = mark;
        }
    }
    Ok(names.into_iter().zip(times.into_iter().map(median)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let times = |millis: &[u64]| millis.iter().map(|&millis| Duration::from_millis(millis)).collect();
        assert_eq!(median(times(&[9, 1, 2])), Duration::from_millis(2));
        assert_eq!(median(times(&[4, 1, 900, 2])), Duration::from_millis(3));
    }

    #[test]
    fn both_take_turns_and_the_first_turns_do_not_count() {
        let turns = std::cell::RefCell::new(String::new());
        let turn = |name, cold: u64, warm: u64| {
            let turns = &turns;
            move || {
                let first = !turns.borrow().contains(name);
                turns.borrow_mut().push(name);
                Ok(Duration::from_millis(if first { cold } else { warm }))
            }
        };
        let (a, b) = interleaved(2, turn('a', 90, 1), turn('b', 90, 2)).unwrap();
        assert_eq!((a.as_millis(), b.as_millis(), turns.borrow().as_str()), (1, 2, "ababab"));
    }
}
