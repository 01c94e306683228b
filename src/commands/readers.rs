//! `oathburn readers`

use std::io::{self, Write};

use clap::Args;
use oathburn_oath::{Clock, SystemClock};
use oathburn_reader::{ReaderChange, ReaderInfo, ReaderSelector};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Outcome, printable, rfc3339, table};

/// List readers, of PC/SC and of libnfc
///
/// With --watch they are followed until Ctrl-C: one line, or with --json one object a line, for each reader that is
/// there or comes (reader-connected) or goes (reader-disconnected), and for each token that is laid on one (token-on),
/// taken off (token-off), or exchanged too fast to see (token-swapped). A reader of libnfc is opened for a moment twice
/// a second; in between other programs can use it.
///
/// Exit code 3 when there is no service and no reader, 130 when a watch was ended with Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct Readers {
    /// Say what comes and goes, until Ctrl-C; with --reader only there
    #[arg(short, long)]
    watch: bool,
    /// End after so many lines
    #[arg(short, long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl Readers {
    pub(crate) fn run(self, context: &Context) -> Result {
        if self.watch { self.watch(context) } else { list(context) }
    }

    fn watch(&self, context: &Context) -> Result {
        let selector = context.globals.one_reader()?.map(str::parse::<ReaderSelector>).transpose()?;
        let deferred = context.defer_interrupts();
        let mut left = self.count;
        let mut failed = None;
        oathburn_reader::watch(selector.as_ref(), &|| deferred.is_interrupted(), &mut |change| {
            failed = write(change, context.globals.json).err();
            left = left.map(|left| left - 1);
            failed.is_none() && left != Some(0)
        })?;
        match failed {
            // Whoever read has gone.
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let message = format!("failed to write the result: {error}");
                return Err(Failure::new(Exit::Bug, "stdout", message, ""));
            }
            _ => {}
        }
        let exit = if deferred.is_interrupted() { Exit::Interrupted } else { Exit::Done };
        Ok(Outcome::new(Value::Null, "").ending(exit))
    }
}

/// One line, at once.
fn write(change: &ReaderChange, as_json: bool) -> io::Result<()> {
    let (at, selector) = (rfc3339(SystemClock.now()), change.selector.to_string());
    let mut out = anstream::stdout().lock();
    if as_json {
        let json = json!({
            "at": at,
            "change": change.change.as_str(),
            "selector": selector,
            "name": change.selector.name(),
            "stack": change.selector.stack().to_string(),
            "token_present": change.token_present,
        });
        writeln!(out, "{json}")?;
    } else {
        let token = change.token_present.filter(|_| change.change.as_str() == "reader-connected");
        let token = token.map_or("", |present| if present { "  with a token" } else { "  empty" });
        writeln!(out, "{at}  {:<19}  {}{token}", change.change.as_str(), printable(&selector))?;
    }
    out.flush()
}

fn list(context: &Context) -> Result {
    let readers = oathburn_reader::readers()?;
    if readers.is_empty() {
        context.talk.warn("no reader is connected");
        return Ok(Outcome::new(json!([]), ""));
    }
    let json = readers.iter().map(to_json).collect();
    let row = |reader: &ReaderInfo| {
        let token = reader.token_present.map_or("unknown", |present| if present { "yes" } else { "no" });
        [printable(&reader.selector.to_string()), token.to_owned()]
    };
    let rows: Vec<_> = readers.iter().map(row).collect();
    Ok(Outcome::new(json, table(["SELECTOR", "TOKEN"], &rows)))
}

fn to_json(reader: &ReaderInfo) -> Value {
    json!({
        "selector": reader.selector.to_string(),
        "name": reader.name,
        "stack": reader.stack.to_string(),
        "token_present": reader.token_present,
    })
}
