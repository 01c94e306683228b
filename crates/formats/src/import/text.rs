//! Text from a file: UTF-8 or UTF-16, with or without a byte order mark, line by line.

use std::io::{self, BufRead, Read};
use std::ops::Range;

use zeroize::Zeroizing;

use crate::FormatError;

/// What is read at a time, in bytes.
const BUFFER: usize = 64 * 1024;

/// The longest line, in bytes of UTF-8: a key URI of the longest kind, or a row with long names.
pub(crate) const MAX_LINE: usize = 16 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Utf8,
    Utf16([usize; 2]),
}

/// The bytes of a text as UTF-8, without its byte order mark. What passed through is wiped.
pub(crate) struct Text<'a> {
    source: Box<dyn Read + 'a>,
    raw: Zeroizing<Vec<u8>>,
    unread: Range<usize>,
    form: Option<Form>,
    decoded: Zeroizing<Vec<u8>>,
    given: usize,
}

impl<'a> Text<'a> {
    pub(crate) fn new(source: impl Read + 'a) -> Self {
        Self {
            source: Box::new(source),
            raw: Zeroizing::new(vec![0; BUFFER]),
            unread: 0..0,
            form: None,
            decoded: Zeroizing::new(Vec::new()),
            given: 0,
        }
    }

    /// Moves what is left to the front and reads on; false at the end.
    fn refill(&mut self) -> io::Result<bool> {
        self.raw.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        loop {
            match self.source.read(&mut self.raw[self.unread.end..]) {
                Ok(0) => return Ok(false),
                Ok(len) => {
                    self.unread.end += len;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The beginning of the text, up to 64 KiB, which stays to be read.
    pub(crate) fn head(&mut self) -> io::Result<&[u8]> {
        while self.unread.len() < BUFFER / 2 && self.refill()? {}
        self.fill_buf()
    }

    /// Looks at the first bytes.
    fn begin(&mut self) -> io::Result<Form> {
        while self.unread.len() < 3 && self.refill()? {}
        let (form, mark) = match &self.raw[self.unread.clone()] {
            [0xef, 0xbb, 0xbf, ..] => (Form::Utf8, 3),
            [0xff, 0xfe, ..] => (Form::Utf16([0, 1]), 2),
            [0xfe, 0xff, ..] => (Form::Utf16([1, 0]), 2),
            // Half a character of ASCII is a zero in UTF-16; no text begins with one.
            [first, 0, ..] if *first != 0 => (Form::Utf16([0, 1]), 0),
            [0, second, ..] if *second != 0 => (Form::Utf16([1, 0]), 0),
            _ => (Form::Utf8, 0),
        };
        self.unread.start += mark;
        if form != Form::Utf8 {
            // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
            self.decoded.reserve_exact(BUFFER / 2 * 3);
        }
        Ok(form)
    }

    /// Decodes what is in the buffer, all but half a character at its end.
    fn decode(&mut self, [low, high]: [usize; 2]) -> io::Result<()> {
        self.decoded.clear();
        self.given = 0;
        while self.unread.len() < 4 && self.refill()? {}
        let bytes = &self.raw[self.unread.clone()];
        let unit = |index: usize| u16::from_le_bytes([bytes[2 * index + low], bytes[2 * index + high]]);
        let mut units = bytes.len() / 2;
        if units == 0 && !bytes.is_empty() {
            return Err(not_text());
        }
        let begins_pair = |unit: u16| (0xd800..0xdc00).contains(&unit);
        if units > 1 && begins_pair(unit(units - 1)) {
            units -= 1;
        }
        for one in char::decode_utf16((0..units).map(unit)) {
            let character = one.map_err(|_| not_text())?;
            self.decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.unread.start += 2 * units;
        Ok(())
    }
}

fn not_text() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "neither UTF-8 nor UTF-16")
}

impl Read for Text<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buf)?;
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Text<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let form = if let Some(form) = self.form {
            form
        } else {
            let form = self.begin()?;
            *self.form.insert(form)
        };
        match form {
            Form::Utf8 => {
                if self.unread.is_empty() {
                    self.refill()?;
                }
                Ok(&self.raw[self.unread.clone()])
            }
            Form::Utf16(order) => {
                if self.given == self.decoded.len() {
                    self.decode(order)?;
                }
                Ok(&self.decoded[self.given..])
            }
        }
    }

    fn consume(&mut self, amount: usize) {
        match self.form {
            Some(Form::Utf16(_)) => self.given += amount,
            _ => self.unread.start += amount,
        }
    }
}

/// Lines, counted from 1, without what ends them (LF, CRLF, CR).
pub(crate) struct Lines<'a> {
    text: Text<'a>,
    line: Zeroizing<Vec<u8>>,
    number: u64,
    after_return: bool,
    done: bool,
}

/// A line that cannot be read: where, and why.
pub(crate) type LineProblem = (u64, FormatError);

impl<'a> Lines<'a> {
    pub(crate) fn new(text: Text<'a>) -> Self {
        Self {
            text,
            // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
            line: Zeroizing::new(Vec::with_capacity(MAX_LINE)),
            number: 0,
            after_return: false,
            done: false,
        }
    }

    /// The next line; a line that is refused does not end the file.
    pub(crate) fn next(&mut self) -> Option<Result<(u64, &str), LineProblem>> {
        if self.done {
            return None;
        }
        self.number += 1;
        match self.read() {
            Ok(Piece::End) => {
                self.done = true;
                None
            }
            Ok(Piece::Line) => Some(match std::str::from_utf8(&self.line) {
                Ok(line) if !line.contains('\0') => Ok((self.number, line)),
                _ => Err((self.number, FormatError::NotText)),
            }),
            Ok(Piece::TooLong) => Some(Err((self.number, FormatError::LineTooLong))),
            Err(error) => {
                self.done = true;
                Some(Err((self.number, unreadable(&error))))
            }
        }
    }

    fn read(&mut self) -> io::Result<Piece> {
        self.line.clear();
        let (mut any, mut too_long) = (false, false);
        loop {
            let bytes = self.text.fill_buf()?;
            if bytes.is_empty() {
                return Ok(if too_long {
                    Piece::TooLong
                } else if any {
                    Piece::Line
                } else {
                    Piece::End
                });
            }
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                self.text.consume(1);
                continue;
            }
            any = true;
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > MAX_LINE {
                too_long = true;
            } else {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.after_return = end.is_some_and(|end| bytes[end] == b'\r');
            self.text.consume(used);
            if end.is_some() {
                return Ok(if too_long { Piece::TooLong } else { Piece::Line });
            }
        }
    }
}

enum Piece {
    Line,
    TooLong,
    End,
}

/// Why a file cannot be read on.
pub(crate) fn unreadable(error: &io::Error) -> FormatError {
    match error.kind() {
        io::ErrorKind::InvalidData => FormatError::NotText,
        _ => FormatError::Unreadable { reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in pieces of this size.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(self.0.len()).min(buf.len());
            let (piece, rest) = self.0.split_at(len);
            buf[..len].copy_from_slice(piece);
            self.0 = rest;
            Ok(len)
        }
    }

    fn lines(bytes: &[u8], piece: usize) -> Vec<Result<(u64, String), LineProblem>> {
        let mut lines = Lines::new(Text::new(Pieces(bytes, piece)));
        let mut all = Vec::new();
        while let Some(line) = lines.next() {
            all.push(line.map(|(number, line)| (number, line.to_owned())));
        }
        all
    }

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn every_encoding_and_line_ending_gives_the_same_lines() {
        let expected = ["upn,é😀", "", "b"].map(str::to_owned);
        for ending in ["\n", "\r\n", "\r"] {
            let text = format!("upn,é😀{ending}{ending}b{ending}");
            let marked = format!("\u{feff}{text}");
            for bytes in [
                text.clone().into_bytes(),
                marked.clone().into_bytes(),
                utf16(&marked, u16::to_le_bytes),
                utf16(&marked, u16::to_be_bytes),
                utf16(&text, u16::to_le_bytes),
                utf16(&text, u16::to_be_bytes),
            ] {
                for piece in [1, 2, 3, 1000] {
                    let found: Vec<_> = lines(&bytes, piece).into_iter().map(Result::unwrap).collect();
                    let numbers: Vec<_> = found.iter().map(|(number, _)| *number).collect();
                    assert_eq!(numbers, [1, 2, 3]);
                    assert_eq!(found.into_iter().map(|(_, line)| line).collect::<Vec<_>>(), expected);
                }
            }
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_does_not_end_the_file() {
        let long = [b"a\n".as_slice(), &vec![b'x'; MAX_LINE + 1], b"\nb\xff\nc\n"].concat();
        let found = lines(&long, 5000);
        assert_eq!(found[0], Ok((1, "a".into())));
        assert_eq!(found[1], Err((2, FormatError::LineTooLong)));
        assert_eq!(found[2], Err((3, FormatError::NotText)));
        assert_eq!(found[3], Ok((4, "c".into())));
        assert_eq!(found.len(), 4);
        // Half a character, and half of a pair.
        assert_eq!(lines(&[0xff, 0xfe, b'a'], 9), [Err((1, FormatError::NotText))]);
        assert_eq!(lines(&[0xff, 0xfe, 0x00, 0xd8], 9), [Err((1, FormatError::NotText))]);
    }

    #[test]
    fn a_disk_that_fails_ends_the_file() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("bad sector"))
            }
        }
        let mut lines = Lines::new(Text::new(b"upn\n".chain(Failing)));
        assert_eq!(lines.next(), Some(Ok((1, "upn"))));
        let reason = "bad sector".to_owned();
        assert_eq!(lines.next(), Some(Err((2, FormatError::Unreadable { reason }))));
        assert_eq!(lines.next(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1..9_usize) {
            prop_assert!(lines(&bytes, piece).len() <= bytes.len() + 1);
        }
    }
}
