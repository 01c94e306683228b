//! `cargo xtask fuzz`: every reader of foreign bytes, fed by a fuzzer.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, While as _};
use crate::paint::{BOLD, GREEN, Paint};
use crate::place;

/// How long each target runs unless said otherwise.
const SECONDS: u32 = 30;
/// How much of the fuzzer's talk is shown when it finds something.
const LINES: usize = 80;

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let all = targets(&place::root().join("fuzz/fuzz_targets"))?;
    let (seconds, chosen) = parse(arguments, &all)?;
    let cargo_fuzz = prepare()?;
    // All at once: the time of a target is for running it.
    let built = fuzz(&cargo_fuzz, "build").status().while_doing("cargo fuzz build")?;
    if !built.success() {
        return Err(Failure::new(format!("cargo fuzz build: {built}")));
    }
    let paint = Paint::of_stdout();
    println!("{} a target, {} of them", shown(seconds), chosen.len());
    let mut found = Vec::new();
    for target in chosen {
        match feed(&cargo_fuzz, target, seconds)? {
            Some(stats) => println!("  {:<12} {}, {stats}", paint.with(BOLD, target), paint.with(GREEN, "ok")),
            None => found.push(target),
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let names = found.join(", ");
    Err(Failure::new(format!(
        "{names}: keep what is in fuzz/artifacts as a file of fuzz/corpus, so that `cargo xtask test` has it too"
    )))
}

fn shown(seconds: u32) -> String {
    format!("{seconds} s")
}

/// Seconds and a target, in any order; neither must be given.
fn parse<'a>(arguments: &[String], all: &'a [String]) -> Result<(u32, Vec<&'a str>), Failure> {
    let (mut seconds, mut chosen) = (None, None);
    for argument in arguments {
        if let (None, Ok(number @ 1..)) = (seconds, argument.parse()) {
            seconds = Some(number);
        } else if let (None, Some(target)) = (chosen, all.iter().find(|target| *target == argument)) {
            chosen = Some(target.as_str());
        } else {
            let names = all.join(", ");
            return Err(Failure::usage(format!("{argument:?} is neither seconds nor one target of {names}")));
        }
    }
    let chosen = chosen.map_or_else(|| all.iter().map(String::as_str).collect(), |one| vec![one]);
    Ok((seconds.unwrap_or(SECONDS), chosen))
}

/// The names of the targets, sorted.
fn targets(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).while_doing(folder.display())? {
        let path = entry.while_doing(folder.display())?.path();
        names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Sees that the nightly compiler and `cargo-fuzz` are there, and installs the latter where it is not.
fn prepare() -> Result<PathBuf, Failure> {
    let mut rustup = Command::new("rustup");
    let nightly = rustup.args(["run", "nightly", "rustc", "--version"]).stdout(Stdio::null()).status();
    if !nightly.is_ok_and(|status| status.success()) {
        return Err(Failure::new("sanitizers want the nightly compiler: `rustup toolchain install nightly`"));
    }
    if place::program("c++").is_none() {
        return Err(Failure::new("libfuzzer wants a C++ compiler: `sudo apt-get install g++`"));
    }
    if let Some(program) = place::program("cargo-fuzz") {
        return Ok(program);
    }
    println!("installing cargo-fuzz");
    let root = place::root().join("fuzz/target/tools");
    let mut install = place::cargo();
    install.args(["install", "--quiet", "--locked", "cargo-fuzz", "--root"]).arg(&root);
    let status = install.status().while_doing("cargo install cargo-fuzz")?;
    let program = root.join("bin/cargo-fuzz");
    if status.success() && program.is_file() {
        return Ok(program);
    }
    Err(Failure::new(format!("cargo install cargo-fuzz: {status}")))
}

/// `cargo +nightly fuzz TASK`, also where cargo is not the one of rustup.
fn fuzz(cargo_fuzz: &Path, task: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).arg(cargo_fuzz).args(["fuzz", task]);
    // The cargo that runs us is another one.
    command.env_remove("CARGO").env_remove("RUSTC").stdin(Stdio::null()).current_dir(place::root());
    command
}

/// Runs a target for so long. What it learns on the way stays out of the repository. `None`: it found something.
fn feed(cargo_fuzz: &Path, target: &str, seconds: u32) -> Result<Option<String>, Failure> {
    let fuzz_folder = place::root().join("fuzz");
    let (learnt, kept) = (fuzz_folder.join("target/corpus").join(target), fuzz_folder.join("corpus").join(target));
    fs::create_dir_all(&learnt).while_doing(learnt.display())?;
    let mut command = fuzz(cargo_fuzz, "run");
    command.arg(target).args([learnt, kept]).arg("--").arg(format!("-max_total_time={seconds}"));
    let mut child = command.arg("-print_final_stats=1").stderr(Stdio::piped()).spawn().while_doing("cargo fuzz run")?;
    let mut talk = BufReader::new(child.stderr.take().expect("it was asked for"));
    let (mut last, mut line, mut stats) = (VecDeque::new(), Vec::new(), Vec::new());
    while talk.read_until(b'\n', &mut line).while_doing("cargo fuzz run")? > 0 {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        stats.extend(stat(&text));
        last.push_back(text);
        if last.len() > LINES {
            last.pop_front();
        }
        line.clear();
    }
    if child.wait().while_doing("cargo fuzz run")?.success() {
        return Ok(Some(stats.join(", ")));
    }
    for line in last {
        eprintln!("{line}");
    }
    Ok(None)
}

/// What is told of a run: how many inputs, and how fast.
fn stat(line: &str) -> Option<String> {
    let (name, value) = line.strip_prefix("stat::")?.split_once(':')?;
    let unit = match name {
        "number_of_executed_units" => "inputs",
        "average_exec_per_sec" => "inputs/s",
        _ => return None,
    };
    Some(format!("{} {unit}", value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn seconds_and_a_target_in_any_order() {
        let all = words(&["models", "seed"]);
        let parsed = |arguments: &[&str]| parse(&words(arguments), &all).ok();
        assert_eq!(parsed(&[]), Some((SECONDS, vec!["models", "seed"])));
        assert_eq!(parsed(&["5"]), Some((5, vec!["models", "seed"])));
        assert_eq!(parsed(&["5", "seed"]), Some((5, vec!["seed"])));
        assert_eq!(parsed(&["seed", "5"]), Some((5, vec!["seed"])));
        for wrong in [&["0"][..], &["5", "6"], &["seed", "models"], &["reader"], &["-1"]] {
            assert_eq!(parsed(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn targets_are_those_that_are_there() {
        let names = targets(&place::root().join("fuzz/fuzz_targets")).unwrap();
        assert!(names.contains(&"program".to_owned()) && names.is_sorted(), "{names:?}");
    }

    #[test]
    fn numbers_are_taken_from_the_fuzzers_last_lines() {
        assert_eq!(stat("stat::average_exec_per_sec:     12345").as_deref(), Some("12345 inputs/s"));
        assert_eq!(stat("stat::number_of_executed_units: 7").as_deref(), Some("7 inputs"));
        assert_eq!(stat("stat::peak_rss_mb:              40"), None);
        assert_eq!(stat("#7 DONE cov: 12"), None);
    }
}
