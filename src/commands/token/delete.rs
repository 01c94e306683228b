//! `oathburn token delete`

use clap::Args;
use oathburn_oath::{SerialNumber, Slot};
use oathburn_station::Act;

use super::{Wanted, act};
use crate::commands::access::Access;
use crate::commands::select::Wait;
use crate::commands::{Result, codes};
use crate::context::Context;
use crate::output::{Outcome, printable};

/// Delete a seed from the token on the reader; its entry is retired, its seed stays in the escrow
#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// Which slot, as `oathburn token slots` shows it
    #[arg(long, value_name = "N|NAME")]
    slot: Slot,
    /// The token's number: no other is touched
    #[arg(long)]
    serial: SerialNumber,
    /// Let the seed be erased: one that came from elsewhere is lost
    #[arg(long)]
    allow_erase: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    wait: Wait,
}

impl Delete {
    pub(crate) fn run(self, context: &Context) -> Result {
        let wanted = Wanted {
            serial: Some(&self.serial),
            act: Act::Delete { slot: self.slot.clone() },
            erase: self.allow_erase,
            access: &self.access,
            wait: &self.wait,
        };
        let (acted, mut json) = act(context, &wanted)?;
        json["slot"] = codes::slot(&self.slot);
        let slot = printable(&self.slot.to_string());
        let entries: Vec<_> = acted.entries.iter().map(ToString::to_string).collect();
        let kept = match entries.as_slice() {
            [] => "the escrow has none of it".to_owned(),
            entries => format!("retired: {}", entries.join(", ")),
        };
        Ok(Outcome::new(json, format!("slot {slot} of {} is empty; {kept}\n", acted.info.serial)))
    }
}
