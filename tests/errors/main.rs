//! The page of all errors, `docs/errors.md`, is written from the errors themselves; every one of them is tested.
//!
//! After a change, `OATHBURN_UPDATE=1 cargo test --test errors` writes the page anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod coverage;
mod page;
mod program;

// The program's table of exit codes; it is private to the program.
#[path = "../../src/exit.rs"]
#[allow(dead_code, reason = "only the exit codes are wanted")]
mod exit;
#[path = "../../src/failure.rs"]
#[allow(dead_code, reason = "only the exit codes are wanted")]
mod failure;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use oathburn_desk::DeskError;
use oathburn_desk::client::ClientError;
use oathburn_desk::protocol::Refusal;
use oathburn_desk::remote::RemoteError;
use oathburn_desk::scripts::ApiError;
use oathburn_desk::stations::{RegisterError, StationsFault};
use oathburn_escrow::EscrowError;
use oathburn_formats::{FormatError, UsersFault};
use oathburn_oath::OathError;
use oathburn_reader::ReaderError;
use oathburn_station::StationError;
use oathburn_token::{TokenError, TransportError};

use failure::Failure;

/// One error, as a user meets it.
struct Row {
    /// The enum's and the variant's name; empty for errors of the program itself.
    variant: (&'static str, &'static str),
    exit: u8,
    code: String,
    message: String,
    remedy: String,
}

/// The errors of one crate.
struct Section {
    title: &'static str,
    about: &'static str,
    rows: Vec<Row>,
}

fn row(name: &'static str, variant: &'static str, failure: Failure) -> Row {
    Row {
        variant: (name, variant),
        exit: failure.exit as u8,
        code: failure.code.to_owned(),
        message: failure.message,
        remedy: failure.remedy.unwrap_or_default(),
    }
}

macro_rules! rows {
    ($error:ident) => {
        $error::samples().into_iter().map(|one| row(stringify!($error), one.variant(), one.into())).collect()
    };
}

fn sections() -> Vec<Section> {
    let section = |title, about, rows| Section { title, about, rows };
    vec![
        section("Seeds and parameters", "What is typed or read, before anything else happens.", rows!(OathError)),
        section("Files, URIs and pictures", "What holds a seed, or does not.", rows!(FormatError)),
        section("Lists of users", "What a row of a list for a batch can be wrong with.", rows!(UsersFault)),
        section("Readers", "What keeps us from a token before the conversation begins.", rows!(ReaderError)),
        section("Tokens", "What happens in the conversation: the wire failed, the token refused, or we refuse.", {
            rows!(TokenError)
        }),
        section("Escrow", "Stores, keys, rosters and entries.", rows!(EscrowError)),
        section("Burning", "What a token and the escrow have to do with each other.", rows!(StationError)),
        section(
            "Lists of stations",
            "What a MAC ID, a location, or a row with both can be wrong with.",
            rows!(StationsFault),
        ),
        section(
            "The desk",
            "What keeps it from serving, and what it refuses; pages and the API say it with a status of HTTP.",
            rows!(DeskError),
        ),
        section("Stations and the desk", "What the desk refuses a station.", rows!(Refusal)),
        section("The way to the desk", "What keeps a station from its desk.", rows!(ClientError)),
        section("Work far away", "What keeps a station from working for its desk.", rows!(RemoteError)),
        section("Scripts", "What the API refuses a script, and what makes no script.", rows!(ApiError)),
        section("The register of stations", "What cannot be done with stations at the desk.", rows!(RegisterError)),
        section("The program", "What belongs to the command line alone.", program::rows()),
    ]
}

/// The names of all variants, by their enum.
const VARIANTS: &[(&str, &[&str])] = &[
    ("OathError", OathError::VARIANTS),
    ("FormatError", FormatError::VARIANTS),
    ("UsersFault", UsersFault::VARIANTS),
    ("ReaderError", ReaderError::VARIANTS),
    ("TokenError", TokenError::VARIANTS),
    ("TransportError", TransportError::VARIANTS),
    ("EscrowError", EscrowError::VARIANTS),
    ("StationError", StationError::VARIANTS),
    ("StationsFault", StationsFault::VARIANTS),
    ("DeskError", DeskError::VARIANTS),
    ("Refusal", Refusal::VARIANTS),
    ("ClientError", ClientError::VARIANTS),
    ("RegisterError", RegisterError::VARIANTS),
    ("ApiError", ApiError::VARIANTS),
    ("RemoteError", RemoteError::VARIANTS),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn the_page_says_what_the_errors_say() {
    let path = root().join("docs/errors.md");
    let expected = page::page(&sections());
    if std::env::var_os("OATHBURN_UPDATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    assert!(
        expected == found,
        "docs/errors.md is not up to date (OATHBURN_UPDATE=1 cargo test --test errors writes it): {differs:#?}"
    );
}

#[test]
fn every_variant_has_a_sample() {
    let sections = sections();
    let seen: BTreeSet<_> = sections.iter().flat_map(|section| &section.rows).map(|row| row.variant).collect();
    for (name, variants) in VARIANTS.iter().filter(|(name, _)| *name != "TransportError") {
        for variant in *variants {
            assert!(seen.contains(&(*name, *variant)), "{name}::{variant}");
        }
    }
}

/// A code means one thing, and so it has one remedy, wherever it comes from; of those that have several the code
/// alone does not say enough.
#[test]
fn a_code_has_one_remedy() {
    // The text's look, what is around it, or the arguments decide what to do.
    const SEVERAL: &[&str] = &["not-a-seed", "file-wrapped", "usage"];
    let mut remedies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in sections().into_iter().flat_map(|section| section.rows) {
        // After a write the remedy speaks of the token that may have been changed.
        if !row.message.contains("may already have been changed") {
            remedies.entry(row.code).or_default().insert(row.remedy);
        }
    }
    for (code, remedies) in remedies {
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{code}");
        assert_eq!(remedies.len() > 1, SEVERAL.contains(&code.as_str()), "{code}: {remedies:#?}");
    }
}

/// Nobody but a programmer can do something about a bug.
#[test]
fn only_bugs_and_closed_pipes_have_no_remedy() {
    for row in sections().into_iter().flat_map(|section| section.rows) {
        assert!(!row.remedy.is_empty() || matches!(row.exit, 1 | 130), "{}", row.code);
    }
}
