//! JSON of any length, one object at a time.

use std::io::BufRead;
use std::ops::ControlFlow;

use serde::de::{self, Deserializer, Visitor};
use zeroize::Zeroizing;

use crate::FormatError;
use crate::import::text::{Text, unreadable};

/// The longest object, in bytes: a token with everything that can be said about it, or a user with some.
const MAX_OBJECT: usize = 64 * 1024;
/// Objects in objects.
const MAX_DEPTH: usize = 32;

/// Where in the text the splitter stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first bracket.
    Start,
    /// Behind an object of its own: another one may follow (JSON lines).
    Between,
    /// In the outermost object, whose list has not come yet: it may be the only object itself.
    Root,
    /// In the list, whose objects begin at this depth.
    List(usize),
    /// Behind the list.
    Behind,
}

/// Cuts JSON into the objects of its list: the outermost array, or that of one of `keys` in the outermost object; an
/// object without such a key is the only one. Inside the objects nothing is looked at; each is handed over with its
/// line.
pub(crate) fn objects(
    mut text: Text<'_>,
    keys: &[&str],
    mut sink: impl FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<(), FormatError> {
    let mut splitter = Splitter::new(keys);
    loop {
        let bytes = text.fill_buf().map_err(|error| unreadable(&error))?;
        let len = bytes.len();
        if len == 0 {
            return splitter.end();
        }
        for &byte in bytes {
            if splitter.byte(byte, &mut sink)?.is_break() {
                return Ok(());
            }
        }
        text.consume(len);
    }
}

struct Splitter<'a> {
    keys: &'a [&'a str],
    place: Place,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The last text in the outermost object, while it may be a key.
    word: Zeroizing<Vec<u8>>,
    object: Zeroizing<Vec<u8>>,
    /// Whether bytes go into `object`.
    keeping: bool,
    line: u64,
    began: u64,
}

impl<'a> Splitter<'a> {
    fn new(keys: &'a [&'a str]) -> Self {
        Self {
            keys,
            place: Place::Start,
            depth: 0,
            in_string: false,
            escaped: false,
            word: Zeroizing::new(Vec::with_capacity(MAX_OBJECT)),
            // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
            object: Zeroizing::new(Vec::with_capacity(MAX_OBJECT)),
            keeping: false,
            line: 1,
            began: 1,
        }
    }

    fn broken(&self) -> FormatError {
        FormatError::JsonBroken { line: self.line }
    }

    fn byte(
        &mut self,
        byte: u8,
        sink: &mut impl FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FormatError> {
        self.line += u64::from(byte == b'\n');
        if self.in_string {
            self.keep(byte)?;
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ if self.depth == 1 && self.place == Place::Root && self.word.len() < MAX_OBJECT => {
                    self.word.push(byte);
                }
                _ => {}
            }
            return Ok(ControlFlow::Continue(()));
        }
        match byte {
            b'{' | b'[' => self.open(byte)?,
            b'}' | b']' => return self.close(byte, sink),
            b'"' => {
                self.element()?;
                self.in_string = true;
                self.word.clear();
                self.keep(byte)?;
            }
            b' ' | b'\n' | b'\r' | b'\t' | b',' => self.keep(byte)?,
            _ => {
                self.element()?;
                self.keep(byte)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// In the list are objects and nothing else, and around it is something.
    fn element(&self) -> Result<(), FormatError> {
        let stray = matches!(self.place, Place::List(depth) if depth == self.depth) || self.depth == 0;
        if stray { Err(self.broken()) } else { Ok(()) }
    }

    fn open(&mut self, byte: u8) -> Result<(), FormatError> {
        match self.place {
            Place::Start if byte == b'[' => self.place = Place::List(1),
            Place::Start | Place::Between if byte == b'{' => {
                self.object.clear();
                (self.place, self.keeping, self.began) = (Place::Root, true, self.line);
            }
            Place::Root if self.depth == 1 && byte == b'[' && self.is_key() => {
                self.place = Place::List(2);
                self.keeping = false;
                self.object.clear();
            }
            Place::List(depth) if depth == self.depth => {
                if byte == b'[' {
                    return Err(self.broken());
                }
                (self.keeping, self.began) = (true, self.line);
                self.object.clear();
            }
            _ if self.depth == 0 => return Err(self.broken()),
            _ => {}
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.broken());
        }
        self.keep(byte)
    }

    fn is_key(&self) -> bool {
        self.keys.iter().any(|key| key.as_bytes().eq_ignore_ascii_case(&self.word))
    }

    fn close(
        &mut self,
        byte: u8,
        sink: &mut impl FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FormatError> {
        self.keep(byte)?;
        self.depth = self.depth.checked_sub(1).ok_or_else(|| self.broken())?;
        match self.place {
            Place::List(depth) if self.depth == depth && self.keeping => {
                self.keeping = false;
                return Ok(sink(self.began, &self.object));
            }
            Place::List(depth) if self.depth + 1 == depth => {
                if byte != b']' {
                    return Err(self.broken());
                }
                self.place = Place::Behind;
            }
            Place::Root if self.depth == 0 => {
                self.keeping = false;
                self.place = Place::Between;
                return Ok(sink(self.began, &self.object));
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn keep(&mut self, byte: u8) -> Result<(), FormatError> {
        if self.keeping {
            if self.object.len() == MAX_OBJECT {
                return Err(FormatError::TooLarge { what: "an object", max: MAX_OBJECT });
            }
            self.object.push(byte);
        }
        Ok(())
    }

    fn end(&self) -> Result<(), FormatError> {
        match self.place {
            Place::Start => Err(FormatError::FileEmpty),
            _ if self.depth > 0 || self.in_string => Err(FormatError::Truncated),
            _ => Ok(()),
        }
    }
}

/// All of a text that must be read at once, up to `max` bytes.
pub(crate) fn whole(mut text: Text<'_>, max: usize) -> Result<Zeroizing<Vec<u8>>, FormatError> {
    let mut all = Zeroizing::new(Vec::new());
    loop {
        let bytes = text.fill_buf().map_err(|error| unreadable(&error))?;
        let len = bytes.len();
        if len == 0 {
            return Ok(all);
        }
        if all.len() + len > max {
            return Err(FormatError::TooLarge { what: "the file", max });
        }
        if all.len() + len > all.capacity() {
            // A buffer that grows leaves copies behind: the old one is wiped when it is replaced.
            let mut larger = Zeroizing::new(Vec::with_capacity(((all.len() + len) * 2).min(max)));
            larger.extend_from_slice(&all);
            all = larger;
        }
        all.extend_from_slice(bytes);
        text.consume(len);
    }
}

/// A text or a number, as writers of JSON take one for the other.
#[derive(Clone, Default)]
pub(crate) struct Loose(Zeroizing<String>);

impl Loose {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> de::Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsText;
        impl Visitor<'_> for AsText {
            type Value = Loose;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose(Zeroizing::new(text.to_owned())))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Loose, E> {
                Ok(Loose(Zeroizing::new(number.to_string())))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Loose, E> {
                Ok(Loose(Zeroizing::new(number.to_string())))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Loose, E> {
                // As a spreadsheet shows it, so that it is refused for what it is: digits are lost.
                Ok(Loose(Zeroizing::new(format!("{number:e}").replace('e', "E+"))))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Loose, E> {
                Ok(Loose::default())
            }
        }
        deserializer.deserialize_any(AsText)
    }
}

/// What serde says of an object, without anything of its values.
pub(crate) fn broken(error: &serde_json::Error, line: u64) -> FormatError {
    let within = u64::try_from(error.line()).unwrap_or(1).saturating_sub(1);
    FormatError::JsonBroken { line: line + within }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Result<Vec<(u64, String)>, FormatError> {
        let mut found = Vec::new();
        objects(Text::new(text.as_bytes()), &["value"], |line, object| {
            found.push((line, String::from_utf8(object.to_vec()).unwrap()));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    #[test]
    fn objects_are_found_where_they_are() {
        let one = |text: &str| vec![(1, text.to_owned())];
        assert_eq!(cut(r#"{"a":"}"}"#), Ok(one(r#"{"a":"}"}"#)));
        assert_eq!(cut(r#"[{"a":{"b":[1]}}]"#), Ok(one(r#"{"a":{"b":[1]}}"#)));
        let listed = "{\"x\":[{\"y\":1}],\n\"value\" : [{\"a\":\"\\\"{\"},\n {\"b\":2}], \"z\":{}}";
        assert_eq!(cut(listed), Ok(vec![(2, r#"{"a":"\"{"}"#.into()), (3, r#"{"b":2}"#.into())]));
        assert_eq!(cut("[]"), Ok(vec![]));
        assert_eq!(cut("{}\n{}"), Ok(vec![(1, "{}".into()), (2, "{}".into())]));
    }

    #[test]
    fn what_is_broken_is_said_with_its_line() {
        assert_eq!(cut(" "), Err(FormatError::FileEmpty));
        assert_eq!(cut("[{\"a\":1"), Err(FormatError::Truncated));
        assert_eq!(cut("[\n1]"), Err(FormatError::JsonBroken { line: 2 }));
        assert_eq!(cut("[\"x\"]"), Err(FormatError::JsonBroken { line: 1 }));
        assert_eq!(cut("serial"), Err(FormatError::JsonBroken { line: 1 }));
        assert_eq!(cut("]"), Err(FormatError::JsonBroken { line: 1 }));
        assert_eq!(cut(&"[".repeat(100)), Err(FormatError::JsonBroken { line: 1 }));
        assert_eq!(cut(&"{\"a\":".repeat(100)), Err(FormatError::JsonBroken { line: 1 }));
        let long = format!("[{{\"a\":\"{}\"}}]", "x".repeat(MAX_OBJECT));
        assert_eq!(cut(&long), Err(FormatError::TooLarge { what: "an object", max: MAX_OBJECT }));
    }

    #[test]
    fn a_text_of_any_length_is_read_whole_up_to_a_limit() {
        let text = "x".repeat(200_000);
        assert_eq!(whole(Text::new(text.as_bytes()), 200_000).unwrap().len(), 200_000);
        let error = whole(Text::new(text.as_bytes()), 199_999).unwrap_err();
        assert_eq!(error, FormatError::TooLarge { what: "the file", max: 199_999 });
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[\\[\\]{}\",:a1\\\\ ]{0,60}") {
            let _ = cut(&text);
        }
    }
}
