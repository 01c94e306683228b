//! `oathburn code`

use clap::{ArgGroup, Args};
use oathburn_oath::{SerialNumber, UnixTime};
use oathburn_station::OpenerSource;
use serde_json::json;

use crate::cli::parse_time;
use crate::commands::Result;
use crate::commands::codes::{self, Range};
use crate::commands::select;
use crate::context::{Context, LazyOpener};
use crate::output::Outcome;

/// Generate the codes of an escrowed token
///
/// One line a code: offset in steps, code, first second it holds, first second it no longer does. Each call is a
/// disclosure in the audit trail.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true).multiple(false).args(["serial", "entry", "upn"]))]
pub(crate) struct Code {
    /// The number on the token's back
    serial: Option<SerialNumber>,
    /// The entry's id, or the beginning of it
    #[arg(long, value_name = "ID")]
    entry: Option<String>,
    /// The user's name
    #[arg(long)]
    upn: Option<String>,
    /// So many codes before the present one
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=MAX_CODES))]
    past: u32,
    /// So many codes after the present one
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=MAX_CODES))]
    future: u32,
    /// Count from this time instead of now (RFC 3339 or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// A day of codes at 30 s each way.
const MAX_CODES: i64 = 2880;

impl Code {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let entry = match (&self.entry, &self.serial, &self.upn) {
            (Some(id), ..) => select::entry(&escrow, id)?,
            (_, Some(serial), _) => select::entry_of_serial(context, &escrow, serial)?,
            (_, _, upn) => select::entry_of_upn(context, &escrow, upn.as_deref().unwrap_or_default())?,
        };
        let officer = LazyOpener::new(context, &escrow);
        let at = self.at.unwrap_or_else(|| context.time());
        let range = Range { past: self.past, future: self.future };
        let shown = codes::disclose(officer.opener()?, &entry, at, range, self.reason.as_deref())?;
        let json = json!({
            "entry": entry.id.to_string(),
            "serial": entry.identity.serial.as_str(),
            "codes": codes::to_json(&shown),
        });
        Ok(Outcome::new(json, codes::to_text(&shown)))
    }
}
