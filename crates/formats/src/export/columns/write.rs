//! Writing cells.

use std::io::Write;

use oathburn_oath::Params;

use super::template::Cell;
use super::{Columns, Layout, Quote};
use crate::export::{Line, mixed};
use crate::{FormatError, KeyPackage, Refusal, WriteFormat, WriteOptions, Writing};

/// A text as a cell; `None` where it needs quotes and there are none.
pub(super) fn quoted(text: &str, layout: &Layout) -> Option<String> {
    match (layout.quote, needs_quotes(text, layout)) {
        (Quote::Never, Some(_)) => None,
        (Quote::Never | Quote::Needed, None) => Some(text.into()),
        _ => Some(["\"", &text.replace('"', "\"\""), "\""].concat()),
    }
}

/// The first character that a reader would take for something else.
fn needs_quotes(text: &str, layout: &Layout) -> Option<char> {
    let blank = [text.chars().next(), text.chars().next_back()].into_iter().flatten().find(|c| c.is_whitespace());
    let divides =
        |c: &char| layout.delimiter.trim_end_matches(' ').contains(*c) || layout.delimiter == " " && *c == ' ';
    text.chars().find(|c| *c == '"' || divides(c)).or(blank)
}

impl Layout {
    fn cells(&self, params: &Params) -> &[Cell] {
        match params {
            Params::Totp(_) => &self.time_based,
            Params::Hotp(_) => &self.event_based,
        }
    }

    /// Why a cell could not be read back as it is.
    fn refuses(&self, cell: &Cell, first: bool, package: &KeyPackage) -> Option<Refusal> {
        let text = cell.without_seed(package);
        let what = cell.what();
        if let Some(character) = text.chars().find(|c| c.is_control()) {
            return Some(Refusal::Character { what, character });
        }
        if let Some(character) = needs_quotes(&text, self).filter(|_| self.quote == Quote::Never) {
            return Some(Refusal::Character { what, character });
        }
        if let Some(character) = self.comment.filter(|mark| first && text.starts_with(*mark)) {
            return Some(Refusal::Character { what, character });
        }
        text.starts_with(['=', '+', '-', '@']).then_some(Refusal::Formula { what })
    }
}

impl WriteFormat for Columns {
    fn extension(&self) -> &'static str {
        self.extension
    }

    fn unconfirmed(&self) -> Option<&'static str> {
        self.unconfirmed
    }

    fn refuses(&self, package: &KeyPackage, first: &Params, _: &WriteOptions) -> Option<Refusal> {
        let cells = self.layout.cells(&package.params).iter().enumerate();
        mixed(&self.uniform, &package.params, first)
            .or_else(|| cells.into_iter().find_map(|(index, cell)| self.layout.refuses(cell, index == 0, package)))
    }

    fn begin<'a>(&'a self, out: &'a mut dyn Write, _: &'a WriteOptions) -> Result<Box<dyn Writing + 'a>, FormatError> {
        out.write_all(self.layout.head.as_bytes())?;
        Ok(Box::new(File { out, line: Line::new(), layout: &self.layout }))
    }
}

struct File<'a> {
    out: &'a mut dyn Write,
    line: Line,
    layout: &'a Layout,
}

impl Writing for File<'_> {
    fn write(&mut self, package: &KeyPackage) -> Result<(), FormatError> {
        for (index, cell) in self.layout.cells(&package.params).iter().enumerate() {
            if index > 0 {
                self.line.add(&self.layout.delimiter);
            }
            // Seeds need no quotes: what decides is the rest of their cell.
            let plain = cell.without_seed(package);
            let quotes = match self.layout.quote {
                Quote::Never => false,
                Quote::Needed => needs_quotes(&plain, self.layout).is_some(),
                Quote::Always => true,
            };
            let mark = if quotes { "\"" } else { "" };
            self.line.add(mark);
            for piece in cell.pieces(package) {
                if quotes && piece.contains('"') {
                    self.line.add(piece.replace('"', "\"\""));
                } else {
                    self.line.add(&*piece);
                }
            }
            self.line.add(mark);
        }
        self.line.add(self.layout.newline);
        self.line.write(self.out)
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        Ok(())
    }
}
