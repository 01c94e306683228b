//! `oathburn escrow restore` and `oathburn escrow accept`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use oathburn_escrow::{Escrow, Loss};
use oathburn_oath::SystemClock;
use serde_json::{Value, json};

use super::members::confirm;
use crate::commands::{Result, audit};
use crate::context::Context;
use crate::output::{Outcome, printable, rfc3339};

/// Put a backup into the place of the store
///
/// The backup is decrypted with the officer's file; every event is verified and every seal opened before it gets its
/// place, and the officer signs that it was restored. Where a store lies already, --replace moves it aside and keeps
/// it; other programs must not be using it. Tokens that are known here to have been burned since are listed: the
/// restored store does not have their seeds, so burn them again.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The file that `oathburn escrow backup` wrote
    file: PathBuf,
    /// Move the store that lies there aside
    #[arg(long)]
    replace: bool,
}

/// Go on with a store that went back
///
/// When a backup was restored elsewhere, this user has seen events that the store no longer has, and refuses it. This
/// says what is lost, asks, and from then on takes the store as it is. An older state that no officer has restored is
/// somebody's attack or mistake: put the newest store back instead.
#[derive(Args, Debug)]
pub(crate) struct Accept {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Restore {
    pub(crate) fn run(self, context: &Context) -> Result {
        let (store, officer) = (context.store()?, context.officer()?);
        context.make_folder()?;
        let (pins, writer) = (context.pins(), context.writer());
        let report = Escrow::restore(&self.file, &store, &officer, &pins, &writer, &SystemClock, self.replace)?;
        let (entries, events) = (report.check.entries, report.check.events);
        let mut json = json!({
            "escrow": report.escrow.to_string(),
            "store": store.to_string(),
            "entries": entries,
            "events": events,
            "opened": report.check.opened,
            "replaced": report.replaced,
        });
        json["lost"] = loss_to_json(&report.loss);
        let mut text = format!("escrow {} restored to {store}: {entries} entries, {events} events\n", report.escrow);
        if let Some(place) = &report.replaced {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "the store that lay there is now {place}");
        }
        text.push_str(&loss_to_text(&report.loss));
        if !report.loss.is_none() {
            context.talk.say("other users of this store have to say `oathburn escrow accept`");
        }
        Ok(Outcome::new(json, text))
    }
}

impl Accept {
    pub(crate) fn run(self, context: &Context) -> Result {
        let (store, pins) = (context.store()?, context.pins());
        let loss = Escrow::loss(&store, &pins)?;
        if loss.is_none() {
            let json = json!({ "accepted": false, "lost": loss_to_json(&loss) });
            return Ok(Outcome::new(json, "nothing is lost: there is nothing to accept\n"));
        }
        if !self.yes {
            context.talk.say(loss_to_text(&loss).trim_end());
        }
        if loss.restored.is_none() {
            context.talk.warn("no officer has signed that a backup was restored: this may be an attack");
        }
        confirm(context, self.yes, "Go on with the store as it is now?")?;
        let loss = Escrow::accept(&store, &pins)?;
        let json = json!({ "accepted": true, "lost": loss_to_json(&loss) });
        Ok(Outcome::new(json, loss_to_text(&loss)))
    }
}

fn loss_to_json(loss: &Loss) -> Value {
    json!({
        "events": loss.events.iter().map(|lost| json!({
            "writer": lost.label,
            "key": lost.writer.to_string(),
            "found": lost.found,
            "seen": lost.seen,
        })).collect::<Vec<_>>(),
        "tokens": loss.tokens.iter().map(|token| json!({
            "entry": token.entry.to_string(),
            "family": token.family,
            "serial": token.serial,
            "slot": token.slot,
            "kind": token.kind,
            "time": rfc3339(token.at()),
        })).collect::<Vec<_>>(),
        "roster": loss.roster,
        "restored": loss.restored.as_ref().map(audit::to_json),
    })
}

fn loss_to_text(loss: &Loss) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for lost in &loss.events {
        let name = if lost.label.is_empty() { lost.writer.to_string() } else { printable(&lost.label) };
        let _ = match lost.seen.checked_sub(lost.found).filter(|gone| *gone > 0) {
            Some(gone) => writeln!(text, "{gone} events of {name} are not in it ({} of {})", lost.found, lost.seen),
            None => writeln!(text, "event {} of {name} is not the one that was seen", lost.seen),
        };
    }
    if let Some(version) = loss.roster {
        let _ = writeln!(
            text,
            "version {version} of the roster is not in it: whoever was added, removed or approved has to be so again"
        );
    }
    for token in &loss.tokens {
        let (serial, kind, time) = (printable(&token.serial), printable(&token.kind), rfc3339(token.at()));
        let _ = writeln!(text, "{serial} was {kind} at {time} and is not in it: burn it again");
    }
    if let Some(event) = &loss.restored {
        let _ =
            writeln!(text, "{} signed at {} that a backup was restored", printable(&event.writer), rfc3339(event.time));
    }
    text
}
