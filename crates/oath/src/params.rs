//! The parameters of a token's codes (RFC 6238, section 1.2 and RFC 4226, section 5.3).

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::OathError;

/// The hash function under HMAC (RFC 6238, section 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-1, which nearly every token and service means when it says nothing.
    #[default]
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha512];

    /// The hash's input block in bytes: HMAC zero-extends keys up to it and hashes longer ones (RFC 2104, section 2).
    pub const fn block_len(self) -> usize {
        match self {
            Self::Sha1 | Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// The name in arguments, files and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Reads `sha1`, `SHA-256`, `HmacSHA512` and the like.
impl FromStr for Algorithm {
    type Err = OathError;

    fn from_str(text: &str) -> Result<Self, OathError> {
        let lower = text.trim().to_ascii_lowercase().replace(['-', '_'], "");
        match lower.strip_prefix("hmac").unwrap_or(&lower) {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(OathError::Algorithm),
        }
    }
}

/// How many decimal digits a code has: 6 to 10 (RFC 4226, section 5.3), and 4 on tokens that can show so few.
///
/// A code is cut from 31 bits, so the first of ten digits is 0, 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digits(u8);

impl Digits {
    /// Four, which only some tokens show: fewer than the standard allows, so services and files know it rarely.
    pub const FOUR: Self = Self(4);
    /// Six, what nearly every token shows.
    pub const SIX: Self = Self(6);
    /// Seven.
    pub const SEVEN: Self = Self(7);
    /// Eight.
    pub const EIGHT: Self = Self(8);
    /// Ten.
    pub const TEN: Self = Self(10);

    /// 6..=10 digits.
    pub const fn new(digits: u8) -> Result<Self, OathError> {
        match digits {
            6..=10 => Ok(Self(digits)),
            _ => Err(OathError::Digits),
        }
    }

    /// What a token may show: 4, or 6..=10 digits.
    pub const fn shown(digits: u8) -> Result<Self, OathError> {
        match digits {
            4 => Ok(Self::FOUR),
            _ => Self::new(digits),
        }
    }

    /// The number of digits.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// How many different codes there are, before the cut at 31 bits.
    pub const fn modulus(self) -> u64 {
        10_u64.pow(self.0 as u32)
    }

    /// 31 bits cut to so many digits. Ten digits are more than they have.
    #[inline]
    pub(crate) fn cut<const N: usize>(self, bits: [u32; N]) -> [u32; N] {
        // Known divisors become multiplications.
        match self.0 {
            4 => bits.map(|bits| bits % 10_000),
            6 => bits.map(|bits| bits % 1_000_000),
            7 => bits.map(|bits| bits % 10_000_000),
            8 => bits.map(|bits| bits % 100_000_000),
            9 => bits.map(|bits| bits % 1_000_000_000),
            _ => bits,
        }
    }
}

impl Default for Digits {
    fn default() -> Self {
        Self::SIX
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Digits {
    type Err = OathError;

    fn from_str(text: &str) -> Result<Self, OathError> {
        Self::new(text.trim().parse().map_err(|_| OathError::Digits)?)
    }
}

/// How long a code lasts, in seconds: X of RFC 6238, section 4.1. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeStep(NonZeroU32);

impl TimeStep {
    /// 30 s, the default of RFC 6238.
    pub const S30: Self = match Self::new(30) {
        Ok(step) => step,
        Err(_) => unreachable!(),
    };
    /// 60 s.
    pub const S60: Self = match Self::new(60) {
        Ok(step) => step,
        Err(_) => unreachable!(),
    };

    /// Any step of at least one second.
    pub const fn new(seconds: u32) -> Result<Self, OathError> {
        match NonZeroU32::new(seconds) {
            Some(seconds) => Ok(Self(seconds)),
            None => Err(OathError::TimeStep),
        }
    }

    /// The step in seconds.
    pub const fn seconds(self) -> u32 {
        self.0.get()
    }
}

impl Default for TimeStep {
    fn default() -> Self {
        Self::S30
    }
}

impl fmt::Display for TimeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TimeStep {
    type Err = OathError;

    fn from_str(text: &str) -> Result<Self, OathError> {
        Self::new(text.trim().parse().map_err(|_| OathError::TimeStep)?)
    }
}

/// What, beside the seed and the time, a code depends on. The default is SHA-1, six digits, 30 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TotpParams {
    /// The hash under HMAC.
    pub algorithm: Algorithm,
    /// Digits of a code.
    pub digits: Digits,
    /// Seconds a code lasts.
    pub step: TimeStep,
}

/// What, beside the seed, an event-based code depends on (RFC 4226).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HotpParams {
    /// The hash under HMAC.
    pub algorithm: Algorithm,
    /// Digits of a code.
    pub digits: Digits,
    /// The counter of the next code.
    pub counter: u64,
}

/// How a token makes its codes: from the time, as nearly all do, or from a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Params {
    /// Time-based (RFC 6238).
    Totp(TotpParams),
    /// Event-based (RFC 4226).
    Hotp(HotpParams),
}

impl Params {
    /// The hash under HMAC.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Totp(params) => params.algorithm,
            Self::Hotp(params) => params.algorithm,
        }
    }

    /// Digits of a code.
    pub const fn digits(&self) -> Digits {
        match self {
            Self::Totp(params) => params.digits,
            Self::Hotp(params) => params.digits,
        }
    }

    /// Seconds a code lasts; `None` where it lasts until the next one is asked for.
    pub const fn step(&self) -> Option<TimeStep> {
        match self {
            Self::Totp(params) => Some(params.step),
            Self::Hotp(_) => None,
        }
    }

    /// The counter of the next code; `None` where time counts.
    pub const fn counter(&self) -> Option<u64> {
        match self {
            Self::Totp(_) => None,
            Self::Hotp(params) => Some(params.counter),
        }
    }

    /// The parameters, for whatever only works with time: codes by the clock, drift, programming most tokens.
    pub const fn totp(&self) -> Result<TotpParams, OathError> {
        match self {
            Self::Totp(params) => Ok(*params),
            Self::Hotp(_) => Err(OathError::EventBased),
        }
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::Totp(TotpParams::default())
    }
}

impl From<TotpParams> for Params {
    fn from(params: TotpParams) -> Self {
        Self::Totp(params)
    }
}

impl From<HotpParams> for Params {
    fn from(params: HotpParams) -> Self {
        Self::Hotp(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_do_not_pass_for_times() {
        let hotp = HotpParams { algorithm: Algorithm::Sha256, digits: Digits::EIGHT, counter: 7 };
        let params = Params::from(hotp);
        assert_eq!((params.algorithm(), params.digits()), (Algorithm::Sha256, Digits::EIGHT));
        assert_eq!((params.step(), params.counter()), (None, Some(7)));
        assert_eq!(params.totp(), Err(OathError::EventBased));
        assert_eq!(Params::default().totp(), Ok(TotpParams::default()));
        assert_eq!((Params::default().step(), Params::default().counter()), (Some(TimeStep::S30), None));
    }

    #[test]
    fn algorithms_are_read_in_the_spellings_in_circulation() {
        for text in ["sha256", "SHA256", "SHA-256", "HmacSHA256", "hmac-sha256", " Sha_256 "] {
            assert_eq!(text.parse::<Algorithm>().unwrap(), Algorithm::Sha256, "{text}");
        }
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse::<Algorithm>().unwrap(), algorithm);
        }
        assert_eq!("md5".parse::<Algorithm>(), Err(OathError::Algorithm));
    }

    #[test]
    fn digits_and_steps_have_ranges() {
        for digits in 0..=255 {
            assert_eq!(Digits::new(digits).is_ok(), (6..=10).contains(&digits), "{digits}");
            assert_eq!(Digits::shown(digits).is_ok(), digits == 4 || (6..=10).contains(&digits), "{digits}");
        }
        assert_eq!("".parse::<Digits>(), Err(OathError::Digits));
        assert_eq!("0".parse::<TimeStep>(), Err(OathError::TimeStep));
        assert_eq!("45".parse::<TimeStep>().unwrap().seconds(), 45);
        assert_eq!(Digits::EIGHT.modulus(), 100_000_000);
    }
}
