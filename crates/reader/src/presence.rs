//! Whether a token lies on a reader, and how to wait for one.

use std::time::{Duration, Instant};

/// What lies on a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presence {
    /// Nothing.
    Empty,
    /// A token that answered when it was powered.
    Token,
    /// Something that does not answer.
    Mute,
}

/// How a token introduced itself. What a stack does not tell is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// What the token said when it was powered (ISO/IEC 7816-3, section 8). A contactless reader makes it up from the
    /// token's ATS (PC/SC part 3, section 3.1.3.2.3).
    pub atr: Vec<u8>,
    /// The identifier: 4, 7 or 10 bytes (ISO/IEC 14443-3, section 6.5.4).
    pub uid: Option<Vec<u8>>,
    /// The answer to the request, high byte first (ISO/IEC 14443-3, section 6.5.2).
    pub atqa: Option<[u8; 2]>,
    /// The answer to the selection (ISO/IEC 14443-3, section 6.5.3.4).
    pub sak: Option<u8>,
    /// The answer to select, without its length byte (ISO/IEC 14443-4, section 5.2).
    pub ats: Option<Vec<u8>>,
}

/// The end of a wait, in pieces short enough to ask now and then whether somebody interrupted it.
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// The longest piece: how late an interruption is noticed.
    const PIECE: Duration = Duration::from_millis(250);

    /// So long from now; `None` is never.
    pub(crate) fn after(wait: Option<Duration>) -> Self {
        // A wait too long for the clock is one for ever.
        Self(wait.and_then(|wait| Instant::now().checked_add(wait)))
    }

    /// How long to wait at a stretch; `None` when the time is over.
    pub(crate) fn piece(&self) -> Option<Duration> {
        match self.0 {
            None => Some(Self::PIECE),
            Some(end) => {
                let left = end.saturating_duration_since(Instant::now());
                // PC/SC counts milliseconds: a rest below one would be a wait of zero, over and over.
                (!left.is_zero()).then(|| left.clamp(Duration::from_millis(1), Self::PIECE))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces() {
        assert_eq!(Deadline::after(None).piece(), Some(Deadline::PIECE));
        assert_eq!(Deadline::after(Some(Duration::MAX)).piece(), Some(Deadline::PIECE));
        assert_eq!(Deadline::after(Some(Duration::from_hours(1))).piece(), Some(Deadline::PIECE));
        assert_eq!(Deadline::after(Some(Duration::ZERO)).piece(), None);
    }
}
