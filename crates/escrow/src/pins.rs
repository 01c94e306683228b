//! What this user has seen of each store: which escrow, which roster.

use std::path::PathBuf;

/// A folder with one small file for each store, which pins the escrow and the version of the roster seen there.
#[derive(Clone, Debug)]
pub struct Pins {
    folder: PathBuf,
}

impl Pins {
    /// Pins in this folder; it is made with mode 0700 when the first pin is.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}
