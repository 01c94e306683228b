//! The way to a server: TLS, with a certificate that is looked at.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::Fault;
use crate::EscrowError;

/// What reaches servers whose certificates were signed by one in the file, or one of the system, for their name.
pub(super) fn connector(root: Option<&Path>, fault: &Fault) -> Result<MakeRustlsConnect, EscrowError> {
    let refused = |detail: String| EscrowError::StoreTls { store: fault.store.clone(), detail };
    let mut roots = RootCertStore::empty();
    if let Some(path) = root {
        let unreadable = |error: rustls::pki_types::pem::Error| refused(format!("{}: {error}", path.display()));
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            let added = roots.add(certificate.map_err(unreadable)?);
            added.map_err(|error| refused(format!("{}: {error}", path.display())))?;
        }
        if roots.is_empty() {
            return Err(refused(format!("{} holds no certificate", path.display())));
        }
    } else {
        // Those that cannot be read sign nothing.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(refused("this system has no certificates; say sslrootcert=FILE".into()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| refused(error.to_string()))?;
    Ok(MakeRustlsConnect::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
