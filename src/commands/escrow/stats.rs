//! `oathburn escrow stats`

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::commands::Result;
use crate::context::Context;
use crate::output::{Outcome, printable};

/// Count what is in the escrow
///
/// Counted from the rows as they are; `oathburn escrow check` compares them with what was signed.
#[derive(Args, Debug)]
pub(crate) struct Stats {}

impl Stats {
    #[allow(clippy::unused_self, reason = "every command runs the same way")]
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let (stats, roster) = (escrow.stats()?, escrow.roster());
        let seeds = stats.entries.saturating_sub(stats.access_keys + stats.desk);
        let groups = |groups: &[(String, u64)]| -> Value {
            groups.iter().map(|(name, count)| (name.clone(), json!(count))).collect::<Map<_, _>>().into()
        };
        let json = json!({
            "entries": seeds,
            "access_keys": stats.access_keys,
            "desk": stats.desk,
            "states": groups(&stats.states),
            "in_use": {
                "families": groups(&stats.families),
                "models": groups(&stats.models),
                "origins": groups(&stats.origins),
                "assigned": stats.assigned,
                "verified": stats.verified,
                "exported": stats.exported,
            },
            "events": stats.events,
            "sessions": stats.sessions,
            "officers": roster.officers.len(),
            "stations": roster.stations.len(),
            "bytes": stats.bytes,
        });
        let mut text = String::new();
        // Writing to a string cannot fail.
        let mut line = |name: &str, count: u64| {
            let _ = writeln!(text, "{name:28} {count:>9}");
        };
        line("entries", seeds);
        for (title, groups) in [
            ("", &stats.states),
            ("in use, family ", &stats.families),
            ("in use, model ", &stats.models),
            ("in use, ", &stats.origins),
        ] {
            for (name, count) in groups {
                let name = if name.is_empty() { "unknown".into() } else { printable(name) };
                line(&format!("  {title}{name}"), *count);
            }
        }
        line("  in use, with a user", stats.assigned);
        line("  in use, verified", stats.verified);
        line("  in use, exported", stats.exported);
        line("access keys of tokens", stats.access_keys);
        line("kept for the desk", stats.desk);
        line("events", stats.events);
        line("sealing sessions", stats.sessions);
        line("officers", roster.officers.len() as u64);
        line("stations", roster.stations.len() as u64);
        line("bytes", stats.bytes);
        Ok(Outcome::new(json, text))
    }
}
