//! The columns of an entry that its events make: computed when an event is written, and again when one checks.

use crate::annotation::AnnotationRow;
use crate::store::EntryRow;
use crate::{EntryState, EventKind, Facts};

/// The error of a burn whose token was seen to show other codes than the escrow.
pub(crate) const CODE_DIFFERS: &str = "code-differs";

/// What the events of an entry, applied in the order of their revisions, have made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Projection {
    pub(crate) state: Option<EntryState>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) upn: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) programmed_at: Option<i64>,
    pub(crate) verified_at: Option<i64>,
    pub(crate) drift_seconds: Option<i64>,
    pub(crate) drift_at: Option<i64>,
    pub(crate) line: Option<i64>,
    pub(crate) revision: i64,
    pub(crate) annotations: AnnotationRow,
}

/// An event that the entry's state does not allow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Disallowed {
    pub(crate) wanted: EntryState,
}

/// What one event says of one entry.
#[derive(Clone, Copy)]
pub(crate) struct Happening<'a> {
    pub(crate) kind: EventKind,
    pub(crate) time: i64,
    /// What it says of all its entries, and of this one.
    pub(crate) facts: [&'a Facts; 2],
}

impl Happening<'_> {
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.facts.iter().find_map(|facts| facts.text(name)).map(Into::into)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.facts.iter().find_map(|facts| facts.number(name))
    }
}

impl Projection {
    /// The projection that a row shows; `None` when its state is no state.
    pub(crate) fn of(row: &EntryRow) -> Option<Self> {
        Some(Self {
            state: Some(EntryState::from_name(&row.state)?),
            manufacturer: row.manufacturer.clone(),
            model: row.model.clone(),
            upn: row.upn.clone(),
            issuer: row.issuer.clone(),
            programmed_at: row.programmed_at,
            verified_at: row.verified_at,
            drift_seconds: row.drift_seconds,
            drift_at: row.drift_at,
            line: row.line,
            revision: row.revision,
            annotations: row.annotations.clone(),
        })
    }

    /// Writes the projection into a row.
    pub(crate) fn store(self, row: &mut EntryRow) {
        row.state = self.state.map_or_else(String::new, |state| state.as_str().into());
        row.manufacturer = self.manufacturer;
        row.model = self.model;
        row.upn = self.upn;
        row.issuer = self.issuer;
        row.programmed_at = self.programmed_at;
        row.verified_at = self.verified_at;
        row.drift_seconds = self.drift_seconds;
        row.drift_at = self.drift_at;
        row.line = self.line;
        row.revision = self.revision;
        row.annotations = self.annotations;
    }

    /// Applies the next event.
    pub(crate) fn apply(&mut self, event: &Happening<'_>) -> Result<(), Disallowed> {
        if let Some(wanted) = state_after(event.kind) {
            if !may_become(self.state, wanted) {
                return Err(Disallowed { wanted });
            }
            self.state = Some(wanted);
        }
        match event.kind {
            EventKind::Reserved | EventKind::Imported => {
                self.manufacturer = event.text("manufacturer");
                self.model = event.text("model");
                self.upn = event.text("upn");
                self.issuer = event.text("issuer");
                self.line = event.number("line");
            }
            EventKind::Programmed => {
                self.programmed_at = Some(event.time);
                self.model = event.text("model").or(self.model.take());
                self.note_drift(event);
            }
            // The token shows other codes: whatever was written, the seed is not known to be on it.
            EventKind::Unknown if event.text("error").as_deref() == Some(CODE_DIFFERS) => self.programmed_at = None,
            EventKind::Synced => self.note_drift(event),
            EventKind::Verified => self.verified_at = Some(event.time),
            EventKind::Assigned => {
                self.upn = event.text("upn").or(self.upn.take());
                self.issuer = event.text("issuer").or(self.issuer.take());
            }
            EventKind::Unassigned => (self.upn, self.issuer) = (None, None),
            _ => {}
        }
        self.annotations.apply(event);
        self.revision += 1;
        Ok(())
    }

    fn note_drift(&mut self, event: &Happening<'_>) {
        if let Some(drift) = event.number("drift_seconds") {
            self.drift_seconds = Some(drift);
            self.drift_at = Some(event.time);
        }
    }

    /// The columns in which a row differs from this projection, with what they should hold.
    pub(crate) fn differences(&self, row: &EntryRow) -> Vec<(&'static str, String)> {
        let mut differences = Vec::new();
        let mut text = |column, ours: Option<&str>, theirs: Option<&str>| {
            if ours != theirs {
                differences.push((column, ours.map_or_else(|| "nothing".into(), |ours| format!("{ours:?}"))));
            }
        };
        text("state", self.state.map(EntryState::as_str), Some(&row.state));
        text("manufacturer", self.manufacturer.as_deref(), row.manufacturer.as_deref());
        text("model", self.model.as_deref(), row.model.as_deref());
        text("upn", self.upn.as_deref(), row.upn.as_deref());
        text("issuer", self.issuer.as_deref(), row.issuer.as_deref());
        let mut number = |column, ours: Option<i64>, theirs: Option<i64>| {
            if ours != theirs {
                differences.push((column, ours.map_or_else(|| "nothing".into(), |ours| ours.to_string())));
            }
        };
        number("programmed_at", self.programmed_at, row.programmed_at);
        number("verified_at", self.verified_at, row.verified_at);
        number("drift_seconds", self.drift_seconds, row.drift_seconds);
        number("drift_at", self.drift_at, row.drift_at);
        number("line", self.line, row.line);
        number("revision", Some(self.revision), Some(row.revision));
        differences.extend(self.annotations.differences(&row.annotations));
        differences
    }
}

/// The state an event leads to, if it changes the state.
fn state_after(kind: EventKind) -> Option<EntryState> {
    match kind {
        EventKind::Reserved => Some(EntryState::Reserved),
        EventKind::Imported | EventKind::DeskKeyMade => Some(EntryState::Imported),
        EventKind::Programmed => Some(EntryState::Programmed),
        EventKind::Unknown => Some(EntryState::Unknown),
        EventKind::Superseded => Some(EntryState::Superseded),
        EventKind::Retired => Some(EntryState::Retired),
        _ => None,
    }
}

/// Which state may follow which; `None` is the state of an entry before its first event.
fn may_become(from: Option<EntryState>, to: EntryState) -> bool {
    use EntryState as S;
    match (from, to) {
        (None, to) => matches!(to, S::Reserved | S::Imported),
        (Some(S::Retired), _) | (Some(_), S::Reserved | S::Imported) => false,
        // A burn that was thought to be given up may have reached the token after all: the token decides.
        (Some(from), S::Programmed) => matches!(from, S::Reserved | S::Unknown | S::Superseded),
        // A clock that was set can tear any token's store.
        (Some(from), S::Unknown) => from != S::Retired,
        (Some(from), S::Superseded) => from != S::Superseded,
        (Some(_), S::Retired) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(projection: &mut Projection, kind: EventKind, time: i64, facts: &Facts) -> Result<(), Disallowed> {
        projection.apply(&Happening { kind, time, facts: [facts, &Facts::new()] })
    }

    #[test]
    fn events_make_the_columns() {
        let mut entry = Projection::default();
        let facts = Facts::new().with("upn", "a@b").with("model", "C302").with("line", 7);
        let facts = facts.with("manufacturer", "Token2");
        apply(&mut entry, EventKind::Reserved, 10, &facts).unwrap();
        // Who made the token is said once, and by no later event.
        let programmed = Facts::new().with("drift_seconds", -2).with("manufacturer", "Feitian");
        apply(&mut entry, EventKind::Programmed, 20, &programmed).unwrap();
        apply(&mut entry, EventKind::CodeDisclosed, 25, &Facts::new()).unwrap();
        apply(&mut entry, EventKind::Synced, 30, &Facts::new().with("drift_seconds", 0)).unwrap();
        apply(&mut entry, EventKind::Verified, 40, &Facts::new()).unwrap();
        apply(&mut entry, EventKind::Assigned, 50, &Facts::new().with("issuer", "Entra")).unwrap();
        assert_eq!(
            entry,
            Projection {
                state: Some(EntryState::Programmed),
                manufacturer: Some("Token2".into()),
                model: Some("C302".into()),
                upn: Some("a@b".into()),
                issuer: Some("Entra".into()),
                programmed_at: Some(20),
                verified_at: Some(40),
                drift_seconds: Some(0),
                drift_at: Some(30),
                line: Some(7),
                revision: 6,
                annotations: AnnotationRow::default(),
            }
        );
        apply(&mut entry, EventKind::Unassigned, 60, &Facts::new()).unwrap();
        assert_eq!((&entry.upn, &entry.issuer), (&None, &None));
        apply(&mut entry, EventKind::Unknown, 70, &Facts::new().with("intent", "erase")).unwrap();
        assert_eq!(entry.programmed_at, Some(20));
        apply(&mut entry, EventKind::Unknown, 80, &Facts::new().with("error", CODE_DIFFERS)).unwrap();
        assert_eq!(entry.programmed_at, None);
    }

    #[test]
    fn states_follow_each_other_only_in_ways_that_make_sense() {
        use EntryState as S;
        let allowed = |from| S::ALL.iter().copied().filter(|&to| may_become(from, to)).collect::<Vec<_>>();
        assert_eq!(allowed(None), [S::Reserved, S::Imported]);
        assert_eq!(allowed(Some(S::Reserved)), [S::Unknown, S::Programmed, S::Superseded, S::Retired]);
        assert_eq!(allowed(Some(S::Unknown)), [S::Unknown, S::Programmed, S::Superseded, S::Retired]);
        assert_eq!(allowed(Some(S::Programmed)), [S::Unknown, S::Superseded, S::Retired]);
        assert_eq!(allowed(Some(S::Imported)), [S::Unknown, S::Superseded, S::Retired]);
        assert_eq!(allowed(Some(S::Superseded)), [S::Unknown, S::Programmed, S::Retired]);
        assert_eq!(allowed(Some(S::Retired)), []);
    }
}
