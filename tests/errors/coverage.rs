//! No variant is without a test: each one's name or code stands in a test that is not about all of them.

use std::fs;

use crate::{VARIANTS, root, sources};

/// What is tested by its message: the program that meets it shows no code.
const BY_MESSAGE: &[(&str, &str, &str)] = &[("FormatError", "HexForBase32", "looks like hex")];

/// What is in tests: files of tests whole, other files from their tests on. Samples, and the tests over them, are of
/// all errors at once and prove nothing of one.
fn tests() -> String {
    let mut all = String::new();
    for folder in ["src", "tests", "crates"] {
        for path in sources(&root().join(folder)) {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if name.contains("/error/") || name.ends_with("/error.rs") || name.starts_with("tests/errors/") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let whole = name.starts_with("tests/") || name.contains("/tests/") || name.ends_with("tests.rs");
            let tested =
                if whole { Some(text.as_str()) } else { text.split_once("#[cfg(test)]").map(|(_, rest)| rest) };
            all.push_str(tested.unwrap_or_default());
            all.push('\n');
        }
    }
    all
}

/// Whether `word` stands in the text by itself.
fn says(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
        let bytes = text.as_bytes();
        !part(bytes.get(at + word.len())) && !at.checked_sub(1).is_some_and(|before| part(bytes.get(before)))
    })
}

#[test]
fn no_variant_is_without_a_test() {
    let tests = tests();
    let mut missing = Vec::new();
    let sections = crate::sections();
    for (name, variants) in VARIANTS {
        for variant in *variants {
            let of = |row: &&crate::Row| row.variant == (*name, *variant);
            let code = sections.iter().flat_map(|section| &section.rows).find(of).map(|row| row.code.clone());
            // In its crate an enum is often called `E`.
            let tested = says(&tests, &format!("{name}::{variant}"))
                || says(&tests, &format!("E::{variant}"))
                || code.is_some_and(|code| says(&tests, &format!("\"{code}\"")));
            let message = BY_MESSAGE.iter().find(|(one, other, _)| (one, other) == (name, variant));
            if !tested && !message.is_some_and(|(_, _, message)| tests.contains(message)) {
                missing.push(format!("{name}::{variant}"));
            }
        }
    }
    assert!(missing.is_empty(), "without a test: {missing:#?}");
}
