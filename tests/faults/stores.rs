//! Stores that are missing, broken, held, full or not the known ones.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::support::{Desk, RESTRICTED, Run};

/// Every command that needs the store says so, with exit code 6 and a remedy.
fn refused(desk: &Desk, arguments: &[&str], code: &str) -> Run {
    let run = desk.run(&[arguments, &["--json"]].concat()).expect(6);
    assert_eq!(run.error_code(), code, "{arguments:?}: {run:?}");
    assert!(run.json()["error"]["remedy"].is_string(), "{run:?}");
    let run = desk.run(arguments).expect(6);
    assert!(run.stdout.is_empty() && run.stderr.contains("error") && run.stderr.contains("hint: "), "{run:?}");
    run
}

fn store(desk: &Desk) -> PathBuf {
    desk.folder().join("escrow.db")
}

/// A desk without readers, with an escrow: the store is looked at before any reader is.
fn desk() -> Desk {
    let desk = Desk::without_readers();
    desk.run(&["escrow", "init", "--plain-identity"]).expect(0);
    desk
}

const COMMANDS: [&[&str]; 5] =
    [&["burn"], &["code", RESTRICTED], &["escrow", "list"], &["escrow", "check"], &["escrow", "audit", "verify"]];

#[test]
fn a_file_that_is_no_store_is_named_and_left_alone() {
    let desk = desk();
    let good = fs::read(store(&desk)).unwrap();
    let changed = |at: usize, bytes: &[u8]| {
        let mut copy = good.clone();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        copy
    };
    let damaged = changed(4096, &[0xa5; 4096]);
    for (bytes, code) in [
        (vec![], "store-not-database"),
        (b"seeds\n".repeat(500), "store-not-database"),
        // The header of a SQLite file: the program's mark at 68, its format at 60.
        (changed(68, b"mail"), "store-not-escrow"),
        (changed(60, &[0, 0, 0, 0]), "store-not-escrow"),
        (changed(60, &[0, 0, 0, 99]), "store-newer"),
        (damaged, "store-corrupt"),
        (good[..good.len() / 2].to_vec(), "store-corrupt"),
    ] {
        fs::write(store(&desk), &bytes).unwrap();
        for command in COMMANDS {
            refused(&desk, command, code);
        }
        assert_eq!(desk.run(&["escrow", "init", "--plain-identity", "--json"]).expect(6).error_code(), "store-exists");
        let untouched = fs::read(store(&desk)).unwrap() == bytes;
        assert!(untouched || code == "store-corrupt", "{code}: something was written to it");
    }
    fs::remove_file(store(&desk)).unwrap();
    for command in COMMANDS {
        let run = refused(&desk, command, "store-missing");
        assert!(run.stderr.contains(store(&desk).to_str().unwrap()), "{run:?}");
    }
    fs::create_dir(store(&desk)).unwrap();
    refused(&desk, &["burn"], "store-not-database");
    fs::remove_dir(store(&desk)).unwrap();
    fs::write(store(&desk), good).unwrap();
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
    for (url, code) in
        [("mysql://host/db", "store-url-unknown"), ("postgres://me:secret@host/db", "store-url-password")]
    {
        let run = desk.run(&["burn", "--store", url, "--json"]).expect(2);
        assert_eq!(run.error_code(), code);
        assert!(!run.stdout.contains("secret"), "{run:?}");
    }
}

/// Another program that holds the store's write lock.
struct Holder(Child);

impl Holder {
    fn of(store: &Path) -> Self {
        let mut child =
            Command::new(Self::program()).arg(store).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

    /// Built once: while a token waits there is no time to ask cargo whether it is still the newest.
    fn program() -> &'static Path {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        PROGRAM.get_or_init(|| example("hold"))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // The end of its input is its end; nothing of it may be left when the next command runs.
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// An example of the escrow's crate, built first if need be; with the whole workspace, what it depends on is as in tests.
fn example(name: &str) -> PathBuf {
    let mut cargo = oathburn_emulator::cargo();
    cargo.args(["build", "--quiet", "--workspace", "--example", name, "--message-format", "json"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output().unwrap();
    let messages = String::from_utf8(output.stdout).unwrap();
    let executable = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["executable"].clone();
    let built = messages.lines().map(executable).rfind(serde_json::Value::is_string);
    built.unwrap_or_else(|| panic!("cargo does not build {name}")).as_str().unwrap().into()
}

#[test]
fn a_store_that_another_program_holds_stops_a_burn_before_the_token_is_written() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    // The first use after its making is one that writes.
    desk.run(&["escrow", "list"]).expect(0);
    let holder = Holder::of(&store(&desk));
    assert_eq!(desk.run(&["burn", "--json"]).expect(6).error_code(), "store-busy");
    assert!(desk.lab().log(0).unwrap().iter().all(|(sent, _)| sent.starts_with("8041")));
    // Who only reads is not stopped.
    assert!(desk.json(&["escrow", "list"]).as_array().unwrap().is_empty());
    drop(holder);
    desk.run(&["burn"]).expect(0);
}

#[test]
fn a_burn_that_the_escrow_could_not_note_is_finished_by_the_next() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    Holder::program();
    for (at, deed, mend, error) in [
        // All went well with the token; then the conversation broke after the first write.
        (8, "status", "status", "not-marked-programmed"),
        (7, "remove 0", "press 0", "not-marked-unknown"),
    ] {
        desk.lab().command("log 0 clear").unwrap();
        desk.lab().fault(0, &format!("slow ms=2000 at={at}")).unwrap();
        let burn = desk.spawn(&["burn", "--replace", "--json"]);
        desk.lab().command(&format!("await 0 at={at}")).unwrap();
        let holder = Holder::of(&store(&desk));
        desk.lab().command(deed).unwrap();
        let run = burn.finish().expect(6);
        drop(holder);
        assert_eq!(run.error_code(), error, "{run:?}");
        let entry = desk.newest(RESTRICTED);
        assert_eq!((&run.json()["entry"], &run.json()["state"]), (&entry["entry"], &"reserved".into()));
        assert_eq!(entry["state"], "reserved");
        desk.lab().command(mend).unwrap();
        assert_eq!(desk.json(&["burn"])["entry"], entry["entry"]);
        assert!(desk.shows(0, &entry["entry"]));
        assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
    }
}

/// Runs a shell script in namespaces of its own, where it may mount; `$0` is the program, `$1` the home. `None` where
/// the system forbids that.
fn in_namespaces(desk: &Desk, flags: &str, script: &str) -> Option<Run> {
    let allowed = Command::new("unshare").args([flags, "true"]).output().is_ok_and(|output| output.status.success());
    if !allowed {
        assert!(std::env::var_os("CI").is_none(), "unshare {flags} is not allowed here");
        // Not by a macro, whose words are shown only for tests that fail.
        let said = format!("SKIPPED: unshare {flags} is not allowed here, so no full or read-only disk can be made\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        return None;
    }
    let program = desk.command(&[]);
    let mut command = Command::new("unshare");
    command.args([flags, "/bin/sh", "-c", script]).arg(program.get_program()).arg(desk.home()).env_clear();
    for (name, value) in program.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    let output = command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some(Run { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) })
}

/// The error codes in the lines that the program printed; `done` where it printed something else.
fn outcomes(run: &Run) -> Vec<String> {
    let code = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        json["error"]["code"].as_str().unwrap_or("done").to_owned()
    };
    run.stdout.lines().map(code).collect()
}

#[test]
fn a_full_disk_stops_a_burn_before_the_token_is_written() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let script = r#"
        mkdir "$1/disk" && mount -t tmpfs -o size=2m none "$1/disk" || exit 99
        store="--store sqlite:$1/disk/escrow.db"
        "$0" escrow init $store --json --quiet || exit 98
        "$0" burn $store --json --quiet
        dd if=/dev/zero of="$1/disk/fill" bs=4k 2>/dev/null
        "$0" burn --replace $store --json --quiet
        echo "{\"error\":{\"code\":\"exit $?\"}}"
        rm "$1/disk/fill"
        "$0" burn --replace $store --json --quiet
        "$0" escrow check $store --json --quiet
    "#;
    let Some(run) = in_namespaces(&desk, "-Urm", script) else { return };
    let run = run.expect(0);
    assert_eq!(outcomes(&run), ["done", "done", "store-full", "exit 6", "done", "done"], "{run:#?}");
    let writes = desk.lab().log(0).unwrap().iter().filter(|(sent, _)| sent.starts_with("84")).count();
    assert_eq!(writes, 4, "two burns, two writes each");
}

#[test]
fn a_full_disk_stops_a_batch_before_the_token_is_written() {
    let desk = Desk::new(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let script = r#"
        mkdir "$1/disk" && mount -t tmpfs -o size=2m none "$1/disk" || exit 99
        store="--store sqlite:$1/disk/escrow.db --json --quiet"
        last() { out=$("$0" batch "$@" $store); code=$?; echo "$out" | tail -n 1; echo "{\"error\":{\"code\":\"exit $code\"}}"; }
        "$0" escrow init $store || exit 98
        last run --count 2 --yes --wait 0
        dd if=/dev/zero of="$1/disk/fill" bs=4k 2>/dev/null
        last resume --wait 60
        rm "$1/disk/fill"
        last resume --wait 1
        "$0" escrow check $store
    "#;
    let Some(run) = in_namespaces(&desk, "-Urm", script) else { return };
    let run = run.expect(0);
    let expected = ["done", "done", "exit 3", "store-full", "exit 6", "done", "exit 3", "done"];
    assert_eq!(outcomes(&run), expected, "{run:#?}");
    let writes = desk.lab().log(0).unwrap().iter().filter(|(sent, _)| sent.starts_with("84")).count();
    assert_eq!(writes, 2, "one burn, two writes");
}

#[test]
fn a_full_disk_leaves_no_half_backup_and_no_half_store() {
    let desk = desk();
    let script = r#"
        "$0" escrow backup "$1/good.age" --quiet >/dev/null || exit 97
        mkdir "$1/disk" && mount -t tmpfs -o size=64k none "$1/disk" || exit 99
        "$0" escrow backup "$1/disk/backup.age" --json --quiet
        "$0" escrow restore "$1/good.age" --store "sqlite:$1/disk/escrow.db" --json --quiet
        [ -z "$(ls "$1/disk")" ] || exit 98
        "$0" escrow check --json --quiet
    "#;
    let Some(run) = in_namespaces(&desk, "-Urm", script) else { return };
    assert_eq!(outcomes(&run.expect(0)), ["backup-io", "backup-io", "done"]);
}

/// Whoever was taken off stays off, and what is left to do is done when there is room again.
#[test]
fn a_full_disk_delays_what_follows_an_officer_who_leaves() {
    let desk = desk();
    let script = r#"
        mkdir "$1/disk" && mount -t tmpfs -o size=2m none "$1/disk" || exit 99
        store="--store sqlite:$1/disk/escrow.db --json --quiet"
        "$0" escrow init $store || exit 98
        line=$("$0" escrow officers key --identity "$1/eve.key" --label eve --plain-identity --quiet) || exit 97
        "$0" escrow officers add "$line" --yes $store >/dev/null || exit 96
        for serial in 1 2 3 4 5; do
            "$0" seed generate --quiet | "$0" escrow add --serial "$serial" --seed-file - $store >/dev/null || exit 95
        done
        dd if=/dev/zero of="$1/disk/fill" bs=4k 2>/dev/null
        "$0" escrow officers remove eve --yes $store
        "$0" escrow compact $store
        rm "$1/disk/fill"
        "$0" escrow check $store
        "$0" escrow officers remove eve --yes $store
        "$0" escrow check $store
    "#;
    let Some(run) = in_namespaces(&desk, "-Urm", script) else { return };
    assert_eq!(outcomes(&run.expect(0)), ["done", "store-full", "store-full", "done", "done", "done"]);
}

#[test]
fn a_read_only_disk_is_named() {
    let desk = desk();
    let script = r#"
        folder="$1/.local/share/oathburn"
        mount --bind "$folder" "$folder" && mount -o remount,bind,ro "$folder" || exit 99
        "$0" burn --json --quiet
        echo "{\"error\":{\"code\":\"exit $?\"}}"
        "$0" escrow init --json --quiet --store "sqlite:$folder/other.db"
        true
    "#;
    let Some(run) = in_namespaces(&desk, "-Urm", script) else { return };
    assert_eq!(outcomes(&run.expect(0)), ["store-read-only", "exit 6", "store-read-only"]);
}

#[test]
fn a_store_of_somebody_else_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let desk = desk();
    fs::set_permissions(store(&desk), fs::Permissions::from_mode(0o000)).unwrap();
    // Not even root has rights over files whose owner its namespace does not know.
    let Some(run) =
        in_namespaces(&desk, "-U", r#""$0" burn --json --quiet; echo "{\"error\":{\"code\":\"exit $?\"}}""#)
    else {
        return;
    };
    assert_eq!(outcomes(&run.expect(0)), ["store-denied", "exit 6"]);
}

#[test]
fn an_escrow_that_is_not_the_known_one_is_not_trusted() {
    let (desk, other) = (desk(), desk());
    let good = fs::read(store(&desk)).unwrap();
    fs::write(store(&desk), fs::read(store(&other)).unwrap()).unwrap();
    for command in COMMANDS {
        refused(&desk, command, "escrow-other");
    }
    fs::write(store(&desk), good).unwrap();
    let pins = desk.folder().join("pins");
    let pin = fs::read_dir(&pins).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some());
    let pin = pin.unwrap();
    let text = fs::read_to_string(&pin).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let with = |field: &str, value: serde_json::Value| {
        let mut json = json.clone();
        json[field] = value;
        json.to_string()
    };
    for (text, code) in [
        // A roster of the same version with another hash: nobody known has signed it.
        (with("hash", "5a".repeat(32).into()), "roster-forged"),
        (with("roster", 7.into()), "roster-older"),
        (with("escrow", "018f0000-0000-7000-8000-000000000000".into()), "escrow-other"),
        (with("format", 9.into()), "pin-unreadable"),
        (String::from("{}"), "pin-unreadable"),
    ] {
        fs::write(&pin, text).unwrap();
        for command in COMMANDS {
            refused(&desk, command, code);
        }
    }
    fs::write(&pin, text).unwrap();
    assert_eq!(desk.json(&["escrow", "check"])["ok"], true);
}
