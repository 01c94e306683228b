//! One value of every variant, for the page of all errors and for the tests.

use oathburn_oath::{OathError, TimeStep};

use crate::{FormatError, Look, Wrapping};

oathburn_oath::variants! {
    FormatError: NotASeed AmbiguousEncoding HexForBase32 Seed NotAPicture ImageTooLarge NoQrCode QrDamaged SeveralQrCodes QrTooLong NotAKeyUri UriTooLong UriWithoutSecret UriParameter UriParameterTwice Output SettingMissing SettingValue ColumnsFile FileEmpty FormatUnknown Wrapped NotText Unreadable Truncated TooLarge LineTooLong QuoteOpen TooManyColumns ColumnMissing ColumnTwice TooFewCells TooManyCells CellMissing NameInvalid Scientific Reformatted ZerosLost Base32ForHex NotBase64 SeedTooShort SeedZero StepInvalid StepUnusual StepUnsaid StepOrCounter CounterInvalid AlgorithmUnsaid OtherCodes EncodingUnknown SeedsEncrypted JsonBroken JsonOther XmlBroken XmlDoctype XmlRoot MigrationBroken MigrationPart NotCitrix PasswordNeeded PasswordWrong VaultBroken VaultWithoutPassword KeyDerivation KeyNeeded KeyWrong KeyLength CipherUnknown MacMissing MacWrong PolicyUnknown StartTime
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
            Self::Wrapped { wrapping: Wrapping::Pgp },
            Self::Wrapped { wrapping: Wrapping::Spreadsheet },
            Self::Wrapped { wrapping: Wrapping::Pdf },
            Self::FileEmpty,
            Self::FormatUnknown,
            Self::Wrapped { wrapping: Wrapping::Zip },
            Self::NotText,
            Self::Unreadable { reason: "input/output error".into() },
            Self::Truncated,
            Self::TooLarge { what: "serial number", max: 65536 },
            Self::LineTooLong,
            Self::QuoteOpen,
            Self::TooManyColumns { columns: 6 },
            Self::ColumnMissing { column: "secret key" },
            Self::ColumnTwice { column: "secret key" },
            Self::TooFewCells { found: 7, columns: 6 },
            Self::TooManyCells { found: 7, columns: 6 },
            Self::CellMissing { column: "secret key" },
            Self::NameInvalid { what: "serial number" },
            Self::Scientific { what: "serial number" },
            Self::Reformatted { what: "serial number" },
            Self::ZerosLost { found: 7, others: 13 },
            Self::Base32ForHex,
            Self::NotBase64,
            Self::SeedTooShort { len: 1 },
            Self::SeedZero,
            Self::StepInvalid,
            Self::StepUnusual { step: TimeStep::S60 },
            Self::StepUnsaid,
            Self::StepOrCounter { number: 0 },
            Self::CounterInvalid,
            Self::AlgorithmUnsaid,
            Self::OtherCodes,
            Self::EncodingUnknown,
            Self::SeedsEncrypted,
            Self::JsonBroken { line: 2 },
            Self::JsonOther,
            Self::XmlBroken { line: 2 },
            Self::XmlDoctype,
            Self::XmlRoot { expected: "tokens" },
            Self::MigrationBroken,
            Self::MigrationPart { missing: 2, parts: 3 },
            Self::NotCitrix,
            Self::PasswordNeeded,
            Self::PasswordWrong,
            Self::VaultBroken,
            Self::VaultWithoutPassword,
            Self::KeyNeeded,
            Self::KeyWrong,
            Self::KeyLength,
            Self::CipherUnknown { what: "cipher" },
            Self::MacMissing,
            Self::MacWrong,
            Self::PolicyUnknown,
            Self::StartTime,
            Self::KeyDerivation,
        ]);
        all
    }
}
