//! Frames: what travels between host and chip. See `docs/protocol/pn532.md`, "Frames".

use zeroize::Zeroizing;

/// Understood; now it works.
pub(crate) const ACK: [u8; 6] = [0x00, 0x00, 0xff, 0x00, 0xff, 0x00];
/// The other end is to say its last frame again.
pub(crate) const NACK: [u8; 6] = [0x00, 0x00, 0xff, 0xff, 0x00, 0x00];
/// The chip's answer to a command it does not know or cannot read.
pub(crate) const SYNTAX_ERROR: [u8; 8] = [0x00, 0x00, 0xff, 0x01, 0xff, 0x7f, 0x81, 0x00];

/// The first byte of what a host says.
const FROM_HOST: u8 = 0xd4;
/// The first byte of what the chip says.
const FROM_CHIP: u8 = 0xd5;

/// The most data in one frame, in either direction: what one block over the air has at most.
pub(crate) const MAX_DATA: usize = 262;
/// The longest frame content: direction, command, one parameter, data.
const MAX_LEN: usize = MAX_DATA + 3;
/// Start code, extended length with its checksum, content, checksum.
const MAX_FRAME: usize = 2 + 5 + MAX_LEN + 1;

/// What the host said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// An end to what the chip is doing.
    Ack,
    /// The last reply again.
    Nack,
    /// A command with its parameters. It may contain a seed under the family's published key, so it is wiped.
    Command(Zeroizing<Vec<u8>>),
}

/// What the bytes received so far amount to.
enum Parsed {
    /// The beginning of something.
    Incomplete,
    /// This many bytes are nothing.
    Junk(usize),
    /// So many bytes were this.
    Whole(usize, Frame),
}

/// Finds frames in a stream of bytes. What is no frame, or a damaged one, is passed over in silence.
pub(crate) struct FrameReader {
    /// Begins with a start code or the beginning of one; never longer than the longest frame.
    buffer: Zeroizing<Vec<u8>>,
}

impl FrameReader {
    pub(crate) fn new() -> Self {
        Self { buffer: Vec::with_capacity(MAX_FRAME).into() }
    }

    /// Takes one byte; gives the frame that ends with it.
    pub(crate) fn push(&mut self, byte: u8) -> Option<Frame> {
        self.buffer.push(byte);
        loop {
            match parse(&self.buffer) {
                Parsed::Incomplete => return None,
                Parsed::Junk(len) => drop(self.buffer.drain(..len)),
                Parsed::Whole(len, frame) => {
                    self.buffer.drain(..len);
                    return Some(frame);
                }
            }
        }
    }

    /// Forgets what has come so far.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
    }
}

/// The preamble is only a zero before the start code, and the postamble one before the next: neither is asked for.
fn parse(bytes: &[u8]) -> Parsed {
    let (lead, rest) = match bytes {
        [] | [0x00] | [0x00, 0xff] | [0x00, 0xff, _] => return Parsed::Incomplete,
        [0x00, 0xff, len, len_check, rest @ ..] => ((*len, *len_check), rest),
        _ => return Parsed::Junk(1),
    };
    let (header, len) = match lead {
        (0x00, 0xff) => return Parsed::Whole(4, Frame::Ack),
        (0xff, 0x00) => return Parsed::Whole(4, Frame::Nack),
        (0xff, 0xff) => match rest {
            [high, low, check, ..] if sum(&[*high, *low, *check]) == 0 => {
                (7, usize::from(u16::from_be_bytes([*high, *low])))
            }
            [_, _, _, ..] => return Parsed::Junk(2),
            _ => return Parsed::Incomplete,
        },
        (len, check) if sum(&[len, check]) == 0 => (4, usize::from(len)),
        _ => return Parsed::Junk(2),
    };
    if !(1..=MAX_LEN).contains(&len) {
        return Parsed::Junk(2);
    }
    let Some(content) = bytes.get(header..=header + len) else { return Parsed::Incomplete };
    let whole = header + content.len();
    match content {
        [FROM_HOST, command @ .., _check] if sum(content) == 0 => {
            Parsed::Whole(whole, Frame::Command(command.to_vec().into()))
        }
        _ => Parsed::Junk(whole),
    }
}

/// Frames what the chip says.
pub(crate) fn encode(reply: &[u8]) -> Vec<u8> {
    let content = [&[FROM_CHIP], reply].concat();
    let header = if let Ok(len) = u8::try_from(content.len()) {
        vec![0x00, 0x00, 0xff, len, len.wrapping_neg()]
    } else {
        let [high, low] = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
        vec![0x00, 0x00, 0xff, 0xff, 0xff, high, low, sum(&[high, low]).wrapping_neg()]
    };
    let check = sum(&content).wrapping_neg();
    [header, content, vec![check, 0x00]].concat()
}

/// Where a frame of the chip's has the checksum of its length, and where that of its content.
pub(crate) fn checksums(frame: &[u8]) -> (usize, usize) {
    let of_length = if frame.get(3..5) == Some(&[0xff, 0xff]) { 7 } else { 4 };
    (of_length, frame.len().saturating_sub(2))
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Frames what a host says, the long way or the short way.
    pub(crate) fn host_frame(command: &[u8], extended: bool) -> Vec<u8> {
        let content = [&[FROM_HOST], command].concat();
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        let header = match (extended, high) {
            (false, 0) => vec![0x00, 0x00, 0xff, low, low.wrapping_neg()],
            _ => vec![0x00, 0x00, 0xff, 0xff, 0xff, high, low, sum(&[high, low]).wrapping_neg()],
        };
        let check = sum(&content).wrapping_neg();
        [header, content, vec![check, 0x00]].concat()
    }

    fn read(bytes: &[u8]) -> Vec<Frame> {
        let mut reader = FrameReader::new();
        bytes.iter().filter_map(|&byte| reader.push(byte)).collect()
    }

    fn command(bytes: &[u8]) -> Frame {
        Frame::Command(bytes.to_vec().into())
    }

    #[test]
    fn frames_are_as_published() {
        assert_eq!(read(&[0, 0, 0xff, 2, 0xfe, 0xd4, 0x02, 0x2a, 0]), [command(&[0x02])]);
        assert_eq!(encode(&[0x03, 0x32, 1, 6, 7]), [0, 0, 0xff, 6, 0xfa, 0xd5, 0x03, 0x32, 1, 6, 7, 0xe8, 0]);
        assert_eq!(read(&[ACK, NACK].concat()), [Frame::Ack, Frame::Nack]);
        assert_eq!(SYNTAX_ERROR[5].wrapping_add(SYNTAX_ERROR[6]), 0);
    }

    #[test]
    fn long_contents_have_extended_frames() {
        assert_eq!(encode(&[0x41; 254])[..6], [0, 0, 0xff, 0xff, 0x01, 0xd5]);
        let frame = encode(&[0x41; 255]);
        assert_eq!(frame[..9], [0, 0, 0xff, 0xff, 0xff, 1, 0, 0xff, 0xd5]);
        assert_eq!((checksums(&frame), frame.len()), ((7, 264), 266));
        for len in [1, 254, 255, MAX_DATA + 2] {
            for extended in [false, true] {
                assert_eq!(read(&host_frame(&vec![0x40; len], extended)), [command(&vec![0x40; len])]);
            }
        }
        assert_eq!(read(&host_frame(&[0x40; MAX_DATA + 3], true)), []);
    }

    #[test]
    fn a_damaged_frame_is_passed_over_and_the_next_one_read() {
        let good = host_frame(&[0x4a, 0x01, 0x00], false);
        for at in 2..good.len() - 1 {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // A length that became longer swallows what comes; after enough zeros all is well again.
                let stream = [bad, vec![0; MAX_FRAME], good.clone()].concat();
                assert_eq!(read(&stream), [command(&[0x4a, 0x01, 0x00])], "byte {at}, bit {bit}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..1000)) {
            let mut reader = FrameReader::new();
            for byte in bytes {
                reader.push(byte);
                prop_assert!(reader.buffer.len() < MAX_FRAME && reader.buffer.capacity() == MAX_FRAME);
            }
        }

        #[test]
        fn commands_are_found_among_junk(
            junk in prop::collection::vec(1_u8.., 0..50),
            data in prop::collection::vec(any::<u8>(), 1..=MAX_DATA + 2),
            extended: bool,
        ) {
            let stream = [junk, host_frame(&data, extended)].concat();
            prop_assert_eq!(read(&stream), [command(&data)]);
        }
    }
}
