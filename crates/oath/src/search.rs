//! Looking for displayed codes in a window of time steps.

use std::fmt;
use std::str::FromStr;

use crate::{Digits, OathError, Totp, UnixTime};

/// How far around a time a code is looked for, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Steps before.
    pub past: u32,
    /// Steps after.
    pub future: u32,
}

impl Window {
    /// The same number of steps on both sides.
    pub const fn around(steps: u32) -> Self {
        Self { past: steps, future: steps }
    }

    /// How many steps there are, the present one among them.
    pub const fn steps(self) -> u64 {
        self.past as u64 + self.future as u64 + 1
    }
}

/// A code that somebody read from a display: 4, or 6 to 10 digits. `Debug` prints none of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DisplayedCode {
    value: u64,
    digits: Digits,
}

impl DisplayedCode {
    /// How many digits were displayed.
    pub const fn digits(self) -> Digits {
        self.digits
    }
}

/// Reads digits, with white space wherever people put it.
impl FromStr for DisplayedCode {
    type Err = OathError;

    fn from_str(text: &str) -> Result<Self, OathError> {
        let (mut value, mut len) = (0_u64, 0);
        for character in text.chars().filter(|character| !character.is_whitespace()) {
            let digit = character.to_digit(10).filter(|_| len < 10).ok_or(OathError::DisplayedCode)?;
            value = value * 10 + u64::from(digit);
            len += 1;
        }
        let digits = Digits::shown(len).map_err(|_| OathError::DisplayedCode)?;
        Ok(Self { value, digits })
    }
}

impl fmt::Debug for DisplayedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayedCode(..)")
    }
}

/// What a display showed: one code, or two, the second right after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The code that is shown now.
    last: DisplayedCode,
    /// The one that was shown before it.
    before: Option<DisplayedCode>,
}

impl Sighting {
    /// `code`, and then `next` if somebody waited for it. Both have the same number of digits.
    pub fn new(code: DisplayedCode, next: Option<DisplayedCode>) -> Result<Self, OathError> {
        match next {
            None => Ok(Self { last: code, before: None }),
            Some(next) if next.digits == code.digits => Ok(Self { last: next, before: Some(code) }),
            Some(_) => Err(OathError::DisplayedCode),
        }
    }

    /// How many digits a code has.
    pub const fn digits(self) -> Digits {
        self.last.digits
    }

    /// Whether there are two codes.
    pub const fn is_pair(self) -> bool {
        self.before.is_some()
    }

    /// The steps, counted from the one of `time`, in which a token would show the last code (right after the first,
    /// where there are two); nearest first, the past before the future at equal distance.
    pub fn find(self, totp: &Totp, time: UnixTime, window: Window) -> Vec<i64> {
        let digits = totp.params().digits;
        if digits != self.last.digits {
            return Vec::new();
        }
        let now = totp.step_at(time);
        let mut offsets = Vec::new();
        let mut follows = !self.is_pair();
        for (steps, values) in totp.values(time, window.past.saturating_add(self.is_pair().into()), window.future) {
            // Hardly ever true, and quickly said of many.
            if self.before.is_none() && !values.iter().any(|&value| u64::from(value) == self.last.value) {
                continue;
            }
            for (step, value) in steps.zip(values.map(u64::from)) {
                if follows && value == self.last.value {
                    offsets.push(step.wrapping_sub(now).cast_signed());
                }
                follows = self.before.is_none_or(|before| before.value == value);
            }
        }
        offsets.sort_by_key(|offset| (offset.unsigned_abs(), *offset));
        offsets
    }

    /// How many steps will show these codes by chance, when so many are looked at.
    pub fn false_hits(self, steps: u64) -> f64 {
        let different = self.last.digits.modulus().min(1 << 31);
        // Both are far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        let (steps, chance) = (steps as f64, 1.0 / different as f64);
        steps * if self.is_pair() { chance * chance } else { chance }
    }
}

/// The offsets, in steps from `time`, at which the token would show `code`; nearest first, the past before the
/// future at equal distance. Spaces in `code` are ignored; a code of another length is found nowhere.
pub fn find_code(totp: &Totp, code: &str, time: UnixTime, window: Window) -> Vec<i64> {
    let sighting = code.parse().and_then(|code| Sighting::new(code, None));
    sighting.map_or_else(|_| Vec::new(), |sighting| sighting.find(totp, time, window))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Seed, TotpParams};

    fn totp() -> Totp {
        Totp::new(&Seed::new(b"12345678901234567890".to_vec()).unwrap(), TotpParams::default())
    }

    fn sighting(code: &str, next: Option<&str>) -> Sighting {
        Sighting::new(code.parse().unwrap(), next.map(|next| next.parse().unwrap())).unwrap()
    }

    #[test]
    fn a_code_is_found_where_it_is_shown() {
        let time = UnixTime::new(5 * 30);
        // RFC 4226, appendix D: counters 3, 5 and 7.
        assert_eq!(find_code(&totp(), "969429", time, Window::around(2)), [-2]);
        assert_eq!(find_code(&totp(), "254 676", time, Window::around(2)), [0]);
        assert_eq!(find_code(&totp(), "162583", time, Window::around(2)), [2]);
        assert_eq!(find_code(&totp(), "162583", time, Window::around(1)), []);
        for bad in ["", "16258", "1625830", "16258a", "\u{661}62583", "12345678901"] {
            assert_eq!(find_code(&totp(), bad, time, Window::around(2)), [], "{bad:?}");
        }
    }

    #[test]
    fn two_codes_are_found_only_in_their_order() {
        // RFC 4226, appendix D: counters 0, 1 and 2.
        let (first, second, third) = ("755224", "287082", "359152");
        let find = |code, next, time| sighting(code, next).find(&totp(), UnixTime::new(time), Window::around(1));
        assert_eq!(find(first, Some(second), 30), [0]);
        assert_eq!(find(second, Some(third), 30), [1]);
        assert_eq!(find(second, Some(third), 90), [-1]);
        // The first of the two may stand before the window, or before all time.
        assert_eq!(find(first, Some(second), 60), [-1]);
        assert_eq!(find(second, Some(first), 30), []);
        assert_eq!(find(first, Some(third), 30), []);
        assert_eq!(find(first, Some(first), 0), []);
    }

    #[test]
    fn false_hits_are_counted() {
        let around = |one: f64, other: f64| (one - other).abs() < other * 1e-9;
        assert!(around(sighting("123456", None).false_hits(41_000_000), 41.0));
        assert!(around(sighting("123456", Some("234567")).false_hits(41_000_000), 4.1e-5));
        assert!(around(sighting("1234567890", None).false_hits(1 << 31), 1.0));
        assert_eq!(Window::around(20).steps(), 41);
    }

    #[test]
    fn what_is_no_code_is_refused_and_codes_are_mute() {
        for bad in ["", "12345", "12345678901", "12345a", "otpauth"] {
            assert_eq!(bad.parse::<DisplayedCode>(), Err(OathError::DisplayedCode), "{bad:?}");
        }
        let code: DisplayedCode = " 123 456\n".parse().unwrap();
        assert_eq!((code.digits(), format!("{code:?}").as_str()), (Digits::SIX, "DisplayedCode(..)"));
        assert!(Sighting::new(code, Some("12345678".parse().unwrap())).is_err());
    }

    proptest! {
        /// Every step of a window, whether the lanes cut it at its ends or not, against one code at a time.
        #[test]
        fn what_is_shown_is_found(time in 0..10_000_u64, past in 0..40_u32, future in 0..40_u32, offset in -50..50_i64) {
            let (totp, time) = (totp(), UnixTime::new(time));
            prop_assume!(totp.step_at(time).checked_add_signed(offset - 1).is_some());
            let code = |offset| totp.timed(time, offset).unwrap().code.to_string();
            let pair = sighting(&code(offset - 1), Some(&code(offset)));
            let inside = (-i64::from(past)..=i64::from(future)).contains(&offset);
            prop_assert_eq!(pair.find(&totp, time, Window { past, future }).contains(&offset), inside);
            let single = sighting(&code(offset), None).find(&totp, time, Window { past, future });
            prop_assert_eq!(single.contains(&offset), inside);
        }
    }
}
