//! The key that some tokens ask for before they let themselves be read or written.

use oathburn_oath::{OathError, Seed};

/// A password or a key of bytes, as it stands in a file: the family makes of it what its protocol wants. It is kept
/// like a seed: wiped when dropped, silent in `Debug`, compared in constant time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey(Seed);

impl AccessKey {
    /// Takes over 1 to 128 bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, OathError> {
        Seed::new(bytes).map(Self)
    }

    /// As an escrow seals it.
    pub const fn as_seed(&self) -> &Seed {
        &self.0
    }

    /// The bytes. Every use is listed in the architecture test.
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// As an escrow gives it back.
impl From<Seed> for AccessKey {
    fn from(seed: Seed) -> Self {
        Self(seed)
    }
}
