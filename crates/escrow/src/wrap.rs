//! 256-bit keys, wrapped with age to people and stations.

use std::io::Read as _;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::keys::KeyPair;
use crate::{EscrowError, ssh};

/// A key that is wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// A new random key.
pub(crate) fn generate() -> Result<Key, EscrowError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(|_| EscrowError::Random)?;
    Ok(key)
}

/// The age recipient that a text names; `None` for any other text.
pub(crate) fn recipient(text: &str) -> Option<Box<dyn age::Recipient>> {
    if let Some(recipient) = ssh::recipient(text) {
        return Some(Box::new(recipient));
    }
    let recipient = age::x25519::Recipient::from_str(text).ok()?;
    Some(Box::new(recipient))
}

/// Wraps a key to age recipients, of whom each can unwrap it. `what` names the key in errors.
pub(crate) fn wrap<'a>(
    key: &Key,
    recipients: impl IntoIterator<Item = &'a str>,
    what: &'static str,
) -> Result<Vec<u8>, EscrowError> {
    let refused = || EscrowError::NotWrapped { key: what };
    let encryptor = encryptor(recipients, what)?;
    let mut wrapped = Vec::new();
    let mut writer = encryptor.wrap_output(&mut wrapped).map_err(|_| refused())?;
    std::io::Write::write_all(&mut writer, key.as_slice()).map_err(|_| refused())?;
    writer.finish().map_err(|_| refused())?;
    Ok(wrapped)
}

/// What encrypts to age recipients, of whom each can decrypt. `what` names the plaintext in errors.
pub(crate) fn encryptor<'a>(
    recipients: impl IntoIterator<Item = &'a str>,
    what: &'static str,
) -> Result<age::Encryptor, EscrowError> {
    let refused = || EscrowError::NotWrapped { key: what };
    let recipients: Vec<_> = recipients.into_iter().map(recipient).collect::<Option<_>>().ok_or_else(refused)?;
    let recipients = recipients.iter().map(|one| &**one as &dyn age::Recipient);
    age::Encryptor::with_recipients(recipients).map_err(|_| refused())
}

/// Why a file cannot be read with the keys at hand.
pub(crate) enum Unopened {
    /// It is encrypted to others.
    OtherRecipients,
    /// It is no age file.
    NotAge,
    /// The agent that keeps the keys does not answer.
    Agent(String),
}

/// Decrypts a file of any length.
pub(crate) fn reader<R: std::io::Read>(from: R, keys: &KeyPair) -> Result<age::stream::StreamReader<R>, Unopened> {
    let decryptor = age::Decryptor::new(from).map_err(|_| Unopened::NotAge)?;
    decryptor.decrypt(std::iter::once(keys.identity())).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys => Unopened::OtherRecipients,
        // Nothing else reads a header that has been read.
        age::DecryptError::Io(error) => Unopened::Agent(error.to_string()),
        _ => Unopened::NotAge,
    })
}

/// Unwraps a key.
pub(crate) fn unwrap(wrapped: &[u8], keys: &KeyPair, what: &'static str) -> Result<Key, EscrowError> {
    let refused = || EscrowError::NotWrapped { key: what };
    let mut plain = reader(wrapped, keys).map_err(|unopened| match unopened {
        Unopened::Agent(reason) => EscrowError::AgentGone { reason },
        Unopened::OtherRecipients | Unopened::NotAge => refused(),
    })?;
    let mut key = Zeroizing::new([0; 32]);
    plain.read_exact(key.as_mut_slice()).map_err(|_| refused())?;
    // Nothing may follow; the end, too, is authenticated.
    if !matches!(plain.read(&mut [0]), Ok(0)) {
        return Err(refused());
    }
    Ok(key)
}
