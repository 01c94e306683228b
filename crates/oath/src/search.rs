//! Looking for a displayed code in a window of time steps.

use crate::{Totp, UnixTime};

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
}

/// The offsets, in steps from `time`, at which the token would show `code`; nearest first, the past before the
/// future at equal distance. Spaces in `code` are ignored; a code of another length is found nowhere.
pub fn find_code(totp: &Totp, code: &str, time: UnixTime, window: Window) -> Vec<i64> {
    let digits = usize::from(totp.params().digits.get());
    let mut wanted: u64 = 0;
    let mut len = 0;
    for character in code.chars().filter(|character| !character.is_whitespace()) {
        match character.to_digit(10) {
            Some(digit) if len < digits => wanted = wanted * 10 + u64::from(digit),
            _ => return Vec::new(),
        }
        len += 1;
    }
    if len != digits {
        return Vec::new();
    }
    let mut offsets: Vec<i64> = totp
        .window(time, window.past, window.future)
        .filter(|timed| u64::from(timed.code.value()) == wanted)
        .map(|timed| timed.offset)
        .collect();
    offsets.sort_by_key(|offset| (offset.unsigned_abs(), *offset));
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Seed, TotpParams};

    #[test]
    fn a_code_is_found_where_it_is_shown() {
        let totp = Totp::new(&Seed::new(b"12345678901234567890".to_vec()).unwrap(), TotpParams::default());
        let time = UnixTime::new(5 * 30);
        // RFC 4226, appendix D: counters 3, 5 and 7.
        assert_eq!(find_code(&totp, "969429", time, Window::around(2)), [-2]);
        assert_eq!(find_code(&totp, "254 676", time, Window::around(2)), [0]);
        assert_eq!(find_code(&totp, "162583", time, Window::around(2)), [2]);
        assert_eq!(find_code(&totp, "162583", time, Window::around(1)), []);
        for bad in ["", "16258", "1625830", "16258a", "\u{661}62583"] {
            assert_eq!(find_code(&totp, bad, time, Window::around(2)), [], "{bad:?}");
        }
    }
}
