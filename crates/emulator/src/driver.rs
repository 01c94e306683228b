//! Where the vpcd driver lies. It is never installed on a system: anybody could then pose as a token.

use std::fs;
use std::path::{Path, PathBuf};

use crate::EmulatorError;

const NAME: &str = "libifdvpcd.so";

/// Looks for the driver below `target/vpcd` of the folders `starts` and all folders above them.
pub fn find_driver(starts: &[PathBuf]) -> Result<PathBuf, EmulatorError> {
    starts
        .iter()
        .flat_map(|start| start.ancestors())
        .map(|folder| folder.join("target/vpcd"))
        .find_map(|folder| find_below(&folder))
        .ok_or_else(|| EmulatorError::DriverMissing { path: Path::new("target/vpcd").join(NAME) })
}

/// The package's layout differs between architectures, so the whole of it is searched. It is small.
fn find_below(folder: &Path) -> Option<PathBuf> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if entry.file_name() == NAME && path.is_file() {
            return Some(path);
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(path);
        }
    }
    folders.iter().find_map(|folder| find_below(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_is_found_from_below() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        assert!(
            matches!(find_driver(std::slice::from_ref(&deep)), Err(EmulatorError::DriverMissing { .. })) || {
                // A machine whose temporary folder lies in a prepared work tree.
                root.path().ancestors().any(|folder| folder.join("target/vpcd").exists())
            }
        );
        let serial = root.path().join("a/target/vpcd/usr/lib/some-triplet/pcsc/drivers/serial");
        fs::create_dir_all(&serial).unwrap();
        fs::write(serial.join("libifdvpcd.so"), "").unwrap();
        assert_eq!(find_driver(&[deep]).unwrap(), serial.join("libifdvpcd.so"));
    }
}
