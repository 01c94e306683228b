//! The work of a station that is far from its desk.
//!
//! It holds leases: lines of orders with the seeds for them, sealed to its own key, in files beside a small escrow of its
//! own, which it can seal into and cannot open. A portion of leased lines is a batch there, so that what a batch is proof
//! against (a token torn off, a process killed) is nothing new here. What becomes of lines is read from that escrow and told
//! to the desk until the desk has acknowledged it, so that hours without a network lose nothing.
//!
//! A lease is used no longer than it lasts, by the wall clock or by the time since the machine was started, whichever is
//! over first.

mod ends;
mod home;
mod portion;
mod reports;
mod supply;
mod work;

use std::io;
use std::path::PathBuf;

use oathburn_escrow::EscrowError;
use oathburn_oath::Remedy;

pub use self::ends::{CLOCK_TOLERANCE, Clocks, LeaseEnd, MachineClocks, Moment, ahead_by};
pub use self::home::RemoteHome;
pub use self::supply::OrderObserver;
pub use self::work::{RemoteEvent, RemoteParts, RemoteWork};
use crate::work::wire::{LeaseAnswer, LeaseRequest, ReportAnswer, ReportRequest, TokenAnswer, TokenRequest};

/// The desk, as a station that works for it sees it.
pub trait RemoteDesk: Sync {
    /// Asks for lines.
    fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, DeskTrouble>;

    /// Tells what became of lines.
    fn report(&self, request: &ReportRequest) -> Result<ReportAnswer, DeskTrouble>;

    /// Asks whether a token is in use. Somebody waits: it is given up after a few seconds.
    fn token(&self, request: &TokenRequest) -> Result<TokenAnswer, DeskTrouble>;
}

/// Why the desk did not answer as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskTrouble {
    /// Whether it may be otherwise in a while; else the station must not go on.
    pub passes: bool,
    /// A stable code.
    pub code: &'static str,
    /// What happened, for people.
    pub message: String,
    /// What to do, for people.
    pub remedy: Option<String>,
}

impl std::fmt::Display for DeskTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DeskTrouble {}

impl Remedy for DeskTrouble {
    fn code(&self) -> &'static str {
        self.code
    }

    fn remedy(&self) -> Option<String> {
        self.remedy.clone()
    }
}

oathburn_oath::variants! {
    RemoteError: Escrow Desk File Damaged Taken Answer ClockOff
}

/// What keeps a station from working for its desk.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Its own escrow.
    #[error(transparent)]
    Escrow(#[from] EscrowError),
    /// The desk, without which there is nothing to begin with.
    #[error(transparent)]
    Desk(#[from] DeskTrouble),
    /// A file of leased lines.
    #[error("failed to {action} {}: {source}", path.display())]
    File {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of leased lines that is none.
    #[error("{} is no file of leased lines", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Two programs would burn the same lines.
    #[error("another program is at the work in {}", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// An answer that makes no sense.
    #[error("the desk answered what this program does not understand: {what}")]
    Answer {
        /// What of it.
        what: &'static str,
    },
    /// Tokens are set by this machine's clock, and the desk has another time.
    #[error("this machine's clock is {} s {} the desk's", seconds.unsigned_abs(), if *seconds > 0 { "ahead of" } else { "behind" })]
    ClockOff {
        /// By how many seconds it is ahead of the desk's; less than nothing where it is behind.
        seconds: i64,
    },
}

impl Remedy for RemoteError {
    fn code(&self) -> &'static str {
        match self {
            Self::Escrow(error) => error.code(),
            Self::Desk(error) => error.code(),
            Self::File { .. } => "work-file",
            Self::Damaged { .. } => "work-file-damaged",
            Self::Taken { .. } => "work-taken",
            Self::Answer { .. } => "work-answer",
            Self::ClockOff { .. } => "clock-off",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::Escrow(error) => return error.remedy(),
            Self::Desk(error) => return error.remedy(),
            Self::File { .. } => "check the folder's rights and room, and run the command again",
            Self::Damaged { .. } => {
                "move the file away and run the command again: the desk gives its lines out again when their lease has ended"
            }
            Self::Taken { .. } => "let the other `oathburn station run` go on, or end it first",
            Self::Answer { .. } => "install the same version of oathburn at the station and at the desk",
            Self::ClockOff { .. } => {
                "set this machine's clock (`timedatectl set-ntp true`) and run the command again; tell the admin where it is the desk's that is wrong"
            }
        };
        Some(text.into())
    }
}

impl RemoteError {
    /// At least one value of every variant.
    #[doc(hidden)]
    pub fn samples() -> Vec<Self> {
        let path = || PathBuf::from("/home/tech/.local/share/oathburn/work/portions/0a1b.json");
        vec![
            Self::Escrow(EscrowError::StoreBusy { store: "/srv/escrow.db".into() }),
            Self::Desk(DeskTrouble {
                passes: true,
                code: "desk-unreachable",
                message: "the desk https://desk.example.com cannot be reached: Connection refused".into(),
                remedy: Some("check the network and the desk's address, then run the command again".into()),
            }),
            Self::File { action: "write", path: path(), source: io::ErrorKind::StorageFull.into() },
            Self::Damaged { path: path() },
            Self::Taken { path: "/home/tech/.local/share/oathburn/work".into() },
            Self::Answer { what: "the algorithm of a line" },
            Self::ClockOff { seconds: -86_400 },
        ]
    }
}
