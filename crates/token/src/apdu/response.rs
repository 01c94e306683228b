//! An R-APDU, taken apart.

use std::fmt;

use super::StatusWord;

/// An answer: data and status word (ISO/IEC 7816-4, section 5.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The data field, joined over all parts of a chained answer.
    pub data: Vec<u8>,
    /// The last status word.
    pub status: StatusWord,
}

impl Response {
    /// Splits the bytes from the wire; `None` when there are fewer than two.
    pub fn parse(mut bytes: Vec<u8>) -> Option<Self> {
        let [sw1, sw2] = *bytes.last_chunk::<2>()?;
        bytes.truncate(bytes.len() - 2);
        Some(Self { data: bytes, status: StatusWord(u16::from_be_bytes([sw1, sw2])) })
    }
}

/// The length and the status word: what a token says may be a code.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes] {}", self.data.len(), self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_word_is_at_the_end() {
        let response = Response::parse(vec![1, 2, 0x90, 0x00]).unwrap();
        assert_eq!((response.data.as_slice(), response.status), (&[1, 2][..], StatusWord::DONE));
        assert!(Response::parse(vec![0x69, 0x83]).is_some_and(|response| response.data.is_empty()));
        assert!(Response::parse(vec![0x90]).is_none());
        assert!(Response::parse(vec![]).is_none());
    }
}
