//! How fast a token's clock runs away, and until when a server bears it.

use crate::{Drift, UnixTime};

/// A token's clock as it was seen once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// When, by the right time.
    pub at: UnixTime,
    /// How far the token was from it.
    pub drift: Drift,
    /// How many seconds the drift may be wrong by: a clock that was read is right to a second, a code to a time step.
    pub within: u32,
}

/// How much a clock gains, in millionths; negative when it loses.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct DriftRate {
    ppm: f64,
}

impl DriftRate {
    /// What quartz in a token gains or loses when nobody has measured it.
    pub const TYPICAL_PPM: f64 = 4.0;

    /// Coarser measurements than this say nothing about quartz.
    const USEFUL_PPM: f64 = 20.0;

    /// A rate of so many millionths.
    pub const fn from_ppm(ppm: f64) -> Self {
        Self { ppm }
    }

    /// In millionths.
    pub const fn ppm(self) -> f64 {
        self.ppm
    }

    /// The rate between two readings; `None` when they lie too close together for their exactness.
    pub fn between(before: ClockReading, after: ClockReading) -> Option<Self> {
        let elapsed = seconds(after.at.since(before.at));
        let error = f64::from(before.within) + f64::from(after.within);
        if elapsed <= 0.0 || error / elapsed * 1e6 > Self::USEFUL_PPM {
            return None;
        }
        let gained = after.drift.seconds().saturating_sub(before.drift.seconds());
        Some(Self { ppm: seconds(gained) / elapsed * 1e6 })
    }

    /// When a clock leaves the window of a server that bears `tolerance` seconds either way: in the past when it is
    /// outside already, `None` when it never does.
    pub fn leaves(self, reading: ClockReading, tolerance: u32) -> Option<UnixTime> {
        let (drift, tolerance) = (seconds(reading.drift.seconds()), f64::from(tolerance));
        let rate = self.ppm / 1e6;
        if rate == 0.0 {
            return None;
        }
        // A clock that is outside and runs back inside left at a time that nobody knows.
        let edge = if rate > 0.0 { tolerance } else { -tolerance };
        if drift.abs() > tolerance && drift.signum() != edge.signum() {
            return None;
        }
        let until = (edge - drift) / rate;
        // Half an age of the universe away is never.
        #[allow(clippy::cast_possible_truncation)]
        (until.abs() < 1e11).then(|| reading.at.offset(until as i64))
    }
}

#[allow(clippy::cast_precision_loss, reason = "drifts and lifetimes are far below 2^52 seconds")]
fn seconds(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: u64 = 365 * 86_400;

    fn reading(at: u64, drift: i64, within: u32) -> ClockReading {
        ClockReading { at: UnixTime::new(at), drift: Drift::from_seconds(drift), within }
    }

    #[test]
    fn a_rate_needs_time_between_its_readings() {
        // Three seconds off at the burn, two minutes off a year later.
        let rate = DriftRate::between(reading(0, -3, 1), reading(YEAR, -120, 30)).unwrap();
        assert!((rate.ppm() + 3.71).abs() < 0.01, "{}", rate.ppm());
        assert_eq!(DriftRate::between(reading(0, 0, 1), reading(3600, 30, 30)), None);
        assert_eq!(DriftRate::between(reading(5, 0, 0), reading(5, 30, 0)), None);
        assert_eq!(DriftRate::between(reading(YEAR, 0, 0), reading(0, 30, 0)), None);
    }

    #[test]
    fn a_clock_leaves_the_window_at_its_edge() {
        let leaves = |ppm, drift| DriftRate::from_ppm(ppm).leaves(reading(1_000_000_000, drift, 1), 120);
        // 60 seconds are left, at 4 millionths.
        assert_eq!(leaves(4.0, 60), Some(UnixTime::new(1_015_000_000)));
        assert_eq!(leaves(-4.0, -60), Some(UnixTime::new(1_015_000_000)));
        assert_eq!(leaves(-4.0, 60), Some(UnixTime::new(1_045_000_000)));
        // It is outside, and was not 15 million seconds ago.
        assert_eq!(leaves(4.0, 180), Some(UnixTime::new(985_000_000)));
        assert_eq!(leaves(-4.0, 180), None);
        assert_eq!(leaves(0.0, 60), None);
        assert_eq!(leaves(1e-9, 60), None);
    }
}
