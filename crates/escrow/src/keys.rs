//! Keys of people and machines: an age identity to unwrap, an Ed25519 key to sign.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::{Agent, EscrowError, Role, keyfile, ssh};

/// Who signs: an Ed25519 public key (RFC 8032), shown as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterId([u8; 32]);

impl WriterId {
    /// The writer with this public key; `None` unless there are 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The public key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether signatures of this key mean anything: it is a point on the curve, and not a weak one.
    pub(crate) fn can_sign(&self) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| !key.is_weak())
    }

    /// Whether the writer signed `message` (strict verification: no weak keys, no second form of a signature).
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        key.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriterId({self})")
    }
}

/// The public half of an officer or a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    /// The age recipient: `age1…`, or `ssh-ed25519 …`.
    pub recipient: String,
    /// The Ed25519 public key.
    pub writer: WriterId,
}

/// Both keys of one officer or station.
pub(crate) struct KeyPair {
    identity: Identity,
    public: PublicKeys,
    signer: Signer,
}

/// What signs.
#[allow(clippy::large_enum_variant, reason = "a key in a box of its own would lie outside of what an agent locks")]
enum Signer {
    /// A key at hand.
    Own(SigningKey),
    /// An agent that keeps it.
    Agent(Arc<Agent>),
}

/// What unwraps.
enum Identity {
    /// Made by us, in a file of ours.
    X25519(age::x25519::Identity),
    /// In a file of OpenSSH.
    Ssh(ssh::SshIdentity),
    /// Kept by an agent.
    Agent(Arc<Agent>),
}

const SIGNING_PREFIX: &str = "OATHBURN-SIGNING-KEY-1";

impl KeyPair {
    fn generate() -> Result<Self, EscrowError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice()).map_err(|_| EscrowError::Random)?;
        Ok(Self::of(age::x25519::Identity::generate(), SigningKey::from_bytes(&secret)))
    }

    fn of(identity: age::x25519::Identity, signing: SigningKey) -> Self {
        let recipient = identity.to_public().to_string();
        Self::with(Identity::X25519(identity), recipient, signing)
    }

    fn with(identity: Identity, recipient: String, signing: SigningKey) -> Self {
        let writer = WriterId(signing.verifying_key().to_bytes());
        Self { identity, public: PublicKeys { recipient, writer }, signer: Signer::Own(signing) }
    }

    pub(crate) fn identity(&self) -> &dyn age::Identity {
        match &self.identity {
            Identity::X25519(identity) => identity,
            Identity::Ssh(identity) => identity,
            Identity::Agent(agent) => &**agent,
        }
    }

    pub(crate) fn writer(&self) -> WriterId {
        self.public.writer
    }

    /// Whether it signs by itself, and asks no agent.
    pub(crate) fn is_at_hand(&self) -> bool {
        matches!(self.signer, Signer::Own(_))
    }

    /// Signs a digest. Only an agent can fail to.
    pub(crate) fn sign(&self, digest: &[u8]) -> Result<[u8; 64], EscrowError> {
        match &self.signer {
            Signer::Own(signing) => Ok(signing.sign(digest).to_bytes()),
            Signer::Agent(agent) => agent.sign(digest),
        }
    }

    fn public(&self) -> PublicKeys {
        self.public.clone()
    }

    /// The text of a key file, version 1. Lines with `#` are for people. `None` for SSH keys, which have a file of
    /// their own, and for keys that an agent keeps.
    fn to_text(&self, role: Role) -> Option<Zeroizing<String>> {
        let (Identity::X25519(identity), Signer::Own(signing)) = (&self.identity, &self.signer) else { return None };
        let signing = Zeroizing::new(BASE32_NOPAD.encode(signing.as_bytes()));
        let identity = identity.to_string();
        let public = self.public();
        // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
        let mut text = Zeroizing::new(String::with_capacity(1024));
        for part in ["# oathburn ", role.as_str(), " 1\n"] {
            text.push_str(part);
        }
        text.push_str("# Keep this file secret. Whoever has it can act as its owner.\n");
        for part in ["# recipient: ", &public.recipient, "\n# writer: ", &public.writer.to_string(), "\n"] {
            text.push_str(part);
        }
        for part in [identity.expose_secret(), "\n", SIGNING_PREFIX, signing.as_str(), "\n"] {
            text.push_str(part);
        }
        Some(text)
    }

    /// Reads what [`Self::to_text`] wrote; `None` for anything else.
    fn from_text(text: &str, role: Role) -> Option<Self> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        if lines.next()? != format!("# oathburn {} 1", role.as_str()) {
            return None;
        }
        let (mut identity, mut signing) = (None, None);
        for line in lines.filter(|line| !line.starts_with('#')) {
            if let Some(encoded) = line.strip_prefix(SIGNING_PREFIX) {
                let bytes = Zeroizing::new(BASE32_NOPAD.decode(encoded.as_bytes()).ok()?);
                let mut key = Zeroizing::new([0; 32]);
                if bytes.len() != key.len() || signing.is_some() {
                    return None;
                }
                key.copy_from_slice(&bytes);
                signing = Some(SigningKey::from_bytes(&key));
            } else if identity.is_none() {
                identity = Some(age::x25519::Identity::from_str(line).ok()?);
            } else {
                return None;
            }
        }
        Some(Self::of(identity?, signing?))
    }
}

/// The file is not the one of somebody in this role.
fn foreign(role: Role, path: &Path) -> EscrowError {
    let role = match role {
        Role::Officer => "an officer",
        Role::Station => "a station",
    };
    EscrowError::NotKeyFile { path: path.into(), role }
}

/// Somebody who may open the escrow.
pub struct Officer(KeyPair);

impl Officer {
    /// Makes the keys of a new officer.
    pub fn generate() -> Result<Self, EscrowError> {
        KeyPair::generate().map(Self)
    }

    /// Writes the keys to a new file with mode 0600 and makes them durable; never overwrites.
    ///
    /// With a passphrase the file is an age file (scrypt) around the text, without one the text itself.
    pub fn create_file(&self, path: &Path, passphrase: Option<&SecretString>) -> Result<(), EscrowError> {
        let text = self.0.to_text(Role::Officer).ok_or_else(|| EscrowError::SshKeyUnsupported { path: path.into() })?;
        match passphrase {
            None => keyfile::create(path, text.as_bytes()),
            Some(passphrase) => keyfile::create(path, &keyfile::lock(text.as_bytes(), passphrase, path)?),
        }
    }

    /// Whether the file asks for a passphrase.
    pub fn is_locked(path: &Path) -> Result<bool, EscrowError> {
        let bytes = keyfile::read(path)?;
        if ssh::is_pem(&bytes) { ssh::is_locked(&bytes, path) } else { Ok(keyfile::is_locked(&bytes)) }
    }

    /// Reads the keys: a file of ours, or an Ed25519 key of OpenSSH. Files that others may read or write are refused.
    ///
    /// An SSH key opens what is wrapped to its public half; what its owner signs is signed with another key, which is
    /// derived from the private half.
    pub fn load(path: &Path, passphrase: Option<&SecretString>) -> Result<Self, EscrowError> {
        let mut bytes = keyfile::read(path)?;
        if ssh::is_pem(&bytes) {
            let ssh::SshKey { identity, recipient, signing } = ssh::load(&bytes, passphrase, path)?;
            return Ok(Self(KeyPair::with(Identity::Ssh(identity), recipient, signing)));
        }
        if keyfile::is_locked(&bytes) {
            let passphrase = passphrase.ok_or_else(|| EscrowError::KeyFileLocked { path: path.into() })?;
            bytes = keyfile::unlock(&bytes, passphrase, path)?;
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| foreign(Role::Officer, path))?;
        KeyPair::from_text(text, Role::Officer).map(Self).ok_or_else(|| foreign(Role::Officer, path))
    }

    /// The officer whose keys an agent keeps.
    pub fn of_agent(agent: Agent) -> Self {
        let (public, agent) = (agent.public().clone(), Arc::new(agent));
        Self(KeyPair { identity: Identity::Agent(Arc::clone(&agent)), public, signer: Signer::Agent(agent) })
    }

    /// The public half.
    pub fn public(&self) -> PublicKeys {
        self.0.public()
    }

    pub(crate) fn keys(&self) -> &KeyPair {
        &self.0
    }
}

/// Says whose keys they are, never what they are.
impl fmt::Debug for Officer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Officer({}, ..)", self.0.writer())
    }
}

/// A machine that burns: it seals and signs, and cannot open.
pub struct StationKey(KeyPair);

impl StationKey {
    /// Reads the station's keys; makes them, with folders of mode 0700 and a file of mode 0600, at the first use.
    ///
    /// Of two processes that make them at the same time, both get the keys of the first.
    pub fn load_or_create(path: &Path) -> Result<Self, EscrowError> {
        match Self::load(path) {
            Err(EscrowError::KeyFileMissing { .. }) => {}
            other => return other,
        }
        if let Some(folder) = path.parent() {
            keyfile::create_folder(folder).map_err(|source| EscrowError::KeyFileIo {
                action: "create",
                path: folder.into(),
                source,
            })?;
        }
        let text = KeyPair::generate()?.to_text(Role::Station).expect("what was generated is no SSH key");
        match keyfile::publish(path, text.as_bytes()) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(EscrowError::KeyFileIo { action: "create", path: path.into(), source }),
            Ok(()) => {}
        }
        Self::load(path)
    }

    /// Makes keys in a new file; never overwrites.
    pub(crate) fn generate(path: &Path) -> Result<Self, EscrowError> {
        let keys = KeyPair::generate()?;
        let text = keys.to_text(Role::Station).expect("what was generated is no SSH key");
        keyfile::create(path, text.as_bytes())?;
        Ok(Self(keys))
    }

    /// Reads the station's keys. A file that others may read or write is refused.
    pub fn load(path: &Path) -> Result<Self, EscrowError> {
        let bytes = keyfile::read(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| foreign(Role::Station, path))?;
        KeyPair::from_text(text, Role::Station).map(Self).ok_or_else(|| foreign(Role::Station, path))
    }

    /// The public half.
    pub fn public(&self) -> PublicKeys {
        self.0.public()
    }

    pub(crate) fn keys(&self) -> &KeyPair {
        &self.0
    }
}

/// Says whose keys they are, never what they are.
impl fmt::Debug for StationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StationKey({}, ..)", self.0.writer())
    }
}
