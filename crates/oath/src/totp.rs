//! Codes (RFC 4226 and RFC 6238).

use std::fmt;
use std::ops::RangeInclusive;

use crate::lanes::{LANES, Word};
use crate::mac::Keyed;
use crate::{Digits, Seed, TimeStep, TotpParams, UnixTime};

/// What a token shows. `Display` prints all digits, `Debug` none: codes do not belong in logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    value: u32,
    digits: Digits,
}

impl Code {
    /// The code as a number, without its leading zeros.
    pub const fn value(self) -> u32 {
        self.value
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.value, width = usize::from(self.digits.get()))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// A code with the time in which it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedCode {
    /// The code.
    pub code: Code,
    /// The counter it was made from: time divided by the step.
    pub step: u64,
    /// Steps from the one that was asked for; negative in the past.
    pub offset: i64,
    /// The first second in which the token shows it.
    pub valid_from: UnixTime,
    /// The first second in which it no longer does.
    pub valid_until: UnixTime,
}

/// A seed made ready to generate codes.
#[derive(Clone)]
pub struct Totp {
    keyed: Keyed,
    params: TotpParams,
}

impl Totp {
    /// Keys the hash with the seed.
    pub fn new(seed: &Seed, params: TotpParams) -> Self {
        Self { keyed: Keyed::new(params.algorithm, seed.expose()), params }
    }

    /// The parameters the codes are made with.
    pub const fn params(&self) -> TotpParams {
        self.params
    }

    /// HOTP: the code of a counter (RFC 4226, section 5.3).
    pub fn code_of(&self, counter: u64) -> Code {
        let [value] = self.params.digits.cut([self.keyed.bits(counter)]);
        self.code(value)
    }

    /// TOTP: the code at a time (RFC 6238, section 4.2).
    pub fn code_at(&self, time: UnixTime) -> Code {
        self.code_of(self.step_at(time))
    }

    /// The counter at a time (RFC 6238, section 4.2, with T0 = 0).
    pub fn step_at(&self, time: UnixTime) -> u64 {
        time.seconds() / u64::from(self.params.step.seconds())
    }

    /// The code `offset` steps away from `time`, with the time in which it holds; `None` before 1970 and after the
    /// last step.
    pub fn timed(&self, time: UnixTime, offset: i64) -> Option<TimedCode> {
        let now = self.step_at(time);
        let step = now.checked_add_signed(offset).filter(|&step| step <= self.last_step())?;
        Some(self.timed_step(step, now, self.code_of(step)))
    }

    /// The codes from `past` steps before `time` to `future` steps after it, oldest first.
    pub fn window(&self, time: UnixTime, past: u32, future: u32) -> impl Iterator<Item = TimedCode> + '_ {
        let now = self.step_at(time);
        self.values(time, past, future)
            .flat_map(|(steps, values)| steps.zip(values))
            .map(move |(step, value)| self.timed_step(step, now, self.code(value)))
    }

    /// The steps around `time`, some at a time, each with the value of its code; there may be more values than steps.
    pub(crate) fn values(
        &self,
        time: UnixTime,
        past: u32,
        future: u32,
    ) -> impl Iterator<Item = (RangeInclusive<u64>, Word)> + '_ {
        let now = self.step_at(time);
        let first = now.saturating_sub(past.into());
        let last = now.saturating_add(future.into()).min(self.last_step());
        (first..=last).step_by(LANES).map(move |start| {
            let end = start.saturating_add(LANES as u64 - 1).min(last);
            (start..=end, self.params.digits.cut(self.keyed.bits_from(start)))
        })
    }

    const fn code(&self, value: u32) -> Code {
        Code { value, digits: self.params.digits }
    }

    /// The last step that ends within the range of time.
    fn last_step(&self) -> u64 {
        // A step of one second has room for one less than there are seconds; there is no shorter one.
        u64::MAX / u64::from(self.params.step.seconds()) - 1
    }

    /// `step` is at most [`Self::last_step`], and at most an `i64` away from `now`.
    fn timed_step(&self, step: u64, now: u64, code: Code) -> TimedCode {
        let start = |step: u64| UnixTime::new(step.saturating_mul(self.params.step.seconds().into()));
        TimedCode {
            code,
            step,
            offset: step.wrapping_sub(now).cast_signed(),
            valid_from: start(step),
            valid_until: start(step + 1),
        }
    }

    /// The step's length.
    pub const fn time_step(&self) -> TimeStep {
        self.params.step
    }
}

/// The parameters; the keyed hash is as secret as the seed.
impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Totp").field("params", &self.params).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Algorithm;

    fn totp(seed: &[u8], algorithm: Algorithm, digits: u8, step: u32) -> Totp {
        let params = TotpParams { algorithm, digits: Digits::new(digits).unwrap(), step: TimeStep::new(step).unwrap() };
        Totp::new(&Seed::new(seed.to_vec()).unwrap(), params)
    }

    /// RFC 4226, appendix D.
    #[test]
    fn hotp_vectors() {
        let totp = totp(b"12345678901234567890", Algorithm::Sha1, 6, 30);
        let expected =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (counter, code) in (0..).zip(expected) {
            assert_eq!(totp.code_of(counter).to_string(), code);
        }
    }

    /// RFC 6238, appendix B. The seeds of SHA-256 and SHA-512 are as long as their hashes (errata 2866).
    #[test]
    fn totp_vectors() {
        let digits = b"1234567890".repeat(7);
        let vectors = [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ];
        for (time, sha1, sha256, sha512) in vectors {
            for (algorithm, len, code) in
                [(Algorithm::Sha1, 20, sha1), (Algorithm::Sha256, 32, sha256), (Algorithm::Sha512, 64, sha512)]
            {
                let totp = totp(&digits[..len], algorithm, 8, 30);
                assert_eq!(totp.code_at(UnixTime::new(time)).to_string(), code, "{algorithm} at {time}");
            }
        }
    }

    #[test]
    fn a_window_says_when_each_code_holds() {
        let totp = totp(b"12345678901234567890", Algorithm::Sha1, 6, 60);
        let codes: Vec<_> = totp.window(UnixTime::new(90), 2, 1).collect();
        // Two steps before the second one there was no time yet.
        assert_eq!(codes.iter().map(|code| code.offset).collect::<Vec<_>>(), [-1, 0, 1]);
        assert_eq!(codes[1].code.to_string(), "287082");
        assert_eq!((codes[1].valid_from, codes[1].valid_until), (UnixTime::new(60), UnixTime::new(120)));
        assert!(totp.timed(UnixTime::new(u64::MAX), 1).is_none());
    }

    #[test]
    fn codes_and_keys_are_mute_in_debug() {
        let totp = totp(b"12345678901234567890", Algorithm::Sha1, 6, 30);
        assert_eq!(format!("{:?}", totp.code_of(0)), "Code(..)");
        assert!(!format!("{totp:?}").contains("keyed"));
    }

    proptest! {
        /// A foreign implementation as judge, over every algorithm, 6 to 9 digits (it has no more), any step.
        #[test]
        fn agrees_with_totp_rs(
            bytes in proptest::collection::vec(any::<u8>(), 1..=128),
            algorithm in 0..3_usize, digits in 6..=9_u8, step in 1..=86_400_u32, time in 0..=u64::from(u32::MAX) * 1024,
        ) {
            let foreign = [totp_rs::Algorithm::SHA1, totp_rs::Algorithm::SHA256, totp_rs::Algorithm::SHA512][algorithm];
            let ours = totp(&bytes, Algorithm::ALL[algorithm], digits, step);
            let theirs = foreign_code(foreign, digits, u64::from(step), bytes, time);
            prop_assert_eq!(ours.code_at(UnixTime::new(time)).to_string(), theirs);
        }
    }

    fn foreign_code(algorithm: totp_rs::Algorithm, digits: u8, step: u64, seed: Vec<u8>, time: u64) -> String {
        let builder = totp_rs::Builder::new().with_algorithm(algorithm).with_digits(digits);
        let foreign = builder.with_step_duration(step).with_secret(seed).build_noncompliant();
        foreign.generate(time).to_string()
    }
}
