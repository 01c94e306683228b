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

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// The expected value is Python's: hmac.new(key, seed, sha256).
    #[test]
    fn tags_are_hmac_sha256_cut_to_16_bytes() {
        let key = Zeroizing::new([0xaa; 32]);
        let tag = tag(&key, &Seed::new(vec![0xdd; 50]).unwrap());
        assert_eq!(data_encoding::HEXLOWER.encode(&tag), "cdcb1220d1ecccea91e53aba3092f962");
    }

    #[test]
    fn seeds_that_make_the_same_codes_are_still_different_seeds() {
        let key = Zeroizing::new([1; 32]);
        let one = tag(&key, &Seed::new(vec![7; 20]).unwrap());
        let padded = tag(&key, &Seed::new([vec![7; 20], vec![0]].concat()).unwrap());
        assert_ne!(one, padded);
    }
}
