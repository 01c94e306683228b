//! The README, word by word: each command prints what stands under it, with an emulated token on a real reader service.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Desk, RESTRICTED, page};

#[test]
fn the_readme_is_true() {
    let desk = Desk::without_escrow(1);
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_oathburn")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let steps = page::steps("README.md");
    assert!(steps.len() >= 5, "{steps:?}");
    for (command, expected) in steps {
        let mut shell = Command::new("sh");
        shell.arg("-c").current_dir(desk.home()).env_clear().env("HOME", desk.home()).env("PATH", &path);
        shell.env("PCSCLITE_CSOCK_NAME", desk.lab().socket()).env("TZ", "UTC");
        page::compare(&command, &page::output(&mut shell, &command), &expected);
    }
}
