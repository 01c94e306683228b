//! The key of the desk's records, when an officer goes who knows it.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::sync::Arc;

use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy as _};
use support::*;

/// A desk, Alice's, with Eve as another officer; and what Eve keeps: a copy of the store with a key file of hers.
struct Desks {
    home: Home,
    escrow: Escrow,
    records: Records,
    eve: Home,
}

impl Desks {
    fn new() -> Self {
        let home = Home::new();
        let escrow = home.open();
        let database = ON_SERVER.then(Database::new);
        let eve = Home { folder: tempfile::tempdir().unwrap(), officer: Officer::generate().unwrap(), database };
        let custodian = escrow.custodian(home.officer()).unwrap();
        let member = Member::new("eve", eve.officer.public()).unwrap();
        custodian.add(&PublicLine { role: Role::Officer, member }).unwrap();
        let records = escrow.records(&escrow.opener(home.officer()).unwrap()).unwrap();
        records.commit(&[put("person", b"alice", None, b"1"), put("visit", b"alice", None, b"v")]).unwrap();
        Escrow::copy(&home.url(), &eve.url(), &eve.pins(), &mut |_| {}).unwrap();
        Self { home, escrow, records, eve }
    }

    fn custodian(&self) -> Custodian {
        self.escrow.custodian(self.home.officer()).unwrap()
    }

    /// What somebody has who opens the records anew.
    fn anew(&self) -> Result<Records, EscrowError> {
        let escrow = self.home.open();
        let opener = escrow.opener(self.home.officer()).unwrap();
        escrow.records(&opener)
    }

    /// Eve's key of the records, in her copy.
    fn eves(&self) -> Records {
        let escrow = self.eve.open();
        let opener = escrow.opener(self.eve.officer()).unwrap();
        escrow.records(&opener).unwrap()
    }

    /// Puts a record of one store into the other, as whoever writes to the databases can.
    fn carry(from: &Home, to: &Home, id: &[u8]) {
        let of = format!("FROM records WHERE kind = 'person' AND id = {}", blob(id));
        let version = from.numbers(&format!("SELECT version {of}"))[0];
        let [lookup, body] = ["lookup", "body"].map(|column| from.blobs(&format!("SELECT {column} {of}")).remove(0));
        to.sql(&format!("DELETE {of}"));
        to.sql(&format!(
            "INSERT INTO records (kind, id, version, lookup, body) VALUES ('person', {}, {version}, {}, {})",
            blob(id),
            blob(&lookup),
            blob(&body)
        ));
    }
}

fn body(records: &Records, id: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    records.get("person", id).map(|record| record.map(|one| one.body.to_vec())).map_err(|error| error.code())
}

#[test]
fn a_removed_officer_neither_reads_nor_makes_records() {
    let desks = Desks::new();
    let custodian = desks.custodian();
    let lookups = || desks.home.blobs("SELECT lookup FROM records ORDER BY kind");
    let before = lookups();
    custodian.remove(Role::Officer, "eve").unwrap();
    // From the very moment on: what is written now she does not read.
    desks.records.commit(&[put("person", b"bob", None, b"later")]).unwrap();
    Desks::carry(&desks.home, &desks.eve, b"bob");
    assert_eq!(body(&desks.eves(), b"bob"), Err("record-broken"));
    assert!(desks.escrow.records_unrenewed().unwrap());
    let renewed = custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
    assert_eq!((renewed.records, desks.escrow.records_unrenewed().unwrap()), (2, false));
    // What was there before she read, and may remember; as it lies there now she does not.
    Desks::carry(&desks.home, &desks.eve, b"alice");
    assert_eq!(body(&desks.eves(), b"alice"), Err("record-broken"));
    // What she makes nobody believes: neither who was there all the time nor who comes now, nor the check.
    let eves = desks.eves();
    eves.commit(&[put("person", b"mallory", None, b"admin")]).unwrap();
    assert_eq!(body(&eves, b"mallory"), Ok(Some(b"admin".to_vec())));
    Desks::carry(&desks.eve, &desks.home, b"mallory");
    for records in [&desks.records, &desks.anew().unwrap()] {
        assert_eq!(body(records, b"mallory"), Err("record-broken"));
        assert_eq!(body(records, b"alice"), Ok(Some(b"1".to_vec())));
        assert_eq!(records.find("person", "mallory").unwrap(), []);
    }
    let findings = desks.escrow.check(Some(&desks.home.officer)).unwrap().findings;
    let named: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["records person/6d616c6c6f7279: the desk did not write it as it is"]);
    // What they are found by is digested under the new key; what refers to them by its digest is not lost.
    let after = lookups();
    assert!(after.iter().all(|lookup| !before.contains(lookup)));
    assert_eq!(desks.records.id_of("person", "x"), desks.eves().id_of("person", "x"));
    assert_ne!(desks.records.secret("moment"), desks.eves().secret("moment"));
    assert_eq!(desks.records.secret("moment"), desks.anew().unwrap().secret("moment"));
    // No list asks for what is done, and nothing is done twice.
    assert_eq!(desks.escrow.exposed().unwrap(), []);
    assert_eq!(custodian.renew(Depth::Merge, &mut |_| {}).unwrap().records, 0);
    let made = EventFilter { kind: Some(EventKind::DeskKeyMade), ..EventFilter::default() };
    assert_eq!(desks.escrow.events(&made).unwrap().len(), 2);
}

/// Two desks that run all the time: one writes, and the other one reads it, before, while and after the records are sealed
/// anew, in several steps.
#[test]
fn desks_go_on_while_an_officer_is_removed() {
    let desks = Desks::new();
    let names: Vec<_> = (0..450).map(|number| format!("p{number:04}")).collect();
    let all: Vec<_> = names.iter().map(|name| put("person", name.as_bytes(), None, b"0")).collect();
    desks.records.commit(&all).unwrap();
    let other = desks.anew().unwrap();
    let custodian = desks.custodian();
    let mut round = 0_u64;
    let mut go_on = |stage: &str| {
        round += 1;
        let text = round.to_string();
        for (writer, reader, name) in
            [(&desks.records, &other, &names[0]), (&other, &desks.records, names.last().unwrap())]
        {
            let next = |record: Option<&Record>| {
                assert!(record.is_some(), "{stage}");
                let (lookup, body) = (Some(name.clone()), text.clone().into_bytes().into());
                Ok::<_, EscrowError>((Next::Put { lookup, expires_at: None, body }, ()))
            };
            writer.update("person", name.as_bytes(), next).unwrap();
            let found = reader.find("person", name).unwrap();
            assert_eq!((found.len(), found[0].body.as_slice()), (1, text.as_bytes()), "{stage}");
        }
        let listed = other.list("person", b"", 1000).unwrap();
        assert_eq!(listed.len(), names.len() + 1, "{stage}");
        assert!(listed.is_sorted_by(|one, other| one.id < other.id), "{stage}");
        assert_eq!(desks.records.find("visit", "alice").unwrap()[0].body.as_slice(), b"v", "{stage}");
        let untouched = desks.records.find("person", &names[7]).unwrap();
        assert_eq!((untouched.len(), untouched[0].body.as_slice()), (1, b"0".as_slice()), "{stage}");
        assert_eq!(desks.escrow.check(Some(&desks.home.officer)).unwrap().findings, [], "{stage}");
    };
    go_on("before");
    custodian.remove(Role::Officer, "eve").unwrap();
    go_on("removed");
    let mut steps = Vec::new();
    let renewed = custodian
        .renew(Depth::Roster, &mut |step| {
            if let Renewing::Records(done) = step {
                steps.push(done);
                go_on("meanwhile");
            }
        })
        .unwrap();
    // Those that were written since the removal are sealed under the new key already.
    assert_eq!((renewed.records, steps.len()), (*steps.last().unwrap(), 3));
    assert_eq!(renewed.records, 450);
    go_on("afterwards");
    // And once more, with somebody else: what was digested twice is digested a third time.
    let member = Member::new("eve", Officer::generate().unwrap().public()).unwrap();
    custodian.add(&PublicLine { role: Role::Officer, member }).unwrap();
    custodian.remove(Role::Officer, "eve").unwrap();
    go_on("removed once more");
    custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
    go_on("afterwards once more");
    assert_eq!(other.id_of("person", "x"), desks.anew().unwrap().id_of("person", "x"));
}

/// Whoever was removed and writes to the database would like the former key to be believed again.
#[test]
fn a_former_key_does_not_come_back() {
    for hide in ["the end", "the new key", "its replacement"] {
        let desks = Desks::new();
        let custodian = desks.custodian();
        custodian.remove(Role::Officer, "eve").unwrap();
        custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
        // Something is signed afterwards, so that what is missing is missing in the middle.
        let token = reserve(&desks.escrow, "0001", b"another seed");
        let token = desks.escrow.entry(&token.to_string()).unwrap();
        let opener = desks.escrow.opener(desks.home.officer()).unwrap();
        opener.open(&token, &Disclosure::new(Purpose::Reveal)).unwrap();
        let eves = desks.eves();
        eves.commit(&[put("person", b"mallory", None, b"admin")]).unwrap();
        Desks::carry(&desks.eve, &desks.home, b"mallory");
        assert_eq!(body(&desks.records, b"mallory"), Err("record-broken"));
        let keys = "SELECT id FROM entries WHERE family = 'desk-key'";
        let kinds: &[&str] = match hide {
            "the end" => &["desk-records-sealed"],
            "its replacement" => &["desk-records-sealed", "desk-key-replaced"],
            _ => &[],
        };
        // Without the touches, the revisions have to fit again.
        for kind in kinds {
            let of = format!("(SELECT writer, sequence FROM events WHERE kind = '{kind}')");
            desks.home.sql(&format!(
                "DELETE FROM event_entries WHERE (writer, sequence) IN {of};
                 DELETE FROM events WHERE kind = '{kind}';"
            ));
        }
        if hide != "the end" {
            // The newer of both keys, with all that tells of it.
            let newest = desks.home.blobs(&format!("{keys} ORDER BY id DESC")).remove(0);
            desks.home.sql(&format!("DELETE FROM event_entries WHERE entry = {}", blob(&newest)));
            desks.home.sql(&format!("DELETE FROM entries WHERE id = {}", blob(&newest)));
        }
        desks.home.sql(
            "UPDATE entries SET revision =
                (SELECT max(revision) FROM event_entries WHERE event_entries.entry = entries.id)
             WHERE family = 'desk-key'",
        );
        // Who was there all the time remembers; who comes now looks for what is missing.
        let expected = if hide == "the new key" { "records-keyless" } else { "store-damaged" };
        assert_eq!(body(&desks.records, b"mallory"), Err(expected), "{hide}");
        assert_eq!(desks.anew().unwrap_err().code(), "store-damaged", "{hide}");
        assert_ne!(desks.escrow.check(Some(&desks.home.officer)).unwrap().findings, [], "{hide}");
    }
}

/// An officer who was removed by a program that knew nothing of it, or while a row was damaged.
#[test]
fn a_key_that_a_former_officer_knows_is_replaced_later() {
    let desks = Desks::new();
    let custodian = desks.custodian();
    let id = &desks.home.blobs("SELECT id FROM entries WHERE family = 'desk-key'")[0];
    let damage = |model: &str| {
        assert_eq!(desks.home.change(&format!("UPDATE entries SET model = {model} WHERE id = {}", blob(id))), 1);
    };
    damage("'damaged'");
    custodian.remove(Role::Officer, "eve").unwrap();
    assert_eq!(desks.escrow.roster().officers.len(), 1);
    let error = custodian.renew(Depth::Roster, &mut |_| {}).unwrap_err();
    assert_eq!(error.code(), "store-damaged");
    damage("NULL");
    assert!(desks.escrow.records_unrenewed().unwrap());
    assert_eq!(custodian.renew(Depth::Roster, &mut |_| {}).unwrap().records, 2);
    assert!(!desks.escrow.records_unrenewed().unwrap());
    desks.eves().commit(&[put("person", b"mallory", None, b"admin")]).unwrap();
    Desks::carry(&desks.eve, &desks.home, b"mallory");
    assert_eq!(body(&desks.records, b"mallory"), Err("record-broken"));
    assert_eq!(body(&desks.records, b"alice"), Ok(Some(b"1".to_vec())));
    // Whoever leaves a station takes no key of the records along, so that there is no other one.
    let line = PublicLine {
        role: Role::Station,
        member: Member::new("second", StationKey::load_or_create(&desks.home.path("second.key")).unwrap().public())
            .unwrap(),
    };
    custodian.add(&line).unwrap();
    custodian.remove(Role::Station, "second").unwrap();
    custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
    let made = EventFilter { kind: Some(EventKind::DeskKeyMade), ..EventFilter::default() };
    assert_eq!(desks.escrow.events(&made).unwrap().len(), 2);
    // A desk of somebody who is no officer any more stops.
    let (bob, path) = (Officer::generate().unwrap(), desks.home.path("bob.key"));
    bob.create_file(&path, None).unwrap();
    let member = Member::new("bob", bob.public()).unwrap();
    custodian.add(&PublicLine { role: Role::Officer, member }).unwrap();
    custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
    let clock = Arc::new(FixedClock(NOW.offset(60)));
    let theirs = Escrow::open(&desks.home.url(), desks.home.station(), &desks.home.pins(), who(), clock).unwrap();
    let bobs = theirs.records(&theirs.opener(Officer::load(&path, None).unwrap()).unwrap()).unwrap();
    assert_eq!(body(&bobs, b"alice"), Ok(Some(b"1".to_vec())));
    custodian.remove(Role::Officer, "bob").unwrap();
    assert_eq!(body(&bobs, b"alice"), Err("officer-unknown"));
    assert_eq!(bobs.commit(&[put("person", b"eve", None, b"")]).unwrap_err().code(), "officer-unknown");
    drop(fs::remove_file(path));
}

/// Somebody who was let in, and to whom nothing was opened yet, removes another one.
#[test]
fn an_officer_who_cannot_open_the_records_leaves_them_to_one_who_can() {
    let desks = Desks::new();
    let path = desks.home.path("dora.key");
    Officer::generate().unwrap().create_file(&path, None).unwrap();
    let dora = || Officer::load(&path, None).unwrap();
    let member = Member::new("dora", dora().public()).unwrap();
    desks.custodian().add(&PublicLine { role: Role::Officer, member }).unwrap();
    let doras = desks.escrow.custodian(dora()).unwrap();
    doras.remove(Role::Officer, "eve").unwrap();
    let renewed = doras.renew(Depth::Roster, &mut |_| {}).unwrap();
    assert_eq!((renewed.records, renewed.locked > 0), (0, true));
    assert!(desks.escrow.records_unrenewed().unwrap());
    assert_eq!(body(&desks.records, b"alice"), Ok(Some(b"1".to_vec())));
    assert_eq!(desks.custodian().renew(Depth::Roster, &mut |_| {}).unwrap().records, 2);
    assert!(!desks.escrow.records_unrenewed().unwrap());
    let records = desks.escrow.records(&desks.escrow.opener(dora()).unwrap()).unwrap();
    assert_eq!(body(&records, b"alice"), Ok(Some(b"1".to_vec())));
}
