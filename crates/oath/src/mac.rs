//! HMAC (RFC 2104) with the key already hashed, so that a seed is hashed once for many codes.

use hmac::{Hmac, KeyInit, Mac};
use sha1::block_api::compress;
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use crate::Algorithm;
use crate::lanes::{self, Midstate, Word};

/// The hash's state after the key.
#[derive(Clone)]
pub(crate) enum Keyed {
    /// What nearly every token has, prepared by hand: two compressions a code and nothing else.
    Sha1(Box<Zeroizing<[Midstate; 2]>>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Keyed {
    pub(crate) fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        const ANY_LENGTH: &str = "HMAC takes keys of any length (RFC 2104, section 2)";
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(Box::new(midstates(key))),
            Algorithm::Sha256 => Self::Sha256(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
            Algorithm::Sha512 => Self::Sha512(Hmac::new_from_slice(key).expect(ANY_LENGTH)),
        }
    }

    /// The 31 bits that a code is cut from (RFC 4226, section 5.3).
    pub(crate) fn bits(&self, counter: u64) -> u32 {
        let message = counter.to_be_bytes();
        match self {
            Self::Sha1(states) => lanes::one(&states[0], &states[1], counter),
            Self::Sha256(mac) => cut(&mac.clone().chain_update(message).finalize().into_bytes()),
            Self::Sha512(mac) => cut(&mac.clone().chain_update(message).finalize().into_bytes()),
        }
    }

    /// [`Self::bits`] of sixteen counters, from `first` on. Counters beyond the last one begin at 0 again.
    pub(crate) fn bits_from(&self, first: u64) -> Word {
        match self {
            Self::Sha1(states) => lanes::sixteen(&states[0], &states[1], first),
            _ => std::array::from_fn(|lane| self.bits(first.wrapping_add(lane as u64))),
        }
    }
}

/// SHA-1 after the key, padded with zeros and masked with 0x36 and with 0x5c (RFC 2104, section 2).
fn midstates(key: &[u8]) -> Zeroizing<[Midstate; 2]> {
    /// FIPS 180-4, section 5.3.1.
    const START: Midstate = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut block = Zeroizing::new([0; 64]);
    if key.len() > block.len() {
        block[..20].copy_from_slice(&Sha1::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut states = Zeroizing::new([START; 2]);
    for (state, mask) in states.iter_mut().zip([0x36, 0x5c]) {
        let masked = Zeroizing::new(block.map(|byte| byte ^ mask));
        compress(state, std::slice::from_ref(&*masked));
    }
    states
}

/// Dynamic truncation (RFC 4226, section 5.3): four bytes, from where the last half-byte says, without the sign.
fn cut(mac: &[u8]) -> u32 {
    let offset = mac.last().map_or(0, |last| usize::from(last & 0x0f));
    let word = mac[offset..offset + 4].iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
    word & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Our preparation of the key against the `hmac` crate, whatever the key's length.
        #[test]
        fn prepared_keys_are_those_of_rfc_2104(
            key in proptest::collection::vec(any::<u8>(), 1..=128), counter: u64,
        ) {
            let mac = Hmac::<Sha1>::new_from_slice(&key).unwrap().chain_update(counter.to_be_bytes());
            let expected = cut(&mac.finalize().into_bytes());
            let keyed = Keyed::new(Algorithm::Sha1, &key);
            prop_assert_eq!(keyed.bits(counter), expected);
        }

        #[test]
        fn sixteen_are_what_one_alone_is(
            key in proptest::collection::vec(any::<u8>(), 1..=128), algorithm in 0..3_usize, first: u64,
        ) {
            let keyed = Keyed::new(Algorithm::ALL[algorithm], &key);
            let expected: Word = std::array::from_fn(|lane| keyed.bits(first.wrapping_add(lane as u64)));
            prop_assert_eq!(keyed.bits_from(first), expected);
        }
    }
}
