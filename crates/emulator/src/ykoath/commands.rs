//! What each command does. See `docs/protocol/ykoath.md`.

use super::entry::{self, Entry, OathType};
use super::tlv::{self, Fields};
use super::{
    AccessCode, BLOCK, KeyKind, Memory, NO_OBJECT, NO_RANDOM, NO_SPACE, NOT_SATISFIED, Outcome, Refusal, Session,
    WRONG_SYNTAX, YkOath,
};
use crate::hash;

impl YkOath {
    pub(super) fn put(&mut self, data: &[u8]) -> Outcome {
        let entry = Entry::read(data, self.version)?;
        let place = match self.place_of(&entry.name) {
            Some(place) => place,
            None if self.entries().count() >= self.version.max_entries() => return Err(NO_SPACE.into()),
            None => self.free_place(),
        };
        // As the published applet does it: what is to be overwritten is put out of use first.
        self.memory.places[place] = None;
        self.pass_tear()?;
        self.memory.places[place] = Some(entry);
        Ok(Vec::new())
    }

    pub(super) fn delete(&mut self, data: &[u8]) -> Outcome {
        let place = self.find(entry::read_name(&mut Fields(data))?)?;
        self.pass_tear()?;
        self.memory.places[place] = None;
        Ok(Vec::new())
    }

    pub(super) fn rename(&mut self, data: &[u8]) -> Outcome {
        let mut fields = Fields(data);
        let (old, new) = (entry::read_name(&mut fields)?, entry::read_name(&mut fields)?);
        let place = self.find(old)?;
        if self.place_of(new).is_some() {
            return Err(NO_OBJECT.into());
        }
        self.pass_tear()?;
        if let Some(entry) = &mut self.memory.places[place] {
            entry.name = new.to_vec();
        }
        Ok(Vec::new())
    }

    pub(super) fn list(&self) -> Vec<u8> {
        let mut answer = Vec::new();
        for entry in self.entries() {
            tlv::push(&mut answer, tlv::LISTED, &[&[entry.kind()], &entry.name]);
        }
        answer
    }

    pub(super) fn calculate(&mut self, is_truncated: bool, data: &[u8]) -> Outcome {
        let mut fields = Fields(data);
        let place = self.find(entry::read_name(&mut fields)?)?;
        let challenge = fields.value(tlv::CHALLENGE)?;
        let entry = self.memory.places[place].as_ref().ok_or(NO_OBJECT)?;
        if entry.oath_type == OathType::Totp {
            check_challenge(challenge)?;
        }
        if entry.touch && !self.is_present() {
            return Err(NOT_SATISFIED.into());
        }
        // Nitrokeys know no whole responses.
        let is_truncated = is_truncated || self.kind == KeyKind::Nitrokey;
        let entry = self.memory.places[place].as_mut().ok_or(NO_OBJECT)?;
        if !entry.accept(challenge) {
            return Err(NOT_SATISFIED.into());
        }
        let mut answer = Vec::new();
        push_response(&mut answer, entry, is_truncated, challenge);
        if entry.oath_type == OathType::Hotp {
            entry.counter += 1;
            self.pass_tear()?;
        }
        Ok(answer)
    }

    pub(super) fn calculate_all(&mut self, is_truncated: bool, data: &[u8]) -> Outcome {
        let challenge = Fields(data).value(tlv::CHALLENGE)?;
        check_challenge(challenge)?;
        let mut answer = Vec::new();
        for entry in self.memory.places.iter_mut().flatten() {
            tlv::push(&mut answer, tlv::NAME, &[&entry.name]);
            if entry.oath_type == OathType::Hotp {
                tlv::push(&mut answer, tlv::NO_RESPONSE, &[&[entry.digits]]);
            } else if entry.touch {
                tlv::push(&mut answer, tlv::TOUCH, &[&[entry.digits]]);
            } else if entry.accept(challenge) {
                push_response(&mut answer, entry, is_truncated, challenge);
            } else {
                return Err(NOT_SATISFIED.into());
            }
        }
        Ok(answer)
    }

    pub(super) fn set_code(&mut self, data: &[u8]) -> Outcome {
        let mut fields = Fields(data);
        let code = match fields.value(tlv::KEY)? {
            [] => None,
            [algorithm, key @ ..] => {
                let algorithm = entry::algorithm(*algorithm).ok_or(WRONG_SYNTAX)?;
                if key.is_empty() || key.len() > BLOCK {
                    return Err(WRONG_SYNTAX.into());
                }
                let (challenge, response) = (fields.value(tlv::CHALLENGE)?, fields.value(tlv::RESPONSE)?);
                let right = hash::hmac(algorithm, key, challenge);
                if response.len() != right.len() {
                    return Err(WRONG_SYNTAX.into());
                }
                if response != right {
                    return Err(NO_OBJECT.into());
                }
                Some(AccessCode { algorithm, key: key.to_vec().into() })
            }
        };
        self.pass_tear()?;
        // On later keys the session in which a code is set goes on.
        self.session.is_authenticated |= !self.version.is_neo();
        self.memory.access_code = code;
        Ok(Vec::new())
    }

    pub(super) fn validate(&mut self, data: &[u8]) -> Outcome {
        let code = self.memory.access_code.as_ref().ok_or(NO_OBJECT)?;
        let mut fields = Fields(data);
        let (response, challenge) = (fields.value(tlv::RESPONSE)?, fields.value(tlv::CHALLENGE)?);
        let own = self.session.challenge.ok_or(WRONG_SYNTAX)?;
        if response != hash::hmac(code.algorithm, &code.key, &own) || challenge.len() < own.len() {
            return Err(WRONG_SYNTAX.into());
        }
        self.session.is_authenticated = true;
        self.session.challenge = None;
        let mut answer = Vec::new();
        tlv::push(&mut answer, tlv::RESPONSE, &[&hash::hmac(code.algorithm, &code.key, challenge)]);
        Ok(answer)
    }

    /// RESET, in the order of the published applet.
    pub(super) fn erase(&mut self) -> Outcome {
        let id = (self.random)().ok_or(NO_RANDOM)?;
        self.memory.access_code = None;
        self.pass_tear()?;
        self.memory = Memory { id, access_code: None, places: Vec::new() };
        self.session = Session { selected: self.session.selected, ..Session::default() };
        Ok(Vec::new())
    }
}

/// Challenges have 1 to 64 bytes.
fn check_challenge(challenge: &[u8]) -> Result<(), Refusal> {
    if (1..=BLOCK).contains(&challenge.len()) { Ok(()) } else { Err(Refusal::Word(WRONG_SYNTAX)) }
}

fn push_response(answer: &mut Vec<u8>, entry: &Entry, is_truncated: bool, challenge: &[u8]) {
    let response = entry.respond(challenge);
    if is_truncated {
        tlv::push(answer, tlv::TRUNCATED, &[&[entry.digits], &hash::truncate(&response)]);
    } else {
        tlv::push(answer, tlv::RESPONSE, &[&[entry.digits], &response]);
    }
}
