//! Exit codes: scripts rely on them.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// A bug: unexpected.
    Bug = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// No reader, no token, or the token was removed.
    NoToken = 3,
    /// The token refused, or is not one we program.
    Refused = 4,
    /// A batch finished with failed lines.
    LinesFailed = 5,
    /// The escrow is unavailable, locked, damaged, or was not opened.
    Escrow = 6,
    /// The input was rejected.
    Input = 7,
    /// A destructive effect without its flag.
    NotPermitted = 8,
    /// A code did not match.
    NoMatch = 9,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
