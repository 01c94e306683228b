//! The program's end of a worker: questions with deadlines, and a worker that dies is an error like others.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{Level, debug};
use zeroize::Zeroizing;

use super::message::{Fault, Reply, Request, Target, body_len};
use super::port::Port;
use super::worker;
use crate::ReaderError;

/// What a program is started with to be a worker.
const WORKER: &str = "--libnfc-worker";

/// How long the worker may take for anything but a command to a token. Opening takes 50 ms, and a chip that does not
/// answer is given up by libnfc after two seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether this program can be a worker.
static HOSTS: AtomicBool = AtomicBool::new(false);

/// See [`crate::host_libnfc`].
pub(super) fn host() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == WORKER) && arguments.next().is_none() {
        worker::run();
    }
    HOSTS.store(true, Ordering::Release);
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// libnfc said why.
    Libnfc(Fault, String),
    /// Nothing came in time.
    Silent,
    /// The worker ended.
    Died(String),
    /// The port has vanished.
    Vanished,
}

/// A worker, perhaps with a reader.
pub(super) struct Client {
    child: Child,
    /// `None` when it was closed.
    requests: Option<ChildStdin>,
    replies: ChildStdout,
    port: Option<Port>,
    /// The token that was found last, as long as nothing speaks against it.
    pub(super) target: Option<Target>,
}

impl Client {
    /// The readers that libnfc names.
    pub(super) fn list() -> Result<Vec<String>, Trouble> {
        let mut client = Self::start(None)?;
        match client.ask(&Request::List, PATIENCE)? {
            Reply::Readers(names) => Ok(names),
            reply => Err(unfit(&reply)),
        }
    }

    /// Locks a reader, which another program may have for so long, and opens it.
    pub(super) fn open(connstring: &str, patience: Duration) -> Result<Self, ReaderError> {
        let port = Port::lock(connstring, patience)?;
        let opened = Self::start(Some(port)).and_then(|mut client| {
            client.done(&Request::Open(connstring.to_owned()))?;
            Ok(client)
        });
        opened.map_err(|trouble| trouble.at(connstring))
    }

    fn start(port: Option<Port>) -> Result<Self, Trouble> {
        // A program that cannot be a worker would start itself again and again.
        if !HOSTS.load(Ordering::Acquire) {
            return Err(Trouble::Died("this program does not host libnfc".into()));
        }
        let failed = |error: std::io::Error| Trouble::Died(format!("no process for libnfc: {error}"));
        let mut command = Command::new(own_program().map_err(failed)?);
        command.arg(WORKER).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Out of the reach of Ctrl-C, which must not cut a conversation with a token.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        // At higher levels libnfc prints what goes over the line, seeds included.
        let traced = tracing::enabled!(Level::DEBUG);
        command.env("LIBNFC_LOG_LEVEL", if traced { "1" } else { "0" });
        command.stderr(if traced { Stdio::inherit() } else { Stdio::null() });
        let mut child = command.spawn().map_err(failed)?;
        let requests = child.stdin.take();
        let replies = child.stdout.take().expect("it was asked for");
        Ok(Self { child, requests, replies, port, target: None })
    }

    /// What lies there. `true` beside it: since the last time it was taken off or exchanged.
    pub(super) fn look(&mut self) -> Result<(Option<&Target>, bool), Trouble> {
        let before = self.target.take();
        // What speaks no ISO/IEC 14443-4 cannot be asked, only found again.
        let stays = match &before {
            Some(target) if target.speaks_apdus() => self.ask(&Request::IsPresent, PATIENCE)? == Reply::Done,
            _ => false,
        };
        if stays {
            self.target = before;
            return Ok((self.target.as_ref(), false));
        }
        self.find()?;
        let same = before == self.target && before.as_ref().is_none_or(|target| !target.speaks_apdus());
        Ok((self.target.as_ref(), !same))
    }

    /// Looks for a token and begins a new session with it.
    pub(super) fn find(&mut self) -> Result<Option<&Target>, Trouble> {
        self.target = match self.ask(&Request::Find, PATIENCE)? {
            Reply::Found(target) => Some(target),
            Reply::Nothing => None,
            reply => return Err(unfit(&reply)),
        };
        Ok(self.target.as_ref())
    }

    /// Whether the target still answers.
    pub(super) fn is_present(&mut self) -> Result<bool, Trouble> {
        Ok(self.ask(&Request::IsPresent, PATIENCE)? == Reply::Done)
    }

    /// Sends a command to the target.
    pub(super) fn transmit(&mut self, c_apdu: &[u8], timeout: Duration) -> Result<Vec<u8>, Trouble> {
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1);
        let request = Request::Transmit { timeout: millis, c_apdu: Zeroizing::new(c_apdu.to_vec()) };
        match self.ask(&request, timeout.saturating_add(PATIENCE))? {
            Reply::Answer(r_apdu) => Ok(r_apdu),
            reply => Err(unfit(&reply)),
        }
    }

    /// Ends the target's session; the reader stays open.
    pub(super) fn release(&mut self) -> Result<(), Trouble> {
        self.target = None;
        self.done(&Request::Release)
    }

    fn done(&mut self, request: &Request) -> Result<(), Trouble> {
        match self.ask(request, PATIENCE)? {
            Reply::Done => Ok(()),
            reply => Err(unfit(&reply)),
        }
    }

    /// Asks, and waits for the reply; after trouble nothing more can be asked.
    fn ask(&mut self, request: &Request, patience: Duration) -> Result<Reply, Trouble> {
        let result = self.send(request).and_then(|()| self.receive(patience));
        let result = match result {
            Ok(Reply::Failed(fault, detail)) => Err(Trouble::Libnfc(fault, detail)),
            other => other,
        };
        result.map_err(|trouble| {
            debug!(?trouble, "libnfc");
            let vanished = self.port.as_ref().is_some_and(Port::has_vanished);
            if vanished { Trouble::Vanished } else { trouble }
        })
    }

    fn send(&mut self, request: &Request) -> Result<(), Trouble> {
        // A message is shorter than a pipe, so this does not wait.
        let sent = self.requests.as_mut().map(|pipe| pipe.write_all(&request.encode()));
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(self.obituary()) }
    }

    fn receive(&mut self, patience: Duration) -> Result<Reply, Trouble> {
        let deadline = Instant::now().checked_add(patience);
        let mut head = [0; 2];
        self.read_exact(&mut head, deadline)?;
        let garbled = || Trouble::Died("its process said something that nobody understands".into());
        let mut body = Zeroizing::new(vec![0; body_len(head).ok_or_else(garbled)?]);
        self.read_exact(&mut body, deadline)?;
        Reply::decode(&body).ok_or_else(garbled)
    }

    fn read_exact(&mut self, mut buffer: &mut [u8], deadline: Option<Instant>) -> Result<(), Trouble> {
        while !buffer.is_empty() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut [PollFd::new(&self.replies, PollFlags::IN)], left.as_ref()) {
                Ok(0) => {
                    self.kill();
                    return Err(Trouble::Silent);
                }
                Ok(_) => match self.replies.read(buffer) {
                    Ok(0) | Err(_) => return Err(self.obituary()),
                    Ok(len) => buffer = &mut buffer[len..],
                },
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Err(self.obituary()),
            }
        }
        Ok(())
    }

    fn kill(&mut self) {
        self.requests = None;
        // It may have ended meanwhile.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How the worker ended: it closed a pipe, which it does only then.
    fn obituary(&mut self) -> Trouble {
        self.requests = None;
        Trouble::Died(match self.child.wait() {
            Ok(status) => match status.signal() {
                Some(signal) => format!("libnfc ended its process (signal {signal})"),
                None => format!("libnfc ended its process ({status})"),
            },
            Err(error) => format!("libnfc ended its process ({error})"),
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.requests.is_some() {
            // Switched off, the reader has no field. One that has gone need not be.
            let _ = self.done(&Request::Close);
        }
        // Without its input it ends by itself, unless libnfc hangs.
        self.kill();
    }
}

/// The same program as this one, also when its file was replaced meanwhile.
fn own_program() -> std::io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

fn unfit(reply: &Reply) -> Trouble {
    debug!(?reply, "a reply that does not fit");
    Trouble::Died("its process said something that does not fit".into())
}

impl Trouble {
    /// What it means before a conversation has begun.
    pub(super) fn at(self, reader: &str) -> ReaderError {
        let reader = reader.to_owned();
        match self {
            Self::Vanished => ReaderError::ReaderLost { reader },
            Self::Silent | Self::Libnfc(Fault::NoDevice | Fault::Timeout, _) => ReaderError::ReaderSilent { reader },
            Self::Libnfc(_, detail) => ReaderError::Failed { detail: format!("libnfc: {detail}") },
            Self::Died(detail) => ReaderError::Failed { detail },
        }
    }
}

#[cfg(test)]
mod tests {
    use oathburn_oath::Remedy;

    use super::*;

    /// The program of the tests is none that hosts libnfc: it would run all of them again, without end.
    #[test]
    fn a_program_that_cannot_be_a_worker_starts_none() {
        let trouble = Trouble::Died("this program does not host libnfc".into());
        assert_eq!(Client::list(), Err(trouble.clone()));
        assert_eq!(Client::open("pn53x_usb", Duration::ZERO).err(), Some(trouble.at("pn53x_usb")));
    }

    #[test]
    fn what_trouble_means() {
        let libnfc = |fault| Trouble::Libnfc(fault, "io".into());
        for (trouble, code) in [
            (Trouble::Vanished, "reader-lost"),
            (Trouble::Silent, "reader-silent"),
            (libnfc(Fault::NoDevice), "reader-silent"),
            (libnfc(Fault::Timeout), "reader-silent"),
            (libnfc(Fault::Other), "reader-failed"),
            (Trouble::Died(String::new()), "reader-failed"),
        ] {
            assert_eq!(trouble.at("a").code(), code);
        }
    }
}
