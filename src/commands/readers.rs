//! `oathburn readers`

use serde_json::json;

use crate::commands::Result;
use crate::context::Context;
use crate::output::{Outcome, printable, table};

/// Lists the readers of every stack.
pub(crate) fn run(context: &Context) -> Result {
    let readers = oathburn_reader::readers()?;
    if readers.is_empty() {
        context.talk.warn("no reader is connected");
        return Ok(Outcome::new(json!([]), ""));
    }
    let json = readers
        .iter()
        .map(|reader| {
            json!({
                "selector": reader.selector.to_string(),
                "name": reader.name,
                "stack": reader.stack.to_string(),
                "token_present": reader.token_present,
            })
        })
        .collect();
    let rows: Vec<_> = readers
        .iter()
        .map(|reader| {
            [printable(&reader.selector.to_string()), if reader.token_present { "yes" } else { "no" }.to_owned()]
        })
        .collect();
    Ok(Outcome::new(json, table(["SELECTOR", "TOKEN"], &rows)))
}
