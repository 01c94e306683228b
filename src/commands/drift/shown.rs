//! What is said of a token's clock.

use std::fmt::Write as _;

use oathburn_escrow::Entry;
use oathburn_oath::{DriftRate, UnixTime};
use oathburn_station::DriftReport;
use oathburn_token::ClockSync;
use serde_json::json;

use crate::output::{Outcome, rfc3339};

/// The outcome for both kinds of readers.
pub(super) fn outcome(entry: &Entry, report: &DriftReport, tolerance: u32) -> Outcome {
    let serial = &entry.identity.serial;
    let remedy = remedy(report);
    let json = json!({
        "entry": entry.id.to_string(),
        "serial": serial.as_str(),
        "drift_steps": report.steps,
        "drift_seconds": report.reading.drift.seconds(),
        "ppm": report.rate.map(|rate| (rate.ppm() * 100.0).round() / 100.0),
        "in_window": report.in_window,
        "leaves_window_at": report.leaves_window_at.map(rfc3339),
        "remedy": remedy,
        "false_hits": report.false_hits,
        "others": report.others,
    });
    let mut text = format!("{serial} is off by {} ({:+} steps)\n", report.reading.drift, report.steps);
    // Writing to a string cannot fail.
    let _ = match (report.rate, report.before) {
        (Some(rate), Some(before)) => writeln!(text, "rate    {:+.1} ppm since {}", rate.ppm(), rfc3339(before.at)),
        _ => writeln!(text, "rate    not known yet; quartz has about {} ppm", DriftRate::TYPICAL_PPM),
    };
    let _ = match (report.in_window, report.leaves_window_at) {
        (true, Some(time)) if time.since(report.reading.at) < TEN_YEARS => {
            writeln!(text, "window  inside ±{tolerance} s until about {}", day(time))
        }
        (true, _) => writeln!(text, "window  inside ±{tolerance} s for longer than its battery lasts"),
        (false, Some(time)) => writeln!(text, "window  outside ±{tolerance} s, since about {}", day(time)),
        (false, None) => writeln!(text, "window  outside ±{tolerance} s"),
    };
    if report.false_hits > 0.0 {
        let _ = writeln!(text, "chance  {} false hits are expected in this window", chance(report.false_hits));
    }
    for other in &report.others {
        let _ = writeln!(text, "        the same is shown {other:+} steps off");
    }
    let _ = writeln!(text, "remedy  {remedy}");
    Outcome::new(json, text)
}

/// Tokens live no longer, and quartz does not keep its rate so long.
const TEN_YEARS: i64 = 10 * 365 * 86_400;

/// A date.
fn day(time: UnixTime) -> String {
    rfc3339(time).chars().take_while(|&one| one != 'T').collect()
}

/// A small number for people.
pub(crate) fn chance(hits: f64) -> String {
    if hits < 1e-9 {
        "fewer than 0.000000001".into()
    } else if hits < 0.01 {
        format!("{hits:.9}").trim_end_matches('0').into()
    } else {
        format!("{hits:.2}")
    }
}

fn remedy(report: &DriftReport) -> &'static str {
    if report.in_window {
        return "none needed: the service bears it; if codes are refused all the same, the service has another seed";
    }
    match report.sync {
        Some(ClockSync::Unrestricted) => "set its clock with `oathburn sync`: this model keeps its seed",
        Some(ClockSync::Restricted) => {
            "set its clock with `oathburn sync` and an officer's file: this model loses its seed, which is burned again from the escrow"
        }
        Some(ClockSync::None) => {
            "this model's clock cannot be set: give its user another token, and codes until then (`oathburn code`)"
        }
        None => {
            "its model is not known: burn its seed again, which sets its clock (`oathburn burn --again SERIAL --replace --unlisted-model`), or give its user another token"
        }
    }
}
