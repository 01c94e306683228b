//! Cards as they are written in commands, and tokens as they are shown.

use data_encoding::HEXLOWER;
use oathburn_oath::SerialNumber;
use serde_json::{Value, json};

use crate::words::Words;
use crate::{Bench, Device, EmulatorError, Foreign, Token2Single};

impl Bench {
    /// Makes the card that the next words describe, or takes it out of the drawer.
    pub(super) fn device(&self, words: &mut Words<'_>) -> Result<Device, EmulatorError> {
        match words.next("a card")? {
            "token" => self.take_out(&words.next("a serial number")?.parse()?),
            "token2-single" => token(words).map(Box::new).map(Device::Token2Single),
            name => Foreign::named(name).map(Device::Foreign).ok_or_else(|| {
                EmulatorError::words(format!("a card is token2-single, token or a foreign one, not `{name}`"))
            }),
        }
    }
}

fn token(words: &mut Words<'_>) -> Result<Token2Single, EmulatorError> {
    let serial: SerialNumber = words.required("serial", "a serial number", |value| value.parse().ok())?;
    let restricted = words.parsed("restricted", "0 or 1", |value| match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    })?;
    let offset = words.parsed("clock-offset", "a number of seconds", |value| value.parse().ok())?;
    let tries = words.parsed("old-firmware", "a number of tries from 1 to 255", tries)?;
    let restricted = restricted.unwrap_or_else(|| Token2Single::is_restricted_model(&serial));
    let mut token = Token2Single::new(serial, restricted);
    token.shift_clock(offset.unwrap_or(0));
    if let Some(tries) = tries {
        token.lock_after(tries);
    }
    Ok(token)
}

pub(super) fn tries(value: &str) -> Option<u8> {
    value.parse().ok().filter(|&tries| tries > 0)
}

/// What a token holds and shows, without its seed.
pub(super) fn state(token: &Token2Single) -> Value {
    let settings = token.settings();
    json!({
        "card": "token2-single",
        "serial": token.serial().as_str(),
        "restricted": token.is_restricted(),
        "algorithm": settings.algorithm,
        "time_step": settings.time_step,
        "display_timeout": settings.display_timeout,
        "clock": token.time().seconds(),
        "clock_offset": token.clock_offset(),
        "has_seed": settings.seed.is_some(),
        "locked": token.is_locked(),
    })
}

/// The seed in hex: for tests that compare it, and only when it was asked for by name.
pub(super) fn seed(token: &Token2Single) -> Value {
    token.settings().seed.as_ref().map(|seed| HEXLOWER.encode(seed.expose())).into()
}
