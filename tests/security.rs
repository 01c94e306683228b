//! SECURITY.md, sentence by sentence: each that promises something names the tests that hold it, and they exist.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The chapters in which every item of a list is a promise.
const PROMISES: [&str; 9] = [
    "What is protected, and against whom",
    "A store that goes back",
    "The desk's records",
    "Backups",
    "What a stolen station holds",
    "Officers and stations",
    "Stations far away",
    "Secrets",
    "The desk",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The functions below `#[test]`, each with the files that have one of that name.
fn tests() -> BTreeMap<String, Vec<String>> {
    let mut files = Vec::new();
    for folder in ["crates", "src", "tests", "xtask/src"] {
        sources(&root().join(folder), &mut files);
    }
    let mut tests = BTreeMap::<String, Vec<String>>::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut below = false;
        for line in text.lines().map(str::trim) {
            if line == "#[test]" {
                below = true;
            } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| below) {
                let name = rest.split('(').next().unwrap().to_owned();
                tests.entry(name).or_default().push(file.strip_prefix(root()).unwrap().display().to_string());
                below = false;
            }
        }
    }
    tests
}

/// What is wrong with a name: a file of tests, `test`, or `part-of-a-path::test` where two tests have one name.
fn problem(name: &str, tests: &BTreeMap<String, Vec<String>>) -> Option<String> {
    if name.strip_suffix(".rs").is_some() {
        return (!root().join(name).is_file()).then(|| format!("there is no file {name}"));
    }
    let (place, name) = name.split_once("::").map_or((None, name), |(place, name)| (Some(place), name));
    let known = tests.get(name).map_or(&[][..], Vec::as_slice);
    let found = known.iter().filter(|file| place.is_none_or(|place| file.contains(place))).count();
    match found {
        1 => None,
        0 => Some(format!("no test is called {name}")),
        _ => Some(format!("several tests are called {name}: {known:?}")),
    }
}

/// The names in backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_promise_names_its_tests() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let tests = tests();
    assert!(tests.len() > 300 && problem("every_promise_names_its_tests", &tests).is_none());
    assert!(
        problem("nobody_wrote_this", &tests).is_some()
            && problem("libnfc::no_trace_of_a_seed_is_left", &tests).is_none()
    );
    let mut wrong = Vec::new();
    let mut promises = 0;
    let chapters: Vec<_> = page.split("\n## ").skip(1).map(|text| text.split_once('\n').unwrap()).collect();
    for wanted in PROMISES {
        let Some((_, text)) = chapters.iter().find(|(title, _)| *title == wanted) else {
            wrong.push(format!("there is no chapter {wanted:?}"));
            continue;
        };
        for item in text.split("\n* ").skip(1) {
            let item = item.split("\n\n").next().unwrap();
            promises += 1;
            // What stands in backticks before is no test.
            let Some((_, named)) = item.split_once("Tests:") else {
                wrong.push(format!("without a test: {item}"));
                continue;
            };
            let named: Vec<_> = names(named).collect();
            if named.is_empty() {
                wrong.push(format!("without a test: {item}"));
            }
            wrong.extend(named.iter().filter_map(|name| problem(name, &tests)));
        }
    }
    // Everywhere else, too, what is named as a test is one.
    for line in page.split("The tests: ").skip(1) {
        wrong.extend(names(line.split("\n\n").next().unwrap()).filter_map(|name| problem(name, &tests)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(promises > 70, "{promises} promises");
}
