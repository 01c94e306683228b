//! A hostile writer of the database changes, deletes, adds and swaps: every time it is found and named.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fmt::Write as _;
use std::fs;

use oathburn_escrow::*;
use oathburn_oath::Remedy;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use support::*;

/// A store in which every table has rows and every column values.
fn complete() -> (Home, Vec<u8>) {
    let home = Home::new();
    let escrow = home.open();
    let mut one = record("0001", b"12345678901234567890");
    (one.model, one.issuer) = (Some("C302-i".into()), Some("Entra".into()));
    one.manufacturer = Some("Token2".into());
    let reservation = Reservation { record: &one, origin: Origin::Generated, batch: Some(BatchId::new()) };
    let first = escrow.reserve(&reservation).unwrap();
    escrow.mark_programmed(first, &Programmed { drift_seconds: Some(-2), ..Programmed::default() }).unwrap();
    escrow.note_verified(first, Facts::new()).unwrap();
    let again = Reservation { origin: Origin::Again, ..reservation };
    let second = home.open().reserve(&again).unwrap();
    escrow.mark_unknown(second, Facts::new()).unwrap();
    escrow.mark_programmed(second, &Programmed { drift_seconds: Some(1), ..Programmed::default() }).unwrap();
    let records = [record("0002", b"seed of an imported token"), record("0003", b"seed of another one")];
    let imports = records.each_ref().map(|record| Reservation { record, origin: Origin::Imported, batch: None });
    let imported = escrow.import(&imports, Facts::new().with("file", "tokens.csv")).unwrap();
    escrow.assign(imported[0], Some("bob@example.com"), None, Some("new hire")).unwrap();
    let annotation = Annotation {
        note: Some("for the branch".into()),
        purchase_order: Some("PO-7".into()),
        add_tags: vec!["oslo".parse().unwrap(), "2026".parse().unwrap()],
        ..Annotation::default()
    };
    escrow.annotate(&imported, &annotation, None).unwrap();
    escrow.note_exported(&imported[..1], "entra", Some("weekly")).unwrap();
    escrow.note_activated(&imported[..1], Facts::new(), None).unwrap();
    burned_batch(&escrow);
    // The last event of a chain leaves no gap: it is found by the entry that it touched.
    escrow.unassign(imported[1], None).unwrap();
    escrow.retire(imported[1], Some("lost")).unwrap();
    let opener = escrow.opener(home.officer()).unwrap();
    opener.open(&escrow.entry(&second.to_string()).unwrap(), &Disclosure::new(Purpose::Reveal)).unwrap();
    assert_eq!(escrow.check(Some(&home.officer)).unwrap().findings, []);
    drop((escrow, opener));
    let bytes = fs::read(home.path("escrow.db")).unwrap();
    assert!(!home.path("escrow.db-wal").exists());
    (home, bytes)
}

/// A batch that is over: a prescribed seed that was burned, and a line that failed.
fn burned_batch(escrow: &Escrow) {
    let mut lines = [new_line("dave@example.com"), new_line("eve@example.com")];
    lines[0].seed = Some(oathburn_oath::Seed::new(b"a seed from the list".to_vec()).unwrap());
    lines[0].serial = Some(identity("0007").serial);
    (lines[0].issuer, lines[0].label) = (Some("Entra".into()), Some("desk 7".into()));
    let new = NewBatch { name: "users.csv", options: Facts::new().with("replace", 1), lines: &lines };
    let batch = escrow.create_batch(&new).unwrap();
    burn_line(escrow, batch, "0007", b"a seed from the list");
    escrow.fail_line(batch, 2, "the token refused").unwrap();
    assert!(escrow.finish_batch(batch).unwrap());
}

/// A table with its rows, read as they are.
struct Table {
    name: String,
    columns: Vec<String>,
    key: Vec<usize>,
    rows: Vec<Vec<Value>>,
}

fn tables(connection: &Connection) -> Vec<Table> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    let names: Vec<String> =
        connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    // The desk's records are told of by no event: what is found of them, and with which key, is in `records.rs`.
    let names = names.into_iter().filter(|name| name != "records");
    // Leases are a courtesy between processes: nothing rests on them, and whoever takes them away only makes two try one
    // line, of which one is refused.
    let names = names.into_iter().filter(|name| name != "leases");
    names.map(|name| table(connection, name)).collect()
}

fn table(connection: &Connection, name: String) -> Table {
    let mut info = connection.prepare(&format!("PRAGMA table_info({name})")).unwrap();
    let columns: Vec<(String, i64)> =
        info.query_map([], |row| Ok((row.get(1)?, row.get(5)?))).unwrap().map(Result::unwrap).collect();
    let key = (0..columns.len()).filter(|&index| columns[index].1 > 0).collect();
    let columns: Vec<_> = columns.into_iter().map(|(name, _)| name).collect();
    let mut all = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
    let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|index| row.get(index)).collect();
    let rows = all.query_map([], row).unwrap().map(Result::unwrap).collect();
    Table { name, columns, key, rows }
}

impl Table {
    /// The condition that finds a row.
    fn finds(&self, row: &[Value]) -> (String, Vec<Value>) {
        let terms: Vec<_> = self.key.iter().map(|&index| format!("{} = ?", self.columns[index])).collect();
        (terms.join(" AND "), self.key.iter().map(|&index| row[index].clone()).collect())
    }

    fn update(&self, connection: &Connection, row: &[Value], column: usize, value: &Value) {
        let (condition, key) = self.finds(row);
        let sql = format!("UPDATE {} SET {} = ? WHERE {condition}", self.name, self.columns[column]);
        let values = std::iter::once(value.clone()).chain(key);
        assert_eq!(connection.execute(&sql, params_from_iter(values)).unwrap(), 1, "{sql}");
    }

    fn delete(&self, connection: &Connection, row: &[Value]) {
        let (condition, key) = self.finds(row);
        let sql = format!("DELETE FROM {} WHERE {condition}", self.name);
        assert_eq!(connection.execute(&sql, params_from_iter(key)).unwrap(), 1, "{sql}");
    }

    fn insert(&self, connection: &Connection, row: Vec<Value>) {
        let places = vec!["?"; row.len()].join(", ");
        let sql = format!("INSERT INTO {} VALUES ({places})", self.name);
        assert_eq!(connection.execute(&sql, params_from_iter(row)).unwrap(), 1, "{sql}");
    }

    fn column(&self, name: &str) -> usize {
        self.columns.iter().position(|column| column == name).unwrap()
    }
}

/// Another value for a column.
fn other_in(column: &str, value: &Value) -> Value {
    match value {
        Value::Null if ["batch", "digest", "seed"].contains(&column) => Value::Blob(vec![7; 16]),
        Value::Null if column.ends_with("_at") || column == "drift_seconds" => Value::Integer(0),
        Value::Null => Value::Text("7".into()),
        value => other(value),
    }
}

/// Another value of the same type.
fn other(value: &Value) -> Value {
    match value {
        Value::Integer(number) => Value::Integer(number + 1000),
        Value::Text(text) => Value::Text(format!("{text}x")),
        Value::Blob(bytes) => {
            let mut bytes = bytes.clone();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            Value::Blob(bytes)
        }
        Value::Null | Value::Real(_) => panic!("there is no other value"),
    }
}

/// The same value with one bit flipped, a different one each time, as by a failing disk. Texts stay texts.
fn flipped(value: &Value, time: usize) -> Option<Value> {
    let flip = |bytes: &[u8], time: usize| {
        let mut bytes = bytes.to_vec();
        let at = time * 7 % bytes.len();
        bytes[at] ^= 1 << (time % 8);
        bytes
    };
    match value {
        Value::Integer(number) => Some(Value::Integer(number ^ (1 << (time * 11 % 63)))),
        Value::Blob(bytes) if !bytes.is_empty() => Some(Value::Blob(flip(bytes, time))),
        Value::Text(text) if !text.is_empty() => {
            let mut texts = (time..time + 8).filter_map(|time| String::from_utf8(flip(text.as_bytes(), time)).ok());
            texts.next().map(Value::Text)
        }
        _ => None,
    }
}

/// A database as the hostile writer uses it: nothing of the schema stops him.
fn hostile(home: &Home, bytes: &[u8]) -> Connection {
    for name in ["escrow.db-wal", "escrow.db-shm"] {
        let _ = fs::remove_file(home.path(name));
    }
    // Whoever opens it has seen no newer state: what is missing has to be found by what is there.
    home.forget_heads();
    fs::write(home.path("escrow.db"), bytes).unwrap();
    let connection = Connection::open(home.path("escrow.db")).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;").unwrap();
    connection
}

/// What is found: by opening, or else by checking.
enum Found {
    Refused(EscrowError),
    Findings(Vec<Finding>),
}

fn found(home: &Home, officer: Option<&Officer>) -> Found {
    let escrow = match home.try_open() {
        Ok(escrow) => escrow,
        Err(error) => return Found::Refused(error),
    };
    let mut findings = escrow.check(officer).unwrap().findings;
    findings.extend(escrow.verify_events().unwrap());
    Found::Findings(findings)
}

/// Whether the row, as it was or as it became, is named.
fn is_named(found: &Found, table: &Table, rows: &[&[Value]]) -> bool {
    let findings = match found {
        Found::Refused(error) => {
            let expected = ["escrow-other", "store-damaged", "roster-forged", "roster-older"];
            return ["escrow", "rosters"].contains(&table.name.as_str()) && expected.contains(&error.code());
        }
        Found::Findings(findings) => findings,
    };
    let mut names = Vec::new();
    for row in rows {
        for (column, value) in table.columns.iter().zip(*row) {
            match value {
                Value::Blob(id) if id.len() == 16 => names.push(EntryId::from_slice(id).unwrap().to_string()),
                Value::Integer(number) if ["id", "version"].contains(&column.as_str()) => {
                    names.push(number.to_string());
                }
                _ => {}
            }
        }
        let in_a_chain = ["events", "event_entries"].contains(&table.name.as_str());
        if let Some(Value::Integer(sequence)) = in_a_chain.then(|| &row[table.column("sequence")]) {
            names.push(format!("/{sequence}"));
        }
    }
    // What names an event names what belongs to it, and the other way round.
    let related: &[&str] = match table.name.as_str() {
        "event_entries" => &["event_entries", "events", "entries"],
        "events" => &["events", "event_entries"],
        "writers" => &["writers", "events"],
        name => &[name],
    };
    findings.iter().any(|finding| {
        let text = finding.to_string();
        related.contains(&finding.table) && (table.name == "writers" || names.iter().any(|name| text.contains(name)))
    })
}

fn describe(found: &Found) -> String {
    match found {
        Found::Refused(error) => format!("refused: {error}"),
        Found::Findings(findings) => findings.iter().fold(String::new(), |mut text, finding| {
            let _ = writeln!(text, "  {finding}");
            text
        }),
    }
}

#[test]
fn a_changed_value_in_any_column_of_any_row_is_found_and_named() {
    let (home, bytes) = complete();
    let mut count = 0;
    let tables = tables(&hostile(&home, &bytes));
    assert_eq!(tables.len(), 10);
    for table in &tables {
        assert!(!table.rows.is_empty(), "{}", table.name);
        for row in &table.rows {
            for (column, value) in row.iter().enumerate() {
                let candidate = other_in(&table.columns[column], value);
                let connection = hostile(&home, &bytes);
                table.update(&connection, row, column, &candidate);
                drop(connection);
                let mut changed = row.clone();
                changed[column] = candidate;
                let found = found(&home, Some(&home.officer));
                assert!(
                    is_named(&found, table, &[row, &changed]),
                    "{}.{} of {row:?} is not named:\n{}",
                    table.name,
                    table.columns[column],
                    describe(&found)
                );
                count += 1;
            }
        }
    }
    assert!(count > 300, "{count}");
}

#[test]
fn a_flipped_bit_in_any_column_is_found_and_named() {
    let (home, bytes) = complete();
    let mut count = 0;
    let tables = tables(&hostile(&home, &bytes));
    for table in &tables {
        for column in 0..table.columns.len() {
            let cells = table.rows.iter().map(|row| (row, flipped(&row[column], count)));
            // Of each column one cell, where it has any that is not empty.
            let Some((row, Some(candidate))) = cells.filter(|(_, flipped)| flipped.is_some()).nth(count % 2) else {
                continue;
            };
            let connection = hostile(&home, &bytes);
            table.update(&connection, row, column, &candidate);
            drop(connection);
            let mut changed = row.clone();
            changed[column] = candidate;
            let found = found(&home, Some(&home.officer));
            let named = is_named(&found, table, &[row, &changed]);
            assert!(named, "{}.{} of {row:?}: {}", table.name, table.columns[column], describe(&found));
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn columns_set_to_null_are_found() {
    let (home, bytes) = complete();
    let all = tables(&hostile(&home, &bytes));
    for table in all {
        for row in &table.rows {
            for column in (0..row.len()).filter(|&column| row[column] != Value::Null) {
                let connection = hostile(&home, &bytes);
                let (condition, key) = table.finds(row);
                let sql = format!("UPDATE {} SET {} = NULL WHERE {condition}", table.name, table.columns[column]);
                if connection.execute(&sql, params_from_iter(key)).is_err() {
                    // A column that is never null.
                    continue;
                }
                drop(connection);
                let found = found(&home, None);
                assert!(is_named(&found, &table, &[row]), "{sql} of {row:?}:\n{}", describe(&found));
            }
        }
    }
}

#[test]
fn a_deleted_row_is_found_and_named() {
    let (home, bytes) = complete();
    let all = tables(&hostile(&home, &bytes));
    for table in all {
        for row in &table.rows {
            let connection = hostile(&home, &bytes);
            table.delete(&connection, row);
            drop(connection);
            for officer in [None, Some(&home.officer)] {
                let found = found(&home, officer);
                assert!(is_named(&found, &table, &[row]), "{} {row:?}:\n{}", table.name, describe(&found));
            }
        }
    }
}

#[test]
fn values_swapped_between_rows_are_found_and_named() {
    let (home, bytes) = complete();
    let all = tables(&hostile(&home, &bytes));
    for table in all {
        for pair in table.rows.windows(2) {
            let [one, two] = pair else { unreachable!() };
            let differing = (0..one.len()).filter(|&column| one[column] != two[column]);
            for column in differing.filter(|column| !table.key.contains(column)) {
                let connection = hostile(&home, &bytes);
                if !matches!(one[column], Value::Null) {
                    table.update(&connection, one, column, &other(&one[column]));
                }
                table.update(&connection, two, column, &one[column]);
                table.update(&connection, one, column, &two[column]);
                drop(connection);
                let found = found(&home, None);
                let name = &table.columns[column];
                assert!(is_named(&found, &table, &[one, two]), "{}.{name}:\n{}", table.name, describe(&found));
            }
        }
    }
}

#[test]
fn rows_that_change_their_places_are_found_and_named() {
    let (home, bytes) = complete();
    let all = tables(&hostile(&home, &bytes));
    for table in all {
        for pair in table.rows.windows(2) {
            let [one, two] = pair else { unreachable!() };
            let connection = hostile(&home, &bytes);
            table.delete(&connection, one);
            table.delete(&connection, two);
            let (mut first, mut second) = (one.clone(), two.clone());
            for &index in &table.key {
                std::mem::swap(&mut first[index], &mut second[index]);
            }
            table.insert(&connection, first);
            table.insert(&connection, second);
            drop(connection);
            let found = found(&home, None);
            assert!(is_named(&found, &table, &[one, two]), "{} {one:?}:\n{}", table.name, describe(&found));
        }
    }
}

#[test]
fn an_added_row_is_found_and_named() {
    let (home, bytes) = complete();
    let all = tables(&hostile(&home, &bytes));
    for table in all {
        for row in &table.rows {
            let connection = hostile(&home, &bytes);
            let mut copy = row.clone();
            for &index in &table.key {
                copy[index] = other(&copy[index]);
            }
            // Columns that must differ.
            for unique in ["hash", "key"] {
                if let Some(index) = table.columns.iter().position(|column| column == unique) {
                    copy[index] = other(&copy[index]);
                }
            }
            table.insert(&connection, copy.clone());
            drop(connection);
            let found = found(&home, None);
            assert!(is_named(&found, &table, &[row, &copy]), "{} {copy:?}:\n{}", table.name, describe(&found));
        }
    }
}

#[test]
fn changes_of_the_schema_are_found() {
    let (home, bytes) = complete();
    for sql in [
        "CREATE TRIGGER spy AFTER INSERT ON entries BEGIN UPDATE entries SET upn = 'x' WHERE id = NEW.id; END",
        "CREATE TABLE more (a)",
        "CREATE VIEW more AS SELECT * FROM entries",
        "DROP INDEX entries_by_tag",
        "ALTER TABLE entries ADD COLUMN more TEXT",
    ] {
        let connection = hostile(&home, &bytes);
        connection.execute_batch(sql).unwrap();
        drop(connection);
        let Found::Findings(findings) = found(&home, None) else { panic!("{sql}") };
        assert!(findings.iter().any(|finding| finding.table == "sqlite_schema"), "{sql}");
    }
}

#[test]
fn a_changed_entry_is_not_opened_and_nothing_is_noted() {
    let (home, bytes) = complete();
    let tables = tables(&hostile(&home, &bytes));
    let entries = tables.iter().find(|table| table.name == "entries").unwrap();
    let row = &entries.rows[1];
    for (column, name) in entries.columns.iter().enumerate().skip(1) {
        let connection = hostile(&home, &bytes);
        entries.update(&connection, row, column, &other_in(name, &row[column]));
        drop(connection);
        let escrow = home.open();
        let before = escrow.events(&EventFilter::default()).unwrap().len();
        let Value::Blob(id) = &row[0] else { panic!("ids are blobs") };
        let id = EntryId::from_slice(id).unwrap();
        // A list may show what was changed; opening must not follow it.
        let opener = escrow.opener(home.officer()).unwrap();
        let result = match escrow.entry(&id.to_string()) {
            Ok(entry) => opener.open(&entry, &Disclosure::new(Purpose::Reveal)),
            Err(error) => Err(error),
        };
        assert_eq!(result.unwrap_err().code(), "store-damaged", "{name}");
        assert_eq!(escrow.events(&EventFilter::default()).unwrap().len(), before, "{name}");
    }
}

/// Between the choice of an entry and its opening somebody may have to type a passphrase.
#[test]
fn an_entry_that_was_chosen_under_another_name_is_not_opened() {
    let (home, bytes) = complete();
    for change in ["upn = 'carol@example.com'", "issuer = 'x'", "serial = '0009'", "state = 'unknown'"] {
        hostile(&home, &bytes).execute(&format!("UPDATE entries SET {change} WHERE serial = '0002'"), []).unwrap();
        let escrow = home.open();
        let chosen = escrow.entries(&Filter::default()).unwrap();
        let mine: Vec<_> = chosen.iter().filter(|entry| entry.revision == 5).collect();
        let [chosen] = mine.as_slice() else { panic!("{mine:?}") };
        drop(escrow);
        drop(hostile(&home, &bytes));
        let opener = home.open().opener(home.officer()).unwrap();
        let error = opener.open(chosen, &Disclosure::new(Purpose::ShowCodes)).unwrap_err();
        assert_eq!(error.code(), "store-damaged", "{change}");
        let honest = home.open().entry(&chosen.id.to_string()).unwrap();
        opener.open(&honest, &Disclosure::new(Purpose::ShowCodes)).unwrap();
    }
}

/// What a station signs must not rest on what somebody wrote into a row.
#[test]
fn programming_supersedes_no_entry_that_was_moved_to_the_token() {
    let (home, bytes) = complete();
    let escrow = home.open();
    let victim = escrow.find(&identity("0002")).unwrap()[0].id;
    drop(escrow);
    hostile(&home, &bytes).execute("UPDATE entries SET serial = '0001' WHERE serial = '0002'", []).unwrap();
    let escrow = home.open();
    let record = record("0001", b"the next seed of this token");
    let reservation = Reservation { record: &record, origin: Origin::Given, batch: None };
    let burned = escrow.reserve(&reservation).unwrap();
    // Whoever asks what is on the token is told that something is wrong.
    assert!(matches!(escrow.current(&identity("0001")), Err(EscrowError::Damaged { table: "entries", .. })));
    let listed = escrow.entries(&Filter::identity(&identity("0001"))).unwrap();
    let honest = listed.into_iter().find(|entry| entry.state == EntryState::Programmed);
    escrow.mark_programmed(burned, &Programmed::default()).unwrap();
    assert_eq!(escrow.entry(&burned.to_string()).unwrap().state, EntryState::Programmed);
    assert_eq!(escrow.entry(&honest.unwrap().id.to_string()).unwrap().state, EntryState::Superseded);
    assert_eq!(escrow.entry(&victim.to_string()).unwrap().state, EntryState::Imported);
    drop(escrow);
    let connection = Connection::open(home.path("escrow.db")).unwrap();
    connection.execute("UPDATE entries SET serial = '0002' WHERE id = ?1", [victim.as_bytes()]).unwrap();
    drop(connection);
    assert_eq!(home.open().check(Some(&home.officer)).unwrap().findings, []);
}

/// A token is written over when its entry is no longer live, so that must be what the events say.
#[test]
fn an_entry_in_use_cannot_be_passed_off_as_superseded() {
    let (home, bytes) = complete();
    hostile(&home, &bytes).execute("UPDATE entries SET state = 'superseded' WHERE state = 'programmed'", []).unwrap();
    let damaged = home.open().current(&identity("0001")).unwrap_err();
    assert!(matches!(damaged, EscrowError::Damaged { table: "entries", .. }), "{damaged:?}");
}

#[test]
fn nothing_is_signed_on_top_of_a_changed_row() {
    let (home, bytes) = complete();
    for change in ["state = 'programmed'", "upn = 'carol@example.com'", "serial = '0009'", "revision = 7"] {
        hostile(&home, &bytes)
            .execute(&format!("UPDATE entries SET {change} WHERE upn IS NOT NULL AND revision = 5"), [])
            .unwrap();
        let escrow = home.open();
        let all = escrow.entries(&Filter::default()).unwrap();
        let changed = all.iter().find(|entry| entry.origin == Origin::Imported && entry.state != EntryState::Retired);
        let before = escrow.events(&EventFilter::default()).unwrap().len();
        let error = escrow.assign(changed.unwrap().id, Some("dave@example.com"), None, None).unwrap_err();
        assert_eq!(error.code(), "store-damaged", "{change}");
        assert_eq!(escrow.events(&EventFilter::default()).unwrap().len(), before, "{change}");
    }
}

#[test]
fn a_session_of_a_stranger_is_not_opened() {
    let (home, bytes) = complete();
    // The hostile writer wraps a key of his own to the officer, whose recipient everybody knows.
    let recipient: age::x25519::Recipient = home.officer.public().recipient.parse().unwrap();
    let wrap = age::encrypt(&recipient, &[7; 32]).unwrap();
    let connection = hostile(&home, &bytes);
    connection.execute("UPDATE sessions SET wrap = ?1", [wrap]).unwrap();
    drop(connection);
    let escrow = home.open();
    let entry = &escrow.entries(&Filter::default()).unwrap()[0];
    let opener = escrow.opener(home.officer()).unwrap();
    let error = opener.open(entry, &Disclosure::new(Purpose::Reveal)).unwrap_err();
    assert!(matches!(error, EscrowError::Damaged { table: "sessions", .. }), "{error}");
}

#[test]
fn seeds_are_not_tagged_under_the_key_of_a_stranger() {
    let (home, bytes) = complete();
    let recipient: age::x25519::Recipient = home.station().public().recipient.parse().unwrap();
    let wrap = age::encrypt(&recipient, &[7; 32]).unwrap();
    let connection = hostile(&home, &bytes);
    connection.execute("UPDATE duplicate_keys SET wrap = ?1", [wrap]).unwrap();
    drop(connection);
    let record = record("0009", b"another seed");
    let reservation = Reservation { record: &record, origin: Origin::Given, batch: None };
    let error = home.open().reserve(&reservation).unwrap_err();
    assert!(matches!(error, EscrowError::Damaged { table: "duplicate_keys", .. }), "{error}");
}

/// A version that another process made, and somebody deleted before this one looked.
#[test]
fn a_deleted_roster_that_was_never_seen_here_is_found() {
    let home = Home::new();
    let escrow = home.open();
    let member = Member::new("newcomer", StationKey::create(&home.path("newcomer.key")).unwrap().public()).unwrap();
    let line = PublicLine { role: Role::Station, member };
    home.open().custodian(home.officer()).unwrap().add(&line).unwrap();
    assert_eq!(escrow.verify_events().unwrap(), []);
    home.sql("PRAGMA foreign_keys = OFF; DELETE FROM rosters WHERE version = (SELECT max(version) FROM rosters)");
    let findings: Vec<_> = escrow.verify_events().unwrap().iter().map(ToString::to_string).collect();
    assert!(findings.iter().any(|finding| finding.contains("the version was deleted")), "{findings:?}");
}

#[test]
fn another_escrow_at_the_same_place_is_refused() {
    let (home, bytes) = complete();
    let other = Home::new();
    fs::copy(other.path("escrow.db"), home.path("escrow.db")).unwrap();
    assert_eq!(home.try_open().err().unwrap().code(), "escrow-other");
    // The same escrow id on a foreign roster is as little use.
    let connection = Connection::open(home.path("escrow.db")).unwrap();
    let id: Vec<u8> = Connection::open_in_memory()
        .and_then(|_| hostile(&other, &bytes).query_row("SELECT id FROM escrow", [], |row| row.get(0)))
        .unwrap();
    connection.execute("UPDATE escrow SET id = ?1", [id]).unwrap();
    drop(connection);
    assert_eq!(home.try_open().err().unwrap().code(), "roster-forged");
}
