//! Status words.

use std::fmt;

/// SW1 SW2 of an answer. What one means is for the family to say: `6983` is a lock on one card and a
/// lost session on another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// `9000`: done.
    pub const DONE: Self = Self(0x9000);

    /// `61xx`: so many more bytes are waiting (0 stands for 256).
    pub const fn more(self) -> Option<u8> {
        if self.0 >> 8 == 0x61 { Some(self.0.to_be_bytes()[1]) } else { None }
    }

    /// `6Cxx`: ask again with this Le.
    pub const fn exact_length(self) -> Option<u8> {
        if self.0 >> 8 == 0x6c { Some(self.0.to_be_bytes()[1]) } else { None }
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
