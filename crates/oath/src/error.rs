//! What can be wrong with a seed, a parameter or a name.

mod samples;

use crate::{Remedy, Seed, SerialNumber};

/// Everything this crate refuses. No variant carries any part of a seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OathError {
    /// There is no seed at all.
    #[error("the seed is empty")]
    SeedEmpty,
    /// More bytes than any token or service takes.
    #[error("the seed has {len} bytes, at most {max} are possible", max = Seed::MAX_LEN)]
    SeedTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A character outside Base32.
    #[error("the seed is not Base32 (character {position})")]
    NotBase32 {
        /// Counted from 1; 0 when nothing but separators was there.
        position: usize,
    },
    /// Base32 that does not come from whole bytes.
    #[error("the seed is not whole Base32: characters are missing at its end, or one was mistyped")]
    Base32Truncated,
    /// A character outside hex.
    #[error("the seed is not hex (character {position})")]
    NotHex {
        /// Counted from 1; 0 when nothing but separators was there.
        position: usize,
    },
    /// Half a byte too few or too many.
    #[error("the seed has an odd number of hex digits")]
    HexOdd,
    /// The operating system gave no random bytes.
    #[error("the operating system's random generator failed")]
    Random,
    /// A hash nobody uses for OATH.
    #[error("the algorithm is none of sha1, sha256, sha512")]
    Algorithm,
    /// Too few or too many digits.
    #[error("a code has 6 to 10 digits")]
    Digits,
    /// Not what a display shows.
    #[error("a displayed code has 4 or 6 to 10 digits and nothing else, and two codes have equally many")]
    DisplayedCode,
    /// No time at all, or not a number.
    #[error("a time step is a whole number of seconds, at least 1")]
    TimeStep,
    /// Asked for what needs a time, of a token that counts.
    #[error("the token's codes follow a counter (HOTP), not the time")]
    EventBased,
    /// Not a serial number.
    #[error("a serial number has 1 to {max} visible characters and no spaces", max = SerialNumber::MAX_LEN)]
    Serial,
    /// Not a slot.
    #[error("a slot is a number from 0 to 255 or a name of at most 64 bytes")]
    Slot,
    /// Not a family.
    #[error("a token family is named by lower-case letters, digits and dashes")]
    Family,
}

impl Remedy for OathError {
    fn code(&self) -> &'static str {
        match self {
            Self::SeedEmpty => "seed-empty",
            Self::SeedTooLong { .. } => "seed-too-long",
            Self::NotBase32 { .. } => "seed-not-base32",
            Self::Base32Truncated => "seed-truncated",
            Self::NotHex { .. } => "seed-not-hex",
            Self::HexOdd => "seed-odd-hex",
            Self::Random => "random-failed",
            Self::Algorithm => "algorithm-unknown",
            Self::Digits => "digits-out-of-range",
            Self::DisplayedCode => "displayed-code",
            Self::TimeStep => "time-step-invalid",
            Self::EventBased => "event-based",
            Self::Serial => "serial-invalid",
            Self::Slot => "slot-invalid",
            Self::Family => "family-invalid",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::SeedEmpty => "check that the file or argument holds the seed",
            Self::SeedTooLong { .. } => "check that this is a seed and not a certificate or a key file",
            Self::NotBase32 { .. } => {
                "Base32 has the letters A to Z and the digits 2 to 7 (no 0, 1, 8, 9); a seed in hex needs --encoding hex"
            }
            Self::Base32Truncated => "copy the seed again, to its last character",
            Self::NotHex { .. } => {
                "hex has the digits 0 to 9 and the letters a to f; a seed in Base32 needs --encoding base32"
            }
            Self::HexOdd => "copy the seed again, to its last digit",
            Self::Random => "check the kernel's random device and run again; nothing was written",
            Self::Algorithm => "give sha1 unless the service says otherwise",
            Self::Digits => "give 6 unless the service says otherwise",
            Self::DisplayedCode => "have the user read the digits again, one by one",
            Self::TimeStep => "give 30 unless the service says otherwise",
            Self::EventBased => "choose a token whose codes follow the time; this one's seed can be kept and exported",
            Self::Serial => "copy the number from the back of the token",
            Self::Slot => "give the number or the name that `oathburn identify` shows",
            Self::Family => "copy the family from `oathburn identify`",
        };
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_own_code_and_a_remedy() {
        let all = OathError::samples();
        let missing = OathError::VARIANTS.iter().find(|name| !all.iter().any(|one| one.variant() == **name));
        assert_eq!(missing, None);
        let mut codes: Vec<_> = all.iter().map(Remedy::code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all.len());
        for error in all {
            let message = error.to_string();
            assert!(message.starts_with(char::is_lowercase) && !message.ends_with('.'), "{message}");
            assert!(error.remedy().is_some(), "{message}");
        }
    }
}
