//! The export of Google Authenticator: `otpauth-migration://offline?data=…`, a protocol buffer in Base64.

use std::collections::BTreeMap;

use oathburn_oath::{Algorithm, Digits, OathError, Seed, TimeStep};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::import::draft::{Draft, name, sound};
use crate::{FormatError, Kind};

/// How the URI begins, after its scheme was seen to be there.
const SCHEME: &str = "otpauth-migration:";

/// More parts than any export has: each holds ten accounts.
const MAX_PARTS: u64 = 1000;

/// One URI: some accounts of an export of several parts.
pub(crate) struct Part {
    pub(crate) accounts: Vec<Result<Draft, FormatError>>,
    batch: u64,
    size: u64,
    index: u64,
}

/// The parts of exports that were seen.
#[derive(Default)]
pub(crate) struct Parts(BTreeMap<u64, (u64, Vec<u64>)>);

impl Parts {
    /// Notes a part; false when it was there before.
    pub(crate) fn add(&mut self, part: &Part) -> bool {
        let (size, seen) = self.0.entry(part.batch).or_insert((part.size, Vec::new()));
        *size = part.size.max(*size);
        let new = !seen.contains(&part.index);
        if new {
            seen.push(part.index);
        }
        new
    }

    /// The first part that is missing, counted from 1, and how many there are.
    pub(crate) fn missing(&self) -> Option<(u64, u64)> {
        let missing = |(size, seen): &(u64, Vec<u64>)| {
            (0..*size).find(|index| !seen.contains(index)).map(|index| (index + 1, *size))
        };
        self.0.values().find_map(missing)
    }
}

impl Part {
    /// Reads a URI whose scheme was recognised.
    pub(crate) fn parse(uri: &str) -> Result<Self, FormatError> {
        let broken = FormatError::MigrationBroken;
        let rest = uri.get(SCHEME.len()..).ok_or(broken.clone())?;
        let query = rest.split_once('?').ok_or(broken.clone())?.1;
        let data = query.split('&').find_map(|pair| pair.strip_prefix("data=")).ok_or(broken.clone())?;
        let text = Zeroizing::new(percent_decode_str(data).collect::<Vec<u8>>());
        // A `+` that a form turned into a space is one again.
        let text: Zeroizing<Vec<u8>> = Zeroizing::new(
            text.iter().map(|&byte| if byte == b' ' { b'+' } else { byte }).filter(|byte| *byte != b'=').collect(),
        );
        let url_safe = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
        let encoding = if url_safe { data_encoding::BASE64URL_NOPAD } else { data_encoding::BASE64_NOPAD };
        let len = encoding.decode_len(text.len()).map_err(|_| broken.clone())?;
        let mut bytes = Zeroizing::new(vec![0; len]);
        let len = encoding.decode_mut(&text, &mut bytes).map_err(|_| broken.clone())?;
        Self::read(&bytes[..len]).ok_or(broken)
    }

    fn read(message: &[u8]) -> Option<Self> {
        let mut part = Self { accounts: Vec::new(), batch: 0, size: 1, index: 0 };
        let mut fields = Fields(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Bytes(account)) => part.accounts.push(read_account(account)?),
                (3, Value::Number(size)) => part.size = size,
                (4, Value::Number(index)) => part.index = index,
                (5, Value::Number(batch)) => part.batch = batch,
                _ => {}
            }
        }
        let sound = (1..=MAX_PARTS).contains(&part.size) && part.index < part.size && !part.accounts.is_empty();
        sound.then_some(part)
    }
}

/// One account; `None` when the message itself is broken.
fn read_account(message: &[u8]) -> Option<Result<Draft, FormatError>> {
    let mut fields = Fields(message);
    let (mut seed, mut label, mut issuer) = (&[][..], "", "");
    let (mut algorithm, mut digits, mut kind, mut counter) = (0, 0, 0, 0);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(bytes)) => seed = bytes,
            (2, Value::Bytes(bytes)) => label = std::str::from_utf8(bytes).ok()?,
            (3, Value::Bytes(bytes)) => issuer = std::str::from_utf8(bytes).ok()?,
            (4, Value::Number(number)) => algorithm = number,
            (5, Value::Number(number)) => digits = number,
            (6, Value::Number(number)) => kind = number,
            (7, Value::Number(number)) => counter = number,
            _ => {}
        }
    }
    Some(account(seed, label, issuer, [algorithm, digits, kind, counter]))
}

fn account(
    seed: &[u8],
    label: &str,
    issuer: &str,
    [algorithm, digits, kind, counter]: [u64; 4],
) -> Result<Draft, FormatError> {
    let (prefix, account) = label.split_once(':').map_or((None, label), |(issuer, account)| (Some(issuer), account));
    let issuer = Some(issuer).filter(|issuer| !issuer.is_empty()).or(prefix);
    let part =
        |text: &str, what| Some(text.trim()).filter(|text| !text.is_empty()).map(|text| name(text, what)).transpose();
    let algorithm = match algorithm {
        0 | 1 => Algorithm::Sha1,
        2 => Algorithm::Sha256,
        3 => Algorithm::Sha512,
        _ => return Err(OathError::Algorithm.into()),
    };
    let digits = match digits {
        0 | 1 => Digits::SIX,
        2 => Digits::EIGHT,
        3 => Digits::new(7)?,
        _ => return Err(OathError::Digits.into()),
    };
    // An app that says nothing means time.
    let (kind, step, counter) = match kind {
        0 | 2 => (Kind::Totp, Some(TimeStep::S30), None),
        1 => (Kind::Hotp, None, Some(counter)),
        _ => return Err(FormatError::OtherCodes),
    };
    let seed = sound(Seed::new(seed.to_vec())?)?;
    Ok(Draft {
        upn: part(account, "user")?,
        issuer: issuer.map(|issuer| part(issuer, "issuer")).transpose()?.flatten(),
        seed: Some(seed),
        kind: Some(kind),
        step,
        counter,
        digits: Some(digits),
        algorithm: Some(algorithm),
        ..Draft::default()
    })
}

/// The fields of a message, one after the other.
struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    /// The next field: `Some(None)` at the end, `None` where the message is broken.
    #[allow(clippy::option_option, reason = "the end and a broken message are two things")]
    fn next(&mut self) -> Option<Option<(u64, Value<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Bytes(self.take(4)?),
            _ => return None,
        };
        Some(Some((tag >> 3, value)))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}
