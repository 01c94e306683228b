//! `cargo xtask soak batch`: thousands of tokens, faults on the wire, and a program that is killed again and again in the middle
//! of anything; at the end nothing may be lost, doubled or wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde_json::Value;

use crate::emulator::Emulator;
use crate::failure::{Failure, While as _};
use crate::hands::{Chance, Hands, Run};
use crate::{bench, place, setup};

/// How many tokens, and how often the program is killed, unless said otherwise.
const TOKENS: usize = 2000;
const KILLS: usize = 300;
/// Readers, each with an operator.
const READERS: usize = 8;
/// How long it may take until one more line is done.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is said how far it is.
const PULSE: Duration = Duration::from_secs(30);
/// How much of what was heard last is told when it fails.
const RECENT: usize = 60;
/// To so many of a thousand tokens something happens.
const FAULTS: u64 = 50;

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let numbers: Vec<u64> = arguments.iter().map_while(|text| text.parse().ok()).collect();
    let usage = || Failure::usage("soak takes up to three numbers: TOKENS KILLS SEED");
    if numbers.len() != arguments.len() || numbers.len() > 3 {
        return Err(usage());
    }
    let number = |index: usize, usual: usize| numbers.get(index).map_or(Ok(usual), |&one| usize::try_from(one));
    let tokens = number(0, TOKENS).map_err(|_| usage())?;
    let kills = number(1, KILLS).map_err(|_| usage())?;
    let seed = numbers.get(2).copied().unwrap_or(1);
    setup::ensure()?;
    bench::build(Some("batch"))?;
    println!("{tokens} tokens on {READERS} readers, {kills} kills, {} % faults, chance {seed}", FAULTS / 10);
    Soak::start(tokens, kills, seed)?.play()
}

struct Soak {
    emulator: Emulator,
    tokens: usize,
    kills: usize,
    seed: u64,
    /// Tokens of which an operator was told that they are done.
    told: BTreeSet<String>,
    /// What else was heard, and how often.
    refused: BTreeMap<String, u64>,
    /// The last things that were heard.
    recent: VecDeque<String>,
    /// When a line was done last, and when it was said how many are.
    progress: Instant,
    said: Instant,
}

impl Soak {
    fn start(tokens: usize, kills: usize, seed: u64) -> Result<Self, Failure> {
        let emulator = Emulator::empty(&place::built("release", "emulate"), READERS, 0)?;
        let now = Instant::now();
        let (told, refused, recent) = (BTreeSet::new(), BTreeMap::new(), VecDeque::new());
        Ok(Self { emulator, tokens, kills, seed, told, refused, recent, progress: now, said: now })
    }

    fn oathburn(&self, arguments: &[&str]) -> Command {
        let mut command = self.emulator.command(&place::built("release", "oathburn"));
        command.args(arguments);
        command
    }

    fn json(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let output =
            self.oathburn(arguments).arg("--json").stderr(Stdio::null()).output().while_doing("start oathburn")?;
        serde_json::from_slice(&output.stdout).while_doing(format_args!("understand {arguments:?}"))
    }

    fn play(mut self) -> Result<(), Failure> {
        let begin = Instant::now();
        self.json(&["escrow", "init", "--plain-identity"])?;
        let mut list = String::from("upn\n");
        for number in 1..=self.tokens {
            // Writing to a string cannot fail.
            let _ = writeln!(list, "user{number}@example.com");
        }
        let users = self.emulator.home().join("users.csv");
        fs::write(&users, list).while_doing("write the list")?;
        let users = users.display().to_string();
        // Some tokens may be set aside.
        let hands = Hands::new(&self.emulator, self.tokens + self.tokens / 10 + READERS, FAULTS, self.seed)?;
        let (killed, batch) = self.work(&users, &hands).map_err(|failure| self.stuck(&failure))?;
        let faults = hands.end()?;
        let seconds = begin.elapsed().as_secs().max(1);
        let rate = self.tokens as u64 * 60 / seconds;
        println!("burned in {seconds} s, {rate} a minute, {killed} kills, {faults} faults armed");
        for (code, count) in &self.refused {
            println!("  {code}: {count}");
        }
        self.judge(&batch)
    }

    /// Runs, kills and resumes until every line is done.
    fn work(&mut self, users: &str, hands: &Hands) -> Result<(usize, String), Failure> {
        let mut chance = Chance(self.seed);
        let (mut killed, mut batch) = (0, String::new());
        // A kill comes about so many events after the one before.
        let events = (self.tokens as u64 * 12 / (self.kills as u64 + 1)).max(8);
        loop {
            let words: Vec<&str> = match batch.as_str() {
                "" => vec!["batch", "run", users, "--yes"],
                batch => vec!["batch", "retry-failed", batch],
            };
            let mut command = self.oathburn(&words);
            for name in self.emulator.readers() {
                command.args(["--reader", &name]);
            }
            let mut run = Run::start(command.args(["--timeout", "1", "--json"]))?;
            let end = if killed < self.kills { events / 2 + chance.below(events) } else { u64::MAX };
            let (mut heard, mut last, mut is_killed) = (0, Value::Null, false);
            while let Some((_, event)) = run.next(PATIENCE)? {
                heard += 1;
                if let Some(id) = event["batch"].as_str() {
                    id.clone_into(&mut batch);
                }
                self.note(&event);
                self.pulse(killed)?;
                if heard < end {
                    hands.tell(&event)?;
                } else if !is_killed {
                    // Somewhere in what comes next, not always at the end of a line.
                    thread::sleep(Duration::from_micros(chance.below(20_000)));
                    run.kill()?;
                    (killed, is_killed) = (killed + 1, true);
                }
                last = event;
            }
            if is_killed {
                hands.settle()?;
                continue;
            }
            match run.exit()? {
                Some(0) => return Ok((killed, batch)),
                Some(5) => {}
                code => return Err(Failure::new(format!("the batch ended with {code:?}: {last}"))),
            }
        }
    }

    /// Says now and then how far it is; fails when no line was done for too long.
    fn pulse(&mut self, killed: usize) -> Result<(), Failure> {
        if self.said.elapsed() > PULSE {
            self.said = Instant::now();
            println!("  {} tokens are done after {killed} kills", self.told.len());
        }
        if self.progress.elapsed() > PATIENCE {
            return Err(Failure::new(format!("no line was done for {} s", PATIENCE.as_secs())));
        }
        Ok(())
    }

    /// A failure with all that tells where it came from.
    fn stuck(&mut self, failure: &Failure) -> Failure {
        let mut text = format!("{failure}\n{} tokens are done (chance {})", self.told.len(), self.seed);
        for (code, count) in &self.refused {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {code}: {count}");
        }
        for event in &self.recent {
            let _ = write!(text, "\n{event}");
        }
        for (name, value) in [("batches", self.json(&["batch", "status"])), ("readers", self.emulator.ask("status"))] {
            match value {
                Ok(value) => drop(write!(text, "\n{name}: {value}")),
                Err(error) => drop(write!(text, "\n{name}: {error}")),
            }
        }
        let log = self.emulator.home().with_file_name("pcscd.log");
        let log = fs::read_to_string(log).unwrap_or_default();
        for line in log.lines().rev().take(RECENT).collect::<Vec<_>>().into_iter().rev() {
            let _ = write!(text, "\npcscd: {line}");
        }
        Failure::new(text)
    }

    fn note(&mut self, event: &Value) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(event.to_string());
        match event["event"].as_str().unwrap_or_default() {
            "done" => {
                self.told.extend(event["serial"].as_str().map(str::to_owned));
                self.progress = Instant::now();
            }
            "refused" | "broken" | "line-failed" | "reader-away" => {
                let code = event["error"]["code"].as_str().unwrap_or_default();
                let name = event["event"].as_str().unwrap_or_default();
                *self.refused.entry(format!("{name} {code}")).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Every line is done once, by a token of its own, which holds the seed of its entry; the escrow is whole.
    fn judge(&mut self, batch: &str) -> Result<(), Failure> {
        let wrong = |what: String| Err(Failure::new(format!("{what} (chance {})", self.seed)));
        let check = self.json(&["escrow", "check"])?;
        if check["ok"] != true {
            return wrong(format!("the escrow is not whole: {check}"));
        }
        let out = self.emulator.home().join("entra.csv");
        let file = out.display().to_string();
        let reason = ["--reason", "soak", "--out", &file];
        self.json(&[&["export", "--format", "entra", "--batch", batch], &reason[..]].concat())?;
        let exported = rows(&out)?;
        let results = self.emulator.home().join("results.csv");
        self.json(&["batch", "results", batch, "--out", &results.display().to_string()])?;
        let results = rows(&results)?;
        if (results.len(), exported.len()) != (self.tokens, self.tokens) {
            return wrong(format!("{} results, {} exported", results.len(), exported.len()));
        }
        let (mut serials, mut seeds) = (BTreeSet::new(), BTreeSet::new());
        let of: BTreeMap<_, _> = exported.iter().map(|row| (row[0].clone(), row)).collect();
        for (row, number) in results.iter().zip(1..) {
            let (upn, serial) = (format!("user{number}@example.com"), &row[2]);
            let Some(exported) = of.get(&upn).filter(|exported| exported[1] == *serial) else {
                return wrong(format!("{upn} is not exported with {serial}"));
            };
            let state = self.emulator.ask(&format!("state token {serial} --with-seed"))?;
            let seed = state["seed"].as_str().unwrap_or_default().to_owned();
            if row[0] != number.to_string() || row[1] != upn || row[4] != "done" || !row[7].is_empty() {
                return wrong(format!("line {number} is {row:?}"));
            }
            if hex(&exported[2]) != seed {
                return wrong(format!("{serial} does not hold the seed of its entry"));
            }
            if !serials.insert(serial.clone()) || !seeds.insert(seed) {
                return wrong(format!("{serial} was burned twice, or has the seed of another"));
            }
        }
        if let Some(serial) = self.told.iter().find(|serial| !serials.contains(*serial)) {
            return wrong(format!("{serial} was told to be done, and is not"));
        }
        let entries = self.json(&["escrow", "list", "--state", "programmed"])?;
        let count = entries.as_array().map_or(0, Vec::len);
        if count != self.tokens {
            return wrong(format!("{count} entries are programmed"));
        }
        println!(
            "{} lines, {} tokens, {} seeds: all as the escrow says; {check}",
            results.len(),
            serials.len(),
            seeds.len()
        );
        Ok(())
    }
}

/// The rows below the header. Nothing in these lists is quoted.
fn rows(path: &Path) -> Result<Vec<Vec<String>>, Failure> {
    let text = fs::read_to_string(path).while_doing(path.display())?;
    Ok(text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

/// Base32 as hex; empty when it is none.
fn hex(base32: &str) -> String {
    let bytes = BASE32_NOPAD.decode(base32.to_ascii_uppercase().as_bytes());
    bytes.map(|bytes| HEXLOWER.encode(&bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_becomes_hex() {
        assert_eq!(hex("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "3132333435363738393031323334353637383930");
        assert_eq!((hex("ge"), hex("g")), ("31".into(), String::new()));
    }
}
