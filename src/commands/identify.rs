//! `oathburn identify`

use clap::Args;
use oathburn_oath::{Drift, SystemClock};
use oathburn_station::{Identified, StationError};
use oathburn_token::{ClockSync, TokenError};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::commands::select::Wait;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Outcome, rfc3339};

/// Say what is on the reader; writes nothing
///
/// A card that is no programmable token is named, and the exit code is 4.
#[derive(Args, Debug)]
pub(crate) struct Identify {
    #[command(flatten)]
    wait: Wait,
}

impl Identify {
    pub(crate) fn run(self, context: &Context) -> Result {
        let deferred = context.defer_interrupts();
        let (reader, mut conversation) = self.wait.for_token(context, &deferred)?;
        let selector = reader.selector().to_string();
        let token = Identified::read(&mut conversation, &context.models, &SystemClock)
            .map_err(|error| Failure::from(error).with("selector", selector.clone()))?;
        let json = to_json(&selector, &token);
        if !token.is_programmable() {
            let serial = token.info.serial.clone();
            let error = match token.model {
                Some(model) => TokenError::NotProgrammable { model: model.name, serial },
                None => TokenError::UnlistedModel { serial },
            };
            return Err(Failure::from(StationError::Token(error)).beside(&json));
        }
        Ok(Outcome::new(json, to_text(&selector, &token)))
    }
}

fn sync(token: &Identified) -> ClockSync {
    token.model.as_ref().map_or(ClockSync::None, |model| model.sync)
}

fn to_json(selector: &str, token: &Identified) -> Value {
    json!({
        "selector": selector,
        "family": token.info.family.as_str(),
        "model": token.model.as_ref().map(|model| &model.name),
        "serial": token.info.serial.as_str(),
        "clock": token.info.clock.map(rfc3339),
        "drift_seconds": token.drift.map(Drift::seconds),
        "sync": sync(token).as_str(),
        "programmable": token.is_programmable(),
    })
}

fn to_text(selector: &str, token: &Identified) -> String {
    let model = token.model.as_ref().map_or("unknown", |model| &model.name);
    let clock = match (token.info.clock, token.drift) {
        (Some(clock), Some(drift)) => format!("{} ({drift})", rfc3339(clock)),
        _ => "none".to_owned(),
    };
    let sync = match sync(token) {
        ClockSync::Unrestricted => "unrestricted: setting the clock keeps the seed",
        ClockSync::Restricted => "restricted: setting the clock erases the seed",
        ClockSync::None => "none",
    };
    let (family, serial) = (&token.info.family, &token.info.serial);
    format!(
        "serial  {serial}\nmodel   {model}\nfamily  {family}\nclock   {clock}\nsync    {sync}\nreader  {selector}\n"
    )
}
