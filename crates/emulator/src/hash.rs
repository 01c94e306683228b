//! HMAC (RFC 2104) over any message, and the four bytes a code is cut from (RFC 4226, section 5.3).

use hmac::{Hmac, KeyInit, Mac};
use oathburn_oath::Algorithm;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// As long as the hash: 20, 32 or 64 bytes.
pub(crate) fn hmac(algorithm: Algorithm, key: &[u8], message: &[u8]) -> Vec<u8> {
    fn of<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
        let keyed = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104, section 2)");
        keyed.chain_update(message).finalize().into_bytes().to_vec()
    }
    match algorithm {
        Algorithm::Sha1 => of::<Hmac<Sha1>>(key, message),
        Algorithm::Sha256 => of::<Hmac<Sha256>>(key, message),
        Algorithm::Sha512 => of::<Hmac<Sha512>>(key, message),
    }
}

/// Dynamic truncation; the highest bit is cleared.
pub(crate) fn truncate(hash: &[u8]) -> [u8; 4] {
    let last = hash.last().expect("no hash is empty");
    let offset = usize::from(last & 0x0f);
    let four: &[u8; 4] = hash[offset..].first_chunk().expect("every hash has 20 bytes or more");
    (u32::from_be_bytes(*four) & 0x7fff_ffff).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, in full: eight digits of the truncated number.
    #[test]
    fn vectors_of_rfc_6238() {
        let digits = b"1234567890".repeat(7);
        for (algorithm, len, code) in [
            (Algorithm::Sha1, 20, 94_287_082),
            (Algorithm::Sha256, 32, 46_119_246),
            (Algorithm::Sha512, 64, 90_693_936),
        ] {
            let hash = hmac(algorithm, &digits[..len], &1_u64.to_be_bytes());
            assert_eq!(u32::from_be_bytes(truncate(&hash)) % 100_000_000, code);
        }
    }
}
