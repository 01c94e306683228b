//! Batches: lines are leased once, burned once, and stand where their events say.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::collections::HashSet;

use oathburn_escrow::*;
use oathburn_oath::{Remedy, Seed};
use support::*;

fn lines(count: usize) -> Vec<NewLine> {
    (1..=count).map(|number| new_line(&format!("user{number}@example.com"))).collect()
}

fn create(escrow: &Escrow, lines: &[NewLine]) -> BatchId {
    escrow.create_batch(&NewBatch { name: "users.csv", options: Facts::new().with("verify", 0), lines }).unwrap()
}

fn states(escrow: &Escrow, batch: BatchId) -> Vec<LineState> {
    escrow.lines(batch, 0, usize::MAX).unwrap().into_iter().map(|line| line.state).collect()
}

fn claim(escrow: &Escrow, batch: BatchId, serial: &str, own: Option<u32>) -> Claim {
    escrow.claim(batch, &identity(serial).serial, own, &HashSet::new()).unwrap()
}

#[test]
fn a_line_is_leased_once_and_stands_where_its_entry_does() {
    use LineState::{Done, Open, Reserved};
    let home = Home::new();
    let escrow = home.open();
    let batch = create(&escrow, &lines(3));
    let first = lease(&escrow, batch, "0001");
    let second = lease(&escrow, batch, "0002");
    assert_eq!((first.line.number, second.line.number), (1, 2));
    assert_eq!(first.line.upn.as_deref(), Some("user1@example.com"));
    let entry = escrow.reserve_line(&first, &record("0001", b"12345678901234567890"), Origin::Generated).unwrap();
    assert_eq!(states(&escrow, batch), [Reserved, Open, Open]);
    assert_eq!(escrow.entry(&entry.to_string()).unwrap().line, Some(1));
    escrow.mark_unknown(entry, Facts::new()).unwrap();
    escrow.release(&first).unwrap();
    // The line belongs to its token: another one gets another line, and it gets its own.
    assert!(matches!(claim(&escrow, batch, "0003", None), Claim::Leased(lease) if lease.line.number == 3));
    assert!(matches!(claim(&escrow, batch, "0001", Some(1)), Claim::Leased(lease) if lease.line.number == 1));
    assert!(matches!(claim(&escrow, batch, "0001", Some(1)), Claim::Busy { line: 1 }));
    assert!(matches!(claim(&escrow, batch, "0004", None), Claim::Nothing));
    escrow.mark_programmed(entry, &Programmed::default()).unwrap();
    assert_eq!(states(&escrow, batch), [Done, Open, Open]);
    let counts = escrow.line_counts(batch).unwrap();
    assert_eq!((counts.done, counts.open, counts.left()), (1, 2, 2));
    // A burn that was given up frees its line, whoever gives it up.
    let entry = escrow.reserve_line(&second, &record("0002", b"another seed, as long"), Origin::Generated).unwrap();
    escrow.supersede(entry, Some("nothing was written")).unwrap();
    assert_eq!(states(&escrow, batch), [Done, Open, Open]);
    // A token that shows other codes is not done.
    let entry = escrow.lines(batch, 0, 1).unwrap()[0].entry.clone().unwrap();
    escrow.mark_unknown(entry.id, Facts::new().with("error", "code-differs")).unwrap();
    assert_eq!(states(&escrow, batch)[0], Reserved);
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
}

#[test]
fn a_lost_lease_reserves_nothing() {
    let home = Home::new();
    let escrow = home.open();
    let batch = create(&escrow, &lines(2));
    let lost = lease(&escrow, batch, "0001");
    let record = record("0001", b"12345678901234567890");
    // So late that it has expired, another process takes the line over.
    let later = home.open_at(NOW.offset(3600));
    let taken = lease(&later, batch, "0002");
    assert_eq!(taken.line.number, 1);
    let reserve = |escrow: &Escrow, lease| escrow.reserve_line(lease, &record, Origin::Generated);
    assert_eq!(reserve(&later, &lost).unwrap(), escrow.lines(batch, 0, 1).unwrap()[0].entry.as_ref().unwrap().id);
    escrow.release(&lost).unwrap();
    assert_eq!(reserve(&escrow, &lost).unwrap_err().code(), "line-taken");
    let other = lease(&escrow, batch, "0003");
    escrow.cancel_batch(batch, Some("enough")).unwrap();
    assert_eq!(reserve(&escrow, &other).unwrap_err().code(), "batch-ended");
    assert_eq!(escrow.fail_line(batch, 2, "no").unwrap_err().code(), "batch-ended");
    assert_eq!(escrow.check(None).unwrap().findings, []);
}

#[test]
fn leases_of_the_dead_do_not_count() {
    let home = Home::new();
    let escrow = home.open();
    let batch = create(&escrow, &lines(1));
    let _held = lease(&escrow, batch, "0001");
    assert!(matches!(claim(&home.open(), batch, "0002", None), Claim::Nothing));
    let change = |sql: &str| {
        assert_eq!(home.numbers("SELECT count(*) FROM leases"), [1]);
        home.sql(&format!("UPDATE leases SET {sql}"));
    };
    // Of another machine's process nobody knows whether it lives.
    change("host = 'elsewhere', boot = 'another', pid = 4000000000");
    assert!(matches!(claim(&escrow, batch, "0002", None), Claim::Nothing));
    change("host = 'desk-7'");
    assert!(matches!(claim(&escrow, batch, "0002", None), Claim::Leased(_)));
    change("started = started + 1");
    assert!(matches!(claim(&escrow, batch, "0003", None), Claim::Leased(_)));
}

#[test]
fn lines_that_name_a_token_wait_for_it() {
    let home = Home::new();
    let escrow = home.open();
    let mut some = lines(3);
    some[0].serial = Some(identity("0007").serial);
    let batch = create(&escrow, &some);
    assert_eq!(lease(&escrow, batch, "0001").line.number, 2);
    let skip = HashSet::from([3]);
    assert!(matches!(escrow.claim(batch, &identity("0002").serial, None, &skip).unwrap(), Claim::Nothing));
    let bound = lease(&escrow, batch, "0007");
    assert_eq!(bound.line.number, 1);
    escrow.release(&bound).unwrap();
    burn_line(&escrow, batch, "0007", b"12345678901234567890");
    assert!(matches!(claim(&escrow, batch, "0007", None), Claim::Ended { line: 1, state: LineState::Done }));
}

#[test]
fn a_prescribed_seed_is_sealed_until_its_token_has_it() {
    let home = Home::new();
    let escrow = home.open();
    let mut some = lines(3);
    let seeds = [b"12345678901234567890", b"another seed, equals"].map(|seed| Seed::new(seed.to_vec()).unwrap());
    (some[0].seed, some[2].seed) = (Some(seeds[0].clone()), Some(seeds[1].clone()));
    let batch = create(&escrow, &some);
    let kept = escrow.lines(batch, 0, 9).unwrap();
    assert!(kept[1].seed.is_none());
    let entry = escrow.entry(&kept[0].seed.unwrap().to_string()).unwrap();
    assert_eq!((entry.identity.family.as_str(), entry.state), (LINE_FAMILY, EntryState::Reserved));
    let opened = escrow.opener(home.officer()).unwrap().open(&entry, &Disclosure::new(Purpose::Burn)).unwrap();
    assert_eq!((opened.seed, opened.upn.as_deref()), (seeds[0].clone(), Some("user1@example.com")));
    let found = escrow.duplicates_among(&[seeds[1].clone(), Seed::generate(20).unwrap(), seeds[0].clone()]).unwrap();
    let places: Vec<_> = found.iter().map(|(place, entry)| (*place, entry.id)).collect();
    assert_eq!(places, [(0, kept[2].seed.unwrap()), (2, entry.id)]);
    burn_line(&escrow, batch, "0001", b"12345678901234567890");
    assert_eq!(escrow.entry(&entry.id.to_string()).unwrap().state, EntryState::Superseded);
    // Seeds of a batch that was given up may be burned by another.
    escrow.cancel_batch(batch, None).unwrap();
    let state = |id: EntryId| escrow.entry(&id.to_string()).unwrap().state;
    assert_eq!(state(kept[2].seed.unwrap()), EntryState::Superseded);
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
}

#[test]
fn a_batch_ends_when_nothing_is_left() {
    let home = Home::new();
    let escrow = home.open();
    let batch = create(&escrow, &lines(2));
    let found = |text: &str| escrow.batch(text).map(|batch| batch.state).map_err(|error| error.code());
    burn_line(&escrow, batch, "0001", b"12345678901234567890");
    assert!(!escrow.finish_batch(batch).unwrap());
    escrow.fail_line(batch, 2, "the token refused").unwrap();
    assert!(escrow.finish_batch(batch).unwrap() && escrow.finish_batch(batch).unwrap());
    assert_eq!(found(&batch.to_string()[..11]), Ok(BatchState::Finished));
    assert_eq!(escrow.cancel_batch(batch, None).unwrap_err().code(), "batch-ended");
    let failed = escrow.lines(batch, 1, 1).unwrap().remove(0);
    assert_eq!((failed.state, failed.failure.unwrap().0.as_str()), (LineState::Failed, "the token refused"));
    assert_eq!(escrow.reopen_failed(batch).unwrap(), 1);
    assert_eq!(states(&escrow, batch), [LineState::Done, LineState::Open]);
    assert_eq!(found(&batch.to_string()), Ok(BatchState::Running));
    let other = create(&escrow, &lines(1));
    assert_eq!(
        (found("0"), found("ffff"), found("")),
        (Err("batch-id-ambiguous"), Err("batch-unknown"), Err("batch-unknown"))
    );
    assert_eq!(escrow.batches().unwrap().iter().map(|one| one.id).collect::<Vec<_>>(), [batch, other]);
    assert_eq!(escrow.check(None).unwrap().findings, []);
}

/// Whoever can write to the store must not decide who gets which token.
#[test]
fn swapped_users_are_found_before_anything_is_burned() {
    let home = Home::new();
    let batch = create(&home.open(), &lines(300));
    home.sql(
        "UPDATE batch_lines SET upn = 'x' WHERE line = 1;
         UPDATE batch_lines SET upn = 'user1@example.com' WHERE line = 200;
         UPDATE batch_lines SET upn = 'user200@example.com' WHERE line = 1;",
    );
    let escrow = home.open();
    let findings = escrow.check(None).unwrap().findings;
    let rows: Vec<_> = findings.iter().map(|finding| (finding.table, finding.row.clone())).collect();
    assert_eq!(rows, [("batch_lines", format!("{batch}/1")), ("batch_lines", format!("{batch}/200"))]);
    let error = escrow.claim(batch, &identity("0001").serial, None, &HashSet::new()).unwrap_err();
    assert_eq!(error.code(), "store-damaged");
    assert_eq!(escrow.lines(batch, 0, 9).unwrap_err().code(), "store-damaged");
    // Nobody is left holding it.
    assert!(matches!(escrow.claim(batch, &identity("0001").serial, None, &HashSet::from([1])), Ok(Claim::Leased(_))));
}
