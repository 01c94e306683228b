//! Whoever can write to the database, as its administrator can, neither reads nor forges: each change is found and named.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::sync::Arc;

use oathburn_emulator::{PrivatePostgres, SUPERUSER};
use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy};
use support::*;

/// A store with something in every table, in a database that others are made of.
fn complete(home: &Home) -> Database {
    let escrow = home.open();
    for number in 0..3 {
        let id = reserve(&escrow, &format!("000{number}"), format!("seed of token number {number}").as_bytes());
        escrow.mark_programmed(id, &Programmed::default()).unwrap();
    }
    let lines = [new_line("ada@example.org"), new_line("bob@example.org")];
    let batch = escrow.create_batch(&NewBatch { name: "box", options: Facts::new(), lines: &lines }).unwrap();
    burn_line(&escrow, batch, "1001", b"seed of the first line");
    let records = escrow.records(&escrow.opener(home.officer()).unwrap()).unwrap();
    records.commit(&[put("person", b"alice", None, b"what the desk keeps")]).unwrap();
    let database = Database::new();
    Escrow::copy(&home.url(), &database.url(), &home.pins(), &mut |_| {}).unwrap();
    database
}

/// The store after some statements of its administrator, as somebody who has not seen it before opens it.
fn changed(home: &Home, model: &Database, number: usize, statements: &str) -> Result<Escrow, EscrowError> {
    let server = PrivatePostgres::shared().unwrap();
    let database = Database(format!("{}_{number}", model.0));
    server.sql(SUPERUSER, &format!("create database {} template {}", database.0, model.0)).unwrap();
    database.sql(statements);
    let pins = Pins::new(home.path(&format!("pins{number}")));
    Escrow::open(&database.url(), home.station(), &pins, who(), Arc::new(FixedClock(NOW.offset(60))))
}

const FIRST: &str = "(SELECT id FROM entries ORDER BY id LIMIT 1)";

#[test]
fn every_row_that_was_changed_is_named() {
    let home = Home::new();
    let model = complete(&home);
    let last =
        "(writer, sequence) = (SELECT writer, max(sequence) FROM events GROUP BY writer ORDER BY 2 DESC LIMIT 1)";
    let rows = [
        ("entries", format!("UPDATE entries SET upn = 'eve@example.org' WHERE id = {FIRST}")),
        ("entries", format!("UPDATE entries SET serial = '9999' WHERE id = {FIRST}")),
        ("entries", format!("UPDATE entries SET state = 'retired' WHERE id = {FIRST}")),
        ("entries", format!("UPDATE entries SET revision = revision + 1 WHERE id = {FIRST}")),
        (
            "entries",
            format!(
                "UPDATE entries SET ciphertext = set_byte(ciphertext, 5, get_byte(ciphertext, 5) # 1) WHERE id = {FIRST}"
            ),
        ),
        (
            "entries",
            format!(
                "UPDATE entries SET (nonce, ciphertext, tag) = (SELECT nonce, ciphertext, tag FROM entries
                    ORDER BY id OFFSET 1 LIMIT 1) WHERE id = {FIRST}"
            ),
        ),
        ("event_entries", format!("DELETE FROM entries WHERE id = {FIRST}")),
        ("entries", format!("DELETE FROM event_entries WHERE entry = {FIRST}")),
        ("events", "UPDATE events SET host = 'elsewhere' WHERE sequence = 2".into()),
        ("events", "UPDATE events SET reason = 'because' WHERE sequence = 3".into()),
        ("events", "UPDATE events SET time = time + 1 WHERE sequence = 4".into()),
        ("events", "DELETE FROM events WHERE sequence = 2".into()),
        ("events", format!("UPDATE events SET signature = '\\x{}' WHERE {last}", "00".repeat(64))),
        ("event_entries", "UPDATE event_entries SET facts = '{\"upn\":\"eve\"}'".into()),
        ("sessions", "UPDATE sessions SET created_at = created_at + 1".into()),
        ("sessions", "UPDATE sessions SET wrap = wrap || '\\x00'::bytea".into()),
        ("duplicate_keys", "UPDATE duplicate_keys SET wrap = wrap || '\\x00'::bytea".into()),
        ("batches", "UPDATE batches SET name = 'another box'".into()),
        ("batch_lines", "UPDATE batch_lines SET upn = 'eve@example.org' WHERE line = 2".into()),
        ("batch_lines", "UPDATE batch_lines SET state = 'open' WHERE line = 1".into()),
        ("batch_lines", "DELETE FROM batch_lines WHERE line = 2".into()),
        ("records", "UPDATE records SET version = version + 1".into()),
        ("records", "UPDATE records SET id = 'mallory'".into()),
    ];
    for (number, (table, statement)) in rows.into_iter().enumerate() {
        let findings = changed(&home, &model, number, &statement).unwrap().check(Some(&home.officer)).unwrap().findings;
        let named: Vec<_> = findings.iter().map(|finding| finding.table).collect();
        // What belongs to a row may be named with it.
        let close = [table, "entries", "events", "event_entries", "batch_lines"];
        assert!(!named.is_empty() && named.iter().any(|one| close.contains(one)), "{statement}: {findings:?}");
        assert!(table == "event_entries" || named.contains(&table), "{statement}: {findings:?}");
    }
}

#[test]
fn a_roster_that_nobody_signed_is_not_followed() {
    let home = Home::new();
    let model = complete(&home);
    let rosters = [
        "UPDATE rosters SET body = replace(body, 'alice', 'mallory')",
        "INSERT INTO rosters SELECT 2, replace(body, '\"version\":1', '\"version\":2'), signer, signature FROM rosters",
    ];
    for (number, statement) in rosters.into_iter().enumerate() {
        let code = changed(&home, &model, number, statement).err().unwrap().code();
        assert!(["roster-forged", "store-damaged"].contains(&code), "{statement}: {code}");
    }
}

/// Triggers, rules, views and policies could show each station another store.
#[test]
fn tables_that_are_not_as_we_made_them_are_named() {
    let home = Home::new();
    let model = complete(&home);
    let tables = [
        "CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.upn = ''x''; RETURN NEW; END';
            CREATE TRIGGER spy BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION spy()",
        "CREATE RULE quiet AS ON DELETE TO leases DO INSTEAD NOTHING",
        "CREATE TABLE more (n int)",
        "DROP INDEX entries_by_tag",
        "ALTER TABLE entries ADD COLUMN more text",
        "ALTER TABLE entries ALTER COLUMN note SET DEFAULT 'x'",
        "ALTER TABLE events DROP CONSTRAINT events_hash_key",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "ALTER TABLE leases SET UNLOGGED",
        "ALTER TABLE entries ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY few ON entries USING (false)",
        "CREATE FUNCTION length(bytea) RETURNS int LANGUAGE sql AS 'SELECT 16'",
        "CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42'",
    ];
    for (number, statement) in tables.into_iter().enumerate() {
        let findings = changed(&home, &model, number, statement).unwrap().check(None).unwrap().findings;
        assert!(findings.iter().any(|finding| finding.table == "pg_catalog"), "{statement}: {findings:?}");
    }
}
