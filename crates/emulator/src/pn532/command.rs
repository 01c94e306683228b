//! What each command does. See `docs/protocol/pn532.md`, "Commands".

use std::time::Duration;

use super::antenna::{Outcome, TARGET, WAITING_TIME, status};
use super::{Pn532, Power};
use crate::Activation;

const DIAGNOSE: u8 = 0x00;
const GET_FIRMWARE_VERSION: u8 = 0x02;
const GET_GENERAL_STATUS: u8 = 0x04;
const READ_REGISTER: u8 = 0x06;
const WRITE_REGISTER: u8 = 0x08;
const READ_GPIO: u8 = 0x0c;
const WRITE_GPIO: u8 = 0x0e;
const SET_SERIAL_BAUD_RATE: u8 = 0x10;
const SET_PARAMETERS: u8 = 0x12;
const SAM_CONFIGURATION: u8 = 0x14;
const POWER_DOWN: u8 = 0x16;
const RF_CONFIGURATION: u8 = 0x32;
const IN_DATA_EXCHANGE: u8 = 0x40;
const IN_COMMUNICATE_THRU: u8 = 0x42;
const IN_DESELECT: u8 = 0x44;
const IN_JUMP_FOR_PSL: u8 = 0x46;
const IN_LIST_PASSIVE_TARGET: u8 = 0x4a;
const IN_PSL: u8 = 0x4e;
const IN_ATR: u8 = 0x50;
const IN_RELEASE: u8 = 0x52;
const IN_SELECT: u8 = 0x54;
const IN_JUMP_FOR_DEP: u8 = 0x56;
const IN_AUTO_POLL: u8 = 0x60;
const TG_INIT_AS_TARGET: u8 = 0x8c;

/// PN532, version 1.6, ISO/IEC 14443 A and B and ISO/IEC 18092.
const FIRMWARE: [u8; 4] = [0x32, 0x01, 0x06, 0x07];

/// After a command for ISO/IEC 18092, and after the one for ISO/IEC 14443-4 below, the next step comes by itself.
pub(super) const DEFAULT_PARAMETERS: u8 = 0x04 | AUTOMATIC_RATS;
const AUTOMATIC_RATS: u8 = 0x10;

pub(super) const FOR_EVER: u8 = 0xff;

/// The unit of the periods of `InAutoPoll`.
const POLL_PERIOD: Duration = Duration::from_millis(150);
/// The modulation 106 kbit/s, type A, of `InListPassiveTarget`.
const TYPE_A: u8 = 0x00;
/// The card types of `InAutoPoll` that our cards are: any at 106 kbit/s type A, the same as a memory card, or for APDUs.
const POLL_ANY_A: u8 = 0x00;
const POLL_MEMORY_A: u8 = 0x10;
const POLL_APDU_A: u8 = 0x20;

/// A register that says how many bytes are in the queue to or from the antenna, and the queue itself. Nothing ever is:
/// our cards know blocks, not bits.
const QUEUE: [u16; 2] = [0x6339, 0x633a];

/// The wake-up source "serial line" of `PowerDown`.
const WAKE_BY_LINE: u8 = 0x10;

/// ISO/IEC 14443-4 R(NAK) and R(ACK): the question whether a card is there, and its answer, with block numbers 0 and 1.
const NAK_BLOCKS: [u8; 2] = [0xb2, 0xb3];
const ACK_BLOCKS: [u8; 2] = [0xa3, 0xa2];

/// What a command leads to.
pub(super) enum Answer {
    /// A reply, so much later.
    Reply(Duration, Vec<u8>),
    /// A search for a card, for so long; `None` is for ever.
    Search(Search, Option<Duration>),
    /// The frame for commands that the chip does not know or cannot read.
    SyntaxError,
    /// The chip waits for something that does not happen.
    Never,
}

/// A search for a card, and how its result is told.
pub(super) enum Search {
    /// `InListPassiveTarget`, for this identifier if it is not empty.
    List(Vec<u8>),
    /// `InAutoPoll`, for these card types.
    Poll(Vec<u8>),
}

impl Search {
    fn code(&self) -> u8 {
        match self {
            Self::List(_) => IN_LIST_PASSIVE_TARGET,
            Self::Poll(_) => IN_AUTO_POLL,
        }
    }

    /// The reply that there is no card.
    pub(super) fn failed(&self) -> Vec<u8> {
        vec![self.code() + 1, 0]
    }
}

fn reply(code: u8, data: &[u8]) -> Answer {
    Answer::Reply(Duration::ZERO, [&[code + 1], data].concat())
}

/// Makes a reply one to which the card has not contributed.
pub(super) fn lose_card(reply: &mut Vec<u8>) {
    if let [code, status, ..] = reply.as_mut_slice()
        && [IN_DATA_EXCHANGE + 1, IN_COMMUNICATE_THRU + 1].contains(code)
    {
        *status = status::TIMEOUT;
        reply.truncate(2);
    }
}

impl Pn532 {
    pub(super) fn execute(&mut self, command: &[u8]) -> Answer {
        let Some((&code, data)) = command.split_first() else { return Answer::SyntaxError };
        match (code, data) {
            (DIAGNOSE, [test, data @ ..]) => self.diagnose(*test, data),
            (GET_FIRMWARE_VERSION, []) => reply(code, &FIRMWARE),
            (GET_GENERAL_STATUS, []) => reply(code, &self.general_status()),
            (READ_REGISTER, [_, _, ..]) => self.read_registers(data),
            (WRITE_REGISTER, [_, _, _, ..]) => self.write_registers(data),
            (READ_GPIO, []) => reply(code, &self.ports),
            (WRITE_GPIO, [p3, p7]) => {
                self.ports[..2].copy_from_slice(&[*p3, *p7]);
                reply(code, &[])
            }
            (SET_PARAMETERS, [parameters]) => {
                self.parameters = *parameters;
                reply(code, &[])
            }
            // A pseudo-terminal has no speed, and there is no second chip to work with.
            (SET_SERIAL_BAUD_RATE, [0..=8]) | (SAM_CONFIGURATION, [1..=4] | [1..=4, _] | [1..=4, _, _]) => {
                reply(code, &[])
            }
            (POWER_DOWN, [wake_up] | [wake_up, _]) => self.power_down(*wake_up),
            (RF_CONFIGURATION, [item, values @ ..]) => self.configure_field(*item, values),
            (IN_DATA_EXCHANGE, [target, data @ ..]) => self.exchange(*target, data),
            (IN_COMMUNICATE_THRU, _) => self.communicate_through(data),
            (IN_DESELECT | IN_RELEASE | IN_SELECT, [target]) => self.change_target(code, *target),
            (IN_LIST_PASSIVE_TARGET, [1..=2, modulation @ 0..=4, wanted @ ..]) => self.list(*modulation, wanted),
            (IN_AUTO_POLL, [1..=255, 1..=15, _, ..]) => self.poll(data),
            // Nothing on our antennas speaks ISO/IEC 18092, and no card can be asked for another speed.
            (IN_JUMP_FOR_DEP | IN_JUMP_FOR_PSL, [_, _, _, ..]) => {
                Answer::Reply(WAITING_TIME, vec![code + 1, status::TIMEOUT])
            }
            (IN_ATR | IN_PSL, [_, _, ..]) => reply(code, &[status::NO_TARGET]),
            // Nobody's field will ever be there to wait for.
            (TG_INIT_AS_TARGET, [_, ..]) => Answer::Never,
            _ => Answer::SyntaxError,
        }
    }

    fn diagnose(&mut self, test: u8, data: &[u8]) -> Answer {
        match (test, data) {
            // The line: all of it comes back.
            (0x00, _) => reply(DIAGNOSE, &[&[test], data].concat()),
            // ROM, RAM, antenna: in order.
            (0x01 | 0x02, []) | (0x07, [_]) => reply(DIAGNOSE, &[status::DONE]),
            // 128 calls for a FeliCa card: so many had no answer.
            (0x04, [_]) => reply(DIAGNOSE, &[0x80]),
            // Whether the card still answers.
            (0x06, []) if self.antenna.is_present() => reply(DIAGNOSE, &[status::DONE]),
            (0x06, []) => Answer::Reply(WAITING_TIME, vec![DIAGNOSE + 1, status::TIMEOUT]),
            _ => Answer::SyntaxError,
        }
    }

    /// No error, no field of others; the targets, each with speeds and modulation; nothing of the SAM.
    fn general_status(&self) -> Vec<u8> {
        let targets: &[u8] = if self.antenna.has_target() { &[1, TARGET, 0, 0, 0x10] } else { &[0] };
        [&[0, u8::from(self.antenna.is_on())], targets, &[0]].concat()
    }

    fn read_registers(&self, addresses: &[u8]) -> Answer {
        let (pairs, []) = addresses.as_chunks::<2>() else { return Answer::SyntaxError };
        let read = |pair: &[u8; 2]| self.registers.get(&u16::from_be_bytes(*pair)).copied().unwrap_or_default();
        reply(READ_REGISTER, &pairs.iter().map(read).collect::<Vec<_>>())
    }

    fn write_registers(&mut self, values: &[u8]) -> Answer {
        let (triples, []) = values.as_chunks::<3>() else { return Answer::SyntaxError };
        for [high, low, value] in triples {
            let address = u16::from_be_bytes([*high, *low]);
            if !QUEUE.contains(&address) {
                self.registers.insert(address, *value);
            }
        }
        reply(WRITE_REGISTER, &[])
    }

    /// It replies first and sleeps then.
    fn power_down(&mut self, wake_up: u8) -> Answer {
        self.antenna.release();
        self.antenna.switch(false);
        self.power = Power::Asleep { wakes_by_line: wake_up & WAKE_BY_LINE != 0 };
        self.frames.clear();
        reply(POWER_DOWN, &[status::DONE])
    }

    fn configure_field(&mut self, item: u8, values: &[u8]) -> Answer {
        match (item, values) {
            (0x01, [field]) => self.antenna.switch(field & 1 == 1),
            (0x05, [_, _, retries]) => self.retries = *retries,
            // Timings, retries of InCommunicateThru, analog settings: they change nothing here.
            (0x02, [_, _, _]) | (0x04, [_]) | (0x0a..=0x0d, [_, ..]) => {}
            _ => return Answer::SyntaxError,
        }
        reply(RF_CONFIGURATION, &[])
    }

    fn exchange(&mut self, target: u8, data: &[u8]) -> Answer {
        if target & 0x0f != TARGET {
            return reply(IN_DATA_EXCHANGE, &[status::NO_TARGET]);
        }
        match self.antenna.exchange(data, target & status::MORE != 0) {
            Outcome::Said(delay, data) => Answer::Reply(delay, [vec![IN_DATA_EXCHANGE + 1], data].concat()),
            Outcome::Nothing => Answer::Reply(WAITING_TIME, vec![IN_DATA_EXCHANGE + 1, status::TIMEOUT]),
        }
    }

    /// Bytes for the card as they are, or none: then the chip only listens. Our cards answer one question in this form.
    fn communicate_through(&mut self, data: &[u8]) -> Answer {
        let question = NAK_BLOCKS.iter().position(|block| data == [*block]).filter(|_| self.antenna.is_present());
        match question {
            Some(number) => reply(IN_COMMUNICATE_THRU, &[status::DONE, ACK_BLOCKS[number]]),
            None => Answer::Reply(WAITING_TIME, vec![IN_COMMUNICATE_THRU + 1, status::TIMEOUT]),
        }
    }

    /// Target 0 stands for all of them, however many there are.
    fn change_target(&mut self, code: u8, target: u8) -> Answer {
        let known = target == TARGET && self.antenna.has_target();
        let status = match (code, target) {
            (IN_SELECT, TARGET) if known && !self.antenna.select_again() => status::TIMEOUT,
            (IN_SELECT, TARGET) if known => status::DONE,
            (IN_SELECT, _) => status::NO_TARGET,
            (_, target) if target != 0 && !known => status::NO_TARGET,
            (IN_DESELECT, _) => {
                self.antenna.deselect();
                status::DONE
            }
            _ => {
                self.antenna.release();
                status::DONE
            }
        };
        reply(code, &[status])
    }

    fn list(&mut self, modulation: u8, wanted: &[u8]) -> Answer {
        self.antenna.release();
        self.antenna.switch(true);
        let search = Search::List(wanted.to_vec());
        let found = if modulation == TYPE_A { self.search(&search) } else { None };
        match (found, self.retries) {
            (Some(found), _) => Answer::Reply(Duration::ZERO, found),
            (None, FOR_EVER) if modulation == TYPE_A => Answer::Search(search, None),
            (None, FOR_EVER) => Answer::Never,
            (None, _) => Answer::Reply(Duration::ZERO, search.failed()),
        }
    }

    fn poll(&mut self, data: &[u8]) -> Answer {
        let [times, period, types @ ..] = data else { return Answer::SyntaxError };
        self.antenna.release();
        self.antenna.switch(true);
        let search = Search::Poll(types.to_vec());
        if let Some(found) = self.search(&search) {
            return Answer::Reply(Duration::ZERO, found);
        }
        let rounds = u32::from(*times) * u32::try_from(types.len()).unwrap_or(u32::MAX);
        let time = POLL_PERIOD.saturating_mul(rounds.saturating_mul(u32::from(*period)));
        Answer::Search(search, (*times != FOR_EVER).then_some(time))
    }

    /// Looks whether there is such a card; the reply then.
    pub(super) fn search(&mut self, search: &Search) -> Option<Vec<u8>> {
        let automatic = self.parameters & AUTOMATIC_RATS != 0;
        match search {
            Search::List(wanted) => {
                let found = self.antenna.find(wanted, automatic)?;
                Some([vec![search.code() + 1, 1], target_data(&found, automatic)].concat())
            }
            Search::Poll(types) => {
                let ours = |kind: &&u8| [POLL_ANY_A, POLL_MEMORY_A, POLL_APDU_A].contains(kind);
                let kind = *types.iter().find(ours)?;
                let for_apdus = kind == POLL_APDU_A || (kind == POLL_ANY_A && automatic);
                let data = target_data(&self.antenna.find(&[], for_apdus)?, for_apdus);
                let len = u8::try_from(data.len()).ok()?;
                Some([vec![search.code() + 1, 1, kind, len], data].concat())
            }
        }
    }
}

fn target_data(target: &Activation, with_ats: bool) -> Vec<u8> {
    let len = u8::try_from(target.uid.len()).unwrap_or(u8::MAX);
    let ats: &[u8] = if with_ats { &target.ats } else { &[] };
    [&[TARGET], &target.atqa[..], &[target.sak, len], &target.uid, ats].concat()
}
