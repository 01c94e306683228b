//! What auditors, and scripts of theirs, do with the audit trail.

use std::collections::BTreeMap;

use oathburn_escrow::{Checkpoint, EscrowError, Event, EventFilter, WriterId};

use crate::{Desk, DeskError};

/// Events that are looked at for one page, whether they pass or not.
const MOST_SEEN: usize = 20_000;

/// How far the chain of each writer was read: the number of its last event.
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
pub(crate) fn page(
    desk: &Desk,
    filter: &EventFilter,
    operator: Option<&str>,
    after: &Marks,
    limit: usize,
) -> Result<Page, DeskError> {
    let mut page = Page { events: Vec::new(), marks: after.clone(), more: false };
    let mut seen = 0;
    let read = desk.escrow.each_event_after::<Halt>(filter, after, |event| {
        if page.events.len() == limit || seen == MOST_SEEN {
            page.more = true;
            return Err(Halt::Enough);
        }
        seen += 1;
        page.marks.insert(event.id.writer, event.id.sequence);
        if operator.is_none_or(|operator| event.operator.as_deref() == Some(operator)) {
            page.events.push(event);
        }
        Ok(())
    });
    match read {
        Ok(()) | Err(Halt::Enough) => Ok(page),
        Err(Halt::Failed(error)) => Err(error.into()),
    }
}

/// A checkpoint, signed and noted. What is signed is what is there: it must be right.
pub(crate) fn checkpoint(desk: &Desk, by: &str) -> Result<Checkpoint, DeskError> {
    if !desk.escrow.verify_events()?.is_empty() {
        return Err(DeskError::TrailBroken);
    }
    Ok(desk.opener.acting_for(by).checkpoint()?)
}
