//! `oathburn station sign-out`

use clap::Args;
use oathburn_desk::client::OwnStation;

use super::{facts, home, text};
use crate::commands::Result;
use crate::context::Context;
use crate::output::Outcome;

/// Sign this station out at its desk
///
/// It gets no work any more. An admin can sign it in again at any time, without anybody at the station. Exit code 0 also
/// when it was signed out already.
#[derive(Args, Debug)]
pub(crate) struct SignOut {}

impl SignOut {
    #[allow(clippy::unused_self, reason = "every command is run alike")]
    pub(crate) fn run(self, context: &Context) -> Result {
        let station = OwnStation::open(home(context))?;
        let status = station.sign_out()?;
        Ok(Outcome::new(facts(&status, station.provisioned().url.as_str()), text(&status)))
    }
}
