//! Key URIs: `otpauth://totp/ISSUER:ACCOUNT?secret=…`, and `hotp` for tokens that count (the Key URI Format of Google Authenticator).

use std::fmt::Write;

use oathburn_oath::{Algorithm, Digits, Seed, TimeStep};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::FormatError;

/// Longer URIs are refused unread: no QR code holds more than 2,953 bytes (ISO/IEC 18004, table 7).
pub const MAX_URI_LEN: usize = 4096;

/// All but the unreserved characters of RFC 3986, section 2.3, and `@`, which label readers expect bare.
const LABEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// A key URI. What is `None` was not said: readers then take SHA-1, 6 digits, 30 s.
#[derive(Debug)]
pub struct KeyUri {
    /// The service: the parameter, or else the label's prefix.
    pub issuer: Option<String>,
    /// The user's account there.
    pub account: Option<String>,
    /// The seed.
    pub seed: Seed,
    /// The hash.
    pub algorithm: Option<Algorithm>,
    /// Digits of a code.
    pub digits: Option<Digits>,
    /// The time step (`period`).
    pub step: Option<TimeStep>,
    /// The counter of the next code, where the URI is of type `hotp`.
    pub counter: Option<u64>,
}

impl KeyUri {
    /// Reads a URI of type `totp` or `hotp`. Parameters that mean nothing here (`image`, …) are skipped; one that is said
    /// twice in two ways is refused.
    pub fn parse(uri: &str) -> Result<Self, FormatError> {
        if uri.len() > MAX_URI_LEN {
            return Err(FormatError::UriTooLong);
        }
        let head = uri.get(.."otpauth://totp".len()).ok_or(FormatError::NotAKeyUri)?;
        let counts = head.eq_ignore_ascii_case("otpauth://hotp");
        if !counts && !head.eq_ignore_ascii_case("otpauth://totp") {
            return Err(FormatError::NotAKeyUri);
        }
        let rest = &uri[head.len()..];
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (label, query) = rest.split_once('?').ok_or(FormatError::UriWithoutSecret)?;
        let label = match label.strip_prefix('/') {
            Some(label) => label,
            None if label.is_empty() => "",
            None => return Err(FormatError::NotAKeyUri),
        };
        let (prefix, account) = split_label(&decode(label, "label", false)?);
        let mut parameters = Parameters::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.set(name, value)?;
        }
        Ok(Self {
            issuer: parameters.issuer.filter(|issuer| !issuer.is_empty()).or(prefix),
            account,
            seed: parameters.seed.ok_or(FormatError::UriWithoutSecret)?,
            algorithm: parameters.algorithm,
            digits: parameters.digits,
            step: parameters.step.filter(|_| !counts),
            // Whoever counts must know where to begin.
            counter: match (counts, parameters.counter) {
                (true, None) => return Err(FormatError::UriParameter { parameter: "counter" }),
                (true, counter) => counter,
                (false, _) => None,
            },
        })
    }

    /// Writes the URI with every parameter spelled out, in a buffer that is wiped. Colons in the names are left
    /// out, and space around what remains: the format has no way to write them.
    pub fn to_uri(&self) -> Zeroizing<String> {
        let clean = |text: &Option<String>| text.as_deref().unwrap_or("").replace(':', "").trim().to_owned();
        let (issuer, account) = (clean(&self.issuer), clean(&self.account));
        // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
        let mut uri =
            Zeroizing::new(String::with_capacity(256 + 6 * issuer.len() + 3 * account.len() + 2 * self.seed.len()));
        uri.push_str(if self.counter.is_some() { "otpauth://hotp/" } else { "otpauth://totp/" });
        if !issuer.is_empty() {
            uri.extend(utf8_percent_encode(&issuer, LABEL));
            uri.push(':');
        }
        uri.extend(utf8_percent_encode(&account, LABEL));
        uri.push_str("?secret=");
        uri.push_str(&self.seed.to_base32());
        if !issuer.is_empty() {
            uri.push_str("&issuer=");
            uri.extend(utf8_percent_encode(&issuer, NON_ALPHANUMERIC));
        }
        let algorithm = self.algorithm.unwrap_or_default().as_str().to_ascii_uppercase();
        let (digits, step) = (self.digits.unwrap_or_default(), self.step.unwrap_or_default());
        let _ = write!(uri, "&algorithm={algorithm}&digits={digits}");
        let _ = match self.counter {
            Some(counter) => write!(uri, "&counter={counter}"),
            None => write!(uri, "&period={step}"),
        };
        uri
    }
}

/// What the query said.
#[derive(Default)]
struct Parameters {
    seed: Option<Seed>,
    issuer: Option<String>,
    algorithm: Option<Algorithm>,
    digits: Option<Digits>,
    step: Option<TimeStep>,
    counter: Option<u64>,
}

impl Parameters {
    fn set(&mut self, name: &str, value: &str) -> Result<(), FormatError> {
        match name.to_ascii_lowercase().as_str() {
            "secret" => once(&mut self.seed, "secret", Seed::from_base32(&decode(value, "secret", true)?)?),
            "issuer" => once(&mut self.issuer, "issuer", decode(value, "issuer", true)?.trim().to_owned()),
            "algorithm" => {
                let value = decode(value, "algorithm", true)?;
                once(&mut self.algorithm, "algorithm", parse(&value, "algorithm")?)
            }
            "digits" => once(&mut self.digits, "digits", parse(&decode(value, "digits", true)?, "digits")?),
            "period" => once(&mut self.step, "period", parse(&decode(value, "period", true)?, "period")?),
            "counter" => once(&mut self.counter, "counter", parse(&decode(value, "counter", true)?, "counter")?),
            _ => Ok(()),
        }
    }
}

fn once<T: PartialEq>(place: &mut Option<T>, parameter: &'static str, value: T) -> Result<(), FormatError> {
    match place {
        Some(before) if *before != value => Err(FormatError::UriParameterTwice { parameter }),
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}

fn parse<T: std::str::FromStr>(value: &str, parameter: &'static str) -> Result<T, FormatError> {
    value.parse().map_err(|_| FormatError::UriParameter { parameter })
}

/// Undoes percent-encoding, and the `+` that some writers put for a space in a query.
fn decode(text: &str, parameter: &'static str, plus_is_space: bool) -> Result<Zeroizing<String>, FormatError> {
    let spaced = Zeroizing::new(if plus_is_space { text.replace('+', " ") } else { text.to_owned() });
    let bytes = Zeroizing::new(percent_decode_str(&spaced).collect::<Vec<u8>>());
    let text = std::str::from_utf8(&bytes).map_err(|_| FormatError::UriParameter { parameter })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// `ISSUER:ACCOUNT`, either part of which may be missing. The first colon divides.
fn split_label(label: &str) -> (Option<String>, Option<String>) {
    let part = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
    match label.split_once(':') {
        Some((issuer, account)) => (part(issuer), part(account)),
        None => (None, part(label)),
    }
}

#[cfg(test)]
mod tests {
    use oathburn_oath::OathError;
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn names(uri: &str) -> (Option<String>, Option<String>) {
        let uri = KeyUri::parse(uri).unwrap();
        (uri.issuer, uri.account)
    }

    #[test]
    fn labels_are_read_as_services_write_them() {
        let some = |text: &str| Some(text.to_owned());
        let uri = |label: &str, rest: &str| names(&format!("otpauth://totp/{label}?secret={SECRET}{rest}"));
        assert_eq!(uri("bob@example.com", ""), (None, some("bob@example.com")));
        assert_eq!(uri("ACME:bob", ""), (some("ACME"), some("bob")));
        assert_eq!(uri("ACME%3A%20bob", ""), (some("ACME"), some("bob")));
        assert_eq!(uri("B%20%26%20C:bob+x%40e.com", "&issuer=B+%26+C"), (some("B & C"), some("bob+x@e.com")));
        // Entra names the tenant in the label and Microsoft as issuer.
        assert_eq!(uri("Contoso:bob@contoso.com", "&issuer=Microsoft"), (some("Microsoft"), some("bob@contoso.com")));
        assert_eq!(uri("", ""), (None, None));
    }

    #[test]
    fn parameters_are_read_and_strange_ones_skipped() {
        let uri =
            format!("OTPAUTH://totp/x?image=y&SECRET={SECRET}&algorithm=HmacSHA512&digits=8&period=60&&flag#frag");
        let uri = KeyUri::parse(&uri).unwrap();
        assert_eq!(uri.seed.expose(), b"12345678901234567890");
        assert_eq!(uri.algorithm, Some(Algorithm::Sha512));
        assert_eq!((uri.digits, uri.step), (Some(Digits::EIGHT), Some(TimeStep::S60)));
    }

    #[test]
    fn tokens_that_count_say_where_they_begin() {
        let uri = KeyUri::parse("otpauth://hotp/ACME:dave?secret=GEZDGNBV&counter=7&period=30").unwrap();
        assert_eq!((uri.counter, uri.step, uri.account.as_deref()), (Some(7), None, Some("dave")));
        let written = uri.to_uri();
        assert!(
            written.starts_with("otpauth://hotp/ACME:dave?") && written.ends_with("&digits=6&counter=7"),
            "{}",
            *written
        );
        assert_eq!(KeyUri::parse(&written).unwrap().counter, Some(7));
        let error = KeyUri::parse("otpauth://hotp/x?secret=GEZDGNBV").unwrap_err();
        assert_eq!(error, FormatError::UriParameter { parameter: "counter" });
        assert_eq!(KeyUri::parse("otpauth://totp/x?secret=GEZDGNBV&counter=7").unwrap().counter, None);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_parameter() {
        let parse = |text: &str| KeyUri::parse(text).unwrap_err();
        assert_eq!(parse("otpauth://totp/x"), FormatError::UriWithoutSecret);
        assert_eq!(parse("otpauth://totp/x?digits=6"), FormatError::UriWithoutSecret);
        assert_eq!(parse("otpauth://totpx?secret=GE"), FormatError::NotAKeyUri);
        assert_eq!(parse("https://totp/x?secret=GE"), FormatError::NotAKeyUri);
        assert_eq!(parse("otpauth://totp/x?secret=GE1"), OathError::NotBase32 { position: 3 }.into());
        assert_eq!(parse("otpauth://totp/x?secret="), OathError::SeedEmpty.into());
        let parameter = |parameter| FormatError::UriParameter { parameter };
        assert_eq!(parse("otpauth://totp/x?secret=GE&period=0"), parameter("period"));
        assert_eq!(parse("otpauth://totp/x?secret=GE&digits=five"), parameter("digits"));
        assert_eq!(parse("otpauth://totp/x?secret=GE&algorithm=md5"), parameter("algorithm"));
        assert_eq!(parse("otpauth://totp/%ff?secret=GE"), parameter("label"));
        assert_eq!(
            parse("otpauth://totp/x?secret=GE&secret=GI"),
            FormatError::UriParameterTwice { parameter: "secret" }
        );
        assert_eq!(parse(&format!("otpauth://totp/{}?secret=GE", "x".repeat(4096))), FormatError::UriTooLong);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_by_us_and_by_others(
            issuer in "[^:\\p{Cc}]{0,12}", account in "[^:\\p{Cc}]{1,16}",
            bytes in proptest::collection::vec(any::<u8>(), 10..=64), digits in 6..=9_u8, step in 1..=300_u32,
        ) {
            prop_assume!(issuer.trim() == issuer && account.trim() == account);
            // RFC 3986, section 5.2.4: readers that resolve paths take such a label away.
            prop_assume!(!(issuer.is_empty() && [".", ".."].contains(&account.as_str())));
            let uri = KeyUri {
                issuer: Some(issuer.clone()).filter(|issuer| !issuer.is_empty()),
                account: Some(account.clone()),
                seed: Seed::new(bytes.clone()).unwrap(),
                algorithm: Some(Algorithm::Sha256),
                digits: Some(Digits::new(digits).unwrap()),
                step: Some(TimeStep::new(step).unwrap()),
                counter: None,
            };
            let text = uri.to_uri();
            let ours = KeyUri::parse(&text).unwrap();
            prop_assert_eq!((&ours.issuer, &ours.account, &ours.seed), (&uri.issuer, &uri.account, &uri.seed));
            prop_assert_eq!((ours.algorithm, ours.digits, ours.step), (uri.algorithm, uri.digits, uri.step));
            let theirs = totp_rs::Totp::from_url_unchecked(text.as_str()).unwrap();
            prop_assert_eq!(theirs.secret().as_bytes(), bytes.as_slice());
            prop_assert_eq!(theirs.account_name(), account.as_str());
            prop_assert_eq!(theirs.issuer().unwrap_or(""), issuer.as_str());
            prop_assert_eq!((theirs.digits(), theirs.step()), (digits, u64::from(step)));
        }

        #[test]
        fn no_uri_is_too_strange(rest in ".{0,120}") {
            let _ = KeyUri::parse(&format!("otpauth://totp{rest}"));
            let _ = KeyUri::parse(&format!("otpauth://totp/a?{rest}"));
        }
    }
}
