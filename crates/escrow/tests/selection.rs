//! Many seeds are handed out together: looked at, noted, and only then given.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use oathburn_escrow::*;

use self::support::*;

fn export() -> Disclosure {
    Disclosure {
        facts: Facts::new().with("format", "entra"),
        reason: Some("new tenant".into()),
        ..Disclosure::new(Purpose::Export)
    }
}

fn exported(escrow: &Escrow) -> Vec<Event> {
    escrow.events(&EventFilter { kind: Some(EventKind::Exported), ..EventFilter::default() }).unwrap()
}

fn import(escrow: &Escrow, count: u16) -> Vec<EntryId> {
    let records: Vec<_> =
        (0..count).map(|n| record(&format!("{n:04}"), &[&[7; 18][..], &n.to_be_bytes()].concat())).collect();
    let one = |record| Reservation { record, origin: Origin::Imported, batch: None };
    escrow.import(&records.iter().map(one).collect::<Vec<_>>(), Facts::new()).unwrap()
}

#[test]
fn all_are_noted_before_the_first_one_leaves() {
    let home = Home::new();
    let escrow = home.open();
    let ids = import(&escrow, 2100);
    let opener = escrow.opener(home.officer()).unwrap();
    let selection = opener.select(
        &Filter::default(),
        |entry| entry.id != ids[9],
        |entry, record| {
            assert_eq!(entry.identity, record.identity);
            record.seed.len() == 20 && entry.identity.serial.as_str() != "0005"
        },
    );
    let selection = selection.unwrap();
    assert_eq!((selection.entries().len(), selection.entries()[5]), (2098, ids[6]));
    assert_eq!(exported(&escrow), [], "looking alone is no disclosure");

    let out = selection.hand_out(&export()).unwrap();
    let events = exported(&escrow);
    assert_eq!(events.iter().map(|event| event.entries.len()).sum::<usize>(), 2098);
    assert!(events.iter().all(|event| event.facts.text("format") == Some("entra")));
    assert!(events.iter().all(|event| event.reason.as_deref() == Some("new tenant")));
    let serials: Vec<_> = out.map(|record| record.unwrap().identity.serial.to_string()).collect();
    let expected: Vec<_> = (0..2100).filter(|n| *n != 5 && *n != 9).map(|n| format!("{n:04}")).collect();
    assert_eq!(serials, expected);
    assert!(escrow.check(Some(&home.officer())).unwrap().is_sound());
}

#[test]
fn only_seeds_on_tokens_in_use_are_shown() {
    let home = Home::new();
    let escrow = home.open();
    let [reserved, programmed, unknown, retired] =
        ["1", "2", "3", "4"].map(|serial| reserve(&escrow, serial, serial.repeat(20).as_bytes()));
    escrow.mark_programmed(programmed, &Programmed::default()).unwrap();
    escrow.mark_unknown(unknown, Facts::new()).unwrap();
    escrow.retire(retired, None).unwrap();
    let opener = escrow.opener(home.officer()).unwrap();
    let selection = opener.select(&Filter::default(), |entry| entry.id != reserved, |_, _| true).unwrap();
    assert_eq!(selection.entries(), [programmed]);
}

#[test]
fn an_entry_that_goes_out_of_use_meanwhile_ends_the_export() {
    let home = Home::new();
    let escrow = home.open();
    let ids = import(&escrow, 3);
    let opener = escrow.opener(home.officer()).unwrap();
    let out = opener.select(&Filter::default(), |_| true, |_, _| true).unwrap().hand_out(&export()).unwrap();
    home.open().retire(ids[1], Some("lost")).unwrap();
    let found: Vec<_> = out.collect();
    assert_eq!(found.len(), 1);
    assert!(
        matches!(found[0], Err(EscrowError::NotOnToken { entry, state: EntryState::Retired }) if entry == ids[1]),
        "{:?}",
        found[0]
    );
}

#[test]
fn a_row_that_was_changed_is_not_handed_out() {
    let home = Home::new();
    let ids = import(&home.open(), 3);
    home.sql(&format!("UPDATE entries SET upn = 'eve@example.com' WHERE id = {}", blob(ids[2].as_bytes())));
    let escrow = home.open();
    let opener = escrow.opener(home.officer()).unwrap();
    let found = opener.select(&Filter::default(), |_| true, |_, _| true);
    assert!(matches!(found, Err(EscrowError::Damaged { table: "entries", .. })), "{found:?}");
    assert_eq!(exported(&escrow), []);
}
