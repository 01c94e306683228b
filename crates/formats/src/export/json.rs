//! JSON that is written piece by piece: a seed goes from its wiped buffer into the line and nowhere else.

use std::io::Write;

use crate::FormatError;
use crate::export::Line;

/// A text as JSON (RFC 8259, section 7). Not for seeds, whose encodings need no escapes.
pub(crate) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An array inside an object, of which each element is written by itself, indented as people read it.
pub(crate) struct Array<'a> {
    pub(crate) out: &'a mut dyn Write,
    pub(crate) line: Line,
    pub(crate) count: u64,
}

impl<'a> Array<'a> {
    /// Begins with whatever stands before the elements, up to the bracket.
    pub(crate) fn begin(out: &'a mut dyn Write, head: &str) -> Result<Self, FormatError> {
        out.write_all(head.as_bytes())?;
        Ok(Self { out, line: Line::new(), count: 0 })
    }

    /// Begins an element: what divides it from the one before is written already.
    pub(crate) fn element(&mut self) -> &mut Line {
        self.line.add(if self.count == 0 { "\n" } else { ",\n" });
        self.count += 1;
        &mut self.line
    }

    /// Writes the element.
    pub(crate) fn end_element(&mut self) -> Result<(), FormatError> {
        self.line.write(self.out)
    }

    /// Ends the array and the object that it is in.
    pub(crate) fn end(self) -> Result<(), FormatError> {
        let tail = if self.count == 0 { "]\n}\n" } else { "\n  ]\n}\n" };
        Ok(self.out.write_all(tail.as_bytes())?)
    }
}
