//! The NFC chip PN532 as its host sees it on a serial line. Bytes in, bytes out; time is told from outside.
//!
//! Written from `docs/protocol/pn532.md`, and judged by the programs of libnfc.

mod antenna;
mod command;
mod fault;
mod frame;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use self::antenna::{Antenna, WAITING_TIME};
use self::command::{Answer, Search};
pub use self::fault::ChipFault;
use self::frame::{ACK, Frame, FrameReader, SYNTAX_ERROR};
use crate::fault::Armory;
use crate::{Card, Exchange, Trigger};

/// What wakes a sleeping chip: a rising edge on the line, for which this byte is sent.
const WAKE_UP: u8 = 0x55;

/// The longest log; what is older is forgotten.
const LOG_LEN: usize = 10_000;

/// A search for a card that goes on until one comes, or its time is over.
struct Searching {
    search: Search,
    until: Option<Instant>,
    faults: Vec<ChipFault>,
}

/// How much of the chip is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    /// All of it.
    On,
    /// It waits to be woken; without `wakes_by_line` only [`Pn532::reset`] does that.
    Asleep { wakes_by_line: bool },
    /// Nothing: the port has vanished.
    Off,
}

/// A chip with its antenna, and a card on that or not.
pub struct Pn532 {
    frames: FrameReader,
    power: Power,
    antenna: Antenna,
    registers: BTreeMap<u16, u8>,
    ports: [u8; 3],
    parameters: u8,
    /// How often it looks for a card after the first time; 255 is for ever.
    retries: u8,
    searching: Option<Searching>,
    /// What it will say, and when.
    outbox: VecDeque<(Instant, Vec<u8>)>,
    last_reply: Vec<u8>,
    /// The answer that a card is still working on, and the chip waits for.
    awaited: Option<Vec<u8>>,
    armory: Armory<ChipFault>,
    is_mute: bool,
    log: VecDeque<Exchange>,
}

impl Default for Pn532 {
    fn default() -> Self {
        Self::new()
    }
}

impl Pn532 {
    /// A chip that has just got power: asleep, nothing on its antenna.
    pub fn new() -> Self {
        Self {
            frames: FrameReader::new(),
            power: Power::Asleep { wakes_by_line: true },
            antenna: Antenna::default(),
            registers: BTreeMap::new(),
            ports: [0xff; 3],
            parameters: command::DEFAULT_PARAMETERS,
            retries: command::FOR_EVER,
            searching: None,
            outbox: VecDeque::new(),
            last_reply: Vec::new(),
            awaited: None,
            armory: Armory::default(),
            is_mute: false,
            log: VecDeque::new(),
        }
    }

    /// Takes the chip's power away and gives it back. The card stays where it is, armed faults stay armed.
    pub fn reset(&mut self) {
        self.antenna.release();
        self.antenna.switch(false);
        let antenna = std::mem::take(&mut self.antenna);
        let armory = std::mem::take(&mut self.armory);
        let log = std::mem::take(&mut self.log);
        *self = Self { antenna, armory, log, ..Self::new() };
    }

    /// Lays a card on the antenna, instead of the one before. Who waits for a card gets it.
    pub fn place(&mut self, card: impl Card + 'static, now: Instant) {
        self.antenna.place(Box::new(card));
        let Some(searching) = self.searching.take() else { return };
        match self.search(&searching.search) {
            Some(reply) => self.reply(reply, Duration::ZERO, &searching.faults, now),
            None => self.searching = Some(searching),
        }
    }

    /// Takes the card away. Whoever holds a shared one can ask it then what it knows. A chip that waits for its answer
    /// notices.
    pub fn take_away(&mut self, now: Instant) {
        self.antenna.take_away();
        // Its answer may have been said already.
        if let (Some(mut reply), Some((when, bytes))) = (self.awaited.take(), self.outbox.back_mut())
            && *when > now
        {
            command::lose_card(&mut reply);
            *bytes = frame::encode(&reply);
            *when = (*when).min(now + WAITING_TIME);
            self.last_reply.clone_from(bytes);
            if let Some(exchange) = self.log.back_mut() {
                exchange.answer = Some(reply);
            }
        }
    }

    /// Whether a card lies there and was not torn away.
    pub fn has_card(&self) -> bool {
        self.antenna.has_card()
    }

    /// Arms a fault. Commands are counted and named by their first byte.
    pub fn arm(&mut self, trigger: Trigger, fault: ChipFault) {
        self.armory.arm(trigger, fault);
    }

    /// Disarms what has not happened yet, and ends muteness.
    pub fn disarm(&mut self) {
        self.is_mute = false;
        self.armory.disarm().for_each(drop);
    }

    /// How many faults are waiting for their command.
    pub fn armed(&self) -> usize {
        self.armory.len()
    }

    /// Makes the port vanish: the chip has no power until it is reset.
    pub fn vanish(&mut self) {
        self.abort();
        self.antenna.release();
        self.antenna.switch(false);
        self.power = Power::Off;
    }

    /// Whether the port has vanished, by [`Pn532::vanish`] or [`ChipFault::Vanish`]. A reset brings it
    /// back.
    pub fn has_vanished(&self) -> bool {
        self.power == Power::Off
    }

    /// All commands since the log was cleared with their replies, oldest first; at most the last 10 000.
    pub fn log(&self) -> impl Iterator<Item = &Exchange> {
        self.log.iter()
    }

    /// Forgets the log.
    pub fn clear_log(&mut self) {
        self.log.clear();
    }

    /// Takes what came over the line; gives what goes back at once.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> Vec<u8> {
        let mut said = self.speak(now);
        for &byte in bytes {
            match self.power {
                Power::Asleep { wakes_by_line: true } if byte == WAKE_UP => self.power = Power::On,
                Power::Asleep { .. } | Power::Off => {}
                Power::On => {
                    if let Some(frame) = self.frames.push(byte) {
                        self.take(&frame, now);
                        said.extend(self.speak(now));
                    }
                }
            }
        }
        said
    }

    /// What it says by itself now, because its time has come.
    pub fn speak(&mut self, now: Instant) -> Vec<u8> {
        if let Some(searching) = self.searching.take_if(|searching| searching.until.is_some_and(|until| until <= now)) {
            self.reply(searching.search.failed(), Duration::ZERO, &searching.faults, now);
        }
        let mut said = Vec::new();
        while let Some((_, bytes)) = self.outbox.pop_front_if(|(when, _)| *when <= now) {
            said.extend(bytes);
        }
        said
    }

    /// When it will say something by itself, if nothing else comes before.
    pub fn next_speech(&self) -> Option<Instant> {
        let reply = self.outbox.front().map(|(when, _)| *when);
        let search = self.searching.as_ref().and_then(|searching| searching.until);
        reply.into_iter().chain(search).min()
    }

    fn take(&mut self, frame: &Frame, now: Instant) {
        match frame {
            Frame::Command(command) => self.obey(command, now),
            Frame::Ack => self.abort(),
            Frame::Nack if self.is_mute => {}
            Frame::Nack => self.outbox.push_back((now, self.last_reply.clone())),
        }
    }

    /// Whatever it was doing, its reply will not come.
    fn abort(&mut self) {
        self.outbox.clear();
        self.awaited = None;
        self.searching = None;
    }

    fn obey(&mut self, command: &Zeroizing<Vec<u8>>, now: Instant) {
        self.abort();
        if self.log.len() == LOG_LEN {
            self.log.pop_front();
        }
        self.log.push_back(Exchange { command: command.clone(), answer: None });
        let faults = self.armory.triggered(command.first().copied());
        let is = |fault: &ChipFault| faults.contains(fault);
        if is(&ChipFault::Vanish) {
            self.vanish();
        }
        self.is_mute |= is(&ChipFault::Mute);
        if self.has_vanished() || self.is_mute {
            return;
        }
        if is(&ChipFault::TearBefore) {
            self.antenna.take_away();
        }
        if let Some(refusal) = faults.iter().find_map(ChipFault::refusal) {
            self.outbox.push_back((now, refusal));
            return;
        }
        self.outbox.push_back((now, ACK.to_vec()));
        match self.execute(command) {
            Answer::Reply(delay, mut reply) => {
                if is(&ChipFault::TearAfter) {
                    self.antenna.take_away();
                    command::lose_card(&mut reply);
                }
                self.reply(reply, delay, &faults, now);
            }
            Answer::Search(search, time) => {
                let until = time.map(|time| now + time);
                self.searching = Some(Searching { search, until, faults });
            }
            Answer::SyntaxError => self.outbox.push_back((now, SYNTAX_ERROR.to_vec())),
            Answer::Never => {}
        }
    }

    fn reply(&mut self, mut reply: Vec<u8>, delay: Duration, faults: &[ChipFault], now: Instant) {
        for fault in faults {
            fault.distort_reply(&mut reply);
        }
        if let Some(exchange) = self.log.back_mut() {
            exchange.answer = Some(reply.clone());
        }
        let mut bytes = frame::encode(&reply);
        for fault in faults {
            fault.distort_frame(&mut bytes);
        }
        if faults.contains(&ChipFault::NoReply) {
            return;
        }
        self.last_reply.clone_from(&bytes);
        self.awaited = Some(reply).filter(|_| !delay.is_zero());
        let delay = delay + faults.iter().map(ChipFault::delay).sum::<Duration>();
        self.outbox.push_back((now + delay, bytes));
    }
}
