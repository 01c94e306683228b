//! What a token says of itself.

use oathburn_oath::{FamilyId, SerialNumber, UnixTime};

/// What identifying a token brought to light; nothing was written, no try was spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// The protocol it answered to.
    pub family: FamilyId,
    /// The number on its back, or whatever else tells it from all others.
    pub serial: SerialNumber,
    /// What its clock shows, if it has one.
    pub clock: Option<UnixTime>,
    /// The product's name, where the token tells it and its serial number does not.
    pub product: Option<&'static str>,
    /// The version of its software, if it tells.
    pub version: Option<String>,
    /// What it calls itself, beside the serial number.
    pub device_id: Option<String>,
    /// Whether it asks for an access key before it tells or does more.
    pub locked: bool,
}

impl TokenInfo {
    /// A token that tells its family and its serial number only.
    pub const fn new(family: FamilyId, serial: SerialNumber) -> Self {
        Self { family, serial, clock: None, product: None, version: None, device_id: None, locked: false }
    }
}
