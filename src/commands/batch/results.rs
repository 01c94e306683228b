//! What became of the lines, as CSV: `batch results`, and `--results` at the end of a run.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use oathburn_desk::stations::csv::guarded;
use oathburn_escrow::{BatchId, Escrow};
use oathburn_station::{LINE_COLUMNS, line_row};
use serde_json::json;

use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, rfc3339};
use crate::whole_file::{unwritten, write_whole};

/// Write what became of the lines of a batch, as CSV
///
/// The columns are line, upn, serial, model, state, time, drift, error: one row for each line, in order. It can be written
/// at any time, also while the batch runs.
#[derive(Args, Debug)]
pub(crate) struct Results {
    /// The batch, or the beginning of its id [default: the only one that is running, or the newest]
    batch: Option<String>,
    /// The file (`-`: stdout)
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

impl Results {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let batch = super::status::chosen(&escrow, self.batch.as_deref())?;
        let (file, rows) = csv(&escrow, batch.id)?;
        let json = json!({ "batch": batch.id.to_string(), "rows": rows, "file": self.out.display().to_string() });
        if self.out == Path::new("-") {
            let text = String::from_utf8(file).map_err(|_| unwritten(&self.out, &io::ErrorKind::InvalidData.into()))?;
            return Ok(Outcome::new(json, text));
        }
        write_whole(&self.out, |out| out.write_all(&file))?;
        Ok(Outcome::new(json, format!("{rows} lines written to {}\n", self.out.display())))
    }
}

/// The table, and how many rows it has below its header.
pub(super) fn csv(escrow: &Escrow, batch: BatchId) -> std::result::Result<(Vec<u8>, u64), Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut written = writer.write_record(LINE_COLUMNS);
    let mut rows = 0;
    escrow.each_line(batch, |line| {
        rows += 1;
        if written.is_ok() {
            written = writer.write_record(line_row(&line, rfc3339).map(|cell| guarded(&cell)));
        }
    })?;
    let failed =
        |error: String| Failure::new(Exit::Bug, "results", format!("failed to write the results: {error}"), "");
    written.map_err(|error| failed(error.to_string()))?;
    writer.into_inner().map(|file| (file, rows)).map_err(|error| failed(error.to_string()))
}
