//! What many ask for at the same time is noted at the same time: one thread writes for all who came while it wrote, in one
//! transaction. Nobody is answered before what they asked for is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use oathburn_escrow::{EscrowError, Opener, Records, Together};
use tokio::sync::oneshot;

use crate::{Desk, DeskError};

/// Deeds that one transaction takes at most.
const MOST: usize = 256;

/// Something to be written beside others.
trait Deed: Send {
    /// Does it; once more where the transaction is begun again.
    fn run(&mut self, together: &mut Together<'_>) -> Result<(), DeskError>;

    /// Tells what came of it.
    fn end(self: Box<Self>, outcome: Result<(), DeskError>);
}

/// A deed, and who waits for it.
struct Asked<R, F> {
    job: F,
    came: Option<R>,
    sender: oneshot::Sender<Result<R, DeskError>>,
}

impl<R: Send, F: FnMut(&mut Together<'_>) -> Result<R, DeskError> + Send> Deed for Asked<R, F> {
    fn run(&mut self, together: &mut Together<'_>) -> Result<(), DeskError> {
        // What came out of a try that was not committed does not hold.
        self.came = None;
        self.came = Some((self.job)(together)?);
        Ok(())
    }

    fn end(self: Box<Self>, outcome: Result<(), DeskError>) {
        // Whoever has gone meanwhile gets nothing; it was noted all the same.
        let Self { came, sender, .. } = *self;
        let _gone = sender.send(outcome.and_then(|()| came.ok_or(DeskError::Broken)));
    }
}

/// What a deed that waits to be written will come to.
pub(crate) struct Pending<R>(oneshot::Receiver<Result<R, DeskError>>);

impl<R> Pending<R> {
    /// Waits without holding a thread. What comes out is durable.
    pub(crate) async fn done(self) -> Result<R, DeskError> {
        self.0.await.unwrap_or(Err(DeskError::Broken))
    }

    /// Waits in a thread that may block.
    pub(crate) fn wait(self) -> Result<R, DeskError> {
        self.0.blocking_recv().unwrap_or(Err(DeskError::Broken))
    }
}

/// The thread that writes, from the first deed on.
pub(crate) struct Journal {
    records: Records,
    opener: Arc<Opener>,
    thread: Mutex<Option<Thread>>,
}

struct Thread {
    sender: Sender<Box<dyn Deed>>,
    handle: JoinHandle<()>,
}

impl Desk {
    /// Has a deed written, beside those of others who ask at the same time. Where the deed fails, nothing of it is written.
    pub(crate) fn soon<R: Send + 'static>(
        &self,
        job: impl FnMut(&mut Together<'_>) -> Result<R, DeskError> + Send + 'static,
    ) -> Result<Pending<R>, DeskError> {
        let (sender, receiver) = oneshot::channel();
        self.journal.push(Box::new(Asked { job, came: None, sender }))?;
        Ok(Pending(receiver))
    }

    /// The same; it is durable when this returns.
    pub(crate) fn together<R: Send + 'static>(
        &self,
        job: impl FnMut(&mut Together<'_>) -> Result<R, DeskError> + Send + 'static,
    ) -> Result<R, DeskError> {
        self.soon(job)?.wait()
    }
}

impl Journal {
    pub(crate) fn new(records: Records, opener: Arc<Opener>) -> Self {
        Self { records, opener, thread: Mutex::default() }
    }

    fn push(&self, deed: Box<dyn Deed>) -> Result<(), DeskError> {
        let mut thread = lock(&self.thread);
        let running = match &mut *thread {
            Some(running) => running,
            none => none.insert(self.start()?),
        };
        running.sender.send(deed).map_err(|_| DeskError::Broken)
    }

    fn start(&self) -> Result<Thread, DeskError> {
        let (sender, receiver) = channel();
        let (records, opener) = (self.records.clone(), Arc::clone(&self.opener));
        let run = move || write_all(&receiver, &records, &opener);
        let handle = std::thread::Builder::new().name("journal".into()).spawn(run).map_err(|_| DeskError::Broken)?;
        Ok(Thread { sender, handle })
    }
}

/// What was begun is written before the desk is gone.
impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(Thread { sender, handle }) = lock(&self.thread).take() {
            drop(sender);
            let _panicked = handle.join();
        }
    }
}

fn write_all(receiver: &Receiver<Box<dyn Deed>>, records: &Records, opener: &Opener) {
    while let Ok(first) = receiver.recv() {
        let mut group = vec![first];
        group.extend(receiver.try_iter().take(MOST - 1));
        commit(group, records, opener);
    }
}

/// Writes all of them in one transaction, and tells each.
fn commit(mut group: Vec<Box<dyn Deed>>, records: &Records, opener: &Opener) {
    let mut outcomes = Vec::new();
    // What panicked has said so on its own; nothing of it is written.
    let written = catch_unwind(AssertUnwindSafe(|| {
        records.together(opener, &mut |together| {
            let one = |deed: &mut Box<dyn Deed>| together.deed(|together| deed.run(together));
            outcomes = group.iter_mut().map(one).collect();
        })
    }));
    match written {
        Ok(Ok(())) => group.into_iter().zip(outcomes).for_each(|(deed, outcome)| deed.end(outcome)),
        Ok(Err(error)) => match of_the_store(&error) {
            Some(again) => group.into_iter().for_each(|deed| deed.end(Err(again().into()))),
            None => each(group, error.into(), records, opener),
        },
        Err(_panic) => each(group, DeskError::Broken, records, opener),
    }
}

/// What went wrong may be the fault of one of them: each by itself.
fn each(mut group: Vec<Box<dyn Deed>>, error: DeskError, records: &Records, opener: &Opener) {
    if group.len() == 1 {
        return group.remove(0).end(Err(error));
    }
    for deed in group {
        commit(vec![deed], records, opener);
    }
}

/// An error that everybody gets who waited for the store, as often as it is wanted.
fn of_the_store(error: &EscrowError) -> Option<Box<dyn Fn() -> EscrowError>> {
    let of = |make: fn(String) -> EscrowError, store: &str| -> Option<Box<dyn Fn() -> EscrowError>> {
        let store = store.to_owned();
        Some(Box::new(move || make(store.clone())))
    };
    match error {
        EscrowError::StoreBusy { store } => of(|store| EscrowError::StoreBusy { store }, store),
        EscrowError::StoreFull { store } => of(|store| EscrowError::StoreFull { store }, store),
        EscrowError::StoreReadOnly { store } => of(|store| EscrowError::StoreReadOnly { store }, store),
        // Written once more it would count twice.
        EscrowError::StoreUncertain { store } => of(|store| EscrowError::StoreUncertain { store }, store),
        EscrowError::StoreUnavailable { store, detail } => {
            let (store, detail) = (store.clone(), detail.clone());
            Some(Box::new(move || EscrowError::StoreUnavailable { store: store.clone(), detail: detail.clone() }))
        }
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
