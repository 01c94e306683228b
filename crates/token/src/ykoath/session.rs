//! One conversation with one key: who it is, opening it with the access code, commands and what their refusals mean.

use oathburn_oath::SerialNumber;
use subtle::ConstantTimeEq;

use super::commands::{self, Code, Listed, Selected};
use crate::apdu::exchange_with;
use crate::token2::general_meaning;
use crate::{AccessKey, Command, Progress, ReadCode, Response, StatusWord, TokenError, Transport, exchange};

/// A key that answered as one with the applet, which is selected.
pub(super) struct Session<'a> {
    transport: &'a mut dyn Transport,
    pub(super) selected: Selected,
    pub(super) serial: SerialNumber,
    /// Whether a `YubiKey`'s management application told the serial number.
    pub(super) is_yubikey: bool,
    /// A write was sent that may have been carried out.
    pub(super) written: bool,
}

/// Asks who is there; `None` when it is no key with the applet.
///
/// A key is identified by the number on its back, which a `YubiKey`'s management application tells, and other makers'
/// SELECT; keys that tell none have their device id, in hex, which a reset changes.
pub(super) fn meet(transport: &mut dyn Transport) -> Result<Option<Session<'_>>, TokenError> {
    let Some(selected) = select(transport)? else { return Ok(None) };
    let number = management_serial(transport)?;
    let printed = match number {
        Some(serial) => Some(serial.to_string()),
        None => selected.serial.map(|serial| format!("{:08x}", u32::from_be_bytes(serial))),
    };
    // The other application may have taken the applet's place, selected or not; and the device must be the same.
    let Some(again) = select(transport)? else { return Ok(None) };
    if again.device_id != selected.device_id {
        return Err(TokenError::Garbled { command: "SELECT", what: "another device id than a moment before" });
    }
    let by_id = || again.device_id.map(|id| format!("{:016x}", u64::from_be_bytes(id)));
    let Some(serial) = printed.or_else(by_id).and_then(|text| SerialNumber::new(&text).ok()) else { return Ok(None) };
    Ok(Some(Session { transport, selected: again, serial, is_yubikey: number.is_some(), written: false }))
}

fn select(transport: &mut dyn Transport) -> Result<Option<Selected>, TokenError> {
    let response = converse(transport, &commands::select())?;
    Ok(Some(response)
        .filter(|response| response.status == StatusWord::DONE)
        .and_then(|response| commands::parse_selected(&response.data)))
}

fn management_serial(transport: &mut dyn Transport) -> Result<Option<u32>, TokenError> {
    if exchange(transport, &commands::select_management())?.status != StatusWord::DONE {
        return Ok(None);
    }
    let info = exchange(transport, &commands::device_info())?;
    Ok(Some(info).filter(|info| info.status == StatusWord::DONE).and_then(|info| commands::parse_serial(&info.data)))
}

/// The applet has a command of its own for the rest of an answer.
fn converse(transport: &mut dyn Transport, command: &Command) -> Result<Response, TokenError> {
    exchange_with(transport, command, &commands::send_remaining)
}

impl<'a> Session<'a> {
    /// Meets the key that is expected, and no other.
    pub(super) fn with(transport: &'a mut dyn Transport, serial: &SerialNumber) -> Result<Self, TokenError> {
        let garbled = TokenError::Garbled { command: "SELECT", what: "something that is not its applet's" };
        let session = meet(transport)?.ok_or(garbled)?;
        if session.serial == *serial {
            Ok(session)
        } else {
            Err(TokenError::OtherToken { expected: serial.clone(), found: session.serial })
        }
    }

    /// Opens a key that asks for its access code, and has it prove that it knows the code, too. A wrong one is tried
    /// once.
    pub(super) fn unlock(&mut self, access_key: Option<&AccessKey>) -> Result<bool, TokenError> {
        let Some(challenge) = self.selected.challenge.clone() else { return Ok(false) };
        let password = access_key.ok_or(TokenError::AccessKeyNeeded)?;
        let code = self.code(password)?;
        let own = nonce()?;
        let response = converse(self.transport, &commands::validate(&code, &challenge, own))?;
        match response.status {
            StatusWord::DONE => {}
            StatusWord(0x6a80) => return Err(TokenError::AccessKeyWrong { left: None }),
            status => return Err(refused("VALIDATE", status)),
        }
        let proof = super::tlv::only(&response.data, 0x75).unwrap_or_default();
        if !bool::from(proof.ct_eq(&commands::proof(&code, &own))) {
            let what = "no proof that it knows the access key itself";
            return Err(TokenError::Garbled { command: "VALIDATE", what });
        }
        self.selected.challenge = None;
        Ok(true)
    }

    /// The access code that a password is on this key.
    pub(super) fn code(&self, password: &AccessKey) -> Result<Code, TokenError> {
        let id = self.selected.device_id;
        let id = id.ok_or(TokenError::Unable { what: "be opened with an access key: it has a PIN of another kind" })?;
        Ok(commands::derive(password, id))
    }

    /// Everything on the key.
    pub(super) fn list(&mut self) -> Result<Vec<Listed>, TokenError> {
        let response = self.send(&commands::list())?;
        commands::parse_list(&response.data)
            .ok_or(TokenError::Garbled { command: "LIST", what: "something that is no list" })
    }

    /// The code of a step, or the next one of a seed that counts.
    pub(super) fn calculate(&mut self, name: &[u8], step: Option<u64>) -> Result<ReadCode, TokenError> {
        let response = self.send(&commands::calculate(name, step))?;
        let (digits, bits) = commands::parse_code(&response.data)
            .ok_or(TokenError::Garbled { command: "CALCULATE", what: "something that is no code" })?;
        let value = u64::from(bits) % 10_u64.pow(digits.into());
        Ok(ReadCode { step, text: format!("{value:0width$}", width = usize::from(digits)) })
    }

    /// Whether the key says that this name costs a touch.
    pub(super) fn costs_touch(&mut self, name: &[u8]) -> Result<bool, TokenError> {
        let response = self.send(&commands::calculate_all(0))?;
        commands::parse_touch(&response.data, name)
            .ok_or(TokenError::Garbled { command: "CALCULATE ALL", what: "no word of what was written" })
    }

    /// Sends a command that changes nothing and must succeed.
    pub(super) fn send(&mut self, command: &Command) -> Result<Response, TokenError> {
        let response = converse(self.transport, command)?;
        match response.status {
            StatusWord::DONE => Ok(response),
            status => Err(refused(command.name, status)),
        }
    }

    /// Sends a write. What the key refuses it has not done, but for a failure of its memory.
    pub(super) fn write(&mut self, command: &Command) -> Result<(), TokenError> {
        let before = std::mem::replace(&mut self.written, true);
        match self.send(command) {
            Ok(response) if response.data.is_empty() => Ok(()),
            Ok(_) => Err(TokenError::Garbled { command: command.name, what: "data where there should be none" }),
            Err(error) => {
                let memory = matches!(error, TokenError::Refused { status, .. } if status.0 >> 8 == 0x65);
                let wire = matches!(error, TokenError::Wire { .. } | TokenError::Garbled { .. });
                self.written = before || memory || wire;
                Err(error)
            }
        }
    }

    /// Sends a write after which nothing has to come back in order: the key has forgotten whom it talks to.
    pub(super) fn select_again(&mut self) -> Result<(), TokenError> {
        let garbled = TokenError::Garbled { command: "SELECT", what: "something that is not its applet's" };
        self.selected = select(self.transport)?.ok_or(garbled)?;
        Ok(())
    }
}

/// Announces a touch where one may be needed: the key answers when somebody has touched it.
pub(super) fn await_touch(progress: &dyn Fn(Progress)) {
    progress(Progress::TouchAwaited);
}

/// Eight bytes that nobody can foresee.
pub(super) fn nonce() -> Result<[u8; 8], TokenError> {
    let mut own = [0; 8];
    getrandom::fill(&mut own).map_err(|_| TokenError::Random)?;
    Ok(own)
}

/// What a refusal means here.
fn refused(command: &'static str, status: StatusWord) -> TokenError {
    let meaning = match (command, status.0) {
        (_, 0x6a84) => return TokenError::Full,
        ("CALCULATE", 0x6982) => return TokenError::NotTouched,
        (_, 0x6982) => "it wants to be opened first, or, if it follows FIPS 140, to have an access key set",
        (_, 0x6984) => "it has nothing of that name",
        (_, 0x6985) => "it does not allow that as it is set up, or waits for a touch or a PIN of its own",
        (_, 0x6a80) => "it takes the data for malformed, or has no such hash",
        (_, other) => general_meaning(other),
    };
    TokenError::Refused { command, status, meaning }
}
