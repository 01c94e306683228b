//! `cargo xtask soak`: what the tests do a few times, many times over. Programs are killed at random moments, and nothing
//! may be lost or half.

mod batch;
mod escrow;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::Failure;

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        None => batch::run(&[]).and_then(|()| escrow::run(&[])),
        Some(("batch", rest)) => batch::run(rest),
        Some(("escrow", rest)) => escrow::run(rest),
        Some((other, _)) => Err(Failure::usage(format!("{other:?} is neither batch nor escrow"))),
    }
}

/// Random enough for the moments of kills (xorshift, Marsaglia 2003).
pub(crate) struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::from(now.subsec_nanos()) << 32 | u64::from(std::process::id()) | 1)
    }

    /// A number below this one, which is above 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_below_its_limit_and_does_not_stand_still() {
        let mut chance = Chance::new();
        let numbers: Vec<_> = (0..100).map(|_| chance.below(10)).collect();
        assert!(numbers.iter().all(|&number| number < 10) && numbers.windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn there_is_a_section_for_each_name() {
        assert!(run(&["no-such".to_owned()]).is_err());
        assert!(run(&["escrow".to_owned(), "0".to_owned()]).is_err());
    }
}
