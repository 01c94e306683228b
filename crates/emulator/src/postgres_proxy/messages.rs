//! Which message is a commit: as much of PostgreSQL's protocol (version 3) as that takes.

use std::collections::HashSet;

/// Longest message that is looked into; longer ones pass all the same.
const SHOWN: usize = 4096;

/// `SSLRequest` and `GSSENCRequest` stand where a protocol's version does. Each has an answer of one byte.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

/// One message, or a piece of what cannot be told apart because it is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Its type; 0 for the ones that have none.
    pub(super) kind: u8,
    /// All of its bytes, type and length included.
    pub(super) bytes: Vec<u8>,
}

impl Message {
    /// Whether it asks for encryption, before anything else.
    pub(super) fn asks_for_encryption(&self) -> bool {
        let code = self.bytes.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        self.kind == 0 && self.bytes.len() == 8 && code.is_some_and(|code| ENCRYPTION_REQUESTS.contains(&code))
    }

    /// Whether it is the server's word that a commit is done.
    pub(super) fn says_committed(&self) -> bool {
        self.kind == b'C' && self.body() == b"COMMIT\0"
    }

    fn body(&self) -> &[u8] {
        let end = self.bytes.len().min(SHOWN);
        self.bytes.get(5..end).unwrap_or_default()
    }

    /// The texts at the beginning of its body, each ended by a zero.
    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.body().split(|&byte| byte == 0)
    }
}

/// Puts messages together from what comes in pieces.
#[derive(Default)]
pub(super) struct Framing {
    pending: Vec<u8>,
    /// Whether messages have a type by now: the first one of a client has none.
    typed: bool,
}

impl Framing {
    pub(super) fn of_server() -> Self {
        Self { typed: true, ..Self::default() }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next message that is complete.
    pub(super) fn next(&mut self) -> Option<Message> {
        let start = usize::from(self.typed);
        let length = self.pending.get(start..start + 4)?.try_into().ok().map(u32::from_be_bytes)?;
        // A length that cannot be is not ours to judge: what is there is passed on.
        let end =
            usize::try_from(length).ok().filter(|&length| length >= 4).map_or(usize::MAX, |length| start + length);
        if end != usize::MAX && end > self.pending.len() {
            return None;
        }
        let rest = self.pending.split_off(end.min(self.pending.len()));
        let bytes = std::mem::replace(&mut self.pending, rest);
        let kind = if self.typed { bytes[0] } else { 0 };
        let message = Message { kind, bytes };
        self.typed |= !message.asks_for_encryption();
        Some(message)
    }
}

/// Tells a client's commits from its other messages, prepared ones included.
#[derive(Default)]
pub(super) struct Commits {
    statements: HashSet<Vec<u8>>,
    portals: HashSet<Vec<u8>>,
}

impl Commits {
    /// Whether this message makes the server commit.
    pub(super) fn is_commit(&mut self, message: &Message) -> bool {
        let mut texts = message.texts();
        let mut text = || texts.next().unwrap_or_default();
        match message.kind {
            b'Q' => commits(text()),
            b'P' => {
                let (name, query) = (text(), text());
                note(&mut self.statements, name, commits(query));
                false
            }
            b'B' => {
                let (portal, statement) = (text(), text());
                note(&mut self.portals, portal, self.statements.contains(statement));
                false
            }
            b'E' => self.portals.contains(text()),
            _ => false,
        }
    }
}

fn note(names: &mut HashSet<Vec<u8>>, name: &[u8], belongs: bool) {
    if belongs {
        names.insert(name.to_vec());
    } else {
        names.remove(name);
    }
}

fn commits(query: &[u8]) -> bool {
    let word = query.trim_ascii_start();
    word.get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"commit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    #[test]
    fn messages_come_whole_however_they_arrive() {
        let mut framing = Framing::default();
        let ssl = [8_u32.to_be_bytes(), ENCRYPTION_REQUESTS[0].to_be_bytes()].concat();
        let startup = [&9_u32.to_be_bytes()[..], &0x0003_0000_u32.to_be_bytes(), &[0]].concat();
        let all = [ssl.clone(), startup.clone(), message(b'Q', b"begin\0"), message(b'S', b"")].concat();
        let mut found = Vec::new();
        for byte in all {
            framing.take(&[byte]);
            found.extend(framing.next());
        }
        let kinds: Vec<_> = found.iter().map(|message| message.kind).collect();
        assert_eq!(kinds, [0, 0, b'Q', b'S']);
        assert!(found[0].asks_for_encryption() && found[0].bytes == ssl);
        assert!(!found[1].asks_for_encryption() && found[1].bytes == startup);
    }

    #[test]
    fn nonsense_passes() {
        let mut framing = Framing::of_server();
        framing.take(b"Z\0\0\0\x01rest");
        assert_eq!(framing.next().unwrap().bytes, b"Z\0\0\0\x01rest");
        assert_eq!(framing.next(), None);
    }

    #[test]
    fn commits_are_seen_in_both_protocols() {
        let is =
            |commits: &mut Commits, kind, body: &[u8]| commits.is_commit(&Message { kind, bytes: message(kind, body) });
        let mut commits = Commits::default();
        assert!(is(&mut commits, b'Q', b"COMMIT\0") && is(&mut commits, b'Q', b" commit;\0"));
        assert!(!is(&mut commits, b'Q', b"select 'commit'\0"));
        assert!(!is(&mut commits, b'P', b"s1\0commit\0\0\0") && !is(&mut commits, b'B', b"\0s1\0\0\0\0\0\0\0"));
        assert!(is(&mut commits, b'E', b"\0\0\0\0\0"));
        assert!(!is(&mut commits, b'P', b"s1\0select 1\0\0\0") && !is(&mut commits, b'B', b"\0s1\0\0\0\0\0\0\0"));
        assert!(!is(&mut commits, b'E', b"\0\0\0\0\0"));
        assert!(Message { kind: b'C', bytes: message(b'C', b"COMMIT\0") }.says_committed());
        assert!(!Message { kind: b'C', bytes: message(b'C', b"SELECT 1\0") }.says_committed());
    }
}
