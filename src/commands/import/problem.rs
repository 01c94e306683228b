//! What is wrong with the rows of a file, told to people and to programs.

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::printable;
use crate::progress::Talk;

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
}

struct Problem {
    line: Option<u64>,
    column: Option<String>,
    failure: Failure,
}

impl Problems {
    pub(super) fn add(&mut self, line: Option<u64>, column: Option<String>, failure: Failure) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(Problem { line, column, failure });
        }
    }

    /// The file itself is wrong: this one is told in any case.
    pub(super) fn add_of_file(&mut self, failure: Failure) {
        self.of_file = true;
        self.count += 1;
        self.told.insert(0, Problem { line: None, column: None, failure });
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// In the order of lines; what is wrong with the file comes first.
    pub(super) fn sort(&mut self) {
        self.told.sort_by_key(|problem| problem.line);
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
            talk.warn(format_args!("and {more} more; --json tells up to {TOLD}"));
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
