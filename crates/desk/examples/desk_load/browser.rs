//! A browser without a script engine, as cheap as can be: it shares the processors with the desk that is measured.

use std::time::{Duration, Instant};

use oathburn_oath::{Clock as _, Seed, SystemClock, Totp, TotpParams};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Outcome;

const PASSWORD: &str = "correct+horse+battery";
/// What stands before a code, and nowhere else.
const CODE: &[u8] = b"<td class=\"code\"";

/// One connection, which is kept.
pub(crate) struct Browser {
    stream: TlsStream<TcpStream>,
    cookie: String,
    token: String,
    sent: Vec<u8>,
    read: Vec<u8>,
}

/// An answer, as it lies in what was read.
struct Answer<'a> {
    status: u16,
    head: &'a str,
    body: &'a [u8],
}

impl Browser {
    pub(crate) async fn open(address: &str, tls: &TlsConnector) -> Outcome<Self> {
        let stream = connect(address, tls).await?;
        Ok(Self { stream, cookie: String::new(), token: String::new(), sent: Vec::new(), read: vec![0; 1 << 16] })
    }

    /// A desk closes a connection on which nothing comes for a while.
    pub(crate) async fn reopen(&mut self, address: &str, tls: &TlsConnector) -> Outcome<()> {
        self.stream = connect(address, tls).await?;
        Ok(())
    }

    async fn exchange(&mut self, (method, path): (&str, &str), fields: &str) -> Outcome<Answer<'_>> {
        let (cookie, token) = (&self.cookie, &self.token);
        let form = if fields.is_empty() { "" } else { "form-token=" };
        let (token, and) = if fields.is_empty() { ("", "") } else { (token.as_str(), "&") };
        let length = form.len() + token.len() + and.len() + fields.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n\
             {form}{token}{and}{fields}"
        );
        self.sent.clear();
        self.sent.extend(request.as_bytes());
        self.stream.write_all(&self.sent).await?;
        let (mut got, mut whole) = (0, None);
        let (head, end) = loop {
            got += match self.stream.read(&mut self.read[got..]).await? {
                0 => return Err("the desk has closed the connection".into()),
                bytes => bytes,
            };
            if whole.is_none() {
                whole = length_of(&self.read[..got])?;
            }
            if let Some((head, length)) = whole
                && got >= head + length
            {
                break (head, head + length);
            }
        };
        let body = &self.read[head..end];
        let head = std::str::from_utf8(&self.read[..head])?;
        Ok(Answer { status: head.split(' ').nth(1).unwrap_or_default().parse()?, head, body })
    }

    /// Asks, and keeps the cookie and the token that come back.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, fields: &str) -> Outcome<(u16, String)> {
        let answer = self.exchange((method, path), fields).await?;
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.map(|cookie| cookie.split(';').next().unwrap_or_default().to_owned());
        let (status, body) = (answer.status, String::from_utf8(answer.body.to_vec())?);
        if let Some(cookie) = cookie {
            self.cookie = cookie;
        }
        if let Some((_, rest)) = body.split_once("name=\"form-token\" value=\"") {
            rest.split('"').next().unwrap_or_default().clone_into(&mut self.token);
        }
        Ok((status, body))
    }

    pub(crate) async fn enrol(&mut self, name: &str, given: &str) -> Outcome<()> {
        self.ask("GET", "/enrol", "").await?;
        let (_, shown) = self.ask("POST", "/enrol", &format!("name={name}&code={given}")).await?;
        let code = Totp::new(&Seed::from_base32(secret(&shown)?)?, TotpParams::default()).code_at(SystemClock.now());
        let fields = format!("name={name}&password={PASSWORD}&again={PASSWORD}&code={code}");
        let (status, page) = self.ask("POST", "/enrol/finish", &fields).await?;
        if status == 303 { Ok(()) } else { Err(format!("{name} is not let in: {status} {page}").into()) }
    }

    /// Asks for the code of a token; how long that took from `due` on.
    pub(crate) async fn code(&mut self, entry: &str, due: Instant) -> Outcome<Duration> {
        let path = format!("/helpdesk/token/{entry}/codes");
        let answer = self.exchange(("POST", &path), "reason=token+is+in+the+post&ticket=INC-7").await?;
        if answer.status == 200 && answer.body.windows(CODE.len()).any(|window| window == CODE) {
            return Ok(due.elapsed());
        }
        Err(format!("{}: {}", answer.status, String::from_utf8_lossy(answer.body)).into())
    }
}

async fn connect(address: &str, tls: &TlsConnector) -> Outcome<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(tls.connect(ServerName::try_from("localhost")?, stream).await?)
}

/// Where the head of an answer ends, when it has come, and how long the body is.
fn length_of(read: &[u8]) -> Outcome<Option<(usize, usize)>> {
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&read[..end])?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(Some((end + 4, length.ok_or("an answer without a length")?.parse()?)))
}

pub(crate) fn secret(page: &str) -> Outcome<&str> {
    let rest = page.split_once("<code class=\"code\">").ok_or_else(|| format!("nothing is shown: {page}"))?.1;
    Ok(rest.split('<').next().unwrap_or_default())
}
