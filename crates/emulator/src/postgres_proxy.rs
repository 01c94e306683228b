//! A network before a database server: slow, cut or silent when a test wants it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::EmulatorError;
use messages::{Commits, Framing, Message};

mod messages;

/// Where a connection is cut. Without TLS only: what is encrypted cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Instead of passing the n-th message on that a client sends from now on, 1 for the next one. The first message of a
    /// connection, which has no type, does not count.
    AtMessage(usize),
    /// When a client commits: the server does not hear of it.
    BeforeCommit,
    /// When the server has committed: the client does not hear of it.
    AfterCommit,
}

/// A listener on loopback that passes everything on to a server and back. Dropping it cuts all connections.
pub struct PostgresProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    server: Option<SocketAddr>,
    delay: Duration,
    cut: Option<Cut>,
    /// How many cuts were made.
    cuts: usize,
    refuses: bool,
    silent: bool,
    ended: bool,
    /// Both ends of each connection.
    connections: Vec<(Weak<TcpStream>, Weak<TcpStream>)>,
}

impl PostgresProxy {
    /// A proxy before this server.
    pub fn start(server: SocketAddr) -> Result<Self, EmulatorError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(EmulatorError::io("listen on loopback"))?;
        let address = listener.local_addr().map_err(EmulatorError::io("listen on loopback"))?;
        let shared = Arc::new(Shared::default());
        shared.lock().server = Some(server);
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, shared })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes new connections on to another server.
    pub fn lead_to(&self, server: SocketAddr) {
        self.shared.lock().server = Some(server);
    }

    /// Keeps each message back so long, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.shared.lock().delay = delay;
    }

    /// Cuts a connection there, once; `wait_for_cut` says when.
    pub fn cut(&self, cut: Cut) {
        self.shared.lock().cut = Some(cut);
    }

    /// How many cuts were made so far.
    pub fn cuts(&self) -> usize {
        self.shared.lock().cuts
    }

    /// Back when there have been so many cuts.
    pub fn wait_for_cuts(&self, number: usize) {
        let mut state = self.shared.lock();
        while state.cuts < number {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether new connections are ended before a word is said.
    pub fn refuse(&self, refuses: bool) {
        self.shared.lock().refuses = refuses;
    }

    /// Whether nothing is passed on, though connections stay and new ones are taken. What came meanwhile is passed on when it ends.
    pub fn fall_silent(&self, silent: bool) {
        self.shared.lock().silent = silent;
        self.shared.changed.notify_all();
    }

    /// Cuts all connections that there are.
    pub fn drop_connections(&self) {
        self.shared.drop_connections(&mut self.shared.lock());
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        let open = |(client, server): &&(Weak<TcpStream>, Weak<TcpStream>)| {
            client.strong_count() > 0 && server.strong_count() > 0
        };
        self.shared.lock().connections.iter().filter(open).count()
    }
}

impl Drop for PostgresProxy {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        self.shared.drop_connections(&mut state);
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the thread that accepts, which then looks and goes.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_connections(&self, state: &mut State) {
        for (client, server) in state.connections.drain(..) {
            for stream in [client.upgrade(), server.upgrade()].into_iter().flatten() {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.changed.notify_all();
    }

    /// Waits as long as the network takes; whether it is still there.
    fn travel(&self) -> bool {
        let delay = self.lock().delay;
        thread::sleep(delay);
        let mut state = self.lock();
        while state.silent && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.ended
    }

    /// Whether the connection is to be cut instead of passing this message on.
    fn cuts_at(&self, message: &Message, is_commit: bool, from_client: bool) -> bool {
        let mut state = self.lock();
        let cut = match (state.cut, from_client) {
            (Some(Cut::AtMessage(number)), true) if message.kind != 0 => {
                state.cut = Some(Cut::AtMessage(number.saturating_sub(1)));
                number <= 1
            }
            (Some(Cut::BeforeCommit), true) => is_commit,
            (Some(Cut::AfterCommit), false) => message.says_committed(),
            _ => false,
        };
        if cut {
            state.cut = None;
            state.cuts += 1;
            self.changed.notify_all();
        }
        cut
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let (server, goes) = {
            let state = shared.lock();
            (state.server.filter(|_| !state.refuses), state.ended)
        };
        if goes {
            return;
        }
        let (Ok(client), Some(server)) = (client, server) else { continue };
        let shared = Arc::clone(shared);
        // A server that is not there is told by a connection that ends.
        thread::spawn(move || connect(client, server, &shared));
    }
}

fn connect(client: TcpStream, server: SocketAddr, shared: &Arc<Shared>) -> io::Result<()> {
    let (client, server) = (Arc::new(client), Arc::new(TcpStream::connect(server)?));
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    {
        let mut state = shared.lock();
        if state.ended {
            return Ok(());
        }
        state.connections.retain(|(client, _)| client.strong_count() > 0);
        state.connections.push((Arc::downgrade(&client), Arc::downgrade(&server)));
    }
    let plain = Arc::new(Mutex::new(Encryption::Unknown));
    let (from, to, share, plain_too) = (server.clone(), client.clone(), Arc::clone(shared), Arc::clone(&plain));
    thread::spawn(move || {
        let _ = pass(&from, &to, &share, &plain_too, false);
        close(&from, &to);
    });
    let passed = pass(&client, &server, shared, &plain, true);
    close(&client, &server);
    passed
}

fn close(one: &TcpStream, other: &TcpStream) {
    for stream in [one, other] {
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// What the client has asked for and the server has answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encryption {
    Unknown,
    Asked,
    Yes,
}

/// Passes on what comes from one end, message by message where they can be read.
fn pass(
    mut from: &TcpStream,
    mut to: &TcpStream,
    shared: &Shared,
    encryption: &Mutex<Encryption>,
    from_client: bool,
) -> io::Result<()> {
    let mut framing = if from_client { Framing::default() } else { Framing::of_server() };
    let (mut commits, mut buffer) = (Commits::default(), vec![0; 1 << 16]);
    let now = || *encryption.lock().unwrap_or_else(PoisonError::into_inner);
    let set = |value| *encryption.lock().unwrap_or_else(PoisonError::into_inner) = value;
    loop {
        let mut bytes = match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => &buffer[..length],
        };
        if !from_client && now() == Encryption::Asked {
            // One byte that says whether it will be encrypted.
            let (answer, rest) = bytes.split_at(1);
            set(if answer == b"N" { Encryption::Unknown } else { Encryption::Yes });
            if !shared.travel() {
                return Ok(());
            }
            to.write_all(answer)?;
            bytes = rest;
        }
        if now() == Encryption::Yes {
            if !shared.travel() {
                return Ok(());
            }
            to.write_all(bytes)?;
            continue;
        }
        framing.take(bytes);
        while let Some(message) = framing.next() {
            let is_commit = from_client && commits.is_commit(&message);
            if from_client && message.asks_for_encryption() {
                set(Encryption::Asked);
            }
            if shared.cuts_at(&message, is_commit, from_client) || !shared.travel() {
                return Ok(());
            }
            to.write_all(&message.bytes)?;
        }
    }
}
