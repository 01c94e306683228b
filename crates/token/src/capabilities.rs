//! What tokens of a family can do. Whoever works with tokens asks here, and names no family.

use oathburn_oath::{Algorithm, Digits, TimeStep};

/// What tokens of a family can be programmed to do.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Capabilities {
    /// The longest seed in bytes that is written as it is.
    pub max_seed_len: usize,
    /// Hashes.
    pub algorithms: &'static [Algorithm],
    /// Lengths of a code.
    pub digits: &'static [Digits],
    /// Time steps; empty when any will do.
    pub time_steps: &'static [TimeStep],
    /// Whether codes can come from a counter.
    pub event_based: bool,
    /// Where seeds lie.
    pub slots: Slots,
    /// Whether codes can be read back over the wire, so that a burn proves itself.
    pub reads_codes: bool,
    /// Whether there is a clock, and whose.
    pub clock: ClockOf,
    /// Whether the display's time-out can be chosen.
    pub display_timeout: bool,
    /// Whether a code can be made to cost a touch.
    pub touch: bool,
    /// The longest title of a slot in bytes of UTF-8; 0 where slots have none beside their names.
    pub max_title_len: usize,
    /// Which key it asks for.
    pub access_key: AccessKeys,
    /// What else it does.
    pub actions: &'static [ActionKind],
}

/// Where in a token seeds lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slots {
    /// There is one seed.
    Single,
    /// Numbered, counted from 0; how many is the token's to say.
    Numbered,
    /// Named, each by a text of at most so many bytes of UTF-8.
    Named {
        /// Bytes.
        max_len: usize,
    },
}

/// Whose clock there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockOf {
    /// None: the host tells the time.
    Host,
    /// The token's.
    Token,
    /// Each slot's own.
    Slot,
}

/// Which key a token asks for before it is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKeys {
    /// A published one, that nobody can change.
    Fixed,
    /// None, until its owner sets a password.
    Optional,
    /// Always one: the maker's, until its owner changes it.
    Always,
}

/// What can be done to a token beside programming it and setting its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// A slot is emptied.
    Delete,
    /// A slot gets another name or title.
    Rename,
    /// Everything is erased.
    Reset,
    /// The access key is set or changed.
    SetAccessKey,
    /// The access key is taken away.
    RemoveAccessKey,
    /// The access key is tried, and nothing else is done.
    TryAccessKey,
    /// The screen is locked and unlocked.
    Lock,
}

impl ActionKind {
    /// What it is called in messages: what the token cannot do.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Delete => "delete a slot",
            Self::Rename => "rename a slot",
            Self::Reset => "be reset",
            Self::SetAccessKey => "change its access key",
            Self::RemoveAccessKey => "go without an access key",
            Self::TryAccessKey => "be opened by an access key",
            Self::Lock => "lock its screen",
        }
    }
}
