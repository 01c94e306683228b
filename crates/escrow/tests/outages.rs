//! Connections that break, servers that stop: what was written is written once, and nothing is guessed.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use oathburn_emulator::{Cut, PostgresProxy, PrivatePostgres, SUPERUSER};
use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy};
use support::*;

const PASSWORD: &str = "a password";

/// A store that is reached through a network which breaks when it is told.
struct Far {
    home: Home,
    proxy: PostgresProxy,
    database: Database,
    role: String,
}

impl Far {
    fn new() -> Self {
        let server = PrivatePostgres::shared().unwrap();
        let database = Database::new();
        let role = database.0.clone();
        server.role(&role, PASSWORD).unwrap();
        server.sql(SUPERUSER, &format!("alter database {role} owner to {role}")).unwrap();
        let mut home = Home::new();
        std::fs::remove_file(home.path("escrow.db")).unwrap();
        let proxy = PostgresProxy::start(server.address()).unwrap();
        std::fs::write(home.path("pass"), format!("*:*:*:*:{PASSWORD}")).unwrap();
        std::fs::set_permissions(home.path("pass"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        home.officer = Officer::generate().unwrap();
        let far = Self { home, proxy, database, role };
        let (officer, station, pins) = (&far.home.officer, far.home.station(), far.home.pins());
        Escrow::init(&far.url(60), officer, &station, &pins, &who(), &FixedClock(NOW)).unwrap();
        far
    }

    fn url(&self, patience: u64) -> StoreUrl {
        let (port, pass) = (self.proxy.address().port(), self.home.path("pass"));
        let (role, pass) = (&self.role, pass.display());
        format!("postgres://{role}@127.0.0.1:{port}/{role}?sslmode=disable&passfile={pass}&patience={patience}")
            .parse()
            .unwrap()
    }

    fn open(&self, patience: u64) -> Escrow {
        let clock = Arc::new(FixedClock(NOW.offset(60)));
        Escrow::open(&self.url(patience), self.home.station(), &self.home.pins(), who(), clock).unwrap()
    }

    fn count(&self, of: &str) -> String {
        self.database.sql(&format!("SELECT count(*) FROM {of}")).trim().to_owned()
    }

    fn assert_sound(&self) {
        let report = self.open(60).check(Some(&self.home.officer)).unwrap();
        assert_eq!((report.findings.as_slice(), report.opened), ([].as_slice(), report.entries));
    }
}

fn batch_of(escrow: &Escrow, lines: usize) -> BatchId {
    let lines: Vec<_> = (0..lines).map(|number| new_line(&format!("user{number}@example.org"))).collect();
    escrow.create_batch(&NewBatch { name: "box", options: Facts::new(), lines: &lines }).unwrap()
}

/// The server hears of the commit and the station not, or neither does.
#[test]
fn what_was_committed_is_found_out() {
    let far = Far::new();
    let escrow = far.open(60);
    let batch = batch_of(&escrow, 8);
    let remote = RemoteHolder::new("paris");
    let mut cuts = 0;
    for cut in [Cut::AfterCommit, Cut::BeforeCommit] {
        let serials = [format!("1{cuts}"), format!("2{cuts}")];
        let mut cutting = || {
            far.proxy.cut(cut);
            cuts += 1;
        };
        cutting();
        let id = reserve(&escrow, &serials[0], serials[0].as_bytes());
        cutting();
        escrow.mark_programmed(id, &Programmed::default()).unwrap();
        cutting();
        // One line, not two.
        let before: u32 = far.count("leases").parse().unwrap();
        let lease = lease(&escrow, batch, &serials[1]);
        assert_eq!(far.count("leases"), (before + 1).to_string());
        cutting();
        let record = record(&serials[1], serials[1].as_bytes());
        let entry = escrow.reserve_line(&lease, &record, Origin::Generated).unwrap();
        cutting();
        escrow.mark_programmed(entry, &Programmed::default()).unwrap();
        cutting();
        escrow.release(&lease).unwrap();
        assert_eq!(far.count("leases"), before.to_string());
        cutting();
        assert_eq!(escrow.lease_lines(batch, &remote, (2, false), NOW.offset(900)).unwrap().len(), 2);
        assert_eq!(far.count("leases"), (before + 2).to_string());
    }
    assert_eq!(far.proxy.cuts(), cuts);
    assert_eq!(escrow.release_remote(&remote, (None, None)).unwrap(), 4);
    assert_eq!(escrow.line_counts(batch).unwrap(), LineCounts { open: 6, reserved: 0, done: 2, failed: 0 });
    assert_eq!(far.count("entries"), "4");
    far.assert_sound();
}

/// Records leave no event behind.
#[test]
fn records_are_written_once_wherever_the_connection_breaks() {
    let far = Far::new();
    let escrow = far.open(60);
    let records = escrow.records(&escrow.opener(far.home.officer()).unwrap()).unwrap();
    for (id, cut) in [(b"1", Cut::AfterCommit), (b"2", Cut::BeforeCommit)] {
        far.proxy.cut(cut);
        records.commit(&[put("person", id, None, b"once")]).unwrap();
        let version = records.get("person", id).unwrap().unwrap().version;
        far.proxy.cut(cut);
        records.commit(&[put("person", id, Some(version), b"twice")]).unwrap();
        assert_eq!(records.get("person", id).unwrap().unwrap().version, version + 1);
        far.proxy.cut(cut);
        records.commit(&[Change::Delete { kind: "person", id, expected_version: version + 1 }]).unwrap();
        assert_eq!(records.get("person", id).unwrap(), None);
    }
    assert_eq!(far.proxy.cuts(), 6);
}

/// Deeds of many, which share a transaction: all of them once.
#[test]
fn deeds_that_are_written_together_are_written_once() {
    let far = Far::new();
    let escrow = far.open(60);
    let id = reserve(&escrow, "1", b"the seed of a token");
    let entry = escrow.entry(&id.to_string()).unwrap();
    let opener = escrow.opener(far.home.officer()).unwrap();
    let records = escrow.records(&opener).unwrap();
    let disclosure = Disclosure::new(Purpose::ShowCodes);
    for cut in [Cut::AfterCommit, Cut::BeforeCommit, Cut::AtMessage(9)] {
        far.proxy.cut(cut);
        let mut given = Vec::new();
        records
            .together(&opener, &mut |together| {
                let one = |number| {
                    together.deed(|together| together.disclose(&format!("clerk{number}"), &entry, &disclosure))
                };
                given = (0..4).map(one).map(|deed| deed.is_ok()).collect();
            })
            .unwrap();
        assert_eq!(given, [true; 4]);
    }
    assert_eq!(far.proxy.cuts(), 3);
    assert_eq!(far.count("events WHERE kind = 'code-disclosed'"), "12");
    far.assert_sound();
}

/// At each message of a burn: the work goes on, and is done once.
#[test]
fn a_connection_that_breaks_anywhere_is_made_again() {
    let far = Far::new();
    let escrow = far.open(60);
    reserve(&escrow, "0", b"the statements are prepared by now");
    let (mut number, mut unbroken) = (0, 0);
    while unbroken < 2 {
        number += 1;
        let before = far.proxy.cuts();
        far.proxy.cut(Cut::AtMessage(number));
        let serial = format!("1{number:03}");
        let id = reserve(&escrow, &serial, serial.as_bytes());
        assert_eq!(escrow.find(&identity(&serial)).unwrap()[0].id, id);
        // Some messages were sent for connecting again.
        unbroken += u32::from(far.proxy.cuts() == before);
        assert!(number < 200);
    }
    assert!(number > 20, "{number}");
    far.proxy.cut(Cut::AtMessage(usize::MAX));
    assert_eq!(far.count("entries"), (number + 1).to_string());
    far.assert_sound();
}

#[test]
fn where_nobody_can_be_asked_nothing_is_claimed() {
    let far = Far::new();
    let escrow = far.open(1);
    reserve(&escrow, "1", b"the first one");
    for (serial, cut, written) in [("2", Cut::AfterCommit, 1), ("3", Cut::BeforeCommit, 0)] {
        far.proxy.cut(cut);
        far.proxy.refuse(true);
        let reservation = record(serial, serial.as_bytes());
        let reserve =
            |escrow: &Escrow| escrow.reserve(&Reservation { record: &reservation, origin: Origin::Given, batch: None });
        assert_eq!(reserve(&escrow).unwrap_err().code(), "store-uncertain");
        // Before the order to write it is known that nothing was written.
        assert_eq!(reserve(&escrow).unwrap_err().code(), "store-unavailable");
        far.proxy.refuse(false);
        assert_eq!(escrow.find(&identity(serial)).unwrap().len(), written);
        // The same once more is another try of the same token.
        reserve(&escrow).unwrap();
        assert_eq!(escrow.find(&identity(serial)).unwrap().len(), written + 1);
    }
    far.assert_sound();
}

/// Its network is away for longer than its leases last, while another station goes on with the batch.
#[test]
fn a_station_that_was_away_returns() {
    let far = Far::new();
    let escrow = far.open(1);
    let key = |name: &str| StationKey::load_or_create(&far.home.path(name)).unwrap();
    let custodian = escrow.custodian(far.home.officer()).unwrap();
    let member = Member::new("other", key("other.key").public()).unwrap();
    custodian.add(&PublicLine { role: Role::Station, member }).unwrap();
    custodian.renew(Depth::Roster, &mut |_| {}).unwrap();
    let batch = batch_of(&escrow, 6);
    burn_line(&escrow, batch, "11", b"before the network went");
    // One line is reserved for a token that lies there, and one only leased.
    let reserved = lease(&escrow, batch, "12");
    let record = record("12", b"in the middle of a burn");
    let entry = escrow.reserve_line(&reserved, &record, Origin::Generated).unwrap();
    let leased = lease(&escrow, batch, "13");
    far.proxy.refuse(true);
    far.proxy.drop_connections();
    assert_eq!(escrow.mark_programmed(entry, &Programmed::default()).unwrap_err().code(), "store-unavailable");

    let (pins, later) = (Pins::new(far.home.path("other-pins")), Arc::new(FixedClock(NOW.offset(24 * 3600))));
    let who = Writer { host: "elsewhere".into(), ..who() };
    let other = Escrow::open(&far.database.url(), key("other.key"), &pins, who, later).unwrap();
    for number in 0..4 {
        let serial = format!("2{number}");
        burn_line(&other, batch, &serial, serial.as_bytes());
    }
    // The line of the unfinished burn waits for its token.
    let claim = other.claim(batch, &identity("29").serial, None, &std::collections::HashSet::new()).unwrap();
    let line = other.lines(batch, leased.line.number - 1, 1).unwrap().remove(0);
    assert!(matches!(claim, Claim::Nothing) && line.state == LineState::Done, "{claim:?} {line:?}");
    assert_eq!(other.line_counts(batch).unwrap(), LineCounts { open: 0, reserved: 1, done: 5, failed: 0 });

    far.proxy.refuse(false);
    let taken = escrow.reserve_line(&leased, &support::record("13", b"too late"), Origin::Generated);
    assert_eq!(taken.unwrap_err().code(), "line-taken");
    escrow.mark_programmed(entry, &Programmed::default()).unwrap();
    escrow.release(&reserved).unwrap();
    assert!(escrow.finish_batch(batch).unwrap());
    assert_eq!(other.line_counts(batch).unwrap(), LineCounts { open: 0, reserved: 0, done: 6, failed: 0 });
    far.assert_sound();
}

#[test]
fn a_slow_network_that_breaks_is_only_slow() {
    let far = Far::new();
    far.proxy.delay(Duration::from_millis(2));
    let batch = batch_of(&far.open(60), 8);
    let both = std::sync::Barrier::new(2);
    let work = |name: &'static str| {
        let escrow = far.open(60);
        // Who opens a store does not wait for a server that goes away meanwhile.
        both.wait();
        for number in 0..4 {
            let serial = format!("{name}{number}");
            burn_line(&escrow, batch, &serial, serial.as_bytes());
            // Whatever is on its way then is lost, also what the other one was told.
            far.proxy.drop_connections();
        }
    };
    std::thread::scope(|scope| {
        let others = [scope.spawn(|| work("1")), scope.spawn(|| work("2"))];
        assert!(others.into_iter().all(|other| other.join().is_ok()));
    });
    assert_eq!(far.open(60).line_counts(batch).unwrap(), LineCounts { open: 0, reserved: 0, done: 8, failed: 0 });
    far.assert_sound();
}
