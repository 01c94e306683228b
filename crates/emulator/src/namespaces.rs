//! A network, a file system and processes of our own, so that the service we run is invisible to the system's.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::mount::mount_bind;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, sendto, socket};

use crate::EmulatorError;

/// User, mount, network and process namespaces; root inside; everything inside dies with `unshare` itself.
const UNSHARE: [&str; 4] = ["-Urmnp", "--mount-proc", "--kill-child", "--fork"];

/// The command that runs `program` in namespaces of its own.
pub fn isolated(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(UNSHARE).arg("--").arg(program);
    command
}

/// Whether namespaces are to be had here, with the kernel's reason if not.
pub fn check() -> Result<(), EmulatorError> {
    let output = isolated(Path::new("true"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| EmulatorError::Namespaces { reason: format!("unshare: {error}") })?;
    if output.status.success() {
        return Ok(());
    }
    Err(EmulatorError::Namespaces { reason: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

/// Lays `folder` over /run: the service writes its process id there.
pub fn cover_run(folder: &Path) -> io::Result<()> {
    Ok(mount_bind(folder, "/run")?)
}

/// Switches the loopback interface on; in a new network namespace it is off.
///
/// One message of rtnetlink(7): the usual way, `ioctl`, needs code that the compiler cannot check.
pub fn raise_loopback() -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_WITH_ACKNOWLEDGEMENT: u16 = 0x01 | 0x04;
    const ERROR: u16 = 2;
    /// In every network namespace the loopback interface is the first one.
    const LOOPBACK: u32 = 1;
    const UP: u32 = 1;

    let header = [&32_u32.to_ne_bytes()[..], &RTM_NEWLINK.to_ne_bytes(), &REQUEST_WITH_ACKNOWLEDGEMENT.to_ne_bytes()];
    // Sequence 1, no port; then family, padding and type of ifinfomsg as zeros.
    let middle = [&1_u32.to_ne_bytes()[..], &[0; 4], &[0; 4]];
    let link = [&LOOPBACK.to_ne_bytes()[..], &UP.to_ne_bytes(), &UP.to_ne_bytes()];
    let message = [header.concat(), middle.concat(), link.concat()].concat();

    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0_u8; 256];
    let (len, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    // The acknowledgement is an error message with the error 0.
    let (Some(kind), Some(error)) = (answer[..len].get(4..6), answer[..len].get(16..20)) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let kind = u16::from_ne_bytes([kind[0], kind[1]]);
    let error = i32::from_ne_bytes([error[0], error[1], error[2], error[3]]);
    match (kind, error) {
        (ERROR, 0) => Ok(()),
        (ERROR, error) => Err(io::Error::from_raw_os_error(-error)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
