//! How readers are called in commands.

use std::fmt;
use std::str::FromStr;

/// A reader by its kind and number, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderId {
    /// A reader of the PC/SC service: `0`.
    Pcsc(usize),
    /// An NFC chip on a serial line: `nfc0`.
    Nfc(usize),
}

impl fmt::Display for ReaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pcsc(number) => write!(f, "{number}"),
            Self::Nfc(number) => write!(f, "nfc{number}"),
        }
    }
}

/// A word that calls no reader.
#[derive(Debug, PartialEq, Eq)]
pub struct NotReader;

impl FromStr for ReaderId {
    type Err = NotReader;

    fn from_str(word: &str) -> Result<Self, NotReader> {
        let (kind, number): (fn(usize) -> Self, _) = match word.strip_prefix("nfc") {
            Some(number) => (Self::Nfc, number),
            None => (Self::Pcsc, word),
        };
        number.parse().map(kind).map_err(|_| NotReader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_called_by_number_and_kind() {
        for (word, id) in [("0", ReaderId::Pcsc(0)), ("12", ReaderId::Pcsc(12)), ("nfc3", ReaderId::Nfc(3))] {
            assert_eq!(word.parse(), Ok(id));
            assert_eq!(id.to_string(), word);
        }
        for word in ["", "nfc", "x", "nfc-1", "-1", "NFC0"] {
            assert_eq!(word.parse::<ReaderId>(), Err(NotReader), "{word}");
        }
    }
}
