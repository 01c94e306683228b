//! A security key with an OATH applet, as Yubico's protocol and the published applet describe it.
//!
//! Written from `docs/protocol/ykoath.md` and judged by Yubico's own client, never by the driver.

mod commands;
mod entry;
mod key;
mod tlv;

use oathburn_oath::{Algorithm, Seed, SerialNumber};
use sha1::Sha1;
use zeroize::Zeroizing;

pub use self::entry::{Entry, OathType};
pub use self::key::{KeyKind, Version};
use crate::card::ShortApdu;
use crate::token2_single::Challenges;
use crate::{Activation, Card, Reply, Tear, hash};

const DONE: u16 = 0x9000;
const MORE: u16 = 0x6100;
const WRONG_LENGTH: u16 = 0x6700;
const NOT_SATISFIED: u16 = 0x6982;
const BLOCKED: u16 = 0x6983;
const NO_OBJECT: u16 = 0x6984;
const NOT_HERE: u16 = 0x6985;
const WRONG_SYNTAX: u16 = 0x6a80;
const NO_APPLICATION: u16 = 0x6a82;
const NO_SPACE: u16 = 0x6a84;
const WRONG_P1P2: u16 = 0x6b00;
const UNKNOWN_INSTRUCTION: u16 = 0x6d00;
const UNKNOWN_CLASS: u16 = 0x6e00;
const NO_RANDOM: u16 = 0x6f00;

const PUT: u8 = 0x01;
const DELETE: u8 = 0x02;
const SET_CODE: u8 = 0x03;
const RESET: u8 = 0x04;
const RENAME: u8 = 0x05;
const LIST: u8 = 0xa1;
const CALCULATE: u8 = 0xa2;
const VALIDATE: u8 = 0xa3;
const CALCULATE_ALL: u8 = 0xa4;
const SEND_REMAINING: u8 = 0xa5;

/// SELECT by name has the instruction byte of CALCULATE ALL and this P1.
const SELECT: u8 = 0xa4;
const BY_NAME: u8 = 0x04;

/// Tags that Yubico's protocol does not know.
const PIN_ATTEMPTS: u8 = 0x82;
const OWN_SERIAL: u8 = 0x8f;

const READ_CONFIG: u8 = 0x1d;
const OTP_REQUEST: u8 = 0x01;
const SERIAL_REQUEST: u8 = 0x10;

/// The most data in one R-APDU.
const MAX_ANSWER: usize = 256;
/// The block of SHA-1: the longest challenge and the longest key of an access code.
const BLOCK: usize = 64;

/// Why a command has no data in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Word(u16),
    /// The key lost its power.
    Torn,
}

impl From<u16> for Refusal {
    fn from(word: u16) -> Self {
        Self::Word(word)
    }
}

type Outcome = Result<Vec<u8>, Refusal>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Application {
    Oath,
    Otp,
    Management,
}

/// What protects the entries.
struct AccessCode {
    algorithm: Algorithm,
    key: Zeroizing<Vec<u8>>,
}

/// What outlives power.
struct Memory {
    id: [u8; 8],
    access_code: Option<AccessCode>,
    /// A deleted entry leaves its place to the next new one.
    places: Vec<Option<Entry>>,
}

/// What a reset or a SELECT ends.
#[derive(Default)]
struct Session {
    selected: Option<Application>,
    is_authenticated: bool,
    challenge: Option<[u8; 8]>,
    /// What did not fit in the last answer.
    rest: Vec<u8>,
}

/// A security key with an OATH applet.
pub struct YkOath {
    serial: SerialNumber,
    kind: KeyKind,
    version: Version,
    is_contact: bool,
    random: Challenges,
    memory: Memory,
    session: Session,
    is_touched: bool,
    tear: bool,
}

impl YkOath {
    /// A key as it leaves the factory: no entries, no access code, a device id made from the serial number until the
    /// first reset; NFC; random numbers from the operating system.
    pub fn new(serial: SerialNumber, kind: KeyKind, version: Version) -> Self {
        let digest = hash::hmac(Algorithm::Sha1, b"device id", serial.as_str().as_bytes());
        let id = *digest.first_chunk().expect("SHA-1 has 20 bytes");
        Self {
            serial,
            kind,
            version,
            is_contact: false,
            random: Box::new(|| {
                let mut random = [0; 8];
                getrandom::fill(&mut random).ok().map(|()| random)
            }),
            memory: Memory { id, access_code: None, places: Vec::new() },
            session: Session::default(),
            is_touched: false,
            tear: false,
        }
    }

    /// With challenges and device ids from elsewhere, for example from a recorded conversation.
    #[must_use]
    pub fn with_random(mut self, random: Challenges) -> Self {
        self.random = random;
        self
    }

    /// With this device id.
    #[must_use]
    pub fn with_device_id(mut self, id: [u8; 8]) -> Self {
        self.memory.id = id;
        self
    }

    /// On a contact instead of in a field: entries that need a touch then do need one.
    #[must_use]
    pub fn on_contact(mut self) -> Self {
        self.is_contact = true;
        self
    }

    /// With an access code made from a password, as hosts make it.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        let key = pbkdf2::pbkdf2_hmac_array::<Sha1, 16>(password.as_bytes(), &self.memory.id, 1000);
        self.memory.access_code = Some(AccessCode { algorithm: Algorithm::Sha1, key: key.to_vec().into() });
        self
    }

    /// With so many entries (at most as many as fit) whose names have 64 bytes: more than one answer can carry.
    #[must_use]
    pub fn with_long_entries(mut self, count: usize) -> Self {
        let entry = |number: usize| {
            let name = format!("Issuer {number:02}:{:x<54}", format!("user{number:02}@example.com.")).into_bytes();
            let key = hash::hmac(Algorithm::Sha1, b"long entries", &name);
            Entry::totp(name, Seed::new(key).expect("SHA-1 has 20 bytes"))
        };
        self.memory.places = (0..count.min(self.version.max_entries())).map(entry).map(Some).collect();
        self
    }

    /// The serial number. On the wire only a YubiKey tells it.
    pub fn serial(&self) -> &SerialNumber {
        &self.serial
    }

    /// Whose key it is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The applet's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The device id, which is also the access code's salt.
    pub fn device_id(&self) -> [u8; 8] {
        self.memory.id
    }

    /// Whether an access code is set.
    pub fn has_access_code(&self) -> bool {
        self.memory.access_code.is_some()
    }

    /// Whether it is on a contact rather than in a field.
    pub fn is_on_contact(&self) -> bool {
        self.is_contact
    }

    /// The entries in the order of LIST.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.memory.places.iter().flatten()
    }

    /// Touches the key: good for one command that needs it.
    pub fn touch(&mut self) {
        self.is_touched = true;
    }

    fn execute(&mut self, command: &[u8]) -> Outcome {
        let Some(apdu) = ShortApdu::read(command) else { return Err(WRONG_LENGTH.into()) };
        let ShortApdu { class, instruction, p1, p2, data, .. } = apdu;
        if class != 0 {
            return Err(UNKNOWN_CLASS.into());
        }
        if (instruction, p1) == (SELECT, BY_NAME) {
            return self.select(data);
        }
        match self.session.selected {
            Some(Application::Oath) => self.execute_oath(instruction, [p1, p2], data),
            Some(Application::Management) if (instruction, p1) == (READ_CONFIG, 0) => {
                Ok(key::device_info(self.version, key::number(&self.serial)))
            }
            Some(Application::Otp) if (instruction, p1) == (OTP_REQUEST, SERIAL_REQUEST) => {
                Ok(key::number(&self.serial).to_be_bytes().to_vec())
            }
            _ => Err(UNKNOWN_INSTRUCTION.into()),
        }
    }

    fn select(&mut self, name: &[u8]) -> Outcome {
        self.session = Session::default();
        let is_yubikey = self.kind == KeyKind::YubiKey;
        match name {
            key::OATH => self.select_oath(),
            key::OTP if is_yubikey => {
                self.session.selected = Some(Application::Otp);
                Ok(key::otp_status(self.version))
            }
            key::MANAGEMENT if is_yubikey => {
                self.session.selected = Some(Application::Management);
                Ok(key::greeting(self.version))
            }
            _ => Err(NO_APPLICATION.into()),
        }
    }

    fn select_oath(&mut self) -> Outcome {
        let mut answer = Vec::new();
        tlv::push(&mut answer, tlv::VERSION, &[&self.version.0]);
        let has_pin = self.kind == KeyKind::Nitrokey && self.memory.access_code.is_some();
        if has_pin {
            tlv::push(&mut answer, PIN_ATTEMPTS, &[&[8]]);
        } else {
            tlv::push(&mut answer, tlv::NAME, &[&self.memory.id]);
        }
        if let Some(code) = self.memory.access_code.as_ref().filter(|_| !has_pin) {
            let challenge = (self.random)().ok_or(NO_RANDOM)?;
            self.session.challenge = Some(challenge);
            tlv::push(&mut answer, tlv::CHALLENGE, &[&challenge]);
            if !self.version.is_neo() {
                tlv::push(&mut answer, tlv::ALGORITHM, &[&[entry::algorithm_code(code.algorithm)]]);
            }
        }
        if self.kind != KeyKind::YubiKey {
            tlv::push(&mut answer, OWN_SERIAL, &[&Activation::of(&self.serial).uid]);
        }
        self.session.selected = Some(Application::Oath);
        Ok(answer)
    }

    fn execute_oath(&mut self, instruction: u8, parameters: [u8; 2], data: &[u8]) -> Outcome {
        let rest = std::mem::take(&mut self.session.rest);
        if self.kind == KeyKind::Nitrokey {
            self.check_nitrokey(instruction, data, &rest)?;
        }
        let has_pin = self.kind == KeyKind::Nitrokey;
        let is_open = has_pin || self.memory.access_code.is_none() || self.session.is_authenticated;
        if !is_open && !matches!(instruction, VALIDATE | RESET) {
            return Err(NOT_SATISFIED.into());
        }
        match (instruction, parameters) {
            (PUT, [0, 0]) => self.put(data),
            (DELETE, [0, 0]) => self.delete(data),
            (SET_CODE, [0, 0]) => self.set_code(data),
            (RESET, [0xde, 0xad]) => self.erase(),
            (RENAME, _) if !self.version.knows_rename() => Err(UNKNOWN_INSTRUCTION.into()),
            (RENAME, [0, 0]) => self.rename(data),
            (LIST, [0, 0]) => Ok(self.list()),
            (CALCULATE, [0, shape @ 0..=1]) => self.calculate(shape == 1, data),
            (VALIDATE, [0, 0]) => self.validate(data),
            (CALCULATE_ALL, [0, shape @ 0..=1]) => self.calculate_all(shape == 1, data),
            (SEND_REMAINING, [0, 0]) => Ok(rest),
            (PUT..=RENAME | LIST..=SEND_REMAINING, _) => Err(WRONG_P1P2.into()),
            _ => Err(UNKNOWN_INSTRUCTION.into()),
        }
    }

    /// What Nitrokeys refuse that others do.
    fn check_nitrokey(&mut self, instruction: u8, data: &[u8], rest: &[u8]) -> Result<(), Refusal> {
        match instruction {
            SET_CODE | VALIDATE | CALCULATE_ALL => Err(NOT_HERE.into()),
            SEND_REMAINING if rest.is_empty() => Err(NOT_HERE.into()),
            RENAME => Err(UNKNOWN_INSTRUCTION.into()),
            DELETE | RESET if !self.is_present() => Err(NOT_SATISFIED.into()),
            PUT => match Entry::read(data, self.version) {
                Ok(entry) if self.place_of(&entry.name).is_some() => Err(BLOCKED.into()),
                Ok(entry) if entry.algorithm == Algorithm::Sha512 => Err(WRONG_SYNTAX.into()),
                Ok(entry) if entry.touch && !self.is_present() => Err(NOT_SATISFIED.into()),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether somebody has touched the key, which uses the touch up. In a field the key is there because somebody holds
    /// it.
    fn is_present(&mut self) -> bool {
        !self.is_contact || std::mem::take(&mut self.is_touched)
    }

    /// The power goes here, if it is to.
    fn pass_tear(&mut self) -> Result<(), Refusal> {
        if std::mem::take(&mut self.tear) {
            self.reset();
            return Err(Refusal::Torn);
        }
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Result<usize, Refusal> {
        let missing = if self.kind == KeyKind::Nitrokey { NO_APPLICATION } else { NO_OBJECT };
        self.place_of(name).ok_or(Refusal::Word(missing))
    }

    fn place_of(&self, name: &[u8]) -> Option<usize> {
        self.memory.places.iter().position(|place| place.as_ref().is_some_and(|entry| entry.name == name))
    }

    fn free_place(&mut self) -> usize {
        let places = &mut self.memory.places;
        places.iter().position(Option::is_none).unwrap_or_else(|| {
            places.push(None);
            places.len() - 1
        })
    }

    /// As much as fits now; the rest waits.
    fn answer(&mut self, mut data: Vec<u8>) -> Reply {
        let word = if data.len() > MAX_ANSWER {
            self.session.rest = data.split_off(MAX_ANSWER);
            MORE | u16::from(u8::try_from(self.session.rest.len()).unwrap_or(0))
        } else {
            DONE
        };
        data.extend_from_slice(&word.to_be_bytes());
        Reply::Answer(data)
    }
}

impl Card for YkOath {
    fn atr(&self) -> Vec<u8> {
        self.kind.atr(self.is_contact).to_vec()
    }

    fn activation(&self) -> Activation {
        Activation::of(&self.serial)
    }

    fn reset(&mut self) {
        self.session = Session::default();
        self.is_touched = false;
    }

    fn transmit(&mut self, command: &[u8]) -> Reply {
        match self.execute(command) {
            Ok(data) => self.answer(data),
            Err(Refusal::Word(word)) => Reply::status(word),
            Err(Refusal::Torn) => Reply::Gone,
        }
    }

    fn arm_tear(&mut self, tear: Tear) -> bool {
        self.tear |= tear == Tear::Store;
        tear == Tear::Store
    }
}

#[cfg(test)]
mod tests;
