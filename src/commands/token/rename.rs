//! `oathburn token rename`

use clap::Args;
use oathburn_oath::{SerialNumber, Slot};
use oathburn_station::Act;

use super::{Wanted, act};
use crate::commands::access::Access;
use crate::commands::select::Wait;
use crate::commands::{Result, codes};
use crate::context::Context;
use crate::output::{Outcome, printable};

/// Give a slot of the token on the reader another name, or another title where slots are numbered
///
/// Where the name is what tells seeds apart, the seed is sealed once more under the new one before the token is
/// changed, which needs an officer.
#[derive(Args, Debug)]
pub(crate) struct Rename {
    /// Which slot, as `oathburn token slots` shows it
    #[arg(long, value_name = "N|NAME")]
    slot: Slot,
    /// The new name, as it is to stand on the token
    #[arg(long, value_name = "NAME")]
    to: String,
    /// Touch no other token than this
    #[arg(long)]
    serial: Option<SerialNumber>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    wait: Wait,
}

impl Rename {
    pub(crate) fn run(self, context: &Context) -> Result {
        let wanted = Wanted {
            serial: self.serial.as_ref(),
            act: Act::Rename { slot: self.slot.clone(), to: self.to.clone() },
            erase: false,
            access: &self.access,
            wait: &self.wait,
        };
        let (acted, mut json) = act(context, &wanted)?;
        json["slot"] = codes::slot(&self.slot);
        json["name"] = self.to.as_str().into();
        let (slot, to) = (printable(&self.slot.to_string()), printable(&self.to));
        Ok(Outcome::new(json, format!("slot {slot} of {} is called {to} now\n", acted.info.serial)))
    }
}
