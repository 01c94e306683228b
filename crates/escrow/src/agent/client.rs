//! Asking the agent.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use age::DecryptError;
use age_core::format::{FileKey, Stanza};
use zeroize::Zeroizing;

use super::serve::is_own;
use super::{DONE, FILE_KEY, NOT_MINE, Question, io_error, wire};
use crate::{EscrowError, PublicKeys, WriterId};

/// An agent that does not answer within this time never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// A conversation with an agent.
pub struct Agent {
    stream: Mutex<UnixStream>,
    public: PublicKeys,
    left: Duration,
}

impl Agent {
    /// Asks whether an agent is there; `None` when none is.
    pub fn connect(path: &Path) -> Result<Option<Self>, EscrowError> {
        let failed = |error: io::Error| io_error("talk to", path)(error);
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error) => {
                return match error.kind() {
                    // A socket that nobody listens at was left behind by one that was killed.
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                    _ => Err(failed(error)),
                };
            }
        };
        if !is_own(&stream) {
            return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user")));
        }
        stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .map_err(failed)?;
        let answer = match ask(&stream, Question::Who, &[]) {
            Ok(answer) => answer.unwrap_or_default(),
            // It ended just now.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let parts = answer.split_first_chunk::<8>().and_then(|(left, rest)| {
            let (writer, recipient) = rest.split_at_checked(32)?;
            let recipient = std::str::from_utf8(recipient).ok()?.to_owned();
            Some((u64::from_be_bytes(*left), PublicKeys { recipient, writer: WriterId::from_slice(writer)? }))
        });
        let (left, public) = parts.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        Ok(Some(Self { stream: Mutex::new(stream), public, left: Duration::from_secs(left) }))
    }

    /// Whose keys it keeps.
    pub fn public(&self) -> &PublicKeys {
        &self.public
    }

    /// How long it still keeps them, counted from when it was asked.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// Tells it to forget the keys.
    pub fn lock(&self) -> Result<(), EscrowError> {
        self.ask(Question::Lock, &[]).map(|_| ())
    }

    pub(crate) fn sign(&self, digest: &[u8]) -> Result<[u8; 64], EscrowError> {
        let answer = self.ask(Question::Sign, digest)?;
        answer[..].try_into().map_err(|_| gone("it answered something else"))
    }

    fn ask(&self, question: Question, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, EscrowError> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = ask(&stream, question, body).map_err(|error| gone(&error.to_string()))?;
        answer.ok_or_else(|| gone("it answered something else"))
    }
}

/// Lets age ask the agent where it would use a key of its own.
impl age::Identity for Agent {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let line = std::iter::once(&stanza.tag).chain(&stanza.args).map(String::as_str).collect::<Vec<_>>().join(" ");
        let message = [line.as_bytes(), b"\n", &stanza.body].concat();
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match ask(&stream, Question::Unwrap, &message) {
            Ok(answer) => answer,
            Err(error) => return Some(Err(DecryptError::Io(error))),
        };
        let key = answer?;
        Some(FileKey::try_init_with_mut(|place| {
            if key.len() != FILE_KEY {
                return Err(DecryptError::Io(io::ErrorKind::InvalidData.into()));
            }
            place.copy_from_slice(&key);
            Ok(())
        }))
    }
}

/// Says whose keys it keeps.
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Agent({}, ..)", self.public.writer)
    }
}

fn gone(reason: &str) -> EscrowError {
    EscrowError::AgentGone { reason: reason.to_owned() }
}

/// The answer; `None` for a stanza that is for somebody else.
fn ask(mut stream: &UnixStream, question: Question, body: &[u8]) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    wire::send(&mut stream, &[&[question as u8], body])?;
    let answer = wire::receive(&mut stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    match answer.split_first() {
        Some((&DONE, rest)) => Ok(Some(Zeroizing::new(rest.to_vec()))),
        Some((&NOT_MINE, [])) if question == Question::Unwrap => Ok(None),
        Some(_) => Err(io::Error::other("it refused")),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
