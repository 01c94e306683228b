//! The desk under load: clerks who ask for codes over TLS, and stations that wait; the escrow in a file, and on a PostgreSQL
//! server, where several desks share it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::failure::{Failure, While as _};
use crate::paint::{BOLD, Paint};
use crate::place;

const TOKENS: u64 = 20_000;
const CLERKS: u64 = 200;
const STATIONS: u64 = 1000;
/// How long clerks ask in each of their ways.
const SECONDS: u64 = 15;

/// The ways to ask, by the names that `examples/desk_load` gives them.
const WAYS: &[(&str, &str)] = &[
    ("at_rate", "2,000 asked for a second (aim: p99 50 ms)"),
    ("at_half_rate", "1,000 asked for a second"),
    ("without_pause", "each clerk without a pause"),
];
const WITH_STATIONS: (&str, &str) = ("at_half_rate_with_stations", "1,000 a second, 1,000 stations waiting");

pub(super) fn run() -> Result<(), Failure> {
    let heading = |title: &str| println!("{}", Paint::of_stdout().with(BOLD, &format!("\n{title}")));
    heading("codes of a desk, 200 clerks over TLS");
    tell(&load(None, 1, STATIONS)?)?;
    let server = Postgres::start(&["one", "two"])?;
    heading("the same, the escrow on a PostgreSQL server on this machine");
    tell(&load(Some(server.address("one")?), 1, 0)?)?;
    heading("the same, two desks, each clerk at the other one each time");
    tell(&load(Some(server.address("two")?), 2, 0)?)
}

fn load(store: Option<&str>, desks: u64, stations: u64) -> Result<Value, Failure> {
    let folder = place::built("release", "desk-bench");
    // What an earlier run left, which was interrupted.
    let _ = fs::remove_dir_all(&folder);
    let mut load = Command::new(place::built("release", "examples/desk_load"));
    load.arg(place::built("release", "oathburn")).arg(&folder);
    load.args([TOKENS, CLERKS, stations, SECONDS].map(|number| number.to_string()));
    load.args([store.unwrap_or_default(), &desks.to_string()]);
    let output = load.output().while_doing("start desk_load")?;
    let _ = fs::remove_dir_all(&folder);
    if !output.status.success() {
        return Err(Failure::new(format!("desk_load: {}", String::from_utf8_lossy(&output.stderr))));
    }
    serde_json::from_slice(&output.stdout).while_doing("understand desk_load")
}

fn tell(said: &Value) -> Result<(), Failure> {
    for line in table(said).ok_or_else(|| Failure::new("desk_load says something else now"))? {
        println!("  {line}");
    }
    Ok(())
}

/// A server with empty databases, as long as this is there.
struct Postgres {
    child: Child,
    addresses: Value,
}

impl Postgres {
    fn start(databases: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(place::built("release", "examples/postgres_server"));
        let mut child = command
            .args(databases)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .while_doing("start postgres_server")?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was asked for");
        BufReader::new(stdout).read_line(&mut line).while_doing("listen to postgres_server")?;
        Ok(Self { addresses: serde_json::from_str(&line).while_doing("understand postgres_server")?, child })
    }

    fn address(&self, database: &str) -> Result<&str, Failure> {
        self.addresses[database].as_str().ok_or_else(|| Failure::new("postgres_server says something else now"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn table(said: &Value) -> Option<Vec<String>> {
    let titles = ["1/s", "p50 ms", "p99 ms", "desk", "clients", "ms a code"];
    let titles = titles.map(|title| format!("{title:>10}")).concat();
    let mut lines = vec![format!("{:<44}{titles}", "processors' time: desk, clients, desk a code")];
    let with_stations = said[WITH_STATIONS.0].is_object().then_some(&WITH_STATIONS);
    for (name, title) in WAYS.iter().chain(with_stations) {
        let way = &said[name];
        let number = |name: &str| way[name].as_f64();
        let (seconds, answers) = (number("us")? / 1e6, number("answers")?);
        let spent = |name: &str| number(name).map_or_else(String::new, |spent| format!("{:.2}", spent / seconds));
        lines.push(format!(
            "{title:<44}{:>10.0}{:>10.1}{:>10.1}{:>10}{:>10}{:>10}",
            answers / seconds,
            number("p50_us")? / 1e3,
            number("p99_us")? / 1e3,
            spent("processor_s"),
            spent("clients_s"),
            number("processor_s").map_or_else(String::new, |spent| format!("{:.2}", spent * 1e3 / answers)),
        ));
    }
    let mib = |name: &str| said[name]["now"].as_f64().map(|kib| format!("{:.0} MiB", kib / 1024.0));
    let (start, people, clerks) = (mib("kib_at_start")?, mib("kib_with_people")?, mib("kib_with_clerks")?);
    lines.push(format!("memory: {start} at first, {people} with 200 people, {clerks} after they asked"));
    if let (Some(stations), Some(waiting)) = (mib("kib_with_stations"), said["processor_of_waiting"].as_f64()) {
        let waiting = waiting * 100.0;
        lines.push(format!("1,000 stations that wait: {stations}, {waiting:.1} % of a processor"));
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_ask_is_told() {
        let way = serde_json::json!({
            "answers": 3000, "us": 1_500_000, "p50_us": 4000, "p99_us": 21_000, "processor_s": 1.2, "clients_s": 0.3,
        });
        let kib = serde_json::json!({ "now": 20_480, "most": 30_000 });
        let mut said = serde_json::json!({ "kib_at_start": kib, "kib_with_people": kib, "kib_with_clerks": kib });
        assert_eq!(table(&said), None);
        for (name, _) in WAYS {
            said[name] = way.clone();
        }
        let lines = table(&said).unwrap();
        assert_eq!(lines.len(), 1 + WAYS.len() + 1);
        let numbers: Vec<_> = lines[1].split_whitespace().rev().take(6).collect();
        assert_eq!(numbers, ["0.40", "0.20", "0.80", "21.0", "4.0", "2000"]);
        said[WITH_STATIONS.0] = way;
        said["kib_with_stations"] = kib;
        said["processor_of_waiting"] = 0.125.into();
        let lines = table(&said).unwrap();
        assert!(lines[5].contains("20 MiB") && lines[6].contains("12.5 %"), "{lines:?}");
    }
}
