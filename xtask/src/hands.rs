//! Operators with boxes of emulated tokens, one at each reader, who do what a batch's events ask for.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

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

/// What an operator is told.
enum Told {
    Event(String),
    /// Say so when everything before this was done.
    Settle(Sender<()>),
}

/// One operator for each reader.
pub(crate) struct Hands {
    names: Vec<String>,
    told: Vec<Sender<Told>>,
    workers: Vec<JoinHandle<u64>>,
    /// Why operators gave up.
    troubles: Receiver<Failure>,
}

impl Hands {
    /// With so many tokens in a common box. Of a thousand tokens that are laid on, to `faults` something happens.
    pub(crate) fn new(emulator: &Emulator, tokens: usize, faults: u64, seed: u64) -> Result<Self, Failure> {
        let waiting = (1..=tokens).map(|number| format!("8659622{number:06}")).collect();
        let tokens = Arc::new(Mutex::new(Tokens { waiting, known: BTreeSet::new() }));
        let (trouble, troubles) = channel();
        let mut hands = Self { names: emulator.readers(), told: Vec::new(), workers: Vec::new(), troubles };
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
            let trouble = trouble.clone();
            hands.workers.push(thread::spawn(move || worker.work(&told, &trouble)));
        }
        Ok(hands)
    }

    /// Passes an event on to the operator of its reader. Fails when an operator has given up: whoever waited for tokens on
    /// that reader would wait for good.
    pub(crate) fn tell(&self, event: &Value) -> Result<(), Failure> {
        if let Ok(trouble) = self.troubles.try_recv() {
            return Err(trouble);
        }
        let (Some(name), Some(what)) = (event["reader"].as_str(), event["event"].as_str()) else { return Ok(()) };
        let reader = self.names.iter().position(|one| name == one);
        if let Some(told) = reader.and_then(|reader| self.told.get(reader)) {
            // One who is gone has left a word, which is heard next time.
            let _ = told.send(Told::Event(what.to_owned()));
        }
        Ok(())
    }

    /// Waits until every operator has done what was asked for. After a kill the next run would otherwise talk to tokens that
    /// are being taken off for the one before it, and its operators would be one token ahead of it for good.
    pub(crate) fn settle(&self) -> Result<(), Failure> {
        let (sender, settled) = channel();
        for told in &self.told {
            let _ = told.send(Told::Settle(sender.clone()));
        }
        drop(sender);
        // It ends when the last of them has answered, or is gone.
        settled.iter().for_each(drop);
        self.troubles.try_recv().map_or(Ok(()), Err)
    }

    /// Sends the operators home; says how many faults there were.
    pub(crate) fn end(self) -> Result<u64, Failure> {
        drop(self.told);
        let mut faults = 0;
        for worker in self.workers {
            faults += worker.join().map_err(|_| Failure::new("an operator panicked"))?;
        }
        self.troubles.try_recv().map_or(Ok(faults), Err)
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
    /// Does what the events ask for until there are no more; says how many faults there were.
    fn work(mut self, told: &Receiver<Told>, trouble: &Sender<Failure>) -> u64 {
        if let Err(failure) = self.obey(told) {
            let failure = Failure::new(format!("the operator at reader {} gave up: {failure}", self.reader));
            // Whoever does not listen any more has failed already.
            let _ = trouble.send(failure);
        }
        self.armed
    }

    fn obey(&mut self, told: &Receiver<Told>) -> Result<(), Failure> {
        let reader = self.reader.clone();
        for told in told {
            let event = match told {
                Told::Event(event) => event,
                Told::Settle(done) => {
                    // Nobody waits any more where somebody has failed.
                    let _ = done.send(());
                    continue;
                }
            };
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
        Ok(())
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

    /// The next event and when it was heard; `None` when it has ended. Fails when it says nothing for so long.
    pub(crate) fn next(&self, patience: Duration) -> Result<Option<(Instant, Value)>, Failure> {
        match self.events.recv_timeout(patience) {
            Ok(heard) => Ok(Some(heard)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                Err(Failure::new(format!("the batch has said nothing for {} s", patience.as_secs())))
            }
        }
    }

    /// Kills it at once; the events that it told before are still there.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill().while_doing("kill oathburn")?;
        self.child.wait().while_doing("wait for oathburn").map(drop)
    }

    /// Its exit code, once it has ended by itself.
    pub(crate) fn exit(mut self) -> Result<Option<i32>, Failure> {
        Ok(self.child.wait().while_doing("wait for oathburn")?.code())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It has ended, unless whoever started it has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
