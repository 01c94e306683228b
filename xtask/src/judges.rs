//! `cargo xtask judges`: foreign programs that are too heavy for every run of the tests read what we write.
//!
//! privacyIDEA brings half a gigabyte of packages, of which its importer is a small part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, While as _};
use crate::place;

/// The versions whose importers judge.
const PRIVACYIDEA: &str = "privacyidea==3.14";
const LINOTP: &str = "LinOTP==2.11.1";
/// What judges the description of the desk's API.
const OPENAPI: &str = "openapi-spec-validator==0.9.0";

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::usage("judges takes no arguments"));
    }
    let folder = place::root().join("target/judges");
    fs::create_dir_all(&folder).while_doing("make a folder for the judges")?;
    let python = environment(&folder)?;
    let linotp = linotp(&folder, &python)?;
    description(&folder)?;
    let written = folder.join("written");
    fs::create_dir_all(&written).while_doing("make a folder for what is judged")?;
    let mut build = place::cargo();
    // With the whole workspace, what it depends on is compiled as for the tests.
    done("build", build.args(["build", "--quiet", "--workspace", "--example", "write_for_judges"]))?;
    done("write files", Command::new(place::built("debug", "examples/write_for_judges")).arg(&written))?;
    let script = place::root().join("xtask/judges/oath_csv.py");
    done("judge", Command::new(python).arg(script).arg(&written).arg(linotp))
}

/// Python with privacyIDEA, below `target`; it is kept for the next time.
fn environment(folder: &Path) -> Result<PathBuf, Failure> {
    let (home, ready) = (folder.join("venv"), folder.join(format!("{PRIVACYIDEA}.ready")));
    let python = home.join("bin/python");
    if !ready.is_file() {
        done("make an environment", Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        done("install privacyIDEA", Command::new(&python).args(["-m", "pip", "install", "--quiet", PRIVACYIDEA]))?;
        fs::write(&ready, "").while_doing("note that the environment is ready")?;
    }
    Ok(python)
}

/// The description of the desk's API, judged in an environment of its own: other packages want other versions.
fn description(folder: &Path) -> Result<(), Failure> {
    let (home, ready) = (folder.join("openapi"), folder.join(format!("{OPENAPI}.ready")));
    let python = home.join("bin/python");
    if !ready.is_file() {
        done("make an environment", Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        done("install the judge of OpenAPI", Command::new(&python).args(["-m", "pip", "install", "--quiet", OPENAPI]))?;
        fs::write(&ready, "").while_doing("note that the environment is ready")?;
    }
    let document = place::root().join("docs/openapi.json");
    done("judge the API's description", Command::new(python).args(["-m", "openapi_spec_validator"]).arg(document))
}

/// The one file of LinOTP that reads OATH CSV; the rest does not run under today's Python.
fn linotp(folder: &Path, python: &Path) -> Result<PathBuf, Failure> {
    let file = folder.join("linotp/__init__.py");
    if !file.is_file() {
        let mut download = Command::new(python);
        download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", LINOTP, "--dest"]);
        done("download LinOTP", download.arg(folder))?;
        let archive = folder.join("LinOTP-2.11.1.tar.gz");
        fs::create_dir_all(folder.join("linotp")).while_doing("make a folder for LinOTP")?;
        let mut unpack = Command::new("tar");
        unpack.arg("--extract").arg("--file").arg(archive).arg("--directory").arg(folder.join("linotp"));
        unpack.args(["--strip-components=4", "LinOTP-2.11.1/linotp/lib/ImportOTP/__init__.py"]);
        done("unpack LinOTP", &mut unpack)?;
    }
    Ok(file)
}

fn done(what: &str, command: &mut Command) -> Result<(), Failure> {
    let status = command.status().while_doing(what)?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("failed to {what}: {status}"))) }
}
