//! Beside the pin: the newest event of each writer, and the tokens this user has sealed seeds for.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use oathburn_oath::UnixTime;
use serde::{Deserialize, Serialize};

use super::{Pins, failed, places};
use crate::heads::Heads;
use crate::store::{ChainHead, Commit, EntryRow, EventRow};
use crate::{EntryId, EscrowError, EscrowId, EventKind, StoreUrl, WriterId, keyfile};

/// Tokens that are remembered; the oldest are forgotten first.
const MAX_TOKENS: usize = 5000;
/// A file of tokens that is longer is cut.
const MAX_LEN: u64 = 2 * 1024 * 1024;
/// What was written last moves into the file of all ends when it is longer: each command reads it.
const MAX_WRITTEN: u64 = 16 * 1024;

/// A token that this user sealed a seed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedToken {
    /// The entry.
    #[serde(with = "as_text")]
    pub entry: EntryId,
    /// The token's family.
    pub family: String,
    /// Its serial number.
    pub serial: String,
    /// The slot.
    pub slot: String,
    /// Whose chain the event is in.
    #[serde(with = "as_hex")]
    pub writer: WriterId,
    /// The event's place in it.
    pub sequence: u64,
    /// When, in seconds since 1970.
    pub time: u64,
    /// What happened: `reserved`, `imported`, `programmed`.
    pub kind: String,
}

impl SealedToken {
    /// When it happened.
    pub fn at(&self) -> UnixTime {
        UnixTime::new(self.time)
    }
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(id: &crate::EntryId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<crate::EntryId, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

mod as_hex {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(id: &crate::WriterId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<crate::WriterId, D::Error> {
        let bytes = super::HEXLOWER.decode(String::deserialize(from)?.as_bytes()).map_err(de::Error::custom)?;
        crate::WriterId::from_slice(&bytes).ok_or_else(|| de::Error::custom("no key"))
    }
}

/// What a transaction wrote, as far as it is remembered.
#[derive(Debug, Default)]
pub(crate) struct Written {
    heads: Heads,
    tokens: Vec<SealedToken>,
}

impl Written {
    pub(crate) const fn heads(&self) -> &Heads {
        &self.heads
    }

    pub(crate) fn of(commit: &Commit) -> Self {
        let mut written = Self::default();
        // An import has thousands: they are not looked through for each.
        let all = commit.new_entries.iter().chain(&commit.changed_entries);
        let rows: HashMap<&[u8], &EntryRow> = all.map(|row| (row.id.as_slice(), row)).collect();
        for event in &commit.events {
            let Some(writer) = WriterId::from_slice(&event.writer) else { continue };
            written.heads.0.insert(writer, ChainHead { sequence: event.sequence, hash: event.hash.clone() });
            let find = |id: &[u8]| rows.get(id).map(|row| (*row).clone());
            // Of a large import the newest are enough: all of it is in one file elsewhere.
            let room = MAX_TOKENS.saturating_sub(written.tokens.len()).min(MAX_TOKENS / 50);
            written.tokens.extend(sealed_tokens(event, writer, room, find));
        }
        written
    }
}

/// The tokens an event is about, if it seals or programs; at most so many.
pub(crate) fn sealed_tokens(
    event: &EventRow,
    writer: WriterId,
    room: usize,
    find: impl Fn(&[u8]) -> Option<EntryRow>,
) -> Vec<SealedToken> {
    let kind = EventKind::from_name(&event.kind);
    if !matches!(kind, Some(EventKind::Reserved | EventKind::Imported | EventKind::Programmed)) {
        return Vec::new();
    }
    let token = |touch: &crate::store::Touch| {
        let row = find(&touch.entry)?;
        Some(SealedToken {
            entry: EntryId::from_slice(&touch.entry)?,
            family: row.family,
            serial: row.serial,
            slot: row.slot,
            writer,
            sequence: event.sequence.try_into().ok()?,
            time: event.time.try_into().ok()?,
            kind: event.kind.clone(),
        })
    };
    event.touched.iter().rev().take(room).filter_map(token).collect()
}

impl Pins {
    fn beside_pin(&self, place: &str, what: &str) -> PathBuf {
        let pin = self.file_at(place);
        let name = pin.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.folder.join(format!("{name}-{what}"))
    }

    /// The ends of chains that were seen at a store's place.
    pub(crate) fn heads(&self, url: &StoreUrl, escrow: EscrowId) -> Result<Heads, EscrowError> {
        let mut heads = Heads::default();
        for place in places(url).each() {
            heads.merge(&self.load_heads(place, escrow)?);
        }
        Ok(heads)
    }

    /// Remembers what was seen beyond what is known.
    pub(crate) fn advance(&self, url: &StoreUrl, escrow: EscrowId, newer: &Heads) -> Result<(), EscrowError> {
        if newer.0.is_empty() {
            return Ok(());
        }
        // Two processes may have seen different ends: neither is forgotten.
        let _lock = self.lock()?;
        let places = places(url);
        for place in places.each() {
            self.settle(place, escrow, newer)?;
        }
        Ok(())
    }

    /// Remembers what this process wrote: the ends of its chains, and the tokens. Nobody waits until it is on the disk,
    /// for a power failure takes none of the events, and whoever opens the store next sees them in it.
    pub(crate) fn remember(&self, url: &StoreUrl, escrow: EscrowId, written: &Written) -> Result<(), EscrowError> {
        self.append_heads(url, escrow, &written.heads)?;
        self.remember_tokens(url, &written.tokens)
    }

    fn append_heads(&self, url: &StoreUrl, escrow: EscrowId, heads: &Heads) -> Result<(), EscrowError> {
        if heads.0.is_empty() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let lines = heads.to_lines(escrow);
        for place in places(url).each() {
            if append(&self.beside_pin(place, "written"), &lines)? > MAX_WRITTEN {
                self.settle(place, escrow, &Heads::default())?;
            }
        }
        Ok(())
    }

    /// Believes of a copy of a store what was seen of the store.
    pub(crate) fn carry(&self, from: &StoreUrl, to: &StoreUrl, escrow: EscrowId) -> Result<(), EscrowError> {
        self.advance(to, escrow, &self.heads(from, escrow)?)?;
        self.remember_tokens(to, &self.tokens_after(from, &Heads::default())?)
    }

    fn remember_tokens(&self, url: &StoreUrl, tokens: &[SealedToken]) -> Result<(), EscrowError> {
        if tokens.is_empty() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let path = self.beside_pin(places(url).real(), "tokens");
        let mut lines = String::new();
        for token in tokens {
            lines.push_str(&serde_json::to_string(token).expect("texts and numbers are JSON"));
            lines.push('\n');
        }
        if append(&path, &lines)? > MAX_LEN { Self::shorten(&path) } else { Ok(()) }
    }

    /// Writes all ends into one file, durably. The caller holds the lock.
    fn settle(&self, place: &str, escrow: EscrowId, newer: &Heads) -> Result<(), EscrowError> {
        let mut heads = self.load_heads(place, escrow)?;
        heads.merge(newer);
        self.write_heads(place, escrow, &heads)?;
        remove(&self.beside_pin(place, "written"))
    }

    fn shorten(path: &Path) -> Result<(), EscrowError> {
        let text = fs::read_to_string(path).map_err(failed("read", path))?;
        let lines: Vec<_> = text.lines().collect();
        let kept: String = lines[lines.len() / 2..].iter().flat_map(|line| [line, "\n"]).collect();
        keyfile::replace(path, kept.as_bytes()).map_err(failed("write", path))
    }

    /// The tokens that were sealed from here after the ends of chains that a store has. Lines that a torn write left
    /// are passed over.
    pub(crate) fn tokens_after(&self, url: &StoreUrl, heads: &Heads) -> Result<Vec<SealedToken>, EscrowError> {
        let path = self.beside_pin(places(url).real(), "tokens");
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed("read", &path))?,
        };
        let mut tokens = Vec::new();
        for line in BufReader::new(file.take(2 * MAX_LEN)).lines() {
            let line = line.map_err(failed("read", &path))?;
            let Ok(token) = serde_json::from_str::<SealedToken>(&line) else { continue };
            let known = heads.0.get(&token.writer).map_or(0, |head| head.sequence);
            if i64::try_from(token.sequence).is_ok_and(|sequence| sequence > known) {
                tokens.push(token);
            }
        }
        Ok(tokens)
    }

    /// Forgets what was seen: the store that lies there now is trusted as it is.
    pub(super) fn forget_heads(&self, place: &str) -> Result<(), EscrowError> {
        ["heads", "written", "tokens"].into_iter().try_for_each(|what| remove(&self.beside_pin(place, what)))
    }

    fn load_heads(&self, place: &str, escrow: EscrowId) -> Result<Heads, EscrowError> {
        // In this order: another process may move the lines into the file meanwhile.
        let lines = read(&self.beside_pin(place, "written"))?.unwrap_or_default();
        let path = self.beside_pin(place, "heads");
        let unreadable = |problem: String| EscrowError::PinUnreadable { path: path.clone(), problem };
        let mut heads = match read(&path)? {
            None => Heads::default(),
            Some(text) => std::str::from_utf8(&text)
                .map_err(|error| error.to_string())
                .and_then(|text| Heads::from_text(text, escrow))
                .map_err(unreadable)?,
        };
        heads.merge(&Heads::from_lines(&String::from_utf8_lossy(&lines), escrow));
        Ok(heads)
    }

    fn write_heads(&self, place: &str, escrow: EscrowId, heads: &Heads) -> Result<(), EscrowError> {
        let path = self.beside_pin(place, "heads");
        keyfile::replace(&path, heads.to_text(escrow).as_bytes()).map_err(failed("write", &path))
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, EscrowError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(EscrowError::PinUnreadable { path: path.into(), problem: error.to_string() }),
        Ok(bytes) => Ok(Some(bytes)),
    }
}

fn remove(path: &Path) -> Result<(), EscrowError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed("remove", path)),
    }
}

/// How long the file is with the lines at its end. They begin on a line of their own, whatever a torn write left.
fn append(path: &Path, lines: &str) -> Result<u64, EscrowError> {
    let appended = OpenOptions::new().create(true).append(true).mode(0o600).open(path).and_then(|mut file| {
        file.write_all(format!("\n{lines}").as_bytes())?;
        file.metadata().map(|metadata| metadata.len())
    });
    appended.map_err(failed("write", path))
}
