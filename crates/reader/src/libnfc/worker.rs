//! The worker: a process of its own, because libnfc may abort it.

use std::io::Write;
use std::process;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::io::Errno;
use zeroize::Zeroizing;

use super::device::{self, Device};
use super::message::{Fault, Reply, Request, body_len};

/// Serves requests from stdin until its end. Never returns.
pub(super) fn run() -> ! {
    keep_memory_private();
    let (inbox, requests) = channel();
    // Whoever started us may die while libnfc is busy: this thread notices, and ends the process at once. libnfc's
    // calls cannot be interrupted.
    std::thread::spawn(move || {
        while let Some(request) = read_request() {
            if inbox.send(request).is_err() {
                break;
            }
        }
        process::exit(0);
    });
    serve(&requests);
    process::exit(0)
}

/// Commands hold seeds under keys that are published.
fn keep_memory_private() {
    #[cfg(target_os = "linux")]
    // The kernel refuses unknown values only.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    // A limit can always be lowered.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}

/// `None` at the end, and when something comes that is no request.
fn read_request() -> Option<Request> {
    let mut head = [0; 2];
    read_exact(&mut head)?;
    let mut body = Zeroizing::new(vec![0; body_len(head)?]);
    read_exact(&mut body)?;
    Request::decode(&body)
}

/// Past the buffer of the standard library, which nobody would wipe.
fn read_exact(mut buffer: &mut [u8]) -> Option<()> {
    let stdin = std::io::stdin();
    while !buffer.is_empty() {
        match rustix::io::read(&stdin, &mut *buffer) {
            Ok(0) => return None,
            Ok(len) => buffer = &mut buffer[len..],
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(())
}

fn serve(requests: &Receiver<Request>) {
    let mut state = State::Fresh;
    for request in requests {
        let last = matches!(request, Request::Close);
        let reply = state.answer(&request);
        drop(request);
        let sent = std::io::stdout().write_all(&reply.encode()).and_then(|()| std::io::stdout().flush());
        if last || sent.is_err() {
            return;
        }
    }
}

/// What there is to talk to.
enum State {
    /// Nothing was opened yet.
    Fresh,
    Open(Box<Device>),
    /// Opening failed, or the reader was closed.
    Spent,
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        self.act(request).unwrap_or_else(|failed| failed)
    }

    fn act(&mut self, request: &Request) -> Result<Reply, Reply> {
        match (request, self) {
            (Request::List, _) => device::list().map(Reply::Readers),
            (Request::Open(connstring), state @ Self::Fresh) => {
                *state = Self::Spent;
                *state = Self::Open(Box::new(Device::open(connstring)?));
                Ok(Reply::Done)
            }
            // Each try costs memory that never comes back, so each has a worker of its own.
            (Request::Open(_), _) => Err(Reply::Failed(Fault::Other, "a worker opens one reader once".into())),
            (Request::Close, state) => {
                *state = Self::Spent;
                Ok(Reply::Done)
            }
            (request, Self::Open(device)) => with(device, request),
            _ => Err(Reply::Failed(Fault::Other, "no reader is open".into())),
        }
    }
}

fn with(device: &mut Device, request: &Request) -> Result<Reply, Reply> {
    match request {
        Request::Find => Ok(device.find()?.map_or(Reply::Nothing, Reply::Found)),
        Request::IsPresent => Ok(if device.is_present()? { Reply::Done } else { Reply::Nothing }),
        Request::Transmit { timeout, c_apdu } => {
            device.transmit(c_apdu, Duration::from_millis((*timeout).into())).map(Reply::Answer)
        }
        Request::Release => device.release().map(|()| Reply::Done),
        Request::List | Request::Open(_) | Request::Close => unreachable!("they need no reader that is open"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libnfc's crate leaks at each open; a worker that could open again would grow.
    #[test]
    fn a_worker_opens_once() {
        let mut state = State::Fresh;
        let open = Request::Open("pn532_uart:/dev/null/nothing".into());
        assert!(matches!(state.answer(&open), Reply::Failed(Fault::NoDevice, _)));
        assert!(matches!(state.answer(&open), Reply::Failed(Fault::Other, detail) if detail.contains("once")));
        assert!(matches!(state.answer(&Request::Find), Reply::Failed(Fault::Other, _)));
        assert_eq!(state.answer(&Request::Close), Reply::Done);
    }
}
