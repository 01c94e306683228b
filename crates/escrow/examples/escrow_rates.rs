//! How fast an escrow is that holds many tokens, for `cargo xtask bench escrow`.
//!
//! `cargo run --release --package oathburn-escrow --example escrow_rates -- FOLDER COUNT` makes one in FOLDER and prints
//! one JSON object: times in microseconds, beside what passed the time of the processor that was used (which others who
//! keep the machine busy do not lengthen), memory in KiB.
#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oathburn_escrow::{
    Depth, Disclosure, Escrow, Facts, Filter, Officer, Origin, Pins, Purpose, Reservation, StationKey, StoreUrl, Writer,
};
use oathburn_oath::{FamilyId, Seed, SerialNumber, Slot, SystemClock, TokenIdentity, TokenRecord, TotpParams};
use serde_json::{Value, json};

/// Entries in one import.
const CHUNK: usize = 10_000;
/// Entries on a page of a list.
const PAGE: usize = 1000;
/// Runs of what is over in a moment; the middle one counts.
const RUNS: usize = 21;
/// Burns that leave a session each.
const BURNS: usize = 100;

struct Place(PathBuf);

impl Place {
    fn url(&self) -> StoreUrl {
        StoreUrl::sqlite(self.0.join("escrow.db"))
    }

    fn pins(&self) -> Pins {
        Pins::new(self.0.join("pins"))
    }

    fn station(&self) -> Result<StationKey, Box<dyn Error>> {
        Ok(StationKey::load_or_create(&self.0.join("station.key"))?)
    }

    fn officer(&self) -> Result<Officer, Box<dyn Error>> {
        Ok(Officer::load(&self.0.join("officer.key"), None)?)
    }

    fn open(&self) -> Result<Escrow, Box<dyn Error>> {
        Ok(Escrow::open(&self.url(), self.station()?, &self.pins(), who(), Arc::new(SystemClock))?)
    }
}

fn who() -> Writer {
    Writer { operator: None, uid: 1000, host: "bench".into() }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "arguments: FOLDER COUNT";
    let place = Place(arguments.next().ok_or(usage)?.into());
    let count: usize = arguments.next().ok_or(usage)?.parse()?;
    if let Some(name) = arguments.next() {
        println!("{}", part(&place, count, &name)?);
        return Ok(());
    }
    let officer = Officer::generate()?;
    std::fs::create_dir_all(&place.0)?;
    officer.create_file(&place.0.join("officer.key"), None)?;
    Escrow::init(&place.url(), &officer, &place.station()?, &place.pins(), &who(), &SystemClock)?;

    let (importing, importing_cpu) = fill(&place, count)?;
    let bytes = std::fs::metadata(place.0.join("escrow.db"))?.len();
    let serial = serial(count / 2)?;
    let filter = Filter { serial: Some(serial), ..Filter::default() };
    let find = median(|| {
        let found = place.open()?.entries(&filter)?;
        if found.len() == 1 { Ok(()) } else { Err("the serial number was not found".into()) }
    })?;
    let entry = place.open()?.entries(&filter)?.remove(0);
    let open_one = median(|| {
        let opener = place.open()?.opener(place.officer()?)?;
        opener.open(&entry, &Disclosure::new(Purpose::ShowCodes))?;
        Ok(())
    })?;
    // Each in a process of its own: memory that was used once is not given back.
    let parts = ["page", "scan", "backup"].map(|part| itself(&place, count, part));
    let (compacting, compacting_cpu, merged) = compact(&place)?;
    let mut said = json!({
        "count": count, "bytes": bytes, "import_us": micros(importing), "find_us": micros(find),
        "open_one_us": micros(open_one), "import_cpu_us": micros(importing_cpu),
        "compact_cpu_us": micros(compacting_cpu), "compact_us": micros(compacting), "compacted": merged,
    });
    for part in parts {
        for (name, value) in part?.as_object().ok_or("a part says nothing")? {
            said[name] = value.clone();
        }
    }
    println!("{said}");
    Ok(())
}

/// What this program says when it is started once more for a part of the work.
fn itself(place: &Place, count: usize, part: &str) -> Result<Value, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?).arg(&place.0).arg(count.to_string()).arg(part).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One part of the work; how much memory it needs beyond what an open store has.
fn part(place: &Place, count: usize, part: &str) -> Result<Value, Box<dyn Error>> {
    let opener = place.open()?.opener(place.officer()?)?;
    let before = peak_memory();
    if part == "page" {
        let (paging, paging_cpu, paged) = timed(|| page(place))?;
        if paged != count {
            return Err("not all entries were listed".into());
        }
        let kib = peak_memory() - before;
        return Ok(json!({ "page_us": micros(paging), "page_cpu_us": micros(paging_cpu), "page_kib": kib }));
    }
    if part == "backup" {
        let (backing_up, backup_cpu, report) =
            timed(|| Ok(place.open()?.backup(&place.0.join("backup.age"), Some(&place.officer()?))?))?;
        if report.check.opened != count as u64 || !report.check.is_sound() {
            return Err("the backup is not of all entries".into());
        }
        let kib = peak_memory() - before;
        return Ok(json!({ "backup_us": micros(backing_up), "backup_cpu_us": micros(backup_cpu), "backup_kib": kib }));
    }
    let compare = Disclosure::new(Purpose::CompareCode);
    let (scanning, scanning_cpu, scan) =
        timed(|| Ok(opener.scan(&compare, NonZeroUsize::MIN, |_, _| Some(()).filter(|()| false))?))?;
    if scan.searched != count as u64 {
        return Err("not all entries were opened".into());
    }
    Ok(json!({
        "scan_us": micros(scanning), "scan_cpu_us": micros(scanning_cpu), "scan_kib": peak_memory() - before,
        "opening_us": micros(scan.times.opening), "reading_us": micros(scan.times.reading),
    }))
}

/// Imports so many tokens; says how long sealing and inserting took, without making up the tokens.
fn fill(place: &Place, count: usize) -> Result<(Duration, Duration), Box<dyn Error>> {
    let escrow = place.open()?;
    let (mut spent, mut spent_cpu) = (Duration::ZERO, Duration::ZERO);
    for begin in (0..count).step_by(CHUNK) {
        let records: Vec<_> = (begin..count.min(begin + CHUNK)).map(record).collect::<Result<_, _>>()?;
        let reservation = |record| Reservation { record, origin: Origin::Imported, batch: None };
        let reservations: Vec<_> = records.iter().map(reservation).collect();
        let (time, cpu, _) = timed(|| Ok(escrow.import(&reservations, Facts::new())?))?;
        spent += time;
        spent_cpu += cpu;
    }
    // What the log still holds belongs to it.
    let (time, cpu, ()) = timed(|| {
        drop(escrow);
        Ok(())
    })?;
    Ok((spent + time, spent_cpu + cpu))
}

/// Reads a list page by page, as a web page or a pipe does it.
fn page(place: &Place) -> Result<usize, Box<dyn Error>> {
    let escrow = place.open()?;
    let (mut after, mut seen) = (None, 0);
    loop {
        let page = escrow.entries_after(&Filter::default(), after, PAGE)?;
        let Some(last) = page.last() else { return Ok(seen) };
        (after, seen) = (Some(last.id), seen + page.len());
    }
}

/// Merges the sessions of some single burns.
fn compact(place: &Place) -> Result<(Duration, Duration, u64), Box<dyn Error>> {
    for number in 0..BURNS {
        let record = record(100_000_000 + number)?;
        place.open()?.reserve(&Reservation { record: &record, origin: Origin::Generated, batch: None })?;
    }
    let custodian = place.open()?.custodian(place.officer()?)?;
    let (time, cpu, renewed) = timed(|| Ok(custodian.renew(Depth::Merge, &mut |_| {})?))?;
    Ok((time, cpu, renewed.seeds))
}

fn serial(number: usize) -> Result<SerialNumber, Box<dyn Error>> {
    Ok(SerialNumber::new(&format!("865962{number:07}"))?)
}

fn record(number: usize) -> Result<TokenRecord, Box<dyn Error>> {
    let identity =
        TokenIdentity { family: FamilyId::new("token2-single")?, serial: serial(number)?, slot: Slot::SINGLE };
    Ok(TokenRecord {
        identity,
        params: TotpParams::default().into(),
        seed: Seed::generate(20)?,
        manufacturer: None,
        model: None,
        upn: Some(format!("user{number}@example.com")),
        issuer: None,
    })
}

/// How long a job took, and how much of the processor.
fn timed<T>(job: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<(Duration, Duration, T), Box<dyn Error>> {
    let (start, before) = (Instant::now(), processor_time());
    let result = job()?;
    Ok((start.elapsed(), processor_time().saturating_sub(before), result))
}

/// What all threads of this process have used of the processor.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

fn median(mut job: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let mut times = (0..RUNS).map(|_| timed(&mut job).map(|(time, _, ())| time)).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    Ok(times[RUNS / 2])
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The most memory that this process ever had, in KiB; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
