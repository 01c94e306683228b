//! A browser without a script engine that does what a page says in words: `open Stations`, `fill Name: ada`, `press Add`.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::html::{Html, Value};

pub(crate) struct Browser {
    address: String,
    config: Arc<ClientConfig>,
    cookie: Option<String>,
    /// Where files are taken from and put.
    folder: PathBuf,
    at: String,
    pub(crate) page: Html,
    /// What was filled in, until a button is pressed: by label.
    typed: Vec<(String, Value)>,
    download: Option<Vec<u8>>,
    /// The status of the answer that is expected.
    expected: u16,
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Browser {
    /// One that trusts this certificate.
    pub(crate) fn new(address: &str, certificate: &Path, folder: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Self {
            address: address.into(),
            config: Arc::new(config.with_root_certificates(roots).with_no_client_auth()),
            cookie: None,
            folder: folder.into(),
            at: "/".into(),
            page: Html::read(""),
            typed: Vec::new(),
            download: None,
            expected: 200,
        }
    }

    /// Does what a line says.
    pub(crate) fn obey(&mut self, line: &str) {
        let (verb, what) = line.split_once(' ').unwrap_or((line, ""));
        let pair = || what.split_once(": ").unwrap_or_else(|| panic!("{line}: no label"));
        match verb {
            "open" => {
                let place = match (what.strip_prefix("https://"), what.strip_prefix("the line of ")) {
                    (Some(url), _) => url.find('/').map_or("/", |at| &url[at..]).to_owned(),
                    (None, Some(text)) => self.page.link_in_row(text),
                    (None, None) => self.page.link(what),
                };
                self.ask("GET", &place, "", b"");
            }
            "fill" => self.typed.push((pair().0.into(), Value::Text(pair().1.into()))),
            "choose" => self.typed.push((pair().0.into(), Value::Option(pair().1.into()))),
            "tick" => self.typed.push((what.into(), Value::Tick)),
            "file" => {
                let bytes = std::fs::read(self.folder.join(pair().1)).unwrap();
                self.typed.push((pair().0.into(), Value::File(pair().1.into(), bytes)));
            }
            "press" => self.press(what),
            "see" => assert!(self.page.text().contains(what), "{what} is not on {}: {}", self.at, self.page.text()),
            "save" => {
                std::fs::write(self.folder.join(what), self.download.take().expect("nothing came to save")).unwrap();
            }
            _ => panic!("nobody knows how to {line}"),
        }
    }

    /// Does what a line says, and gets this status instead of a page.
    pub(crate) fn refused(&mut self, line: &str, status: u16) {
        self.expected = status;
        self.obey(line);
        self.expected = 200;
    }

    fn press(&mut self, button: &str) {
        let form = self.page.submit(button, std::mem::take(&mut self.typed));
        let action = if form.action.is_empty() { self.at.clone() } else { form.action.clone() };
        let encoded = || {
            let pair = |(name, value): &(String, Value)| format!("{}={}", encode(name), encode(value.text()));
            form.fields.iter().map(pair).collect::<Vec<_>>().join("&")
        };
        if !form.is_post {
            return self.ask("GET", &format!("{action}?{}", encoded()), "", b"");
        }
        if !form.is_multipart {
            return self.ask("POST", &action, "application/x-www-form-urlencoded", encoded().as_bytes());
        }
        let mut body = Vec::new();
        for (name, value) in &form.fields {
            let file = match value {
                Value::File(file, _) => format!("; filename=\"{file}\"\r\nContent-Type: text/csv"),
                _ => String::new(),
            };
            body.extend(format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
            body.extend(value.bytes());
            body.extend(b"\r\n");
        }
        body.extend(b"--x--\r\n");
        self.ask("POST", &action, "multipart/form-data; boundary=x", &body);
    }

    /// Asks, goes where it is sent, and shows what comes; a file is kept until it is saved.
    fn ask(&mut self, method: &str, place: &str, kind: &str, body: &[u8]) {
        let (mut place, mut reply) = (place.to_owned(), self.exchange(method, place, kind, body));
        while let (303, Some(to)) = (reply.status, reply.header("location").map(ToOwned::to_owned)) {
            reply = self.exchange("GET", &to, "", b"");
            place = to;
        }
        let text = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, self.expected, "{method} {place}: {text}");
        if reply.header("content-disposition").is_some_and(|how| how.starts_with("attachment")) {
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{place}");
            self.download = Some(reply.body);
        } else {
            (self.page, self.at) = (Html::read(&text), place);
        }
    }

    fn exchange(&mut self, method: &str, place: &str, kind: &str, body: &[u8]) -> Reply {
        let (host, _) = self.address.rsplit_once(':').unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(&self.address).unwrap());
        let mut head = format!("{method} {place} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if let Some(cookie) = &self.cookie {
            let _ = write!(head, "Cookie: {cookie}\r\n");
        }
        if method == "POST" {
            let (host, len) = (&self.address, body.len());
            let _ = write!(head, "Origin: https://{host}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: {kind}\r\n");
            let _ = write!(head, "Content-Length: {len}\r\n");
        }
        stream.write_all(&[head.as_bytes(), b"\r\n", body].concat()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end =
            answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| panic!("{place}: no answer"));
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let reply = Reply { status, headers: lines.filter_map(pair).collect(), body: answer.split_off(end + 4) };
        if let Some(cookie) = reply.header("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            self.cookie = Some(pair.to_owned()).filter(|pair| !pair.ends_with('='));
        }
        reply
    }
}

/// As forms are sent.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) {
            all.push(char::from(byte));
        } else {
            let _ = write!(all, "%{byte:02X}");
        }
        all
    })
}
