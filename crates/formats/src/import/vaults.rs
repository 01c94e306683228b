//! The vaults of authenticator apps: Aegis and 2FAS, plain and encrypted.

use std::ops::ControlFlow;

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use oathburn_oath::TimeStep;
use scrypt::Params as Cost;
use serde::Deserialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::import::draft::{Draft, Meaning, Notation};
use crate::import::json::{Loose, broken, whole};
use crate::import::text::Text;
use crate::import::{Sink, refuse};
use crate::{FormatError, KeyPackage, Kind, Problem, ReadOptions, Row, Unsaid};

/// The largest vault, in bytes: thousands of accounts, each with a picture.
pub(crate) const MAX_VAULT: usize = 32 * 1024 * 1024;

/// How often 2FAS hashes a password.
const TWOFAS_ROUNDS: u32 = 10_000;

/// The most work that a vault may ask for before its password can be tried: sixteen times what Aegis asks for.
const MAX_SCRYPT: u64 = 16 << 15;

const USUAL: Unsaid = Unsaid { step: Some(TimeStep::S30), ..Unsaid::NOTHING };

#[derive(Deserialize)]
struct AegisFile {
    header: AegisHeader,
    db: AegisDb,
}

#[derive(Deserialize)]
struct AegisHeader {
    slots: Option<Vec<AegisSlot>>,
    params: Option<AegisSeal>,
}

#[derive(Deserialize)]
struct AegisSlot {
    #[serde(rename = "type")]
    kind: u32,
    key: Option<String>,
    key_params: Option<AegisSeal>,
    n: Option<u64>,
    r: Option<u32>,
    p: Option<u32>,
    salt: Option<String>,
}

#[derive(Deserialize)]
struct AegisSeal {
    nonce: String,
    tag: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AegisDb {
    Sealed(String),
    Plain(AegisEntries),
}

#[derive(Deserialize)]
struct AegisEntries {
    entries: Vec<AegisEntry>,
}

#[derive(Deserialize)]
struct AegisEntry {
    #[serde(rename = "type")]
    kind: Loose,
    name: Option<Loose>,
    issuer: Option<Loose>,
    info: AegisInfo,
}

#[derive(Deserialize)]
struct AegisInfo {
    secret: Loose,
    algo: Option<Loose>,
    digits: Option<Loose>,
    period: Option<Loose>,
    counter: Option<Loose>,
}

/// Hands over the accounts of an Aegis vault.
pub(crate) fn aegis(text: Text<'_>, options: &ReadOptions, sink: Sink<'_>) -> Result<(), FormatError> {
    let file = whole(text, MAX_VAULT)?;
    let vault: AegisFile = parse(&file)?;
    let entries = match vault.db {
        AegisDb::Plain(entries) => entries,
        AegisDb::Sealed(sealed) => {
            let password = options.password.as_ref().ok_or(FormatError::PasswordNeeded)?;
            let key = aegis_key(&vault.header, password)?;
            let seal = vault.header.params.as_ref().ok_or(FormatError::VaultBroken)?;
            let ciphertext = decode(BASE64.decode(sealed.as_bytes()))?;
            let plain = unseal(&key, seal, &ciphertext).ok_or(FormatError::VaultBroken)?;
            parse(&plain)?
        }
    };
    each(&entries.entries, sink, |entry: &AegisEntry| {
        let info = &entry.info;
        fields([
            ("type", Meaning::Kind, Some(&entry.kind)),
            ("name", Meaning::Upn, entry.name.as_ref()),
            ("issuer", Meaning::Issuer, entry.issuer.as_ref()),
            ("secret", Meaning::Seed(Notation::Base32), Some(&info.secret)),
            ("algo", Meaning::Algorithm, info.algo.as_ref()),
            ("digits", Meaning::Digits, info.digits.as_ref()),
            ("period", Meaning::Step, info.period.as_ref()),
            ("counter", Meaning::Counter, info.counter.as_ref()),
        ])
    });
    Ok(())
}

/// The vault's key, from the first slot that the password opens.
fn aegis_key(header: &AegisHeader, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, FormatError> {
    /// A slot that a password opens; others need the phone.
    const PASSWORD_SLOT: u32 = 1;
    let slots = header.slots.as_deref().unwrap_or_default().iter().filter(|slot| slot.kind == PASSWORD_SLOT);
    let mut any = false;
    for slot in slots {
        any = true;
        let (Some(sealed), Some(seal), Some(salt)) = (&slot.key, &slot.key_params, &slot.salt) else {
            return Err(FormatError::VaultBroken);
        };
        let (n, r, p) = (slot.n.unwrap_or(0), slot.r.unwrap_or(0), slot.p.unwrap_or(0));
        let work = n.saturating_mul(r.into()).saturating_mul(p.into()) / 8;
        if !n.is_power_of_two() || n < 2 || work > MAX_SCRYPT {
            return Err(FormatError::KeyDerivation);
        }
        let log_n = u8::try_from(n.ilog2()).map_err(|_| FormatError::KeyDerivation)?;
        let cost = Cost::new(log_n, r, p).map_err(|_| FormatError::KeyDerivation)?;
        let mut key = Zeroizing::new([0; 32]);
        let salt = decode(HEXLOWER_PERMISSIVE.decode(salt.as_bytes()))?;
        scrypt::scrypt(password, &salt, &cost, key.as_mut()).map_err(|_| FormatError::KeyDerivation)?;
        let sealed = decode(HEXLOWER_PERMISSIVE.decode(sealed.as_bytes()))?;
        if let Some(master) = unseal(key.as_ref(), seal, &sealed) {
            return Ok(master);
        }
    }
    Err(if any { FormatError::PasswordWrong } else { FormatError::VaultWithoutPassword })
}

/// What is sealed under AES-256-GCM with its tag beside it; `None` when it is not what was sealed.
fn unseal(key: &[u8], seal: &AegisSeal, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let nonce = HEXLOWER_PERMISSIVE.decode(seal.nonce.as_bytes()).ok()?;
    let tag = HEXLOWER_PERMISSIVE.decode(seal.tag.as_bytes()).ok()?;
    open(key, &nonce, &[ciphertext, &tag].concat())
}

fn open(key: &[u8], nonce: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = Aes256Gcm::new(Key::<Aes256Gcm>::try_from(key).ok().as_ref()?);
    let nonce = Nonce::try_from(nonce).ok()?;
    cipher.decrypt(&nonce, sealed).ok().map(Zeroizing::new)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TwoFasFile {
    #[serde(default)]
    services: Vec<TwoFasService>,
    services_encrypted: Option<String>,
}

#[derive(Deserialize)]
struct TwoFasService {
    name: Option<Loose>,
    secret: Loose,
    otp: Option<TwoFasOtp>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TwoFasOtp {
    account: Option<Loose>,
    issuer: Option<Loose>,
    digits: Option<Loose>,
    period: Option<Loose>,
    algorithm: Option<Loose>,
    counter: Option<Loose>,
    token_type: Option<Loose>,
}

/// Hands over the services of a 2FAS backup.
pub(crate) fn twofas(text: Text<'_>, options: &ReadOptions, sink: Sink<'_>) -> Result<(), FormatError> {
    let file = whole(text, MAX_VAULT)?;
    let backup: TwoFasFile = parse(&file)?;
    let services = match backup.services_encrypted.as_deref().filter(|sealed| !sealed.is_empty()) {
        None => backup.services,
        Some(sealed) => {
            let password = options.password.as_ref().ok_or(FormatError::PasswordNeeded)?;
            let parts: Vec<_> = sealed.split(':').map(|part| BASE64.decode(part.as_bytes())).collect();
            let [Ok(ciphertext), Ok(salt), Ok(nonce)] = parts.as_slice() else {
                return Err(FormatError::VaultBroken);
            };
            let mut key = Zeroizing::new([0; 32]);
            pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, TWOFAS_ROUNDS, key.as_mut());
            let plain = open(key.as_ref(), nonce, ciphertext).ok_or(FormatError::PasswordWrong)?;
            parse(&plain)?
        }
    };
    each(&services, sink, |service: &TwoFasService| {
        let otp = service.otp.as_ref();
        let said = |field: fn(&TwoFasOtp) -> Option<&Loose>| otp.and_then(field);
        // A service that does not name its issuer is named by its title.
        let issuer = said(|otp| otp.issuer.as_ref()).filter(|issuer| !issuer.as_str().is_empty());
        let counted =
            said(|otp| otp.token_type.as_ref()).is_some_and(|kind| kind.as_str().eq_ignore_ascii_case("hotp"));
        fields([
            ("tokenType", Meaning::Kind, said(|otp| otp.token_type.as_ref())),
            ("account", Meaning::Upn, said(|otp| otp.account.as_ref())),
            ("issuer", Meaning::Issuer, issuer.or(service.name.as_ref())),
            ("secret", Meaning::Seed(Notation::Base32), Some(&service.secret)),
            ("algorithm", Meaning::Algorithm, said(|otp| otp.algorithm.as_ref())),
            ("digits", Meaning::Digits, said(|otp| otp.digits.as_ref())),
            ("period", Meaning::Step, said(|otp| otp.period.as_ref()).filter(|_| !counted)),
            ("counter", Meaning::Counter, said(|otp| otp.counter.as_ref()).filter(|_| counted)),
        ])
    });
    Ok(())
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, FormatError> {
    serde_json::from_slice(text)
        .map_err(|error| if text.is_empty() { FormatError::FileEmpty } else { broken(&error, 1) })
}

fn decode(bytes: Result<Vec<u8>, data_encoding::DecodeError>) -> Result<Vec<u8>, FormatError> {
    bytes.map_err(|_| FormatError::VaultBroken)
}

/// Takes fields for what they mean.
fn fields<const N: usize>(fields: [(&'static str, Meaning, Option<&Loose>); N]) -> Result<Draft, Problem> {
    let mut draft = Draft::default();
    for (name, meaning, text) in fields {
        if let Some(text) = text {
            draft
                .take(meaning, text.as_str(), &Unsaid::NOTHING)
                .map_err(|error| Problem::new(error).in_column(name))?;
        }
    }
    if draft.kind == Some(Kind::Totp) {
        draft.counter = None;
    }
    Ok(draft)
}

/// Hands over accounts by their place in the vault: its lines say nothing.
fn each<T>(all: &[T], sink: Sink<'_>, draft: impl Fn(&T) -> Result<Draft, Problem>) {
    for (one, place) in all.iter().zip(1..) {
        let package = |draft: Draft| -> Result<KeyPackage, Problem> { draft.package(&USUAL, &USUAL) };
        let flow = match draft(one).and_then(package) {
            Ok(package) => sink(Row { line: place, outcome: Ok(package) }),
            Err(problem) => refuse(sink, place, problem),
        };
        if flow == ControlFlow::Break(()) {
            break;
        }
    }
}
