//! The single-profile token of Token2 and Excelsecu, as the published firmware core behaves on the wire.
//!
//! Written from `docs/protocol/token2-single.md` and judged by the recorded conversations, never by the driver.

mod state;

use std::sync::Arc;

use oathburn_oath::{Algorithm, Clock, Digits, Seed, SerialNumber, SystemClock, TimeStep, Totp, TotpParams, UnixTime};

pub use self::state::Settings;
use self::state::{Memory, Session, Tries};
use crate::card::ShortApdu;
use crate::token2_cipher::{BLOCK, Cipher, MAC, unpad};
use crate::{Activation, Card, Reply, Tear};

const DONE: u16 = 0x9000;
const WRONG_LENGTH: u16 = 0x6700;
const NOT_AUTHENTICATED: u16 = 0x6983;
const WRONG_DATA: u16 = 0x6a80;
const UNKNOWN_INSTRUCTION: u16 = 0x6d00;
const UNKNOWN_CLASS: u16 = 0x6e00;
const NO_RANDOM: u16 = 0x6f00;

const GET_INFO: u8 = 0x41;
const GET_CHALLENGE: u8 = 0x4b;
const ANSWER_CHALLENGE: u8 = 0xce;
const WRITE_SEED: u8 = 0xc5;
const WRITE_CONFIG: u8 = 0xd4;

/// The longest seed on the wire: four blocks, of which at least one byte is the padding's marker.
const MAX_SEED_BODY: usize = 64;

/// The key of every token of the family. The vendor publishes it; it protects nothing.
const DEVICE_KEY: [u8; 16] =
    [0x8a, 0xd2, 0x06, 0x88, 0x3c, 0xa3, 0x69, 0x48, 0x2a, 0xb2, 0x71, 0x82, 0xb6, 0xe8, 0x32, 0x24];

/// Where challenges come from; `None` when there are no more.
pub type Challenges = Box<dyn FnMut() -> Option<[u8; 8]> + Send>;

/// A single-profile token.
pub struct Token2Single {
    serial: SerialNumber,
    restricted: bool,
    clock: Arc<dyn Clock>,
    /// Seconds by which the token's clock is ahead of `clock`.
    ahead: i64,
    challenges: Challenges,
    memory: Memory,
    session: Session,
    tries: Option<Tries>,
    tear: Option<Tear>,
}

impl Token2Single {
    /// A token as it leaves the factory: no seed, SHA-1, 30 s, a clock that is right, challenges from the operating
    /// system. `restricted` is the kind whose config write erases the seed.
    pub fn new(serial: SerialNumber, restricted: bool) -> Self {
        Self {
            serial,
            restricted,
            clock: Arc::new(SystemClock),
            ahead: 0,
            challenges: Box::new(|| {
                let mut challenge = [0; 8];
                getrandom::fill(&mut challenge).ok().map(|()| challenge)
            }),
            memory: Memory::default(),
            session: Session::Closed,
            tries: None,
            tear: None,
        }
    }

    /// With another clock to run on: one that stands still, for example.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With challenges from elsewhere, for example from a recorded conversation.
    #[must_use]
    pub fn with_challenges(mut self, challenges: Challenges) -> Self {
        self.challenges = challenges;
        self
    }

    /// With the firmware sold until 2025, which counts wrong answers and locks for good after `tries` in a row.
    #[must_use]
    pub fn with_lock_after(mut self, tries: u8) -> Self {
        self.lock_after(tries);
        self
    }

    /// Gives it the old firmware's counter of wrong answers, at zero.
    pub fn lock_after(&mut self, tries: u8) {
        self.tries = Some(Tries::new(tries));
    }

    /// Whether tokens with this serial number erase their seed with a config write: all do but three models.
    pub fn is_restricted_model(serial: &SerialNumber) -> bool {
        const UNRESTRICTED: [&str; 3] = ["8659600", "8659612", "8659632"];
        !UNRESTRICTED.iter().any(|prefix| serial.as_str().starts_with(prefix))
    }

    /// The serial number.
    pub fn serial(&self) -> &SerialNumber {
        &self.serial
    }

    /// Whether a config write erases the seed.
    pub fn is_restricted(&self) -> bool {
        self.restricted
    }

    /// Whether old firmware has locked itself for good.
    pub fn is_locked(&self) -> bool {
        self.tries.as_ref().is_some_and(Tries::are_used_up)
    }

    /// Seed, algorithm, time step and display time-out as the token holds them now.
    pub fn settings(&self) -> &Settings {
        &self.memory.held
    }

    /// The time the token's clock shows.
    pub fn time(&self) -> UnixTime {
        self.time_at(self.clock.now())
    }

    /// Seconds by which the token's clock is ahead of the clock it runs on.
    pub fn clock_offset(&self) -> i64 {
        self.ahead
    }

    /// Moves the token's clock, as years in a drawer do.
    pub fn shift_clock(&mut self, seconds: i64) {
        self.ahead = self.ahead.saturating_add(seconds);
    }

    /// Sets the token's clock.
    pub fn set_time(&mut self, time: UnixTime) {
        self.ahead = time.since(self.clock.now());
    }

    /// The code on the display now; `------` on a token without a seed.
    pub fn display(&self) -> String {
        self.display_at(self.clock.now())
    }

    /// The code on the display when the clock the token runs on shows `at`.
    pub fn display_at(&self, at: UnixTime) -> String {
        let held = &self.memory.held;
        match (&held.seed, TimeStep::new(u32::from(held.time_step))) {
            (Some(seed), Ok(step)) => {
                // Whatever is not SHA-256 is SHA-1: the token checks no value it is given.
                let algorithm = if held.algorithm == 2 { Algorithm::Sha256 } else { Algorithm::Sha1 };
                let params = TotpParams { algorithm, digits: Digits::SIX, step };
                Totp::new(seed, params).code_at(self.time_at(at)).to_string()
            }
            _ => "------".into(),
        }
    }

    fn time_at(&self, at: UnixTime) -> UnixTime {
        at.offset(self.ahead)
    }

    fn execute(&mut self, command: &[u8]) -> Reply {
        let Some(apdu) = ShortApdu::read(command) else { return Reply::status(WRONG_LENGTH) };
        let ShortApdu { class, instruction, p1, p2, data, .. } = apdu;
        match (class, instruction) {
            (0x80, GET_INFO) => self.info(),
            (0x80, GET_CHALLENGE) if p1 == 0x08 => self.challenge(),
            (0x80, ANSWER_CHALLENGE) => Reply::status(self.authenticate(data)),
            (0x80, _) => Reply::status(UNKNOWN_INSTRUCTION),
            (0x84, _) => self.execute_secured([instruction, p1, p2], data),
            _ => Reply::status(UNKNOWN_CLASS),
        }
    }

    fn info(&self) -> Reply {
        let serial = self.serial.as_str().as_bytes();
        let length = u8::try_from(serial.len()).expect("a serial number has at most 64 characters");
        // A clock of 32 bits: what is beyond them is cut off.
        let time = self.time().seconds().to_be_bytes();
        Reply::Answer([&[0, 0, 0, length], serial, &[0, 0], &time[4..], &DONE.to_be_bytes()].concat())
    }

    fn challenge(&mut self) -> Reply {
        let Some(challenge) = (self.challenges)() else { return Reply::status(NO_RANDOM) };
        self.session = Session::Challenged(challenge);
        Reply::Answer([challenge.as_slice(), &DONE.to_be_bytes()].concat())
    }

    fn authenticate(&mut self, answer: &[u8]) -> u16 {
        if self.is_locked() {
            return NOT_AUTHENTICATED;
        }
        let (Session::Challenged(challenge), 16) = (&self.session, answer.len()) else { return WRONG_DATA };
        let right = Cipher::new(&DEVICE_KEY).proof(*challenge) == answer;
        if let Some(tries) = &mut self.tries {
            tries.count(right);
        }
        self.session = if right { Session::Open } else { Session::Closed };
        if right { DONE } else { NOT_AUTHENTICATED }
    }

    /// The class with a MAC. The MAC is judged first, then the instruction, then the session, then the data.
    fn execute_secured(&mut self, [instruction, p1, p2]: [u8; 3], data: &[u8]) -> Reply {
        if data.len() < MAC {
            return Reply::status(WRONG_LENGTH);
        }
        let Some(body) = Cipher::new(&DEVICE_KEY).authentic([instruction, p1, p2], data) else {
            return Reply::status(NOT_AUTHENTICATED);
        };
        match (instruction, p1) {
            (WRITE_SEED, 0x01) | (WRITE_CONFIG, _) if self.session != Session::Open => Reply::status(NOT_AUTHENTICATED),
            (WRITE_SEED, 0x01) => self.write_seed(body),
            (WRITE_CONFIG, _) => self.write_config(body),
            _ => Reply::status(UNKNOWN_INSTRUCTION),
        }
    }

    fn write_seed(&mut self, body: &[u8]) -> Reply {
        if body.is_empty() || body.len() > MAX_SEED_BODY || !body.len().is_multiple_of(BLOCK) {
            return Reply::status(WRONG_DATA);
        }
        let Some(mut plain) = unpad(Cipher::new(&DEVICE_KEY).decrypt(body)) else { return Reply::status(WRONG_DATA) };
        // An empty seed is accepted like any other, and is no seed.
        self.memory.held.seed = Seed::new(std::mem::take(&mut plain)).ok();
        self.store()
    }

    /// Reads the fields one after the other: what stands before an error is taken over, in working memory.
    fn write_config(&mut self, body: &[u8]) -> Reply {
        let Ok(body) = <&[u8; 19]>::try_from(body) else { return Reply::status(WRONG_DATA) };
        let held = &mut self.memory.held;
        let [0x81, 0x11, 0x1f, 0x01, display_timeout, rest @ ..] = body else { return Reply::status(WRONG_DATA) };
        held.display_timeout = *display_timeout;
        let [0x0f, 0x04, t3, t2, t1, t0, 0x86, 0x06, 0x0a, 0x01, algorithm, rest @ ..] = rest else {
            return Reply::status(WRONG_DATA);
        };
        held.algorithm = *algorithm;
        let [0x0d, 0x01, time_step] = rest else { return Reply::status(WRONG_DATA) };
        held.time_step = *time_step;
        self.set_time(UnixTime::new(u64::from(u32::from_be_bytes([*t3, *t2, *t1, *t0]))));
        if self.tear.take_if(|tear| *tear == Tear::Config).is_some() {
            self.memory.lose_power();
            self.reset();
            return Reply::Gone;
        }
        if self.restricted {
            self.memory.held.seed = None;
        }
        self.store()
    }

    fn store(&mut self) -> Reply {
        if self.tear.take_if(|tear| *tear == Tear::Store).is_some() {
            // What is read back is damaged; the firmware then starts as if new.
            self.memory = Memory::default();
            self.reset();
            return Reply::Gone;
        }
        self.memory.store();
        Reply::status(DONE)
    }
}

impl Card for Token2Single {
    fn activation(&self) -> Activation {
        Activation::of(&self.serial)
    }

    fn reset(&mut self) {
        self.session = Session::Closed;
    }

    fn transmit(&mut self, command: &[u8]) -> Reply {
        self.execute(command)
    }

    fn arm_tear(&mut self, tear: Tear) -> bool {
        self.tear = Some(tear);
        true
    }
}

#[cfg(test)]
mod tests;
