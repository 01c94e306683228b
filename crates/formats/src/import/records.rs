//! Rows of cells (RFC 4180), one line each.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use zeroize::Zeroizing;

use crate::FormatError;
use crate::import::text::{LineProblem, Lines, MAX_LINE, Text};

/// More columns than any layout has.
const MAX_COLUMNS: usize = 256;

/// The rows of a file of cells.
pub(crate) struct Records<'a> {
    lines: Lines<'a>,
    parser: Reader,
    /// A row that was read to find out how the others are written.
    cells: Cells,
    comments: bool,
}

/// The cells of one row, wiped with the next.
struct Cells {
    bytes: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
    count: usize,
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Record<'r> {
    /// The line it stands on.
    pub(crate) line: u64,
    cells: &'r Cells,
}

impl Record<'_> {
    /// How many cells there are.
    pub(crate) fn len(&self) -> usize {
        self.cells.count
    }

    /// A cell, without space around it and without the `="…"` that keeps spreadsheets from touching it.
    pub(crate) fn cell(&self, index: usize) -> Option<&str> {
        (index < self.cells.count).then(|| {
            let start = index.checked_sub(1).map_or(0, |before| self.cells.ends[before]);
            let bytes = &self.cells.bytes[start..self.cells.ends[index]];
            bare(std::str::from_utf8(bytes).unwrap_or_default())
        })
    }

    /// Whether there is nothing in any cell.
    pub(crate) fn is_blank(&self) -> bool {
        (0..self.len()).all(|index| self.cell(index).is_none_or(str::is_empty))
    }
}

/// The text in a cell that a spreadsheet was told to leave alone (`="0012"`, `'0012`), and that of a quoted cell
/// behind a space.
fn bare(cell: &str) -> &str {
    let cell = cell.trim();
    let formula = cell.strip_prefix('=').unwrap_or(cell);
    if let Some(inner) = formula.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return inner.trim();
    }
    match cell.strip_prefix('\'') {
        Some(rest) => rest.trim(),
        None => cell,
    }
}

impl<'a> Records<'a> {
    /// Rows whose cells are divided by `delimiter`. With `comments`, lines that begin with `#` are skipped.
    pub(crate) fn new(text: Text<'a>, delimiter: u8, comments: bool) -> Self {
        Self {
            lines: Lines::new(text),
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            // Cells are never longer than their line.
            cells: Cells { bytes: Zeroizing::new(vec![0; MAX_LINE]), ends: vec![0; MAX_COLUMNS], count: 0 },
            comments,
        }
    }

    /// The next row that is not blank. One that is refused does not end the file.
    pub(crate) fn next(&mut self) -> Option<Result<Record<'_>, LineProblem>> {
        let line = loop {
            match self.lines.next()? {
                Err(problem) => return Some(Err(problem)),
                Ok((_, text)) if text.trim().is_empty() => {}
                Ok((_, text)) if self.comments && text.trim_start().starts_with('#') => {}
                Ok((line, text)) => match split(&mut self.parser, text.as_bytes(), &mut self.cells) {
                    Ok(()) => break line,
                    Err(error) => return Some(Err((line, error))),
                },
            }
        };
        Some(Ok(Record { line, cells: &self.cells }))
    }
}

fn split(parser: &mut Reader, line: &[u8], cells: &mut Cells) -> Result<(), FormatError> {
    parser.reset();
    cells.count = 0;
    let (mut input, mut written) = (line, 0);
    let mut ended = false;
    loop {
        let (result, read, wrote, ends) =
            parser.read_record(input, &mut cells.bytes[written..], &mut cells.ends[cells.count..]);
        debug_assert!(read <= input.len());
        written += wrote;
        cells.count += ends;
        match result {
            ReadRecordResult::Record => return Ok(()),
            // The line's end, given once, ends the row; inside quotes it does not.
            ReadRecordResult::InputEmpty if !ended => (ended, input) = (true, b"\n"),
            ReadRecordResult::InputEmpty | ReadRecordResult::End => return Err(FormatError::QuoteOpen),
            ReadRecordResult::OutputFull => return Err(FormatError::LineTooLong),
            ReadRecordResult::OutputEndsFull => return Err(FormatError::TooManyColumns { columns: MAX_COLUMNS }),
        }
    }
}

/// What divides the cells of a line: the one of comma, semicolon, tab and bar that there is most of outside quotes.
pub(crate) fn delimiter_of(line: &str) -> u8 {
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in line.bytes() {
        quoted ^= byte == b'"';
        for (delimiter, count) in counts.iter_mut().filter(|_| !quoted) {
            *count += usize::from(byte == *delimiter);
        }
    }
    // The first of equals: a file of one column has no delimiter at all.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, delimiter: u8) -> Vec<Result<(u64, Vec<String>), LineProblem>> {
        let mut records = Records::new(Text::new(text.as_bytes()), delimiter, true);
        let mut all = Vec::new();
        while let Some(record) = records.next() {
            let cells = |record: Record<'_>| (0..record.len()).map(|at| record.cell(at).unwrap().to_owned()).collect();
            all.push(record.map(|record| (record.line, cells(record))));
        }
        all
    }

    #[test]
    fn cells_are_read_as_programs_write_them() {
        let text = "a,\"b,\"\"c\"\"\", d \n\n# x,\"y\n=\"\"001\"\",'002,\"=\"\"003\"\"\"\nx, \"y z\",\n";
        let found: Vec<_> = rows(text, b',').into_iter().map(Result::unwrap).collect();
        assert_eq!(found[0], (1, vec!["a".into(), "b,\"c\"".into(), "d".into()]));
        assert_eq!(found[1].1[1..], ["002", "003"]);
        assert_eq!(found[2], (5, vec!["x".into(), "y z".into(), String::new()]));
    }

    #[test]
    fn a_quote_that_is_left_open_spoils_its_own_line_only() {
        let found = rows("a,b\n\"c,d\ne,f\n", b',');
        assert_eq!(found[1], Err((2, FormatError::QuoteOpen)));
        assert_eq!(found[2].as_ref().unwrap().0, 3);
        let many = rows(&",".repeat(300), b',');
        assert_eq!(many, [Err((1, FormatError::TooManyColumns { columns: MAX_COLUMNS }))]);
    }

    #[test]
    fn the_delimiter_is_the_one_there_is_most_of() {
        assert_eq!(delimiter_of("upn;serial number;secret key"), b';');
        assert_eq!(delimiter_of("upn\tserial number"), b'\t');
        assert_eq!(delimiter_of("\"a;b;c\",d"), b',');
        assert_eq!(delimiter_of("alone"), b',');
        assert_eq!(delimiter_of("a|b"), b'|');
    }
}
