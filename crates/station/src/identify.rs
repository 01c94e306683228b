//! Who is on the reader?

use oathburn_oath::{Clock, Drift, SerialNumber};
use oathburn_token::{FAMILIES, Model, Models, TokenFamily, TokenInfo, Transport, family, name_foreign};

use crate::StationError;

/// A token that said who it is.
#[derive(Clone, Debug)]
pub struct Identified {
    /// What it said.
    pub info: TokenInfo,
    /// The product, if its serial number belongs to a known one.
    pub model: Option<Model>,
    /// Its clock minus ours.
    pub drift: Option<Drift>,
}

impl Identified {
    /// Asks every family, then, when none knows the card, names it. Writes nothing and needs no escrow.
    pub fn read(transport: &mut dyn Transport, models: &Models, clock: &dyn Clock) -> Result<Self, StationError> {
        for family in FAMILIES {
            if let Some(info) = family.identify(transport)? {
                let mut model = models.of(&info).cloned();
                // What the token says beats what is only known of all its family.
                if let (Some(model), Some(product)) =
                    (model.as_mut().filter(|model| model.prefix.is_empty()), info.product)
                {
                    model.name = product.into();
                }
                let drift = info.clock.map(|token| Drift::between(token, clock.now()));
                return Ok(Self { info, model, drift });
            }
        }
        Err(StationError::Foreign { card: name_foreign(transport)? })
    }

    /// The driver that knows it.
    pub fn driver(&self) -> &'static dyn TokenFamily {
        family(&self.info.family).expect("the family that identified the token is in the table")
    }

    /// Insists on this token, if one is named.
    pub(crate) fn expect(&self, expected: Option<&SerialNumber>) -> Result<(), StationError> {
        match expected.filter(|expected| **expected != self.info.serial) {
            None => Ok(()),
            Some(expected) => {
                Err(StationError::OtherToken { expected: expected.clone(), found: self.info.serial.clone() })
            }
        }
    }

    /// Whether its seed can be written.
    pub fn is_programmable(&self) -> bool {
        self.model.as_ref().is_some_and(|model| model.programmable)
    }
}
