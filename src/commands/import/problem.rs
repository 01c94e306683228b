//! What is wrong with the rows of a file, told to people and to programs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::printable;
use crate::progress::Talk;
use crate::whole_file::{WholeFile, unwritten};

/// Problems that are told one by one; the others are counted.
const TOLD: usize = 1000;
/// Problems that are told to people.
const SHOWN: usize = 20;

/// All of them, as far as they can be told.
#[derive(Default)]
pub(super) struct Problems {
    told: Vec<Problem>,
    count: u64,
    /// Why the rest of the file could not be read.
    of_file: bool,
    /// Where all of them go, each as soon as it is found.
    table: Option<Table>,
}

/// All problems as rows.
struct Table {
    rows: csv::Writer<WholeFile>,
    path: PathBuf,
    /// Whether a row could not be written.
    failed: Option<csv::Error>,
}

struct Problem {
    line: Option<u64>,
    column: Option<String>,
    failure: Failure,
}

impl Table {
    fn begin(path: &Path) -> Result<Self, Failure> {
        let mut rows = csv::Writer::from_writer(WholeFile::create(path)?);
        let failed = rows.write_record(["line", "column", "code", "message", "remedy"]).err();
        Ok(Self { rows, path: path.into(), failed })
    }

    fn add(&mut self, Problem { line, column, failure }: &Problem) {
        if self.failed.is_none() {
            let line = line.map(|line| line.to_string()).unwrap_or_default();
            let [column, remedy] = [column, &failure.remedy].map(|text| text.as_deref().unwrap_or_default());
            self.failed = self.rows.write_record([&line, column, failure.code, &failure.message, remedy]).err();
        }
    }

    fn finish(self) -> Result<(), Failure> {
        if let Some(error) = self.failed {
            return Err(unwritten(&self.path, &error.into()));
        }
        let file = self.rows.into_inner().map_err(|error| unwritten(&self.path, error.error()))?;
        file.finish()
    }
}

impl Problems {
    /// None so far. Whatever comes is written to `table`, too.
    pub(super) fn new(table: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self { table: table.map(Table::begin).transpose()?, ..Self::default() })
    }

    pub(super) fn add(&mut self, line: Option<u64>, column: Option<String>, failure: Failure) {
        self.count += 1;
        let problem = Problem { line, column, failure };
        if let Some(table) = &mut self.table {
            table.add(&problem);
        }
        if self.told.len() < TOLD {
            self.told.push(problem);
        }
    }

    /// The file itself is wrong: this one is told in any case.
    pub(super) fn add_of_file(&mut self, failure: Failure) {
        self.of_file = true;
        self.count += 1;
        let problem = Problem { line: None, column: None, failure };
        if let Some(table) = &mut self.table {
            table.add(&problem);
        }
        self.told.insert(0, problem);
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// All were found: the table is there now, and what is told stands in the order of lines; what is wrong with the
    /// file comes first.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.told.sort_by_key(|problem| problem.line);
        self.table.take().map_or(Ok(()), Table::finish)
    }

    /// The only problem, where it is one of the file as a whole.
    pub(super) fn of_the_file(&self) -> Option<Failure> {
        let first = self.told.first().filter(|_| self.of_file)?;
        let Failure { exit, code, message, remedy, .. } = &first.failure;
        let (message, remedy) = (message.clone(), remedy.clone());
        Some(Failure { exit: *exit, code, message, remedy, facts: serde_json::Map::new() })
    }

    /// A line for each of the first ones, and what to do about it.
    pub(super) fn tell(&self, talk: Talk) {
        for Problem { line, column, failure } in self.told.iter().take(SHOWN) {
            let line = line.map_or_else(String::new, |line| format!("line {line}"));
            let column = column.as_ref().map_or_else(String::new, |column| format!(", {column}"));
            let place = if line.is_empty() { String::new() } else { format!("{line}{column}: ") };
            talk.warn(printable(&format!("{place}{}", failure.message)));
            if let Some(remedy) = &failure.remedy {
                talk.say(format_args!("  {}", printable(remedy)));
            }
        }
        let more = self.count.saturating_sub(self.told.len().min(SHOWN) as u64);
        if more > 0 {
            talk.warn(format_args!("and {more} more; --json tells up to {TOLD}, --problems FILE writes all of them"));
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let problem = |problem: &Problem| {
            json!({
                "line": problem.line,
                "column": problem.column,
                "code": problem.failure.code,
                "message": problem.failure.message,
                "remedy": problem.failure.remedy,
            })
        };
        self.told.iter().map(problem).collect()
    }
}
