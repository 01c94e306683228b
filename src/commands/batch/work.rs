//! The run itself: readers, officer, screen, and what is written at the end.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use oathburn_escrow::{BatchId, Escrow};
use oathburn_oath::SystemClock;
use oathburn_station::{
    BatchEnd, BatchOptions, BatchRun, OneBatch, OpenBatch, OpenerSource, Place, Prescribed, Station,
};

use super::ending;
use super::place::ReaderPlace;
use super::screen::{Screen, Task};
use crate::commands::Result;
use crate::context::{Context, LazyOpener};
use crate::failure::Failure;
use crate::host_clock;

/// What every run of a batch can be told.
#[derive(Args, Debug)]
pub(super) struct Work {
    /// Stop when no token was laid on for so long [default: wait for ever]
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// At the end write what became of each line, as CSV
    #[arg(long, value_name = "FILE")]
    pub(super) results: Option<PathBuf>,
    /// At the end write the seeds of what is done for an identity provider, in this format (`oathburn formats`)
    #[arg(long, value_name = "ID", requires = "out")]
    pub(super) export: Option<String>,
    /// The new file for --export
    #[arg(long, value_name = "FILE", requires = "export")]
    pub(super) out: Option<PathBuf>,
    /// Run this command for each line that is done, with JSON on its stdin; it has 30 seconds
    #[arg(long, value_name = "CMD")]
    on_done: Option<String>,
}

impl Work {
    /// Refuses what would only fail after hours.
    pub(super) fn check(&self) -> std::result::Result<(), Failure> {
        match &self.out {
            Some(path) if path.symlink_metadata().is_ok() => {
                let message = format!("{} is there already", path.display());
                Err(Failure::usage(message, "name a new file with --out"))
            }
            _ => Ok(()),
        }
    }
}

/// Works on a batch until it ends, and says how.
pub(super) fn work(
    context: &Context,
    escrow: &Escrow,
    batch: BatchId,
    work: &Work,
    readers: Vec<ReaderPlace>,
    prescribed: &Prescribed,
) -> Result {
    let before = escrow.batch(&batch.to_string())?;
    let options = BatchOptions::from_facts(&before.options);
    let officer = LazyOpener::new(context, escrow);
    if needs_officer(escrow, batch, prescribed)? {
        // A missing key is found before the first token is laid on.
        officer.opener().map_err(|error| Failure::from(error).with("batch", batch.to_string()))?;
    }
    let at_hand = context.has_officer_at_hand() || officer.is_open();
    let station = Station {
        escrow,
        // Nobody is asked for a passphrase while a token lies there.
        officer: if at_hand { Some(&officer) } else { None },
        models: &context.models,
        clock: &SystemClock,
    };
    host_clock::warn_unless_synchronised(context.talk);
    let deferred = context.defer_interrupts();
    let names = readers.iter().map(ReaderPlace::name).collect();
    let screen = Screen::new(context, &Task::of_batch(&before), names, work.on_done.clone());
    let run = BatchRun {
        station,
        supply: &OneBatch { batch: OpenBatch { id: batch, options }, prescribed },
        interrupted: &|| deferred.is_interrupted(),
        patience: work.wait.map(Duration::from_secs),
    };
    let places = readers.into_iter().map(|place| Box::new(place) as Box<dyn Place>).collect();
    let end: BatchEnd = run.run(places, &screen);
    let hook_failures = screen.end();
    drop(deferred);
    let outcome = ending::outcome(escrow, batch, end, work, hook_failures)?;
    Ok(ending::exported(context, batch, work, outcome))
}

/// Whether seeds have to be opened that are not at hand.
fn needs_officer(escrow: &Escrow, batch: BatchId, prescribed: &Prescribed) -> std::result::Result<bool, Failure> {
    let mut needed = false;
    escrow.each_line(batch, |line| {
        needed |= line.seed.is_some() && line.state.is_left() && !prescribed.contains_key(&line.number);
    })?;
    Ok(needed)
}
