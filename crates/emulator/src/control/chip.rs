//! What can be done to an NFC chip and its line.

use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Value, json};

use super::fault::trigger;
use super::log_json;
use crate::words::Words;
use crate::{Bench, ChipFault, EmulatorError, Pn532};

/// As much as fits into a frame.
const MAX_BYTES: usize = 262;

impl Bench {
    pub(super) fn control_chip(&self, mut words: Words<'_>) -> Result<Value, EmulatorError> {
        let id = words.reader()?;
        let reader = self.reader(id)?;
        let port = reader.chip()?;
        let verb = words.next("a fault, clear, unplug, plug or log")?;
        match verb {
            "clear" => {
                words.end()?;
                port.with_chip(Pn532::disarm);
            }
            "unplug" => {
                words.end()?;
                port.unplug()?;
            }
            "plug" => {
                words.end()?;
                port.plug()?;
            }
            "log" => {
                let clear = words.next_is("clear");
                words.end()?;
                return Ok(port.with_chip(|chip| {
                    let log = log_json(chip.log());
                    if clear {
                        chip.clear_log();
                    }
                    log
                }));
            }
            kind => {
                let trigger = trigger(&mut words, "cmd")?;
                let fault = chip_fault(kind, &mut words)?;
                words.end()?;
                let armed = port.with_chip(|chip| {
                    chip.arm(trigger, fault);
                    chip.armed()
                });
                return Ok(json!({ "faults": armed }));
            }
        }
        Ok(json!({}))
    }
}

fn chip_fault(kind: &str, words: &mut Words<'_>) -> Result<ChipFault, EmulatorError> {
    Ok(match kind {
        "mute" => ChipFault::Mute,
        "no-reply" => ChipFault::NoReply,
        "nack" => ChipFault::Nack,
        "error-frame" => ChipFault::ErrorFrame,
        "vanish" => ChipFault::Vanish,
        "tear-before" => ChipFault::TearBefore,
        "tear-after" => ChipFault::TearAfter,
        "length-checksum" => ChipFault::LengthChecksum,
        "data-checksum" => ChipFault::DataChecksum,
        "slow" => {
            let millis = words.required("ms", "a number of milliseconds", |value| value.parse().ok())?;
            ChipFault::Slow(Duration::from_millis(millis))
        }
        "truncated" => ChipFault::Truncated(words.required("len", "a number", |value| value.parse().ok())?),
        "noise" => ChipFault::Noise(bytes(words)?),
        "extra" => ChipFault::Extra(bytes(words)?),
        "data" => ChipFault::Data(bytes(words)?),
        _ => return Err(EmulatorError::words(format!("a chip has no fault `{kind}`"))),
    })
}

fn bytes(words: &mut Words<'_>) -> Result<Vec<u8>, EmulatorError> {
    words.required("bytes", "hex digits for at most 262 bytes", |value| {
        HEXLOWER_PERMISSIVE.decode(value.as_bytes()).ok().filter(|bytes| bytes.len() <= MAX_BYTES)
    })
}
