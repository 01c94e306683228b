//! The real PC/SC service, run for ourselves alone, with readers that load the vpcd driver.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

use crate::pcscd_watch::{PcscdWatch, ReaderStatus};
use crate::{EmulatorError, namespaces};

/// Where packages put the service; it is not in everybody's search path.
const PCSCD: &str = "/usr/sbin/pcscd";

/// vpcd's own default; in a network namespace of our own nobody else has it.
const FIRST_PORT: u16 = 35963;

/// A driver has two slots, each of them a reader; the service has room for sixteen readers.
const SLOTS: usize = 2;
const MAX_READERS: usize = 16;

/// Starts the service with the socket that stands ready as its standard input handed over the way systemd does it
/// (`sd_listen_fds`): as descriptor 3, with two variables that name the count and the process.
const HAND_OVER: &str = r#"exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" "$@""#;

/// The service. Dropping it kills it.
pub struct PrivatePcscd {
    folder: PathBuf,
    readers: usize,
    child: Option<Child>,
}

impl PrivatePcscd {
    /// Makes this process's namespaces fit for the service and lays out its files in `folder`: the configuration, one
    /// copy of the driver for every two readers (it keeps its state in variables of its own), an empty /run.
    ///
    /// Call it once, in namespaces of one's own ([`namespaces::isolated`]).
    pub fn new(folder: &Path, driver: &Path, readers: usize) -> Result<Self, EmulatorError> {
        if !(1..=MAX_READERS).contains(&readers) {
            return Err(EmulatorError::Readers { readers });
        }
        if !Path::new(PCSCD).exists() {
            return Err(EmulatorError::PcscdMissing { path: PCSCD.into() });
        }
        if !driver.is_file() {
            return Err(EmulatorError::DriverMissing { path: driver.into() });
        }
        let folder = folder.canonicalize().map_err(EmulatorError::io(format!("open {}", folder.display())))?;
        if folder.starts_with("/run") || folder.starts_with("/var/run") {
            return Err(EmulatorError::BelowRun { path: folder });
        }
        lay_out(&folder, driver, readers)?;
        namespaces::cover_run(&folder.join("run")).map_err(EmulatorError::io("mount a private /run"))?;
        namespaces::raise_loopback().map_err(EmulatorError::io("switch the loopback interface on"))?;
        Ok(Self { folder, readers, child: None })
    }

    /// The socket that clients reach the service by (`PCSCLITE_CSOCK_NAME`).
    pub fn socket(&self) -> PathBuf {
        self.folder.join("pcscd.comm")
    }

    /// How many readers it has.
    pub fn readers(&self) -> usize {
        self.readers
    }

    /// Where the card of a reader connects to.
    pub fn address(reader: usize) -> SocketAddr {
        let offset = u16::try_from(reader).expect("there are at most sixteen readers");
        (Ipv4Addr::LOCALHOST, FIRST_PORT + offset).into()
    }

    /// The PC/SC name of a reader: one letter for two slots.
    pub fn reader_name(reader: usize) -> String {
        format!("{} 00 {:02X}", friendly_name(reader / SLOTS), reader % SLOTS)
    }

    /// Whether the service was started and not stopped; it may still have died.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Starts the service; back when all readers are to be seen.
    pub fn start(&mut self) -> Result<(), EmulatorError> {
        if self.is_running() {
            return Ok(());
        }
        let socket = self.socket();
        remove(&socket)?;
        let listener =
            UnixListener::bind(&socket).map_err(EmulatorError::io(format!("make the socket {}", socket.display())))?;
        let log = self.log()?;
        let child = Command::new("/bin/sh")
            .args(["-c", HAND_OVER, PCSCD, "--foreground", "--config"])
            .arg(self.folder.join("readers"))
            .stdin(OwnedFd::from(listener))
            .stdout(log.try_clone().map_err(EmulatorError::io("open pcscd.log"))?)
            .stderr(log)
            .spawn()
            .map_err(EmulatorError::io("start /bin/sh"))?;
        // Our own copy of the listening socket is closed by now: when the service dies, connections are refused.
        self.child = Some(child);
        let names: Vec<_> = (0..self.readers).map(Self::reader_name).collect();
        let all_there = |readers: &[ReaderStatus]| names.iter().all(|name| readers.iter().any(|r| r.name == *name));
        PcscdWatch::connect(&socket)?.wait_until("its readers", all_there)?;
        Ok(())
    }

    /// Asks the service to end, and waits until it has.
    pub fn stop(&mut self) -> Result<(), EmulatorError> {
        self.end(Signal::TERM)
    }

    /// Kills the service.
    pub fn kill(&mut self) -> Result<(), EmulatorError> {
        self.end(Signal::KILL)
    }

    fn end(&mut self, signal: Signal) -> Result<(), EmulatorError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        // It may have died by itself; then there is only something to wait for.
        let _ = kill_process(Pid::from_child(&child), signal);
        child.wait().map_err(EmulatorError::io("wait for pcscd"))?;
        remove(&self.socket())
    }

    fn log(&self) -> Result<File, EmulatorError> {
        let path = self.folder.join("pcscd.log");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(EmulatorError::io(format!("open {}", path.display())))
    }
}

impl Drop for PrivatePcscd {
    fn drop(&mut self) {
        // Whatever fails here, the process namespace takes the service along.
        let _ = self.kill();
    }
}

fn friendly_name(entry: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(entry).expect("there are at most eight entries"));
    format!("Emulated Reader {letter}")
}

fn lay_out(folder: &Path, driver: &Path, readers: usize) -> Result<(), EmulatorError> {
    let config = folder.join("readers");
    for path in [&config, &folder.join("run")] {
        fs::create_dir_all(path).map_err(EmulatorError::io(format!("make {}", path.display())))?;
    }
    let mut entries = String::new();
    for entry in 0..readers.div_ceil(SLOTS) {
        let copy = folder.join(format!("driver-{entry}.so"));
        fs::copy(driver, &copy).map_err(EmulatorError::io(format!("copy {}", driver.display())))?;
        let port = PrivatePcscd::address(entry * SLOTS).port();
        let name = friendly_name(entry);
        writeln!(
            entries,
            "FRIENDLYNAME \"{name}\"\nDEVICENAME /dev/null:0x{port:X}\nLIBPATH {}\nCHANNELID 0x{port:X}\n",
            copy.display()
        )
        .expect("text can be written to a string");
    }
    // One file: the order of several would be that of the folder, which is any.
    let path = config.join("emulated");
    fs::write(&path, entries).map_err(EmulatorError::io(format!("write {}", path.display())))
}

fn remove(path: &Path) -> Result<(), EmulatorError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(EmulatorError::io(format!("remove {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_readers_share_a_letter_and_a_driver() {
        assert_eq!(PrivatePcscd::reader_name(0), "Emulated Reader A 00 00");
        assert_eq!(PrivatePcscd::reader_name(3), "Emulated Reader B 00 01");
        assert_eq!(PrivatePcscd::address(3).port(), 35966);
    }

    #[test]
    fn what_is_missing_is_said_before_anything_is_done() {
        let refused = |readers| PrivatePcscd::new(Path::new("/nowhere"), Path::new("/no/driver"), readers);
        assert!(matches!(refused(0), Err(EmulatorError::Readers { readers: 0 })));
        assert!(matches!(refused(17), Err(EmulatorError::Readers { readers: 17 })));
        assert!(matches!(refused(1), Err(EmulatorError::DriverMissing { .. } | EmulatorError::PcscdMissing { .. })));
    }
}
