//! Waiting until something changes at the stations, at whichever desk of the escrow it is done.
//!
//! One task looks at the one record that changes with every deed, while anybody waits; everybody who waits is told.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::Desk;

/// How often the store is asked while somebody waits.
const PERIOD: Duration = Duration::from_millis(400);

/// What is there to wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    version: u64,
    ended: bool,
}

/// Tells whoever waits. Clones tell the same.
#[derive(Clone)]
pub(crate) struct Changes {
    sender: Arc<watch::Sender<State>>,
    looks: Arc<OnceLock<()>>,
}

impl Changes {
    pub(crate) fn new() -> Self {
        let sender = watch::Sender::new(State { version: 0, ended: false });
        Self { sender: Arc::new(sender), looks: Arc::default() }
    }

    /// Somebody who waits from now on: what changes after this call is not missed.
    pub(crate) fn subscribe(&self, desk: &Arc<Desk>) -> Waiting {
        let receiver = self.sender.subscribe();
        self.looks.get_or_init(|| {
            tokio::spawn(look(Arc::clone(&self.sender), Arc::downgrade(desk)));
        });
        Waiting(receiver)
    }

    /// The desk comes to its end: nobody waits any longer.
    pub(crate) fn end(&self) {
        self.sender.send_modify(|state| state.ended = true);
    }
}

/// Somebody who waits.
pub(crate) struct Waiting(watch::Receiver<State>);

impl Waiting {
    /// Waits for the next change; whether one came in time.
    pub(crate) async fn next_before(&mut self, deadline: Instant) -> bool {
        if self.0.borrow().ended {
            return false;
        }
        let changed = timeout_at(deadline, self.0.changed()).await;
        matches!(changed, Ok(Ok(()))) && !self.0.borrow().ended
    }

    /// Waits for the next change, at most until then; whether the desk still serves.
    pub(crate) async fn pause(&mut self, until: Instant) -> bool {
        if self.0.borrow().ended {
            return false;
        }
        let looked = timeout_at(until, self.0.changed()).await;
        !matches!(looked, Ok(Err(_))) && !self.0.borrow().ended
    }
}

async fn look(sender: Arc<watch::Sender<State>>, desk: Weak<Desk>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        if sender.receiver_count() == 0 {
            continue;
        }
        let Some(desk) = desk.upgrade() else { return };
        // A store that does not answer is heard of by those who ask for more than this.
        let Ok(Ok(version)) = tokio::task::spawn_blocking(move || desk.register().changes()).await else { continue };
        sender.send_if_modified(|state| {
            let is_new = state.version != version;
            state.version = version;
            is_new
        });
    }
}
