//! A serial line that is none: a pseudo-terminal whose end for hosts has a name that is known beforehand.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::EmulatorError;

/// libnfc cuts longer paths off.
const MAX_PATH: usize = 127;

/// The device's end of a line. Dropping it hangs up and takes the name away.
pub(crate) struct Pty {
    ours: OwnedFd,
    /// Held open, so that the line is not hung up whenever a host closes its end.
    _theirs: OwnedFd,
    link: PathBuf,
}

impl Pty {
    /// Opens a line that hosts reach by `link`, which is made, or made anew if it is a link already.
    pub(crate) fn open(link: &Path) -> Result<Self, EmulatorError> {
        let path = link.as_os_str().as_bytes();
        if path.contains(&b':') || path.len() > MAX_PATH {
            return Err(EmulatorError::PortPath { path: link.into() });
        }
        let (ours, theirs, name) =
            open_pair().map_err(|error| EmulatorError::io("open a pseudo-terminal")(error.into()))?;
        let fail = || EmulatorError::io(format!("make the link {}", link.display()));
        if link.is_symlink() {
            fs::remove_file(link).map_err(fail())?;
        }
        symlink(name, link).map_err(fail())?;
        Ok(Self { ours, _theirs: theirs, link: link.into() })
    }

    /// What has come; nothing when nothing has.
    pub(crate) fn read<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        match rustix::io::read(&self.ours, &mut *buffer) {
            Ok(len) => Ok(&buffer[..len]),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(&[]),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends. As on a serial line without flow control, what nobody fetches in time is lost.
    pub(crate) fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match rustix::io::write(&self.ours, bytes) {
                Ok(len) => bytes = &bytes[len..],
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Somebody may have cleared away already.
        let _ = fs::remove_file(&self.link);
    }
}

fn open_pair() -> rustix::io::Result<(OwnedFd, OwnedFd, PathBuf)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let theirs = open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    // Bytes as they are: no echo, no line ends, no signals.
    let mut settings = tcgetattr(&theirs)?;
    settings.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &settings)?;
    fcntl_setfl(&ours, fcntl_getfl(&ours)? | OFlags::NONBLOCK)?;
    let name = PathBuf::from(std::ffi::OsStr::from_bytes(name.to_bytes()));
    Ok((ours, theirs, name))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::{Read, Write};

    use super::*;

    fn host(link: &Path) -> fs::File {
        OpenOptions::new().read(true).write(true).open(link).unwrap()
    }

    #[test]
    fn bytes_pass_as_they_are_in_both_directions() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("line");
        let pty = Pty::open(&link).unwrap();
        let all: Vec<u8> = (0..=255).collect();
        for _ in 0..2 {
            // A host may come, go and come again.
            let mut host = host(&link);
            host.write_all(&all).unwrap();
            let mut buffer = [0; 256];
            assert_eq!(pty.read(&mut buffer).unwrap(), all);
            assert!(pty.read(&mut buffer).unwrap().is_empty());
            pty.write(&all);
            host.read_exact(&mut buffer).unwrap();
            assert_eq!(buffer, *all);
        }
    }

    #[test]
    fn what_nobody_fetches_is_lost_and_nobody_is_held_up() {
        let folder = tempfile::tempdir().unwrap();
        let pty = Pty::open(&folder.path().join("line")).unwrap();
        pty.write(&vec![0; 1_000_000]);
    }

    #[test]
    fn the_name_comes_and_goes_with_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("line");
        symlink("/nowhere", &link).unwrap();
        let pty = Pty::open(&link).unwrap();
        let mut host = host(&link);
        drop(pty);
        assert!(!link.is_symlink());
        assert!(matches!(host.read(&mut [0; 1]), Ok(0) | Err(_)));
        fs::write(&link, "not ours").unwrap();
        assert!(matches!(Pty::open(&link), Err(EmulatorError::Io { .. })));
    }

    #[test]
    fn paths_that_libnfc_cannot_take_are_refused() {
        for name in ["a:b".to_owned(), "x".repeat(MAX_PATH)] {
            let refused = Pty::open(&Path::new("/tmp").join(name));
            assert!(matches!(refused, Err(EmulatorError::PortPath { .. })));
        }
    }
}
