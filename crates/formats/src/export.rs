//! Files out: one file for each format that is written, and what they share.

pub(crate) mod columns;
pub(crate) mod entra;
pub(crate) mod graph;
mod json;
pub(crate) mod okta;
pub(crate) mod otpauth;
pub(crate) mod pingone;
pub(crate) mod privacyidea;
pub(crate) mod sheet;

use std::fmt;
use std::io::Write;

use oathburn_oath::Params;
use zeroize::Zeroizing;

use crate::{FormatError, KeyPackage, Refusal};

/// Longer lines than this are rare: a seed of 128 bytes as hex, with names.
const LINE: usize = 1024;

/// A line that is put together before it is written, in a buffer that is wiped.
pub(crate) struct Line(Zeroizing<Vec<u8>>);

impl Line {
    pub(crate) fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(LINE)))
    }

    /// Adds a text.
    pub(crate) fn add(&mut self, text: impl AsRef<str>) -> &mut Self {
        let text = text.as_ref().as_bytes();
        if self.0.len() + text.len() > self.0.capacity() {
            // A buffer that grows by itself leaves an unwiped copy behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * (self.0.len() + text.len())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(text);
        self
    }

    /// Adds what is no secret and has a text.
    pub(crate) fn add_value(&mut self, value: impl fmt::Display) -> &mut Self {
        self.add(value.to_string())
    }

    /// Writes the line, and begins anew.
    pub(crate) fn write(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        out.write_all(&self.0)?;
        self.0.clear();
        Ok(())
    }
}

/// The texts of a package that may be written, with their names.
pub(crate) fn texts(package: &KeyPackage) -> [(&'static str, Option<&str>); 5] {
    [
        ("serial number", package.serial.as_ref().map(oathburn_oath::SerialNumber::as_str)),
        ("manufacturer", package.manufacturer.as_deref()),
        ("model", package.model.as_deref()),
        ("user (UPN)", package.upn.as_deref()),
        ("issuer", package.issuer.as_deref()),
    ]
}

/// Refuses texts that a cell could not hold as they are: those with a character of `special` or a control character,
/// which would be misread, and those that a spreadsheet takes for a formula. Nothing is quoted or changed instead:
/// whether a target understands that is not documented where this is asked.
pub(crate) fn bare_cells<'a>(
    texts: impl IntoIterator<Item = (&'static str, Option<&'a str>)>,
    special: &[char],
) -> Option<Refusal> {
    texts.into_iter().find_map(|(what, text)| {
        let text = text?;
        let odd = text.chars().find(|c| c.is_control() || special.contains(c));
        let odd = odd.map(|character| Refusal::Character { what, character });
        odd.or_else(|| text.starts_with(['=', '+', '-', '@']).then_some(Refusal::Formula { what }))
    })
}

/// What all tokens of a file may have to have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uniform {
    Type,
    Algorithm,
    Digits,
    Step,
}

impl Uniform {
    pub(crate) fn named(name: &str) -> Option<Self> {
        [("type", Self::Type), ("algorithm", Self::Algorithm), ("digits", Self::Digits), ("step", Self::Step)]
            .into_iter()
            .find_map(|(one, uniform)| (one == name).then_some(uniform))
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Algorithm => "hash",
            Self::Digits => "number of digits",
            Self::Step => "time step",
        }
    }

    fn of(self, params: &Params) -> String {
        match self {
            Self::Type => match params {
                Params::Totp(_) => "time-based".into(),
                Params::Hotp(_) => "event-based".into(),
            },
            Self::Algorithm => params.algorithm().to_string(),
            Self::Digits => params.digits().to_string(),
            Self::Step => params.step().map_or_else(|| "none".into(), |step| format!("{step} s")),
        }
    }
}

impl fmt::Display for Uniform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// Refuses a token that differs from the first one in what they must have in common.
pub(crate) fn mixed(uniform: &[Uniform], params: &Params, first: &Params) -> Option<Refusal> {
    let differs = uniform.iter().find(|one| one.of(params) != one.of(first))?;
    Some(Refusal::Mixed { what: differs.title(), first: differs.of(first) })
}

#[cfg(test)]
mod tests;
