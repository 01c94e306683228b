//! The recorded conversations as judge of the driver: every file below `fixtures/transcripts` is taken.
//!
//! Two readings. Line by line, whatever the card accepted must be what this driver would have sent, and whatever
//! it refused for its key or MAC must not. And every complete burn is run again with the driver as host: given the
//! recorded challenges, it must send the recorded answer, config and seed to the last byte.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use oathburn_oath::{Algorithm, FixedClock, Seed, SerialNumber, Slot, TimeStep, TotpParams, UnixTime};

use super::seal::DeviceKey;
use super::single::{DEVICE_KEY, config_command, parse_info, seed_command};
use crate::{DisplayTimeout, Extras, Models, Order, Permits, Token2Single, TokenFamily, Transport, TransportError};

/// One line of a conversation that matters to a host.
#[derive(Clone, Debug)]
enum Line {
    Serial(String),
    Reset,
    /// A command and the answer to it.
    Exchange(Vec<u8>, Vec<u8>),
    /// The seed the card held then, if any.
    State(Option<Vec<u8>>),
}

fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "apdu") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = Vec::new();
    let mut command = None;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let hex = || HEX.decode(rest.trim().as_bytes()).unwrap();
        match word {
            "serial" => lines.push(Line::Serial(rest.trim().into())),
            "reset" => lines.push(Line::Reset),
            ">" => command = Some(hex()),
            "<" => lines.push(Line::Exchange(command.take().expect("an answer follows a command"), hex())),
            "state" => {
                let seed = rest.split_whitespace().find_map(|field| field.strip_prefix("seed=")).unwrap();
                lines.push(Line::State((seed != "-").then(|| HEX.decode(seed.as_bytes()).unwrap())));
            }
            "restricted" | "device-clock" | "device-random" => {}
            other => panic!("{}: unknown line `{other}`", path.display()),
        }
    }
    lines
}

/// The parameters in a config that this family's hosts may send; `None` for values or forms that no host should.
fn config_of(command: &[u8]) -> Option<(TotpParams, DisplayTimeout, u32)> {
    let body = command.get(5..24).filter(|_| command.len() == 28 && command.starts_with(&[0x84, 0xd4, 0, 0, 0x17]))?;
    let [0x81, 0x11, 0x1f, 1, display, 0x0f, 4, t3, t2, t1, t0, 0x86, 6, 0x0a, 1, algorithm, 0x0d, 1, step] = *body
    else {
        return None;
    };
    let algorithm = match algorithm {
        1 => Algorithm::Sha1,
        2 => Algorithm::Sha256,
        _ => return None,
    };
    let step = [TimeStep::S30, TimeStep::S60].into_iter().find(|known| known.seconds() == u32::from(step))?;
    let display = [DisplayTimeout::S15, DisplayTimeout::S30, DisplayTimeout::S60, DisplayTimeout::S120]
        .get(usize::from(display))
        .copied()?;
    Some((TotpParams { algorithm, step, ..TotpParams::default() }, display, u32::from_be_bytes([t3, t2, t1, t0])))
}

#[test]
fn every_recorded_line_is_as_the_driver_would_have_it() {
    let key = DeviceKey::new(&DEVICE_KEY);
    let files = files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/transcripts/token2-single")));
    let mut judged = [0; 5];
    for path in &files {
        let name = path.display();
        let (mut serial, mut challenge, mut seed_body) = (None, None, None);
        for line in read(path) {
            match line {
                Line::Serial(text) => serial = Some(SerialNumber::new(&text).unwrap()),
                Line::Reset => challenge = None,
                Line::State(seed) => {
                    if let (Some(seed), Some(body)) = (seed, seed_body.take()) {
                        let sent: Vec<u8> = body;
                        // Hosts may add blocks of zeros after the padding; this driver does not.
                        let (ours, more) = sent.split_at((seed.len() / 16 + 1) * 16);
                        assert_eq!(key.encrypt(&seed).as_slice(), ours, "{name}: seed");
                        let zeros = key.answer([0; 8]);
                        assert!(more.chunks(16).all(|block| block == zeros), "{name}: padding");
                        judged[0] += 1;
                    }
                }
                Line::Exchange(command, answer) => {
                    let (data, status) = answer.split_at(answer.len() - 2);
                    let done = status == [0x90, 0x00];
                    match command.get(1) {
                        Some(0x41) if done => {
                            let (found, _) = parse_info(data).unwrap_or_else(|| panic!("{name}: info"));
                            assert_eq!(Some(found), serial, "{name}");
                            judged[1] += 1;
                        }
                        Some(0x4b) if done => challenge = <[u8; 8]>::try_from(data).ok(),
                        Some(0xce) if command.len() == 21 && challenge.is_some() => {
                            let right = command[5..] == key.answer(challenge.take().unwrap());
                            assert_eq!(right, done, "{name}: answer");
                            judged[2] += 1;
                        }
                        Some(0xc5 | 0xd4) if done => {
                            // The card looks no further than Lc.
                            let (body, recorded) =
                                command[5..][..usize::from(command[4])].split_last_chunk::<4>().unwrap();
                            let mac = key.mac([command[1], command[2], command[3]], body);
                            assert_eq!(*recorded, mac, "{name}: MAC");
                            judged[3] += 1;
                            if let Some((params, display, time)) = config_of(&command) {
                                let ours = config_command(&key, params, display, time).encode();
                                assert_eq!(ours.as_slice(), command, "{name}: config");
                                judged[4] += 1;
                            }
                            seed_body = (command[1] == 0xc5).then(|| body.to_vec());
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    // A reading that finds nothing to judge proves nothing.
    assert!(judged.iter().all(|&count| count >= 40), "{judged:?} in {} files", files.len());
}

/// A complete burn as recorded: one accepted config, then one accepted seed.
struct Burn {
    serial: SerialNumber,
    challenge: Vec<u8>,
    answer: Vec<u8>,
    config: Vec<u8>,
    seed_command: Vec<u8>,
    seed: Vec<u8>,
}

fn burns(lines: &[Line]) -> Vec<Burn> {
    let (mut burns, mut serial, mut challenge) = (Vec::new(), None, Vec::new());
    let mut login: Option<(Vec<u8>, Vec<u8>)> = None;
    let (mut config, mut write): (Option<Vec<u8>>, Option<Vec<u8>>) = (None, None);
    for line in lines {
        match line {
            Line::Serial(text) => serial = Some(SerialNumber::new(text).unwrap()),
            Line::Exchange(command, answer) if answer.ends_with(&[0x90, 0x00]) => match command[1] {
                0x4b => challenge = answer[..answer.len() - 2].to_vec(),
                0xce => login = Some((challenge.clone(), command.clone())),
                0xd4 => (config, write) = (Some(command.clone()), None),
                0xc5 => write = Some(command.clone()),
                _ => {}
            },
            Line::Exchange(..) | Line::Reset => {}
            Line::State(seed) => {
                if let (Some(serial), Some((challenge, answer)), Some(config), Some(seed_command), Some(seed)) =
                    (serial.clone(), login.take(), config.take(), write.take(), seed.clone())
                {
                    burns.push(Burn { serial, challenge, answer, config, seed_command, seed });
                }
            }
        }
    }
    burns
}

/// The card's part of a recorded burn. The info it gives is made up; the rest is what was recorded.
struct Player<'a> {
    burn: &'a Burn,
    clock: u32,
    expected: VecDeque<&'a [u8]>,
}

impl Transport for Player<'_> {
    fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        let mut answer = match c_apdu[1] {
            0x41 => {
                let serial = self.burn.serial.as_str().as_bytes();
                let mut info = vec![0x95, 0, 2, u8::try_from(serial.len()).unwrap()];
                info.extend_from_slice(serial);
                info.extend([0x11, 4]);
                info.extend(self.clock.to_be_bytes());
                info
            }
            0x4b => self.burn.challenge.clone(),
            _ => {
                assert_eq!(Some(c_apdu), self.expected.pop_front());
                if let Some((_, _, time)) = config_of(c_apdu) {
                    self.clock = time;
                }
                vec![]
            }
        };
        answer.extend([0x90, 0x00]);
        Ok(answer)
    }
}

#[test]
fn every_recorded_burn_is_repeated_to_the_last_byte() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/transcripts/token2-single"));
    let mut repeated = 0;
    for path in files(root) {
        for burn in burns(&read(&path)) {
            let Some((params, display_timeout, time)) = config_of(&burn.config) else { continue };
            if burn.seed_command.len() != 5 + (burn.seed.len() / 16 + 1) * 16 + 4 {
                continue; // A host that padded with more blocks than needed.
            }
            let seed = Seed::new(burn.seed.clone()).unwrap();
            let time = UnixTime::new(u64::from(time));
            let heard = RefCell::new(0);
            let order = Order {
                serial: &burn.serial,
                slot: &Slot::SINGLE,
                seed: &seed,
                params: params.into(),
                display_timeout,
                clock: &FixedClock(time),
                models: &Models::builtin(),
                permits: Permits { unlisted_model: true, ..Permits::default() },
                extras: Extras::default(),
                progress: &|_| *heard.borrow_mut() += 1,
            };
            let expected = [&burn.answer, &burn.config, &burn.seed_command].map(Vec::as_slice).into();
            let mut player = Player { burn: &burn, clock: 0, expected };
            let info = Token2Single.program(&mut player, &order).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert_eq!((info.serial, info.clock), (burn.serial.clone(), Some(time)), "{}", path.display());
            assert!(player.expected.is_empty() && heard.into_inner() == 4, "{}", path.display());
            // The seed is written in one way only.
            let ours = seed_command(&DeviceKey::new(&DEVICE_KEY), &seed, 0).encode();
            assert_eq!(ours.as_slice(), burn.seed_command);
            repeated += 1;
        }
    }
    assert!(repeated >= 60, "only {repeated} burns were found");
}
