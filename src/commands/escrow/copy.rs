//! `oathburn escrow copy`

use clap::Args;
use oathburn_escrow::{Copying, Escrow};
use serde_json::{Map, json};

use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Outcome;

/// Copy a whole store to another place, and prove that the copy is the same
///
/// Everything is copied but the leases of running batches, all of it or nothing. Before the copy gets its name every row is read
/// back and compared, and every event verified; the store is only read. Nothing is overwritten, and nothing copied while
/// somebody writes to the store: end the work of all stations first, and let them use the copy from then on. What this user
/// has seen of the store counts for the copy; other users compare its fingerprint.
#[derive(Args, Debug)]
pub(crate) struct Copy {
    /// The store, as in --store
    from: String,
    /// Where the copy is to be; there must be nothing yet
    to: String,
}

impl Copy {
    pub(crate) fn run(self, context: &Context) -> Result {
        let (from, to) = (context.address(&self.from)?, context.address(&self.to)?);
        context.make_folder()?;
        let (written, compared) = (context.talk.counter("rows copied"), context.talk.counter("rows compared"));
        let report = Escrow::copy(&from, &to, &context.pins(), &mut |step| match step {
            Copying::Checking => {}
            Copying::Written(_, rows) => written.add(rows),
            Copying::Compared(_, rows) => compared.add(rows),
        })?;
        drop((written, compared));
        if report.overtaken {
            let warning = "somebody wrote to the store at the last moment: that is not in the copy, so copy again";
            context.talk.warn(warning);
        }
        let tables: Map<_, _> = report.tables.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows))).collect();
        let json = json!({
            "escrow": report.escrow.to_string(),
            "fingerprint": report.fingerprint,
            "from": from.to_string(),
            "to": to.to_string(),
            "same": tables,
            "ok": !report.overtaken,
        });
        let rows: u64 = report.tables.iter().map(|(_, rows)| rows).sum();
        let (entries, events) = (report.check.entries, report.check.events);
        let text = format!(
            "{entries} entries and {events} events copied to {to}: all {rows} rows are the same\n\
             escrow {}, fingerprint {}\n",
            report.escrow, report.fingerprint
        );
        let exit = if report.overtaken { Exit::Escrow } else { Exit::Done };
        Ok(Outcome::new(json, text).ending(exit))
    }
}
