//! Letters between machines: signed by a station, sealed to one.
//!
//! Each names its domain, which is signed and sealed with it: what was written for one purpose is worth nothing for
//! another, and nothing of it is mistaken for what the escrow signs itself.

use std::io::{Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::canon::Canon;
use crate::wrap::{self, Unopened};
use crate::{EscrowError, PublicKeys, StationKey, keyfile};

/// The longest text that is sealed or opened: far more than a lease needs.
pub const MAX_LETTER: usize = 1024 * 1024;

/// What seals and opens, in errors.
const WHAT: &str = "a letter's key";

fn digest(domain: &str, message: &[u8]) -> [u8; 32] {
    Canon::new("oathburn letter 1").text(domain).bytes(message).digest()
}

/// What stands before the text inside a seal.
fn heading(domain: &str) -> Vec<u8> {
    [b"oathburn letter 1\0", domain.as_bytes(), b"\0"].concat()
}

impl StationKey {
    /// Signs a message of this domain (Ed25519 over a SHA-256 of both).
    pub fn sign_message(&self, domain: &str, message: &[u8]) -> Result<[u8; 64], EscrowError> {
        self.keys().sign(&digest(domain, message))
    }

    /// Opens what [`PublicKeys::seal`] sealed to this station under the same domain. Who sealed it is not said: whoever
    /// knows the public key can.
    pub fn open_sealed(&self, domain: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, EscrowError> {
        let refused = || EscrowError::NotWrapped { key: WHAT };
        if sealed.len() > 2 * MAX_LETTER {
            return Err(refused());
        }
        let plain = wrap::reader(sealed, self.keys()).map_err(|unopened| match unopened {
            Unopened::Agent(reason) => EscrowError::AgentGone { reason },
            Unopened::OtherRecipients | Unopened::NotAge => refused(),
        })?;
        // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(sealed.len()));
        plain.take(sealed.len() as u64).read_to_end(&mut text).map_err(|_| refused())?;
        let letter = text.strip_prefix(heading(domain).as_slice()).ok_or_else(refused)?;
        Ok(Zeroizing::new(letter.to_vec()))
    }

    /// Makes keys in a new file, and durable; never overwrites.
    pub fn create(path: &Path) -> Result<Self, EscrowError> {
        if let Some(folder) = path.parent() {
            let failed = |source| EscrowError::KeyFileIo { action: "create", path: folder.into(), source };
            keyfile::create_folder(folder).map_err(failed)?;
        }
        Self::generate(path)
    }
}

impl PublicKeys {
    /// Whether these keys are ones that can be sealed to and that sign.
    pub fn are_sound(&self) -> bool {
        self.recipient.len() <= 128
            && self.recipient.starts_with("age1")
            && self.writer.can_sign()
            && wrap::recipient(&self.recipient).is_some()
    }

    /// Whether their owner signed this message of this domain.
    pub fn have_signed(&self, domain: &str, message: &[u8], signature: &[u8]) -> bool {
        self.writer.has_signed(&digest(domain, message), signature)
    }

    /// Seals a text of this domain with age, so that only their owner opens it.
    pub fn seal(&self, domain: &str, text: &[u8]) -> Result<Vec<u8>, EscrowError> {
        let refused = || EscrowError::NotWrapped { key: WHAT };
        if text.len() > MAX_LETTER {
            return Err(refused());
        }
        let encryptor = wrap::encryptor([self.recipient.as_str()], WHAT)?;
        let mut sealed = Vec::new();
        let mut writer = encryptor.wrap_output(&mut sealed).map_err(|_| refused())?;
        writer.write_all(&heading(domain)).and_then(|()| writer.write_all(text)).map_err(|_| refused())?;
        writer.finish().map_err(|_| refused())?;
        Ok(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(folder: &tempfile::TempDir, name: &str) -> StationKey {
        StationKey::create(&folder.path().join("new").join(name)).unwrap()
    }

    #[test]
    fn a_signature_holds_for_its_domain_its_message_and_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (station(&folder, "one"), station(&folder, "other"));
        let signature = one.sign_message("poll 1", b"hello").unwrap();
        assert!(one.public().have_signed("poll 1", b"hello", &signature));
        assert!(!one.public().have_signed("poll 2", b"hello", &signature));
        assert!(!one.public().have_signed("poll 1", b"hallo", &signature));
        assert!(!one.public().have_signed("poll 1", b"hello", &signature[..63]));
        assert!(!other.public().have_signed("poll 1", b"hello", &signature));
        // Lengths are signed, too: nothing moves from the domain into the message.
        let moved = one.sign_message("poll", b" 1hello").unwrap();
        assert!(!one.public().have_signed("poll 1", b"hello", &moved));
    }

    #[test]
    fn what_is_sealed_opens_for_its_station_and_its_domain() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (station(&folder, "one"), station(&folder, "other"));
        let sealed = one.public().seal("lease 1", b"a seed").unwrap();
        assert_eq!(one.open_sealed("lease 1", &sealed).unwrap().as_slice(), b"a seed");
        let refused = |result: Result<_, EscrowError>| matches!(result, Err(EscrowError::NotWrapped { .. }));
        assert!(refused(one.open_sealed("lease 2", &sealed)));
        assert!(refused(other.open_sealed("lease 1", &sealed)));
        assert!(refused(one.open_sealed("lease 1", &sealed[..sealed.len() - 1])));
        assert!(refused(one.open_sealed("lease 1", b"age")));
        assert!(one.public().seal("lease 1", &vec![0; MAX_LETTER + 1]).is_err());
    }

    #[test]
    fn keys_that_cannot_be_used_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let sound = station(&folder, "one").public();
        assert!(sound.are_sound());
        let recipient = |text: &str| PublicKeys { recipient: text.into(), ..sound.clone() };
        assert!(!recipient("age1nonsense").are_sound());
        assert!(
            !recipient("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN").are_sound()
        );
        assert!(!recipient(&format!("age1{}", "q".repeat(1000))).are_sound());
        // The neutral element: every signature would be one of it.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert!(!PublicKeys { writer: crate::WriterId::from_slice(&neutral).unwrap(), ..sound }.are_sound());
        assert!(matches!(StationKey::create(&folder.path().join("new/one")), Err(EscrowError::KeyFileExists { .. })));
    }
}
