//! Key URIs, one a line (the Key URI Format of Google Authenticator).
//!
//! All parameters are spelled out: apps that read them need no defaults. Names cannot hold colons, which divide the
//! issuer from the account; a space is `%20`, for `+` is not a space to all readers.

use std::io::Write;

use oathburn_oath::{Algorithm, Params};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::export::Line;
use crate::{Carried, Fidelity, Format, FormatError, KeyPackage, Refusal, WriteFormat, WriteOptions, Writing};

/// All but the unreserved characters of RFC 3986, section 2.3, and `@`, which label readers expect bare.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

pub(crate) static FIDELITY: Fidelity = Fidelity {
    algorithms: &Algorithm::ALL,
    digits: &[6, 8],
    steps: None,
    event_based: true,
    max_seed_len: 128,
    serial: Carried::No,
    manufacturer: Carried::No,
    model: Carried::No,
    upn: Carried::Needed,
    issuer: Carried::Yes,
};

/// The format.
pub(crate) struct Otpauth;

impl Format for Otpauth {
    fn id(&self) -> &'static str {
        "otpauth"
    }

    fn title(&self) -> &'static str {
        "key URIs, one a line"
    }

    fn fidelity(&self) -> &'static Fidelity {
        &FIDELITY
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

impl WriteFormat for Otpauth {
    fn extension(&self) -> &'static str {
        "txt"
    }

    fn refuses(&self, package: &KeyPackage, _: &Params, _: &WriteOptions) -> Option<Refusal> {
        names(package)
    }

    fn begin<'a>(&'a self, out: &'a mut dyn Write, _: &'a WriteOptions) -> Result<Box<dyn Writing + 'a>, FormatError> {
        Ok(Box::new(File { out, line: Line::new() }))
    }
}

/// Refuses names that a label cannot hold: readers drop what stands around them, and divide at a colon.
pub(crate) fn names(package: &KeyPackage) -> Option<Refusal> {
    [("user (UPN)", &package.upn), ("issuer", &package.issuer)].into_iter().find_map(|(what, name)| {
        let name = name.as_deref()?;
        let ends = [name.chars().next(), name.chars().next_back()].into_iter().flatten();
        let odd = name.chars().find(|c| *c == ':' || c.is_control()).or(ends.into_iter().find(|c| c.is_whitespace()));
        odd.map(|character| Refusal::Character { what, character })
    })
}

/// The URI of a token.
pub(crate) fn uri(package: &KeyPackage) -> Zeroizing<String> {
    let name = |name: &Option<String>| utf8_percent_encode(name.as_deref().unwrap_or_default(), NAME).to_string();
    let (issuer, account, secret) = (name(&package.issuer), name(&package.upn), package.seed.to_base32());
    let (kind, factor) = match package.params {
        Params::Totp(params) => ("totp", format!("period={}", params.step)),
        Params::Hotp(params) => ("hotp", format!("counter={}", params.counter)),
    };
    let algorithm = package.params.algorithm().as_str().to_ascii_uppercase();
    let digits = package.params.digits();
    let (prefix, named) = match issuer.as_str() {
        "" => (String::new(), String::new()),
        issuer => (format!("{issuer}:"), format!("&issuer={issuer}")),
    };
    let tail = format!("{named}&algorithm={algorithm}&digits={digits}&{factor}");
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let len = 64 + prefix.len() + account.len() + secret.len() + tail.len();
    let mut uri = Zeroizing::new(String::with_capacity(len));
    for part in ["otpauth://", kind, "/", &prefix, &account, "?secret=", &secret, &tail] {
        uri.push_str(part);
    }
    uri
}

struct File<'a> {
    out: &'a mut dyn Write,
    line: Line,
}

impl Writing for File<'_> {
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError> {
        self.line.add(&*uri(package)).add("\n").write(self.out)
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        Ok(())
    }
}
