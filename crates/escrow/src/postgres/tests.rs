//! The tables, on a server of our own.

use oathburn_emulator::{PrivatePostgres, SUPERUSER};

use super::*;
use crate::StoreUrl;
use crate::store::RecordRow;

fn database(name: &str) -> PostgresUrl {
    let server = PrivatePostgres::shared().unwrap();
    server.database(name, SUPERUSER).unwrap();
    let (folder, port) = (server.socket_folder().display(), server.port());
    let url = format!("postgres://{SUPERUSER}@/{name}?host={folder}&port={port}").parse().unwrap();
    match url {
        StoreUrl::Postgres(url) => url,
        StoreUrl::Sqlite(_) => unreachable!("the address begins with postgres"),
    }
}

/// What `escrow check` compares with. After a new migration: `OATHBURN_UPDATE=1 cargo test -p oathburn-escrow tables_are`.
#[test]
fn tables_are_as_the_list_says() {
    assert_eq!(usize::try_from(format::FORMAT), Ok(format::MIGRATIONS.len()));
    let url = database("structure");
    PostgresStore::make(&url, None, |_| Ok(()), || Ok(())).unwrap();
    let store = PostgresStore::open(&url).unwrap();
    let slot = store.slot();
    let session = slot.session.as_ref().unwrap();
    let found = structure::catalog(session).unwrap();
    let text = format!("{}\n", found.join("\n"));
    if std::env::var_os("OATHBURN_UPDATE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/structure.txt"), &text).unwrap();
    }
    assert_eq!(text, structure::EXPECTED, "OATHBURN_UPDATE=1 writes it anew");
    assert_eq!(structure::problems(session).unwrap(), Vec::<String>::new());
}

/// Two desks change one record. Whoever is slower runs again, on what the other one wrote; the fourth time nobody else writes.
#[test]
fn a_transaction_that_another_one_overtook_runs_again() {
    let url = database("overtaken");
    PostgresStore::make(&url, None, |_| Ok(()), || Ok(())).unwrap();
    let [slow, fast] = [(), ()].map(|()| PostgresStore::open(&url).unwrap());
    let write = |version| {
        let row = RecordRow {
            kind: "throttle".into(),
            id: vec![7; 32],
            version,
            lookup: None,
            expires_at: None,
            body: vec![7; 40],
        };
        Ok(Commit { records: vec![row], ..Commit::default() })
    };
    fast.commit(&mut |_| write(1)).unwrap();
    let mut seen = Vec::new();
    slow.commit(&mut |view| {
        let version = view.record("throttle", &[7; 32])?.unwrap().version;
        seen.push(version);
        if seen.len() < 4 {
            fast.commit(&mut |_| write(version + 1))?;
        }
        write(version + 10)
    })
    .unwrap();
    assert_eq!(seen, [1, 2, 3, 4]);
    let left = crate::store::read(&fast, |view| view.record("throttle", &[7; 32])).unwrap();
    assert_eq!(left.unwrap().version, 14);
}

#[test]
fn migrations_have_the_numbers_and_names_that_a_file_has() {
    let names = |engine: &str| {
        let folder = format!("{}/migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = files.filter(|name| name != "structure.txt").collect();
        names.sort();
        names
    };
    assert_eq!(names("postgres"), names("sqlite"));
    assert_eq!(names("postgres").len(), format::MIGRATIONS.len());
}
