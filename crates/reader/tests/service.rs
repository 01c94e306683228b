//! A PC/SC service that is not there, that has ended, and that turns us away.
//!
//! libpcsclite reads the place of its service from the environment, so each test asks in a child: itself, run again.

use std::env;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use oathburn_oath::Remedy;

/// Set for children: the file for their answer.
const CHILD: &str = "OATHBURN_READER_TEST_CHILD";

/// In a child: leaves the code of the error that listing and opening end with.
fn is_child() -> bool {
    let Some(answer) = env::var_os(CHILD) else { return false };
    let listed = oathburn_reader::readers().map_err(|error| error.code()).err();
    let opened = oathburn_reader::open(None).map_err(|error| error.code()).err();
    assert_eq!(listed, opened);
    fs::write(answer, listed.unwrap_or("none")).expect("the folder is there");
    true
}

/// The code that a child of `test` gets whose service is at `socket`.
fn code_at(test: &str, socket: &Path) -> String {
    let answer = socket.with_extension("answer");
    let status = Command::new(env::current_exe().expect("a test has a file"))
        .args(["--exact", test, "--quiet"])
        .env(CHILD, &answer)
        .env("PCSCLITE_CSOCK_NAME", socket)
        .stdout(Stdio::null())
        .status()
        .expect("a test can run again");
    assert!(status.success());
    fs::read_to_string(answer).expect("the child answered")
}

#[test]
fn a_service_that_is_not_there() {
    if !is_child() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(code_at("a_service_that_is_not_there", &folder.path().join("nothing")), "service-missing");
    }
}

#[test]
fn a_service_that_ended() {
    if !is_child() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        drop(UnixListener::bind(&socket).unwrap());
        assert_eq!(code_at("a_service_that_ended", &socket), "service-stopped");
    }
}

/// So does pcscd when polkit denies access to it.
#[test]
fn a_service_that_hangs_up() {
    if !is_child() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || listener.incoming().for_each(drop));
        assert_eq!(code_at("a_service_that_hangs_up", &socket), "service-access-denied");
    }
}
