//! Giving an order from a list of users: everything that is wrong with it, or all of it.

use oathburn_escrow::{BatchId, Facts, NewLine};
use oathburn_formats::{UserRow, UsersProblem, read_users};
use oathburn_oath::{Remedy, TotpParams};
use oathburn_station::{BatchOptions, Models};

use super::{Audience, NewOrder};
use crate::{Desk, DeskError};

/// What is said of an order beside its list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// What people call it.
    pub(crate) name: String,
    /// The service of lines that name none.
    pub(crate) issuer: String,
    /// Who may work on it; nothing where that was not said.
    pub(crate) audience: Option<Audience>,
    /// Seeds that are in use may be replaced.
    pub(crate) replace: bool,
    /// Tokens of unknown models may be written to.
    pub(crate) unlisted_model: bool,
    /// By what the order is known to whoever asks for it twice.
    pub(crate) request: Option<String>,
}

/// Something that is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The row, counted from 1, the header among them; 0 for the whole.
    pub row: usize,
    /// The column, where one cell is at fault.
    pub column: Option<String>,
    /// Stable.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl RowFault {
    fn new(row: usize, column: Option<String>, error: &dyn Remedy) -> Self {
        Self { row, column, code: error.code(), message: error.to_string(), remedy: error.remedy() }
    }
}

/// What became of a list.
pub(crate) enum Judged {
    /// The order was given.
    Given(BatchId),
    /// Nothing was written.
    Refused(Vec<RowFault>),
}

impl Desk {
    /// Gives the order, or says everything that is wrong with it.
    pub(crate) fn order_list(&self, person: &str, terms: &Terms, list: &[u8]) -> Result<Judged, DeskError> {
        let rows = match read_users(list) {
            Ok(rows) => rows,
            Err(problems) => {
                let of = |one: &UsersProblem| RowFault::new(one.row, one.column.clone(), &one.fault);
                return Ok(Judged::Refused(problems.iter().map(of).collect()));
            }
        };
        let issuer = Some(terms.issuer.as_str()).filter(|issuer| !issuer.is_empty());
        let lines: Vec<NewLine> = rows.iter().map(|row| line(row, issuer)).collect();
        let options = BatchOptions {
            replace: terms.replace,
            unlisted_model: terms.unlisted_model,
            ..BatchOptions::from_facts(&Facts::new())
        };
        let mut problems: Vec<RowFault> = Vec::new();
        for one in self.check_order(&lines, &options, &Models::builtin())? {
            problems.push(RowFault::new(rows[one.line].row, Some(one.what.into()), &one.error));
        }
        let Some(audience) = terms.audience.clone().filter(|_| problems.is_empty()) else {
            if terms.audience.is_none() {
                problems.push(RowFault::new(0, None, &DeskError::AudienceMissing));
            }
            return Ok(Judged::Refused(problems));
        };
        let name = if terms.name.is_empty() { "users" } else { &terms.name };
        let new = NewOrder { name, audience, options, lines };
        Ok(Judged::Given(self.give_order_for(person, new, terms.request.as_deref())?))
    }
}

fn line(row: &UserRow, issuer: Option<&str>) -> NewLine {
    let params = TotpParams::default();
    NewLine {
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
    }
}
