//! What a card is to a reader: bytes in, bytes out, and power.

use std::time::Duration;

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

/// A card on a reader. The reader decides when it has power; the card decides what it answers.
pub trait Card: Send {
    /// The answer to reset (ISO/IEC 7816-3, section 8). Never empty.
    fn atr(&self) -> Vec<u8> {
        CONTACTLESS_ATR.to_vec()
    }

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
