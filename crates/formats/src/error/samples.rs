//! One value of every variant, for the page of all errors and for the tests.

use oathburn_oath::OathError;

use crate::{FormatError, Look};

oathburn_oath::variants! {
    FormatError: NotASeed AmbiguousEncoding HexForBase32 Seed NotAPicture ImageTooLarge NoQrCode QrDamaged SeveralQrCodes QrTooLong NotAKeyUri UriTooLong UriWithoutSecret UriParameter UriParameterTwice Output SettingMissing SettingValue ColumnsFile
}

impl FormatError {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        let looks = [
            Look::Empty,
            Look::Base64,
            Look::Code,
            Look::SerialNumber,
            Look::HotpUri,
            Look::OtherOtpauthUri,
            Look::MigrationUri,
            Look::PhoneFactor,
            Look::Fido,
            Look::Url,
            Look::Armour,
            Look::Unknown,
        ];
        let mut all = looks.map(|look| Self::NotASeed { look }).to_vec();
        all.extend([
            Self::AmbiguousEncoding,
            Self::HexForBase32,
            Self::Seed(OathError::SeedEmpty),
            Self::NotAPicture,
            Self::ImageTooLarge,
            Self::NoQrCode,
            Self::QrDamaged,
            Self::SeveralQrCodes { count: 2 },
            Self::QrTooLong,
            Self::NotAKeyUri,
            Self::UriTooLong,
            Self::UriWithoutSecret,
            Self::UriParameter { parameter: "digits" },
            Self::UriParameterTwice { parameter: "digits" },
            Self::Output { problem: "No space left on device (os error 28)".into() },
            Self::SettingMissing { name: "realm", about: "the realm of the users" },
            Self::SettingValue { name: "username" },
            Self::ColumnsFile { line: 7, problem: "quote: one of needed, never, always".into() },
        ]);
        all
    }
}
