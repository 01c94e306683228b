//! The escrow with many tokens: how fast it is, and whether a million cost more apiece than ten thousand.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::failure::{Failure, While as _};
use crate::paint::{BOLD, Paint};
use crate::place;

const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];

/// What a run of `examples/escrow_rates` says.
struct Rates(Value);

impl Rates {
    fn measure(count: u64) -> Result<Self, Failure> {
        let program = place::built("release", "examples/escrow_rates");
        let folder = place::built("release", "escrow-bench").join(count.to_string());
        // What an earlier run left, which was interrupted.
        let _ = fs::remove_dir_all(&folder);
        let output = Command::new(program).arg(&folder).arg(count.to_string()).output();
        let output = output.while_doing("start escrow_rates")?;
        fs::remove_dir_all(&folder).while_doing(folder.display())?;
        if !output.status.success() {
            return Err(Failure::new(format!("escrow_rates: {}", String::from_utf8_lossy(&output.stderr))));
        }
        serde_json::from_slice(&output.stdout).map(Self).while_doing("understand escrow_rates")
    }

    fn number(&self, name: &str) -> Result<f64, Failure> {
        self.0[name].as_f64().ok_or_else(|| Failure::new(format!("escrow_rates has no {name}")))
    }

    /// Microseconds for each entry.
    fn apiece(&self, name: &str) -> Result<f64, Failure> {
        Ok(self.number(name)? / self.number("count")?)
    }
}

/// A line of the table: a name, how it is computed, and what is aimed at.
type Line = (&'static str, fn(&Rates) -> Result<f64, Failure>, &'static str);

const LINES: &[Line] = &[
    ("seal and insert, 1/s", |rates| Ok(1e6 / rates.apiece("import_us")?), "50,000 or more"),
    ("  of the processor, 1/s", |rates| Ok(1e6 / rates.apiece("import_cpu_us")?), "50,000 or more"),
    ("open, find by serial, ms", |rates| Ok(rates.number("find_us")? / 1e3), "20 or less"),
    ("open, unwrap, open one, ms", |rates| Ok(rates.number("open_one_us")? / 1e3), ""),
    ("open all, one thread, 1/s", |rates| Ok(1e6 / rates.apiece("scan_us")?), ""),
    ("  of the processor, 1/s", |rates| Ok(1e6 / rates.apiece("scan_cpu_us")?), "400,000 or more"),
    ("list by pages, 1/s", |rates| Ok(1e6 / rates.apiece("page_us")?), ""),
    ("memory for pages, KiB", |rates| rates.number("page_kib"), "constant"),
    ("memory to open all, KiB", |rates| rates.number("scan_kib"), "constant"),
    ("back up, open and compare, s", |rates| Ok(rates.number("backup_us")? / 1e6), ""),
    ("memory for that, KiB", |rates| rates.number("backup_kib"), "constant"),
    ("bytes an entry", |rates| Ok(rates.number("bytes")? / rates.number("count")?), ""),
    ("merge, 1/s", |rates| Ok(1e6 * rates.number("compacted")? / rates.number("compact_us")?), ""),
];

pub(super) fn run() -> Result<(), Failure> {
    let all = SIZES.into_iter().map(Rates::measure).collect::<Result<Vec<_>, _>>()?;
    println!("{}", Paint::of_stdout().with(BOLD, "\nan escrow of many tokens"));
    println!("  {:<28} {:>10} {:>10} {:>10}", "", "10,000", "100,000", "1,000,000");
    for (name, compute, aim) in LINES {
        let numbers = all.iter().map(compute).collect::<Result<Vec<_>, _>>()?;
        let shown: Vec<_> = numbers.iter().map(|number| format!("{:>10}", shown(*number))).collect();
        let aim = if aim.is_empty() { String::new() } else { format!("  (aim: {aim})") };
        println!("  {name:<28} {}{aim}", shown.join(" "));
    }
    for (name, field) in
        [("sealing and inserting", "import_cpu_us"), ("opening all", "scan_cpu_us"), ("listing", "page_cpu_us")]
    {
        let (first, last) = (all[0].apiece(field)?, all[all.len() - 1].apiece(field)?);
        println!("  {name}: an entry among 1,000,000 costs {:.2} times one among 10,000", last / first);
    }
    Ok(())
}

fn shown(number: f64) -> String {
    if number < 100.0 { format!("{number:.2}") } else { format!("{number:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_computed_from_what_the_program_says() {
        let rates = Rates(serde_json::json!({
            "count": 1000, "bytes": 800_000, "import_us": 20_000, "import_cpu_us": 10_000, "find_us": 700,
            "open_one_us": 5000, "scan_us": 2000, "scan_cpu_us": 1000, "page_us": 4000, "page_kib": 0, "scan_kib": 8,
            "compact_us": 50_000, "compacted": 100, "backup_us": 2_500_000, "backup_kib": 16,
        }));
        let numbers: Vec<_> = LINES.iter().map(|(_, compute, _)| shown(compute(&rates).unwrap())).collect();
        let expected = [
            "50000", "100000", "0.70", "5.00", "500000", "1000000", "250000", "0.00", "8.00", "2.50", "16.00", "800",
            "2000",
        ];
        assert_eq!(numbers, expected);
        assert!(rates.number("nothing").is_err());
    }
}
