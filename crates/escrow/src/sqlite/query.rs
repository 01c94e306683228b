//! Queries that are put together, and those that count.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::view::{rows, text};
use crate::conditions::{Condition, Operand, column, seconds};
use crate::entry::{ACCESS_KEYS, DESK_KEYS, DESK_LOGINS, NO_TOKENS};
use crate::{Filter, Stats};

/// A query that grows by conditions.
pub(super) struct Query {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Query {
    pub(super) fn new(sql: impl Into<String>, values: impl Into<Vec<Value>>) -> Self {
        Self { sql: sql.into(), values: values.into() }
    }

    /// One more condition, if there is a value for it.
    pub(super) fn and(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.push(value.into());
        }
    }

    /// Further conditions.
    pub(super) fn and_all(&mut self, conditions: Vec<Condition>) {
        for (condition, operand) in conditions {
            let value = match operand {
                Operand::Bytes(bytes) => Value::Blob(bytes),
                Operand::Text(text) => Value::Text(text),
                Operand::Number(number) => Value::Integer(number),
            };
            self.and(condition, Some(value));
        }
    }

    pub(super) fn end(&mut self, order: &str, limit: usize) {
        self.sql.push_str(order);
        self.sql.push_str(" LIMIT ?");
        self.values.push(rows(limit).into());
    }
}

/// What a text is looked for in; line feeds keep words of different columns apart.
const TEXTS: &str = "lower(serial || char(10) || coalesce(manufacturer, '') || char(10) || coalesce(model, '') || \
    char(10) || coalesce(upn, '') || char(10) || coalesce(issuer, '') || char(10) || coalesce(note, '') || char(10) || coalesce(purchase_order, '') || char(10) || \
    coalesce(tags, ''))";

/// The entries that pass a filter, after one.
pub(super) fn entries(columns: &str, filter: &Filter, after: &[u8]) -> Query {
    let mut query = Query::new(format!("SELECT {columns} FROM entries WHERE id > ?"), [Value::Blob(after.to_vec())]);
    query.and("serial = ?", filter.serial.as_ref().map(ToString::to_string));
    query.and("family = ?", filter.family.as_ref().map(ToString::to_string));
    for family in NO_TOKENS.into_iter().filter(|_| filter.seeds_only) {
        query.and("+family <> ?", Some(family.to_owned()));
    }
    query.and("slot = ?", filter.slot.as_ref().map(ToString::to_string));
    query.and("upn = ?", filter.upn.clone());
    query.and("model = ?", filter.model.clone());
    query.and("issuer = ?", filter.issuer.clone());
    query.and("batch = ?", filter.batch.map(|batch| batch.as_bytes().to_vec()));
    query.and("purchase_order = ?", filter.purchase_order.clone());
    query.and("tags IS NOT NULL AND instr(tags, ?)", filter.tag.as_ref().map(|tag| format!(",{tag},")));
    if let Some(dates) = filter.dates {
        let column = column(dates.of);
        query.and(&format!("+{column} >= ?"), dates.since.map(seconds));
        query.and(&format!("+{column} < ?"), dates.until.map(seconds));
    }
    if let Some(drift) = filter.drift {
        query.and("(drift_seconds >= ?", Some(i64::from(drift)));
        query.sql.push_str(" OR drift_seconds <= ?)");
        query.values.push((-i64::from(drift)).into());
    }
    match filter.exported {
        Some(true) => query.sql.push_str(" AND exported_at IS NOT NULL"),
        Some(false) => query.sql.push_str(" AND exported_at IS NULL"),
        None => {}
    }
    query.and(&format!("instr({TEXTS}, ?)"), filter.text.as_ref().map(|text| text.to_ascii_lowercase()));
    if !filter.states.is_empty() {
        // Few states have most of the entries: the index on states is for lists that ask for nothing else.
        let narrow = filter.serial.is_some() || filter.upn.is_some() || filter.batch.is_some() || filter.tag.is_some();
        query.sql.push_str(if narrow { " AND +state IN (" } else { " AND state IN (" });
        query.sql.push_str(&vec!["?"; filter.states.len()].join(", "));
        query.sql.push(')');
        query.values.extend(filter.states.iter().map(|state| Value::Text(state.as_str().into())));
    }
    query
}

pub(super) fn stats(connection: &Connection) -> rusqlite::Result<Stats> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0).map(unsigned));
    let groups = |column: &str, of: &str| {
        let sql =
            format!("SELECT coalesce({column}, ''), count(*) FROM entries WHERE {of} GROUP BY 1 ORDER BY 2 DESC, 1");
        connection
            .prepare(&sql)?
            .query_map([], |row| Ok((text(row, 0)?, unsigned(row.get(1)?))))?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let others = NO_TOKENS.map(|family| format!("'{family}'")).join(", ");
    let seeds = format!("family NOT IN ({others})");
    let used = format!("{seeds} AND state NOT IN ('superseded', 'retired')");
    let in_use = |condition: &str| number(&format!("SELECT count(*) FROM entries WHERE {used} AND {condition}"));
    let pages = unsigned(connection.pragma_query_value(None, "page_count", |row| row.get(0))?);
    let page = unsigned(connection.pragma_query_value(None, "page_size", |row| row.get(0))?);
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
        bytes: pages.saturating_mul(page),
    })
}

fn unsigned(number: i64) -> u64 {
    number.try_into().unwrap_or(0)
}
