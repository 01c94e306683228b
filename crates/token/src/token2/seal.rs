//! What these tokens do with SM4 (GB/T 32907): the answer to a challenge, the padded and encrypted
//! seed, and the MAC of a write.

use sm4::Sm4;
use sm4::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

const BLOCK: usize = 16;

/// The key of a device, keyed into the cipher.
pub(super) struct DeviceKey(Sm4);

impl DeviceKey {
    pub(super) fn new(key: &[u8; BLOCK]) -> Self {
        Self(Sm4::new(&Array::from(*key)))
    }

    /// The answer to a challenge: SM4 of the challenge, filled up with zeros.
    pub(super) fn answer(&self, challenge: [u8; 8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..8].copy_from_slice(&challenge);
        self.encrypt_block(&mut block);
        block
    }

    /// A seed, a title or a key as it goes over the wire: ISO/IEC 9797-1 padding method 2 (`80`, then zeros), always at least one
    /// byte, then SM4 block by block.
    pub(super) fn encrypt(&self, plain: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![0; (plain.len() / BLOCK + 1) * BLOCK]);
        bytes[..plain.len()].copy_from_slice(plain);
        bytes[plain.len()] = 0x80;
        for block in bytes.chunks_exact_mut(BLOCK) {
            self.encrypt_block(block);
        }
        bytes
    }

    /// The MAC of a write: the first four bytes of SM4-CBC over the command with class `80`, `Lc` of the body alone,
    /// and the body. Padding (`80`, zeros) only where the input does not end with a block.
    pub(super) fn mac(&self, ins_p1_p2: [u8; 3], body: &[u8]) -> [u8; 4] {
        let [ins, p1, p2] = ins_p1_p2;
        let length = u8::try_from(body.len()).expect("drivers build short commands");
        let mut input = Zeroizing::new(Vec::with_capacity(body.len() + 5 + BLOCK));
        input.extend_from_slice(&[0x80, ins, p1, p2, length]);
        input.extend_from_slice(body);
        if !input.len().is_multiple_of(BLOCK) {
            input.push(0x80);
            let padded = input.len().next_multiple_of(BLOCK);
            input.resize(padded, 0);
        }
        let mut state = Zeroizing::new([0; BLOCK]);
        for block in input.chunks_exact(BLOCK) {
            state.iter_mut().zip(block).for_each(|(state, byte)| *state ^= byte);
            self.encrypt_block(&mut *state);
        }
        [state[0], state[1], state[2], state[3]]
    }

    fn encrypt_block(&self, block: &mut [u8]) {
        let block: &mut [u8; BLOCK] = block.try_into().expect("called with whole blocks");
        self.0.encrypt_block(block.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token2::single::DEVICE_KEY;

    /// GB/T 32907, appendix A, example 1.
    #[test]
    fn the_cipher_is_sm4() {
        let key = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10";
        let mut block = key;
        DeviceKey::new(&key).encrypt_block(&mut block);
        assert_eq!(&block, b"\x68\x1e\xdf\x34\xd2\x06\x96\x5e\x86\xb3\xe9\x4f\x53\x6e\x42\x46");
    }

    /// The known answer of the protocol page.
    #[test]
    fn a_known_seed_gives_the_known_command() {
        let key = DeviceKey::new(&DEVICE_KEY);
        let body = key.encrypt(b"12345678901234567890");
        let expected = "5e5856092fd3228d4d33eee3daac4b55ce37d18d332b7ac6a40e8661fa23042a";
        assert_eq!(data_encoding::HEXLOWER.encode(&body), expected);
        assert_eq!(data_encoding::HEXLOWER.encode(&key.mac([0xc5, 0x01, 0x00], &body)), "f47b0153");
    }

    #[test]
    fn a_seed_that_fills_its_blocks_still_gets_padding() {
        let key = DeviceKey::new(&DEVICE_KEY);
        for (seed, wire) in [(1, 16), (15, 16), (16, 32), (17, 32), (32, 48), (47, 48), (48, 64), (63, 64)] {
            assert_eq!(key.encrypt(&vec![1; seed]).len(), wire, "{seed}");
        }
    }
}
