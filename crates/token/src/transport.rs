//! The joint between drivers and wires.

/// An exclusive conversation with one token. C-APDU in, R-APDU out.
pub trait Transport {
    /// Sends one command and waits for its answer, status word included.
    ///
    /// An answer has at least two bytes: a wire that comes back with fewer reports [`TransportError::Removed`].
    fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError>;
}

/// The wire failed: the token may or may not have received the command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The token left the reader, or fell asleep.
    #[error("the token was removed or fell asleep")]
    Removed,
    /// Something else reset the token, so the conversation is over.
    #[error("the token was reset by another program")]
    Reset,
    /// No answer in the time allowed.
    #[error("the token did not answer within {seconds} s")]
    Timeout {
        /// How long was waited.
        seconds: u64,
    },
    /// The reader was unplugged or its service ended.
    #[error("the reader or its service went away")]
    ReaderLost,
    /// The command is longer than the wire carries.
    #[error("the command of {len} bytes is longer than the reader takes")]
    TooLong {
        /// Bytes of the command.
        len: usize,
    },
    /// Anything else the reader's service reports, in its own words.
    #[error("the reader failed: {detail}")]
    Failed {
        /// What the service said; never any bytes of the conversation.
        detail: String,
    },
}
