//! Files that hold secrets: made with mode 0600, durable, never overwritten, read with a limit.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::EscrowError;

/// No key file of ours comes near it.
const MAX_LEN: u64 = 16 * 1024;
/// How an age file begins (age-encryption.org/v1).
const AGE_MAGIC: &[u8] = b"age-encryption.org/v1\n";
/// 2^22 blocks of scrypt are 4 GiB and half a minute: more is an attack.
const MAX_WORK: u8 = 22;

/// Creates the file, which must not exist, and makes it durable.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), EscrowError> {
    let failed = |action| move |source| EscrowError::KeyFileIo { action, path: path.into(), source };
    let mut file = match create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(EscrowError::KeyFileExists { path: path.into() });
        }
        other => other.map_err(failed("create"))?,
    };
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path));
    if written.is_err() {
        // Half a key is of no use, and would be in the way of the next attempt.
        let _ = fs::remove_file(path);
    }
    written.map_err(failed("write"))
}

/// A new file with mode 0600.
fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes a file beside `path` and gives it its name in one step; fails when the name is taken.
pub(crate) fn publish(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes, |beside| fs::hard_link(beside, path).and_then(|()| fs::remove_file(beside)))
}

/// Writes a file beside `path` and puts it in its place in one step.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes, |beside| fs::rename(beside, path))
}

fn write_beside(path: &Path, bytes: &[u8], place: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let beside = beside(path)?;
    let mut file = create_new(&beside)?;
    let placed = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| place(&beside));
    if placed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    placed.and_then(|()| sync_folder(path))
}

/// A name in the same folder that nobody else uses.
pub(crate) fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| io::Error::other("no random bytes"))?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_os_string();
    name.push(format!(".{}.new", HEXLOWER.encode(&random)));
    Ok(path.with_file_name(name))
}

/// Makes the name of a new file durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Creates a folder and those above it with mode 0700, where they are missing.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Reads a file that only its owner may read.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, EscrowError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => EscrowError::KeyFileMissing { path: path.into() },
        _ => EscrowError::KeyFileIo { action: "read", path: path.into(), source },
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(EscrowError::KeyFileExposed { path: path.into(), mode });
    }
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_LEN).unwrap_or(0) + 1));
    file.take(MAX_LEN + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too long for a key file")));
    }
    Ok(bytes)
}

/// Whether these bytes are an age file.
pub(crate) fn is_locked(bytes: &[u8]) -> bool {
    bytes.starts_with(AGE_MAGIC)
}

/// Encrypts with a passphrase; the work is what the machine does in about a second.
pub(crate) fn lock(plaintext: &[u8], passphrase: &SecretString, path: &Path) -> Result<Vec<u8>, EscrowError> {
    age::encrypt(&age::scrypt::Recipient::new(passphrase.clone()), plaintext).map_err(|error| EscrowError::KeyFileIo {
        action: "encrypt",
        path: path.into(),
        source: io::Error::other(error.to_string()),
    })
}

/// Decrypts with a passphrase.
pub(crate) fn unlock(bytes: &[u8], passphrase: &SecretString, path: &Path) -> Result<Zeroizing<Vec<u8>>, EscrowError> {
    let mut identity = age::scrypt::Identity::new(passphrase.clone());
    identity.set_max_work_factor(MAX_WORK);
    age::decrypt(&identity, bytes).map(Zeroizing::new).map_err(|error| match error {
        age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed => {
            EscrowError::WrongPassphrase { path: path.into() }
        }
        age::DecryptError::ExcessiveWork { .. } => EscrowError::PassphraseWork { path: path.into() },
        // Encrypted to keys instead of a passphrase, cut short, or not age at all.
        _ => not_an_officers(path),
    })
}

/// The file is none of an officer's.
pub(crate) fn not_an_officers(path: &Path) -> EscrowError {
    EscrowError::NotKeyFile { path: path.into(), role: "an officer" }
}
