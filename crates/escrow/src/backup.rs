//! Backups: the whole store, encrypted with age to the officers, and verified as it was written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::journal::{Draft, EventDraft};
use crate::roster::Trust;
use crate::sqlite::SqliteStore;
use crate::store::{self, EscrowStore, View};
use crate::{CheckReport, Escrow, EscrowError, EventKind, Facts, Officer, check, keyfile, wrap};

/// What was backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// What the check of the backup found: of the file as it lies on the disk where an officer was there, else of the
    /// state that was written. A store that is damaged is backed up as it is.
    pub check: CheckReport,
    /// Whether the file was decrypted again and checked entry by entry; otherwise it was read again and compared.
    pub opened: bool,
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The SHA-256 of the file as hex, which the event keeps.
    pub digest: String,
    /// The labels of the officers who can restore it.
    pub officers: Vec<String>,
}

impl Escrow {
    /// Writes the store as it is at one moment, while others go on writing, into a new file of mode 0600 that only
    /// the officers can open, and notes it. Nothing in clear touches a disk. With an officer the file is opened again
    /// and every seal in it, too.
    pub fn backup(&self, path: &Path, officer: Option<&Officer>) -> Result<BackupReport, EscrowError> {
        let inner = &*self.inner;
        if let Some(officer) = officer {
            inner.known(officer)?;
        }
        let unfinished = Unfinished::create(path)?;
        let (trust, digest, check) = inner.steadily(|trust| {
            self.require_approval(trust)?;
            let (digest, check) = store::read(&*inner.store, |view| unfinished.fill(view, trust, officer.is_none()))?;
            Ok((trust.clone(), digest, check))
        })?;
        let bytes = unfinished.verify(&digest)?;
        let check = match (officer, check) {
            (Some(officer), _) => {
                open(&unfinished.beside, officer, |view| check::check(view, &trust, Some(officer.keys())))?
            }
            (None, check) => check.unwrap_or_default(),
        };
        unfinished.publish()?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let facts = Facts::new()
            .with("digest", digest.as_str())
            .with("entries", i64::try_from(check.entries).unwrap_or(i64::MAX))
            .with_some("file", name.map(|name| name.chars().take(255).collect::<String>()));
        let noted = inner.steadily(|trust| {
            inner.commit(trust, inner.station.keys(), &mut |_| {
                Ok(Draft { events: vec![EventDraft::new(EventKind::BackedUp, facts.clone())], ..Draft::default() })
            })
        });
        // A copy of the store that the audit trail does not know of is none.
        noted.inspect_err(|_| drop(fs::remove_file(path)))?;
        let officers = trust.latest().officers.iter().map(|officer| officer.label.clone()).collect();
        Ok(BackupReport { check, opened: officer.is_some(), bytes, digest, officers })
    }
}

/// Encrypts the state that a view shows.
fn write_image(
    view: &dyn View,
    encryptor: age::Encryptor,
    out: &mut dyn Write,
    path: &Path,
) -> Result<(), EscrowError> {
    let failed = |source| EscrowError::BackupIo { action: "write", path: path.into(), source };
    let mut encrypted = encryptor.wrap_output(out).map_err(failed)?;
    view.image(&mut |bytes| encrypted.write_all(bytes).map_err(failed))?;
    encrypted.finish().map_err(failed)?.flush().map_err(failed)
}

/// Opens a backup in memory and looks at it.
fn open<T>(
    path: &Path,
    officer: &Officer,
    mut look: impl FnMut(&dyn View) -> Result<T, EscrowError>,
) -> Result<T, EscrowError> {
    let mut bytes = Zeroizing::new(Vec::new());
    decrypt(path, officer, |plain| plain.read_to_end(&mut bytes).map(drop))?;
    let store = SqliteStore::in_memory(&bytes, path)?;
    store::read(&store as &dyn EscrowStore, |view| look(view))
}

/// Decrypts a backup, piece by piece; a piece is handed out only when it was authenticated.
pub(crate) fn decrypt(
    path: &Path,
    officer: &Officer,
    take: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> Result<(), EscrowError> {
    let file =
        File::open(path).map_err(|source| EscrowError::BackupIo { action: "read", path: path.into(), source })?;
    let mut plain = wrap::reader(BufReader::new(file), officer.keys()).map_err(|problem| match problem {
        wrap::Unopened::OtherRecipients => EscrowError::BackupForOthers { path: path.into() },
        wrap::Unopened::Agent(reason) => EscrowError::AgentGone { reason },
        wrap::Unopened::NotAge => {
            EscrowError::BackupUnreadable { path: path.into(), problem: "it is no age file".into() }
        }
    })?;
    take(&mut plain).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            EscrowError::BackupUnreadable { path: path.into(), problem: "it was changed or cut short".into() }
        }
        _ => EscrowError::BackupIo { action: "restore", path: path.into(), source },
    })
}

/// The SHA-256 of a file, and its length.
pub(crate) fn digest_of(path: &Path) -> Result<(String, u64), EscrowError> {
    let failed = |source| EscrowError::BackupIo { action: "read", path: path.into(), source };
    let mut file = File::open(path).map_err(failed)?;
    let (mut hash, mut len) = (Sha256::new(), 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok((HEXLOWER.encode(&hash.finalize()), len)),
            some => {
                hash.update(&buffer[..some]);
                len += some as u64;
            }
        }
    }
}

/// A backup that has not got its name yet; what is left of it goes with this.
struct Unfinished {
    path: PathBuf,
    beside: PathBuf,
}

impl Unfinished {
    fn create(path: &Path) -> Result<Self, EscrowError> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(EscrowError::BackupExists { path: path.into() });
        }
        let failed = |source| EscrowError::BackupIo { action: "create", path: path.into(), source };
        let beside = keyfile::beside(path).map_err(failed)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
        Ok(Self { path: path.into(), beside })
    }

    /// Writes the state that a view shows for the officers of its roster; its digest, and what a check of it found if
    /// one is wanted.
    fn fill(
        &self,
        view: &dyn View,
        trust: &Trust,
        checked: bool,
    ) -> Result<(String, Option<CheckReport>), EscrowError> {
        // The officers may have changed since the roster was read: that of this very state decides.
        if u64::try_from(view.roster_version()?) != Ok(trust.latest().version) {
            return Err(EscrowError::RosterUnsteady);
        }
        let recipients = trust.latest().officers.iter().map(|officer| officer.keys.recipient.as_str());
        let encryptor = wrap::encryptor(recipients, "backup")?;
        let digest = self.write(|out| write_image(view, encryptor, out, &self.path))?;
        let check = if checked { Some(check::check(view, trust, None)?) } else { None };
        Ok((digest, check))
    }

    fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> EscrowError + '_ {
        move |source| EscrowError::BackupIo { action, path: self.path.clone(), source }
    }

    /// Writes the file from its beginning; the SHA-256 of what was written.
    fn write(&self, job: impl FnOnce(&mut dyn Write) -> Result<(), EscrowError>) -> Result<String, EscrowError> {
        let file = OpenOptions::new().write(true).truncate(true).open(&self.beside).map_err(self.failed("write"))?;
        let mut out = Hashing { out: BufWriter::new(file), hash: Sha256::new() };
        job(&mut out)?;
        let file = out.out.into_inner().map_err(|error| self.failed("write")(error.into_error()))?;
        file.sync_all().map_err(self.failed("write"))?;
        Ok(HEXLOWER.encode(&out.hash.finalize()))
    }

    /// Reads the file again and compares; its length.
    fn verify(&self, digest: &str) -> Result<u64, EscrowError> {
        match digest_of(&self.beside)? {
            (found, len) if found == digest => Ok(len),
            _ => Err(EscrowError::BackupUnreadable {
                path: self.path.clone(),
                problem: "the disk does not give back what was written".into(),
            }),
        }
    }

    fn publish(self) -> Result<(), EscrowError> {
        match fs::hard_link(&self.beside, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(EscrowError::BackupExists { path: self.path.clone() })
            }
            other => other.and_then(|()| keyfile::sync_folder(&self.path)).map_err(self.failed("write")),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}

struct Hashing<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.hash.update(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
