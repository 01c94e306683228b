//! What can be wrong with a file.

mod samples;

use oathburn_oath::{OathError, Remedy, TimeStep};

use crate::{Look, MAX_URI_LEN, Wrapping};

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
    #[error("this is no key URI (otpauth://totp/ or otpauth://hotp/)")]
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
    /// The file has nothing, or nothing but headers.
    #[error("there is no token in the file")]
    FileEmpty,
    /// No reader knows it.
    #[error("the file looks like no format of token files that is known")]
    FormatUnknown,
    /// Something is around the list that only another program can take off.
    #[error("the file is {}, not a list of tokens", wrapping.name())]
    Wrapped {
        /// What it is.
        wrapping: Wrapping,
    },
    /// Bytes that are no text.
    #[error("the text is neither UTF-8 nor UTF-16")]
    NotText,
    /// The operating system says so.
    #[error("the file cannot be read on: {reason}")]
    Unreadable {
        /// What it says.
        reason: String,
    },
    /// An element or object is open at its end.
    #[error("the file ends in the middle")]
    Truncated,
    /// More than is taken in at once.
    #[error("{what} has more than {max} bytes or fields")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// No row is so long.
    #[error("the line is longer than any token needs")]
    LineTooLong,
    /// Quotes that do not match.
    #[error("a quotation mark is opened and not closed in this line")]
    QuoteOpen,
    /// No list has so many.
    #[error("the line has more than {columns} columns")]
    TooManyColumns {
        /// How many belong there.
        columns: usize,
    },
    /// A header that is not whole.
    #[error("the header has no column \"{column}\"")]
    ColumnMissing {
        /// Its name.
        column: &'static str,
    },
    /// Which one?
    #[error("the header has the column \"{column}\" twice")]
    ColumnTwice {
        /// Its name.
        column: &'static str,
    },
    /// A row that ends too soon.
    #[error("the row has {found} columns where {columns} belong")]
    TooFewCells {
        /// How many there are.
        found: usize,
        /// How many belong there.
        columns: usize,
    },
    /// Something in the row divides it where it should not.
    #[error("the row has {found} columns where {columns} belong")]
    TooManyCells {
        /// How many there are.
        found: usize,
        /// How many belong there.
        columns: usize,
    },
    /// What every token has.
    #[error("the row has no {column}")]
    CellMissing {
        /// Its name.
        column: &'static str,
    },
    /// No name is like that.
    #[error("the name of the {what} is too long or has control characters")]
    NameInvalid {
        /// Of what.
        what: &'static str,
    },
    /// Excel's damage.
    #[error("the {what} was turned into scientific notation by a spreadsheet: its last digits are lost")]
    Scientific {
        /// Of what.
        what: &'static str,
    },
    /// Excel's damage.
    #[error("the {what} was changed by a spreadsheet (a date, a rounded number or a failed formula)")]
    Reformatted {
        /// Of what.
        what: &'static str,
    },
    /// Excel's damage, as far as it can be seen.
    #[error(
        "the serial number has {found} digits where others have {others}: a spreadsheet may have dropped leading zeros"
    )]
    ZerosLost {
        /// How many there are.
        found: usize,
        /// How many the others have.
        others: usize,
    },
    /// Base32 where hex was expected.
    #[error("the seed is not hex, it looks like Base32")]
    Base32ForHex,
    /// RFC 4648, section 4.
    #[error("it is not Base64")]
    NotBase64,
    /// No seed at all, but what stands in its place.
    #[error("the seed has {len} bytes: too few for one")]
    SeedTooShort {
        /// Its length in bytes.
        len: usize,
    },
    /// A blank that nobody filled in.
    #[error("the seed is all zeros")]
    SeedZero,
    /// Not a time step.
    #[error("a time step is a whole number of seconds from 1 to 3600")]
    StepInvalid,
    /// Not in this format.
    #[error("the time step is {step} s where only 30 and 60 can be")]
    StepUnusual {
        /// The time step.
        step: TimeStep,
    },
    /// Makers differ, so nothing is assumed.
    #[error("the file does not say the time step")]
    StepUnsaid,
    /// Which of the two?
    #[error("the number {number} is no time step: it looks like the counter of an event-based token")]
    StepOrCounter {
        /// The number.
        number: u64,
    },
    /// Not a counter.
    #[error("a counter is a whole number")]
    CounterInvalid,
    /// Services differ, so nothing is assumed.
    #[error("the file does not say the hash")]
    AlgorithmUnsaid,
    /// OCRA, TAN, Steam, Yubico's own.
    #[error("the codes are neither TOTP nor HOTP")]
    OtherCodes,
    /// Not one of ours.
    #[error("the encoding of the seeds is unknown")]
    EncodingUnknown,
    /// Only the maker's own program reads them.
    #[error("the seeds in the file are encrypted in the maker's own way")]
    SeedsEncrypted,
    /// RFC 8259.
    #[error("line {line}: the JSON is broken")]
    JsonBroken {
        /// Counted from 1.
        line: u64,
    },
    /// Sound, and not what it should be.
    #[error("the JSON has another shape than this format")]
    JsonOther,
    /// Not well-formed.
    #[error("line {line}: the XML is broken")]
    XmlBroken {
        /// Counted from 1.
        line: u64,
    },
    /// Entities are for attacks.
    #[error("the XML has a document type, which no list of tokens needs")]
    XmlDoctype,
    /// Sound, and something else.
    #[error("the XML is not <{expected}>")]
    XmlRoot {
        /// The name of its outermost element.
        expected: &'static str,
    },
    /// No sound otpauth-migration.
    #[error("the export of the authenticator app cannot be read")]
    MigrationBroken,
    /// An export of several QR codes.
    #[error("part {missing} of {parts} of the export is missing")]
    MigrationPart {
        /// Counted from 1.
        missing: u64,
        /// How many there are.
        parts: u64,
    },
    /// Not clear, or not that.
    #[error("this is no attribute of Citrix ADC with tokens in clear (#@name=SEED&,)")]
    NotCitrix,
    /// None was given.
    #[error("the file is encrypted with a password")]
    PasswordNeeded,
    /// Wrong, or the file was changed.
    #[error("the password does not open the file")]
    PasswordWrong,
    /// Not what was sealed.
    #[error("the encrypted part of the file is damaged")]
    VaultBroken,
    /// Biometric slots only.
    #[error("no password opens the vault, only the phone it is from")]
    VaultWithoutPassword,
    /// Absurd parameters.
    #[error("the file asks for more work than any app does before its password can be tried")]
    KeyDerivation,
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
            Self::FileEmpty => "file-empty",
            Self::FormatUnknown => "format-unknown",
            Self::Wrapped { .. } => "file-wrapped",
            Self::NotText => "not-text",
            Self::Unreadable { .. } => "file-unreadable",
            Self::Truncated => "file-truncated",
            Self::TooLarge { .. } => "too-large",
            Self::LineTooLong => "line-too-long",
            Self::QuoteOpen => "quote-open",
            Self::TooManyColumns { .. } => "too-many-columns",
            Self::ColumnMissing { .. } => "column-missing",
            Self::ColumnTwice { .. } => "column-twice",
            Self::TooFewCells { .. } => "too-few-cells",
            Self::TooManyCells { .. } => "too-many-cells",
            Self::CellMissing { .. } => "cell-missing",
            Self::NameInvalid { .. } => "name-invalid",
            Self::Scientific { .. } => "scientific-notation",
            Self::Reformatted { .. } => "spreadsheet-damage",
            Self::ZerosLost { .. } => "zeros-lost",
            Self::Base32ForHex => "base32-for-hex",
            Self::NotBase64 => "not-base64",
            Self::SeedTooShort { .. } => "seed-too-short",
            Self::SeedZero => "seed-zero",
            Self::StepInvalid => "step-invalid",
            Self::StepUnusual { .. } => "step-unusual",
            Self::StepUnsaid => "step-unsaid",
            Self::StepOrCounter { .. } => "step-or-counter",
            Self::CounterInvalid => "counter-invalid",
            Self::AlgorithmUnsaid => "algorithm-unsaid",
            Self::OtherCodes => "other-codes",
            Self::EncodingUnknown => "encoding-unknown",
            Self::SeedsEncrypted => "seeds-encrypted",
            Self::JsonBroken { .. } => "json-broken",
            Self::JsonOther => "json-other",
            Self::XmlBroken { .. } => "xml-broken",
            Self::XmlDoctype => "xml-doctype",
            Self::XmlRoot { .. } => "xml-root",
            Self::MigrationBroken => "migration-broken",
            Self::MigrationPart { .. } => "migration-part",
            Self::NotCitrix => "not-citrix",
            Self::PasswordNeeded => "password-needed",
            Self::PasswordWrong => "password-wrong",
            Self::VaultBroken => "vault-broken",
            Self::VaultWithoutPassword => "vault-without-password",
            Self::KeyDerivation => "key-derivation",
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
            Self::Wrapped { wrapping } => match wrapping {
                Wrapping::Pgp => "decrypt it into the program: gpg --decrypt FILE | oathburn import -",
                Wrapping::Zip => {
                    "unpack it into the program, so that no copy is left: unzip -p FILE | oathburn import -"
                }
                Wrapping::Gzip => {
                    "unpack it into the program, so that no copy is left: gunzip -c FILE | oathburn import -"
                }
                Wrapping::Spreadsheet => "ask the maker for the list as CSV; a spreadsheet may already have damaged it",
                _ => "ask the maker for the list as a text file",
            },
            Self::FileEmpty => "check that it is the right file, and that it was downloaded whole",
            Self::FormatUnknown => "say --format; `oathburn import --help` lists what is read",
            Self::NotText => "save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")",
            Self::Unreadable { .. } => "check the disk or the connection it lies on, and its rights",
            Self::Truncated => "fetch the file again: a part of it is missing",
            Self::TooLarge { .. } => "split the file",
            Self::LineTooLong => "check that each token has a line of its own",
            Self::QuoteOpen => "close it; a quotation mark inside quotes is written twice",
            Self::TooManyColumns { .. } => "check that the file is a list of tokens",
            Self::ColumnMissing { .. } => "put the header in the first line, with the names that the format asks for",
            Self::ColumnTwice { .. } => "leave one of them out",
            Self::TooFewCells { .. } => "complete the row from the maker's file",
            Self::TooManyCells { .. } => {
                "put a field with the delimiter in it into quotes, or take the delimiter out of it"
            }
            Self::CellMissing { .. } => "fill it in from the maker's file",
            Self::NameInvalid { .. } => "correct it",
            Self::Scientific { .. } => {
                "import the file as the maker sent it; do not open it in a spreadsheet, or import its columns there as text"
            }
            Self::Reformatted { .. } => "import the file as the maker sent it; do not open it in a spreadsheet at all",
            Self::ZerosLost { .. } => {
                "import the file as the maker sent it; or say --serial-digits N, which puts zeros before it, or --serial-digits any, if it is right"
            }
            Self::Base32ForHex => "if it is Base32, say --encoding base32",
            Self::NotBase64 | Self::CounterInvalid => "copy it whole from the maker's file",
            Self::SeedTooShort { .. } => "look whether the columns are in the order of the format",
            Self::SeedZero => "ask the maker for the seeds: these are blanks",
            Self::StepInvalid => "write 30 or 60",
            Self::StepUnusual { .. } => "look at the token's data sheet, and write 30 or 60",
            Self::StepUnsaid => "say --time-step 30 or --time-step 60, as the token's data sheet says; or --type hotp",
            Self::StepOrCounter { .. } => "if the tokens count, say --type hotp",
            Self::AlgorithmUnsaid => "say --algorithm, as the service's profile says",
            Self::OtherCodes => "leave the row out: such tokens have no place here",
            Self::EncodingUnknown => "ask the maker for a file with hex, Base32 or Base64",
            Self::SeedsEncrypted => "ask the maker for the plain seeds, encrypted as a file with age or OpenPGP",
            Self::JsonBroken { .. } | Self::XmlBroken { .. } => {
                "fetch the file again, or correct it where it was edited"
            }
            Self::JsonOther | Self::XmlRoot { .. } => "check the format, or say another with --format",
            Self::XmlDoctype => "take the <!DOCTYPE …> out if you trust the file",
            Self::MigrationBroken => "scan or copy the whole QR code again",
            Self::MigrationPart { .. } => {
                "import all parts together: all URIs in one file, or all pictures in one command"
            }
            Self::NotCitrix => "export the attribute of the users, one a line",
            Self::PasswordNeeded => "say --password-file FILE (`-`: stdin)",
            Self::PasswordWrong => "check the password, and that the file is whole",
            Self::VaultBroken | Self::KeyDerivation => "export the vault again",
            Self::VaultWithoutPassword => "set a password in the app and export again",
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
