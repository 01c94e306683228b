//! A C-APDU whose secrecy is in its type.

use std::fmt;

use secrecy::{ExposeSecret, SecretSlice};
use zeroize::Zeroizing;

/// The data field of a command: whether it may be traced is decided where it is built.
pub enum Body {
    /// No data field.
    Empty,
    /// Data that anybody may see.
    Plain(Vec<u8>),
    /// Data made from a seed: wiped, and never traced.
    Secret(SecretSlice<u8>),
}

impl Body {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Plain(bytes) => bytes,
            Self::Secret(bytes) => bytes.expose_secret(),
        }
    }
}

/// One command (ISO/IEC 7816-4, section 5.1, short lengths only).
pub struct Command {
    /// What the protocol page calls it; used in traces and errors.
    pub name: &'static str,
    /// CLA, INS, P1, P2.
    pub header: [u8; 4],
    /// The data field, at most 255 bytes.
    pub body: Body,
    /// Le as it stands on the wire (`0` asks for 256 bytes); `None` leaves the field out.
    pub ne: Option<u8>,
}

impl Command {
    /// The bytes on the wire, in a buffer that is wiped.
    ///
    /// # Panics
    ///
    /// When a driver builds a data field of more than 255 bytes.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let body = self.body.bytes();
        // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(body.len() + 6));
        bytes.extend_from_slice(&self.header);
        if !body.is_empty() {
            bytes.push(u8::try_from(body.len()).expect("drivers build short commands"));
            bytes.extend_from_slice(body);
        }
        bytes.extend(self.ne);
        bytes
    }
}

/// `GET INFO 80410000 0211`; a secret body shows its length only.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.name)?;
        self.header.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        match &self.body {
            Body::Empty => Ok(()),
            Body::Plain(bytes) => {
                f.write_str(" ")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Body::Secret(bytes) => write!(f, " [{} secret bytes]", bytes.expose_secret().len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_cases_of_7816() {
        let command = |body, ne| Command { name: "X", header: [0, 1, 2, 3], body, ne }.encode().to_vec();
        assert_eq!(command(Body::Empty, None), [0, 1, 2, 3]);
        assert_eq!(command(Body::Empty, Some(0)), [0, 1, 2, 3, 0]);
        assert_eq!(command(Body::Plain(vec![9]), None), [0, 1, 2, 3, 1, 9]);
        assert_eq!(command(Body::Secret(vec![9].into()), Some(8)), [0, 1, 2, 3, 1, 9, 8]);
    }

    #[test]
    fn a_secret_body_is_never_traced() {
        let body = Body::Secret(vec![0xde, 0xad].into());
        let command = Command { name: "WRITE SEED", header: [0x84, 0xc5, 1, 0], body, ne: None };
        assert_eq!(format!("{command:?}"), "WRITE SEED 84c50100 [2 secret bytes]");
        let command = Command { name: "INFO", header: [0x80, 0x41, 0, 0], body: Body::Plain(vec![2, 0x11]), ne: None };
        assert_eq!(format!("{command:?}"), "INFO 80410000 0211");
    }
}
