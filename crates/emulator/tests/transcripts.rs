//! The emulated token against every recorded conversation of its family.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use data_encoding::HEXLOWER;
use oathburn_emulator::{Card, Reply, Token2Single};
use oathburn_oath::{FixedClock, UnixTime};

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.trim().to_ascii_lowercase().as_bytes()).unwrap_or_else(|_| panic!("not hex: {text}"))
}

/// The card of one conversation: its lines set it up, talk to it and look at it.
struct Replay {
    token: Token2Single,
    serial: String,
    restricted: bool,
    challenges: Arc<Mutex<VecDeque<[u8; 8]>>>,
    answer: Option<Vec<u8>>,
    compared: usize,
}

impl Replay {
    fn new() -> Self {
        let challenges = Arc::default();
        let token = Self::token("86596220000001", true, &challenges);
        Self { token, serial: "86596220000001".into(), restricted: true, challenges, answer: None, compared: 0 }
    }

    /// A token whose clock stands still until it is set.
    fn token(serial: &str, restricted: bool, challenges: &Arc<Mutex<VecDeque<[u8; 8]>>>) -> Token2Single {
        let challenges = Arc::clone(challenges);
        Token2Single::new(serial.parse().unwrap(), restricted)
            .with_clock(Arc::new(FixedClock(UnixTime::new(0))))
            .with_challenges(Box::new(move || challenges.lock().unwrap().pop_front()))
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "serial" | "restricted" => {
                if word == "serial" {
                    self.serial = rest.into();
                } else {
                    self.restricted = rest == "1";
                }
                self.token = Self::token(&self.serial, self.restricted, &self.challenges);
            }
            "device-clock" => self.token.set_time(UnixTime::new(rest.parse().unwrap())),
            "device-random" => self.challenges.lock().unwrap().push_back(hex(rest).try_into().unwrap()),
            "reset" => self.token.reset(),
            ">" => match self.token.transmit(&hex(rest)) {
                Reply::Answer(answer) => self.answer = Some(answer),
                _ => panic!("no answer to {rest}"),
            },
            "<" => {
                let answer = self.answer.take().expect("an answer follows a command");
                assert_eq!(HEXLOWER.encode(&answer), rest);
                self.compared += 1;
            }
            "state" => {
                assert_eq!(self.state(), rest);
                self.compared += 1;
            }
            _ => panic!("unknown line: {line}"),
        }
    }

    fn state(&self) -> String {
        let settings = self.token.settings();
        format!(
            "seed={} algo={} step={} timeout={} code={}",
            settings.seed.as_ref().map_or("-".into(), |seed| HEXLOWER.encode(seed.expose())),
            settings.algorithm,
            settings.time_step,
            settings.display_timeout,
            self.token.display(),
        )
    }
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "apdu") {
            found.push(path);
        }
    }
}

#[test]
fn every_recorded_conversation_is_answered_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/transcripts/token2-single");
    let mut files = Vec::new();
    files_below(&folder, &mut files);
    assert!(!files.is_empty(), "no conversations below {}", folder.display());
    let mut failures = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut replay = Replay::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| replay.line(line)));
            if played.is_err() {
                failures.push(format!("{}:{number}: {line}", file.display()));
                break;
            }
        }
        if replay.compared == 0 {
            failures.push(format!("{}: compares nothing", file.display()));
        }
    }
    assert!(failures.is_empty(), "{} conversations differ:\n{}", failures.len(), failures.join("\n"));
}
