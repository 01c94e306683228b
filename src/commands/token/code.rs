//! `oathburn token code`

use clap::Args;
use oathburn_oath::{Algorithm, Digits, HotpParams, Params, Slot, SystemClock, TotpParams};
use oathburn_station::Station;
use oathburn_token::find_slot;
use serde_json::json;

use crate::commands::access::Access;
use crate::commands::select::Wait;
use crate::commands::{Result, codes};
use crate::context::{Context, LazyOpener};
use crate::output::{Outcome, rfc3339};

/// Print a code that the token on the reader computes itself
///
/// No seed leaves the token, and nothing is taken from the escrow. A seed that counts makes its next code by that, and
/// will not make it again.
#[derive(Args, Debug)]
pub(crate) struct Code {
    /// Which slot, as `oathburn token slots` shows it
    #[arg(long, value_name = "NAME")]
    slot: Slot,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    wait: Wait,
}

impl Code {
    pub(crate) fn run(self, context: &Context) -> Result {
        let access_key = self.access.read()?;
        let escrow = context.escrow()?;
        let officer = LazyOpener::new(context, &escrow);
        let station = Station {
            escrow: &escrow,
            officer: if context.has_officer() { Some(&officer) } else { None },
            models: &context.models,
            clock: &SystemClock,
        };
        let deferred = context.defer_interrupts();
        let (_reader, mut conversation) = self.wait.for_token(context, &deferred)?;
        let (_, slots) = station.slots(&mut conversation, access_key.as_ref())?;
        let info = find_slot(&slots, &self.slot);
        let params: Params = if info.is_some_and(|info| info.event_based) {
            HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: 0 }.into()
        } else {
            let step = info.and_then(|info| info.step).unwrap_or_default();
            TotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, step }.into()
        };
        let step = params.step().map(|step| context.time().seconds() / u64::from(step.seconds()));
        let asked = [step.unwrap_or_default()];
        let observer = |event: &_| context.talk.burn_event(event);
        let key = access_key.as_ref();
        let (token, codes) = station.codes_of_token(&mut conversation, &self.slot, params, &asked, key, &observer)?;
        let code = codes.first().map(|code| code.text.as_str());
        let until = params.step().zip(step).map(|(length, step)| {
            oathburn_oath::UnixTime::new(step.saturating_add(1).saturating_mul(length.seconds().into()))
        });
        let json = json!({
            "serial": token.info.serial.as_str(),
            "slot": codes::slot(&self.slot),
            "code": code,
            "valid_until": until.map(rfc3339),
        });
        Ok(Outcome::new(json, format!("{}\n", code.unwrap_or_default())))
    }
}
