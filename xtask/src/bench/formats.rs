//! Formats: a million rows out of an escrow.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::codes::{TOKENS, escrow};
use super::process::{Measured, measured};
use super::title;
use crate::failure::{Failure, While as _};
use crate::place;

pub(super) fn run() -> Result<(), Failure> {
    let (full, _) = escrow()?;
    // An export is noted of every token: the escrow that other measurements use stays as it is.
    let home = full.with_file_name("million-exported");
    if home.exists() {
        fs::remove_dir_all(&home).while_doing("remove what an earlier run left")?;
    }
    copy(&full, &home)?;
    let export = out(&home);
    fs::remove_dir_all(&home).while_doing("remove the copied escrow")?;
    let export = export?;
    title("\na million tokens written for Entra, each looked at before and noted; seconds are the processor's", 1);
    export.print("oathburn export", TOKENS);
    Ok(())
}

/// One export.
fn out(home: &Path) -> Result<Measured, Failure> {
    let file = home.join("entra.csv");
    let mut command = Command::new(place::built("release", "oathburn"));
    command.env_clear().env("HOME", home);
    command.args(["--quiet", "export", "--format", "entra", "--reason", "bench", "--default-model", "C202", "--out"]);
    let run = measured(command.arg(&file))?;
    let lines = fs::read(&file).map_or(0, |bytes| bytes.split(|byte| *byte == b'\n').count() as u64 - 1);
    if lines != TOKENS + 1 {
        return Err(Failure::new(format!("the export went wrong: {lines} lines")));
    }
    Ok(run)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let status = Command::new("cp").arg("-r").arg(from).arg(to).status().while_doing("copy the escrow")?;
    if status.success() { Ok(()) } else { Err(Failure::new("the escrow could not be copied")) }
}
