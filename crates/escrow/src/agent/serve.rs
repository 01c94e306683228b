//! The agent itself.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use age_core::format::Stanza;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::time::{ClockId, clock_gettime};
use secrecy::ExposeSecret;

use super::locked::Locked;
use super::{DONE, NOT_MINE, Question, REFUSED, io_error, wire};
use crate::{EscrowError, Officer, keyfile};

/// How many bytes an event signs: its digest. Nothing longer is signed for anybody.
const DIGEST: usize = 32;

/// The socket of an agent that is about to serve.
pub struct AgentSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Tells the socket from one that another agent put in its place.
    inode: u64,
}

/// What an agent needs to answer.
struct Keys {
    officer: Locked<Officer>,
    /// In the time that goes on while the machine sleeps.
    deadline: Duration,
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

impl AgentSocket {
    /// Makes the socket, in place of that of an agent that is there, which ends. Its folder is made where it is
    /// missing, and must belong to this user alone.
    pub fn bind(path: &Path) -> Result<Self, EscrowError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        keyfile::create_folder(folder).map_err(io_error("make the folder of", path))?;
        check_folder(folder)?;
        let beside = keyfile::beside(path).map_err(io_error("make", path))?;
        let listener = UnixListener::bind(&beside).map_err(io_error("make", path))?;
        let placed = fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::metadata(&beside).map(|metadata| metadata.ino()))
            .and_then(|inode| fs::rename(&beside, path).map(|()| inode));
        let inode = placed.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(io_error("make", path))?;
        listener.set_nonblocking(true).map_err(io_error("make", path))?;
        Ok(Self { listener, path: path.into(), inode })
    }

    /// Answers until the time is up, somebody says to lock, or the socket is gone. Says first, by `ready`, whether
    /// the keys' memory is locked.
    ///
    /// Conversations that are open then end with the process.
    pub fn serve(self, officer: Officer, life: Duration, ready: impl FnOnce(bool)) -> Result<(), EscrowError> {
        let failed = || io_error("wait at", &self.path);
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK);
        let watch = watch.map_err(|error| failed()(error.into()))?;
        let changes = inotify::WatchFlags::DELETE
            | inotify::WatchFlags::MOVE
            | inotify::WatchFlags::DELETE_SELF
            | inotify::WatchFlags::CREATE;
        inotify::add_watch(&watch, folder, changes).map_err(|error| failed()(error.into()))?;
        let keys = Arc::new(Keys { officer: Locked::new(officer), deadline: now() + life });
        let (tell, told) = mpsc::channel();
        let (ended, end) = UnixStream::pair().map_err(failed())?;
        thread::spawn(move || {
            // Whatever was told, or nobody left to tell: the other end of the pair becomes readable.
            let _ = told.recv();
            drop(ended);
        });
        ready(keys.officer.is_locked());
        while self.is_there() {
            let Some(left) = keys.deadline.checked_sub(now()).filter(|left| !left.is_zero()) else { break };
            let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 });
            let fds = [self.listener.as_fd(), watch.as_fd(), end.as_fd()];
            let mut polled = fds.each_ref().map(|fd| PollFd::new(fd, PollFlags::IN));
            match poll(&mut polled, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(failed()(error.into())),
            }
            let [asked, moved, locked] = polled.map(|polled| !polled.revents().is_empty());
            if locked {
                break;
            }
            if moved {
                // What changed is seen by looking at the socket again.
                let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
                let mut events = inotify::Reader::new(&watch, &mut buffer);
                while events.next().is_ok() {}
            }
            if asked {
                self.accept(&keys, &tell);
            }
        }
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
        Ok(())
    }

    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode)
    }

    fn accept(&self, keys: &Arc<Keys>, tell: &Sender<()>) {
        while let Ok((stream, _)) = self.listener.accept() {
            let (keys, tell) = (Arc::clone(keys), tell.clone());
            // Whoever cannot be served is hung up on.
            let _ = thread::Builder::new().spawn(move || converse(stream, &keys, &tell));
        }
    }
}

/// A folder that others can write to lets them put a socket of their own there.
fn check_folder(folder: &Path) -> Result<(), EscrowError> {
    let metadata = fs::metadata(folder).map_err(io_error("look at the folder of", folder))?;
    let own = metadata.uid() == rustix::process::getuid().as_raw();
    if !own || metadata.mode() & 0o077 != 0 {
        return Err(EscrowError::AgentFolder { path: folder.into() });
    }
    Ok(())
}

/// Only processes of the same user are answered; the root user can read memory anyway.
pub(super) fn is_own(stream: &UnixStream) -> bool {
    let peer = rustix::net::sockopt::socket_peercred(stream);
    peer.is_ok_and(|peer| peer.uid == rustix::process::getuid())
}

fn converse(mut stream: UnixStream, keys: &Keys, tell: &Sender<()>) {
    if !is_own(&stream) || stream.set_nonblocking(false).is_err() {
        return;
    }
    while let Ok(Some(message)) = wire::receive(&mut stream) {
        if now() >= keys.deadline {
            return;
        }
        let (question, body) =
            message.split_first().map_or((None, &[][..]), |(first, body)| (Question::of(*first), body));
        let said = match question {
            Some(Question::Who) => who(&mut stream, keys),
            Some(Question::Unwrap) => {
                match stanza(body).map(|stanza| keys.officer.keys().identity().unwrap_stanza(&stanza)) {
                    Some(Some(Ok(key))) => wire::send(&mut stream, &[&[DONE], key.expose_secret()]),
                    Some(None) => wire::send(&mut stream, &[&[NOT_MINE]]),
                    None | Some(Some(Err(_))) => refuse(&mut stream),
                }
            }
            Some(Question::Sign) if body.len() == DIGEST => match keys.officer.keys().sign(body) {
                Ok(signature) => wire::send(&mut stream, &[&[DONE], &signature]),
                Err(_) => refuse(&mut stream),
            },
            Some(Question::Lock) => {
                let said = wire::send(&mut stream, &[&[DONE]]);
                let _ = tell.send(());
                said
            }
            _ => refuse(&mut stream),
        };
        if said.is_err() {
            return;
        }
    }
}

/// What [`super::client`] made of a stanza.
fn stanza(bytes: &[u8]) -> Option<Stanza> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let mut words = std::str::from_utf8(&bytes[..end]).ok()?.split(' ').map(str::to_owned);
    Some(Stanza { tag: words.next()?, args: words.collect(), body: bytes[end + 1..].to_vec() })
}

fn refuse(stream: &mut UnixStream) -> io::Result<()> {
    wire::send(stream, &[&[REFUSED]])
}

fn who(stream: &mut UnixStream, keys: &Keys) -> io::Result<()> {
    let public = keys.officer.public();
    let left = keys.deadline.saturating_sub(now()).as_secs().to_be_bytes();
    wire::send(stream, &[&[DONE], &left, public.writer.as_bytes(), public.recipient.as_bytes()])
}
