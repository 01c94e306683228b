//! How fast stations are that share an escrow, in a file and on a PostgreSQL server, for `cargo xtask bench postgres`.
//!
//! `cargo run --release --package oathburn-escrow --example station_rates -- FOLDER COUNT` fills an escrow of either kind with so
//! many tokens, has 1 and 8 stations burn lines of a batch as far as the escrow knows, and prints a JSON array: times in
//! microseconds. The server is a private one, which waits for its disk as the file does.
#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::collections::HashSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use oathburn_emulator::{PostgresOptions, PrivatePostgres, SUPERUSER};
use oathburn_escrow::{
    BatchId, Claim, Depth, Escrow, Facts, Lease, Member, NewBatch, NewLine, Officer, Origin, Pins, Programmed,
    PublicLine, Reservation, Role, StationKey, StoreUrl, Writer,
};
use oathburn_oath::{FamilyId, Seed, SerialNumber, Slot, SystemClock, TokenIdentity, TokenRecord, TotpParams};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Entries in one import.
const CHUNK: usize = 10_000;
const STATIONS: usize = 8;
/// Lines that are burned in a run, by all stations together, and how long lines are leased.
const BURNS: usize = 800;
const LEASING: Duration = Duration::from_secs(3);

struct Site {
    folder: PathBuf,
    url: StoreUrl,
}

impl Site {
    fn pins(&self, number: usize) -> Pins {
        Pins::new(self.folder.join(format!("pins{number}")))
    }

    fn station(&self, number: usize) -> Outcome<StationKey> {
        Ok(StationKey::load_or_create(&self.folder.join(format!("station{number}.key")))?)
    }

    /// The escrow as one of the stations has it, over a connection of its own.
    fn open(&self, number: usize) -> Outcome<Escrow> {
        let who = Writer { operator: None, uid: 0, host: format!("station-{number}") };
        Ok(Escrow::open(&self.url, self.station(number)?, &self.pins(number), who, Arc::new(SystemClock))?)
    }

    /// Makes the escrow, lets the stations in, and fills it; says how long each entry took.
    fn fill(&self, count: usize) -> Outcome<Duration> {
        let officer = Officer::generate()?;
        let key = self.folder.join("officer.key");
        officer.create_file(&key, None)?;
        let who = Writer { operator: None, uid: 0, host: "station-0".into() };
        Escrow::init(&self.url, &officer, &self.station(0)?, &self.pins(0), &who, &SystemClock)?;
        let custodian = self.open(0)?.custodian(officer)?;
        for number in 1..STATIONS {
            let member = Member::new(&format!("station-{number}"), self.station(number)?.public())?;
            custodian.add(&PublicLine { role: Role::Station, member })?;
        }
        custodian.renew(Depth::Roster, &mut |_| {})?;
        let escrow = self.open(0)?;
        let start = Instant::now();
        for begin in (0..count).step_by(CHUNK) {
            let records: Vec<_> = (begin..count.min(begin + CHUNK)).map(record).collect::<Result<_, _>>()?;
            let reservation = |record| Reservation { record, origin: Origin::Imported, batch: None };
            let reservations: Vec<_> = records.iter().map(reservation).collect();
            escrow.import(&reservations, Facts::new())?;
        }
        Ok(start.elapsed() / u32::try_from(count.max(1))?)
    }

    fn batch(&self, lines: usize) -> Outcome<BatchId> {
        let line = |number| NewLine {
            upn: Some(format!("line{number}@example.com")),
            serial: None,
            issuer: None,
            label: None,
            params: TotpParams::default(),
            seed: None,
        };
        let lines: Vec<_> = (0..lines).map(line).collect();
        Ok(self.open(0)?.create_batch(&NewBatch { name: "bench", options: Facts::new(), lines: &lines })?)
    }
}

/// Times of one kind, sorted.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn of<T>(&mut self, job: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let start = Instant::now();
        let result = job()?;
        self.0.push(start.elapsed());
        Ok(result)
    }

    fn percentiles(all: impl Iterator<Item = Self>) -> Value {
        let mut times: Vec<_> = all.flat_map(|times| times.0).collect();
        times.sort_unstable();
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
        let micros = |percent| at(percent).map(Duration::as_micros);
        json!({ "p50_us": micros(50), "p99_us": micros(99), "of": times.len() })
    }
}

/// So many stations burn a batch, each token new; then they only lease.
fn measure(site: &Site, stations: usize, first: usize) -> Outcome<Value> {
    let (batch, start) = (site.batch(BURNS)?, Barrier::new(stations));
    let each = BURNS / stations;
    let work = |station: usize| -> Outcome<(Times, Times, Times, Duration)> {
        let escrow = site.open(station)?;
        let (mut claims, mut reserves, mut marks) = (Times::default(), Times::default(), Times::default());
        start.wait();
        let begun = Instant::now();
        for number in 0..each {
            let mut record = record(first + station * each + number)?;
            let lease = claims.of(|| claim(&escrow, batch, &record.identity.serial))?;
            record.upn.clone_from(&lease.line.upn);
            let entry = reserves.of(|| Ok(escrow.reserve_line(&lease, &record, Origin::Generated)?))?;
            let programmed = Programmed { drift_seconds: Some(0), ..Programmed::default() };
            marks.of(|| Ok(escrow.mark_programmed(entry, &programmed)?))?;
            escrow.release(&lease)?;
        }
        Ok((claims, reserves, marks, begun.elapsed()))
    };
    let done = together(stations, &work)?;
    let longest = done.iter().map(|(.., time)| *time).max().unwrap_or_default();
    let (mut claims, mut reserves, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    for (claim, reserve, mark, _) in done {
        claims.push(claim);
        reserves.push(reserve);
        marks.push(mark);
    }
    let batch = site.batch(BURNS)?;
    let lease = |station: usize| -> Outcome<usize> {
        let escrow = site.open(station)?;
        let serial = record(first + BURNS + station)?.identity.serial;
        start.wait();
        let (begun, mut leases) = (Instant::now(), 0);
        while begun.elapsed() < LEASING {
            escrow.release(&claim(&escrow, batch, &serial)?)?;
            leases += 1;
        }
        Ok(leases)
    };
    let leases: usize = together(stations, &lease)?.into_iter().sum();
    site.open(0)?.cancel_batch(batch, None)?;
    Ok(json!({
        "stations": stations,
        "claim": Times::percentiles(claims.into_iter()),
        "reserve": Times::percentiles(reserves.into_iter()),
        "mark": Times::percentiles(marks.into_iter()),
        "burns_us": longest.as_micros(), "burns": each * stations,
        "leases": leases, "leasing_us": LEASING.as_micros(),
    }))
}

fn together<T: Send>(stations: usize, job: &(impl Fn(usize) -> Outcome<T> + Sync)) -> Outcome<Vec<T>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..stations).map(|station| scope.spawn(move || job(station))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a station panicked")?).collect()
    })
}

fn claim(escrow: &Escrow, batch: BatchId, serial: &SerialNumber) -> Outcome<Lease> {
    match escrow.claim(batch, serial, None, &HashSet::new())? {
        Claim::Leased(lease) => Ok(*lease),
        other => Err(format!("no line: {other:?}").into()),
    }
}

fn record(number: usize) -> Outcome<TokenRecord> {
    let serial = SerialNumber::new(&format!("865962{number:07}"))?;
    Ok(TokenRecord {
        identity: TokenIdentity { family: FamilyId::new("token2-single")?, serial, slot: Slot::SINGLE },
        params: TotpParams::default().into(),
        seed: Seed::generate(20)?,
        manufacturer: None,
        model: None,
        upn: Some(format!("user{number}@example.com")),
        issuer: None,
    })
}

fn run(folder: &Path, count: usize) -> Outcome<()> {
    let server = PrivatePostgres::start_new(PostgresOptions::default())?;
    server.sql(SUPERUSER, "alter system set shared_buffers = '256MB'")?;
    server.stop(oathburn_emulator::Stop::Fast)?;
    server.start()?;
    server.database("escrow", SUPERUSER)?;
    let (socket, port) = (server.socket_folder().display(), server.port());
    let urls = [
        ("sqlite", StoreUrl::sqlite(folder.join("sqlite/escrow.db"))),
        ("postgres", format!("postgres://{SUPERUSER}@/escrow?host={socket}&port={port}").parse()?),
    ];
    let mut all = Vec::new();
    for (engine, url) in urls {
        let site = Site { folder: folder.join(engine), url };
        std::fs::create_dir_all(&site.folder)?;
        let entry = site.fill(count)?;
        if engine == "postgres" {
            server.sql("escrow", "analyze; checkpoint")?;
        }
        let mut runs = Vec::new();
        for stations in [1, STATIONS] {
            runs.push(measure(&site, stations, count + 10_000 * stations)?);
        }
        all.push(json!({ "engine": engine, "count": count, "fill_ns": entry.as_nanos(), "runs": runs }));
    }
    println!("{}", Value::from(all));
    Ok(())
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: station_rates FOLDER COUNT".into());
    };
    run(Path::new(&folder), count.parse()?)
}
