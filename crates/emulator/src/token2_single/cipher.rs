//! The cipher of the family: SM4 (GB/T 32907) under one published key, for blocks and for the MAC.

use sm4::Sm4;
use sm4::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

/// The key of every token of the family. The vendor publishes it; it protects nothing.
const DEVICE_KEY: [u8; 16] =
    [0x8a, 0xd2, 0x06, 0x88, 0x3c, 0xa3, 0x69, 0x48, 0x2a, 0xb2, 0x71, 0x82, 0xb6, 0xe8, 0x32, 0x24];

pub(super) const BLOCK: usize = 16;
pub(super) const MAC: usize = 4;

/// What the host must answer to a challenge: the encryption of the challenge followed by zeros.
pub(super) fn proof(challenge: [u8; 8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..challenge.len()].copy_from_slice(&challenge);
    let mut block = block.into();
    Sm4::new(&DEVICE_KEY.into()).encrypt_block(&mut block);
    block.into()
}

/// The MAC of a write: CBC with a zero vector over `header` and `body`, filled up with `80 00…` only where the length
/// is not already whole blocks.
pub(super) fn mac(header: [u8; 5], body: &[u8]) -> [u8; MAC] {
    let mut input = [&header, body].concat();
    if !input.len().is_multiple_of(BLOCK) {
        input.push(0x80);
        input.resize(input.len().next_multiple_of(BLOCK), 0);
    }
    let cipher = Sm4::new(&DEVICE_KEY.into());
    let mut chain = [0; BLOCK];
    for block in input.chunks_exact(BLOCK) {
        for (link, byte) in chain.iter_mut().zip(block) {
            *link ^= byte;
        }
        let mut next = chain.into();
        cipher.encrypt_block(&mut next);
        chain = next.into();
    }
    [chain[0], chain[1], chain[2], chain[3]]
}

/// The seed in the body of a seed write, without its padding (ISO/IEC 9797-1, method 2); `None` when the padding is
/// not there. The body is whole blocks.
pub(super) fn unpack_seed(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = Sm4::new(&DEVICE_KEY.into());
    let mut plain = Zeroizing::new(Vec::with_capacity(body.len()));
    for block in body.as_chunks::<BLOCK>().0 {
        let mut block = (*block).into();
        cipher.decrypt_block(&mut block);
        plain.extend_from_slice(&block);
    }
    let marker = plain.iter().rposition(|&byte| byte != 0).filter(|&last| plain[last] == 0x80)?;
    plain.truncate(marker);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER_PERMISSIVE;

    use super::*;

    /// The vendor's known answer: the seed `12345678901234567890`.
    #[test]
    fn known_answer() {
        let body =
            HEXLOWER_PERMISSIVE.decode(b"5e5856092fd3228d4d33eee3daac4b55ce37d18d332b7ac6a40e8661fa23042a").unwrap();
        assert_eq!(mac([0x80, 0xc5, 0x01, 0x00, 0x20], &body), [0xf4, 0x7b, 0x01, 0x53]);
        assert_eq!(unpack_seed(&body).unwrap().as_slice(), b"12345678901234567890");
    }

    #[test]
    fn a_body_without_marker_is_no_seed() {
        assert!(unpack_seed(&[0; 16]).is_none());
        assert!(unpack_seed(&[]).is_none());
    }
}
