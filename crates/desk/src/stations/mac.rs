//! MAC IDs: EUI-48 (IEEE 802-2014, clause 8) in every spelling that people and machines use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::StationsFault;

/// The MAC ID of a station: the address of one machine, `00-1A-2B-3C-4D-5E`.
///
/// ```
/// use oathburn_desk::stations::MacId;
///
/// let mac: MacId = "001a.2b3c.4d5e".parse()?;
/// assert_eq!(mac.to_string(), "00-1A-2B-3C-4D-5E");
/// # Ok::<(), oathburn_desk::stations::StationsFault>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacId([u8; 6]);

/// The longest text that is looked at: far more than any spelling needs.
const MAX_TEXT: usize = 64;

impl MacId {
    /// The address with these bytes, in the order in which they are written.
    pub fn new(bytes: [u8; 6]) -> Result<Self, StationsFault> {
        match bytes {
            [0, 0, 0, 0, 0, 0] => Err(StationsFault::MacZero),
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => Err(StationsFault::MacBroadcast),
            // The I/G bit: the first on the wire, the lowest of the first byte.
            [first, ..] if first & 1 == 1 => Err(StationsFault::MacGroup),
            _ => Ok(Self(bytes)),
        }
    }

    /// The bytes, in the order in which they are written.
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// Whether somebody chose it instead of a maker (the U/L bit), as virtual machines and private addresses do.
    pub const fn is_local(self) -> bool {
        self.0[0] & 2 == 2
    }
}

impl fmt::Display for MacId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.map(|byte| format!("{byte:02X}")).join("-"))
    }
}

impl fmt::Debug for MacId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacId({self})")
    }
}

impl From<MacId> for String {
    fn from(mac: MacId) -> Self {
        mac.to_string()
    }
}

impl TryFrom<String> for MacId {
    type Error = StationsFault;

    fn try_from(text: String) -> Result<Self, StationsFault> {
        text.parse()
    }
}

/// Reads pairs (`00:1a:2b:3c:4d:5e`, `0-1a-2b-3c-4d-5e`), fours (`001a.2b3c.4d5e`), halves (`001a2b-3c4d5e`) and bare
/// digits, in capitals or not. Colon, dash (also the typographic ones), dot and space separate; one kind throughout.
impl FromStr for MacId {
    type Err = StationsFault;

    fn from_str(text: &str) -> Result<Self, StationsFault> {
        let text = text.trim();
        if text.is_empty() {
            return Err(StationsFault::MacMissing);
        }
        if text.len() > MAX_TEXT {
            return Err(StationsFault::MacMalformed);
        }
        if is_spreadsheet_number(text) {
            return Err(StationsFault::MacNumber);
        }
        let groups = groups(text)?;
        let digits: usize = groups.iter().map(String::len).sum();
        let lens: Vec<_> = groups.iter().map(String::len).collect();
        let whole = match lens[..] {
            // Some systems leave out the zero that begins a pair.
            [_, _, _, _, _, _] if lens.iter().all(|len| (1..=2).contains(len)) => {
                groups.iter().map(|pair| if pair.len() == 1 { "0" } else { "" }.to_owned() + pair).collect::<String>()
            }
            [4, 4, 4] | [6, 6] | [12] => groups.concat(),
            // Twelve digits, but no machine groups them so: something was lost and something came along.
            _ if digits == 12 => return Err(StationsFault::MacMalformed),
            _ => return Err(StationsFault::MacLength { found: digits }),
        };
        let number = u64::from_str_radix(&whole, 16).map_err(|_| StationsFault::MacMalformed)?;
        let [_, _, bytes @ ..] = number.to_be_bytes();
        Self::new(bytes)
    }
}

/// The runs of hex digits between separators of one kind.
fn groups(text: &str) -> Result<Vec<String>, StationsFault> {
    let (mut groups, mut separator) = (vec![String::new()], None);
    for c in text.chars() {
        let kind = match c {
            c if c.is_ascii_hexdigit() => {
                groups.last_mut().expect("there is always one").push(c);
                continue;
            }
            ':' | '.' | ' ' => c,
            // Hyphens and dashes as word processors set them (U+2010 to U+2014), and the minus sign.
            '-' | '\u{2010}'..='\u{2014}' | '\u{2212}' => '-',
            _ => return Err(StationsFault::MacMalformed),
        };
        if separator.is_some_and(|one| one != kind) {
            return Err(StationsFault::MacMalformed);
        }
        separator = Some(kind);
        groups.push(String::new());
    }
    Ok(groups)
}

/// What a spreadsheet makes of digits: powers of ten (`1.1E+11`, `1,1E+11`), decimals, marks between thousands. Dots
/// between fours are Cisco's.
fn is_spreadsheet_number(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let number = |text: &str, marks: &[char]| {
        text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || marks.contains(&c))
    };
    if let Some((mantissa, exponent)) = lower.split_once("e+") {
        return number(mantissa, &['.', ',']) && number(exponent, &[]);
    }
    let has_mark = lower.contains([',', '\'']) || (lower.matches('.').count() == 1 && !lower.ends_with('.'));
    has_mark && number(&lower, &['.', ',', '\''])
}

#[cfg(test)]
mod tests {
    use super::StationsFault as E;
    use super::*;

    #[test]
    fn every_spelling_is_the_same_address() {
        for text in [
            "00:1a:2b:3c:4d:5e",
            "00-1A-2B-3C-4D-5E",
            "001a.2b3c.4d5e",
            "001A2B3C4D5E",
            "001a2B3c4D5e",
            "001a2b-3c4d5e",
            "001a-2b3c-4d5e",
            "00 1a 2b 3c 4d 5e",
            "0:1a:2b:3c:4d:5e",
            "  00-1A-2B-3C-4D-5E\t",
            "00\u{2011}1A\u{2011}2B\u{2011}3C\u{2011}4D\u{2011}5E",
            "00–1A–2B–3C–4D–5E",
        ] {
            let mac: MacId = text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(mac.to_string(), "00-1A-2B-3C-4D-5E", "{text}");
            assert_eq!(mac.bytes(), [0, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e]);
        }
    }

    #[test]
    fn what_is_no_machines_address_is_refused_by_name() {
        let fault = |text: &str| text.parse::<MacId>().unwrap_err();
        assert_eq!(fault(""), E::MacMissing);
        assert_eq!(fault("00-00-00-00-00-00"), E::MacZero);
        assert_eq!(fault("ff:ff:ff:ff:ff:ff"), E::MacBroadcast);
        assert_eq!(fault("01-00-5E-00-00-01"), E::MacGroup);
        assert_eq!(fault("1A2B3C4D5E"), E::MacLength { found: 10 });
        assert_eq!(fault("00-1A-2B-FF-FE-3C-4D-5E"), E::MacLength { found: 16 });
        for number in ["1E+11", "1.12233E+11", "1,12233E+11", "112.233", "1,122,334,455", "1'122'334'455"] {
            assert_eq!(fault(number), E::MacNumber, "{number}");
        }
        for text in ["00-1A-2B-3C-4D-5G", "00:1A-2B:3C:4D:5E", "printer", "001a:2b3c4d5e", "=A1", "00١A2B3C4D5E"] {
            assert_eq!(fault(text), E::MacMalformed, "{text}");
        }
        assert_eq!(fault(&"0".repeat(100)), E::MacMalformed);
    }

    #[test]
    fn an_address_that_somebody_chose_is_known_as_such() {
        assert!("02-00-00-00-00-01".parse::<MacId>().unwrap().is_local());
        assert!(!"00-1A-2B-3C-4D-5E".parse::<MacId>().unwrap().is_local());
    }
}
