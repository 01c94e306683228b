//! Everything that can lie on an emulated reader, as one type.

use crate::{Activation, Card, Foreign, Reply, Tear, Token2Single};

/// A token or a foreign card.
pub enum Device {
    /// A single-profile token.
    Token2Single(Box<Token2Single>),
    /// A card that is no token we program.
    Foreign(Foreign),
}

impl Device {
    /// The kind, as `insert` takes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Token2Single(_) => "token2-single",
            Self::Foreign(foreign) => foreign.name(),
        }
    }

    /// The token, when it is one.
    pub fn token(&self) -> Option<&Token2Single> {
        match self {
            Self::Token2Single(token) => Some(token),
            Self::Foreign(_) => None,
        }
    }

    /// The token, when it is one.
    pub fn token_mut(&mut self) -> Option<&mut Token2Single> {
        match self {
            Self::Token2Single(token) => Some(token),
            Self::Foreign(_) => None,
        }
    }

    fn as_card(&self) -> &dyn Card {
        match self {
            Self::Token2Single(token) => token,
            Self::Foreign(foreign) => foreign,
        }
    }

    fn as_card_mut(&mut self) -> &mut dyn Card {
        match self {
            Self::Token2Single(token) => token,
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
