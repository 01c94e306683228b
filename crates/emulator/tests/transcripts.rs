//! The emulated tokens against every recorded conversation of their families.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use data_encoding::HEXLOWER;
use oathburn_emulator::{Card, Challenges, Entry, KeyKind, Molto2, Reply, Token2Single, Version, YkOath};
use oathburn_oath::{FixedClock, Seed, UnixTime};

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.trim().to_ascii_lowercase().as_bytes()).unwrap_or_else(|_| panic!("not hex: {text}"))
}

fn hex_of(seed: Option<&Seed>) -> String {
    seed.map_or("-".into(), |seed| HEXLOWER.encode(seed.expose()))
}

type Random = Arc<Mutex<VecDeque<[u8; 8]>>>;

fn random_from(random: &Random) -> Challenges {
    let random = Arc::clone(random);
    Box::new(move || random.lock().unwrap().pop_front())
}

/// A clock that stands still.
fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock(UnixTime::new(0)))
}

/// A token of one family, set up by lines of its own.
trait Player: Card {
    /// A line that is none of those all families have; `false` when it is not known.
    fn line(&mut self, word: &str, rest: &str, random: &Random) -> bool;

    /// What follows `state`.
    fn state(&self) -> String;
}

impl Player for Token2Single {
    fn line(&mut self, word: &str, rest: &str, random: &Random) -> bool {
        let new = |serial, restricted| {
            Token2Single::new(serial, restricted).with_clock(clock()).with_challenges(random_from(random))
        };
        match word {
            "serial" => *self = new(rest.parse().unwrap(), self.is_restricted()),
            "restricted" => *self = new(self.serial().clone(), rest == "1"),
            "device-clock" => self.set_time(UnixTime::new(rest.parse().unwrap())),
            _ => return false,
        }
        true
    }

    fn state(&self) -> String {
        let settings = self.settings();
        format!(
            "seed={} algo={} step={} timeout={} code={}",
            hex_of(settings.seed.as_ref()),
            settings.algorithm,
            settings.time_step,
            settings.display_timeout,
            self.display(),
        )
    }
}

impl Player for YkOath {
    fn line(&mut self, word: &str, rest: &str, random: &Random) -> bool {
        let new = |serial, kind, version| YkOath::new(serial, kind, version).with_random(random_from(random));
        match word {
            "serial" => *self = new(rest.parse().unwrap(), self.kind(), self.version()),
            "kind" => *self = new(self.serial().clone(), rest.parse::<KeyKind>().unwrap(), self.version()),
            "version" => *self = new(self.serial().clone(), self.kind(), rest.parse::<Version>().unwrap()),
            "device-id" | "long-entries" => {
                let same = new(self.serial().clone(), self.kind(), self.version());
                *self = match word {
                    "device-id" => same.with_device_id(hex(rest).try_into().unwrap()),
                    _ => same.with_device_id(self.device_id()).with_long_entries(rest.parse().unwrap()),
                };
            }
            _ => return false,
        }
        true
    }

    fn state(&self) -> String {
        let entry = |entry: &Entry| {
            let flags = match (entry.touch, entry.increasing) {
                (false, false) => "-",
                (true, false) => "t",
                (false, true) => "i",
                (true, true) => "ti",
            };
            format!(
                " {}/{}/{}/{}/{flags}/{}/{}",
                HEXLOWER.encode(&entry.name),
                entry.oath_type.as_str(),
                entry.algorithm,
                entry.digits,
                entry.counter,
                HEXLOWER.encode(entry.key.expose()),
            )
        };
        let code = u8::from(self.has_access_code());
        let entries: String = self.entries().map(entry).collect();
        format!("id={} code={code}{entries}", HEXLOWER.encode(&self.device_id()))
    }
}

impl Player for Molto2 {
    fn line(&mut self, word: &str, rest: &str, random: &Random) -> bool {
        let new =
            |serial, profiles| Molto2::new(serial, profiles).with_clock(clock()).with_challenges(random_from(random));
        match word {
            "serial" => *self = new(rest.parse().unwrap(), self.profiles().len()),
            "profiles" => *self = new(self.serial().clone(), rest.parse().unwrap()),
            "device-clock" => {
                self.shift_clock(i64::try_from(rest.parse::<u64>().unwrap()).unwrap() - self.clock_offset());
            }
            "press" => assert_eq!(self.confirm().unwrap_or("-"), rest),
            _ => return false,
        }
        true
    }

    fn state(&self) -> String {
        let profile = |(number, profile): (usize, &oathburn_emulator::Profile)| {
            let code = self.display_at(number, UnixTime::new(0)).unwrap();
            let title = HEXLOWER.encode(&profile.title);
            let seed = hex_of(profile.seed.as_ref());
            let (algorithm, digits, step) = (profile.algorithm, profile.digits, profile.time_step);
            format!(" {number}/{title}/{algorithm}/{digits}/{step}/{seed}/{code}")
        };
        let used =
            |(_, profile): &(usize, &oathburn_emulator::Profile)| profile.seed.is_some() || !profile.title.is_empty();
        let profiles: String = self.profiles().iter().enumerate().filter(used).map(profile).collect();
        let factory = u8::from(self.has_factory_key());
        format!(
            "attempts={} factory-key={factory} lock={}{profiles}",
            self.attempts(),
            u8::from(self.is_screen_locked())
        )
    }
}

/// A family's token as it is before the first line.
fn player(family: &str) -> Box<dyn Player> {
    let serial = "12345678".parse().unwrap();
    match family {
        "token2-single" => Box::new(Token2Single::new(serial, true)),
        "ykoath" => Box::new(YkOath::new(serial, KeyKind::YubiKey, Version([5, 4, 3]))),
        "molto2" => Box::new(Molto2::new(serial, 100)),
        _ => panic!("there is no emulated token of the family {family}"),
    }
}

/// One conversation: its lines set the token up, talk to it and look at it.
struct Replay {
    token: Box<dyn Player>,
    random: Random,
    answer: Option<Vec<u8>>,
    compared: usize,
}

impl Replay {
    fn new(family: &str) -> Self {
        Self { token: player(family), random: Arc::default(), answer: None, compared: 0 }
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "device-random" => self.random.lock().unwrap().push_back(hex(rest).try_into().unwrap()),
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
                assert_eq!(self.token.state(), rest);
                self.compared += 1;
            }
            _ => assert!(self.token.line(word, rest, &self.random), "unknown line: {line}"),
        }
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/transcripts");
    let mut files = Vec::new();
    files_below(&folder, &mut files);
    let mut failures = Vec::new();
    for family in ["token2-single", "ykoath", "molto2"] {
        let below = folder.join(family);
        assert!(files.iter().any(|file| file.starts_with(&below)), "no conversations below {}", below.display());
    }
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let family = file.strip_prefix(&folder).unwrap().iter().next().unwrap().to_str().unwrap();
        let mut replay = Replay::new(family);
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
