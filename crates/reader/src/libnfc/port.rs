//! Connection strings, and the file below one: is it there, may we use it, does anybody else?

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::termios::tcgetattr;

use super::message::MAX_CONNSTRING;
use crate::ReaderError;

/// libnfc's drivers that a file is named to, and libnfc's other drivers.
const WITH_PATH: [&str; 5] = ["pn532_uart", "arygon", "acr122s", "pn532_spi", "pn532_i2c"];
const WITHOUT_PATH: [&str; 6] = ["pn53x_usb", "acr122_usb", "acr122_pcsc", "pcsc", "pn71xx", "usb"];

/// libnfc cuts longer ones off, and would open another file.
const MAX_PATH: usize = 127;

/// How often a port that another program has is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// Whether this is the name of a reader and not a part of one.
pub(super) fn is_connstring(text: &str) -> bool {
    let driver = text.split(':').next().unwrap_or_default();
    WITH_PATH.contains(&driver) || WITHOUT_PATH.contains(&driver)
}

/// A reader that nobody else has, as far as a lock can say so: libnfc itself takes none.
pub(super) struct Port {
    /// `None` for readers on USB, which the kernel gives to one program only.
    file: Option<File>,
}

impl Port {
    /// Takes a reader for ourselves until the port is dropped.
    ///
    /// When another program has it, it is tried again for so long.
    pub(super) fn lock(connstring: &str, patience: Duration) -> Result<Self, ReaderError> {
        let end = Instant::now() + patience;
        loop {
            match Self::try_lock(connstring) {
                Err(ReaderError::ReaderBusy { .. }) if Instant::now() < end => thread::sleep(RETRY),
                result => return result,
            }
        }
    }

    fn try_lock(connstring: &str) -> Result<Self, ReaderError> {
        let Some(path) = path(connstring)? else { return Ok(Self { file: None }) };
        let mut options = OpenOptions::new();
        // Without waiting for a modem's carrier, and without becoming the program that a break ends.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.read(true).write(true).custom_flags(flags.bits().cast_signed());
        let opened = options.open(path).and_then(|file| {
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            Ok(file)
        });
        opened.map(|file| Self { file: Some(file) }).map_err(|error| meaning(&error, connstring))
    }

    /// Whether the reader was unplugged since it was locked.
    pub(super) fn has_vanished(&self) -> bool {
        // Of a line that was hung up everything is an input/output error.
        self.file.as_ref().is_some_and(|file| matches!(tcgetattr(file), Err(Errno::IO | Errno::NODEV | Errno::NXIO)))
    }
}

/// The file that a connection string names, if its driver has one.
pub(super) fn path(connstring: &str) -> Result<Option<&str>, ReaderError> {
    let invalid =
        |reason: &'static str| Err(ReaderError::ConnstringInvalid { connstring: connstring.to_owned(), reason });
    if connstring.len() > MAX_CONNSTRING || connstring.chars().any(char::is_control) {
        return invalid("it is too long, or has characters that nobody sees");
    }
    let (driver, rest) = connstring.split_once(':').unwrap_or((connstring, ""));
    if WITHOUT_PATH.contains(&driver) {
        return Ok(None);
    }
    if !WITH_PATH.contains(&driver) {
        return invalid("libnfc has no such driver");
    }
    let (path, speed) = rest.split_once(':').unwrap_or((rest, ""));
    let is_number = speed.bytes().all(|byte| byte.is_ascii_digit()) && speed.len() < 10;
    match path {
        "" => invalid("it names no port"),
        _ if path.len() > MAX_PATH => invalid("its path is longer than the 127 bytes that libnfc takes"),
        // A second colon would begin the speed.
        _ if !is_number => invalid("what follows the path is no speed"),
        _ => Ok(Some(path)),
    }
}

fn meaning(error: &io::Error, connstring: &str) -> ReaderError {
    let reader = connstring.to_owned();
    let errno = Errno::from_io_error(error);
    match error.kind() {
        ErrorKind::PermissionDenied => ReaderError::ReaderAccessDenied { reader },
        // What lies below a file, and a port whose device has gone while its file stayed.
        ErrorKind::NotFound | ErrorKind::NotADirectory => ReaderError::ReaderMissing { reader },
        _ if matches!(errno, Some(Errno::NXIO | Errno::NODEV | Errno::IO)) => ReaderError::ReaderMissing { reader },
        ErrorKind::WouldBlock | ErrorKind::ResourceBusy => ReaderError::ReaderBusy { reader },
        _ => ReaderError::Failed { detail: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use oathburn_oath::Remedy;

    use super::*;

    fn path_of(connstring: &str) -> Result<Option<&str>, &'static str> {
        path(connstring).map_err(|error| error.code())
    }

    #[test]
    fn connection_strings() {
        assert_eq!(path_of("pn532_uart:/dev/ttyUSB0"), Ok(Some("/dev/ttyUSB0")));
        assert_eq!(path_of("pn532_uart:/dev/ttyUSB0:115200"), Ok(Some("/dev/ttyUSB0")));
        assert_eq!(path_of("pn532_i2c:/dev/i2c-1"), Ok(Some("/dev/i2c-1")));
        for usb in ["pn53x_usb", "pn53x_usb:001:004", "acr122_usb:001:004", "usb:001:004"] {
            assert_eq!(path_of(usb), Ok(None));
        }
        let long = format!("pn532_uart:/{}", "a".repeat(MAX_PATH));
        let much = format!("pn53x_usb:{}", "1".repeat(MAX_CONNSTRING));
        for wrong in ["", "/dev/ttyUSB0", "pn532", "pn532_uart", "pn532_uart:", "pn532_uart:/a:b", &long, &much] {
            assert_eq!(path_of(wrong), Err("connstring-invalid"), "{wrong}");
        }
        assert!(path("pn532_uart:/a\0b").is_err() && path("pn532_uart:/a:1:2").is_err());
        assert!(is_connstring("pn532_uart:/dev/x") && is_connstring("pn53x_usb") && !is_connstring("ttyUSB0"));
    }

    #[test]
    fn one_lock_a_port() {
        let folder = tempfile::tempdir().unwrap();
        let connstring = format!("pn532_uart:{}", folder.path().join("port").display());
        let code = || Port::lock(&connstring, Duration::ZERO).err().map(|error| error.code());
        assert_eq!(code(), Some("reader-missing"));
        std::fs::write(folder.path().join("port"), "").unwrap();
        let held = Port::lock(&connstring, Duration::ZERO).unwrap();
        assert!(!held.has_vanished());
        assert_eq!(code(), Some("reader-busy"));
        // Whoever can wait gets it when the other has done.
        let waiting = thread::spawn({
            let connstring = connstring.clone();
            move || Port::lock(&connstring, Duration::from_mins(10)).is_ok()
        });
        drop(held);
        assert!(waiting.join().unwrap());
        assert_eq!(code(), None);
        // On USB the kernel decides.
        let usb = || Port::lock("pn53x_usb", Duration::ZERO).is_ok();
        assert!(usb() && usb());
    }

    #[test]
    fn the_kernel_says_why() {
        let code = |errno: Errno| meaning(&errno.into(), "a").code();
        for (errno, expected) in [
            (Errno::NOENT, "reader-missing"),
            (Errno::NOTDIR, "reader-missing"),
            (Errno::NXIO, "reader-missing"),
            (Errno::NODEV, "reader-missing"),
            (Errno::IO, "reader-missing"),
            (Errno::ACCESS, "reader-access-denied"),
            (Errno::PERM, "reader-access-denied"),
            (Errno::AGAIN, "reader-busy"),
            (Errno::BUSY, "reader-busy"),
            (Errno::NOMEM, "reader-failed"),
        ] {
            assert_eq!(code(errno), expected, "{errno:?}");
        }
    }
}
