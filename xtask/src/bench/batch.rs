//! How fast a batch goes: tokens a minute on one, two and four readers, and what of it is our own work.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::{TICK, own_ticks};
use super::{BURNS, OWN_TIME, median, ms, title};
use crate::emulator::Emulator;
use crate::failure::{Failure, While as _};
use crate::hands::{Hands, Run};
use crate::place;

/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_mins(1);
/// Tokens on each reader.
const TOKENS: usize = 60;

pub(super) fn run() -> Result<(), Failure> {
    title("a batch over pcscd, from token to token", TOKENS);
    for readers in [1, 2, 4] {
        let wire = wire(readers)?;
        let measured = measure(readers)?;
        println!("  {readers} reader{}", if readers == 1 { "" } else { "s" });
        println!("    {:<34} {:>8.0}", "tokens a minute", measured.rate);
        println!("    {:<34} {:>8} ms", "from one token to the next", ms(measured.cycle));
        println!("    {:<34} {:>8} ms", "of it taking off and laying on", ms(measured.hands));
        println!("    {:<34} {:>8} ms", "of it burning", ms(measured.burn));
        println!("    {:<34} {:>8.2}", "readers that burn at the same time", measured.together);
        println!("    {:<34} {:>8} ms", "the exchanges alone, on all at once", ms(wire));
        let own = measured.burn.saturating_sub(wire);
        let verdict = if own <= OWN_TIME { "met" } else { "missed" };
        println!(
            "    {:<34} {:>8} ms  (aim: {} ms or less, {verdict})",
            "our own share",
            ms(own),
            OWN_TIME.as_millis()
        );
        println!("    {:<34} {:>8} ms", "the processor's time of a token", ms(measured.processor));
        let [early, middle, late] = measured.memory;
        println!("    {:<34} {early:>8} kB, {middle} kB halfway, {late} kB at the end", "memory after ten tokens");
    }
    Ok(())
}

/// The same exchanges bare, over the same service, on so many readers at the same time.
fn wire(readers: usize) -> Result<Duration, Failure> {
    let emulator = Emulator::start_with(&place::built("release", "emulate"), readers, 0)?;
    let names = emulator.readers();
    let mut times = Vec::new();
    for _ in 0..BURNS {
        let start = |name: &String| {
            let mut bare = emulator.command(&place::built("release", "examples/bare_burn"));
            bare.arg(name.trim_start_matches("pcsc:")).stdout(Stdio::piped()).spawn().while_doing("start bare_burn")
        };
        let started = names.iter().map(start).collect::<Result<Vec<_>, _>>()?;
        for child in started {
            let output = child.wait_with_output().while_doing("wait for bare_burn")?;
            let said: Value = serde_json::from_slice(&output.stdout).while_doing("understand bare_burn")?;
            times.extend(said["wire_us"].as_u64().map(Duration::from_micros));
        }
    }
    Ok(median(times))
}

struct Measured {
    rate: f64,
    /// From one token that is done to the next on the same reader.
    cycle: Duration,
    /// From the call to take it off until the next one says who it is.
    hands: Duration,
    /// From there until it is done.
    burn: Duration,
    /// How many readers burned when one began to, itself among them.
    together: f64,
    /// What the process used of the processor from the first token to the last, for each.
    processor: Duration,
    /// After ten tokens, halfway, at the end.
    memory: [u64; 3],
}

fn measure(readers: usize) -> Result<Measured, Failure> {
    let emulator = Emulator::empty(&place::built("release", "emulate"), readers, 0)?;
    let oathburn = place::built("release", "oathburn");
    let mut init = emulator.command(&oathburn);
    super::timed(init.args(["--quiet", "escrow", "init", "--plain-identity"]))?;
    let hands = Hands::new(&emulator, TOKENS * readers, 0, 1)?;
    let mut command = emulator.command(&oathburn);
    command.args(["batch", "run", "--yes", "--json", "--count", &(TOKENS * readers).to_string()]);
    for name in emulator.readers() {
        command.args(["--reader", &name]);
    }
    let run = Run::start(&mut command)?;
    let mut seen = Seen::default();
    let (mut begin, mut end, mut memory, mut processor) = (None, Instant::now(), [0; 3], [Duration::ZERO; 2]);
    let (mut done, all) = (0, TOKENS * readers);
    while let Some((at, event)) = run.next(PATIENCE)? {
        hands.tell(&event)?;
        seen.note(at, &event);
        match event["event"].as_str().unwrap_or_default() {
            "identified" if begin.is_none() => {
                begin = Some(at);
                processor = [used(run.id()).unwrap_or_default(); 2];
            }
            "done" => {
                (done, end) = (done + 1, at);
                // After the last one it may be gone.
                memory[2] = resident(run.id()).unwrap_or(memory[2]);
                processor[1] = used(run.id()).unwrap_or(processor[1]);
                match done {
                    10 => memory[0] = memory[2],
                    _ if done == all / 2 => memory[1] = memory[2],
                    _ => {}
                }
            }
            _ => {}
        }
    }
    hands.end()?;
    let exit = run.exit()?;
    if exit != Some(0) || done != all {
        return Err(Failure::new(format!("the batch ended with {exit:?} after {done} tokens")));
    }
    let count = u32::try_from(done).unwrap_or(u32::MAX);
    let minutes = begin.map_or(0.0, |begin| (end - begin).as_secs_f64() / 60.0);
    let processor = processor[1].saturating_sub(processor[0]) / count;
    let together = f64::from(seen.together) / f64::from(count);
    let (cycle, hands, burn) = (median(seen.cycles), median(seen.hands), median(seen.burns));
    Ok(Measured { rate: f64::from(count) / minutes, cycle, hands, burn, together, processor, memory })
}

/// When things happened on each reader.
#[derive(Default)]
struct Seen {
    done: BTreeMap<String, Instant>,
    off: BTreeMap<String, Instant>,
    identified: BTreeMap<String, Instant>,
    cycles: Vec<Duration>,
    hands: Vec<Duration>,
    burns: Vec<Duration>,
    /// Sum over all burns of how many readers burned when it began.
    together: u32,
}

impl Seen {
    fn note(&mut self, at: Instant, event: &Value) {
        let reader = event["reader"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str().unwrap_or_default() {
            "identified" => {
                self.hands.extend(self.off.remove(&reader).map(|off| at - off));
                self.identified.insert(reader, at);
                self.together += u32::try_from(self.identified.len()).unwrap_or(u32::MAX);
            }
            "done" => {
                self.burns.extend(self.identified.remove(&reader).map(|identified| at - identified));
                self.cycles.extend(self.done.insert(reader, at).map(|before| at - before));
            }
            "take-off" => drop(self.off.insert(reader, at)),
            _ => {}
        }
    }
}

/// What a process has used of the processor.
fn used(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(TICK * own_ticks(&stat)?)
}

/// The memory of a process that is in use, in kB (proc(5)).
fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).while_doing("read the memory").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
