//! Where a station keeps what it works on: leased lines, and an escrow of its own.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oathburn_escrow::{Escrow, EscrowError, Member, Pins, PublicLine, StationKey, StoreUrl, Writer};
use oathburn_oath::SystemClock;

use super::RemoteError;
use super::portion::PortionFile;

/// A folder with leased lines. While it is held, no other program works in it.
#[derive(Debug)]
pub struct RemoteHome {
    folder: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
}

impl RemoteHome {
    /// Makes the folder if need be, and takes it.
    pub fn open(folder: &Path) -> Result<Self, RemoteError> {
        let portions = folder.join("portions");
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| RemoteError::File { action, path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&portions).map_err(failed("create", &portions))?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(RemoteError::Taken { path: folder.into() }),
            Err(TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
        }
    }

    /// Whether there are leased lines, or some of which the desk was not told yet.
    pub fn has_work(&self) -> Result<bool, RemoteError> {
        Ok(!self.portions()?.is_empty())
    }

    pub(super) fn portions(&self) -> Result<Vec<PortionFile>, RemoteError> {
        PortionFile::load_all(&self.portions_folder())
    }

    pub(super) fn portions_folder(&self) -> PathBuf {
        self.folder.join("portions")
    }

    /// The station's escrow, if it was made.
    pub fn escrow(&self, who: &Writer) -> Result<Option<Escrow>, RemoteError> {
        match Escrow::open(&self.url(), self.key()?, &self.pins(), who.clone(), Arc::new(SystemClock)) {
            Ok(escrow) => Ok(Some(escrow)),
            Err(EscrowError::StoreMissing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The station's escrow, for these officers: made, if it was not, and made anew if it was for others and there is
    /// nothing left in it to be told of. Which officers there are, the desk says.
    pub fn escrow_for(&self, officers: &[String], who: &Writer) -> Result<Escrow, RemoteError> {
        let officers = members(officers)?;
        if let Some(escrow) = self.escrow(who)? {
            if is_for(&escrow, &officers) || self.has_work()? {
                return Ok(escrow);
            }
            drop(escrow);
            for name in ["escrow.db", "escrow.db-wal", "escrow.db-shm"] {
                let path = self.folder.join(name);
                match fs::remove_file(&path) {
                    Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                        return Err(RemoteError::File { action: "remove", path, source });
                    }
                    _ => {}
                }
            }
        }
        Escrow::init_for(&self.url(), &officers, &self.key()?, &self.pins(), who, &SystemClock)?;
        Ok(Escrow::open(&self.url(), self.key()?, &self.pins(), who.clone(), Arc::new(SystemClock))?)
    }

    /// What signs in this escrow: a key of its own, so that a station that is provisioned anew still knows what it did.
    fn key(&self) -> Result<StationKey, EscrowError> {
        StationKey::load_or_create(&self.folder.join("escrow.key"))
    }

    fn url(&self) -> StoreUrl {
        StoreUrl::sqlite(self.folder.join("escrow.db"))
    }

    fn pins(&self) -> Pins {
        Pins::new(self.folder.join("pins"))
    }
}

/// Whether an escrow is for these officers, beside whoever founded it and was forgotten.
pub(super) fn is_for(escrow: &Escrow, officers: &[Member]) -> bool {
    let roster = escrow.roster();
    let there = |officer: &Member| roster.officers.iter().any(|other| other.keys == officer.keys);
    roster.officers.len() == officers.len() + 1 && officers.iter().all(there)
}

/// Officers, as the desk names them.
pub(super) fn members(officers: &[String]) -> Result<Vec<Member>, RemoteError> {
    let member = |line: &String| line.parse::<PublicLine>().map(|line| line.member);
    let members: Result<Vec<_>, _> = officers.iter().map(member).collect();
    members.ok().filter(|members| !members.is_empty()).ok_or(RemoteError::Answer { what: "its officers" })
}
