//! Which products are which, by the beginning of their serial numbers.

mod file;

use oathburn_oath::{FamilyId, SerialNumber};

use crate::TokenInfo;

/// What setting a token's clock does to its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockSync {
    /// The seed stays.
    Unrestricted,
    /// The seed is erased.
    Restricted,
    /// The token has no clock, or nobody can set it.
    None,
}

impl ClockSync {
    /// The name in JSON and in the models file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unrestricted => "unrestricted",
            Self::Restricted => "restricted",
            Self::None => "none",
        }
    }
}

/// One product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The family whose protocol it speaks.
    pub family: FamilyId,
    /// What its serial numbers begin with.
    pub prefix: String,
    /// The name in the catalogue.
    pub name: String,
    /// What setting the clock does.
    pub sync: ClockSync,
    /// Whether its seed can be written at all.
    pub programmable: bool,
}

/// The products that are known: those of the families, and those a user has added.
#[derive(Clone, Debug)]
pub struct Models(Vec<Model>);

impl Models {
    /// The products known from their makers.
    pub fn builtin() -> Self {
        Self(crate::FAMILIES.iter().flat_map(|family| family.models()).collect())
    }

    /// One more product; of two with the same prefix the one added last counts.
    pub fn add(&mut self, model: Model) {
        self.0.push(model);
    }

    /// The product with the longest matching prefix.
    pub fn lookup(&self, family: &FamilyId, serial: &SerialNumber) -> Option<&Model> {
        let matches = |model: &&Model| model.family == *family && serial.as_str().starts_with(&model.prefix);
        self.0.iter().filter(matches).max_by_key(|model| model.prefix.len())
    }

    /// The product a token says it is.
    pub fn of(&self, info: &TokenInfo) -> Option<&Model> {
        self.lookup(&info.family, &info.serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins_and_then_the_last_added() {
        let family = crate::FAMILIES[0].id();
        let serial = |text| SerialNumber::new(text).unwrap();
        let mut models = Models::builtin();
        let name = |models: &Models, text| models.lookup(&family, &serial(text)).map(|model| model.name.clone());
        assert_eq!(name(&models, "8659622000001").as_deref(), Some("OTPC-P2-i"));
        assert_eq!(name(&models, "8659621000001").as_deref(), Some("OTPC-P2-i-NB"));
        assert_eq!(name(&models, "8650000000001"), None);
        let added = |prefix: &str, name: &str| Model {
            family: family.clone(),
            prefix: prefix.into(),
            name: name.into(),
            sync: ClockSync::Restricted,
            programmable: true,
        };
        models.add(added("865", "any"));
        models.add(added("8659622", "own"));
        assert_eq!(name(&models, "8650000000001").as_deref(), Some("any"));
        assert_eq!(name(&models, "8659622000001").as_deref(), Some("own"));
        assert!(models.lookup(&FamilyId::new("nothing").unwrap(), &serial("8659622000001")).is_none());
    }
}
