//! Lines of codes, a million of them in a tenth of a second.

use jiff::Timestamp;
use oathburn_oath::{TimedCode, TotpParams, UnixTime};

/// Writes `offset code valid_from valid_until`, remembering the date of the line before.
pub(crate) struct Lines {
    digits: usize,
    /// The day that `date` is of, in days since 1970.
    day: u64,
    /// `1970-01-01T`; `None` beyond the year 9999, where times are Unix seconds.
    date: Option<[u8; 11]>,
}

const SECONDS_A_DAY: u64 = 86_400;

impl Lines {
    pub(crate) fn new(params: TotpParams) -> Self {
        Self { digits: params.digits.get().into(), day: 0, date: date_of(0) }
    }

    /// Appends one line.
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, timed: &TimedCode) {
        if timed.offset < 0 {
            out.push(b'-');
        }
        push_number(out, timed.offset.unsigned_abs(), 1);
        out.push(b' ');
        push_number(out, timed.code.value().into(), self.digits);
        for time in [timed.valid_from, timed.valid_until] {
            out.push(b' ');
            self.push_time(out, time);
        }
        out.push(b'\n');
    }

    fn push_time(&mut self, out: &mut Vec<u8>, time: UnixTime) {
        let (day, second) = (time.seconds() / SECONDS_A_DAY, time.seconds() % SECONDS_A_DAY);
        if day != self.day {
            (self.day, self.date) = (day, date_of(day));
        }
        // The last day that can be written ends early.
        let can_be_written = i64::try_from(time.seconds()).is_ok_and(|seconds| seconds <= Timestamp::MAX.as_second());
        let Some(date) = self.date.as_ref().filter(|_| can_be_written) else {
            return push_number(out, time.seconds(), 1);
        };
        out.extend(date);
        push_number(out, second / 3600, 2);
        out.push(b':');
        push_number(out, second / 60 % 60, 2);
        out.push(b':');
        push_number(out, second % 60, 2);
        out.push(b'Z');
    }
}

/// The beginning of RFC 3339 for a day.
fn date_of(day: u64) -> Option<[u8; 11]> {
    let midnight = i64::try_from(day.checked_mul(SECONDS_A_DAY)?).ok()?;
    let text = Timestamp::from_second(midnight).ok()?.to_string();
    text.as_bytes().get(..11)?.try_into().ok()
}

/// Appends a number with at least so many digits.
fn push_number(out: &mut Vec<u8>, mut number: u64, digits: usize) {
    let mut text = [b'0'; 20];
    let mut begin = text.len();
    while number > 0 || text.len() - begin < digits {
        begin -= 1;
        text[begin] = b"0123456789"[usize::try_from(number % 10).unwrap_or(0)];
        number /= 10;
    }
    out.extend(&text[begin..]);
}

#[cfg(test)]
mod tests {
    use oathburn_oath::{Digits, Seed, TimeStep, Totp};

    use super::*;

    /// The slow way, one library call a time.
    fn slowly(timed: &TimedCode) -> String {
        let time = |time: UnixTime| {
            let timestamp = i64::try_from(time.seconds()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            timestamp.map_or_else(|| time.to_string(), |timestamp| timestamp.to_string())
        };
        format!("{} {} {} {}\n", timed.offset, timed.code, time(timed.valid_from), time(timed.valid_until))
    }

    #[test]
    fn lines_are_what_the_library_writes() {
        let seed = Seed::new(b"12345678901234567890".to_vec()).unwrap();
        // Leap days, ends of years and of centuries, 32 bits, the end of what can be written, and beyond it.
        let times = [59, 951_782_400, 978_307_199, 4_107_542_400, 1 << 32, 253_402_207_199, 253_402_300_800, u64::MAX];
        for (digits, step) in [(6, 30), (8, 60), (10, 1), (7, 86_400), (6, 100_000)] {
            let params = TotpParams {
                digits: Digits::new(digits).unwrap(),
                step: TimeStep::new(step).unwrap(),
                ..TotpParams::default()
            };
            let totp = Totp::new(&seed, params);
            for time in times {
                let mut lines = Lines::new(params);
                for timed in totp.window(UnixTime::new(time), 40, 40) {
                    let mut line = Vec::new();
                    lines.push(&mut line, &timed);
                    assert_eq!(String::from_utf8(line).unwrap(), slowly(&timed));
                }
            }
        }
    }
}
