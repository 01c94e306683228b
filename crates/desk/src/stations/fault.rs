//! What can be wrong with a MAC ID, a location, or a list of both.

use oathburn_oath::Remedy;

use super::csv::{MAX_FILE, MAX_LOCATION, MAX_ROWS};

oathburn_oath::variants! {
    StationsFault: TooLarge NotText Empty NoRows TooManyRows NoMacColumn NoLocationColumn UnknownColumn ColumnTwice OtherWidth LineBreak MacMissing MacMalformed MacLength MacNumber MacZero MacBroadcast MacGroup MacTwice MacRegistered LocationMissing LocationRefused
}

/// Everything that is refused in a list of stations, or in one that is typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StationsFault {
    /// No list of stations is so large.
    #[error("the file is larger than {} kB", MAX_FILE / 1024)]
    TooLarge,
    /// UTF-16, a workbook, or another encoding.
    #[error("the file is no text in UTF-8")]
    NotText,
    /// Nothing there.
    #[error("the file is empty")]
    Empty,
    /// A header alone.
    #[error("there is no station below the header")]
    NoRows,
    /// More than fit.
    #[error("there are more than {MAX_ROWS} stations")]
    TooManyRows,
    /// Nothing says which cells are MAC IDs.
    #[error("there is no column MAC ID")]
    NoMacColumn,
    /// Nothing says where the stations are.
    #[error("there is no column Location")]
    NoLocationColumn,
    /// A column of another name.
    #[error("the column is not known")]
    UnknownColumn,
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
    /// A cell of two lines; probably a quote is not closed.
    #[error("a cell holds a line break, or a quote in the row is not closed")]
    LineBreak,
    /// No MAC ID.
    #[error("there is no MAC ID")]
    MacMissing,
    /// Something else.
    #[error("this is no MAC ID")]
    MacMalformed,
    /// Too many digits, or too few.
    #[error("a MAC ID has 12 hexadecimal digits, this has {found}")]
    MacLength {
        /// How many there are.
        found: usize,
    },
    /// 1.12233E+11
    #[error("a spreadsheet took the MAC ID for a number and rounded it")]
    MacNumber,
    /// 00-00-00-00-00-00
    #[error("the address of zeros belongs to no machine")]
    MacZero,
    /// FF-FF-FF-FF-FF-FF
    #[error("this is the broadcast address, which belongs to all machines")]
    MacBroadcast,
    /// An address with the I/G bit.
    #[error("this is the address of a group, not of one machine")]
    MacGroup,
    /// One station, two rows.
    #[error("the MAC ID stands in row {first}, too")]
    MacTwice {
        /// The first of the rows.
        first: usize,
    },
    /// The desk has it.
    #[error("a station with this MAC ID is registered already")]
    MacRegistered,
    /// No location.
    #[error("there is no location")]
    LocationMissing,
    /// Too long, or with control characters.
    #[error("the location is longer than {MAX_LOCATION} characters or holds control characters")]
    LocationRefused,
}

/// A problem with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationsProblem {
    /// The row of the file, counted from 1; the header is a row, too.
    pub row: usize,
    /// The column as the header calls it, where one cell is at fault.
    pub column: Option<String>,
    /// What is wrong.
    pub fault: StationsFault,
}

impl Remedy for StationsFault {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "stations-too-large",
            Self::NotText => "stations-not-text",
            Self::Empty => "stations-empty",
            Self::NoRows => "stations-no-rows",
            Self::TooManyRows => "stations-too-many",
            Self::NoMacColumn => "stations-no-mac-column",
            Self::NoLocationColumn => "stations-no-location-column",
            Self::UnknownColumn => "stations-unknown-column",
            Self::ColumnTwice => "stations-column-twice",
            Self::OtherWidth { .. } => "stations-row-width",
            Self::LineBreak => "stations-line-break",
            Self::MacMissing => "mac-id-missing",
            Self::MacMalformed => "mac-id-malformed",
            Self::MacLength { .. } => "mac-id-length",
            Self::MacNumber => "mac-id-number",
            Self::MacZero => "mac-id-zero",
            Self::MacBroadcast => "mac-id-broadcast",
            Self::MacGroup => "mac-id-group",
            Self::MacTwice { .. } => "mac-id-twice",
            Self::MacRegistered => "mac-id-registered",
            Self::LocationMissing => "location-missing",
            Self::LocationRefused => "location-refused",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::TooLarge | Self::TooManyRows => "split the list and upload one part after the other",
            Self::NotText => "save it as \"CSV UTF-8 (comma delimited)\", not as a workbook",
            Self::Empty | Self::NoMacColumn | Self::NoLocationColumn => {
                "begin with the header MAC ID,Location, as Template_Provisioning.csv does"
            }
            Self::NoRows => "write one row for each station below the header",
            Self::UnknownColumn => "remove it; the columns are MAC ID and Location",
            Self::ColumnTwice => "remove one of them",
            Self::OtherWidth { .. } => "put locations with commas into double quotes",
            Self::LineBreak => "close the quote, or remove the line break from the cell",
            Self::MacMissing => "fill in the MAC ID, or remove the row",
            Self::MacMalformed => "write it as 00-1A-2B-3C-4D-5E",
            Self::MacLength { .. } => {
                "give the address of one network interface, such as 00-1A-2B-3C-4D-5E; where leading zeros were lost, format the column as text and take it from its source again"
            }
            Self::MacNumber => "format the column as text, then take the MAC ID from its source again",
            Self::MacZero | Self::MacBroadcast | Self::MacGroup => {
                "read the MAC ID at the machine: `ip link` shows it beside `link/ether`"
            }
            Self::MacTwice { .. } => "find out which location is right, and remove the other row",
            Self::MacRegistered => "remove the row, or change the location of the station at the desk",
            Self::LocationMissing => "say where the station is: a town, a street, a room",
            Self::LocationRefused => "shorten it, and type it anew without what was pasted along",
        };
        Some(text.into())
    }
}

impl StationsFault {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        vec![
            Self::TooLarge,
            Self::NotText,
            Self::Empty,
            Self::NoRows,
            Self::TooManyRows,
            Self::NoMacColumn,
            Self::NoLocationColumn,
            Self::UnknownColumn,
            Self::ColumnTwice,
            Self::OtherWidth { found: 3, expected: 2 },
            Self::LineBreak,
            Self::MacMissing,
            Self::MacMalformed,
            Self::MacLength { found: 10 },
            Self::MacNumber,
            Self::MacZero,
            Self::MacBroadcast,
            Self::MacGroup,
            Self::MacTwice { first: 2 },
            Self::MacRegistered,
            Self::LocationMissing,
            Self::LocationRefused,
        ]
    }
}
