//! The joint between files and the house: what every format of seed files says of itself, reads and writes.
//!
//! A format is one file and one line in [`FORMATS`].

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::ops::ControlFlow;

use oathburn_oath::{Algorithm, Digits, Encoding, Params, Seed, SerialNumber, TimeStep};
use zeroize::Zeroizing;

use crate::{FormatError, export, import, listed, pskc};

/// All formats, in the order in which they are listed.
pub static FORMATS: &[&dyn Format] = &[
    &export::entra::Entra,
    &export::graph::Graph,
    &export::graph::GraphCreate,
    &export::otpauth::Otpauth,
    &export::sheet::Sheet,
    &export::okta::Okta,
    &export::pingone::PingOne,
    &export::privacyidea::PrivacyIdea,
    &export::privacyidea::PrivacyIdea2,
    &export::columns::Known("duo"),
    &export::columns::Known("duo-hotp"),
    &export::columns::Known("pingid"),
    &export::columns::Known("linotp"),
    &export::columns::Known("netiq"),
    &export::columns::Known("rcdevs"),
    &export::columns::Known("generic"),
    &listed::CYBERARK,
    &listed::KEYCLOAK,
    &listed::CITRIX,
    &listed::SOPHOS,
    &listed::FEITIAN,
    &listed::PROTECTIMUS,
    &listed::YUBICO,
    &listed::SAFENET,
    &listed::DUALSHIELD,
    &listed::AEGIS,
    &listed::TWOFAS,
    &pskc::Pskc,
];

/// The format with this id.
pub fn format(id: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.id() == id)
}

/// A token with its seed, as files know it: a key package (RFC 6030). What is `None` was not said.
#[derive(Clone, Debug)]
pub struct KeyPackage {
    /// The number on the token's back.
    pub serial: Option<SerialNumber>,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// The product's name.
    pub model: Option<String>,
    /// The user it belongs to.
    pub upn: Option<String>,
    /// The service the seed is for.
    pub issuer: Option<String>,
    /// How its codes are made.
    pub params: Params,
    /// The seed.
    pub seed: Seed,
}

/// One format of files.
pub trait Format: Sync {
    /// The stable name in arguments and events, `entra`.
    fn id(&self) -> &'static str;

    /// Whose format it is, in a few words.
    fn title(&self) -> &'static str;

    /// What it can carry.
    fn fidelity(&self) -> &'static Fidelity;

    /// How much the beginning of a file looks like it. Up to 64 KiB are shown, without a byte order mark.
    fn sniff(&self, head: &[u8]) -> Likeness {
        import::reading(self.id()).map_or(Likeness::No, |reading| (reading.sniff)(head))
    }

    /// How it is read, where it is.
    fn reader(&self) -> Option<&dyn ReadFormat> {
        import::reading(self.id()).map(|reading| reading as &dyn ReadFormat)
    }

    /// How it is written, where it is.
    fn writer(&self) -> Option<&dyn WriteFormat> {
        None
    }
}

/// How much a file looks like a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// It is something else.
    No,
    /// It may be: its shape fits, and that of others may fit as well.
    Maybe,
    /// It says so itself: a header, a namespace, a scheme.
    Sure,
}

/// Whether a format has a place for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// There is none: it is lost.
    No,
    /// There is one.
    Yes,
    /// There is one, and it may not be empty.
    Needed,
}

/// What a format can carry, and with it what is lost on the way through it.
#[derive(Clone, Copy, Debug)]
pub struct Fidelity {
    /// The hashes; what the target assumes where it has no column for it is the only one here.
    pub algorithms: &'static [Algorithm],
    /// The digits of a code.
    pub digits: &'static [u8],
    /// The time steps in seconds; `None` for any. Empty where only event-based tokens can be carried.
    pub steps: Option<&'static [u32]>,
    /// Whether event-based tokens with their counters can be carried.
    pub event_based: bool,
    /// The longest seed in bytes.
    pub max_seed_len: usize,
    /// The serial number.
    pub serial: Carried,
    /// The manufacturer's name.
    pub manufacturer: Carried,
    /// The model's name.
    pub model: Carried,
    /// The user.
    pub upn: Carried,
    /// The service.
    pub issuer: Carried,
}

/// Why a target would not take a token. Nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its hash.
    #[error("it takes no {0}")]
    Algorithm(Algorithm),
    /// Its number of digits.
    #[error("it takes no codes of {0} digits")]
    Digits(u8),
    /// Its time step, in seconds.
    #[error("it takes no time step of {0} s")]
    Step(u32),
    /// A token that counts.
    #[error("it takes no event-based tokens (HOTP)")]
    EventBased,
    /// A token that follows the time.
    #[error("it takes event-based tokens (HOTP) only")]
    TimeBased,
    /// A seed too long.
    #[error("it takes seeds of at most {max} bytes, not {len}")]
    SeedTooLong {
        /// The seed's length.
        len: usize,
        /// The longest it takes.
        max: usize,
    },
    /// Something it needs is not known.
    #[error("it needs the {0}")]
    Missing(&'static str),
    /// An event-based token with a hash that it takes of time-based ones only.
    #[error("it takes no event-based tokens with {0}")]
    EventBasedAlgorithm(Algorithm),
    /// One file is for tokens of one kind.
    #[error("a file is for one {what}, which is {first} for the first token in it")]
    Mixed {
        /// In what they differ.
        what: &'static str,
        /// What it is for the first token.
        first: String,
    },
    /// There is no column for the hash, and the target guesses.
    #[error("it takes every seed of {len} bytes for one of {guess}, and this one is for {algorithm}")]
    GuessedHash {
        /// The seed's length.
        len: usize,
        /// What it takes it for.
        guess: &'static str,
        /// What it is.
        algorithm: Algorithm,
    },
    /// A text that would be read as something else.
    #[error("its {what} has a {character:?}, which would be misread")]
    Character {
        /// Which text.
        what: &'static str,
        /// What is in it.
        character: char,
    },
    /// A text that a spreadsheet would not leave alone.
    #[error("its {what} begins like a formula, which a spreadsheet would compute")]
    Formula {
        /// Which text.
        what: &'static str,
    },
    /// More than fits into a QR code.
    #[error("its names are too long for a QR code")]
    QrTooLong,
}

impl Fidelity {
    /// Whether and why the target would not take it.
    pub fn refuses(&self, package: &KeyPackage) -> Option<Refusal> {
        let (algorithm, digits) = (package.params.algorithm(), package.params.digits().get());
        let (len, max) = (package.seed.len(), self.max_seed_len);
        let factor = match (package.params.step(), self.steps) {
            (None, _) => (!self.event_based).then_some(Refusal::EventBased),
            (Some(_), Some([])) => Some(Refusal::TimeBased),
            (Some(step), Some(steps)) => (!steps.contains(&step.seconds())).then(|| Refusal::Step(step.seconds())),
            (Some(_), None) => None,
        };
        let parts = [
            ("serial number", self.serial, package.serial.is_some()),
            ("manufacturer", self.manufacturer, package.manufacturer.is_some()),
            ("model", self.model, package.model.is_some()),
            ("user (UPN)", self.upn, package.upn.is_some()),
            ("issuer", self.issuer, package.issuer.is_some()),
        ];
        let missing = parts.into_iter().find(|(_, carried, there)| *carried == Carried::Needed && !there);
        factor
            .or_else(|| (!self.algorithms.contains(&algorithm)).then_some(Refusal::Algorithm(algorithm)))
            .or_else(|| (!self.digits.contains(&digits)).then_some(Refusal::Digits(digits)))
            .or_else(|| (len > max).then_some(Refusal::SeedTooLong { len, max }))
            .or_else(|| missing.map(|(what, ..)| Refusal::Missing(what)))
    }
}

/// What a reader may need to know beside the file.
#[derive(Default)]
pub struct ReadOptions {
    /// The password or key of an encrypted file.
    pub password: Option<Zeroizing<Vec<u8>>>,
    /// Take encrypted values that nothing proves to be unchanged.
    pub ignore_mac: bool,
    /// What the file does not say, and the caller knows.
    pub unsaid: Unsaid,
}

/// Whether codes follow the time or a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The time (RFC 6238).
    Totp,
    /// A counter (RFC 4226).
    Hotp,
}

/// What many formats leave out. It fills gaps; what a row says goes before it. Only the encoding is taken in place of
/// the format's own, for files that were written in the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsaid {
    /// What codes follow.
    pub kind: Option<Kind>,
    /// The hash.
    pub algorithm: Option<Algorithm>,
    /// Digits of a code.
    pub digits: Option<Digits>,
    /// The time step.
    pub step: Option<TimeStep>,
    /// How seeds are written.
    pub encoding: Option<Encoding>,
}

impl Unsaid {
    /// Nothing more than the file says.
    pub const NOTHING: Self = Self { kind: None, algorithm: None, digits: None, step: None, encoding: None };
}

/// One row, key package or entry of a list, as far as it could be read.
#[derive(Debug)]
pub struct Row {
    /// Where it begins, counted from 1; for files without lines, its number.
    pub line: u64,
    /// The token, or what is wrong with it.
    pub outcome: Result<KeyPackage, Problem>,
}

/// What is wrong with one row. Nothing of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The column or element, as the file names it.
    pub column: Option<String>,
    /// What is wrong.
    pub error: FormatError,
}

impl Problem {
    /// A problem of the row as a whole.
    pub fn new(error: FormatError) -> Self {
        Self { column: None, error }
    }

    /// The same, in a column.
    #[must_use]
    pub fn in_column(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }
}

/// Reads files of a format, row by row, in bounded memory.
pub trait ReadFormat: Sync {
    /// Hands each row to `sink`, until it says enough. A wrong row is handed over as such and reading goes on; an
    /// error says that the rest of the file cannot be read.
    fn read(
        &self,
        input: &mut dyn BufRead,
        options: &ReadOptions,
        sink: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<Remarks, FormatError>;
}

/// What there is to know of a file that was read, beside its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remarks {
    /// It carries a signature, at which nobody has looked.
    pub signature_unverified: bool,
}

/// What a writer may need to know beside the tokens.
#[derive(Default)]
pub struct WriteOptions {
    /// A key that both sides know, under which seeds are encrypted.
    pub key: Option<Zeroizing<Vec<u8>>>,
    /// The manufacturer's name for tokens that do not say theirs.
    pub manufacturer: Option<String>,
    /// The model's name for tokens that do not say theirs.
    pub model: Option<String>,
    /// The service for tokens that do not say theirs.
    pub issuer: Option<String>,
    /// The format's own settings, by their names.
    pub settings: BTreeMap<String, String>,
    /// The password under which seeds are encrypted.
    pub password: Option<Zeroizing<Vec<u8>>>,
}

impl WriteOptions {
    /// Says what a token does not say itself. This comes before anything is asked about it or written of it.
    pub fn fill(&self, package: &mut KeyPackage) {
        let fill = |place: &mut Option<String>, text: &Option<String>| {
            if place.is_none() {
                place.clone_from(text);
            }
        };
        fill(&mut package.manufacturer, &self.manufacturer);
        fill(&mut package.model, &self.model);
        fill(&mut package.issuer, &self.issuer);
    }

    /// The value of a setting; an error where it is needed and was not given.
    pub fn setting(&self, setting: &Setting) -> Result<Option<&str>, FormatError> {
        match self.settings.get(setting.name) {
            Some(value) => Ok(Some(value)),
            None if setting.needed => Err(FormatError::SettingMissing { name: setting.name, about: setting.about }),
            None => Ok(None),
        }
    }
}

/// Something that a writer has to be told, which no token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Whether it cannot be left out.
    pub needed: bool,
}

/// Writes files of a format.
pub trait WriteFormat: Sync {
    /// What the names of its files end in, `csv`.
    fn extension(&self) -> &'static str;

    /// What no public source says of the target and is written all the same.
    fn unconfirmed(&self) -> Option<&'static str> {
        None
    }

    /// Whether seeds can be encrypted in it, under a key or a password.
    fn encrypts(&self) -> bool {
        false
    }

    /// What it has to be told.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Whether and why the target would not take a token, beyond what [`Fidelity::refuses`] knows, in a file whose
    /// first token has the parameters `first`.
    fn refuses(&self, _package: &KeyPackage, _first: &Params, _options: &WriteOptions) -> Option<Refusal> {
        None
    }

    /// Begins a file. What comes out is secret.
    fn begin<'a>(
        &'a self,
        out: &'a mut dyn Write,
        options: &'a WriteOptions,
    ) -> Result<Box<dyn Writing + 'a>, FormatError>;
}

/// A file that is being written.
pub trait Writing {
    /// Writes one token, which neither [`Fidelity::refuses`] nor [`WriteFormat::refuses`] refused.
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError>;

    /// Writes what comes at the end. A file that was not finished is not whole.
    fn finish(self: Box<Self>) -> Result<(), FormatError>;
}

#[cfg(test)]
mod tests {
    use oathburn_oath::{Digits, HotpParams, TimeStep, TotpParams};

    use super::*;

    const ENTRA: Fidelity = Fidelity {
        algorithms: &[Algorithm::Sha1],
        digits: &[6],
        steps: Some(&[30, 60]),
        event_based: false,
        max_seed_len: 80,
        serial: Carried::Needed,
        manufacturer: Carried::Yes,
        model: Carried::Yes,
        upn: Carried::Needed,
        issuer: Carried::No,
    };

    fn package(params: impl Into<Params>) -> KeyPackage {
        KeyPackage {
            serial: Some(SerialNumber::new("8659622000001").unwrap()),
            manufacturer: None,
            model: None,
            upn: Some("bob@example.com".into()),
            issuer: None,
            params: params.into(),
            seed: Seed::new(b"12345678901234567890".to_vec()).unwrap(),
        }
    }

    #[test]
    fn what_a_target_does_not_take_is_said() {
        let params = TotpParams::default();
        assert_eq!(ENTRA.refuses(&package(params)), None);
        let refused = |params: Params| ENTRA.refuses(&package(params)).unwrap();
        let sha256 = TotpParams { algorithm: Algorithm::Sha256, ..params };
        assert_eq!(refused(sha256.into()), Refusal::Algorithm(Algorithm::Sha256));
        assert_eq!(refused(TotpParams { digits: Digits::EIGHT, ..params }.into()), Refusal::Digits(8));
        let odd = TotpParams { step: TimeStep::new(45).unwrap(), ..params };
        assert_eq!(refused(odd.into()), Refusal::Step(45));
        let hotp = HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: 0 };
        assert_eq!(refused(hotp.into()), Refusal::EventBased);
        assert_eq!(
            Fidelity { steps: Some(&[]), event_based: true, ..ENTRA }.refuses(&package(params)),
            Some(Refusal::TimeBased)
        );
        assert_eq!(
            Fidelity { max_seed_len: 19, ..ENTRA }.refuses(&package(params)),
            Some(Refusal::SeedTooLong { len: 20, max: 19 })
        );
        let nobody = KeyPackage { upn: None, ..package(params) };
        assert_eq!(ENTRA.refuses(&nobody), Some(Refusal::Missing("user (UPN)")));
    }

    #[test]
    fn formats_have_names_of_their_own() {
        let mut ids: Vec<_> = FORMATS.iter().map(|format| format.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), FORMATS.len());
        assert!(ids.iter().all(|id| format(id).is_some_and(|found| found.id() == *id)));
        assert!(format("spreadsheet").is_none());
    }
}
