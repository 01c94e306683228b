//! What can be wrong with a file.

mod remedy;
mod samples;

use oathburn_oath::{OathError, TimeStep};

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
    /// None was given.
    #[error("the seeds are encrypted with a key that was agreed on")]
    KeyNeeded,
    /// Wrong, or the file was changed.
    #[error("the key does not open the seeds")]
    KeyWrong,
    /// Not sixteen bytes.
    #[error("the key has not 16 bytes")]
    KeyLength,
    /// One that nobody uses, or that we do not know.
    #[error("the {what} of the encrypted seeds is none that is supported")]
    CipherUnknown {
        /// Cipher, MAC, key derivation, certificate.
        what: &'static str,
    },
    /// Stripped, or never there.
    #[error("the encrypted value has no MAC: nothing shows that it is unchanged")]
    MacMissing,
    /// Changed, or under another key.
    #[error("the MAC of the encrypted value is wrong: it was changed, or the key is another")]
    MacWrong,
    /// RFC 6030, section 5.
    #[error("the key package has a policy that is not followed here")]
    PolicyUnknown,
    /// T0 of RFC 6238.
    #[error("the token's time does not begin in 1970")]
    StartTime,
    /// Absurd parameters.
    #[error("the file asks for more work than any app does before its password can be tried")]
    KeyDerivation,
}

impl From<std::io::Error> for FormatError {
    fn from(error: std::io::Error) -> Self {
        Self::Output { problem: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use oathburn_oath::Remedy;

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
