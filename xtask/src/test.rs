//! `cargo xtask test`: everything that must be right before a change goes in.

use std::env;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _, stdout};
use std::num::NonZeroUsize;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::available_parallelism;
use std::time::Instant;

use crate::failure::{Failure, While as _};
use crate::paint::{BOLD, DIM, GREEN, Paint};
use crate::{place, setup};

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::usage("test takes no arguments; for some tests only there is `cargo test`"));
    }
    let before = changes();
    step("setup", prepare)?;
    // Left to itself, rustfmt colours its differences in log files too.
    let color = if stdout().is_terminal() { "always" } else { "never" };
    step("format", || cargo(&["fmt", "--all", "--check", "--", "--color", color]))?;
    step("lint", || cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"]))?;
    // With tests and examples, what all depend on has one set of features, and is compiled once.
    step("programs", || cargo(&["build", "--workspace", "--lib", "--bins", "--tests", "--examples"]))?;
    // The whole workspace here, too: only what looks at the feature is compiled once more.
    step("without libnfc", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--no-default-features", "--", "--deny", "warnings"])?;
        let ours = ["conversation::", "diagnose::", "libnfc::", "presence::", "reader::", "selector::"];
        let all = ["test", "--workspace", "--lib", "--no-default-features", "--quiet", "--"];
        cargo(&[&all[..], &ours].concat())
    })?;
    step("docs", || {
        done("cargo doc", command(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    let mut tally = Tally::default();
    let tested = step("tests", || test(&mut tally));
    let clean = step("work tree", || unchanged(before.as_deref()));
    if tally.results > 0 {
        println!("\n{} passed, {} failed", tally.passed, tally.failed);
    }
    tested.and(clean)
}

/// Runs one step between its name and its time.
fn step(name: &str, run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let paint = Paint::of_stdout();
    println!("{} {}", paint.with(DIM, "--"), paint.with(BOLD, name));
    let start = Instant::now();
    let result = run().map_err(|failure| Failure::new(format!("{name}: {failure}")));
    let seconds = start.elapsed().as_secs_f64();
    let mark = if result.is_ok() { paint.with(GREEN, "ok") } else { "not ok".into() };
    println!("{} {name}: {mark}, {seconds:.1} s", paint.with(DIM, "--"));
    result
}

/// Sets the machine up. Where that cannot be done, tests without their real parts say that they are skipped; in
/// continuous integration nothing is skipped.
fn prepare() -> Result<(), Failure> {
    match setup::ensure() {
        Err(failure) if env::var_os("CI").is_none() => {
            println!("going on without: {failure}");
            Ok(())
        }
        result => result,
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut cargo = place::cargo();
    cargo.args(arguments).stdin(Stdio::null()).env("CARGO_TERM_PROGRESS_WHEN", "never").env("RUST_BACKTRACE", "1");
    cargo
}

fn cargo(arguments: &[&str]) -> Result<(), Failure> {
    done(&format!("cargo {}", arguments.join(" ")), &mut command(arguments))
}

fn done(name: &str, command: &mut Command) -> Result<(), Failure> {
    judge(name, command.status().while_doing(name)?)
}

fn judge(name: &str, status: ExitStatus) -> Result<(), Failure> {
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{name}: {status}"))) }
}

/// Runs every test, documentation included, past failures, and counts what comes by.
fn test(tally: &mut Tally) -> Result<(), Failure> {
    let name = "cargo test";
    let mut cargo = command(&["test", "--workspace", "--no-fail-fast"]);
    // Half of the tests' time is waiting: for a card, a service, a browser.
    let threads = available_parallelism().map_or(1, NonZeroUsize::get) + 2;
    cargo.env("RUST_TEST_THREADS", threads.to_string());
    let mut child = cargo.stdout(Stdio::piped()).spawn().while_doing(name)?;
    let mut output = BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut line = Vec::new();
    // Bytes, not text: a test may print anything.
    while output.read_until(b'\n', &mut line).while_doing(name)? > 0 {
        stdout().write_all(&line).while_doing(name)?;
        tally.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let ended = judge(name, child.wait().while_doing(name)?);
    if ended.is_err() && tally.failed == 0 {
        // A test program that was killed has no result line of its own.
        tally.failed = 1;
    }
    ended?;
    if tally.passed == 0 {
        return Err(Failure::new("no test was run"));
    }
    Ok(())
}

/// The sum of all lines with a result.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    results: u32,
    passed: u32,
    failed: u32,
}

impl Tally {
    /// Counts `test result: ok. 3 passed; 0 failed; …`.
    fn read(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        self.results += 1;
        for count in counts.split("; ") {
            if let Some((number, what)) = count.split_once(' ') {
                let number: u32 = number.parse().unwrap_or(0);
                match what.trim_end() {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    _ => {}
                }
            }
        }
    }
}

/// What differs from the last commit; `None` outside a repository.
fn changes() -> Option<String> {
    let mut git = Command::new("git");
    let output = git.args(["status", "--porcelain"]).current_dir(place::root()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A test that leaves files lying about, or a lock file that is not up to date.
fn unchanged(before: Option<&str>) -> Result<(), Failure> {
    let Some(before) = before else {
        println!("not in a git repository: cannot be told");
        return Ok(());
    };
    let after = changes().ok_or_else(|| Failure::new("the repository has gone"))?;
    let new = added(before, &after);
    if new.is_empty() { Ok(()) } else { Err(Failure::new(format!("the run changed it\n{}", new.join("\n")))) }
}

fn added<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    after.lines().filter(|line| !before.lines().any(|old| old == *line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed() {
        let mut tally = Tally::default();
        for line in [
            "running 4 tests\n",
            "test a ... ok\n",
            "test result: ok. 20 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s\n",
            "my test result: ok. 9 passed; 9 failed\n",
            "test result: \n",
        ] {
            tally.read(line);
        }
        assert_eq!(tally, Tally { results: 2, passed: 23, failed: 2 });
    }

    #[test]
    fn changes_before_the_run_are_not_its_own() {
        let before = " M Cargo.toml\n?? notes\n";
        assert_eq!(added(before, before), [""; 0]);
        assert_eq!(added(before, " M Cargo.lock\n M Cargo.toml\n?? notes\n"), [" M Cargo.lock"]);
    }
}
