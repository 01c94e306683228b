//! Officers come, go and merge sessions, and are killed at it; every job is killed at every write that it has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Chance;
use crate::failure::{Failure, While as _};
use crate::paint::{GREEN, Paint};
use crate::place;

/// Tokens in the escrow, and the sessions under which they are sealed.
const TOKENS: u64 = 3000;
const SESSIONS: u64 = 30;

/// How many programs are killed, unless said otherwise.
const KILLS: u32 = 200;
/// What is killed in each round, and how many rounds there are at least.
const JOBS: u32 = 3;
const ROUNDS: u32 = 4;

pub(super) fn run(arguments: &[String]) -> Result<(), Failure> {
    let kills = match arguments {
        [] => KILLS,
        [number] => number.parse().ok().filter(|&kills| kills > 0).unwrap_or(0),
        _ => 0,
    };
    if kills == 0 {
        return Err(Failure::usage("soak escrow takes the number of kills, above 0"));
    }
    let chance = &mut Chance::new();
    build()?;
    let (mut killed, mut finished, mut rounds) = (0, 0, 0);
    // No job takes all kills: each is killed in every round.
    let share = kills.div_ceil(JOBS * ROUNDS);
    while killed < kills {
        let round = Round::new(rounds)?;
        let line = round.line()?;
        for job in [&["escrow", "compact"][..], &["escrow", "officers", "add", &line, "--yes"], REMOVE] {
            let (died, ended) = round.play(job, share, chance)?;
            killed += died;
            finished += ended;
        }
        round.leave()?;
        rounds += 1;
    }
    let ok = Paint::of_stdout().with(GREEN, "ok");
    println!("escrow: {ok}, {killed} programs killed in {rounds} rounds, {finished} finished; nothing was lost");
    every_write()?;
    println!("escrow: {ok}, killed at every write of a burn, an import, a removal, a merge, a migration, a backup");
    Ok(())
}

/// The tests that kill at some writes, told to kill at all of them.
fn every_write() -> Result<(), Failure> {
    for test in [&["--test", "syscalls"][..], &["--test", "faults", "syscalls"]] {
        let mut cargo = place::cargo();
        // Whoever soaks wants them to be killed: without strace they would be skipped.
        cargo.args(["test", "--quiet", "--workspace"]).args(test).env("OATHBURN_KILLS", "1000000").env("CI", "1");
        if !cargo.status().while_doing("cargo test")?.success() {
            return Err(Failure::new("a job that was killed at one of its writes left something half"));
        }
    }
    Ok(())
}

const REMOVE: &[&str] = &["escrow", "officers", "remove", "Bob", "--yes"];

/// As the tests are built, and with those that are run afterwards, so that nothing is built twice.
fn build() -> Result<(), Failure> {
    // As a test an example would be built without a name that can be told.
    for what in [&["build", "--example", "fill"][..], &["test", "--no-run", "--test", "syscalls", "--test", "faults"]] {
        let mut cargo = place::cargo();
        if !cargo.args(what).args(["--quiet", "--workspace"]).status().while_doing("build")?.success() {
            return Err(Failure::new("the programs do not build"));
        }
    }
    Ok(())
}

/// Two machines, one store.
struct Round {
    folder: PathBuf,
}

impl Round {
    fn new(number: u32) -> Result<Self, Failure> {
        let folder = place::built("debug", "soak").join(format!("{}-{number}", std::process::id()));
        let data = folder.join("alice/.local/share/oathburn");
        fs::create_dir_all(&data).while_doing(data.display())?;
        let mut fill = Command::new(place::built("debug", "examples/fill"));
        fill.arg(data).args([TOKENS.to_string(), SESSIONS.to_string()]).stdout(Stdio::null());
        if !fill.status().while_doing("start fill")?.success() {
            return Err(Failure::new("fill failed"));
        }
        Ok(Self { folder })
    }

    fn command(&self, home: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(place::built("debug", "oathburn"));
        command.env_clear().env("HOME", self.folder.join(home)).args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn json(&self, home: &str, arguments: &[&str]) -> Result<Value, Failure> {
        let output = self.command(home, arguments).arg("--json").output().while_doing("start oathburn")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(Failure::new(format!("{arguments:?}: {said}; what is left lies in {}", self.folder.display())));
        }
        serde_json::from_str(&said).while_doing("understand oathburn")
    }

    fn line(&self) -> Result<String, Failure> {
        fs::create_dir_all(self.folder.join("bob")).while_doing("make a home")?;
        let key = self.json("bob", &["escrow", "officers", "key", "--label", "Bob", "--plain-identity"])?;
        key["line"].as_str().map(str::to_owned).ok_or_else(|| Failure::new("there is no line"))
    }

    /// Runs a job again and again, and kills it at random moments, up to so many times; then lets it come to its end.
    /// How often it was killed, and how often it had ended before.
    fn play(&self, job: &[&str], most: u32, chance: &mut Chance) -> Result<(u32, u32), Failure> {
        // How long it takes is learned: later while it is always killed, sooner once it came to its end.
        let (mut killed, mut ended, mut longest) = (0, 0, Duration::from_millis(200));
        while killed < most && ended < 2 {
            let start = Instant::now();
            let mut command = self.command("alice", job);
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let mut child = child.while_doing("start oathburn")?;
            let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
            thread::sleep(Duration::from_micros(chance.below(micros)));
            child.kill().while_doing("kill oathburn")?;
            if child.wait().while_doing("wait for oathburn")?.success() {
                ended += 1;
                longest = start.elapsed();
            } else {
                killed += 1;
                longest += longest / 4;
            }
            self.check()?;
        }
        self.json("alice", job)?;
        self.check()?;
        Ok((killed, ended))
    }

    /// Every seed opens, every event holds.
    fn check(&self) -> Result<(), Failure> {
        let said = self.json("alice", &["escrow", "check"])?;
        if said["ok"] == true && said["opened"] == TOKENS {
            return Ok(());
        }
        Err(Failure::new(format!("{said}; it lies in {}", self.folder.display())))
    }

    /// At the end the former officer opens nothing, and all that he could open is listed.
    fn leave(self) -> Result<(), Failure> {
        let exposed = self.json("alice", &["escrow", "officers", "exposed"])?;
        if exposed.as_array().map(|exposed| exposed.len() as u64) != Some(TOKENS) {
            return Err(Failure::new(format!("not all are listed; it lies in {}", self.folder.display())));
        }
        remove(&self.folder)
    }
}

fn remove(folder: &Path) -> Result<(), Failure> {
    fs::remove_dir_all(folder).while_doing(folder.display())
}
