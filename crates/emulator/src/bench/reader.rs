//! One emulated reader: a place where a card lies or lay.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oathburn_oath::SerialNumber;

use super::ReaderId;
use crate::pcscd_watch::{PcscdWatch, ReaderStatus};
use crate::{Device, EmulatorError, Faulty, Insertion, Pn532Port};

type SharedCard = Arc<Mutex<Faulty<Device>>>;

/// A reader. The card that lay there last stays known, so that it can be laid there again.
pub(crate) struct Reader {
    id: ReaderId,
    name: String,
    wire: Wire,
    card: Option<SharedCard>,
}

/// What brings a card before hosts.
enum Wire {
    /// A slot of the vpcd driver in a PC/SC service.
    Vpcd {
        address: SocketAddr,
        /// The service's socket, while there is a service that shows us what it sees.
        watched: Option<PathBuf>,
        insertion: Option<Insertion>,
        /// The service's count of events when it had seen the card come.
        events: u32,
    },
    /// An NFC chip, which shows a card at once.
    Pn532(Pn532Port),
}

impl Reader {
    /// A reader of a PC/SC service whose driver listens at `address`.
    pub(super) fn vpcd(id: ReaderId, name: String, address: SocketAddr, watched: Option<PathBuf>) -> Self {
        Self { id, name, wire: Wire::Vpcd { address, watched, insertion: None, events: 0 }, card: None }
    }

    /// A reader of its own.
    pub(super) fn pn532(id: ReaderId, port: Pn532Port) -> Self {
        Self { id, name: port.connstring(), wire: Wire::Pn532(port), card: None }
    }

    /// How it is called in commands.
    pub(crate) fn id(&self) -> ReaderId {
        self.id
    }

    /// Its chip, if it is one.
    pub(crate) fn chip(&self) -> Result<&Pn532Port, EmulatorError> {
        match &self.wire {
            Wire::Pn532(port) => Ok(port),
            Wire::Vpcd { .. } => Err(EmulatorError::NoChip { reader: self.id }),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The service shows us what it sees from now on, and had so many events before; or it shows nothing.
    pub(super) fn set_watched(&mut self, service: Option<(PathBuf, u32)>) {
        if let Wire::Vpcd { watched, events, .. } = &mut self.wire {
            let (socket, count) = service.unzip();
            (*watched, *events) = (socket, count.unwrap_or(0));
        }
    }

    /// Whether a card lies there and was not torn away.
    pub(crate) fn is_inserted(&self) -> bool {
        match &self.wire {
            Wire::Vpcd { insertion, .. } => insertion.as_ref().is_some_and(|insertion| !insertion.has_ended()),
            Wire::Pn532(port) => port.has_card(),
        }
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
    pub(crate) fn insert_again(&mut self) -> Result<(), EmulatorError> {
        drop(self.card()?);
        if self.is_inserted() {
            return Ok(());
        }
        // After a tear the service may not have noticed yet that the card is gone.
        self.remove()?;
        self.connect()
    }

    /// Takes the card away; back when the service has noticed.
    pub(crate) fn remove(&mut self) -> Result<(), EmulatorError> {
        let before = match &mut self.wire {
            Wire::Vpcd { insertion, events, .. } => insertion.take().map(|_| *events),
            Wire::Pn532(port) => {
                port.take_away();
                None
            }
        };
        // A client whose reset fails makes the service say at once that the card is gone. Its own look comes later, and
        // a card that is back before that is never noticed.
        before.map_or(Ok(()), |before| {
            self.wait_for_card("no card", |status| !status.card_present && status.events != before).map(drop)
        })
    }

    /// Takes the card away, noticed or not.
    pub(super) fn drop_card(&mut self) {
        match &mut self.wire {
            Wire::Vpcd { insertion, .. } => *insertion = None,
            Wire::Pn532(port) => port.take_away(),
        }
    }

    /// Does something with the card and its faults.
    pub(crate) fn card(&self) -> Result<MutexGuard<'_, Faulty<Device>>, EmulatorError> {
        self.card.as_deref().map(lock).ok_or(EmulatorError::NoCard { reader: self.id })
    }

    /// Looks at the device that lies there or lay there last.
    pub(crate) fn with_device<T>(&self, look: impl FnOnce(&Device) -> T) -> Result<T, EmulatorError> {
        Ok(look(self.card()?.card()))
    }

    /// The card itself, which then answers others while the reader is not held.
    pub(crate) fn shared_card(&self) -> Result<Arc<Mutex<Faulty<Device>>>, EmulatorError> {
        self.card.clone().ok_or(EmulatorError::NoCard { reader: self.id })
    }

    pub(super) fn take_swapped_out(&mut self) -> Vec<Device> {
        self.card.as_deref().map(|card| lock(card).take_swapped_out()).unwrap_or_default()
    }

    /// Takes the token that lay there last, if it is this one and lies there no more. Its log goes with it.
    pub(super) fn take_removed(&mut self, serial: &SerialNumber) -> Result<Option<Device>, EmulatorError> {
        let is_it = self.card.as_ref().is_some_and(|card| lock(card).card().serial() == Some(serial));
        if !is_it || self.is_inserted() {
            return Ok(None);
        }
        // One that was torn away may be back before the service has noticed that it went.
        self.remove()?;
        // The insertion's thread has ended and the antenna is empty, so nobody else holds the card.
        let card = self.card.take().and_then(Arc::into_inner);
        Ok(card.map(|card| card.into_inner().unwrap_or_else(PoisonError::into_inner).into_card()))
    }

    fn connect(&mut self) -> Result<(), EmulatorError> {
        let Some(card) = &self.card else { return Ok(()) };
        lock(card).present();
        match &mut self.wire {
            Wire::Vpcd { address, insertion, .. } => {
                let new = Insertion::new(*address, Arc::clone(card)).map_err(EmulatorError::io("start a thread"))?;
                *insertion = Some(new);
                let seen = self.wait_for_card("a card", |status| status.card_present)?;
                if let Wire::Vpcd { events, .. } = &mut self.wire {
                    *events = seen;
                }
                Ok(())
            }
            Wire::Pn532(port) => {
                port.place(Arc::clone(card));
                Ok(())
            }
        }
    }

    /// Waits until the service shows this reader as `wanted`; the answer is its count of events. Where there is no
    /// service of ours there is nobody to ask.
    fn wait_for_card(&self, what: &str, wanted: impl Fn(&ReaderStatus) -> bool) -> Result<u32, EmulatorError> {
        let Wire::Vpcd { watched: Some(socket), .. } = &self.wire else { return Ok(0) };
        let event = format!("{what} on {}", self.name);
        let mine = |states: &[ReaderStatus]| states.iter().find(|state| state.name == self.name).cloned();
        let states =
            PcscdWatch::connect(socket)?.wait_until(&event, |states| mine(states).is_some_and(|s| wanted(&s)))?;
        Ok(mine(&states).map_or(0, |state| state.events))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A card that panicked is still the card that lies there.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
