//! `oathburn burn`

use clap::Args;
use oathburn_escrow::Escrow;
use oathburn_oath::{Drift, SerialNumber, Slot, SystemClock};
use oathburn_station::{BurnOrder, Burned, OpenerSource, Plan, SeedSource, Station, StationError};
use oathburn_token::{DisplayTimeout, Permits};
use serde_json::{Value, json};

use crate::commands::Result;
use crate::commands::access::Access;
use crate::commands::codes::{self, Comparison};
use crate::commands::select::Wait;
use crate::commands::source::Source;
use crate::context::{Context, LazyOpener};
use crate::failure::Failure;
use crate::host_clock;
use crate::output::{Outcome, printable};

/// Burn a seed onto the token on the reader, escrow first
///
/// The seed is sealed into the escrow before the first byte is written to the token; serial number and clock are read
/// back afterwards. A burn that broke is finished by burning the same token again.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Burn {
    #[command(flatten)]
    source: Source,
    /// The user the token is for [default: the account in the otpauth URI]
    #[arg(long)]
    upn: Option<String>,
    /// The service the seed is for [default: the issuer in the otpauth URI]
    #[arg(long)]
    issuer: Option<String>,
    /// How long the display stays lit: 15, 30, 60 or 120 seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_display_timeout)]
    display_timeout: DisplayTimeout,
    /// Burn no other token than this
    #[arg(long)]
    serial: Option<SerialNumber>,
    /// Where in the token, for tokens with several [default: the next free number, or a name made of --issuer and --upn]
    #[arg(long, value_name = "N|NAME")]
    slot: Option<Slot>,
    /// What the slot is called on the display, where slots have titles [default: the issuer, or the user]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Let every code cost a touch, on tokens that can
    #[arg(long)]
    touch: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    wait: Wait,
    /// Replace a seed that is in use
    #[arg(long)]
    replace: bool,
    /// Write to a token whose serial number belongs to no known model
    #[arg(long)]
    unlisted_model: bool,
    /// Print the codes around now (an audited disclosure; needs an officer)
    #[arg(long)]
    show_codes: bool,
    /// Ask for the code on the display and compare it
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,
    /// Check everything, write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn parse_display_timeout(text: &str) -> std::result::Result<DisplayTimeout, String> {
    let seconds = text.parse().ok().and_then(DisplayTimeout::from_seconds);
    seconds.ok_or_else(|| "one of 15, 30, 60, 120".to_owned())
}

impl Burn {
    pub(crate) fn run(self, context: &Context) -> Result {
        if self.source.takes_all_of_stdin() && (self.verify || context.reads_passphrase_from_stdin()) {
            let message = "stdin holds the seed, and cannot hold a passphrase or a code, too";
            return Err(Failure::usage(message, "put the seed or the passphrase into a file"));
        }
        let given = self.source.read()?;
        let access_key = self.access.read()?;
        let escrow = context.escrow()?;
        let order = BurnOrder { access_key, ..self.complete(self.source.order(context, &escrow, given)?) };
        if self.show_codes || self.verify {
            // What cannot be shown or compared is refused before the token is touched.
            order.params.totp()?;
        }
        let officer = LazyOpener::new(context, &escrow);
        let needs_officer = self.show_codes || matches!(order.source, SeedSource::Escrowed(_));
        if needs_officer {
            // A missing key is found before the token is touched, not after.
            officer.opener()?;
        }
        let station = Station {
            escrow: &escrow,
            officer: if needs_officer || context.has_officer() { Some(&officer) } else { None },
            models: &context.models,
            clock: &SystemClock,
        };
        host_clock::warn_unless_synchronised(context.talk);
        let deferred = context.defer_interrupts();
        let (_reader, mut conversation) = self.wait.for_token(context, &deferred)?;
        if self.dry_run {
            return Ok(planned(&station.plan(&mut conversation, &order)?));
        }
        let burned = station
            .burn(&mut conversation, &order, &|event| context.talk.burn_event(event))
            .map_err(|error| failed(&escrow, error))?;
        drop(conversation);
        drop(deferred);
        let entry = escrow.entry(&burned.entry.to_string())?;
        let mut outcome = done(&burned);
        if self.show_codes {
            let shown = codes::disclose(officer.opener()?, &entry, context.time(), codes::Range::around(1), None)?;
            outcome.json["codes"] = codes::named(&shown);
            outcome.text.push_str(&codes::to_text(&shown));
        }
        if self.verify {
            let found =
                codes::ask(context, &station, &entry, &burned.totp).map_err(|failure| failure.beside(&outcome.json))?;
            return Ok(Comparison::new(&entry, found).added_to(outcome));
        }
        if !burned.proved {
            context.talk.say("switch the token off and on before you compare codes: it may still show an old one");
        }
        Ok(outcome)
    }

    /// The order with the options that do not concern the seed.
    fn complete(&self, order: BurnOrder) -> BurnOrder {
        let permits =
            Permits { overwrite_seed: self.replace, unlisted_model: self.unlisted_model, ..Permits::default() };
        BurnOrder {
            display_timeout: self.display_timeout,
            serial: self.serial.clone(),
            slot: self.slot.clone().or(order.slot),
            title: self.title.clone(),
            touch: self.touch,
            upn: self.upn.clone().or(order.upn),
            issuer: self.issuer.clone().or(order.issuer),
            permits,
            ..order
        }
    }
}

/// A burn that failed, with the state in which the escrow has its entry now.
pub(crate) fn failed(escrow: &Escrow, error: StationError) -> Failure {
    let failure = Failure::from(error);
    let entry = failure.facts.get("state").and(failure.facts.get("entry")).and_then(Value::as_str);
    // A store that cannot be read either is why it failed; what is known without it was said.
    match entry.map(|id| escrow.entry(id)) {
        Some(Ok(entry)) => failure.with("state", entry.state.as_str()),
        _ => failure,
    }
}

fn done(burned: &Burned) -> Outcome {
    let (serial, slot) = (&burned.identity.serial, in_slot(&burned.identity.slot));
    let mut json = json!({
        "entry": burned.entry.to_string(),
        "state": "programmed",
        "drift_seconds": burned.drift.map(Drift::seconds),
        "codes_compared": burned.proved,
    });
    describe(&mut json, &burned.identity, burned.model.as_ref().map(|model| model.name.as_str()));
    Outcome::new(json, format!("{serial}{slot} is programmed, entry {}\n", burned.entry))
}

/// Where in the token, if there is a choice.
fn in_slot(slot: &Slot) -> String {
    if *slot == Slot::SINGLE { String::new() } else { format!(" in slot {}", printable(&slot.to_string())) }
}

fn planned(plan: &Plan) -> Outcome {
    let (serial, slot) = (&plan.identity.serial, in_slot(&plan.identity.slot));
    let superseded: Vec<_> = plan.supersedes.iter().map(|entry| entry.id.to_string()).collect();
    let step = plan.params.step().map_or_else(String::new, |step| format!(", {step} s"));
    let mut text = format!("{serial}{slot} would be programmed ({}{step})\n", plan.params.algorithm());
    for entry in &superseded {
        text.extend([entry, " would be superseded\n"]);
    }
    let drift = plan.token.drift.map(Drift::seconds);
    let mut json = json!({ "entry": null, "state": "planned", "drift_seconds": drift, "supersedes": superseded });
    describe(&mut json, &plan.identity, plan.token.model.as_ref().map(|model| model.name.as_str()));
    Outcome::new(json, text)
}

fn describe(json: &mut Value, identity: &oathburn_oath::TokenIdentity, model: Option<&str>) {
    json["serial"] = identity.serial.as_str().into();
    json["slot"] = codes::slot(&identity.slot);
    json["model"] = model.into();
    json["family"] = identity.family.as_str().into();
}
