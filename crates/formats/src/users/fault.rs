//! What can be wrong with a list of users.

use oathburn_oath::{OathError, Remedy};

use super::{MAX_USERS, MAX_USERS_FILE};
use crate::FormatError;

oathburn_oath::variants! {
    UsersFault: TooLarge Utf16 NotUtf8 NoHeader NoRows TooManyRows NoUpnColumn UnknownColumn ColumnTwice OtherWidth RowTooLong LineBreak UpnMissing UpnMalformed UpnTwice SerialTwice SeedTwice SeedZero SpreadsheetNumber SpreadsheetError Formula TextRefused Contradiction Seed Oath
}

/// Everything that is refused in a list of users. No variant carries any part of a seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsersFault {
    /// No list of users is so large.
    #[error("the file is larger than {} MB", MAX_USERS_FILE / 1024 / 1024)]
    TooLarge,
    /// UTF-16, as "Unicode text" is called in spreadsheets.
    #[error("the file is UTF-16, or no text at all")]
    Utf16,
    /// A cell in another encoding.
    #[error("the cell is not UTF-8")]
    NotUtf8,
    /// Nothing there.
    #[error("the file is empty")]
    NoHeader,
    /// A header alone.
    #[error("there is no user below the header")]
    NoRows,
    /// More than anybody burns.
    #[error("there are more than {MAX_USERS} users")]
    TooManyRows,
    /// The one column that is required.
    #[error("there is no column for the users")]
    NoUpnColumn,
    /// A column of another name.
    #[error("the column is not known")]
    UnknownColumn {
        /// What may have been meant.
        meant: Option<&'static str>,
    },
    /// Two columns for one thing.
    #[error("there are two columns for this")]
    ColumnTwice,
    /// Another number of cells than the header has.
    #[error("the header has {expected} cells, the row has {found}")]
    OtherWidth {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// No row is so long; probably a quote is not closed.
    #[error("the row is too long, or a quote in it is not closed")]
    RowTooLong,
    /// A cell of two lines; probably a quote is not closed.
    #[error("a cell holds a line break, or a quote in the row is not closed")]
    LineBreak,
    /// A row without a user.
    #[error("the row names no user")]
    UpnMissing,
    /// No UPN.
    #[error("this is no user principal name")]
    UpnMalformed,
    /// One user, two rows.
    #[error("the user stands in row {first}, too")]
    UpnTwice {
        /// The first of the rows.
        first: usize,
    },
    /// One token, two rows.
    #[error("the token stands in row {first}, too")]
    SerialTwice {
        /// The first of the rows.
        first: usize,
    },
    /// One seed, two rows.
    #[error("the seed stands in row {first}, too")]
    SeedTwice {
        /// The first of the rows.
        first: usize,
    },
    /// A seed that is no secret.
    #[error("the seed is nothing but zeros")]
    SeedZero,
    /// 8.65962E+12
    #[error("a spreadsheet has rounded the number")]
    SpreadsheetNumber,
    /// #N/A
    #[error("the cell holds a spreadsheet's error")]
    SpreadsheetError,
    /// =A1, which spreadsheets compute when the results are opened.
    #[error("the cell begins like a formula")]
    Formula,
    /// Too long, or with control characters.
    #[error("the text is longer than 256 bytes or holds control characters")]
    TextRefused,
    /// A key URI and a column say different things.
    #[error("the column contradicts the key URI in the seed's column")]
    Contradiction,
    /// No seed.
    #[error(transparent)]
    Seed(FormatError),
    /// No serial number, no algorithm, no time step.
    #[error(transparent)]
    Oath(OathError),
}

impl Remedy for UsersFault {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "users-too-large",
            Self::Utf16 => "users-utf16",
            Self::NotUtf8 => "users-not-utf8",
            Self::NoHeader => "users-empty",
            Self::NoRows => "users-no-rows",
            Self::TooManyRows => "users-too-many",
            Self::NoUpnColumn => "users-no-upn-column",
            Self::UnknownColumn { .. } => "users-unknown-column",
            Self::ColumnTwice => "users-column-twice",
            Self::OtherWidth { .. } => "users-row-width",
            Self::RowTooLong => "users-row-too-long",
            Self::LineBreak => "users-line-break",
            Self::UpnMissing => "users-upn-missing",
            Self::UpnMalformed => "users-upn-malformed",
            Self::UpnTwice { .. } => "users-upn-twice",
            Self::SerialTwice { .. } => "users-serial-twice",
            Self::SeedTwice { .. } => "users-seed-twice",
            Self::SeedZero => "users-seed-zero",
            Self::SpreadsheetNumber => "spreadsheet-number",
            Self::SpreadsheetError => "spreadsheet-error",
            Self::Formula => "spreadsheet-formula",
            Self::TextRefused => "users-text",
            Self::Contradiction => "users-contradiction",
            Self::Seed(error) => error.code(),
            Self::Oath(error) => error.code(),
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::TooLarge | Self::TooManyRows => "split the list and burn one batch after the other",
            Self::Utf16 => "save it as \"CSV UTF-8 (comma delimited)\"",
            Self::NotUtf8 => "save the file as \"CSV UTF-8 (comma delimited)\" and check the letters with accents",
            Self::NoHeader => {
                "begin with a header: upn, and if you like serial, seed, algorithm, time step, issuer, label"
            }
            Self::NoRows => "write one row for each user below the header",
            Self::NoUpnColumn => "name the column with the users' names upn",
            Self::UnknownColumn { meant: Some(meant) } => return Some(format!("if it is {meant}, call it {meant}")),
            Self::UnknownColumn { meant: None } => {
                "remove it; the columns are upn, serial, seed, algorithm, time step, issuer, label"
            }
            Self::ColumnTwice => "remove one of them",
            Self::OtherWidth { .. } => "put cells with commas into double quotes, and leave empty cells in",
            Self::RowTooLong | Self::LineBreak => "close the quote, or remove the line break from the cell",
            Self::UpnMissing => "fill in the user, or remove the row",
            Self::UpnMalformed => "write it as the directory does, such as bob@example.com, without spaces",
            Self::UpnTwice { .. } => {
                "remove one of the rows; a second token of the same user goes into a batch of its own"
            }
            Self::SerialTwice { .. } => "find out whose token it is, and remove it from the other row",
            Self::SeedTwice { .. } => "use a seed of its own for each token",
            Self::SeedZero => "use a random seed, or leave the cell empty to have one made",
            Self::SpreadsheetNumber => {
                "take the cell from the original file again, with the column formatted as text before it is pasted"
            }
            Self::SpreadsheetError => "take the cell from the original file again",
            Self::Formula => "remove the first character, or leave the cell empty",
            Self::TextRefused => "shorten it, and type it anew without what was pasted along",
            Self::Contradiction => "leave the cell empty, or give the seed alone instead of a key URI",
            Self::Seed(error) => return error.remedy(),
            Self::Oath(error) => return error.remedy(),
        };
        Some(text.into())
    }
}

impl UsersFault {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        vec![
            Self::TooLarge,
            Self::Utf16,
            Self::NotUtf8,
            Self::NoHeader,
            Self::NoRows,
            Self::TooManyRows,
            Self::NoUpnColumn,
            Self::UnknownColumn { meant: None },
            Self::ColumnTwice,
            Self::OtherWidth { found: 2, expected: 3 },
            Self::RowTooLong,
            Self::LineBreak,
            Self::UpnMissing,
            Self::UpnMalformed,
            Self::UpnTwice { first: 2 },
            Self::SerialTwice { first: 2 },
            Self::SeedTwice { first: 2 },
            Self::SeedZero,
            Self::SpreadsheetNumber,
            Self::SpreadsheetError,
            Self::Formula,
            Self::TextRefused,
            Self::Contradiction,
            Self::Seed(FormatError::AmbiguousEncoding),
            Self::Oath(OathError::Serial),
        ]
    }
}
