//! `oathburn station …`

mod provision;
mod reset;
mod run;
mod sign_out;
mod status;

use std::path::PathBuf;

use clap::Subcommand;
use oathburn_desk::client::{ClientError, Followed, StationHome};
use oathburn_desk::protocol::{ShownCode, StationStatus};
use oathburn_desk::stations::StationState;
use oathburn_oath::UnixTime;
use serde_json::{Value, json};

use crate::commands::Result;
use crate::context::Context;
use crate::output::{printable, rfc3339};

/// This machine as a station of a desk, from which it gets its work
///
/// A station is let in with a verification code from the admin, or with a login code that it shows and the admin types.
/// Whoever stands before it needs no account and sees no seed.
#[derive(Debug, Subcommand)]
pub(crate) enum Station {
    Provision(provision::Provision),
    Status(status::Status),
    Run(run::Run),
    SignOut(sign_out::SignOut),
    Reset(reset::Reset),
}

impl Station {
    pub(crate) fn run(self, context: &Context) -> Result {
        match self {
            Self::Provision(command) => command.run(context),
            Self::Status(command) => command.run(context),
            Self::Run(command) => command.run(context),
            Self::SignOut(command) => command.run(context),
            Self::Reset(command) => command.run(context),
        }
    }
}

/// Where the station keeps what it knows of its desk.
pub(crate) fn home(context: &Context) -> StationHome {
    StationHome::new(context.folder().join("station"))
}

/// Where the station keeps what it works on.
fn work_folder(context: &Context) -> PathBuf {
    context.folder().join("work")
}

/// How a station stands, for scripts.
fn facts(status: &StationStatus, desk: &str) -> Value {
    json!({
        "mac": status.mac,
        "location": status.location,
        "organisation": status.organisation,
        "desk": desk,
        "state": status.state,
        "operator": status.operator,
        "generation": status.generation,
        "login_code": status.shown.as_ref().map(|shown| shown.code.to_string()),
    })
}

/// How a station stands, for the technician.
fn text(status: &StationStatus) -> String {
    let place = format!("{} at {}", status.mac, printable(&status.location));
    let state = match (status.state, &status.operator) {
        (StationState::SignedIn, Some(operator)) => format!("signed in for {}", printable(operator)),
        (StationState::WaitingForSignIn, _) => "provisioned, waiting for sign-in".to_owned(),
        (StationState::SignedOut, _) => "signed out, waiting for sign-in".to_owned(),
        (state, _) => state.title().to_lowercase(),
    };
    format!("{}\nstation {place}\n{state}\n", printable(&status.organisation))
}

/// A login code, for whoever tells it to the admin.
fn show(context: &Context, shown: &ShownCode) {
    let until = rfc3339(UnixTime::new(shown.expires_at));
    context.talk.say(format_args!("login code: {} (until {until})", shown.code));
}

/// What is told while a station is followed.
fn tell(context: &Context, followed: &Followed<'_>) {
    match followed {
        Followed::Status(status) => {
            if status.login_code_wanted {
                context.talk.say("this station is being provisioned from the desk");
            }
            if let Some(shown) = &status.shown {
                show(context, shown);
            }
        }
        Followed::Away(error, pause) => {
            context.talk.warn(format_args!("{}; asking again in {} s", printable(&error.to_string()), pause.as_secs()));
        }
    }
}

/// Whether the desk does not know this machine any more, so that it may be provisioned anew.
const fn is_forgotten(error: &ClientError) -> bool {
    use oathburn_desk::protocol::Refusal;
    matches!(error, ClientError::Refused(Refusal::NotKnown | Refusal::Revoked | Refusal::OldGeneration))
}
