//! The control protocol: one command per line, one JSON object per answer.

mod chip;
mod fault;
mod spec;

use data_encoding::HEXLOWER;
use oathburn_oath::{Clock, Remedy, SerialNumber, SystemClock};
use serde_json::{Value, json};

use crate::bench::{Reader, ReaderId};
use crate::pcscd_watch::PATIENCE;
use crate::words::Words;
use crate::{Bench, Device, EmulatorError, Exchange, Faulty, Token2Single};

/// All commands, as `help` shows them.
const HELP: &[&str] = &[
    "READER is 0, 1, ... on the PC/SC service, nfc0, nfc1, ... (also where NFC is asked for) for a PN532",
    "insert READER token2-single serial=SERIAL [restricted=0|1] [clock-offset=SECONDS] [old-firmware=TRIES]",
    "insert READER molto2 serial=SERIAL [profiles=N] [firmware=2.1] [key=16-CHARACTERS] [attempts=N] [clock-offset=SECONDS]",
    "insert READER ykoath serial=SERIAL [kind=yubikey|generic|nitrokey] [version=5.4.3] [password=WORD] [transport=usb|nfc] [device-id=HEX] [long-entries=N]",
    "insert READER fido|oath|security-key|ndef|payment|transit|dumb",
    "insert READER same                    the card that lay there last, as it was",
    "insert READER token SERIAL            a token known from before, as it was",
    "remove READER",
    "press READER                          the button, ▲, a touch; lays the card there again if it is not",
    "power-cycle READER                    takes the card away and lays it there again",
    "display READER|token SERIAL [profile=N]    the code on the display",
    "state READER|token SERIAL [--with-seed]",
    "clock READER shift=SECONDS            moves the token's clock",
    "fault READER tear-before|tear-after|mute|lapse|slow ms=N|status sw=HHHH|short len=N|flip bit=N [at=N|ins=HH]",
    "fault READER tear-config|tear-store [at=N|ins=HH]",
    "fault READER swap [at=N|ins=HH] CARD  another card after that command; CARD as with insert",
    "fault READER lock tries=N             locks after N wrong answers; token2-single: old firmware, for good",
    "faults READER clear",
    "log READER [clear]",
    "chip NFC mute|no-reply|nack|error-frame|vanish|tear-before|tear-after [at=N|cmd=HH]",
    "chip NFC length-checksum|data-checksum|slow ms=N|truncated len=N [at=N|cmd=HH]",
    "chip NFC noise|extra|data bytes=HEX [at=N|cmd=HH]    before a reply, behind it, in it",
    "chip NFC clear|unplug|plug|log [clear]",
    "feed READER serial=FIRST count=N       lays N tokens there, each when the one before was burned; answers at the end",
    "await READER at=N                     answers when the N-th command of the log has reached the card",
    "pcscd stop|start|kill",
    "status",
    "quit",
];

/// What a line made the emulator say, and whether it is to end.
pub struct Answer {
    /// `{"ok":true,…}` or `{"ok":false,"error":…,"code":…}`.
    pub json: Value,
    /// After this answer the emulator ends.
    pub quit: bool,
}

impl Bench {
    /// Executes one line of the control protocol. Back when the effect is to be seen through the service.
    pub fn execute(&self, line: &str) -> Answer {
        let mut words = Words::new(line);
        let quit = words.next_is("quit");
        let result = if quit { words.end().map(|()| json!({})) } else { self.dispatch(words) };
        let quit = quit && result.is_ok();
        let json = match result {
            Ok(Value::Object(mut fields)) => {
                fields.insert("ok".into(), true.into());
                Value::Object(fields)
            }
            Ok(_) => json!({ "ok": true }),
            Err(error) => json!({
                "ok": false, "error": error.to_string(), "code": error.code(), "remedy": error.remedy(),
            }),
        };
        Answer { json, quit }
    }

    fn dispatch(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let command = words.next("a command")?;
        match command {
            "help" => words.end().map(|()| json!({ "commands": HELP })),
            "status" => words.end().map(|()| self.status()),
            "pcscd" => self.control_service(words),
            "insert" => self.control_insert(words),
            "display" => self.control_display(words),
            "state" => self.control_state(words),
            "fault" => self.control_fault(words),
            "faults" => self.control_faults(words),
            "log" => self.control_log(words),
            "await" => self.control_await(words),
            "feed" => self.control_feed(words),
            "clock" => self.control_clock(words),
            "chip" => self.control_chip(words),
            "remove" => self.with_reader(words, Reader::remove),
            "press" => self.control_press(words),
            "power-cycle" => self.with_reader(words, |reader| {
                drop(reader.card()?);
                reader.remove()?;
                reader.insert_again()
            }),
            _ => Err(EmulatorError::Command { command: command.into() }),
        }
    }

    fn with_reader(
        &self,
        mut words: Words<'_>,
        act: impl FnOnce(&mut Reader) -> Result<(), EmulatorError>,
    ) -> Result<Value, EmulatorError> {
        let id = words.reader()?;
        words.end()?;
        act(&mut *self.reader(id)?)?;
        Ok(json!({}))
    }

    fn control_insert(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let id = words.reader()?;
        // Before anything is made, so that a wrong number takes no token out of the drawer.
        drop(self.reader(id)?);
        if words.next_is("same") {
            words.end()?;
            self.reader(id)?.insert_again()?;
        } else {
            let device = self.device(&mut words)?;
            words.end()?;
            self.insert(id, device)?;
        }
        let reader = self.reader(id)?;
        reader.with_device(|device| json!({ "card": device.kind(), "serial": serial_of(device) }))
    }

    fn control_service(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let verb = words.next("stop, start or kill")?;
        words.end()?;
        match verb {
            "stop" => self.stop_service(true)?,
            "kill" => self.stop_service(false)?,
            "start" => self.start_service()?,
            _ => return Err(EmulatorError::words(format!("pcscd can stop, start or kill, not `{verb}`"))),
        }
        Ok(json!({}))
    }

    /// Looks at what lies on a reader, or at what is named by `token SERIAL` wherever it lies.
    fn on_device<T>(&self, words: &mut Words<'_>, look: impl FnMut(&Device) -> T) -> Result<T, EmulatorError> {
        if words.next_is("token") {
            let serial = words.next("a serial number")?.parse()?;
            return self.look_at(&serial, look);
        }
        let id = words.reader()?;
        self.reader(id)?.with_device(look)
    }

    /// The button, whatever it is on the device: it switches on, confirms, or is touched.
    fn control_press(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let id = words.reader()?;
        words.end()?;
        let mut reader = self.reader(id)?;
        reader.insert_again()?;
        let mut card = reader.card()?;
        Ok(match card.card_mut() {
            Device::Molto2(token) => json!({ "confirmed": token.confirm() }),
            Device::YkOath(key) => {
                key.touch();
                json!({ "touched": true })
            }
            Device::Token2Single(_) | Device::Foreign(_) => json!({}),
        })
    }

    fn control_display(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let now = SystemClock.now();
        let profile = words.parsed("profile", "a number from 0", |value| value.parse().ok())?;
        let code = self.on_device(&mut words, |device| match (device, profile) {
            (Device::Token2Single(token), None) => Ok(token.display_at(now)),
            (Device::Molto2(token), _) => token
                .display_at(profile.unwrap_or(0), now)
                .ok_or_else(|| EmulatorError::words(format!("there are {} profiles", token.profiles().len()))),
            (Device::Foreign(_), _) => Err(EmulatorError::NotToken),
            (Device::Token2Single(_), Some(_)) => Err(EmulatorError::words("this token has no profiles")),
            (Device::YkOath(_), _) => Err(EmulatorError::words("a security key has no display")),
        })??;
        words.end()?;
        Ok(json!({ "code": code, "at": now.seconds() }))
    }

    fn control_state(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let now = SystemClock.now();
        let with_seed = words.take("--with-seed");
        let state = self.on_device(&mut words, |device| spec::state(device, now, with_seed))?;
        words.end()?;
        state.ok_or(EmulatorError::NotToken)
    }

    fn control_clock(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let id = words.reader()?;
        let seconds = words.required("shift", "a number of seconds", |value| value.parse().ok())?;
        words.end()?;
        let reader = self.reader(id)?;
        let mut card = reader.card()?;
        let (time, offset) = match card.card_mut() {
            Device::Token2Single(token) => {
                token.shift_clock(seconds);
                (token.time(), token.clock_offset())
            }
            Device::Molto2(token) => {
                token.shift_clock(seconds);
                (token.time(), token.clock_offset())
            }
            Device::YkOath(_) => return Err(EmulatorError::words("a security key has no clock")),
            Device::Foreign(_) => return Err(EmulatorError::NotToken),
        };
        Ok(json!({ "clock": time.seconds(), "clock_offset": offset }))
    }

    fn control_log(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let id = words.reader()?;
        let clear = words.next_is("clear");
        words.end()?;
        let reader = self.reader(id)?;
        let mut card = reader.card()?;
        let log = log_json(card.log());
        if clear {
            card.clear_log();
        }
        Ok(log)
    }

    /// Other connections go on meanwhile: neither the reader nor its card is held.
    fn control_await(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let id = words.reader()?;
        let at = words.required("at", "a number from 1", |value| value.parse().ok().filter(|&at| at > 0))?;
        words.end()?;
        let card = self.reader(id)?.shared_card()?;
        if Faulty::await_command(&card, at, PATIENCE) {
            return Ok(json!({}));
        }
        Err(EmulatorError::Unnoticed { event: format!("command {at} on reader {id}"), seconds: PATIENCE.as_secs() })
    }

    /// An operator who never tires: a box of tokens with consecutive numbers, one after the other. Other connections go on
    /// meanwhile.
    fn control_feed(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let id = words.reader()?;
        drop(self.reader(id)?);
        let first: u64 = words.required("serial", "a serial number of digits", |value| value.parse().ok())?;
        let count: u64 = words.required("count", "a number from 1", |value| value.parse().ok().filter(|&n| n > 0))?;
        words.end()?;
        let mut serials = Vec::new();
        for serial in (first..).take(usize::try_from(count).unwrap_or(usize::MAX)) {
            let serial: SerialNumber = serial.to_string().parse()?;
            let restricted = Token2Single::is_restricted_model(&serial);
            let token = Box::new(Token2Single::new(serial.clone(), restricted));
            self.insert(id, Device::Token2Single(token))?;
            let card = self.reader(id)?.shared_card()?;
            Faulty::await_rest(&card, |device| match device {
                Device::Token2Single(token) => token.settings().seed.is_some(),
                _ => true,
            });
            drop(card);
            self.reader(id)?.remove()?;
            serials.push(serial.to_string());
        }
        Ok(json!({ "burned": serials }))
    }

    fn status(&self) -> Value {
        let readers: Vec<_> = self
            .readers()
            .map(|reader| {
                let inserted = reader.is_inserted();
                let card = reader.card().ok();
                let number = match reader.id() {
                    ReaderId::Pcsc(number) => json!(number),
                    id @ ReaderId::Nfc(_) => json!(id.to_string()),
                };
                json!({
                    "reader": number,
                    "name": reader.name(),
                    "inserted": inserted,
                    "card": card.as_ref().map(|card| card.card().kind()),
                    "serial": card.as_ref().and_then(|card| serial_of(card.card())),
                    "faults": card.as_ref().map_or(0, |card| card.armed()),
                })
            })
            .collect();
        let service = self.is_service_running().map(|running| if running { "running" } else { "stopped" });
        json!({ "pcscd": service, "readers": readers })
    }
}

fn log_json<'a>(log: impl Iterator<Item = &'a Exchange>) -> Value {
    let exchange = |exchange: &Exchange| {
        let answer = exchange.answer.as_ref().map(|answer| HEXLOWER.encode(answer));
        json!({ "command": HEXLOWER.encode(&exchange.command), "answer": answer })
    };
    json!({ "log": log.map(exchange).collect::<Vec<_>>() })
}

fn serial_of(device: &Device) -> Option<String> {
    device.serial().map(ToString::to_string)
}

#[cfg(test)]
mod tests;
