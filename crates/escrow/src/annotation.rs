//! What people note of entries, and what became of them elsewhere. Whoever reads the store reads it: never a secret.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use oathburn_oath::UnixTime;

use crate::projection::Happening;
use crate::{EscrowError, EventKind, Facts};

/// A word to find entries by: 1 to 64 bytes, without commas, white space and control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = EscrowError;

    /// White space around it is dropped; upper and lower case are different.
    fn from_str(text: &str) -> Result<Self, EscrowError> {
        let tag = text.trim();
        let odd = |c: char| c == ',' || c.is_whitespace() || c.is_control();
        if tag.is_empty() || tag.len() > 64 || tag.contains(odd) {
            return Err(EscrowError::TagRefused { tag: text.chars().take(64).collect() });
        }
        Ok(Self(tag.into()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A change of what is noted; what is `None` or empty stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotation {
    /// A text; an empty one takes the note away.
    pub note: Option<String>,
    /// The purchase order the token came with; an empty one takes it away.
    pub purchase_order: Option<String>,
    /// Tags to add.
    pub add_tags: Vec<Tag>,
    /// Tags to take away; one that is added as well is added.
    pub remove_tags: Vec<Tag>,
}

impl Annotation {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The facts of an event that notes this, beside others: also those that go with [`crate::Escrow::import`].
    #[must_use]
    pub fn in_facts(&self, facts: Facts) -> Facts {
        let joined = |tags: &[Tag]| {
            Some(tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(",")).filter(|joined| !joined.is_empty())
        };
        facts
            .with_some("note", self.note.as_deref())
            .with_some("purchase_order", self.purchase_order.as_deref())
            .with_some("tags_added", joined(&self.add_tags))
            .with_some("tags_removed", joined(&self.remove_tags))
    }
}

/// What is noted of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// A text.
    pub note: Option<String>,
    /// The purchase order the token came with.
    pub purchase_order: Option<String>,
    /// Words to find it by, sorted.
    pub tags: Vec<String>,
    /// When its seed was last written out for a service.
    pub exported_at: Option<UnixTime>,
    /// In which format that was.
    pub export_format: Option<String>,
    /// When the service last accepted the token.
    pub activated_at: Option<UnixTime>,
}

/// The columns of an entry that hold this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AnnotationRow {
    pub(crate) note: Option<String>,
    pub(crate) purchase_order: Option<String>,
    /// Sorted, a comma before, between and after them.
    pub(crate) tags: Option<String>,
    pub(crate) exported_at: Option<i64>,
    pub(crate) export_format: Option<String>,
    pub(crate) activated_at: Option<i64>,
}

impl AnnotationRow {
    /// What an event makes of it.
    pub(crate) fn apply(&mut self, event: &Happening<'_>) {
        match event.kind {
            EventKind::Reserved | EventKind::Imported | EventKind::Annotated => self.annotate(event),
            EventKind::ExportCompleted => {
                self.exported_at = Some(event.time);
                self.export_format = event.text("format");
            }
            EventKind::Activated => self.activated_at = Some(event.time),
            _ => {}
        }
    }

    fn annotate(&mut self, event: &Happening<'_>) {
        let changed = |name: &str, before: &mut Option<String>| {
            if let Some(text) = event.text(name) {
                *before = Some(text).filter(|text| !text.is_empty());
            }
        };
        changed("note", &mut self.note);
        changed("purchase_order", &mut self.purchase_order);
        let named = |name: &str| event.text(name).unwrap_or_default();
        let (added, removed) = (named("tags_added"), named("tags_removed"));
        if !added.is_empty() || !removed.is_empty() {
            let before = self.tags.take().unwrap_or_default();
            let mut tags: BTreeSet<_> = split(&before).collect();
            split(&removed).for_each(|tag| {
                tags.remove(tag);
            });
            tags.extend(split(&added));
            let joined: String = tags.iter().flat_map(|tag| [",", tag]).collect();
            self.tags = Some(joined + ",").filter(|_| !tags.is_empty());
        }
    }

    /// The columns with their texts and numbers, each compared with another row's.
    pub(crate) fn differences(&self, other: &Self) -> Vec<(&'static str, String)> {
        let text = |ours: &Option<String>| ours.as_ref().map_or_else(|| "nothing".into(), |ours| format!("{ours:?}"));
        let number = |ours: Option<i64>| ours.map_or_else(|| "nothing".into(), |ours| ours.to_string());
        let all = [
            ("note", self.note == other.note, text(&self.note)),
            ("purchase_order", self.purchase_order == other.purchase_order, text(&self.purchase_order)),
            ("tags", self.tags == other.tags, text(&self.tags)),
            ("exported_at", self.exported_at == other.exported_at, number(self.exported_at)),
            ("export_format", self.export_format == other.export_format, text(&self.export_format)),
            ("activated_at", self.activated_at == other.activated_at, number(self.activated_at)),
        ];
        all.into_iter().filter(|(_, same, _)| !same).map(|(column, _, ours)| (column, ours)).collect()
    }

    /// For people; the column that holds no time, if one does not.
    pub(crate) fn read(&self) -> Result<Annotations, &'static str> {
        let time = |column, value: Option<i64>| {
            value.map(|value| u64::try_from(value).map(UnixTime::new).map_err(|_| column)).transpose()
        };
        Ok(Annotations {
            note: self.note.clone(),
            purchase_order: self.purchase_order.clone(),
            tags: split(self.tags.as_deref().unwrap_or_default()).map(Into::into).collect(),
            exported_at: time("exported_at", self.exported_at)?,
            export_format: self.export_format.clone(),
            activated_at: time("activated_at", self.activated_at)?,
        })
    }
}

fn split(tags: &str) -> impl Iterator<Item = &str> {
    tags.split(',').filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn apply(row: &mut AnnotationRow, kind: EventKind, time: i64, facts: &Facts) {
        row.apply(&Happening { kind, time, facts: [&Facts::new(), facts] });
    }

    #[test]
    fn tags_are_words() {
        for good in ["oslo", " Büro-7 ", "2026/q3", "日本"] {
            assert_eq!(tag(good).as_str(), good.trim());
        }
        let long = "x".repeat(65);
        for bad in ["", "  ", "a,b", "a b", "a\u{1b}[31m", "\n", long.as_str()] {
            assert!(matches!(bad.parse::<Tag>(), Err(EscrowError::TagRefused { .. })), "{bad:?}");
        }
    }

    #[test]
    fn events_make_the_columns() {
        let mut row = AnnotationRow::default();
        let first = Annotation {
            note: Some("for the branch".into()),
            purchase_order: Some("PO-7".into()),
            add_tags: vec![tag("oslo"), tag("a")],
            ..Annotation::default()
        };
        apply(&mut row, EventKind::Imported, 1, &first.in_facts(Facts::new().with("file", "x")));
        assert_eq!(row.tags.as_deref(), Some(",a,oslo,"));
        let second = Annotation {
            note: Some(String::new()),
            add_tags: vec![tag("b"), tag("b")],
            remove_tags: vec![tag("oslo"), tag("b"), tag("none")],
            ..Annotation::default()
        };
        apply(&mut row, EventKind::Annotated, 2, &second.in_facts(Facts::new()));
        assert_eq!((row.note.as_ref(), row.purchase_order.as_deref()), (None, Some("PO-7")));
        assert_eq!(row.read().unwrap().tags, ["a", "b"]);
        apply(&mut row, EventKind::ExportCompleted, 3, &Facts::new().with("format", "entra"));
        apply(&mut row, EventKind::Activated, 4, &Facts::new());
        // Other events do not note anything.
        apply(&mut row, EventKind::Verified, 5, &first.in_facts(Facts::new()));
        let read = row.read().unwrap();
        assert_eq!((read.exported_at, read.export_format.as_deref()), (Some(UnixTime::new(3)), Some("entra")));
        assert_eq!((read.activated_at, read.note), (Some(UnixTime::new(4)), None));
        let none = Annotation { remove_tags: vec![tag("a"), tag("b")], ..Annotation::default() };
        apply(&mut row, EventKind::Annotated, 6, &none.in_facts(Facts::new()));
        assert_eq!(row.tags, None);
        assert!(Annotation::default().is_empty() && !none.is_empty());
        assert_eq!(AnnotationRow { activated_at: Some(-1), ..row }.read(), Err("activated_at"));
    }
}
