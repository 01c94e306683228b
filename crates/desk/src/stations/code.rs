//! Verification codes: digits that an admin hands to a technician, good for one station, once, for a while.

use std::collections::HashSet;
use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::MacId;
use super::throttle::{GUESSES_PER_CODE, SHARES};

/// How long a code is good unless somebody says otherwise, in seconds.
pub const DEFAULT_LIFE: u32 = 24 * 60 * 60;
/// The shortest and the longest life, in seconds.
pub const LIVES: std::ops::RangeInclusive<u32> = 10 * 60..=30 * 24 * 60 * 60;

/// How many digits a code has: 6 to 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct CodeLength(u8);

impl CodeLength {
    /// What is used unless somebody wants more.
    pub const SHORTEST: Self = Self(6);
    /// The longest.
    pub const LONGEST: Self = Self(12);

    /// A length; `None` below 6 and above 12.
    pub const fn new(digits: u8) -> Option<Self> {
        if digits >= Self::SHORTEST.0 && digits <= Self::LONGEST.0 { Some(Self(digits)) } else { None }
    }

    /// The count of digits.
    pub const fn digits(self) -> u8 {
        self.0
    }

    /// The shortest length, not below `wanted`, with which `live` technicians may mistype now and then without using
    /// up what guessing is allowed (see [`super::throttle`]).
    pub fn for_live(live: usize, wanted: Self) -> Self {
        let needed = u64::try_from(live).unwrap_or(u64::MAX).saturating_mul(GUESSES_PER_CODE);
        let enough = |length: &Self| SHARES.guesses(*length) >= needed;
        (wanted.0..=Self::LONGEST.0).map(Self).find(enough).unwrap_or(Self::LONGEST)
    }
}

impl From<CodeLength> for u8 {
    fn from(length: CodeLength) -> Self {
        length.0
    }
}

impl TryFrom<u8> for CodeLength {
    type Error = &'static str;

    fn try_from(digits: u8) -> Result<Self, Self::Error> {
        Self::new(digits).ok_or("6 to 12 digits")
    }
}

/// A code in clear: when it was just made, or as somebody typed it. It is wiped, and shown only by [`Self::shown`].
#[derive(Clone, PartialEq, Eq)]
pub struct VerificationCode(Zeroizing<String>);

impl VerificationCode {
    /// A new random code. All digits are as likely as each other.
    pub fn generate(length: CodeLength) -> Result<Self, getrandom::Error> {
        let mut digits = Zeroizing::new(String::with_capacity(length.digits().into()));
        while digits.len() < length.digits().into() {
            let mut bytes = Zeroizing::new([0; 16]);
            getrandom::fill(bytes.as_mut_slice())?;
            // From 250 on the ten digits would not be equally likely.
            let fair = bytes.iter().filter(|&&byte| byte < 250).map(|byte| char::from(b'0' + byte % 10));
            let missing = usize::from(length.digits()) - digits.len();
            digits.extend(fair.take(missing));
        }
        Ok(Self(digits))
    }

    /// So many codes that all differ: a slip that got into the wrong van opens no other station.
    pub fn generate_unique(length: CodeLength, count: usize) -> Result<Vec<Self>, getrandom::Error> {
        // As numbers: what is compared here must not stay behind as text.
        let mut seen = HashSet::with_capacity(count);
        let mut codes = Vec::with_capacity(count);
        while codes.len() < count {
            let code = Self::generate(length)?;
            if seen.insert(code.0.parse::<u64>().unwrap_or_default()) {
                codes.push(code);
            }
        }
        Ok(codes)
    }

    /// What somebody typed: 6 to 12 digits, with spaces and dashes where they like. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let typed = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}'));
        let mut digits = Zeroizing::new(String::with_capacity(64));
        digits.extend(typed);
        let is_code = digits.bytes().all(|byte| byte.is_ascii_digit());
        CodeLength::new(u8::try_from(digits.len()).ok()?).filter(|_| is_code)?;
        Some(Self(digits))
    }

    /// How long it is.
    pub fn length(&self) -> CodeLength {
        u8::try_from(self.0.len()).ok().and_then(CodeLength::new).expect("codes are made with 6 to 12 digits")
    }

    /// The bare digits, for the one who hands them out.
    pub fn shown(&self) -> &str {
        &self.0
    }

    /// The digits in groups, as people read them out: `697 150`, `6971 5023`, `697 150 2383`.
    pub fn grouped(&self) -> Zeroizing<String> {
        let size = if self.0.len().is_multiple_of(4) { 4 } else { 3 };
        let mut grouped = Zeroizing::new(String::with_capacity(2 * self.0.len()));
        for (index, digit) in self.0.chars().enumerate() {
            // A group of one at the end is joined to the one before.
            if index > 0 && index.is_multiple_of(size) && index + 1 < self.0.len() {
                grouped.push(' ');
            }
            grouped.push(digit);
        }
        grouped
    }

    /// What is kept of it: a keyed digest that holds for one station.
    fn digest(&self, key: &[u8; 32], mac: MacId) -> [u8; 32] {
        let mut digest = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        digest.update(b"oathburn verification code 1\0");
        digest.update(&mac.bytes());
        digest.update(self.0.as_bytes());
        digest.finalize().into_bytes().into()
    }
}

/// Never the digits.
impl fmt::Debug for VerificationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerificationCode(..)")
    }
}

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeState {
    /// It can be used.
    Live,
    /// The station was activated with it.
    Used,
    /// Somebody took it back.
    Revoked,
}

/// What the desk keeps of a station's code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredCode {
    /// HMAC-SHA-256 under the desks' key, in hex.
    digest: String,
    /// How long the code is.
    pub length: CodeLength,
    /// When it was made, in Unix seconds.
    pub made_at: u64,
    /// From when on it is refused, in Unix seconds.
    pub expires_at: u64,
    /// Whether other stations have the same.
    pub shared: bool,
    /// Whether it can be used.
    pub state: CodeState,
}

/// What a code that was typed is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one, and it is good.
    Good,
    /// It is the one, but too late.
    Expired,
    /// It is the one, and was used.
    Used,
    /// It is the one, and was taken back.
    Revoked,
    /// It is another.
    Wrong,
}

impl StoredCode {
    /// What is kept of a code that was just made.
    pub fn new(code: &VerificationCode, key: &[u8; 32], mac: MacId, now: UnixTime, life: u32, shared: bool) -> Self {
        Self {
            digest: HEXLOWER.encode(&code.digest(key, mac)),
            length: code.length(),
            made_at: now.seconds(),
            expires_at: now.seconds().saturating_add(life.into()),
            shared,
            state: CodeState::Live,
        }
    }

    /// Whether it can be used now, and so can be guessed.
    pub fn is_live(&self, now: UnixTime) -> bool {
        self.state == CodeState::Live && now.seconds() < self.expires_at
    }

    /// Whether both are of one making, whatever became of it since.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.digest, self.made_at) == (&other.digest, other.made_at)
    }

    /// Compares a code that was typed at the station; it takes as long whatever is wrong.
    pub fn judge(&self, typed: &VerificationCode, key: &[u8; 32], mac: MacId, now: UnixTime) -> Verdict {
        let digest = HEXLOWER.encode(&typed.digest(key, mac));
        if !bool::from(digest.as_bytes().ct_eq(self.digest.as_bytes())) {
            return Verdict::Wrong;
        }
        match self.state {
            CodeState::Used => Verdict::Used,
            CodeState::Revoked => Verdict::Revoked,
            CodeState::Live if now.seconds() >= self.expires_at => Verdict::Expired,
            CodeState::Live => Verdict::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn mac() -> MacId {
        "00-1A-2B-3C-4D-5E".parse().unwrap()
    }

    fn stored(code: &VerificationCode) -> StoredCode {
        StoredCode::new(code, &KEY, mac(), UnixTime::new(1000), DEFAULT_LIFE, false)
    }

    #[test]
    fn a_code_is_good_for_its_station_and_its_time() {
        let code = VerificationCode::parse("697 150").unwrap();
        let stored = stored(&code);
        let end = 1000 + u64::from(DEFAULT_LIFE);
        let judge = |code: &VerificationCode, mac, at| stored.judge(code, &KEY, mac, UnixTime::new(at));
        assert_eq!(judge(&code, mac(), 1000), Verdict::Good);
        assert_eq!(judge(&code, mac(), end - 1), Verdict::Good);
        assert_eq!(judge(&code, mac(), end), Verdict::Expired);
        assert!(stored.is_live(UnixTime::new(end - 1)) && !stored.is_live(UnixTime::new(end)));
        assert_eq!(judge(&VerificationCode::parse("697151").unwrap(), mac(), 1000), Verdict::Wrong);
        assert_eq!(judge(&code, "00-1A-2B-3C-4D-5F".parse().unwrap(), 1000), Verdict::Wrong);
        assert_eq!(stored.judge(&code, &[8; 32], mac(), UnixTime::new(1000)), Verdict::Wrong);
    }

    #[test]
    fn a_code_that_was_used_or_taken_back_says_so_to_its_holder_only() {
        let code = VerificationCode::parse("697150").unwrap();
        for (state, verdict) in [(CodeState::Used, Verdict::Used), (CodeState::Revoked, Verdict::Revoked)] {
            let stored = StoredCode { state, ..stored(&code) };
            assert_eq!(stored.judge(&code, &KEY, mac(), UnixTime::new(1000)), verdict);
            let other = VerificationCode::parse("000000").unwrap();
            assert_eq!(stored.judge(&other, &KEY, mac(), UnixTime::new(1000)), Verdict::Wrong);
        }
    }

    #[test]
    fn codes_are_read_as_people_type_them_and_never_shown_by_accident() {
        for text in ["697150", "697 150", "697-150", " 6 9 7 1 5 0 "] {
            assert_eq!(VerificationCode::parse(text).unwrap().shown(), "697150");
        }
        for text in ["", "12345", "1234567890123", "69715O", "٦٩٧١٥٠", &"1".repeat(100)] {
            assert!(VerificationCode::parse(text).is_none(), "{text}");
        }
        let code = VerificationCode::parse("697150").unwrap();
        assert_eq!(format!("{code:?}"), "VerificationCode(..)");
        assert!(!serde_json::to_string(&stored(&code)).unwrap().contains("697150"));
        let grouped = |text| VerificationCode::parse(text).unwrap().grouped().to_string();
        assert_eq!(grouped("697150"), "697 150");
        assert_eq!(grouped("6971502"), "697 1502");
        assert_eq!(grouped("69715023"), "6971 5023");
        assert_eq!(grouped("6971502383"), "697 150 2383");
    }

    #[test]
    fn every_digit_is_as_likely_as_the_others() {
        let mut counts = [0_u32; 10];
        for code in VerificationCode::generate_unique(CodeLength::LONGEST, 5000).unwrap() {
            code.shown().bytes().for_each(|digit| counts[usize::from(digit - b'0')] += 1);
        }
        // 60,000 digits: 6,000 of each, with a standard deviation of 73; 7 of them happen once in 10^11.
        assert!(counts.iter().all(|count| count.abs_diff(6000) < 515), "{counts:?}");
    }

    #[test]
    fn unique_codes_are_unique_even_where_they_are_dense() {
        let codes = VerificationCode::generate_unique(CodeLength::SHORTEST, 20_000).unwrap();
        let different: HashSet<_> = codes.iter().map(VerificationCode::shown).collect();
        assert_eq!(different.len(), 20_000);
    }

    #[test]
    fn many_live_codes_are_longer() {
        let digits = |live| CodeLength::for_live(live, CodeLength::SHORTEST).digits();
        assert_eq!([digits(1), digits(45), digits(46), digits(450), digits(1000), digits(10_000)], [6, 6, 7, 7, 8, 9]);
        assert_eq!(CodeLength::for_live(1, CodeLength::new(9).unwrap()).digits(), 9);
        assert_eq!(digits(usize::MAX), 12);
        assert_eq!((CodeLength::new(5), CodeLength::new(13)), (None, None));
    }
}
