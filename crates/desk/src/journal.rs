//! What many ask for at the same time is noted at the same time: whoever comes first writes for all who came meanwhile, in one
//! transaction. Nobody is answered before what they asked for is durable.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use oathburn_escrow::{EscrowError, Together};

use crate::{Desk, DeskError};

/// Something to be written beside others, called once more where the transaction is begun again.
type Deed = Box<dyn FnMut(&mut Together<'_>) -> Result<(), DeskError> + Send>;

/// What came of deeds, by their numbers.
type Outcomes = Vec<(u64, Result<(), DeskError>)>;

/// Those who wait for the next transaction.
#[derive(Default)]
pub(crate) struct Journal {
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of the next deed.
    next: u64,
    waiting: Vec<(u64, Deed)>,
    /// What came of deeds that another thread has written, until those who wait for it have seen it.
    done: HashMap<u64, Result<(), DeskError>>,
    /// Whether somebody writes.
    led: bool,
}

impl Desk {
    /// Writes a deed, beside those of others who ask at the same time; it is durable when this returns. Where the deed fails,
    /// nothing of it was written.
    pub(crate) fn together<R: Send + 'static>(
        &self,
        mut deed: impl FnMut(&mut Together<'_>) -> Result<R, DeskError> + Send + 'static,
    ) -> Result<R, DeskError> {
        let result = Arc::new(Mutex::new(None));
        let place = Arc::clone(&result);
        let deed: Deed = Box::new(move |together| {
            // What came out of a try that was not committed does not hold.
            *lock(&place) = None;
            *lock(&place) = Some(deed(together)?);
            Ok(())
        });
        self.journal.write(deed, &|group| self.commit(group))?;
        lock(&result).take().ok_or(DeskError::Broken)
    }

    /// Writes all of them in one transaction.
    fn commit(&self, mut group: Vec<(u64, Deed)>) -> Outcomes {
        let mut outcomes = Outcomes::new();
        let written = self.records.together(&self.opener, &mut |together| {
            let one = |(number, deed): &mut (u64, Deed)| (*number, together.deed(|together| deed(together)));
            outcomes = group.iter_mut().map(one).collect();
        });
        match written {
            Ok(()) => outcomes,
            Err(error) if group.len() == 1 => vec![(group[0].0, Err(error.into()))],
            Err(error) => match of_the_store(&error) {
                Some(again) => group.iter().map(|(number, _)| (*number, Err(again().into()))).collect(),
                // It may be the fault of one of them: each by itself.
                None => group.into_iter().flat_map(|one| self.commit(vec![one])).collect(),
            },
        }
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

impl Journal {
    /// Has a deed written, by this thread or by one that writes for others as well.
    fn write(&self, deed: Deed, commit: &dyn Fn(Vec<(u64, Deed)>) -> Outcomes) -> Result<(), DeskError> {
        let mut state = lock(&self.state);
        let number = state.next;
        state.next += 1;
        state.waiting.push((number, deed));
        loop {
            if let Some(outcome) = state.done.remove(&number) {
                return outcome;
            }
            if !state.led {
                break;
            }
            state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.led = true;
        let group = std::mem::take(&mut state.waiting);
        drop(state);
        let mut lead = Lead { journal: self, numbers: group.iter().map(|(number, _)| *number).collect(), own: number };
        lead.end(commit(group))
    }
}

/// Somebody writes for all. Whatever becomes of that, those who wait are told.
struct Lead<'a> {
    journal: &'a Journal,
    numbers: Vec<u64>,
    own: u64,
}

impl Lead<'_> {
    fn end(&mut self, outcomes: Outcomes) -> Result<(), DeskError> {
        self.numbers.clear();
        let mut own = Err(DeskError::Broken);
        let mut state = lock(&self.journal.state);
        for (number, outcome) in outcomes {
            if number == self.own {
                own = outcome;
            } else {
                state.done.insert(number, outcome);
            }
        }
        own
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.journal.state);
        // There are some left only where writing panicked.
        for number in self.numbers.drain(..).filter(|number| *number != self.own) {
            state.done.insert(number, Err(DeskError::Broken));
        }
        state.led = false;
        drop(state);
        self.journal.turn.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
