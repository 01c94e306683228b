//! Lines against what was signed when their batch was made.
//!
//! The event that makes a batch is followed, in its writer's chain, by events that hold the digests of the lines, so many
//! in each, so that one line is compared without reading the others.

use data_encoding::HEXLOWER;

use crate::audit;
use crate::batch::Line;
use crate::canon::Canon;
use crate::journal::{BatchDraft, EventDraft};
use crate::roster::Trust;
use crate::store::{BatchRow, LineRow, View};
use crate::{BatchId, EscrowError, EscrowId, EventKind, Facts};

/// How many digests, 16 bytes each, fit into one event.
pub(crate) const DIGESTS_IN_EVENT: usize = 128;
const SIZE: i64 = 128;
const _: () = assert!(DIGESTS_IN_EVENT == 128 && DIGESTS_IN_EVENT * 32 <= Facts::MAX_TEXT);

impl LineRow {
    /// What is signed of it: all that never changes. Half of the hash is enough where both sides of a collision would have
    /// to be made by whoever signed.
    pub(crate) fn digest(&self, escrow: &EscrowId) -> String {
        let digest = Canon::new("oathburn escrow line 1")
            .bytes(escrow.as_bytes())
            .bytes(&self.batch)
            .number(self.line)
            .maybe(self.upn.as_deref().map(str::as_bytes))
            .maybe(self.serial.as_deref().map(str::as_bytes))
            .maybe(self.issuer.as_deref().map(str::as_bytes))
            .maybe(self.label.as_deref().map(str::as_bytes))
            .text(&self.algorithm)
            .number(self.digits)
            .number(self.time_step)
            .maybe(self.seed.as_deref())
            .digest();
        HEXLOWER.encode(&digest[..16])
    }

    pub(crate) fn name(&self) -> String {
        let batch = BatchId::from_slice(&self.batch);
        format!("{}/{}", batch.map_or_else(|| HEXLOWER.encode(&self.batch), |id| id.to_string()), self.line)
    }

    pub(crate) fn damaged(&self, problem: &str) -> EscrowError {
        EscrowError::Damaged { table: "batch_lines", row: self.name(), problem: problem.into() }
    }
}

/// The events that make a batch.
pub(crate) fn creation(escrow: &EscrowId, new: &BatchDraft) -> Vec<EventDraft> {
    let id = BatchId::from_slice(&new.row.id).map_or_else(String::new, |id| id.to_string());
    let facts = Facts::new()
        .with("batch", id.as_str())
        .with("name", new.row.name.as_str())
        .with("lines", new.row.lines)
        .with("options", new.row.options.as_str())
        .with("revision", 1);
    let mut events = vec![EventDraft::new(EventKind::BatchCreated, facts)];
    for some in new.lines.chunks(DIGESTS_IN_EVENT) {
        let digests: String = some.iter().map(|line| line.digest(escrow)).collect();
        let first = some.first().map_or(0, |line| line.line);
        let facts = Facts::new().with("batch", id.as_str()).with("first", first).with("digests", digests);
        events.push(EventDraft::new(EventKind::BatchLines, facts));
    }
    events
}

/// Whether the facts of the event that made a batch say what its row says.
pub(crate) fn is_made_so(row: &BatchRow, time: i64, facts: &Facts) -> bool {
    let id = BatchId::from_slice(&row.id).map(|id| id.to_string());
    facts.text("batch").map(ToOwned::to_owned) == id
        && facts.text("name") == Some(&row.name)
        && facts.number("lines") == Some(row.lines)
        && facts.text("options") == Some(&row.options)
        && time == row.created_at
}

/// The row of a batch that is what its event made it, as far as that never changes.
pub(crate) fn head(view: &dyn View, trust: &Trust, batch: BatchId) -> Result<BatchRow, EscrowError> {
    let row = view.batch(batch.as_bytes())?.ok_or_else(|| EscrowError::BatchUnknown { text: batch.to_string() })?;
    let damaged =
        |problem: &str| EscrowError::Damaged { table: "batches", row: batch.to_string(), problem: problem.into() };
    let event = view.event(&row.writer, row.sequence)?.ok_or_else(|| damaged("its event is missing"))?;
    let verified = audit::verify(trust, &event).map_err(|problem| damaged(&format!("its event: {problem}")))?;
    if verified.kind != EventKind::BatchCreated || !is_made_so(&row, event.time, &verified.facts) {
        return Err(damaged("it is not what its event made"));
    }
    Ok(row)
}

/// Where in the chain the event with the digest of a line stands.
pub(crate) fn place_of_digest(head: &BatchRow, line: i64) -> i64 {
    head.sequence.saturating_add(1 + (line - 1) / SIZE)
}

/// The digests of the lines of one event; `None` when the event is not the one that should be there.
pub(crate) fn digests(
    view: &dyn View,
    trust: &Trust,
    head: &BatchRow,
    line: i64,
) -> Result<Option<(i64, String)>, EscrowError> {
    let Some(event) = view.event(&head.writer, place_of_digest(head, line))? else { return Ok(None) };
    let Ok(verified) = audit::verify(trust, &event) else { return Ok(None) };
    let id = BatchId::from_slice(&head.id).map(|id| id.to_string());
    let first = (line - 1) / SIZE * SIZE + 1;
    let is_it = verified.kind == EventKind::BatchLines
        && verified.facts.text("batch").map(ToOwned::to_owned) == id
        && verified.facts.number("first") == Some(first);
    Ok(verified.facts.text("digests").filter(|_| is_it).map(|digests| (first, digests.to_owned())))
}

/// Whether a line has the digest that was signed for its place.
pub(crate) fn is_signed(escrow: &EscrowId, row: &LineRow, (first, digests): &(i64, String)) -> bool {
    let place = usize::try_from(row.line - first).ok().map(|index| index * 32);
    let signed = place.and_then(|place| digests.get(place..place + 32));
    signed == Some(row.digest(escrow).as_str())
}

/// A line that is the one that was signed, with the entries that tell where it stands.
pub(crate) fn verified(
    view: &dyn View,
    trust: &Trust,
    head: &BatchRow,
    row: &LineRow,
    known: &mut Option<(i64, String)>,
) -> Result<Line, EscrowError> {
    if !known.as_ref().is_some_and(|digests| is_signed(&trust.escrow(), row, digests)) {
        *known = digests(view, trust, head, row.line)?;
    }
    if !known.as_ref().is_some_and(|digests| is_signed(&trust.escrow(), row, digests)) {
        return Err(row.damaged("the line is not the one that was signed"));
    }
    Line::read(row, &view.line_entries(&row.batch, row.line)?)
}
