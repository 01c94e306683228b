//! How fast a batch goes: tokens a minute on one, two and four readers, and what of it is our own work.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{OWN_TIME, median, ms, on_the_wire, title};
use crate::emulator::Emulator;
use crate::failure::{Failure, While as _};
use crate::hands::{Hands, Run};
use crate::place;

/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_mins(1);
/// Tokens on each reader.
const TOKENS: usize = 60;

pub(super) fn run() -> Result<(), Failure> {
    // The same exchanges bare, over the same service.
    let wire = {
        let emulator = Emulator::start(&place::built("release", "emulate"))?;
        on_the_wire(&emulator, &place::built("release", "examples/bare_burn"))?.1
    };
    title("a batch over pcscd, from token to token", TOKENS);
    for readers in [1, 2, 4] {
        let measured = measure(readers)?;
        println!("  {readers} reader{}", if readers == 1 { "" } else { "s" });
        println!("    {:<34} {:>8.0}", "tokens a minute", measured.rate);
        println!("    {:<34} {:>8} ms", "from one token to the next", ms(measured.cycle));
        println!("    {:<34} {:>8} ms", "of it taking off and laying on", ms(measured.hands));
        println!("    {:<34} {:>8} ms", "of it burning", ms(measured.burn));
        println!("    {:<34} {:>8} ms", "the exchanges alone", ms(wire));
        let own = measured.burn.saturating_sub(wire);
        let verdict = if own <= OWN_TIME { "met" } else { "missed" };
        println!(
            "    {:<34} {:>8} ms  (aim: {} ms or less, {verdict})",
            "our own share",
            ms(own),
            OWN_TIME.as_millis()
        );
        let (first, last) = measured.memory;
        println!("    {:<34} {first:>8} kB, {last} kB at the end", "memory after ten tokens");
    }
    Ok(())
}

struct Measured {
    rate: f64,
    /// From one token that is done to the next on the same reader.
    cycle: Duration,
    /// From the call to take it off until the next one says who it is.
    hands: Duration,
    /// From there until it is done.
    burn: Duration,
    memory: (u64, u64),
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
    let (mut begin, mut end, mut first_memory, mut last_memory) = (None, Instant::now(), 0, 0);
    let mut done = 0;
    while let Some((at, event)) = run.next(PATIENCE)? {
        hands.tell(&event)?;
        seen.note(at, &event);
        match event["event"].as_str().unwrap_or_default() {
            "identified" => drop(begin.get_or_insert(at)),
            "done" => {
                (done, end) = (done + 1, at);
                // After the last one it may be gone.
                last_memory = resident(run.id()).unwrap_or(last_memory);
                if done == 10 {
                    first_memory = last_memory;
                }
            }
            _ => {}
        }
    }
    hands.end()?;
    let exit = run.exit()?;
    if exit != Some(0) || done != TOKENS * readers {
        return Err(Failure::new(format!("the batch ended with {exit:?} after {done} tokens")));
    }
    let minutes = begin.map_or(0.0, |begin| (end - begin).as_secs_f64() / 60.0);
    let rate = f64::from(u32::try_from(done).unwrap_or(u32::MAX)) / minutes;
    let (cycle, hands, burn) = (median(seen.cycles), median(seen.hands), median(seen.burns));
    Ok(Measured { rate, cycle, hands, burn, memory: (first_memory, last_memory) })
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
}

impl Seen {
    fn note(&mut self, at: Instant, event: &Value) {
        let reader = event["reader"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str().unwrap_or_default() {
            "identified" => {
                self.hands.extend(self.off.remove(&reader).map(|off| at - off));
                self.identified.insert(reader, at);
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

/// The memory of a process that is in use, in kB (proc(5)).
fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).while_doing("read the memory").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
