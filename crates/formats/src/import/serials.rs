//! Serial numbers that a spreadsheet took for numbers: their leading zeros are gone.

use std::collections::BTreeMap;

use oathburn_oath::SerialNumber;

use crate::{Format, FormatError};

/// Lines that are named for each length; a file that lost its zeros lost all of them.
const NAMED: usize = 20;
/// More zeros than this begin no serial number.
const MOST_ZEROS: usize = 6;
/// Shorter numbers have any length.
const LEAST_DIGITS: usize = 8;

/// The lengths of a file's serial numbers, as far as they are all digits.
#[derive(Debug, Default)]
pub struct SerialLengths(BTreeMap<usize, (u64, Vec<u64>)>);

impl SerialLengths {
    /// Whether files of a format pass through spreadsheets: they are cells, and nothing says that they are texts.
    pub fn matter(format: &dyn Format) -> bool {
        matches!(format.id(), "entra" | "generic" | "duo" | "pingid" | "cyberark" | "protectimus" | "linotp" | "netiq")
    }

    /// Notes the serial number of a row.
    pub fn note(&mut self, line: u64, serial: &SerialNumber) {
        if let Some(len) = digits(serial) {
            let (count, lines) = self.0.entry(len).or_default();
            *count += 1;
            if lines.len() < NAMED {
                lines.push(line);
            }
        }
    }

    /// Why a serial number is suspect, now that all were seen: others are longer by a few digits.
    pub fn suspect(&self, serial: &SerialNumber) -> Option<FormatError> {
        let (&others, _) = self.0.last_key_value()?;
        let found = digits(serial)?;
        let suspect = others >= LEAST_DIGITS && found < others && others - found <= MOST_ZEROS;
        suspect.then_some(FormatError::ZerosLost { found, others })
    }

    /// The lengths that are suspect, each with what is known of it, and the longest.
    fn short(&self) -> impl Iterator<Item = (usize, usize, &(u64, Vec<u64>))> {
        let others = self.0.last_key_value().map_or(0, |(len, _)| *len);
        let suspect = move |len: usize| others >= LEAST_DIGITS && len < others && others - len <= MOST_ZEROS;
        self.0.iter().filter(move |(len, _)| suspect(**len)).map(move |(len, lines)| (*len, others, lines))
    }

    /// The first lines with suspect serial numbers, and why they are, in the order of lines.
    pub fn suspects(&self) -> Vec<(u64, FormatError)> {
        let mut found = Vec::new();
        for (len, others, (_, lines)) in self.short() {
            found.extend(lines.iter().map(|&line| (line, FormatError::ZerosLost { found: len, others })));
        }
        found.sort_by_key(|(line, _)| *line);
        found
    }

    /// How many rows have them.
    pub fn suspect_count(&self) -> u64 {
        self.short().map(|(.., (count, _))| count).sum()
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
        assert_eq!(lengths.suspects(), [(3, lost.clone()), (6, lost.clone())]);
        assert_eq!(lengths.suspect_count(), 2);
        assert_eq!(lengths.suspect(&serial("123456789")), Some(lost));
        for sound in ["0000123456789", "TOK1", "12345"] {
            assert_eq!(lengths.suspect(&serial(sound)), None, "{sound}");
        }
        assert!(SerialLengths::default().suspects().is_empty());
    }
}
