//! The seed: the shared secret of RFC 6238.

use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use secrecy::{ExposeSecret, SecretSlice};
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::{Algorithm, OathError};

/// How a seed is written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// RFC 4648, section 6: `A-Z` and `2-7`.
    Base32,
    /// RFC 4648, section 8.
    Hex,
}

/// A seed of 1 to 128 bytes. It is wiped when dropped, says nothing in `Debug`, and is compared in constant time.
#[derive(Clone)]
pub struct Seed(SecretSlice<u8>);

impl Seed {
    /// The longest seed, two blocks of SHA-1.
    pub const MAX_LEN: usize = 128;

    /// Takes over `bytes`; they are wiped when they are refused, too.
    pub fn new(mut bytes: Vec<u8>) -> Result<Self, OathError> {
        let result = match bytes.len() {
            0 => Err(OathError::SeedEmpty),
            1..=Self::MAX_LEN => return Ok(Self(bytes.into())),
            len => Err(OathError::SeedTooLong { len }),
        };
        bytes.zeroize();
        result
    }

    /// A random seed of `len` bytes from the operating system's generator.
    pub fn generate(len: usize) -> Result<Self, OathError> {
        if len > Self::MAX_LEN {
            return Err(OathError::SeedTooLong { len });
        }
        let mut bytes = Zeroizing::new(vec![0; len]);
        getrandom::fill(&mut bytes).map_err(|_| OathError::Random)?;
        Self::new(std::mem::take(&mut bytes))
    }

    /// Reads Base32 as people type it: any case, spaces and dashes anywhere, padding or none.
    ///
    /// Text that cannot have come from whole bytes (a length that no encoder makes, left-over bits that are not
    /// zero) is refused: it was truncated or mistyped.
    pub fn from_base32(text: &str) -> Result<Self, OathError> {
        let compact =
            compact(text, OathError::NotBase32 { position: 0 }, |byte, position| match byte.to_ascii_uppercase() {
                upper @ (b'A'..=b'Z' | b'2'..=b'7') => Ok(upper),
                _ => Err(OathError::NotBase32 { position }),
            })?;
        let mut bytes =
            Zeroizing::new(vec![0; BASE32_NOPAD.decode_len(compact.len()).map_err(|_| OathError::Base32Truncated)?]);
        let len = BASE32_NOPAD.decode_mut(&compact, &mut bytes).map_err(|_| OathError::Base32Truncated)?;
        bytes.truncate(len);
        Self::new(std::mem::take(&mut bytes))
    }

    /// Reads hex as people type it: any case; spaces, dashes and colons between digits; a leading `0x`.
    pub fn from_hex(text: &str) -> Result<Self, OathError> {
        let text = text.trim();
        let (digits, skipped) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(rest) => (rest, 2),
            None => (text, 0),
        };
        let compact = compact(digits, OathError::NotHex { position: 0 }, |byte, position| {
            if byte.is_ascii_hexdigit() { Ok(byte) } else { Err(OathError::NotHex { position: position + skipped }) }
        })?;
        let len = HEXLOWER_PERMISSIVE.decode_len(compact.len()).map_err(|_| OathError::HexOdd)?;
        let mut bytes = Zeroizing::new(vec![0; len]);
        HEXLOWER_PERMISSIVE.decode_mut(&compact, &mut bytes).map_err(|_| OathError::HexOdd)?;
        Self::new(std::mem::take(&mut bytes))
    }

    /// Reads text of a known encoding.
    pub fn from_text(text: &str, encoding: Encoding) -> Result<Self, OathError> {
        match encoding {
            Encoding::Base32 => Self::from_base32(text),
            Encoding::Hex => Self::from_hex(text),
        }
    }

    /// The seed as upper-case Base32 without padding, in a buffer that is wiped.
    pub fn to_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(self.expose()))
    }

    /// The seed as lower-case hex, in a buffer that is wiped.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(HEXLOWER.encode(self.expose()))
    }

    /// The seed as Base64 with padding (RFC 4648, section 4), in a buffer that is wiped.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(self.expose()))
    }

    /// The length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a seed is never empty")]
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether all bytes are zero: no secret at all, and what some tokens take for an order to forget.
    pub fn is_zero(&self) -> bool {
        self.expose().iter().fold(0, |all, byte| all | byte) == 0
    }

    /// The shortest seed that makes the same codes. HMAC hashes keys that are longer than the hash's block and
    /// extends shorter ones with zeros (RFC 2104, section 2), so a long seed equals its hash, and zeros at the end
    /// of a seed do not count. A seed of zeros keeps one.
    #[must_use]
    pub fn shortest_equivalent(&self, algorithm: Algorithm) -> Self {
        let hashed = (self.len() > algorithm.block_len()).then(|| {
            Zeroizing::new(match algorithm {
                Algorithm::Sha1 => Sha1::digest(self.expose()).to_vec(),
                Algorithm::Sha256 => Sha256::digest(self.expose()).to_vec(),
                Algorithm::Sha512 => Sha512::digest(self.expose()).to_vec(),
            })
        });
        let bytes = hashed.as_ref().map_or(self.expose(), |hash| hash);
        let len = bytes.iter().rposition(|&byte| byte != 0).map_or(1, |last| last + 1);
        Self(bytes[..len].to_vec().into())
    }

    /// The bytes themselves. Every use is listed in the architecture test.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

/// Drops what people put between characters, and passes the rest through `accept` with its position in the text
/// (counted from 1, in characters). `empty` says of which encoding nothing was left.
fn compact(
    text: &str,
    empty: OathError,
    accept: impl Fn(u8, usize) -> Result<u8, OathError>,
) -> Result<Zeroizing<Vec<u8>>, OathError> {
    let unpadded = text.trim().trim_end_matches('=');
    let leading = text.chars().take_while(|c| c.is_whitespace()).count();
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let mut compact = Zeroizing::new(Vec::with_capacity(unpadded.len()));
    for (index, character) in unpadded.chars().enumerate() {
        if character.is_whitespace() || matches!(character, '-' | '\u{2010}'..='\u{2015}' | ':') {
            continue;
        }
        // Anything beyond ASCII becomes NUL, which neither alphabet has.
        let byte = u8::try_from(character).ok().filter(u8::is_ascii).unwrap_or(0);
        compact.push(accept(byte, leading + index + 1)?);
    }
    if compact.is_empty() {
        Err(if text.trim().is_empty() { OathError::SeedEmpty } else { empty })
    } else {
        Ok(compact)
    }
}

impl PartialEq for Seed {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for Seed {}

/// Says that it is a seed, and nothing else.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Totp, TotpParams};

    #[test]
    fn zero_is_told_apart() {
        let seed = |bytes: &[u8]| Seed::new(bytes.to_vec()).unwrap();
        assert!(seed(&[0, 0]).is_zero() && !seed(&[0, 1]).is_zero());
        assert_eq!(seed(&[0; 70]).shortest_equivalent(Algorithm::Sha512).expose(), [0]);
        assert_eq!(seed(&[1; 65]).shortest_equivalent(Algorithm::Sha1).len(), 20);
        assert_eq!(seed(&[1; 64]).shortest_equivalent(Algorithm::Sha1).len(), 64);
    }

    #[test]
    fn base32_is_read_as_people_type_it() {
        let expected = b"12345678901234567890";
        for text in [
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            "gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
            " GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ\n",
            "gezd-gnbv-gy3t-qojq-gezd-gnbv-gy3t-qojq",
            "GEZD\u{2013}GNBV\u{a0}GY3TQOJQGEZDGNBVGY3TQOJQ",
        ] {
            assert_eq!(Seed::from_base32(text).unwrap().expose(), expected, "{text}");
        }
        assert_eq!(Seed::from_base32("GE======").unwrap().expose(), b"1");
        assert_eq!(Seed::from_base32("ge").unwrap().expose(), b"1");
    }

    #[test]
    fn what_is_wrong_with_base32_is_named_by_position() {
        assert!(matches!(Seed::from_base32("GEZ1"), Err(OathError::NotBase32 { position: 4 })));
        assert!(matches!(Seed::from_base32("  GE Z\u{20ac}"), Err(OathError::NotBase32 { position: 7 })));
        assert!(matches!(Seed::from_base32("GE=A"), Err(OathError::NotBase32 { position: 3 })));
        assert!(matches!(Seed::from_base32("GEZ"), Err(OathError::Base32Truncated)));
        assert!(matches!(Seed::from_base32("GF"), Err(OathError::Base32Truncated)));
        assert!(matches!(Seed::from_base32(" "), Err(OathError::SeedEmpty)));
        assert!(matches!(Seed::from_base32("--"), Err(OathError::NotBase32 { position: 0 })));
        assert!(matches!(Seed::from_base32(&"A".repeat(208)), Err(OathError::SeedTooLong { len: 130 })));
    }

    #[test]
    fn hex_is_read_as_people_type_it() {
        for text in ["00ff10", "00FF10", "0x00ff10", "00:ff:10", " 00 ff-10 "] {
            assert_eq!(Seed::from_hex(text).unwrap().expose(), [0, 0xff, 0x10], "{text}");
        }
        assert!(matches!(Seed::from_hex("00f"), Err(OathError::HexOdd)));
        assert!(matches!(Seed::from_hex("0x0g"), Err(OathError::NotHex { position: 4 })));
        assert!(matches!(Seed::from_hex(""), Err(OathError::SeedEmpty)));
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(matches!(Seed::new(vec![]), Err(OathError::SeedEmpty)));
        assert_eq!(Seed::new(vec![7; 128]).unwrap().len(), 128);
        assert!(matches!(Seed::new(vec![7; 129]), Err(OathError::SeedTooLong { len: 129 })));
        assert!(matches!(Seed::generate(0), Err(OathError::SeedEmpty)));
        assert!(matches!(Seed::generate(129), Err(OathError::SeedTooLong { len: 129 })));
    }

    #[test]
    fn generated_seeds_differ_and_debug_is_mute() {
        let (one, other) = (Seed::generate(20).unwrap(), Seed::generate(20).unwrap());
        assert_ne!(one, other);
        assert_eq!(one, one.clone());
        assert_eq!(format!("{one:?}"), "Seed(..)");
    }

    /// What wiping is worth is the business of `zeroize`; here is seen that it is asked to.
    #[test]
    fn what_is_dropped_is_wiped() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let seed = Seed::generate(20).unwrap();
        is_wiped(&seed.0);
        is_wiped(&seed.to_base32());
    }

    proptest! {
        #[test]
        fn the_shortest_equivalent_makes_the_same_codes(
            bytes in proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(0)], 1..=120), zeros in 0..=8_usize,
            algorithm in 0..3_usize, counter: u64,
        ) {
            let algorithm = Algorithm::ALL[algorithm];
            let seed = Seed::new([bytes, vec![0; zeros]].concat()).unwrap();
            let shorter = seed.shortest_equivalent(algorithm);
            let params = TotpParams { algorithm, ..TotpParams::default() };
            prop_assert!(shorter.len() <= seed.len().min(algorithm.block_len()));
            prop_assert_eq!(Totp::new(&seed, params).code_of(counter), Totp::new(&shorter, params).code_of(counter));
        }

        #[test]
        fn text_forms_lead_back(bytes in proptest::collection::vec(any::<u8>(), 1..=128)) {
            let seed = Seed::new(bytes).unwrap();
            prop_assert_eq!(&Seed::from_base32(&seed.to_base32()).unwrap(), &seed);
            prop_assert_eq!(&Seed::from_hex(&seed.to_hex()).unwrap(), &seed);
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,200}") {
            let _ = Seed::from_base32(&text);
            let _ = Seed::from_hex(&text);
        }
    }
}
