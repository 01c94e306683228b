use std::fs::{File, OpenOptions};
use std::sync::mpsc::channel;

use super::*;
use crate::{ChipFault, Foreign, Trigger};

const ACK: [u8; 6] = [0, 0, 0xff, 0, 0xff, 0];
const FIRMWARE: [u8; 9] = [0, 0, 0xff, 2, 0xfe, 0xd4, 0x02, 0x2a, 0];
const LIST: [u8; 11] = [0, 0, 0xff, 4, 0xfc, 0xd4, 0x4a, 1, 0, 0xe1, 0];

fn port() -> (tempfile::TempDir, Pn532Port) {
    let folder = tempfile::tempdir().unwrap();
    let port = Pn532Port::new(&folder.path().join("nfc0")).unwrap();
    (folder, port)
}

/// A host that has woken the chip.
fn host(port: &Pn532Port) -> File {
    let mut host = OpenOptions::new().read(true).write(true).open(port.path()).unwrap();
    host.write_all(&[0x55, 0, 0]).unwrap();
    host
}

fn read<const N: usize>(host: &mut File) -> [u8; N] {
    let mut bytes = [0; N];
    host.read_exact(&mut bytes).unwrap();
    bytes
}

fn ask_for_firmware(host: &mut File) {
    host.write_all(&FIRMWARE).unwrap();
    assert_eq!(read(host), ACK);
    assert_eq!(read::<13>(host)[5..11], [0xd5, 0x03, 0x32, 1, 6, 7]);
}

#[test]
fn hosts_talk_to_it_one_after_the_other() {
    let (_folder, port) = port();
    assert_eq!(port.connstring(), format!("pn532_uart:{}", port.path().display()));
    for _ in 0..2 {
        ask_for_firmware(&mut host(&port));
    }
}

#[test]
fn a_card_that_comes_ends_the_wait_for_one() {
    let (_folder, port) = port();
    let mut host = host(&port);
    host.write_all(&LIST).unwrap();
    assert_eq!(read(&mut host), ACK);
    assert!(!port.has_card());
    port.place(Foreign::named("ndef").unwrap());
    assert!(port.has_card());
    assert_eq!(read::<9>(&mut host)[5..], [0xd5, 0x4b, 1, 1]);
    port.take_away();
    assert!(!port.has_card());
}

#[test]
fn a_late_reply_comes_by_itself() {
    let (_folder, port) = port();
    let slow = ChipFault::Slow(std::time::Duration::from_millis(1));
    port.with_chip(|chip| chip.arm(Trigger::Command(1), slow));
    ask_for_firmware(&mut host(&port));
}

#[test]
fn unplugged_it_is_gone_and_plugged_it_is_back() {
    let (_folder, port) = port();
    for by_fault in [false, true] {
        let mut host = host(&port);
        ask_for_firmware(&mut host);
        if by_fault {
            port.with_chip(|chip| chip.arm(Trigger::Command(1), ChipFault::Vanish));
            host.write_all(&FIRMWARE).unwrap();
        } else {
            port.unplug().unwrap();
        }
        assert!(matches!(host.read(&mut [0; 1]), Ok(0) | Err(_)));
        port.unplug().unwrap();
        assert!(!port.path().exists() && !port.is_plugged());
        port.plug().unwrap();
        port.plug().unwrap();
        assert!(port.path().exists() && port.is_plugged());
    }
    ask_for_firmware(&mut host(&port));
}

#[test]
fn a_port_that_cannot_come_back_says_why() {
    let (_folder, port) = port();
    port.unplug().unwrap();
    std::fs::write(port.path(), "somebody else's").unwrap();
    assert!(matches!(port.plug(), Err(EmulatorError::Io { .. })));
    std::fs::remove_file(port.path()).unwrap();
    port.plug().unwrap();
}

#[test]
fn it_ends_with_its_owner() {
    let (folder, port) = port();
    let mut host = host(&port);
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(matches!(host.read(&mut [0; 1]), Ok(0) | Err(_))));
    drop(port);
    assert!(receiver.recv().unwrap());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
