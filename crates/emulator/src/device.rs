//! Everything that can lie on an emulated reader, as one type.

use oathburn_oath::SerialNumber;

use crate::{Activation, Card, Foreign, Molto2, Reply, Tear, Token2Single, YkOath};

/// A token or a foreign card.
pub enum Device {
    /// A single-profile token.
    Token2Single(Box<Token2Single>),
    /// A token with many profiles.
    Molto2(Box<Molto2>),
    /// A security key with an OATH applet.
    YkOath(Box<YkOath>),
    /// A card that is no token we program.
    Foreign(Foreign),
}

impl Device {
    /// The kind, as `insert` takes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Token2Single(_) => "token2-single",
            Self::Molto2(_) => "molto2",
            Self::YkOath(_) => "ykoath",
            Self::Foreign(foreign) => foreign.name(),
        }
    }

    /// The serial number of what has one. Foreign cards are all alike.
    pub fn serial(&self) -> Option<&SerialNumber> {
        match self {
            Self::Token2Single(token) => Some(token.serial()),
            Self::Molto2(token) => Some(token.serial()),
            Self::YkOath(key) => Some(key.serial()),
            Self::Foreign(_) => None,
        }
    }

    /// Whether its execution passes this place.
    pub fn can_tear(&self, tear: Tear) -> bool {
        match self {
            Self::Token2Single(_) | Self::Molto2(_) => true,
            Self::YkOath(_) => tear == Tear::Store,
            Self::Foreign(_) => false,
        }
    }

    fn as_card(&self) -> &dyn Card {
        match self {
            Self::Token2Single(token) => token,
            Self::Molto2(token) => token,
            Self::YkOath(key) => key,
            Self::Foreign(foreign) => foreign,
        }
    }

    fn as_card_mut(&mut self) -> &mut dyn Card {
        match self {
            Self::Token2Single(token) => token,
            Self::Molto2(token) => token,
            Self::YkOath(key) => key,
            Self::Foreign(foreign) => foreign,
        }
    }
}

impl Card for Device {
    fn atr(&self) -> Vec<u8> {
        self.as_card().atr()
    }

    fn activation(&self) -> Activation {
        self.as_card().activation()
    }

    fn power_on(&mut self) {
        self.as_card_mut().power_on();
    }

    fn power_off(&mut self) {
        self.as_card_mut().power_off();
    }

    fn reset(&mut self) {
        self.as_card_mut().reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Reply {
        self.as_card_mut().transmit(command)
    }

    fn arm_tear(&mut self, tear: Tear) -> bool {
        self.as_card_mut().arm_tear(tear)
    }
}
