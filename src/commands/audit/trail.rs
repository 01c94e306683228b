//! `oathburn escrow audit list` and `oathburn escrow audit export`

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use oathburn_escrow::{Escrow, EscrowError, EventFilter, EventKind, SignedEvent, WriterId};
use oathburn_oath::UnixTime;
use serde_json::{Value, json};

use super::{to_json, to_text};
use crate::commands::escrow::filters::parse_date;
use crate::commands::{Result, select};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Outcome;

/// Which events.
#[derive(Args, Debug)]
pub(crate) struct Events {
    /// Only those of this entry
    #[arg(long, value_name = "ID")]
    entry: Option<String>,
    /// Only those of this kind (`reserved`, `programmed`, `code-disclosed`, …)
    #[arg(long, value_parser = parse_kind)]
    kind: Option<EventKind>,
    /// Only those that this officer or station signed: its name on the roster, or the beginning of its key
    #[arg(long, value_name = "NAME")]
    writer: Option<String>,
    /// Only what was done for this operator or person, by the whole name
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Only from this time on (RFC 3339, a date, or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = parse_date)]
    since: Option<UnixTime>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = parse_date)]
    until: Option<UnixTime>,
}

/// List the events, oldest first
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    events: Events,
    /// Only so many, the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// Write the events with their signatures, one JSON object a line
///
/// Chain by chain and in the order of each chain, however many there are: for a system that keeps them where nobody
/// who can write to the store can write. `hash` and `previous` link a chain, `signature` is the writer's over the hash.
#[derive(Args, Debug)]
pub(crate) struct Export {
    #[command(flatten)]
    events: Events,
    /// A new file, of mode 0600 [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn parse_kind(text: &str) -> std::result::Result<EventKind, String> {
    let names = || EventKind::ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    EventKind::from_name(text).ok_or_else(|| format!("one of {}", names()))
}

impl Events {
    fn filter(self, escrow: &Escrow) -> std::result::Result<EventFilter, Failure> {
        let entry = self.entry.map(|id| select::entry(escrow, &id)).transpose()?.map(|entry| entry.id);
        let writer = self.writer.map(|name| writer(escrow, &name)).transpose()?;
        Ok(EventFilter { entry, kind: self.kind, writer, operator: self.by, since: self.since, until: self.until })
    }
}

/// The officer or station that a name or the beginning of a key means.
fn writer(escrow: &Escrow, name: &str) -> std::result::Result<WriterId, Failure> {
    let all = escrow.writers();
    let labelled: Vec<_> = all.iter().filter(|(_, label)| label == name).collect();
    let keyed = || all.iter().filter(|(key, _)| key.to_string().starts_with(&name.to_ascii_lowercase())).collect();
    let found: Vec<_> = if labelled.is_empty() { keyed() } else { labelled };
    match found.as_slice() {
        [(key, _)] => Ok(*key),
        [] => {
            let message = format!("nobody on the roster is called {name:?}");
            Err(Failure::new(Exit::Input, "writer-unknown", message, "see `oathburn escrow audit list` for names"))
        }
        _ => {
            let message = format!("several on the roster are called {name:?}");
            Err(Failure::new(Exit::Input, "writer-ambiguous", message, "give the beginning of the key"))
        }
    }
}

impl List {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let filter = self.events.filter(&escrow)?;
        let Some(limit) = self.limit else {
            return read_out(list(&escrow, &filter, context.globals.json, io::stdout().lock()));
        };
        let events = escrow.newest_events(&filter, usize::try_from(limit).unwrap_or(usize::MAX))?;
        Ok(Outcome::new(events.iter().map(to_json).collect(), to_text(&events)))
    }
}

/// Writes the events as they are read, however many there are: an array, or a line each.
fn list(escrow: &Escrow, filter: &EventFilter, json: bool, out: impl Write) -> std::result::Result<(), Ended> {
    let (mut out, mut between) = (BufWriter::new(out), "[");
    escrow.each_event_by_time(filter, |event| {
        let written = if json {
            write!(out, "{between}{}", to_json(&event))
        } else {
            out.write_all(to_text(std::slice::from_ref(&event)).as_bytes())
        };
        between = ",";
        written.map_err(Ended::Io)
    })?;
    match (json, between) {
        (true, "[") => writeln!(out, "[]"),
        (true, _) => writeln!(out, "]"),
        (false, _) => Ok(()),
    }
    .and_then(|()| out.flush())
    .map_err(Ended::Io)
}

/// What becomes of a command that has written everything to stdout. A reader that went away (`| head`) is no failure.
fn read_out(written: std::result::Result<(), Ended>) -> Result {
    match written {
        Err(Ended::Io(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Bug, "stdout", format!("failed to write the result: {error}"), ""))
        }
        Err(Ended::Escrow(error)) => Err(error.into()),
        _ => Ok(Outcome::new(Value::Null, "")),
    }
}

/// Why an export ended: the store, or where it was written to.
enum Ended {
    Escrow(EscrowError),
    Io(io::Error),
}

impl From<EscrowError> for Ended {
    fn from(error: EscrowError) -> Self {
        Self::Escrow(error)
    }
}

impl Export {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let filter = self.events.filter(&escrow)?;
        let Some(path) = &self.out else {
            return read_out(write(&escrow, &filter, io::stdout().lock()).map(drop));
        };
        let file = new_file(path)?;
        let written =
            write(&escrow, &filter, &file).and_then(|count| file.sync_all().map(|()| count).map_err(Ended::Io));
        let count = written.map_err(|ended| {
            // Half a trail is none.
            let _ = fs::remove_file(path);
            match ended {
                Ended::Escrow(error) => error.into(),
                Ended::Io(error) => unwritten(path, &error),
            }
        })?;
        let name = path.display().to_string();
        Ok(Outcome::new(json!({ "file": name, "events": count }), format!("{count} events in {name}\n")))
    }
}

fn write(escrow: &Escrow, filter: &EventFilter, out: impl Write) -> std::result::Result<u64, Ended> {
    let (mut out, mut count) = (BufWriter::new(out), 0);
    escrow.each_event(filter, |event| {
        count += 1;
        writeln!(out, "{}", signed_to_json(&event)).map_err(Ended::Io)
    })?;
    out.flush().map_err(Ended::Io)?;
    Ok(count)
}

/// A new file that only its owner may read.
pub(super) fn new_file(path: &Path) -> std::result::Result<File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| unwritten(path, &error))
}

pub(super) fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let message = format!("failed to write {}: {error}", path.display());
    Failure::new(Exit::Input, "audit-out", message, "name a new file in a folder of your own")
}

/// An event with everything that its writer signed.
fn signed_to_json(signed: &SignedEvent) -> Value {
    let mut json = to_json(&signed.event);
    json["facts"] = json!(signed.facts);
    json["key"] = signed.event.id.writer.to_string().into();
    json["roster"] = signed.roster.into();
    json["entries"] = signed
        .touched
        .iter()
        .map(|touched| {
            json!({
                "entry": touched.entry.to_string(),
                "revision": touched.revision,
                "digest": touched.digest,
                "facts": touched.facts,
            })
        })
        .collect();
    json["previous"] = signed.previous.as_str().into();
    json["hash"] = signed.hash.as_str().into();
    json["signature"] = signed.signature.as_str().into();
    json
}
