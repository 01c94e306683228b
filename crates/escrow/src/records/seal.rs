//! Sealing records, and finding them without saying what by.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use oathburn_oath::Seed;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::store::RecordRow;
use crate::wrap::Key;
use crate::{EscrowError, EscrowId, seal};

/// The keys that are made of the one in the escrow.
#[derive(Clone)]
pub(crate) struct RecordKeys {
    escrow: EscrowId,
    seal: Key,
    lookup: Key,
}

impl RecordKeys {
    pub(crate) fn of(escrow: EscrowId, sealed: &Seed) -> Self {
        Self {
            escrow,
            seal: seal::derive(sealed, "oathburn desk records seal 1"),
            lookup: seal::derive(sealed, "oathburn desk records lookup 1"),
        }
    }

    /// What stands in the column of the same name.
    pub(super) fn lookup(&self, kind: &str, text: &str) -> [u8; 32] {
        self.digest(b"lookup", kind, text.as_bytes())
    }

    /// The same of what a former key has made of the text.
    pub(super) fn moved(&self, kind: &str, lookup: &[u8]) -> [u8; 32] {
        self.digest(b"moved lookup", kind, lookup)
    }

    pub(super) fn id(&self, kind: &str, text: &str) -> [u8; 32] {
        self.digest(b"id", kind, text.as_bytes())
    }

    fn digest(&self, what: &[u8], kind: &str, text: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.lookup.as_slice()).expect("HMAC takes keys of any length");
        for field in [what, kind.as_bytes(), text] {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac.finalize().into_bytes().into()
    }

    pub(super) fn seal(
        &self,
        (kind, id): (&str, &[u8]),
        version: i64,
        lookup: Option<Vec<u8>>,
        expires_at: Option<i64>,
        body: &[u8],
    ) -> Result<RecordRow, EscrowError> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| EscrowError::Random)?;
        let mut row = RecordRow { kind: kind.into(), id: id.into(), version, lookup, expires_at, body: nonce.to_vec() };
        let aad = self.associated_data(&row);
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), Payload { msg: body, aad: &aad });
        row.body.extend(sealed.expect("a few megabytes are below the cipher's limit"));
        Ok(row)
    }

    /// What is in a record; `None` when it was not written by the desk as it is.
    pub(crate) fn open(&self, row: &RecordRow) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = row.body.split_first_chunk::<24>()?;
        let aad = self.associated_data(row);
        let plain = self.cipher().decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad }).ok()?;
        Some(Zeroizing::new(plain))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new_from_slice(self.seal.as_slice()).expect("the key has 32 bytes")
    }

    /// What a seal is bound to: every other column, each behind its length, and the escrow.
    fn associated_data(&self, row: &RecordRow) -> Vec<u8> {
        let expires_at = row.expires_at.map(i64::to_be_bytes);
        let fields: [&[u8]; 7] = [
            b"oathburn desk record 1",
            self.escrow.as_bytes(),
            row.kind.as_bytes(),
            &row.id,
            &row.version.to_be_bytes(),
            row.lookup.as_deref().unwrap_or_default(),
            expires_at.as_ref().map_or(&[], |bytes| bytes.as_slice()),
        ];
        let mut data = Vec::with_capacity(256);
        for field in fields {
            data.extend((field.len() as u64).to_be_bytes());
            data.extend(field);
        }
        data
    }
}
