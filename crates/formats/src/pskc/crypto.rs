//! Encryption in key containers (RFC 6030, section 6): XML Encryption's ciphers, encrypt-then-MAC, PBKDF2.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherDecrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use aes_kw::{AesKw, AesKwp};
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

/// The ciphers' block in bytes; initialization vectors are as long.
const BLOCK: usize = 16;

/// How a value is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    /// AES-CBC (XML Encryption, section 5.2.2) with a key of so many bytes; says nothing of who encrypted.
    Cbc(usize),
    /// AES key wrap (RFC 3394), which tells a wrong key and changed bytes by itself.
    KeyWrap(usize),
}

impl Cipher {
    pub(super) const AES128_CBC: &'static str = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";

    /// The cipher of an `EncryptionMethod`; drafts named some without their namespace.
    pub(super) fn of(algorithm: &str) -> Option<Self> {
        let name = algorithm.rsplit_once('#').map_or(algorithm, |(_, name)| name).to_ascii_lowercase();
        Some(match name.as_str() {
            "aes128-cbc" => Self::Cbc(16),
            "aes192-cbc" => Self::Cbc(24),
            "aes256-cbc" => Self::Cbc(32),
            "kw-aes128" => Self::KeyWrap(16),
            "kw-aes192" => Self::KeyWrap(24),
            "kw-aes256" => Self::KeyWrap(32),
            _ => return None,
        })
    }

    /// The length of its keys in bytes.
    pub(super) const fn key_len(self) -> usize {
        match self {
            Self::Cbc(len) | Self::KeyWrap(len) => len,
        }
    }

    /// Whether only a MAC tells if the value is as it was written.
    pub(super) const fn needs_mac(self) -> bool {
        matches!(self, Self::Cbc(_))
    }

    /// Decrypts; `None` for a key of the wrong length and for what was not encrypted with this key, as far as the
    /// cipher tells.
    pub(super) fn decrypt(self, key: &[u8], value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Cbc(16) => cbc::<Aes128>(key, value),
            Self::Cbc(24) => cbc::<Aes192>(key, value),
            Self::Cbc(_) => cbc::<Aes256>(key, value),
            Self::KeyWrap(len) => {
                let mut out = Zeroizing::new(vec![0; value.len().checked_sub(8)?]);
                let len = match len {
                    16 => key_wrap::<Aes128>(key, value, &mut out),
                    24 => key_wrap::<Aes192>(key, value, &mut out),
                    _ => key_wrap::<Aes256>(key, value, &mut out),
                }?;
                out.truncate(len);
                Some(out)
            }
        }
    }
}

fn cbc<C>(key: &[u8], value: &[u8]) -> Option<Zeroizing<Vec<u8>>>
where
    cbc::Decryptor<C>: KeyIvInit + BlockModeDecrypt,
    C: BlockCipherDecrypt,
{
    let (iv, ciphertext) = value.split_at_checked(BLOCK)?;
    let mut out = Zeroizing::new(ciphertext.to_vec());
    cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?.decrypt_padded::<NoPadding>(&mut out).ok()?;
    // Only the last byte counts: the others of the padding may be anything.
    let padding = usize::from(*out.last()?);
    let len = out.len().checked_sub(padding).filter(|_| (1..=BLOCK).contains(&padding))?;
    out.truncate(len);
    Some(out)
}

/// RFC 3394; or RFC 5649, under the same name, for values that are not whole blocks. Each tells the other's.
fn key_wrap<C>(key: &[u8], value: &[u8], out: &mut [u8]) -> Option<usize>
where
    C: BlockSizeUser<BlockSize = U16> + BlockCipherDecrypt + KeyInit,
{
    let whole = AesKw::<C>::new_from_slice(key).ok()?.unwrap_key(value, out).ok().map(<[u8]>::len);
    whole.or_else(|| AesKwp::<C>::new_from_slice(key).ok()?.unwrap_key(value, out).ok().map(<[u8]>::len))
}

/// AES-128-CBC with this initialization vector in front, padded as PKCS #7 does, which is what every reader takes.
pub(super) fn encrypt_cbc128(key: &[u8; 16], iv: &[u8; BLOCK], plaintext: &[u8]) -> Vec<u8> {
    let padding = BLOCK - plaintext.len() % BLOCK;
    // The plaintext lies in it until it is encrypted in place: nothing unwiped is left.
    let mut out = Vec::with_capacity(BLOCK + plaintext.len() + padding);
    out.extend(iv);
    out.extend(plaintext);
    out.resize(out.len() + padding, u8::try_from(padding).expect("a padding is at most a block"));
    let len = out.len() - BLOCK;
    cbc::Encryptor::<Aes128>::new(key.into(), iv.into())
        .encrypt_padded::<NoPadding>(&mut out[BLOCK..], len)
        .expect("whole blocks need no room for padding");
    out
}

/// The hash under an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) const HMAC_SHA1: &'static str = "http://www.w3.org/2000/09/xmldsig#hmac-sha1";

    /// The hash of a `MACMethod` or a `PRF`.
    pub(super) fn of_hmac(algorithm: &str) -> Option<Self> {
        let name = algorithm.rsplit_once('#').map_or(algorithm, |(_, name)| name).to_ascii_lowercase();
        let name = name.replace(['-', '_'], "");
        Some(match name.strip_prefix("hmac")? {
            "sha1" => Self::Sha1,
            "sha224" => Self::Sha224,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    /// Whether `tag` is the HMAC of a message; compared in constant time.
    pub(super) fn verify(self, key: &[u8], message: &[u8], tag: &[u8]) -> bool {
        fn verify<D: EagerHash>(key: &[u8], message: &[u8], tag: &[u8]) -> bool
        where
            Hmac<D>: Mac + KeyInit,
        {
            let mac = <Hmac<D> as KeyInit>::new_from_slice(key);
            mac.is_ok_and(|mac| mac.chain_update(message).verify_slice(tag).is_ok())
        }
        match self {
            Self::Sha1 => verify::<Sha1>(key, message, tag),
            Self::Sha224 => verify::<Sha224>(key, message, tag),
            Self::Sha256 => verify::<Sha256>(key, message, tag),
            Self::Sha384 => verify::<Sha384>(key, message, tag),
            Self::Sha512 => verify::<Sha512>(key, message, tag),
        }
    }

    /// PBKDF2 (RFC 8018, section 5.2).
    pub(super) fn pbkdf2(self, password: &[u8], salt: &[u8], rounds: u32, len: usize) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(vec![0; len]);
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut key),
            Self::Sha224 => pbkdf2::pbkdf2_hmac::<Sha224>(password, salt, rounds, &mut key),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut key),
            Self::Sha384 => pbkdf2::pbkdf2_hmac::<Sha384>(password, salt, rounds, &mut key),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut key),
        }
        key
    }
}

/// HMAC-SHA-1, which is what every reader takes.
pub(super) fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(message).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, HEXLOWER_PERMISSIVE as HEX};

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        HEX.decode(text.as_bytes()).unwrap()
    }

    /// RFC 6030, figure 6: a seed under a pre-shared key, with its MAC under an encrypted MAC key.
    #[test]
    fn the_standards_pre_shared_key_opens_its_example() {
        let key = hex("12345678901234567890123456789012");
        let mac_key = BASE64.decode(b"ESIzRFVmd4iZABEiM0RVZgKn6WjLaTC1sbeBMSvIhRejN9vJa2BOlSaMrR7I5wSX").unwrap();
        let mac_key = Cipher::of(Cipher::AES128_CBC).unwrap().decrypt(&key, &mac_key).unwrap();
        assert_eq!(*mac_key, hex("1122334455667788990011223344556677889900"));
        let value = BASE64.decode(b"AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv").unwrap();
        let tag = BASE64.decode(b"Su+NvtQfmvfJzF6bmQiJqoLRExc=").unwrap();
        assert!(Hash::of_hmac(Hash::HMAC_SHA1).unwrap().verify(&mac_key, &value, &tag));
        assert_eq!(hmac_sha1(&mac_key, &value), *tag);
        let seed = Cipher::Cbc(16).decrypt(&key, &value).unwrap();
        assert_eq!(*seed, b"12345678901234567890");
        let iv = value[..16].try_into().unwrap();
        assert_eq!(encrypt_cbc128(key[..].try_into().unwrap(), iv, &seed), value);
        let mut changed = value;
        changed[20] ^= 1;
        assert!(!Hash::Sha1.verify(&mac_key, &changed, &tag));
        assert!(!Hash::Sha1.verify(&mac_key, &changed, &tag[..10]));
    }

    /// RFC 6030, figure 7: the key of a password.
    #[test]
    fn the_standards_password_gives_its_key() {
        let salt = BASE64.decode(b"Ej7/PEpyEpw=").unwrap();
        assert_eq!(*Hash::Sha1.pbkdf2(b"qwerty", &salt, 1000, 16), hex("651e63cd57008476af1ff6422cd02e41"));
    }

    /// RFC 3394, sections 4.1 and 4.6; RFC 5649.
    #[test]
    fn wrapped_keys_are_unwrapped() {
        let data = "00112233445566778899AABBCCDDEEFF";
        let key = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";
        let wrapped = hex("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5");
        let unwrapped = Cipher::of("http://www.w3.org/2001/04/xmlenc#kw-aes128").unwrap();
        assert_eq!(*unwrapped.decrypt(&hex(&key[..32]), &wrapped).unwrap(), hex(data));
        let long = hex("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21");
        let whole = format!("{data}000102030405060708090A0B0C0D0E0F");
        assert_eq!(*Cipher::KeyWrap(32).decrypt(&hex(key), &long).unwrap(), hex(&whole));
        assert!(Cipher::KeyWrap(32).decrypt(&hex(key), &wrapped).is_none());
        assert!(Cipher::KeyWrap(16).decrypt(&hex(key), &wrapped).is_none());
        // RFC 5649, section 6: twenty bytes are not whole blocks.
        let padded = hex("138BDEAA9B8FA7FC61F97742E72248EE5AE6AE5360D1AE6A5F54F373FA543B6A");
        let short = hex("5840DF6E29B02AF1AB493B705BF16EA1AE8338F4DCC176A8");
        assert_eq!(
            *Cipher::KeyWrap(24).decrypt(&short, &padded).unwrap(),
            hex("C37B7E6492584340BED12207808941155068F738")
        );
        for len in 0..24 {
            assert!(Cipher::KeyWrap(16).decrypt(&hex(&key[..32]), &wrapped[..len]).is_none(), "{len}");
        }
    }

    #[test]
    fn what_is_no_ciphertext_is_none() {
        for len in [0, 1, 15, 16, 17, 31] {
            assert!(Cipher::Cbc(16).decrypt(&[0; 16], &vec![0; len]).is_none(), "{len}");
        }
        assert!(Cipher::Cbc(16).decrypt(&[0; 24], &[0; 32]).is_none());
        for padding in [0, 17, 255] {
            let mut block = [0; 16];
            block[15] = padding;
            let mut value = encrypt_cbc128(&[7; 16], &[0; 16], &block);
            value.truncate(32);
            assert!(Cipher::Cbc(16).decrypt(&[7; 16], &value).is_none(), "{padding}");
        }
        assert_eq!(Cipher::of("http://www.w3.org/2001/04/xmlenc#tripledes-cbc"), None);
        assert_eq!(Hash::of_hmac("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"), Some(Hash::Sha256));
        assert_eq!(Hash::of_hmac("http://www.w3.org/2001/04/xmldsig-more#hmac-md5"), None);
    }
}
