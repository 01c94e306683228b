//! Stations that share an escrow in PostgreSQL: the README's chapter, word by word, and stores that move to a server and back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use oathburn_emulator::{PostgresOptions, PrivatePostgres, SUPERUSER};
use serde_json::{Value, json};

use support::{Desk, page};

/// The machine of somebody, or the shell of who keeps the server.
struct Machine {
    home: PathBuf,
    /// What was exported.
    variables: BTreeMap<String, String>,
}

/// Everything that the chapter speaks of.
struct Scene {
    desk: Desk,
    server: PrivatePostgres,
    machines: BTreeMap<String, Machine>,
}

impl Scene {
    fn new() -> Self {
        let desk = Desk::without_escrow(2);
        let server = PrivatePostgres::start_new(PostgresOptions { durable: false, small_disk: None }).unwrap();
        let machine = |name: &str| {
            let home = desk.home().join(name);
            fs::create_dir(&home).unwrap();
            (name.to_owned(), Machine { home, variables: BTreeMap::new() })
        };
        let machines = ["db", "anna", "ben", "stick"].into_iter().map(machine).collect();
        // What the page calls the statements of the other page.
        let grants =
            include_str!("../docs/postgresql.md").split("```sql\n").nth(2).unwrap().split("```").next().unwrap();
        fs::write(desk.home().join("db/grants.sql"), grants).unwrap();
        Self { desk, server, machines }
    }

    /// What the page calls by names of a world that is not here.
    fn here(&self, text: &str) -> String {
        let (port, authority) = (self.server.port(), self.server.authority());
        let stick = self.desk.home().join("stick");
        text.replace("@db.example.org", &format!("@localhost:{port}"))
            .replace("db.example.org", "localhost")
            .replace("/etc/ssl/db.pem", authority.to_str().unwrap())
            .replace("/media/stick", stick.to_str().unwrap())
    }

    fn shell(&self, name: &str) -> Command {
        let machine = &self.machines[name];
        let programs = Path::new(env!("CARGO_BIN_EXE_oathburn")).parent().unwrap();
        let mut shell = Command::new("sh");
        shell.arg("-c").current_dir(&machine.home).env_clear().env("HOME", &machine.home).env("TZ", "UTC");
        shell.env("PATH", format!("{}:/usr/bin:/bin", programs.display())).envs(&machine.variables);
        shell.env("PCSCLITE_CSOCK_NAME", self.desk.lab().socket());
        if name == "db" {
            shell.env("PGHOST", self.server.socket_folder()).env("PGPORT", self.server.port().to_string());
            shell.env("PGUSER", SUPERUSER);
        }
        shell
    }

    fn export(&mut self, name: &str, command: &str) {
        let variable = command.strip_prefix("export ").unwrap().split('=').next().unwrap().to_owned();
        let value = page::output(&mut self.shell(name), &format!("{command}; printf '%s\\n' \"${variable}\""));
        let variables = &mut self.machines.get_mut(name).unwrap().variables;
        variables.insert(variable, value.trim_end().to_owned());
    }
}

/// A program in the background, and what it printed so far.
struct Behind {
    command: String,
    expected: String,
    printed: String,
    out: BufReader<ChildStdout>,
    child: Child,
}

impl Behind {
    /// Starts a program; back when it has printed as many lines as it says before it waits for tokens.
    fn start(mut shell: Command, command: &str, expected: &str) -> Self {
        let line = command.strip_suffix(" &").unwrap();
        let mut child =
            shell.arg(format!("{{ {line}\n}} 2>&1")).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut behind = Self {
            command: command.to_owned(),
            expected: expected.to_owned(),
            printed: String::new(),
            out: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        while !behind.printed.contains(" left\n") {
            assert!(behind.out.read_line(&mut behind.printed).unwrap() > 0, "{}", behind.printed);
        }
        behind
    }

    fn finish(mut self) {
        self.out.read_to_string(&mut self.printed).unwrap();
        self.child.wait().unwrap();
        let of_the_page = |line: &&str| !line.starts_with("warning: this machine's clock is not synchronised");
        let printed: String = self.printed.lines().filter(of_the_page).flat_map(|line| [line, "\n"]).collect();
        page::compare(&self.command, &printed, &self.expected);
    }
}

#[test]
fn the_chapter_on_stations_is_true() {
    let mut scene = Scene::new();
    let (mut behind, mut hands) = (None::<Behind>, Vec::new());
    let steps = page::at_machines("README.md");
    assert!(steps.len() > 12, "{steps:?}");
    for (name, command, expected) in steps {
        let (command, expected) = (scene.here(&command), scene.here(&expected));
        if name == "emulate" {
            let mut window = UnixStream::connect(scene.desk.lab().control()).unwrap();
            writeln!(window, "{command}").unwrap();
            hands.push(thread::spawn(move || {
                let mut answer = String::new();
                BufReader::new(window).read_line(&mut answer).unwrap();
                serde_json::from_str::<Value>(&answer).unwrap()
            }));
        } else if command.starts_with("export ") {
            scene.export(&name, &command);
        } else if command.ends_with(" &") {
            behind = Some(Behind::start(scene.shell(&name), &command, &expected));
        } else {
            page::compare(&command, &page::output(&mut scene.shell(&name), &command), &expected);
            if command.contains("batch resume") {
                behind.take().unwrap().finish();
            }
        }
    }
    assert!(hands.len() == 2 && hands.into_iter().all(|hand| hand.join().unwrap()["ok"] == true));
    // Each line has a token of its own, which shows what the escrow says.
    let burned =
        scene.server.sql("escrow", "select distinct serial, upn from oathburn.entries order by serial").unwrap();
    let serials: Vec<_> = burned.lines().map(|row| row.split('|').next().unwrap()).collect();
    assert_eq!(serials, ["8659622000101", "8659622000102", "8659622000201", "8659622000202"]);
    let mut users: Vec<_> = burned.lines().map(|row| row.split('|').nth(1).unwrap()).collect();
    users.sort_unstable();
    assert_eq!(users, ["ada@example.org", "bob@example.org", "cid@example.org", "dee@example.org"]);
    let writers = "select count(*) from (select writer from oathburn.events where kind = 'programmed' group by 1
        having count(*) = 2) as two";
    assert_eq!(scene.server.sql("escrow", writers).unwrap(), "2\n");
}

/// `escrow copy` in both directions, and what `doctor` says of a server.
#[test]
fn a_store_moves_to_a_server_and_back() {
    let desk = Desk::without_readers();
    let server = PrivatePostgres::shared().unwrap();
    server.role("keeper", "a password").unwrap();
    server.database("moved", "keeper").unwrap();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n";
    desk.run_with(&["escrow", "add", "--serial", "1234567", "--seed-file", "-"], seed).expect(0);
    let other = "MFRGGZDFMZTWQ2LKNNWG23TPOA======\n";
    desk.run_with(&["escrow", "add", "--serial", "7654321", "--seed-file", "-", "--upn", "dora@example.org"], other)
        .expect(0);
    // A second version of the roster.
    let branch = Desk::without_readers();
    let line = branch.run(&["escrow", "stations", "key", "--label", "branch"]).expect(0).stdout;
    desk.run(&["escrow", "stations", "approve", "--yes", line.trim()]).expect(0);
    let url = server.url("keeper", "moved");
    let file = |name: &str| format!("sqlite:{}", desk.home().join(name).display());
    let here = format!("sqlite:{}", desk.folder().join("escrow.db").display());
    // Without a password nobody gets in, and nothing that is asked of it is repeated.
    assert_eq!(desk.run(&["escrow", "copy", &here, &url, "--json"]).expect(6).error_code(), "store-login");
    fs::write(desk.home().join(".pgpass"), "*:*:*:keeper:a password\n").unwrap();
    assert_eq!(desk.run(&["escrow", "list", "--store", &url, "--json"]).expect(6).error_code(), "store-password-file");
    fs::set_permissions(desk.home().join(".pgpass"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(desk.run(&["escrow", "list", "--store", &url, "--json"]).expect(6).error_code(), "store-missing");

    let there = desk.json(&["escrow", "copy", &here, &url]);
    assert_eq!((&there["ok"], &there["to"], &there["same"]["entries"]), (&json!(true), &json!(url), &json!(2)));
    assert_eq!(desk.run(&["escrow", "copy", &here, &url, "--json"]).expect(6).error_code(), "store-exists");
    let whole = contents(&desk, &here);
    assert!(whole.iter().all(|part| !part.is_empty()) && whole[0].contains("dora@example.org"), "{whole:?}");
    assert_eq!(contents(&desk, &url), whole);
    let codes = |store: &str| desk.json(&["code", "1234567", "--at", "59", "--store", store])["codes"].clone();
    assert_eq!(codes(&url), codes(&here));
    assert_eq!(desk.json(&["escrow", "check", "--store", &url])["ok"], true);
    // What is done on the server comes back with it.
    desk.run(&["escrow", "retire", "--serial", "7654321", "--reason", "lost", "--store", &url]).expect(0);
    let whole = contents(&desk, &url);
    let back = desk.json(&["escrow", "copy", &url, &file("back.db")]);
    assert_eq!((&back["fingerprint"], &back["same"]["rosters"]), (&there["fingerprint"], &json!(2)));
    assert_eq!(contents(&desk, &file("back.db")), whole);
    assert_eq!(codes(&file("back.db")), codes(&here));
    assert_eq!(desk.run(&["escrow", "copy", &url, &file("back.db"), "--json"]).expect(6).error_code(), "store-exists");

    // PGPASSFILE goes before the file at home.
    fs::rename(desk.home().join(".pgpass"), desk.home().join("passwords")).unwrap();
    assert_eq!(desk.run(&["escrow", "list", "--store", &url, "--json"]).expect(6).error_code(), "store-login");
    let mut named = desk.command(&["escrow", "list", "--store", &url, "--json"]);
    let listed = support::finished(named.env("PGPASSFILE", desk.home().join("passwords")).output().unwrap()).expect(0);
    assert_eq!(listed.stdout, whole[0]);
    let found = desk.run(&["doctor", "--store", &url, "--json"]).expect(6).json();
    let codes: Vec<_> = found["findings"].as_array().unwrap().iter().filter_map(|one| one["code"].as_str()).collect();
    assert!(codes.contains(&"store-login"), "{found:#}");
}

/// What a store says of itself: entries, events with their signatures, officers, stations.
fn contents(desk: &Desk, store: &str) -> Vec<String> {
    let parts: [&[&str]; 4] =
        [&["list", "--json"], &["audit", "export"], &["officers", "list", "--json"], &["stations", "list", "--json"]];
    parts.map(|part| desk.run(&[&["escrow"], part, &["--store", store]].concat()).expect(0).stdout).into()
}

/// Somebody who holds a lock on the server until he is let go.
struct Holder(Child);

impl Holder {
    fn of(server: &PrivatePostgres, database: &str, statement: &str) -> Self {
        let mut psql = Command::new("psql");
        psql.args(["--no-psqlrc", "--quiet", "--username", SUPERUSER, "--dbname", database])
            .arg("--host")
            .arg(server.socket_folder());
        psql.args(["--port", &server.port().to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = psql.spawn().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "begin; {statement};\n\\echo held").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "held"));
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// A copy that was killed in the middle, in either direction, has left nothing that counts, and is made again.
#[test]
fn a_copy_that_is_killed_begins_anew() {
    let desk = Desk::without_readers();
    let server = PrivatePostgres::shared().unwrap();
    server.role("mover", "a password").unwrap();
    let desk = desk.with_store("sqlite:never", "*:*:*:mover:a password\n");
    let here = format!("sqlite:{}", desk.home().join("here.db").display());
    desk.run(&["escrow", "init", "--plain-identity", "--store", &here]).expect(0);
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n";
    desk.run_with(&["escrow", "add", "--serial", "1234567", "--seed-file", "-", "--store", &here], seed).expect(0);
    let whole = contents(&desk, &here);
    server.database("halfway", "mover").unwrap();
    let url = server.url("mover", "halfway");
    // Its writing of events waits for a lock, in the transaction that holds all the rest.
    let waits = "create function hold() returns trigger language plpgsql as
            'begin perform pg_advisory_xact_lock(7); return null; end';
        create function watch() returns event_trigger language plpgsql security definer as $$ begin
            if to_regclass('oathburn.records') is not null and not exists (select from pg_trigger where tgname = 'hold') then
                create trigger hold before insert on oathburn.events execute function public.hold();
            end if; end $$;
        create event trigger watch on ddl_command_end when tag in ('CREATE TABLE') execute function watch()";
    server.sql("halfway", waits).unwrap();
    let kill = |from: &str, to: &str, holder: Holder| {
        let copying = desk.spawn(&["escrow", "copy", from, to]);
        while server.sql(SUPERUSER, "select count(*) from pg_locks where not granted").unwrap().trim() == "0" {
            thread::yield_now();
        }
        copying.kill();
        drop(holder);
    };
    kill(&here, &url, Holder::of(server, "halfway", "select pg_advisory_xact_lock(7)"));
    server.sql("halfway", "drop event trigger watch").unwrap();
    let nothing = desk.run(&["escrow", "list", "--store", &url, "--json"]).expect(6);
    assert_eq!(nothing.error_code(), "store-missing");
    desk.run(&["escrow", "copy", &here, &url]).expect(0);
    assert_eq!(contents(&desk, &url), whole);

    let back = format!("sqlite:{}", desk.home().join("back.db").display());
    kill(&url, &back, Holder::of(server, "halfway", "lock table oathburn.events in access exclusive mode"));
    assert!(!desk.home().join("back.db").exists());
    desk.run(&["escrow", "copy", &url, &back]).expect(0);
    assert_eq!(contents(&desk, &back), whole);
    assert_eq!(desk.json(&["escrow", "check", "--store", &back])["ok"], true);
}
