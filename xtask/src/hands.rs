//! Operators with boxes of emulated tokens, one at each reader, who do what a batch's events ask for.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use serde_json::Value;

use crate::emulator::{Control, Emulator};
use crate::failure::{Failure, While as _};

/// Numbers that look like chance and come again with the same seed (`SplitMix`).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// What may happen to a token on the wire.
const FAULTS: [&str; 10] = [
    "tear-before",
    "tear-after",
    "tear-before ins=D4",
    "tear-after ins=D4",
    "tear-before ins=C5",
    "tear-after ins=C5",
    "slow ms=200",
    "status sw=6F00 ins=C5",
    "short len=1 ins=4B",
    // Longer than a command may take. One that never answers would keep the whole emulated service from its other readers
    // when the program that waits for it is killed.
    "slow ms=1500 ins=C5",
];

/// The tokens that wait to be laid on, and those that were laid on before.
#[derive(Default)]
pub(crate) struct Tokens {
    waiting: VecDeque<String>,
    known: BTreeSet<String>,
}

/// One operator for each reader.
pub(crate) struct Hands {
    names: Vec<String>,
    told: Vec<Sender<String>>,
    workers: Vec<JoinHandle<Result<u64, Failure>>>,
}

impl Hands {
    /// With so many tokens in a common box. Of a thousand tokens that are laid on, to `faults` something happens.
    pub(crate) fn new(emulator: &Emulator, tokens: usize, faults: u64, seed: u64) -> Result<Self, Failure> {
        let waiting = (1..=tokens).map(|number| format!("8659622{number:06}")).collect();
        let tokens = Arc::new(Mutex::new(Tokens { waiting, known: BTreeSet::new() }));
        let mut hands = Self { names: emulator.readers(), told: Vec::new(), workers: Vec::new() };
        for (reader, number) in emulator.names().into_iter().zip(0..) {
            let (sender, told) = channel();
            let worker = Worker {
                reader,
                control: emulator.connect()?,
                tokens: Arc::clone(&tokens),
                lying: None,
                used: false,
                broken: false,
                faults,
                chance: Chance(seed.wrapping_add(number)),
                armed: 0,
            };
            hands.told.push(sender);
            hands.workers.push(thread::spawn(move || worker.obey(&told)));
        }
        Ok(hands)
    }

    /// Passes an event on to the operator of its reader.
    pub(crate) fn tell(&self, event: &Value) {
        let (Some(name), Some(what)) = (event["reader"].as_str(), event["event"].as_str()) else { return };
        let reader = self.names.iter().position(|one| name == one);
        if let Some(told) = reader.and_then(|reader| self.told.get(reader)) {
            // An operator who has given up says why at the end.
            let _ = told.send(what.to_owned());
        }
    }

    /// Sends the operators home; says how many faults there were.
    pub(crate) fn end(self) -> Result<u64, Failure> {
        drop(self.told);
        let mut faults = 0;
        for worker in self.workers {
            faults += worker.join().map_err(|_| Failure::new("an operator panicked"))??;
        }
        Ok(faults)
    }
}

/// Who sits at one reader.
struct Worker {
    reader: String,
    control: Control,
    tokens: Arc<Mutex<Tokens>>,
    lying: Option<String>,
    used: bool,
    broken: bool,
    faults: u64,
    chance: Chance,
    armed: u64,
}

impl Worker {
    fn obey(mut self, told: &Receiver<String>) -> Result<u64, Failure> {
        let reader = self.reader.clone();
        for event in told {
            match event.as_str() {
                // After a kill nobody said what to do with what lies there: it stays, and is asked who it is again.
                "waiting" if self.lying.is_some() => drop(self.control.ask(&format!("press {reader}"))?),
                "waiting" => self.lay_on()?,
                "broken" => self.broken = true,
                "take-off" => {
                    if let Some(serial) = self.lying.take() {
                        self.control.ask(&format!("faults {reader} clear"))?;
                        self.control.ask(&format!("remove {reader}"))?;
                        if std::mem::take(&mut self.broken) {
                            lock(&self.tokens).waiting.push_back(serial);
                        }
                    }
                    self.lay_on()?;
                }
                _ => {}
            }
        }
        Ok(self.armed)
    }

    fn lay_on(&mut self) -> Result<(), Failure> {
        let (serial, card) = {
            let mut tokens = lock(&self.tokens);
            let Some(serial) = tokens.waiting.pop_front() else { return Ok(()) };
            let new = tokens.known.insert(serial.clone());
            let card = if new { format!("token2-single serial={serial}") } else { format!("token {serial}") };
            (serial, card)
        };
        // Faults wait on a reader for what is laid there next; one that has had nothing yet has none.
        if std::mem::replace(&mut self.used, true) && self.chance.below(1000) < self.faults {
            let fault = FAULTS[usize::try_from(self.chance.below(FAULTS.len() as u64)).unwrap_or(0)];
            self.control.ask(&format!("fault {} {fault}", self.reader))?;
            self.armed += 1;
        }
        self.lying = Some(serial);
        self.control.ask(&format!("insert {} {card}", self.reader)).map(drop)
    }
}

fn lock(tokens: &Mutex<Tokens>) -> std::sync::MutexGuard<'_, Tokens> {
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run of `oathburn batch … --json`.
pub(crate) struct Run {
    child: Child,
    events: Receiver<(Instant, Value)>,
}

impl Run {
    pub(crate) fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().while_doing("start oathburn batch")?;
        let lines = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
        let (sender, events) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let Ok(event) = serde_json::from_str(&line) else { break };
                if sender.send((Instant::now(), event)).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, events })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next event and when it was heard; `None` when it has ended.
    pub(crate) fn next(&self) -> Option<(Instant, Value)> {
        self.events.recv().ok()
    }

    /// Kills it at once; the events that it told before are still there.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill().while_doing("kill oathburn")?;
        self.child.wait().while_doing("wait for oathburn").map(drop)
    }

    /// Its exit code.
    pub(crate) fn exit(mut self) -> Result<Option<i32>, Failure> {
        Ok(self.child.wait().while_doing("wait for oathburn")?.code())
    }
}
