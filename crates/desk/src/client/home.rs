//! The station's own files: its keys, and which desk knows it. All of them are for its user alone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use oathburn_escrow::{EscrowError, StationKey};
use serde::{Deserialize, Serialize};

use super::{ClientError, DeskUrl, ProxyUrl, Trust};
use crate::stations::MacId;

/// The largest file that is read.
const MAX_FILE: u64 = 64 * 1024;

/// The folder in which a station keeps what it knows of its desk.
#[derive(Clone, Debug)]
pub struct StationHome {
    folder: PathBuf,
}

/// Which desk knows this machine, and as what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioned {
    /// The desk.
    pub url: DeskUrl,
    /// How it is recognised.
    pub trust: Trust,
    /// The proxy that it is reached through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyUrl>,
    /// The id that requests are signed for.
    pub desk: String,
    /// The machine.
    pub mac: MacId,
    /// Of which of its activations.
    pub generation: u64,
    /// Whose desk it is.
    pub organisation: String,
    /// Where the desk says that this machine is.
    pub location: String,
}

/// Held while somebody provisions or resets.
#[derive(Debug)]
pub(super) struct Held(#[allow(dead_code, reason = "its lock ends with it")] File);

impl StationHome {
    /// The home in this folder, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is known of the desk; nothing where no desk knows this machine.
    pub fn provisioned(&self) -> Result<Option<Provisioned>, ClientError> {
        let path = self.path("desk.json");
        let failed = |source| ClientError::HomeIo { action: "read", path: path.clone(), source };
        let bytes = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(metadata) if metadata.len() > MAX_FILE => return Err(ClientError::HomeUnreadable { path }),
            Ok(_) => fs::read(&path).map_err(failed)?,
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| ClientError::HomeUnreadable { path })
    }

    /// The keys that the desk knows.
    pub fn key(&self) -> Result<StationKey, ClientError> {
        Ok(StationKey::load(&self.path("key"))?)
    }

    /// Keys that no desk knows yet; the same ones until one does, so that an answer that was lost can be asked for again.
    pub(super) fn new_key(&self) -> Result<StationKey, ClientError> {
        let path = self.path("new-key");
        match StationKey::load(&path) {
            Err(EscrowError::KeyFileMissing { .. }) => {}
            other => return Ok(other?),
        }
        self.make_folder()?;
        Ok(StationKey::create(&path)?)
    }

    /// A desk knows the new keys: from here on they are the station's.
    pub(super) fn keep(&self, provisioned: &Provisioned) -> Result<(), ClientError> {
        let (new, key) = (self.path("new-key"), self.path("key"));
        // Both names, until the desk is written down: whoever is killed in between asks the desk again with the same keys.
        let copied = fs::read(&new).and_then(|bytes| self.replace("key", &zeroize::Zeroizing::new(bytes)));
        copied.map_err(|source| ClientError::HomeIo { action: "write", path: key, source })?;
        self.write(provisioned)?;
        self.remove("new-key")
    }

    /// Writes down what the desk has said.
    pub(super) fn write(&self, provisioned: &Provisioned) -> Result<(), ClientError> {
        let json = serde_json::to_vec_pretty(provisioned).expect("texts and numbers are JSON");
        let failed = |source| ClientError::HomeIo { action: "write", path: self.path("desk.json"), source };
        self.replace("desk.json", &json).map_err(failed)
    }

    /// Has the desk asked through another proxy from now on; the keys stay.
    pub fn go_through(&self, proxy: ProxyUrl) -> Result<(), ClientError> {
        let _held = self.hold()?;
        let provisioned = self.provisioned()?.ok_or(ClientError::NotProvisioned)?;
        self.write(&Provisioned { proxy: Some(proxy), ..provisioned })
    }

    /// Forgets the desk and the keys, whatever state they are in. The desk is not told; see
    /// [`OwnStation::reset`](super::OwnStation::reset).
    pub fn forget_all(&self) -> Result<(), ClientError> {
        let _held = self.hold()?;
        self.forget()
    }

    /// Forgets the desk, and the keys.
    pub(super) fn forget(&self) -> Result<(), ClientError> {
        for name in ["desk.json", "key", "new-key", "counter"] {
            self.remove(name)?;
        }
        Ok(())
    }

    /// A counter that no request had before. It is the time in microseconds, unless the clock was ever ahead; `least` is what the
    /// desk has seen.
    pub(super) fn next_counter(&self, least: u64) -> Result<u64, ClientError> {
        let path = self.path("counter");
        let failed = |source| ClientError::HomeIo { action: "write", path: path.clone(), source };
        self.make_folder()?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = file.map_err(failed)?;
        // Two commands at a time get two numbers.
        file.lock().map_err(failed)?;
        let mut text = String::new();
        // A file that was cut off by a failure of power counts as none: the time goes on, or the desk says where it stands.
        let _ = io::Read::read_to_string(&mut io::Read::take(&mut file, 64), &mut text);
        let written: u64 = text.trim().parse().unwrap_or(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let next = u64::try_from(now).unwrap_or(0).max(written.saturating_add(1)).max(least.saturating_add(1));
        file.set_len(0).map_err(failed)?;
        io::Seek::rewind(&mut file).map_err(failed)?;
        file.write_all(next.to_string().as_bytes()).map_err(failed)?;
        Ok(next)
    }

    /// Keeps others from provisioning at the same time.
    pub(super) fn hold(&self) -> Result<Held, ClientError> {
        let path = self.path("lock");
        let failed = |source| ClientError::HomeIo { action: "lock", path: path.clone(), source };
        self.make_folder()?;
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Held(file)),
            Err(TryLockError::WouldBlock) => Err(ClientError::HomeBusy),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn make_folder(&self) -> Result<(), ClientError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|source| ClientError::HomeIo { action: "create", path: self.folder.clone(), source })
    }

    fn remove(&self, name: &str) -> Result<(), ClientError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ClientError::HomeIo { action: "delete", path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// Writes a file whole and durable, or leaves the one that is there.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let (path, new) = (self.path(name), self.path(&format!("{name}.new")));
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use oathburn_oath::Remedy as _;

    use super::*;

    fn provisioned() -> Provisioned {
        Provisioned {
            url: "https://desk.example.com".parse().unwrap(),
            trust: Trust::Pinned("ab".repeat(16).parse().unwrap()),
            proxy: Some("http://proxy.example.com:3128".parse().unwrap()),
            desk: "desk-1".into(),
            mac: "00-1A-2B-3C-4D-5E".parse().unwrap(),
            generation: 1,
            organisation: "ACME".into(),
            location: "Ulm".into(),
        }
    }

    #[test]
    fn what_is_kept_is_for_the_user_alone_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let home = StationHome::new(folder.path().join("station"));
        assert_eq!(home.provisioned().unwrap(), None);
        let new = home.new_key().unwrap().public();
        assert_eq!(home.new_key().unwrap().public(), new, "the same until a desk knows them");
        assert_eq!(home.key().unwrap_err().code(), "key-file-missing");
        home.keep(&provisioned()).unwrap();
        assert_eq!(home.provisioned().unwrap(), Some(provisioned()));
        assert_eq!(home.key().unwrap().public(), new);
        assert_ne!(home.new_key().unwrap().public(), new);
        home.next_counter(0).unwrap();
        for entry in fs::read_dir(home.folder()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::metadata(home.folder()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(home.path("desk.json"), "{").unwrap();
        assert_eq!(home.provisioned().unwrap_err().code(), "station-file-unreadable");
        home.forget().unwrap();
        assert_eq!(home.provisioned().unwrap(), None);
        let left: Vec<_> = fs::read_dir(home.folder()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn counters_grow_whatever_clocks_and_files_say() {
        let folder = tempfile::tempdir().unwrap();
        let home = StationHome::new(folder.path());
        let first = home.next_counter(0).unwrap();
        assert!(home.next_counter(0).unwrap() > first);
        // The clock was an hour ahead.
        let ahead = first + 3_600_000_000;
        fs::write(home.path("counter"), ahead.to_string()).unwrap();
        assert_eq!(home.next_counter(0).unwrap(), ahead + 1);
        assert_eq!(home.next_counter(ahead + 100).unwrap(), ahead + 101);
        fs::write(home.path("counter"), "cut off").unwrap();
        assert!(home.next_counter(0).unwrap() > first);
    }

    #[test]
    fn one_command_at_a_time_changes_who_the_station_is() {
        let folder = tempfile::tempdir().unwrap();
        let home = StationHome::new(folder.path());
        let held = home.hold().unwrap();
        assert_eq!(home.hold().unwrap_err().code(), "station-busy");
        drop(held);
        home.hold().unwrap();
        // A folder where a file should be.
        fs::create_dir(home.path("counter")).unwrap();
        assert_eq!(home.next_counter(0).unwrap_err().code(), "station-file");
    }
}
