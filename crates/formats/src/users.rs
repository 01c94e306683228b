//! `users.csv`: whom the tokens of a batch are for.
//!
//! A header is required, the order of the columns is free. Comma, semicolon and tab separate cells; a byte order mark
//! and blank lines are skipped. What is wrong is found all at once, each problem with its row and column, so that one
//! look at the list repairs the file. Cells are parsed in buffers of our own, which are wiped: some hold seeds.

mod cells;
mod columns;
mod fault;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use oathburn_oath::{Algorithm, Digits, Seed, SerialNumber, TimeStep};

use self::cells::Reading;
use self::columns::Columns;
pub use self::fault::UsersFault;

/// The largest file: a million rows with every column, and room for more.
pub const MAX_USERS_FILE: usize = 512 * 1024 * 1024;
/// The most rows: nobody burns so many tokens from one list.
pub const MAX_USERS: usize = 1_000_000;

/// One token to be burned, as a row says it.
#[derive(Debug)]
pub struct UserRow {
    /// Where it stands in the file, counted from 1; the header is a row, too.
    pub row: usize,
    /// The user.
    pub upn: String,
    /// The only token that will do, if one is named.
    pub serial: Option<SerialNumber>,
    /// The seed, if one is prescribed.
    pub seed: Option<Seed>,
    /// The hash, if one is named.
    pub algorithm: Option<Algorithm>,
    /// Digits of a code, if a key URI names them.
    pub digits: Option<Digits>,
    /// The time step, if one is named.
    pub step: Option<TimeStep>,
    /// The service.
    pub issuer: Option<String>,
    /// What is printed beside the user: a department, a desk.
    pub label: Option<String>,
}

/// A problem with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersProblem {
    /// The row of the file, counted from 1.
    pub row: usize,
    /// The column as the header calls it, where one cell is at fault.
    pub column: Option<String>,
    /// What is wrong.
    pub fault: UsersFault,
}

/// Reads a list of users: all of it, or everything that is wrong with it in the order of its rows.
///
/// ```
/// use oathburn_formats::read_users;
///
/// let rows = read_users(b"serial number,upn\n8659622000001,bob@example.com\n").unwrap();
/// assert_eq!(rows[0].upn, "bob@example.com");
/// let problems = read_users(b"upn\nbob@\n=cmd\n").unwrap_err();
/// assert_eq!(problems.len(), 2);
/// ```
pub fn read_users(file: &[u8]) -> Result<Vec<UserRow>, Vec<UsersProblem>> {
    read_up_to(file, MAX_USERS)
}

fn read_up_to(file: &[u8], most: usize) -> Result<Vec<UserRow>, Vec<UsersProblem>> {
    let whole = |row, fault| Err(vec![UsersProblem { row, column: None, fault }]);
    if file.len() > MAX_USERS_FILE {
        return whole(1, UsersFault::TooLarge);
    }
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") || text.iter().take(64).any(|&byte| byte == 0) {
        return whole(1, UsersFault::Utf16);
    }
    let mut records = cells::Records::new(text);
    let header = match records.next() {
        None => return whole(1, UsersFault::NoHeader),
        Some(Err((row, fault))) => return whole(row, fault),
        Some(Ok(header)) => header,
    };
    let columns = Columns::read(&header)?;
    let mut reading = Reading::new(columns, header.len());
    while let Some(record) = records.next() {
        match record {
            Err((row, fault)) => {
                // What follows a quote that is never closed cannot be told apart.
                reading.problem(row, None, fault);
                break;
            }
            Ok(cells) if cells.is_blank() => {}
            Ok(cells) if reading.rows.len() >= most => {
                reading.problem(cells.row, None, UsersFault::TooManyRows);
                break;
            }
            Ok(cells) => reading.row(&cells),
        }
    }
    reading.end()
}

/// Finds what stands in two rows, without keeping it: a keyed hash leads to the row, and the row decides.
struct Seen<T> {
    keys: RandomState,
    rows: HashMap<u64, Vec<T>>,
}

impl<T: Copy> Seen<T> {
    fn new() -> Self {
        Self { keys: RandomState::new(), rows: HashMap::new() }
    }

    /// The row where `text` stood before, if `same` says so of one that may be it; else this row is remembered.
    fn before(&mut self, text: &str, row: T, same: impl Fn(T) -> bool) -> Option<T> {
        let rows = self.rows.entry(self.keys.hash_one(text)).or_default();
        let found = rows.iter().copied().find(|&row| same(row));
        if found.is_none() {
            rows.push(row);
        }
        found
    }
}

#[cfg(test)]
mod tests;
