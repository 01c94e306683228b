//! Molto2 and Molto2v2 of Token2: tokens with many profiles and a key that can be changed.
//!
//! Written from `docs/protocol/molto2.md`, never from the driver.

mod profile;

use std::sync::Arc;

use oathburn_oath::{Clock, Seed, SerialNumber, SystemClock, UnixTime};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

pub use self::profile::Profile;
use crate::card::ShortApdu;
use crate::token2_cipher::{BLOCK, Cipher, MAC, unpad};
use crate::token2_single::Challenges;
use crate::{Activation, Card, Reply, Tear};

const DONE: u16 = 0x9000;
/// Accepted; the button is to confirm it.
const WAITING: u16 = 0x9060;
const TRIES_LEFT: u16 = 0x63c0;
const WRONG_LENGTH: u16 = 0x6700;
const NOT_AUTHENTICATED: u16 = 0x6983;
const WRONG_DATA: u16 = 0x6a80;
const NOT_FOUND: u16 = 0x6a83;
const UNKNOWN_INSTRUCTION: u16 = 0x6d00;
const UNKNOWN_CLASS: u16 = 0x6e00;
const NO_RANDOM: u16 = 0x6f00;
const LE_FORBIDDEN: u16 = 0x6ffb;

const GET_INFO: u8 = 0x41;
const GET_CHALLENGE: u8 = 0x4b;
const FACTORY_RESET: u8 = 0x56;
const WRITE_SEED: u8 = 0xc5;
const ANSWER_CHALLENGE: u8 = 0xce;
const WRITE_CONFIG: u8 = 0xd4;
const WRITE_TITLE: u8 = 0xd5;
const SET_CUSTOMER_KEY: u8 = 0xd7;
const LOCK_SCREEN: u8 = 0xd8;
const DELETE_SEED: u8 = 0xe6;

/// GET INFO with this as data asks for a profile.
const PROFILE: u8 = 0x70;

const MAX_SEED_BODY: usize = 64;
const FACTORY_KEY: &[u8] = b"TOKEN2MOLTO1-KEY";
/// How many wrong answers in a row it takes to lock a token.
const ATTEMPTS: u8 = 8;
/// The first firmware that can lock its screen.
const CAN_LOCK_SCREEN: [u8; 2] = [2, 1];

/// How far the host has come in proving that it knows the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Session {
    Closed,
    Challenged([u8; 8]),
    Open,
}

/// What the ▲ button would confirm.
enum Pending {
    CustomerKey(Zeroizing<[u8; BLOCK]>),
    FactoryReset,
}

/// A token with many profiles.
pub struct Molto2 {
    serial: SerialNumber,
    firmware: [u8; 2],
    clock: Arc<dyn Clock>,
    /// Seconds by which the clock that GET INFO shows is ahead of `clock`.
    ahead: i64,
    challenges: Challenges,
    profiles: Vec<Profile>,
    display_timeout: u8,
    is_screen_locked: bool,
    key: Zeroizing<[u8; BLOCK]>,
    attempts: u8,
    session: Session,
    pending: Option<Pending>,
    /// A factory reset was confirmed, and the host has not asked since.
    was_reset: bool,
    tear: Option<Tear>,
}

/// The SM4 key of a customer key.
fn derive(customer_key: &[u8]) -> Zeroizing<[u8; BLOCK]> {
    let digest = Zeroizing::new(<[u8; 20]>::from(Sha1::digest(customer_key)));
    let key: &[u8; BLOCK] = digest.first_chunk().expect("SHA-1 has 20 bytes");
    Zeroizing::new(*key)
}

impl Molto2 {
    /// A token as it leaves the factory: empty profiles, right clocks, the factory's customer key, firmware 2.1;
    /// challenges from the operating system. Molto2 has 50 profiles, Molto2v2 100; more than 256 cannot be named.
    pub fn new(serial: SerialNumber, profiles: usize) -> Self {
        Self {
            serial,
            firmware: CAN_LOCK_SCREEN,
            clock: Arc::new(SystemClock),
            ahead: 0,
            challenges: Box::new(|| {
                let mut challenge = [0; 8];
                getrandom::fill(&mut challenge).ok().map(|()| challenge)
            }),
            profiles: vec![Profile::empty(0); profiles],
            display_timeout: 1,
            is_screen_locked: false,
            key: derive(FACTORY_KEY),
            attempts: ATTEMPTS,
            session: Session::Closed,
            pending: None,
            was_reset: false,
            tear: None,
        }
    }

    /// With another clock to run on: one that stands still, for example.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With challenges from elsewhere.
    #[must_use]
    pub fn with_challenges(mut self, challenges: Challenges) -> Self {
        self.challenges = challenges;
        self
    }

    /// With this firmware, major and minor version.
    #[must_use]
    pub fn with_firmware(mut self, firmware: [u8; 2]) -> Self {
        self.firmware = firmware;
        self
    }

    /// With another customer key than the factory's.
    #[must_use]
    pub fn with_customer_key(mut self, key: &[u8]) -> Self {
        self.key = derive(key);
        self
    }

    /// The serial number.
    pub fn serial(&self) -> &SerialNumber {
        &self.serial
    }

    /// Major and minor version of the firmware.
    pub fn firmware(&self) -> [u8; 2] {
        self.firmware
    }

    /// All profiles.
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// How many wrong answers it still allows; 0 on a token that has locked itself.
    pub fn attempts(&self) -> u8 {
        self.attempts
    }

    /// Makes it allow so many wrong answers.
    pub fn set_attempts(&mut self, attempts: u8) {
        self.attempts = attempts;
    }

    /// Whether this is its customer key.
    pub fn has_customer_key(&self, key: &[u8]) -> bool {
        self.key == derive(key)
    }

    /// Whether the customer key is the factory's.
    pub fn has_factory_key(&self) -> bool {
        self.has_customer_key(FACTORY_KEY)
    }

    /// 0 to 3 are 15, 30, 60 and 120 seconds.
    pub fn display_timeout(&self) -> u8 {
        self.display_timeout
    }

    /// Whether the display shows no codes.
    pub fn is_screen_locked(&self) -> bool {
        self.is_screen_locked
    }

    /// What the ▲ button would confirm: `customer-key` or `factory-reset`.
    pub fn pending(&self) -> Option<&'static str> {
        self.pending.as_ref().map(|pending| match pending {
            Pending::CustomerKey(_) => "customer-key",
            Pending::FactoryReset => "factory-reset",
        })
    }

    /// Presses the ▲ button: does what is waiting for it, and says what that was.
    pub fn confirm(&mut self) -> Option<&'static str> {
        let confirmed = self.pending();
        match self.pending.take()? {
            Pending::CustomerKey(key) => self.key = key,
            Pending::FactoryReset => {
                for profile in &mut self.profiles {
                    *profile = Profile::empty(profile.ahead);
                }
                self.key = derive(FACTORY_KEY);
                self.attempts = ATTEMPTS;
                self.display_timeout = 1;
                self.is_screen_locked = false;
                self.was_reset = true;
            }
        }
        self.session = Session::Closed;
        confirmed
    }

    /// Seconds by which the clock that GET INFO shows is ahead of the clock the token runs on.
    pub fn clock_offset(&self) -> i64 {
        self.ahead
    }

    /// The time that GET INFO shows.
    pub fn time(&self) -> UnixTime {
        self.clock.now().offset(self.ahead)
    }

    /// Moves all its clocks, as years in a drawer do.
    pub fn shift_clock(&mut self, seconds: i64) {
        self.ahead = self.ahead.saturating_add(seconds);
        for profile in &mut self.profiles {
            profile.ahead = profile.ahead.saturating_add(seconds);
        }
    }

    /// The code that a profile shows when the clock the token runs on shows `at`; `------` without a seed and on a
    /// locked screen, `None` for a profile it has not.
    pub fn display_at(&self, profile: usize, at: UnixTime) -> Option<String> {
        let profile = self.profiles.get(profile)?;
        let code = profile.code(at).filter(|_| !self.is_screen_locked);
        Some(code.unwrap_or_else(|| "------".into()))
    }

    fn execute(&mut self, command: &[u8]) -> Reply {
        let Some(apdu) = ShortApdu::read(command) else { return Reply::status(WRONG_LENGTH) };
        self.stop_waiting(&apdu);
        let ShortApdu { class, instruction, p1, p2, data, .. } = apdu;
        match (class, instruction, p1) {
            (0x80, GET_INFO, 0) => self.read(&apdu),
            (0x80, GET_CHALLENGE, 0x08) => self.challenge(),
            (0x80, ANSWER_CHALLENGE, 0) => Reply::status(self.authenticate(data)),
            (0x80, FACTORY_RESET, 0) => Reply::status(self.request_reset()),
            (0x80, DELETE_SEED, 0) => self.delete_seed(p2),
            (0x80, LOCK_SCREEN, 0x0c) if self.firmware >= CAN_LOCK_SCREEN => Reply::status(self.lock_screen(data)),
            (0x80, ..) => Reply::status(UNKNOWN_INSTRUCTION),
            (0x84, ..) => self.execute_secured([instruction, p1, p2], data),
            _ => Reply::status(UNKNOWN_CLASS),
        }
    }

    /// Whatever else arrives ends the waiting for the button; reading does not.
    fn stop_waiting(&mut self, apdu: &ShortApdu<'_>) {
        match (apdu.class, apdu.instruction) {
            (0x80, GET_INFO) => {}
            (0x80, FACTORY_RESET) if matches!(self.pending, None | Some(Pending::FactoryReset)) => {}
            _ => {
                self.pending = None;
                self.was_reset = false;
            }
        }
    }

    fn read(&self, apdu: &ShortApdu<'_>) -> Reply {
        if apdu.data != [PROFILE] {
            return answer(&self.info());
        }
        match self.profiles.get(usize::from(apdu.p2)) {
            _ if !apdu.behind.is_empty() => Reply::status(LE_FORBIDDEN),
            Some(profile) => answer(&profile.public_data(self.clock.now())),
            None => Reply::status(NOT_FOUND),
        }
    }

    fn info(&self) -> Vec<u8> {
        let serial = self.serial.as_str().as_bytes();
        let length = u8::try_from(serial.len()).expect("a serial number has at most 64 characters");
        [&[0, 0, 0, length], serial, &[0, 0], &self.time().seconds().to_be_bytes()[4..]].concat()
    }

    fn challenge(&mut self) -> Reply {
        let Some(challenge) = (self.challenges)() else { return Reply::status(NO_RANDOM) };
        self.session = Session::Challenged(challenge);
        answer(&challenge)
    }

    fn authenticate(&mut self, proof: &[u8]) -> u16 {
        if self.attempts == 0 {
            return NOT_AUTHENTICATED;
        }
        let (Session::Challenged(challenge), BLOCK) = (self.session, proof.len()) else { return WRONG_DATA };
        if Cipher::new(&self.key).proof(challenge) == proof {
            self.session = Session::Open;
            self.attempts = ATTEMPTS;
            return DONE;
        }
        self.session = Session::Closed;
        self.attempts -= 1;
        TRIES_LEFT | u16::from(self.attempts.min(0x0f))
    }

    fn request_reset(&mut self) -> u16 {
        if std::mem::take(&mut self.was_reset) {
            return DONE;
        }
        self.pending = Some(Pending::FactoryReset);
        WAITING
    }

    fn delete_seed(&mut self, profile: u8) -> Reply {
        match self.profiles.get_mut(usize::from(profile)) {
            Some(Profile { seed: seed @ Some(_), .. }) => *seed = None,
            _ => return Reply::status(NOT_FOUND),
        }
        self.store(profile)
    }

    fn lock_screen(&mut self, data: &[u8]) -> u16 {
        match (self.session, data) {
            (Session::Open, []) => self.is_screen_locked = true,
            (Session::Open, [0x01]) => self.is_screen_locked = false,
            (Session::Open, _) => return WRONG_DATA,
            _ => return NOT_AUTHENTICATED,
        }
        DONE
    }

    /// The class with a MAC. The MAC is judged first, then the instruction, then the session, then the rest.
    fn execute_secured(&mut self, [instruction, p1, p2]: [u8; 3], data: &[u8]) -> Reply {
        if data.len() < MAC {
            return Reply::status(WRONG_LENGTH);
        }
        let cipher = Cipher::new(&self.key);
        let Some(body) = cipher.authentic([instruction, p1, p2], data) else {
            return Reply::status(NOT_AUTHENTICATED);
        };
        let write = match (instruction, p1) {
            (WRITE_SEED, 0x01) => Self::write_seed,
            (WRITE_TITLE, 0) => Self::write_title,
            (WRITE_CONFIG, 0x01) => Self::write_config,
            (SET_CUSTOMER_KEY, 0) => Self::request_key,
            _ => return Reply::status(UNKNOWN_INSTRUCTION),
        };
        if self.session != Session::Open {
            return Reply::status(NOT_AUTHENTICATED);
        }
        if instruction != SET_CUSTOMER_KEY && usize::from(p2) >= self.profiles.len() {
            return Reply::status(NOT_FOUND);
        }
        write(self, p2, body, &cipher)
    }

    fn write_seed(&mut self, profile: u8, body: &[u8], cipher: &Cipher) -> Reply {
        if body.is_empty() || body.len() > MAX_SEED_BODY || !body.len().is_multiple_of(BLOCK) {
            return Reply::status(WRONG_DATA);
        }
        let plain = cipher.decrypt(body);
        let seed = if plain.iter().all(|&byte| byte == 0) {
            None
        } else {
            let Some(mut plain) = unpad(plain) else { return Reply::status(WRONG_DATA) };
            // Neither an empty seed nor one of zeros is a seed.
            Seed::new(std::mem::take(&mut plain)).ok().filter(|seed| !seed.is_zero())
        };
        self.profiles[usize::from(profile)].seed = seed;
        self.profiles[usize::from(profile)].mark_written();
        self.store(profile)
    }

    fn write_title(&mut self, profile: u8, body: &[u8], cipher: &Cipher) -> Reply {
        let title = if body.len() == BLOCK { unpad(cipher.decrypt(body)) } else { None };
        let Some(title) = title.filter(|title| (1..=profile::MAX_TITLE).contains(&title.len())) else {
            return Reply::status(WRONG_DATA);
        };
        self.profiles[usize::from(profile)].title = title.to_vec();
        self.profiles[usize::from(profile)].mark_written();
        self.store(profile)
    }

    /// All parameters, or the clock alone.
    fn write_config(&mut self, profile: u8, body: &[u8], _: &Cipher) -> Reply {
        let now = self.clock.now();
        let (time, parameters) = match *body {
            [0x81, 0x06, 0x0f, 0x04, t3, t2, t1, t0] => ([t3, t2, t1, t0], None),
            [
                0x81,
                0x14,
                0x1f,
                0x01,
                timeout,
                0x0f,
                0x04,
                t3,
                t2,
                t1,
                t0,
                0x86,
                0x09,
                0x0a,
                0x01,
                algorithm,
                0x0b,
                0x01,
                digits,
                0x0d,
                0x01,
                step,
            ] => ([t3, t2, t1, t0], Some((timeout, algorithm, digits, step))),
            _ => return Reply::status(WRONG_DATA),
        };
        let held = &mut self.profiles[usize::from(profile)];
        held.set_clock(u32::from_be_bytes(time), now);
        if self.tear.take_if(|tear| *tear == Tear::Config).is_some() {
            self.reset();
            return Reply::Gone;
        }
        held.mark_written();
        if let Some((timeout, algorithm, digits, step)) = parameters {
            (held.algorithm, held.digits, held.time_step) = (algorithm, digits, step);
            self.display_timeout = timeout;
        }
        self.store(profile)
    }

    fn request_key(&mut self, _: u8, body: &[u8], cipher: &Cipher) -> Reply {
        let plain = cipher.decrypt(body);
        let key = match plain.as_slice() {
            [0x00, rest @ ..] if body.len() == 2 * BLOCK => rest.split_first_chunk::<BLOCK>(),
            _ => None,
        };
        let Some((key, [0x80, zeros @ ..])) = key else { return Reply::status(WRONG_DATA) };
        if zeros.iter().any(|&byte| byte != 0) {
            return Reply::status(WRONG_DATA);
        }
        self.pending = Some(Pending::CustomerKey(Zeroizing::new(*key)));
        Reply::status(WAITING)
    }

    fn store(&mut self, profile: u8) -> Reply {
        if self.tear.take_if(|tear| *tear == Tear::Store).is_some() {
            let torn = &mut self.profiles[usize::from(profile)];
            *torn = Profile::empty(torn.ahead);
            self.reset();
            return Reply::Gone;
        }
        Reply::status(DONE)
    }
}

fn answer(data: &[u8]) -> Reply {
    Reply::Answer([data, &DONE.to_be_bytes()].concat())
}

impl Card for Molto2 {
    fn activation(&self) -> Activation {
        Activation::of(&self.serial)
    }

    /// What waits for the button waits on: the token has a battery, and hosts hang up before the button is pressed.
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
