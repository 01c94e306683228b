//! The conversation of a burn over libnfc and nothing else: no escrow, no lock, and libnfc in the same process. It is the
//! measure that `cargo xtask bench` holds a whole `oathburn burn` against.
//!
//! A token that is burned like this is lost, so only emulated readers are touched: those of a PN532 on a path that
//! `emulate` made.
#![expect(clippy::print_stdout, reason = "its result is a line on standard output")]

use std::error::Error;
use std::time::{Duration, Instant};

use nfc1::{BaudRate, Context, Device, Modulation, ModulationType, Property, Timeout};
use oathburn_oath::{Seed, Slot, SystemClock, TotpParams};
use oathburn_token::{DisplayTimeout, Extras, FAMILIES, Models, Order, Permits, Transport, TransportError};

/// libnfc as it comes, with a stopwatch.
struct Wire {
    device: Device,
    commands: u32,
    spent: Duration,
}

impl Transport for Wire {
    fn transmit(&mut self, c_apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        let start = Instant::now();
        let timeout = Timeout::Duration(Duration::from_secs(3));
        let answer = self.device.initiator_transceive_bytes(c_apdu, 263, timeout);
        self.spent += start.elapsed();
        self.commands += 1;
        answer.map_err(|error| TransportError::Failed { detail: error.to_string() })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let connstring = std::env::args().nth(1).ok_or("which reader?")?;
    if !connstring.contains("/emulate-") {
        return Err("this is no emulated reader, and no other will be written to".into());
    }
    let start = Instant::now();
    let mut context = Context::new()?;
    let mut device = context.open_with_connstring(&connstring)?;
    let opened = start.elapsed();
    device.initiator_init()?;
    device.set_property_bool(Property::InfiniteSelect, false)?;
    let type_a = Modulation { modulation_type: ModulationType::Iso14443a, baud_rate: BaudRate::Baud106 };
    device.initiator_select_passive_target(&type_a)?;
    let mut wire = Wire { device, commands: 0, spent: Duration::ZERO };
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
        let (commands, spent) = (wire.commands, wire.spent.as_micros());
        println!("{{\"commands\":{commands},\"wire_us\":{spent},\"open_us\":{}}}", opened.as_micros());
        return Ok(());
    }
    Err("no token that can be programmed is on the reader".into())
}
