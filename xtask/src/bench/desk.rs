//! The desk under load: clerks who ask for codes over TLS, and stations that wait.

use std::fs;
use std::process::Command;

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
    ("at_half_rate_with_stations", "1,000 a second, 1,000 stations waiting"),
];

pub(super) fn run() -> Result<(), Failure> {
    let folder = place::built("release", "desk-bench");
    // What an earlier run left, which was interrupted.
    let _ = fs::remove_dir_all(&folder);
    let mut load = Command::new(place::built("release", "examples/desk_load"));
    load.arg(place::built("release", "oathburn")).arg(&folder);
    load.args([TOKENS, CLERKS, STATIONS, SECONDS].map(|number| number.to_string()));
    let output = load.output().while_doing("start desk_load")?;
    let _ = fs::remove_dir_all(&folder);
    if !output.status.success() {
        return Err(Failure::new(format!("desk_load: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let said: Value = serde_json::from_slice(&output.stdout).while_doing("understand desk_load")?;
    println!("{}", Paint::of_stdout().with(BOLD, "\ncodes of a desk, 200 clerks over TLS"));
    for line in table(&said).ok_or_else(|| Failure::new("desk_load says something else now"))? {
        println!("  {line}");
    }
    Ok(())
}

fn table(said: &Value) -> Option<Vec<String>> {
    let mut lines = vec![format!("{:<44}{:>10}{:>10}{:>10}{:>12}", "", "1/s", "p50 ms", "p99 ms", "processors")];
    for (name, title) in WAYS {
        let way = &said[name];
        let number = |name: &str| way[name].as_f64();
        let seconds = number("us")? / 1e6;
        lines.push(format!(
            "{title:<44}{:>10.0}{:>10.1}{:>10.1}{:>12}",
            number("answers")? / seconds,
            number("p50_us")? / 1e3,
            number("p99_us")? / 1e3,
            number("processor_s").map_or_else(String::new, |spent| format!("{:.2}", spent / seconds)),
        ));
    }
    let mib = |name: &str| said[name]["now"].as_f64().map(|kib| format!("{:.0} MiB", kib / 1024.0));
    let (start, clerks, stations) = (mib("kib_at_start")?, mib("kib_with_clerks")?, mib("kib_with_stations")?);
    let waiting = said["processor_of_waiting"].as_f64()? * 100.0;
    lines.push(format!("memory: {start} at first, {clerks} after the clerks, {stations} with 1,000 stations waiting"));
    lines.push(format!("1,000 stations that wait take {waiting:.1} % of a processor"));
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_ask_is_told() {
        let way = serde_json::json!({ "answers": 3000, "us": 1_500_000, "p50_us": 4000, "p99_us": 21_000 });
        let kib = serde_json::json!({ "now": 20_480, "most": 30_000 });
        let mut said = serde_json::json!({
            "kib_at_start": kib, "kib_with_clerks": kib, "kib_with_stations": kib, "processor_of_waiting": 0.125,
        });
        assert_eq!(table(&said), None);
        for (name, _) in WAYS {
            said[name] = way.clone();
        }
        let lines = table(&said).unwrap();
        assert_eq!(lines.len(), 1 + WAYS.len() + 2);
        let numbers: Vec<_> = lines[1].split_whitespace().rev().take(3).collect();
        assert_eq!(numbers, ["21.0", "4.0", "2000"]);
        assert!(lines[5].contains("20 MiB") && lines[6].contains("12.5 %"), "{lines:?}");
    }
}
