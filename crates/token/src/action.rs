//! What is asked of a driver beside programming: reading codes, and everything that keeps a token in order.

use oathburn_oath::{Params, SerialNumber, Slot};

use crate::{AccessKey, ActionKind, Permits, Progress};

/// One change to a token.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Empty a slot; needs [`Permits::erase`].
    Delete {
        /// Which one.
        slot: &'a Slot,
    },
    /// Give a slot another name, or another title where slots are numbered.
    Rename {
        /// Which one.
        slot: &'a Slot,
        /// The new name or title.
        to: &'a str,
    },
    /// Erase everything; needs [`Permits::erase`].
    Reset,
    /// Set the access key, or change it.
    SetAccessKey {
        /// The new one.
        key: &'a AccessKey,
    },
    /// Take the access key away.
    RemoveAccessKey,
    /// Log in with the access key, and do nothing else: one try.
    TryAccessKey,
    /// Lock the screen, or unlock it.
    Lock {
        /// Whether it is to be locked.
        locked: bool,
    },
}

impl Action<'_> {
    /// What a family must be able to do for it.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Delete { .. } => ActionKind::Delete,
            Self::Rename { .. } => ActionKind::Rename,
            Self::Reset => ActionKind::Reset,
            Self::SetAccessKey { .. } => ActionKind::SetAccessKey,
            Self::RemoveAccessKey => ActionKind::RemoveAccessKey,
            Self::TryAccessKey => ActionKind::TryAccessKey,
            Self::Lock { .. } => ActionKind::Lock,
        }
    }
}

/// Change this token, and no other.
pub struct ActionOrder<'a> {
    /// The token it is meant for; any other is refused.
    pub serial: &'a SerialNumber,
    /// What to do.
    pub action: Action<'a>,
    /// The key that the token asks for now.
    pub access_key: Option<&'a AccessKey>,
    /// What may be destroyed.
    pub permits: Permits,
    /// Hears what has been done.
    pub progress: &'a dyn Fn(Progress),
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is done, as far as the token tells.
    Now,
    /// The token waits for somebody to confirm it with a button; whether that happens it does not tell.
    ToBeConfirmed,
}

/// Let this token compute codes.
pub struct CodesOrder<'a> {
    /// The token it is meant for; any other is refused.
    pub serial: &'a SerialNumber,
    /// Which seed.
    pub slot: &'a Slot,
    /// Whether its codes are made from the time. One that counts makes the next code, which it will not make again.
    pub params: Params,
    /// The steps to compute codes for; of a counting seed, how many there are is how many are asked for.
    pub steps: &'a [u64],
    /// The key that the token asks for.
    pub access_key: Option<&'a AccessKey>,
    /// Hears what is waited for.
    pub progress: &'a dyn Fn(Progress),
}
