//! Stations that share an escrow: in a file, and on a PostgreSQL server, side by side.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::failure::{Failure, While as _};
use crate::paint::{BOLD, Paint};
use crate::place;

/// Tokens in the escrow, unless said otherwise.
const COUNT: u64 = 1_000_000;

/// A row: its name, where its number lies in what `examples/station_rates` says of a run, and by what it is divided.
type Line = (&'static str, fn(&Value) -> Option<f64>);

const LINES: &[Line] = &[
    ("reserve, p50 ms", |run| Some(run["reserve"]["p50_us"].as_f64()? / 1e3)),
    ("reserve, p99 ms", |run| Some(run["reserve"]["p99_us"].as_f64()? / 1e3)),
    ("mark, p50 ms", |run| Some(run["mark"]["p50_us"].as_f64()? / 1e3)),
    ("mark, p99 ms", |run| Some(run["mark"]["p99_us"].as_f64()? / 1e3)),
    ("lease a line, p50 ms", |run| Some(run["claim"]["p50_us"].as_f64()? / 1e3)),
    ("lease a line, p99 ms", |run| Some(run["claim"]["p99_us"].as_f64()? / 1e3)),
    ("leases, 1/s", |run| Some(run["leases"].as_f64()? * 1e6 / run["leasing_us"].as_f64()?)),
    ("burns as the escrow sees them, 1/s", |run| Some(run["burns"].as_f64()? * 1e6 / run["burns_us"].as_f64()?)),
];

/// With so many tokens.
pub(super) fn run(count: Option<u64>) -> Result<(), Failure> {
    let count = count.unwrap_or(COUNT);
    let program = place::built("release", "examples/station_rates");
    let folder = place::built("release", "station-bench");
    // What an earlier run left, which was interrupted.
    let _ = fs::remove_dir_all(&folder);
    let output = Command::new(program).arg(&folder).arg(count.to_string()).output();
    let output = output.while_doing("start station_rates")?;
    let _ = fs::remove_dir_all(&folder);
    if !output.status.success() {
        return Err(Failure::new(format!("station_rates: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let said: Value = serde_json::from_slice(&output.stdout).while_doing("understand station_rates")?;
    let title = format!("\nstations that share an escrow of {count} tokens");
    println!("{}", Paint::of_stdout().with(BOLD, &title));
    for line in table(&said).ok_or_else(|| Failure::new("station_rates says something else now"))? {
        println!("  {line}");
    }
    Ok(())
}

fn table(said: &Value) -> Option<Vec<String>> {
    let engines = said.as_array()?;
    let runs: Vec<(String, &Value)> = engines
        .iter()
        .flat_map(|engine| engine["runs"].as_array().into_iter().flatten().map(move |run| (engine, run)))
        .map(|(engine, run)| Some((format!("{} x{}", engine["engine"].as_str()?, run["stations"]), run)))
        .collect::<Option<_>>()?;
    let cells = |cells: Vec<String>| cells.iter().map(|cell| format!("{cell:>12}")).collect::<Vec<_>>().concat();
    let mut lines = vec![format!("{:<36}{}", "", cells(runs.iter().map(|(name, _)| name.clone()).collect()))];
    for (name, number) in LINES {
        let numbers = runs.iter().map(|(_, run)| number(run)).collect::<Option<Vec<_>>>()?;
        lines.push(format!("{name:<36}{}", cells(numbers.into_iter().map(shown).collect())));
    }
    for engine in engines {
        let filled = 1e9 / engine["fill_ns"].as_f64()?;
        lines.push(format!("{:<36}{:>12}", format!("filled, {}, 1/s", engine["engine"].as_str()?), shown(filled)));
    }
    Some(lines)
}

fn shown(number: f64) -> String {
    if number < 100.0 { format!("{number:.2}") } else { format!("{number:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_stand_side_by_side() {
        let run = |stations: u64| {
            let times = serde_json::json!({ "p50_us": 1500 * stations, "p99_us": 2500, "of": 10 });
            serde_json::json!({
                "stations": stations, "claim": times, "reserve": times, "mark": times, "burns_us": 2_000_000,
                "burns": 800, "leases": 3000, "leasing_us": 3_000_000,
            })
        };
        let engine = |name| serde_json::json!({ "engine": name, "fill_ns": 20_000, "runs": [run(1), run(8)] });
        let lines = table(&Value::from(vec![engine("sqlite"), engine("postgres")])).unwrap();
        assert_eq!(lines.len(), 1 + LINES.len() + 2);
        let words: Vec<_> = lines[1].split_whitespace().skip(3).collect();
        assert_eq!(words, ["1.50", "12.00", "1.50", "12.00"]);
        assert!(lines[8].ends_with("400") && lines[9].ends_with("50000"), "{lines:?}");
        assert!(table(&serde_json::json!([{ "engine": "sqlite", "runs": [{}] }])).is_none());
    }
}
