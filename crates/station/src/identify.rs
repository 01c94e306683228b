//! Who is on the reader?

use oathburn_oath::{Clock, Drift};
use oathburn_token::{FAMILIES, Model, Models, TokenInfo, Transport, name_foreign};

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
                let model = models.of(&info).cloned();
                let drift = info.clock.map(|token| Drift::between(token, clock.now()));
                return Ok(Self { info, model, drift });
            }
        }
        Err(StationError::Foreign { card: name_foreign(transport)? })
    }

    /// Whether its seed can be written.
    pub fn is_programmable(&self) -> bool {
        self.model.as_ref().is_some_and(|model| model.programmable)
    }
}
