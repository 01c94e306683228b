//! What SQLite and the system say, told apart by what one can do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use rustix::fs::Access;

use crate::EscrowError;

/// Turns errors of one store's file into ours.
#[derive(Clone)]
pub(super) struct Fault {
    path: PathBuf,
}

impl Fault {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// The store, as errors name it.
    pub(super) fn store(&self) -> String {
        self.path.display().to_string()
    }

    /// An error of SQLite.
    #[allow(clippy::needless_pass_by_value, reason = "it is called in `map_err`, where errors come by value")]
    pub(super) fn of(&self, error: rusqlite::Error) -> EscrowError {
        let store = self.store();
        let detail = error.to_string();
        if error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE) {
            // The index of the write-ahead log is the first file that a full disk has no room for.
            return EscrowError::StoreFull { store };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => EscrowError::StoreBusy { store },
            Some(ErrorCode::NotADatabase) => EscrowError::NotDatabase { store },
            Some(ErrorCode::ReadOnly) => EscrowError::StoreReadOnly { store },
            Some(ErrorCode::DiskFull) => EscrowError::StoreFull { store },
            Some(ErrorCode::PermissionDenied) => EscrowError::StoreDenied { store },
            // SQLite does not say why it cannot open the file or those beside it; the system does.
            Some(ErrorCode::CannotOpen) => self.unopened().unwrap_or(EscrowError::StoreIo { store, detail }),
            Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted) => {
                EscrowError::StoreIo { store, detail }
            }
            // Tables and values that are not as we made them.
            _ => EscrowError::StoreCorrupt { store, detail },
        }
    }

    fn unopened(&self) -> Option<EscrowError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let wanted = Access::READ_OK | Access::WRITE_OK;
        let refused =
            [self.path.as_path(), folder].into_iter().find_map(|path| rustix::fs::access(path, wanted).err())?;
        Some(self.of_folder(&refused.into()))
    }

    /// An error about the store's own file.
    pub(super) fn of_file(&self, error: &io::Error) -> EscrowError {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => EscrowError::StoreMissing { store: self.store() },
            _ => self.of_folder(error),
        }
    }

    /// An error about a file beside the store, or one to be.
    pub(super) fn of_folder(&self, error: &io::Error) -> EscrowError {
        let store = self.store();
        match error.kind() {
            io::ErrorKind::PermissionDenied => EscrowError::StoreDenied { store },
            io::ErrorKind::ReadOnlyFilesystem => EscrowError::StoreReadOnly { store },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => EscrowError::StoreFull { store },
            _ => EscrowError::StoreIo { store, detail: error.to_string() },
        }
    }
}
