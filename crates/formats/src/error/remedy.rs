//! What each error is called, and what mends it.

use oathburn_oath::Remedy;

use crate::{FormatError, Look, Wrapping};

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
            Self::KeyNeeded => "key-needed",
            Self::KeyWrong => "key-wrong",
            Self::KeyLength => "key-length",
            Self::CipherUnknown { .. } => "cipher-unknown",
            Self::MacMissing => "mac-missing",
            Self::MacWrong => "mac-wrong",
            Self::PolicyUnknown => "policy-unknown",
            Self::StartTime => "start-time",
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
            other => other.structured_remedy(),
        };
        Some(text.into())
    }
}

impl FormatError {
    /// What mends files that have a structure, and are encrypted perhaps: JSON, XML, vaults, key containers.
    const fn structured_remedy(&self) -> &'static str {
        match self {
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
            Self::KeyNeeded => "say --password-file FILE with the key in hex or in Base64",
            Self::KeyWrong => "check the key, and that the file is whole",
            Self::KeyLength => "give 16 bytes, or 32 hex digits",
            Self::CipherUnknown { .. } => "ask the maker for AES-128-CBC under a shared key or a password",
            Self::MacMissing | Self::MacWrong => {
                "ask for the file again, on another way; --ignore-mac takes it as it is"
            }
            Self::PolicyUnknown => "ask the maker for key packages without PIN and transaction policies",
            Self::StartTime => "such tokens are not supported; ask the maker for others",
            // The others have theirs; a test finds one that has none.
            _ => "",
        }
    }
}
