//! Requests to a desk over TLS, once it has been recognised.

use std::io;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, StreamOwned};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, TcpConnector,
    Transport, TransportAdapter,
};

use super::{ClientError, Pin, ProxyUrl};
use crate::protocol::{MAX_ANSWER, Refusal};

/// In what time a connection must stand, TLS included.
const CONNECT_TIME: Duration = Duration::from_secs(15);
/// In what time an answer must be there that is not held back.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// The longest message of a desk that is shown, in characters.
const MAX_MESSAGE: usize = 300;

/// Where a desk is: `https://HOST` or `https://HOST:PORT`; `http://` on this machine only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeskUrl(String);

impl DeskUrl {
    /// The address as a text, without a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeskUrl {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let text = text.trim();
        let refused = || ClientError::UrlRefused { url: text.chars().take(200).collect() };
        let uri: ureq::http::Uri = text.parse().map_err(|_| refused())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(refused)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || authority.host().is_empty() {
            return Err(refused());
        }
        match uri.scheme_str() {
            Some("https") => Ok(Self(format!("https://{authority}").to_lowercase())),
            Some("http") if is_this_machine(authority.host()) => Ok(Self(format!("http://{authority}").to_lowercase())),
            Some("http") => Err(ClientError::PlainRefused { url: text.chars().take(200).collect() }),
            _ => Err(refused()),
        }
    }
}

/// Only addresses: what a name stands for, others can decide.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

impl From<DeskUrl> for String {
    fn from(url: DeskUrl) -> Self {
        url.0
    }
}

impl TryFrom<String> for DeskUrl {
    type Error = ClientError;

    fn try_from(text: String) -> Result<Self, ClientError> {
        text.parse()
    }
}

/// How a desk is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// By who has signed its certificate.
    System,
    /// By its fingerprint; names and dates in the certificate do not matter.
    Pinned(Pin),
}

/// A desk that can be asked. Connections are kept open between requests.
pub struct Connection {
    url: DeskUrl,
    trust: Trust,
    proxy: Option<ProxyUrl>,
    agent: ureq::Agent,
    seen: Seen,
}

/// The fingerprint of the certificate that was shown last.
type Seen = Arc<Mutex<Option<[u8; 32]>>>;

impl Connection {
    /// A desk. Nothing is sent yet.
    pub fn new(url: DeskUrl, trust: Trust) -> Result<Self, ClientError> {
        Self::through(url, trust, None)
    }

    /// A desk that is reached through a proxy. Nothing is sent yet.
    pub fn through(url: DeskUrl, trust: Trust, proxy: Option<ProxyUrl>) -> Result<Self, ClientError> {
        if proxy.is_some() && url.0.starts_with("http://") {
            // To the proxy this machine is another one.
            return Err(ClientError::PlainRefused { url: url.0 });
        }
        let seen = Seen::default();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Another place is another desk.
            .max_redirects(0)
            // What the environment says of proxies is not asked: it would change with who works at the station.
            .proxy(proxy.as_ref().map(ProxyUrl::proxy).transpose()?)
            .timeout_connect(Some(CONNECT_TIME))
            .user_agent(concat!("oathburn/", env!("CARGO_PKG_VERSION")))
            .build();
        let tls = Tls(Arc::new(tls_config(&trust, &seen)?));
        let way = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default()).chain(tls);
        let agent = ureq::Agent::with_parts(config, way, DefaultResolver::default());
        Ok(Self { url, trust, proxy, agent, seen })
    }

    /// Which desk.
    pub fn url(&self) -> &DeskUrl {
        &self.url
    }

    /// The proxy that it is reached through.
    pub fn proxy(&self) -> Option<&ProxyUrl> {
        self.proxy.as_ref()
    }

    /// How it is recognised.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Asks, and reads an answer of this protocol. `held` is for how long the desk was asked to hold it back, in seconds.
    pub fn ask<T: DeserializeOwned>(
        &self,
        request: (&str, &str, &[u8]),
        authorization: Option<&str>,
        held: u32,
    ) -> Result<T, ClientError> {
        self.ask_within(request, authorization, held, MAX_ANSWER)
    }

    /// The same with a limit of one's own for the answer, in bytes.
    pub fn ask_within<T: DeserializeOwned>(
        &self,
        request: (&str, &str, &[u8]),
        authorization: Option<&str>,
        held: u32,
        limit: usize,
    ) -> Result<T, ClientError> {
        let (status, body) = self.exchange(request, authorization, held, limit)?;
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|_| ClientError::AnswerUnreadable);
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if let Some(refusal) = Refusal::from_json(&body) {
            return Err(refusal.into());
        }
        let message = body["error"]["message"].as_str().unwrap_or("this is no answer of a desk");
        Err(ClientError::DeskFailed { status, message: message.chars().take(MAX_MESSAGE).collect() })
    }

    /// The status of the answer, and its bytes.
    fn exchange(
        &self,
        (method, target, body): (&str, &str, &[u8]),
        authorization: Option<&str>,
        held: u32,
        limit: usize,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.url.as_str()))
            .header("accept", "application/json");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let time = Some(ANSWER_TIME + Duration::from_secs(held.into()));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let answer = if body.is_empty() {
            let request = request.body(()).map_err(|_| ClientError::AnswerUnreadable)?;
            self.agent.run(self.agent.configure_request(request).timeout_global(time).build())
        } else {
            let request = request.body(body).map_err(|_| ClientError::AnswerUnreadable)?;
            self.agent.run(self.agent.configure_request(request).timeout_global(time).build())
        };
        let mut answer = answer.map_err(|error| self.failed(&error))?;
        let status = answer.status().as_u16();
        let read = answer.body_mut().with_config().limit(limit as u64).read_to_vec();
        let bytes = read.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => ClientError::AnswerUnreadable,
            other => self.failed(&other),
        })?;
        Ok((status, bytes))
    }

    /// Whether it was the certificate, or the way.
    fn failed(&self, error: &ureq::Error) -> ClientError {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Some(found)) = (is_certificate(error), seen) {
            let found = pin_of(&found);
            return match &self.trust {
                Trust::System => ClientError::CertificateUnknown { fingerprint: found },
                Trust::Pinned(expected) => ClientError::CertificateOther { expected: expected.clone(), found },
            };
        }
        let reason = match error {
            ureq::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        ClientError::Unreachable { desk: self.url.as_str().into(), reason }
    }
}

/// All of a fingerprint.
fn pin_of(fingerprint: &[u8; 32]) -> Pin {
    data_encoding::HEXLOWER.encode(fingerprint).parse().expect("64 hex digits")
}

fn is_certificate(error: &ureq::Error) -> bool {
    let of_rustls = |error: &rustls::Error| matches!(error, rustls::Error::InvalidCertificate(_));
    match error {
        ureq::Error::Rustls(error) => of_rustls(error),
        ureq::Error::Io(error) => {
            error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some_and(of_rustls)
        }
        _ => false,
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("url", &self.url).field("trust", &self.trust).finish_non_exhaustive()
    }
}

fn tls_config(trust: &Trust, seen: &Seen) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(ring::default_provider());
    let judge = match trust {
        Trust::Pinned(pin) => Judge::Pin(pin.clone()),
        Trust::System => match system_roots(&provider) {
            Some(verifier) => Judge::Roots(verifier),
            None => Judge::Nobody,
        },
    };
    let verifier = Verifier { judge, seen: Arc::clone(seen), provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|_| ClientError::AnswerUnreadable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Whom the system trusts; nothing where it trusts nobody.
fn system_roots(provider: &Arc<CryptoProvider>) -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().ok()
}

#[derive(Debug)]
enum Judge {
    Pin(Pin),
    Roots(Arc<WebPkiServerVerifier>),
    Nobody,
}

/// Judges the desk's certificate, and remembers which it was: whoever stands before a refusal needs to know.
#[derive(Debug)]
struct Verifier {
    judge: Judge,
    seen: Seen,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let fingerprint: [u8; 32] = Sha256::digest(end_entity).into();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
        let refused = || Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        match &self.judge {
            Judge::Pin(pin) if pin.matches(&fingerprint) => Ok(ServerCertVerified::assertion()),
            Judge::Pin(_) | Judge::Nobody => refused(),
            Judge::Roots(roots) => roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS around a connection, with our own judgement: ureq's configuration knows no fingerprints.
struct Tls(Arc<ClientConfig>);

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|_| ureq::Error::Tls("not the name of a machine"))?;
        let mut conn = ClientConnection::new(Arc::clone(&self.0), name)?;
        let mut sock = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        sock.set_timeout(details.timeout);
        // Before a byte of the request is written.
        conn.complete_io(&mut sock)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream: StreamOwned { conn, sock } })))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = &self.buffers.output()[..amount];
        io::Write::write_all(&mut self.stream, output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = io::Read::read(&mut self.stream, input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsTransport")
    }
}

#[cfg(test)]
mod tests {
    use oathburn_oath::Remedy as _;

    use super::*;

    #[test]
    fn a_desk_is_reached_over_tls_or_on_this_machine() {
        let url = |text: &str| text.parse::<DeskUrl>().map(String::from).map_err(|error| error.code());
        assert_eq!(url("https://Desk.example.com:8443/"), Ok("https://desk.example.com:8443".into()));
        assert_eq!(url(" https://[2001:db8::7] "), Ok("https://[2001:db8::7]".into()));
        assert_eq!(url("http://127.0.0.1:8443"), Ok("http://127.0.0.1:8443".into()));
        assert_eq!(url("http://[::1]:8443"), Ok("http://[::1]:8443".into()));
        for plain in ["http://desk.example.com", "http://localhost", "http://127.0.0.1.example.com", "http://192.0.2.1"]
        {
            assert_eq!(url(plain), Err("desk-url-plain"), "{plain}");
        }
        for other in [
            "",
            "desk",
            "desk:8443",
            "ftp://desk",
            "https://",
            "https://me@desk",
            "https://desk/x",
            "https://desk?x",
            "https://de sk",
        ] {
            assert_eq!(url(other), Err("desk-url"), "{other}");
        }
    }
}
