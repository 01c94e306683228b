//! What can be known to go wrong before the first token is laid on.

use oathburn_escrow::{EntryState, Escrow, Filter, NewLine};
use oathburn_token::{Capabilities, FAMILIES, TokenError};

use crate::StationError;

/// A problem with one line of a plan.
#[derive(Debug)]
pub struct PlanProblem {
    /// The place of the line in the list, counted from 0.
    pub line: usize,
    /// What of it is at fault: `serial`, `seed`, `algorithm`, `time step`.
    pub what: &'static str,
    /// Why.
    pub error: StationError,
}

/// Compares lines with what tokens can do and with what is in the escrow; everything that is wrong, in order.
pub fn check_lines(escrow: &Escrow, lines: &[NewLine], replace: bool) -> Result<Vec<PlanProblem>, StationError> {
    let mut problems = Vec::new();
    for (line, new) in lines.iter().enumerate() {
        let impossible = possible(new).err();
        problems.extend(impossible.map(|(what, error)| PlanProblem { line, what, error: error.into() }));
        if let Some(serial) = new.serial.as_ref().filter(|_| !replace) {
            let states = vec![EntryState::Programmed, EntryState::Imported];
            let filter = Filter { serial: Some(serial.clone()), states, ..Filter::default() };
            if let Some(entry) = escrow.entries(&filter)?.pop() {
                let error = StationError::Live { serial: serial.clone(), entry: entry.id };
                problems.push(PlanProblem { line, what: "serial", error });
            }
        }
    }
    let with_seeds: Vec<_> = (0..lines.len()).filter(|&line| lines[line].seed.is_some()).collect();
    let seeds = with_seeds.iter().filter_map(|&line| lines[line].seed.as_ref());
    for (place, entry) in escrow.duplicates_among(seeds)? {
        let line = with_seeds[place];
        let same_token = lines[line].serial.as_ref() == Some(&entry.identity.serial);
        if entry.state.is_live() && !same_token {
            let error = StationError::DuplicateSeed { serial: entry.identity.serial, entry: entry.id };
            problems.push(PlanProblem { line, what: "seed", error });
        }
    }
    problems.sort_by_key(|problem| problem.line);
    Ok(problems)
}

/// Whether tokens of any family can do it.
fn possible(line: &NewLine) -> Result<(), (&'static str, TokenError)> {
    let params = line.params;
    let any = |can: &dyn Fn(&Capabilities) -> bool| FAMILIES.iter().any(|family| can(family.capabilities()));
    if !any(&|can| can.algorithms.contains(&params.algorithm)) {
        return Err(("algorithm", TokenError::Algorithm { algorithm: params.algorithm }));
    }
    if !any(&|can| can.digits.contains(&params.digits)) {
        return Err(("seed", TokenError::Digits { digits: params.digits }));
    }
    if !any(&|can| can.time_steps.is_empty() || can.time_steps.contains(&params.step)) {
        return Err(("time step", TokenError::TimeStep { step: params.step }));
    }
    let Some(seed) = &line.seed else { return Ok(()) };
    let len = seed.shortest_equivalent(params.algorithm).len();
    let max = FAMILIES.iter().map(|family| family.capabilities().max_seed_len).max().unwrap_or(0);
    if len > max { Err(("seed", TokenError::SeedTooLong { len: seed.len(), max })) } else { Ok(()) }
}
