//! The card's end of the vpcd driver: a TCP connection over which the driver powers the card and talks to it.
//!
//! A connection is a card on the reader; its end is the card's removal. See `docs/protocol/vpcd.md`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::sockopt::set_tcp_quickack;

use crate::{Card, Reply};

const POWER_OFF: u8 = 0x00;
const POWER_ON: u8 = 0x01;
const RESET: u8 = 0x02;
const GET_ATR: u8 = 0x04;

/// How long to wait before the next attempt to connect: the kernel tells nobody when a port begins to listen.
const RETRY: Duration = Duration::from_millis(5);

/// A card on a reader. Dropping it takes the card away.
pub struct Insertion {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    taken_away: bool,
    ended: bool,
    stream: Option<TcpStream>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done in here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; `true` when the card was taken away meanwhile.
    fn wait(&self, time: Duration) -> bool {
        let waiting = |state: &mut State| !state.taken_away;
        let (state, _) =
            self.changed.wait_timeout_while(self.lock(), time, waiting).unwrap_or_else(PoisonError::into_inner);
        state.taken_away
    }
}

impl Insertion {
    /// Puts `card` on the reader whose driver listens at `address`. While nobody listens there, it tries on; when
    /// the driver hangs up (the service ended), it connects anew.
    pub fn new<C: Card + 'static>(address: SocketAddr, card: Arc<Mutex<C>>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("card".into()).spawn(move || {
            keep_inserted(address, &card, &for_thread);
            for_thread.lock().ended = true;
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Whether the card has left the field by itself: it was torn away.
    pub fn has_ended(&self) -> bool {
        self.shared.lock().ended
    }

    /// Whether the driver is connected.
    pub fn is_connected(&self) -> bool {
        self.shared.lock().stream.is_some()
    }

    /// Waits until the card has left the field by itself.
    pub fn wait_until_ended(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Insertion {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.taken_away = true;
        if let Some(stream) = state.stream.take() {
            // The peer may have gone first.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic in the card was reported by its thread.
            let _ = thread.join();
        }
    }
}

/// Serves connection after connection until the card is taken away or torn away.
fn keep_inserted<C: Card>(address: SocketAddr, card: &Mutex<C>, shared: &Shared) {
    loop {
        if let Ok(stream) = TcpStream::connect(address)
            && let Ok(handle) = stream.try_clone()
        {
            {
                let mut state = shared.lock();
                if state.taken_away {
                    return;
                }
                state.stream = Some(handle);
            }
            let end = serve(stream, card);
            lock(card).power_off();
            shared.lock().stream = None;
            if matches!(end, Ok(End::TornAway)) {
                return;
            }
        }
        if shared.wait(RETRY) {
            return;
        }
    }
}

enum End {
    /// The driver hung up, or the card was taken away.
    HungUp,
    /// The card left the field in the middle of a command.
    TornAway,
}

/// One connection: messages of two bytes' length in network order and as many bytes.
fn serve<C: Card>(mut stream: TcpStream, card: &Mutex<C>) -> io::Result<End> {
    stream.set_nodelay(true)?;
    let mut message = Vec::new();
    loop {
        match read_message(&mut stream, &mut message) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(End::HungUp),
            result => result?,
        }
        let reply = match message.as_slice() {
            [] => continue,
            [control] => match control_card(*control, &mut *lock(card)) {
                Some(atr) => Reply::Answer(atr),
                None => continue,
            },
            command => lock(card).transmit(command),
        };
        match reply {
            Reply::Answer(bytes) => write_message(&mut stream, &bytes)?,
            Reply::Late(delay, bytes) => {
                if hangs_up_within(&stream, delay)? {
                    return Ok(End::HungUp);
                }
                write_message(&mut stream, &bytes)?;
            }
            Reply::Silence => {}
            Reply::Gone => return Ok(End::TornAway),
        }
    }
}

/// Lets time pass; `true` when the driver hung up, or the card was taken away, before it had.
fn hangs_up_within(stream: &TcpStream, delay: Duration) -> io::Result<bool> {
    if delay.is_zero() {
        return Ok(false);
    }
    stream.set_read_timeout(Some(delay))?;
    let peeked = stream.peek(&mut [0]);
    stream.set_read_timeout(None)?;
    match peeked {
        // The driver says nothing while it waits for an answer.
        Ok(count) => Ok(count == 0),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Power events have no answer, the question for the ATR has one.
fn control_card<C: Card>(control: u8, card: &mut C) -> Option<Vec<u8>> {
    match control {
        POWER_OFF => card.power_off(),
        POWER_ON => card.power_on(),
        RESET => card.reset(),
        GET_ATR => return Some(card.atr()),
        _ => {}
    }
    None
}

fn read_message(stream: &mut TcpStream, message: &mut Vec<u8>) -> io::Result<()> {
    let mut length = [0; 2];
    // The driver writes twice before it reads; without this its second write waits 40 ms for our acknowledgement. The
    // kernel forgets the setting, so it is made anew each time.
    set_tcp_quickack(&stream, true)?;
    stream.read_exact(&mut length)?;
    message.resize(usize::from(u16::from_be_bytes(length)), 0);
    set_tcp_quickack(&stream, true)?;
    stream.read_exact(message)
}

fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}

fn lock<C>(card: &Mutex<C>) -> MutexGuard<'_, C> {
    // A card that panicked is still the card that lies there.
    card.lock().unwrap_or_else(PoisonError::into_inner)
}
