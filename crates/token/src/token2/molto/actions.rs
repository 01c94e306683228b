//! What else can be done with a token.

use super::commands::{delete_command, lock_command, reset_command, set_key_command, title_command};
use super::session::{Session, device_key};
use super::{FACTORY_KEY, check_title, profile_of};
use crate::token2::single::refused;
use crate::{Action, ActionOrder, Done, StatusWord, TokenError, exchange};

pub(super) fn act(session: &mut Session<'_>, order: &ActionOrder<'_>) -> Result<Done, TokenError> {
    match order.action {
        Action::Delete { slot } => {
            let number = session.existing(slot)?;
            delete(session, number)?;
            if session.profile(number)?.has_seed {
                return Err(TokenError::ReadBack { what: "state: the seed is still there" });
            }
            Ok(Done::Now)
        }
        Action::Rename { slot, to } => {
            let number = profile_of(slot)?;
            check_title(to)?;
            session.profile(number)?;
            session.log_in()?;
            session.write_now(|key| Ok(title_command(key, number, to)))?;
            if session.profile(number)?.label == to {
                Ok(Done::Now)
            } else {
                Err(TokenError::ReadBack { what: "title" })
            }
        }
        // Whoever holds the token can reset it: no key is needed, and none is tried.
        Action::Reset => session.write(|_| Ok(reset_command())),
        Action::SetAccessKey { key } => change_key(session, key.expose()),
        Action::RemoveAccessKey => change_key(session, FACTORY_KEY),
        Action::TryAccessKey => session.log_in().map(|()| Done::Now),
        Action::Lock { locked } => {
            session.log_in()?;
            match session.write(|_| Ok(lock_command(locked))) {
                Err(TokenError::Refused { status: StatusWord(0x6d00), .. }) => {
                    session.written = false;
                    Err(TokenError::Unable { what: "lock its screen: its software is older than 2.1" })
                }
                other => other,
            }
        }
    }
}

/// The note wants a session for this, the tokens do not: so no key is tried before one is asked for.
fn delete(session: &mut Session<'_>, number: u8) -> Result<(), TokenError> {
    session.written = true;
    let response = exchange(session.transport, &delete_command(number))?;
    match response.status {
        StatusWord::DONE => Ok(()),
        StatusWord(0x6983 | 0x6982) => {
            session.written = false;
            session.log_in()?;
            session.write_now(|_| Ok(delete_command(number)))
        }
        status => Err(refused("DELETE SEED", status)),
    }
}

fn change_key(session: &mut Session<'_>, new: &[u8]) -> Result<Done, TokenError> {
    let new = device_key(new)?;
    session.log_in()?;
    session.write(|key| Ok(set_key_command(key, &new)))
}
