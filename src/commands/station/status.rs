//! `oathburn station status`

use std::io::Write as _;
use std::ops::ControlFlow;

use clap::Args;
use oathburn_desk::client::{Followed, OwnStation};
use oathburn_desk::remote::{CLOCK_TOLERANCE, Clocks as _, MachineClocks, RemoteError, ahead_by};
use serde_json::Value;

use super::{facts, home, tell, text};
use crate::commands::Result;
use crate::context::Context;
use crate::output::Outcome;

/// How this station stands at its desk
///
/// The technician sees here that it worked, before leaving. With --watch every change is shown until Ctrl-C; while the
/// desk provisions the station, its login code is shown. Exit code 6 where no desk knows this machine or the desk cannot
/// be reached, 8 when the station was revoked or provisioned anew.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Show every change
    #[arg(long)]
    watch: bool,
}

impl Status {
    pub(crate) fn run(self, context: &Context) -> Result {
        let station = OwnStation::open(home(context))?;
        let desk = station.provisioned().url.as_str();
        if !self.watch {
            let asked = MachineClocks.now();
            let status = station.status(None, 0)?;
            let ahead = ahead_by(status.time, &asked, &MachineClocks.now());
            if ahead.unsigned_abs() > CLOCK_TOLERANCE {
                let error = RemoteError::ClockOff { seconds: ahead };
                context.talk.warn(format_args!("{error}, and tokens are set by it (`timedatectl set-ntp true`)"));
            }
            return Ok(Outcome::new(facts(&status, desk), text(&status)));
        }
        station.follow(&mut |followed| {
            let Followed::Status(status) = &followed else {
                tell(context, &followed);
                return ControlFlow::Continue(());
            };
            let lines = if context.globals.json { format!("{}\n", facts(status, desk)) } else { text(status) };
            // Whoever reads this may be gone.
            let written = anstream::stdout().lock().write_all(lines.as_bytes());
            tell(context, &followed);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(Outcome::new(Value::Null, ""))
    }
}
