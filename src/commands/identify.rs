//! `oathburn identify`

use clap::Args;
use oathburn_oath::{Drift, SystemClock};
use oathburn_reader::Activation;
use oathburn_station::{Identified, StationError};
use oathburn_token::{ClockSync, TokenError, TransportError};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::commands::select::Wait;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Outcome, rfc3339};

/// Say what is on the reader; writes nothing
///
/// A card that is no programmable token is named, and the exit code is 4. With -v it is also said how the token
/// introduced itself over the air (UID, ATQA, SAK, ATS), as far as the reader tells, and its ATR.
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
        let mut json = to_json(&selector, &token);
        let mut details = String::new();
        if context.globals.verbose > 0 {
            // Asked for last: only now it is known that this harms no card.
            let activation = conversation.activation().map_err(wire_failed)?;
            details = activation_text(activation);
            json.as_object_mut().expect("it was made as one").extend(activation_json(activation));
        }
        if !token.is_programmable() {
            let serial = token.info.serial.clone();
            let error = match token.model {
                Some(model) => TokenError::NotProgrammable { model: model.name, serial },
                None => TokenError::UnlistedModel { serial },
            };
            return Err(Failure::from(StationError::Token(error)).beside(&json));
        }
        Ok(Outcome::new(json, to_text(&selector, &token) + &details))
    }
}

fn wire_failed(source: TransportError) -> Failure {
    TokenError::Wire { command: "GET DATA (reader)", source }.into()
}

/// How it introduced itself, by name; `None` where the reader does not say.
fn activation_rows(activation: &Activation) -> [(&'static str, Option<String>); 5] {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    [
        ("uid", activation.uid.as_deref().map(hex)),
        ("atqa", activation.atqa.as_ref().map(|atqa| hex(atqa))),
        ("sak", activation.sak.map(|sak| hex(&[sak]))),
        ("ats", activation.ats.as_deref().map(hex)),
        ("atr", Some(hex(&activation.atr))),
    ]
}

fn activation_json(activation: &Activation) -> impl Iterator<Item = (String, Value)> {
    activation_rows(activation).into_iter().map(|(name, value)| (name.to_owned(), value.into()))
}

fn activation_text(activation: &Activation) -> String {
    let rows = activation_rows(activation).into_iter();
    let line = |(name, value): (_, Option<String>)| format!("{name:<6}  {}\n", value.as_deref().unwrap_or("unknown"));
    rows.map(line).collect::<Vec<_>>().concat()
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
