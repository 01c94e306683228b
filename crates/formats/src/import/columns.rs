//! Files of columns: with a header that names them, or in a fixed order.

use std::ops::ControlFlow;

use crate::import::draft::{Draft, Meaning};
use crate::import::records::{Record, Records, delimiter_of};
use crate::import::text::{Lines, Text, unreadable};
use crate::import::{Sink, refuse};
use crate::{FormatError, KeyPackage, Kind, Problem, Unsaid};

/// A column that a header names.
pub(crate) struct Head {
    /// Its names, in small letters and without spaces; the first is the one that problems name.
    pub(crate) names: &'static [&'static str],
    /// How people know it.
    pub(crate) title: &'static str,
    pub(crate) meaning: Meaning,
    /// Whether every row must fill it.
    pub(crate) required: bool,
}

/// A layout with a header.
pub(crate) struct Headed {
    pub(crate) heads: &'static [Head],
    pub(crate) usual: Unsaid,
    /// The only time steps that its rows have; empty for any.
    pub(crate) steps: &'static [u32],
}

/// A layout without one: each column with the name that problems use.
pub(crate) struct Ordered {
    pub(crate) columns: &'static [(&'static str, Meaning)],
    /// How many of them every row must fill.
    pub(crate) required: usize,
    pub(crate) usual: Unsaid,
}

/// A header's name of a column as it is compared: no spaces, no dashes, small letters.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The first lines of a file that are neither blank nor comments, from what was read to find out what it is.
pub(crate) fn first_lines(head: &[u8], count: usize) -> Vec<String> {
    let mut lines = Lines::new(Text::new(head));
    let mut found = Vec::new();
    while let (true, Some(line)) = (found.len() < count, lines.next()) {
        match line {
            Ok((_, line)) if !line.trim().is_empty() && !line.trim_start().starts_with('#') => {
                found.push(line.trim().to_owned());
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    found
}

/// What divides the cells of a file; a spreadsheet may say it in a line of its own (`sep=;`).
pub(crate) fn delimiter(head: &[u8]) -> u8 {
    let lines = first_lines(head, 1);
    let Some(line) = lines.first() else { return b',' };
    separator_line(line).unwrap_or_else(|| delimiter_of(line))
}

fn separator_line(line: &str) -> Option<u8> {
    match line.trim().as_bytes() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => Some(*delimiter),
        _ => None,
    }
}

impl Headed {
    /// Whether a line is a header of this layout: it names every column that rows must fill.
    pub(crate) fn is_header(&self, line: &str) -> bool {
        let names: Vec<_> = line.split(char::from(delimiter_of(line))).map(plain).collect();
        let has = |head: &Head| names.iter().any(|name| head.names.contains(&name.as_str()));
        self.heads.iter().filter(|head| head.required).all(has)
    }

    /// Hands over the rows of a text.
    pub(crate) fn read(&self, mut text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
        let delimiter = delimiter(text.head().map_err(|error| unreadable(&error))?);
        let mut records = Records::new(text, delimiter, true);
        let columns = self.header(&mut records)?;
        while let Some(record) = records.next() {
            let flow = match record {
                Err((line, error)) => refuse(sink, line, Problem::new(error)),
                Ok(record) if record.is_blank() => ControlFlow::Continue(()),
                Ok(record) => sink(crate::Row { line: record.line, outcome: self.row(&columns, &record, unsaid) }),
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Reads the header, behind a line that says the delimiter.
    fn header(&self, records: &mut Records<'_>) -> Result<Vec<Option<&Head>>, FormatError> {
        loop {
            match records.next() {
                None => return Err(FormatError::FileEmpty),
                Some(Err((_, error))) => return Err(error),
                Some(Ok(record)) if record.cell(0).is_some_and(|cell| plain(cell) == "sep") => {}
                Some(Ok(record)) => return self.columns(&record),
            }
        }
    }

    /// What each column means.
    fn columns(&self, record: &Record<'_>) -> Result<Vec<Option<&Head>>, FormatError> {
        let mut columns: Vec<Option<&Head>> = Vec::new();
        for index in 0..record.len() {
            let name = plain(record.cell(index).unwrap_or_default());
            let head = self.heads.iter().find(|head| head.names.contains(&name.as_str()));
            if let Some(head) = head
                && columns.iter().flatten().any(|other| other.title == head.title)
            {
                return Err(FormatError::ColumnTwice { column: head.title });
            }
            columns.push(head);
        }
        let missing = |head: &&Head| head.required && !columns.iter().flatten().any(|one| one.title == head.title);
        match self.heads.iter().find(missing) {
            Some(head) => Err(FormatError::ColumnMissing { column: head.title }),
            None => Ok(columns),
        }
    }

    fn row(&self, columns: &[Option<&Head>], record: &Record<'_>, unsaid: &Unsaid) -> Result<KeyPackage, Problem> {
        too_many(record, columns.len())?;
        let mut draft = Draft::default();
        for (index, head) in columns.iter().enumerate() {
            let Some(head) = head else { continue };
            let cell = record.cell(index).unwrap_or_default();
            if cell.is_empty() && head.required {
                let error = match record.len() {
                    len if len <= index => FormatError::TooFewCells { found: len, columns: columns.len() },
                    _ => FormatError::CellMissing { column: head.title },
                };
                return Err(Problem::new(error).in_column(head.title));
            }
            draft.take(head.meaning, cell, unsaid).map_err(|error| Problem::new(error).in_column(head.title))?;
        }
        if let Some(step) = draft.step.filter(|step| !self.steps.is_empty() && !self.steps.contains(&step.seconds())) {
            let title = self.heads.iter().find(|head| head.meaning == Meaning::Step).map_or("", |head| head.title);
            return Err(Problem::new(FormatError::StepUnusual { step }).in_column(title));
        }
        draft.package(unsaid, &self.usual)
    }
}

/// Refuses a row with more cells than there are columns: something in it has a delimiter that was not quoted.
fn too_many(record: &Record<'_>, columns: usize) -> Result<(), Problem> {
    let filled = (0..record.len()).rev().find(|&index| record.cell(index).is_some_and(|cell| !cell.is_empty()));
    match filled {
        Some(last) if last >= columns => {
            Err(Problem::new(FormatError::TooManyCells { found: last + 1, columns }).in_column(&(last + 1).to_string()))
        }
        _ => Ok(()),
    }
}

impl Ordered {
    /// Hands over the rows of a text.
    pub(crate) fn read(&self, text: Text<'_>, unsaid: &Unsaid, sink: Sink<'_>) -> Result<(), FormatError> {
        self.read_with(text, unsaid, sink, |_| {})
    }

    /// The same, with what a row's cells imply.
    pub(crate) fn read_with(
        &self,
        mut text: Text<'_>,
        unsaid: &Unsaid,
        sink: Sink<'_>,
        imply: fn(&mut Draft),
    ) -> Result<(), FormatError> {
        let delimiter = delimiter(text.head().map_err(|error| unreadable(&error))?);
        let mut records = Records::new(text, delimiter, true);
        let mut first = true;
        while let Some(record) = records.next() {
            let flow = match record {
                Err((line, error)) => refuse(sink, line, Problem::new(error)),
                Ok(record) if record.is_blank() || (std::mem::take(&mut first) && is_header(&record)) => {
                    ControlFlow::Continue(())
                }
                Ok(record) => sink(crate::Row { line: record.line, outcome: self.row(&record, unsaid, imply) }),
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn row(&self, record: &Record<'_>, unsaid: &Unsaid, imply: fn(&mut Draft)) -> Result<KeyPackage, Problem> {
        let mut draft = self.draft(record, 0, unsaid)?;
        imply(&mut draft);
        let said = draft.kind.or(unsaid.kind);
        // A counter where the caller did not say that tokens count: no token's codes last for some seconds only.
        if let (None, Some(number @ ..10), Some(Kind::Totp)) = (said, draft.moving, self.usual.kind) {
            let title = self.title(Meaning::StepOrCounter);
            return Err(Problem::new(FormatError::StepOrCounter { number }).in_column(title));
        }
        draft.kind = said;
        draft.package(unsaid, &self.usual).map_err(|problem| match problem.error {
            FormatError::StepInvalid => problem.in_column(self.title(Meaning::StepOrCounter)),
            _ => problem,
        })
    }

    fn title(&self, meaning: Meaning) -> &'static str {
        self.columns.iter().find(|(_, one)| *one == meaning).map_or("", |(title, _)| title)
    }

    /// What the cells of a row say, behind some that are skipped.
    pub(crate) fn draft(&self, record: &Record<'_>, skipped: usize, unsaid: &Unsaid) -> Result<Draft, Problem> {
        too_many(record, skipped + self.columns.len())?;
        let mut draft = Draft::default();
        for (index, (title, meaning)) in self.columns.iter().enumerate() {
            let cell = record.cell(skipped + index).unwrap_or_default();
            if cell.is_empty() && index < self.required {
                let error = match record.len() {
                    len if len <= skipped + index => {
                        FormatError::TooFewCells { found: len, columns: skipped + self.required }
                    }
                    _ => FormatError::CellMissing { column: title },
                };
                return Err(Problem::new(error).in_column(title));
            }
            draft.take(*meaning, cell, unsaid).map_err(|error| Problem::new(error).in_column(title))?;
        }
        Ok(draft)
    }
}

/// Whether a row is a header that somebody put over rows that have none.
fn is_header(record: &Record<'_>) -> bool {
    let first = plain(record.cell(0).unwrap_or_default());
    matches!(first.as_str(), "serial" | "serialnumber" | "serialno" | "token" | "tokenserial" | "tokenidentifier")
}
