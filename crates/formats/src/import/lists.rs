//! Lists with ways of their own: Yubico's logs, `RCDevs`, Feitian's and Swivel's spaces, Citrix.

use std::ops::ControlFlow;

use oathburn_oath::{SerialNumber, TimeStep};
use zeroize::Zeroizing;

use crate::import::columns::plain;
use crate::import::draft::{self, Draft, Meaning, Notation};
use crate::import::records::{Record, Records};
use crate::import::text::{Lines, Text};
use crate::import::{Sink, refuse};
use crate::{FormatError, KeyPackage, Kind, Problem, Row, Unsaid};

/// Hands over what `package` makes of each row; `None` is no token.
fn each(text: Text<'_>, sink: Sink<'_>, package: impl Fn(&Record<'_>) -> Option<Result<KeyPackage, Problem>>) {
    let mut records = Records::new(text, b',', true);
    while let Some(record) = records.next() {
        let flow = match record {
            Err((line, error)) => refuse(sink, line, Problem::new(error)),
            Ok(record) if record.is_blank() => ControlFlow::Continue(()),
            Ok(record) => match package(&record) {
                Some(outcome) => sink(Row { line: record.line, outcome }),
                None => ControlFlow::Continue(()),
            },
        };
        if flow.is_break() {
            break;
        }
    }
}

fn missing(column: &'static str) -> Problem {
    Problem::new(FormatError::CellMissing { column }).in_column(column)
}

/// The log of `YubiKey` programming, in the "Yubico format" or the traditional one. Only slots with OATH are tokens.
pub(crate) fn yubico(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) {
    each(text, sink, |record| {
        let first = record.cell(0).unwrap_or_default();
        // The line that opens each run of the traditional log.
        if first.eq_ignore_ascii_case("LOGGING START") {
            return None;
        }
        let traditional = first.to_ascii_uppercase().starts_with("OATH-HOTP") || record.cell(1).is_some_and(is_date);
        Some(if traditional { yubico_log(record, first, unsaid) } else { yubico_format(record, unsaid) })
    });
}

fn is_date(cell: &str) -> bool {
    cell.contains([':', '/']) && cell.starts_with(|first: char| first.is_ascii_digit())
}

const YUBICO: Unsaid = Unsaid { kind: Some(Kind::Hotp), step: Some(TimeStep::S30), ..Unsaid::NOTHING };

fn yubikey(serial: &str, seed: &str, digits: &str, unsaid: &Unsaid) -> Result<KeyPackage, Problem> {
    let mut draft = Draft { kind: Some(Kind::Hotp), counter: Some(0), ..Draft::default() };
    let fields = [
        ("serial", Meaning::Serial, serial),
        ("key", Meaning::Seed(Notation::Hex), seed),
        ("digits", Meaning::Digits, digits),
    ];
    for (name, meaning, cell) in fields {
        if cell.is_empty() && meaning != Meaning::Digits {
            return Err(missing(name));
        }
        draft.take(meaning, cell, unsaid).map_err(|error| Problem::new(error).in_column(name))?;
    }
    draft.manufacturer = Some("Yubico".into());
    draft.package(unsaid, &YUBICO)
}

/// `serial,publicid,privateid,key,access code,time,`
fn yubico_format(record: &Record<'_>, unsaid: &Unsaid) -> Result<KeyPackage, Problem> {
    let cell = |index| record.cell(index).unwrap_or_default();
    if record.len() < 4 {
        return Err(Problem::new(FormatError::TooFewCells { found: record.len(), columns: 4 }));
    }
    // Yubico's own codes have a private identity of six bytes.
    if !matches!(cell(2), "" | "0") && !cell(2).bytes().all(|byte| byte == b'0') {
        return Err(Problem::new(FormatError::OtherCodes).in_column("private id"));
    }
    yubikey(cell(0), cell(3), "", unsaid)
}

/// `OATH-HOTP,time,slot,publicid,privateid,key,…,digits,…`
fn yubico_log(record: &Record<'_>, kind: &str, unsaid: &Unsaid) -> Result<KeyPackage, Problem> {
    /// Where the number of digits stands.
    const DIGITS: usize = 11;
    let cell = |index| record.cell(index).unwrap_or_default();
    if !kind.to_ascii_uppercase().starts_with("OATH-HOTP") {
        return Err(Problem::new(FormatError::OtherCodes).in_column("type"));
    }
    if record.len() < 6 {
        return Err(Problem::new(FormatError::TooFewCells { found: record.len(), columns: 6 }));
    }
    let invalid = || Problem::new(FormatError::Seed(oathburn_oath::OathError::Serial)).in_column("public id");
    if cell(3).is_empty() {
        return Err(missing("public id"));
    }
    // privacyIDEA's names for the same tokens: one name in both places.
    let number = modhex(cell(3)).ok_or_else(invalid)?;
    yubikey(&format!("UBOM{number:08}_{}", cell(2)), cell(5), cell(DIGITS), unsaid)
}

/// The number behind the two letters of its maker and the two of its kind, in Yubico's alphabet or in digits.
fn modhex(text: &str) -> Option<u64> {
    const ALPHABET: &str = "cbdefghijklnrtuv";
    let lower = text.to_ascii_lowercase();
    let named = lower.strip_prefix("ubom").or_else(|| lower.strip_prefix("ubhe"));
    if let Some(digits) = named.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())) {
        return digits.parse().ok();
    }
    let digit = |letter: char| ALPHABET.find(letter).and_then(|at| u64::try_from(at).ok());
    let mut number = 0_u64;
    for letter in lower.chars() {
        number = number.checked_mul(16)?.checked_add(digit(letter)?)?;
    }
    (!lower.is_empty()).then_some(number)
}

/// The inventory of `RCDevs` `WebADM`: what makes the codes stands in one column, each value in Base64.
pub(crate) fn rcdevs(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) {
    each(text, sink, |record| {
        let first = plain(record.cell(0).unwrap_or_default());
        match first.as_str() {
            "type" => None,
            "otptoken" => Some(rcdevs_row(record, unsaid)),
            _ => Some(Err(Problem::new(FormatError::OtherCodes).in_column("Type"))),
        }
    });
}

fn rcdevs_row(record: &Record<'_>, unsaid: &Unsaid) -> Result<KeyPackage, Problem> {
    let cell = |index| record.cell(index).unwrap_or_default();
    let mut draft = Draft::default();
    if cell(1).is_empty() {
        return Err(missing("Reference"));
    }
    draft.take(Meaning::Serial, cell(1), unsaid).map_err(|error| Problem::new(error).in_column("Reference"))?;
    draft.take(Meaning::Model, cell(2), unsaid).map_err(|error| Problem::new(error).in_column("Description"))?;
    // Behind a space the quotes are the cell's own, and its commas divide it.
    let data: Zeroizing<String> =
        Zeroizing::new((3..record.len()).map(cell).collect::<Vec<_>>().join(",").replace('"', ""));
    let mut state = None;
    for pair in data.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let broken = || Problem::new(FormatError::NotBase64).in_column("Data");
        let (name, value) = pair.split_once('=').ok_or_else(broken)?;
        let text = || {
            let bytes = data_encoding::BASE64.decode(value.as_bytes()).ok();
            bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(broken)
        };
        let (field, meaning) = match name {
            "TokenKey" => {
                let seed = draft::base64(value)
                    .and_then(draft::sound)
                    .map_err(|error| Problem::new(error).in_column("TokenKey"))?;
                draft.seed = Some(seed);
                continue;
            }
            "TokenState" => {
                state = Some(text()?);
                continue;
            }
            "TokenType" => ("TokenType", Meaning::Kind),
            "OTPLength" => ("OTPLength", Meaning::Digits),
            "TOTPTimeStep" => ("TOTPTimeStep", Meaning::Step),
            _ => continue,
        };
        draft.take(meaning, &text()?, unsaid).map_err(|error| Problem::new(error).in_column(field))?;
    }
    if let (Some(Kind::Hotp), Some(state)) = (draft.kind, state) {
        draft.take(Meaning::Counter, &state, unsaid).map_err(|error| Problem::new(error).in_column("TokenState"))?;
    }
    if draft.seed.is_none() {
        return Err(missing("TokenKey"));
    }
    draft.package(unsaid, &Unsaid::NOTHING)
}

/// `serial seed`, with spaces between: Feitian, Swivel. Neither says how codes are made.
pub(crate) fn spaces(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) {
    let mut lines = Lines::new(text);
    while let Some(line) = lines.next() {
        let flow = match line {
            Err((line, error)) => refuse(sink, line, Problem::new(error)),
            Ok((_, text)) if text.trim().is_empty() || text.trim_start().starts_with('#') => continue,
            Ok((line, text)) => sink(Row { line, outcome: spaced(text, unsaid) }),
        };
        if flow.is_break() {
            break;
        }
    }
}

fn spaced(text: &str, unsaid: &Unsaid) -> Result<KeyPackage, Problem> {
    let words: Vec<_> = text.split_whitespace().collect();
    let [serial, seed] = words[..] else {
        let error = match words.len() {
            found @ ..2 => FormatError::TooFewCells { found, columns: 2 },
            found => FormatError::TooManyCells { found, columns: 2 },
        };
        return Err(Problem::new(error));
    };
    let mut draft = Draft::default();
    draft.take(Meaning::Serial, serial, unsaid).map_err(|error| Problem::new(error).in_column("serial"))?;
    let meaning = Meaning::Seed(Notation::Either);
    draft.take(meaning, seed, unsaid).map_err(|error| Problem::new(error).in_column("seed"))?;
    draft.package(unsaid, &Unsaid::NOTHING)
}

/// The attribute in which Citrix ADC keeps tokens in clear: `#@name=SEED&,name=SEED&,`; one user a line.
pub(crate) fn citrix(text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) {
    let mut lines = Lines::new(text);
    while let Some(line) = lines.next() {
        let flow = match line {
            Err((line, error)) => refuse(sink, line, Problem::new(error)),
            Ok((_, text)) if text.trim().is_empty() => continue,
            Ok((line, text)) => match text.trim().strip_prefix("#@") {
                None => refuse(sink, line, Problem::new(FormatError::NotCitrix)),
                Some(tokens) => tokens
                    .split(',')
                    .map(str::trim)
                    .filter(|token| !token.is_empty())
                    .try_for_each(|token| sink(Row { line, outcome: citrix_token(token, unsaid) })),
            },
        };
        if flow.is_break() {
            break;
        }
    }
}

fn citrix_token(token: &str, unsaid: &Unsaid) -> Result<KeyPackage, Problem> {
    let pair = token.strip_suffix('&').and_then(|token| token.split_once('='));
    let (name, seed) = pair.ok_or_else(|| Problem::new(FormatError::NotCitrix))?;
    let serial = SerialNumber::new(name).map_err(|error| Problem::new(error.into()).in_column("name"))?;
    let mut draft = Draft { serial: Some(serial), ..Draft::default() };
    let meaning = Meaning::Seed(Notation::Base32);
    draft.take(meaning, seed, unsaid).map_err(|error| Problem::new(error).in_column("seed"))?;
    draft.package(unsaid, &Unsaid { step: Some(TimeStep::S30), ..Unsaid::NOTHING })
}
