//! What can be wrong with a file.

mod samples;

use oathburn_oath::{OathError, Remedy};

use crate::{Look, MAX_URI_LEN};

/// Everything this crate refuses. No variant carries any part of a seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The text is something else.
    #[error("this is no seed, it looks like {look}")]
    NotASeed {
        /// What it looks like.
        look: Look,
    },
    /// Base32 and hex give different seeds.
    #[error("the text can be read as Base32 and as hex, which give different seeds")]
    AmbiguousEncoding,
    /// Hex where Base32 was expected.
    #[error("the seed is not Base32, it looks like hex")]
    HexForBase32,
    /// The seed itself is wrong.
    #[error(transparent)]
    Seed(#[from] OathError),
    /// Neither PNG nor JPEG, or a broken one.
    #[error("the file is no picture that can be read (PNG or JPEG)")]
    NotAPicture,
    /// Too large to be a screenshot.
    #[error("the picture is larger than any screen")]
    ImageTooLarge,
    /// A picture without a code.
    #[error("there is no QR code in the picture")]
    NoQrCode,
    /// There is one, and it cannot be read.
    #[error("the QR code in the picture cannot be read")]
    QrDamaged,
    /// Which one?
    #[error("there are {count} different QR codes in the picture")]
    SeveralQrCodes {
        /// How many different ones.
        count: usize,
    },
    /// No QR code holds so much.
    #[error("the text is too long for a QR code")]
    QrTooLong,
    /// No `otpauth://totp/`.
    #[error("this is no key URI for timed codes (otpauth://totp/)")]
    NotAKeyUri,
    /// Too long to have come from a QR code.
    #[error("the key URI has more than {MAX_URI_LEN} bytes")]
    UriTooLong,
    /// No `secret`.
    #[error("the key URI has no secret")]
    UriWithoutSecret,
    /// A parameter makes no sense.
    #[error("the key URI's {parameter} is not valid")]
    UriParameter {
        /// Its name.
        parameter: &'static str,
    },
    /// A parameter is said twice in two ways.
    #[error("the key URI says {parameter} twice, in two ways")]
    UriParameterTwice {
        /// Its name.
        parameter: &'static str,
    },
    /// What was written did not arrive.
    #[error("failed to write: {problem}")]
    Output {
        /// What the system said.
        problem: String,
    },
    /// A format has to be told something.
    #[error("the format needs the setting {name}: {about}")]
    SettingMissing {
        /// Its name.
        name: &'static str,
        /// What it is.
        about: &'static str,
    },
    /// A format was told something that makes no sense to it.
    #[error("the setting {name} cannot have this value")]
    SettingValue {
        /// Its name.
        name: &'static str,
    },
    /// A columns file is wrong.
    #[error("line {line} of the columns file: {problem}")]
    ColumnsFile {
        /// The line, counted from 1.
        line: usize,
        /// The key, and what is wrong with it.
        problem: String,
    },
}

impl From<std::io::Error> for FormatError {
    fn from(error: std::io::Error) -> Self {
        Self::Output { problem: error.to_string() }
    }
}

impl Remedy for FormatError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotASeed { .. } => "not-a-seed",
            Self::AmbiguousEncoding => "encoding-ambiguous",
            Self::HexForBase32 => "hex-for-base32",
            Self::Seed(error) => error.code(),
            Self::NotAPicture => "not-a-picture",
            Self::ImageTooLarge => "picture-too-large",
            Self::NoQrCode => "no-qr-code",
            Self::QrDamaged => "qr-code-damaged",
            Self::SeveralQrCodes { .. } => "several-qr-codes",
            Self::QrTooLong => "qr-code-too-long",
            Self::NotAKeyUri => "not-a-key-uri",
            Self::UriTooLong => "uri-too-long",
            Self::UriWithoutSecret => "uri-without-secret",
            Self::UriParameter { .. } => "uri-parameter",
            Self::UriParameterTwice { .. } => "uri-parameter-twice",
            Self::Output { .. } => "output-failed",
            Self::SettingMissing { .. } => "setting-missing",
            Self::SettingValue { .. } => "setting-value",
            Self::ColumnsFile { .. } => "columns-file",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::NotASeed { look } => match look {
                Look::Empty => "check that the file or argument holds the seed",
                Look::Code => "give the seed, not the code that the token shows",
                Look::SerialNumber => {
                    "give the seed, not the number on the token's back; if these digits are the seed, say --encoding hex"
                }
                Look::HotpUri => "ask the service for timed codes (TOTP); these tokens do not count",
                Look::MigrationUri => "set the account up anew at the service and use the QR code shown there",
                Look::PhoneFactor => {
                    "choose \"use a different authenticator app\" at the service, then use the QR code shown there"
                }
                Look::Fido => "this QR code signs in with a passkey; choose an authenticator app at the service",
                Look::Url => "copy the secret key shown at the service, not the page's address",
                Look::Base64 => "convert the seed to Base32 or hex",
                Look::Armour => "decrypt the file first",
                _ => "give the seed as Base32, hex or an otpauth URI",
            },
            Self::AmbiguousEncoding => {
                "say --encoding base32 or --encoding hex; services that show a secret key use Base32"
            }
            Self::HexForBase32 => "if it is hex, say --encoding hex",
            Self::Seed(error) => return error.remedy(),
            Self::NotAPicture => "save the QR code as PNG or JPEG, or make a screenshot of it",
            Self::ImageTooLarge | Self::SeveralQrCodes { .. } => "cut the picture so that it shows the one QR code",
            Self::NoQrCode => "make a screenshot that shows the whole QR code with its white border",
            Self::QrDamaged => "make a new screenshot, larger and straight; or give the seed as text",
            Self::QrTooLong => "shorten the names of issuer and account",
            Self::NotAKeyUri | Self::UriTooLong | Self::UriWithoutSecret => "copy the whole URI from the QR code",
            Self::UriParameter { .. } | Self::UriParameterTwice { .. } => {
                "ask the service for a new QR code, or give seed and parameters singly"
            }
            Self::Output { .. } => "make room, or name another place; what was written is not whole",
            Self::SettingMissing { .. } => "give it with --set NAME=VALUE",
            Self::SettingValue { .. } => "see `oathburn formats` for what it can be",
            Self::ColumnsFile { .. } => "correct the line; `oathburn export --help` says what a columns file holds",
        };
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_message_a_code_and_a_remedy() {
        let all = FormatError::samples();
        let missing = FormatError::VARIANTS.iter().find(|name| !all.iter().any(|one| one.variant() == **name));
        assert_eq!(missing, None);
        let mut codes: Vec<_> = all.iter().map(Remedy::code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), FormatError::VARIANTS.len());
        for error in all {
            let message = error.to_string();
            assert!(message.starts_with(char::is_lowercase) && !message.ends_with('.'), "{message}");
            assert!(error.remedy().is_some(), "{message}");
        }
    }
}
