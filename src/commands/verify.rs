//! `oathburn verify`

use clap::Args;
use oathburn_oath::{SystemClock, Window};
use oathburn_station::{Identified, Station};

use crate::commands::Result;
use crate::commands::codes::{Comparison, WINDOW};
use crate::commands::select::{self, Wait, Which};
use crate::context::{Context, LazyOpener};

/// Check that a token shows what the escrow says
///
/// Without --serial and --entry the token on the reader is meant. Exit code 9 when the code does not match.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The code on the token's display
    #[arg(long, value_name = "CODE")]
    code: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wait: Wait,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result {
        let escrow = context.escrow()?;
        let entry = match (&self.which.entry, &self.which.serial) {
            (Some(id), _) => select::entry(&escrow, id)?,
            (None, Some(serial)) => select::entry_of_serial(context, &escrow, serial)?,
            (None, None) => {
                let deferred = context.defer_interrupts();
                let (_reader, mut conversation) = self.wait.for_token(context, &deferred)?;
                let token = Identified::read(&mut conversation, &context.models, &SystemClock)?;
                select::entry_of_serial(context, &escrow, &token.info.serial)?
            }
        };
        let officer = LazyOpener::new(context, &escrow);
        let station =
            Station { escrow: &escrow, officer: Some(&officer), models: &context.models, clock: &SystemClock };
        let found = station.verify(&entry, &self.code, context.time(), Window::around(WINDOW))?;
        Ok(Comparison::new(&entry, found).outcome())
    }
}
