//! What protects the values of a container: an encryption key, a MAC key, and whether they were right.

use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

use super::crypto::{Cipher, Hash};
use super::read::base64;
use super::tree::Element;
use crate::{FormatError, Problem, ReadOptions};

/// More rounds than any program asks for; fewer than a minute of work.
const MAX_ROUNDS: u32 = 20_000_000;

/// How the encryption key is come by.
enum Source {
    /// Nothing is said: whatever is encrypted is under a key that both sides know.
    Shared,
    /// From a password (RFC 6030, section 6.2).
    Derived { hash: Hash, salt: Vec<u8>, rounds: u32, len: Option<usize> },
    /// Of a certificate (RFC 6030, section 6.3).
    Certificate,
}

/// The keys of a container, made when they are first needed.
pub(super) struct Protection<'a> {
    options: &'a ReadOptions,
    began: bool,
    source: Source,
    key: Option<Zeroizing<Vec<u8>>>,
    /// The hash and, if there is one, the MAC's own key, encrypted.
    mac: Option<(Hash, Option<Element>)>,
    mac_key: Option<Zeroizing<Vec<u8>>>,
}

impl<'a> Protection<'a> {
    pub(super) fn new(options: &'a ReadOptions) -> Self {
        Self { options, began: false, source: Source::Shared, key: None, mac: None, mac_key: None }
    }

    /// Notes that the container's own tag was read.
    pub(super) fn begin(&mut self) {
        self.began = true;
    }

    pub(super) fn began(&self) -> bool {
        self.began
    }

    /// Takes an `EncryptionKey`.
    pub(super) fn encryption_key(&mut self, element: &Element) -> Result<(), FormatError> {
        if element.below(&["x509data", "keyvalue"]).is_some() {
            self.source = Source::Certificate;
        } else if let Some(method) = element.below(&["keyderivationmethod"]) {
            self.source = derived(method)?;
        }
        Ok(())
    }

    /// Takes a `MACMethod`.
    pub(super) fn mac_method(&mut self, mut element: Element) -> Result<(), FormatError> {
        // Some write none and mean the usual one.
        let algorithm = element.attribute(&["algorithm"]).filter(|text| !text.is_empty()).unwrap_or(Hash::HMAC_SHA1);
        let hash = Hash::of_hmac(algorithm).ok_or(FormatError::CipherUnknown { what: "MAC" })?;
        if element.child(&["mackeyreference"]).is_some() {
            return Err(FormatError::CipherUnknown { what: "MAC key" });
        }
        self.mac = Some((hash, element.take("mackey")));
        Ok(())
    }

    /// The bytes of a value: Base64 or a number where it is plain, else opened after its MAC was right. `None` where
    /// there is no such element or it is empty.
    pub(super) fn value(
        &mut self,
        element: Option<&Element>,
        name: &'static str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
        let Some(element) = element else { return Ok(None) };
        let value = match (element.child(&["encryptedvalue"]), element.child(&["plainvalue", "value"])) {
            (Some(encrypted), _) => self.open(encrypted, element.child(&["valuemac", "valuedigest"])).map(Some),
            (None, Some(plain)) if plain.text().is_empty() => Ok(None),
            (None, Some(plain)) if is_number(name, plain.text()) => Ok(Some(Zeroizing::new(plain.text().into()))),
            (None, Some(plain)) => base64(plain.text()).map(Some),
            (None, None) => Ok(None),
        };
        value.map_err(|error| Problem::new(error).in_column(name))
    }

    fn open(&mut self, value: &Element, tag: Option<&Element>) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        let (cipher, bytes) = ciphertext(value)?;
        let key = self.key(cipher)?;
        match (&self.mac, tag) {
            _ if self.options.ignore_mac => {}
            (Some((hash, _)), Some(tag)) => {
                let (hash, tag) = (*hash, base64(tag.text())?);
                if !hash.verify(&self.mac_key(&key)?, &bytes, &tag) {
                    return Err(FormatError::MacWrong);
                }
            }
            _ if cipher.needs_mac() => return Err(FormatError::MacMissing),
            _ => {}
        }
        cipher.decrypt(&key, &bytes).ok_or_else(|| self.wrong())
    }

    /// What to say when a key does not open something.
    fn wrong(&self) -> FormatError {
        match self.source {
            Source::Derived { .. } => FormatError::PasswordWrong,
            _ => FormatError::KeyWrong,
        }
    }

    /// The encryption key, of the length that a cipher needs.
    fn key(&mut self, cipher: Cipher) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        if let Some(key) = self.key.as_ref().filter(|key| key.len() == cipher.key_len()) {
            return Ok(key.clone());
        }
        let secret = self.options.password.as_ref();
        let key = match &self.source {
            Source::Certificate => return Err(FormatError::CipherUnknown { what: "certificate" }),
            Source::Shared => {
                let secret = secret.ok_or(FormatError::KeyNeeded)?;
                shared_key(secret, cipher.key_len()).ok_or(FormatError::KeyWrong)?
            }
            Source::Derived { hash, salt, rounds, len } => {
                let secret = secret.ok_or(FormatError::PasswordNeeded)?;
                if len.is_some_and(|len| len != cipher.key_len()) {
                    return Err(FormatError::CipherUnknown { what: "key length" });
                }
                hash.pbkdf2(secret, salt, *rounds, cipher.key_len())
            }
        };
        self.key = Some(key.clone());
        Ok(key)
    }

    /// The MAC's key: its own, or the encryption key where it has none (RFC 6030, section 6.1.1).
    fn mac_key(&mut self, key: &Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        if let Some(key) = &self.mac_key {
            return Ok(key.clone());
        }
        let own = match &self.mac {
            Some((_, Some(own))) => {
                let (cipher, bytes) = ciphertext(own)?;
                cipher.decrypt(key, &bytes).ok_or_else(|| self.wrong())?
            }
            _ => key.clone(),
        };
        self.mac_key = Some(own.clone());
        Ok(own)
    }
}

/// The cipher of an encrypted element, and its bytes.
fn ciphertext(element: &Element) -> Result<(Cipher, Zeroizing<Vec<u8>>), FormatError> {
    let method = element.child(&["encryptionmethod"]);
    let scheme = method.and_then(|method| method.child(&["encryptionscheme"])).or(method);
    let algorithm = scheme.and_then(|scheme| scheme.attribute(&["algorithm"])).unwrap_or_default();
    let cipher = Cipher::of(algorithm).ok_or(FormatError::CipherUnknown { what: "cipher" })?;
    let value = element.at(&["cipherdata", "ciphervalue"]);
    let value = value.ok_or(FormatError::CellMissing { column: "CipherValue" })?;
    Ok((cipher, base64(value.text())?))
}

fn derived(method: &Element) -> Result<Source, FormatError> {
    let algorithm = method.attribute(&["algorithm"]).unwrap_or_default();
    if !algorithm.to_ascii_lowercase().ends_with("pbkdf2") {
        return Err(FormatError::CipherUnknown { what: "key derivation" });
    }
    let missing = |column| FormatError::CellMissing { column };
    let params = method.child(&["pbkdf2-params"]).ok_or(missing("PBKDF2-params"))?;
    let salt = params.at(&["salt", "specified"]).ok_or(missing("Salt"))?;
    let number = |name| params.child(&[name]).map(|one| one.text().parse::<u32>());
    let rounds = number("iterationcount").ok_or(missing("IterationCount"))?;
    let rounds = rounds.ok().filter(|rounds| (1..=MAX_ROUNDS).contains(rounds)).ok_or(FormatError::KeyDerivation)?;
    let len = number("keylength").transpose().map_err(|_| FormatError::KeyDerivation)?;
    let prf = params.child(&["prf"]).and_then(|prf| prf.attribute(&["algorithm"])).filter(|text| !text.is_empty());
    let hash =
        prf.map_or(Some(Hash::Sha1), Hash::of_hmac).ok_or(FormatError::CipherUnknown { what: "key derivation" })?;
    let len = len.and_then(|len| usize::try_from(len).ok());
    Ok(Source::Derived { hash, salt: base64(salt.text())?.to_vec(), rounds, len })
}

/// Numbers stand in clear (in drafts Base64, like all else).
fn is_number(name: &str, text: &str) -> bool {
    name != "Secret" && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A shared key as it is handed over: in hex, in Base64, or the bytes themselves.
fn shared_key(secret: &[u8], len: usize) -> Option<Zeroizing<Vec<u8>>> {
    let text = secret.trim_ascii();
    if text.len() == 2 * len
        && let Ok(key) = HEXLOWER_PERMISSIVE.decode(text)
    {
        return Some(Zeroizing::new(key));
    }
    if secret.len() == len {
        return Some(Zeroizing::new(secret.to_vec()));
    }
    let text = std::str::from_utf8(text).ok()?;
    base64(text).ok().filter(|key| key.len() == len)
}
