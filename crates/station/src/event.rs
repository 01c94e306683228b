//! What a burn tells whoever watches.

use oathburn_escrow::EntryId;
use oathburn_token::Progress;

use crate::Identified;

/// One step of a burn, told when it is done.
#[derive(Clone, Debug)]
pub enum Event {
    /// The token said who it is.
    Identified(Identified),
    /// An unfinished burn of this token is taken up again, with its escrowed seed.
    Resumed {
        /// Its entry.
        entry: EntryId,
    },
    /// The seed lies in the escrow, durably; nothing was written to the token yet.
    Reserved {
        /// The new entry.
        entry: EntryId,
    },
    /// The driver has done something.
    Token(Progress),
    /// The escrow knows that the token is programmed.
    Programmed {
        /// The entry.
        entry: EntryId,
    },
    /// The conversation broke after the first write, and the escrow knows.
    Unknown {
        /// The entry.
        entry: EntryId,
    },
}
