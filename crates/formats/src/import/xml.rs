//! XML of any length, one element at a time: flat records of texts.

use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zeroize::Zeroizing;

use crate::FormatError;
use crate::import::text::{Text, unreadable};

/// Elements in elements.
const MAX_DEPTH: usize = 32;
/// The longest text in an element, and the longest piece of markup, in bytes.
const MAX_TEXT: usize = 16 * 1024;
/// Fields of one record.
const MAX_FIELDS: usize = 256;

/// The fields of an element, by their local names in small letters; attributes are fields, too.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, Zeroizing<String>)>);

impl Fields {
    /// The first field of this name, without space around it; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(one, _)| one == name).map_or("", |(_, text)| text.trim())
    }

    fn add(&mut self, name: String, text: Zeroizing<String>) -> Result<(), FormatError> {
        if self.0.len() == MAX_FIELDS {
            return Err(FormatError::TooLarge { what: "an element", max: MAX_FIELDS });
        }
        self.0.push((name, text));
        Ok(())
    }
}

/// Counts lines while they are read, and refuses markup that never ends.
pub(crate) struct Counted<'a> {
    text: Text<'a>,
    pub(crate) line: u64,
    /// Bytes that may still come before somebody has to agree to more.
    pub(crate) budget: usize,
}

impl<'a> Counted<'a> {
    pub(crate) fn new(text: Text<'a>, budget: usize) -> Self {
        Self { text, line: 1, budget }
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buf)?;
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.text.fill_buf()?;
        if self.budget == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(&bytes[..bytes.len().min(self.budget)])
    }

    fn consume(&mut self, amount: usize) {
        let lines =
            self.text.fill_buf().map_or(0, |bytes| bytes.iter().take(amount).filter(|byte| **byte == b'\n').count());
        self.line += u64::try_from(lines).unwrap_or(0);
        self.budget = self.budget.saturating_sub(amount);
        self.text.consume(amount);
    }
}

/// The names of the elements that matter.
pub(crate) struct Shape {
    /// The outermost element.
    pub(crate) root: &'static str,
    /// Each is one token.
    pub(crate) record: &'static str,
    /// What holds for all tokens behind it, if there is such an element.
    pub(crate) header: Option<&'static str>,
}

/// Hands over each record of a text with the line it begins on and the header before it. Names are compared without
/// their prefix and their case. A record in a record belongs to the outer one.
pub(crate) fn records(
    text: Text<'_>,
    shape: &Shape,
    sink: &mut dyn FnMut(u64, &Fields, Fields) -> ControlFlow<()>,
) -> Result<(), FormatError> {
    let mut reader = Reader::from_reader(Counted::new(text, 0));
    let mut buffer = Zeroizing::new(Vec::with_capacity(4 * MAX_TEXT));
    let mut walk = Walk { shape, open: Vec::new(), header: Fields::default(), current: None, text: empty() };
    loop {
        buffer.clear();
        reader.get_mut().budget = 2 * MAX_TEXT;
        let line = reader.get_ref().line;
        let event = reader.read_event_into(&mut buffer).map_err(|error| why(&error, line, 2 * MAX_TEXT))?;
        let broken = || FormatError::XmlBroken { line };
        let flow = match event {
            Event::Start(tag) => walk.start(&tag, line)?,
            Event::Empty(tag) => match walk.start(&tag, line)? {
                ControlFlow::Continue(()) => walk.end(sink)?,
                flow @ ControlFlow::Break(()) => flow,
            },
            Event::End(_) => walk.end(sink)?,
            Event::Text(text) => walk.add(&text, line)?,
            Event::CData(text) => walk.add(&text, line)?,
            Event::GeneralRef(reference) => {
                let character = character(&reference).ok_or_else(broken)?;
                walk.add(character.encode_utf8(&mut [0; 4]), line)?
            }
            Event::DocType(_) => return Err(FormatError::XmlDoctype),
            Event::Eof if walk.open.is_empty() && walk.began() => return Ok(()),
            Event::Eof => return Err(if walk.began() { FormatError::Truncated } else { FormatError::FileEmpty }),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => ControlFlow::Continue(()),
        };
        if flow.is_break() {
            return Ok(());
        }
    }
}

fn empty() -> Zeroizing<String> {
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    Zeroizing::new(String::with_capacity(MAX_TEXT))
}

/// The character that a reference stands for. Entities of a document's own are for attacks.
pub(crate) fn character(reference: &BytesRef<'_>) -> Option<char> {
    let named = || match &**reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    };
    reference.resolve_char_ref().ok()?.or_else(named)
}

/// Why reading stopped, where at most so many bytes may come at a time.
pub(crate) fn why(error: &quick_xml::Error, line: u64, max: usize) -> FormatError {
    match error {
        quick_xml::Error::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            FormatError::TooLarge { what: "an element", max }
        }
        quick_xml::Error::Io(error) => unreadable(error),
        _ => FormatError::XmlBroken { line },
    }
}

/// Where in the tree we are.
struct Walk<'a> {
    shape: &'a Shape,
    /// The names of the open elements.
    open: Vec<String>,
    header: Fields,
    /// The record or header that is being read: its depth, its line, its fields.
    current: Option<(usize, u64, Fields)>,
    /// The text of the innermost element so far.
    text: Zeroizing<String>,
}

impl Walk<'_> {
    /// Whether the outermost element has begun.
    fn began(&self) -> bool {
        self.header.0.first().is_some_and(|(name, _)| name.is_empty())
    }

    fn start(&mut self, tag: &BytesStart<'_>, line: u64) -> Result<ControlFlow<()>, FormatError> {
        let name = tag.local_name().into_inner().to_ascii_lowercase();
        if self.open.is_empty() {
            if self.began() {
                return Err(FormatError::XmlBroken { line });
            }
            if name != self.shape.root {
                return Err(FormatError::XmlRoot { expected: self.shape.root });
            }
            // A field without a name says that there was a root.
            self.header.add(String::new(), Zeroizing::default())?;
        }
        self.open.push(name.clone());
        if self.open.len() > MAX_DEPTH {
            return Err(FormatError::XmlBroken { line });
        }
        let begins = name == self.shape.record || Some(name.as_str()) == self.shape.header;
        if self.current.is_none() && begins {
            self.current = Some((self.open.len(), line, Fields::default()));
        }
        self.text.clear();
        if let Some((_, _, fields)) = &mut self.current {
            for attribute in tag.attributes() {
                let attribute = attribute.map_err(|_| FormatError::XmlBroken { line })?;
                let value = attribute.normalized_value(XmlVersion::Explicit1_0);
                let value = value.map_err(|_| FormatError::XmlBroken { line })?;
                let name = attribute.key.local_name().into_inner().to_ascii_lowercase();
                fields.add(name, Zeroizing::new(value.into_owned()))?;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn add(&mut self, text: &str, line: u64) -> Result<ControlFlow<()>, FormatError> {
        if self.open.is_empty() && !text.trim().is_empty() {
            return Err(FormatError::XmlBroken { line });
        }
        if self.text.len() + text.len() > MAX_TEXT {
            return Err(FormatError::TooLarge { what: "an element", max: MAX_TEXT });
        }
        self.text.push_str(text);
        Ok(ControlFlow::Continue(()))
    }

    fn end(
        &mut self,
        sink: &mut dyn FnMut(u64, &Fields, Fields) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FormatError> {
        let depth = self.open.len();
        let Some(name) = self.open.pop() else { return Ok(ControlFlow::Continue(())) };
        let text = std::mem::replace(&mut self.text, empty());
        match self.current.take() {
            Some((own, line, fields)) if own == depth => {
                if Some(name.as_str()) == self.shape.header {
                    self.header.0.truncate(1);
                    self.header.0.extend(fields.0);
                    return Ok(ControlFlow::Continue(()));
                }
                return Ok(sink(line, &self.header, fields));
            }
            Some((own, line, mut fields)) => {
                if !text.trim().is_empty() {
                    fields.add(name, text)?;
                }
                self.current = Some((own, line, fields));
            }
            None => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHAPE: Shape = Shape { root: "tokens", record: "token", header: Some("header") };

    fn read(text: &str) -> Result<Vec<(u64, String, String)>, FormatError> {
        let mut found = Vec::new();
        records(Text::new(text.as_bytes()), &SHAPE, &mut |line, header, fields| {
            found.push((
                line,
                header.text("encode").into(),
                format!("{}/{}", fields.text("serial"), fields.text("seed")),
            ));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    #[test]
    fn records_are_read_with_their_header() {
        let text = "<?xml version=\"1.0\"?>\n<!-- x --><n:Tokens xmlns:n='u'>\n<header><encode> HEX </encode></header>\n\
                    <Token serial='1 &amp; 2'><a><Seed>ab<![CDATA[c]]>&#100;</Seed></a></Token>\n<token/></n:Tokens>\n";
        let expected = [(4, "HEX", "1 & 2/abcd"), (5, "HEX", "/")];
        assert_eq!(read(text).unwrap(), expected.map(|(line, header, fields)| (line, header.into(), fields.into())));
    }

    #[test]
    fn what_is_no_sound_document_is_refused() {
        assert_eq!(read(""), Err(FormatError::FileEmpty));
        assert_eq!(read("<tokens><token>"), Err(FormatError::Truncated));
        assert_eq!(read("<tokens>\n</token>"), Err(FormatError::XmlBroken { line: 2 }));
        assert_eq!(read("<html/>"), Err(FormatError::XmlRoot { expected: "tokens" }));
        assert_eq!(read("<!DOCTYPE x [<!ENTITY a 'b'>]><tokens/>"), Err(FormatError::XmlDoctype));
        assert_eq!(read("<tokens>&a;</tokens>"), Err(FormatError::XmlBroken { line: 1 }));
        assert_eq!(read("<tokens/><tokens/>"), Err(FormatError::XmlBroken { line: 1 }));
        assert_eq!(read("x<tokens/>"), Err(FormatError::XmlBroken { line: 1 }));
        let deep = format!("<tokens>{}", "<a>".repeat(40));
        assert_eq!(read(&deep), Err(FormatError::XmlBroken { line: 1 }));
        let long = format!("<tokens><token><seed>{}</seed></token></tokens>", "a".repeat(MAX_TEXT + 1));
        assert!(matches!(read(&long), Err(FormatError::TooLarge { what: "an element", .. })));
        let endless = format!("<tokens><token x='{}", "a".repeat(200_000));
        assert!(matches!(read(&endless), Err(FormatError::TooLarge { what: "an element", .. })));
        let many = format!("<tokens><token>{}</token></tokens>", "<a>b</a>".repeat(300));
        assert!(matches!(read(&many), Err(FormatError::TooLarge { what: "an element", .. })));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[<>/&;!a='\" \\[\\]?-]{0,60}") {
            let _ = read(&text);
            let _ = read(&format!("<tokens><token>{text}"));
        }
    }
}
