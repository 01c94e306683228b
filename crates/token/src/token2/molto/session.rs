//! One conversation: logged in once, with one key, and every write counted.

use oathburn_oath::{SerialNumber, Slot};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::commands::{challenge_command, info_command};
use super::{FACTORY_KEY, KEY_LEN, profile_of, profiles};
use crate::token2::seal::DeviceKey;
use crate::token2::single::{answer_command, parse_info, refused};
use crate::{AccessKey, Command, Done, Progress, Response, SlotInfo, StatusWord, TokenError, Transport, exchange};

/// A conversation with one token, from log-in to read-back.
pub(super) struct Session<'a> {
    pub(super) transport: &'a mut dyn Transport,
    serial: &'a SerialNumber,
    progress: &'a dyn Fn(Progress),
    key: DeviceKey,
    /// A write was sent: from here on the token's state is unknown until everything is confirmed.
    pub(super) written: bool,
    /// The key was accepted: a lost session is opened again with it.
    logged_in: bool,
    /// That is done once, never more.
    reauthenticated: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        transport: &'a mut dyn Transport,
        serial: &'a SerialNumber,
        key: Option<&AccessKey>,
        progress: &'a dyn Fn(Progress),
    ) -> Result<Self, TokenError> {
        let key = match key {
            Some(key) => device_key(key.expose())?,
            None => device_key(FACTORY_KEY)?,
        };
        Ok(Self {
            transport,
            serial,
            progress,
            key: DeviceKey::new(&key),
            written: false,
            logged_in: false,
            reauthenticated: false,
        })
    }

    /// Answers the challenge, between two looks at the serial number, as on single-profile tokens: a token that was
    /// swapped in would spend a try, or take what is another's.
    pub(super) fn log_in(&mut self) -> Result<(), TokenError> {
        self.check_serial()?;
        let response = self.send(&challenge_command())?;
        let challenge = <[u8; 8]>::try_from(response.data.as_slice())
            .map_err(|_| TokenError::Garbled { command: "GET CHALLENGE", what: "a challenge that has not 8 bytes" })?;
        let response = exchange(self.transport, &answer_command(self.key.answer(challenge)))?;
        match response.status {
            StatusWord::DONE => {}
            StatusWord(status) if status >> 8 == 0x63 => {
                return Err(TokenError::AccessKeyWrong { left: Some(tries_left(status)) });
            }
            StatusWord(0x6983) => return Err(TokenError::LockedOut { status: response.status }),
            status => return Err(refused("ANSWER CHALLENGE", status)),
        }
        self.check_serial()?;
        self.logged_in = true;
        (self.progress)(Progress::Authenticated);
        Ok(())
    }

    /// Sends a write. `6983` means that the session is lost: then the token is identified and logged in to once more,
    /// and the write is built and sent again.
    pub(super) fn write(
        &mut self,
        build: impl Fn(&DeviceKey) -> Result<Command, TokenError>,
    ) -> Result<Done, TokenError> {
        loop {
            let command = build(&self.key)?;
            self.written = true;
            let response = exchange(self.transport, &command)?;
            match response.status {
                _ if !response.data.is_empty() => {
                    return Err(TokenError::Garbled { command: command.name, what: "data where there should be none" });
                }
                StatusWord::DONE => return Ok(Done::Now),
                StatusWord(0x9060) => {
                    (self.progress)(Progress::ConfirmationAwaited);
                    return Ok(Done::ToBeConfirmed);
                }
                StatusWord(0x6983) if self.logged_in && !self.reauthenticated => {
                    self.reauthenticated = true;
                    self.log_in()?;
                    (self.progress)(Progress::Reauthenticated);
                }
                status => return Err(refused(command.name, status)),
            }
        }
    }

    /// A write that is either done at once or refused.
    pub(super) fn write_now(
        &mut self,
        build: impl Fn(&DeviceKey) -> Result<Command, TokenError>,
    ) -> Result<(), TokenError> {
        match self.write(build)? {
            Done::Now => Ok(()),
            Done::ToBeConfirmed => {
                Err(TokenError::Garbled { command: "a write", what: "a wish for confirmation that it has not" })
            }
        }
    }

    /// Reads the info and insists on the serial number.
    pub(super) fn check_serial(&mut self) -> Result<(), TokenError> {
        let response = self.send(&info_command())?;
        let (found, _) = parse_info(&response.data)
            .ok_or(TokenError::Garbled { command: "GET INFO", what: "no serial number and clock" })?;
        if found == *self.serial {
            Ok(())
        } else {
            Err(TokenError::OtherToken { expected: self.serial.clone(), found })
        }
    }

    pub(super) fn profile(&mut self, number: u8) -> Result<SlotInfo, TokenError> {
        profiles::profile(self.transport, number)
    }

    /// The profile of a slot that has a seed.
    pub(super) fn existing(&mut self, slot: &Slot) -> Result<u8, TokenError> {
        let number = profile_of(slot)?;
        if self.profile(number)?.has_seed { Ok(number) } else { Err(TokenError::SlotEmpty { slot: slot.clone() }) }
    }

    /// All profiles that have a seed.
    pub(super) fn used(&mut self) -> Result<Vec<u8>, TokenError> {
        let number = |info: SlotInfo| match info.slot {
            Some(Slot::Number(number)) if info.has_seed => Some(number),
            _ => None,
        };
        Ok(profiles::profiles(self.transport)?.into_iter().filter_map(number).collect())
    }

    /// Sends a command that must succeed.
    fn send(&mut self, command: &Command) -> Result<Response, TokenError> {
        let response = exchange(self.transport, command)?;
        if response.status == StatusWord::DONE { Ok(response) } else { Err(refused(command.name, response.status)) }
    }
}

/// The first bytes of the key's hash are the key that the token knows.
pub(super) fn device_key(key: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, TokenError> {
    if key.len() != KEY_LEN {
        return Err(TokenError::AccessKeyLen { len: key.len(), wanted: "16" });
    }
    let hash = Zeroizing::new(<[u8; 20]>::from(Sha1::digest(key)));
    let mut device = Zeroizing::new([0; KEY_LEN]);
    device.copy_from_slice(&hash[..KEY_LEN]);
    Ok(device)
}

/// `63 Cx` or `63 NN`.
const fn tries_left(status: u16) -> u8 {
    let [_, low] = status.to_be_bytes();
    if low >> 4 == 0x0c { low & 0x0f } else { low }
}
