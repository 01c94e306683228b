//! Time as tokens count it, and a clock that tests and `--time` can hold still.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted (RFC 6238, section 4.1: T0 = 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// A time by its count of seconds.
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The count of seconds.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// This time moved by `seconds`, held at the ends of the range instead of wrapping.
    #[must_use]
    pub const fn offset(self, seconds: i64) -> Self {
        Self(self.0.saturating_add_signed(seconds))
    }

    /// `self - earlier` in seconds; negative when `self` is the earlier one, held at the ends of the range.
    pub fn since(self, earlier: Self) -> i64 {
        let difference = i128::from(self.0) - i128::from(earlier.0);
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }
}

/// The bare count of seconds: readable dates are the business of whoever talks to people.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> UnixTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// A machine whose clock stands before 1970 is taken to stand at 1970.
    fn now(&self) -> UnixTime {
        UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }
}

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub UnixTime);

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_signed_and_never_wrap() {
        let (early, late) = (UnixTime::new(10), UnixTime::new(25));
        assert_eq!(late.since(early), 15);
        assert_eq!(early.since(late), -15);
        assert_eq!(UnixTime::new(u64::MAX).since(UnixTime::new(0)), i64::MAX);
        assert_eq!(UnixTime::new(0).since(UnixTime::new(u64::MAX)), i64::MIN);
        assert_eq!(early.offset(-11), UnixTime::new(0));
        assert_eq!(UnixTime::new(u64::MAX).offset(1), UnixTime::new(u64::MAX));
    }

    #[test]
    fn the_system_clock_is_past_2020() {
        assert!(SystemClock.now() > UnixTime::new(1_577_836_800));
        assert_eq!(FixedClock(UnixTime::new(7)).now(), UnixTime::new(7));
    }
}
