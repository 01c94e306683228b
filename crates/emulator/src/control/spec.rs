//! Cards as they are written in commands, and tokens as they are shown.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use oathburn_oath::{Seed, SerialNumber, UnixTime};
use serde_json::{Value, json};

use crate::words::Words;
use crate::{Bench, Device, EmulatorError, Entry, Foreign, KeyKind, Molto2, Profile, Token2Single, Version, YkOath};

impl Bench {
    /// Makes the card that the next words describe, or takes it out of the drawer.
    pub(super) fn device(&self, words: &mut Words<'_>) -> Result<Device, EmulatorError> {
        match words.next("a card")? {
            "token" => self.take_out(&words.next("a serial number")?.parse()?),
            "token2-single" => token(words).map(Box::new).map(Device::Token2Single),
            "molto2" => molto2(words).map(Box::new).map(Device::Molto2),
            "ykoath" => ykoath(words).map(Box::new).map(Device::YkOath),
            name => Foreign::named(name).map(Device::Foreign).ok_or_else(|| {
                EmulatorError::words(format!(
                    "a card is token2-single, molto2, ykoath, token or a foreign one, not `{name}`"
                ))
            }),
        }
    }
}

fn serial(words: &mut Words<'_>) -> Result<SerialNumber, EmulatorError> {
    words.required("serial", "a serial number", |value| value.parse().ok())
}

fn token(words: &mut Words<'_>) -> Result<Token2Single, EmulatorError> {
    let serial = serial(words)?;
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

fn molto2(words: &mut Words<'_>) -> Result<Molto2, EmulatorError> {
    let serial = serial(words)?;
    let profiles = words.parsed("profiles", "a number from 1 to 100", |value| {
        value.parse().ok().filter(|profiles| (1..=100).contains(profiles))
    })?;
    let firmware = words.parsed("firmware", "a version as 2.1", |value| {
        let (major, minor) = value.split_once('.')?;
        Some([major.parse().ok()?, minor.parse().ok()?])
    })?;
    let key = words.parsed("key", "16 visible characters", |value| (value.len() == 16).then(|| value.to_owned()))?;
    let offset = words.parsed("clock-offset", "a number of seconds", |value| value.parse().ok())?;
    let attempts = words.parsed("attempts", "a number from 1 to 15", |value| {
        value.parse().ok().filter(|attempts| (1..=15).contains(attempts))
    })?;
    let mut token = Molto2::new(serial, profiles.unwrap_or(100));
    if let Some(firmware) = firmware {
        token = token.with_firmware(firmware);
    }
    if let Some(key) = key {
        token = token.with_customer_key(key.as_bytes());
    }
    if let Some(attempts) = attempts {
        token.set_attempts(attempts);
    }
    token.shift_clock(offset.unwrap_or(0));
    Ok(token)
}

fn ykoath(words: &mut Words<'_>) -> Result<YkOath, EmulatorError> {
    let serial = serial(words)?;
    let kind =
        words.parsed("kind", "yubikey, generic or nitrokey", |value| value.parse().ok())?.unwrap_or(KeyKind::YubiKey);
    if kind == KeyKind::YubiKey && serial.as_str().parse::<u32>().is_err() {
        return Err(EmulatorError::words("the serial number of a YubiKey is a number of 32 bits"));
    }
    let version = words.parsed("version", "a version as 5.4.3", |value| value.parse().ok())?;
    let id = words.parsed("device-id", "16 hex digits", |value| {
        HEXLOWER_PERMISSIVE.decode(value.as_bytes()).ok()?.try_into().ok()
    })?;
    let contact = words.parsed("transport", "usb or nfc", |value| match value {
        "usb" => Some(true),
        "nfc" => Some(false),
        _ => None,
    })?;
    let password = words.named("password");
    let entries = words.parsed("long-entries", "a number", |value| value.parse().ok())?;
    let mut key = YkOath::new(
        serial,
        kind,
        version.unwrap_or(if kind == KeyKind::Nitrokey { Version([4, 14, 0]) } else { Version([5, 4, 3]) }),
    );
    if let Some(id) = id {
        key = key.with_device_id(id);
    }
    if contact == Some(true) {
        key = key.on_contact();
    }
    if let Some(entries) = entries {
        key = key.with_long_entries(entries);
    }
    Ok(match password {
        Some(password) => key.with_password(password),
        None => key,
    })
}

pub(super) fn tries(value: &str) -> Option<u8> {
    value.parse().ok().filter(|&tries| tries > 0)
}

/// What lies there holds and shows; its seeds only when they were asked for by name. `None` for foreign cards.
pub(super) fn state(device: &Device, now: UnixTime, with_seed: bool) -> Option<Value> {
    match device {
        Device::Token2Single(token) => Some(single(token, with_seed)),
        Device::Molto2(token) => Some(multi(token, now, with_seed)),
        Device::YkOath(key) => Some(applet(key, with_seed)),
        Device::Foreign(_) => None,
    }
}

/// Adds the seed in hex.
fn put_seed(json: &mut Value, seed: Option<&Seed>) {
    json["seed"] = seed.map(|seed| HEXLOWER.encode(seed.expose())).into();
}

fn single(token: &Token2Single, with_seed: bool) -> Value {
    let settings = token.settings();
    let mut json = json!({
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
    });
    if with_seed {
        put_seed(&mut json, settings.seed.as_ref());
    }
    json
}

fn multi(token: &Molto2, now: UnixTime, with_seed: bool) -> Value {
    let profile = |(number, profile): (usize, &Profile)| {
        let mut json = json!({
            "profile": number,
            "title": String::from_utf8_lossy(&profile.title),
            "algorithm": profile.algorithm,
            "digits": profile.digits,
            "time_step": profile.time_step,
            "clock": now.offset(profile.ahead).seconds(),
            "clock_offset": profile.ahead,
            "has_seed": profile.seed.is_some(),
        });
        if with_seed {
            put_seed(&mut json, profile.seed.as_ref());
        }
        json
    };
    let [major, minor] = token.firmware();
    json!({
        "card": "molto2",
        "serial": token.serial().as_str(),
        "firmware": format!("{major}.{minor}"),
        "attempts": token.attempts(),
        "locked": token.attempts() == 0,
        "factory_key": token.has_factory_key(),
        "screen_locked": token.is_screen_locked(),
        "display_timeout": token.display_timeout(),
        "waiting_for_button": token.pending(),
        "clock": token.time().seconds(),
        "clock_offset": token.clock_offset(),
        "profiles": token.profiles().iter().enumerate().map(profile).collect::<Vec<_>>(),
    })
}

fn applet(key: &YkOath, with_seed: bool) -> Value {
    let entry = |entry: &Entry| {
        let mut json = json!({
            "name": String::from_utf8_lossy(&entry.name),
            "name_hex": HEXLOWER.encode(&entry.name),
            "type": entry.oath_type.as_str(),
            "algorithm": entry.algorithm.as_str(),
            "digits": entry.digits,
            "touch": entry.touch,
            "increasing": entry.increasing,
            "counter": entry.counter,
        });
        if with_seed {
            put_seed(&mut json, Some(&entry.key));
        }
        json
    };
    json!({
        "card": "ykoath",
        "serial": key.serial().as_str(),
        "kind": key.kind().as_str(),
        "version": key.version().to_string(),
        "transport": if key.is_on_contact() { "usb" } else { "nfc" },
        "device_id": HEXLOWER.encode(&key.device_id()),
        "access_code": key.has_access_code(),
        "entries": key.entries().map(entry).collect::<Vec<_>>(),
    })
}
