//! What a server and the way to it say, told apart by what one can do about it.

use std::error::Error as _;
use std::io;

use postgres::Error;
use postgres::error::{DbError, SqlState};

use crate::EscrowError;

/// Turns errors of one store into ours.
#[derive(Clone)]
pub(super) struct Fault {
    /// The store, as errors name it.
    pub(super) store: String,
}

/// What became of the transaction that an error came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another one was faster: run again, it may work.
    Conflict,
    /// There is no connection any more.
    Lost,
    /// It was refused.
    Refused,
}

impl Trouble {
    pub(super) fn of(error: &Error) -> Self {
        match error.as_db_error() {
            Some(error) if is_goodbye(error) => Self::Lost,
            // A number or a name that another one took at the same time shows as a key that is there twice.
            Some(error)
                if [
                    SqlState::T_R_SERIALIZATION_FAILURE,
                    SqlState::T_R_DEADLOCK_DETECTED,
                    SqlState::UNIQUE_VIOLATION,
                ]
                .contains(error.code()) =>
            {
                Self::Conflict
            }
            None if error.is_closed() || is_io(error) => Self::Lost,
            _ => Self::Refused,
        }
    }
}

/// Whether the server ended the connection with it.
fn is_goodbye(error: &DbError) -> bool {
    let code = error.code();
    let gone = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::IDLE_SESSION_TIMEOUT,
    ];
    gone.contains(code) || code.code().starts_with("08")
}

fn is_io(error: &Error) -> bool {
    error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>)
}

impl Fault {
    pub(super) fn unavailable(&self, detail: impl Into<String>) -> EscrowError {
        EscrowError::StoreUnavailable { store: self.store.clone(), detail: detail.into() }
    }

    pub(super) fn corrupt(&self, detail: impl Into<String>) -> EscrowError {
        EscrowError::StoreCorrupt { store: self.store.clone(), detail: detail.into() }
    }

    /// An error of a statement.
    #[allow(clippy::needless_pass_by_value, reason = "it is called in `map_err`, where errors come by value")]
    pub(super) fn of(&self, error: Error) -> EscrowError {
        let store = self.store.clone();
        let Some(answer) = error.as_db_error() else {
            return match Trouble::of(&error) {
                Trouble::Lost => self.unavailable(chain(&error)),
                // Values that are not as we write them.
                _ => self.corrupt(chain(&error)),
            };
        };
        let detail = answer.message().to_owned();
        let code = answer.code();
        match code.code() {
            _ if is_goodbye(answer) => self.unavailable(detail),
            "40001" | "40P01" | "55P03" => EscrowError::StoreBusy { store },
            "25006" => EscrowError::StoreReadOnly { store },
            "42501" => EscrowError::StoreRights { store, detail },
            "53100" => EscrowError::StoreFull { store },
            // A statement that took too long, no place for another connection, no memory.
            "57014" | "53200" | "53300" | "53400" => self.unavailable(detail),
            "22021" => EscrowError::FactRefused { what: "a text with a zero byte".into() },
            "58030" => EscrowError::StoreIo { store, detail },
            // Tables and values that are not as we made them.
            _ => self.corrupt(detail),
        }
    }

    /// An error of the attempt to reach a server.
    pub(super) fn of_connecting(&self, host: &str, error: &Error) -> EscrowError {
        let store = self.store.clone();
        if let Some(answer) = error.as_db_error() {
            let detail = answer.message().to_owned();
            return match answer.code().code() {
                "3D000" => EscrowError::DatabaseMissing { store },
                "42501" => EscrowError::StoreRights { store, detail },
                code if code.starts_with("28") => EscrowError::StoreLogin { store, detail },
                _ => self.unavailable(format!("{host}: {detail}")),
            };
        }
        let text = chain(error);
        match error.to_string().as_str() {
            "error performing TLS handshake" => {
                EscrowError::StoreTls { store, detail: format!("{host}: {}", cause(error)) }
            }
            // What a server asks for and the password file does not have.
            "invalid configuration" | "authentication error" => EscrowError::StoreLogin { store, detail: cause(error) },
            _ => self.unavailable(format!("{host}: {text}")),
        }
    }
}

/// The first cause of an error, which says what happened.
fn cause(error: &Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn chain(error: &Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
