//! Formats: a million rows out of an escrow.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::codes::{TOKENS, escrow, peak};
use super::{print_row, title};
use crate::failure::{Failure, While as _};
use crate::place;

/// How often the memory of a running program is looked at.
const LOOK: Duration = Duration::from_millis(5);

pub(super) fn run() -> Result<(), Failure> {
    let (full, _) = escrow()?;
    // An export is noted of every token: the escrow that other measurements use stays as it is.
    let home = full.with_file_name("million-exported");
    if home.exists() {
        fs::remove_dir_all(&home).while_doing("remove what an earlier run left")?;
    }
    copy(&full, &home)?;
    let measured = out(&home);
    fs::remove_dir_all(&home).while_doing("remove the copied escrow")?;
    let (time, memory) = measured?;
    title("\na million tokens written for Entra, each looked at before and noted", 1);
    print_row("oathburn export", time);
    #[expect(clippy::cast_precision_loss, reason = "a million is exact")]
    let rate = TOKENS as f64 / time.as_secs_f64();
    println!("  {:<28} {rate:>7.0} rows/s", "");
    println!("  {:<28} {:>7} MB", "memory at most", memory / 1024);
    Ok(())
}

/// One export, its time and the most memory it used, in kB.
fn out(home: &Path) -> Result<(Duration, u64), Failure> {
    let file = home.join("entra.csv");
    let mut command = Command::new(place::built("release", "oathburn"));
    command.env_clear().env("HOME", home);
    command.args(["--quiet", "export", "--format", "entra", "--reason", "bench", "--default-model", "C202", "--out"]);
    let start = Instant::now();
    let mut child = command.arg(&file).stdout(Stdio::null()).spawn().while_doing("start oathburn")?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut memory = 0;
    let ended = loop {
        memory = peak(&status).max(memory);
        match child.try_wait().while_doing("wait for oathburn")? {
            Some(ended) => break ended,
            None => std::thread::sleep(LOOK),
        }
    };
    let time = start.elapsed();
    let lines = fs::read(&file).map_or(0, |bytes| bytes.split(|byte| *byte == b'\n').count() as u64 - 1);
    if !ended.success() || lines != TOKENS + 1 {
        return Err(Failure::new(format!("the export went wrong: {ended}, {lines} lines")));
    }
    Ok((time, memory))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let status = Command::new("cp").arg("-r").arg(from).arg(to).status().while_doing("copy the escrow")?;
    if status.success() { Ok(()) } else { Err(Failure::new("the escrow could not be copied")) }
}
