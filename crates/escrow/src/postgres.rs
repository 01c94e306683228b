//! The store in a PostgreSQL database, for stations that share one.
//!
//! What is written is written by serializable transactions: each looks at one state of the store, and one that rests on
//! what another changed meanwhile is run again. After a few such tries it keeps the others out, so that none tries for
//! ever. There is no other lock on the whole: stations write at the same time, each at the end of its own chain.
//!
//! A connection that breaks is made again for a while. Where it broke between the order to commit and the answer, the
//! server is asked what became of the transaction.

mod batches;
mod connect;
mod fault;
mod format;
mod make;
mod outcome;
mod password;
mod query;
mod records;
mod remote;
mod rows;
mod session;
mod structure;
mod tls;
mod view;
mod write;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use self::fault::{Fault, Trouble};
use self::outcome::{Mark, Outcome, Pending};
use self::session::{Backend, Session};
use self::view::PostgresView;
use crate::EscrowError;
use crate::store::{Commit, EscrowStore, HolderRow, LeaseWanted, Leased, LineRow, LinesWanted, RemoteLeaseRow, View};
use crate::url::PostgresUrl;

/// How long one may take to get ready that answers that it is starting.
const STARTING: Duration = Duration::from_secs(10);
/// How often a transaction runs beside others before it keeps them out, and how often at all.
const BESIDE: u32 = 3;
const TRIES: u32 = 8;
/// How long nobody is asked after one did not answer.
const PAUSE: Duration = Duration::from_millis(200);

const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Small tables are looked through row by row otherwise, which makes a transaction rest on all of their rows. The lock
/// is taken before the transaction sees anything; only whoever keeps the others out is in anybody's way.
const WRITE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL enable_seqscan = off;
    LOCK TABLE leases IN ROW EXCLUSIVE MODE";
const WRITE_ALONE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL enable_seqscan = off;
    LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE";

/// A PostgreSQL database: every commit durable, statements and waiting bounded.
pub(crate) struct PostgresStore {
    url: PostgresUrl,
    fault: Fault,
    slot: Mutex<Slot>,
}

/// The connection, and the one before it.
#[derive(Default)]
struct Slot {
    session: Option<Session>,
    /// The process that served a connection which broke, until it was ended.
    broken: Option<Backend>,
}

impl PostgresStore {
    fn new(url: &PostgresUrl) -> Self {
        let fault = Fault { store: url.to_string() };
        Self { url: url.clone(), fault, slot: Mutex::default() }
    }

    /// Opens a store and brings it to the newest format.
    pub(crate) fn open(url: &PostgresUrl) -> Result<Self, EscrowError> {
        let store = Self::new(url);
        let session = store.first()?;
        format::migrate(&session)?;
        store.slot().session = Some(session);
        Ok(store)
    }

    /// The format of the store, and the newest that is known here. Nothing is changed.
    pub(crate) fn format(url: &PostgresUrl) -> Result<(i64, i64), EscrowError> {
        Ok((format::recognise(&Self::new(url).first()?)?, format::FORMAT))
    }

    /// The first connection: a server that is not there is not waited for, one that is starting is.
    fn first(&self) -> Result<Session, EscrowError> {
        let end = Instant::now() + STARTING;
        loop {
            match connect::connect(&self.url, &self.fault) {
                Err(EscrowError::StoreUnavailable { detail, .. })
                    if detail.contains("starting up") && Instant::now() < end =>
                {
                    thread::sleep(PAUSE);
                }
                result => return result,
            }
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        // A panic elsewhere rolled its transaction back: the connection is as good as before.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that works, as far as can be seen; a new one for as long as `end` allows.
    fn connected<'s>(&self, slot: &'s mut Slot, end: Instant) -> Result<&'s Session, EscrowError> {
        if let Some(session) = slot.session.take_if(|session| session.is_closed()) {
            slot.lost(session);
        }
        while slot.session.is_none() {
            match self.again(slot.broken.as_ref()) {
                Ok(session) => {
                    slot.broken = None;
                    slot.session = Some(session);
                }
                Err(EscrowError::StoreUnavailable { .. }) if Instant::now() < end => thread::sleep(PAUSE),
                Err(error) => return Err(error),
            }
        }
        slot.session.as_ref().ok_or_else(|| self.fault.unavailable("there is no connection"))
    }

    /// Another connection to the same store.
    fn again(&self, broken: Option<&Backend>) -> Result<Session, EscrowError> {
        let session = connect::connect(&self.url, &self.fault)?;
        if let Some(broken) = broken {
            connect::end(&session, broken)?;
        }
        let found = format::recognise(&session)?;
        // An older copy may have taken its place; what is newer is refused by then.
        if found < format::FORMAT {
            let problem = format!("its tables were of format {} and are of format {found} now", format::FORMAT);
            return Err(EscrowError::StoreUnsuitable { store: self.fault.store.clone(), problem });
        }
        Ok(session)
    }

    /// Does something that may be done again when the connection breaks, for as long as there is patience.
    fn patiently<T>(&self, mut job: impl FnMut(&Session) -> Result<T, EscrowError>) -> Result<T, EscrowError> {
        let mut slot = self.slot();
        let end = Instant::now() + self.url.patience;
        let mut tries = 0;
        loop {
            let session = self.connected(&mut slot, end)?;
            session.forget_trouble();
            let result = job(session);
            tries += 1;
            match (&result, session.trouble()) {
                (Err(_), Some(Trouble::Lost)) if Instant::now() < end => slot.lose(),
                (Err(_), Some(Trouble::Conflict)) if tries < TRIES => pause(tries),
                _ => return result,
            }
        }
    }

    /// Runs a transaction and sees to it that it is committed once: again after others were in its way or the connection
    /// broke before the order to commit; where it broke after that, the store is asked what became of it.
    fn transact<T>(&self, begin: impl Fn(u32) -> &'static str, job: &mut Job<'_, T>) -> Result<T, EscrowError> {
        let mut slot = self.slot();
        let end = Instant::now() + self.url.patience;
        let mut tries = 0;
        loop {
            let session = self.connected(&mut slot, end)?;
            let stopped = match attempt(session, begin(tries), job) {
                Ok(done) => return Ok(done),
                Err(stopped) => stopped,
            };
            match (stopped.trouble, stopped.pending) {
                (Some(Trouble::Conflict), _) if tries < TRIES => {
                    tries += 1;
                    pause(tries);
                }
                (Some(Trouble::Lost), Some((pending, done))) => {
                    slot.lose();
                    match self.outcome(&mut slot, &pending)? {
                        Outcome::Committed => return Ok(done),
                        _ if Instant::now() < end => {}
                        _ => return Err(stopped.error),
                    }
                }
                (Some(Trouble::Lost), None) if Instant::now() < end => slot.lose(),
                _ => return Err(stopped.error),
            }
        }
    }

    /// What became of a transaction whose answer never came. It is asked for as long as there is patience.
    fn outcome(&self, slot: &mut Slot, pending: &Pending) -> Result<Outcome, EscrowError> {
        let uncertain = || EscrowError::StoreUncertain { store: self.fault.store.clone() };
        let end = Instant::now() + self.url.patience;
        loop {
            let session = self.connected(slot, end).map_err(|error| match error {
                // Nothing was written to what is not there.
                EscrowError::StoreMissing { .. } => error,
                _ => uncertain(),
            })?;
            session.forget_trouble();
            match pending.ask(session) {
                Ok(outcome @ (Outcome::Committed | Outcome::RolledBack)) => return Ok(outcome),
                Ok(Outcome::Open) if Instant::now() < end => thread::sleep(PAUSE),
                Err(_) if session.trouble() == Some(Trouble::Lost) && Instant::now() < end => slot.lose(),
                _ => return Err(uncertain()),
            }
        }
    }
}

impl Slot {
    /// The connection is gone.
    fn lose(&mut self) {
        if let Some(session) = self.session.take() {
            self.lost(session);
        }
    }

    fn lost(&mut self, session: Session) {
        self.broken = Some(session.backend);
    }
}

/// What a transaction does; what it returns, and what it leaves in the store.
type Job<'a, T> = dyn FnMut(&Session) -> Result<(T, Mark), EscrowError> + 'a;

/// Why a transaction was not committed, as far as is known.
struct Stopped<T> {
    error: EscrowError,
    trouble: Option<Trouble>,
    /// What finds out more, and what it was to return, where the order to commit was given.
    pending: Option<(Pending, T)>,
}

/// Runs a transaction once.
fn attempt<T>(session: &Session, begin: &str, job: &mut Job<'_, T>) -> Result<T, Box<Stopped<T>>> {
    let stopped = |error| Box::new(Stopped { error, trouble: session.trouble(), pending: None });
    let transaction = session.begin(begin).map_err(stopped)?;
    let (done, mark) = job(session).map_err(stopped)?;
    let pending = Pending::of(session, mark).map_err(stopped)?;
    match transaction.commit() {
        Ok(()) => Ok(done),
        Err(error) => Err(Box::new(Stopped { pending: Some((pending, done)), ..*stopped(error) })),
    }
}

/// Lets others go first, each time a little longer and never for all the same time.
fn pause(tries: u32) {
    let mut byte = [0];
    // Without random bytes everybody waits for the same time, which is no harm but in speed.
    let _ = getrandom::fill(&mut byte);
    thread::sleep(Duration::from_millis(u64::from(byte[0] % 16) * u64::from(tries)));
}

impl EscrowStore for PostgresStore {
    fn read(&self, job: &mut dyn FnMut(&dyn View) -> Result<(), EscrowError>) -> Result<(), EscrowError> {
        self.patiently(|session| {
            let _transaction = session.begin(READ)?;
            job(&PostgresView { session, writing: false })
        })
    }

    fn read_once(&self, job: &mut dyn FnMut(&dyn View) -> Result<(), EscrowError>) -> Result<(), EscrowError> {
        let mut slot = self.slot();
        let end = Instant::now() + self.url.patience;
        loop {
            let session = self.connected(&mut slot, end)?;
            let error = match session.begin(READ) {
                Ok(_transaction) => return job(&PostgresView { session, writing: false }),
                Err(error) => error,
            };
            if session.trouble() != Some(Trouble::Lost) || Instant::now() >= end {
                return Err(error);
            }
            slot.lose();
        }
    }

    fn commit(&self, job: &mut dyn FnMut(&dyn View) -> Result<Commit, EscrowError>) -> Result<(), EscrowError> {
        let begin = |tries| if tries < BESIDE { WRITE } else { WRITE_ALONE };
        self.transact(begin, &mut |session| {
            let commit = job(&PostgresView { session, writing: true })?;
            write::write(session, &commit)?;
            Ok(((), Mark::of(&commit)))
        })
    }

    fn holders(&self, batch: &[u8]) -> Result<Vec<HolderRow>, EscrowError> {
        self.patiently(|session| batches::holders(session, batch))
    }

    fn lease(&self, wanted: &LeaseWanted) -> Result<Leased, EscrowError> {
        self.transact(|_| batches::HASTILY, &mut |session| batches::lease(session, wanted))
    }

    fn release(&self, batch: &[u8], line: i64, holder: &HolderRow) -> Result<(), EscrowError> {
        // Dropping it twice is as good as once: a lease that this holder took meanwhile is of another line.
        self.patiently(|session| {
            let transaction = session.begin(batches::HASTILY)?;
            batches::drop_leases(session, batch, Some(line), holder)?;
            transaction.commit()
        })
    }

    fn lease_lines(&self, wanted: &LinesWanted) -> Result<Vec<LineRow>, EscrowError> {
        self.transact(|_| batches::SAFELY, &mut |session| remote::lease_lines(session, wanted))
    }

    fn remote_leases(&self, station: Option<&str>) -> Result<Vec<RemoteLeaseRow>, EscrowError> {
        self.patiently(|session| remote::leases(session, station))
    }

    fn release_remote(&self, station: &str, of: (Option<&[u8]>, Option<i64>)) -> Result<u64, EscrowError> {
        // How many there were is told of the try that found them.
        let mut most = 0;
        self.patiently(|session| {
            let transaction = session.begin(batches::SAFELY)?;
            most = most.max(remote::release(session, station, of)?);
            transaction.commit()
        })?;
        Ok(most)
    }
}

#[cfg(test)]
mod tests;
