//! The emulated NFC reader before the programs of the real libnfc.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use oathburn_emulator::{Lab, LabOptions};

const EMULATE: &str = env!("CARGO_BIN_EXE_emulate");

/// Needs neither a PC/SC service nor a driver nor namespaces.
fn lab(nfc: usize) -> Lab {
    Lab::start_with(Path::new(EMULATE), LabOptions { readers: 0, nfc }).unwrap()
}

/// A program of libnfc that sees this reader; `None` where libnfc is not installed and tests may be skipped.
fn program(name: &str, lab: &Lab, reader: usize) -> Option<Command> {
    let there = std::env::split_paths(&std::env::var_os("PATH")?).any(|folder| folder.join(name).exists());
    assert!(there || std::env::var_os("CI").is_none(), "{name} is missing");
    if !there {
        eprintln!("skipped: {name} is missing (cargo xtask setup)");
        return None;
    }
    let mut command = Command::new(name);
    command.env("LIBNFC_DEVICE", &lab.connstrings()[reader]);
    Some(command)
}

fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

/// The values behind these words, without the spaces in between.
fn values(text: &str, names: &[&str]) -> Vec<String> {
    let value = |name| text.lines().find_map(|line| line.trim().strip_prefix(name));
    names.iter().map(|name| value(*name).unwrap_or_default().replace(' ', "")).collect()
}

const IDENTITY: [&str; 4] = ["ATQA (SENS_RES):", "UID (NFCID1):", "SAK (SEL_RES):", "ATS:"];

#[test]
fn nfc_list_sees_a_token_as_what_it_is() {
    let lab = lab(1);
    let Some(mut nfc_list) = program("nfc-list", &lab, 0) else { return };
    nfc_list.arg("-v");
    lab.insert("nfc0", "token2-single serial=86596220000001").unwrap();
    // Opened, put to sleep and opened again.
    for _ in 0..2 {
        let said = text(&mut nfc_list);
        assert_eq!(values(&said, &IDENTITY), ["0004", "bb1a65b4", "20", "78774102"], "{said}");
        assert!(said.contains("* Compliant with ISO/IEC 14443-4"), "{said}");
        // It found one card of one kind, and nothing went wrong while it looked for the others.
        let found = |number| said.lines().filter(|line| line.starts_with(number) && line.contains("(s) found")).count();
        assert_eq!((found("1 ISO14443A"), found("0 ")), (1, 9), "{said}");
        assert!(!said.contains("libnfc.driver") && !said.contains("libnfc.chip"), "{said}");
    }
    // Nothing was sent to the card itself.
    assert_eq!(lab.log("nfc0").unwrap(), []);
    lab.remove("nfc0").unwrap();
    let said = text(&mut nfc_list);
    assert!(said.contains("0 ISO14443A passive target(s) found"), "{said}");
}

#[test]
fn a_longer_identifier_is_one_too() {
    let lab = lab(2);
    let Some(mut nfc_list) = program("nfc-list", &lab, 1) else { return };
    lab.insert("nfc1", "security-key").unwrap();
    let said = text(&mut nfc_list);
    assert_eq!(values(&said, &IDENTITY), ["0044", "046f6174686202", "20", "78774102"], "{said}");
}

#[test]
fn both_variables_of_libnfc_name_a_reader() {
    let lab = lab(1);
    let Some(mut nfc_list) = program("nfc-list", &lab, 0) else { return };
    nfc_list.env_remove("LIBNFC_DEVICE").env("LIBNFC_DEFAULT_DEVICE", &lab.connstrings()[0]);
    let said = text(&mut nfc_list);
    assert!(said.contains("user defined default device opened"), "{said}");
}

#[test]
fn nfc_poll_waits_for_a_token_and_for_its_end() {
    let lab = lab(1);
    let Some(mut nfc_poll) = program("nfc-poll", &lab, 0) else { return };
    let mut child = nfc_poll.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    // Our look at the chip tells when it polls; the card comes then, not before.
    while !lab.chip_log("nfc0").unwrap().iter().any(|(command, _)| command.starts_with("60")) {
        std::thread::yield_now();
    }
    lab.insert("nfc0", "token2-single serial=86596220000001").unwrap();
    let (mut lines, mut line) = (String::new(), String::new());
    while !line.trim().starts_with("ATS:") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "{lines}");
        lines += &line;
    }
    assert_eq!(values(&lines, &IDENTITY), ["0004", "bb1a65b4", "20", "78774102"], "{lines}");
    lab.remove("nfc0").unwrap();
    said.read_to_string(&mut lines).unwrap();
    assert!(lines.contains("done."), "{lines}");
    assert!(child.wait().unwrap().success());
}

/// What libnfc makes of a chip that does something wrong at its first sign of life.
#[test]
fn nfc_list_opens_no_reader_that_does_not_work() {
    let lab = lab(1);
    let Some(mut nfc_list) = program("nfc-list", &lab, 0) else { return };
    lab.insert("nfc0", "token2-single serial=86596220000001").unwrap();
    let spoilt = ["length-checksum", "data-checksum", "truncated len=6", "noise bytes=00"];
    for fault in ["mute", "nack", "error-frame", "vanish"].into_iter().chain(spoilt) {
        lab.chip("nfc0", fault).unwrap();
        let said = text(&mut nfc_list);
        assert!(!said.contains("opened"), "{fault}: {said}");
        lab.chip("nfc0", "clear").unwrap();
        lab.chip("nfc0", "plug").unwrap();
    }
    assert!(text(&mut nfc_list).contains("1 ISO14443A passive target(s) found"));
}

#[test]
fn nfc_and_pcsc_readers_share_a_drawer() {
    let complete = Path::new("/usr/sbin/pcscd").exists()
        && oathburn_emulator::find_driver(&[EMULATE.into()]).is_ok()
        && oathburn_emulator::namespaces::check().is_ok();
    assert!(complete || std::env::var_os("CI").is_none(), "pcscd, the vpcd driver or namespaces are missing");
    if !complete {
        eprintln!("skipped: pcscd, the vpcd driver or namespaces are missing (cargo xtask setup)");
        return;
    }
    let lab = Lab::start_with(Path::new(EMULATE), LabOptions { readers: 1, nfc: 1 }).unwrap();
    assert_eq!((lab.reader_names().len(), lab.connstrings().len()), (1, 1));
    lab.insert(0, "token2-single serial=86596220000001 clock-offset=7").unwrap();
    lab.remove(0).unwrap();
    lab.insert("nfc0", "token 86596220000001").unwrap();
    assert_eq!(lab.state("nfc0").unwrap()["clock_offset"], 7);
    // A line made in namespaces is one outside of them as well.
    let Some(mut nfc_list) = program("nfc-list", &lab, 0) else { return };
    assert!(text(&mut nfc_list).contains("bb  1a  65  b4"));
}
