//! Restoring a backup, and going on with a store that went back.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use oathburn_oath::Clock;
use zeroize::Zeroizing;

use crate::copy::transfer;
use crate::escrow::{EVENTS, seconds};
use crate::following::trust;
use crate::heads::Heads;
use crate::journal::{Draft, EventDraft, Journal};
use crate::pins::sealed_tokens;
use crate::postgres::PostgresStore;
use crate::roster::Trust;
use crate::sqlite::{Arriving, SqliteStore};
use crate::store::{self, EscrowStore, Filling, View};
use crate::{
    CheckReport, Escrow, EscrowError, EscrowId, Event, EventFilter, EventKind, Facts, LostEvents, Officer, Pins,
    PostgresUrl, SealedToken, StoreUrl, Writer, WriterId, audit, backup, check,
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
    /// Where the store that was replaced lies now: a file, or a schema of the same database.
    pub replaced: Option<String>,
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
        let taken = store::is_taken(url)?;
        if taken && !replace {
            return Err(EscrowError::StoreExists { store: name_of(url) });
        }
        let (digest, _) = backup::digest_of(from)?;
        let restoring =
            Restoring { from, digest, url, officer, pins, who, time: seconds(clock.now().seconds()), taken };
        let (restored, replaced) = match url {
            StoreUrl::Sqlite(path) => restoring.to_file(path, replace)?,
            StoreUrl::Postgres(server) => restoring.to_server(server, replace)?,
        };
        pins.replace(url, &restored.trust)?;
        pins.advance(url, restored.trust.escrow(), &restored.heads)?;
        let (escrow, check, loss) = (restored.trust.escrow(), restored.check, restored.loss);
        Ok(RestoreReport { escrow, check, loss, replaced })
    }

    /// What a store has lost against what was seen of it here. It is not opened for use.
    pub fn loss(url: &StoreUrl, pins: &Pins) -> Result<Loss, EscrowError> {
        let store = store::open(url)?;
        let pinned = pins.escrow(url)?;
        let seen = pinned.map_or_else(|| Ok(Heads::default()), |escrow| pins.heads(url, escrow))?;
        store::read(&*store, |view| loss(view, &trust(view, pinned)?, &seen, url, pins))
    }

    /// Goes on with a store that went back: from now on this user trusts it as it is. It must be the same escrow.
    pub fn accept(url: &StoreUrl, pins: &Pins) -> Result<Loss, EscrowError> {
        let store = store::open(url)?;
        let pinned = pins.escrow(url)?;
        let seen = pinned.map_or_else(|| Ok(Heads::default()), |escrow| pins.heads(url, escrow))?;
        let (loss, trust, heads) = store::read(&*store, |view| {
            let trust = trust(view, pinned)?;
            let loss = loss(view, &trust, &seen, url, pins)?;
            Ok((loss, trust.clone(), Heads::default().newer(view, &trust)?))
        })?;
        pins.replace(url, &trust)?;
        pins.advance(url, trust.escrow(), &heads)?;
        Ok(loss)
    }
}

/// How errors name a place for a store.
fn name_of(url: &StoreUrl) -> String {
    url.path().map_or_else(|| url.to_string(), |path| path.display().to_string())
}

/// A backup on its way to its place.
struct Restoring<'a> {
    from: &'a Path,
    digest: String,
    url: &'a StoreUrl,
    officer: &'a Officer,
    pins: &'a Pins,
    who: &'a Writer,
    time: i64,
    taken: bool,
}

/// A backup that is sound and signed, and may take its place.
struct Restored {
    trust: Trust,
    check: CheckReport,
    loss: Loss,
    heads: Heads,
}

impl Restoring<'_> {
    fn to_file(&self, path: &Path, replace: bool) -> Result<(Restored, Option<String>), EscrowError> {
        let (arriving, store) = Arriving::receive(path, |file| {
            backup::decrypt(self.from, self.officer, |plain| io::copy(plain, file).map(drop))?;
            file.sync_all().map_err(|source| EscrowError::BackupIo { action: "restore", path: path.into(), source })
        })?;
        let restored = self.sign(&store, replace)?;
        drop(store);
        let replaced =
            if self.taken { Some(arriving.replace(self.time)?) } else { arriving.publish().map(|()| None)? };
        Ok((restored, replaced.map(|path| path.display().to_string())))
    }

    /// The backup is looked at in memory; what arrives on the server is compared with it before it is there for others.
    fn to_server(&self, server: &PostgresUrl, replace: bool) -> Result<(Restored, Option<String>), EscrowError> {
        let mut bytes = Zeroizing::new(Vec::new());
        backup::decrypt(self.from, self.officer, |plain| plain.read_to_end(&mut bytes).map(drop))?;
        let store = SqliteStore::received(&bytes, self.from)?;
        drop(bytes);
        let restored = self.sign(&store, replace)?;
        let aside = self.taken.then_some(self.time);
        let fill = |filling: &dyn Filling| store::read(&store, |view| transfer(view, filling, &mut |_| {})).map(drop);
        let replaced = PostgresStore::make(server, aside, fill, || Ok(()))?;
        Ok((restored, replaced.map(|schema| format!("the schema {schema}"))))
    }

    /// Checks a backup, says what it lacks, and notes that it was restored.
    fn sign(&self, store: &SqliteStore, replace: bool) -> Result<Restored, EscrowError> {
        let Self { url, officer, pins, .. } = *self;
        let trust = store::read(store, |view| {
            let pinned = if replace { None } else { pins.escrow(url)? };
            trust(view, pinned)
        })?;
        if !trust.latest().is_officer(&officer.keys().writer()) {
            return Err(EscrowError::OfficerUnknown { escrow: trust.escrow() });
        }
        let check = store::read(store, |view| check::check(view, &trust, Some(officer.keys())))?;
        if let Some(first) = check.findings.first() {
            let (problems, first) = (check.findings.len(), first.to_string());
            return Err(EscrowError::BackupUnsound { path: self.from.into(), problems, first });
        }
        let seen = pins.heads(url, trust.escrow())?;
        let mut loss = store::read(store, |view| loss(view, &trust, &seen, url, pins))?;
        if self.taken {
            let heads = store::read(store, |view| Heads::of(view))?;
            add_tokens(&mut loss, sealed_since(url, &trust, &heads).unwrap_or_default());
        }
        let facts = Facts::new()
            .with("backup", self.digest.as_str())
            .with("entries", i64::try_from(check.entries).unwrap_or(i64::MAX))
            .with("chains_cut", i64::try_from(loss.events.len()).unwrap_or(i64::MAX));
        let journal = Journal { trust: &trust, signer: officer.keys(), who: self.who, time: self.time };
        store.commit(&mut |view| {
            let events = vec![EventDraft::new(EventKind::Restored, facts.clone())];
            journal.write(view, Draft { events, ..Draft::default() })
        })?;
        let heads = store::read(store, |view| Heads::of(view))?;
        Ok(Restored { trust, check, loss, heads })
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
fn sealed_since(url: &StoreUrl, trust: &Trust, heads: &Heads) -> Result<Vec<SealedToken>, EscrowError> {
    let store = store::open(url)?;
    store::read(&*store, |view| {
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
                let page = view.events(&filter, after, EVENTS)?;
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
