//! axe-core, which judges whether people can use the desk's pages who do not see them, or have no mouse.
//!
//! It comes from the npm registry, pinned, and lies below `target/axe-core`: nothing of it is in the repository.

use std::fs;
use std::path::PathBuf;
use std::process::{self, Command};

use crate::failure::{Failure, While as _};
use crate::place;
use crate::setup::finish;

pub(crate) const PACKAGE: &str = "axe-core";

/// The version whose rules the pages keep. A newer one may know more.
const VERSION: &str = "4.14.1";

fn folder() -> PathBuf {
    place::root().join("target/axe-core")
}

/// Whether it is unpacked, in our version.
pub(crate) fn is_there() -> bool {
    let manifest = fs::read_to_string(folder().join("package.json")).unwrap_or_default();
    let version = serde_json::from_str::<serde_json::Value>(&manifest).ok().map(|json| json["version"] == VERSION);
    version == Some(true) && folder().join("axe.min.js").is_file()
}

/// Fetches and unpacks it, whole or not at all.
pub(crate) fn fetch() -> Result<(), Failure> {
    let scratch = folder().with_extension(format!("new-{}", process::id()));
    fs::create_dir_all(&scratch).while_doing(format_args!("make {}", scratch.display()))?;
    let fetched = fetch_to(&scratch);
    let removed = fs::remove_dir_all(&scratch);
    fetched?;
    removed.while_doing(format_args!("remove {}", scratch.display()))
}

fn fetch_to(scratch: &PathBuf) -> Result<(), Failure> {
    // npm compares what comes with the digest that the registry has of it.
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", &format!("{PACKAGE}@{VERSION}")]).current_dir(scratch);
    finish(&mut pack)?;
    let mut unpack = Command::new("tar");
    unpack.arg("--extract").arg("--file").arg(format!("{PACKAGE}-{VERSION}.tgz")).current_dir(scratch);
    finish(unpack.args(["package/package.json", "package/LICENSE", "package/axe.min.js"]))?;
    if folder().exists() {
        fs::remove_dir_all(folder()).while_doing("remove the old axe-core")?;
    }
    fs::rename(scratch.join("package"), folder()).while_doing("put axe-core in its place")
}
