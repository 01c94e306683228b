//! A bench with readers on it: which card lies where, and who sees it.

mod id;
mod reader;

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use oathburn_oath::SerialNumber;

pub use self::id::ReaderId;
pub(crate) use self::reader::Reader;
use crate::pcscd_watch::PcscdWatch;
use crate::{Device, EmulatorError, Pn532Port, PrivatePcscd};

/// Readers, the service that shows them, and a drawer for the tokens that lie on none of them.
pub struct Bench {
    /// Those of the service first, the chips after them.
    readers: Vec<Mutex<Reader>>,
    slots: usize,
    drawer: Mutex<Vec<Device>>,
    /// `None` when the service is somebody else's.
    service: Option<Mutex<PrivatePcscd>>,
}

impl Bench {
    /// The readers of a service of our own, which is running, and NFC chips beside them. Either may be missing.
    pub fn new(service: Option<PrivatePcscd>, chips: Vec<Pn532Port>) -> Self {
        let socket = service.as_ref().map(PrivatePcscd::socket);
        let slot =
            |n| Reader::vpcd(ReaderId::Pcsc(n), PrivatePcscd::reader_name(n), PrivatePcscd::address(n), socket.clone());
        let slots = service.as_ref().map_or(0, PrivatePcscd::readers);
        let chips = chips.into_iter().enumerate().map(|(n, port)| Reader::pn532(ReaderId::Nfc(n), port));
        Self {
            readers: (0..slots).map(slot).chain(chips).map(Mutex::new).collect(),
            slots,
            drawer: Mutex::default(),
            service: service.map(Mutex::new),
        }
    }

    /// One reader whose driver listens at `address`, somewhere else.
    pub fn connected_to(address: std::net::SocketAddr) -> Self {
        let reader = Reader::vpcd(ReaderId::Pcsc(0), address.to_string(), address, None);
        Self { readers: vec![Mutex::new(reader)], slots: 1, drawer: Mutex::default(), service: None }
    }

    /// Takes all cards away and ends the service, without waiting for either to be noticed.
    pub fn close(&self) {
        if let Ok(mut service) = self.service() {
            // Whatever fails here, the process namespace takes the service along.
            let _ = service.kill();
        }
        for mut reader in self.readers() {
            reader.drop_card();
        }
    }

    /// The PC/SC names of the service's readers.
    pub fn reader_names(&self) -> Vec<String> {
        self.names(|id| matches!(id, ReaderId::Pcsc(_)))
    }

    /// What libnfc calls the NFC chips.
    pub fn connstrings(&self) -> Vec<String> {
        self.names(|id| matches!(id, ReaderId::Nfc(_)))
    }

    fn names(&self, wanted: impl Fn(ReaderId) -> bool) -> Vec<String> {
        self.readers().filter(|reader| wanted(reader.id())).map(|reader| reader.name().to_owned()).collect()
    }

    pub(crate) fn readers(&self) -> impl Iterator<Item = MutexGuard<'_, Reader>> {
        self.readers.iter().map(lock)
    }

    pub(crate) fn reader(&self, id: ReaderId) -> Result<MutexGuard<'_, Reader>, EmulatorError> {
        let at = match id {
            ReaderId::Pcsc(number) => Some(number).filter(|&number| number < self.slots),
            ReaderId::Nfc(number) => number.checked_add(self.slots),
        };
        at.and_then(|at| self.readers.get(at)).map(lock).ok_or(EmulatorError::NoReader { reader: id })
    }

    /// Lays a device on a reader. What lay there before goes into the drawer if it is a token.
    pub(crate) fn insert(&self, id: ReaderId, device: Device) -> Result<(), EmulatorError> {
        let mut reader = match self.reader(id).and_then(|mut reader| reader.remove().map(|()| reader)) {
            Ok(reader) => reader,
            Err(error) => {
                self.put_away(vec![device]);
                return Err(error);
            }
        };
        let replaced = reader.replace(device);
        self.put_away(replaced);
        reader.insert_again()
    }

    /// Takes tokens into the drawer. Foreign cards are all alike and not kept; of two tokens with one serial number the
    /// later one stays.
    pub(crate) fn put_away(&self, devices: Vec<Device>) {
        let mut drawer = lock(&self.drawer);
        for device in devices {
            let Some(serial) = device.serial().cloned() else { continue };
            drawer.retain(|other| other.serial() != Some(&serial));
            drawer.push(device);
        }
    }

    /// Takes a token out of the drawer or off a reader from which it was removed.
    pub(crate) fn take_out(&self, serial: &SerialNumber) -> Result<Device, EmulatorError> {
        // Readers on which something is laid or taken off just now are looked at only if the token is nowhere else: each
        // waits for the service, and whoever sits at another one need not.
        let mut busy = Vec::new();
        for reader in &self.readers {
            match reader.try_lock() {
                Ok(free) => self.collect(free, serial)?,
                Err(TryLockError::Poisoned(held)) => self.collect(held.into_inner(), serial)?,
                Err(TryLockError::WouldBlock) => busy.push(reader),
            }
        }
        if let Some(device) = self.draw_out(serial) {
            return Ok(device);
        }
        for reader in busy {
            self.collect(lock(reader), serial)?;
        }
        self.draw_out(serial).ok_or_else(|| EmulatorError::NoToken { serial: serial.to_string() })
    }

    /// Puts into the drawer what was swapped away on a reader, and this token if it was removed from there.
    fn collect(&self, mut reader: MutexGuard<'_, Reader>, serial: &SerialNumber) -> Result<(), EmulatorError> {
        let swapped_out = reader.take_swapped_out();
        let removed = reader.take_removed(serial)?;
        drop(reader);
        self.put_away(swapped_out.into_iter().chain(removed).collect());
        Ok(())
    }

    fn draw_out(&self, serial: &SerialNumber) -> Option<Device> {
        let mut drawer = lock(&self.drawer);
        let at = drawer.iter().position(|device| device.serial() == Some(serial))?;
        Some(drawer.swap_remove(at))
    }

    /// Looks at a token wherever it lies.
    pub(crate) fn look_at<T>(
        &self,
        serial: &SerialNumber,
        mut look: impl FnMut(&Device) -> T,
    ) -> Result<T, EmulatorError> {
        for mut reader in self.readers() {
            let swapped_out = reader.take_swapped_out();
            self.put_away(swapped_out);
            if let Ok(Some(found)) =
                reader.with_device(|device| (device.serial() == Some(serial)).then(|| look(device)))
            {
                return Ok(found);
            }
        }
        let drawer = lock(&self.drawer);
        drawer
            .iter()
            .find(|device| device.serial() == Some(serial))
            .map(look)
            .ok_or_else(|| EmulatorError::NoToken { serial: serial.to_string() })
    }

    /// Whether our service is running; `None` when it is not ours.
    pub(crate) fn is_service_running(&self) -> Option<bool> {
        self.service.as_ref().map(|service| lock(service).is_running())
    }

    /// Stops the service, gently or not. Cards stay where they are and wait for it.
    pub(crate) fn stop_service(&self, gently: bool) -> Result<(), EmulatorError> {
        let mut service = self.service()?;
        // No reader may wait meanwhile for a service that is going.
        let mut readers: Vec<_> = self.readers().collect();
        for reader in &mut readers {
            reader.set_watched(None);
        }
        if gently { service.stop() } else { service.kill() }
    }

    /// Starts the service again; back when it shows all cards that lie on readers.
    pub(crate) fn start_service(&self) -> Result<(), EmulatorError> {
        let mut service = self.service()?;
        service.start()?;
        let mut readers: Vec<_> = self.readers().collect();
        let in_service = |reader: &&MutexGuard<'_, Reader>| matches!(reader.id(), ReaderId::Pcsc(_));
        let inserted = readers.iter().filter(in_service).filter(|reader| reader.is_inserted());
        let inserted: Vec<_> = inserted.map(|reader| reader.name().to_owned()).collect();
        let states = PcscdWatch::connect(&service.socket())?.wait_until("the cards on its readers", |states| {
            inserted.iter().all(|name| states.iter().any(|state| state.name == *name && state.card_present))
        })?;
        for reader in &mut readers {
            let events = states.iter().find(|state| state.name == reader.name()).map_or(0, |state| state.events);
            reader.set_watched(Some((service.socket(), events)));
        }
        Ok(())
    }

    fn service(&self) -> Result<MutexGuard<'_, PrivatePcscd>, EmulatorError> {
        self.service.as_ref().map(lock).ok_or(EmulatorError::ForeignService)
    }
}

/// A command that panicked leaves cards on readers, which is no damage.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
