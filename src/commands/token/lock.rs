//! `oathburn token lock` and `oathburn token unlock`

use clap::Args;
use oathburn_oath::SerialNumber;
use oathburn_station::Act;

use super::{Wanted, act};
use crate::commands::Result;
use crate::commands::access::Access;
use crate::commands::select::Wait;
use crate::context::Context;
use crate::output::Outcome;

/// Lock the screen of the token on the reader: it shows no codes until it is unlocked
#[derive(Args, Debug)]
pub(crate) struct Lock {
    #[command(flatten)]
    which: Screen,
}

/// Unlock the screen of the token on the reader
#[derive(Args, Debug)]
pub(crate) struct Unlock {
    #[command(flatten)]
    which: Screen,
}

/// Whose screen.
#[derive(Args, Debug)]
struct Screen {
    /// Touch no other token than this
    #[arg(long)]
    serial: Option<SerialNumber>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    wait: Wait,
}

impl Lock {
    pub(crate) fn run(self, context: &Context) -> Result {
        self.which.set(context, true)
    }
}

impl Unlock {
    pub(crate) fn run(self, context: &Context) -> Result {
        self.which.set(context, false)
    }
}

impl Screen {
    fn set(&self, context: &Context, locked: bool) -> Result {
        let wanted = Wanted {
            serial: self.serial.as_ref(),
            act: Act::Lock { locked },
            erase: false,
            access: &self.access,
            wait: &self.wait,
        };
        let (acted, mut json) = act(context, &wanted)?;
        json["screen_locked"] = locked.into();
        let word = if locked { "locked" } else { "unlocked" };
        Ok(Outcome::new(json, format!("the screen of {} is {word}\n", acted.info.serial)))
    }
}
