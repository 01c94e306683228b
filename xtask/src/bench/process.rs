//! One program from its start to its end: the clock's time, the processor's time, and the most memory it used.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::codes::peak;
use crate::failure::{Failure, While as _};

/// How often memory is looked at.
const PULSE: Duration = Duration::from_millis(20);
/// The kernel counts the processor's time in these, whatever it ticks in itself (proc(5)).
pub(super) const TICK: Duration = Duration::from_millis(10);

/// What a run cost, and what it said.
pub(super) struct Measured {
    pub(super) time: Duration,
    pub(super) processor: Duration,
    /// In kB.
    pub(super) memory: u64,
    pub(super) stdout: String,
}

impl Measured {
    /// How many of so many things a second of the processor does.
    pub(super) fn rate(&self, count: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "some millions are exact")]
        let count = count as f64;
        count / self.processor.as_secs_f64()
    }

    pub(super) fn print(&self, name: &str, count: u64) {
        let (clock, processor) = (self.time.as_secs_f64(), self.processor.as_secs_f64());
        let (rate, memory) = (self.rate(count), self.memory / 1024);
        println!("  {name:<44} {processor:>6.1} s  {rate:>8.0} a second  {memory:>5} MB  ({clock:.1} s by the clock)");
    }
}

/// Runs a program that must end well. No other child of this process may run at the same time.
pub(super) fn measured(command: &mut Command) -> Result<Measured, Failure> {
    let before = of_children()?;
    let start = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().while_doing("start a program")?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut memory = 0;
    let ended = loop {
        memory = memory.max(peak(&status));
        if let Some(ended) = child.try_wait().while_doing("wait for a program")? {
            break ended;
        }
        thread::sleep(PULSE);
    };
    let time = start.elapsed();
    let mut stdout = String::new();
    // What it says fits into the pipe.
    child.stdout.take().expect("it was asked for").read_to_string(&mut stdout).while_doing("listen")?;
    if !ended.success() {
        return Err(Failure::new(format!("{command:?}: {ended}: {stdout}")));
    }
    Ok(Measured { time, processor: of_children()?.saturating_sub(before), memory, stdout })
}

/// The processor's time of all children that have ended and were waited for.
fn of_children() -> Result<Duration, Failure> {
    let stat = fs::read_to_string("/proc/self/stat").while_doing("read the processor's time")?;
    let ticks = ticks(&stat).ok_or_else(|| Failure::new("the kernel tells no processor time"))?;
    Ok(TICK * ticks)
}

/// The 16th and 17th field: what children used that were waited for.
fn ticks(stat: &str) -> Option<u32> {
    pair_of_ticks(stat, 13)
}

/// The 14th and 15th field: what the process itself has used.
pub(super) fn own_ticks(stat: &str) -> Option<u32> {
    pair_of_ticks(stat, 11)
}

/// The second field, a name in brackets, may hold spaces.
fn pair_of_ticks(stat: &str, place: usize) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(place);
    let mut field = || fields.next()?.parse::<u32>().ok();
    Some(field()? + field()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_where_the_manual_says() {
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 300 40 20 0 1";
        assert_eq!((ticks(stat), own_ticks(stat)), (Some(340), Some(23)));
        assert_eq!(ticks("42 (a"), None);
        assert!(of_children().is_ok());
    }
}
