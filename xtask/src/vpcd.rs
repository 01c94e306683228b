//! The vpcd driver, through which the real PC/SC service sees emulated tokens.
//!
//! It is unpacked below `target/vpcd` and never installed: an installed driver makes the system's PC/SC service listen
//! on all interfaces, and anybody could pose as a token and collect seeds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::failure::{Failure, While as _};
use crate::setup::finish;
use crate::{place, setup};

pub(crate) const PACKAGE: &str = "vsmartcard-vpcd";

const DRIVER: &str = "libifdvpcd.so";

fn folder() -> PathBuf {
    place::root().join("target/vpcd")
}

/// Whether the driver is unpacked.
pub(crate) fn is_there() -> bool {
    find(&folder(), DRIVER).is_some()
}

/// Fetches and unpacks the driver, whole or not at all.
pub(crate) fn fetch() -> Result<(), Failure> {
    if place::program("apt-get").is_none() || place::program("dpkg-deb").is_none() {
        return Err(Failure::new(format!(
            "without apt the vpcd driver cannot be fetched: put {DRIVER} of Debian's package {PACKAGE} below {}",
            folder().display()
        )));
    }
    let scratch = folder().with_extension(format!("new-{}", process::id()));
    let fetched = fetch_to(&scratch);
    let removed = fs::remove_dir_all(&scratch);
    fetched?;
    removed.while_doing(format_args!("remove {}", scratch.display()))
}

fn fetch_to(scratch: &Path) -> Result<(), Failure> {
    let unpacked = scratch.join("unpacked");
    fs::create_dir_all(&unpacked).while_doing(format_args!("make {}", unpacked.display()))?;
    if finish(&mut download(scratch)).is_err() {
        // A fresh machine has no package lists yet.
        setup::update()?;
        finish(&mut download(scratch))?;
    }
    let package = find(scratch, ".deb").ok_or_else(|| Failure::new(format!("apt-get left no {PACKAGE}")))?;
    finish(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&unpacked))?;
    if find(&unpacked, DRIVER).is_none() {
        return Err(Failure::new(format!("the package {PACKAGE} has no {DRIVER}")));
    }
    if folder().exists() {
        fs::remove_dir_all(folder()).while_doing("remove the old driver")?;
    }
    fs::rename(&unpacked, folder()).while_doing("put the driver in its place")
}

fn download(into: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["--quiet", "--quiet", "download", PACKAGE]).current_dir(into);
    if setup::is_root() {
        // Root's downloads are done by a user who cannot write here, which apt would warn of.
        command.args(["--option", "APT::Sandbox::User=root"]);
    }
    command
}

/// The first file below `folder` whose name ends so.
fn find(folder: &Path, ending: &str) -> Option<PathBuf> {
    let (folders, files): (Vec<_>, Vec<_>) =
        fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).partition(|path| path.is_dir());
    let found = files.into_iter().find(|file| file.to_string_lossy().ends_with(ending) && file.is_file());
    found.or_else(|| folders.iter().find_map(|folder| find(folder, ending)))
}
