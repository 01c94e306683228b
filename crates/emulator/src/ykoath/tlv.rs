//! Tag, length, value. See `docs/protocol/ykoath.md`, "TLV".

use super::{Refusal, WRONG_SYNTAX};

pub(super) const NAME: u8 = 0x71;
pub(super) const LISTED: u8 = 0x72;
pub(super) const KEY: u8 = 0x73;
pub(super) const CHALLENGE: u8 = 0x74;
pub(super) const RESPONSE: u8 = 0x75;
pub(super) const TRUNCATED: u8 = 0x76;
pub(super) const NO_RESPONSE: u8 = 0x77;
pub(super) const PROPERTY: u8 = 0x78;
pub(super) const VERSION: u8 = 0x79;
pub(super) const FACTOR: u8 = 0x7a;
pub(super) const ALGORITHM: u8 = 0x7b;
pub(super) const TOUCH: u8 = 0x7c;

/// Data that are read from left to right.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The value of the next field, which must have this tag.
    pub(super) fn value(&mut self, tag: u8) -> Result<&'a [u8], Refusal> {
        self.read(tag).ok_or(Refusal::Word(WRONG_SYNTAX))
    }

    fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (length, rest) = match self.0 {
            [first, length @ 0..=0x7f, rest @ ..] if *first == tag => (usize::from(*length), rest),
            [first, 0x81, length, rest @ ..] if *first == tag => (usize::from(*length), rest),
            [first, 0x82, high, low, rest @ ..] if *first == tag => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(value)
    }

    /// The next byte, if it stands behind this tag; a property has no length.
    pub(super) fn property(&mut self) -> Option<u8> {
        let [PROPERTY, property, rest @ ..] = self.0 else { return None };
        self.0 = rest;
        Some(*property)
    }

    pub(super) fn next_is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::Word(WRONG_SYNTAX)) }
    }
}

/// Writes a field behind what is there. Values have at most 255 bytes.
pub(super) fn push(out: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u8::try_from(length).expect("no answer has a field of more than 255 bytes");
    out.push(tag);
    if length > 0x7f {
        out.push(0x81);
    }
    out.push(length);
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_to_three_bytes() {
        for length in [0, 1, 0x7f, 0x80, 0xff] {
            let value = vec![7; length];
            let mut written = Vec::new();
            push(&mut written, NAME, &[&value[..length / 2], &value[length / 2..]]);
            let mut fields = Fields(&written);
            assert!(fields.next_is(NAME));
            assert_eq!(fields.value(NAME).unwrap(), value);
            fields.end().unwrap();
        }
        assert_eq!(Fields(&[NAME, 0x82, 0, 2, 5, 6]).value(NAME).unwrap(), [5, 6]);
    }

    #[test]
    fn what_is_cut_off_or_has_another_tag_is_refused() {
        let bad: [&[u8]; 8] = [
            &[],
            &[NAME],
            &[NAME, 1],
            &[NAME, 0x81],
            &[NAME, 0x82, 0],
            &[NAME, 0x80],
            &[KEY, 0],
            &[NAME, 0x82, 1, 0, 0],
        ];
        for data in bad {
            assert_eq!(Fields(data).value(NAME), Err(Refusal::Word(WRONG_SYNTAX)), "{data:02x?}");
        }
        assert!(Fields(&[0]).end().is_err());
        assert_eq!(Fields(&[PROPERTY]).property(), None);
    }
}
