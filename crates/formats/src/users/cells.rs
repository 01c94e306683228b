//! Records and their cells, in buffers that are wiped, and what each cell says.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use oathburn_oath::{Algorithm, SerialNumber, TimeStep};
use zeroize::Zeroizing;

use super::columns::{Columns, Kind};
use super::{Seen, UserRow, UsersFault, UsersProblem};
use crate::read_seed;

/// The longest record in bytes, and the most cells: far more than any row needs.
const MAX_RECORD: usize = 16 * 1024;
const MAX_CELLS: usize = 256;
/// The longest name that a user, an issuer or a label may have.
const MAX_TEXT: usize = 256;

/// The records of a text, one after the other.
pub(super) struct Records<'a> {
    text: &'a [u8],
    at: usize,
    row: usize,
    reader: Reader,
    bytes: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
}

/// One record.
pub(super) struct Cells<'a> {
    /// The row it begins in, counted from 1.
    pub(super) row: usize,
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Records<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        let (delimiter, skipped) = delimiter(text);
        let mut records = Self {
            text,
            at: 0,
            row: 1,
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            bytes: Zeroizing::new(vec![0; MAX_RECORD]),
            ends: vec![0; MAX_CELLS],
        };
        records.advance(skipped);
        records
    }

    fn advance(&mut self, len: usize) {
        let passed = &self.text[self.at..self.at + len];
        self.row += count(passed, b'\n');
        self.at += len;
    }

    /// The next record that is not an empty line. An error ends the list: nothing after it can be told apart.
    pub(super) fn next(&mut self) -> Option<Result<Cells<'_>, (usize, UsersFault)>> {
        let blank = self.text[self.at..].iter().take_while(|&&byte| matches!(byte, b'\r' | b'\n')).count();
        self.advance(blank);
        let row = self.row;
        if self.at >= self.text.len() {
            return None;
        }
        let (mut filled, mut cells) = (0, 0);
        loop {
            let input = &self.text[self.at..];
            let (result, read, written, ended) =
                self.reader.read_record(input, &mut self.bytes[filled..], &mut self.ends[cells..]);
            (filled, cells) = (filled + written, cells + ended);
            self.advance(read);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::End if cells == 0 => return None,
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    self.at = self.text.len();
                    return Some(Err((row, UsersFault::RowTooLong)));
                }
            }
        }
        if self.bytes[..filled].contains(&b'\n') {
            self.at = self.text.len();
            return Some(Err((row, UsersFault::LineBreak)));
        }
        Some(Ok(Cells { row, bytes: &self.bytes[..filled], ends: &self.ends[..cells] }))
    }
}

/// What separates the cells, by what the first line has most of; and how much of the text says only that (`sep=;`,
/// which spreadsheets write and obey).
fn delimiter(text: &[u8]) -> (u8, usize) {
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter @ (b',' | b';' | b'\t'), rest @ ..] = first
        && rest.iter().all(|&byte| byte == b'\r')
    {
        return (*delimiter, (first.len() + 1).min(text.len()));
    }
    let delimiters = [b'\t', b';', b','];
    (delimiters.into_iter().max_by_key(|&delimiter| count(first, delimiter)).unwrap_or(b','), 0)
}

fn count(text: &[u8], wanted: u8) -> usize {
    text.split(|&byte| byte == wanted).count() - 1
}

impl Cells<'_> {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn cell(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }

    /// Whether nothing but separators and spaces is there, as spreadsheets leave it behind.
    pub(super) fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// What was read so far, good and bad.
pub(super) struct Reading {
    columns: Columns,
    width: usize,
    pub(super) rows: Vec<UserRow>,
    problems: Vec<UsersProblem>,
    upns: Seen<usize>,
    serials: Seen<usize>,
    seeds: Seen<usize>,
}

impl Reading {
    pub(super) fn new(columns: Columns, width: usize) -> Self {
        let (rows, problems) = (Vec::new(), Vec::new());
        Self { columns, width, rows, problems, upns: Seen::new(), serials: Seen::new(), seeds: Seen::new() }
    }

    pub(super) fn problem(&mut self, row: usize, column: Option<&str>, fault: UsersFault) {
        self.problems.push(UsersProblem { row, column: column.map(Into::into), fault });
    }

    pub(super) fn end(mut self) -> Result<Vec<UserRow>, Vec<UsersProblem>> {
        if self.problems.is_empty() && self.rows.is_empty() {
            self.problem(1, None, UsersFault::NoRows);
        }
        if self.problems.is_empty() { Ok(self.rows) } else { Err(self.problems) }
    }

    /// Reads one row. A row with a problem stays in the list, so that its twins are found, too.
    pub(super) fn row(&mut self, cells: &Cells<'_>) {
        // Cells that are empty and too many are what spreadsheets leave behind.
        let surplus = (self.width..cells.len()).any(|index| !cells.cell(index).is_empty());
        if cells.len() < self.width || surplus {
            let fault = UsersFault::OtherWidth { found: cells.len(), expected: self.width };
            return self.problem(cells.row, None, fault);
        }
        let mut row = UserRow {
            row: cells.row,
            upn: String::new(),
            serial: None,
            seed: None,
            algorithm: None,
            digits: None,
            step: None,
            issuer: None,
            label: None,
        };
        let mut said = Said::default();
        for index in 0..self.columns.all.len() {
            let kind = self.columns.all[index].0;
            let read = read(kind, cells.cell(index), &mut row, &mut said);
            if let Err(fault) = read.and_then(|()| self.unique(kind, &row)) {
                let column = self.columns.all[index].1.clone();
                self.problem(cells.row, Some(&column), fault);
            }
        }
        if let Err((kind, fault)) = said.agree(&mut row) {
            let name = self.columns.all.iter().find(|(one, _)| *one == kind).map(|(_, name)| name.clone());
            self.problem(cells.row, name.as_deref(), fault);
        }
        self.rows.push(row);
    }

    /// Refuses what stands in a row before.
    fn unique(&mut self, kind: Kind, row: &UserRow) -> Result<(), UsersFault> {
        let (rows, own) = (&self.rows, self.rows.len());
        match (kind, &row.serial, &row.seed) {
            (Kind::Upn, ..) => {
                let upn = row.upn.to_lowercase();
                let before = self.upns.before(&upn, own, |index| rows[index].upn.to_lowercase() == upn);
                before.map_or(Ok(()), |index| Err(UsersFault::UpnTwice { first: rows[index].row }))
            }
            (Kind::Serial, Some(serial), _) => {
                let same = |index: usize| rows[index].serial.as_ref() == Some(serial);
                let before = self.serials.before(serial.as_str(), own, same);
                before.map_or(Ok(()), |index| Err(UsersFault::SerialTwice { first: rows[index].row }))
            }
            (Kind::Seed(_), _, Some(seed)) => {
                let same = |index: usize| rows[index].seed.as_ref() == Some(seed);
                let before = self.seeds.before(&seed.to_hex(), own, same);
                before.map_or(Ok(()), |index| Err(UsersFault::SeedTwice { first: rows[index].row }))
            }
            _ => Ok(()),
        }
    }
}

/// What a key URI in the seed's cell says beside the seed.
#[derive(Default)]
struct Said {
    algorithm: Option<Algorithm>,
    step: Option<TimeStep>,
    issuer: Option<String>,
}

impl Said {
    /// The columns and the URI must not contradict each other; what only the URI says, holds.
    fn agree(self, row: &mut UserRow) -> Result<(), (Kind, UsersFault)> {
        fn merge<T: PartialEq>(own: &mut Option<T>, said: Option<T>) -> bool {
            let agree = own.is_none() || said.is_none() || *own == said;
            *own = own.take().or(said);
            agree
        }
        for (kind, agree) in [
            (Kind::Algorithm, merge(&mut row.algorithm, self.algorithm)),
            (Kind::Step, merge(&mut row.step, self.step)),
            (Kind::Issuer, merge(&mut row.issuer, self.issuer)),
        ] {
            if !agree {
                return Err((kind, UsersFault::Contradiction));
            }
        }
        Ok(())
    }
}

fn read(kind: Kind, cell: &[u8], row: &mut UserRow, said: &mut Said) -> Result<(), UsersFault> {
    let text = std::str::from_utf8(cell).map_err(|_| UsersFault::NotUtf8)?.trim();
    if text.is_empty() {
        return if kind == Kind::Upn { Err(UsersFault::UpnMissing) } else { Ok(()) };
    }
    spreadsheet(text)?;
    match kind {
        Kind::Upn => row.upn = upn(text)?,
        Kind::Serial => {
            if text.contains([',', '.']) && text.bytes().any(|byte| byte.is_ascii_digit()) {
                return Err(UsersFault::SpreadsheetNumber);
            }
            row.serial = Some(SerialNumber::new(text).map_err(UsersFault::Oath)?);
        }
        Kind::Seed(encoding) => {
            let input = read_seed(text, encoding).map_err(UsersFault::Seed)?;
            if input.seed.is_zero() {
                return Err(UsersFault::SeedZero);
            }
            (row.seed, row.digits) = (Some(input.seed), input.digits);
            (said.algorithm, said.step, said.issuer) = (input.algorithm, input.step, input.issuer);
        }
        Kind::Algorithm => row.algorithm = Some(text.parse().map_err(UsersFault::Oath)?),
        Kind::Step => row.step = Some(text.parse().map_err(UsersFault::Oath)?),
        Kind::Issuer => row.issuer = Some(name(text)?),
        Kind::Label => row.label = Some(name(text)?),
    }
    Ok(())
}

/// What spreadsheets make of numbers and formulas.
fn spreadsheet(text: &str) -> Result<(), UsersFault> {
    if is_rounded(text) {
        return Err(UsersFault::SpreadsheetNumber);
    }
    if text.starts_with("##") || ["#N/A", "#NAME?", "#VALUE!", "#REF!", "#NUM!", "#NULL!", "#DIV/0!"].contains(&text) {
        return Err(UsersFault::SpreadsheetError);
    }
    if text.starts_with(['=', '+', '@', '\'', '-']) {
        return Err(UsersFault::Formula);
    }
    Ok(())
}

/// 8.65962E+12
fn is_rounded(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((number, exponent)) = text.split_once(['E', 'e']) else { return false };
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    exponent.strip_prefix(['+', '-']).is_some_and(digits) && digits(whole) && digits(fraction)
}

fn upn(text: &str) -> Result<String, UsersFault> {
    let strange = text.chars().any(|c| c.is_whitespace() || c.is_control());
    let at = text.split('@').map(str::is_empty).collect::<Vec<_>>();
    // A bare account name will do; an address must be a whole one.
    if strange || text.len() > MAX_TEXT || !matches!(at.as_slice(), [false] | [false, false]) {
        return Err(UsersFault::UpnMalformed);
    }
    Ok(text.to_owned())
}

fn name(text: &str) -> Result<String, UsersFault> {
    if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        return Err(UsersFault::TextRefused);
    }
    Ok(text.to_owned())
}
