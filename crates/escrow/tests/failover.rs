//! Servers that stop, are promoted, have no room, or change under those who use them.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use oathburn_emulator::{PostgresOptions, PrivatePostgres, SUPERUSER, Stop};
use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy};
use support::*;

const PASSWORD: &str = "a password";
const HASTY: PostgresOptions = PostgresOptions { durable: false, small_disk: None };

/// A store on servers of its own.
struct Site {
    home: Home,
    url: StoreUrl,
}

impl Site {
    /// In the database `escrow` of the first of these servers.
    fn new(servers: &[&PrivatePostgres], place: &str) -> Self {
        let home = Home::new();
        servers[0].role("keeper", PASSWORD).unwrap();
        if place == "small" {
            servers[0].small_tablespace("keeper").unwrap();
            servers[0].sql(SUPERUSER, "create database escrow owner keeper tablespace small").unwrap();
        } else {
            servers[0].database("escrow", "keeper").unwrap();
        }
        let pass = home.path("pass");
        std::fs::write(&pass, PASSWORD).unwrap();
        std::fs::set_permissions(&pass, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let hosts: Vec<_> = servers.iter().map(|server| server.address().to_string()).collect();
        let hosts = hosts.join(",");
        let url = format!("postgres://keeper@{hosts}/escrow?sslmode=disable&password_file={}", pass.display());
        let site = Self { home, url: url.parse().unwrap() };
        let (officer, station, pins) = (&site.home.officer, site.home.station(), site.home.pins());
        Escrow::init(&site.url, officer, &station, &pins, &who(), &FixedClock(NOW)).unwrap();
        site
    }

    fn try_open(&self) -> Result<Escrow, EscrowError> {
        let clock = Arc::new(FixedClock(NOW.offset(60)));
        Escrow::open(&self.url, self.home.station(), &self.home.pins(), who(), clock)
    }

    fn open(&self) -> Escrow {
        self.try_open().unwrap()
    }

    fn assert_sound(&self, entries: u64) {
        let report = self.open().check(Some(&self.home.officer)).unwrap();
        let expected = ([].as_slice(), entries, entries);
        assert_eq!((report.findings.as_slice(), report.entries, report.opened), expected);
    }
}

/// In an orderly way and as if the machine had died, in the middle of a batch: every line is burned once.
#[test]
fn a_batch_goes_on_when_the_server_comes_back() {
    const LINES: usize = 12;
    let server = PrivatePostgres::start_new(PostgresOptions::default()).unwrap();
    let site = Site::new(&[&server], "");
    let lines: Vec<_> = (0..LINES).map(|number| new_line(&format!("user{number}@example.org"))).collect();
    let new = NewBatch { name: "box", options: Facts::new(), lines: &lines };
    let batch = site.open().create_batch(&new).unwrap();
    thread::scope(|scope| {
        let (sender, burned) = mpsc::channel();
        let site = &site;
        let worker = scope.spawn(move || {
            let escrow = site.open();
            for number in 0..LINES {
                let serial = format!("1{number:03}");
                loop {
                    let lease = lease(&escrow, batch, &serial);
                    let mut record = record(&serial, serial.as_bytes());
                    record.upn.clone_from(&lease.line.upn);
                    let entry = match escrow.reserve_line(&lease, &record, Origin::Generated) {
                        // A lease need not survive the death of the server: then nothing was written, as batches know.
                        Err(EscrowError::LineTaken { .. }) => continue,
                        entry => entry.unwrap(),
                    };
                    escrow.mark_programmed(entry, &Programmed::default()).unwrap();
                    escrow.release(&lease).unwrap();
                    break;
                }
                sender.send(()).unwrap();
            }
        });
        for how in [Stop::Fast, Stop::Immediate] {
            (0..3).for_each(|_| burned.recv().unwrap());
            server.stop(how).unwrap();
            server.start().unwrap();
        }
        worker.join().unwrap();
    });
    let counts = site.open().line_counts(batch).unwrap();
    assert_eq!(counts, LineCounts { open: 0, reserved: 0, done: 12, failed: 0 });
    site.assert_sound(12);
}

#[test]
fn stations_go_on_with_a_standby_that_was_promoted() {
    let server = PrivatePostgres::start_new(PostgresOptions::default()).unwrap();
    let standby = server.standby().unwrap();
    server.wait_for_standby().unwrap();
    let site = Site::new(&[&server, &standby], "");
    let escrow = site.open();
    let first = reserve(&escrow, "0001", b"on the first server");
    escrow.mark_programmed(first, &Programmed::default()).unwrap();
    server.stop(Stop::Immediate).unwrap();
    thread::scope(|scope| {
        let burning = scope.spawn(|| reserve(&escrow, "0002", b"on whichever server there is"));
        standby.promote().unwrap();
        burning.join().unwrap();
    });
    reserve(&escrow, "0003", b"on the second server");
    assert_eq!(escrow.entry(&first.to_string()).unwrap().state, EntryState::Programmed);
    // It is the same store for whoever comes anew.
    assert!(!site.open().is_first_use());
    site.assert_sound(3);
}

/// A standby that nobody waited for lacks what the first server had acknowledged.
#[test]
fn what_a_promoted_standby_has_lost_is_noticed() {
    let server = PrivatePostgres::start_new(PostgresOptions::default()).unwrap();
    let standby = server.standby().unwrap();
    server.wait_for_standby().unwrap();
    let site = Site::new(&[&server, &standby], "");
    let escrow = site.open();
    reserve(&escrow, "0001", b"on both servers");
    standby.stop(Stop::Fast).unwrap();
    server.sql(SUPERUSER, "alter system reset synchronous_standby_names").unwrap();
    server.sql(SUPERUSER, "select pg_reload_conf()").unwrap();
    let gone = reserve(&escrow, "0002", b"on the first server alone");
    escrow.mark_programmed(gone, &Programmed::default()).unwrap();
    server.stop(Stop::Immediate).unwrap();
    standby.start().unwrap();
    standby.promote().unwrap();
    let record = record("0003", b"nothing is sealed any more");
    let refused = escrow.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None });
    assert_eq!(refused.unwrap_err().code(), "store-older");
    assert_eq!(site.try_open().err().unwrap().code(), "store-older");
    let loss = Escrow::loss(&site.url, &site.home.pins()).unwrap();
    assert_eq!(loss.tokens.iter().map(|token| token.serial.as_str()).collect::<Vec<_>>(), ["0002"]);
    Escrow::accept(&site.url, &site.home.pins()).unwrap();
    reserve(&site.open(), "0004", b"on the second server");
    site.assert_sound(2);
}

#[test]
fn a_store_without_room_refuses_and_loses_nothing() {
    let options = PostgresOptions { small_disk: Some(24 << 20), ..HASTY };
    let server = PrivatePostgres::start_new(options).unwrap();
    let site = Site::new(&[&server], "small");
    let escrow = site.open();
    reserve(&escrow, "0000", b"while there is room");
    server.sql("escrow", "create table filler (text text)").unwrap();
    let fill = |rows: u32| {
        let sql = format!("insert into filler select repeat('x', 1000) from generate_series(1, {rows})");
        server.sql("escrow", &sql)
    };
    for rows in [5000, 500, 50, 1] {
        while fill(rows).is_ok() {}
    }
    let mut sealed = 1;
    let error = loop {
        let serial = format!("1{sealed:05}");
        let record = record(&serial, serial.as_bytes());
        match escrow.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None }) {
            Ok(_) => sealed += 1,
            Err(error) => break error,
        }
        assert!(sealed < 5000, "the disk is never full");
    };
    assert_eq!(error.code(), "store-full");
    server.sql("escrow", "drop table filler").unwrap();
    server.sql("escrow", "checkpoint").unwrap();
    reserve(&escrow, "0001", b"there is room again");
    site.assert_sound(sealed + 1);
}

/// Many who open a store of an older format at once: one changes it, the others wait.
#[test]
fn a_store_is_migrated_once_by_many() {
    let server = PrivatePostgres::shared().unwrap();
    let (home, database) = (Home::new(), Database::new());
    let open = || {
        let clock = Arc::new(FixedClock(NOW.offset(60)));
        Escrow::open(&database.url(), home.station(), &home.pins(), who(), clock)
    };
    Escrow::copy(&home.url(), &database.url(), &home.pins(), &mut |_| {}).unwrap();
    for round in 0..3 {
        let older = "DROP TABLE oathburn.records; ALTER TABLE oathburn.entries DROP COLUMN manufacturer;
            UPDATE oathburn.store_format SET version = 4;";
        server.sql(&database.0, older).unwrap();
        assert_eq!(Escrow::format_of(&database.url()).unwrap(), (4, 6));
        let start = Barrier::new(6);
        let opened = || {
            start.wait();
            let escrow = open().map_err(|error| error.code())?;
            Ok::<_, &str>(escrow.check(None).unwrap().findings)
        };
        thread::scope(|scope| {
            for one in [(); 6].map(|()| scope.spawn(opened)) {
                assert_eq!(one.join().unwrap(), Ok(Vec::new()));
            }
        });
        reserve(&open().unwrap(), &format!("000{round}"), format!("round {round}").as_bytes());
    }
    assert_eq!(Escrow::format_of(&database.url()).unwrap(), (6, 6));
}

/// Of many who make an escrow in one database at once one has made it.
#[test]
fn an_escrow_is_made_once_by_many() {
    let (database, folder) = (Database::new(), tempfile::tempdir().unwrap());
    let start = Barrier::new(6);
    let init = |number: usize| {
        let officer = Officer::generate().unwrap();
        let station = StationKey::load_or_create(&folder.path().join(format!("{number}/station.key"))).unwrap();
        let pins = Pins::new(folder.path().join(format!("{number}/pins")));
        start.wait();
        let made = Escrow::init(&database.url(), &officer, &station, &pins, &who(), &FixedClock(NOW));
        made.map(drop).map_err(|error| error.code())
    };
    let init = &init;
    let mut ends = thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|number| scope.spawn(move || init(number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    ends.sort();
    assert_eq!(ends, [&[Ok(())][..], &[Err("store-exists"); 5][..]].concat());
}
