//! Portable Symmetric Key Containers (RFC 6030).
//!
//! Reading takes what is in circulation: any prefix and case, drafts, both namespaces of PBKDF2's parameters, integers
//! in Base64. What protects a seed is taken strictly: a value in CBC without a MAC, or with a wrong one, is refused
//! unless the caller says otherwise; a policy we do not follow forbids the key; other document types, entities and
//! endless elements are refused. XML signatures are not verified, which [`Remarks`](crate::Remarks) says.
//!
//! Writing keeps to what every reader at hand takes: AES-128-CBC with HMAC-SHA-1 over each value, under a key that both
//! sides know or one from a password (PBKDF2 with HMAC-SHA-1), or nothing at all.

mod crypto;
mod protection;
mod read;
mod tree;
mod write;

use std::io::Write;

use oathburn_oath::{Algorithm, Params, Seed};

pub(crate) use self::read::read;
use crate::{
    Carried, Fidelity, Format, FormatError, KeyPackage, Likeness, Refusal, WriteFormat, WriteOptions, Writing,
};

/// The format.
pub(crate) struct Pskc;

impl Format for Pskc {
    fn id(&self) -> &'static str {
        "pskc"
    }

    fn title(&self) -> &'static str {
        "PSKC key containers (RFC 6030), plain, under a key or a password"
    }

    fn fidelity(&self) -> &'static Fidelity {
        &Fidelity {
            algorithms: &Algorithm::ALL,
            digits: &[6, 7, 8, 9, 10],
            steps: None,
            event_based: true,
            max_seed_len: Seed::MAX_LEN,
            serial: Carried::Needed,
            manufacturer: Carried::Yes,
            model: Carried::Yes,
            upn: Carried::Yes,
            issuer: Carried::Yes,
        }
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

impl WriteFormat for Pskc {
    fn extension(&self) -> &'static str {
        "xml"
    }

    fn encrypts(&self) -> bool {
        true
    }

    fn refuses(&self, package: &KeyPackage, _: &Params, _: &WriteOptions) -> Option<Refusal> {
        refuses(package)
    }

    fn begin<'a>(
        &'a self,
        out: &'a mut dyn Write,
        options: &'a WriteOptions,
    ) -> Result<Box<dyn Writing + 'a>, FormatError> {
        Ok(Box::new(write::Container::begin(out, options)?))
    }
}

/// A root element of that name, whatever its prefix and case.
pub(crate) fn sniff(head: &[u8]) -> Likeness {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let root = text.match_indices('<').map(|(at, _)| &text[at + 1..]).find(|tag| !tag.starts_with(['?', '!']));
    let name = root.and_then(|tag| tag.split(|c: char| c.is_whitespace() || c == '>' || c == '/').next());
    let local = name.map(|name| name.rsplit(':').next().unwrap_or(name));
    if local == Some("keycontainer") { Likeness::Sure } else { Likeness::No }
}

/// XML has no way to write most control characters.
fn refuses(package: &KeyPackage) -> Option<Refusal> {
    let texts = [
        ("manufacturer", &package.manufacturer),
        ("model", &package.model),
        ("user (UPN)", &package.upn),
        ("issuer", &package.issuer),
    ];
    texts.into_iter().find_map(|(what, text)| {
        let bad = |c: &char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
        let character = text.as_deref()?.chars().find(bad)?;
        Some(Refusal::Character { what, character })
    })
}

/// A user as a distinguished name (RFC 6030, section 4.3.2; RFC 4514).
fn name_of(user: &str) -> String {
    let mut name = String::from("UID=");
    for (at, character) in user.char_indices() {
        let edge = at == 0 && matches!(character, ' ' | '#') || at + 1 == user.len() && character == ' ';
        if edge || matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=') {
            name.push('\\');
        }
        name.push(character);
    }
    name
}

/// The user that [`name_of`] wrote; other names are kept as they are.
fn user_of(name: &str) -> String {
    let Some(value) = name.get(..4).filter(|head| head.eq_ignore_ascii_case("UID=")).map(|_| &name[4..]) else {
        return name.to_owned();
    };
    let (mut user, mut rest) = (String::new(), value.chars());
    while let Some(character) = rest.next() {
        match (character, character == '\\') {
            (_, true) => match rest.next() {
                Some(escaped) if !escaped.is_ascii_hexdigit() => user.push(escaped),
                // Bytes in hex, or nothing: not written here.
                _ => return name.to_owned(),
            },
            // More than one part.
            (',' | '+', _) => return name.to_owned(),
            _ => user.push(character),
        }
    }
    user
}

#[cfg(test)]
mod tests;
