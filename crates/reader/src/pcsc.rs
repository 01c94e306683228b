//! Readers of the PC/SC service.

mod meaning;
mod worker;

use std::cell::RefCell;
use std::ffi::CString;
use std::time::Duration;

use pcsc::{Context, Error, ReaderState, Scope, State};
use tracing::debug;

use self::meaning::{reader_error, service_error, unserved};
use crate::presence::Deadline;
use crate::watch::Seen;
use crate::{Conversation, Presence, ReaderError};

/// A connection to the PC/SC service.
#[derive(Clone)]
pub(crate) struct Service(Context);

impl Service {
    pub(crate) fn connect() -> Result<Self, ReaderError> {
        match Context::establish(Scope::User) {
            Ok(context) => Ok(Self(context)),
            Err(error) => {
                debug!(%error, "no connection to the PC/SC service");
                Err(service_error(error, unserved))
            }
        }
    }

    /// The full names of the readers that are connected.
    pub(crate) fn reader_names(&self) -> Result<Vec<String>, ReaderError> {
        loop {
            match self.0.list_readers_owned() {
                Ok(names) => return Ok(names.iter().map(|name| name.to_string_lossy().into_owned()).collect()),
                // One was plugged in between the question how long the list is and the list.
                Err(Error::InsufficientBuffer) => {}
                Err(error) => return Err(service_error(error, || ReaderError::ServiceStopped)),
            }
        }
    }

    /// Shows all readers with what lies on them, and again whenever that changes, while `goes_on`, which is asked once in
    /// each `piece` of time.
    pub(crate) fn watch(
        &self,
        piece: Duration,
        goes_on: &mut dyn FnMut() -> bool,
        show: &mut dyn FnMut(Vec<(String, Seen)>),
    ) -> Result<(), ReaderError> {
        let mut known = None;
        let mut states = Vec::new();
        while goes_on() {
            let names = self.reader_names()?;
            let is_new = known.as_ref() != Some(&names);
            if is_new {
                // The first of the states wakes us when a reader comes or goes.
                states = vec![ReaderState::new(pcsc::PNP_NOTIFICATION(), State::UNAWARE)];
                let readers = names.iter().filter_map(|name| CString::new(name.as_str()).ok());
                states.extend(readers.map(|name| ReaderState::new(name, State::UNAWARE)));
                known = Some(names);
            }
            match self.0.get_status_change(if is_new { Duration::ZERO } else { piece }, &mut states) {
                Ok(()) => {}
                Err(Error::Timeout) if is_new => {}
                Err(Error::Timeout) => continue,
                Err(error) => return Err(service_error(error, || ReaderError::ServiceStopped)),
            }
            show(states[1..].iter().filter_map(seen).collect());
            states.iter_mut().for_each(ReaderState::sync_current_state);
        }
        Ok(())
    }

    /// The reader of this full name.
    pub(crate) fn reader(&self, name: &str) -> Result<Reader, ReaderError> {
        let c_name = CString::new(name).map_err(|_| ReaderError::ReaderLost { reader: name.into() })?;
        Ok(Reader { service: RefCell::new(Some(self.clone())), name: name.into(), c_name })
    }
}

/// One reader, and a connection to its service. Calls over one connection wait for each other, so a conversation takes
/// it along, and whoever asks about the reader meanwhile gets a new one.
pub(crate) struct Reader {
    service: RefCell<Option<Service>>,
    name: String,
    c_name: CString,
}

impl Reader {
    fn service(&self) -> Result<Service, ReaderError> {
        let mut service = self.service.borrow_mut();
        if let Some(service) = &*service {
            return Ok(service.clone());
        }
        let new = Service::connect().map_err(|error| match error {
            // It was there when the reader was opened.
            ReaderError::ServiceMissing | ReaderError::ServiceStopped => self.lost(),
            other => other,
        })?;
        Ok(service.insert(new).clone())
    }

    fn lost(&self) -> ReaderError {
        ReaderError::ReaderLost { reader: self.name.clone() }
    }

    pub(crate) fn presence(&self) -> Result<Presence, ReaderError> {
        let mut state = [ReaderState::new(self.c_name.clone(), State::UNAWARE)];
        let service = self.service()?;
        service.0.get_status_change(Duration::ZERO, &mut state).map_err(|error| reader_error(error, &self.name))?;
        presence(state[0].event_state()).ok_or_else(|| self.lost())
    }

    pub(crate) fn wait_for_token(
        &self,
        wait: Option<Duration>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(), ReaderError> {
        let found = self.wait(wait, interrupted, |presence, _| presence != Presence::Empty)?;
        match found {
            Some(Presence::Mute) => Err(ReaderError::TokenMute { reader: self.name.clone() }),
            Some(_) => Ok(()),
            None => Err(ReaderError::NoToken { reader: self.name.clone() }),
        }
    }

    pub(crate) fn wait_for_removal(
        &self,
        wait: Option<Duration>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(), ReaderError> {
        let found = self.wait(wait, interrupted, |presence, exchanged| presence == Presence::Empty || exchanged)?;
        found.map(|_| ()).ok_or_else(|| ReaderError::TokenStays { reader: self.name.clone() })
    }

    /// Waits until `enough`, told what lies on the reader and whether anything came or went since the wait began.
    /// `None` when the time is over.
    fn wait(
        &self,
        wait: Option<Duration>,
        interrupted: &dyn Fn() -> bool,
        enough: impl Fn(Presence, bool) -> bool,
    ) -> Result<Option<Presence>, ReaderError> {
        let service = self.service()?;
        let deadline = Deadline::after(wait);
        let mut states = [ReaderState::new(self.c_name.clone(), State::UNAWARE)];
        let mut piece = Some(Duration::ZERO);
        let mut first_count = None;
        while let Some(duration) = piece {
            match service.0.get_status_change(duration, &mut states) {
                Ok(()) => {
                    let [state] = &mut states;
                    let found = presence(state.event_state()).ok_or_else(|| self.lost())?;
                    let count = state.event_count();
                    if enough(found, *first_count.get_or_insert(count) != count) {
                        return Ok(Some(found));
                    }
                    state.sync_current_state();
                }
                Err(Error::Timeout) => {}
                Err(error) => return Err(reader_error(error, &self.name)),
            }
            if interrupted() {
                return Err(ReaderError::Interrupted);
            }
            piece = deadline.piece();
        }
        Ok(None)
    }

    pub(crate) fn connect(&self, timeout: Duration) -> Result<Conversation, ReaderError> {
        let service = self.service()?;
        self.service.replace(None);
        let (name, c_name) = (self.name.clone(), self.c_name.clone());
        // The service lets a newcomer wait, without end, while another program is in a transaction.
        let silent = ReaderError::ReaderBusy { reader: self.name.clone() };
        Conversation::begin(timeout, silent, move |line| {
            if let Err(error) = worker::converse(&service, &c_name, &name, &line) {
                debug!(reader = name, %error, "no conversation");
                line.ready(Err(error));
            }
        })
    }
}

/// A reader in a list, unless it has gone. The service counts how often something came or went.
fn seen(state: &ReaderState) -> Option<(String, Seen)> {
    let token = presence(state.event_state())? != Presence::Empty;
    let mark = state.event_count().to_be_bytes().to_vec();
    Some((state.name().to_string_lossy().into_owned(), Seen { token: Some(token), mark }))
}

/// `None` when the reader has gone.
fn presence(state: State) -> Option<Presence> {
    if state.intersects(State::UNKNOWN | State::UNAVAILABLE | State::IGNORE) {
        None
    } else if state.contains(State::PRESENT | State::MUTE) {
        Some(Presence::Mute)
    } else if state.contains(State::PRESENT) {
        Some(Presence::Token)
    } else {
        Some(Presence::Empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states() {
        let present = State::CHANGED | State::PRESENT;
        assert_eq!(presence(State::CHANGED | State::EMPTY), Some(Presence::Empty));
        assert_eq!(presence(present), Some(Presence::Token));
        assert_eq!(presence(present | State::EXCLUSIVE | State::INUSE), Some(Presence::Token));
        assert_eq!(presence(present | State::UNPOWERED), Some(Presence::Token));
        assert_eq!(presence(present | State::MUTE), Some(Presence::Mute));
        assert_eq!(presence(State::CHANGED | State::UNKNOWN), None);
        assert_eq!(presence(State::CHANGED | State::UNAVAILABLE), None);
    }
}
