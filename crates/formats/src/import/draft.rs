//! A row in the making: what its cells say, and what is right about it.

use oathburn_oath::{Algorithm, Digits, Encoding, HotpParams, Params, Seed, SerialNumber, TimeStep, TotpParams};
use zeroize::Zeroizing;

use crate::import::damage;
use crate::{FormatError, KeyPackage, Kind, Look, Problem, Unsaid, look};

/// The longest name of a user, a product or a service, in characters.
const MAX_NAME: usize = 256;

/// The shortest seed in bytes. RFC 4226 asks for 16, services give 10.
const MIN_SEED: usize = 8;

/// How a format writes seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    Base32,
    Hex,
    Base64,
    /// The characters themselves are the bytes.
    Characters,
    /// Base32 or hex, whichever it looks like or the caller says.
    Either,
}

/// What a cell means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Upn,
    Serial,
    Seed(Notation),
    Step,
    Counter,
    /// The time step of a TOTP token, the counter of a HOTP token.
    StepOrCounter,
    Kind,
    Digits,
    Algorithm,
    Manufacturer,
    Model,
    Issuer,
    Ignored,
}

/// What the cells of a row said so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) upn: Option<String>,
    pub(crate) serial: Option<SerialNumber>,
    pub(crate) seed: Option<Seed>,
    pub(crate) kind: Option<Kind>,
    pub(crate) step: Option<TimeStep>,
    pub(crate) counter: Option<u64>,
    /// A number that is a time step or a counter.
    pub(crate) moving: Option<u64>,
    pub(crate) digits: Option<Digits>,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) issuer: Option<String>,
}

impl Draft {
    /// Takes a cell for what it means; an empty one says nothing.
    pub(crate) fn take(&mut self, meaning: Meaning, cell: &str, unsaid: &Unsaid) -> Result<(), FormatError> {
        let cell = cell.trim();
        if cell.is_empty() || meaning == Meaning::Ignored {
            return Ok(());
        }
        match meaning {
            Meaning::Upn => self.upn = Some(name(cell, "user")?),
            Meaning::Serial => self.serial = Some(serial(cell)?),
            Meaning::Seed(notation) => self.seed = Some(seed(cell, notation, unsaid.encoding)?),
            Meaning::Step => self.step = Some(step(cell)?),
            Meaning::Counter => self.counter = Some(counter(cell)?),
            Meaning::StepOrCounter => self.moving = Some(counter(cell)?),
            Meaning::Kind => self.kind = Some(kind(cell)?),
            Meaning::Digits => self.digits = Some(digits(cell)?),
            Meaning::Algorithm => self.algorithm = Some(algorithm(cell)?),
            Meaning::Manufacturer => self.manufacturer = Some(name(cell, "manufacturer")?),
            Meaning::Model => self.model = Some(name(cell, "model")?),
            Meaning::Issuer => self.issuer = Some(name(cell, "issuer")?),
            Meaning::Ignored => {}
        }
        Ok(())
    }

    /// The token that the cells describe.
    pub(crate) fn package(self, unsaid: &Unsaid, usual: &Unsaid) -> Result<KeyPackage, Problem> {
        let params = self.params(unsaid, usual).map_err(Problem::new)?;
        let seed = self.seed.ok_or_else(|| Problem::new(FormatError::CellMissing { column: "seed" }))?;
        let Self { serial, manufacturer, model, upn, issuer, .. } = self;
        Ok(KeyPackage { serial, manufacturer, model, upn, issuer, params, seed })
    }

    /// How the codes are made: what the row says, else what the caller says, else what the format has always meant.
    pub(crate) fn params(&self, unsaid: &Unsaid, usual: &Unsaid) -> Result<Params, FormatError> {
        let counts = self.counter.is_some() && self.step.is_none();
        let kind = self.kind.or(counts.then_some(Kind::Hotp)).or(unsaid.kind).or(usual.kind).unwrap_or(Kind::Totp);
        let algorithm = self.algorithm.or(unsaid.algorithm).or(usual.algorithm).unwrap_or_default();
        let digits = self.digits.or(unsaid.digits).or(usual.digits).unwrap_or_default();
        match kind {
            Kind::Hotp => {
                let counter = self.counter.or(self.moving).unwrap_or(0);
                Ok(HotpParams { algorithm, digits, counter }.into())
            }
            Kind::Totp => {
                let moving = self.moving.map(step_of).transpose()?;
                let step = self.step.or(moving).or(unsaid.step).or(usual.step).ok_or(FormatError::StepUnsaid)?;
                Ok(TotpParams { algorithm, digits, step }.into())
            }
        }
    }
}

/// A name without control characters, not too long to be one.
pub(crate) fn name(cell: &str, what: &'static str) -> Result<String, FormatError> {
    if cell.chars().any(char::is_control) || cell.chars().count() > MAX_NAME {
        return Err(FormatError::NameInvalid { what });
    }
    Ok(cell.to_owned())
}

/// A serial number that no spreadsheet has been at.
pub(crate) fn serial(cell: &str) -> Result<SerialNumber, FormatError> {
    if damage::is_scientific(cell) {
        return Err(FormatError::Scientific { what: "serial number" });
    }
    if damage::is_formatted_number(cell) || damage::is_date(cell) || damage::is_error(cell) {
        return Err(FormatError::Reformatted { what: "serial number" });
    }
    Ok(SerialNumber::new(cell)?)
}

/// A seed in the format's own notation. What it looks like instead is said; of the seed itself nothing is.
pub(crate) fn seed(cell: &str, notation: Notation, said: Option<Encoding>) -> Result<Seed, FormatError> {
    if damage::is_scientific(cell) {
        return Err(FormatError::Scientific { what: "seed" });
    }
    if damage::is_error(cell) {
        return Err(FormatError::Reformatted { what: "seed" });
    }
    let notation = match (notation, said) {
        (Notation::Base64 | Notation::Characters, _) | (_, None) => notation,
        (_, Some(Encoding::Base32)) => Notation::Base32,
        (_, Some(Encoding::Hex)) => Notation::Hex,
    };
    let seed = match notation {
        Notation::Base32 => Seed::from_base32(cell).map_err(|error| match look(cell) {
            Look::Hex => FormatError::HexForBase32,
            Look::Base32 | Look::Unknown | Look::Base32OrHex => error.into(),
            // One case only: Base32 with a wrong character in it.
            Look::Base64 if !is_mixed(cell) => error.into(),
            look => FormatError::NotASeed { look },
        })?,
        Notation::Hex => Seed::from_hex(cell).map_err(|error| match look(cell) {
            Look::Base32 => FormatError::Base32ForHex,
            Look::Hex | Look::Unknown | Look::Base32OrHex | Look::SerialNumber | Look::Code => error.into(),
            Look::Base64 if !is_mixed(cell) => error.into(),
            look => FormatError::NotASeed { look },
        })?,
        Notation::Base64 => base64(cell)?,
        Notation::Characters => Seed::new(cell.as_bytes().to_vec())?,
        Notation::Either => match look(cell) {
            Look::Base32 => Seed::from_base32(cell)?,
            Look::Hex => Seed::from_hex(cell)?,
            Look::Base32OrHex => return Err(FormatError::AmbiguousEncoding),
            look => return Err(FormatError::NotASeed { look }),
        },
    };
    sound(seed)
}

/// Refuses seeds that were never drawn: blanks, and what is too short to be one (a column that has slipped).
pub(crate) fn sound(seed: Seed) -> Result<Seed, FormatError> {
    match seed.len() {
        len @ ..MIN_SEED => Err(FormatError::SeedTooShort { len }),
        _ if seed.is_zero() => Err(FormatError::SeedZero),
        _ => Ok(seed),
    }
}

fn is_mixed(cell: &str) -> bool {
    let has = |test: fn(&u8) -> bool| cell.as_bytes().iter().any(test);
    (has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)) || cell.contains(['+', '/', '_'])
}

/// Bytes in Base64 (RFC 4648, section 4), with or without padding.
pub(crate) fn base64(cell: &str) -> Result<Seed, FormatError> {
    let bare = cell.trim_end_matches('=').as_bytes();
    let encoding = data_encoding::BASE64_NOPAD;
    let len = encoding.decode_len(bare.len()).map_err(|_| FormatError::NotBase64)?;
    let mut bytes = Zeroizing::new(vec![0; len]);
    let len = encoding.decode_mut(bare, &mut bytes).map_err(|_| FormatError::NotBase64)?;
    bytes.truncate(len);
    Ok(Seed::new(std::mem::take(&mut bytes))?)
}

/// A time step of up to an hour.
pub(crate) fn step(cell: &str) -> Result<TimeStep, FormatError> {
    let seconds = cell.strip_suffix(['s', 'S']).unwrap_or(cell);
    step_of(seconds.trim().parse().map_err(|_| FormatError::StepInvalid)?)
}

fn step_of(seconds: u64) -> Result<TimeStep, FormatError> {
    let seconds = u32::try_from(seconds).ok().filter(|seconds| *seconds <= 3600);
    seconds.and_then(|seconds| TimeStep::new(seconds).ok()).ok_or(FormatError::StepInvalid)
}

pub(crate) fn counter(cell: &str) -> Result<u64, FormatError> {
    if damage::is_scientific(cell) {
        return Err(FormatError::Scientific { what: "counter" });
    }
    cell.parse().map_err(|_| FormatError::CounterInvalid)
}

pub(crate) fn digits(cell: &str) -> Result<Digits, FormatError> {
    Ok(cell.parse::<Digits>()?)
}

pub(crate) fn algorithm(cell: &str) -> Result<Algorithm, FormatError> {
    Ok(cell.parse::<Algorithm>()?)
}

pub(crate) fn kind(cell: &str) -> Result<Kind, FormatError> {
    match cell.to_ascii_lowercase().as_str() {
        "totp" => Ok(Kind::Totp),
        "hotp" => Ok(Kind::Hotp),
        _ => Err(FormatError::OtherCodes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_says_goes_before_what_is_usual() {
        let usual = Unsaid { step: Some(TimeStep::S30), ..Unsaid::default() };
        let mut draft = Draft::default();
        assert_eq!(draft.params(&Unsaid::default(), &Unsaid::default()), Err(FormatError::StepUnsaid));
        assert_eq!(draft.params(&Unsaid::default(), &usual), Ok(Params::default()));
        let unsaid = Unsaid { step: Some(TimeStep::S60), digits: Some(Digits::EIGHT), ..Unsaid::default() };
        draft.take(Meaning::Digits, "6", &unsaid).unwrap();
        let params = draft.params(&unsaid, &usual).unwrap();
        assert_eq!((params.step(), params.digits()), (Some(TimeStep::S60), Digits::SIX));
        draft.take(Meaning::StepOrCounter, " 30 ", &unsaid).unwrap();
        assert_eq!(draft.params(&unsaid, &usual).unwrap().step(), Some(TimeStep::S30));
        draft.take(Meaning::Kind, "HOTP", &unsaid).unwrap();
        assert_eq!(draft.params(&unsaid, &usual).unwrap().counter(), Some(30));
    }

    #[test]
    fn a_seed_in_another_notation_is_named() {
        let hex = "3132333435363738393031323334353637383930";
        assert_eq!(seed(hex, Notation::Base32, None), Err(FormatError::HexForBase32));
        assert_eq!(seed("GEZDGNBVGY3TQOJQ", Notation::Hex, None), Err(FormatError::Base32ForHex));
        assert_eq!(seed("3.13233E+39", Notation::Hex, None), Err(FormatError::Scientific { what: "seed" }));
        assert_eq!(seed("####", Notation::Hex, None), Err(FormatError::Reformatted { what: "seed" }));
        assert_eq!(seed("AAAAAAAAAAAAAAAA", Notation::Base32, None), Err(FormatError::SeedZero));
        assert_eq!(seed("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA", Notation::Base64, None).unwrap().len(), 20);
        assert_eq!(seed("M", Notation::Base64, None), Err(FormatError::NotBase64));
        assert_eq!(
            seed("8659622000001", Notation::Base32, None),
            Err(FormatError::NotASeed { look: Look::SerialNumber })
        );
    }

    #[test]
    fn numbers_have_ranges() {
        assert_eq!(step("60s").map(TimeStep::seconds), Ok(60));
        for wrong in ["0", "3601", "-30", "30.5", "half"] {
            assert_eq!(step(wrong), Err(FormatError::StepInvalid), "{wrong}");
        }
        assert_eq!(counter("18446744073709551616"), Err(FormatError::CounterInvalid));
        assert_eq!(kind("ocra"), Err(FormatError::OtherCodes));
        assert_eq!(name(&"x".repeat(257), "model"), Err(FormatError::NameInvalid { what: "model" }));
    }
}
