//! `oathburn token reset`

use clap::Args;
use oathburn_oath::SerialNumber;
use oathburn_station::Act;

use super::{Wanted, act};
use crate::commands::Result;
use crate::commands::access::Access;
use crate::commands::select::Wait;
use crate::context::Context;
use crate::output::Outcome;

/// Erase everything on the token on the reader, its access key included; its entries are retired
///
/// No access key is needed: this is the way out when it is lost. Some tokens want to have it confirmed with their button.
#[derive(Args, Debug)]
pub(crate) struct Reset {
    /// The token's number: no other is touched
    #[arg(long)]
    serial: SerialNumber,
    /// Let everything be erased: seeds that came from elsewhere are lost
    #[arg(long)]
    allow_erase: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    wait: Wait,
}

impl Reset {
    pub(crate) fn run(self, context: &Context) -> Result {
        let wanted = Wanted {
            serial: Some(&self.serial),
            act: Act::Reset,
            erase: self.allow_erase,
            access: &self.access,
            wait: &self.wait,
        };
        let (acted, json) = act(context, &wanted)?;
        let text = format!("{} was reset; {} entries retired\n", acted.info.serial, acted.entries.len());
        Ok(Outcome::new(json, text))
    }
}
