//! `oathburn desk token list`

use clap::Args;
use oathburn_desk::Settings;
use oathburn_oath::{Clock as _, SystemClock, UnixTime};
use serde_json::{Value, json};

use super::super::serve::open;
use super::{end, scopes};
use crate::commands::Result;
use crate::context::Context;
use crate::output::{Outcome, rfc3339, table};

/// List the scripts that have, or had, a token
#[derive(Args, Debug)]
pub(crate) struct List;

impl List {
    pub(crate) fn run(context: &Context) -> Result {
        let scripts = open(context, Settings::default())?.scripts()?;
        let now = SystemClock.now();
        let mut rows = Vec::new();
        let mut all = Vec::new();
        for (script, used) in &scripts {
            let used_at = used.as_ref().map(|used| rfc3339(UnixTime::new(used.at)));
            let shown = used_at.clone().unwrap_or_else(|| "never".into());
            rows.push([script.name.clone(), script.state(now).into(), end(script), shown, scopes(script).join(" ")]);
            all.push(json!({
                "name": script.name,
                "state": script.state(now),
                "scopes": scopes(script),
                "expires_at": end(script),
                "made_by": script.made.by,
                "made_at": rfc3339(UnixTime::new(script.made.at)),
                "revoked_by": script.revoked.as_ref().map(|done| done.by.as_str()),
                "revoked_at": script.revoked.as_ref().map(|done| rfc3339(UnixTime::new(done.at))),
                "used_at": used_at,
                "used_from": used.as_ref().map(|used| used.address.as_str()),
            }));
        }
        let text = if rows.is_empty() {
            "there is no script\n".to_owned()
        } else {
            table(["NAME", "STATE", "GOOD UNTIL", "LAST USE", "SCOPES"], &rows)
        };
        Ok(Outcome::new(Value::Array(all), text))
    }
}
