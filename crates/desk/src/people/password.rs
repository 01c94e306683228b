//! Passwords, as argon2id makes them (RFC 9106).

use std::sync::{Mutex, PoisonError};

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64_NOPAD;
use oathburn_escrow::EscrowError;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::DeskError;

/// The shortest password, in characters; nothing else is asked of one that is long (NIST SP 800-63B, section 5.1.1).
pub(crate) const SHORTEST: usize = 12;
/// The longest, in bytes: what is longer only costs time.
const LONGEST: usize = 1024;
/// A password has at least so many different characters.
const DIFFERENT: usize = 5;
/// KiB, and passes over them.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// The length of salts and hashes, in bytes.
const SALT: usize = 16;
const HASH: usize = 32;
/// Rooms that are kept: no more passwords than these are compared at a time.
const KEPT: usize = 2;

/// 19 MiB and two passes.
fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY, PASSES, 1, None).expect("they are within the bounds of RFC 9106");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Rooms to work in. What is given back to the allocator comes to lie in the arena of whichever thread had it, and each of
/// them keeps as much.
static ROOMS: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

fn digest(password: &str, salt: &[u8]) -> Result<Zeroizing<[u8; HASH]>, argon2::Error> {
    let rooms = || ROOMS.lock().unwrap_or_else(PoisonError::into_inner);
    let argon2 = argon2();
    let kept = rooms().pop();
    let mut room = kept.unwrap_or_else(|| vec![Block::new(); argon2.params().block_count()]);
    let mut hash = Zeroizing::new([0; HASH]);
    let done = argon2.hash_password_into_with_memory(password.as_bytes(), salt, hash.as_mut_slice(), &mut room);
    for block in &mut room {
        block.zeroize();
    }
    let mut rooms = rooms();
    if rooms.len() < KEPT {
        rooms.push(room);
    }
    done.map(|()| hash)
}

/// Refuses what is soon guessed.
pub(crate) fn check(password: &str, name: &str) -> Result<(), DeskError> {
    let lower = Zeroizing::new(password.to_lowercase());
    let part = name.split('@').next().unwrap_or_default().to_lowercase();
    let mut different = Zeroizing::new(lower.chars().collect::<Vec<_>>());
    different.sort_unstable();
    different.dedup();
    let named = part.len() >= 3 && lower.contains(&part);
    let fits = password.chars().count() >= SHORTEST && password.len() <= LONGEST;
    if fits && different.len() >= DIFFERENT && !named { Ok(()) } else { Err(DeskError::PasswordRefused) }
}

/// What is kept of a password.
pub(crate) fn hash(password: &str) -> Result<String, DeskError> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| EscrowError::Random)?;
    let hash = digest(password, &salt).map_err(|_| DeskError::Broken)?;
    let [salt, hash] = [&salt[..], hash.as_slice()].map(|bytes| BASE64_NOPAD.encode(bytes));
    Ok(format!("$argon2id$v=19$m={MEMORY},t={PASSES},p=1${salt}${hash}"))
}

/// Whether it is the password. Where there is none to compare with it takes as long.
pub(crate) fn is_right(password: &str, kept: Option<&str>) -> bool {
    if password.len() > LONGEST {
        return false;
    }
    let Some(kept) = kept.and_then(|kept| PasswordHash::new(kept).ok()) else {
        let _same_work = digest(password, &[0; SALT]);
        return false;
    };
    match (is_ours(&kept), &kept.salt, &kept.hash) {
        (true, Some(salt), Some(hash)) => {
            digest(password, salt).is_ok_and(|made| bool::from(made.as_slice().ct_eq(hash.as_bytes())))
        }
        _ => argon2().verify_password(password.as_bytes(), &kept).is_ok(),
    }
}

/// Whether it was made as [`hash`] makes them.
fn is_ours(kept: &PasswordHash) -> bool {
    let ours = [("m", MEMORY), ("t", PASSES), ("p", 1)];
    kept.algorithm.as_str() == "argon2id"
        && kept.version == Some(Version::V0x13.into())
        && kept.params.iter().count() == ours.len()
        && ours.iter().all(|(name, value)| kept.params.get_decimal(*name) == Some(*value))
        && kept.hash.is_some_and(|hash| hash.len() == HASH)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use argon2::password_hash::PasswordHasher as _;
    use oathburn_oath::Remedy as _;

    use super::*;

    #[test]
    fn a_password_is_kept_as_argon2id_and_told_from_others() {
        let kept = hash("correct horse battery").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(is_right("correct horse battery", Some(&kept)));
        assert!(!is_right("correct horse battery ", Some(&kept)));
        assert!(!is_right("", Some(&kept)) && !is_right("correct horse battery", None));
        assert!(!is_right("correct horse battery", Some("no hash")) && !is_right(&"x".repeat(2000), Some(&kept)));
        assert_ne!(hash("correct horse battery").unwrap(), kept);
    }

    #[test]
    fn hashes_are_those_of_others_and_theirs_are_right_here() {
        let kept = hash("correct horse battery").unwrap();
        let read = PasswordHash::new(&kept).unwrap();
        assert!(is_ours(&read) && argon2().verify_password(b"correct horse battery", &read).is_ok());
        assert!(argon2().verify_password(b"correct horse batterz", &read).is_err());
        let theirs = argon2().hash_password(b"correct horse battery").unwrap().to_string();
        assert!(is_right("correct horse battery", Some(&theirs)) && !is_right("correct horse batterz", Some(&theirs)));
        // Made with other costs than ours are today.
        let params = Params::new(64, 1, 1, Some(16)).unwrap();
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let cheap = cheap.hash_password(b"correct horse battery").unwrap();
        assert!(!is_ours(&cheap));
        let cheap = cheap.to_string();
        assert!(is_right("correct horse battery", Some(&cheap)) && !is_right("correct horse batterz", Some(&cheap)));
    }

    #[test]
    fn rooms_are_used_again_and_hold_nothing() {
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| hash("correct horse battery").unwrap());
            }
        });
        let rooms = ROOMS.lock().unwrap();
        assert!(rooms.len() <= KEPT);
        let is_empty = |block: &Block| block.as_ref().iter().all(|word| *word == 0);
        assert!(rooms.iter().flatten().all(is_empty));
    }

    #[test]
    fn short_poor_and_named_ones_are_refused() {
        for good in ["correct horse battery", "x1y2z3x1y2z3", "ÄÖÜäöüß12345", "alabama 12345"] {
            assert!(check(good, "al@example.com").is_ok(), "{good}");
        }
        for bad in ["", "short", "aaaaaaaaaaaaaaaa", "abababababababab", "Ada's password", &"xy1z9".repeat(300)] {
            assert_eq!(check(bad, "ada@example.com").unwrap_err().code(), "password-refused", "{bad}");
        }
    }
}
