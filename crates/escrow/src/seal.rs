//! Seals: a seed and the facts that never change, under a session key.

use chacha20poly1305::aead::{Aead, AeadInOut, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use oathburn_oath::{
    Algorithm, Digits, FamilyId, HotpParams, Params, Seed, SerialNumber, TimeStep, TokenIdentity, TotpParams,
};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::entry::NO_TOKENS;
use crate::store::{EntryRow, WrapRow};
use crate::wrap::{self, Key};
use crate::{EntryId, EscrowError, EscrowId, Origin, Reservation, SessionId};

/// The format of seals that this version writes.
pub(crate) const FORMAT: i64 = 1;
/// Under which domain an event signs a session.
pub(crate) const SESSION_DOMAIN: &str = "oathburn escrow session 1";

/// A sealing session: seals under one random key, which is wrapped once to the officers.
pub(crate) struct Sealer {
    id: SessionId,
    escrow: EscrowId,
    key: Key,
    roster: u64,
    wrap: Vec<u8>,
}

/// What of a row is sealed or belongs to the seal.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) nonce: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

impl Sealer {
    /// Begins a session for the officers of one version of the roster.
    pub(crate) fn begin<'a>(
        escrow: EscrowId,
        roster: u64,
        officers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, EscrowError> {
        let key = wrap::generate()?;
        let wrap = wrap::wrap(&key, officers, "session key")?;
        Ok(Self { id: SessionId::new(), escrow, key, roster, wrap })
    }

    /// The session's id.
    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    /// The version of the roster to whose officers the key is wrapped.
    pub(crate) fn roster(&self) -> u64 {
        self.roster
    }

    /// The session's row, still without its event.
    pub(crate) fn row(&self, created_at: i64) -> WrapRow {
        WrapRow {
            id: self.id.as_bytes().to_vec(),
            roster: self.roster.try_into().unwrap_or(i64::MAX),
            created_at,
            wrap: self.wrap.clone(),
            writer_number: 0,
            writer: Vec::new(),
            sequence: 0,
        }
    }

    /// Seals a seed for one entry.
    pub(crate) fn seal(&self, entry: &EntryId, reservation: &Reservation<'_>) -> Result<Sealed, EscrowError> {
        let record = reservation.record;
        self.seal_plaintext(entry, &encode(&record.seed, &record.identity, &record.params, reservation.origin))
    }

    /// Seals what came out of another seal of the same entry.
    pub(crate) fn seal_again(&self, entry: &EntryId, opened: &Opened) -> Result<Sealed, EscrowError> {
        self.seal_plaintext(entry, &encode(&opened.seed, &opened.identity, &opened.params, opened.origin))
    }

    fn seal_plaintext(&self, entry: &EntryId, plaintext: &[u8]) -> Result<Sealed, EscrowError> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| EscrowError::Random)?;
        let aad = associated_data(FORMAT, &self.escrow, entry.as_bytes(), self.id.as_bytes());
        let ciphertext = cipher(&self.key)
            .encrypt(&XNonce::from(nonce), Payload { msg: plaintext, aad: &aad })
            .expect("a few hundred bytes are below the cipher's limit");
        Ok(Sealed { nonce: nonce.to_vec(), ciphertext })
    }
}

/// A seal with what it is bound to.
#[derive(Clone, Debug)]
pub(crate) struct SealRow {
    /// Where the store keeps the row: scans go on after it.
    pub(crate) place: i64,
    pub(crate) id: Vec<u8>,
    pub(crate) format: i64,
    pub(crate) session: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

/// Opens a seal; `None` when it was not made like this, for this entry, under this key.
pub(crate) fn unseal(
    (id, format, session): (&[u8], i64, &[u8]),
    (nonce, ciphertext): (&[u8], &[u8]),
    escrow: &EscrowId,
    key: &Key,
) -> Option<Opened> {
    if format != FORMAT {
        return None;
    }
    let nonce: [u8; 24] = nonce.try_into().ok()?;
    let aad = associated_data(format, escrow, id, session);
    let plaintext = cipher(key).decrypt(&XNonce::from(nonce), Payload { msg: ciphertext, aad: &aad }).ok()?;
    decode(&Zeroizing::new(plaintext))
}

/// What is in a seal, for whoever searches among seeds.
pub(crate) enum ForSearch {
    /// A seed, and how its codes are made.
    Seed(Seed, Params),
    /// An access key, or something of the desk.
    Passed,
}

/// Opens many seals, one after the other, in one buffer: what was in it is overwritten by the next, and wiped at the end.
pub(crate) struct Unsealer {
    escrow: EscrowId,
    /// What the seal at hand is bound to.
    data: Vec<u8>,
    buffer: Zeroizing<Vec<u8>>,
}

impl Unsealer {
    pub(crate) fn new(escrow: EscrowId) -> Self {
        Self { escrow, data: Vec::new(), buffer: Zeroizing::new(Vec::with_capacity(1024)) }
    }

    /// The seed of a seal, and how its codes are made; `None` as for [`unseal`]. Nothing comes out of the seals of what is
    /// no seed of a token.
    pub(crate) fn seed(&mut self, row: &SealRow, key: &Key) -> Option<ForSearch> {
        if row.format != FORMAT {
            return None;
        }
        let nonce: [u8; 24] = row.nonce.as_slice().try_into().ok()?;
        self.data.clear();
        put_associated_data(&mut self.data, row.format, &self.escrow, &row.id, &row.session);
        self.buffer.clear();
        self.buffer.extend_from_slice(&row.ciphertext);
        cipher(key).decrypt_in_place(&XNonce::from(nonce), &self.data, &mut *self.buffer).ok()?;
        let parts = parts(&self.buffer)?;
        if NO_TOKENS.contains(&parts.texts[0]) {
            return Some(ForSearch::Passed);
        }
        Some(ForSearch::Seed(Seed::new(parts.seed.to_vec()).ok()?, parts.params))
    }
}

/// Opens the seal of a row and compares what was sealed with the row's columns.
pub(crate) fn open(row: &EntryRow, entry: EntryId, escrow: &EscrowId, key: &Key) -> Result<Opened, EscrowError> {
    let bound = (row.id.as_slice(), row.format, row.session.as_slice());
    let opened = unseal(bound, (&row.nonce, &row.ciphertext), escrow, key).ok_or(EscrowError::SealBroken { entry })?;
    for (column, same) in [
        ("family", row.family == opened.identity.family.as_str()),
        ("serial", row.serial == opened.identity.serial.as_str()),
        ("slot", row.slot == opened.identity.slot.to_string()),
        ("algorithm", row.algorithm == opened.params.algorithm().as_str()),
        ("digits", row.digits == i64::from(opened.params.digits().get())),
        ("time_step", row.time_step == time_step(&opened.params)),
        ("counter", row.counter == counter(&opened.params)),
        ("origin", row.origin == opened.origin.as_str()),
    ] {
        if !same {
            return Err(EscrowError::SealDiffers { entry, column });
        }
    }
    Ok(opened)
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new_from_slice(key.as_slice()).expect("the key has 32 bytes")
}

/// A key for one use, made of a sealed one: HMAC-SHA256 under it of what it is for.
pub(crate) fn derive(sealed: &Seed, label: &str) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(sealed.expose()).expect("HMAC takes keys of any length");
    mac.update(label.as_bytes());
    let mut key = Key::default();
    key.copy_from_slice(&mac.finalize().into_bytes());
    key
}

/// What a seal is bound to: a seal that is moved to another entry, session or escrow does not open.
fn associated_data(format: i64, escrow: &EscrowId, entry: &[u8], session: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(128);
    put_associated_data(&mut data, format, escrow, entry, session);
    data
}

fn put_associated_data(data: &mut Vec<u8>, format: i64, escrow: &EscrowId, entry: &[u8], session: &[u8]) {
    let fields: [&[u8]; 5] = [b"oathburn escrow seal", &format.to_be_bytes(), escrow.as_bytes(), entry, session];
    for field in fields {
        data.extend((field.len() as u64).to_be_bytes());
        data.extend(field);
    }
}

/// What comes out of a seal.
pub(crate) struct Opened {
    pub(crate) seed: Seed,
    pub(crate) identity: TokenIdentity,
    pub(crate) params: Params,
    pub(crate) origin: Origin,
}

/// The column of the time step: 0 for event-based tokens.
pub(crate) fn time_step(params: &Params) -> i64 {
    params.step().map_or(0, |step| step.seconds().into())
}

/// The column of the counter, which all its 64 bits fit into.
pub(crate) fn counter(params: &Params) -> Option<i64> {
    params.counter().map(u64::cast_signed)
}

const fn algorithm_number(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Sha1 => 1,
        Algorithm::Sha256 => 2,
        Algorithm::Sha512 => 3,
    }
}

const fn origin_number(origin: Origin) -> u8 {
    match origin {
        Origin::Generated => 1,
        Origin::Given => 2,
        Origin::Again => 3,
        Origin::Imported => 4,
    }
}

/// The plaintexts' versions: time-based and event-based.
const TIME_BASED: u8 = 1;
const EVENT_BASED: u8 = 2;

/// The plaintext: the version; the seed's length and the seed in a field of fixed size, so that the length
/// of a ciphertext tells nothing about the seed; the texts, each behind its length; then numbers: algorithm, digits,
/// the time step in four bytes (version 1) or the counter in eight (version 2), origin.
fn encode(seed: &Seed, identity: &TokenIdentity, params: &Params, origin: Origin) -> Zeroizing<Vec<u8>> {
    let seed = seed.expose();
    // Room for the longest: a buffer that grows leaves unwiped copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(2 + Seed::MAX_LEN + 3 * 256 + 11));
    let byte = |len: usize| u8::try_from(len).expect("seeds, families, serials and slots are shorter than 256 bytes");
    let version = if params.step().is_some() { TIME_BASED } else { EVENT_BASED };
    out.extend([version, byte(seed.len())]);
    out.extend(seed);
    out.resize(2 + Seed::MAX_LEN, 0);
    let slot = identity.slot.to_string();
    for text in [identity.family.as_str(), identity.serial.as_str(), &slot] {
        out.push(byte(text.len()));
        out.extend(text.as_bytes());
    }
    out.extend([algorithm_number(params.algorithm()), params.digits().get()]);
    match params {
        Params::Totp(params) => out.extend(params.step.seconds().to_be_bytes()),
        Params::Hotp(params) => out.extend(params.counter.to_be_bytes()),
    }
    out.push(origin_number(origin));
    out
}

/// Reads what [`encode`] wrote; `None` for anything else.
fn decode(plaintext: &[u8]) -> Option<Opened> {
    let Parts { seed, texts: [family, serial, slot], params, origin } = parts(plaintext)?;
    Some(Opened {
        seed: Seed::new(seed.to_vec()).ok()?,
        identity: TokenIdentity {
            family: FamilyId::new(family).ok()?,
            serial: SerialNumber::new(serial).ok()?,
            slot: slot.parse().ok()?,
        },
        params,
        origin,
    })
}

/// A plaintext, cut up.
struct Parts<'a> {
    seed: &'a [u8],
    /// Family, serial number, slot.
    texts: [&'a str; 3],
    params: Params,
    origin: Origin,
}

fn parts(plaintext: &[u8]) -> Option<Parts<'_>> {
    let mut rest = plaintext;
    let version = take(&mut rest, 1)?[0];
    let seed_len = usize::from(take(&mut rest, 1)?[0]);
    let (seed, padding) = take(&mut rest, Seed::MAX_LEN)?.split_at_checked(seed_len)?;
    if padding.iter().any(|&byte| byte != 0) {
        return None;
    }
    let mut text = || {
        let len = usize::from(take(&mut rest, 1)?[0]);
        std::str::from_utf8(take(&mut rest, len)?).ok()
    };
    let texts = [text()?, text()?, text()?];
    let (&[algorithm, digits], rest) = rest.split_first_chunk()?;
    let (&origin, factor) = rest.split_last()?;
    let algorithm = Algorithm::ALL.into_iter().find(|&one| algorithm_number(one) == algorithm)?;
    let digits = Digits::shown(digits).ok()?;
    let params = match version {
        TIME_BASED => {
            let step = TimeStep::new(u32::from_be_bytes(factor.try_into().ok()?)).ok()?;
            TotpParams { algorithm, digits, step }.into()
        }
        EVENT_BASED => {
            let counter = u64::from_be_bytes(factor.try_into().ok()?);
            HotpParams { algorithm, digits, counter }.into()
        }
        _ => return None,
    };
    Some(Parts { seed, texts, params, origin: Origin::ALL.iter().copied().find(|&one| origin_number(one) == origin)? })
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use oathburn_oath::{Slot, TokenRecord};

    use super::*;
    use crate::Officer;
    use crate::audit::SESSIONS;

    type Change = fn(&mut EntryRow);

    fn record(seed: &[u8]) -> TokenRecord {
        TokenRecord {
            identity: TokenIdentity {
                family: FamilyId::new("molto2").unwrap(),
                serial: SerialNumber::new("M-00012").unwrap(),
                slot: Slot::Name("ACME:bob".into()),
            },
            params: TotpParams { algorithm: Algorithm::Sha512, digits: Digits::EIGHT, step: TimeStep::S60 }.into(),
            seed: Seed::new(seed.to_vec()).unwrap(),
            manufacturer: None,
            model: None,
            upn: None,
            issuer: None,
        }
    }

    fn encoded(record: &TokenRecord, origin: Origin) -> Zeroizing<Vec<u8>> {
        encode(&record.seed, &record.identity, &record.params, origin)
    }

    fn sealed(sealer: &Sealer, entry: EntryId, record: &TokenRecord) -> EntryRow {
        let fresh = sealer.seal(&entry, &Reservation { record, origin: Origin::Given, batch: None }).unwrap();
        EntryRow {
            id: entry.as_bytes().to_vec(),
            family: record.identity.family.to_string(),
            serial: record.identity.serial.to_string(),
            slot: record.identity.slot.to_string(),
            algorithm: record.params.algorithm().to_string(),
            digits: record.params.digits().get().into(),
            time_step: time_step(&record.params),
            counter: counter(&record.params),
            origin: "given".into(),
            batch: None,
            format: FORMAT,
            session: sealer.id().as_bytes().to_vec(),
            nonce: fresh.nonce,
            ciphertext: fresh.ciphertext,
            tag_key: 1,
            tag: vec![0; 16],
            reserved_at: 0,
            state: "reserved".into(),
            manufacturer: None,
            model: None,
            upn: None,
            issuer: None,
            programmed_at: None,
            verified_at: None,
            drift_seconds: None,
            drift_at: None,
            revision: 1,
            annotations: crate::annotation::AnnotationRow::default(),
            line: None,
        }
    }

    #[test]
    fn seals_open_where_they_belong_and_nowhere_else() {
        let officer = Officer::generate().unwrap();
        let recipient = officer.public().recipient;
        let (escrow, entry) = (EscrowId::new(), EntryId::new());
        let sealer = Sealer::begin(escrow, 1, [recipient.as_str()]).unwrap();
        let key = wrap::unwrap(&sealer.row(0).wrap, officer.keys(), SESSIONS.key).unwrap();
        let stranger = Officer::generate().unwrap();
        assert!(matches!(
            wrap::unwrap(&sealer.row(0).wrap, stranger.keys(), SESSIONS.key),
            Err(EscrowError::NotWrapped { key: "session key" })
        ));
        let record = record(b"12345678901234567890");
        let row = sealed(&sealer, entry, &record);
        let opened = open(&row, entry, &escrow, &key).unwrap();
        assert_eq!(
            (opened.seed, opened.identity, opened.params),
            (record.seed.clone(), record.identity, record.params)
        );
        assert_eq!(opened.origin, Origin::Given);

        let broken = |row: &EntryRow, escrow: &EscrowId, key: &Key| {
            matches!(open(row, entry, escrow, key), Err(EscrowError::SealBroken { .. }))
        };
        assert!(broken(&row, &EscrowId::new(), &key));
        assert!(broken(&row, &escrow, &wrap::generate().unwrap()));
        let changes: [Change; 6] = [
            |row| row.id[15] ^= 1,
            |row| row.session[0] ^= 1,
            |row| row.nonce[0] ^= 1,
            |row| row.ciphertext[0] ^= 1,
            |row| row.format = 2,
            |row| row.nonce.truncate(12),
        ];
        for change in changes {
            let mut copy = row.clone();
            change(&mut copy);
            assert!(broken(&copy, &escrow, &key));
        }
        let differences: [(&str, Change); 8] = [
            ("family", |row| row.family.push('x')),
            ("serial", |row| row.serial.push('x')),
            ("slot", |row| row.slot.push('x')),
            ("algorithm", |row| row.algorithm = "sha1".into()),
            ("digits", |row| row.digits = 6),
            ("time_step", |row| row.time_step = 30),
            ("counter", |row| row.counter = Some(0)),
            ("origin", |row| row.origin = "again".into()),
        ];
        for (name, change) in differences {
            let mut copy = row.clone();
            change(&mut copy);
            let error = open(&copy, entry, &escrow, &key).err().unwrap();
            assert!(matches!(error, EscrowError::SealDiffers { column, .. } if column == name), "{error}");
        }
    }

    #[test]
    fn plaintexts_of_one_token_are_equally_long() {
        let len = |seed: &[u8]| {
            let record = record(seed);
            encoded(&record, Origin::Given).len()
        };
        assert_eq!(len(&[1]), len(&[1; 128]));
    }

    #[test]
    fn plaintexts_that_nobody_wrote_are_refused() {
        let record = record(b"12345678901234567890");
        let good = encoded(&record, Origin::Generated);
        assert!(decode(&good).is_some());
        for len in 0..good.len() {
            assert!(decode(&good[..len]).is_none(), "{len}");
        }
        for (place, value) in [(0, 0), (0, 2), (0, 3), (1, 0), (1, 129), (1, 255), (100, 1), (130, 255)] {
            let mut changed = good.to_vec();
            changed[place] = value;
            assert!(decode(&changed).is_none(), "{place}");
        }
        let longer = [good.as_slice(), &[0]].concat();
        assert!(decode(&longer).is_none());
    }

    #[test]
    fn counters_are_sealed_whole() {
        for counter in [0, 1, u64::MAX] {
            let mut record = record(b"12345678901234567890");
            let hotp = HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter };
            record.params = hotp.into();
            let text = encoded(&record, Origin::Imported);
            assert_eq!(decode(&text).unwrap().params, hotp.into());
            assert!((0..text.len()).all(|len| decode(&text[..len]).is_none()));
            let mut expected = [&[2, 20], b"12345678901234567890".as_slice(), &[0; 108]].concat();
            expected.extend(b"\x06molto2\x07M-00012\x08ACME:bob\x01\x06");
            expected.extend(counter.to_be_bytes());
            expected.push(4);
            assert_eq!(text.as_slice(), expected);
        }
    }

    /// The format that stores on disk have: an old seal must open for ever.
    #[test]
    fn the_plaintext_of_version_1_stays() {
        let record = record(b"12345678901234567890");
        let text = encoded(&record, Origin::Again);
        let mut expected = [&[1, 20], b"12345678901234567890".as_slice(), &[0; 108]].concat();
        expected.extend(b"\x06molto2\x07M-00012\x08ACME:bob\x03\x08\x00\x00\x00\x3c\x03");
        assert_eq!(text.as_slice(), expected);
    }
}
