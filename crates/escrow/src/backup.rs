//! Backups: the whole store, encrypted with age to the officers, and verified as it was written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::journal::{Draft, EventDraft};
use crate::roster::Trust;
use crate::store::{self, Look, View};
use crate::{CheckReport, Escrow, EscrowError, EventKind, Facts, Officer, check, keyfile, wrap};

/// What was backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// What the check of the state that was written found. A store that is damaged is backed up as it is.
    pub check: CheckReport,
    /// Whether every seal was opened, and the file decrypted again and found to hold, byte for byte, what was checked;
    /// otherwise it was read again as it is, and compared.
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
    /// the officers can open, and notes it. Nothing in clear touches a disk, and memory does not grow with the store
    /// (with one on a server it does). The same state is checked, with an officer every seal in it, too; then the file is
    /// read again, by an officer decrypted, and must hold what was checked.
    pub fn backup(&self, path: &Path, officer: Option<&Officer>) -> Result<BackupReport, EscrowError> {
        let inner = &*self.inner;
        if let Some(officer) = officer {
            inner.known(officer)?;
        }
        let unfinished = Unfinished::create(path)?;
        let (trust, written) = inner.steadily(|trust| {
            self.require_approval(trust)?;
            let written = store::read(&*inner.store, |view| unfinished.fill(view, trust, officer))?;
            Ok((trust.clone(), written))
        })?;
        let bytes = unfinished.verify(&written, officer)?;
        let Written { digest, check, .. } = written;
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

/// Encrypts the state that a view shows, and lets `look` see it; the SHA-256 of what was encrypted.
fn write_image(
    view: &dyn View,
    encryptor: age::Encryptor,
    out: &mut dyn Write,
    path: &Path,
    look: Look<'_>,
) -> Result<[u8; 32], EscrowError> {
    let failed = |source| EscrowError::BackupIo { action: "write", path: path.into(), source };
    let mut plain = Hashing { out: encryptor.wrap_output(out).map_err(failed)?, hash: Sha256::new() };
    view.image(&mut |bytes| plain.write_all(bytes).map_err(failed), look)?;
    plain.out.finish().map_err(failed)?.flush().map_err(failed)?;
    Ok(plain.hash.finalize().into())
}

/// Checks an image of what a view shows. Where it was put together of another database's rows, that is checked as well.
fn check_image(
    view: &dyn View,
    image: &dyn View,
    trust: &Trust,
    officer: Option<&Officer>,
) -> Result<CheckReport, EscrowError> {
    let mut report = check::check(image, trust, officer.map(Officer::keys))?;
    if view.catalog() != image.catalog() {
        for finding in check::check(view, trust, None)?.findings {
            if !report.findings.contains(&finding) {
                report.findings.push(finding);
            }
        }
    }
    Ok(report)
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

/// What was written, and found in it.
struct Written {
    /// The SHA-256 of the file.
    digest: String,
    /// That of what was encrypted.
    plain: [u8; 32],
    check: CheckReport,
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

    /// Writes the state that a view shows for the officers of its roster, and checks it.
    fn fill(&self, view: &dyn View, trust: &Trust, officer: Option<&Officer>) -> Result<Written, EscrowError> {
        // The officers may have changed since the roster was read: that of this very state decides.
        if u64::try_from(view.roster_version()?) != Ok(trust.latest().version) {
            return Err(EscrowError::RosterUnsteady);
        }
        let recipients = trust.latest().officers.iter().map(|officer| officer.keys.recipient.as_str());
        let encryptor = wrap::encryptor(recipients, "backup")?;
        let (mut check, mut plain) = (CheckReport::default(), [0; 32]);
        let digest = self.write(|out| {
            plain = write_image(view, encryptor, out, &self.path, &mut |image| {
                check = check_image(view, image, trust, officer)?;
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(Written { digest, plain, check })
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

    /// Reads the file again and compares, with an officer also what is in it; its length.
    fn verify(&self, written: &Written, officer: Option<&Officer>) -> Result<u64, EscrowError> {
        let differs =
            |problem: &str| EscrowError::BackupUnreadable { path: self.path.clone(), problem: problem.into() };
        let (digest, len) = digest_of(&self.beside)?;
        if digest != written.digest {
            return Err(differs("the disk does not give back what was written"));
        }
        let Some(officer) = officer else { return Ok(len) };
        let mut found = Hashing { out: io::sink(), hash: Sha256::new() };
        decrypt(&self.beside, officer, |plain| io::copy(plain, &mut found).map(drop))?;
        if <[u8; 32]>::from(found.hash.finalize()) != written.plain {
            return Err(differs("it does not hold what was checked"));
        }
        Ok(len)
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

#[cfg(test)]
mod tests {
    use oathburn_oath::Remedy;

    use super::*;

    /// A backup of some bytes for an officer, in a folder that lives as long as the result.
    fn written(officer: &Officer, bytes: &[u8]) -> (tempfile::TempDir, Unfinished, Written) {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = Unfinished::create(&folder.path().join("backup.age")).unwrap();
        let recipient = officer.public().recipient;
        let encryptor = wrap::encryptor([recipient.as_str()], "backup").unwrap();
        let digest = unfinished.write(|out| {
            let mut encrypted = encryptor.wrap_output(out).unwrap();
            encrypted.write_all(bytes).unwrap();
            encrypted.finish().map(drop).map_err(|_| EscrowError::Random)
        });
        let plain = Sha256::digest(bytes).into();
        (folder, unfinished, Written { digest: digest.unwrap(), plain, check: CheckReport::default() })
    }

    #[test]
    fn a_backup_is_what_was_written_and_holds_what_was_checked_or_it_is_none() {
        let officer = Officer::generate().unwrap();
        let bytes = vec![7; 200_000];
        let (_folder, unfinished, good) = written(&officer, &bytes);
        let len = fs::metadata(&unfinished.beside).unwrap().len();
        assert_eq!(
            (unfinished.verify(&good, None).unwrap(), unfinished.verify(&good, Some(&officer)).unwrap()),
            (len, len)
        );
        // The file is whole and ours, and something else was checked.
        let other = Written { plain: [7; 32], ..good };
        assert_eq!(unfinished.verify(&other, None).unwrap(), len);
        let error = unfinished.verify(&other, Some(&officer)).unwrap_err();
        assert_eq!(error.code(), "backup-unreadable");
        assert!(error.to_string().contains("what was checked"), "{error}");
        // A disk that keeps something else.
        let (_folder, unfinished, good) = written(&officer, &bytes);
        let mut changed = fs::read(&unfinished.beside).unwrap();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&unfinished.beside, changed).unwrap();
        let error = unfinished.verify(&good, None).unwrap_err();
        assert!(error.to_string().contains("does not give back"), "{error}");
    }
}
