//! `oathburn desk token add`

use clap::Args;
use oathburn_desk::Settings;
use oathburn_desk::scripts::{ApiError, DEFAULT_DAYS, NewScript, Scope};
use serde_json::json;

use super::super::serve::open;
use super::{end, operator, scopes};
use crate::commands::Result;
use crate::context::Context;
use crate::output::Outcome;

/// Make a script's token, which is printed this once
///
/// The script sends it as `Authorization: Bearer …`. Everything that it does is in the audit trail as `script:NAME`.
#[derive(Args, Debug)]
pub(crate) struct Add {
    /// What the audit trail calls the script: up to 40 of a-z, 0-9, dot, dash and underscore
    name: String,
    /// What it may do, such as stations:read; may be given more than once, or with commas between
    #[arg(long, value_name = "SCOPE", required = true, value_delimiter = ',')]
    scope: Vec<String>,
    /// For how many days it is good, up to 3650
    #[arg(long, value_name = "N", default_value_t = DEFAULT_DAYS)]
    days: u32,
}

impl Add {
    pub(crate) fn run(self, context: &Context) -> Result {
        let named = |text: &String| Scope::from_name(text).ok_or_else(|| ApiError::ScopeUnknown { text: text.clone() });
        let wanted = self.scope.iter().map(named).collect::<std::result::Result<Vec<_>, _>>()?;
        let desk = open(context, Settings::default())?;
        let new = NewScript { name: &self.name, scopes: &wanted, days: self.days };
        let (script, token) = desk.add_script(&operator(context), &new)?;
        context.talk.say("whoever has this token may do what its scopes say: hand it to the script alone");
        let (end, scopes) = (end(&script), scopes(&script));
        let json = json!({ "name": script.name, "token": token.shown(), "scopes": scopes, "expires_at": end });
        Ok(Outcome::new(json, format!("{}\n", token.shown())))
    }
}
