//! Tags that find the same seed twice without opening anything.

use hmac::{Hmac, KeyInit, Mac};
use oathburn_oath::Seed;
use sha2::Sha256;

use crate::wrap::Key;

/// Under which domain an event signs a duplicate key.
pub(crate) const DUPLICATE_DOMAIN: &str = "oathburn escrow duplicate key 1";

/// HMAC-SHA256 of the seed, cut to 16 bytes: useless without the key, and too short to tell more than equality.
pub(crate) fn tag(key: &Key, seed: &Seed) -> [u8; 16] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
    mac.update(seed.expose());
    let full: [u8; 32] = mac.finalize().into_bytes().into();
    let mut tag = [0; 16];
    tag.copy_from_slice(&full[..16]);
    tag
}
