//! Notes, tags, exports: what people note of many entries at once.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use oathburn_escrow::*;
use oathburn_oath::Remedy;
use support::*;

fn import(escrow: &Escrow, count: usize, facts: Facts) -> Vec<EntryId> {
    let records: Vec<_> = (0..count).map(|n| record(&format!("{n:04}"), format!("seed {n}").as_bytes())).collect();
    let one = |record| Reservation { record, origin: Origin::Imported, batch: None };
    escrow.import(&records.iter().map(one).collect::<Vec<_>>(), facts).unwrap()
}

fn noted(escrow: &Escrow, id: EntryId) -> Annotations {
    escrow.entry(&id.to_string()).unwrap().annotations
}

#[test]
fn many_entries_are_noted_all_or_none() {
    let home = Home::new();
    let escrow = home.open();
    let order = Annotation { purchase_order: Some("PO-7".into()), ..Annotation::default() };
    let ids = import(&escrow, 1500, order.in_facts(Facts::new().with("file", "tokens.csv")));
    assert!(ids.iter().all(|&id| noted(&escrow, id).purchase_order.as_deref() == Some("PO-7")));

    let hostile = "Zoë \u{202e}\u{1b}[31m'; DROP TABLE entries; --\n".repeat(80);
    let tags = vec!["oslo".parse().unwrap(), "Ünïcode".parse().unwrap()];
    let annotation = Annotation { note: Some(hostile.clone()), add_tags: tags, ..Annotation::default() };
    escrow.annotate(&ids, &annotation, Some("sorted")).unwrap();
    escrow.note_exported(&ids, "entra", Some("weekly")).unwrap();
    escrow.note_activated(&ids[..1], Facts::new(), None).unwrap();
    let first = noted(&escrow, ids[0]);
    assert_eq!(
        (first.note.as_deref(), first.tags.as_slice()),
        (Some(hostile.as_str()), ["oslo".into(), "Ünïcode".into()].as_slice())
    );
    assert_eq!((first.exported_at, first.export_format.as_deref()), (Some(NOW.offset(60)), Some("entra")));
    assert_eq!((first.activated_at, noted(&escrow, ids[1499]).activated_at), (Some(NOW.offset(60)), None));
    let completed = EventFilter { kind: Some(EventKind::ExportCompleted), ..EventFilter::default() };
    let events = escrow.events(&completed).unwrap();
    assert_eq!(events.iter().map(|event| event.entries.len()).collect::<Vec<_>>(), [1000, 500]);
    assert_eq!((events[0].facts.text("format"), events[0].reason.as_deref()), (Some("entra"), Some("weekly")));

    // One that is not there, and nobody is noted.
    let before = escrow.events(&EventFilter::default()).unwrap().len();
    let strangers = [ids[0], EntryId::new()];
    assert_eq!(escrow.note_exported(&strangers, "duo", None).unwrap_err().code(), "entry-unknown");
    let long = Annotation { note: Some("x".repeat(Facts::MAX_TEXT + 1)), ..Annotation::default() };
    assert_eq!(escrow.annotate(&ids, &long, None).unwrap_err().code(), "fact-refused");
    assert_eq!(noted(&escrow, ids[0]).export_format.as_deref(), Some("entra"));
    assert_eq!(escrow.events(&EventFilter::default()).unwrap().len(), before);
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
}

#[test]
fn a_tag_that_is_no_word_is_refused() {
    let error = "two words".parse::<Tag>().unwrap_err();
    assert!(matches!(error, EscrowError::TagRefused { ref tag } if tag == "two words"), "{error}");
    assert_eq!(error.code(), "tag-refused");
}
