//! What a token says of itself.

use oathburn_oath::{FamilyId, SerialNumber, UnixTime};

/// What identifying a token brought to light; nothing was written, no try was spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// The protocol it answered to.
    pub family: FamilyId,
    /// The number on its back.
    pub serial: SerialNumber,
    /// What its clock shows, if it has one.
    pub clock: Option<UnixTime>,
}
