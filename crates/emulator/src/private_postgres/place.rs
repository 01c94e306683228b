//! Where a server runs: the programs, the user, the port.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt};

/// Where Debian puts the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The folder with the newest version's programs.
pub(super) fn programs() -> Option<PathBuf> {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir(VERSIONS).ok()?.flatten().map(|entry| entry.path());
    let found = versions.filter(|path| path.join("bin/initdb").is_file()).max_by_key(version)?;
    Some(found.join("bin"))
}

/// Who the server runs as: it refuses to be root.
#[derive(Clone, Copy)]
pub(super) struct User(Option<(u32, u32)>);

impl User {
    /// Ourselves, or the one that root becomes.
    pub(super) fn find() -> io::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self(None));
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let ids = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        let found = ids("postgres").or_else(|| ids("nobody"));
        found.map(|ids| Self(Some(ids))).ok_or_else(|| io::Error::other("there is neither postgres nor nobody"))
    }

    /// A program that is run by this user, with nothing of our environment.
    pub(super) fn command(self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        if let Self(Some((user, group))) = self {
            command.uid(user).gid(group);
        }
        command
    }

    /// Gives a file to this user.
    pub(super) fn own(self, path: &Path) -> io::Result<()> {
        match self.0 {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    /// Their numbers, as a command line has them.
    pub(super) fn ids(self) -> (String, String) {
        let (user, group) =
            self.0.unwrap_or_else(|| (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
        (user.to_string(), group.to_string())
    }
}

/// A port that the system chose and that stays ours, also while nobody listens: a socket is bound to it that never does.
/// Sockets that may share an address (`SO_REUSEADDR`, as the server's) can be bound beside it, as long as one listens.
pub(super) struct Port {
    number: u16,
    _held: OwnedFd,
}

impl Port {
    pub(super) fn reserve() -> io::Result<Self> {
        let held = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&held, true)?;
        bind(&held, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
        let address = SocketAddr::try_from(getsockname(&held)?)?;
        Ok(Self { number: address.port(), _held: held })
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_reserved_port_is_nobody_elses_and_can_be_listened_on_again_and_again() {
        let port = Port::reserve().unwrap();
        for _ in 0..2 {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).unwrap_err();
            // As every server on a Unix, the standard library's listener may share an address.
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).unwrap();
            TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).unwrap();
            drop(listener);
        }
        let others: Vec<_> = (0..64).map(|_| Port::reserve().unwrap()).collect();
        assert!(others.iter().all(|other| other.number() != port.number()));
    }
}
