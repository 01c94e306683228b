//! The fingerprint by which a station knows its desk.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER_PERMISSIVE, HEXUPPER};
use serde::{Deserialize, Serialize};

use super::ClientError;

/// As much of a fingerprint as must be given at least, in bytes: nobody finds another certificate with the same 128 bits.
const LEAST: usize = 16;

/// The first 16 to 32 bytes of the SHA-256 of a certificate, as somebody typed them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(Vec<u8>);

impl Pin {
    /// Whether a certificate with this fingerprint is meant.
    pub fn matches(&self, fingerprint: &[u8; 32]) -> bool {
        fingerprint.starts_with(&self.0)
    }
}

/// Pairs of hex digits, with colons, dashes, dots and spaces where they like, in capitals or not; 32 digits at least.
impl FromStr for Pin {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let refused = || ClientError::FingerprintMalformed;
        if text.len() > 200 {
            return Err(refused());
        }
        let text = text.trim();
        let text = text.strip_prefix("SHA256:").or_else(|| text.strip_prefix("sha256:")).unwrap_or(text);
        let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | ' ' | '.')).collect();
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| refused())?;
        if (LEAST..=32).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(refused()) }
    }
}

/// As browsers show it: `AB:CD:…`.
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.iter().map(|byte| HEXUPPER.encode(&[*byte])).collect::<Vec<_>>().join(":"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        pin.to_string()
    }
}

impl TryFrom<String> for Pin {
    type Error = ClientError;

    fn try_from(text: String) -> Result<Self, ClientError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use oathburn_oath::Remedy as _;

    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_shown_and_as_it_is_printed_on_slips() {
        let whole: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap() + 0xa0);
        let shown = HEXUPPER.encode(&whole);
        for text in [shown.clone(), shown.to_lowercase(), format!("SHA256:{shown}"), format!(" {} ", shown.clone())] {
            let pin: Pin = text.parse().unwrap();
            assert!(pin.matches(&whole) && pin.to_string().starts_with("A0:A1:"));
        }
        let half: Pin = "A0A1 A2A3 A4A5 A6A7 A8A9 AAAB ACAD AEAF".parse().unwrap();
        assert!(half.matches(&whole));
        assert_eq!(half.to_string().parse::<Pin>().unwrap(), half);
        let other: Pin = "A0A1 A2A3 A4A5 A6A7 A8A9 AAAB ACAD AEAE".parse().unwrap();
        assert!(!other.matches(&whole));
        for text in ["", "A0A1", &shown[..30], "xx", &"a".repeat(66), &"a".repeat(1000), &shown[..33]] {
            assert_eq!(text.parse::<Pin>().unwrap_err().code(), "fingerprint-malformed", "{text}");
        }
    }
}
