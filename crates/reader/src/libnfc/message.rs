//! What program and worker say to each other, over two pipes.
//!
//! A message is two bytes of length, high byte first, a byte of kind, and the rest. Reading is total: whatever comes
//! is a message or is none, and nothing is longer than [`MAX_BODY`]. A worker in which libnfc went astray may write
//! anything.

use zeroize::Zeroizing;

/// The longest connection string: libnfc's own limit, without the zero at its end.
pub(super) const MAX_CONNSTRING: usize = 1023;
/// The longest command: what is left of a frame to the chip. libnfc writes past its buffer with a longer one.
pub(super) const MAX_COMMAND: usize = 262;
/// The longest answer that libnfc hands on.
pub(super) const MAX_ANSWER: usize = 263;
/// As many readers as a list may have.
pub(super) const MAX_READERS: usize = 16;
/// The longest text in a failure.
const MAX_DETAIL: usize = 512;
/// Kind and rest of the longest message, a list of readers.
pub(super) const MAX_BODY: usize = 1 + MAX_READERS * (2 + MAX_CONNSTRING);

/// What the worker is to do.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Name the readers that libnfc finds by itself.
    List,
    /// Open a reader: once in a worker's life.
    Open(String),
    /// Look for a token, which is powered anew, and make it the target.
    Find,
    /// Does the target still answer?
    IsPresent,
    /// Send a command to the target.
    Transmit {
        /// How long the chip may take, in milliseconds; at least one.
        timeout: u32,
        /// At least four bytes, at most [`MAX_COMMAND`].
        c_apdu: Zeroizing<Vec<u8>>,
    },
    /// End the target's session.
    Release,
    /// Switch the reader off and end.
    Close,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Connection strings.
    Readers(Vec<String>),
    /// It is done; to [`Request::IsPresent`]: yes.
    Done,
    /// No token, or no longer.
    Nothing,
    /// A token.
    Found(Target),
    /// Its answer.
    Answer(Vec<u8>),
    /// Why not, and in libnfc's words.
    Failed(Fault, String),
}

/// A token as it introduces itself over the air (ISO/IEC 14443-3 and 14443-4, type A).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The answer to the request, high byte first.
    pub(super) atqa: [u8; 2],
    /// The answer to the selection.
    pub(super) sak: u8,
    /// 4, 7 or 10 bytes.
    pub(super) uid: Vec<u8>,
    /// The answer to select, without its length byte.
    pub(super) ats: Vec<u8>,
}

/// Kinds of failure that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// libnfc does not get hold of the reader. It has one word for all reasons.
    NoDevice,
    /// The token does not answer over the air.
    TokenGone,
    /// The chip has not answered in time.
    Timeout,
    /// The answer is longer than libnfc carries.
    TooLong,
    /// The line to the chip, or something else.
    Other,
}

impl Fault {
    const ALL: [Self; 5] = [Self::NoDevice, Self::TokenGone, Self::Timeout, Self::TooLong, Self::Other];
}

impl Request {
    /// The whole message, its length included.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::List => framed(1, &[]),
            Self::Open(connstring) => framed(2, &[connstring.as_bytes()]),
            Self::Find => framed(3, &[]),
            Self::IsPresent => framed(4, &[]),
            Self::Transmit { timeout, c_apdu } => framed(5, &[&timeout.to_be_bytes(), c_apdu]),
            Self::Release => framed(6, &[]),
            Self::Close => framed(7, &[]),
        }
    }

    /// Reads kind and rest.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (&kind, rest) = body.split_first()?;
        Some(match (kind, rest) {
            (1, []) => Self::List,
            (2, _) => Self::Open(connstring(rest)?),
            (3, []) => Self::Find,
            (4, []) => Self::IsPresent,
            (5, [a, b, c, d, c_apdu @ ..]) if (4..=MAX_COMMAND).contains(&c_apdu.len()) => {
                let timeout = u32::from_be_bytes([*a, *b, *c, *d]);
                Self::Transmit { timeout: Some(timeout).filter(|&t| t > 0)?, c_apdu: Zeroizing::new(c_apdu.to_vec()) }
            }
            (6, []) => Self::Release,
            (7, []) => Self::Close,
            _ => return None,
        })
    }
}

impl Reply {
    /// The whole message, its length included.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Readers(names) => {
                let mut rest = Vec::new();
                for name in names.iter().take(MAX_READERS) {
                    let name = &name.as_bytes()[..name.floor_char_boundary(MAX_CONNSTRING)];
                    rest.extend_from_slice(&u16::try_from(name.len()).unwrap_or_default().to_be_bytes());
                    rest.extend_from_slice(name);
                }
                framed(0x81, &[&rest])
            }
            Self::Done => framed(0x82, &[]),
            Self::Nothing => framed(0x83, &[]),
            Self::Found(Target { atqa, sak, uid, ats }) => {
                let len = u8::try_from(uid.len()).unwrap_or(u8::MAX);
                framed(0x84, &[atqa, &[*sak, len], uid, ats])
            }
            Self::Answer(r_apdu) => framed(0x85, &[r_apdu]),
            Self::Failed(fault, detail) => {
                let kind = Fault::ALL.iter().position(|one| one == fault).and_then(|at| u8::try_from(at).ok());
                let detail = &detail.as_bytes()[..detail.floor_char_boundary(MAX_DETAIL)];
                framed(0x86, &[&[kind.unwrap_or_default()], detail])
            }
        }
    }

    /// Reads kind and rest.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (&kind, rest) = body.split_first()?;
        Some(match (kind, rest) {
            (0x81, _) => Self::Readers(names(rest)?),
            (0x82, []) => Self::Done,
            (0x83, []) => Self::Nothing,
            (0x84, [high, low, sak, len, rest @ ..]) if matches!(len, 4 | 7 | 10) => {
                let (uid, ats) = rest.split_at_checked(usize::from(*len))?;
                let ats = Some(ats).filter(|ats| ats.len() <= 254)?.to_vec();
                Self::Found(Target { atqa: [*high, *low], sak: *sak, uid: uid.to_vec(), ats })
            }
            (0x85, _) if rest.len() <= MAX_ANSWER => Self::Answer(rest.to_vec()),
            (0x86, [kind, detail @ ..]) if detail.len() <= MAX_DETAIL => {
                let fault = *Fault::ALL.get(usize::from(*kind))?;
                Self::Failed(fault, std::str::from_utf8(detail).ok()?.to_owned())
            }
            _ => return None,
        })
    }
}

/// The body's length, from the two bytes before it; `None` when no message is that long.
pub(super) fn body_len(head: [u8; 2]) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(head))).filter(|len| (1..=MAX_BODY).contains(len))
}

/// In a buffer that does not grow, so that nothing stays behind in memory that was given back.
fn framed(kind: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut message = Zeroizing::new(Vec::with_capacity(2 + len));
    message.extend_from_slice(&u16::try_from(len).expect("all parts are bounded").to_be_bytes());
    message.push(kind);
    for part in parts {
        message.extend_from_slice(part);
    }
    message
}

fn connstring(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let good = (1..=MAX_CONNSTRING).contains(&text.len()) && !text.contains('\0');
    good.then(|| text.to_owned())
}

fn names(mut rest: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk() {
        let (name, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*head)))?;
        names.push(connstring(name)?);
        rest = tail;
    }
    (rest.is_empty() && names.len() <= MAX_READERS).then_some(names)
}

/// For the fuzzer: a message in either direction is read in one way or not at all, and written as it was read.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Some((head, body)) = data.split_first_chunk() else { return };
    if body_len(*head) != Some(body.len()) {
        return;
    }
    let request = Request::decode(body).map(|request| request.encode());
    let reply = Reply::decode(body).map(|reply| reply.encode());
    assert!(request.is_none() || reply.is_none(), "a message that goes both ways");
    for written in [request, reply].into_iter().flatten() {
        assert_eq!(*written, data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uid: usize, ats: usize) -> Target {
        Target { atqa: [0, 4], sak: 0x20, uid: vec![7; uid], ats: vec![9; ats] }
    }

    fn transmit(timeout: u32, len: usize) -> Request {
        Request::Transmit { timeout, c_apdu: Zeroizing::new(vec![1; len]) }
    }

    fn decoded(request: &Request) -> Option<Request> {
        Request::decode(&request.encode()[2..])
    }

    #[test]
    fn what_was_said_is_understood() {
        let requests = [
            Request::List,
            Request::Open("pn532_uart:/dev/ttyUSB0".into()),
            Request::Find,
            Request::IsPresent,
            transmit(3000, 4),
            transmit(1, MAX_COMMAND),
            Request::Release,
            Request::Close,
        ];
        for request in requests {
            assert!(decoded(&request) == Some(request.clone()));
            fuzz(&request.encode());
        }
        let replies = [
            Reply::Readers(vec![]),
            Reply::Readers(vec!["a".repeat(MAX_CONNSTRING); MAX_READERS]),
            Reply::Done,
            Reply::Nothing,
            Reply::Found(target(4, 0)),
            Reply::Found(target(10, 254)),
            Reply::Answer(vec![]),
            Reply::Answer(vec![0x90; MAX_ANSWER]),
            Reply::Failed(Fault::Other, "ä".repeat(MAX_DETAIL / 2)),
        ];
        for reply in replies {
            let message = reply.encode();
            assert_eq!(body_len([message[0], message[1]]), Some(message.len() - 2));
            assert_eq!(Reply::decode(&message[2..]), Some(reply));
            fuzz(&message);
        }
    }

    #[test]
    fn what_would_harm_is_not_understood() {
        // A command beyond libnfc's buffer, none at all, and a time-out that is none.
        for request in [transmit(1, MAX_COMMAND + 1), transmit(1, 3), transmit(0, 4), Request::Open("a\0b".into())] {
            assert!(decoded(&request).is_none());
        }
        assert!(decoded(&Request::Open("a".repeat(MAX_CONNSTRING + 1))).is_none());
        // A target that is none, which libnfc reports where no token is.
        for len in [0, 3, 5, 11] {
            assert_eq!(Reply::decode(&Reply::Found(target(len, 5)).encode()[2..]), None, "{len}");
        }
        assert_eq!(Reply::decode(&Reply::Answer(vec![0; MAX_ANSWER + 1]).encode()[2..]), None);
        assert_eq!((body_len([0, 0]), body_len([0xff, 0xff])), (None, None));
        for body in [&[][..], &[0], &[1, 0], &[0x86], &[0x86, 9], &[0x84, 0, 4, 0x20, 4, 1], &[0x81, 0, 5, b'a']] {
            assert!(Request::decode(body).is_none() && Reply::decode(body).is_none(), "{body:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let reply = Reply::Failed(Fault::Timeout, "ä".repeat(MAX_DETAIL)).encode();
        let Some(Reply::Failed(Fault::Timeout, detail)) = Reply::decode(&reply[2..]) else { panic!("not understood") };
        assert_eq!(detail.len(), MAX_DETAIL);
    }
}
