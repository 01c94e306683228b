//! What this user has seen of each store: which escrow, which roster.

mod seen;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::canon::Canon;
use crate::roster::Trust;
use crate::{EscrowError, EscrowId, StoreUrl, keyfile};

pub use self::seen::SealedToken;
pub(crate) use self::seen::{Written, sealed_tokens};

/// A folder with one small file for each store, which pins the escrow and the version of the roster seen there.
///
/// Whoever can write to the database cannot make anybody a recipient: the pin is believed, not the database.
#[derive(Clone, Debug)]
pub struct Pins {
    folder: PathBuf,
}

/// The file of one store: JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinFile {
    format: u32,
    /// The store, for people.
    store: String,
    escrow: String,
    roster: u64,
    hash: String,
}

/// What was seen of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) escrow: EscrowId,
    pub(crate) roster: u64,
    pub(crate) hash: [u8; 32],
}

impl Pin {
    fn of(trust: &Trust) -> Self {
        let roster = trust.latest();
        Self { escrow: roster.escrow, roster: roster.version, hash: roster.hash }
    }
}

impl Pins {
    /// Pins in this folder; it is made with mode 0700 when the first pin is.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The file that pins a store; remove it to trust the store anew. A store that is named through a symbolic link
    /// has another one for the link.
    pub fn file_of(&self, url: &StoreUrl) -> PathBuf {
        self.file_at(places(url).real())
    }

    fn file_at(&self, place: &str) -> PathBuf {
        let digest = Canon::new("oathburn escrow pin 1").text(place).digest();
        self.folder.join(format!("{}.json", HEXLOWER.encode(&digest[..16])))
    }

    /// Compares what a store shows with its pin, and moves the pin on to a signed successor.
    pub(crate) fn follow(&self, url: &StoreUrl, trust: &Trust) -> Result<(), EscrowError> {
        let (places, seen) = (places(url), Pin::of(trust));
        let mut pins = places.each().map(|place| self.load(place));
        if pins.all(|pin| matches!(pin, Ok(Some(pin)) if pin == seen)) {
            return Ok(());
        }
        // Two processes may move the pin at the same time: the later one must not set it back.
        let _lock = self.lock()?;
        for place in places.each() {
            if let Some(pin) = self.load(place)? {
                verify(&pin, trust)?;
            }
        }
        places.each().try_for_each(|place| self.write(place, &seen))
    }

    /// The escrow that is pinned for a store.
    pub(crate) fn escrow(&self, url: &StoreUrl) -> Result<Option<EscrowId>, EscrowError> {
        for place in places(url).each() {
            if let Some(pin) = self.load(place)? {
                return Ok(Some(pin.escrow));
            }
        }
        Ok(None)
    }

    /// Pins a store, whatever was pinned before.
    pub(crate) fn replace(&self, url: &StoreUrl, trust: &Trust) -> Result<(), EscrowError> {
        let _lock = self.lock()?;
        places(url).each().try_for_each(|place| {
            self.forget_heads(place)?;
            self.write(place, &Pin::of(trust))
        })
    }

    /// The version of the roster that was seen, where it is not the store's or one before it.
    pub(crate) fn newer_roster(&self, url: &StoreUrl, trust: &Trust) -> Result<Option<u64>, EscrowError> {
        for place in places(url).each() {
            if let Some(pin) = self.load(place)?.filter(|pin| verify(pin, trust).is_err()) {
                return Ok(Some(pin.roster));
            }
        }
        Ok(None)
    }

    fn lock(&self) -> Result<File, EscrowError> {
        keyfile::create_folder(&self.folder).map_err(failed("create", &self.folder))?;
        let path = self.folder.join("lock");
        let file =
            OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed("open", &path))?;
        let locked = rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive);
        locked.map_err(|error| failed("lock", &path)(error.into()))?;
        Ok(file)
    }

    fn write(&self, place: &str, pin: &Pin) -> Result<(), EscrowError> {
        let text = serde_json::to_string_pretty(&PinFile {
            format: 1,
            store: place.to_owned(),
            escrow: pin.escrow.to_string(),
            roster: pin.roster,
            hash: HEXLOWER.encode(&pin.hash),
        })
        .expect("texts and numbers are JSON");
        let path = self.file_at(place);
        keyfile::replace(&path, format!("{text}\n").as_bytes()).map_err(failed("write", &path))
    }

    fn load(&self, place: &str) -> Result<Option<Pin>, EscrowError> {
        let path = self.file_at(place);
        let unreadable = |problem: String| EscrowError::PinUnreadable { path: path.clone(), problem };
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| unreadable(error.to_string()))?,
        };
        let file: PinFile = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        let pin = || {
            Some(Pin {
                escrow: file.escrow.parse().ok()?,
                roster: file.roster,
                hash: HEXLOWER.decode(file.hash.as_bytes()).ok()?.try_into().ok()?,
            })
        };
        let known = (file.format == 1).then(pin).flatten();
        known.map(Some).ok_or_else(|| unreadable("it is not one of this version".into()))
    }
}

/// Whether the rosters of a store continue what was seen.
fn verify(pin: &Pin, trust: &Trust) -> Result<(), EscrowError> {
    let latest = trust.latest();
    if pin.escrow != latest.escrow {
        return Err(EscrowError::OtherEscrow { pinned: pin.escrow, found: latest.escrow });
    }
    match trust.version(pin.roster) {
        Some(roster) if roster.hash == pin.hash => Ok(()),
        Some(_) => Err(EscrowError::RosterForged { version: pin.roster }),
        None => Err(EscrowError::RosterOlder { pinned: pin.roster, found: latest.version }),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EscrowError {
    let path = path.to_path_buf();
    move |source| EscrowError::PinIo { action, path, source }
}

/// Where a store lies: one text for one place, however it is written.
///
/// A file has the name in its folder, which may be a symbolic link: whoever can write to the folder can put a link to
/// another store there, and then this name is not new, and its pin still counts. After it comes what it leads to, where
/// it is a link. A database has one place for each server: of whichever server it is asked of, its pin counts.
struct Places(Vec<String>);

impl Places {
    /// Each once, the name first.
    fn each(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// What the name leads to; the same where it is no link, or where there is no store yet.
    fn real(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }
}

fn places(url: &StoreUrl) -> Places {
    let path = match url {
        StoreUrl::Sqlite(path) => path,
        StoreUrl::Postgres(url) => return Places(url.places()),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.clone(),
    };
    let real = fs::canonicalize(path).unwrap_or_else(|_| named.clone());
    let text = |path: PathBuf| format!("sqlite:{}", path.display());
    let mut places = vec![text(named), text(real)];
    places.dedup();
    Places(places)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use oathburn_oath::{Remedy, UnixTime};

    use super::*;
    use crate::roster::Roster;
    use crate::{Member, Officer};

    fn rosters(escrow: EscrowId) -> [Trust; 2] {
        let officer = Officer::generate().unwrap();
        let officers = [Member { label: "alice".into(), keys: officer.public() }];
        let (one, row1) = Roster::sign(escrow, None, UnixTime::new(1), &officers, &[], officer.keys()).unwrap();
        let (_, row2) = Roster::sign(escrow, Some(&one), UnixTime::new(2), &officers, &[], officer.keys()).unwrap();
        [vec![row1.clone()], vec![row1, row2]].map(|rows| Trust::verify(escrow, &rows).unwrap())
    }

    #[test]
    fn a_pin_follows_successors_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let pins = Pins::new(folder.path().join("a/pins"));
        let url = StoreUrl::sqlite(folder.path().join("escrow.db"));
        let escrow = EscrowId::new();
        let [first, second] = rosters(escrow);
        assert_eq!(pins.escrow(&url).unwrap(), None);
        pins.follow(&url, &first).unwrap();
        assert_eq!(pins.escrow(&url).unwrap(), Some(escrow));
        pins.follow(&url, &second).unwrap();
        pins.follow(&url, &second).unwrap();
        let older = pins.follow(&url, &first).unwrap_err();
        assert!(matches!(older, EscrowError::RosterOlder { pinned: 2, found: 1 }), "{older}");
        let [_, same_id] = rosters(escrow);
        assert_eq!(pins.follow(&url, &same_id).unwrap_err().code(), "roster-forged");
        let [_, other] = rosters(EscrowId::new());
        assert_eq!(pins.follow(&url, &other).unwrap_err().code(), "escrow-other");
        // Another place is another pin; making a new escrow replaces one.
        pins.follow(&StoreUrl::sqlite(folder.path().join("other.db")), &other).unwrap();
        pins.replace(&url, &other).unwrap();
        pins.follow(&url, &other).unwrap();
    }

    #[test]
    fn a_place_has_one_pin_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let pins = Pins::new(folder.path().join("pins"));
        let path = folder.path().join("escrow.db");
        let before = pins.file_of(&StoreUrl::sqlite(&path));
        fs::write(&path, "").unwrap();
        std::os::unix::fs::symlink(&path, folder.path().join("link.db")).unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        for name in ["escrow.db", "./escrow.db", "sub/../escrow.db", "link.db"] {
            assert_eq!(pins.file_of(&StoreUrl::sqlite(folder.path().join(name))), before, "{name}");
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_store_is_no_new_store() {
        let folder = tempfile::tempdir().unwrap();
        let pins = Pins::new(folder.path().join("pins"));
        let place = |name: &str| StoreUrl::sqlite(folder.path().join(name));
        let [mine, _] = rosters(EscrowId::new());
        let [other, _] = rosters(EscrowId::new());
        for name in ["escrow.db", "evil.db"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        pins.follow(&place("escrow.db"), &mine).unwrap();
        fs::remove_file(folder.path().join("escrow.db")).unwrap();
        std::os::unix::fs::symlink("evil.db", folder.path().join("escrow.db")).unwrap();
        assert_eq!(pins.escrow(&place("escrow.db")).unwrap(), Some(mine.escrow()));
        assert_eq!(pins.follow(&place("escrow.db"), &other).unwrap_err().code(), "escrow-other");
        // Nor is a link that led elsewhere before.
        std::os::unix::fs::symlink("mine.db", folder.path().join("link.db")).unwrap();
        fs::write(folder.path().join("mine.db"), "").unwrap();
        pins.follow(&place("link.db"), &mine).unwrap();
        fs::remove_file(folder.path().join("link.db")).unwrap();
        std::os::unix::fs::symlink("evil.db", folder.path().join("link.db")).unwrap();
        assert_eq!(pins.follow(&place("link.db"), &other).unwrap_err().code(), "escrow-other");
        assert_eq!(pins.escrow(&place("evil.db")).unwrap(), None);
    }

    #[test]
    fn pins_that_cannot_be_read_or_written_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let pins = Pins::new(folder.path());
        let url = StoreUrl::sqlite(folder.path().join("escrow.db"));
        let [trust, _] = rosters(EscrowId::new());
        pins.follow(&url, &trust).unwrap();
        let file = pins.file_of(&url);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let good = fs::read_to_string(&file).unwrap();
        for bad in
            ["", "{}", &good.replace("\"format\": 1", "\"format\": 2"), &good.replace("\"hash\": \"", "\"hash\": \"x")]
        {
            fs::write(&file, bad).unwrap();
            assert_eq!(pins.follow(&url, &trust).unwrap_err().code(), "pin-unreadable", "{bad}");
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!(pins.follow(&url, &trust).unwrap_err().code(), "pin-unreadable");
        let nowhere = Pins::new(folder.path().join("lock/below-a-file"));
        assert_eq!(nowhere.replace(&url, &trust).unwrap_err().code(), "pin-io");
    }
}
