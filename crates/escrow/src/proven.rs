//! What this process has proved already: signatures that hold, events that are what was signed, and keys that were unwrapped. A
//! burn meets the same event several times, and the same wrapped key; a desk meets an import with each of the thousand tokens
//! that it brought. Each is worth as much as all the rest of it.
//!
//! Nothing here is believed of a row. A signature is found only under the digest of what was read just now, a touch of an
//! event only under the digest of the event's row and beside its own, and a key only under the very row that it was unwrapped
//! from.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::canon::Canon;
use crate::keys::KeyPair;
use crate::store::{EventRow, Touch, WrapRow};
use crate::wrap::Key;
use crate::{EscrowError, WriterId};

/// Signatures that are remembered: 33 bytes each.
const MAX_SIGNATURES: usize = 128 * 1024;
/// Touches of events that are remembered: 32 bytes each.
const MAX_TOUCHES: usize = 512 * 1024;
/// Keys that are remembered.
const MAX_KEYS: usize = 16;

type Digest = [u8; 32];

/// See the module.
#[derive(Default)]
pub(crate) struct Proven {
    /// Digests of who signed which digest how.
    signatures: Mutex<Recent<()>>,
    /// The touches of events that were verified whole, in order, by the digests of the events' rows.
    touches: Mutex<Recent<Box<[Digest]>>>,
    /// By the row and by who unwrapped it.
    keys: Mutex<Vec<(WrapRow, WriterId, Key)>>,
}

/// Things by their digests. When there is no room for more, the half is forgotten that was not asked for longest.
struct Recent<V> {
    young: HashMap<Digest, V>,
    old: HashMap<Digest, V>,
    /// How much room the young ones take.
    room: usize,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), room: 0 }
    }
}

/// What takes room.
trait Weighs {
    /// How much.
    fn weight(&self) -> usize;
}

impl Weighs for () {
    fn weight(&self) -> usize {
        1
    }
}

impl Weighs for Box<[Digest]> {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl<V: Weighs> Recent<V> {
    /// What has this digest, where there is room for so much.
    fn get(&mut self, digest: &Digest, most: usize) -> Option<&V> {
        if let Some(value) = self.old.remove(digest) {
            self.insert(*digest, value, most);
        }
        self.young.get(digest)
    }

    fn insert(&mut self, digest: Digest, value: V, most: usize) {
        let needed = value.weight();
        if self.room + needed > most / 2 {
            self.old = std::mem::take(&mut self.young);
            self.room = 0;
        }
        self.room += needed;
        self.young.insert(digest, value);
    }
}

fn signature_digest(writer: &WriterId, digest: &Digest, signature: &[u8]) -> Digest {
    Canon::new("signature").bytes(writer.as_bytes()).bytes(digest).bytes(signature).digest()
}

/// The row of an event, without what it touched.
fn row_digest(event: &EventRow) -> Digest {
    Canon::new("row of events")
        .bytes(&event.writer)
        .number(event.sequence)
        .bytes(&event.previous)
        .number(event.roster)
        .number(event.time)
        .number(event.uid)
        .text(&event.host)
        .maybe(event.operator.as_deref().map(str::as_bytes))
        .text(&event.kind)
        .text(&event.facts)
        .maybe(event.reason.as_deref().map(str::as_bytes))
        .bytes(&event.hash)
        .bytes(&event.signature)
        .digest()
}

fn touch_digest(touch: &Touch) -> Digest {
    Canon::new("row of event_entries")
        .number(touch.position)
        .bytes(&touch.entry)
        .number(touch.revision)
        .maybe(touch.digest.as_deref())
        .text(&touch.facts)
        .digest()
}

impl Proven {
    /// Whether a writer signed a digest.
    pub(crate) fn has_signed(&self, writer: &WriterId, digest: &Digest, signature: &[u8]) -> bool {
        let signed = signature_digest(writer, digest, signature);
        if lock(&self.signatures).get(&signed, MAX_SIGNATURES).is_some() {
            return true;
        }
        let holds = writer.has_signed(digest, signature);
        if holds {
            lock(&self.signatures).insert(signed, (), MAX_SIGNATURES);
        }
        holds
    }

    /// Remembers what was signed here just now.
    pub(crate) fn signed(&self, by: &KeyPair, digest: &Digest, signature: &[u8]) {
        // What an agent says is for others to judge.
        if by.is_at_hand() {
            let signed = signature_digest(&by.writer(), digest, signature);
            lock(&self.signatures).insert(signed, (), MAX_SIGNATURES);
        }
    }

    /// Remembers an event that was verified with all that it touched.
    pub(crate) fn keep(&self, event: &EventRow) {
        let touches: Box<[Digest]> = event.touched.iter().map(touch_digest).collect();
        lock(&self.touches).insert(row_digest(event), touches, MAX_TOUCHES);
    }

    /// Whether an event with one of its touches is one of those that were verified whole.
    pub(crate) fn has_touched(&self, event: &EventRow) -> bool {
        let [touch] = event.touched.as_slice() else { return false };
        let mut known = lock(&self.touches);
        let known = known.get(&row_digest(event), MAX_TOUCHES);
        let place = touch.position.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        known.zip(place).and_then(|(known, place)| known.get(place)) == Some(&touch_digest(touch))
    }

    /// The key of a row that was verified, which `unwrap` unwraps with the keys of somebody.
    pub(crate) fn key(
        &self,
        row: &WrapRow,
        by: &WriterId,
        unwrap: impl FnOnce() -> Result<Key, EscrowError>,
    ) -> Result<Key, EscrowError> {
        if let Some((_, _, key)) = lock(&self.keys).iter().find(|(known, who, _)| known == row && who == by) {
            return Ok(key.clone());
        }
        let key = unwrap()?;
        let mut keys = lock(&self.keys);
        if keys.len() >= MAX_KEYS {
            keys.clear();
        }
        keys.push((row.clone(), *by, key.clone()));
        Ok(key)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows nothing: there are keys in it.
impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proven").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Officer, wrap};

    #[test]
    fn only_the_same_signature_of_the_same_digest_is_remembered() {
        let (alice, bob, proven) = (Officer::generate().unwrap(), Officer::generate().unwrap(), Proven::default());
        let (keys, digest) = (alice.keys(), [7; 32]);
        let signature = keys.sign(&digest).unwrap();
        let mut other = signature;
        other[0] ^= 1;
        for _ in 0..2 {
            assert!(proven.has_signed(&keys.writer(), &digest, &signature));
            assert!(!proven.has_signed(&keys.writer(), &[8; 32], &signature));
            assert!(!proven.has_signed(&keys.writer(), &digest, &other));
            assert!(!proven.has_signed(&keys.writer(), &digest, &signature[..63]));
            assert!(!proven.has_signed(&bob.keys().writer(), &digest, &signature));
        }
    }

    impl Weighs for u8 {
        fn weight(&self) -> usize {
            1 + usize::from(*self) / 10
        }
    }

    #[test]
    fn what_was_not_asked_for_longest_is_forgotten_first() {
        let mut recent = Recent::default();
        let digest = |number: u8| [number; 32];
        for number in 0..4 {
            recent.insert(digest(number), number, 8);
        }
        assert_eq!(recent.get(&digest(0), 8), Some(&0));
        for number in 4..8 {
            recent.insert(digest(number), number, 8);
            assert_eq!(recent.get(&digest(0), 8), Some(&0), "{number}");
        }
        let known = (0..8).filter(|number| recent.get(&digest(*number), 8).is_some()).collect::<Vec<_>>();
        assert!(known.len() <= 8 && known.contains(&0) && known.contains(&7) && !known.contains(&1), "{known:?}");
        // What has no room at all is forgotten with the next.
        recent.insert(digest(100), 100, 8);
        recent.insert(digest(9), 9, 8);
        assert!(recent.young.len() == 1 && recent.old.len() == 1);
    }

    #[test]
    fn an_event_is_known_by_its_row_and_by_the_touch_at_hand() {
        let touch = |position: i64| Touch {
            position,
            entry: vec![position.to_be_bytes()[7]; 16],
            revision: 1,
            digest: Some(vec![7; 32]),
            facts: "{}".into(),
        };
        let whole = EventRow {
            writer_number: 1,
            writer: vec![1; 32],
            sequence: 2,
            previous: vec![0; 32],
            roster: 1,
            time: 5,
            uid: 0,
            host: "here".into(),
            operator: None,
            kind: "imported".into(),
            facts: "{}".into(),
            reason: None,
            hash: vec![3; 32],
            signature: vec![4; 64],
            touched: (1..=3).map(touch).collect(),
        };
        let proven = Proven::default();
        let one = |touched: Touch| EventRow { touched: vec![touched], ..whole.clone() };
        assert!(!proven.has_touched(&one(touch(2))));
        proven.keep(&whole);
        assert!((1..=3).all(|position| proven.has_touched(&one(touch(position)))));
        let touches: [fn(&mut Touch); 5] = [
            |touch| touch.position = 3,
            |touch| touch.entry[0] ^= 1,
            |touch| touch.revision = 2,
            |touch| touch.digest = None,
            |touch| touch.facts = "{\"a\":1}".into(),
        ];
        for change in touches {
            let mut changed = touch(2);
            change(&mut changed);
            assert!(!proven.has_touched(&one(changed.clone())), "{changed:?}");
        }
        let rows: [fn(&mut EventRow); 11] = [
            |row| row.writer = vec![2; 32],
            |row| row.sequence = 3,
            |row| row.previous[0] ^= 1,
            |row| row.roster = 2,
            |row| row.time = 6,
            |row| row.uid = 1,
            |row| row.host = "there".into(),
            |row| row.operator = Some(String::new()),
            |row| row.kind = "reserved".into(),
            |row| row.hash[0] ^= 1,
            |row| row.signature[0] ^= 1,
        ];
        for change in rows {
            let mut changed = one(touch(2));
            change(&mut changed);
            assert!(!proven.has_touched(&changed), "{changed:?}");
        }
        for beyond in [0, 4, i64::MIN] {
            assert!(!proven.has_touched(&one(touch(beyond))));
        }
        assert!(!proven.has_touched(&whole));
    }

    #[test]
    fn a_key_is_found_under_its_row_and_for_who_unwrapped_it() {
        let (alice, bob, proven) = (Officer::generate().unwrap(), Officer::generate().unwrap(), Proven::default());
        let [alice, bob] = [&alice, &bob].map(|officer| officer.keys().writer());
        let row = WrapRow {
            id: vec![1; 8],
            roster: 1,
            created_at: 0,
            wrap: vec![1],
            writer_number: 1,
            writer: alice.as_bytes().to_vec(),
            sequence: 3,
        };
        let new = || wrap::generate();
        let never = || -> Result<Key, EscrowError> { panic!("it was unwrapped before") };
        let key = proven.key(&row, &alice, new).unwrap();
        assert_eq!(*proven.key(&row, &alice, never).unwrap(), *key);
        assert_ne!(*proven.key(&row, &bob, new).unwrap(), *key);
        let changed = WrapRow { wrap: vec![2], ..row.clone() };
        assert_ne!(*proven.key(&changed, &alice, new).unwrap(), *key);
        assert!(proven.key(&row, &bob, never).is_ok());
        assert!(!format!("{proven:?}").contains('['));
    }
}
