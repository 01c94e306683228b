//! An agent that keeps an officer's keys unlocked for a while, as `ssh-agent` does for those of SSH.
//!
//! It answers on a socket in a private folder, only to processes of the same user: it unwraps what is encrypted to
//! its officer and signs events, and never hands its keys out. It ends when its time is up, when it is told to, and when its socket goes,
//! as it does at logout.

mod client;
mod locked;
mod serve;
mod wire;

pub use client::Agent;
pub use serve::AgentSocket;

use std::io;
use std::path::Path;

use crate::EscrowError;

/// What a process can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// Whose keys they are, and for how long.
    Who = 1,
    /// To unwrap the file key of a stanza (age-encryption.org/v1): a line of tag and arguments, then the body.
    Unwrap = 2,
    /// To sign an event.
    Sign = 3,
    /// To forget the keys.
    Lock = 4,
}

impl Question {
    fn of(byte: u8) -> Option<Self> {
        [Self::Who, Self::Unwrap, Self::Sign, Self::Lock].into_iter().find(|one| *one as u8 == byte)
    }
}

const DONE: u8 = 0;
const REFUSED: u8 = 1;
/// The stanza is for somebody else.
const NOT_MINE: u8 = 2;
/// The length of a file key.
const FILE_KEY: usize = 16;

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EscrowError {
    let path = path.to_owned();
    move |source| EscrowError::AgentIo { action, path, source }
}

#[cfg(test)]
mod tests;
