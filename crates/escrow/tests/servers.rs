//! A PostgreSQL server that lets nobody in, or not this one; and what is told of it.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use oathburn_emulator::{PrivatePostgres, SUPERUSER};
use oathburn_escrow::*;
use oathburn_oath::{FixedClock, Remedy};
use support::*;

const PASSWORD: &str = "it's: \\ \"secret\"";

fn server() -> &'static PrivatePostgres {
    PrivatePostgres::shared().unwrap()
}

/// A role of this name that owns a database of this name.
fn make(name: &str) {
    server().role(name, PASSWORD).unwrap();
    server().database(name, name).unwrap();
}

fn keep(path: &Path, text: &str, mode: u32) -> String {
    let _ = fs::remove_file(path);
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

fn init(url: &str, folder: &Path) -> Result<StoreUrl, EscrowError> {
    let url: StoreUrl = url.parse().unwrap();
    let station = StationKey::load_or_create(&folder.join("station.key")).unwrap();
    let officer = Officer::generate().unwrap();
    Escrow::init(&url, &officer, &station, &Pins::new(folder.join("pins")), &who(), &FixedClock(NOW)).map(|_| url)
}

fn open(url: &StoreUrl, folder: &Path) -> Result<Escrow, EscrowError> {
    let station = StationKey::load_or_create(&folder.join("station.key")).unwrap();
    Escrow::open(url, station, &Pins::new(folder.join("pins")), who(), Arc::new(FixedClock(NOW)))
}

/// The code of a failure that repeats no secret.
fn code(result: Result<StoreUrl, EscrowError>) -> &'static str {
    let error = result.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    error.code()
}

#[test]
fn passwords_come_from_files_of_ones_own() {
    make("pat");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let url = |more: &str| format!("{}{more}", server().url("pat", "pat"));
    assert_eq!(code(init(&url(""), folder.path())), "store-login");
    let wrong = keep(&path("wrong"), "a guess, secret\n", 0o600);
    assert_eq!(code(init(&url(&format!("&password_file={wrong}")), folder.path())), "store-login");
    let shared = keep(&path("shared"), PASSWORD, 0o640);
    let error = init(&url(&format!("&password_file={shared}")), folder.path()).unwrap_err();
    assert!(matches!(&error, EscrowError::PasswordFile { problem, .. } if problem.contains("mode 640")), "{error}");
    let none = path("none").display().to_string();
    assert_eq!(code(init(&url(&format!("&passfile={none}")), folder.path())), "store-password-file");
    // Where only the default has it, and where a file is named.
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    let line = format!("127.0.0.1:{}:pat:pat:{escaped}\n", server().port());
    let passfile = keep(&path("pass"), &line, 0o600);
    let made = init(&url(&format!("&passfile={passfile}")), folder.path()).unwrap();
    assert!(open(&made, folder.path()).unwrap().check(None).unwrap().is_sound());
    let by_default = url("").parse::<StoreUrl>().unwrap().with_default_passfile(&passfile);
    let escrow = open(&by_default, folder.path()).unwrap();
    // It is the same store, however it is asked for.
    assert!(!escrow.is_first_use());
    let alone = keep(&path("alone"), &format!("{PASSWORD}\nnot this\n"), 0o400);
    assert_eq!(code(init(&url(&format!("&password_file={alone}")), folder.path())), "store-exists");
}

#[test]
fn a_server_that_is_not_the_one_that_was_meant_gets_no_password() {
    make("tess");
    let folder = tempfile::tempdir().unwrap();
    let password = keep(&folder.path().join("password"), PASSWORD, 0o600);
    let (port, authority) = (server().port(), server().authority());
    let address = |host: &str, rest: &str| format!("postgres://tess@{host}:{port}/tess?password_file={password}{rest}");
    let root = format!("&sslrootcert={}", authority.display());
    // A name that its certificate does not have, an authority that did not sign it, and none at all.
    assert_eq!(code(init(&address("127.0.0.2", &root), folder.path())), "store-tls");
    assert_eq!(code(init(&address("127.0.0.1", ""), folder.path())), "store-tls");
    let empty = keep(&folder.path().join("empty.pem"), "", 0o600);
    for file in [empty.as_str(), "/nowhere/at/all.pem"] {
        assert_eq!(code(init(&address("127.0.0.1", &format!("&sslrootcert={file}")), folder.path())), "store-tls");
    }
    init(&address("localhost", &root), folder.path()).unwrap();
}

#[test]
fn databases_that_are_missing_foreign_or_unsuitable_are_told_apart() {
    make("dora");
    let folder = tempfile::tempdir().unwrap();
    let socket = |role: &str, database: &str| {
        let (folder, port) = (server().socket_folder().display(), server().port());
        format!("postgres://{role}@/{database}?host={folder}&port={port}")
    };
    assert_eq!(code(init(&socket("dora", "nothing"), folder.path())), "store-database-missing");
    assert_eq!(code(init(&socket("nobody", "dora"), folder.path())), "store-login");
    let latin = "create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0";
    server().sql(SUPERUSER, latin).unwrap();
    assert_eq!(code(init(&socket("dora", "latin"), folder.path())), "store-unsuitable");
    // Its owner alone makes schemas in a database.
    server().role("guest", PASSWORD).unwrap();
    assert_eq!(code(init(&socket("guest", "dora"), folder.path())), "store-rights");
    let url: StoreUrl = socket("dora", "dora").parse().unwrap();
    assert_eq!(open(&url, folder.path()).err().unwrap().code(), "store-missing");
    assert_eq!(Escrow::format_of(&url).unwrap_err().code(), "store-missing");
    // A schema of the same name that is somebody else's.
    server().sql("dora", "create schema oathburn").unwrap();
    assert_eq!(code(init(&socket("dora", "dora"), folder.path())), "store-rights");
    let theirs = "alter schema oathburn owner to dora; create table oathburn.events (burned int)";
    server().sql("dora", theirs).unwrap();
    assert_eq!(code(init(&socket("dora", "dora"), folder.path())), "store-not-escrow");
    assert_eq!(open(&url, folder.path()).err().unwrap().code(), "store-not-escrow");
    // An empty one was made for us; and a store of the future.
    server().sql("dora", "drop schema oathburn cascade; create schema oathburn authorization dora").unwrap();
    init(&socket("dora", "dora"), folder.path()).unwrap();
    assert_eq!(Escrow::format_of(&url).unwrap(), (6, 6));
    server().sql("dora", "update oathburn.store_format set version = 99").unwrap();
    assert_eq!(open(&url, folder.path()).err().unwrap().code(), "store-newer");
    // Nobody listens there, and nobody is waited for.
    let away = "postgres://dora@127.0.0.1:1/dora?sslmode=disable";
    assert_eq!(code(init(away, folder.path())), "store-unavailable");
}
