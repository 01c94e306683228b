//! Faults as they are written in commands.

use std::time::Duration;

use serde_json::{Value, json};

use super::spec::tries;
use crate::words::Words;
use crate::{Bench, Device, EmulatorError, Fault, Tear, Trigger};

impl Bench {
    pub(super) fn control_fault(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let id = words.reader()?;
        // Before anything is made, so that a wrong number takes no token out of the drawer.
        drop(self.reader(id)?.card()?);
        let kind = words.next("a fault")?;
        if kind == "lock" {
            let tries = words.required("tries", "a number from 1 to 255", tries)?;
            words.end()?;
            let reader = self.reader(id)?;
            let mut card = reader.card()?;
            match card.card_mut() {
                Device::Token2Single(token) => token.lock_after(tries),
                Device::Molto2(token) => token.set_attempts(tries),
                Device::YkOath(_) | Device::Foreign(_) => return Err(EmulatorError::NotToken),
            }
            return Ok(json!({}));
        }
        let trigger = trigger(&mut words, "ins")?;
        let fault = self.fault(kind, &mut words)?;
        words.end()?;
        let reader = self.reader(id)?;
        let mut card = reader.card()?;
        if let Fault::TearInside(tear) = fault
            && !card.card().can_tear(tear)
        {
            return Err(match card.card() {
                Device::Foreign(_) => EmulatorError::NotToken,
                device => EmulatorError::words(format!("a {} has no such place", device.kind())),
            });
        }
        card.arm(trigger, fault);
        Ok(json!({ "faults": card.armed() }))
    }

    pub(super) fn control_faults(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let id = words.reader()?;
        let verb = words.next("clear")?;
        words.end()?;
        if verb != "clear" {
            return Err(EmulatorError::words(format!("faults can be cleared, not `{verb}`")));
        }
        let waiting = self.reader(id)?.card()?.disarm();
        self.put_away(waiting);
        Ok(json!({}))
    }

    fn fault(&self, kind: &str, words: &mut Words<'_>) -> Result<Fault<Device>, EmulatorError> {
        Ok(match kind {
            "tear-before" => Fault::TearBefore,
            "tear-after" => Fault::TearAfter,
            "tear-config" => Fault::TearInside(Tear::Config),
            "tear-store" => Fault::TearInside(Tear::Store),
            "mute" => Fault::Mute,
            "lapse" => Fault::Lapse,
            "slow" => {
                let millis = words.required("ms", "a number of milliseconds", |value| value.parse().ok())?;
                Fault::Slow(Duration::from_millis(millis))
            }
            "status" => Fault::StatusWord(words.required("sw", "four hex digits", |value| {
                u16::from_str_radix(value, 16).ok().filter(|_| value.len() == 4)
            })?),
            "short" => Fault::Short(
                words.required("len", "a number from 1", |value| value.parse().ok().filter(|&len| len > 0))?,
            ),
            "flip" => Fault::FlipBit(words.required("bit", "a number", |value| value.parse().ok())?),
            "swap" => Fault::Swap(self.device(words)?),
            _ => return Err(EmulatorError::words(format!("there is no fault `{kind}`"))),
        })
    }
}

/// `at=N`, or `ins=HH` or what else a command is called by; the next command unless said otherwise.
pub(super) fn trigger(words: &mut Words<'_>, name: &str) -> Result<Trigger, EmulatorError> {
    let at = words.parsed("at", "a number from 1", |value| value.parse().ok().filter(|&at| at > 0))?;
    let instruction = words
        .parsed(name, "two hex digits", |value| u8::from_str_radix(value, 16).ok().filter(|_| value.len() == 2))?;
    match (at, instruction) {
        (Some(_), Some(_)) => {
            Err(EmulatorError::words(format!("a fault happens at= a number or at {name}=, not both")))
        }
        (None, Some(instruction)) => Ok(Trigger::Instruction(instruction)),
        (at, None) => Ok(Trigger::Command(at.unwrap_or(1))),
    }
}
