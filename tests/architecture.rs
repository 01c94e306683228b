//! The plan of the house, held against the code: who depends on whom, and where dangerous things may stand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which of our crates each crate may depend on.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("oathburn-oath", &[]),
    ("oathburn-token", &["oathburn-oath"]),
    ("oathburn-reader", &["oathburn-token", "oathburn-oath"]),
    ("oathburn-formats", &["oathburn-oath"]),
    ("oathburn-escrow", &["oathburn-oath"]),
    ("oathburn-station", &["oathburn-oath", "oathburn-token", "oathburn-escrow"]),
    ("oathburn-desk", &["oathburn-oath", "oathburn-escrow", "oathburn-formats", "oathburn-station"]),
    ("oathburn-emulator", &["oathburn-oath"]),
    (
        "oathburn",
        &[
            "oathburn-oath",
            "oathburn-token",
            "oathburn-reader",
            "oathburn-formats",
            "oathburn-escrow",
            "oathburn-station",
            "oathburn-desk",
        ],
    ),
    ("xtask", &[]),
];

/// Foreign crates that only these of ours may use.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("pcsc", &["oathburn-reader"]),
    ("nfc1", &["oathburn-reader"]),
    ("rusqlite", &["oathburn-escrow"]),
    ("postgres", &["oathburn-escrow"]),
    ("age", &["oathburn-escrow"]),
    ("ed25519-dalek", &["oathburn-escrow"]),
    ("ssh-key", &["oathburn-escrow"]),
    ("chacha20poly1305", &["oathburn-escrow"]),
    // The emulator's program has arguments of its own.
    ("clap", &["oathburn", "oathburn-emulator"]),
    ("axum", &["oathburn-desk"]),
    ("hyper", &["oathburn-desk"]),
    ("tokio", &["oathburn-desk"]),
];

/// The files that may look at the bytes of a seed.
const MAY_EXPOSE: &[&str] = &[
    "crates/oath/src/seed.rs",
    "crates/oath/src/totp.rs",
    "crates/token/src/access.rs",
    "crates/token/src/token2/molto/actions.rs",
    "crates/token/src/token2/molto/session.rs",
    "crates/token/src/token2/single.rs",
    "crates/token/src/ykoath/commands.rs",
    "crates/formats/src/pskc/write.rs",
    "crates/escrow/src/seal.rs",
    "crates/escrow/src/duplicate.rs",
];

/// The files that may hold unsafe code, and why.
const MAY_BE_UNSAFE: &[(&str, &str)] = &[
    ("crates/oath/src/lanes.rs", "calls functions that were compiled for a wider CPU, after finding one"),
    ("src/host_clock.rs", "asks the kernel about its clock; no crate offers adjtimex safely"),
];

const MAX_LINES: usize = 600;

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn dependencies(package: &Package, kinds: &[DependencyKind]) -> BTreeSet<String> {
    package
        .dependencies
        .iter()
        .filter(|dependency| kinds.contains(&dependency.kind))
        .map(|dependency| dependency.name.clone())
        .collect()
}

#[test]
fn crates_point_where_the_plan_says() {
    let table: BTreeMap<_, _> = MAY_DEPEND_ON.iter().copied().collect();
    for package in &metadata().packages {
        let name = package.name.as_str();
        let allowed = table.get(name).unwrap_or_else(|| panic!("{name} is not in the plan"));
        for dependency in dependencies(package, &[DependencyKind::Normal, DependencyKind::Build]) {
            let ours = dependency.starts_with("oathburn") || dependency == "xtask";
            assert!(!ours || allowed.contains(&dependency.as_str()), "{name} may not depend on {dependency}");
        }
        // The driver and its judge do not know each other, not even in tests.
        let all = dependencies(package, &[DependencyKind::Normal, DependencyKind::Build, DependencyKind::Development]);
        let walls = [("oathburn-token", "oathburn-emulator"), ("oathburn-token", "oathburn-reader")];
        for (one, other) in walls {
            assert!(name != one || !all.contains(other), "{one} may not see {other}");
        }
        assert!(name != "oathburn-emulator" || !all.contains("oathburn-token"), "the emulator may not see the driver");
    }
}

#[test]
fn dangerous_crates_stay_in_their_rooms() {
    for package in &metadata().packages {
        let name = package.name.as_str();
        let used = dependencies(package, &[DependencyKind::Normal, DependencyKind::Build]);
        for (dependency, rooms) in ONLY_IN {
            assert!(!used.contains(*dependency) || rooms.contains(&name), "{name} may not use {dependency}");
        }
    }
}

#[test]
fn every_dependency_says_why_it_is_there() {
    for package in &metadata().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        let mut section = String::new();
        let mut explained = false;
        for line in manifest.lines() {
            if line.starts_with('[') {
                (section, explained) = (line.to_owned(), false);
            } else if line.starts_with('#') {
                explained = true;
            } else if line.trim().is_empty() {
                explained = false;
            } else if matches!(section.as_str(), "[dependencies]" | "[dev-dependencies]" | "[build-dependencies]") {
                let ours = line.starts_with("oathburn");
                assert!(
                    ours || explained || line.starts_with(' ') || line.starts_with(']'),
                    "{}: {line}",
                    package.name
                );
            }
        }
    }
}

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found
}

#[test]
fn no_source_file_is_too_long_to_read() {
    for path in sources() {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn seeds_are_looked_at_in_few_places() {
    let mut exposing = BTreeSet::new();
    for path in sources() {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        // Tests may look at the seeds that they make up.
        let is_test = name.contains("tests") || name.contains("/examples/") || name.ends_with("transcripts.rs");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        if !is_test && !name.starts_with("crates/emulator") && code.contains(".expose()") {
            exposing.insert(name);
        }
    }
    let allowed: BTreeSet<_> = MAY_EXPOSE.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(exposing, allowed);
}

#[test]
fn unsafe_code_is_where_the_list_says() {
    let allowed: BTreeSet<_> = MAY_BE_UNSAFE.iter().map(|(name, _)| (*name).to_owned()).collect();
    let marker = concat!("allow(", "unsafe_code");
    let holds = |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains(marker);
    let name = |path: PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    let found: BTreeSet<_> = sources().into_iter().filter(holds).map(name).collect();
    // Fuzz targets are entered by a C function; they are a workspace of their own.
    assert_eq!(found.into_iter().filter(|name| !name.starts_with("fuzz/")).collect::<BTreeSet<_>>(), allowed);
}

#[test]
fn the_program_that_prints_codes_opens_no_reader() {
    let binary = Path::new(env!("CARGO_BIN_EXE_t2otp"));
    let bytes = std::fs::read(binary).unwrap();
    for library in ["libpcsclite", "libnfc"] {
        let found = bytes.windows(library.len()).any(|window| window == library.as_bytes());
        assert!(!found, "t2otp links {library}");
    }
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_oathburn")).unwrap();
    assert!(bytes.windows(11).any(|window| window == b"libpcsclite"), "the search finds nothing");
}
