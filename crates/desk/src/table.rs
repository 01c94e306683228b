//! Records with a type: what the desk keeps, as JSON that is sealed in the escrow's store.

use oathburn_escrow::{Change, Deed, EscrowError, Record, Together};
use oathburn_oath::UnixTime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{Desk, DeskError};

/// How often a change begins again when others are faster.
const TRIES: usize = 100;
/// Records that are read at a time.
const PAGE: usize = 500;

/// What is kept in records of one kind.
pub(crate) trait Stored: Serialize + DeserializeOwned {
    /// The kind: 1 to 32 lower-case letters, digits and dashes, never renamed.
    const KIND: &'static str;

    /// What it is found by; the store shows a keyed digest of it.
    fn lookup(&self) -> Option<String> {
        None
    }

    /// From when on it is not there any more.
    fn expires_at(&self) -> Option<UnixTime> {
        None
    }
}

/// A value as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T> {
    /// Which one it is.
    pub(crate) id: Vec<u8>,
    /// Which of its states; a change names it.
    pub(crate) version: u64,
    /// What it holds.
    pub(crate) value: T,
}

/// What becomes of a value that was looked at.
pub(crate) enum Next<T> {
    /// It stays, or stays away.
    Keep,
    /// It is written.
    Put(T),
    /// It goes.
    Delete,
}

/// A change of one record, ready to be written together with others.
pub(crate) struct Write {
    kind: &'static str,
    id: Vec<u8>,
    expected_version: Option<u64>,
    /// What is written; nothing where the record goes.
    put: Option<Row>,
}

struct Row {
    lookup: Option<String>,
    expires_at: Option<UnixTime>,
    body: Zeroizing<Vec<u8>>,
}

impl Write {
    /// Writes a value that is not there yet.
    pub(crate) fn new<T: Stored>(id: &[u8], value: &T) -> Result<Self, DeskError> {
        Self::at(id, None, value)
    }

    /// Writes a value in place of the one that was read.
    pub(crate) fn over<T: Stored>(kept: &Kept<T>, value: &T) -> Result<Self, DeskError> {
        Self::at(&kept.id, Some(kept.version), value)
    }

    /// Takes away what was read.
    pub(crate) fn delete<T: Stored>(kept: &Kept<T>) -> Self {
        Self { kind: T::KIND, id: kept.id.clone(), expected_version: Some(kept.version), put: None }
    }

    fn at<T: Stored>(id: &[u8], expected_version: Option<u64>, value: &T) -> Result<Self, DeskError> {
        let body = serde_json::to_vec(value).map_err(|_| DeskError::RecordUnreadable { kind: T::KIND })?;
        let put = Some(Row { lookup: value.lookup(), expires_at: value.expires_at(), body: Zeroizing::new(body) });
        Ok(Self { kind: T::KIND, id: id.into(), expected_version, put })
    }

    fn change(&self) -> Change<'_> {
        let (kind, id) = (self.kind, self.id.as_slice());
        match (&self.put, self.expected_version) {
            (Some(Row { lookup, expires_at, body }), expected_version) => {
                Change::Put { kind, id, expected_version, lookup: lookup.as_deref(), expires_at: *expires_at, body }
            }
            // What never had a version is not there: no record has this one.
            (None, version) => Change::Delete { kind, id, expected_version: version.unwrap_or(u64::MAX) },
        }
    }
}

impl Desk {
    /// The value with this id.
    pub(crate) fn get<T: Stored>(&self, id: &[u8]) -> Result<Option<Kept<T>>, DeskError> {
        self.records.get(T::KIND, id)?.as_ref().map(read).transpose()
    }

    /// The values that are found by this text.
    pub(crate) fn find<T: Stored>(&self, lookup: &str) -> Result<Vec<Kept<T>>, DeskError> {
        self.records.find(T::KIND, lookup)?.iter().map(read).collect()
    }

    /// All values of a kind, by their ids.
    pub(crate) fn all<T: Stored>(&self) -> Result<Vec<Kept<T>>, DeskError> {
        let mut all: Vec<Kept<T>> = Vec::new();
        loop {
            let after = all.last().map(|kept| kept.id.clone()).unwrap_or_default();
            let page = self.records.list(T::KIND, &after, PAGE)?;
            if page.is_empty() {
                return Ok(all);
            }
            for record in &page {
                all.push(read(record)?);
            }
        }
    }

    /// An id made of a text: of one kind there is one record with it, and the store does not show the text.
    pub(crate) fn id_of<T: Stored>(&self, text: &str) -> [u8; 32] {
        self.records.id_of(T::KIND, text)
    }

    /// Makes all changes, or none: `record-changed` where somebody was faster; see [`again`].
    pub(crate) fn write(&self, writes: &[Write]) -> Result<(), DeskError> {
        Ok(self.records.commit(&writes.iter().map(Write::change).collect::<Vec<_>>())?)
    }

    /// The same, with an event in the escrow's audit that says who did it: both, or neither.
    pub(crate) fn write_noted(&self, deed: &Deed, writes: &[Write]) -> Result<(), DeskError> {
        let changes: Vec<_> = writes.iter().map(Write::change).collect();
        Ok(self.records.commit_noted(&self.opener, deed, &changes)?)
    }

    /// Shows a value to `next` and does what it says; once more when somebody was faster. What comes out of the last
    /// call is returned.
    pub(crate) fn update<T: Stored, R>(
        &self,
        id: &[u8],
        mut next: impl FnMut(Option<&T>) -> Result<(Next<T>, R), DeskError>,
    ) -> Result<R, DeskError> {
        self.change(id, |value| next(value).map(|(next, result)| (next, None, result)))
    }

    /// The same, with an event in the escrow's audit where something is written.
    pub(crate) fn update_noted<T: Stored, R>(
        &self,
        id: &[u8],
        mut next: impl FnMut(Option<&T>) -> Result<(Next<T>, Deed, R), DeskError>,
    ) -> Result<R, DeskError> {
        self.change(id, |value| next(value).map(|(next, deed, result)| (next, Some(deed), result)))
    }

    fn change<T: Stored, R>(
        &self,
        id: &[u8],
        mut next: impl FnMut(Option<&T>) -> Result<(Next<T>, Option<Deed>, R), DeskError>,
    ) -> Result<R, DeskError> {
        again(|| {
            let kept = self.get::<T>(id)?;
            let (next, deed, result) = next(kept.as_ref().map(|kept| &kept.value))?;
            let write = match (&next, &kept) {
                (Next::Keep, _) | (Next::Delete, None) => return Ok(result),
                (Next::Put(value), None) => Write::new(id, value)?,
                (Next::Put(value), Some(kept)) => Write::over(kept, value)?,
                (Next::Delete, Some(kept)) => Write::delete(kept),
            };
            match deed {
                Some(deed) => self.write_noted(&deed, &[write])?,
                None => self.write(&[write])?,
            }
            Ok(result)
        })
    }
}

/// The value with this id, in a transaction that is shared with others.
pub(crate) fn get_in<T: Stored>(together: &Together<'_>, id: &[u8]) -> Result<Option<Kept<T>>, DeskError> {
    together.get(T::KIND, id)?.as_ref().map(read).transpose()
}

/// Shows a value to `next`, and does what it says in a transaction that is shared with others.
pub(crate) fn change_in<T: Stored>(
    together: &mut Together<'_>,
    id: &[u8],
    next: impl FnOnce(Option<&T>) -> Result<T, DeskError>,
) -> Result<(), DeskError> {
    let kept = get_in::<T>(together, id)?;
    let value = next(kept.as_ref().map(|kept| &kept.value))?;
    let write = match &kept {
        Some(kept) => Write::over(kept, &value)?,
        None => Write::new(id, &value)?,
    };
    Ok(together.change(&write.change())?)
}

/// Does something that reads and writes records, once more when somebody changed one of them meanwhile.
pub(crate) fn again<R>(mut job: impl FnMut() -> Result<R, DeskError>) -> Result<R, DeskError> {
    for _ in 1..TRIES {
        match job() {
            Err(DeskError::Escrow(EscrowError::RecordChanged { .. })) => {}
            other => return other,
        }
    }
    job()
}

fn read<T: Stored>(record: &Record) -> Result<Kept<T>, DeskError> {
    let value = serde_json::from_slice(&record.body).map_err(|_| DeskError::RecordUnreadable { kind: T::KIND })?;
    Ok(Kept { id: record.id.clone(), version: record.version, value })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use oathburn_escrow::{EventFilter, EventKind};
    use oathburn_oath::{Clock as _, Remedy as _};
    use serde::Deserialize;

    use super::*;
    use crate::desk::deed;
    use crate::testing::Home;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        place: String,
        count: u64,
        until: Option<u64>,
    }

    impl Stored for Note {
        const KIND: &'static str = "note";

        fn lookup(&self) -> Option<String> {
            Some(self.place.clone())
        }

        fn expires_at(&self) -> Option<UnixTime> {
            self.until.map(UnixTime::new)
        }
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Other(Vec<u8>);

    impl Stored for Other {
        const KIND: &'static str = "note";
    }

    fn note(count: u64) -> Note {
        Note { place: "here".into(), count, until: None }
    }

    #[test]
    fn values_are_kept_found_changed_and_dropped() {
        let home = Home::new();
        let desk = home.desk();
        desk.write(&[Write::new(b"1", &note(1)).unwrap(), Write::new(b"2", &note(2)).unwrap()]).unwrap();
        assert_eq!(desk.get::<Note>(b"1").unwrap().unwrap().value, note(1));
        assert_eq!(desk.find::<Note>("here").unwrap().len(), 2);
        assert_eq!(desk.find::<Note>("there").unwrap().len(), 0);
        let count = desk
            .update::<Note, _>(b"1", |old| {
                let count = old.unwrap().count + 10;
                Ok((Next::Put(note(count)), count))
            })
            .unwrap();
        assert_eq!((count, desk.get::<Note>(b"1").unwrap().unwrap().value.count), (11, 11));
        desk.update::<Note, _>(b"2", |_| Ok((Next::Delete, ()))).unwrap();
        assert_eq!(desk.all::<Note>().unwrap().len(), 1);
        assert_ne!(desk.id_of::<Note>("a"), desk.id_of::<Note>("b"));
        let ends = Note { until: Some(home.clock.now().seconds() + 5), ..note(3) };
        desk.write(&[Write::new(b"3", &ends).unwrap()]).unwrap();
        home.clock.pass(5);
        assert!(desk.get::<Note>(b"3").unwrap().is_none());
    }

    #[test]
    fn a_deed_is_noted_with_what_it_changes_or_not_at_all() {
        let home = Home::new();
        let desk = home.desk();
        let deeds = || -> Vec<_> {
            let filter = EventFilter { kind: Some(EventKind::DeskDeed), ..EventFilter::default() };
            desk.escrow().events(&filter).unwrap()
        };
        let put = |old: Option<&Note>| {
            let next = if old.is_some() { Next::Keep } else { Next::Put(note(1)) };
            Ok((next, deed("ada", "note-made"), ()))
        };
        desk.update_noted::<Note, _>(b"1", put).unwrap();
        desk.update_noted::<Note, _>(b"1", put).unwrap();
        let events = deeds();
        assert_eq!((events.len(), events[0].operator.as_deref()), (1, Some("ada")));
        assert_eq!(events[0].facts.text("deed"), Some("note-made"));
        let late = [Write::new(b"1", &note(2)).unwrap()];
        assert_eq!(desk.write_noted(&deed("ada", "note-made"), &late).unwrap_err().code(), "record-changed");
        assert_eq!(deeds().len(), 1);
        // Who is slower begins again, with what the faster one has written.
        let mut tries = 0;
        let outcome = desk.update::<Note, _>(b"1", |old| {
            tries += 1;
            if tries == 1 {
                let kept = desk.get::<Note>(b"1")?.unwrap();
                desk.write(&[Write::over(&kept, &note(7))?])?;
            }
            Ok((Next::Put(note(old.unwrap().count + 1)), ()))
        });
        outcome.unwrap();
        assert_eq!((tries, desk.get::<Note>(b"1").unwrap().unwrap().value.count), (2, 8));
    }

    #[test]
    fn what_another_version_has_written_is_no_bug_of_its_reader() {
        let home = Home::new();
        let desk = home.desk();
        desk.write(&[Write::new(b"1", &note(1)).unwrap()]).unwrap();
        assert_eq!(desk.get::<Other>(b"1").unwrap_err().code(), "desk-record");
    }
}
