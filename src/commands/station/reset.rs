//! `oathburn station reset`

use clap::Args;
use oathburn_desk::client::{ClientError, OwnStation, StationHome};
use oathburn_desk::remote::RemoteHome;
use serde_json::json;

use super::{home, work_folder};
use crate::commands::Result;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Outcome;
use crate::prompt;

/// Forget the desk, and this station's keys
///
/// The desk is told, and the station waits on its activation there again. Nothing is forgotten where the desk cannot be
/// told, unless --anyway is given: then an admin should revoke the station. Exit code 0 also when no desk knew this
/// machine.
#[derive(Args, Debug)]
pub(crate) struct Reset {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Also where the desk cannot be told, and where it was not told of all that was burned
    #[arg(long)]
    anyway: bool,
}

impl Reset {
    pub(crate) fn run(self, context: &Context) -> Result {
        let home = home(context);
        let station = match OwnStation::open(home.clone()) {
            Ok(station) => station,
            Err(ClientError::NotProvisioned) => {
                home.forget_all()?;
                return Ok(Outcome::new(json!({ "reset": false, "told": false }), "no desk knew this machine\n"));
            }
            // Files that nobody can read are no reason to keep them.
            Err(ClientError::HomeUnreadable { .. } | ClientError::Escrow(_)) if self.anyway => return forget(&home),
            Err(error) => return Err(error.into()),
        };
        if !self.anyway {
            nothing_untold(context)?;
        }
        if !self.yes {
            confirm(context)?;
        }
        let told = station.reset(self.anyway)?;
        if !told {
            context.talk.warn("the desk was not told: it did not know this station any more, or cannot be reached");
        }
        Ok(Outcome::new(json!({ "reset": true, "told": told }), "the desk and its keys are forgotten\n"))
    }
}

fn forget(home: &StationHome) -> Result {
    home.forget_all()?;
    Ok(Outcome::new(json!({ "reset": true, "told": false }), "the desk and its keys are forgotten\n"))
}

/// What was burned and not told would be lost with the keys.
fn nothing_untold(context: &Context) -> std::result::Result<(), Failure> {
    let folder = work_folder(context);
    if folder.exists() && RemoteHome::open(&folder)?.has_work()? {
        let message = "there are lines from the desk here that are not told to it, or not given back";
        return Err(Failure::new(
            Exit::NotPermitted,
            "work-untold",
            message,
            "run `oathburn station run` until it ends by itself, or add --anyway",
        ));
    }
    Ok(())
}

/// A station that has forgotten its keys must be let in anew.
fn confirm(context: &Context) -> std::result::Result<(), Failure> {
    let refused = || {
        let message = "the station would have to be provisioned again, with a new code";
        Failure::new(Exit::NotPermitted, "reset-not-confirmed", message, "confirm it with --yes")
    };
    if !context.talk.can_ask() {
        return Err(refused());
    }
    let answer = prompt::line("Forget the desk and this station's keys? Type yes").map_err(|_| refused())?;
    if answer.trim().eq_ignore_ascii_case("yes") { Ok(()) } else { Err(refused()) }
}
