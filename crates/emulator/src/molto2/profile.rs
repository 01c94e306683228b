//! One profile: a seed, a title, parameters, a clock.

use oathburn_oath::{Algorithm, Seed, UnixTime};

use crate::hash;

pub(super) const MAX_TITLE: usize = 12;
const TITLE: usize = 16;

/// What a profile holds. Numbers are kept as they came: the token checks none of them.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The seed, when there is one.
    pub seed: Option<Seed>,
    /// The title's bytes, without padding; empty when there is none.
    pub title: Vec<u8>,
    /// 1 is SHA-1, 2 is SHA-256.
    pub algorithm: u8,
    /// How many digits its codes have: 4, 6, 8 or 10.
    pub digits: u8,
    /// The time step in seconds.
    pub time_step: u8,
    /// Seconds by which its clock is ahead of the clock the token runs on.
    pub ahead: i64,
    /// The time its clock was set to last.
    set_to: u32,
    is_written: bool,
}

impl Profile {
    /// Empty, with the clock it had.
    pub(super) fn empty(ahead: i64) -> Self {
        Self {
            seed: None,
            title: Vec::new(),
            algorithm: 1,
            digits: 6,
            time_step: 30,
            ahead,
            set_to: 0,
            is_written: false,
        }
    }

    pub(super) fn set_clock(&mut self, time: u32, now: UnixTime) {
        self.ahead = UnixTime::new(time.into()).since(now);
        self.set_to = time;
    }

    pub(super) fn mark_written(&mut self) {
        self.is_written = true;
    }

    /// What anybody may read.
    pub(super) fn public_data(&self, now: UnixTime) -> Vec<u8> {
        let mut data = vec![0x95, 0x1f, 0x70, 0x1d, if self.is_written { 0x20 } else { 0 }];
        data.extend_from_slice(&self.title);
        data.resize(5 + TITLE, 0);
        // A clock of 32 bits: what is beyond them is cut off.
        data.extend_from_slice(&now.offset(self.ahead).seconds().to_be_bytes()[4..]);
        data.extend_from_slice(&self.set_to.to_be_bytes());
        data.extend_from_slice(&[self.algorithm, self.time_step, self.digits, self.seed.is_some().into()]);
        data
    }

    /// The code on the display when the clock the token runs on shows `now`.
    pub(super) fn code(&self, now: UnixTime) -> Option<String> {
        let seed = self.seed.as_ref()?;
        let step = now.offset(self.ahead).seconds().checked_div(self.time_step.into())?;
        // Whatever is not SHA-256 is SHA-1.
        let algorithm = if self.algorithm == 2 { Algorithm::Sha256 } else { Algorithm::Sha1 };
        let bits = u32::from_be_bytes(hash::truncate(&hash::hmac(algorithm, seed.expose(), &step.to_be_bytes())));
        // 31 bits have ten digits.
        let modulus = 10_u64.checked_pow(self.digits.into()).filter(|_| (1..=10).contains(&self.digits))?;
        Some(format!("{:0width$}", u64::from(bits) % modulus, width = self.digits.into()))
    }
}
