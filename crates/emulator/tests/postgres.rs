//! The private PostgreSQL, asked by PostgreSQL's own client.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use oathburn_emulator::{Cut, EmulatorError, PostgresOptions, PostgresProxy, PrivatePostgres, SUPERUSER, Stop};

const FAST: PostgresOptions = PostgresOptions { durable: false, small_disk: None };

/// Runs a statement as a client on the network does.
fn psql(server: &PrivatePostgres, address: SocketAddr, tls: &str, password: &str, statement: &str) -> Output {
    let authority = server.authority();
    let (host, port) = (address.ip(), address.port());
    let info = format!(
        "host={host} port={port} user=bob dbname=box sslmode={tls} sslrootcert={} connect_timeout=60",
        authority.display()
    );
    let mut psql = Command::new("psql");
    psql.env("PGPASSWORD", password).args(["-XqAtc", statement, &info]).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn with_box(options: PostgresOptions) -> PrivatePostgres {
    let server = PrivatePostgres::start_new(options).unwrap();
    server.role("bob", "it's \"secret\"").unwrap();
    server.database("box", "bob").unwrap();
    server
}

const PASSWORD: &str = "it's \"secret\"";

#[test]
fn it_checks_passwords_has_a_certificate_and_starts_again_where_it_was() {
    let server = with_box(PostgresOptions::default());
    let here = server.address();
    let right = psql(&server, here, "verify-full", PASSWORD, "create table t as select 7 as n; table t");
    assert_eq!(said(&right), "7\n");
    assert!(said(&psql(&server, here, "verify-full", "guess", "select 1")).contains("password authentication failed"));
    let stranger: SocketAddr = ([127, 0, 0, 2], here.port()).into();
    assert!(said(&psql(&server, stranger, "verify-full", PASSWORD, "select 1")).contains("certificate"));
    assert_eq!(said(&psql(&server, stranger, "disable", PASSWORD, "select 1")), "1\n");

    for how in [Stop::Fast, Stop::Immediate] {
        server.stop(how).unwrap();
        assert!(said(&psql(&server, here, "disable", PASSWORD, "table t")).contains("refused"));
        server.start().unwrap();
        assert_eq!(said(&psql(&server, here, "verify-full", PASSWORD, "table t")), "7\n");
    }

    let standby = server.standby().unwrap();
    server.wait_for_standby().unwrap();
    server.sql_as("bob", "box", "insert into t values (8)").unwrap();
    let refused = psql(&standby, standby.address(), "verify-full", PASSWORD, "insert into t values (9)");
    assert!(said(&refused).contains("read-only"), "{}", said(&refused));
    server.stop(Stop::Immediate).unwrap();
    standby.promote().unwrap();
    let written = psql(&standby, standby.address(), "verify-full", PASSWORD, "insert into t values (9); table t");
    assert_eq!(said(&written), "7\n8\n9\n");

    let (folder, log) = (server.socket_folder().to_owned(), server.log());
    assert!(log.is_file());
    drop(server);
    assert!(!folder.exists());
}

#[test]
fn what_a_statement_fails_with_is_said() {
    let server = PrivatePostgres::shared().unwrap();
    let error = server.sql(SUPERUSER, "select 1;\nselect nonsense").unwrap_err();
    assert!(matches!(&error, EmulatorError::Postgres { reason, .. } if reason.contains("nonsense")), "{error}");
}

#[test]
fn a_small_disk_is_full_and_has_room_again() {
    let server = with_box(PostgresOptions { small_disk: Some(1 << 20), ..FAST });
    server.small_tablespace("bob").unwrap();
    server.sql_as("bob", "box", "create table t (b text) tablespace small").unwrap();
    let fill = "insert into t select md5(n::text) from generate_series(1, 100000) n";
    let error = server.sql_as("bob", "box", fill).unwrap_err().to_string();
    assert!(error.contains("No space left on device"), "{error}");
    server
        .sql_as("bob", "box", "drop table t; create table t (b text) tablespace small; insert into t values ('small')")
        .unwrap();
}

#[test]
fn the_network_cuts_where_it_is_told() {
    let server = with_box(FAST);
    let proxy = PostgresProxy::start(server.address()).unwrap();
    let ask = |statement: &str| said(&psql(&server, proxy.address(), "disable", PASSWORD, statement));
    let count = || server.sql("box", "select count(*) from t").unwrap();
    assert_eq!(ask("create table t (n int); select 1"), "1\n");
    let commit = "begin; insert into t values (1); select 2";
    let steps = |last: &str| {
        let info = format!("host=127.0.0.1 port={} user=bob dbname=box sslmode=disable", proxy.address().port());
        let mut psql = Command::new("psql");
        psql.env("PGPASSWORD", PASSWORD).args(["-XqAt", "-c", commit, "-c", last, &info]);
        said(&psql.output().unwrap())
    };
    proxy.cut(Cut::BeforeCommit);
    assert!(steps("commit").contains("server closed the connection"));
    assert_eq!((count(), proxy.cuts()), ("0\n".to_owned(), 1));
    proxy.cut(Cut::AfterCommit);
    assert!(steps("commit").contains("server closed the connection"));
    assert_eq!((count(), proxy.cuts()), ("1\n".to_owned(), 2));
    proxy.wait_for_cuts(2);
    // The password is the first message with a type (an answer to SCRAM is the second), the statement the third.
    proxy.cut(Cut::AtMessage(3));
    assert!(ask("insert into t values (2)").contains("server closed the connection"));
    assert_eq!(count(), "1\n");
    assert_eq!(ask("select 3"), "3\n");

    proxy.delay(Duration::from_millis(3));
    assert_eq!(said(&psql(&server, proxy.address(), "verify-full", PASSWORD, "select 4")), "4\n");
    proxy.delay(Duration::ZERO);
    proxy.refuse(true);
    assert!(ask("select 5").contains("closed the connection"));
    proxy.refuse(false);
    proxy.fall_silent(true);
    let info = format!("host=127.0.0.1 port={} user=bob dbname=box connect_timeout=60", proxy.address().port());
    let waiting = Command::new("psql")
        .env("PGPASSWORD", PASSWORD)
        .args(["-XqAtc", "select 6", &info])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while proxy.connections() == 0 {
        std::thread::yield_now();
    }
    proxy.fall_silent(false);
    assert_eq!(said(&waiting.wait_with_output().unwrap()), "6\n");
}

/// Not a test: what the next one starts and kills.
#[test]
#[ignore = "holds a server until it is killed"]
fn hold_a_server() {
    let server = PrivatePostgres::start_new(FAST).unwrap();
    println!("folder {}", server.socket_folder().display());
    std::io::stdout().flush().unwrap();
    std::thread::park();
}

#[test]
fn a_server_does_not_outlive_who_started_it() {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["hold_a_server", "--exact", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut folders = lines.filter_map(|line| line.split_once("folder ").map(|(_, folder)| PathBuf::from(folder)));
    let folder = folders.next().unwrap();
    assert!(folder.join("data/postmaster.pid").exists());
    holder.kill().unwrap();
    holder.wait().unwrap();
    // Somebody else clears away, and says nothing to us.
    while folder.exists() {
        std::thread::yield_now();
    }
}
