//! What can be known to go wrong before the first token is laid on.

use oathburn_escrow::{EntryState, Filter, NewLine};
use oathburn_oath::{Seed, SerialNumber, Slot};
use oathburn_token::{Extras, Naming, Order, Permits, Slots, TokenError, TokenFamily};

use super::BatchOptions;
use crate::burn::title;
use crate::{Station, StationError};

/// A problem with one line of a plan.
#[derive(Debug)]
pub struct PlanProblem {
    /// The place of the line in the list, counted from 0.
    pub line: usize,
    /// What of it is at fault: `upn`, `serial`, `seed`, `algorithm`, `time step`.
    pub what: &'static str,
    /// Why.
    pub error: StationError,
}

impl Station<'_> {
    /// Compares lines with what the batch's tokens can do and with what is in the escrow; everything that is wrong, in
    /// order.
    pub fn check_lines(&self, lines: &[NewLine], options: &BatchOptions) -> Result<Vec<PlanProblem>, StationError> {
        let mut problems = Vec::new();
        for (line, new) in lines.iter().enumerate() {
            match self.possible(new, options) {
                Ok(()) => {}
                // No line of any list can be burned today.
                Err((_, error @ TokenError::TimeOutOfRange { .. })) => return Err(error.into()),
                Err((what, error)) => problems.push(PlanProblem { line, what, error: error.into() }),
            }
            if let Some(serial) = new.serial.as_ref().filter(|_| !options.replace && is_single(options)) {
                let states = vec![EntryState::Programmed, EntryState::Imported];
                let filter = Filter { serial: Some(serial.clone()), states, ..Filter::default() };
                if let Some(entry) = self.escrow.entries(&filter)?.pop() {
                    let error = StationError::Live { serial: serial.clone(), entry: entry.id };
                    problems.push(PlanProblem { line, what: "serial", error });
                }
            }
        }
        let with_seeds: Vec<_> = (0..lines.len()).filter(|&line| lines[line].seed.is_some()).collect();
        let seeds = with_seeds.iter().filter_map(|&line| lines[line].seed.as_ref());
        for (place, entry) in self.escrow.duplicates_among(seeds)? {
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

    /// Whether tokens of one family can do all of it: hash, digits, step and seed together.
    fn possible(&self, line: &NewLine, options: &BatchOptions) -> Result<(), (&'static str, TokenError)> {
        let mut first = None;
        for family in options.families() {
            match self.possible_in(family, line, options) {
                Ok(()) => return Ok(()),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        first.map_or(Ok(()), |error| Err((column(&error), error)))
    }

    fn possible_in(&self, family: &dyn TokenFamily, line: &NewLine, options: &BatchOptions) -> Result<(), TokenError> {
        let can = family.capabilities();
        let any = SerialNumber::new("0").expect("a literal digit");
        let made;
        let seed = if let Some(seed) = &line.seed {
            seed
        } else {
            let len = options.seed_len_for(line.params.algorithm);
            made = Seed::new(vec![1; len]).map_err(|_| TokenError::SeedTooLong { len, max: can.max_seed_len })?;
            &made
        };
        let naming = Naming {
            slot: None,
            issuer: line.issuer.as_deref(),
            account: line.upn.as_deref(),
            params: line.params.into(),
            slots: &[],
        };
        let slot = match can.slots {
            Slots::Named { .. } => family.choose_slot(&naming)?,
            // Which number is free is the token's to say.
            Slots::Single | Slots::Numbered => Slot::SINGLE,
        };
        let title = title(naming.issuer, naming.account, can.max_title_len);
        family.validate(&Order {
            serial: line.serial.as_ref().unwrap_or(&any),
            slot: &slot,
            seed,
            params: line.params.into(),
            display_timeout: options.display_timeout,
            clock: self.clock,
            models: self.models,
            permits: Permits {
                // Of a token that is not named nothing is known yet.
                unlisted_model: options.unlisted_model || line.serial.is_none(),
                ..Permits::default()
            },
            extras: Extras { title: title.as_deref(), ..Extras::default() },
            progress: &|_| {},
        })
    }
}

/// Whether a token can have but one seed, so that one in use is in the way.
fn is_single(options: &BatchOptions) -> bool {
    options.families().all(|family| family.capabilities().slots == Slots::Single)
}

/// The column that is at fault.
fn column(error: &TokenError) -> &'static str {
    match error {
        TokenError::Algorithm { .. } => "algorithm",
        TokenError::TimeStep { .. } => "time step",
        TokenError::UnlistedModel { .. } | TokenError::NotProgrammable { .. } => "serial",
        TokenError::SlotNeeded | TokenError::SlotName { .. } | TokenError::Title { .. } => "upn",
        _ => "seed",
    }
}
