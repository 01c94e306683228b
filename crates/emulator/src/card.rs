//! What a card is to a reader: bytes in, bytes out, and power.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oathburn_oath::SerialNumber;

/// The answer to reset of a contactless card as PC/SC composes it: no historical bytes, T=0 and T=1 offered.
pub const CONTACTLESS_ATR: [u8; 5] = [0x3b, 0x80, 0x80, 0x01, 0x01];

/// What comes back when a command was sent to a card.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// An R-APDU, at once.
    Answer(Vec<u8>),
    /// An R-APDU after a delay.
    Late(Duration, Vec<u8>),
    /// Nothing, ever: the card is there and says nothing.
    Silence,
    /// The card has left the field; whether it did something before is the card's business.
    Gone,
}

impl Reply {
    /// An answer that is nothing but a status word.
    pub fn status(word: u16) -> Self {
        Self::Answer(word.to_be_bytes().to_vec())
    }
}

/// A place inside the execution of a command at which the field can be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// In a config write: the clock is set, nothing is stored yet.
    Config,
    /// While the state is being stored: what was stored is torn.
    Store,
}

/// What a card says of itself while it is found and activated over the air (ISO/IEC 14443-3 and 14443-4, type A).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// The answer to the first request, in the order in which NFC chips give it: high byte first.
    pub atqa: [u8; 2],
    /// The answer to the selection. Bit 5: the card speaks ISO/IEC 14443-4.
    pub sak: u8,
    /// The unique identifier: 4, 7 or 10 bytes.
    pub uid: Vec<u8>,
    /// The answer to select, its length byte first.
    pub ats: Vec<u8>,
}

impl Activation {
    /// The card of an identifier: 256-byte frames, 5 ms to answer, no historical bytes.
    pub fn new(uid: &[u8]) -> Self {
        // The second nibble of the first answer's low byte tells how long the identifier is.
        let size = match uid.len() {
            0..=4 => 0x04,
            5..=7 => 0x44,
            _ => 0x84,
        };
        Self { atqa: [0x00, size], sak: 0x20, uid: uid.to_vec(), ats: vec![0x05, 0x78, 0x77, 0x41, 0x02] }
    }
}

impl Activation {
    /// The card of a serial number: an identifier of four bytes that differs from token to token and never changes
    /// (FNV-1a).
    pub(crate) fn of(serial: &SerialNumber) -> Self {
        let mix = |hash: u32, &byte: &u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let [first, rest @ ..] = serial.as_str().as_bytes().iter().fold(0x811c_9dc5, mix).to_be_bytes();
        // 08 begins random identifiers, 88 marks a longer one, xF is one that others may have too.
        let first = if matches!(first, 0x08 | 0x88) || first & 0x0f == 0x0f { first ^ 0x02 } else { first };
        Self::new(&[first, rest[0], rest[1], rest[2]])
    }
}

/// A short C-APDU (ISO/IEC 7816-4, section 5.2), read as leniently as these cards read it.
pub(crate) struct ShortApdu<'a> {
    pub(crate) class: u8,
    pub(crate) instruction: u8,
    pub(crate) p1: u8,
    pub(crate) p2: u8,
    pub(crate) data: &'a [u8],
    /// What follows the data: Le, or anything else.
    pub(crate) behind: &'a [u8],
}

impl<'a> ShortApdu<'a> {
    /// `None` for fewer than four bytes, or fewer data than Lc says. Without Lc there are no data.
    pub(crate) fn read(command: &'a [u8]) -> Option<Self> {
        let &[class, instruction, p1, p2, ref rest @ ..] = command else { return None };
        let (data, behind) = match rest {
            [] => (rest, rest),
            [length, rest @ ..] => rest.split_at_checked(usize::from(*length))?,
        };
        Some(Self { class, instruction, p1, p2, data, behind })
    }
}

/// A card on a reader. The reader decides when it has power; the card decides what it answers.
pub trait Card: Send {
    /// The answer to reset (ISO/IEC 7816-3, section 8). Never empty.
    fn atr(&self) -> Vec<u8> {
        CONTACTLESS_ATR.to_vec()
    }

    /// Who it is over the air.
    fn activation(&self) -> Activation;

    /// Power comes.
    fn power_on(&mut self) {
        self.reset();
    }

    /// Power goes.
    fn power_off(&mut self) {
        self.reset();
    }

    /// A reset: whatever the session was, it is over.
    fn reset(&mut self);

    /// Executes a C-APDU. An answer has at least its status word, two bytes.
    fn transmit(&mut self, command: &[u8]) -> Reply;

    /// Makes the next execution that passes `tear` stop there. `false` when this card has no such place.
    fn arm_tear(&mut self, tear: Tear) -> bool {
        let _ = tear;
        false
    }
}

impl<C: Card + ?Sized> Card for Box<C> {
    fn atr(&self) -> Vec<u8> {
        (**self).atr()
    }

    fn activation(&self) -> Activation {
        (**self).activation()
    }

    fn power_on(&mut self) {
        (**self).power_on();
    }

    fn power_off(&mut self) {
        (**self).power_off();
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Reply {
        (**self).transmit(command)
    }

    fn arm_tear(&mut self, tear: Tear) -> bool {
        (**self).arm_tear(tear)
    }
}

/// A card that others look at while it lies on a reader.
impl<C: Card> Card for Arc<Mutex<C>> {
    fn atr(&self) -> Vec<u8> {
        lock(self).atr()
    }

    fn activation(&self) -> Activation {
        lock(self).activation()
    }

    fn power_on(&mut self) {
        lock(self).power_on();
    }

    fn power_off(&mut self) {
        lock(self).power_off();
    }

    fn reset(&mut self) {
        lock(self).reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Reply {
        lock(self).transmit(command)
    }

    fn arm_tear(&mut self, tear: Tear) -> bool {
        lock(self).arm_tear(tear)
    }
}

fn lock<C>(card: &Mutex<C>) -> MutexGuard<'_, C> {
    // A card that panicked is still the card that lies there.
    card.lock().unwrap_or_else(PoisonError::into_inner)
}
