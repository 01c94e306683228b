//! The rights that docs/postgresql.md grants: enough for the work of stations and officers, and for nothing else.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use oathburn_emulator::{PostgresOptions, PrivatePostgres, SUPERUSER};
use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy};
use support::*;

/// A person at a machine, who logs in as a role.
struct Person<'a> {
    server: &'a PrivatePostgres,
    role: &'static str,
    folder: PathBuf,
}

impl<'a> Person<'a> {
    fn new(server: &'a PrivatePostgres, role: &'static str, home: &Home) -> Self {
        let folder = home.path(role);
        fs::create_dir(&folder).unwrap();
        Officer::generate().unwrap().create_file(&folder.join("officer.key"), None).unwrap();
        Self { server, role, folder }
    }

    fn url(&self) -> StoreUrl {
        let (folder, port) = (self.server.socket_folder().display(), self.server.port());
        format!("postgres://{}@/escrow?host={folder}&port={port}", self.role).parse().unwrap()
    }

    fn officer(&self) -> Officer {
        Officer::load(&self.folder.join("officer.key"), None).unwrap()
    }

    fn station(&self) -> StationKey {
        StationKey::load_or_create(&self.folder.join("station.key")).unwrap()
    }

    fn pins(&self) -> Pins {
        Pins::new(self.folder.join("pins"))
    }

    fn open(&self) -> Escrow {
        let clock = Arc::new(FixedClock(NOW.offset(60)));
        Escrow::open(&self.url(), self.station(), &self.pins(), who(), clock).unwrap()
    }

    fn line(&self, role: Role) -> PublicLine {
        let keys = if role == Role::Officer { self.officer().public() } else { self.station().public() };
        PublicLine { role, member: Member::new(self.role, keys).unwrap() }
    }

    fn may_not(&self, statement: &str) {
        let error = self.server.sql_as(self.role, "escrow", statement).unwrap_err().to_string();
        let refused = ["permission denied", "must be owner", "must be superuser", "must be member"];
        assert!(refused.iter().any(|words| error.contains(words)), "{} {statement}: {error}", self.role);
    }
}

/// The statements of the page, block by block.
fn statements() -> Vec<&'static str> {
    let page = include_str!("../../../docs/postgresql.md");
    page.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What nobody but the owner may do: what is signed stays as it was signed.
const NEVER: &[&str] = &[
    "UPDATE oathburn.events SET host = 'elsewhere'",
    "DELETE FROM oathburn.events",
    "TRUNCATE oathburn.events CASCADE",
    "UPDATE oathburn.event_entries SET facts = '{}'",
    "DELETE FROM oathburn.event_entries",
    "UPDATE oathburn.writers SET id = id + 1",
    "DELETE FROM oathburn.writers",
    "UPDATE oathburn.rosters SET body = ''",
    "DELETE FROM oathburn.rosters",
    "INSERT INTO oathburn.escrow SELECT * FROM oathburn.escrow",
    "UPDATE oathburn.escrow SET created_at = 0",
    "DELETE FROM oathburn.entries",
    "UPDATE oathburn.entries SET serial = '1'",
    "UPDATE oathburn.entries SET reserved_at = 1",
    "UPDATE oathburn.batches SET name = 'x'",
    "DELETE FROM oathburn.batches",
    "UPDATE oathburn.batch_lines SET upn = 'eve@example.org'",
    "DELETE FROM oathburn.batch_lines",
    "UPDATE oathburn.leases SET station = ''",
    "UPDATE oathburn.store_format SET version = 1",
    "ALTER TABLE oathburn.events DISABLE TRIGGER ALL",
    "ALTER TABLE oathburn.events DROP COLUMN reason",
    "DROP TABLE oathburn.leases",
    "CREATE TABLE oathburn.more (n int)",
    "CREATE INDEX ON oathburn.events (host)",
    "CREATE TRIGGER t BEFORE INSERT ON oathburn.events FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "ALTER SCHEMA oathburn RENAME TO gone",
    "SET session_replication_role = replica",
    "SET ROLE escrow_owner",
];

/// What an officer may do, and a station may not.
const OFFICERS_ONLY: &[&str] = &[
    "INSERT INTO oathburn.rosters SELECT version + 1, body, signer, signature FROM oathburn.rosters",
    "INSERT INTO oathburn.duplicate_keys SELECT * FROM oathburn.duplicate_keys",
    "UPDATE oathburn.sessions SET wrap = ''",
    "DELETE FROM oathburn.sessions",
    "UPDATE oathburn.duplicate_keys SET wrap = ''",
    "UPDATE oathburn.entries SET ciphertext = ''",
    "INSERT INTO oathburn.records SELECT * FROM oathburn.records",
    "DELETE FROM oathburn.records",
];

#[test]
fn stations_and_officers_have_the_rights_they_need_and_no_more() {
    let server = PrivatePostgres::start_new(PostgresOptions { durable: false, small_disk: None }).unwrap();
    let home = Home::new();
    let blocks = statements();
    let [database, rights, login] = blocks.as_slice() else { panic!("{blocks:?}") };
    server.sql(SUPERUSER, database).unwrap();
    let owner = Person::new(&server, "escrow_owner", &home);
    Escrow::init(&owner.url(), &owner.officer(), &owner.station(), &owner.pins(), &who(), &FixedClock(NOW)).unwrap();
    server.sql("escrow", rights).unwrap();
    server.sql("escrow", login).unwrap();
    server.sql("escrow", &login.replace("branch", "olga").replace("oathburn_station", "oathburn_officer")).unwrap();
    let (branch, olga) = (Person::new(&server, "branch", &home), Person::new(&server, "olga", &home));
    let founder = owner.open().custodian(owner.officer()).unwrap();
    founder.add(&branch.line(Role::Station)).unwrap();
    founder.add(&olga.line(Role::Station)).unwrap();
    founder.add(&olga.line(Role::Officer)).unwrap();
    founder.renew(Depth::Roster, &mut |_| {}).unwrap();

    // A station's work.
    let escrow = branch.open();
    let seed = b"a seed that is burned once";
    let id = reserve(&escrow, "0001", seed);
    escrow.mark_programmed(id, &Programmed { drift_seconds: Some(3), ..Programmed::default() }).unwrap();
    escrow.assign(id, Some("ada@example.org"), None, None).unwrap();
    let lines: Vec<_> = (0..3).map(|number| new_line(&format!("user{number}@example.org"))).collect();
    let batch = escrow.create_batch(&NewBatch { name: "box", options: Facts::new(), lines: &lines }).unwrap();
    burn_line(&escrow, batch, "1001", b"seed of a line");
    let remote = RemoteHolder::new("paris");
    assert_eq!(escrow.lease_lines(batch, &remote, (1, false), NOW.offset(900)).unwrap().len(), 1);
    assert_eq!(escrow.release_remote(&remote, (None, None)).unwrap(), 1);
    escrow.cancel_batch(batch, None).unwrap();
    let added = record("2001", b"added by a station");
    escrow.import(&[Reservation { record: &added, origin: Origin::Imported, batch: None }], Facts::new()).unwrap();
    escrow.retire(id, Some("lost")).unwrap();
    escrow.backup(&home.path("backup.age"), None).unwrap();
    assert_eq!(escrow.check(None).unwrap().findings, []);

    // An officer's work at a machine of his own.
    let escrow = olga.open();
    let opener = escrow.opener(olga.officer()).unwrap();
    let entry = escrow.entry(&id.to_string()).unwrap();
    assert_eq!(opener.open(&entry, &Disclosure::new(Purpose::Reveal)).unwrap().seed.expose(), seed);
    let records = escrow.records(&opener).unwrap();
    records.commit(&[put("person", b"alice", None, b"1")]).unwrap();
    let custodian = escrow.custodian(olga.officer()).unwrap();
    let label = escrow.roster().officers[0].label.clone();
    custodian.remove(Role::Officer, &label).unwrap();
    custodian.renew(Depth::Merge, &mut |_| {}).unwrap();
    let report = escrow.check(Some(&olga.officer())).unwrap();
    assert_eq!((report.findings.as_slice(), report.opened), ([].as_slice(), report.entries));

    for statement in NEVER {
        branch.may_not(statement);
        olga.may_not(statement);
    }
    for statement in OFFICERS_ONLY {
        branch.may_not(statement);
    }
    // What the database refuses is said so, and nothing of it is there.
    let records = branch.open();
    assert_eq!(records.custodian(branch.officer()).map(drop).unwrap_err().code(), "officer-unknown");
    server.sql("escrow", "REVOKE INSERT ON oathburn.events FROM oathburn_station").unwrap();
    let again = record("3001", b"this one is refused");
    let refused = branch.open().reserve(&Reservation { record: &again, origin: Origin::Given, batch: None });
    assert_eq!(refused.unwrap_err().code(), "store-rights");
    assert_eq!(olga.open().find(&identity("3001")).unwrap(), []);
    assert!(olga.open().check(Some(&olga.officer())).unwrap().is_sound());
}
