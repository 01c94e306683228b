//! Whether a row is right, new, or there already.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::BuildHasher;

use oathburn_escrow::{Escrow, Known};
use oathburn_formats::{Format, KeyPackage, Problem, Row, SerialLengths};
use oathburn_oath::{FamilyId, SerialNumber, Slot, TokenIdentity, TokenRecord};
use oathburn_token::Models;

use super::problem::Problems;
use crate::commands::family;
use crate::exit::Exit;
use crate::failure::Failure;

/// What the caller knows of serial numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum SerialDigits {
    /// They are right as they are.
    Any,
    /// Those of digits have so many.
    Exactly(usize),
}

/// What is to be done with a row.
pub(super) enum Verdict {
    New,
    /// The escrow has this seed for this token.
    There,
    Wrong(Failure),
}

/// What is remembered of a row that may be taken in: 32 bytes, and nothing of its seed.
struct Seen {
    token: u64,
    seed: u64,
    line: u64,
    /// Its place among the sound rows of the file.
    place: u64,
}

/// A sound row: its line, its place among the sound rows, and the token.
pub(super) type Sound = (u64, u64, TokenRecord);

/// Judges the rows of a file.
pub(super) struct Judge<'a> {
    models: &'a Models,
    family: Option<FamilyId>,
    digits: Option<SerialDigits>,
    /// Serial numbers pass through spreadsheets.
    lengths: Option<SerialLengths>,
    hasher: RandomState,
    seen: Vec<Seen>,
    /// Tokens that are not taken in, or are there already, by their place.
    left_out: Places,
}

/// A set of places in a file: a bit each.
#[derive(Default)]
struct Places(Vec<u64>);

impl Places {
    /// Whether it was not among them before.
    fn insert(&mut self, place: u64) -> bool {
        let (index, bit) = Self::at(place);
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        let before = self.0[index];
        self.0[index] |= bit;
        before & bit == 0
    }

    fn contains(&self, place: u64) -> bool {
        let (index, bit) = Self::at(place);
        self.0.get(index).is_some_and(|bits| bits & bit != 0)
    }

    fn at(place: u64) -> (usize, u64) {
        (usize::try_from(place / 64).unwrap_or(usize::MAX), 1 << (place % 64))
    }
}

/// The line, the column and what is wrong there.
pub(super) type Refused = Box<(u64, Option<String>, Failure)>;

impl<'a> Judge<'a> {
    pub(super) fn new(
        models: &'a Models,
        family: Option<FamilyId>,
        digits: Option<SerialDigits>,
        format: &dyn Format,
    ) -> Self {
        let matter = digits.is_none() && SerialLengths::matter(format);
        Self {
            models,
            family,
            digits,
            lengths: matter.then(SerialLengths::default),
            hasher: RandomState::new(),
            seen: Vec::new(),
            left_out: Places::default(),
        }
    }

    /// The token that a row describes, with the identity it gets.
    pub(super) fn record(&self, row: Row) -> Result<(u64, TokenRecord), Refused> {
        let line = row.line;
        let package = match row.outcome {
            Ok(package) => package,
            Err(Problem { column, error }) => return Err(Box::new((line, column, error.into()))),
        };
        let identity = self.identity(&package).map_err(|failure| Box::new((line, None, failure)))?;
        let KeyPackage { params, seed, manufacturer, model, upn, issuer, .. } = package;
        Ok((line, TokenRecord { identity, params, seed, manufacturer, model, upn, issuer }))
    }

    fn identity(&self, package: &KeyPackage) -> Result<TokenIdentity, Failure> {
        let serial = match (&package.serial, self.digits) {
            (None, _) => {
                let Some(serial) = name(package) else {
                    let message = "the token has neither a serial number nor a name";
                    let remedy = "name its user or its issuer in the file";
                    return Err(Failure::new(Exit::Input, "token-nameless", message, remedy));
                };
                let family = self.family.clone().unwrap_or_else(|| literal("authenticator"));
                return Ok(TokenIdentity { family, serial, slot: Slot::SINGLE });
            }
            (Some(serial), Some(SerialDigits::Exactly(digits))) => padded(serial, digits),
            (Some(serial), _) => serial.clone(),
        };
        let family = family::of_token_in_use(self.models, self.family.as_ref(), &serial);
        Ok(TokenIdentity { family, serial, slot: Slot::SINGLE })
    }

    /// Remembers a row that is new.
    pub(super) fn note(&mut self, (line, place, record): &Sound) {
        if let Some(lengths) = &mut self.lengths {
            lengths.note(*line, &record.identity.serial);
        }
        let token = self.hasher.hash_one(&record.identity);
        let seed = self.hasher.hash_one(&*record.seed.to_base32());
        self.seen.push(Seen { token, seed, line: *line, place: *place });
    }

    /// Leaves out a row that is there already.
    pub(super) fn pass_over(&mut self, (_, place, _): &Sound) {
        self.left_out.insert(*place);
    }

    /// Finds what is there twice, and serial numbers that lost their zeros. The numbers of rows that are left out as
    /// wrong, and as repeated.
    pub(super) fn finish(&mut self, problems: &mut Problems) -> (u64, u64) {
        let (mut wrong, mut repeated) = (0, 0);
        let mut seen = std::mem::take(&mut self.seen);
        for by_token in [true, false] {
            let key = |one: &Seen| if by_token { one.token } else { one.seed };
            seen.sort_unstable_by_key(|one| (key(one), one.place));
            for same in seen.chunk_by(|one, other| key(one) == key(other)) {
                let (first, others) = same.split_first().expect("a chunk has a first row");
                for other in others {
                    if !self.left_out.insert(other.place) {
                        continue;
                    }
                    if (first.token, first.seed) == (other.token, other.seed) {
                        repeated += 1;
                        continue;
                    }
                    wrong += 1;
                    problems.add(Some(other.line), None, twice(by_token, first.line));
                }
            }
        }
        if let Some(lengths) = &self.lengths {
            for (line, error) in lengths.suspects() {
                problems.add(Some(line), Some("serial number".to_owned()), error.into());
                wrong += 1;
            }
        }
        (wrong, repeated)
    }

    /// Whether a row is taken in when the file is read once more.
    pub(super) fn accepts(&self, (_, place, record): &Sound) -> bool {
        let suspect = self.lengths.as_ref().and_then(|lengths| lengths.suspect(&record.identity.serial));
        !self.left_out.contains(*place) && suspect.is_none()
    }
}

/// Compares rows with the escrow.
pub(super) fn known(escrow: &Escrow, rows: &[Sound]) -> Result<Vec<Verdict>, Failure> {
    let records: Vec<_> = rows.iter().map(|(.., record)| record).collect();
    let known = escrow.known(&records)?;
    Ok(known.into_iter().map(verdict).collect())
}

fn verdict(known: Known) -> Verdict {
    Verdict::Wrong(match known {
        Known::Nothing => return Verdict::New,
        Known::Same(_) => return Verdict::There,
        Known::SeedOf(entry, identity) => {
            let message = format!("its seed is in the escrow for {identity} (entry {entry})");
            let remedy = "no two tokens have one seed: ask the maker, or retire the entry if it is wrong";
            Failure::new(Exit::Input, "seed-known", message, remedy)
        }
        Known::TokenOf(entry) => {
            let message = format!("it is in the escrow with another seed (entry {entry})");
            let remedy = "if the token got a new seed, retire the entry first";
            Failure::new(Exit::Input, "token-known", message, remedy)
        }
    })
}

fn twice(token: bool, line: u64) -> Failure {
    if token {
        let message = format!("the token is in line {line} of the file, too, with another seed");
        return Failure::new(Exit::Input, "token-twice", message, "keep the line that is right");
    }
    let message = format!("its seed is in line {line} of the file, too, for another token");
    Failure::new(Exit::Input, "seed-twice", message, "ask the maker: no two tokens have one seed")
}

/// The number with the zeros before it that were dropped.
fn padded(serial: &SerialNumber, digits: usize) -> SerialNumber {
    let text = serial.as_str();
    if text.len() >= digits || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return serial.clone();
    }
    SerialNumber::new(&format!("{text:0>digits$}")).unwrap_or_else(|_| serial.clone())
}

/// What an account without a serial number is known by: `ISSUER:NAME`, with what a serial number cannot have spelled
/// out as in a URI.
fn name(package: &KeyPackage) -> Option<SerialNumber> {
    let names: Vec<_> = [&package.issuer, &package.upn].into_iter().flatten().map(String::as_str).collect();
    let mut text = String::new();
    for byte in names.join(":").bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    if text.len() > SerialNumber::MAX_LEN {
        // FNV-1a tells long names apart, in the same way each time.
        let sum = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        text.truncate(SerialNumber::MAX_LEN - 17);
        let _ = write!(text, "~{sum:016x}");
    }
    SerialNumber::new(&text).ok()
}

fn literal(family: &str) -> FamilyId {
    FamilyId::new(family).expect("a literal of lower-case letters")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use oathburn_oath::{Params, Seed};

    use super::*;

    fn package(issuer: Option<&str>, upn: Option<&str>) -> KeyPackage {
        KeyPackage {
            serial: None,
            manufacturer: None,
            model: None,
            upn: upn.map(str::to_owned),
            issuer: issuer.map(str::to_owned),
            params: Params::default(),
            seed: Seed::new(vec![7; 20]).unwrap(),
        }
    }

    #[test]
    fn accounts_are_known_by_issuer_and_name() {
        let name = |issuer, upn| name(&package(issuer, upn)).map(|name| name.to_string());
        assert_eq!(name(Some("ACME"), Some("bob@example.com")).as_deref(), Some("ACME:bob@example.com"));
        assert_eq!(name(None, Some("b b%é")).as_deref(), Some("b%20b%25%C3%A9"));
        assert_eq!(name(None, None), None);
        let (one, other) = (name(Some(&"x".repeat(99)), Some("a")), name(Some(&"x".repeat(99)), Some("b")));
        assert_eq!(one.as_ref().map(String::len), Some(64));
        assert_ne!(one, other);
    }

    #[test]
    fn places_are_remembered_once() {
        let mut places = Places::default();
        for place in [0, 63, 64, 1000] {
            assert!(!places.contains(place));
            assert!(places.insert(place));
            assert!(!places.insert(place));
            assert!(places.contains(place));
        }
        assert!(!places.contains(1) && !places.contains(128) && !places.contains(u64::MAX));
    }

    #[test]
    fn zeros_are_put_back() {
        let serial = |text: &str| SerialNumber::new(text).unwrap();
        assert_eq!(padded(&serial("123456789"), 13), serial("0000123456789"));
        for kept in ["2300000000001", "23000000000012", "TOK1"] {
            assert_eq!(padded(&serial(kept), 13), serial(kept));
        }
    }
}
