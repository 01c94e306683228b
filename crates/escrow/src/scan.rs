//! Comparing something with every seed there is: seals are opened side by side, and no seed leaves.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use oathburn_oath::{Params, Seed};

use crate::audit::SESSIONS;
use crate::journal::{Draft, EventDraft};
use crate::keys::KeyPair;
use crate::roster::Trust;
use crate::seal::{ForSearch, SealRow, Unsealer};
use crate::store::{self, View};
use crate::wrap::{self, Key};
use crate::{Disclosure, EntryId, EscrowError, EscrowId, Opener};

/// Seals that are handed over at a time.
const CHUNK: usize = 1024;

/// What a scan has found.
#[derive(Clone, Debug)]
pub struct Scan<T> {
    /// What was made of which entry, oldest entry first.
    pub found: Vec<(EntryId, T)>,
    /// How many seeds were looked at.
    pub searched: u64,
    /// Entries whose seals do not open, and were not looked at; `escrow check` says more.
    pub unopened: Vec<EntryId>,
    /// Where the time went.
    pub times: ScanTimes,
}

/// Where the time of a scan went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanTimes {
    /// Reading rows and unwrapping session keys, by one thread.
    pub reading: Duration,
    /// Opening seals, the sum of all threads.
    pub opening: Duration,
    /// Looking at seeds, the sum of all threads.
    pub looking: Duration,
}

impl Opener {
    /// Shows every seed, in whatever state its entry is, to `look`, and keeps what it makes of them. The disclosure
    /// is committed before the first seal is opened, as one event for all: it touches no entry by itself.
    ///
    /// A seal proves that it was made by a station or an officer of this escrow for the entry with this id. What
    /// else the entry says (its state, its UPN) is not verified here: open the few that were found for that.
    pub fn scan<T: Send>(
        &self,
        disclosure: &Disclosure,
        threads: NonZeroUsize,
        look: impl Fn(&Seed, Params) -> Option<T> + Sync,
    ) -> Result<Scan<T>, EscrowError> {
        self.escrow.steadily(|trust| {
            self.escrow.known(&self.officer)?;
            self.escrow.commit(trust, self.officer.keys(), &mut |_| {
                let event = EventDraft::new(disclosure.purpose.event(), disclosure.facts.clone())
                    .because(disclosure.reason.as_deref());
                Ok(Draft { events: vec![event], ..Draft::default() })
            })
        })?;
        let trust = self.escrow.followed();
        let escrow = trust.escrow();
        let (sender, receiver) = mpsc::sync_channel(2 * threads.get());
        let receiver = Mutex::new(receiver);
        let (parts, reading) = thread::scope(|scope| {
            let work = || scope.spawn(|| scan_chunks(&receiver, &escrow, &look));
            let workers: Vec<_> = (0..threads.get()).map(|_| work()).collect();
            let read =
                store::read_once(&*self.escrow.store, |view| read_seals(view, &trust, self.officer.keys(), &sender));
            // Without a sender the workers come to their end.
            drop(sender);
            let parts: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
            read.map(|reading| (parts, reading))
        })?;
        let mut all = Scan::empty();
        all.times.reading = reading;
        for part in parts {
            all.add(part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all.found.sort_by_key(|(entry, _)| *entry);
        all.unopened.sort();
        Ok(all)
    }
}

impl<T> Scan<T> {
    fn empty() -> Self {
        Self { found: Vec::new(), searched: 0, unopened: Vec::new(), times: ScanTimes::default() }
    }

    fn add(&mut self, part: Self) {
        self.found.extend(part.found);
        self.searched += part.searched;
        self.unopened.extend(part.unopened);
        self.times.opening += part.times.opening;
        self.times.looking += part.times.looking;
    }
}

/// Seals of one session.
struct Chunk {
    rows: Vec<SealRow>,
    /// `None` when the session does not open.
    key: Option<Arc<Key>>,
}

/// Reads all seals, in runs of the same session, and says how long it took when it did not wait for the others.
fn read_seals(
    view: &dyn View,
    trust: &Trust,
    officer: &KeyPair,
    sender: &SyncSender<Chunk>,
) -> Result<Duration, EscrowError> {
    let mut sessions: HashMap<Vec<u8>, Option<Arc<Key>>> = HashMap::new();
    let (mut after, mut spent) = (i64::MIN, Duration::ZERO);
    loop {
        let start = Instant::now();
        let page = view.seals(after, CHUNK)?;
        let Some(last) = page.last() else { return Ok(spent + start.elapsed()) };
        after = last.place;
        let mut chunks = Vec::new();
        for run in runs(page) {
            let session = &run[0].session;
            if !sessions.contains_key(session) {
                sessions.insert(session.clone(), session_key(view, trust, officer, session)?);
            }
            let key = sessions[session].clone();
            chunks.push(Chunk { rows: run, key });
        }
        spent += start.elapsed();
        for chunk in chunks {
            if sender.send(chunk).is_err() {
                // Nobody listens any more: a worker's panic is on its way.
                return Ok(spent);
            }
        }
    }
}

/// Cuts a page where the session changes.
fn runs(page: Vec<SealRow>) -> Vec<Vec<SealRow>> {
    let mut runs: Vec<Vec<SealRow>> = Vec::new();
    for row in page {
        match runs.last_mut().filter(|run| run[0].session == row.session) {
            Some(run) => run.push(row),
            None => runs.push(vec![row]),
        }
    }
    runs
}

/// The key of a session; `None` when it is not there, not signed or does not open.
fn session_key(view: &dyn View, trust: &Trust, officer: &KeyPair, id: &[u8]) -> Result<Option<Arc<Key>>, EscrowError> {
    let Some(session) = view.session(id)? else { return Ok(None) };
    let key = SESSIONS.verify(view, trust, &session).and_then(|()| wrap::unwrap(&session.wrap, officer, SESSIONS.key));
    match key {
        Ok(key) => Ok(Some(Arc::new(key))),
        Err(EscrowError::Damaged { .. } | EscrowError::NotWrapped { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens and looks until there is nothing more.
fn scan_chunks<T>(
    chunks: &Mutex<Receiver<Chunk>>,
    escrow: &EscrowId,
    look: &impl Fn(&Seed, Params) -> Option<T>,
) -> Scan<T> {
    let mut scan = Scan::empty();
    let mut unsealer = Unsealer::new(*escrow);
    loop {
        let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(chunk) = next else { return scan };
        let start = Instant::now();
        let mut opened = Vec::with_capacity(chunk.rows.len());
        for row in &chunk.rows {
            let seed = chunk.key.as_ref().and_then(|key| unsealer.seed(row, key));
            match (EntryId::from_slice(&row.id), seed) {
                (Some(id), Some(ForSearch::Seed(seed, params))) => opened.push((id, seed, params)),
                (Some(id), None) => scan.unopened.push(id),
                // A row without an id is no entry; `check` names it.
                (Some(_), Some(ForSearch::Passed)) | (None, _) => {}
            }
        }
        let middle = Instant::now();
        for (id, seed, params) in &opened {
            scan.found.extend(look(seed, *params).map(|found| (*id, found)));
        }
        scan.searched += opened.len() as u64;
        // Wiping the seeds belongs to opening them.
        let looked = middle.elapsed();
        drop(opened);
        scan.times.looking += looked;
        scan.times.opening += start.elapsed().saturating_sub(looked);
    }
}
