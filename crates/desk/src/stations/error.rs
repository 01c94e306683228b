//! Why something was not done with stations at the desk.

use oathburn_escrow::EscrowError;
use oathburn_oath::Remedy;

use super::code::LIVES;
use super::csv::MAX_ROWS;
use super::login_code::NoLoginCode;
use super::{MacId, StationState, StationsFault, StationsProblem};
use crate::protocol::Refusal;

oathburn_oath::variants! {
    RegisterError: Refused Fault Rows NotRegistered NotNow NoCode StillActivated NothingSelected TooManySelected CodeLife LoginCodeUnknown LoginCodeMalformed LocationNeeded OperatorRefused Escrow
}

/// Everything that can go wrong with the register of stations.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// A station is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A MAC ID or a location that was typed.
    #[error(transparent)]
    Fault(#[from] StationsFault),
    /// Rows of a list; none of it was taken.
    #[error("{} of the list {}; no station was added", count(problems.len()), if problems.len() == 1 { "is wrong" } else { "are wrong" })]
    Rows {
        /// Each with its row and column.
        problems: Vec<StationsProblem>,
    },
    /// No such station.
    #[error("no station with the MAC ID {mac} is registered")]
    NotRegistered {
        /// Which.
        mac: MacId,
    },
    /// Not in its state.
    #[error("the station {mac} is {}, and cannot be {deed}", state.title().to_lowercase())]
    NotNow {
        /// Which.
        mac: MacId,
        /// Where it stands.
        state: StationState,
        /// What was to be done.
        deed: &'static str,
    },
    /// Nothing that could be taken back.
    #[error("the station {mac} has no verification code that can be used")]
    NoCode {
        /// Which.
        mac: MacId,
    },
    /// One that still could work.
    #[error("the station {mac} is activated, and cannot be removed")]
    StillActivated {
        /// Which.
        mac: MacId,
    },
    /// No station is chosen.
    #[error("no station is selected")]
    NothingSelected,
    /// More than in one list.
    #[error("more than {MAX_ROWS} stations are selected")]
    TooManySelected,
    /// Too short, or too long.
    #[error("codes are good for {} minutes at least and {} days at most", LIVES.start() / 60, LIVES.end() / 86_400)]
    CodeLife,
    /// No station shows it, or not any more.
    #[error("no station shows this login code")]
    LoginCodeUnknown,
    /// Not nine letters and digits, or ones that no code has.
    #[error(
        "this is no login code: it has nine of the letters and digits A C D E F G H J K M N P R T V W X Y 3 4 6 7 9"
    )]
    LoginCodeMalformed,
    /// The station was not registered before.
    #[error("the station {mac} is not registered; its location is needed")]
    LocationNeeded {
        /// Which.
        mac: MacId,
    },
    /// No account that a station could act for.
    #[error("the account's name is empty, longer than 128 characters, or holds control characters")]
    OperatorRefused,
    /// The store failed, or refused.
    #[error(transparent)]
    Escrow(#[from] EscrowError),
}

fn count(problems: usize) -> String {
    if problems == 1 { "1 cell or row".into() } else { format!("{problems} cells or rows") }
}

impl From<NoLoginCode> for RegisterError {
    fn from(_: NoLoginCode) -> Self {
        Self::LoginCodeMalformed
    }
}

impl Remedy for RegisterError {
    fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Fault(fault) => fault.code(),
            Self::Rows { .. } => "stations-not-added",
            Self::NotRegistered { .. } => "station-not-registered",
            Self::NotNow { .. } => "station-not-now",
            Self::NoCode { .. } => "station-without-code",
            Self::StillActivated { .. } => "station-still-activated",
            Self::NothingSelected => "stations-none-selected",
            Self::TooManySelected => "stations-many-selected",
            Self::CodeLife => "verification-code-life",
            Self::LoginCodeUnknown => "login-code-unknown",
            Self::LoginCodeMalformed => "login-code-malformed",
            Self::LocationNeeded { .. } => "location-needed",
            Self::OperatorRefused => "account-refused",
            Self::Escrow(error) => error.code(),
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::Refused(refusal) => return refusal.remedy(),
            Self::Fault(fault) => return fault.remedy(),
            Self::Escrow(error) => return error.remedy(),
            Self::Rows { .. } => "mend the rows that are named, and upload the whole list again",
            Self::NotRegistered { .. } => "add the station, or look for the MAC ID in the list",
            Self::NotNow { .. } | Self::NoCode { .. } => {
                "look at the list again: somebody else, or the station, was faster"
            }
            Self::StillActivated { .. } => "revoke the station first",
            Self::NothingSelected => "tick the stations that are meant",
            Self::TooManySelected => "select fewer, one part after the other",
            Self::CodeLife => "choose another time",
            Self::LoginCodeUnknown => {
                "compare it with the station's screen; a code is good for 15 minutes, then the station shows another"
            }
            Self::LoginCodeMalformed => "type it as the station shows it: ACD-EFG-346, in capitals or not",
            Self::LocationNeeded { .. } => "say where the station is, or register it first",
            Self::OperatorRefused => "type the account that the station acts for, such as branch-ulm",
        };
        Some(text.into())
    }
}

impl RegisterError {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        let mac = MacId::new([0, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e]).expect("an address of a machine");
        let problem = StationsProblem { row: 3, column: Some("MAC ID".into()), fault: StationsFault::MacMissing };
        let mut all: Vec<_> = Refusal::samples().into_iter().map(Self::Refused).collect();
        all.extend([
            Self::Fault(StationsFault::LocationMissing),
            Self::Rows { problems: vec![problem.clone(), problem] },
            Self::NotRegistered { mac },
            Self::NotNow { mac, state: StationState::Revoked, deed: "signed in" },
            Self::NoCode { mac },
            Self::StillActivated { mac },
            Self::NothingSelected,
            Self::TooManySelected,
            Self::CodeLife,
            Self::LoginCodeUnknown,
            Self::LoginCodeMalformed,
            Self::LocationNeeded { mac },
            Self::OperatorRefused,
            Self::Escrow(EscrowError::Random),
        ]);
        all
    }
}
