//! Long lists, written as they are read.

use std::io::{self, BufWriter, Stdout, Write};

use serde_json::Value;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Outcome;

/// The longest cell of a table; what is longer is cut there, and whole in JSON.
const MAX_CELL: usize = 64;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// In columns.
    Table,
    /// One JSON array.
    Array,
    /// One JSON value a line.
    Lines,
}

impl Form {
    pub(crate) const fn new(json: bool, lines: bool) -> Self {
        match (lines, json) {
            (true, _) => Self::Lines,
            (false, true) => Self::Array,
            (false, false) => Self::Table,
        }
    }
}

/// A list that is being written, a page at a time: it may be longer than memory.
pub(crate) struct Listing<const N: usize> {
    form: Form,
    header: [&'static str; N],
    widths: [usize; N],
    out: BufWriter<Stdout>,
    rows: u64,
    /// Whoever read has seen enough (`| head`).
    closed: bool,
}

impl<const N: usize> Listing<N> {
    pub(crate) fn new(form: Form, header: [&'static str; N]) -> Self {
        let widths = header.map(str::len);
        Self { form, header, widths, out: BufWriter::new(io::stdout()), rows: 0, closed: false }
    }

    /// Whether nobody reads any more.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes a page. The columns grow where a later page needs more room.
    pub(crate) fn page<T>(
        &mut self,
        items: &[T],
        json: impl Fn(&T) -> Value,
        cells: impl Fn(&T) -> [String; N],
    ) -> Result<(), Failure> {
        let mut text = String::new();
        match self.form {
            Form::Table => {
                let rows: Vec<_> = items.iter().map(|item| cells(item).map(|cell| cut(&cell))).collect();
                for row in &rows {
                    for (width, cell) in self.widths.iter_mut().zip(row) {
                        *width = (*width).max(cell.chars().count());
                    }
                }
                if self.rows == 0 {
                    text.push_str(&self.line(self.header));
                }
                for row in &rows {
                    text.push_str(&self.line(row.each_ref().map(String::as_str)));
                }
            }
            Form::Array => {
                for (item, number) in items.iter().zip(self.rows..) {
                    text.push(if number == 0 { '[' } else { ',' });
                    text.push_str(&json(item).to_string());
                }
            }
            Form::Lines => items.iter().for_each(|item| {
                text.push_str(&json(item).to_string());
                text.push('\n');
            }),
        }
        self.rows += items.len() as u64;
        self.write(&text)
    }

    /// Ends the list.
    pub(crate) fn end(mut self) -> Result<Outcome, Failure> {
        match (self.form, self.rows) {
            (Form::Array, 0) => self.write("[]\n")?,
            (Form::Array, _) => self.write("]\n")?,
            (Form::Table, 0) => {
                let header = self.line(self.header);
                self.write(&header)?;
            }
            _ => {}
        }
        let flushed = self.out.flush();
        self.written(flushed)?;
        Ok(Outcome::new(Value::Null, ""))
    }

    fn line(&self, cells: [&str; N]) -> String {
        let padded = cells.iter().zip(self.widths).map(|(cell, width)| format!("{cell:width$}  "));
        padded.collect::<String>().trim_end().to_owned() + "\n"
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let written = self.out.write_all(text.as_bytes());
        self.written(written)
    }

    fn written(&mut self, result: io::Result<()>) -> Result<(), Failure> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::new(Exit::Bug, "stdout", format!("failed to write the result: {error}"), "")),
            Ok(()) => Ok(()),
        }
    }
}

fn cut(cell: &str) -> String {
    match cell.char_indices().nth(MAX_CELL) {
        Some(_) => cell.chars().take(MAX_CELL - 1).chain(['…']).collect(),
        None => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cells_are_cut() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(cut(&"é".repeat(65)), format!("{}…", "é".repeat(63)));
    }
}
