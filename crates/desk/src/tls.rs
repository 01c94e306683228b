//! TLS 1.2 and 1.3, with certificates from files, and certificates that sign themselves.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use data_encoding::HEXUPPER;
use oathburn_escrow::EscrowError;
use oathburn_oath::UnixTime;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, DnsName, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::DeskError;

/// How long a certificate that we make is good, in seconds: ten years. Stations know it by its fingerprint, and would
/// have to be visited when it changes.
const LIFE: u64 = 3650 * 24 * 3600;

/// SHA-256 of a certificate: how a station knows its desk where nobody has signed the certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// The digest.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// As `openssl x509 -fingerprint -sha256` and browsers show it: `AB:CD:…`.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(":")?;
            }
            f.write_str(&HEXUPPER.encode(&[*byte]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A certificate with its key, ready to serve with.
#[derive(Clone)]
pub struct Certificate {
    pub(crate) config: Arc<ServerConfig>,
    /// What stations know it by.
    pub fingerprint: Fingerprint,
}

impl Certificate {
    /// Reads a chain and a key in PEM.
    pub fn load(chain: &Path, key: &Path) -> Result<Self, DeskError> {
        let refused = |path: &Path, problem: String| DeskError::CertificateRefused { path: path.into(), problem };
        let read = |path: &Path| {
            std::fs::read(path)
                .map(Zeroizing::new)
                .map_err(|source| DeskError::CertificateFile { path: path.into(), source })
        };
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(chain)?)
            .collect::<Result<_, pem::Error>>()
            .map_err(|error| refused(chain, error.to_string()))?;
        let first = certificates.first().ok_or_else(|| refused(chain, "there is no certificate in it".into()))?;
        let fingerprint = Fingerprint::of(first);
        let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => refused(key, "there is no private key in it".into()),
            other => refused(key, other.to_string()),
        })?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(certificates, private)
            .map_err(|error| refused(key, error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), fingerprint })
    }
}

/// The certificate that a desk serves with. It can be renewed while the desk serves; clones hold the same one.
#[derive(Clone, Debug)]
pub struct ServedCertificate(Arc<RwLock<Certificate>>);

impl ServedCertificate {
    /// Serves with this one at first.
    pub fn new(certificate: Certificate) -> Self {
        Self(Arc::new(RwLock::new(certificate)))
    }

    /// Whoever connects from now on gets this one; connections that are there keep theirs.
    pub fn renew(&self, certificate: Certificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    /// The one of the moment.
    pub fn now(&self) -> Certificate {
        // Nothing that is done under the lock can panic halfway.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Says which, never the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.fingerprint).finish()
    }
}

/// A new certificate that nobody else has signed.
pub struct SelfSigned {
    /// The certificate, in PEM.
    pub certificate: String,
    /// Its key, in PEM: a secret.
    pub key: Zeroizing<String>,
    /// What stations and people know it by.
    pub fingerprint: Fingerprint,
    /// Until when it is good.
    pub until: UnixTime,
}

impl SelfSigned {
    /// A certificate for these names and addresses, from now on for ten years.
    pub fn new(hosts: &[String], now: UnixTime) -> Result<Self, DeskError> {
        for host in hosts {
            if host.parse::<IpAddr>().is_err() && DnsName::try_from(host.as_str()).is_err() {
                return Err(DeskError::HostName { name: host.clone() });
            }
        }
        let first = hosts.first().ok_or_else(|| DeskError::HostName { name: String::new() })?;
        let mut params = CertificateParams::new(hosts).map_err(|_| DeskError::HostName { name: hosts.join(", ") })?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, first.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let until = now.seconds().saturating_add(LIFE);
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        // Clocks of stations may be late.
        params.not_before = epoch + Duration::from_secs(now.seconds().saturating_sub(24 * 3600));
        params.not_after = epoch + Duration::from_secs(until);
        let key = KeyPair::generate().map_err(|_| EscrowError::Random)?;
        let certificate = params.self_signed(&key).map_err(|_| EscrowError::Random)?;
        Ok(Self {
            fingerprint: Fingerprint::of(certificate.der()),
            certificate: certificate.pem(),
            key: Zeroizing::new(key.serialize_pem()),
            until: UnixTime::new(until),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::fs;

    use oathburn_oath::Remedy as _;

    use super::*;

    const NOW: UnixTime = UnixTime::new(1_800_000_000);

    #[test]
    fn a_certificate_that_was_made_is_read_back() {
        let home = tempfile::tempdir().unwrap();
        let (chain, key) = (home.path().join("cert.pem"), home.path().join("key.pem"));
        let made = SelfSigned::new(&["desk.example.com".into(), "192.0.2.7".into()], NOW).unwrap();
        fs::write(&chain, &made.certificate).unwrap();
        fs::write(&key, made.key.as_bytes()).unwrap();
        let read = Certificate::load(&chain, &key).unwrap();
        assert_eq!(read.fingerprint, made.fingerprint);
        let shown = made.fingerprint.to_string();
        assert_eq!((shown.len(), shown.split(':').count()), (95, 32));
        assert!(!format!("{read:?}").contains("PRIVATE"));

        let other = SelfSigned::new(&["desk.example.com".into()], NOW).unwrap();
        fs::write(&key, other.key.as_bytes()).unwrap();
        assert_eq!(Certificate::load(&chain, &key).unwrap_err().code(), "certificate-refused");
        for (chain, key) in [(&key, &key), (&chain, &chain)] {
            assert_eq!(Certificate::load(chain, key).unwrap_err().code(), "certificate-refused");
        }
        let missing = home.path().join("missing.pem");
        assert_eq!(Certificate::load(&missing, &key).unwrap_err().code(), "certificate-file");
    }

    #[test]
    fn names_are_names_of_machines() {
        for name in ["desk 1", "", "a/b", "https://desk"] {
            assert_eq!(SelfSigned::new(&[name.into()], NOW).err().unwrap().code(), "host-name", "{name}");
        }
        assert_eq!(SelfSigned::new(&[], NOW).err().unwrap().code(), "host-name");
        assert!(SelfSigned::new(&["::1".into(), "localhost".into()], NOW).is_ok());
    }
}
