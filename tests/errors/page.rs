//! The page, in Markdown.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::Section;

const HEAD: &str = "\
# Every error

Each error has a code that never changes its meaning, a message, and what to do about it. With `--json` they stand in
`error.code`, `error.message` and `error.remedy`. Scripts should look at the exit code first and at the code second;
messages may be reworded. Names, numbers and paths in the messages below are examples.

| Exit | Meaning |
|---|---|
| 0 | done |
| 1 | a bug, or the system failed where it never should |
| 2 | the command line makes no sense |
| 3 | no reader, no token, or the token was removed |
| 4 | the token refused, or is not one that we program |
| 6 | the escrow is unavailable, locked, damaged, or was not opened |
| 7 | the input was rejected |
| 8 | a destructive effect without its flag |
| 9 | a code did not match |
| 130 | interrupted |

This page is written from the errors themselves: `OATHBURN_UPDATE=1 cargo test --test errors`.
";

/// A cell of a table: no bar may end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

pub(crate) fn page(sections: &[Section]) -> String {
    let mut text = HEAD.to_owned();
    // Crates hand on what others report: that is said once, where it comes from.
    let mut said = BTreeSet::new();
    for Section { title, about, rows } in sections {
        write!(text, "\n## {title}\n\n{about}\n\n| Code | Exit | Message | What to do |\n|---|---|---|---|\n").unwrap();
        let mut rows: Vec<_> = rows.iter().collect();
        rows.sort_by(|one, other| one.code.cmp(&other.code));
        for row in rows {
            if said.insert((&row.code, &row.message)) {
                let (message, remedy) = (cell(&row.message), cell(&row.remedy));
                let remedy = match (row.exit, remedy.as_str()) {
                    (1, "") => "report it",
                    (_, "") => "nothing",
                    (_, remedy) => remedy,
                };
                writeln!(text, "| `{}` | {} | {message} | {remedy} |", row.code, row.exit).unwrap();
            }
        }
    }
    text
}
