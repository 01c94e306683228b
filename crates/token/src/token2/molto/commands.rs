//! The bytes of each command.

use oathburn_oath::{Algorithm, TimeStep, TotpParams};
use zeroize::Zeroizing;

use super::KEY_LEN;
use crate::token2::seal::DeviceKey;
use crate::{Body, Command, DisplayTimeout};

pub(super) fn info_command() -> Command {
    Command { name: "GET INFO", header: [0x80, 0x41, 0, 0], body: Body::Empty, ne: Some(0) }
}

pub(super) fn profile_command(number: u8) -> Command {
    let body = Body::Plain(vec![0x70]);
    Command { name: "READ PROFILE", header: [0x80, 0x41, 0, number], body, ne: None }
}

pub(super) fn challenge_command() -> Command {
    Command { name: "GET CHALLENGE", header: [0x80, 0x4b, 0x08, 0], body: Body::Empty, ne: Some(0) }
}

pub(super) fn delete_command(number: u8) -> Command {
    Command { name: "DELETE SEED", header: [0x80, 0xe6, 0, number], body: Body::Empty, ne: Some(0) }
}

pub(super) fn reset_command() -> Command {
    Command { name: "FACTORY RESET", header: [0x80, 0x56, 0, 0], body: Body::Empty, ne: Some(0) }
}

pub(super) fn lock_command(locked: bool) -> Command {
    let (body, ne) = if locked { (Body::Empty, Some(0)) } else { (Body::Plain(vec![0x01]), None) };
    Command { name: "SCREEN LOCK", header: [0x80, 0xd8, 0x0c, 0x02], body, ne }
}

pub(in crate::token2) fn title_command(key: &DeviceKey, number: u8, title: &str) -> Command {
    let mut body = key.encrypt(title.as_bytes()).to_vec();
    body.extend(key.mac([0xd5, 0, number], &body));
    Command { name: "WRITE TITLE", header: [0x84, 0xd5, 0, number], body: Body::Plain(body), ne: None }
}

pub(in crate::token2) fn config_command(
    key: &DeviceKey,
    number: u8,
    params: TotpParams,
    display: DisplayTimeout,
    now: u32,
) -> Command {
    let display = match display {
        DisplayTimeout::S15 => 0,
        DisplayTimeout::S30 => 1,
        DisplayTimeout::S60 => 2,
        DisplayTimeout::S120 => 3,
    };
    let algorithm = if params.algorithm == Algorithm::Sha256 { 2 } else { 1 };
    let step = if params.step == TimeStep::S60 { 0x3c } else { 0x1e };
    let [t3, t2, t1, t0] = now.to_be_bytes();
    let mut body = vec![0x81, 0x14, 0x1f, 0x01, display, 0x0f, 0x04, t3, t2, t1, t0];
    body.extend([0x86, 0x09, 0x0a, 0x01, algorithm, 0x0b, 0x01, params.digits.get(), 0x0d, 0x01, step]);
    body.extend(key.mac([0xd4, 0x01, number], &body));
    Command { name: "WRITE CONFIG", header: [0x84, 0xd4, 0x01, number], body: Body::Plain(body), ne: None }
}

pub(super) fn clock_command(key: &DeviceKey, number: u8, now: u32) -> Command {
    let [t3, t2, t1, t0] = now.to_be_bytes();
    let mut body = vec![0x81, 0x06, 0x0f, 0x04, t3, t2, t1, t0];
    body.extend(key.mac([0xd4, 0x01, number], &body));
    Command { name: "SET CLOCK", header: [0x84, 0xd4, 0x01, number], body: Body::Plain(body), ne: None }
}

pub(in crate::token2) fn set_key_command(key: &DeviceKey, new: &[u8; KEY_LEN]) -> Command {
    let mut plain = Zeroizing::new([0; KEY_LEN + 1]);
    plain[1..].copy_from_slice(new);
    let sealed = key.encrypt(plain.as_slice());
    let mut body = Vec::with_capacity(sealed.len() + 4);
    body.extend_from_slice(&sealed);
    body.extend(key.mac([0xd7, 0, 0], &sealed));
    Command { name: "SET CUSTOMER KEY", header: [0x84, 0xd7, 0, 0], body: Body::Secret(body.into()), ne: None }
}
