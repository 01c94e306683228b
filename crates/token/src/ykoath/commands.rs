//! Commands and answers of the applet, byte by byte as in `docs/protocol/ykoath.md`.

use hmac::{Hmac, KeyInit, Mac};
use oathburn_oath::{Algorithm, Params, Seed, Slot};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::{name, tlv};
use crate::{AccessKey, Body, Command, SlotInfo};

/// Yubico's name for the applet.
const OATH: [u8; 7] = [0xa0, 0x00, 0x00, 0x05, 0x27, 0x21, 0x01];
/// The application that knows the number on the back of a YubiKey.
const MANAGEMENT: [u8; 8] = [0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17];

/// Shorter keys are filled up with zeros, which changes no code.
const MIN_KEY_LEN: usize = 14;

/// The key that opens an applet: made of a password and the device id.
pub(super) type Code = Zeroizing<[u8; 16]>;

/// What SELECT tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) version: [u8; 3],
    /// Eight bytes that stay until a reset; absent on keys of other makers that are locked.
    pub(super) device_id: Option<[u8; 8]>,
    /// The serial number that some makers tell here.
    pub(super) serial: Option<[u8; 4]>,
    /// Present when an access code is set.
    pub(super) challenge: Option<Vec<u8>>,
}

fn plain(name: &'static str, header: [u8; 4], data: Vec<u8>) -> Command {
    // Without data a length of zero is sent, as other programs do.
    let (body, ne) = if data.is_empty() { (Body::Empty, Some(0)) } else { (Body::Plain(data), None) };
    Command { name, header, body, ne }
}

fn secret(name: &'static str, header: [u8; 4], data: &mut Zeroizing<Vec<u8>>) -> Command {
    Command { name, header, body: Body::Secret(std::mem::take(&mut **data).into()), ne: None }
}

pub(super) fn select() -> Command {
    plain("SELECT", [0x00, 0xa4, 0x04, 0x00], OATH.to_vec())
}

pub(super) fn select_management() -> Command {
    plain("SELECT MANAGEMENT", [0x00, 0xa4, 0x04, 0x00], MANAGEMENT.to_vec())
}

pub(super) fn device_info() -> Command {
    plain("DEVICE INFO", [0x00, 0x1d, 0x00, 0x00], Vec::new())
}

pub(super) fn send_remaining(_: u8) -> Command {
    plain("SEND REMAINING", [0x00, 0xa5, 0x00, 0x00], Vec::new())
}

pub(super) fn list() -> Command {
    plain("LIST", [0x00, 0xa1, 0x00, 0x00], Vec::new())
}

pub(super) fn delete(name: &[u8]) -> Command {
    let mut data = Vec::new();
    tlv::push(&mut data, 0x71, name);
    plain("DELETE", [0x00, 0x02, 0x00, 0x00], data)
}

pub(super) fn rename(from: &[u8], to: &[u8]) -> Command {
    let mut data = Vec::new();
    tlv::push(&mut data, 0x71, from);
    tlv::push(&mut data, 0x71, to);
    plain("RENAME", [0x00, 0x05, 0x00, 0x00], data)
}

pub(super) fn reset() -> Command {
    Command { name: "RESET", header: [0x00, 0x04, 0xde, 0xad], body: Body::Empty, ne: None }
}

/// The code of a step, or of the next count when there is none.
pub(super) fn calculate(name: &[u8], step: Option<u64>) -> Command {
    let mut data = Vec::new();
    tlv::push(&mut data, 0x71, name);
    tlv::push(&mut data, 0x74, step.map(u64::to_be_bytes).as_ref().map_or(&[], |step| step.as_slice()));
    plain("CALCULATE", [0x00, 0xa2, 0x00, 0x01], data)
}

pub(super) fn calculate_all(step: u64) -> Command {
    let mut data = Vec::new();
    tlv::push(&mut data, 0x74, &step.to_be_bytes());
    plain("CALCULATE ALL", [0x00, 0xa4, 0x00, 0x01], data)
}

/// PUT: name, type, digits and key; the property where a code is to cost a touch; the counter where it is not zero.
pub(super) fn put(name: &[u8], seed: &Seed, params: Params, touch: bool) -> Command {
    let algorithm = match params.algorithm() {
        Algorithm::Sha1 => 0x01,
        Algorithm::Sha256 => 0x02,
        Algorithm::Sha512 => 0x03,
    };
    let kind = if params.counter().is_some() { 0x10 } else { 0x20 };
    let long = seed.len() > params.algorithm().block_len();
    let hashed = long.then(|| seed.shortest_equivalent(params.algorithm()));
    let bytes = hashed.as_ref().unwrap_or(seed).expose();
    let mut key = tlv::secret_buffer();
    key.extend([kind | algorithm, params.digits().get()]);
    key.extend_from_slice(bytes);
    let len = key.len().max(MIN_KEY_LEN + 2);
    key.resize(len, 0);
    let mut data = tlv::secret_buffer();
    tlv::push(&mut data, 0x71, name);
    tlv::push(&mut data, 0x73, &key);
    if touch {
        data.extend([0x78, 0x02]);
    }
    let counter = params.counter().and_then(|counter| u32::try_from(counter).ok()).filter(|&counter| counter > 0);
    if let Some(counter) = counter {
        tlv::push(&mut data, 0x7a, &counter.to_be_bytes());
    }
    secret("PUT", [0x00, 0x01, 0x00, 0x00], &mut data)
}

/// The access code of a password on a key (RFC 8018, section 5.2).
pub(super) fn derive(password: &AccessKey, device_id: [u8; 8]) -> Code {
    let mut code = Zeroizing::new([0; 16]);
    pbkdf2::pbkdf2_hmac::<Sha1>(password.expose(), &device_id, 1000, code.as_mut_slice());
    code
}

/// HMAC-SHA1 of a challenge under the access code.
pub(super) fn proof(code: &Code, challenge: &[u8]) -> [u8; 20] {
    let mac = Hmac::<Sha1>::new_from_slice(code.as_slice()).expect("HMAC takes keys of any length");
    mac.chain_update(challenge).finalize().into_bytes().into()
}

pub(super) fn validate(code: &Code, challenge: &[u8], own: [u8; 8]) -> Command {
    let mut data = Vec::new();
    tlv::push(&mut data, 0x75, &proof(code, challenge));
    tlv::push(&mut data, 0x74, &own);
    plain("VALIDATE", [0x00, 0xa3, 0x00, 0x00], data)
}

pub(super) fn set_code(code: &Code, own: [u8; 8]) -> Command {
    let mut key = tlv::secret_buffer();
    key.push(0x21);
    key.extend_from_slice(code.as_slice());
    let mut data = tlv::secret_buffer();
    tlv::push(&mut data, 0x73, &key);
    tlv::push(&mut data, 0x74, &own);
    tlv::push(&mut data, 0x75, &proof(code, &own));
    secret("SET CODE", [0x00, 0x03, 0x00, 0x00], &mut data)
}

pub(super) fn remove_code() -> Command {
    plain("SET CODE", [0x00, 0x03, 0x00, 0x00], vec![0x73, 0x00])
}

/// SELECT's answer; `None` when it is not this applet's. Unknown fields are skipped.
pub(super) fn parse_selected(data: &[u8]) -> Option<Selected> {
    let fields = tlv::parse(data)?;
    let value = |tag| fields.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value);
    let device_id = match value(0x71) {
        Some(id) => Some(id.try_into().ok()?),
        None => None,
    };
    let challenge = match value(0x74) {
        Some(challenge) if matches!(challenge.len(), 8..=64) => Some(challenge.to_vec()),
        Some(_) => return None,
        None => None,
    };
    let serial = value(0x8f).and_then(|serial| serial.try_into().ok());
    Some(Selected { version: value(0x79)?.try_into().ok()?, device_id, serial, challenge })
}

/// The serial number in the device info: a byte of length, then fields, of which `02` is the one.
pub(super) fn parse_serial(data: &[u8]) -> Option<u32> {
    let (&len, rest) = data.split_first()?;
    let fields = tlv::parse(rest.get(..usize::from(len))?)?;
    let (_, serial) = fields.iter().find(|(tag, _)| *tag == 0x02)?;
    (*serial).try_into().ok().map(u32::from_be_bytes).filter(|&serial| serial != 0)
}

/// One entry of LIST, as bytes and as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: Vec<u8>,
    pub(super) info: SlotInfo,
}

/// LIST's answer; `None` when it is none.
pub(super) fn parse_list(data: &[u8]) -> Option<Vec<Listed>> {
    let listed = |(tag, value): &(u8, &[u8])| {
        let (&kind, name) = value.split_first().filter(|(_, name)| *tag == 0x72 && !name.is_empty())?;
        let event_based = match kind & 0xf0 {
            0x10 => true,
            0x20 => false,
            _ => return None,
        };
        let algorithm = match kind & 0x0f {
            1 => Algorithm::Sha1,
            2 => Algorithm::Sha256,
            3 => Algorithm::Sha512,
            _ => return None,
        };
        let text = std::str::from_utf8(name).ok();
        let step = text.filter(|_| !event_based).and_then(|text| name::Name::read(text, false).step());
        let info = SlotInfo {
            slot: text.and_then(name::slot_of),
            label: String::from_utf8_lossy(name).into_owned(),
            has_seed: true,
            event_based,
            algorithm: Some(algorithm),
            digits: None,
            step,
            clock: None,
        };
        Some(Listed { name: name.to_vec(), info })
    };
    tlv::parse(data)?.iter().map(listed).collect()
}

/// A truncated response: digits, and 31 bits to cut them from.
pub(super) fn parse_code(data: &[u8]) -> Option<(u8, u32)> {
    let &[digits, b3, b2, b1, b0] = tlv::only(data, 0x76)? else { return None };
    let bits = u32::from_be_bytes([b3, b2, b1, b0]) & 0x7fff_ffff;
    Some((digits, bits)).filter(|_| matches!(digits, 1..=10))
}

/// Whether CALCULATE ALL says that this name costs a touch; `None` when it does not say so of the name at all.
pub(super) fn parse_touch(data: &[u8], name: &[u8]) -> Option<bool> {
    let fields = tlv::parse(data)?;
    let (_, answer) =
        fields.iter().zip(fields.iter().skip(1)).find(|((tag, value), _)| *tag == 0x71 && *value == name)?;
    Some(answer.0 == 0x7c)
}

/// The bytes of a slot's name.
pub(super) fn name_of(slot: &Slot) -> Vec<u8> {
    slot.to_string().into_bytes()
}
