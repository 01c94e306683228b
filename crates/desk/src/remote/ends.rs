//! When a lease ends: by two clocks, of which one cannot be set.

use std::fs;

use oathburn_oath::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};

/// A point in time, by two clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The wall clock, in Unix seconds.
    pub wall: u64,
    /// Which start of the machine it was; empty where the system does not tell.
    pub boot: String,
    /// Seconds since that start, asleep or awake.
    pub up: u64,
}

/// Where moments come from.
pub trait Clocks: Send + Sync {
    /// Now.
    fn now(&self) -> Moment;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineClocks;

impl Clocks for MachineClocks {
    fn now(&self) -> Moment {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec;
        Moment { wall: SystemClock.now().seconds(), boot, up: u64::try_from(up).unwrap_or(0) }
    }
}

/// How long a lease lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseEnd {
    /// When it was asked for: it began later.
    pub from: Moment,
    /// For how many seconds it lasts.
    pub seconds: u64,
}

impl LeaseEnd {
    /// For how many seconds it lasts yet.
    pub fn left(&self, now: &Moment) -> u64 {
        let same = !now.boot.is_empty() && now.boot == self.from.boot;
        // A wall clock that was set back says nothing; after another start of the machine there is no other.
        let by_wall = match now.wall.checked_sub(self.from.wall) {
            Some(elapsed) => self.seconds.saturating_sub(elapsed),
            None if same => self.seconds,
            None => 0,
        };
        let up = if same { now.up.saturating_sub(self.from.up) } else { now.up };
        by_wall.min(self.seconds.saturating_sub(up))
    }

    /// Whether it must not be used any more.
    pub fn is_over(&self, now: &Moment) -> bool {
        self.left(now) == 0
    }
}

/// How far a clock may be from the desk's before tokens are no longer set by it, in seconds: a third of the usual time
/// step, which leaves the rest to the drift of the token itself.
pub const CLOCK_TOLERANCE: u64 = 10;

/// By how many seconds this machine's clock is ahead of the desk's, at least: the desk said its time somewhen between two
/// moments. Less than nothing where it is behind.
pub fn ahead_by(desk: u64, asked: &Moment, answered: &Moment) -> i64 {
    let ahead = |ours: u64| i64::try_from(ours).unwrap_or(i64::MAX).saturating_sub_unsigned(desk);
    match (ahead(asked.wall), ahead(answered.wall)) {
        (ahead, _) if ahead > 0 => ahead,
        (_, behind) => behind.min(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_compared_with_the_time_that_an_answer_took_in_its_favour() {
        let between = |asked, answered| ahead_by(1000, &at(asked, "a", 1), &at(answered, "a", 1));
        assert_eq!([between(1000, 1000), between(990, 1030), between(1000, 1001)], [0; 3]);
        assert_eq!([between(1012, 1015), between(1400, 1400)], [12, 400]);
        assert_eq!([between(970, 980), between(0, 0)], [-20, -1000]);
        assert_eq!(ahead_by(u64::MAX, &at(0, "a", 1), &at(1, "a", 1)), i64::MIN);
    }

    fn at(wall: u64, boot: &str, up: u64) -> Moment {
        Moment { wall, boot: boot.into(), up }
    }

    #[test]
    fn a_lease_ends_by_whichever_clock_is_first() {
        let lease = LeaseEnd { from: at(1_000_000, "a", 500), seconds: 3600 };
        assert_eq!(lease.left(&at(1_000_000, "a", 500)), 3600);
        assert_eq!(lease.left(&at(1_000_600, "a", 1100)), 3000);
        // Set back, set forward.
        assert_eq!(lease.left(&at(5, "a", 1100)), 3000);
        assert!(lease.is_over(&at(5, "a", 4100)));
        assert!(lease.is_over(&at(1_003_600, "a", 600)));
        // Started anew: the wall clock alone is left, and what has passed since the start.
        assert_eq!(lease.left(&at(1_000_600, "b", 30)), 3000);
        assert!(lease.is_over(&at(1_000_600, "b", 3600)));
        assert!(lease.is_over(&at(999_999, "b", 30)));
        // A system that does not tell which start it was.
        let lease = LeaseEnd { from: at(1_000_000, "", 500), seconds: 3600 };
        assert_eq!(lease.left(&at(1_000_600, "", 1100)), 2500);
        let now = MachineClocks.now();
        assert!(now.wall > 1_700_000_000 && now.boot.len() == 36);
    }
}
