//! What a desk bears, for `cargo xtask bench desk`: clerks who ask for codes over TLS, and stations that wait.
//!
//! `desk_load PROGRAM FOLDER TOKENS CLERKS STATIONS SECONDS [STORE [DESKS]]` makes an escrow in FOLDER with the program `oathburn`,
//! has it serve, lets everybody in as they are let in, and prints one JSON object. Clerks ask at a rate first: an answer's time
//! counts from when it was to be asked for. Then each asks again as soon as it is answered. Of several desks each has an officer of
//! its own, and each clerk asks another one from way to way, as behind a balancer.
#![expect(clippy::print_stdout, reason = "a program of its own")]

mod browser;
mod site;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oathburn_desk::client::{Connection, LetIn, OwnStation, StationHome, Trust, provision};
use oathburn_desk::stations::csv::StationRow;
use oathburn_desk::stations::{CodeLength, CodeOrder, MacId, Register};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio_rustls::TlsConnector;

use self::browser::{Browser, secret};
use self::site::{Home, Serving, processor};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is aimed at, in requests a second.
const RATE: u32 = 2000;

/// Admin and clerks, as the desk lets people in.
async fn people(home: &Home, address: &str, tls: &TlsConnector, clerks: usize) -> Outcome<Vec<Browser>> {
    let first = home.json(&["desk", "bootstrap", "ada"])?;
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

/// What all share who ask.
struct Load {
    addresses: Vec<String>,
    tls: TlsConnector,
    entries: Arc<Vec<String>>,
}

impl Load {
    /// Has all clerks ask for so long: at a rate, or without a pause. They come back with how long each answer took.
    async fn ask(&self, mut clerks: Vec<Browser>, time: Duration, rate: Option<u32>) -> Outcome<(Vec<Browser>, Value)> {
        for (clerk, address) in clerks.iter_mut().zip(self.addresses.iter().cycle()) {
            clerk.reopen(address, &self.tls).await?;
        }
        let count = u32::try_from(clerks.len())?;
        let start = Instant::now() + Duration::from_millis(100);
        let mut tasks = Vec::new();
        for (mut clerk, number) in clerks.into_iter().zip(0_u32..) {
            let entries = Arc::clone(&self.entries);
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
                    if due > Instant::now() {
                        tokio::time::sleep_until(due.into()).await;
                    }
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
        // Whoever asked one desk asks another one next.
        back.rotate_left(1);
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
}

/// Lets so many stations in, each with keys of its own, and has them wait for news until the program ends.
fn stations(home: &Home, ready: &Value, count: usize) -> Outcome<()> {
    let desk = home.desk()?;
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
        let own = StationHome::new(home.folder.join(format!("stations/{}", issued.mac)));
        let code = issued.code.shown().to_owned().into();
        provision(&own, &connection, issued.mac, LetIn::Code(code), &mut |_| {})?;
        homes.push(own);
    }
    register.sign_in("ada", &macs, "branch")?;
    let (sender, waiting) = std::sync::mpsc::channel();
    for own in homes {
        let sender = sender.clone();
        std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            let station = OwnStation::open(own)?;
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

/// What all desks, and this program, have used of the processors, in seconds.
fn spent(desks: &[Serving]) -> [Option<f64>; 2] {
    [desks.iter().map(Serving::processor).sum(), processor("self")]
}

/// What was used since then.
fn since(desks: &[Serving], before: [Option<f64>; 2], told: &mut Value) {
    let [desk, clients] = spent(desks);
    for (name, after, before) in [("processor_s", desk, before[0]), ("clients_s", clients, before[1])] {
        told[name] = json!(after.zip(before).map(|(after, before)| after - before));
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Outcome<Value> {
    let mut next = |name: &str| arguments.next().ok_or_else(|| format!("{name} is missing"));
    let (program, folder) = (PathBuf::from(next("PROGRAM")?), PathBuf::from(next("FOLDER")?));
    let [tokens, clerks, waiting, seconds] = [next("TOKENS")?, next("CLERKS")?, next("STATIONS")?, next("SECONDS")?];
    let time = Duration::from_secs(seconds.parse()?);
    let store = arguments.next().filter(|store| !store.is_empty());
    let desks: usize = arguments.next().map_or(Ok(1), |desks| desks.parse())?;
    let home = |number: usize| Home::new(&program, folder.join(format!("desk{number}")), store.as_deref());
    let homes = (1..=desks).map(home).collect::<Outcome<Vec<_>>>()?;
    let first = homes.first().ok_or("no desk")?;
    first.json(&["escrow", "init", "--plain-identity"])?;
    let entries = Arc::new(first.fill(tokens.parse()?)?);
    let made = first.json(&["desk", "certificate", "--host", "localhost", "--host", "127.0.0.1"])?;
    homes[1..].iter().try_for_each(|home| home.join(first))?;
    let desks = homes.iter().map(|home| Serving::start(home, &made)).collect::<Outcome<Vec<_>>>()?;
    let addresses = desks.iter().map(|desk| Ok(desk.address()?.to_owned())).collect::<Outcome<Vec<_>>>()?;
    let tls = connector(Path::new(made["certificate"].as_str().ok_or("no certificate")?))?;
    let load = Load { addresses, tls, entries };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let memory = || desks[0].memory();
    let mut said = json!({ "tokens": load.entries.len(), "desks": desks.len(), "kib_at_start": memory() });
    let mut all = runtime.block_on(people(first, &load.addresses[0], &load.tls, clerks.parse()?))?;
    said["kib_with_people"] = memory();
    // The first answers find cold caches.
    (all, _) = runtime.block_on(load.ask(all, Duration::from_secs(2), Some(RATE / 4)))?;
    for (name, rate) in [("at_rate", Some(RATE)), ("at_half_rate", Some(RATE / 2)), ("without_pause", None)] {
        let before = spent(&desks);
        (all, said[name]) = runtime.block_on(load.ask(all, time, rate))?;
        since(&desks, before, &mut said[name]);
    }
    said["kib_with_clerks"] = memory();
    let waiting: usize = waiting.parse()?;
    if waiting > 0 {
        stations(first, &desks[0].ready, waiting)?;
        said["kib_with_stations"] = memory();
        let before = desks[0].processor();
        std::thread::sleep(Duration::from_secs(10));
        said["processor_of_waiting"] =
            json!(desks[0].processor().zip(before).map(|(after, before)| (after - before) / 10.0));
        let before = spent(&desks);
        let name = "at_half_rate_with_stations";
        (_, said[name]) = runtime.block_on(load.ask(all, time, Some(RATE / 2)))?;
        since(&desks, before, &mut said[name]);
        said["kib_at_end"] = memory();
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
