//! What stands in the header `Authorization` of a signed request.

use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use oathburn_escrow::{EscrowError, PublicKeys, StationKey};
use sha2::{Digest as _, Sha256};

use crate::stations::MacId;

/// The first word of the header.
pub const SCHEME: &str = "Oathburn-Station";

/// What a station signs is signed for this, and is worth nothing for anything else.
const DOMAIN: &str = "oathburn station request 1";

/// The largest counter: what JSON numbers hold everywhere.
const MAX_COUNTER: u64 = (1 << 53) - 1;
/// The longest header that is looked at.
const MAX_HEADER: usize = 300;

/// Who sent a request, and the signature over all of it:
/// `Oathburn-Station 1 00-1A-2B-3C-4D-5E GENERATION COUNTER SIGNATURE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Which machine.
    pub mac: MacId,
    /// Of which of its activations; 0 before the first.
    pub generation: u64,
    /// Grows from request to request.
    pub counter: u64,
    /// Ed25519.
    pub signature: [u8; 64],
}

impl Credentials {
    /// Signs a request to the desk with this id.
    pub fn sign(
        key: &StationKey,
        (mac, generation, counter): (MacId, u64, u64),
        desk: &str,
        (method, target, body): (&str, &str, &[u8]),
    ) -> Result<Self, EscrowError> {
        let mut signed = Self { mac, generation, counter, signature: [0; 64] };
        signed.signature = key.sign_message(DOMAIN, &signed.text(desk, (method, target, body)))?;
        Ok(signed)
    }

    /// Whether the owner of these keys signed exactly this request to the desk with this id. The target is the path
    /// with the query.
    pub fn are_of(&self, keys: &PublicKeys, desk: &str, request: (&str, &str, &[u8])) -> bool {
        keys.have_signed(DOMAIN, &self.text(desk, request), &self.signature)
    }

    /// Reads the header; `None` for anything but what [`Self`] writes.
    pub fn parse(header: &str) -> Option<Self> {
        if header.len() > MAX_HEADER {
            return None;
        }
        let mut words = header.split(' ');
        let mut word = || words.next();
        if (word()?, word()?) != (SCHEME, "1") {
            return None;
        }
        let mac = word()?.parse().ok()?;
        let (generation, counter) = (number(word()?)?, number(word()?)?);
        let signature = HEXLOWER_PERMISSIVE.decode(word()?.as_bytes()).ok()?.try_into().ok()?;
        words.next().is_none().then_some(Self { mac, generation, counter, signature })
    }

    /// What is signed: one line for each part. No part can hold a line break: a target that does is no target.
    fn text(&self, desk: &str, (method, target, body): (&str, &str, &[u8])) -> Vec<u8> {
        let body = HEXLOWER.encode(&Sha256::digest(body));
        let Self { mac, generation, counter, .. } = self;
        let target = target.replace(['\r', '\n'], "\u{fffd}");
        format!("{desk}\n{method}\n{target}\n{body}\n{mac}\n{generation}\n{counter}\n").into_bytes()
    }
}

/// Digits only, as we write them.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|number| plain && *number <= MAX_COUNTER)
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mac, generation, counter, signature } = self;
        write!(f, "{SCHEME} 1 {mac} {generation} {counter} {}", HEXLOWER.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: (&str, &str, &[u8]) = ("POST", "/api/station/v1/sign-out?x=1", b"{}");

    fn signed() -> (tempfile::TempDir, StationKey, Credentials) {
        let folder = tempfile::tempdir().unwrap();
        let key = StationKey::create(&folder.path().join("key")).unwrap();
        let mac = "00-1A-2B-3C-4D-5E".parse().unwrap();
        let credentials = Credentials::sign(&key, (mac, 3, 17), "desk-1", REQUEST).unwrap();
        (folder, key, credentials)
    }

    #[test]
    fn every_part_of_a_request_is_signed() {
        let (_folder, key, credentials) = signed();
        let keys = key.public();
        assert!(credentials.are_of(&keys, "desk-1", REQUEST));
        assert!(!credentials.are_of(&keys, "desk-2", REQUEST));
        for other in [
            ("GET", REQUEST.1, REQUEST.2),
            ("POST", "/api/station/v1/sign-out?x=2", REQUEST.2),
            ("POST", "/api/station/v1/reset?x=1", REQUEST.2),
            ("POST", REQUEST.1, b"{ }"),
        ] {
            assert!(!credentials.are_of(&keys, "desk-1", other), "{other:?}");
        }
        let others = [
            Credentials { counter: 18, ..credentials.clone() },
            Credentials { generation: 4, ..credentials.clone() },
            Credentials { mac: "00-1A-2B-3C-4D-5F".parse().unwrap(), ..credentials.clone() },
        ];
        for other in others {
            assert!(!other.are_of(&keys, "desk-1", REQUEST), "{other}");
        }
        let folder = tempfile::tempdir().unwrap();
        let stranger = StationKey::create(&folder.path().join("key")).unwrap();
        assert!(!credentials.are_of(&stranger.public(), "desk-1", REQUEST));
    }

    #[test]
    fn the_header_is_read_as_it_is_written_and_not_otherwise() {
        let (_folder, _key, credentials) = signed();
        let header = credentials.to_string();
        assert_eq!(Credentials::parse(&header), Some(credentials));
        let signature = "0".repeat(128);
        for wrong in [
            String::new(),
            header.replacen("Station 1", "Station 2", 1),
            header.replacen(SCHEME, "Bearer", 1),
            format!("{header} "),
            format!("{header}0"),
            header.replacen(" 17 ", " 017 ", 1),
            header.replacen(" 17 ", " +17 ", 1),
            header.replacen(" 17 ", "  17 ", 1),
            format!("{SCHEME} 1 00-1A-2B-3C-4D-5E 1 9007199254740992 {signature}"),
            format!("{SCHEME} 1 printer 1 1 {signature}"),
            "x".repeat(10_000),
        ] {
            assert_eq!(Credentials::parse(&wrong), None, "{wrong}");
        }
    }
}
