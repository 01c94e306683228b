//! What strangers try at the desk as a whole: answers that nobody takes, stores that are put back.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use oathburn_desk::{Limits, Settings};
use oathburn_escrow::{Escrow, Member, Pins, PublicLine, StationKey, StoreUrl, Writer};
use oathburn_oath::{Clock, Remedy as _};
use support::*;

/// Requests one after the other on one connection, and nobody reads what comes back: the desk does not keep it for ever.
#[test]
fn an_answer_that_nobody_takes_comes_to_an_end() {
    let limits = Limits { write_time: Duration::from_millis(50), connections_each: 1, ..Limits::default() };
    for tls in [false, true] {
        let server = Server::with(Arc::new(Home::new()), tls, Settings { limits, ..Settings::default() });
        // Far more than the system keeps for both ends.
        let asked = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(400);
        let whole = 400 * oathburn_desk::openapi().len();
        let mut plain = server.connect();
        let mut read = Vec::new();
        if tls {
            plain = {
                let mut stream = server.connect_tls(server.client_config(rustls::ALL_VERSIONS));
                let _ = stream.write_all(asked.as_bytes()).and_then(|()| stream.flush());
                stream.sock
            };
        } else {
            plain.write_all(asked.as_bytes()).unwrap();
        }
        // The address has one connection: there is room for another when this one was cut.
        while server.get("/healthz").status != 200 {}
        let _ = plain.read_to_end(&mut read);
        assert!(read.len() < whole, "{} of {whole}", read.len());
    }
}

/// Whoever writes the database puts the roster back to what it was.
#[test]
fn no_desk_begins_with_an_older_roster() {
    let manned = Manned::new();
    let clock = manned.clock.clone() as Arc<dyn Clock>;
    let home = &manned.server.home;
    let newcomer = StationKey::create(&home.path("newcomer.key")).unwrap().public();
    let line = PublicLine { role: oathburn_escrow::Role::Station, member: Member::new("newcomer", newcomer).unwrap() };
    home.escrow(&clock).custodian(home.officer()).unwrap().add(&line).unwrap();
    drop(home.escrow(&clock));
    let database = rusqlite::Connection::open(home.path("escrow.db")).unwrap();
    let sql = "PRAGMA foreign_keys = OFF; DELETE FROM rosters WHERE version = (SELECT max(version) FROM rosters)";
    database.execute_batch(sql).unwrap();
    drop(database);
    let store = StoreUrl::sqlite(home.path("escrow.db"));
    let who = Writer { operator: None, uid: 1000, host: "desk".into() };
    let station = StationKey::load_or_create(&home.path("station.key")).unwrap();
    let opened = Escrow::open(&store, station, &Pins::new(home.path("pins")), who, clock);
    assert_eq!(opened.err().unwrap().code(), "roster-older");
}
