//! Lines that are worked on far away: leased in the name of a station, and reported by it; and the escrow that such a
//! station has for itself.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy, Seed, UnixTime};
use support::*;

const SEED: &[u8] = b"12345678901234567890";

fn create(escrow: &Escrow, count: usize) -> BatchId {
    let lines: Vec<_> = (1..=count).map(|number| new_line(&format!("user{number}@example.com"))).collect();
    escrow.create_batch(&NewBatch { name: "users.csv", options: Facts::new(), lines: &lines }).unwrap()
}

fn numbers(leases: &[Lease]) -> Vec<u32> {
    leases.iter().map(|lease| lease.line.number).collect()
}

fn until(hours: i64) -> UnixTime {
    NOW.offset(hours * 3600)
}

fn claim(escrow: &Escrow, batch: BatchId, serial: &str) -> Claim {
    escrow.claim(batch, &identity(serial).serial, None, &HashSet::new()).unwrap()
}

#[test]
fn a_line_is_leased_to_one_station_or_to_one_process() {
    let home = Home::new();
    let escrow = home.open();
    let batch = create(&escrow, 6);
    let (paris, rome) = (RemoteHolder::new("paris"), RemoteHolder::new("rome"));
    let here = lease(&escrow, batch, "0001");
    assert_eq!(here.line.number, 1);
    assert_eq!(numbers(&escrow.lease_lines(batch, &paris, (2, true), until(12)).unwrap()), [2, 3]);
    assert_eq!(numbers(&escrow.lease_lines(batch, &rome, (2, true), until(12)).unwrap()), [4, 5]);
    // The burn that goes on here takes what is left; and another process of ours does not find paris dead.
    assert!(matches!(claim(&home.open(), batch, "0002"), Claim::Leased(lease) if lease.line.number == 6));
    assert!(matches!(claim(&escrow, batch, "0003"), Claim::Nothing));
    assert_eq!(numbers(&escrow.lease_lines(batch, &paris, (9, true), until(12)).unwrap()), [0_u32; 0]);
    let held = |holder| escrow.remote_leases(holder).unwrap().into_iter().map(|one| (one.station, one.line)).collect();
    let all: Vec<(String, u32)> = held(None);
    assert_eq!(all, [("paris".into(), 2), ("paris".into(), 3), ("rome".into(), 4), ("rome".into(), 5)]);
    let (_, of_rome): (Vec<String>, Vec<u32>) = held(Some(&rome)).into_iter().unzip();
    assert_eq!(of_rome, [4, 5]);
    // What is taken back is free; what is not paris's is not paris's to give.
    assert_eq!(escrow.release_remote(&paris, (Some(batch), Some(4))).unwrap(), 0);
    assert_eq!(escrow.release_remote(&paris, (None, None)).unwrap(), 2);
    assert_eq!(numbers(&escrow.lease_lines(batch, &rome, (1, true), until(12)).unwrap()), [2]);
    // A lease that has ended is free as well.
    let later = home.open_at(until(13));
    assert_eq!(numbers(&later.lease_lines(batch, &paris, (9, true), until(24)).unwrap()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
}

#[test]
fn one_line_is_leased_renewed_and_taken_over() {
    let home = Home::new();
    let escrow = home.open();
    let batch = create(&escrow, 2);
    let (paris, rome) = (RemoteHolder::new("paris"), RemoteHolder::new("rome"));
    let this = |line, holder, take_over| escrow.lease_line(batch, line, (holder, take_over), until(1)).unwrap();
    let first = lease(&escrow, batch, "0001");
    // A process of ours that is at it is not disturbed, whoever comes.
    assert!(matches!(this(1, &paris, true), Claim::Busy { line: 1 }));
    escrow.release(&first).unwrap();
    assert!(matches!(this(1, &paris, false), Claim::Leased(_)));
    assert!(matches!(this(1, &paris, false), Claim::Leased(_)));
    assert!(matches!(this(1, &rome, false), Claim::Busy { line: 1 }));
    let Claim::Leased(taken) = this(1, &rome, true) else { panic!("it is rome's") };
    let station = || Facts::new().with("station", "rome");
    let sealed = |lease: &Lease| escrow.reserve_line_noting(lease, &record("0001", SEED), Origin::Given, station());
    let entry = sealed(&taken).unwrap();
    escrow.mark_programmed(entry, &Programmed { facts: station(), ..Programmed::default() }).unwrap();
    escrow.release(&taken).unwrap();
    assert_eq!(sealed(&taken).unwrap_err().code(), "line-taken");
    assert!(matches!(this(1, &paris, true), Claim::Ended { line: 1, state: LineState::Done }));
    assert!(matches!(this(7, &paris, true), Claim::Nothing));
    assert_eq!(escrow.line(batch, 1).unwrap().unwrap().state, LineState::Done);
    assert_eq!(escrow.line(batch, 7).unwrap(), None);
    let noted = |event: &&Event| event.facts.text("station") == Some("rome");
    assert_eq!(escrow.events(&EventFilter::default()).unwrap().iter().filter(noted).count(), 2);
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
}

/// Two stations that burned one line have two tokens with one seed: neither is refused.
#[test]
fn what_was_burned_far_away_is_sealed_whoever_has_the_seed() {
    let home = Home::new();
    let escrow = home.open();
    let mut line = new_line("bob@example.com");
    line.seed = Some(Seed::new(SEED.to_vec()).unwrap());
    let batch = escrow.create_batch(&NewBatch { name: "n", options: Facts::new(), lines: &[line] }).unwrap();
    let paris = RemoteHolder::new("paris");
    let mut leases = escrow.lease_lines(batch, &paris, (1, true), until(1)).unwrap();
    let lease = leases.pop().unwrap();
    let facts = || Facts::new().with("station", "paris");
    let first = escrow.reserve_burned(Some(&lease), &record("0001", SEED), facts()).unwrap();
    escrow.mark_programmed(first, &Programmed::default()).unwrap();
    let second = escrow.reserve_burned(None, &record("0002", SEED), facts().with("conflict", 1)).unwrap();
    escrow.mark_unknown(second, facts()).unwrap();
    let entry = |id: EntryId| escrow.entry(&id.to_string()).unwrap();
    assert_eq!((entry(first).batch, entry(first).line), (Some(batch), Some(1)));
    assert_eq!((entry(second).batch, entry(second).state), (None, EntryState::Unknown));
    // A line that has ended, or is another's, is nobody's to burn.
    let again = escrow.reserve_burned(Some(&lease), &record("0003", SEED), facts());
    assert_eq!(again.unwrap_err().code(), "line-taken");
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
}

#[test]
fn lines_that_name_a_token_go_where_it_is() {
    let home = Home::new();
    let escrow = home.open();
    let mut lines = vec![new_line("a@example.com"), new_line("b@example.com")];
    lines[0].serial = Some(identity("0007").serial);
    let batch = escrow.create_batch(&NewBatch { name: "n", options: Facts::new(), lines: &lines }).unwrap();
    let paris = RemoteHolder::new("paris");
    assert_eq!(numbers(&escrow.lease_lines(batch, &paris, (9, false), until(1)).unwrap()), [2]);
    assert_eq!(numbers(&escrow.lease_lines(batch, &paris, (9, true), until(1)).unwrap()), [1]);
}

#[test]
fn a_line_that_was_swapped_is_not_leased() {
    let home = Home::new();
    let escrow = home.open();
    let batch = create(&escrow, 2);
    home.sql("UPDATE batch_lines SET upn = 'eve@example.com' WHERE line = 2");
    let paris = RemoteHolder::new("paris");
    assert_eq!(escrow.lease_lines(batch, &paris, (9, true), until(1)).unwrap_err().code(), "store-damaged");
    assert_eq!(escrow.remote_leases(None).unwrap(), []);
}

/// What a station keeps for itself is sealed to the officers elsewhere: neither the station nor anybody at it opens it.
#[test]
fn a_station_on_its_own_seals_for_officers_elsewhere() {
    let (home, far) = (Home::new(), tempfile::tempdir().unwrap());
    let officers = home.open().roster().officers;
    let url = StoreUrl::sqlite(far.path().join("work.db"));
    let (pins, clock) = (Pins::new(far.path().join("pins")), FixedClock(NOW));
    let station = || StationKey::load_or_create(&far.path().join("station.key")).unwrap();
    let init = |officers: &[Member]| Escrow::init_for(&url, officers, &station(), &pins, &who(), &clock);
    assert_eq!(init(&[]).unwrap_err().code(), "officer-last");
    init(&officers).unwrap();
    let escrow = Escrow::open(&url, station(), &pins, who(), Arc::new(clock)).unwrap();
    let mut line = new_line("bob@example.com");
    line.seed = Some(Seed::new(SEED.to_vec()).unwrap());
    let new = NewBatch { name: "n", options: Facts::new(), lines: &[line] };
    let batch = escrow.create_batch(&new).unwrap();
    let entry = burn_line(&escrow, batch, "0001", SEED);
    assert_eq!(escrow.line(batch, 1).unwrap().unwrap().state, LineState::Done);
    // Nobody who was not an officer before can open it, not even with all that lies at the station.
    let stranger = Officer::generate().unwrap();
    assert_eq!(escrow.opener(stranger).unwrap_err().code(), "officer-unknown");
    let officer_text = std::fs::read_to_string(far.path().join("station.key")).unwrap();
    let posing = officer_text.replace("# oathburn station 1", "# oathburn officer 1");
    let path = far.path().join("officer.key");
    std::fs::write(&path, posing).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let posing = Officer::load(&path, None).unwrap();
    assert_eq!(escrow.opener(posing).unwrap_err().code(), "officer-unknown");
    // The founder is on the roster with public keys alone; the desk's officer opens a copy.
    assert_eq!(escrow.roster().officers.len(), officers.len() + 1);
    assert!(escrow.check(Some(&home.officer)).unwrap().is_sound());
    let opener = escrow.opener(home.officer()).unwrap();
    let entry = escrow.entry(&entry.to_string()).unwrap();
    assert_eq!(opener.open(&entry, &Disclosure::new(Purpose::Reveal)).unwrap().seed, Seed::new(SEED.to_vec()).unwrap());
}
