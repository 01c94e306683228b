//! One emulated reader: a place where a card lies or lay.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oathburn_oath::SerialNumber;

use crate::pcscd_watch::PcscdWatch;
use crate::{Device, EmulatorError, Faulty, Insertion};

/// A reader. The card that lay there last stays known, so that it can be laid there again.
pub(crate) struct Reader {
    name: String,
    address: SocketAddr,
    /// The service's socket, while there is a service that shows us what it sees.
    watched: Option<PathBuf>,
    card: Option<Arc<Mutex<Faulty<Device>>>>,
    insertion: Option<Insertion>,
}

impl Reader {
    pub(super) fn new(name: String, address: SocketAddr, watched: Option<PathBuf>) -> Self {
        Self { name, address, watched, card: None, insertion: None }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn set_watched(&mut self, socket: Option<PathBuf>) {
        self.watched = socket;
    }

    /// Whether a card lies there and was not torn away.
    pub(crate) fn is_inserted(&self) -> bool {
        self.insertion.as_ref().is_some_and(|insertion| !insertion.has_ended())
    }

    /// Makes this the device that lies there when a card is inserted next; what lay there before, and what was swapped
    /// away, comes back.
    pub(super) fn replace(&mut self, device: Device) -> Vec<Device> {
        let mut replaced = self.take_swapped_out();
        match &self.card {
            Some(card) => replaced.push(lock(card).replace(device)),
            None => self.card = Some(Arc::new(Mutex::new(Faulty::new(device)))),
        }
        replaced
    }

    /// Lays the card there again that lay there last. Without effect while it still does.
    pub(crate) fn insert_again(&mut self, number: usize) -> Result<(), EmulatorError> {
        drop(self.card(number)?);
        if self.is_inserted() {
            return Ok(());
        }
        // After a tear the service may not have noticed yet that the card is gone.
        self.remove()?;
        self.connect()
    }

    /// Takes the card away; back when the service has noticed.
    pub(crate) fn remove(&mut self) -> Result<(), EmulatorError> {
        if self.insertion.take().is_some() {
            self.wait_for_card(false)?;
        }
        Ok(())
    }

    /// Takes the card away, noticed or not.
    pub(super) fn drop_card(&mut self) {
        self.insertion = None;
    }

    /// Does something with the card and its faults.
    pub(crate) fn card(&self, number: usize) -> Result<MutexGuard<'_, Faulty<Device>>, EmulatorError> {
        self.card.as_deref().map(lock).ok_or(EmulatorError::NoCard { reader: number })
    }

    /// Looks at the device that lies there or lay there last.
    pub(crate) fn with_device<T>(&self, number: usize, look: impl FnOnce(&Device) -> T) -> Result<T, EmulatorError> {
        Ok(look(self.card(number)?.card()))
    }

    pub(super) fn take_swapped_out(&mut self) -> Vec<Device> {
        self.card.as_deref().map(|card| lock(card).take_swapped_out()).unwrap_or_default()
    }

    /// Takes the token that lay there last, if it is this one and lies there no more. Its log goes with it.
    pub(super) fn take_removed(&mut self, serial: &SerialNumber) -> Option<Device> {
        if self.is_inserted() {
            return None;
        }
        let is_it = |card: &mut Arc<Mutex<Faulty<Device>>>| {
            lock(card).card().token().is_some_and(|token| token.serial() == serial)
        };
        let card = self.card.take_if(is_it)?;
        self.insertion = None;
        // The insertion's thread has ended, so nobody else holds the card.
        let card = Arc::into_inner(card)?.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some(card.into_card())
    }

    fn connect(&mut self) -> Result<(), EmulatorError> {
        let Some(card) = &self.card else { return Ok(()) };
        lock(card).present();
        let insertion = Insertion::new(self.address, Arc::clone(card)).map_err(EmulatorError::io("start a thread"))?;
        self.insertion = Some(insertion);
        self.wait_for_card(true)
    }

    /// Waits until the service shows a card on this reader, or none. Where there is no service of ours there is
    /// nobody to ask.
    fn wait_for_card(&self, present: bool) -> Result<(), EmulatorError> {
        let Some(socket) = &self.watched else { return Ok(()) };
        let event = format!("{} on {}", if present { "a card" } else { "no card" }, self.name);
        PcscdWatch::connect(socket)?.wait_until(&event, |states| {
            states.iter().any(|state| state.name == self.name && state.card_present == present)
        })?;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A card that panicked is still the card that lies there.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
