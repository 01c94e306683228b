//! The conversation of a burn and nothing else: no escrow, no thread, no watchdog. It is the measure that
//! `cargo xtask bench` holds a whole `oathburn burn` against.
//!
//! A token that is burned like this is lost, so only emulated readers are touched.
#![expect(clippy::print_stdout, reason = "its result is a line on standard output")]

use std::error::Error;
use std::time::{Duration, Instant};

use oathburn_oath::{Seed, Slot, SystemClock, TotpParams};
use oathburn_token::{DisplayTimeout, Extras, FAMILIES, Models, Order, Permits, Transport, TransportError};
use pcsc::{Context, Disposition, MAX_BUFFER_SIZE, Protocols, Scope, ShareMode, Transaction};

/// What `emulate` calls its readers.
const EMULATED: &str = "Emulated Reader";

/// PC/SC as it comes, with a stopwatch.
struct Wire<'a> {
    transaction: Transaction<'a>,
    commands: u32,
    spent: Duration,
}

impl Transport for Wire<'_> {
    fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        let mut buffer = [0; MAX_BUFFER_SIZE];
        let start = Instant::now();
        let answer = self.transaction.transmit(c_apdu, &mut buffer);
        self.spent += start.elapsed();
        self.commands += 1;
        answer.map(<[u8]>::to_vec).map_err(|error| TransportError::Failed { detail: error.to_string() })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::establish(Scope::User)?;
    let readers = context.list_readers_owned()?;
    // The first one, or the one that is named.
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let named = |name: &str| name.starts_with(EMULATED) && name.ends_with(&wanted);
    let reader = readers.iter().find(|name| named(&name.to_string_lossy()));
    let reader = reader.ok_or("there is no emulated reader, and no other will be written to")?;
    let mut card = context.connect(reader, ShareMode::Shared, Protocols::T0 | Protocols::T1)?;
    let mut wire = Wire { transaction: card.transaction()?, commands: 0, spent: Duration::ZERO };

    let models = Models::builtin();
    for family in FAMILIES {
        let Some(info) = family.identify(&mut wire)? else { continue };
        let order = Order {
            serial: &info.serial,
            slot: &Slot::SINGLE,
            seed: &Seed::generate(20)?,
            params: TotpParams::default().into(),
            display_timeout: DisplayTimeout::default(),
            clock: &SystemClock,
            models: &models,
            permits: Permits::default(),
            extras: Extras::default(),
            progress: &|_| {},
        };
        family.program(&mut wire, &order)?;
        println!("{{\"commands\":{},\"wire_us\":{}}}", wire.commands, wire.spent.as_micros());
        wire.transaction.end(Disposition::ResetCard).map_err(|(_, error)| error)?;
        return Ok(());
    }
    Err("no token that can be programmed is on the reader".into())
}
