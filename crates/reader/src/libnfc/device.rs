//! libnfc itself, which is not trusted: what it is given is checked before, what it says is checked after.
//!
//! It runs in the worker only. A chip that answers the question for its firmware wrongly makes it abort the process.

use std::time::Duration;

use nfc1::target_info::TargetInfo;
use nfc1::{BaudRate, Context, Error, Modulation, ModulationType, Property, Timeout};

use super::message::{Fault, MAX_ANSWER, MAX_COMMAND, MAX_READERS, Reply, Target};

/// Tokens of type A at 106 kbit/s (ISO/IEC 14443-3): all that can be programmed are of this kind.
const TYPE_A: Modulation = Modulation { modulation_type: ModulationType::Iso14443a, baud_rate: BaudRate::Baud106 };

/// A reader that is open.
pub(super) struct Device {
    /// Goes before its context.
    device: nfc1::Device,
    _context: Context,
}

type Result<T> = std::result::Result<T, Reply>;

/// The readers that libnfc's configuration names, and those that it finds without disturbing others.
pub(super) fn list() -> Result<Vec<String>> {
    let mut context = Context::new().map_err(failed)?;
    context.list_devices(MAX_READERS).map_err(failed)
}

impl Device {
    /// Opens a reader. Each call, successful or not, costs memory that libnfc's crate does not give back.
    pub(super) fn open(connstring: &str) -> Result<Self> {
        let mut context = Context::new().map_err(failed)?;
        let device = context.open_with_connstring(connstring).map_err(failed)?;
        let mut device = Self { device, _context: context };
        device.device.initiator_init().map_err(failed)?;
        // Otherwise looking for a token lasts until one comes, and no call to libnfc can be interrupted.
        device.device.set_property_bool(Property::InfiniteSelect, false).map_err(failed)?;
        Ok(device)
    }

    /// Looks for a token once.
    pub(super) fn find(&mut self) -> Result<Option<Target>> {
        match self.device.initiator_select_passive_target(&TYPE_A) {
            Ok(found) => Ok(target(&found.target_info)),
            // Something that comes or goes just now.
            Err(Error::RfTransmissionError | Error::TargetReleased) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether the target still answers.
    pub(super) fn is_present(&mut self) -> Result<bool> {
        match self.device.initiator_target_is_present_any() {
            Ok(()) => Ok(true),
            // The last one: there is no target.
            Err(Error::RfTransmissionError | Error::TargetReleased | Error::InvalidArgument) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Sends a command and waits for the answer.
    pub(super) fn transmit(&mut self, c_apdu: &[u8], timeout: Duration) -> Result<Vec<u8>> {
        if c_apdu.len() > MAX_COMMAND {
            return Err(Reply::Failed(Fault::TooLong, "the command is too long".into()));
        }
        self.device.initiator_transceive_bytes(c_apdu, MAX_ANSWER, finite(timeout)).map_err(failed)
    }

    /// Ends the target's session.
    pub(super) fn release(&mut self) -> Result<()> {
        match self.device.initiator_deselect_target() {
            // It went first.
            Ok(()) | Err(Error::RfTransmissionError | Error::TargetReleased) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// libnfc takes zero for without end, negative numbers for whatever it thinks best, and cuts large ones.
fn finite(timeout: Duration) -> Timeout {
    let longest = Duration::from_millis(i32::MAX as u64);
    Timeout::Duration(timeout.clamp(Duration::from_millis(1), longest))
}

/// Where no token lies libnfc's crate reports one of zeros. What is longer than its place is no target either.
fn target(info: &TargetInfo) -> Option<Target> {
    let TargetInfo::Iso14443a(info) = info else { return None };
    let uid = info.uid.get(..info.uid_len).filter(|uid| matches!(uid.len(), 4 | 7 | 10))?;
    let ats = info.ats.get(..info.ats_len)?;
    Some(Target { atqa: info.atqa, sak: info.sak, uid: uid.to_vec(), ats: ats.to_vec() })
}

fn failed(error: Error) -> Reply {
    let fault = match error {
        Error::NoDeviceFound | Error::NoSuchDeviceFound | Error::DeviceNotSupported => Fault::NoDevice,
        Error::RfTransmissionError | Error::TargetReleased => Fault::TokenGone,
        Error::Timeout => Fault::Timeout,
        Error::BufferOverflow => Fault::TooLong,
        _ => Fault::Other,
    };
    let said = error.to_string();
    // libnfc adds advice for programmers.
    let said = said.split(", device may").next().unwrap_or_default().to_lowercase();
    Reply::Failed(fault, said)
}

#[cfg(test)]
mod tests {
    use nfc1::target_info::{Iso14443a, Jewel};

    use super::*;

    fn info(uid_len: usize, ats_len: usize) -> TargetInfo {
        TargetInfo::Iso14443a(Iso14443a {
            atqa: [0, 4],
            sak: 0x20,
            uid: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            uid_len,
            ats: [5; 254],
            ats_len,
        })
    }

    #[test]
    fn a_target_of_zeros_is_none() {
        assert_eq!(target(&TargetInfo::new_iso14443a()), None);
        assert_eq!(target(&nfc1::Target::new_iso14443a().target_info), None);
        assert_eq!(target(&TargetInfo::Jewel(Jewel { sens_res: [0; 2], id: [0; 4] })), None);
        for (uid, ats) in [(0, 0), (3, 0), (11, 0), (4, 255)] {
            assert_eq!(target(&info(uid, ats)), None, "{uid} {ats}");
        }
        let found = target(&info(7, 4)).expect("a whole target");
        assert_eq!((found.uid, found.ats), (vec![1, 2, 3, 4, 5, 6, 7], vec![5; 4]));
    }

    #[test]
    fn no_time_out_is_without_end() {
        for (timeout, expected) in [(0, 1), (1, 1), (999, 1), (2_500_000, 2500), (u64::MAX, i32::MAX)] {
            assert_eq!(i32::from(finite(Duration::from_micros(timeout))), expected);
        }
    }

    #[test]
    fn errors_are_told_apart() {
        for (error, fault) in [
            (Error::NoDeviceFound, Fault::NoDevice),
            (Error::DeviceNotSupported, Fault::NoDevice),
            (Error::RfTransmissionError, Fault::TokenGone),
            (Error::TargetReleased, Fault::TokenGone),
            (Error::Timeout, Fault::Timeout),
            (Error::BufferOverflow, Fault::TooLong),
            (Error::Chip, Fault::Other),
        ] {
            assert!(matches!(failed(error), Reply::Failed(found, _) if found == fault), "{error:?}");
        }
        assert_eq!(failed(Error::Io), Reply::Failed(Fault::Other, "input/output error".into()));
    }
}
