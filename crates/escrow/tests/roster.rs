//! Officers and stations come and go, and the keys follow.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy};
use support::*;

fn line(role: Role, label: &str, keys: PublicKeys) -> PublicLine {
    PublicLine { role, member: Member::new(label, keys).unwrap() }
}

/// A person at another machine: an officer's file, a station's keys and pins of their own.
struct Other {
    folder: std::path::PathBuf,
    label: &'static str,
}

impl Other {
    fn new(home: &Home, label: &'static str) -> Self {
        let folder = home.path(label);
        fs::create_dir(&folder).unwrap();
        Officer::generate().unwrap().create_file(&folder.join("officer.key"), None).unwrap();
        Self { folder, label }
    }

    fn officer(&self) -> Officer {
        Officer::load(&self.folder.join("officer.key"), None).unwrap()
    }

    fn station(&self) -> StationKey {
        StationKey::load_or_create(&self.folder.join("station.key")).unwrap()
    }

    fn open(&self, home: &Home) -> Escrow {
        let pins = Pins::new(self.folder.join("pins"));
        Escrow::open(&home.url(), self.station(), &pins, who(), Arc::new(FixedClock(NOW.offset(60)))).unwrap()
    }

    fn line(&self, role: Role) -> PublicLine {
        let keys = match role {
            Role::Officer => self.officer().public(),
            Role::Station => self.station().public(),
        };
        line(role, self.label, keys)
    }
}

fn custodian(home: &Home) -> Custodian {
    home.open().custodian(home.officer()).unwrap()
}

fn renew(custodian: &Custodian, depth: Depth) -> Renewed {
    custodian.renew(depth, &mut |_| {}).unwrap()
}

fn reveal(escrow: &Escrow, officer: Officer, id: EntryId) -> Result<Vec<u8>, EscrowError> {
    let entry = escrow.entry(&id.to_string())?;
    let record = escrow.opener(officer)?.open(&entry, &Disclosure::new(Purpose::Reveal))?;
    Ok(record.seed.expose().to_vec())
}

/// How many wrapped keys of the store a plain age identity opens: what its owner can do with a copy of the file.
fn opened_by_hand(home: &Home, key_file: &Path) -> usize {
    let text = fs::read_to_string(key_file).unwrap();
    let identity = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY")).unwrap();
    let identity: age::x25519::Identity = identity.parse().unwrap();
    let wraps = home.blobs("SELECT wrap FROM sessions UNION ALL SELECT wrap FROM duplicate_keys");
    wraps.iter().filter(|wrap| age::decrypt(&identity, wrap).is_ok()).count()
}

fn assert_sound(home: &Home) {
    let report = home.open().check(Some(&home.officer)).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.opened, report.entries);
}

#[test]
fn a_new_officer_opens_what_was_sealed_before_and_after() {
    let home = Home::new();
    let bob = Other::new(&home, "bob");
    let escrow = home.open();
    let before = reserve(&escrow, "0001", b"sealed before");
    let alice = custodian(&home);
    let change = alice.add(&bob.line(Role::Officer)).unwrap();
    assert_eq!((change.roster.version, change.changed), (2, true));
    // The process that was sealing follows.
    let after = reserve(&escrow, "0002", b"sealed after");
    assert_eq!(reveal(&bob.open(&home), bob.officer(), after).unwrap(), b"sealed after");
    assert_eq!(reveal(&bob.open(&home), bob.officer(), before).unwrap_err().code(), "key-not-wrapped");
    assert_eq!(bob.open(&home).unrenewed().unwrap(), (1, 0));
    // Bob cannot help himself to what is not wrapped to him.
    let own = bob.open(&home).custodian(bob.officer()).unwrap();
    assert_eq!(renew(&own, Depth::Roster), Renewed { locked: 1, ..Renewed::default() });
    let mut steps = Vec::new();
    let done = alice.renew(Depth::Roster, &mut |step| steps.push(step)).unwrap();
    assert_eq!(done, Renewed { keys: 1, ..Renewed::default() });
    assert_eq!(steps, [Renewing::Planned { keys: 1, seeds: 0 }, Renewing::Wrapped(1)]);
    assert_eq!(reveal(&bob.open(&home), bob.officer(), before).unwrap(), b"sealed before");
    assert_eq!(bob.open(&home).check(Some(&bob.officer())).unwrap().findings, []);
    // Once more changes nothing.
    let again = alice.add(&bob.line(Role::Officer)).unwrap();
    assert_eq!((again.roster.version, again.changed), (2, false));
    assert_eq!(renew(&alice, Depth::Roster), Renewed::default());
    assert_sound(&home);
}

#[test]
fn keys_that_belong_to_somebody_else_are_not_let_in() {
    let home = Home::new();
    let (bob, eve) = (Other::new(&home, "bob"), Other::new(&home, "eve"));
    let alice = custodian(&home);
    alice.add(&bob.line(Role::Officer)).unwrap();
    let (theirs, own) = (bob.officer().public(), eve.officer().public());
    for (role, keys) in [
        (Role::Officer, PublicKeys { recipient: own.recipient.clone(), writer: theirs.writer }),
        (Role::Officer, PublicKeys { recipient: theirs.recipient.clone(), writer: own.writer }),
        (Role::Station, theirs),
        (Role::Officer, home.station().public()),
    ] {
        assert_eq!(alice.add(&line(role, "eve", keys)).unwrap_err().code(), "member-mixed");
    }
    assert_eq!(home.open().roster().version, 2);
    assert_eq!(home.open().custodian(eve.officer()).err().unwrap().code(), "officer-unknown");
}

#[test]
fn somebody_must_stay_and_nobody_removes_themselves() {
    let home = Home::new();
    let bob = Other::new(&home, "bob");
    let alice = custodian(&home);
    assert_eq!(alice.remove(Role::Officer, "alice").unwrap_err().code(), "officer-last");
    alice.add(&bob.line(Role::Officer)).unwrap();
    assert_eq!(alice.remove(Role::Officer, "alice").unwrap_err().code(), "officer-own-removal");
    assert_eq!(alice.remove(Role::Officer, "carol").unwrap_err().code(), "member-unknown");
    alice.add(&line(Role::Officer, "bob", Officer::generate().unwrap().public())).unwrap();
    assert_eq!(alice.remove(Role::Officer, "bob").unwrap_err().code(), "member-ambiguous");
    alice.remove(Role::Officer, &bob.officer().public().fingerprint()).unwrap();
    assert_eq!(home.open().roster().officers.len(), 2);
}

#[test]
fn what_a_removed_officer_could_open_is_sealed_anew_and_listed() {
    let home = Home::new();
    let eve = Other::new(&home, "eve");
    let alice = custodian(&home);
    alice.add(&eve.line(Role::Officer)).unwrap();
    let escrow = home.open();
    let burned = reserve(&escrow, "0001", b"a seed in use");
    escrow.mark_programmed(burned, &Programmed::default()).unwrap();
    let gone = reserve(&escrow, "0002", b"a seed out of use");
    escrow.retire(gone, None).unwrap();
    let records: Vec<_> = (0..1100).map(|n| record(&format!("7{n:04}"), format!("imported {n}").as_bytes())).collect();
    let imports: Vec<_> =
        records.iter().map(|record| Reservation { record, origin: Origin::Imported, batch: None }).collect();
    let imported = escrow.import(&imports, Facts::new()).unwrap();
    let eve_file = eve.folder.join("officer.key");
    assert!(opened_by_hand(&home, &eve_file) > 0);

    let change = alice.remove(Role::Officer, "eve").unwrap();
    assert_eq!((change.roster.version, change.changed, change.member.label.as_str()), (3, true, "eve"));
    // From now on she is nobody; the process that was sealing has seen it, too.
    let after = reserve(&escrow, "0003", b"sealed without her");
    assert_eq!(reveal(&escrow, eve.officer(), after).unwrap_err().code(), "officer-unknown");
    assert_eq!(escrow.unrenewed().unwrap(), (0, 1102));
    let listed = |escrow: &Escrow| escrow.exposed().unwrap().iter().map(|one| one.entry.id).collect::<Vec<_>>();
    let mut expected = [vec![burned], imported.clone()].concat();
    expected.sort();
    assert_eq!(listed(&escrow), expected);

    let mut steps = Vec::new();
    let done = alice.renew(Depth::Roster, &mut |step| steps.push(step)).unwrap();
    assert_eq!((done.seeds, done.sessions, done.left.len(), done.locked), (1102, 1, 0, 0));
    assert_eq!(steps[0], Renewing::Planned { keys: 0, seeds: 1102 });
    assert_eq!(steps[1..], [Renewing::Sealed(500), Renewing::Sealed(1000), Renewing::Sealed(1102)]);
    assert_eq!(opened_by_hand(&home, &eve_file), 0);
    assert_eq!(reveal(&escrow, home.officer(), imported[700]).unwrap(), b"imported 700");
    assert_eq!(escrow.unrenewed().unwrap(), (0, 0));
    assert_eq!(renew(&alice, Depth::Roster), Renewed::default());
    assert_sound(&home);
    // Duplicates are found under the new key; the old one is gone.
    assert_eq!(escrow.duplicates_of(&records[5].seed).unwrap()[0].id, imported[5]);
    assert_eq!(home.numbers("SELECT count(*) FROM duplicate_keys"), [1]);

    // The list stays until the tokens have other seeds; the same seed once more does not help.
    assert_eq!(listed(&escrow), expected);
    assert_eq!(escrow.exposed().unwrap()[0].to, [eve.line(Role::Officer).member]);
    let same = record("0001", b"a seed in use");
    let same = escrow.reserve(&Reservation { record: &same, origin: Origin::Again, batch: None }).unwrap();
    escrow.mark_programmed(same, &Programmed::default()).unwrap();
    assert!(listed(&escrow).contains(&same) && !listed(&escrow).contains(&burned));
    let fresh = reserve(&escrow, "0001", b"a fresh seed");
    escrow.mark_programmed(fresh, &Programmed::default()).unwrap();
    escrow.retire(imported[0], None).unwrap();
    assert_eq!(listed(&escrow), imported[1..]);
    // Removing her once more says that it is done.
    let again = alice.remove(Role::Officer, "eve").unwrap();
    assert_eq!((again.changed, again.roster.version), (false, 3));
    assert_sound(&home);
}

#[test]
fn of_two_officers_who_change_the_roster_one_is_told() {
    let home = Home::new();
    let (bob, carol) = (Other::new(&home, "bob"), Other::new(&home, "carol"));
    let alice = custodian(&home);
    alice.add(&bob.line(Role::Officer)).unwrap();
    let lines: Vec<_> =
        (0..8).map(|n| line(Role::Station, &format!("station {n}"), Officer::generate().unwrap().public())).collect();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(n, line)| {
                let (home, bob) = (&home, &bob);
                scope.spawn(move || {
                    let own = if n % 2 == 0 { home.officer() } else { bob.officer() };
                    let custodian = home.open().custodian(own).unwrap();
                    custodian.add(line).map(|change| change.roster.version).map_err(|error| error.code())
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(
        won >= 1 && outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err("roster-changed"))),
        "{outcomes:?}"
    );
    assert_eq!(home.open().roster().stations.len(), 1 + won);
    // An officer who holds an older roster follows it first: nobody is brought back by mistake.
    let stale = home.open().custodian(bob.officer()).unwrap();
    alice.add(&carol.line(Role::Officer)).unwrap();
    stale.add(&carol.line(Role::Station)).unwrap();
    assert_eq!(home.open().roster().officers.len(), 3);
    alice.remove(Role::Officer, "bob").unwrap();
    assert_eq!(stale.add(&bob.line(Role::Station)).unwrap_err().code(), "officer-unknown");
    assert_sound(&home);
}

#[test]
fn a_station_that_is_no_officer_burns_and_cannot_open() {
    let home = Home::new();
    let desk = Other::new(&home, "branch office");
    let escrow = desk.open(&home);
    assert!(!escrow.is_approved());
    let alice = custodian(&home);
    alice.add(&desk.line(Role::Station)).unwrap();
    let id = reserve(&escrow, "0001", b"burned elsewhere");
    assert!(escrow.is_approved());
    escrow.mark_programmed(id, &Programmed::default()).unwrap();
    assert_eq!(opened_by_hand(&home, &desk.folder.join("station.key")), 1, "the duplicate key alone");
    assert_eq!(reveal(&escrow, desk.officer(), id).unwrap_err().code(), "officer-unknown");
    assert_eq!(escrow.custodian(desk.officer()).err().unwrap().code(), "officer-unknown");
    assert_eq!(reveal(&home.open(), home.officer(), id).unwrap(), b"burned elsewhere");
    // Sent away, it cannot even do that; what it noted before stays.
    alice.remove(Role::Station, "branch office").unwrap();
    let record = record("0002", b"too late");
    let late = escrow.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None }).unwrap_err();
    assert_eq!(late.code(), "station-not-approved");
    assert_eq!(escrow.retire(id, None).unwrap_err().code(), "station-not-approved");
    // What is tagged from now on it cannot recognise.
    let after = reserve(&home.open(), "0003", b"tagged anew");
    assert_eq!(home.open().unrenewed().unwrap(), (0, 0));
    assert_eq!(
        home.open().duplicates_of(&oathburn_oath::Seed::new(b"burned elsewhere".to_vec()).unwrap()).unwrap().len(),
        1
    );
    assert_eq!(escrow.entry(&after.to_string()).unwrap().state, EntryState::Reserved);
    assert_eq!(opened_by_hand(&home, &desk.folder.join("station.key")), 0);
    // Let in again, it goes on.
    alice.add(&desk.line(Role::Station)).unwrap();
    escrow.retire(id, None).unwrap();
    assert_sound(&home);
}

/// Something that is read; how much of it there is.
type Look = Box<dyn Fn(&Escrow, EntryId, BatchId) -> Result<usize, EscrowError>>;

/// A program that began before somebody was let in takes what they sign for what it is, whatever it looks at first.
#[test]
fn whoever_was_let_in_later_is_known_to_programs_that_run() {
    let home = Home::new();
    let branch = Other::new(&home, "branch office");
    let seed = oathburn_oath::Seed::new(b"burned elsewhere".to_vec()).unwrap();
    let known = record("0001", b"burned elsewhere");
    let looks: Vec<(&str, Look)> = vec![
        ("current", Box::new(|escrow, _, _| Ok(escrow.current(&identity("0001"))?.len()))),
        ("duplicates_of", Box::new(move |escrow, _, _| Ok(escrow.duplicates_of(&seed)?.len()))),
        ("known", Box::new(move |escrow, id, _| Ok(usize::from(escrow.known(&[&known])? == [Known::Same(id)])))),
        ("lines", Box::new(|escrow, _, batch| Ok(escrow.lines(batch, 0, 9)?.len()))),
        ("claim", {
            let serial = oathburn_oath::SerialNumber::new("0002").unwrap();
            Box::new(move |escrow, _, batch| match escrow.claim(batch, &serial, None, &HashSet::new())? {
                Claim::Leased(lease) => escrow.release(&lease).map(|()| 1),
                _ => Ok(0),
            })
        }),
        (
            "events",
            Box::new(|escrow, _, _| {
                let events = escrow.events(&EventFilter::default())?;
                Ok(events.iter().filter(|event| event.kind == EventKind::Reserved).count())
            }),
        ),
        ("check", Box::new(|escrow, _, _| Ok(usize::from(escrow.check(None)?.is_sound())))),
        ("verify_events", Box::new(|escrow, _, _| Ok(usize::from(escrow.verify_events()?.is_empty())))),
        ("exposed", Box::new(|escrow, _, _| Ok(escrow.exposed()?.len() + 1))),
    ];
    let running: Vec<_> = looks.iter().map(|_| home.open()).collect();
    let (opening, scanning, selecting) = (home.open(), home.open(), home.open());
    let (opener, scanner) = (opening.opener(home.officer()).unwrap(), scanning.opener(home.officer()).unwrap());
    let selector = selecting.opener(home.officer()).unwrap();

    custodian(&home).add(&branch.line(Role::Station)).unwrap();
    let escrow = branch.open(&home);
    let id = reserve(&escrow, "0001", b"burned elsewhere");
    escrow.mark_programmed(id, &Programmed::default()).unwrap();
    let lines = [new_line("ann@example.com")];
    let batch = escrow.create_batch(&NewBatch { name: "users.csv", options: Facts::new(), lines: &lines }).unwrap();

    for ((name, look), running) in looks.iter().zip(&running) {
        assert_eq!(look(running, id, batch).unwrap(), 1, "{name}");
    }
    let entry = opening.entry(&id.to_string()).unwrap();
    let disclosure = Disclosure::new(Purpose::Reveal);
    assert_eq!(opener.open(&entry, &disclosure).unwrap().seed.expose(), b"burned elsewhere");
    let found =
        scanner.scan(&Disclosure::new(Purpose::CompareCode), std::num::NonZeroUsize::MIN, |_, _| Some(())).unwrap();
    assert_eq!((found.found.len(), found.unopened.len()), (1, 0));
    let selected = selector.select(&Filter::default(), |_| true, |_, _| true).unwrap();
    assert_eq!(selected.entries(), [id]);
    assert_sound(&home);
}

#[test]
fn many_small_sessions_are_merged_while_others_burn() {
    let home = Home::new();
    let running = home.open();
    let first = reserve(&running, "0000", b"a process that goes on burning");
    let ids: Vec<_> = (1..30_u8).map(|n| reserve(&home.open(), &format!("{n:04}"), &[n; 20])).collect();
    let alice = custodian(&home);
    let done = renew(&alice, Depth::Merge);
    assert_eq!((done.seeds, done.sessions, done.keys), (30, 30, 0));
    assert_eq!(home.open().check(None).unwrap().sessions, 1);
    // Alone, there is nothing to merge it with.
    assert_eq!(renew(&alice, Depth::Merge), Renewed::default());
    let second = reserve(&running, "0100", b"after its session was merged");
    assert_eq!(home.open().check(None).unwrap().sessions, 2);
    assert_eq!(reveal(&running, home.officer(), second).unwrap(), b"after its session was merged");
    assert_eq!(reveal(&running, home.officer(), first).unwrap(), b"a process that goes on burning");
    assert_eq!(reveal(&running, home.officer(), ids[3]).unwrap(), [4; 20]);
    assert_eq!(running.exposed().unwrap(), []);
    let again = running.opener(home.officer()).unwrap();
    let none = Disclosure::new(Purpose::CompareCode);
    let scan = again.scan(&none, std::num::NonZeroUsize::MIN, |_, _| Some(())).unwrap();
    assert_eq!((scan.searched, scan.unopened.len()), (31, 0));
    assert_sound(&home);
}

#[test]
fn entries_that_are_not_what_was_signed_are_left_and_named() {
    let home = Home::new();
    let ids: Vec<_> = (0..6_u8).map(|n| reserve(&home.open(), &format!("{n:04}"), &[n; 20])).collect();
    let id = |index: usize| blob(ids[index].as_bytes());
    home.sql(&format!("UPDATE entries SET upn = 'eve@example.com' WHERE id = {}", id(1)));
    home.sql(&format!("UPDATE entries SET nonce = {} WHERE id = {}", blob(&[0; 24]), id(2)));
    let foreign: age::x25519::Recipient = home.officer.public().recipient.parse().unwrap();
    let wrap = age::encrypt(&foreign, &[7; 32]).unwrap();
    let of_third = format!("SELECT session FROM entries WHERE id = {}", id(3));
    home.sql(&format!("UPDATE sessions SET wrap = {} WHERE id = ({of_third})", blob(&wrap)));
    let done = renew(&custodian(&home), Depth::Merge);
    assert_eq!((done.seeds, done.sessions, done.locked), (3, 3, 1));
    let mut left = done.left;
    left.sort();
    assert_eq!(left, ids[1..3]);
    // Nothing was lost: put right, they are sealed anew as well.
    home.sql(&format!("UPDATE entries SET upn = '0001@example.com' WHERE id = {}", id(1)));
    assert_eq!(renew(&custodian(&home), Depth::Merge).seeds, 4);
    assert_eq!(reveal(&home.open(), home.officer(), ids[1]).unwrap(), [1; 20]);
}

/// What the children of [`a_kill_at_any_step_loses_nothing`] do: one job, killed after so many steps.
fn work_and_die(folder: &Path, job: &str, die_at: usize) -> ! {
    let die = || rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
    let station = StationKey::load_or_create(&folder.join("keys/station.key")).unwrap();
    let clock = Arc::new(FixedClock(NOW));
    let escrow = Escrow::open(&told_store(), station, &Pins::new(folder.join("pins")), who(), clock).unwrap();
    let officer = Officer::load(&folder.join("officer.key"), None).unwrap();
    let custodian = escrow.custodian(officer).unwrap();
    let mut steps = 0;
    let mut step = || {
        steps += 1;
        if steps > die_at {
            die();
        }
    };
    step();
    let depth = match job {
        "remove" => {
            custodian.remove(Role::Officer, "eve").unwrap();
            Depth::Roster
        }
        "add" => {
            let text = fs::read_to_string(folder.join("bob.line")).unwrap();
            custodian.add(&text.parse().unwrap()).unwrap();
            Depth::Roster
        }
        _ => Depth::Merge,
    };
    step();
    custodian.renew(depth, &mut |_| step()).unwrap();
    std::process::exit(0);
}

#[test]
fn a_kill_at_any_step_loses_nothing() {
    // The child that this test starts is the test itself, told what to do and where to die.
    if let (Some(folder), Ok(job)) = (std::env::var_os("ESCROW_TEST_HOME"), std::env::var("ESCROW_TEST_JOB")) {
        let die_at = std::env::var("ESCROW_TEST_DIE_AT").unwrap().parse().unwrap();
        work_and_die(Path::new(&folder), &job, die_at);
    }
    for job in ["remove", "add", "merge"] {
        let home = Home::new();
        let (bob, eve) = (Other::new(&home, "bob"), Other::new(&home, "eve"));
        fs::write(home.path("bob.line"), bob.line(Role::Officer).to_string()).unwrap();
        home.officer();
        let alice = custodian(&home);
        alice.add(&eve.line(Role::Officer)).unwrap();
        let records: Vec<_> =
            (0..1200_u16).map(|n| record(&format!("{n:04}"), &[n.to_be_bytes(); 10].concat())).collect();
        for some in records.chunks(400) {
            let imports: Vec<_> =
                some.iter().map(|record| Reservation { record, origin: Origin::Imported, batch: None }).collect();
            home.open().import(&imports, Facts::new()).unwrap();
        }
        let mut ended = false;
        for die_at in 0..12 {
            let child = child_of_this_test(&home)
                .env("ESCROW_TEST_JOB", job)
                .env("ESCROW_TEST_DIE_AT", die_at.to_string())
                .stdout(Stdio::null())
                .status()
                .unwrap();
            // Each is killed one step later, so that each has something to do that the one before did not reach.
            let report = home.open().check(Some(&home.officer)).unwrap();
            assert_eq!((report.findings.as_slice(), report.opened), ([].as_slice(), 1200), "{job} {die_at}");
            if child.success() {
                ended = true;
                break;
            }
        }
        assert!(ended, "{job} never ended");
        let escrow = home.open();
        assert_eq!(escrow.unrenewed().unwrap(), (0, 0), "{job}");
        let mut seen = escrow.opener(home.officer()).unwrap();
        let all = escrow.entries(&Filter::default()).unwrap();
        let opened = seen.open_all(&all, &Disclosure::new(Purpose::Export)).unwrap();
        assert!(opened.iter().zip(&records).all(|(ours, theirs)| ours.seed == theirs.seed));
        match job {
            "remove" => {
                assert_eq!(opened_by_hand(&home, &eve.folder.join("officer.key")), 0);
                assert_eq!(escrow.exposed().unwrap().len(), 1200);
            }
            "add" => {
                seen = bob.open(&home).opener(bob.officer()).unwrap();
                seen.open_all(&all, &Disclosure::new(Purpose::Export)).unwrap();
            }
            _ => assert_eq!(home.open().check(None).unwrap().sessions, 1),
        }
        assert_sound(&home);
    }
}
