//! Which entries, on the command line.

use clap::Args;
use jiff::Timestamp;
use oathburn_escrow::{BatchId, DateKind, Dates, EntryState, Filter, Tag};
use oathburn_oath::{FamilyId, Remedy, SerialNumber, UnixTime};

use crate::cli::parse_time;

/// Only some of the entries.
#[derive(Args, Debug)]
#[command(next_help_heading = "Which entries")]
pub(crate) struct Filters {
    /// Only this token
    #[arg(long)]
    serial: Option<SerialNumber>,
    /// Only this user's
    #[arg(long)]
    upn: Option<String>,
    /// Only this model
    #[arg(long)]
    model: Option<String>,
    /// Only this family of tokens
    #[arg(long, value_parser = FamilyId::new)]
    family: Option<FamilyId>,
    /// Only for this service
    #[arg(long)]
    issuer: Option<String>,
    /// Only in this state, or one of several: reserved, unknown, programmed, imported, superseded, retired
    #[arg(long, value_parser = parse_state, value_delimiter = ',')]
    state: Vec<EntryState>,
    /// Only of this batch
    #[arg(long, value_name = "ID", value_parser = parse_batch)]
    batch: Option<BatchId>,
    /// Only of this purchase order
    #[arg(long, value_name = "ORDER")]
    purchase_order: Option<String>,
    /// Only with this tag
    #[arg(long, value_parser = parse_tag)]
    tag: Option<Tag>,
    /// Only from this time on (RFC 3339, a date, or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = parse_date)]
    since: Option<UnixTime>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = parse_date)]
    until: Option<UnixTime>,
    /// Which date --since and --until mean: sealed, programmed, verified, exported, activated
    #[arg(long, value_name = "DATE", value_parser = parse_date_kind, default_value = "sealed")]
    date: DateKind,
    /// Only tokens whose clock was at least so many seconds off when it was last read
    #[arg(long, value_name = "SECONDS")]
    drift: Option<u32>,
    /// Only those whose seed was written out for a service
    #[arg(long, conflicts_with = "not_exported")]
    exported: bool,
    /// Only those whose seed was not
    #[arg(long)]
    not_exported: bool,
    /// Only with this text in serial number, manufacturer, model, UPN, issuer, note, purchase order or a tag
    #[arg(long)]
    text: Option<String>,
}

impl From<Filters> for Filter {
    fn from(filters: Filters) -> Self {
        let range = Dates { of: filters.date, since: filters.since, until: filters.until };
        let exported = filters.exported.then_some(true).or(filters.not_exported.then_some(false));
        Self {
            serial: filters.serial,
            upn: filters.upn,
            model: filters.model,
            family: filters.family,
            issuer: filters.issuer,
            states: filters.state,
            batch: filters.batch,
            purchase_order: filters.purchase_order,
            tag: filters.tag,
            dates: Some(range).filter(|range| range.since.is_some() || range.until.is_some()),
            drift: filters.drift,
            exported,
            text: filters.text,
            ..Self::default()
        }
    }
}

fn parse_state(text: &str) -> Result<EntryState, String> {
    let names = || EntryState::ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    EntryState::from_name(text).ok_or_else(|| format!("one of {}", names()))
}

fn parse_date_kind(text: &str) -> Result<DateKind, String> {
    let names = || DateKind::ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    DateKind::from_name(text).ok_or_else(|| format!("one of {}", names()))
}

fn parse_batch(text: &str) -> Result<BatchId, String> {
    text.parse().map_err(|_| "no id of a batch".to_owned())
}

pub(crate) fn parse_tag(text: &str) -> Result<Tag, String> {
    text.parse().map_err(|error: oathburn_escrow::EscrowError| error.remedy().unwrap_or_default())
}

/// A time, or the beginning of a day in UTC.
pub(crate) fn parse_date(text: &str) -> Result<UnixTime, String> {
    if let Ok(day) = format!("{text}T00:00:00Z").parse::<Timestamp>() {
        return u64::try_from(day.as_second()).map(UnixTime::new).map_err(|_| "before 1970".to_owned());
    }
    parse_time(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates_too() {
        assert_eq!(parse_date("1970-01-02"), Ok(UnixTime::new(86_400)));
        assert_eq!(parse_date("1970-01-02T00:00:01Z"), Ok(UnixTime::new(86_401)));
        assert_eq!(parse_date("59"), Ok(UnixTime::new(59)));
        for bad in ["1969-12-31", "2026-02-30", "yesterday", ""] {
            assert!(parse_date(bad).is_err(), "{bad}");
        }
    }
}
