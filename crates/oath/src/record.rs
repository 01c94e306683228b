//! Which token, and everything that makes it show its codes.

use std::fmt;
use std::str::FromStr;

use crate::{OathError, Params, Seed, SerialNumber};

/// The stable name of a token family, one wire protocol (`token2-single`): lower-case letters, digits and dashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId(Box<str>);

impl FamilyId {
    /// Checks the text: 1 to 32 of `a-z`, `0-9` and `-`.
    pub fn new(text: &str) -> Result<Self, OathError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > 32 || !text.bytes().all(allowed) {
            return Err(OathError::Family);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where in a token a seed lies. Single-profile tokens have slot 0, Molto2 numbers its profiles, an OATH applet
/// names its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// A numbered profile, counted from 0.
    Number(u8),
    /// A named credential: 1 to 64 bytes of UTF-8, not all digits, no control characters.
    Name(Box<str>),
}

impl Slot {
    /// The only slot of a single-profile token.
    pub const SINGLE: Self = Self::Number(0);
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.pad(name),
        }
    }
}

/// Digits are a number, anything else is a name, so that `to_string` and `parse` are each other's inverse.
impl FromStr for Slot {
    type Err = OathError;

    fn from_str(text: &str) -> Result<Self, OathError> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Number).map_err(|_| OathError::Slot);
        }
        if text.is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
            return Err(OathError::Slot);
        }
        Ok(Self::Name(text.into()))
    }
}

/// A token's identity: no two seeds are live under the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenIdentity {
    /// The wire protocol it speaks.
    pub family: FamilyId,
    /// The number on its back.
    pub serial: SerialNumber,
    /// Where in the token the seed lies.
    pub slot: Slot,
}

/// `token2-single 8659622…`, with `/slot` where the slot is not the only one.
impl fmt::Display for TokenIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.serial)?;
        if self.slot == Slot::SINGLE { Ok(()) } else { write!(f, "/{}", self.slot) }
    }
}

/// A token with its seed: what is sealed, imported and exported.
#[derive(Clone, Debug)]
pub struct TokenRecord {
    /// Which token, where in it.
    pub identity: TokenIdentity,
    /// How its codes are made.
    pub params: Params,
    /// The shared secret of RFC 4226 and RFC 6238.
    pub seed: Seed,
    /// Under whose name the product is sold.
    pub manufacturer: Option<String>,
    /// The product's name, as printed in a catalogue.
    pub model: Option<String>,
    /// The user it belongs to (Entra: user principal name).
    pub upn: Option<String>,
    /// The service the seed is for.
    pub issuer: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_survive_their_text() {
        for slot in [Slot::SINGLE, Slot::Number(99), Slot::Name("ACME:bob@example.com".into())] {
            assert_eq!(slot.to_string().parse::<Slot>().unwrap(), slot);
        }
        for bad in ["", "256", "a\u{7}b", &"x".repeat(65)] {
            assert_eq!(bad.parse::<Slot>(), Err(OathError::Slot), "{bad:?}");
        }
    }

    #[test]
    fn families_are_plain_words() {
        assert_eq!(FamilyId::new("token2-single").unwrap().as_str(), "token2-single");
        for bad in ["", "Token2", "a b", &"x".repeat(33)] {
            assert_eq!(FamilyId::new(bad), Err(OathError::Family), "{bad:?}");
        }
    }

    #[test]
    fn an_identity_names_the_slot_only_where_there_is_a_choice() {
        let mut identity = TokenIdentity {
            family: FamilyId::new("molto2").unwrap(),
            serial: SerialNumber::new("M123").unwrap(),
            slot: Slot::SINGLE,
        };
        assert_eq!(identity.to_string(), "molto2 M123");
        identity.slot = Slot::Number(7);
        assert_eq!(identity.to_string(), "molto2 M123/7");
    }
}
