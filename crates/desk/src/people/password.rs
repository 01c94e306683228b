//! Passwords, as argon2id makes them (RFC 9106).

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use oathburn_escrow::EscrowError;
use zeroize::Zeroizing;

use crate::DeskError;

/// The shortest password, in characters; nothing else is asked of one that is long (NIST SP 800-63B, section 5.1.1).
pub(crate) const SHORTEST: usize = 12;
/// The longest, in bytes: what is longer only costs time.
const LONGEST: usize = 1024;
/// A password has at least so many different characters.
const DIFFERENT: usize = 5;

/// 19 MiB and two passes.
fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("they are within the bounds of RFC 9106");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
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
    let hash = argon2().hash_password(password.as_bytes()).map_err(|_| EscrowError::Random)?;
    Ok(hash.to_string())
}

/// Whether it is the password. Where there is none to compare with it takes as long.
pub(crate) fn is_right(password: &str, kept: Option<&str>) -> bool {
    if password.len() > LONGEST {
        return false;
    }
    let Some(kept) = kept.and_then(|kept| PasswordHash::new(kept).ok()) else {
        let _same_work = argon2().hash_password_with_salt(password.as_bytes(), &[0; 16]);
        return false;
    };
    argon2().verify_password(password.as_bytes(), &kept).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
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
    fn short_poor_and_named_ones_are_refused() {
        for good in ["correct horse battery", "x1y2z3x1y2z3", "ÄÖÜäöüß12345", "alabama 12345"] {
            assert!(check(good, "al@example.com").is_ok(), "{good}");
        }
        for bad in ["", "short", "aaaaaaaaaaaaaaaa", "abababababababab", "Ada's password", &"xy1z9".repeat(300)] {
            assert_eq!(check(bad, "ada@example.com").unwrap_err().code(), "password-refused", "{bad}");
        }
    }
}
