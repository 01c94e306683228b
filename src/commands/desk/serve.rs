//! `oathburn desk serve`

use std::io::{IsTerminal as _, Write as _, stderr, stdin};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use oathburn_desk::work::LeaseTerms;
use oathburn_desk::{Certificate, Desk, DeskError, HelpdeskLimits, Listening, ServedCertificate, Settings, Stop, run};
use oathburn_escrow::{EscrowError, Officer};
use oathburn_oath::SystemClock;
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::certificate::default_files;
use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, printable};

/// The name of the credential that a unit of systemd hands over.
const CREDENTIAL: &str = "oathburn-passphrase";
/// The longest name of an organisation, in characters.
const MAX_ORGANISATION: usize = 100;

/// Serve the desk's pages, and the stations that ask it
///
/// The desk is an officer: its key is unlocked once, with --passphrase-file, with the systemd credential
/// `oathburn-passphrase`, or by asking. Without a certificate it is for this machine only, for instance for a proxy on
/// it. Ctrl-C and SIGTERM let what was begun come to its end; SIGHUP has a service read its certificate again after it
/// was renewed. Several desks may serve one escrow.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// The certificate, with its chain, in PEM [default: the one that `oathburn desk certificate` has made]
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Plain HTTP, even though there is a certificate: only on this machine
    #[arg(long, conflicts_with_all = ["cert", "key"])]
    plain: bool,
    /// Whose desk it is: shown on its pages and at stations
    #[arg(long, value_name = "NAME", default_value = "oathburn", value_parser = parse_organisation)]
    organisation: String,
    /// For how long a station may work on a line without being heard of
    #[arg(long, value_name = "N", default_value_t = 720, value_parser = clap::value_parser!(u32).range(1..=10_080))]
    lease_minutes: u32,
    /// A proxy that speaks TLS for the desk, and says in X-Forwarded-For whom it serves; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    proxy: Vec<IpAddr>,
    /// A machine beside this one that may read /metrics; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    metrics: Vec<IpAddr>,
    /// How often one clerk may ask for codes within an hour
    #[arg(long, value_name = "N", default_value_t = HelpdeskLimits::default().codes_per_clerk)]
    codes_per_clerk: usize,
    /// How often codes of one token may be asked for within a day
    #[arg(long, value_name = "N", default_value_t = HelpdeskLimits::default().codes_per_token)]
    codes_per_token: usize,
    /// How often one script may ask this desk within a second
    #[arg(long, value_name = "N", default_value_t = Settings::default().requests_per_script, value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_script: u32,
}

impl Serve {
    pub(crate) fn run(self, context: &Context) -> Result {
        let files = self.certificate_files(context);
        let certificate = files.as_ref().map(CertificateFiles::load).transpose()?.map(ServedCertificate::new);
        let leases = LeaseTerms { seconds: u64::from(self.lease_minutes) * 60, ..LeaseTerms::default() };
        let settings = Settings {
            organisation: self.organisation,
            proxies: self.proxy,
            metrics_for: self.metrics,
            requests_per_script: self.requests_per_script,
            helpdesk: HelpdeskLimits {
                codes_per_clerk: self.codes_per_clerk,
                codes_per_token: self.codes_per_token,
                ..HelpdeskLimits::default()
            },
            leases,
            ..Settings::default()
        };
        let desk = open(context, settings)?;
        let stop = Stop::new();
        // From here on a signal does not end the program, but the desk.
        let _deferred = context.defer_interrupts();
        // At a terminal it says that the terminal was closed: nobody means a desk to go on then, with an officer's key.
        let renewal = (!is_at_terminal()).then_some(SIGHUP);
        let mut signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(renewal)).map_err(|error| {
            let message = format!("failed to listen for signals: {error}");
            Failure::new(Exit::Bug, "signals", message, "")
        })?;
        let handle = signals.handle();
        std::thread::scope(|scope| {
            // However the desk ends, nobody listens for signals any more.
            let _closing = Closing(&handle);
            scope.spawn(|| {
                for signal in signals.forever() {
                    match (signal, &files, &certificate) {
                        (SIGHUP, Some(files), Some(certificate)) => renew(context, files, certificate),
                        (SIGHUP, ..) => context.talk.say("there is no certificate to read again"),
                        _ => stop.stop(),
                    }
                }
            });
            run(desk, self.listen, certificate.as_ref(), &stop, |listening| {
                announce(context, listening, certificate.as_ref());
            })
        })?;
        context.talk.say("the desk has ended");
        Ok(Outcome::new(Value::Null, ""))
    }

    fn certificate_files(&self, context: &Context) -> Option<CertificateFiles> {
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some(CertificateFiles { cert: cert.clone(), key: key.clone() }),
            _ if self.plain => None,
            _ => {
                let (cert, key) = default_files(context);
                cert.exists().then_some(CertificateFiles { cert, key })
            }
        }
    }
}

/// Whether somebody started it by hand, and sees what is said.
fn is_at_terminal() -> bool {
    stdin().is_terminal() || stderr().is_terminal()
}

/// Lets whoever listens for signals come to an end.
struct Closing<'a>(&'a Handle);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Where the certificate lies, so that it can be read again.
struct CertificateFiles {
    cert: PathBuf,
    key: PathBuf,
}

impl CertificateFiles {
    fn load(&self) -> std::result::Result<Certificate, DeskError> {
        Certificate::load(&self.cert, &self.key)
    }
}

/// Reads the certificate again. One that is not whole, or not of its key, changes nothing.
fn renew(context: &Context, files: &CertificateFiles, served: &ServedCertificate) {
    let line = match files.load() {
        Ok(certificate) => {
            let fingerprint = certificate.fingerprint.to_string();
            served.renew(certificate);
            context.talk.say(format_args!("the certificate was read again: its fingerprint is {fingerprint}"));
            json!({ "event": "certificate-renewed", "fingerprint": fingerprint })
        }
        Err(error) => {
            let failure = Failure::from(error);
            let message = printable(&failure.message);
            context.talk.warn(format_args!("the desk goes on with the certificate that it has: {message}"));
            let mut line = failure.to_json();
            line["event"] = "certificate-kept".into();
            line
        }
    };
    if context.globals.json {
        // Whoever started it may be gone already.
        let _ = writeln!(anstream::stdout().lock(), "{line}");
    }
}

/// It stands on slips, at stations, and in the code that people scan for their second factor, which holds no novel.
fn parse_organisation(text: &str) -> std::result::Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=MAX_ORGANISATION if !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(format!("1 to {MAX_ORGANISATION} characters, in one line")),
    }
}

/// The desk behind the pages.
pub(super) fn open(context: &Context, settings: Settings) -> std::result::Result<Desk, Failure> {
    let escrow = context.escrow()?;
    let opener = escrow.opener(officer(context)?)?;
    Ok(Desk::open(escrow, opener, Arc::new(SystemClock), settings)?)
}

/// The desk's key: a service manager hands its passphrase over, or it is found as every command finds it.
fn officer(context: &Context) -> std::result::Result<Officer, EscrowError> {
    let path = context.identity();
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| Path::new(&folder).join(CREDENTIAL));
    match credential.filter(|file| context.globals.passphrase_file.is_none() && file.exists()) {
        Some(file) if Officer::is_locked(&path)? => {
            let failed =
                |source| EscrowError::KeyFileIo { action: "read the passphrase from", path: file.clone(), source };
            Officer::load(&path, Some(&context.passphrase_from(&file).map_err(failed)?))
        }
        _ => context.officer(),
    }
}

/// Says where the desk is: to whoever started it, as one line.
fn announce(context: &Context, listening: Listening, certificate: Option<&ServedCertificate>) {
    let url = listening.to_string();
    let fingerprint = certificate.map(|certificate| certificate.now().fingerprint.to_string());
    if context.globals.json {
        let line = json!({ "url": url, "address": listening.address.to_string(), "fingerprint": fingerprint });
        // Whoever started it may be gone already.
        let _ = writeln!(anstream::stdout().lock(), "{line}");
        return;
    }
    context.talk.say(format_args!("the desk listens on {}", printable(&url)));
    if let Some(fingerprint) = fingerprint {
        context.talk.say(format_args!("its certificate's fingerprint is {fingerprint}"));
    }
}
