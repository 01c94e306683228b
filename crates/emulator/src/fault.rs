//! Faults: whatever goes wrong between a host and a card, armed beforehand and triggered by a command.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::{Activation, Card, Reply, Tear};

/// When a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// At the N-th command from now, counted from 1.
    Command(u32),
    /// At the next command with this instruction byte.
    Instruction(u8),
}

/// What goes wrong.
pub enum Fault<C> {
    /// The card leaves the field before it executes the command.
    TearBefore,
    /// The card executes the command and leaves the field before it answers.
    TearAfter,
    /// The card leaves the field inside the execution; it stays armed until an execution passes that place.
    TearInside(Tear),
    /// The card executes nothing and answers nothing any more, until it is put on the reader anew.
    Mute,
    /// The answer comes late.
    Slow(Duration),
    /// The command is not executed; the answer is this status word alone.
    StatusWord(u16),
    /// Only the first bytes of the answer come through; at least one.
    Short(usize),
    /// One bit of the answer is wrong, counted from the highest bit of the first byte, round and round.
    FlipBit(usize),
    /// After this command another card lies there. The reader notices nothing; the session is lost.
    Swap(C),
    /// After this command the card is without power for a moment. The reader notices nothing; the session is lost.
    Lapse,
}

/// Faults that wait for what triggers them.
pub(crate) struct Armory<F> {
    armed: Vec<(Trigger, F)>,
}

impl<F> Default for Armory<F> {
    fn default() -> Self {
        Self { armed: Vec::new() }
    }
}

impl<F> Armory<F> {
    pub(crate) fn arm(&mut self, trigger: Trigger, fault: F) {
        self.armed.push((trigger, fault));
    }

    pub(crate) fn disarm(&mut self) -> impl Iterator<Item = F> {
        self.armed.drain(..).map(|(_, fault)| fault)
    }

    pub(crate) fn len(&self) -> usize {
        self.armed.len()
    }

    /// The faults that the next command triggers, by its instruction if it has one; the others come closer.
    pub(crate) fn triggered(&mut self, instruction: Option<u8>) -> Vec<F> {
        for (trigger, _) in &mut self.armed {
            if let Trigger::Command(left) = trigger {
                *left = left.saturating_sub(1);
            }
        }
        let happens = |(trigger, _): &mut (Trigger, F)| match *trigger {
            Trigger::Command(left) => left == 0,
            Trigger::Instruction(awaited) => instruction == Some(awaited),
        };
        self.armed.extract_if(.., happens).map(|(_, fault)| fault).collect()
    }
}

/// One command and what came of it.
pub struct Exchange {
    /// The C-APDU. It may contain a seed under the family's published key, so it is wiped.
    pub command: Zeroizing<Vec<u8>>,
    /// The R-APDU that went to the reader; `None` when nothing did.
    pub answer: Option<Vec<u8>>,
}

/// The longest log; what is older is forgotten.
const LOG_LEN: usize = 10_000;

/// A card to which things happen, and which keeps a log of its conversations.
pub struct Faulty<C> {
    card: C,
    armory: Armory<Fault<C>>,
    swapped_out: Vec<C>,
    mute: bool,
    log: VecDeque<Exchange>,
    arrived: Arc<Condvar>,
    /// Whether the conversation that there was is over: the card was reset, or without power, since.
    resting: bool,
}

impl<C: Card> Faulty<C> {
    /// A card to which nothing has happened yet.
    pub fn new(card: C) -> Self {
        Self {
            card,
            armory: Armory::default(),
            swapped_out: Vec::new(),
            mute: false,
            log: VecDeque::new(),
            arrived: Arc::default(),
            resting: true,
        }
    }

    /// The card that lies there now.
    pub fn card(&self) -> &C {
        &self.card
    }

    /// The card that lies there now.
    pub fn card_mut(&mut self) -> &mut C {
        &mut self.card
    }

    /// The card itself, without what happened to it.
    pub fn into_card(self) -> C {
        self.card
    }

    /// Lays another card there, visibly; the one before is given back. Faults stay armed, muteness ends.
    pub fn replace(&mut self, card: C) -> C {
        self.mute = false;
        std::mem::replace(&mut self.card, card)
    }

    /// Ends muteness: the card is put on the reader anew.
    pub fn present(&mut self) {
        self.mute = false;
    }

    /// Arms a fault.
    pub fn arm(&mut self, trigger: Trigger, fault: Fault<C>) {
        self.armory.arm(trigger, fault);
    }

    /// Disarms what has not happened yet, and gives back the cards that were to be swapped in.
    pub fn disarm(&mut self) -> Vec<C> {
        self.mute = false;
        let swapped_in = |fault| match fault {
            Fault::Swap(card) => Some(card),
            _ => None,
        };
        self.armory.disarm().filter_map(swapped_in).collect()
    }

    /// How many faults are waiting for their command.
    pub fn armed(&self) -> usize {
        self.armory.len()
    }

    /// The cards that were swapped out since the last call.
    pub fn take_swapped_out(&mut self) -> Vec<C> {
        std::mem::take(&mut self.swapped_out)
    }

    /// All exchanges since the log was cleared, oldest first; at most the last 10 000.
    pub fn log(&self) -> impl Iterator<Item = &Exchange> {
        self.log.iter()
    }

    /// Waits until the log has `count` commands; `false` when that takes longer than `patience`. The card is free
    /// meanwhile.
    pub fn await_command(card: &Mutex<Self>, count: usize, patience: Duration) -> bool {
        // A card that panicked is still the card that lies there.
        let guard = card.lock().unwrap_or_else(PoisonError::into_inner);
        let arrived = Arc::clone(&guard.arrived);
        let waited = arrived.wait_timeout_while(guard, patience, |card| card.log.len() < count);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits until the card is what `wanted` says and nobody talks to it. The card is free meanwhile.
    pub fn await_rest(card: &Mutex<Self>, wanted: impl Fn(&C) -> bool) {
        let guard = card.lock().unwrap_or_else(PoisonError::into_inner);
        let arrived = Arc::clone(&guard.arrived);
        drop(arrived.wait_while(guard, |card| !(card.resting && wanted(&card.card))));
    }

    fn rest(&mut self) {
        self.resting = true;
        self.arrived.notify_all();
    }

    /// Forgets the log.
    pub fn clear_log(&mut self) {
        self.log.clear();
    }

    fn execute(&mut self, command: &[u8]) -> Reply {
        let faults = self.armory.triggered(command.get(1).copied());
        if self.mute || faults.iter().any(|fault| matches!(fault, Fault::Mute)) {
            self.mute = true;
            return Reply::Silence;
        }
        if faults.iter().any(|fault| matches!(fault, Fault::TearBefore)) {
            self.card.power_off();
            return Reply::Gone;
        }
        let refusal = faults.iter().find_map(|fault| match fault {
            Fault::StatusWord(word) => Some(Reply::status(*word)),
            Fault::TearInside(tear) => {
                self.card.arm_tear(*tear);
                None
            }
            _ => None,
        });
        let mut reply = refusal.unwrap_or_else(|| self.card.transmit(command));
        for fault in faults {
            reply = self.distort(reply, fault);
        }
        reply
    }

    /// What a fault makes of the answer.
    fn distort(&mut self, reply: Reply, fault: Fault<C>) -> Reply {
        match fault {
            Fault::TearAfter => {
                self.card.power_off();
                return Reply::Gone;
            }
            Fault::Swap(card) => {
                let mut gone = std::mem::replace(&mut self.card, card);
                gone.power_off();
                self.swapped_out.push(gone);
                self.card.power_on();
                return reply;
            }
            Fault::Lapse => {
                self.card.power_off();
                self.card.power_on();
                return reply;
            }
            _ => {}
        }
        let (delay, mut bytes) = match reply {
            Reply::Answer(bytes) => (Duration::ZERO, bytes),
            Reply::Late(delay, bytes) => (delay, bytes),
            Reply::Silence | Reply::Gone => return reply,
        };
        let mut total = delay;
        match fault {
            Fault::Slow(more) => total += more,
            Fault::Short(len) => bytes.truncate(len.max(1)),
            Fault::FlipBit(bit) => {
                let bit = bit % (bytes.len() * 8);
                bytes[bit / 8] ^= 0x80 >> (bit % 8);
            }
            _ => {}
        }
        if total.is_zero() { Reply::Answer(bytes) } else { Reply::Late(total, bytes) }
    }
}

impl<C: Card> Card for Faulty<C> {
    fn atr(&self) -> Vec<u8> {
        self.card.atr()
    }

    fn activation(&self) -> Activation {
        self.card.activation()
    }

    fn power_on(&mut self) {
        self.card.power_on();
        self.rest();
    }

    fn power_off(&mut self) {
        self.card.power_off();
        self.rest();
    }

    fn reset(&mut self) {
        self.card.reset();
        self.rest();
    }

    fn transmit(&mut self, command: &[u8]) -> Reply {
        self.resting = false;
        let reply = self.execute(command);
        let answer = match &reply {
            Reply::Answer(bytes) | Reply::Late(_, bytes) => Some(bytes.clone()),
            Reply::Silence | Reply::Gone => None,
        };
        if self.log.len() == LOG_LEN {
            self.log.pop_front();
        }
        self.log.push_back(Exchange { command: command.to_vec().into(), answer });
        self.arrived.notify_all();
        reply
    }

    fn arm_tear(&mut self, tear: Tear) -> bool {
        self.card.arm_tear(tear)
    }
}

#[cfg(test)]
mod tests;
