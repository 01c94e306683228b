//! What auditors, and scripts of theirs, do with the audit trail.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use oathburn_escrow::{Checkpoint, EscrowError, Event, EventFilter, WriterId};

use crate::{Desk, DeskError};

/// How far the chain of each writer was read: the number of the event that was read last.
pub(crate) type Marks = BTreeMap<WriterId, u64>;

/// Events, with where to go on.
pub(crate) struct Page {
    pub(crate) events: Vec<Event>,
    /// Where the next page begins, also one that is empty today.
    pub(crate) marks: Marks,
    /// Whether there is more already.
    pub(crate) more: bool,
}

/// Why reading ended.
enum Halt {
    Enough,
    Failed(EscrowError),
}

impl From<EscrowError> for Halt {
    fn from(error: EscrowError) -> Self {
        Self::Failed(error)
    }
}

/// Up to `limit` events after those that were read, by their time. Whoever goes on with the marks of each page sees every
/// event once, also those that somebody signs meanwhile, whatever the clocks say.
pub(crate) fn page(desk: &Desk, filter: &EventFilter, after: &Marks, limit: usize) -> Result<Page, DeskError> {
    let mut page = Page { events: Vec::new(), marks: after.clone(), more: false };
    let read = desk.escrow.each_event_after::<Halt>(filter, after, |event| {
        if page.events.len() == limit {
            page.more = true;
            return Err(Halt::Enough);
        }
        page.marks.insert(event.id.writer, event.id.sequence);
        page.events.push(event);
        Ok(())
    });
    match read {
        Ok(()) | Err(Halt::Enough) => Ok(page),
        Err(Halt::Failed(error)) => Err(error.into()),
    }
}

/// The newest events before those that were read, the newest first. No more is read of the trail than that takes.
pub(crate) fn before(desk: &Desk, filter: &EventFilter, before: &Marks, limit: usize) -> Result<Page, DeskError> {
    let mut events = desk.escrow.newest_events_before(filter, before, limit.saturating_add(1))?;
    let more = events.len() > limit;
    events.truncate(limit);
    let mut marks = before.clone();
    marks.extend(events.iter().map(|event| (event.id.writer, event.id.sequence)));
    Ok(Page { events, marks, more })
}

/// Marks as a text for addresses: `KEY.NUMBER~KEY.NUMBER`.
pub(crate) fn write_marks(marks: &Marks) -> String {
    let mark =
        |(writer, sequence): (&WriterId, &u64)| format!("{}.{sequence}", BASE64URL_NOPAD.encode(writer.as_bytes()));
    marks.iter().map(mark).collect::<Vec<_>>().join("~")
}

/// Marks that were written so; nothing for anything else.
pub(crate) fn read_marks(text: &str) -> Option<Marks> {
    let mark = |text: &str| {
        let (writer, sequence) = text.split_once('.')?;
        let writer = WriterId::from_slice(&BASE64URL_NOPAD.decode(writer.as_bytes()).ok()?)?;
        Some((writer, sequence.parse().ok()?))
    };
    text.split('~').filter(|part| !part.is_empty()).map(mark).collect()
}

/// A checkpoint, signed and noted. What is signed is what is there: it must be right.
pub(crate) fn checkpoint(desk: &Desk, by: &str) -> Result<Checkpoint, DeskError> {
    if !desk.escrow.verify_events()?.is_empty() {
        return Err(DeskError::TrailBroken);
    }
    Ok(desk.opener.acting_for(by).checkpoint()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn where_to_go_on_is_read_as_it_was_written() {
        let writer = |byte| WriterId::from_slice(&[byte; 32]).unwrap();
        for marks in [Marks::new(), Marks::from([(writer(1), 7)]), Marks::from([(writer(1), 7), (writer(2), u64::MAX)])]
        {
            assert_eq!(read_marks(&write_marks(&marks)), Some(marks));
        }
        for wrong in ["x", "x.1", "AA.1", &format!("{}.-1", "A".repeat(43)), "~~1"] {
            assert!(read_marks(wrong).is_none(), "{wrong}");
        }
    }
}
