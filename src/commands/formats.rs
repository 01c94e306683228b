//! `oathburn formats`

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use oathburn_formats::{Carried, Columns, FORMATS, Fidelity, Format, FormatError, MAX_COLUMNS_FILE, Setting};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, table};

/// List the formats that seeds are read from and written in, and what each can carry
///
/// What a format has no place for is lost in it: a service then takes SHA-1 for the hash, six digits and 30 s, or what
/// it is told elsewhere. A token whose parameters a format cannot say is not written in it. With an id: what that
/// format has to be told, too.
#[derive(Args, Debug)]
pub(crate) struct Formats {
    /// Only this one
    id: Option<String>,
    /// A file with formats of columns [default: columns.toml in the configuration folder]
    #[arg(long, value_name = "FILE")]
    columns: Option<PathBuf>,
}

impl Formats {
    pub(crate) fn run(self, context: &Context) -> Result {
        let file = self.columns.as_deref();
        if let Some(id) = &self.id {
            let format = find(context, file, id)?;
            return Ok(Outcome::new(to_json(format), details(format)));
        }
        let all = all(context, file)?;
        let row = |format: &&dyn Format| {
            let fidelity = format.fidelity();
            [
                format.id().to_owned(),
                ways(*format).to_owned(),
                hashes(fidelity),
                digits(fidelity),
                steps(fidelity),
                if fidelity.event_based { "yes" } else { "no" }.to_owned(),
                carried(fidelity),
            ]
        };
        let rows: Vec<_> = all.iter().map(row).collect();
        let text = table(["FORMAT", "WAY", "HASHES", "DIGITS", "STEPS", "HOTP", "CARRIES (* NEEDED)"], &rows);
        Ok(Outcome::new(all.iter().map(|format| to_json(*format)).collect(), text))
    }
}

/// The format with this id, a known one or one of the user's.
pub(crate) fn find(
    context: &Context,
    file: Option<&Path>,
    id: &str,
) -> std::result::Result<&'static dyn Format, Failure> {
    let found = all(context, file)?.into_iter().find(|format| format.id() == id);
    let message = format!("there is no format {id:?}");
    found.ok_or_else(|| Failure::usage(message, "see `oathburn formats`"))
}

/// All formats: those of the user's columns file, or of the one that was named, at the end.
fn all(context: &Context, file: Option<&Path>) -> std::result::Result<Vec<&'static dyn Format>, Failure> {
    let mut all = FORMATS.to_vec();
    let default = context.columns_file();
    let path = file.unwrap_or(&default);
    let text = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && file.is_none() => return Ok(all),
        Err(error) => {
            let message = format!("failed to read {}: {error}", path.display());
            return Err(Failure::new(
                Exit::Input,
                "columns-file-unreadable",
                message,
                "check the file's name and rights",
            ));
        }
        Ok(text) => text,
    };
    let named = |error: FormatError| {
        let mut failure = Failure::from(error);
        failure.message = format!("{}: {}", path.display(), failure.message);
        failure
    };
    for columns in Columns::read(&text).map_err(named)? {
        if let Some(known) = FORMATS.iter().find(|format| format.id() == columns.id()) {
            let message = format!("{}: id {:?} is the name of a known format", path.display(), known.id());
            return Err(Failure::new(Exit::Input, "columns-id", message, "give the format another id"));
        }
        all.push(columns);
    }
    Ok(all)
}

/// A text file that is not too large.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let limit = u64::try_from(MAX_COLUMNS_FILE).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)?.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

fn ways(format: &dyn Format) -> &'static str {
    match (format.reader().is_some(), format.writer().is_some()) {
        (true, true) => "in, out",
        (true, false) => "in",
        (false, true) => "out",
        (false, false) => "-",
    }
}

fn hashes(fidelity: &Fidelity) -> String {
    fidelity.algorithms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn digits(fidelity: &Fidelity) -> String {
    fidelity.digits.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn steps(fidelity: &Fidelity) -> String {
    match fidelity.steps {
        None => "any".into(),
        Some([]) => "-".into(),
        Some(steps) => steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

/// What has a place in a format beside seed and parameters.
fn parts(fidelity: &Fidelity) -> [(&'static str, Carried); 5] {
    [
        ("serial", fidelity.serial),
        ("manufacturer", fidelity.manufacturer),
        ("model", fidelity.model),
        ("upn", fidelity.upn),
        ("issuer", fidelity.issuer),
    ]
}

fn carried(fidelity: &Fidelity) -> String {
    let there = parts(fidelity).into_iter().filter_map(|(name, carried)| match carried {
        Carried::No => None,
        Carried::Yes => Some(name.to_owned()),
        Carried::Needed => Some(format!("{name}*")),
    });
    there.collect::<Vec<_>>().join(" ")
}

fn lost(fidelity: &Fidelity) -> Vec<&'static str> {
    parts(fidelity).into_iter().filter(|(_, carried)| *carried == Carried::No).map(|(name, _)| name).collect()
}

fn settings(format: &dyn Format) -> &'static [Setting] {
    format.writer().map_or(&[], oathburn_formats::WriteFormat::settings)
}

fn details(format: &dyn Format) -> String {
    let fidelity = format.fidelity();
    let lost = lost(fidelity).join(" ");
    let mut text = String::new();
    let rows = [
        ("format", format.id().to_owned()),
        ("title", format.title().to_owned()),
        ("way", ways(format).to_owned()),
        ("hashes", hashes(fidelity)),
        ("digits", digits(fidelity)),
        ("steps", steps(fidelity)),
        ("event-based", if fidelity.event_based { "yes" } else { "no" }.to_owned()),
        ("longest seed", format!("{} bytes", fidelity.max_seed_len)),
        ("carries", carried(fidelity)),
        ("loses", if lost.is_empty() { "nothing".into() } else { lost }),
    ];
    for (name, value) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:14} {value}");
    }
    for setting in settings(format) {
        let needed = if setting.needed { "" } else { " (may be left out)" };
        let _ = writeln!(text, "--set {}=…  {}{needed}", setting.name, setting.about);
    }
    text
}

fn to_json(format: &dyn Format) -> Value {
    let fidelity = format.fidelity();
    let setting = |setting: &Setting| json!({ "name": setting.name, "about": setting.about, "needed": setting.needed });
    let carries: serde_json::Map<_, _> = parts(fidelity)
        .into_iter()
        .map(|(name, carried)| {
            let carried = match carried {
                Carried::No => "no",
                Carried::Yes => "yes",
                Carried::Needed => "needed",
            };
            (name.to_owned(), carried.into())
        })
        .collect();
    json!({
        "format": format.id(),
        "title": format.title(),
        "reads": format.reader().is_some(),
        "writes": format.writer().is_some(),
        "algorithms": fidelity.algorithms.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "digits": fidelity.digits,
        "time_steps": fidelity.steps,
        "event_based": fidelity.event_based,
        "max_seed_bytes": fidelity.max_seed_len,
        "carries": carries,
        "loses": lost(fidelity),
        "settings": settings(format).iter().map(setting).collect::<Vec<_>>(),
    })
}
