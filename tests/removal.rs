//! Waiting until a token is taken off, over the real pcscd: what whoever burns one token after the other does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::process::Command;
use std::time::Duration;

use oathburn_oath::Remedy;
use support::{Desk, RESTRICTED};

/// Set for the child: libpcsclite reads the place of its service from the environment.
const CHILD: &str = "OATHBURN_REMOVAL_TEST_CHILD";

#[test]
fn a_token_that_stays_is_named_and_one_that_went_is_not() {
    const NAME: &str = "a_token_that_stays_is_named_and_one_that_went_is_not";
    if let Some(expected) = std::env::var_os(CHILD) {
        let first = oathburn_reader::readers().unwrap().remove(0);
        let reader = oathburn_reader::open(Some(&first.selector)).unwrap();
        let code = reader.wait_for_removal(Some(Duration::ZERO), &|| false).map_err(|error| error.code()).err();
        assert_eq!(code.unwrap_or("none"), expected.to_str().unwrap());
        return;
    }
    let desk = Desk::without_escrow(1);
    let expect = |code: &str| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", NAME, "--quiet"]).env(CHILD, code).env("PCSCLITE_CSOCK_NAME", desk.lab().socket());
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    desk.lab().insert(0, &format!("token2-single serial={RESTRICTED}")).unwrap();
    expect("token-stays");
    desk.lab().remove(0).unwrap();
    expect("none");
}
