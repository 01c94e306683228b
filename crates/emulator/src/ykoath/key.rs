//! The key around the applet: whose it is, what version, and what other applications answer.

use std::fmt;
use std::str::FromStr;

use oathburn_oath::{Algorithm, SerialNumber};

use crate::CONTACTLESS_ATR;

pub(super) const OATH: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x21, 0x01];
pub(super) const OTP: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x20, 0x01];
pub(super) const MANAGEMENT: &[u8] = &[0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17];

/// A YubiKey 5 over USB and over NFC, and a key that says nothing of itself over a contact.
const YUBIKEY_USB: &[u8] = b"\x3b\xfd\x13\x00\x00\x81\x31\xfe\x15\x80\x73\xc0\x21\xc0\x57YubiKey\x40";
const YUBIKEY_NFC: &[u8] = b"\x3b\x8d\x80\x01\x80\x73\xc0\x21\xc0\x57YubiKey\xf9";
const GENERIC_USB: &[u8] = &[0x3b, 0x80, 0x01, 0x81];

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// With the applications by which Yubico's client knows the device; its serial number is a number of 32 bits.
    YubiKey,
    /// With an OATH applet and no other application, as other makers' keys.
    Generic,
    /// As a Nitrokey 3 answers by its published source: no access code, but a PIN; no overwriting.
    Nitrokey,
}

impl KeyKind {
    /// The name in commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::YubiKey => "yubikey",
            Self::Generic => "generic",
            Self::Nitrokey => "nitrokey",
        }
    }

    pub(super) const fn atr(self, contact: bool) -> &'static [u8] {
        match (self, contact) {
            (Self::YubiKey, true) => YUBIKEY_USB,
            (Self::YubiKey, false) => YUBIKEY_NFC,
            (Self::Generic | Self::Nitrokey, true) => GENERIC_USB,
            (Self::Generic | Self::Nitrokey, false) => &CONTACTLESS_ATR,
        }
    }
}

impl FromStr for KeyKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::YubiKey, Self::Generic, Self::Nitrokey].into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// The applet's version, on a YubiKey the firmware's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u8; 3]);

impl Version {
    pub(super) fn knows(self, algorithm: Algorithm) -> bool {
        algorithm != Algorithm::Sha512 || self >= Self([4, 3, 1])
    }

    pub(super) fn knows_touch(self) -> bool {
        self >= Self([4, 2, 4])
    }

    pub(super) fn knows_rename(self) -> bool {
        self >= Self([5, 3, 1])
    }

    /// NEOs say no algorithm in SELECT, and lock themselves when an access code is set.
    pub(super) fn is_neo(self) -> bool {
        self < Self([3, 0, 0])
    }

    pub(super) fn max_entries(self) -> usize {
        if self >= Self([5, 7, 0]) { 64 } else { 32 }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Result<Vec<u8>, _> = text.split('.').map(str::parse).collect();
        parts.ok().and_then(|parts| parts.try_into().ok()).map(Self).ok_or(())
    }
}

/// What the management application of a YubiKey says when it is selected.
pub(super) fn greeting(version: Version) -> Vec<u8> {
    format!("Virtual mgr - FW version {version}").into_bytes()
}

/// The OTP application's status: version, a sequence number, and which of its slots are in use.
pub(super) fn otp_status(version: Version) -> Vec<u8> {
    [version.0.as_slice(), &[0; 3]].concat()
}

/// The number of a YubiKey; 0 for a serial number that is none.
pub(super) fn number(serial: &SerialNumber) -> u32 {
    serial.as_str().parse().unwrap_or(0)
}

/// Device info of a YubiKey with USB and NFC, of whose applications OTP and OATH are switched on.
pub(super) fn device_info(version: Version, serial: u32) -> Vec<u8> {
    const SUPPORTED: [u8; 2] = [0x02, 0x3f];
    const ENABLED: [u8; 2] = [0x00, 0x21];
    let serial = serial.to_be_bytes();
    let fields: [(u8, &[u8]); 12] = [
        (0x01, &SUPPORTED),
        (0x03, &ENABLED),
        (0x02, &serial),
        (0x04, &[0x01]),
        (0x05, &version.0),
        (0x06, &[0, 0]),
        (0x07, &[0x0f]),
        (0x08, &[0]),
        (0x0d, &SUPPORTED),
        (0x0e, &ENABLED),
        (0x0a, &[0]),
        (0x0f, &[0]),
    ];
    let mut info = vec![0];
    for (tag, value) in fields {
        super::tlv::push(&mut info, tag, &[value]);
    }
    info[0] = u8::try_from(info.len() - 1).expect("the fields are short");
    info
}
