//! What the applet keeps under a name, and what it makes of it.

use oathburn_oath::{Algorithm, Seed};

use super::tlv::{FACTOR, Fields, KEY, NAME};
use super::{Refusal, Version, WRONG_SYNTAX};
use crate::hash;

pub(super) const MAX_NAME: usize = 64;

/// Property: a challenge must not be lower than the one before.
const INCREASING: u8 = 0x01;
/// Property: a touch is needed.
const TOUCH: u8 = 0x02;

/// Whether codes come from the time or from a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OathType {
    /// From a counter (RFC 4226).
    Hotp,
    /// From a challenge, the time step (RFC 6238).
    Totp,
}

impl OathType {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hotp => "hotp",
            Self::Totp => "totp",
        }
    }
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// 1 to 64 bytes; mostly UTF-8.
    pub name: Vec<u8>,
    /// TOTP or HOTP.
    pub oath_type: OathType,
    /// The hash.
    pub algorithm: Algorithm,
    /// 6, 7 or 8. The applet only hands it back.
    pub digits: u8,
    /// As it came: hosts hash long ones and fill up short ones.
    pub key: Seed,
    /// Whether codes need a touch.
    pub touch: bool,
    /// Whether challenges must not fall.
    pub increasing: bool,
    /// HOTP: what the next code is made with.
    pub counter: u64,
    /// The highest challenge so far, without leading zeros, where challenges must not fall.
    highest: Vec<u8>,
}

impl Entry {
    /// What most entries are: SHA-1, six digits.
    pub(super) fn totp(name: Vec<u8>, key: Seed) -> Self {
        Self {
            name,
            oath_type: OathType::Totp,
            algorithm: Algorithm::Sha1,
            digits: 6,
            key,
            touch: false,
            increasing: false,
            counter: 0,
            highest: Vec::new(),
        }
    }

    /// Reads the data of PUT.
    pub(super) fn read(data: &[u8], version: Version) -> Result<Self, Refusal> {
        let wrong = Refusal::Word(WRONG_SYNTAX);
        let mut fields = Fields(data);
        let name = read_name(&mut fields)?;
        let &[kind, digits @ 6..=8, ref key @ ..] = fields.value(KEY)? else { return Err(wrong) };
        let oath_type = match kind >> 4 {
            1 => OathType::Hotp,
            2 => OathType::Totp,
            _ => return Err(wrong),
        };
        let algorithm = algorithm(kind).filter(|&algorithm| version.knows(algorithm)).ok_or(wrong)?;
        if key.len() > algorithm.block_len() {
            return Err(wrong);
        }
        let key = Seed::new(key.to_vec()).map_err(|_| wrong)?;
        let property = fields.property().unwrap_or(0);
        let known = if version.knows_touch() { INCREASING | TOUCH } else { INCREASING };
        if property & !known != 0 {
            return Err(wrong);
        }
        let counter = if fields.next_is(FACTOR) && oath_type == OathType::Hotp {
            let factor: [u8; 4] = fields.value(FACTOR)?.try_into().map_err(|_| wrong)?;
            u64::from(u32::from_be_bytes(factor))
        } else {
            0
        };
        fields.end()?;
        Ok(Self {
            oath_type,
            algorithm,
            digits,
            touch: property & TOUCH != 0,
            increasing: property & INCREASING != 0,
            counter,
            ..Self::totp(name.to_vec(), key)
        })
    }

    /// The byte that says type and algorithm.
    pub(super) fn kind(&self) -> u8 {
        let oath_type = match self.oath_type {
            OathType::Hotp => 0x10,
            OathType::Totp => 0x20,
        };
        oath_type | algorithm_code(self.algorithm)
    }

    /// Takes a challenge, unless it must not be lower than one before and is. Counters count elsewhere.
    pub(super) fn accept(&mut self, challenge: &[u8]) -> bool {
        if self.oath_type == OathType::Hotp || !self.increasing {
            return true;
        }
        let zeros = challenge.iter().take_while(|&&byte| byte == 0).count();
        let number = &challenge[zeros..];
        let key = |number: &[u8]| (number.len(), number.to_vec());
        if key(number) < key(&self.highest) {
            return false;
        }
        self.highest = number.to_vec();
        true
    }

    /// The response to a challenge; HOTP takes its counter instead.
    pub(super) fn respond(&self, challenge: &[u8]) -> Vec<u8> {
        let counter = self.counter.to_be_bytes();
        let message = if self.oath_type == OathType::Hotp { &counter } else { challenge };
        hash::hmac(self.algorithm, self.key.expose(), message)
    }
}

/// A name of 1 to 64 bytes.
pub(super) fn read_name<'a>(fields: &mut Fields<'a>) -> Result<&'a [u8], Refusal> {
    let name = fields.value(NAME)?;
    if (1..=MAX_NAME).contains(&name.len()) { Ok(name) } else { Err(Refusal::Word(WRONG_SYNTAX)) }
}

/// The algorithm in the low half of a byte.
pub(super) fn algorithm(byte: u8) -> Option<Algorithm> {
    Algorithm::ALL.into_iter().find(|&algorithm| algorithm_code(algorithm) == byte & 0x0f)
}

pub(super) const fn algorithm_code(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Sha1 => 1,
        Algorithm::Sha256 => 2,
        Algorithm::Sha512 => 3,
    }
}
