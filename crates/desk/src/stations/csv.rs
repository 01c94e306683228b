//! `Template_Provisioning.csv`: which stations there are, and where.
//!
//! The header names the columns, in any order. Comma, semicolon and tab separate cells; a byte order mark, a line
//! `sep=;` and blank lines are skipped. What is wrong is found all at once, each problem with its row and column.

use std::collections::HashMap;

use super::{MacId, StationsFault, StationsProblem};

/// The name under which the empty list is downloaded.
pub const TEMPLATE_NAME: &str = "Template_Provisioning.csv";
/// The empty list.
pub const TEMPLATE: &str = "MAC ID,Location\r\n";
/// The largest file in bytes.
pub const MAX_FILE: usize = 1024 * 1024;
/// The most stations in one list.
pub const MAX_ROWS: usize = 10_000;
/// The longest location, in characters.
pub const MAX_LOCATION: usize = 128;

/// One station of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationRow {
    /// Where it stands in the file, counted from 1; the header is a row, too.
    pub row: usize,
    /// The machine.
    pub mac: MacId,
    /// Where it is.
    pub location: String,
}

/// Reads a list of stations: all of it, or everything that is wrong with it in the order of its rows.
///
/// ```
/// use oathburn_desk::stations::csv::read_stations;
///
/// let rows = read_stations(b"MAC ID,Location\r\n00:1a:2b:3c:4d:5e,Ulm\r\n").unwrap();
/// assert_eq!(rows[0].mac.to_string(), "00-1A-2B-3C-4D-5E");
/// assert_eq!(read_stations(b"MAC ID,Location\nprinter,Ulm\n1E+11,Bern\n").unwrap_err().len(), 2);
/// ```
pub fn read_stations(file: &[u8]) -> Result<Vec<StationRow>, Vec<StationsProblem>> {
    let whole = |row, fault| Err(vec![StationsProblem { row, column: None, fault }]);
    if file.len() > MAX_FILE {
        return whole(1, StationsFault::TooLarge);
    }
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let Ok(text) = std::str::from_utf8(file) else { return whole(1, StationsFault::NotText) };
    if text.contains('\0') {
        return whole(1, StationsFault::NotText);
    }
    let (delimiter, skipped) = delimiter(text);
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(&text.as_bytes()[skipped..]);
    let mut lines = Lines { text: text.as_bytes(), at: 0, row: 1 };
    let mut reading = Reading::default();
    let mut columns: Option<Columns> = None;
    for record in reader.records() {
        let Ok(record) = record else { return whole(lines.row, StationsFault::NotText) };
        let row = lines.row_of(skipped, &record);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let Some(columns) = &columns else {
            columns = Some(Columns::read(&record, row)?);
            continue;
        };
        if record.iter().any(|cell| cell.contains(['\n', '\r'])) {
            // What follows a quote that is never closed cannot be told apart.
            reading.problem(row, None, StationsFault::LineBreak);
            break;
        }
        if reading.seen >= MAX_ROWS {
            reading.problem(row, None, StationsFault::TooManyRows);
            break;
        }
        reading.row(row, &record, columns);
    }
    match columns {
        None => whole(1, StationsFault::Empty),
        Some(_) => reading.end(),
    }
}

/// Refuses the rows of stations that the desk has, all of them at once.
pub fn refuse_registered(
    rows: &[StationRow],
    is_registered: impl Fn(MacId) -> bool,
) -> Result<(), Vec<StationsProblem>> {
    let registered = rows.iter().filter(|row| is_registered(row.mac));
    let problems: Vec<_> = registered
        .map(|row| StationsProblem { row: row.row, column: Some("MAC ID".into()), fault: StationsFault::MacRegistered })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The location as it is kept: trimmed, bounded, without what a page or a terminal would obey. An apostrophe before what
/// spreadsheets compute is [`guarded`]'s, and not part of it.
pub fn location(text: &str) -> Result<String, StationsFault> {
    let text = text.trim();
    let text = match text.strip_prefix('\'') {
        Some(rest) if begins_formula(rest) => rest,
        _ => text,
    };
    if text.is_empty() {
        return Err(StationsFault::LocationMissing);
    }
    if text.chars().count() > MAX_LOCATION || text.chars().any(is_hidden) {
        return Err(StationsFault::LocationRefused);
    }
    Ok(text.to_owned())
}

/// Control characters, and invisible ones that change the order of what is shown.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether a spreadsheet would compute the cell instead of showing it.
fn begins_formula(cell: &str) -> bool {
    // A number below zero is what it says.
    let digits = cell.strip_prefix('-').unwrap_or_default();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    !is_number && cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'])
}

/// A text on its way into a cell: what spreadsheets would compute gets an apostrophe, which they do not show.
pub fn guarded(cell: &str) -> String {
    if begins_formula(cell) { format!("'{cell}") } else { cell.to_owned() }
}

/// Writes rows under a header, as spreadsheets want them: CRLF (RFC 4180), UTF-8 with a byte order mark, nothing that is
/// computed.
pub fn write<'a>(header: &[&str], rows: impl IntoIterator<Item = Vec<&'a str>>) -> String {
    let mut writer =
        ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(b"\xef\xbb\xbf".to_vec());
    let mut put = |cells: Vec<String>| writer.write_record(cells).expect("a vector takes everything");
    put(header.iter().map(|&cell| cell.to_owned()).collect());
    for row in rows {
        put(row.into_iter().map(guarded).collect());
    }
    let bytes = writer.into_inner().expect("a vector takes everything");
    String::from_utf8(bytes).expect("texts are UTF-8")
}

/// What separates the cells, by what the first line has most of; and how much of the text says only that (`sep=;`,
/// which spreadsheets write and obey).
fn delimiter(text: &str) -> (u8, usize) {
    let first = text.split('\n').next().unwrap_or_default();
    if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter @ (b',' | b';' | b'\t'), rest @ ..] =
        first.as_bytes()
        && rest.iter().all(|&byte| byte == b'\r')
    {
        return (*delimiter, (first.len() + 1).min(text.len()));
    }
    let count = |delimiter: u8| first.bytes().filter(|&byte| byte == delimiter).count();
    ([b'\t', b';', b','].into_iter().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b','), 0)
}

/// Counts rows as people see them: a record's own position is before the empty lines that it follows.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    row: usize,
}

impl Lines<'_> {
    /// The row in which a record begins; records come in their order.
    fn row_of(&mut self, skipped: usize, record: &::csv::StringRecord) -> usize {
        let byte = record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(0);
        let mut begin = (skipped + byte).clamp(self.at, self.text.len());
        begin += self.text[begin..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.row += self.text[self.at..begin].split(|&byte| byte == b'\n').count() - 1;
        self.at = begin;
        self.row
    }
}

/// Which cells are what.
struct Columns {
    width: usize,
    mac: (usize, String),
    location: (usize, String),
}

impl Columns {
    fn read(header: &::csv::StringRecord, row: usize) -> Result<Self, Vec<StationsProblem>> {
        let (mut mac, mut location, mut problems) = (None, None, Vec::new());
        // Cells without a name at the end are what spreadsheets leave behind.
        let named = header.iter().enumerate().filter(|(_, name)| !name.trim().is_empty());
        let width = named.last().map_or(0, |(last, _)| last + 1);
        for (index, name) in header.iter().take(width).enumerate() {
            let plain = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
            let place = match plain.as_str() {
                "macid" | "mac" | "macaddress" => &mut mac,
                "location" => &mut location,
                _ => {
                    problems.push((Some(name), StationsFault::UnknownColumn));
                    continue;
                }
            };
            match place {
                Some(_) => problems.push((Some(name), StationsFault::ColumnTwice)),
                None => *place = Some((index, name.trim().to_owned())),
            }
        }
        if mac.is_none() {
            problems.push((None, StationsFault::NoMacColumn));
        }
        if location.is_none() {
            problems.push((None, StationsFault::NoLocationColumn));
        }
        match (mac, location) {
            (Some(mac), Some(location)) if problems.is_empty() => Ok(Self { width, mac, location }),
            _ => {
                let place = |(column, fault): (Option<&str>, _)| {
                    let column = column.map(|name| shown(name.trim()));
                    StationsProblem { row, column, fault }
                };
                Err(problems.into_iter().map(place).collect())
            }
        }
    }
}

/// A name from a file in a message: not longer than a line.
fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}

/// What was read so far, good and bad.
#[derive(Default)]
struct Reading {
    seen: usize,
    rows: Vec<StationRow>,
    problems: Vec<StationsProblem>,
    macs: HashMap<MacId, usize>,
}

impl Reading {
    fn problem(&mut self, row: usize, column: Option<&str>, fault: StationsFault) {
        self.problems.push(StationsProblem { row, column: column.map(Into::into), fault });
    }

    fn row(&mut self, row: usize, record: &::csv::StringRecord, columns: &Columns) {
        self.seen += 1;
        let surplus = record.iter().skip(columns.width).any(|cell| !cell.trim().is_empty());
        if record.len() < columns.width || surplus {
            let fault = StationsFault::OtherWidth { found: record.len(), expected: columns.width };
            return self.problem(row, None, fault);
        }
        let cell = |index: usize| record.get(index).unwrap_or_default();
        let unique = |mac: MacId| match *self.macs.entry(mac).or_insert(row) {
            first if first == row => Ok(mac),
            first => Err(StationsFault::MacTwice { first }),
        };
        let mac = cell(columns.mac.0).parse().and_then(unique);
        let location = location(cell(columns.location.0));
        match (mac, location) {
            (Ok(mac), Ok(location)) => self.rows.push(StationRow { row, mac, location }),
            (mac, location) => {
                if let Err(fault) = mac {
                    self.problem(row, Some(&columns.mac.1), fault);
                }
                if let Err(fault) = location {
                    self.problem(row, Some(&columns.location.1), fault);
                }
            }
        }
    }

    fn end(mut self) -> Result<Vec<StationRow>, Vec<StationsProblem>> {
        if self.seen == 0 && self.problems.is_empty() {
            self.problem(1, None, StationsFault::NoRows);
        }
        if self.problems.is_empty() { Ok(self.rows) } else { Err(self.problems) }
    }
}

#[cfg(test)]
mod tests;
