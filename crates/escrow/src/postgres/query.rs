//! Queries that are put together, and those that count.

use std::fmt::Write as _;

use postgres::types::ToSql;

use super::session::{Param, Session};
use super::view::rows;
use crate::conditions::{Condition, Operand, column, seconds};
use crate::entry::{ACCESS_KEYS, DESK_KEYS, DESK_LOGINS, NO_TOKENS};
use crate::{EscrowError, Filter, Stats};

/// A query that grows by conditions, in which each `?` stands for the next value.
pub(super) struct Query {
    pub(super) sql: String,
    values: Vec<Box<dyn ToSql + Sync>>,
    places: usize,
}

impl Query {
    pub(super) fn new(sql: &str) -> Self {
        let mut query = Self { sql: String::new(), values: Vec::new(), places: 0 };
        query.push(sql);
        query
    }

    fn push(&mut self, sql: &str) {
        for one in sql.chars() {
            if one == '?' {
                self.places += 1;
                // Writing to a string cannot fail.
                let _ = write!(self.sql, "${}", self.places);
            } else {
                self.sql.push(one);
            }
        }
    }

    /// The value of the next place.
    pub(super) fn value(&mut self, value: impl ToSql + Sync + 'static) {
        self.values.push(Box::new(value));
    }

    /// One more condition, if there is a value for it.
    pub(super) fn and(&mut self, condition: &str, value: Option<impl ToSql + Sync + 'static>) {
        if let Some(value) = value {
            self.push(" AND ");
            self.push(condition);
            self.value(value);
        }
    }

    /// Further conditions.
    pub(super) fn and_all(&mut self, conditions: Vec<Condition>) {
        for (condition, operand) in conditions {
            match operand {
                Operand::Bytes(bytes) => self.and(condition, Some(bytes)),
                Operand::Text(text) => self.and(condition, Some(text)),
                Operand::Number(number) => self.and(condition, Some(number)),
            }
        }
    }

    pub(super) fn end(&mut self, order: &str, limit: usize) {
        self.push(order);
        self.push(" LIMIT ?");
        self.value(rows(limit));
    }

    pub(super) fn params(&self) -> Vec<Param<'_>> {
        self.values.iter().map(|value| &**value as Param<'_>).collect()
    }
}

/// What a text is looked for in; line feeds keep words of different columns apart. Under the collation of the columns
/// `lower` folds ASCII alone.
const TEXTS: &str = "lower(serial || E'\\n' || coalesce(manufacturer, '') || E'\\n' || coalesce(model, '') || E'\\n' || \
    coalesce(upn, '') || E'\\n' || coalesce(issuer, '') || E'\\n' || coalesce(note, '') || E'\\n' || \
    coalesce(purchase_order, '') || E'\\n' || coalesce(tags, ''))";

/// The entries that pass a filter, after one.
pub(super) fn entries(columns: &str, filter: &Filter, after: &[u8]) -> Query {
    let mut query = Query::new(&format!("SELECT {columns} FROM entries WHERE id > ?"));
    query.value(after.to_vec());
    query.and("serial = ?", filter.serial.as_ref().map(ToString::to_string));
    query.and("family = ?", filter.family.as_ref().map(ToString::to_string));
    for family in NO_TOKENS.into_iter().filter(|_| filter.seeds_only) {
        query.and("family <> ?", Some(family.to_owned()));
    }
    query.and("slot = ?", filter.slot.as_ref().map(ToString::to_string));
    query.and("upn IS NOT NULL AND lower(upn) = ?", filter.upn.as_ref().map(|upn| upn.to_ascii_lowercase()));
    query.and("model = ?", filter.model.clone());
    query.and("issuer = ?", filter.issuer.clone());
    query.and("batch = ?", filter.batch.map(|batch| batch.as_bytes().to_vec()));
    query.and("purchase_order = ?", filter.purchase_order.clone());
    query.and("tags IS NOT NULL AND strpos(tags, ?) > 0", filter.tag.as_ref().map(|tag| format!(",{tag},")));
    if let Some(dates) = filter.dates {
        let column = column(dates.of);
        query.and(&format!("{column} >= ?"), dates.since.map(seconds));
        query.and(&format!("{column} < ?"), dates.until.map(seconds));
    }
    if let Some(drift) = filter.drift {
        query.and("(drift_seconds >= ?", Some(i64::from(drift)));
        query.push(" OR drift_seconds <= ?)");
        query.value(-i64::from(drift));
    }
    match filter.exported {
        Some(true) => query.push(" AND exported_at IS NOT NULL"),
        Some(false) => query.push(" AND exported_at IS NULL"),
        None => {}
    }
    query.and(&format!("strpos({TEXTS}, ?) > 0"), filter.text.as_ref().map(|text| text.to_ascii_lowercase()));
    if !filter.states.is_empty() {
        let states: Vec<String> = filter.states.iter().map(|state| state.as_str().into()).collect();
        query.and("state = ANY (?)", Some(states));
    }
    query
}

pub(super) fn stats(session: &Session) -> Result<Stats, EscrowError> {
    let number = |sql: &str| {
        let row = session.row(sql, &[])?;
        row.map_or(Ok(0), |row| session.value::<i64>(&row, 0).map(unsigned))
    };
    let groups = |column: &str, of: &str| {
        let sql =
            format!("SELECT coalesce({column}, ''), count(*) FROM entries WHERE {of} GROUP BY 1 ORDER BY 2 DESC, 1");
        let rows = session.query(&sql, &[])?;
        let group = |row| Ok((session.value::<String>(row, 0)?, unsigned(session.value(row, 1)?)));
        rows.iter().map(group).collect::<Result<Vec<_>, EscrowError>>()
    };
    let others = NO_TOKENS.map(|family| format!("'{family}'")).join(", ");
    let seeds = format!("family NOT IN ({others})");
    let used = format!("{seeds} AND state NOT IN ('superseded', 'retired')");
    let in_use = |condition: &str| number(&format!("SELECT count(*) FROM entries WHERE {used} AND {condition}"));
    Ok(Stats {
        entries: number("SELECT count(*) FROM entries")?,
        access_keys: number(&format!("SELECT count(*) FROM entries WHERE family = '{ACCESS_KEYS}'"))?,
        desk: number(&format!("SELECT count(*) FROM entries WHERE family IN ('{DESK_KEYS}', '{DESK_LOGINS}')"))?,
        states: groups("state", &seeds)?,
        families: groups("family", &used)?,
        models: groups("model", &used)?,
        origins: groups("origin", &used)?,
        assigned: in_use("upn IS NOT NULL")?,
        exported: in_use("exported_at IS NOT NULL")?,
        verified: in_use("verified_at IS NOT NULL")?,
        events: number("SELECT count(*) FROM events")?,
        sessions: number("SELECT count(*) FROM sessions")?,
        bytes: number(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
             WHERE c.relnamespace = 'oathburn'::regnamespace AND c.relkind = 'r'",
        )?,
    })
}

fn unsigned(number: i64) -> u64 {
    number.try_into().unwrap_or(0)
}
