//! What a desk bears, for `cargo xtask bench desk`: clerks who ask for codes over TLS, and stations that wait.
//!
//! `desk_load PROGRAM FOLDER TOKENS CLERKS STATIONS SECONDS [STORE]` makes an escrow in FOLDER with the program `oathburn`, has it
//! serve, lets everybody in as they are let in, and prints one JSON object. Clerks ask at a rate first: an answer's time counts
//! from when it was to be asked for. Then each asks again as soon as it is answered.
#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oathburn_desk::client::{Connection, LetIn, OwnStation, StationHome, Trust, provision};
use oathburn_desk::stations::csv::StationRow;
use oathburn_desk::stations::{CodeLength, CodeOrder, MacId, Register};
use oathburn_desk::{Desk, Settings};
use oathburn_escrow::{Escrow, Officer, Pins, StationKey, StoreUrl, Writer};
use oathburn_oath::{Clock as _, Seed, SystemClock, Totp, TotpParams};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is aimed at, in requests a second.
const RATE: u32 = 2000;
const PASSWORD: &str = "correct+horse+battery";

/// The desk, and all that it was made with.
struct Site {
    program: PathBuf,
    home: PathBuf,
    store: Option<String>,
}

impl Site {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("HOME", &self.home).stdin(Stdio::null()).stderr(Stdio::inherit());
        command.envs(self.store.as_ref().map(|store| ("OATHBURN_STORE", store)));
        command
    }

    fn json(&self, arguments: &[&str]) -> Outcome<Value> {
        let output = self.command(arguments).arg("--json").output()?;
        if !output.status.success() {
            return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stdout)).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.home.join(".local/share/oathburn").join(name)
    }

    /// Tokens of users, from a list as makers deliver it.
    fn fill(&self, tokens: usize) -> Outcome<Vec<String>> {
        let mut list = String::from("upn,serial number,secret key,time interval,manufacturer,model\n");
        for number in 0..tokens {
            let seed = Seed::generate(20)?.to_base32();
            writeln!(list, ",23{number:011},{},30,Token2,C202", seed.as_str())?;
        }
        let file = self.home.join("tokens.csv");
        std::fs::write(&file, list)?;
        self.json(&["import", file.to_str().ok_or("a folder of another encoding")?])?;
        let entries = self.json(&["escrow", "list"])?;
        let ids = entries.as_array().into_iter().flatten().filter_map(|entry| entry["entry"].as_str());
        Ok(ids.map(ToOwned::to_owned).collect())
    }

    /// The register of stations, as another desk of the same escrow has it.
    fn desk(&self) -> Outcome<Desk> {
        let url: StoreUrl = match &self.store {
            Some(store) => store.parse()?,
            None => StoreUrl::sqlite(self.data("escrow.db")),
        };
        let clock = Arc::new(SystemClock);
        let station = StationKey::load_or_create(&self.home.join("second.key"))?;
        let who = Writer { operator: None, uid: 0, host: "second".into() };
        let escrow = Escrow::open(&url, station, &Pins::new(self.home.join("pins")), who, clock.clone())?;
        let opener = escrow.opener(Officer::load(&self.data("officer.key"), None)?)?;
        Ok(Desk::open(escrow, opener, clock, Settings::default())?)
    }
}

/// The program while it serves.
struct Serving {
    child: Child,
    ready: Value,
}

impl Serving {
    fn start(site: &Site) -> Outcome<Self> {
        let most = "100000000";
        // Everybody here has one address.
        let arguments = ["--json", "desk", "serve", "--listen", "127.0.0.1:0", "--proxy", "127.0.0.1"];
        let limits = ["--codes-per-clerk", most, "--codes-per-token", most];
        let mut child = site.command(&[&arguments[..], &limits].concat()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        Ok(Self { ready: serde_json::from_str(&line)?, child })
    }

    /// A line of its status, in KiB, and what it has used of the processor, in seconds.
    fn kib(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    fn processor(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let fields: Vec<f64> = stat.rsplit_once(") ")?.1.split(' ').filter_map(|field| field.parse().ok()).collect();
        // The state is no number: utime and stime are the 12th and 13th after it, in hundredths.
        Some((fields.get(10)? + fields.get(11)?) / 100.0)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser without a script engine, on one connection that is kept.
struct Browser {
    stream: TlsStream<TcpStream>,
    cookie: String,
    token: String,
    read: Vec<u8>,
}

impl Browser {
    async fn open(address: &str, tls: &TlsConnector) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = tls.connect(ServerName::try_from("localhost")?, stream).await?;
        Ok(Self { stream, cookie: String::new(), token: String::new(), read: vec![0; 1 << 16] })
    }

    /// A desk closes a connection on which nothing comes for a while.
    async fn reopen(&mut self, address: &str, tls: &TlsConnector) -> Outcome<()> {
        self.stream = Self::open(address, tls).await?.stream;
        Ok(())
    }

    async fn ask(&mut self, method: &str, path: &str, fields: &str) -> Outcome<(u16, String)> {
        let body = if fields.is_empty() { String::new() } else { format!("form-token={}&{fields}", self.token) };
        let (cookie, length) = (&self.cookie, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        let mut got = 0;
        let (head, body) = loop {
            got += match self.stream.read(&mut self.read[got..]).await? {
                0 => return Err("the desk has closed the connection".into()),
                bytes => bytes,
            };
            let text = std::str::from_utf8(&self.read[..got])?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.ok_or("an answer without a length")?.parse()? {
                break (head, body);
            }
        };
        if let Some(cookie) = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")) {
            cookie.split(';').next().unwrap_or_default().clone_into(&mut self.cookie);
        }
        if let Some((_, rest)) = body.split_once("name=\"form-token\" value=\"") {
            rest.split('"').next().unwrap_or_default().clone_into(&mut self.token);
        }
        let status = head.split(' ').nth(1).unwrap_or_default().parse()?;
        Ok((status, body.to_owned()))
    }

    async fn enrol(&mut self, name: &str, given: &str) -> Outcome<()> {
        self.ask("GET", "/enrol", "").await?;
        let (_, shown) = self.ask("POST", "/enrol", &format!("name={name}&code={given}")).await?;
        let code = Totp::new(&Seed::from_base32(secret(&shown)?)?, TotpParams::default()).code_at(SystemClock.now());
        let fields = format!("name={name}&password={PASSWORD}&again={PASSWORD}&code={code}");
        let (status, page) = self.ask("POST", "/enrol/finish", &fields).await?;
        if status == 303 { Ok(()) } else { Err(format!("{name} is not let in: {status} {page}").into()) }
    }

    /// Asks for the code of a token; how long that took from `due` on.
    async fn code(&mut self, entry: &str, due: Instant) -> Outcome<Duration> {
        let path = format!("/helpdesk/token/{entry}/codes");
        let (status, page) = self.ask("POST", &path, "reason=token+is+in+the+post&ticket=INC-7").await?;
        if status == 200 && page.contains("<td class=\"code\"") {
            return Ok(due.elapsed());
        }
        Err(format!("{status}: {page}").into())
    }
}

fn secret(page: &str) -> Outcome<&str> {
    let rest = page.split_once("<code class=\"code\">").ok_or_else(|| format!("nothing is shown: {page}"))?.1;
    Ok(rest.split('<').next().unwrap_or_default())
}

/// Admin and clerks, as the desk lets people in.
async fn people(site: &Site, address: &str, tls: &TlsConnector, clerks: usize) -> Outcome<Vec<Browser>> {
    let first = site.json(&["desk", "bootstrap", "ada"])?;
    let mut ada = Browser::open(address, tls).await?;
    ada.enrol("ada", first["enrolment_code"].as_str().ok_or("no code")?).await?;
    let mut all = Vec::new();
    for number in 0..clerks {
        let name = format!("clerk{number}");
        ada.ask("GET", "/people", "").await?;
        let (_, invited) = ada.ask("POST", "/people", &format!("name={name}&helpdesk=yes")).await?;
        let mut clerk = Browser::open(address, tls).await?;
        clerk.enrol(&name, secret(&invited)?).await?;
        clerk.ask("GET", "/helpdesk/identify", "").await?;
        all.push(clerk);
    }
    Ok(all)
}

/// Has all clerks ask for so long: at a rate, or without a pause. They come back with how long each answer took.
async fn ask(
    mut clerks: Vec<Browser>,
    (address, tls): (&str, &TlsConnector),
    entries: &Arc<Vec<String>>,
    time: Duration,
    rate: Option<u32>,
) -> Outcome<(Vec<Browser>, Value)> {
    for clerk in &mut clerks {
        clerk.reopen(address, tls).await?;
    }
    let count = u32::try_from(clerks.len())?;
    let start = Instant::now() + Duration::from_millis(100);
    let mut tasks = Vec::new();
    for (mut clerk, number) in clerks.into_iter().zip(0_u32..) {
        let entries = Arc::clone(entries);
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            for round in 0_u32.. {
                let place = (round as usize * count as usize + number as usize) % entries.len();
                let due = match rate {
                    Some(rate) => start + Duration::from_secs(1) * (round * count + number) / rate,
                    None => Instant::now().max(start),
                };
                if due >= start + time {
                    break;
                }
                tokio::time::sleep_until(due.into()).await;
                times.push(clerk.code(&entries[place], due).await?);
            }
            Outcome::Ok((clerk, times))
        }));
    }
    let (mut back, mut times) = (Vec::new(), Vec::new());
    for task in tasks {
        let (clerk, more) = task.await??;
        back.push(clerk);
        times.extend(more);
    }
    let spent = start.elapsed();
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(place).map(Duration::as_micros)
    };
    let told = json!({
        "answers": times.len(), "us": spent.as_micros(), "p50_us": at(50), "p99_us": at(99), "longest_us": at(100),
    });
    Ok((back, told))
}

/// Lets so many stations in, each with keys of its own, and has them wait for news until the program ends.
fn stations(site: &Site, ready: &Value, count: usize) -> Outcome<()> {
    let desk = site.desk()?;
    let register: &Register = desk.register();
    let mac = |number: usize| -> Outcome<MacId> {
        let [.., high, low] = number.to_be_bytes();
        Ok(MacId::new([0x02, 0, 0, 1, high, low])?)
    };
    let row = |number: usize| Ok(StationRow { row: number + 2, mac: mac(number)?, location: "Ulm".into() });
    let macs = register.add("ada", &(0..count).map(row).collect::<Outcome<Vec<_>>>()?)?;
    let order = CodeOrder { length: CodeLength::LONGEST, life: 86_400, shared: false };
    let codes = register.make_codes("ada", &macs, order)?.codes;
    let url: oathburn_desk::client::DeskUrl =
        ready["url"].as_str().ok_or("no url")?.replace("127.0.0.1", "localhost").parse()?;
    let trust = Trust::Pinned(ready["fingerprint"].as_str().ok_or("no fingerprint")?.parse()?);
    let mut homes = Vec::new();
    let connection = Connection::new(url, trust)?;
    for issued in codes {
        let home = StationHome::new(site.home.join(format!("stations/{}", issued.mac)));
        let code = issued.code.shown().to_owned().into();
        provision(&home, &connection, issued.mac, LetIn::Code(code), &mut |_| {})?;
        homes.push(home);
    }
    register.sign_in("ada", &macs, "branch")?;
    let (sender, waiting) = std::sync::mpsc::channel();
    for home in homes {
        let sender = sender.clone();
        std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            let station = OwnStation::open(home)?;
            let mut since = None;
            loop {
                // The first answer comes at once, every other one when there is news or after a while.
                since = Some(station.status(since, 30)?.version);
                let _ = sender.send(());
            }
            #[allow(unreachable_code, reason = "it says what errors are")]
            Outcome::Ok(())
        })?;
    }
    for _ in 0..count {
        waiting.recv()?;
    }
    Ok(())
}

fn run(mut arguments: impl Iterator<Item = String>) -> Outcome<Value> {
    let mut next = |name: &str| arguments.next().ok_or_else(|| format!("{name} is missing"));
    let (program, home) = (PathBuf::from(next("PROGRAM")?), PathBuf::from(next("FOLDER")?));
    let [tokens, clerks, waiting, seconds] = [next("TOKENS")?, next("CLERKS")?, next("STATIONS")?, next("SECONDS")?];
    let time = Duration::from_secs(seconds.parse()?);
    let site = Site { program, home, store: arguments.next() };
    std::fs::create_dir_all(&site.home)?;
    site.json(&["escrow", "init", "--plain-identity"])?;
    let entries = Arc::new(site.fill(tokens.parse()?)?);
    let made = site.json(&["desk", "certificate", "--host", "localhost", "--host", "127.0.0.1"])?;
    let serving = Serving::start(&site)?;
    let address = serving.ready["address"].as_str().ok_or("no address")?;
    let tls = connector(Path::new(made["certificate"].as_str().ok_or("no certificate")?))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let memory = |serving: &Serving| json!({ "now": serving.kib("VmRSS"), "most": serving.kib("VmHWM") });
    let mut said = json!({ "tokens": entries.len(), "kib_at_start": memory(&serving) });
    let mut all = runtime.block_on(people(&site, address, &tls, clerks.parse()?))?;
    // The first answers find cold caches.
    (all, _) = runtime.block_on(ask(all, (address, &tls), &entries, Duration::from_secs(2), Some(RATE / 4)))?;
    for (name, rate) in [("at_rate", Some(RATE)), ("at_half_rate", Some(RATE / 2)), ("without_pause", None)] {
        let before = serving.processor();
        let told;
        (all, told) = runtime.block_on(ask(all, (address, &tls), &entries, time, rate))?;
        said[name] = told;
        let spent = serving.processor().zip(before).map(|(after, before)| after - before);
        said[name]["processor_s"] = json!(spent);
    }
    said["kib_with_clerks"] = memory(&serving);
    let waiting: usize = waiting.parse()?;
    if waiting > 0 {
        stations(&site, &serving.ready, waiting)?;
        said["kib_with_stations"] = memory(&serving);
        let before = serving.processor();
        std::thread::sleep(Duration::from_secs(10));
        said["processor_of_waiting"] =
            json!(serving.processor().zip(before).map(|(after, before)| (after - before) / 10.0));
        (_, said["at_half_rate_with_stations"]) =
            runtime.block_on(ask(all, (address, &tls), &entries, time, Some(RATE / 2)))?;
        said["kib_at_end"] = memory(&serving);
    }
    Ok(said)
}

fn connector(certificate: &Path) -> Outcome<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn main() -> Outcome<()> {
    println!("{}", run(std::env::args().skip(1))?);
    Ok(())
}
