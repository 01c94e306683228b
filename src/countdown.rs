//! Waiting for the next code, second by second.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oathburn_oath::{Clock, SystemClock, TimedCode, UnixTime};

/// The machine's clock, moved so that it began at a given time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Countdown {
    shift: i64,
}

impl Countdown {
    pub(crate) fn starting_at(time: UnixTime) -> Self {
        Self { shift: time.since(SystemClock.now()) }
    }

    pub(crate) fn now(self) -> UnixTime {
        SystemClock.now().offset(self.shift)
    }

    /// Waits until `end`, and tells `tick` each second how many are left.
    pub(crate) fn wait(self, end: UnixTime, mut tick: impl FnMut(i64) -> io::Result<()>) -> io::Result<()> {
        loop {
            let left = end.since(self.now());
            if left <= 0 {
                return Ok(());
            }
            tick(left)?;
            let into_second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
            std::thread::sleep(Duration::from_nanos(1_000_000_000 - u64::from(into_second)));
        }
    }
}

/// One line that is drawn over itself: the code, and how long it holds.
pub(crate) fn draw(out: &mut impl Write, timed: &TimedCode, left: i64) -> io::Result<()> {
    // Back to the beginning, and away with what was longer.
    write!(out, "\r{}  {left} s\x1b[K", timed.code)?;
    out.flush()
}
