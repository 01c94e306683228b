//! What this process has proved already: signatures that hold, and keys that were unwrapped. A burn meets the same event
//! several times, and the same wrapped key; each is worth as much as all the rest of it.
//!
//! Nothing here is believed of a row. A signature is found only under the digest of what was read just now, and a key
//! only under the very row that it was unwrapped from.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::WrapRow;
use crate::wrap::Key;
use crate::{EscrowError, WriterId};

/// Signatures that are remembered; when there are more, all are forgotten.
const MAX_SIGNATURES: usize = 1024;
/// Keys that are remembered.
const MAX_KEYS: usize = 16;

/// Who signed which digest how.
type Signature = ([u8; 32], [u8; 32], [u8; 64]);

/// See the module.
#[derive(Default)]
pub(crate) struct Proven {
    signatures: Mutex<HashSet<Signature>>,
    /// By the row and by who unwrapped it.
    keys: Mutex<Vec<(WrapRow, WriterId, Key)>>,
}

impl Proven {
    /// Whether a writer signed a digest.
    pub(crate) fn has_signed(&self, writer: &WriterId, digest: &[u8; 32], signature: &[u8]) -> bool {
        let Ok(bytes) = <[u8; 64]>::try_from(signature) else { return false };
        let signed = (*writer.as_bytes(), *digest, bytes);
        if lock(&self.signatures).contains(&signed) {
            return true;
        }
        let holds = writer.has_signed(digest, signature);
        if holds {
            let mut signatures = lock(&self.signatures);
            if signatures.len() >= MAX_SIGNATURES {
                signatures.clear();
            }
            signatures.insert(signed);
        }
        holds
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
        for number in 0..=MAX_SIGNATURES {
            let mut digest = [9; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            assert!(proven.has_signed(&keys.writer(), &digest, &keys.sign(&digest).unwrap()));
        }
        assert!(lock(&proven.signatures).len() <= MAX_SIGNATURES);
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
