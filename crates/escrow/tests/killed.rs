//! Killed in the middle: of a migration, of a backup. Nothing is half, nothing is lost.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use oathburn_escrow::*;
use oathburn_oath::{FixedClock, SystemClock};
use support::*;

/// Runs of each kind.
const RUNS: u32 = 15;

fn open(folder: &Path) -> Escrow {
    let station = StationKey::load_or_create(&folder.join("station.key")).unwrap();
    let url = StoreUrl::sqlite(folder.join("escrow.db"));
    Escrow::open(&url, station, &Pins::new(folder.join("pins")), who(), Arc::new(SystemClock)).unwrap()
}

fn officer(folder: &Path) -> Officer {
    Officer::load(&folder.join("officer.key"), None).unwrap()
}

/// The store of the first format, in a folder of its own.
fn old_store() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/escrow/v1");
    for name in ["escrow.db", "officer.key", "station.key"] {
        let copy = folder.path().join(name);
        fs::copy(fixture.join(name), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

/// Starts this test once more as `name`, which works in `folder`, and kills it some work of ours later.
fn kill(name: &str, folder: &Path, later: u32) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("ESCROW_TEST_HOME", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("at work")), "the child did not begin");
    // Moments that differ from run to run: hashing is work, not waiting.
    let mut bytes = vec![7; 4096];
    for round in 0..later {
        bytes = data_encoding::BASE32.encode(&bytes).into_bytes()[..4096].to_vec();
        bytes[0] = round.to_le_bytes()[0];
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn folder_of_child() -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("ESCROW_TEST_HOME")?;
    // The parent waits for this.
    #[allow(clippy::print_stdout, reason = "the parent reads it")]
    {
        println!("at work");
    }
    Some(folder.into())
}

#[test]
fn a_migration_is_whole_or_has_not_been() {
    if let Some(folder) = folder_of_child() {
        open(&folder);
        return;
    }
    for run in 0..RUNS {
        let folder = old_store();
        kill("a_migration_is_whole_or_has_not_been", folder.path(), run * 150);
        let report = open(folder.path()).check(Some(&officer(folder.path()))).unwrap();
        assert_eq!((report.findings.as_slice(), report.opened), ([].as_slice(), 6), "run {run}");
    }
}

#[test]
fn a_backup_has_its_name_when_it_is_whole() {
    if let Some(folder) = folder_of_child() {
        let escrow = open(&folder);
        for number in 0.. {
            escrow.backup(&folder.join(format!("{number}.age")), None).unwrap();
        }
    }
    for run in 0..RUNS {
        let folder = old_store();
        drop(open(folder.path()));
        kill("a_backup_has_its_name_when_it_is_whole", folder.path(), 100 + run * 400);
        let keeper = officer(folder.path());
        assert_eq!(open(folder.path()).check(Some(&keeper)).unwrap().findings, [], "run {run}");
        let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        for file in files.filter(|file| file.to_str().unwrap().contains(".age")) {
            let bytes = fs::read(&file).unwrap();
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(!bytes.windows(8).any(|window| window == b"8659000 " || window == b"SQLite f"), "run {run}");
            if file.extension().is_some_and(|extension| extension == "age") {
                let target = StoreUrl::sqlite(file.with_extension("db"));
                let pins = Pins::new(folder.path().join("other"));
                let restored =
                    Escrow::restore(&file, &target, &keeper, &pins, &who(), &FixedClock(NOW), false).unwrap();
                assert_eq!(restored.check.opened, 6, "run {run}");
            }
        }
    }
}
