//! What the desk keeps: for several desks at once, and against whoever writes to the database.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::sync::{Arc, Barrier};
use std::thread;

use oathburn_escrow::*;
use oathburn_oath::{Clock, FixedClock, Remedy as _, Seed, UnixTime};
use support::*;
use zeroize::Zeroizing;

fn records(home: &Home) -> (Escrow, Records) {
    let escrow = home.open();
    let opener = escrow.opener(home.officer()).unwrap();
    let records = escrow.records(&opener).unwrap();
    (escrow, records)
}

fn body(records: &Records, kind: &str, id: &[u8]) -> Option<Vec<u8>> {
    records.get(kind, id).unwrap().map(|record| record.body.to_vec())
}

#[test]
fn records_are_written_read_found_and_listed() {
    let home = Home::new();
    let (escrow, records) = records(&home);
    assert_eq!(records.get("person", b"alice").unwrap(), None);
    let all =
        [put("person", b"alice", None, b"1"), put("person", b"bob", None, b"2"), put("visit", b"bob", None, b"3")];
    records.commit(&all).unwrap();
    assert_eq!(body(&records, "person", b"alice").unwrap(), b"1");
    assert_eq!(records.find("visit", "bob").unwrap()[0].body.as_slice(), b"3");
    assert_eq!(records.find("visit", "alice").unwrap(), []);
    let listed = |after: &[u8], limit| -> Vec<_> {
        records.list("person", after, limit).unwrap().into_iter().map(|record| record.id).collect()
    };
    assert_eq!(listed(b"", 9), [b"alice".to_vec(), b"bob".to_vec()]);
    assert_eq!((listed(b"", 1), listed(b"alice", 9)), (vec![b"alice".to_vec()], vec![b"bob".to_vec()]));
    // An id that is made of a text does not show it, and differs by kind.
    assert_eq!(records.id_of("person", "alice"), records.id_of("person", "alice"));
    assert_ne!(records.id_of("person", "alice"), records.id_of("visit", "alice"));
    // Another desk of the same escrow has the same key, and whoever may not open has none.
    let (_, second) = self::records(&home);
    assert_eq!(body(&second, "visit", b"bob").unwrap(), b"3");
    assert_eq!(second.id_of("person", "alice"), records.id_of("person", "alice"));
    let kinds: Vec<_> = escrow.events(&EventFilter::default()).unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == EventKind::DeskKeyMade).count(), 1);
    assert_eq!(kinds.iter().filter(|kind| **kind == EventKind::DeskOpened).count(), 2);
    // What it holds and what it is found by is not in the file.
    let secret = Change::Put {
        kind: "person",
        id: b"x",
        expected_version: None,
        lookup: Some("found-by-this"),
        expires_at: None,
        body: b"holds-this",
    };
    records.commit(&[secret]).unwrap();
    drop((escrow, records, second));
    let bytes = match &home.database {
        Some(database) => database.sql("SELECT * FROM records").into_bytes(),
        None => fs::read(home.path("escrow.db")).unwrap(),
    };
    let shows = |text: &str| {
        let hex = data_encoding::HEXLOWER.encode(text.as_bytes());
        [text, &hex].iter().any(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    assert!(shows("person") && !shows("found-by-this") && !shows("holds-this"));
}

#[test]
fn a_change_needs_the_version_that_was_read() {
    let home = Home::new();
    let (_escrow, records) = records(&home);
    records.commit(&[put("person", b"alice", None, b"1")]).unwrap();
    let version = records.get("person", b"alice").unwrap().unwrap().version;
    let changed = |result: Result<(), EscrowError>| assert_eq!(result.unwrap_err().code(), "record-changed");
    changed(records.commit(&[put("person", b"alice", None, b"2")]));
    changed(records.commit(&[put("person", b"alice", Some(version + 1), b"2")]));
    changed(records.commit(&[Change::Delete { kind: "person", id: b"alice", expected_version: version + 1 }]));
    // All or none.
    changed(records.commit(&[put("person", b"bob", None, b"1"), put("person", b"alice", None, b"2")]));
    assert_eq!(body(&records, "person", b"bob"), None);
    records.commit(&[put("person", b"alice", Some(version), b"2")]).unwrap();
    assert_eq!(records.get("person", b"alice").unwrap().unwrap().version, version + 1);
    // What was deleted and made anew is not what was read.
    records.commit(&[Change::Delete { kind: "person", id: b"alice", expected_version: version + 1 }]).unwrap();
    records.commit(&[put("person", b"alice", None, b"3")]).unwrap();
    changed(records.commit(&[put("person", b"alice", Some(version), b"4")]));
    for (kind, id) in [("", b"x".as_slice()), ("Person", b"x"), ("a b", b"x"), ("person", b""), ("person", &[7; 65])] {
        let refused = records.commit(&[put(kind, id, None, b"")]).unwrap_err();
        assert_eq!(refused.code(), "fact-refused", "{kind} {id:?}");
    }
}

#[test]
fn of_many_who_change_a_record_at_once_none_is_lost() {
    const DESKS: usize = 3;
    const TIMES: usize = 12;
    let home = Home::new();
    drop(records(&home));
    let barrier = Arc::new(Barrier::new(DESKS * 2));
    let count = |records: &Records, barrier: &Barrier| {
        barrier.wait();
        for _ in 0..TIMES {
            let next = |record: Option<&Record>| -> Result<_, EscrowError> {
                let number = record.map_or(0, |record| record.body[0]) + 1;
                Ok((Next::Put { lookup: None, expires_at: None, body: Zeroizing::new(vec![number]) }, ()))
            };
            records.update("count", b"1", next).unwrap();
        }
    };
    thread::scope(|scope| {
        for _ in 0..DESKS {
            let (_, records) = records(&home);
            for records in [records.clone(), records] {
                scope.spawn(|| {
                    let records = records;
                    count(&records, &barrier);
                });
            }
        }
    });
    let (_, records) = records(&home);
    assert_eq!(usize::from(body(&records, "count", b"1").unwrap()[0]), DESKS * 2 * TIMES);
    // Deleted by whoever is first.
    let gone = records.update("count", b"1", |one| Ok::<_, EscrowError>((Next::Delete, one.is_some()))).unwrap();
    let kept = records.update("count", b"1", |one| Ok::<_, EscrowError>((Next::Delete, one.is_some()))).unwrap();
    assert_eq!((gone, kept), (true, false));
}

#[test]
fn two_desks_that_start_for_the_first_time_have_one_key() {
    let home = Home::new();
    let barrier = Barrier::new(4);
    let ids: Vec<_> = thread::scope(|scope| {
        let desks: Vec<_> = (0..4)
            .map(|_| {
                let (escrow, officer) = (home.open(), home.officer());
                let barrier = &barrier;
                scope.spawn(move || {
                    let opener = escrow.opener(officer).unwrap();
                    barrier.wait();
                    escrow.records(&opener).unwrap().id_of("person", "alice")
                })
            })
            .collect();
        desks.into_iter().map(|desk| desk.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
}

/// A clock that goes on when it is told.
struct Hand(std::sync::atomic::AtomicU64);

impl Clock for Hand {
    fn now(&self) -> UnixTime {
        UnixTime::new(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[test]
fn records_end_and_are_swept() {
    let home = Home::new();
    let clock = Arc::new(Hand(NOW.seconds().into()));
    let escrow = Escrow::open(&home.url(), home.station(), &home.pins(), who(), clock.clone()).unwrap();
    let records = escrow.records(&escrow.opener(home.officer()).unwrap()).unwrap();
    let until = |id: &'static [u8], seconds| Change::Put {
        kind: "visit",
        id,
        expected_version: None,
        lookup: Some("all"),
        expires_at: Some(NOW.offset(seconds)),
        body: b"x",
    };
    records.commit(&[until(b"1", 10), until(b"2", 20)]).unwrap();
    let version = records.get("visit", b"1").unwrap().unwrap().version;
    let there = || records.find("visit", "all").unwrap().len();
    let go_to = |seconds| clock.0.store(NOW.offset(seconds).seconds(), std::sync::atomic::Ordering::SeqCst);
    go_to(9);
    assert_eq!(there(), 2);
    go_to(10);
    assert_eq!((there(), records.list("visit", b"", 9).unwrap().len()), (1, 1));
    assert_eq!(records.get("visit", b"1").unwrap(), None);
    // What has ended is as if it were not there; the versions go on.
    assert!(records.commit(&[Change::Delete { kind: "visit", id: b"1", expected_version: version }]).is_err());
    records.commit(&[until(b"1", 30)]).unwrap();
    assert_eq!(records.get("visit", b"1").unwrap().unwrap().version, version + 1);
    let rows = || home.numbers("SELECT count(*) FROM records")[0];
    // The clock of another desk may be behind.
    go_to(3600);
    records.commit(&[put("person", b"alice", None, b"")]).unwrap();
    assert_eq!(rows(), 3);
    go_to(24 * 3600 + 60);
    records.commit(&[put("person", b"bob", None, b"")]).unwrap();
    assert_eq!(rows(), 2);
}

/// Every way in which the rows could be others than those that were written.
#[test]
fn whoever_writes_to_the_database_can_only_destroy() {
    let home = Home::new();
    let (escrow, records) = records(&home);
    let expiring = Change::Put {
        kind: "person",
        id: b"alice",
        expected_version: None,
        lookup: Some("alice"),
        expires_at: Some(NOW.offset(100_000)),
        body: b"admin",
    };
    records.commit(&[expiring, put("person", b"bob", None, b"clerk"), put("visit", b"bob", None, b"3")]).unwrap();
    drop((escrow, records));
    home.sql("CREATE TABLE saved AS SELECT * FROM records");
    let (alice, mall) = (blob(b"alice"), blob(b"mall"));
    let last_byte = if ON_SERVER {
        "set_byte(body, length(body) - 1, get_byte(body, length(body) - 1) # 1)"
    } else {
        "CAST(substr(body, 1, length(body) - 1) || CASE substr(body, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB)"
    };
    let columns = "version, lookup, expires_at, body FROM records";
    if ON_SERVER {
        home.sql("ALTER TABLE records DROP CONSTRAINT records_body_check");
    }
    for (sql, rows) in [
        (format!("UPDATE records SET body = {last_byte} WHERE id = {alice}"), 1),
        (
            format!(
                "UPDATE records SET body = (SELECT body FROM records WHERE kind = 'person' AND id <> {alice})
                 WHERE id = {alice}"
            ),
            1,
        ),
        (format!("UPDATE records SET body = {} WHERE id = {alice}", blob(&[0; 40])), 1),
        (format!("UPDATE records SET body = {} WHERE id = {alice}", blob(&[0; 4])), 1),
        (format!("UPDATE records SET version = version + 1 WHERE id = {alice}"), 1),
        (format!("UPDATE records SET expires_at = expires_at + 1 WHERE id = {alice}"), 1),
        (format!("UPDATE records SET expires_at = NULL WHERE id = {alice}"), 1),
        (format!("UPDATE records SET lookup = NULL WHERE id = {alice}"), 1),
        (
            format!(
                "UPDATE records SET lookup = (SELECT lookup FROM records WHERE id <> {alice} LIMIT 1) WHERE id = {alice}"
            ),
            1,
        ),
        (format!("UPDATE records SET kind = 'visit' WHERE id = {alice}"), 1),
        (format!("UPDATE records SET id = {mall} WHERE id = {alice}"), 1),
        (format!("INSERT INTO records SELECT 'visit', id, {columns} WHERE id = {alice}"), 1),
        (format!("INSERT INTO records SELECT kind, {mall}, {columns} WHERE id = {alice}"), 1),
        (format!("DELETE FROM records WHERE id = {alice}"), 0),
    ] {
        home.sql("DELETE FROM records; INSERT INTO records SELECT * FROM saved;");
        assert_eq!(home.change(&sql), 1, "{sql}");
        let (escrow, records) = self::records(&home);
        // Nothing of it is believed: what is read is what was written, or nothing, or an error.
        for (kind, id) in
            [("person", b"alice".as_slice()), ("visit", b"alice"), ("person", b"mall"), ("person", b"bob")]
        {
            match records.get(kind, id) {
                Ok(Some(record)) => {
                    let honest = [("alice", "admin"), ("bob", "clerk")];
                    let read = (std::str::from_utf8(&record.id).unwrap(), std::str::from_utf8(&record.body).unwrap());
                    assert!(kind == "person" && honest.contains(&read), "{sql}: {kind} {read:?}");
                }
                Ok(None) => {}
                Err(error) => assert_eq!(error.code(), "record-broken", "{sql}"),
            }
        }
        let findings = escrow.check(Some(&home.officer)).unwrap().findings;
        let named: Vec<_> = findings.iter().filter(|finding| finding.table == "records").collect();
        assert_eq!(named.len(), rows, "{sql}: {findings:?}");
        let expected = ["person/616c696365", "visit/616c696365", "person/6d616c6c"];
        assert!(named.iter().all(|finding| expected.contains(&finding.row.as_str())), "{sql}: {findings:?}");
    }
}

/// Only what an officer has made and signed is the key: a station that is approved could seal one that it knows.
#[test]
fn a_station_cannot_give_the_desk_a_key() {
    let home = Home::new();
    let escrow = home.open();
    let mut record = record("records", &[7; 32]);
    record.identity.family = oathburn_oath::FamilyId::new("desk-key").unwrap();
    escrow.reserve(&Reservation { record: &record, origin: Origin::Generated, batch: None }).unwrap();
    escrow.import(&[Reservation { record: &record, origin: Origin::Imported, batch: None }], Facts::new()).unwrap();
    let opener = escrow.opener(home.officer()).unwrap();
    let records = escrow.records(&opener).unwrap();
    let keys = escrow.find(&record.identity).unwrap();
    assert_eq!(keys.len(), 3);
    let openings = |id: EntryId| {
        let filter = EventFilter { entry: Some(id), kind: Some(EventKind::DeskOpened), ..EventFilter::default() };
        escrow.events(&filter).unwrap().len()
    };
    assert_eq!(keys.iter().map(|key| openings(key.id)).collect::<Vec<_>>(), [1, 0, 0]);
    // And another one afterwards changes nothing.
    records.commit(&[put("person", b"alice", None, b"1")]).unwrap();
    escrow.import(&[Reservation { record: &record, origin: Origin::Imported, batch: None }], Facts::new()).unwrap();
    assert_eq!(body(&escrow.records(&opener).unwrap(), "person", b"alice").unwrap(), b"1");
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
}

/// Without its key nothing is read, and no other one is made in its place.
#[test]
fn records_without_their_key_are_named() {
    let home = Home::new();
    let (escrow, records) = records(&home);
    records.commit(&[put("person", b"alice", None, b"1")]).unwrap();
    let key = escrow.find(&desk_key()).unwrap()[0].id;
    escrow.retire(key, Some("by mistake")).unwrap();
    let opener = escrow.opener(home.officer()).unwrap();
    assert_eq!(escrow.records(&opener).unwrap_err().code(), "records-keyless");
    let findings = escrow.check(None).unwrap().findings;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].to_string(), "records person/616c696365: there is no key for it that an officer has made");
}

fn desk_key() -> oathburn_oath::TokenIdentity {
    oathburn_oath::TokenIdentity { family: oathburn_oath::FamilyId::new("desk-key").unwrap(), ..identity("records") }
}

#[test]
fn the_key_is_no_seed_of_a_token() {
    let home = Home::new();
    let (escrow, _) = records(&home);
    let token = reserve(&escrow, "0001", b"12345678901234567890");
    escrow.mark_programmed(token, &Programmed::default()).unwrap();
    let login = oathburn_oath::SerialNumber::new("alice").unwrap();
    let mut record = record("alice", b"what alice signs in with");
    record.identity = Entry::desk_login_of(&login);
    escrow.import(&[Reservation { record: &record, origin: Origin::Imported, batch: None }], Facts::new()).unwrap();
    let listed = escrow.entries(&Filter::default()).unwrap();
    assert_eq!(listed.iter().map(|entry| entry.id).collect::<Vec<_>>(), [token]);
    let stats = escrow.stats().unwrap();
    assert_eq!((stats.entries, stats.desk, stats.access_keys), (3, 2, 0));
    assert_eq!(stats.states, [("programmed".to_owned(), 1)]);
    assert_eq!(stats.families.len(), 1);
    let opener = escrow.opener(home.officer()).unwrap();
    let scan =
        opener.scan(&Disclosure::new(Purpose::CompareCode), 2.try_into().unwrap(), |_: &Seed, _| Some(())).unwrap();
    assert_eq!((scan.searched, scan.found, scan.unopened), (1, vec![(token, ())], vec![]));
    assert_eq!(escrow.duplicates_of(&record.seed).unwrap(), []);
    let selection = opener.select(&Filter::default(), |_| true, |_, _| true).unwrap();
    assert_eq!(selection.entries(), [token]);
    let key = escrow.find(&desk_key()).unwrap().remove(0);
    let login = escrow.find(&record.identity).unwrap().remove(0);
    for purpose in Purpose::ALL {
        let key = opener.open(&key, &Disclosure::new(*purpose)).map(|_| ()).map_err(|error| error.code());
        assert_eq!(key, if *purpose == Purpose::Desk { Ok(()) } else { Err("entry-desk") }, "{purpose}");
        let login = opener.open(&login, &Disclosure::new(*purpose)).map(|_| ()).map_err(|error| error.code());
        assert_eq!(login, if *purpose == Purpose::CompareCode { Ok(()) } else { Err("entry-desk") }, "{purpose}");
        if *purpose == Purpose::Desk {
            let token = escrow.entry(&token.to_string()).unwrap();
            assert_eq!(opener.open(&token, &Disclosure::new(*purpose)).unwrap_err().code(), "entry-desk");
        }
    }
}

#[test]
fn records_outlive_officers_seals_and_backups() {
    let home = Home::new();
    let (escrow, records) = records(&home);
    records.commit(&[put("person", b"alice", None, b"1")]).unwrap();
    // A second officer, and away with the first.
    let second = Officer::generate().unwrap();
    let custodian = escrow.custodian(home.officer()).unwrap();
    let line = PublicLine { role: Role::Officer, member: Member { label: "bob".into(), keys: second.public() } };
    custodian.add(&line).unwrap();
    custodian.renew(Depth::Merge, &mut |_| {}).unwrap();
    drop(custodian);
    let path = home.path("second.key");
    second.create_file(&path, None).unwrap();
    let custodian = escrow.custodian(Officer::load(&path, None).unwrap()).unwrap();
    custodian.remove(Role::Officer, "alice").unwrap();
    custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
    let opener = escrow.opener(Officer::load(&path, None).unwrap()).unwrap();
    let again = escrow.records(&opener).unwrap();
    assert_eq!(body(&again, "person", b"alice").unwrap(), b"1");
    assert_eq!(escrow.check(Some(&second)).unwrap().findings, []);
    // Backup and restore, into another place.
    let backup = home.path("escrow.age");
    escrow.backup(&backup, Some(&second)).unwrap();
    let url = home.another("restored.db");
    let clock = FixedClock(NOW.offset(100));
    Escrow::restore(&backup, &url, &second, &home.pins(), &who(), &clock, false).unwrap();
    let restored = Escrow::open(&url, home.station(), &home.pins(), who(), Arc::new(clock)).unwrap();
    let opener = restored.opener(Officer::load(&path, None).unwrap()).unwrap();
    assert_eq!(body(&restored.records(&opener).unwrap(), "person", b"alice").unwrap(), b"1");
    let report = restored.check(Some(&second)).unwrap();
    assert_eq!((report.findings.as_slice(), report.records), ([].as_slice(), 1));
}

#[test]
fn deeds_are_noted_with_what_they_change_or_not_at_all() {
    let home = Home::new();
    let (escrow, records) = records(&home);
    let opener = escrow.opener(home.officer()).unwrap();
    let token = reserve(&escrow, "0001", b"12345678901234567890");
    let deed = Deed {
        operator: "carol".into(),
        facts: Facts::new().with("deed", "person-invited").with("person", "bob"),
        reason: Some("new at the helpdesk".into()),
        entries: vec![token],
    };
    records.commit_noted(&opener, &deed, &[put("person", b"bob", None, b"1")]).unwrap();
    let deeds = || {
        let filter = EventFilter { kind: Some(EventKind::DeskDeed), ..EventFilter::default() };
        escrow.events(&filter).unwrap()
    };
    let noted = deeds();
    assert_eq!(noted.len(), 1);
    assert_eq!((noted[0].operator.as_deref(), noted[0].entries.as_slice()), (Some("carol"), [token].as_slice()));
    assert_eq!(noted[0].facts.text("deed"), Some("person-invited"));
    let refused = records.commit_noted(&opener, &deed, &[put("person", b"bob", None, b"2")]);
    assert_eq!(refused.unwrap_err().code(), "record-changed");
    assert_eq!((deeds().len(), body(&records, "person", b"bob").unwrap().as_slice()), (1, b"1".as_slice()));
    // What is done for somebody is noted under that name, with one connection and one roster.
    escrow.acting_for("dave").assign(token, Some("dave@example.com"), None, None).unwrap();
    let entry = escrow.entry(&token.to_string()).unwrap();
    opener.acting_for("erin").open(&entry, &Disclosure::new(Purpose::ShowCodes)).unwrap();
    let names: Vec<_> = escrow.events(&EventFilter { entry: Some(token), ..EventFilter::default() }).unwrap();
    let mut names: Vec<_> = names.iter().map(|event| event.operator.as_deref().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["alice", "carol", "dave", "erin"]);
}

/// Each deed sees what those before it wrote; one that fails leaves nothing; events, records and entries are there together.
#[test]
fn deeds_of_many_are_written_together() {
    let home = Home::new();
    let escrow = home.open();
    let ids = ["0001", "0002"].map(|serial| reserve(&escrow, serial, format!("the seed of {serial}").as_bytes()));
    let entries = ids.map(|id| escrow.entry(&id.to_string()).unwrap());
    let opener = escrow.opener(home.officer()).unwrap();
    let records = escrow.records(&opener).unwrap();
    records.commit(&[put("count", b"old", None, b"1")]).unwrap();
    let disclosure = Disclosure { reason: Some("lost".into()), ..Disclosure::new(Purpose::ShowCodes) };
    let long = Disclosure { reason: Some("x".repeat(1 << 20)), ..disclosure.clone() };
    let count = |together: &mut Together<'_>, id: &[u8]| -> Result<u8, EscrowError> {
        let record = together.get("count", id)?;
        let next = record.as_ref().map_or(0, |record| record.body[0] - b'0') + 1;
        let body = [next + b'0'];
        together.change(&put("count", id, record.map(|record| record.version), &body))?;
        Ok(next)
    };
    let mut seen = Vec::new();
    let mut seeds = Vec::new();
    records
        .together(&opener, &mut |together| {
            seen.clear();
            seeds.clear();
            for (number, entry) in entries.iter().cycle().take(4).enumerate() {
                let disclosure = if number == 2 { &long } else { &disclosure };
                let clerk = format!("clerk{number}");
                let deed = together.deed(|together| {
                    let counted = (count(together, b"new")?, count(together, b"old")?);
                    seeds.push(together.disclose(&clerk, entry, disclosure)?.seed);
                    Ok::<_, EscrowError>(counted)
                });
                seen.push(deed.map_err(|error| error.code()));
            }
            let gone = together.deed(|together| {
                let version = together.get("count", b"new")?.map(|record| record.version).unwrap_or_default();
                together.change(&Change::Delete { kind: "count", id: b"new", expected_version: version })?;
                assert_eq!(together.get("count", b"new")?, None);
                Err::<(), _>(EscrowError::LastOfficer)
            });
            assert!(gone.is_err());
            let stale = together.deed(|together| together.change(&put("count", b"old", Some(1), b"9")));
            assert_eq!(stale.unwrap_err().code(), "record-changed");
        })
        .unwrap();
    assert_eq!(seen, [Ok((1, 2)), Ok((2, 3)), Err("fact-refused"), Ok((3, 4))]);
    let seeds: Vec<_> = seeds.iter().map(|seed| seed.expose().to_vec()).collect();
    assert_eq!(seeds, ["0001", "0002", "0002"].map(|serial| format!("the seed of {serial}").into_bytes()));
    for (id, body) in [(&b"new"[..], b"3"), (b"old", b"4")] {
        assert_eq!(records.get("count", id).unwrap().unwrap().body.as_slice(), body);
    }
    let noted = escrow.events(&EventFilter { kind: Some(EventKind::CodeDisclosed), ..EventFilter::default() }).unwrap();
    let noted: Vec<_> = noted.iter().map(|event| (event.operator.as_deref().unwrap(), event.entries[0])).collect();
    assert_eq!(noted, [("clerk0", ids[0]), ("clerk1", ids[1]), ("clerk3", ids[1])]);
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
}
