//! Serial numbers that a spreadsheet took for numbers: their leading zeros are gone.

use std::collections::BTreeMap;

use oathburn_oath::SerialNumber;

use crate::{Format, FormatError};

/// More zeros than this begin no serial number.
const MOST_ZEROS: usize = 6;
/// Shorter numbers have any length.
const LEAST_DIGITS: usize = 8;

/// The lengths of a file's serial numbers, as far as they are all digits, each with its lines: eight bytes a row.
#[derive(Debug, Default)]
pub struct SerialLengths(BTreeMap<usize, Vec<u64>>);

impl SerialLengths {
    /// Whether files of a format pass through spreadsheets: they are cells, and nothing says that they are texts.
    pub fn matter(format: &dyn Format) -> bool {
        matches!(format.id(), "entra" | "generic" | "duo" | "pingid" | "cyberark" | "protectimus" | "linotp" | "netiq")
    }

    /// Notes the serial number of a row.
    pub fn note(&mut self, line: u64, serial: &SerialNumber) {
        if let Some(len) = digits(serial) {
            self.0.entry(len).or_default().push(line);
        }
    }

    /// Why a serial number is suspect, now that all were seen: others are longer by a few digits.
    pub fn suspect(&self, serial: &SerialNumber) -> Option<FormatError> {
        let (&others, _) = self.0.last_key_value()?;
        let found = digits(serial)?;
        let suspect = others >= LEAST_DIGITS && found < others && others - found <= MOST_ZEROS;
        suspect.then_some(FormatError::ZerosLost { found, others })
    }

    /// The lines with suspect serial numbers, length by length, and why they are.
    pub fn suspects(&self) -> impl Iterator<Item = (u64, FormatError)> {
        let others = self.0.last_key_value().map_or(0, |(len, _)| *len);
        let suspect = move |len: usize| others >= LEAST_DIGITS && len < others && others - len <= MOST_ZEROS;
        let short = self.0.iter().filter(move |(len, _)| suspect(**len));
        short.flat_map(move |(&found, lines)| {
            lines.iter().map(move |&line| (line, FormatError::ZerosLost { found, others }))
        })
    }
}

/// How many digits there are, where there is nothing else.
fn digits(serial: &SerialNumber) -> Option<usize> {
    let text = serial.as_str();
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_that_is_shorter_than_the_others_is_suspect() {
        let serial = |text: &str| SerialNumber::new(text).unwrap();
        let mut lengths = SerialLengths::default();
        for (line, text) in [(2, "2300000000001"), (3, "123456789"), (4, "TOK1"), (5, "12345"), (6, "123456780")] {
            lengths.note(line, &serial(text));
        }
        let lost = FormatError::ZerosLost { found: 9, others: 13 };
        assert_eq!(lengths.suspects().collect::<Vec<_>>(), [(3, lost.clone()), (6, lost.clone())]);
        assert_eq!(lengths.suspect(&serial("123456789")), Some(lost));
        for sound in ["0000123456789", "TOK1", "12345"] {
            assert_eq!(lengths.suspect(&serial(sound)), None, "{sound}");
        }
        assert!(SerialLengths::default().suspects().next().is_none());
    }
}
