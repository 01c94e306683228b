//! The cipher of Token2's families: SM4 (GB/T 32907) under one key, for blocks and for the MAC.

use sm4::Sm4;
use sm4::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

pub(crate) const BLOCK: usize = 16;
pub(crate) const MAC: usize = 4;

/// SM4 with its key.
pub(crate) struct Cipher(Sm4);

impl Cipher {
    pub(crate) fn new(key: &[u8; BLOCK]) -> Self {
        Self(Sm4::new(key.into()))
    }

    fn encrypt(&self, block: [u8; BLOCK]) -> [u8; BLOCK] {
        let mut block = block.into();
        self.0.encrypt_block(&mut block);
        block.into()
    }

    /// What the host must answer to a challenge: the encryption of the challenge followed by zeros.
    pub(crate) fn proof(&self, challenge: [u8; 8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..challenge.len()].copy_from_slice(&challenge);
        self.encrypt(block)
    }

    /// The MAC of a write: CBC with a zero vector over `header` and `body`, filled up with `80 00…` only where the
    /// length is not already whole blocks.
    pub(crate) fn mac(&self, header: [u8; 5], body: &[u8]) -> [u8; MAC] {
        let mut input = [&header, body].concat();
        if !input.len().is_multiple_of(BLOCK) {
            input.push(0x80);
            input.resize(input.len().next_multiple_of(BLOCK), 0);
        }
        let mut chain = [0; BLOCK];
        for block in input.as_chunks::<BLOCK>().0 {
            for (link, byte) in chain.iter_mut().zip(block) {
                *link ^= byte;
            }
            chain = self.encrypt(chain);
        }
        [chain[0], chain[1], chain[2], chain[3]]
    }

    /// Body and MAC of a write, if the MAC is right; the class in its input is 80. `data` without room for a MAC is
    /// none.
    pub(crate) fn authentic<'a>(&self, [instruction, p1, p2]: [u8; 3], data: &'a [u8]) -> Option<&'a [u8]> {
        let (body, mac) = data.split_last_chunk::<MAC>()?;
        let length = u8::try_from(body.len()).expect("the data of a short APDU has at most 255 bytes");
        (self.mac([0x80, instruction, p1, p2, length], body) == *mac).then_some(body)
    }

    /// The plain text of whole blocks; what is left over is left out.
    pub(crate) fn decrypt(&self, body: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut plain = Zeroizing::new(Vec::with_capacity(body.len()));
        for block in body.as_chunks::<BLOCK>().0 {
            let mut block = (*block).into();
            self.0.decrypt_block(&mut block);
            plain.extend_from_slice(&block);
        }
        plain
    }
}

/// Removes the padding of ISO/IEC 9797-1, method 2; `None` when it is not there.
pub(crate) fn unpad(mut plain: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let marker = plain.iter().rposition(|&byte| byte != 0).filter(|&last| plain[last] == 0x80)?;
    plain.truncate(marker);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// The vendor's known answer: the seed `12345678901234567890` under the key of single-profile tokens.
    #[test]
    fn known_answer() {
        let key = HEXLOWER.decode(b"8ad206883ca369482ab27182b6e83224").unwrap();
        let cipher = Cipher::new(key.as_slice().try_into().unwrap());
        let body = HEXLOWER.decode(b"5e5856092fd3228d4d33eee3daac4b55ce37d18d332b7ac6a40e8661fa23042a").unwrap();
        let mac = [0xf4, 0x7b, 0x01, 0x53];
        assert_eq!(cipher.mac([0x80, 0xc5, 0x01, 0x00, 0x20], &body), mac);
        let data = [body.as_slice(), &mac].concat();
        assert_eq!(cipher.authentic([0xc5, 1, 0], &data), Some(body.as_slice()));
        assert_eq!(cipher.authentic([0xc5, 1, 1], &data), None);
        assert_eq!(cipher.authentic([0xc5, 1, 0], &mac[..3]), None);
        assert_eq!(unpad(cipher.decrypt(&body)).unwrap().as_slice(), b"12345678901234567890");
    }

    #[test]
    fn what_has_no_marker_is_not_padded() {
        assert!(unpad(Zeroizing::new(vec![0; 16])).is_none());
        assert!(unpad(Zeroizing::new(vec![])).is_none());
        assert!(unpad(Zeroizing::new(vec![0x80, 1])).is_none());
    }
}
