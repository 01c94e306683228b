//! The newest event of every writer that this user has seen in a store: a store that goes back is noticed.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::roster::Trust;
use crate::store::{ChainHead, View};
use crate::{EscrowError, EscrowId, WriterId, audit};

/// The ends of chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heads(pub(crate) BTreeMap<WriterId, ChainHead>);

/// Events of one writer that were seen here and are not in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostEvents {
    /// Who signed them.
    pub writer: WriterId,
    /// The writer's label on the roster; empty where the roster does not know it.
    pub label: String,
    /// How many events the store has of this writer now.
    pub found: u64,
    /// How many it had when it was last seen. Where that is not more, the last one was another event.
    pub seen: u64,
}

/// The file: JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadsFile {
    format: u32,
    escrow: String,
    heads: BTreeMap<String, HeadFile>,
}

/// A line of the file of what was written last: JSON.
#[derive(Serialize, Deserialize)]
struct HeadLine {
    escrow: String,
    writer: String,
    head: HeadFile,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadFile {
    sequence: i64,
    hash: String,
}

impl HeadFile {
    fn of(head: &ChainHead) -> Self {
        Self { sequence: head.sequence, hash: HEXLOWER.encode(&head.hash) }
    }

    fn end(self, writer: &str) -> Option<(WriterId, ChainHead)> {
        let writer = WriterId::from_slice(&HEXLOWER.decode(writer.as_bytes()).ok()?)?;
        let hash = HEXLOWER.decode(self.hash.as_bytes()).ok().filter(|hash| hash.len() == 32)?;
        Some((writer, ChainHead { sequence: self.sequence, hash }))
    }
}

impl Heads {
    /// The ends of all chains as they lie in the store, verified or not.
    pub(crate) fn of(view: &dyn View) -> Result<Self, EscrowError> {
        let heads = view.heads()?.into_iter();
        Ok(Self(heads.filter_map(|(key, head)| Some((WriterId::from_slice(&key)?, head))).collect()))
    }

    pub(crate) fn to_text(&self, escrow: EscrowId) -> String {
        let head = |(writer, head): (&WriterId, &ChainHead)| (writer.to_string(), HeadFile::of(head));
        let file = HeadsFile { format: 1, escrow: escrow.to_string(), heads: self.0.iter().map(head).collect() };
        serde_json::to_string(&file).expect("texts and numbers are JSON") + "\n"
    }

    /// A line for each end, to be appended to those before.
    pub(crate) fn to_lines(&self, escrow: EscrowId) -> String {
        let line = |(writer, head): (&WriterId, &ChainHead)| {
            let (escrow, writer) = (escrow.to_string(), writer.to_string());
            let line = HeadLine { escrow, writer, head: HeadFile::of(head) };
            serde_json::to_string(&line).expect("texts and numbers are JSON") + "\n"
        };
        self.0.iter().map(line).collect()
    }

    /// Reads such lines; what a torn write left is passed over, and so is what was written to another escrow.
    pub(crate) fn from_lines(text: &str, escrow: EscrowId) -> Self {
        let mut heads = Self::default();
        for line in text.lines() {
            let line = serde_json::from_str::<HeadLine>(line).ok().filter(|line| line.escrow == escrow.to_string());
            if let Some(end) = line.and_then(|line| line.head.end(&line.writer)) {
                heads.merge(&Self([end].into()));
            }
        }
        heads
    }

    /// Reads the file; what was seen of another escrow is nothing.
    pub(crate) fn from_text(text: &str, escrow: EscrowId) -> Result<Self, String> {
        let file: HeadsFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if file.format != 1 {
            return Err("it is not one of this version".into());
        }
        if file.escrow != escrow.to_string() {
            return Ok(Self::default());
        }
        let heads = file.heads.into_iter().map(|(writer, head)| head.end(&writer)).collect::<Option<_>>();
        heads.map(Self).ok_or_else(|| "it names what is no event".into())
    }

    /// What both have seen: of each writer the later end.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (writer, head) in &other.0 {
            let known = self.0.entry(*writer).or_default();
            if head.sequence > known.sequence {
                known.clone_from(head);
            }
        }
    }

    /// What was seen of one writer.
    pub(crate) fn of_writer(&self, writer: &WriterId) -> Self {
        Self(self.0.get_key_value(writer).map(|(writer, head)| (*writer, head.clone())).into_iter().collect())
    }

    /// What was seen and is not in the store.
    pub(crate) fn lost(&self, view: &dyn View, trust: &Trust) -> Result<Vec<LostEvents>, EscrowError> {
        let mut lost = Vec::new();
        for (writer, head) in &self.0 {
            if view.event_hash(writer, head.sequence)?.as_ref() != Some(&head.hash) {
                let number = |number: i64| number.try_into().unwrap_or(0);
                lost.push(LostEvents {
                    writer: *writer,
                    label: trust.label(writer).unwrap_or_default().into(),
                    found: number(view.head(writer)?.sequence),
                    seen: number(head.sequence),
                });
            }
        }
        Ok(lost)
    }

    /// The ends in the store that lie beyond these. Only events that hold by themselves: what a hostile hand appended
    /// is for `check`, and must not be missed when it is gone.
    pub(crate) fn newer(&self, view: &dyn View, trust: &Trust) -> Result<Self, EscrowError> {
        let mut newer = Self::of(view)?;
        newer.0.retain(|writer, head| self.0.get(writer).is_none_or(|seen| head.sequence > seen.sequence));
        let mut verified = Self::default();
        for (writer, head) in newer.0 {
            let event = view.event(writer.as_bytes(), head.sequence)?;
            if event.is_some_and(|event| audit::verify(trust, &event).is_ok()) {
                verified.0.insert(writer, head);
            }
        }
        Ok(verified)
    }
}

/// The first of what is lost, as an error.
pub(crate) fn refuse(lost: &[LostEvents]) -> Result<(), EscrowError> {
    let Some(first) = lost.first() else { return Ok(()) };
    let writer = if first.label.is_empty() { first.writer.to_string() } else { first.label.clone() };
    Err(EscrowError::StoreOlder { writer, seen: first.seen, found: first.found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(ends: &[(u8, i64)]) -> Heads {
        let head = |&(writer, sequence): &(u8, i64)| {
            (WriterId::from_slice(&[writer; 32]).unwrap(), ChainHead { sequence, hash: vec![7; 32] })
        };
        Heads(ends.iter().map(head).collect())
    }

    #[test]
    fn what_was_seen_survives_its_text_and_only_grows() {
        let escrow = EscrowId::new();
        let mut one = heads(&[(1, 5), (2, 1)]);
        assert_eq!(Heads::from_text(&one.to_text(escrow), escrow), Ok(one.clone()));
        assert_eq!(Heads::from_text(&one.to_text(escrow), EscrowId::new()), Ok(Heads::default()));
        one.merge(&heads(&[(1, 4), (2, 3), (3, 1)]));
        assert_eq!(one, heads(&[(1, 5), (2, 3), (3, 1)]));
        let text = one.to_text(escrow);
        for bad in
            ["", "{}", &text.replace("\"format\":1", "\"format\":2"), &text.replace(&"07".repeat(32), "07"), &text[1..]]
        {
            assert!(Heads::from_text(bad, escrow).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_are_read_as_far_as_they_are_whole() {
        let (escrow, other) = (EscrowId::new(), EscrowId::new());
        let lines = heads(&[(1, 5), (2, 1)]).to_lines(escrow) + &heads(&[(1, 6)]).to_lines(escrow);
        assert_eq!(Heads::from_lines(&lines, escrow), heads(&[(1, 6), (2, 1)]));
        assert_eq!(Heads::from_lines(&lines, other), Heads::default());
        for end in 0..lines.len() {
            let torn = format!("{}\n{}", &lines[..end], heads(&[(3, 1)]).to_lines(escrow));
            let read = Heads::from_lines(&torn, escrow);
            assert_eq!(read.0.len(), 1 + lines[..end].matches("}}").count().min(2), "{torn}");
        }
    }
}
