//! Which family a token belongs to that was programmed elsewhere.

use oathburn_oath::{FamilyId, SerialNumber};
use oathburn_token::{FAMILIES, Models};

/// The family that was named, or that of the product with this serial number: a token that we could burn is the same
/// token then.
pub(crate) fn known(models: &Models, named: Option<&FamilyId>, serial: &SerialNumber) -> Option<FamilyId> {
    // Products without a prefix have any serial number, which says nothing.
    let is_known = |id: &FamilyId| models.lookup(id, serial).is_some_and(|model| !model.prefix.is_empty());
    let of_product = || FAMILIES.iter().map(|family| family.id()).find(is_known);
    named.cloned().or_else(of_product)
}

/// The family of a token that is in use; `preprogrammed`, which nothing burns, where it is not known.
pub(crate) fn of_token_in_use(models: &Models, named: Option<&FamilyId>, serial: &SerialNumber) -> FamilyId {
    known(models, named, serial).unwrap_or_else(|| FamilyId::new("preprogrammed").expect("it is a family's name"))
}
