//! One seed, in whatever form it comes.

use oathburn_oath::{Algorithm, Digits, Encoding, Seed, TimeStep, TotpParams};

use crate::{FormatError, KeyUri, Look, look};

/// A seed and what its text said beside it. What is `None` was not said.
#[derive(Debug)]
pub struct SeedInput {
    /// The seed.
    pub seed: Seed,
    /// The hash.
    pub algorithm: Option<Algorithm>,
    /// Digits of a code.
    pub digits: Option<Digits>,
    /// The time step.
    pub step: Option<TimeStep>,
    /// The service.
    pub issuer: Option<String>,
    /// The user's account there.
    pub account: Option<String>,
}

impl SeedInput {
    /// A bare seed.
    pub fn bare(seed: Seed) -> Self {
        Self { seed, algorithm: None, digits: None, step: None, issuer: None, account: None }
    }

    /// What was said, completed by the defaults of RFC 6238.
    pub fn params(&self) -> TotpParams {
        TotpParams {
            algorithm: self.algorithm.unwrap_or_default(),
            digits: self.digits.unwrap_or_default(),
            step: self.step.unwrap_or_default(),
        }
    }
}

/// Reads Base32, hex or a key URI. Without an `encoding`, text that could be either Base32 or hex is refused; with
/// one, the text is what it is said to be.
pub fn read_seed(text: &str, encoding: Option<Encoding>) -> Result<SeedInput, FormatError> {
    if let Some(encoding) = encoding {
        return Ok(SeedInput::bare(Seed::from_text(text, encoding)?));
    }
    match look(text) {
        Look::Base32 => Ok(SeedInput::bare(Seed::from_base32(text)?)),
        Look::Hex => Ok(SeedInput::bare(Seed::from_hex(text)?)),
        Look::TotpUri => {
            let uri = KeyUri::parse(text.trim())?;
            Ok(SeedInput {
                seed: uri.seed,
                algorithm: uri.algorithm,
                digits: uri.digits,
                step: uri.step,
                issuer: uri.issuer,
                account: uri.account,
            })
        }
        Look::Base32OrHex => Err(FormatError::AmbiguousEncoding),
        look => Err(FormatError::NotASeed { look }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_found_or_given() {
        let seed = |text: &str, encoding| read_seed(text, encoding).unwrap().seed;
        let expected = Seed::new(b"1234567890".to_vec()).unwrap();
        assert_eq!(seed("GEZDGNBVGY3TQOJQ", None), expected);
        assert_eq!(seed("31323334353637383930", None), expected);
        assert_eq!(seed("31323334353637383930", Some(Encoding::Hex)), expected);
        assert!(matches!(read_seed("ABCDEF23", None), Err(FormatError::AmbiguousEncoding)));
        assert_eq!(seed("ABCDEF23", Some(Encoding::Hex)).len(), 4);
        assert_eq!(seed("ABCDEF23", Some(Encoding::Base32)).len(), 5);
    }

    #[test]
    fn what_is_no_seed_is_named() {
        for (text, expected) in [
            ("8659622000001", Look::SerialNumber),
            ("https://example.com", Look::Url),
            ("otpauth://hotp/x?secret=GEZDGNBV&counter=0", Look::HotpUri),
            ("", Look::Empty),
        ] {
            assert!(matches!(read_seed(text, None), Err(FormatError::NotASeed { look }) if look == expected), "{text}");
        }
    }

    #[test]
    fn what_a_uri_says_is_kept_and_the_rest_is_the_default() {
        let input = read_seed("otpauth://totp/bob?secret=GEZDGNBVGY3TQOJQ&algorithm=SHA256", None).unwrap();
        assert_eq!((input.algorithm, input.digits, input.step), (Some(Algorithm::Sha256), None, None));
        assert_eq!(input.params(), TotpParams { algorithm: Algorithm::Sha256, ..TotpParams::default() });
    }
}
