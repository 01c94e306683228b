//! A look at what the PC/SC service shows its clients: which readers there are, and which have a card.
//!
//! This speaks the service's own socket protocol, because it alone says "now it is visible" without asking again and
//! again: after the wait command the service sends all reader states at once and a message at the next change.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::EmulatorError;

const VERSION: u32 = 0x11;
const WAIT_READER_STATE_CHANGE: u32 = 0x13;
const MAJOR: i32 = 4;
/// With 4.4 the wait command got its present form; 4.5 only added a command.
const MINORS: [i32; 2] = [4, 5];

const READERS: usize = 16;
const NAME_LEN: usize = 128;
/// Name, event counter, state, sharing, ATR with its length, protocol.
const STATE_LEN: usize = 184;
const CARD_PRESENT: u32 = 0x04;

/// How long the service may take to notice something. It looks every 400 ms; the rest is a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One reader as the service shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReaderStatus {
    /// Its PC/SC name.
    pub(crate) name: String,
    /// Whether a card lies on it.
    pub(crate) card_present: bool,
    /// How often the service's own look at the reader has found that a card came or went.
    pub(crate) events: u32,
}

/// A connection to the service.
pub(crate) struct PcscdWatch {
    stream: UnixStream,
}

impl PcscdWatch {
    /// Connects to the service behind `socket`.
    pub(crate) fn connect(socket: &Path) -> Result<Self, EmulatorError> {
        let mut minor = MINORS[0];
        loop {
            let stream = UnixStream::connect(socket)
                .map_err(EmulatorError::io(format!("connect to pcscd at {}", socket.display())))?;
            let mut watch = Self { stream };
            let (accepted, theirs) = watch.agree(minor)?;
            if accepted {
                return Ok(watch);
            }
            let (major, offered) = theirs;
            // Older services take their own version only.
            if major != MAJOR || !MINORS.contains(&offered) || offered == minor {
                return Err(EmulatorError::PcscdProtocol { major, minor: offered });
            }
            minor = offered;
        }
    }

    /// Says which protocol we speak; the answer is whether that will do, and which one the service speaks.
    fn agree(&mut self, minor: i32) -> Result<(bool, (i32, i32)), EmulatorError> {
        let body = [MAJOR.to_ne_bytes(), minor.to_ne_bytes(), [0; 4]].concat();
        self.send(VERSION, &body)?;
        let mut answer = [0; 12];
        self.receive(&mut answer, Instant::now() + PATIENCE, "a client")?;
        let word = |at: usize| i32::from_ne_bytes([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]]);
        Ok((word(8) == 0, (word(0), word(4))))
    }

    /// Waits until the readers are as `wanted`; `event` names that for the error.
    pub(crate) fn wait_until(
        &mut self,
        event: &str,
        wanted: impl Fn(&[ReaderStatus]) -> bool,
    ) -> Result<Vec<ReaderStatus>, EmulatorError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.send(WAIT_READER_STATE_CHANGE, &[])?;
            let mut states = [0; READERS * STATE_LEN];
            self.receive(&mut states, deadline, event)?;
            let readers: Vec<_> = states.chunks_exact(STATE_LEN).filter_map(parse_state).collect();
            if wanted(&readers) {
                return Ok(readers);
            }
            self.receive(&mut [0; 8], deadline, event)?;
        }
    }

    fn send(&mut self, command: u32, body: &[u8]) -> Result<(), EmulatorError> {
        let length = u32::try_from(body.len()).expect("our messages are short");
        let message = [&length.to_ne_bytes()[..], &command.to_ne_bytes(), body].concat();
        self.stream.write_all(&message).map_err(|_| EmulatorError::PcscdEnded)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: Instant, event: &str) -> Result<(), EmulatorError> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left)).map_err(EmulatorError::io("set a time-out"))?;
        self.stream.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                EmulatorError::Unnoticed { event: event.into(), seconds: PATIENCE.as_secs() }
            }
            _ => EmulatorError::PcscdEnded,
        })
    }
}

/// A reader's state; `None` for a place without a reader.
fn parse_state(bytes: &[u8]) -> Option<ReaderStatus> {
    let (name, rest) = bytes.split_at_checked(NAME_LEN)?;
    let name = name.split(|&byte| byte == 0).next().filter(|name| !name.is_empty())?;
    let word = |at: usize| Some(u32::from_ne_bytes(rest.get(at..at + 4)?.try_into().ok()?));
    let name = String::from_utf8_lossy(name).into_owned();
    Some(ReaderStatus { name, card_present: word(4)? & CARD_PRESENT != 0, events: word(0)? })
}
