//! SSH keys as the keys of officers: Ed25519 only, as `ssh-keygen -t ed25519` makes them, with a passphrase or without.

use std::path::Path;

use age::DecryptError;
use age::ssh::{Identity, Recipient};
use age_core::format::{FileKey, Stanza};
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey};
use ssh_key::public::Ed25519PublicKey;
use ssh_key::{Kdf, LineEnding, PrivateKey};
use zeroize::Zeroizing;

use crate::keys::WriterId;
use crate::{EscrowError, keyfile};

/// How such a file begins.
const MAGIC: &[u8] = b"-----BEGIN OPENSSH PRIVATE KEY-----";
/// How files of older formats begin, and of other kinds of keys.
const PEM: &[u8] = b"-----BEGIN ";
/// `ssh-keygen` makes 16 to 24 rounds of bcrypt; a thousand are most of a minute: more is an attack.
const MAX_ROUNDS: u32 = 1000;
/// What a signing key is derived for.
const SIGNING_DOMAIN: &[u8] = b"oathburn escrow signing key of an SSH key 1";

/// What an officer needs of an SSH key.
pub(crate) struct SshKey {
    pub(crate) identity: SshIdentity,
    pub(crate) recipient: String,
    /// Derived from the private key, so that nothing signed here is worth anything to an SSH server, nor the other way
    /// round.
    pub(crate) signing: SigningKey,
}

/// The private key, here and nowhere else: the identity of the age crate, which keeps it somewhere in memory, is made for
/// each use. So an agent can lock the memory that the key is in between two uses.
pub(crate) struct SshIdentity(Zeroizing<[u8; 32]>);

impl SshIdentity {
    fn identity(&self) -> Option<Identity> {
        let public = SigningKey::from_bytes(&self.0).verifying_key();
        let private = Ed25519PrivateKey::from_bytes(&self.0);
        let pair = Ed25519Keypair { public: Ed25519PublicKey(public.to_bytes()), private };
        let plain = PrivateKey::from(pair).to_openssh(LineEnding::LF).ok()?;
        Identity::from_buffer(plain.as_bytes(), None).ok()
    }
}

impl age::Identity for SshIdentity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.identity()?.unwrap_stanza(stanza)
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        self.identity()?.unwrap_stanzas(stanzas)
    }
}

/// Whether these bytes claim to be a private key in PEM.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    bytes.starts_with(PEM)
}

/// Whether the file asks for a passphrase.
pub(crate) fn is_locked(bytes: &[u8], path: &Path) -> Result<bool, EscrowError> {
    Ok(parse(bytes, path)?.is_encrypted())
}

/// Reads a key.
pub(crate) fn load(bytes: &[u8], passphrase: Option<&SecretString>, path: &Path) -> Result<SshKey, EscrowError> {
    let mut key = parse(bytes, path)?;
    if key.is_encrypted() {
        let passphrase = passphrase.ok_or_else(|| EscrowError::KeyFileLocked { path: path.into() })?;
        if matches!(key.kdf(), Kdf::Bcrypt { rounds, .. } if *rounds > MAX_ROUNDS) {
            return Err(EscrowError::PassphraseWork { path: path.into() });
        }
        let wrong = |_| EscrowError::WrongPassphrase { path: path.into() };
        key = key.decrypt(passphrase.expose_secret()).map_err(wrong)?;
    }
    let foreign = || keyfile::not_an_officers(path);
    let pair = key.key_data().ed25519().ok_or_else(foreign)?;
    let secret = Zeroizing::new(pair.private.to_bytes());
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_slice()).expect("HMAC takes keys of any length");
    mac.update(SIGNING_DOMAIN);
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(mac.finalize().into_bytes().into());
    let identity = SshIdentity(secret);
    let public = Recipient::try_from(identity.identity().ok_or_else(foreign)?).map_err(|_| foreign())?.to_string();
    if recipient(&public).is_none() {
        return Err(foreign());
    }
    Ok(SshKey { identity, recipient: public, signing: SigningKey::from_bytes(&seed) })
}

/// The key as it lies in the file.
fn parse(bytes: &[u8], path: &Path) -> Result<PrivateKey, EscrowError> {
    let unsupported = || EscrowError::SshKeyUnsupported { path: path.into() };
    if !bytes.starts_with(MAGIC) {
        return Err(unsupported());
    }
    let key = PrivateKey::from_openssh(bytes).map_err(|error| match error {
        ssh_key::Error::AlgorithmUnknown => unsupported(),
        _ => keyfile::not_an_officers(path),
    })?;
    if key.algorithm() == ssh_key::Algorithm::Ed25519 { Ok(key) } else { Err(unsupported()) }
}

/// The recipient that a text names, written as we write it: `ssh-ed25519` and the key, no comment. `None` for other
/// kinds of keys, and for keys that everybody can open.
pub(crate) fn recipient(text: &str) -> Option<Recipient> {
    let recipient: Recipient = text.parse().ok()?;
    let Recipient::SshEd25519(blob, _) = &recipient else { return None };
    let point = WriterId::from_slice(blob.get(blob.len().checked_sub(32)?..)?)?;
    (point.can_sign() && recipient.to_string() == text).then_some(recipient)
}
