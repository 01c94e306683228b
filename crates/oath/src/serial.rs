//! Serial numbers: what is printed on the back of a token.

use std::fmt;
use std::str::FromStr;

use crate::OathError;

/// A token's serial number: 1 to 64 visible ASCII characters, kept as written.
///
/// Serial numbers are text, never numbers: leading zeros count, and some are hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SerialNumber(Box<str>);

impl SerialNumber {
    /// The longest serial number that is accepted.
    pub const MAX_LEN: usize = 64;

    /// Checks the text; white space around it is dropped.
    pub fn new(text: &str) -> Result<Self, OathError> {
        let text = text.trim();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > Self::MAX_LEN || !visible {
            return Err(OathError::Serial);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SerialNumber {
    type Err = OathError;

    fn from_str(text: &str) -> Result<Self, OathError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_stay_and_odd_characters_do_not_pass() {
        assert_eq!(SerialNumber::new(" 00865 ").unwrap().as_str(), "00865");
        assert_eq!(SerialNumber::new("12\n").unwrap().as_str(), "12");
        for bad in ["", "  ", "12 34", "é", &"1".repeat(65)] {
            assert_eq!(SerialNumber::new(bad), Err(OathError::Serial), "{bad:?}");
        }
    }
}
