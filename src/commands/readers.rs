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
            let token = reader.token_present.map_or("unknown", |present| if present { "yes" } else { "no" });
            [printable(&reader.selector.to_string()), token.to_owned()]
        })
        .collect();
    Ok(Outcome::new(json, table(["SELECTOR", "TOKEN"], &rows)))
}
