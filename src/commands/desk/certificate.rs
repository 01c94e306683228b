//! `oathburn desk certificate`

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use oathburn_desk::SelfSigned;
use oathburn_oath::{Clock as _, SystemClock};
use serde_json::json;

use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::new_file::NewFile;
use crate::output::{Outcome, rfc3339};

/// Make a certificate for the desk that nobody else has signed
///
/// Stations know it by its fingerprint, which is printed; browsers ask before they trust it, and show the same one. It is
/// good for ten years. Nothing is overwritten. Where your organisation has an authority for certificates, take one from
/// it instead.
#[derive(Args, Debug)]
pub(crate) struct Certificate {
    /// The desk's DNS name or IP address, as it stands in its URL; more than one may be given
    #[arg(long, value_name = "NAME", required = true)]
    host: Vec<String>,
    /// The file of the certificate [default: desk-cert.pem in your data folder]
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The file of its key [default: desk-key.pem in your data folder]
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// The files where nobody names others.
pub(super) fn default_files(context: &Context) -> (PathBuf, PathBuf) {
    (context.folder().join("desk-cert.pem"), context.folder().join("desk-key.pem"))
}

impl Certificate {
    pub(crate) fn run(self, context: &Context) -> Result {
        let made = SelfSigned::new(&self.host, SystemClock.now())?;
        let (cert, key) = if let (Some(cert), Some(key)) = (self.cert, self.key) {
            (cert, key)
        } else {
            context.make_folder()?;
            default_files(context)
        };
        // Both files can be made, or neither is.
        let (key_file, cert_file) = (written(&key, made.key.as_bytes())?, written(&cert, made.certificate.as_bytes())?);
        key_file.finish().map_err(|error| failed(&key, &error))?;
        cert_file.finish().map_err(|error| failed(&cert, &error))?;
        let (fingerprint, until) = (made.fingerprint.to_string(), rfc3339(made.until));
        let (cert, key) = (cert.display().to_string(), key.display().to_string());
        let text = format!("certificate {cert}\nkey {key}\ngood until {until}\nfingerprint {fingerprint}\n");
        let json = json!({ "certificate": cert, "key": key, "valid_until": until, "fingerprint": fingerprint });
        Ok(Outcome::new(json, text))
    }
}

fn written(path: &Path, text: &[u8]) -> std::result::Result<NewFile, Failure> {
    let mut file = NewFile::create(path).map_err(|error| failed(path, &error))?;
    file.write_all(text).map_err(|error| failed(path, &error))?;
    Ok(file)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    if error.kind() == io::ErrorKind::AlreadyExists {
        let message = format!("{path} exists already");
        return Failure::new(
            Exit::NotPermitted,
            "certificate-exists",
            message,
            "stations know the desk by its certificate: move the old files away if you mean to replace it",
        );
    }
    let message = format!("failed to write {path}: {error}");
    Failure::new(Exit::Input, "certificate-unwritten", message, "check the folder and its rights")
}
