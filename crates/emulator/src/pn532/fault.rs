//! What goes wrong in the chip and on the line, beside what goes wrong with the card.

use std::time::Duration;

use super::frame::{self, ACK, NACK, SYNTAX_ERROR};

/// What the chip does wrong at a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChipFault {
    /// It says nothing to this command and to all that follow, until it is reset.
    Mute,
    /// It acknowledges the command, executes it, and never replies.
    NoReply,
    /// The checksum of the reply's length is wrong.
    LengthChecksum,
    /// The checksum of the reply's content is wrong.
    DataChecksum,
    /// It refuses the command with a NACK frame and does not execute it.
    Nack,
    /// It replies with the frame for a command it cannot read, and does not execute it.
    ErrorFrame,
    /// The reply comes late.
    Slow(Duration),
    /// Only the first bytes of the reply's frame come through.
    Truncated(usize),
    /// These bytes come between the acknowledgement and the reply's frame.
    Noise(Vec<u8>),
    /// These bytes follow the reply's frame.
    Extra(Vec<u8>),
    /// The reply has these data, rightly framed, instead of its own.
    Data(Vec<u8>),
    /// The card leaves the field before the command is executed.
    TearBefore,
    /// The command is executed; the card leaves the field before its answer has come.
    TearAfter,
    /// The port vanishes; the command is not executed.
    Vanish,
}

impl ChipFault {
    /// What the chip says instead of executing the command.
    pub(super) fn refusal(&self) -> Option<Vec<u8>> {
        match self {
            Self::Nack => Some(NACK.to_vec()),
            Self::ErrorFrame => Some([&ACK[..], &SYNTAX_ERROR].concat()),
            _ => None,
        }
    }

    /// What becomes of a reply's content.
    pub(super) fn distort_reply(&self, reply: &mut Vec<u8>) {
        if let Self::Data(data) = self {
            reply.truncate(1);
            reply.extend_from_slice(data);
        }
    }

    /// What becomes of its frame.
    pub(super) fn distort_frame(&self, bytes: &mut Vec<u8>) {
        let (of_length, of_content) = frame::checksums(bytes);
        match self {
            Self::LengthChecksum => spoil(bytes, of_length),
            Self::DataChecksum => spoil(bytes, of_content),
            Self::Truncated(len) => bytes.truncate(*len),
            Self::Noise(noise) => drop(bytes.splice(..0, noise.iter().copied())),
            Self::Extra(more) => bytes.extend_from_slice(more),
            _ => {}
        }
    }

    /// How much later it comes.
    pub(super) fn delay(&self) -> Duration {
        match self {
            Self::Slow(delay) => *delay,
            _ => Duration::ZERO,
        }
    }
}

/// An earlier fault may have cut the place off.
fn spoil(bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x55;
    }
}
