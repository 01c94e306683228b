//! Which format a store has, without touching it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::fault::Fault;
use super::{FORMAT, SqliteStore, format_of, recognise};
use crate::EscrowError;

impl SqliteStore {
    /// The format of the store in this file, and the newest that is known here.
    pub(crate) fn format(path: &Path) -> Result<(i64, i64), EscrowError> {
        let fault = Fault::at(path);
        let metadata = std::fs::metadata(path).map_err(|error| fault.of_file(&error))?;
        if !metadata.is_file() || metadata.len() == 0 {
            return Err(EscrowError::NotDatabase { store: fault.store() });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| fault.of(error))?;
        recognise(&connection, &fault)?;
        Ok((format_of(&connection).map_err(|error| fault.of(error))?, FORMAT))
    }
}
