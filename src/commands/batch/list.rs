//! The list of a batch: from a file or by number, and all that is wrong with it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use oathburn_escrow::{BatchId, Escrow, NewLine};
use oathburn_formats::{MAX_USERS_FILE, UserRow, UsersProblem, read_users};
use oathburn_oath::{Remedy, TotpParams};
use oathburn_station::{PlanProblem, Prescribed};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::printable;
use crate::whole_file::write_whole;

/// Problems that are told to people, and to programs. A list may have a million; a table has all of them.
const SHOWN: usize = 20;
const TOLD: usize = 1000;

/// Reads a list of users, or names what is wrong with it: all of that in `table`, if there is to be one.
pub(super) fn read(path: &Path, table: Option<&Path>) -> Result<Vec<UserRow>, Failure> {
    let file = bytes(path).map_err(|error| {
        let message = format!("failed to read {}: {error}", path.display());
        Failure::new(Exit::Input, "users-file", message, "check the file's name and rights")
    })?;
    read_users(&file).map_err(|problems| refused(path, problems.iter().map(Problem::of_row), table))
}

/// All of a file in a buffer that is wiped: it may hold seeds.
fn bytes(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = MAX_USERS_FILE as u64 + 1;
    let mut read = |source: &mut dyn Read, len: u64| {
        bytes.reserve_exact(usize::try_from(len.min(limit)).unwrap_or(0) + 1);
        source.take(limit).read_to_end(&mut bytes)
    };
    if path == Path::new("-") {
        read(&mut io::stdin().lock(), 0)?;
    } else {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        read(&mut file, len)?;
    }
    Ok(bytes)
}

/// The lines of a batch, as rows and the options of the batch make them.
pub(super) fn lines(rows: &[UserRow], params: TotpParams, issuer: Option<&str>) -> Vec<NewLine> {
    let line = |row: &UserRow| NewLine {
        upn: Some(row.upn.clone()),
        serial: row.serial.clone(),
        issuer: row.issuer.clone().or_else(|| issuer.map(Into::into)),
        label: row.label.clone(),
        params: TotpParams {
            algorithm: row.algorithm.unwrap_or(params.algorithm),
            digits: row.digits.unwrap_or(params.digits),
            step: row.step.unwrap_or(params.step),
        },
        seed: row.seed.clone(),
    };
    rows.iter().map(line).collect()
}

/// So many lines of stock, for nobody yet.
pub(super) fn stock(count: u32, params: TotpParams, issuer: Option<&str>) -> Vec<NewLine> {
    let line = |_| NewLine { upn: None, serial: None, issuer: issuer.map(Into::into), label: None, params, seed: None };
    (0..count).map(line).collect()
}

/// The prescribed seeds, by line.
pub(super) fn prescribed(lines: &[NewLine]) -> Prescribed {
    let seed = |(line, number): (&NewLine, u32)| line.seed.clone().map(|seed| (number, seed));
    lines.iter().zip(1..).filter_map(seed).collect()
}

/// The seeds of the list a batch was made of, given once more. Each must be the one that was sealed for its line.
pub(super) fn again(path: &Path, escrow: &Escrow, batch: BatchId) -> Result<Prescribed, Failure> {
    let mut sealed = HashMap::new();
    escrow.each_line(batch, |line| {
        if let Some(entry) = line.seed {
            sealed.insert(line.number, entry);
        }
    })?;
    let rows = read(path, None)?;
    let seeds: Vec<_> = rows.iter().zip(1..).filter_map(|(row, number)| Some((number, row.seed.clone()?))).collect();
    let same: HashMap<u32, bool> = {
        let found = escrow.duplicates_among(seeds.iter().map(|(_, seed)| seed))?;
        let is_it = |(place, entry): (usize, oathburn_escrow::Entry)| {
            let number = seeds[place].0;
            (sealed.get(&number) == Some(&entry.id)).then_some((number, true))
        };
        found.into_iter().filter_map(is_it).collect()
    };
    if seeds.iter().any(|(number, _)| !same.contains_key(number)) || seeds.len() != sealed.len() {
        let message = format!("{} is not the list that batch {batch} was made of", path.display());
        return Err(Failure::new(
            Exit::Input,
            "users-other-list",
            message,
            "give the list as it was, or name the officer's file with --identity",
        ));
    }
    Ok(seeds.into_iter().collect())
}

/// A problem of a list, as it is shown.
pub(super) struct Problem {
    row: usize,
    column: Option<String>,
    code: &'static str,
    message: String,
    remedy: Option<String>,
}

impl Problem {
    fn of_row(problem: &UsersProblem) -> Self {
        Self::new(problem.row, problem.column.clone(), &problem.fault)
    }

    /// A problem that the escrow or the tokens have with a line.
    pub(super) fn of_plan(problem: &PlanProblem, rows: &[UserRow]) -> Self {
        let row = rows.get(problem.line).map_or(problem.line + 1, |row| row.row);
        Self::new(row, Some(problem.what.into()), &problem.error)
    }

    fn new(row: usize, column: Option<String>, error: &dyn Remedy) -> Self {
        Self { row, column, code: error.code(), message: error.to_string(), remedy: error.remedy() }
    }

    fn show(&self, text: &mut String) {
        let column = self.column.as_deref().map_or_else(String::new, |column| format!(", {}", printable(column)));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  row {}{column}: {}", self.row, self.message);
        if let Some(remedy) = &self.remedy {
            let _ = write!(text, "; {remedy}");
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "row": self.row,
            "column": self.column,
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
        })
    }
}

/// The failure that names the problems: the first ones to people, more to programs, and all of them in a table where one
/// is wanted.
pub(super) fn refused(path: &Path, problems: impl ExactSizeIterator<Item = Problem>, table: Option<&Path>) -> Failure {
    let count = problems.len();
    let mut message = format!("{} cannot be burned as it is:", path.display());
    let mut told = Vec::with_capacity(count.min(TOLD));
    let mut first = problems.inspect(|problem| {
        if told.len() < SHOWN {
            problem.show(&mut message);
        }
        if told.len() < TOLD {
            told.push(problem.to_json());
        }
    });
    let written = table.map(|table| (table, write_table(table, &mut first)));
    first.for_each(drop);
    // Writing to a string cannot fail.
    if count > SHOWN {
        let _ = write!(message, "\n  and {} more", count - SHOWN);
    }
    let remedy = match &written {
        None if count > SHOWN => "mend the rows and run again; --problems FILE writes all of them; nothing was burned",
        _ => "mend the rows and run again; nothing was burned",
    };
    match &written {
        Some((table, Ok(()))) => drop(write!(message, "\nall {count} are in {}", table.display())),
        Some((_, Err(failure))) => drop(write!(message, "\n{}", failure.message)),
        None => {}
    }
    let failure = Failure::new(Exit::Input, "users-refused", message, remedy);
    failure.with("problems", told).with("problem_count", count)
}

/// Every problem as a row.
fn write_table(table: &Path, problems: &mut dyn Iterator<Item = Problem>) -> Result<(), Failure> {
    write_whole(table, |file| {
        let mut rows = csv::Writer::from_writer(file);
        rows.write_record(["row", "column", "code", "message", "remedy"])?;
        for Problem { row, column, code, message, remedy } in problems {
            let [column, remedy] = [column, remedy].map(Option::unwrap_or_default);
            rows.write_record([&row.to_string(), &column, code, &message, &remedy])?;
        }
        rows.flush()
    })
}
