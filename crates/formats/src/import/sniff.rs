//! What a file looks like, from its first lines.

use crate::Likeness;
use crate::import::columns::{Headed, first_lines, plain};
use crate::import::records::delimiter_of;
use crate::import::{layouts, privacyidea};

fn header(layout: &Headed, head: &[u8]) -> Likeness {
    // The first line may only say the delimiter.
    let lines = first_lines(head, 2);
    if lines.iter().any(|line| layout.is_header(line)) { Likeness::Sure } else { Likeness::No }
}

pub(crate) fn entra(head: &[u8]) -> Likeness {
    header(&layouts::ENTRA, head)
}

pub(crate) fn cyberark(head: &[u8]) -> Likeness {
    header(&layouts::CYBERARK, head)
}

pub(crate) fn generic(head: &[u8]) -> Likeness {
    header(&layouts::GENERIC, head)
}

pub(crate) fn never(_: &[u8]) -> Likeness {
    Likeness::No
}

/// The cells of the first line that is no comment.
fn cells(head: &[u8]) -> Vec<String> {
    let lines = first_lines(head, 1);
    let Some(line) = lines.first() else { return Vec::new() };
    line.split(char::from(delimiter_of(line))).map(|cell| cell.trim().trim_matches('"').to_owned()).collect()
}

fn is_hex(text: &str) -> bool {
    text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_kind(text: &str) -> bool {
    ["totp", "hotp", "ocra", "ocra2", "tan"].iter().any(|kind| text.eq_ignore_ascii_case(kind))
}

fn maybe(fits: bool) -> Likeness {
    if fits { Likeness::Maybe } else { Likeness::No }
}

fn sure(fits: bool) -> Likeness {
    if fits { Likeness::Sure } else { Likeness::No }
}

/// `serial,hex` and perhaps a number.
pub(crate) fn duo(head: &[u8]) -> Likeness {
    let cells = cells(head);
    let [serial, seed, rest @ ..] = cells.as_slice() else { return Likeness::No };
    let numbers = rest.len() <= 1 && rest.iter().all(|cell| cell.is_empty() || is_number(cell));
    maybe(!serial.contains(' ') && is_hex(seed) && numbers)
}

/// `serial, hex, type, …`, or the comment that says the version.
pub(crate) fn privacyidea(head: &[u8]) -> Likeness {
    if privacyidea::version(head).is_some() {
        return Likeness::Sure;
    }
    let cells = cells(head);
    let [_, seed, kind, rest @ ..] = cells.as_slice() else { return Likeness::No };
    maybe((is_hex(seed) || !is_kind("hotp")) && is_kind(kind) && rest.len() <= 2)
}

/// The same, with a hash behind it.
pub(crate) fn linotp(head: &[u8]) -> Likeness {
    let cells = cells(head);
    let [_, seed, kind, _, _, hash] = cells.as_slice() else { return Likeness::No };
    maybe(is_hex(seed) && is_kind(kind) && hash.to_ascii_lowercase().starts_with("sha"))
}

pub(crate) fn protectimus(head: &[u8]) -> Likeness {
    let names: Vec<_> = cells(head).iter().map(|cell| plain(cell)).collect();
    sure(names == ["serialnumber", "secret"])
}

/// Two words a line.
pub(crate) fn spaces(head: &[u8]) -> Likeness {
    let lines = first_lines(head, 5);
    let fits = |line: &String| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, seed] = words[..] else { return false };
        !line.contains([',', ';', '"', '<', '{'])
            && seed.len() >= 16
            && seed.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    maybe(!lines.is_empty() && lines.iter().all(fits))
}

/// `OATH-HOTP,…`, or seven columns with a time in the sixth.
pub(crate) fn yubico(head: &[u8]) -> Likeness {
    let cells = cells(head);
    let first = cells.first().map_or("", String::as_str).to_ascii_uppercase();
    if first.starts_with("OATH-HOTP") || first == "LOGGING START" {
        return Likeness::Sure;
    }
    let time = |cell: &String| cell.len() >= 19 && cell.as_bytes()[10] == b'T';
    maybe(cells.len() >= 6 && is_number(&cells[0]) && is_hex(&cells[3]) && time(&cells[5]))
}

pub(crate) fn rcdevs(head: &[u8]) -> Likeness {
    let names: Vec<_> = cells(head).iter().map(|cell| plain(cell)).collect();
    sure(names == ["type", "reference", "description", "data"])
}

pub(crate) fn citrix(head: &[u8]) -> Likeness {
    sure(head.trim_ascii_start().starts_with(b"#@"))
}

pub(crate) fn otpauth(head: &[u8]) -> Likeness {
    let lines = first_lines(head, 1);
    let first = lines.first().map_or("", String::as_str).to_ascii_lowercase();
    sure(first.starts_with("otpauth:") || first.starts_with("otpauth-migration:"))
}

/// Whether a JSON text names these keys near its beginning.
fn json(head: &[u8], keys: &[&str]) -> bool {
    let begins = head.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'['));
    let has = |key: &&str| {
        let key = format!("\"{key}\"");
        head.windows(key.len()).any(|window| window.eq_ignore_ascii_case(key.as_bytes()))
    };
    begins && keys.iter().all(has)
}

pub(crate) fn graph(head: &[u8]) -> Likeness {
    sure(json(head, &["serialNumber", "secretKey"]))
}

pub(crate) fn pingone(head: &[u8]) -> Likeness {
    sure(json(head, &["serialNumber", "secret", "otpLength"]))
}

pub(crate) fn okta(head: &[u8]) -> Likeness {
    sure(json(head, &["profile", "sharedSecret"]))
}

pub(crate) fn keycloak(head: &[u8]) -> Likeness {
    sure(json(head, &["credentials", "secretData", "credentialData"]))
}

pub(crate) fn aegis(head: &[u8]) -> Likeness {
    sure(json(head, &["header", "slots", "db"]))
}

pub(crate) fn twofas(head: &[u8]) -> Likeness {
    let services = json(head, &["services"]) && (json(head, &["schemaVersion"]) || json(head, &["otp"]));
    sure(services || json(head, &["servicesEncrypted"]))
}

/// The local name of the outermost element, in small letters.
fn root(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let mut rest = text.trim_start();
    if !rest.starts_with('<') {
        return None;
    }
    loop {
        rest = &rest[rest.find('<')? + 1..];
        if rest.starts_with("!--") {
            rest = &rest[rest.find("-->")?..];
        } else if !rest.starts_with(['?', '!']) {
            let name: String = rest.chars().take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '/')).collect();
            return Some(name.rsplit(':').next().unwrap_or_default().to_ascii_lowercase());
        }
    }
}

fn contains(head: &[u8], word: &str) -> bool {
    head.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

pub(crate) fn safenet(head: &[u8]) -> Likeness {
    sure(root(head).as_deref() == Some("tokens") && contains(head, "<token"))
}

pub(crate) fn dualshield(head: &[u8]) -> Likeness {
    sure(root(head).as_deref() == Some("data") && contains(head, "<header") && contains(head, "encode"))
}

pub(crate) fn sophos(head: &[u8]) -> Likeness {
    sure(root(head).as_deref() == Some("otptokens"))
}
