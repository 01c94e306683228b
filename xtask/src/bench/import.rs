//! A million tokens from a file into an escrow: rows a second, and memory.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::codes::TOKENS;
use super::process::{Measured, measured};
use super::title;
use crate::failure::{Failure, While as _};
use crate::place;

pub(super) fn run() -> Result<(), Failure> {
    let home = place::built("release", "import-bench");
    if home.exists() {
        fs::remove_dir_all(&home).while_doing("remove the last run's escrow")?;
    }
    fs::create_dir_all(&home).while_doing("make a folder")?;
    let list = home.join("tokens.csv");
    write_list(&list).while_doing("write a list of tokens")?;
    oathburn(&home, &["--quiet", "escrow", "init", "--plain-identity"])?;
    title("\na million tokens of an Entra list taken in; seconds and rates are the processor's", 1);
    let list = list.display().to_string();
    for (name, arguments, count) in [
        ("looked at (--dry-run)", &["import", "--json", "--dry-run", &list][..], "new"),
        ("imported", &["import", "--json", &list], "imported"),
        ("imported again: all there", &["import", "--json", &list], "skipped"),
    ] {
        let run = oathburn(&home, arguments)?;
        let said: Value = serde_json::from_str(&run.stdout).while_doing("understand oathburn")?;
        if said[count] != TOKENS {
            return Err(Failure::new(format!("the import went wrong: {said}")));
        }
        run.print(name, TOKENS);
    }
    fs::remove_dir_all(&home).while_doing("remove the escrow")
}

/// A list as a factory writes it, each token with a seed of its own.
fn write_list(path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "upn,serial number,secret key,time interval,manufacturer,model")?;
    for number in 0..TOKENS {
        let seed = seed(number);
        writeln!(file, "user{number}@example.com,23{number:011},{seed},30,Token2,C202")?;
    }
    file.flush()
}

/// 160 bits in Base32 that look like chance (`SplitMix64`, Steele and others, 2014).
fn seed(number: u64) -> String {
    let mut state = number;
    let mut text = String::with_capacity(32);
    while text.len() < 32 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ mixed >> 31 ^ number << 20;
        for place in 0..8 {
            text.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(mixed >> (5 * place) & 31) as usize]));
        }
    }
    text
}

fn oathburn(home: &Path, arguments: &[&str]) -> Result<Measured, Failure> {
    measured(Command::new(place::built("release", "oathburn")).env_clear().env("HOME", home).args(arguments))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn seeds_differ() {
        let seeds: BTreeSet<_> = (0..10_000).map(seed).collect();
        assert_eq!(seeds.len(), 10_000);
        assert!(seeds.iter().all(|seed| seed.len() == 32));
    }
}
