//! A certificate for a server, and the authority that vouches for it.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// Made anew for each server; its standbys share it.
#[derive(Clone)]
pub(super) struct Certificate {
    /// What clients are to trust.
    pub(super) authority: String,
    pub(super) chain: String,
    pub(super) key: String,
}

impl Certificate {
    /// For a server at these names and addresses.
    pub(super) fn make(names: &[&str]) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "authority of a private PostgreSQL");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "private PostgreSQL");
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Self { authority: issuer.pem(), chain: certificate.pem(), key: key.serialize_pem() })
    }
}
