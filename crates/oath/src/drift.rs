//! How far a token's clock is from the right time.

use std::fmt;

use crate::{TimeStep, UnixTime};

/// The difference between a token's clock and a reference, in seconds; positive when the token is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Drift(i64);

impl Drift {
    /// A drift of this many seconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// What `token` shows against `reference`.
    pub fn between(token: UnixTime, reference: UnixTime) -> Self {
        Self(token.since(reference))
    }

    /// Whole seconds.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// Whole time steps, rounded towards zero: how many codes the token is ahead or behind at the least.
    pub fn steps(self, step: TimeStep) -> i64 {
        self.0 / i64::from(step.seconds())
    }
}

/// `+3 s`, `-40 s`, `0 s`.
impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { write!(f, "0 s") } else { write!(f, "{:+} s", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_says_who_is_ahead() {
        let drift = Drift::between(UnixTime::new(100), UnixTime::new(165));
        assert_eq!((drift.seconds(), drift.to_string().as_str()), (-65, "-65 s"));
        assert_eq!(drift.steps(TimeStep::S30), -2);
        assert_eq!(Drift::between(UnixTime::new(3), UnixTime::new(0)).to_string(), "+3 s");
        assert_eq!(Drift::default().to_string(), "0 s");
    }
}
