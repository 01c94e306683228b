//! Restoring a backup, and going on with a store that went back.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use oathburn_oath::Clock;

use crate::escrow::{PAGE, seconds, trust};
use crate::heads::Heads;
use crate::journal::{Draft, EventDraft, Journal};
use crate::pins::sealed_tokens;
use crate::roster::Trust;
use crate::sqlite::{Arriving, SqliteStore};
use crate::store::{self, EscrowStore, View};
use crate::{
    CheckReport, Escrow, EscrowError, EscrowId, Event, EventFilter, EventKind, Facts, LostEvents, Officer, Pins,
    SealedToken, StoreUrl, Writer, WriterId, audit, backup, check,
};

/// What a store has lost against what was seen of it here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Events that are gone, by writer.
    pub events: Vec<LostEvents>,
    /// Tokens that were sealed or programmed since, as far as they are known here: whatever is on them now, this
    /// store does not have it.
    pub tokens: Vec<SealedToken>,
    /// The version of the roster that was seen, where the store's is older or another: whoever was added, removed or
    /// approved since has to be so again.
    pub roster: Option<u64>,
    /// The newest event by which an officer says that a backup was restored.
    pub restored: Option<Event>,
}

impl Loss {
    /// Whether nothing is lost.
    pub fn is_none(&self) -> bool {
        self.events.is_empty() && self.tokens.is_empty() && self.roster.is_none()
    }
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreReport {
    /// Which escrow.
    pub escrow: EscrowId,
    /// The check of every event, every entry and every seal.
    pub check: CheckReport,
    /// What was seen here and is not in the backup.
    pub loss: Loss,
    /// Where the store that was replaced lies now.
    pub replaced: Option<PathBuf>,
}

impl Escrow {
    /// Puts a backup into a store's place: decrypted, every event verified and every seal opened before it gets its
    /// name. An officer of the backup's roster signs that it was restored. What lies in the place is kept beside it,
    /// and moved only with `replace`; other programs must not be using it.
    pub fn restore(
        from: &Path,
        url: &StoreUrl,
        officer: &Officer,
        pins: &Pins,
        who: &Writer,
        clock: &dyn Clock,
        replace: bool,
    ) -> Result<RestoreReport, EscrowError> {
        let StoreUrl::Sqlite(path) = url;
        let taken = path.symlink_metadata().is_ok();
        if taken && !replace {
            return Err(EscrowError::StoreExists { store: path.display().to_string() });
        }
        let (digest, _) = backup::digest_of(from)?;
        let (arriving, store) = Arriving::receive(path, |file| {
            backup::decrypt(from, officer, |plain| io::copy(plain, file).map(drop))?;
            file.sync_all().map_err(|source| EscrowError::BackupIo { action: "restore", path: path.clone(), source })
        })?;
        let trust = store::read(&store, |view| {
            let pinned = if replace { None } else { pins.escrow(url)? };
            trust(view, pinned)
        })?;
        if !trust.latest().is_officer(&officer.keys().writer()) {
            return Err(EscrowError::OfficerUnknown { escrow: trust.escrow() });
        }
        let check = store::read(&store, |view| check::check(view, &trust, Some(officer.keys())))?;
        if let Some(first) = check.findings.first() {
            let (problems, first) = (check.findings.len(), first.to_string());
            return Err(EscrowError::BackupUnsound { path: from.into(), problems, first });
        }
        let seen = pins.heads(url, trust.escrow())?;
        let mut loss = store::read(&store, |view| loss(view, &trust, &seen, url, pins))?;
        if taken {
            let heads = store::read(&store, |view| Heads::of(view))?;
            add_tokens(&mut loss, sealed_since(path, &trust, &heads).unwrap_or_default());
        }
        let time = seconds(clock.now().seconds());
        let facts = Facts::new()
            .with("backup", digest)
            .with("entries", i64::try_from(check.entries).unwrap_or(i64::MAX))
            .with("chains_cut", i64::try_from(loss.events.len()).unwrap_or(i64::MAX));
        let journal = Journal { trust: &trust, signer: officer.keys(), who, time };
        store.commit(&mut |view| {
            let events = vec![EventDraft::new(EventKind::Restored, facts.clone())];
            journal.write(view, Draft { events, ..Draft::default() })
        })?;
        let heads = store::read(&store, |view| Heads::of(view))?;
        drop(store);
        let replaced = if taken { Some(arriving.replace(time)?) } else { arriving.publish().map(|()| None)? };
        pins.replace(url, &trust)?;
        pins.advance(url, trust.escrow(), &heads)?;
        Ok(RestoreReport { escrow: trust.escrow(), check, loss, replaced })
    }

    /// What a store has lost against what was seen of it here. It is not opened for use.
    pub fn loss(url: &StoreUrl, pins: &Pins) -> Result<Loss, EscrowError> {
        let StoreUrl::Sqlite(path) = url;
        let store = SqliteStore::open(path)?;
        let pinned = pins.escrow(url)?;
        let seen = pinned.map_or_else(|| Ok(Heads::default()), |escrow| pins.heads(url, escrow))?;
        store::read(&store, |view| loss(view, &trust(view, pinned)?, &seen, url, pins))
    }

    /// Goes on with a store that went back: from now on this user trusts it as it is. It must be the same escrow.
    pub fn accept(url: &StoreUrl, pins: &Pins) -> Result<Loss, EscrowError> {
        let StoreUrl::Sqlite(path) = url;
        let store = SqliteStore::open(path)?;
        let pinned = pins.escrow(url)?;
        let seen = pinned.map_or_else(|| Ok(Heads::default()), |escrow| pins.heads(url, escrow))?;
        let (loss, trust, heads) = store::read(&store, |view| {
            let trust = trust(view, pinned)?;
            let loss = loss(view, &trust, &seen, url, pins)?;
            Ok((loss, trust.clone(), Heads::default().newer(view, &trust)?))
        })?;
        pins.replace(url, &trust)?;
        pins.advance(url, trust.escrow(), &heads)?;
        Ok(loss)
    }
}

fn loss(view: &dyn View, trust: &Trust, seen: &Heads, url: &StoreUrl, pins: &Pins) -> Result<Loss, EscrowError> {
    let events = seen.lost(view, trust)?;
    let restored = EventFilter { kind: Some(EventKind::Restored), ..EventFilter::default() };
    let restored = view.events(&restored, (i64::MIN, i64::MIN), usize::MAX)?;
    let restored = restored.iter().filter(|event| audit::verify(trust, event).is_ok()).max_by_key(|event| event.time);
    let tokens = if events.is_empty() { Vec::new() } else { pins.tokens_after(url, &Heads::of(view)?)? };
    Ok(Loss {
        events,
        tokens: newest_of_each(tokens),
        roster: pins.newer_roster(url, trust)?,
        restored: restored.map(|event| Event::read(event, trust)).transpose()?,
    })
}

/// Of several events of one entry the last.
fn newest_of_each(tokens: Vec<SealedToken>) -> Vec<SealedToken> {
    let mut seen = HashSet::new();
    let mut newest: Vec<_> = tokens.into_iter().rev().filter(|token| seen.insert(token.entry)).collect();
    newest.reverse();
    newest
}

fn add_tokens(loss: &mut Loss, more: Vec<SealedToken>) {
    let mut all = std::mem::take(&mut loss.tokens);
    all.extend(more);
    all.sort_by_key(|token| (token.time, token.sequence));
    loss.tokens = newest_of_each(all);
}

/// The tokens that were sealed in a store after the ends of chains that a backup has. The store may be damaged, which
/// is why it is replaced: then what is known elsewhere has to do.
fn sealed_since(path: &Path, trust: &Trust, heads: &Heads) -> Result<Vec<SealedToken>, EscrowError> {
    let store = SqliteStore::open(path)?;
    store::read(&store, |view| {
        if view.header()?.first().map(|header| header.id.as_slice()) != Some(trust.escrow().as_bytes()) {
            return Ok(Vec::new());
        }
        let mut tokens = Vec::new();
        for row in view.writers()? {
            let Some(writer) = WriterId::from_slice(&row.key) else { continue };
            let known = heads.0.get(&writer).map_or(0, |head| head.sequence);
            let filter = EventFilter { writer: Some(writer), ..EventFilter::default() };
            let mut after = (row.id, known);
            loop {
                let page = view.events(&filter, after, PAGE)?;
                let Some(last) = page.last() else { break };
                after = (last.writer_number, last.sequence);
                for event in &page {
                    let find = |id: &[u8]| view.entry(&crate::EntryId::from_slice(id)?).ok().flatten();
                    tokens.extend(sealed_tokens(event, writer, usize::MAX, find));
                }
            }
        }
        Ok(tokens)
    })
}
