//! The table in `docs/formats.md` is written from the formats themselves, and each of them has a paragraph there.
//!
//! After a change, `OATHBURN_UPDATE=1 cargo test --test formats` writes the table anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::path::Path;

use oathburn_formats::{Carried, FORMATS, Fidelity, Format, WriteFormat};

const BEGIN: &str = "<!-- written by a test: begin -->\n";
const END: &str = "<!-- written by a test: end -->\n";

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}

fn parts(fidelity: &Fidelity, which: &[Carried]) -> String {
    let parts = [
        ("serial", fidelity.serial),
        ("manufacturer", fidelity.manufacturer),
        ("model", fidelity.model),
        ("upn", fidelity.upn),
        ("issuer", fidelity.issuer),
    ];
    let name = |(name, carried): &(&str, Carried)| {
        let mark = if *carried == Carried::Needed { "*" } else { "" };
        which.contains(carried).then(|| format!("{name}{mark}"))
    };
    list(parts.iter().filter_map(name))
}

fn row(format: &dyn Format) -> String {
    let fidelity = format.fidelity();
    let way = match (format.reader().is_some(), format.writer().is_some()) {
        (true, true) => "in, out",
        (true, false) => "in",
        (false, _) => "out",
    };
    let steps = match fidelity.steps {
        None => "any".into(),
        Some([]) => "–".into(),
        Some(steps) => list(steps),
    };
    let dash = |text: String| if text.is_empty() { "–".into() } else { text };
    let settings: Vec<_> = format
        .writer()
        .map_or(&[][..], WriteFormat::settings)
        .iter()
        .map(|setting| format!("`{}`{}", setting.name, if setting.needed { "*" } else { "" }))
        .collect();
    format!(
        "| `{}` | {} | {way} | {} | {} | {steps} | {} | {} | {} | {} | {} |\n",
        format.id(),
        format.title(),
        list(fidelity.algorithms),
        list(fidelity.digits),
        if fidelity.event_based { "yes" } else { "no" },
        fidelity.max_seed_len,
        dash(parts(fidelity, &[Carried::Yes, Carried::Needed])),
        dash(parts(fidelity, &[Carried::No])),
        dash(settings.join(" ")),
    )
}

fn table() -> String {
    let mut text = String::from(
        "| Format | Whose | Way | Hashes | Digits | Steps | HOTP | Longest seed | Carries | Loses | Settings |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for format in FORMATS {
        write!(text, "{}", row(*format)).unwrap();
    }
    text
}

#[test]
fn the_table_says_what_the_formats_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (found, tail) = rest.split_once(END).unwrap();
    let expected = table();
    if std::env::var_os("OATHBURN_UPDATE").is_some() {
        std::fs::write(&path, [head, BEGIN, &expected, END, tail].concat()).unwrap();
    } else {
        let differs = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
        assert!(
            expected == found,
            "docs/formats.md is not up to date (OATHBURN_UPDATE=1 cargo test --test formats writes it): {differs:#?}"
        );
    }
}

/// What is written is written as somebody wants it: the page says who, and where that is documented.
#[test]
fn every_format_that_is_written_has_its_source() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md")).unwrap();
    let (_, notes) = page.split_once(END).unwrap();
    for format in FORMATS.iter().filter(|format| format.writer().is_some()) {
        let start = format!("**`{}`**", format.id());
        let note = notes.split("\n\n").find(|note| note.contains(&start));
        let note = note.unwrap_or_else(|| panic!("docs/formats.md says nothing of {}", format.id()));
        assert!(note.contains("Source:"), "no source for {}", format.id());
    }
}
