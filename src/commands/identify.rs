//! `oathburn identify`

use std::fmt::Write as _;

use clap::Args;
use oathburn_oath::{Drift, SystemClock};
use oathburn_reader::Activation;
use oathburn_station::{Identified, StationError};
use oathburn_token::{AccessKeys, Capabilities, ClockOf, ClockSync, SlotInfo, Slots, TokenError, TransportError};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::commands::access::Access;
use crate::commands::select::Wait;
use crate::commands::token::slots_to_json;
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
    access: Access,
    #[command(flatten)]
    wait: Wait,
}

impl Identify {
    pub(crate) fn run(self, context: &Context) -> Result {
        let access_key = self.access.read()?;
        let deferred = context.defer_interrupts();
        let (reader, mut conversation) = self.wait.for_token(context, &deferred)?;
        let selector = reader.selector().to_string();
        let token = Identified::read(&mut conversation, &context.models, &SystemClock)
            .map_err(|error| Failure::from(error).with("selector", selector.clone()))?;
        let capabilities = token.driver().capabilities();
        let tells = capabilities.slots != Slots::Single && (!token.info.locked || access_key.is_some());
        let slots = if tells {
            match token.driver().slots(&mut conversation, access_key.as_ref()) {
                Ok(slots) => Some(slots),
                // Who it is was told; what it holds it keeps to itself.
                Err(error @ TokenError::Refused { .. }) => {
                    context.talk.warn(error);
                    None
                }
                Err(error) => return Err(Failure::from(error).with("selector", selector)),
            }
        } else {
            None
        };
        let mut json = to_json(&selector, &token);
        json["slots"] = slots.as_deref().map(slots_to_json).into();
        json["capabilities"] = can(capabilities);
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
        Ok(Outcome::new(json, to_text(&selector, &token, slots.as_deref()) + &details))
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
        "version": token.info.version,
        "device_id": token.info.device_id,
        "locked": token.info.locked,
    })
}

/// What the token can do, for scripts that meet many kinds.
fn can(capabilities: &Capabilities) -> Value {
    let slots = match capabilities.slots {
        Slots::Single => "single",
        Slots::Numbered => "numbered",
        Slots::Named { .. } => "named",
    };
    let clock = match capabilities.clock {
        ClockOf::Host => "host",
        ClockOf::Token => "token",
        ClockOf::Slot => "slot",
    };
    let access_key = match capabilities.access_key {
        AccessKeys::Fixed => "fixed",
        AccessKeys::Optional => "optional",
        AccessKeys::Always => "always",
    };
    json!({
        "max_seed_bytes": capabilities.max_seed_len,
        "algorithms": capabilities.algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>(),
        "digits": capabilities.digits.iter().map(|digits| digits.get()).collect::<Vec<_>>(),
        "time_steps": capabilities.time_steps.iter().map(|step| step.seconds()).collect::<Vec<_>>(),
        "event_based": capabilities.event_based,
        "slots": slots,
        "reads_codes": capabilities.reads_codes,
        "clock": clock,
        "touch": capabilities.touch,
        "max_title_bytes": capabilities.max_title_len,
        "access_key": access_key,
    })
}

fn to_text(selector: &str, token: &Identified, slots: Option<&[SlotInfo]>) -> String {
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
    let mut text = format!("serial  {serial}\nmodel   {model}\nfamily  {family}\n");
    for (name, value) in [("version", &token.info.version), ("device", &token.info.device_id)] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:7} {value}");
        }
    }
    let _ = write!(text, "clock   {clock}\nsync    {sync}\nreader  {selector}\n");
    if token.info.locked {
        text.push_str("locked  it asks for its access key\n");
    }
    if let Some(slots) = slots {
        let used = slots.iter().filter(|slot| slot.has_seed);
        let of = if slots.len() > used.clone().count() { format!(" of {}", slots.len()) } else { String::new() };
        let _ = writeln!(text, "seeds   {}{of}: see `oathburn token slots`", used.count());
    }
    text
}
