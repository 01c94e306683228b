//! How a run ended: the summary, the files, the exit code.

use std::fmt::Write as _;

use oathburn_escrow::{BatchId, Escrow};
use oathburn_station::BatchEnd;
use serde_json::json;

use super::results::csv;
use super::status::to_json;
use super::work::Work;
use crate::commands::Result;
use crate::commands::export::Export;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Outcome;
use crate::whole_file::write_whole;

pub(super) fn outcome(escrow: &Escrow, batch: BatchId, end: BatchEnd, work: &Work, hook_failures: u64) -> Result {
    if let BatchEnd::Stopped(error) = end {
        let mut failure = Failure::from(*error).with("event", "stopped").with("batch", batch.to_string());
        let again = format!("then go on with `oathburn batch resume {batch}`");
        failure.remedy = Some(failure.remedy.map_or_else(|| again.clone(), |remedy| format!("{remedy}; {again}")));
        // What can be told of the lines is told, if the escrow lets us.
        if let Ok(batch) = escrow.batch(&batch.to_string()) {
            failure = failure.beside(&to_json(&batch));
        }
        return Err(failure);
    }
    let after = escrow.batch(&batch.to_string())?;
    let counts = after.counts;
    let mut json = to_json(&after);
    json["event"] = json!("summary");
    json["hook_failures"] = hook_failures.into();
    let mut text = String::new();
    let (how, exit) = match end {
        BatchEnd::Finished if counts.failed > 0 => ("finished", Exit::LinesFailed),
        BatchEnd::Finished => ("finished", Exit::Done),
        BatchEnd::Cancelled => ("cancelled", Exit::Interrupted),
        BatchEnd::Idle => ("stopped, no token came", Exit::NoToken),
        BatchEnd::Interrupted | BatchEnd::Stopped(_) => ("interrupted", Exit::Interrupted),
    };
    json["end"] = match end {
        BatchEnd::Finished => "finished",
        BatchEnd::Cancelled => "cancelled",
        BatchEnd::Idle => "idle",
        BatchEnd::Interrupted | BatchEnd::Stopped(_) => "interrupted",
    }
    .into();
    // Writing to a string cannot fail.
    let _ =
        writeln!(text, "batch {batch} {how}: {} done, {} failed, {} left", counts.done, counts.failed, counts.left());
    if counts.failed > 0 {
        let _ =
            writeln!(text, "`oathburn batch status {batch}` lists the failed lines, `batch retry-failed` burns them");
    }
    if counts.left() > 0 && !matches!(end, BatchEnd::Cancelled) {
        let _ = writeln!(text, "go on with `oathburn batch resume {batch}`");
    }
    if hook_failures > 0 {
        let _ = writeln!(text, "the command of --on-done failed {hook_failures} times");
    }
    if let Some(path) = &work.results {
        let (file, rows) = csv(escrow, batch)?;
        write_whole(path, |out| out.write_all(&file)).map_err(|failure| failure.beside(&json))?;
        let _ = writeln!(text, "{rows} lines written to {}", path.display());
        json["results"] = path.display().to_string().into();
    }
    Ok(Outcome::new(json, text).ending(exit))
}

/// The outcome with the seeds of what is done in a file, if that was asked for. That they cannot be written does not undo
/// the burns: it is said, and how to write them later.
pub(super) fn exported(context: &Context, batch: BatchId, work: &Work, mut outcome: Outcome) -> Outcome {
    let Some((format, out)) = work.export.as_deref().zip(work.out.clone()) else { return outcome };
    if outcome.json["done"] == 0 {
        return outcome;
    }
    match Export::of_batch(format, out.clone(), batch).run(context) {
        Ok(export) => {
            outcome.text.push_str(export.text.trim_end());
            outcome.text.push('\n');
            outcome.json["export"] = export.json;
        }
        Err(failure) => {
            let later =
                format!("oathburn export --format {format} --batch {batch} --reason \"batch {batch}\" --out FILE");
            let why = &failure.message;
            // Writing to a string cannot fail.
            let _ = writeln!(outcome.text, "the seeds were not exported: {why}; do it later with `{later}`");
            outcome.json["export"] = failure.to_json();
            if outcome.exit == Exit::Done {
                outcome.exit = failure.exit;
            }
        }
    }
    outcome
}
