//! A chip at work behind a serial line.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::pty::Pty;
use crate::{Card, EmulatorError, Pn532};

/// libnfc's name for a chip of this kind on a serial line.
const DRIVER: &str = "pn532_uart";

/// A chip PN532 on a pseudo-terminal. Dropping it hangs up.
pub struct Pn532Port {
    link: PathBuf,
    shared: Arc<Shared>,
    /// A byte, or the end, makes the thread look up.
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// The line was opened or hung up.
    changed: Condvar,
    /// What the chip said last about its card, for those who must not wait for it.
    has_card: AtomicBool,
}

struct State {
    chip: Pn532,
    is_open: bool,
    /// Why the line could not be opened again.
    failure: Option<EmulatorError>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A card that panicked left the chip as it was before the command.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_chip<T>(&self, act: impl FnOnce(&mut Pn532) -> T) -> T {
        let mut state = self.lock();
        let result = act(&mut state.chip);
        self.has_card.store(state.chip.has_card(), Ordering::Release);
        result
    }
}

impl Pn532Port {
    /// A chip that hosts reach by `link`: a path without colon, at most 127 bytes long.
    pub fn new(link: &Path) -> Result<Self, EmulatorError> {
        let pty = Pty::open(link)?;
        let (bell, door) = UnixStream::pair().map_err(EmulatorError::io("make a pair of sockets"))?;
        door.set_nonblocking(true).map_err(EmulatorError::io("set a socket up"))?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State { chip: Pn532::new(), is_open: true, failure: None }),
            changed: Condvar::new(),
            has_card: AtomicBool::new(false),
        });
        let chip_end = Line { link: link.into(), pty: Some(pty), door, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new()
            .name("pn532".into())
            .spawn(move || chip_end.serve())
            .map_err(EmulatorError::io("start a thread"))?;
        Ok(Self { link: link.into(), shared, bell, thread: Some(thread) })
    }

    /// The path that hosts open.
    pub fn path(&self) -> &Path {
        &self.link
    }

    /// What libnfc calls it.
    pub fn connstring(&self) -> String {
        format!("{DRIVER}:{}", self.link.display())
    }

    /// Does something with the chip.
    pub fn with_chip<T>(&self, act: impl FnOnce(&mut Pn532) -> T) -> T {
        let result = self.shared.with_chip(act);
        self.ring();
        result
    }

    /// Lays a card on the antenna.
    pub fn place(&self, card: impl Card + 'static) {
        self.with_chip(|chip| chip.place(card, Instant::now()));
    }

    /// Takes the card away.
    pub fn take_away(&self) {
        self.with_chip(|chip| chip.take_away(Instant::now()));
    }

    /// Whether a card lies there and was not torn away. Does not wait for a command that is being executed.
    pub fn has_card(&self) -> bool {
        self.shared.has_card.load(Ordering::Acquire)
    }

    /// Whether hosts can reach it.
    pub fn is_plugged(&self) -> bool {
        self.shared.lock().is_open
    }

    /// Pulls the plug: the chip loses its power and the port vanishes. The card stays where it is.
    pub fn unplug(&self) -> Result<(), EmulatorError> {
        self.with_chip(Pn532::vanish);
        self.wait_until_open(false)
    }

    /// Puts the plug in, after it was pulled or the port has vanished. The chip starts anew.
    pub fn plug(&self) -> Result<(), EmulatorError> {
        self.with_chip(Pn532::reset);
        self.wait_until_open(true)
    }

    fn wait_until_open(&self, open: bool) -> Result<(), EmulatorError> {
        let waiting = |state: &mut State| state.is_open != open && state.failure.is_none();
        let mut state =
            self.shared.changed.wait_while(self.shared.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        state.failure.take().map_or(Ok(()), Err)
    }

    fn ring(&self) {
        // A bell that is full of rings will be heard all the same.
        let _ = (&self.bell).write(&[0]);
    }
}

impl Drop for Pn532Port {
    fn drop(&mut self) {
        // The end of the other end.
        let _ = self.bell.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread.
            let _ = thread.join();
        }
    }
}

/// The chip's end of the line, on a thread of its own.
struct Line {
    link: PathBuf,
    pty: Option<Pty>,
    door: UnixStream,
    shared: Arc<Shared>,
}

impl Line {
    fn serve(mut self) {
        let mut buffer = [0; 512];
        while self.wait() {
            let came = match self.pty.as_ref().map(|pty| pty.read(&mut buffer)) {
                Some(Ok(came)) => came,
                // Our own end of the host's side is open, so this is the end of all lines.
                Some(Err(_)) => {
                    self.shared.with_chip(Pn532::vanish);
                    &[]
                }
                None => &[],
            };
            let said = self.shared.with_chip(|chip| chip.receive(came, Instant::now()));
            if let Some(pty) = &self.pty {
                pty.write(&said);
            }
            self.follow_chip();
        }
    }

    /// Waits until the host, the chip or its owner wants something; `false` when the owner is gone.
    fn wait(&mut self) -> bool {
        let next = self.shared.lock().chip.next_speech();
        let left = next.map(|next| next.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut watched = vec![PollFd::new(&self.door, PollFlags::IN)];
        watched.extend(self.pty.as_ref().map(|pty| PollFd::new(pty, PollFlags::IN)));
        // Interrupted, it looks again, which does no harm.
        let _ = poll(&mut watched, timeout.as_ref());
        let mut rings = [0; 64];
        !matches!(self.door.read(&mut rings), Ok(0))
    }

    /// Hangs up when the port is to vanish, opens the line when it is to come back.
    fn follow_chip(&mut self) {
        let mut state = self.shared.lock();
        let wanted = !state.chip.has_vanished();
        if wanted == self.pty.is_some() {
            return;
        }
        self.pty = None;
        if wanted {
            match Pty::open(&self.link) {
                Ok(pty) => self.pty = Some(pty),
                Err(error) => {
                    state.failure = Some(error);
                    state.chip.vanish();
                }
            }
        }
        state.is_open = self.pty.is_some();
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
