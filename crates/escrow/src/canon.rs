//! Unambiguous bytes under digests and signatures: a domain, then fields with their lengths.

use sha2::{Digest, Sha256};

/// A SHA-256 (FIPS 180-4) over fields, each behind its length in eight bytes, so that no two lists of fields look
/// alike. The first field is the domain: what is signed for one purpose is worth nothing for another.
///
/// It goes from call to call by value: boxed, so that its block of bytes is not copied each time.
pub(crate) struct Canon(Box<Sha256>);

impl Canon {
    pub(crate) fn new(domain: &str) -> Self {
        Self(Box::new(Sha256::new())).text(domain)
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn number(self, number: i64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Nothing is an empty field, something a field that begins with a one.
    pub(crate) fn maybe(mut self, bytes: Option<&[u8]>) -> Self {
        let Some(bytes) = bytes else { return self.bytes(&[]) };
        self.0.update((bytes.len() as u64 + 1).to_be_bytes());
        self.0.update([1]);
        self.0.update(bytes);
        self
    }

    pub(crate) fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_fields_do_not_look_alike() {
        let digests = [
            Canon::new("a").digest(),
            Canon::new("a").text("").digest(),
            Canon::new("a").text("bc").digest(),
            Canon::new("a").text("b").text("c").digest(),
            Canon::new("ab").text("c").digest(),
            Canon::new("a").maybe(Some(b"")).digest(),
            Canon::new("a").maybe(Some(b"bc")).digest(),
            Canon::new("a").number(1).digest(),
            Canon::new("a").number(-1).digest(),
        ];
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest), "{index}");
        }
        assert_eq!(Canon::new("a").maybe(None).digest(), digests[1]);
    }
}
