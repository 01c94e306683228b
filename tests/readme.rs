//! The README, word by word: each command prints what stands under it, with an emulated token on a real reader service.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};

use oathburn_oath::Seed;
use serde_json::Value;

use support::{Desk, RESTRICTED, page};

#[test]
fn the_readme_is_true() {
    let desk = Desk::without_escrow(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_oathburn")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let steps = page::steps("README.md");
    assert!(steps.len() >= 5, "{steps:?}");
    let mut hands = Vec::new();
    for (command, expected) in steps {
        if let Some(line) = command.strip_prefix("emulate ") {
            hands.push(emulate(&desk, line));
            continue;
        }
        let mut shell = Command::new("sh");
        shell.arg("-c").current_dir(desk.home()).env_clear().env("HOME", desk.home()).env("PATH", &path);
        shell.env("PCSCLITE_CSOCK_NAME", desk.lab().socket()).env("TZ", "UTC");
        page::compare(&command, &page::output(&mut shell, &command), &expected);
    }
    assert!(!hands.is_empty() && hands.into_iter().all(|hand| hand.join().unwrap()["ok"] == true));
    batch_is_right(&desk);
}

/// Types a line into the window of the emulated readers; it may take until the end of the page.
fn emulate(desk: &Desk, line: &str) -> JoinHandle<Value> {
    let mut window = UnixStream::connect(desk.lab().control()).unwrap();
    writeln!(window, "{line}").unwrap();
    let first = line.split_whitespace().find_map(|word| word.strip_prefix("serial=")).unwrap();
    // Whoever types it sees when the first token lies there.
    while desk.lab().command("status").unwrap()["readers"][0]["serial"] != first {
        thread::yield_now();
    }
    thread::spawn(move || {
        let mut answer = String::new();
        BufReader::new(window).read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    })
}

/// The files that the chapter on batches left are right to the last row.
fn batch_is_right(desk: &Desk) {
    let rows = |name: &str| -> Vec<Vec<String>> {
        let mut reader = csv::Reader::from_path(desk.home().join(name)).unwrap();
        reader.records().map(|row| row.unwrap().iter().map(ToOwned::to_owned).collect()).collect()
    };
    let (results, entra) = (rows("results.csv"), rows("batch.csv"));
    assert_eq!((results.len(), entra.len()), (3, 3));
    for (result, entra) in results.iter().zip(&entra) {
        let state = desk.lab().command(&format!("state token {} --with-seed", result[2])).unwrap();
        let seed = Seed::from_hex(state["seed"].as_str().unwrap()).unwrap();
        assert_eq!((&result[1], &result[2], &result[4]), (&entra[0], &entra[1], &"done".to_owned()));
        assert_eq!((entra[2].to_uppercase(), entra[3].as_str()), (seed.to_base32().to_string(), "30"));
    }
}
