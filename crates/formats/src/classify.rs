//! What a text looks like, before anybody takes it for a seed.

use std::fmt;

/// What a text looks like. Looks can deceive: whoever knows better says so (`--encoding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing but white space.
    Empty,
    /// Base32, and not hex.
    Base32,
    /// Hex, and not Base32.
    Hex,
    /// Both: all characters are A to F or 2 to 7.
    Base32OrHex,
    /// Base64: mixed case with digits or `+/` that Base32 does not have.
    Base64,
    /// Six to eight digits: a code.
    Code,
    /// Nine to sixteen digits: the number on the back of a token.
    SerialNumber,
    /// `otpauth://totp/…`
    TotpUri,
    /// `otpauth://hotp/…`, counted and not timed.
    HotpUri,
    /// `otpauth://` with something else behind it.
    OtherOtpauthUri,
    /// `otpauth-migration://…`, the export of an authenticator app.
    MigrationUri,
    /// `phonefactor://…`, the activation of Microsoft's push messages.
    PhoneFactor,
    /// `FIDO:/…`, the hybrid sign-in of passkeys.
    Fido,
    /// A web address.
    Url,
    /// A key or certificate in PEM or age armour.
    Armour,
    /// Anything else.
    Unknown,
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing",
            Self::Base32 => "Base32",
            Self::Hex => "hex",
            Self::Base32OrHex => "Base32 or hex",
            Self::Base64 => "Base64",
            Self::Code => "a code",
            Self::SerialNumber => "a serial number",
            Self::TotpUri => "a key URI (otpauth)",
            Self::HotpUri => "a key URI for counted codes (HOTP)",
            Self::OtherOtpauthUri => "a key URI of an unknown type",
            Self::MigrationUri => "an authenticator app's export (otpauth-migration)",
            Self::PhoneFactor => "the activation of a push app (phonefactor)",
            Self::Fido => "a passkey sign-in (FIDO)",
            Self::Url => "a web address",
            Self::Armour => "an armoured key, certificate or message",
            Self::Unknown => "no encoding of a seed",
        })
    }
}

/// Says what `text` looks like, from its first line's shape and alphabet alone.
pub fn look(text: &str) -> Look {
    let text = text.trim();
    if text.is_empty() { Look::Empty } else { scheme(text).unwrap_or_else(|| alphabet(text)) }
}

/// URIs and armour are told by how they begin.
fn scheme(text: &str) -> Option<Look> {
    const BEGINNINGS: &[(&str, Look)] = &[
        ("otpauth://totp", Look::TotpUri),
        ("otpauth://hotp", Look::HotpUri),
        ("otpauth-migration:", Look::MigrationUri),
        ("otpauth:", Look::OtherOtpauthUri),
        ("phonefactor:", Look::PhoneFactor),
        ("fido:", Look::Fido),
        ("-----begin", Look::Armour),
        ("age-encryption.org", Look::Armour),
        ("http:", Look::Url),
        ("https:", Look::Url),
        ("www.", Look::Url),
    ];
    let begins = |beginning: &str| text.get(..beginning.len()).is_some_and(|head| head.eq_ignore_ascii_case(beginning));
    let known = BEGINNINGS.iter().find(|(beginning, _)| begins(beginning)).map(|(_, look)| *look);
    known.or_else(|| text.contains("://").then_some(Look::Url))
}

fn alphabet(text: &str) -> Look {
    let prefixed = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let compact = || {
        let separator = |c: char| c.is_whitespace() || matches!(c, '-' | ':' | '\u{2010}'..='\u{2015}');
        prefixed.unwrap_or(text).trim_end_matches('=').chars().filter(move |&c| !separator(c))
    };
    let (count, all) = (compact().count(), |test: fn(char) -> bool| compact().all(test));
    let base32 = count > 0 && all(|c| c.is_ascii_alphabetic() || ('2'..='7').contains(&c));
    let hex = count > 0 && all(|c| c.is_ascii_hexdigit());
    if prefixed.is_some() && hex {
        return Look::Hex;
    }
    if all(|c| c.is_ascii_digit()) {
        match count {
            6..=8 => return Look::Code,
            9..=16 => return Look::SerialNumber,
            _ => {}
        }
    }
    // An encoder writes whole bytes: a length that it cannot have written rules an encoding out.
    let (whole32, whole16) = (!matches!(count % 8, 1 | 3 | 6), count.is_multiple_of(2));
    match (base32, hex) {
        (true, true) if whole32 == whole16 => Look::Base32OrHex,
        (true, true) if whole16 => Look::Hex,
        (true, _) => Look::Base32,
        (_, true) => Look::Hex,
        _ if count >= 8 && all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_')) => Look::Base64,
        _ => Look::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn everything_people_paste_is_told_apart() {
        let cases = [
            ("", Look::Empty),
            (" \n", Look::Empty),
            ("GEZDGNBVGY3TQOJQ", Look::Base32),
            ("gezd gnbv gy3t qojq====", Look::Base32),
            ("3132333435363738393031323334353637383930", Look::Hex),
            ("0xabcd", Look::Hex),
            ("31:32:ff:00", Look::Hex),
            ("ABCDEF23ABCDEF23", Look::Base32OrHex),
            ("ABCDEF2", Look::Base32),
            ("ABCDEF2345", Look::Base32OrHex),
            ("ABCDEF", Look::Hex),
            ("123456", Look::Code),
            ("12345678", Look::Code),
            ("8659622000001", Look::SerialNumber),
            ("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", Look::Base64),
            ("otpauth://totp/x?secret=GEZDGNBV", Look::TotpUri),
            ("OTPAUTH://TOTP/x", Look::TotpUri),
            ("otpauth://hotp/x?secret=GEZDGNBV&counter=1", Look::HotpUri),
            ("otpauth://steam/x", Look::OtherOtpauthUri),
            ("otpauth-migration://offline?data=CgA", Look::MigrationUri),
            ("phonefactor://activate_account?code=1", Look::PhoneFactor),
            ("FIDO:/1234", Look::Fido),
            ("https://aka.ms/mfasetup", Look::Url),
            ("www.token2.com", Look::Url),
            ("ftp://x", Look::Url),
            ("-----BEGIN CERTIFICATE-----", Look::Armour),
            ("schlüssel", Look::Unknown),
            ("a,b", Look::Unknown),
            ("--", Look::Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(look(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_looks_like_something(text in ".{0,80}") {
            prop_assert!(!look(&text).to_string().is_empty());
        }
    }
}
