//! Codes: one process each, a million in a list, the search loop against bare compressions, a million tokens searched.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{interleaved, ms, print_row, ratio, timed, title};
use crate::failure::{Failure, While as _};
use crate::place;

/// RFC 6238, appendix B.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// A code takes about a millisecond, a million some tenths of a second.
const SINGLES: usize = 200;
const LISTS: usize = 7;
const SEARCHES: usize = 5;

/// Tokens in the escrow that is searched, what the search may take, and how much memory.
pub(super) const TOKENS: u64 = 1_000_000;
const SEARCH_TIME: Duration = Duration::from_secs(3);
const SEARCH_MEMORY: u64 = 300 * 1024;

pub(super) fn run() -> Result<(), Failure> {
    let t2otp = place::built("release", "t2otp");
    let oathtool = place::program("oathtool").ok_or_else(|| Failure::new("oathtool has gone"))?;

    // The program as it is released, and as a plain build makes it.
    for (program, name) in [(build_static()?, "t2otp SECRET, static"), (t2otp.clone(), "t2otp SECRET, shared libc")] {
        let (ours, theirs) = interleaved(
            SINGLES,
            || timed(Command::new(&program).arg(SECRET)),
            || timed(Command::new(&oathtool).args(["--totp", "-b", SECRET])),
        )?;
        title("\na code", SINGLES);
        print_row(name, ours);
        print_row("oathtool --totp -b SECRET", theirs);
        print_ratio(ratio(ours, theirs), "1.0 x or less", ours <= theirs);
    }

    let (ours, theirs) = interleaved(
        LISTS,
        || timed(Command::new(&t2otp).args([SECRET, "--future", "999999"])),
        || timed(Command::new(&oathtool).args(["--totp", "-b", "-w", "999999", SECRET])),
    )?;
    title("\na million codes", LISTS);
    print_row("t2otp --future 999999", ours);
    print_row("oathtool -w 999999", theirs);
    let faster = ratio(theirs, ours);
    println!("  {:<28} {faster:>7.2} x   (aim: 4 x faster or more, {})", "faster by", verdict(faster >= 4.0));

    rates()?;
    search()
}

/// `t2otp` with its C library inside: a third of its time goes into finding libraries. The plain build is put back.
fn build_static() -> Result<PathBuf, Failure> {
    let (plain, statically) = (place::built("release", "t2otp"), place::built("release", "t2otp-static"));
    let build = |arguments: &[&str]| {
        let mut cargo = place::cargo();
        cargo.args(["rustc", "--quiet", "--release", "--package", "oathburn", "--bin", "t2otp"]).args(arguments);
        match cargo.status().while_doing("build t2otp")? {
            status if status.success() => Ok(()),
            _ => Err(Failure::new("t2otp does not build")),
        }
    };
    build(&["--", "-C", "target-feature=+crt-static"])?;
    fs::copy(&plain, &statically).while_doing("keep the static t2otp")?;
    build(&[])?;
    Ok(statically)
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

fn print_ratio(ratio: f64, aim: &str, met: bool) {
    println!("  {:<28} {ratio:>7.2} x   (aim: {aim}, {})", "ratio", verdict(met));
}

/// Inside one process, on one core.
fn rates() -> Result<(), Failure> {
    let output =
        Command::new(place::built("release", "examples/code_rates")).output().while_doing("start code_rates")?;
    let said: Value = serde_json::from_slice(&output.stdout).while_doing("understand code_rates")?;
    let number = |name: &str| said[name].as_f64().ok_or_else(|| Failure::new(format!("code_rates has no {name}")));
    let floor = number("two_compressions")?;
    println!("\nwithin a process, nanoseconds a code, on one core");
    println!("  {:<28} {floor:>7.1} ns  (the floor of one code after the other)", "two bare compressions");
    for (name, what) in [
        ("one_by_one", "one code after the other"),
        ("one_seed", "one seed, many steps"),
        ("many_seeds", "many seeds, 41 steps each"),
    ] {
        let time = number(name)?;
        println!("  {what:<28} {time:>7.1} ns  {:.2} of the floor's speed", floor / time);
    }
    let reached = floor / number("one_seed")?;
    println!("  {:<28} {reached:>7.2} x   (aim: 0.9 or more, {})", "search loop to floor", verdict(reached >= 0.9));
    Ok(())
}

/// Whose code is it, among a million?
fn search() -> Result<(), Failure> {
    let (home, seed) = escrow()?;
    let time = "1800000000";
    let output = Command::new(place::built("release", "t2otp")).args([&seed, "--at", time, "--past", "1"]).output();
    let output = output.while_doing("start t2otp")?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let codes: Vec<_> = lines.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    let mut times = Vec::new();
    let (mut memory, mut split) = (0, String::new());
    for _ in 0..=SEARCHES {
        let mut command = Command::new(place::built("release", "oathburn"));
        command.env_clear().env("HOME", &home).args(["-v", "--json", "--time", time, "identify-code"]).args(&codes);
        let start = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().while_doing("start oathburn")?;
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        // The split is the last thing it says, when its memory has been as large as it gets.
        let errors = BufReader::new(child.stderr.take().expect("it was asked for")).lines();
        for line in errors.map_while(Result::ok).filter(|line| line.contains("opening seals")) {
            split = line;
            memory = memory.max(peak(&status));
        }
        let output = child.wait_with_output().while_doing("wait for oathburn")?;
        times.push(start.elapsed());
        let said: Value = serde_json::from_slice(&output.stdout).while_doing("understand oathburn")?;
        if said["searched"] != TOKENS || said["candidates"].as_array().is_none_or(|found| found.len() != 1) {
            return Err(Failure::new(format!("the search went wrong: {said}")));
        }
    }
    // The first pays for a cold cache.
    let median = super::median(times.split_off(1));
    title("\na code searched among a million tokens, 41 steps each", SEARCHES);
    print_row("oathburn identify-code", median);
    println!("  {:<28} {split}", "of which");
    println!("  {:<28} {:>7} MB", "memory at most", memory / 1024);
    let met = median <= SEARCH_TIME && memory <= SEARCH_MEMORY;
    println!("  {:<28} (aim: {} ms and 300 MB or less, {})", "", ms(SEARCH_TIME), verdict(met));
    Ok(())
}

/// The most memory a process has used, in kB.
pub(super) fn peak(status: &PathBuf) -> u64 {
    let text = fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// A home with a large escrow in it, and the seed of one token. It is kept for the next time.
pub(super) fn escrow() -> Result<(PathBuf, String), Failure> {
    let fill = place::built("release", "examples/fill");
    let home = fill.parent().map_or_else(PathBuf::new, |folder| folder.join("million-tokens"));
    let (folder, note) = (home.join(".local/share/oathburn"), home.join("seed"));
    if let Ok(seed) = fs::read_to_string(&note) {
        return Ok((home, seed.trim().to_owned()));
    }
    // What is without its note was not finished.
    if home.exists() {
        fs::remove_dir_all(&home).while_doing("remove an unfinished escrow")?;
    }
    println!("\nfilling an escrow with a million tokens, once …");
    let output = Command::new(fill).arg(&folder).arg(TOKENS.to_string()).output().while_doing("start fill")?;
    if !output.status.success() {
        return Err(Failure::new(format!("fill: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let seed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    fs::write(&note, &seed).while_doing("note the seed of a token")?;
    Ok((home, seed))
}
