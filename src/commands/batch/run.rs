//! `oathburn batch run`, `resume` and `retry-failed`.

use std::path::{Path, PathBuf};

use clap::Args;
use oathburn_escrow::{Batch, BatchState, Escrow, EscrowError, NewBatch, NewLine};
use oathburn_formats::UserRow;
use oathburn_oath::{Algorithm, FamilyId, SystemClock, TimeStep, TotpParams};
use oathburn_station::{BatchOptions, Prescribed, Station};
use oathburn_token::{DisplayTimeout, FAMILIES};
use serde_json::json;

use super::list::{self, Problem};
use super::place::places;
use super::status::chosen;
use super::work::{Work, work};
use crate::commands::Result;
use crate::commands::burn::parse_display_timeout;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, printable};
use crate::prompt;

/// Burn a list of users, or so many tokens for nobody yet
///
/// The list is CSV with a header: upn, and if you like serial, seed, algorithm, time step, issuer, label, in any order. A
/// seed is made for each line that prescribes none. A line that names a serial number takes that token only; the others
/// take whichever comes. The plan is shown and has to be confirmed. A prescribed seed is sealed into the escrow when the
/// batch is made.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, clippy::struct_field_names, reason = "each is a flag of its own")]
pub(crate) struct Run {
    /// The list of users (`-`: stdin)
    #[arg(required_unless_present = "count", conflicts_with = "count")]
    users: Option<PathBuf>,
    /// Burn so many tokens for nobody yet
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: Option<u32>,
    /// The hash of lines that name none: sha1 or sha256
    #[arg(long, default_value = "sha1")]
    algorithm: Algorithm,
    /// How long a code of lines that do not say it lasts: 30 or 60 seconds
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    time_step: TimeStep,
    /// The service of lines that name none
    #[arg(long)]
    issuer: Option<String>,
    /// Length of generated seeds in bytes [default: 20 for SHA-1, 32 for SHA-256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(16..=64))]
    seed_bytes: Option<u16>,
    /// How long displays stay lit: 15, 30, 60 or 120 seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_display_timeout)]
    display_timeout: DisplayTimeout,
    /// The family of the tokens: one with a single slot unless it is said. One token gets one line
    #[arg(long, value_name = "FAMILY", value_parser = parse_family)]
    family: Option<FamilyId>,
    /// Replace seeds that are in use
    #[arg(long)]
    replace: bool,
    /// Write to tokens whose serial numbers belong to no known model
    #[arg(long)]
    unlisted_model: bool,
    /// Ask for the code on each display and compare it
    #[arg(long)]
    verify: bool,
    /// Show the plan and every problem, burn nothing
    #[arg(long)]
    dry_run: bool,
    /// Write every problem of a list that is refused, as CSV: row, column, code, message, remedy
    #[arg(long, value_name = "FILE", conflicts_with = "count")]
    problems: Option<PathBuf>,
    /// Do not ask whether to begin
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    work: Work,
}

/// Go on with a batch where it ended
///
/// A token whose burn was begun is finished on its own line. Prescribed seeds are opened from the escrow, which needs an
/// officer; a station without one is given the same list again with --users.
#[derive(Args, Debug)]
pub(crate) struct Resume {
    /// The batch, or the beginning of its id [default: the only one that is running]
    batch: Option<String>,
    /// The list the batch was made of, for its prescribed seeds
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    #[command(flatten)]
    work: Work,
}

/// Take the failed lines of a batch up again, and go on with it
#[derive(Args, Debug)]
pub(crate) struct RetryFailed {
    /// The batch, or the beginning of its id [default: the only one that is running, or the newest]
    batch: Option<String>,
    /// The list the batch was made of, for its prescribed seeds
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    #[command(flatten)]
    work: Work,
}

/// One of the families that can be burned.
fn parse_family(text: &str) -> std::result::Result<FamilyId, String> {
    let found = FAMILIES.iter().map(|family| family.id()).find(|id| id.as_str() == text);
    found.ok_or_else(|| {
        let ids: Vec<_> = FAMILIES.iter().map(|family| family.id().to_string()).collect();
        format!("one of {}", ids.join(", "))
    })
}

impl Run {
    pub(crate) fn run(self, context: &Context) -> Result {
        self.work.check()?;
        let stdin_is_taken = self.users.as_deref() == Some(Path::new("-"));
        if stdin_is_taken && (self.verify || !self.yes || context.reads_passphrase_from_stdin()) && !self.dry_run {
            let message = "stdin holds the list, and cannot hold an answer, a code or a passphrase, too";
            return Err(Failure::usage(message, "put the list into a file, or add --yes"));
        }
        let table = self.problems.as_deref();
        let rows = self.users.as_deref().map(|users| list::read(users, table)).transpose()?.unwrap_or_default();
        let lines = self.lines(&rows);
        let escrow = context.escrow()?;
        let station = Station { escrow: &escrow, officer: None, models: &context.models, clock: &SystemClock };
        let problems = station.check_lines(&lines, &self.options())?;
        if !problems.is_empty() {
            let path = self.users.as_deref().unwrap_or(Path::new("--count"));
            return Err(list::refused(path, problems.iter().map(|problem| Problem::of_plan(problem, &rows)), table));
        }
        let readers = if self.dry_run { Vec::new() } else { places(context)? };
        let plan = self.plan(&lines);
        context.talk.say(&plan);
        if self.dry_run {
            let json = json!({ "state": "planned", "lines": lines.len() });
            return Ok(Outcome::new(json, ""));
        }
        for reader in &readers {
            context.talk.say(format_args!("reader {}", printable(&reader.name())));
        }
        self.confirm(context, lines.len())?;
        let name = self.users.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let name: String = name.unwrap_or_else(|| "stock".into()).chars().take(200).collect();
        let new = NewBatch { name: &name, options: self.options().to_facts(), lines: &lines };
        let batch = escrow.create_batch(&new)?;
        let prescribed = list::prescribed(&lines);
        drop((rows, lines));
        work(context, &escrow, batch, &self.work, readers, &prescribed)
    }

    fn lines(&self, rows: &[UserRow]) -> Vec<NewLine> {
        let params = TotpParams { algorithm: self.algorithm, step: self.time_step, ..TotpParams::default() };
        match self.count {
            Some(count) => list::stock(count, params, self.issuer.as_deref()),
            None => list::lines(rows, params, self.issuer.as_deref()),
        }
    }

    fn options(&self) -> BatchOptions {
        BatchOptions {
            family: self.family.clone(),
            replace: self.replace,
            verify: self.verify,
            unlisted_model: self.unlisted_model,
            seed_len: self.seed_bytes.map(usize::from),
            display_timeout: self.display_timeout,
        }
    }

    fn plan(&self, lines: &[NewLine]) -> String {
        let count = |wanted: fn(&NewLine) -> bool| lines.iter().filter(|line| wanted(line)).count();
        let (bound, seeds) = (count(|line| line.serial.is_some()), count(|line| line.seed.is_some()));
        let seeds = Some(format!("{seeds} with a prescribed seed")).filter(|_| seeds > 0);
        let family = self.family.as_ref().map(|family| format!("of the family {family}"));
        let said = [
            (self.replace, "seeds in use are replaced"),
            (self.unlisted_model, "unknown models are written to"),
            (self.verify, "each display is compared"),
        ];
        let tokens = format!("{} tokens", lines.len());
        let which = if bound == 0 { "whichever come".into() } else { format!("{bound} of them named") };
        let said = said.into_iter().filter(|(said, _)| *said).map(|(_, what)| what.to_owned());
        [tokens, which].into_iter().chain(family).chain(seeds).chain(said).collect::<Vec<_>>().join(", ")
    }

    fn confirm(&self, context: &Context, count: usize) -> std::result::Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !context.talk.can_ask() {
            return Err(Failure::usage(
                "nobody is there to confirm the plan",
                "look at it with --dry-run, then add --yes",
            ));
        }
        let answer = prompt::line(&format!("Burn {count} tokens? [y/N]"));
        match answer.as_deref().map(|answer| answer.trim().to_lowercase()) {
            Ok(answer) if ["y", "yes"].contains(&answer.as_str()) => Ok(()),
            _ => Err(Failure::new(Exit::Interrupted, "batch-declined", "nothing was burned", "run again and answer y")),
        }
    }
}

impl Resume {
    pub(crate) fn run(self, context: &Context) -> Result {
        self.work.check()?;
        let escrow = context.escrow()?;
        let batch = chosen(&escrow, self.batch.as_deref())?;
        if batch.state != BatchState::Running {
            return Err(ended(&batch));
        }
        let prescribed = given_again(&escrow, &batch, self.users.as_deref())?;
        let readers = places(context)?;
        work(context, &escrow, batch.id, &self.work, readers, &prescribed)
    }
}

impl RetryFailed {
    pub(crate) fn run(self, context: &Context) -> Result {
        self.work.check()?;
        let escrow = context.escrow()?;
        let batch = chosen(&escrow, self.batch.as_deref())?;
        if batch.state == BatchState::Cancelled {
            return Err(ended(&batch));
        }
        let prescribed = given_again(&escrow, &batch, self.users.as_deref())?;
        let readers = places(context)?;
        escrow.reopen_failed(batch.id)?;
        work(context, &escrow, batch.id, &self.work, readers, &prescribed)
    }
}

fn ended(batch: &Batch) -> Failure {
    EscrowError::BatchEnded { batch: batch.id, state: batch.state.to_string() }.into()
}

/// The prescribed seeds from the list, if it is given again.
fn given_again(escrow: &Escrow, batch: &Batch, users: Option<&Path>) -> std::result::Result<Prescribed, Failure> {
    users.map_or_else(|| Ok(Prescribed::new()), |path| list::again(path, escrow, batch.id))
}
