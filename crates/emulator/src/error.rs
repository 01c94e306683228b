//! What can go wrong with an emulator, and what to do about it.

use std::io;
use std::path::PathBuf;

use oathburn_oath::{OathError, Remedy};

use crate::ReaderId;

/// Everything this crate refuses or fails at.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// The PC/SC service is not installed.
    #[error("the PC/SC service {} is not there", path.display())]
    PcscdMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The virtual reader's driver was not unpacked.
    #[error("the vpcd driver {} is not there", path.display())]
    DriverMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The kernel gives us no namespaces.
    #[error("no namespaces of one's own: {reason}")]
    Namespaces {
        /// What `unshare` said.
        reason: String,
    },
    /// A folder below /run, which the private service's own /run covers.
    #[error("the folder {} lies below /run", path.display())]
    BelowRun {
        /// The folder.
        path: PathBuf,
    },
    /// A call to the operating system failed.
    #[error("{action}: {source}")]
    Io {
        /// What was tried, as "open x".
        action: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The service ended, or did not begin.
    #[error("pcscd has ended")]
    PcscdEnded,
    /// A service whose socket protocol we do not know.
    #[error("pcscd speaks protocol {major}.{minor}, only 4.4 and 4.5 are known")]
    PcscdProtocol {
        /// The protocol's major version.
        major: i32,
        /// The protocol's minor version.
        minor: i32,
    },
    /// PostgreSQL is not installed.
    #[error("there is no PostgreSQL below /usr/lib/postgresql")]
    PostgresMissing,
    /// A private PostgreSQL did not do what was asked of it.
    #[error("{action}: {reason}")]
    Postgres {
        /// What was asked, as the name of a program.
        action: String,
        /// What it said.
        reason: String,
    },
    /// The service did not see in time what happened on a reader.
    #[error("pcscd did not notice within {seconds} s: {event}")]
    Unnoticed {
        /// What it should have noticed.
        event: String,
        /// How long we waited.
        seconds: u64,
    },
    /// A path for a serial line that libnfc cannot be given.
    #[error("a serial line cannot be at {}", path.display())]
    PortPath {
        /// The path.
        path: PathBuf,
    },
    /// A number of readers that the service cannot have.
    #[error("1 to 16 readers are possible, not {readers}")]
    Readers {
        /// What was asked for.
        readers: usize,
    },
    /// A number of NFC readers that nobody needs.
    #[error("0 to 16 NFC readers are possible, not {readers}")]
    NfcReaders {
        /// What was asked for.
        readers: usize,
    },
    /// A command nobody knows.
    #[error("there is no command `{command}`")]
    Command {
        /// Its first word.
        command: String,
    },
    /// A word too many, too few, or with a value that cannot be.
    #[error("{problem}")]
    Words {
        /// What is wrong with which word.
        problem: String,
    },
    /// A reader that does not exist.
    #[error("there is no reader {reader}")]
    NoReader {
        /// How it was called.
        reader: ReaderId,
    },
    /// A reader of the PC/SC service, which has no chip that we could touch.
    #[error("reader {reader} is no NFC chip")]
    NoChip {
        /// How it is called.
        reader: ReaderId,
    },
    /// Nothing was ever put on this reader.
    #[error("reader {reader} has had no card yet")]
    NoCard {
        /// How it is called.
        reader: ReaderId,
    },
    /// A foreign card, which has no display and no state.
    #[error("the card is not a token")]
    NotToken,
    /// A token that was never inserted, or lies on another reader.
    #[error("there is no token {serial} to be had")]
    NoToken {
        /// The serial number asked for.
        serial: String,
    },
    /// There is no private service to start or stop.
    #[error("the PC/SC service is not ours")]
    ForeignService,
    /// A serial number that is none.
    #[error(transparent)]
    Oath(#[from] OathError),
    /// The emulator's process did not come up, or went away.
    #[error("the emulator has ended: {reason}")]
    LabEnded {
        /// What it said last.
        reason: String,
    },
    /// The emulator refused a command.
    #[error("the emulator refused `{command}`: {reason}")]
    LabRefused {
        /// The command.
        command: String,
        /// Its reason.
        reason: String,
    },
}

impl EmulatorError {
    /// For `map_err` on calls to the operating system.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    pub(crate) fn postgres(action: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Postgres { action: action.into(), reason: reason.into() }
    }

    pub(crate) fn words(problem: impl Into<String>) -> Self {
        Self::Words { problem: problem.into() }
    }
}

impl Remedy for EmulatorError {
    fn code(&self) -> &'static str {
        match self {
            Self::PcscdMissing { .. } => "pcscd-missing",
            Self::DriverMissing { .. } => "vpcd-driver-missing",
            Self::Namespaces { .. } => "namespaces-forbidden",
            Self::BelowRun { .. } => "folder-below-run",
            Self::Io { .. } => "io",
            Self::PcscdEnded => "pcscd-ended",
            Self::PcscdProtocol { .. } => "pcscd-protocol",
            Self::PostgresMissing => "postgresql-missing",
            Self::Postgres { .. } => "postgresql-failed",
            Self::Unnoticed { .. } => "pcscd-unnoticed",
            Self::PortPath { .. } => "port-path",
            Self::Readers { .. } => "readers-out-of-range",
            Self::NfcReaders { .. } => "nfc-readers-out-of-range",
            Self::Command { .. } => "command-unknown",
            Self::Words { .. } => "words-wrong",
            Self::NoReader { .. } => "reader-unknown",
            Self::NoChip { .. } => "reader-without-chip",
            Self::NoCard { .. } => "reader-empty",
            Self::NotToken => "not-a-token",
            Self::NoToken { .. } => "token-unknown",
            Self::ForeignService => "service-foreign",
            Self::Oath(error) => error.code(),
            Self::LabEnded { .. } => "lab-ended",
            Self::LabRefused { .. } => "lab-refused",
        }
    }

    fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::PcscdMissing { .. } => {
                "install the package pcscd; `cargo xtask setup` names all packages that are needed"
            }
            Self::PostgresMissing => {
                "install the package postgresql; `cargo xtask setup` does, without making a cluster of the system's"
            }
            Self::DriverMissing { .. } => {
                "run `cargo xtask setup`, which unpacks the driver below target/vpcd; do not install its package: on a \
                 system's own pcscd anybody could pose as a token"
            }
            Self::Namespaces { .. } => {
                "allow user namespaces (in containers: a seccomp profile that lets unshare pass), or run as root"
            }
            Self::BelowRun { .. } => "choose a folder elsewhere with --dir, for example below /tmp",
            Self::PcscdEnded => "see pcscd.log in the emulator's folder; `pcscd start` starts the service again",
            Self::PcscdProtocol { .. } => "use pcscd 1.9 or 2.x",
            Self::PortPath { .. } => "choose a folder with --dir whose path is short and has no colon in it",
            Self::Readers { .. } => "choose another number with --readers",
            Self::NfcReaders { .. } => "choose another number with --nfc",
            Self::Command { .. } | Self::Words { .. } => "`help` lists all commands",
            Self::NoReader { .. } => "count readers from 0; `status` lists them",
            Self::NoChip { .. } => "readers with a chip are called nfc0, nfc1 and so on; `emulate --nfc N` makes them",
            Self::NoCard { .. } => "insert a card first, as in `insert 0 token2-single serial=86596220000001`",
            Self::NoToken { .. } => "take it off its reader first; `status` says where it lies",
            Self::NotToken => "insert a token",
            Self::Oath(error) => return error.remedy(),
            Self::Io { .. }
            | Self::Postgres { .. }
            | Self::Unnoticed { .. }
            | Self::ForeignService
            | Self::LabEnded { .. }
            | Self::LabRefused { .. } => return None,
        };
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<EmulatorError> {
        let text = String::new;
        vec![
            EmulatorError::PcscdMissing { path: "/usr/sbin/pcscd".into() },
            EmulatorError::DriverMissing { path: "target/vpcd".into() },
            EmulatorError::Namespaces { reason: "unshare failed".into() },
            EmulatorError::BelowRun { path: "/run/x".into() },
            EmulatorError::io("open x")(io::ErrorKind::NotFound.into()),
            EmulatorError::PcscdEnded,
            EmulatorError::PostgresMissing,
            EmulatorError::postgres("pg_ctl start", text()),
            EmulatorError::PcscdProtocol { major: 5, minor: 0 },
            EmulatorError::Unnoticed { event: "a card".into(), seconds: 30 },
            EmulatorError::PortPath { path: "/a:b".into() },
            EmulatorError::Readers { readers: 17 },
            EmulatorError::NfcReaders { readers: 17 },
            EmulatorError::Command { command: "rain".into() },
            EmulatorError::words("at is a number"),
            EmulatorError::NoReader { reader: ReaderId::Nfc(7) },
            EmulatorError::NoCard { reader: ReaderId::Pcsc(0) },
            EmulatorError::NoChip { reader: ReaderId::Pcsc(0) },
            EmulatorError::NotToken,
            EmulatorError::NoToken { serial: text() },
            EmulatorError::ForeignService,
            EmulatorError::Oath(OathError::Serial),
            EmulatorError::LabEnded { reason: text() },
            EmulatorError::LabRefused { command: text(), reason: text() },
        ]
    }

    #[test]
    fn codes_are_kebab_case_and_differ() {
        let mut codes: Vec<_> = all().iter().map(Remedy::code).collect();
        assert!(codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }

    #[test]
    fn messages_and_remedies_are_fragments() {
        for error in all() {
            assert!(!error.to_string().ends_with('.'), "{error}");
            if let Some(remedy) = error.remedy() {
                assert!(!remedy.ends_with('.') && !remedy.starts_with(char::is_uppercase), "{remedy}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_named_with_the_way_to_get_it() {
        let driver = EmulatorError::DriverMissing { path: "target/vpcd".into() };
        assert_eq!(driver.to_string(), "the vpcd driver target/vpcd is not there");
        let pcscd = EmulatorError::PcscdMissing { path: "/usr/sbin/pcscd".into() };
        for error in [driver, pcscd] {
            assert!(error.remedy().unwrap().contains("cargo xtask setup"));
        }
    }
}
