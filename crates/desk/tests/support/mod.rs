//! A desk that serves on a port of its own, and whoever asks it.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its own part, and may fail")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use oathburn_desk::{
    Certificate, Desk, DeskError, Fingerprint, Limits, Listening, SelfSigned, ServedCertificate, Settings, Stop, run,
};
use oathburn_escrow::{Escrow, Officer, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::{Clock, Seed, SystemClock, Totp, TotpParams, UnixTime};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

/// A folder with an escrow.
pub(crate) struct Home(pub(crate) TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let officer = Officer::generate().unwrap();
        officer.create_file(&home.path("officer.key"), None).unwrap();
        Escrow::init(&home.url(), &officer, &home.station(), &home.pins(), &who(), &SystemClock).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn url(&self) -> StoreUrl {
        StoreUrl::sqlite(self.path("escrow.db"))
    }

    fn pins(&self) -> Pins {
        Pins::new(self.path("pins"))
    }

    fn station(&self) -> StationKey {
        StationKey::load_or_create(&self.path("station.key")).unwrap()
    }

    pub(crate) fn escrow(&self, clock: &Arc<dyn Clock>) -> Escrow {
        Escrow::open(&self.url(), self.station(), &self.pins(), who(), Arc::clone(clock)).unwrap()
    }

    pub(crate) fn officer(&self) -> Officer {
        Officer::load(&self.path("officer.key"), None).unwrap()
    }

    pub(crate) fn desk(&self, clock: Arc<dyn Clock>, settings: Settings) -> Desk {
        let escrow = self.escrow(&clock);
        let opener = escrow.opener(self.officer()).unwrap();
        Desk::open(escrow, opener, clock, settings).unwrap()
    }

    /// A certificate for `localhost`, in files.
    pub(crate) fn certificate(&self) -> Certificate {
        let made = SelfSigned::new(&["localhost".into()], SystemClock.now()).unwrap();
        std::fs::write(self.path("cert.pem"), &made.certificate).unwrap();
        std::fs::write(self.path("key.pem"), made.key.as_bytes()).unwrap();
        Certificate::load(&self.path("cert.pem"), &self.path("key.pem")).unwrap()
    }
}

fn who() -> Writer {
    Writer { operator: None, uid: 1000, host: "desk".into() }
}

/// A desk that serves until it is dropped.
pub(crate) struct Server {
    pub(crate) home: Arc<Home>,
    pub(crate) address: SocketAddr,
    pub(crate) fingerprint: Option<Fingerprint>,
    stop: Stop,
    thread: Option<JoinHandle<Result<(), DeskError>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(Arc::new(Home::new()), false, Settings::default())
    }

    pub(crate) fn limited(limits: Limits) -> Self {
        Self::with(Arc::new(Home::new()), false, Settings { limits, ..Settings::default() })
    }

    pub(crate) fn over_tls() -> Self {
        Self::with(Arc::new(Home::new()), true, Settings::default())
    }

    pub(crate) fn with(home: Arc<Home>, tls: bool, settings: Settings) -> Self {
        Self::at(home, tls, settings, Arc::new(SystemClock))
    }

    /// One whose clock is not the system's.
    pub(crate) fn at(home: Arc<Home>, tls: bool, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let certificate = tls.then(|| home.certificate());
        let fingerprint = certificate.as_ref().map(|certificate| certificate.fingerprint);
        let (desk, stop) = (home.desk(clock, settings), Stop::new());
        let (sender, receiver) = channel::<Listening>();
        let inner = stop.clone();
        let thread = std::thread::spawn(move || {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            run(desk, any, certificate.map(ServedCertificate::new).as_ref(), &inner, |listening| {
                sender.send(listening).unwrap();
            })
        });
        let listening = receiver.recv().unwrap();
        assert_eq!(listening.tls, tls);
        Self { home, address: listening.address, fingerprint, stop, thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        // A server that says nothing at all has failed the test.
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    /// A connection over TLS, with a client of this configuration.
    pub(crate) fn connect_tls(&self, config: Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(config, name).unwrap(), self.connect())
    }

    /// A client that trusts this desk's certificate.
    pub(crate) fn client_config(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(self.home.path("cert.pem")).unwrap();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap();
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }

    /// Sends these bytes and reads all that comes back.
    pub(crate) fn raw(&self, request: &[u8]) -> Reply {
        if self.fingerprint.is_some() {
            exchange(&mut self.connect_tls(self.client_config(rustls::ALL_VERSIONS)), request)
        } else {
            exchange(&mut self.connect(), request)
        }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        if !body.is_empty() || method == "POST" {
            request.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        self.raw(&[request.as_bytes(), b"\r\n", body].concat())
    }

    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A clock that stands still until it is told otherwise.
pub(crate) struct HandClock(AtomicU64);

impl HandClock {
    /// One that begins now.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(SystemClock.now().seconds())))
    }

    /// Lets seconds pass.
    pub(crate) fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixTime {
        UnixTime::new(self.0.load(Ordering::SeqCst))
    }
}

/// A desk with a clock that is moved by hand, and an admin, `ada`.
pub(crate) struct Manned {
    pub(crate) server: Server,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) ada: Seed,
}

/// What everybody in these tests has for a password.
pub(crate) const PASSWORD: &str = "correct horse battery";

impl Manned {
    pub(crate) fn new() -> Self {
        Self::at(Arc::new(Home::new()), false)
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::at_with(Arc::new(Home::new()), false, settings)
    }

    pub(crate) fn at(home: Arc<Home>, tls: bool) -> Self {
        Self::at_with(home, tls, Settings::default())
    }

    fn at_with(home: Arc<Home>, tls: bool, settings: Settings) -> Self {
        let clock = HandClock::new();
        let desk = home.desk(clock.clone(), settings.clone());
        let (code, _) = desk.bootstrap("root", "Ada", false).unwrap();
        drop(desk);
        let server = Server::at(home, tls, settings, clock.clone());
        let (_, ada) = enrol(&server, &clock, "ada", &code);
        Self { server, clock, ada }
    }

    /// Lets a time step pass, so that there is a code that was not used, and signs somebody in.
    pub(crate) fn sign_in(&self, name: &str, seed: &Seed) -> Browser<'_> {
        self.clock.pass(30);
        let mut browser = Browser::new(&self.server);
        browser.get("/sign-in").expect(200);
        browser.sign_in(name, PASSWORD, &code(seed, &*self.clock)).expect(303);
        browser
    }

    pub(crate) fn admin(&self) -> Browser<'_> {
        self.sign_in("ada", &self.ada)
    }

    /// Somebody new with these roles, who is signed in.
    pub(crate) fn somebody(&self, name: &str, roles: &[&str]) -> (Browser<'_>, Seed) {
        let mut admin = self.admin();
        admin.get("/people").expect(200);
        let mut fields = vec![("name", name)];
        fields.extend(roles.iter().map(|role| (*role, "yes")));
        let invited = admin.post("/people", &fields).expect(200);
        enrol(&self.server, &self.clock, name, &between(&invited.body, "<code class=\"code\">", "</code>"))
    }
}

/// The code of a second factor.
pub(crate) fn code(seed: &Seed, clock: &dyn Clock) -> String {
    Totp::new(seed, TotpParams::default()).code_at(clock.now()).to_string()
}

/// Enrols somebody, who is signed in then.
pub(crate) fn enrol<'a>(server: &'a Server, clock: &HandClock, name: &str, given: &str) -> (Browser<'a>, Seed) {
    let mut browser = Browser::new(server);
    browser.get("/enrol").expect(200);
    let shown = browser.post("/enrol", &[("name", name), ("code", given)]).expect(200);
    let seed = Seed::from_base32(&between(&shown.body, "<code class=\"code\">", "</code>")).unwrap();
    let code = code(&seed, clock);
    let fields = [("name", name), ("password", PASSWORD), ("again", PASSWORD), ("code", &code)];
    browser.post("/enrol/finish", &fields).expect(303);
    (browser, seed)
}

/// What stands between two texts.
pub(crate) fn between(text: &str, before: &str, after: &str) -> String {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).unwrap().0.to_owned()
}

/// A browser without a script engine: it keeps a cookie and the token of the last form.
#[derive(Clone)]
pub(crate) struct Browser<'a> {
    pub(crate) server: &'a Server,
    pub(crate) cookie: Option<String>,
    pub(crate) token: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self { server, cookie: None, token: String::new() }
    }

    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut body = format!("form-token={}", self.token);
        for (name, value) in fields {
            body.extend(["&", name, "=", &encoded(value)]);
        }
        self.ask("POST", path, &[("Content-Type", "application/x-www-form-urlencoded")], body.as_bytes())
    }

    pub(crate) fn sign_in(&mut self, name: &str, password: &str, code: &str) -> Reply {
        self.post("/sign-in", &[("name", name), ("password", password), ("code", code)])
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut headers = headers.to_vec();
        let cookie = self.cookie.clone();
        headers.extend(cookie.as_deref().map(|cookie| ("Cookie", cookie)));
        let reply = self.server.ask(method, path, &headers, body);
        if let Some(cookie) = reply.header("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            self.cookie = Some(pair.to_owned()).filter(|pair| !pair.ends_with('='));
        }
        if reply.body.contains("name=\"form-token\"") {
            self.token = between(&reply.body, "name=\"form-token\" value=\"", "\"");
        }
        reply
    }
}

/// As forms are sent.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() {
            all.push(char::from(byte));
        } else {
            let _ = write!(all, "%{byte:02X}");
        }
        all
    })
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The reply, which must have this status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }
}

/// Sends a request and reads until the other side closes.
pub(crate) fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> Reply {
    // A server that has enough closes before it has read all.
    let _ = stream.write_all(request).and_then(|()| stream.flush());
    reply(stream)
}

pub(crate) fn reply(stream: &mut impl Read) -> Reply {
    let mut bytes = Vec::new();
    // Some close without saying so in TLS, or reset what they did not read: what came is the answer.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap_or(0);
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Reply { status, headers: lines.filter_map(pair).collect(), body: body.to_owned() }
}

/// The code of a station on the page that shows it.
pub(crate) fn code_of(mac: &str, page: &str) -> String {
    let row = page.split(mac).nth(1).unwrap();
    between(row, "data-label=\"Code\">", "<").replace(' ', "")
}
