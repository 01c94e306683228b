//! What both stores ask for in the same words.

use oathburn_oath::UnixTime;

use crate::{DateKind, EventFilter};

/// What a condition compares with.
pub(crate) enum Operand {
    Bytes(Vec<u8>),
    Text(String),
    Number(i64),
}

/// A condition in SQL, whose `?` stands for the operand.
pub(crate) type Condition = (&'static str, Operand);

/// The conditions of a filter on events `e` with their writers `w`.
pub(crate) fn of_events(filter: &EventFilter) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut and = |condition, operand: Option<Operand>| conditions.extend(operand.map(|operand| (condition, operand)));
    and(
        "(e.writer, e.sequence) IN (SELECT writer, sequence FROM event_entries WHERE entry = ?)",
        filter.entry.map(|entry| Operand::Bytes(entry.as_bytes().to_vec())),
    );
    and("e.kind = ?", filter.kind.map(|kind| Operand::Text(kind.as_str().to_owned())));
    let writer = || filter.writer.map(|writer| Operand::Bytes(writer.as_bytes().to_vec()));
    and("w.key = ?", writer());
    // Where this chain ends, not after all that come behind it.
    and("e.writer <= (SELECT id FROM writers WHERE key = ?)", writer());
    and("e.operator = ?", filter.operator.clone().map(Operand::Text));
    and("e.time >= ?", filter.since.map(|since| Operand::Number(seconds(since))));
    and("e.time < ?", filter.until.map(|until| Operand::Number(seconds(until))));
    conditions
}

/// A time as it lies in columns.
pub(crate) fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.seconds()).unwrap_or(i64::MAX)
}

/// Where an entry has a date.
pub(crate) const fn column(of: DateKind) -> &'static str {
    match of {
        DateKind::Sealed => "reserved_at",
        DateKind::Programmed => "programmed_at",
        DateKind::Verified => "verified_at",
        DateKind::Exported => "exported_at",
        DateKind::Activated => "activated_at",
    }
}
