//! Cells: `{serial}`, `{seed:base32}`, `TokenKey={seed:base64}`.

use data_encoding::BASE64;
use oathburn_oath::{Params, SerialNumber};
use zeroize::Zeroizing;

use crate::KeyPackage;

/// A cell's recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell(pub(super) Vec<Part>);

/// A piece of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// As it is.
    Text(String),
    /// The seed.
    Seed(SeedForm),
    /// Something else about the token, changed in these ways, one after the other.
    Field(Field, Vec<TextForm>),
}

/// How a seed is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeedForm {
    /// Upper-case Base32 without padding.
    Base32,
    /// The same with padding.
    Base32Padded,
    /// Lower-case hex.
    Hex,
    /// Upper-case hex.
    UpperHex,
    /// Base64 with padding.
    Base64,
}

/// What a cell can say beside the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Serial,
    Manufacturer,
    Model,
    Upn,
    Issuer,
    /// `totp` or `hotp`.
    Type,
    /// `sha1`, `sha256` or `sha512`.
    Algorithm,
    Digits,
    /// The time step in seconds; nothing where there is none.
    Step,
    /// The counter; nothing where there is none.
    Counter,
}

/// What can be done with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextForm {
    Upper,
    Lower,
    Base64,
}

const SEED_FORMS: &[(&str, SeedForm)] = &[
    ("base32", SeedForm::Base32),
    ("base32-padded", SeedForm::Base32Padded),
    ("hex", SeedForm::Hex),
    ("upper-hex", SeedForm::UpperHex),
    ("base64", SeedForm::Base64),
];

const FIELDS: &[(&str, Field)] = &[
    ("serial", Field::Serial),
    ("manufacturer", Field::Manufacturer),
    ("model", Field::Model),
    ("upn", Field::Upn),
    ("issuer", Field::Issuer),
    ("type", Field::Type),
    ("algorithm", Field::Algorithm),
    ("digits", Field::Digits),
    ("step", Field::Step),
    ("counter", Field::Counter),
];

const TEXT_FORMS: &[(&str, TextForm)] =
    &[("upper", TextForm::Upper), ("lower", TextForm::Lower), ("base64", TextForm::Base64)];

fn named<T: Copy>(table: &[(&str, T)], name: &str, what: &str) -> Result<T, String> {
    let names = || table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = table.iter().find(|(one, _)| *one == name);
    found.map(|(_, value)| *value).ok_or_else(|| format!("{what} is one of {}", names()))
}

impl Cell {
    /// Reads a recipe; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            if before.contains('}') {
                return Err("a } stands alone".into());
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            let (field, after) = after.split_once('}').ok_or("a { is not closed")?;
            parts.push(Part::parse(field)?);
            rest = after;
        }
        if rest.contains('}') {
            return Err("a } stands alone".into());
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self(parts))
    }

    /// Whether it says this of a token.
    pub(super) fn says(&self, field: Field) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Field(one, _) if *one == field))
    }

    /// What refusals call it: the first text in it.
    pub(super) fn what(&self) -> &'static str {
        let field = self.0.iter().find_map(|part| if let Part::Field(field, _) = part { Some(*field) } else { None });
        field.map_or("seed", Field::title)
    }

    /// Whether the seed is in it.
    pub(super) fn has_seed(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Seed(_)))
    }

    /// The text of a cell without its seed, for looking at.
    pub(super) fn without_seed(&self, package: &KeyPackage) -> String {
        self.0.iter().map(|part| part.plain(package).unwrap_or_default()).collect()
    }

    /// The cell, piece by piece.
    pub(super) fn pieces(&self, package: &KeyPackage) -> impl Iterator<Item = Zeroizing<String>> {
        self.0.iter().map(|part| match part {
            Part::Seed(form) => form.of(package),
            other => Zeroizing::new(other.plain(package).unwrap_or_default()),
        })
    }
}

impl Part {
    /// What stands between the braces.
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split(':');
        match (words.next().unwrap_or_default(), words.collect::<Vec<_>>().as_slice()) {
            ("seed", [form]) => Ok(Self::Seed(named(SEED_FORMS, form, "the seed's form")?)),
            ("seed", _) => Err("the seed needs one form, {seed:base32} or {seed:hex}".into()),
            (field, forms) => {
                let forms = forms.iter().map(|form| named(TEXT_FORMS, form, "a form")).collect::<Result<_, _>>()?;
                Ok(Self::Field(named(FIELDS, field, "a field beside seed")?, forms))
            }
        }
    }

    /// The text of what is not the seed.
    fn plain(&self, package: &KeyPackage) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Seed(_) => None,
            Self::Field(field, forms) => Some(forms.iter().fold(field.of(package), |text, form| form.apply(&text))),
        }
    }
}

impl Field {
    const fn title(self) -> &'static str {
        match self {
            Self::Serial => "serial number",
            Self::Manufacturer => "manufacturer",
            Self::Model => "model",
            Self::Upn => "user (UPN)",
            Self::Issuer => "issuer",
            Self::Type => "type",
            Self::Algorithm => "hash",
            Self::Digits => "number of digits",
            Self::Step => "time step",
            Self::Counter => "counter",
        }
    }

    fn of(self, package: &KeyPackage) -> String {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let params = &package.params;
        match self {
            Self::Serial => package.serial.as_ref().map_or("", SerialNumber::as_str).to_owned(),
            Self::Manufacturer => text(&package.manufacturer),
            Self::Model => text(&package.model),
            Self::Upn => text(&package.upn),
            Self::Issuer => text(&package.issuer),
            Self::Type => match params {
                Params::Totp(_) => "totp".into(),
                Params::Hotp(_) => "hotp".into(),
            },
            Self::Algorithm => params.algorithm().to_string(),
            Self::Digits => params.digits().to_string(),
            Self::Step => params.step().map_or_else(String::new, |step| step.to_string()),
            Self::Counter => params.counter().map_or_else(String::new, |counter| counter.to_string()),
        }
    }
}

impl TextForm {
    fn apply(self, text: &str) -> String {
        match self {
            Self::Upper => text.to_uppercase(),
            Self::Lower => text.to_lowercase(),
            Self::Base64 => BASE64.encode(text.as_bytes()),
        }
    }
}

impl SeedForm {
    fn of(self, package: &KeyPackage) -> Zeroizing<String> {
        let seed = &package.seed;
        match self {
            Self::Base32 => seed.to_base32(),
            Self::Base32Padded => {
                let bare = seed.to_base32();
                // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
                let mut padded = Zeroizing::new(String::with_capacity(bare.len() + 6));
                padded.push_str(&bare);
                while !padded.len().is_multiple_of(8) {
                    padded.push('=');
                }
                padded
            }
            Self::Hex => seed.to_hex(),
            Self::UpperHex => {
                let mut hex = seed.to_hex();
                hex.make_ascii_uppercase();
                hex
            }
            Self::Base64 => seed.to_base64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_read_and_what_is_wrong_is_said() {
        let cell = Cell::parse("Key={seed:base64},Type={type:upper:base64}").unwrap();
        assert_eq!(
            cell.0,
            [
                Part::Text("Key=".into()),
                Part::Seed(SeedForm::Base64),
                Part::Text(",Type=".into()),
                Part::Field(Field::Type, vec![TextForm::Upper, TextForm::Base64]),
            ]
        );
        assert!(cell.has_seed() && cell.says(Field::Type) && !cell.says(Field::Serial));
        assert_eq!(Cell::parse("").unwrap().0, []);
        for (text, expected) in [
            ("{serial", "a { is not closed"),
            ("serial}", "a } stands alone"),
            ("}{serial}", "a } stands alone"),
            ("{seed}", "the seed needs one form, {seed:base32} or {seed:hex}"),
            ("{seed:hex:upper}", "the seed needs one form, {seed:base32} or {seed:hex}"),
            ("{seed:rot13}", "the seed's form is one of base32, base32-padded, hex, upper-hex, base64"),
            ("{upn:title}", "a form is one of upper, lower, base64"),
        ] {
            assert_eq!(Cell::parse(text), Err(expected.to_owned()), "{text}");
        }
        assert!(Cell::parse("{name}").unwrap_err().starts_with("a field beside seed is one of serial, "));
    }
}
