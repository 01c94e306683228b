//! The page for officers, word by word: each command prints what stands under it, at the machine whose prompt it has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use support::{Desk, page};

#[test]
fn the_page_for_officers_is_true() {
    let desk = Desk::without_readers();
    let programs = Path::new(env!("CARGO_BIN_EXE_oathburn")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", programs.display());
    // The store of the one who made it; the folder in which the commands are typed is the mail between them.
    let store = format!("sqlite:{}/alice/.local/share/oathburn/escrow.db", desk.home().display());
    let steps = page::conversation("docs/officers.md");
    let people: BTreeSet<_> = steps.iter().map(|step| step.who.clone()).collect();
    assert!(steps.len() > 15 && people.len() == 3, "{people:?}");
    for page::Step { who, command, expected } in steps {
        let mut shell = Command::new("sh");
        shell.arg("-c").current_dir(desk.home()).env_clear().env("HOME", desk.home().join(&who)).env("PATH", &path);
        shell.env("OATHBURN_STORE", &store).env("TZ", "UTC");
        std::fs::create_dir_all(desk.home().join(&who)).unwrap();
        page::compare(&format!("{who}: {command}"), &page::output(&mut shell, &command), &expected);
    }
}
