//! Access keys: the one that a token asks for now, and the one that it is to have.

use oathburn_escrow::{
    Disclosure, Entry, EntryId, EntryState, EscrowError, Facts, Origin, Programmed, Purpose, Reservation,
};
use oathburn_oath::{Remedy, SerialNumber, TokenRecord};
use oathburn_token::{
    AccessKey, AccessKeys, Action, ActionOrder, Done, Permits, TokenError, TokenFamily, TokenInfo, Transport,
};

use crate::{Event, Identified, Station, StationError};

/// What is to become of a token's access key.
#[derive(Clone, Debug)]
pub struct AccessOrder {
    /// The only token that will do, if one is named.
    pub serial: Option<SerialNumber>,
    /// What to do.
    pub change: AccessChange,
    /// The key that it has now, if somebody gives it.
    pub current: Option<AccessKey>,
}

/// What to do with the access key.
#[derive(Clone, Debug)]
pub enum AccessChange {
    /// Another one.
    Set {
        /// The new one.
        key: AccessKey,
        /// Whether it is sealed into the escrow.
        seal: bool,
    },
    /// None any more, or the maker's.
    Remove,
    /// The same: log in with it once.
    Check {
        /// Whether it is sealed into the escrow then.
        seal: bool,
    },
    /// The same: log in with the maker's key once, whatever is sealed and whatever became of it before.
    CheckFactory,
}

/// What became of it.
#[derive(Debug)]
pub struct Accessed {
    /// The token.
    pub info: TokenInfo,
    /// The entry of the sealed key that it has now, if there is one.
    pub entry: Option<EntryId>,
}

impl Station<'_> {
    /// The key that a token asks for: the one that is given, or the sealed one. None where the token asks for none, or
    /// nobody knows of one: then only the maker's can be the right one.
    pub(crate) fn access_key(
        &self,
        driver: &dyn TokenFamily,
        info: &TokenInfo,
        given: Option<&AccessKey>,
    ) -> Result<Option<AccessKey>, StationError> {
        let asks_always = driver.capabilities().access_key == AccessKeys::Always;
        let asks = match driver.capabilities().access_key {
            AccessKeys::Fixed => return Ok(given.cloned()),
            AccessKeys::Optional => info.locked,
            AccessKeys::Always => true,
        };
        if given.is_some() || !asks {
            return Ok(given.cloned());
        }
        match self.sealed_keys(info)?.into_iter().next() {
            None if asks_always && self.lost_factory_key(info)? => {
                Err(StationError::FactoryKeyRefused { serial: info.serial.clone() })
            }
            None => Ok(None),
            Some(entry) if entry.state.is_unfinished() => {
                Err(StationError::AccessKeyUnsure { serial: info.serial.clone(), entry: entry.id })
            }
            Some(entry) => self.open_key(&entry).map(Some),
        }
    }

    /// The live entries of a token's access key, newest first.
    pub(crate) fn sealed_keys(&self, info: &TokenInfo) -> Result<Vec<Entry>, EscrowError> {
        let entries = self.escrow.current(&Entry::access_key_of(&info.family, &info.serial))?;
        Ok(entries.into_iter().filter(|entry| entry.state.is_live()).collect())
    }

    fn open_key(&self, entry: &Entry) -> Result<AccessKey, StationError> {
        let officer = self.officer.ok_or(StationError::OfficerNeeded)?;
        let disclosure = Disclosure { facts: Facts::new().with("use", "access-key"), ..Disclosure::new(Purpose::Burn) };
        Ok(AccessKey::from(officer.opener()?.open(entry, &disclosure)?.seed))
    }

    /// Sets, changes, takes away or tries the access key of the token on the other end of `transport`.
    ///
    /// A key to be sealed is in the escrow, durably, before the token is changed. Where the token waits for its button,
    /// `confirm` is asked whether somebody has pressed it; then the new key is tried, once.
    pub fn change_access_key(
        &self,
        transport: &mut dyn Transport,
        order: &AccessOrder,
        confirm: &dyn Fn() -> bool,
        observer: &dyn Fn(&Event),
    ) -> Result<Accessed, StationError> {
        let token = Identified::read(transport, self.models, self.clock)?;
        observer(&Event::Identified(token.clone()));
        token.expect(order.serial.as_ref())?;
        let (driver, info) = (token.driver(), token.info);
        let given = order.current.as_ref();
        let job = Job { station: self, driver, info: &info, given, observer };
        let entry = match &order.change {
            AccessChange::Check { seal } => job.check(transport, order.current.as_ref(), *seal)?,
            AccessChange::CheckFactory => job.check_factory(transport)?,
            AccessChange::Remove => {
                let current = self.access_key(driver, &info, order.current.as_ref())?;
                let action = Action::RemoveAccessKey;
                job.change(transport, action, (current.as_ref(), None), None, confirm)?
            }
            AccessChange::Set { key, seal } => {
                let current = self.access_key(driver, &info, order.current.as_ref())?;
                let entry = if *seal { Some(self.reserve_key(&info, key)?) } else { None };
                if let Some(entry) = entry {
                    observer(&Event::Reserved { entry });
                }
                let action = Action::SetAccessKey { key };
                job.change(transport, action, (current.as_ref(), Some(key)), entry, confirm)?
            }
        };
        Ok(Accessed { info, entry })
    }

    fn reserve_key(&self, info: &TokenInfo, key: &AccessKey) -> Result<EntryId, EscrowError> {
        let record = TokenRecord {
            identity: Entry::access_key_of(&info.family, &info.serial),
            params: Entry::no_codes(),
            seed: key.as_seed().clone(),
            manufacturer: None,
            model: None,
            upn: None,
            issuer: None,
        };
        self.escrow.reserve(&Reservation { record: &record, origin: Origin::Given, batch: None })
    }
}

/// A change to one token's access key.
struct Job<'a> {
    station: &'a Station<'a>,
    driver: &'static dyn TokenFamily,
    info: &'a TokenInfo,
    /// The key that it has now, if somebody gave it.
    given: Option<&'a AccessKey>,
    observer: &'a dyn Fn(&Event),
}

impl Job<'_> {
    fn act(
        &self,
        transport: &mut dyn Transport,
        action: Action<'_>,
        key: Option<&AccessKey>,
    ) -> Result<Done, TokenError> {
        let progress = |progress| (self.observer)(&Event::Token(progress));
        let order = ActionOrder {
            serial: &self.info.serial,
            action,
            access_key: key,
            permits: Permits::default(),
            progress: &progress,
        };
        self.driver.act(transport, &order)
    }

    /// Changes the key from one to another, and settles what the escrow has of either.
    fn change(
        &self,
        transport: &mut dyn Transport,
        action: Action<'_>,
        (from, to): (Option<&AccessKey>, Option<&AccessKey>),
        entry: Option<EntryId>,
        confirm: &dyn Fn() -> bool,
    ) -> Result<Option<EntryId>, StationError> {
        let escrow = self.station.escrow;
        let before = self.station.sealed_keys(self.info)?;
        let mut result = self.act(transport, action, from).map_err(|source| (source, false));
        if let Err((source, _)) = &result {
            self.station.note_refused_key(self.driver, self.info, self.given, source)?;
        }
        if result == Ok(Done::ToBeConfirmed) {
            if !confirm() {
                if to.is_some() {
                    self.station.note_factory_key(self.driver, self.info, false)?;
                }
                let facts = || Facts::new().with("error", "not-confirmed");
                for unsure in before.iter().map(|entry| entry.id).chain(entry).filter(|_| entry.is_some()) {
                    escrow.mark_unknown(unsure, facts())?;
                }
                return Err(StationError::NotConfirmed { serial: self.info.serial.clone() });
            }
            // Whoever pressed it has said so: one try with the new key.
            result = self.act(transport, Action::TryAccessKey, to).map_err(|source| (source, true));
        }
        match result {
            Ok(_) => {
                self.station.note_factory_key(self.driver, self.info, to.is_none())?;
                if let Some(entry) = entry {
                    escrow.mark_programmed(entry, &Programmed::default())?;
                    (self.observer)(&Event::Programmed { entry });
                } else {
                    for old in before {
                        escrow.retire(old.id, Some("the token has another access key now"))?;
                    }
                }
                Ok(entry)
            }
            Err((source, tried)) if tried || source.after_write() => {
                for unsure in before.iter().map(|entry| entry.id).chain(entry) {
                    escrow.mark_unknown(unsure, Facts::new().with("error", source.code()))?;
                    (self.observer)(&Event::Unknown { entry: unsure });
                }
                Err(source.into())
            }
            Err((source, _)) => {
                if let Some(entry) = entry {
                    escrow.supersede(entry, Some("the token was not changed"))?;
                }
                Err(source.into())
            }
        }
    }

    /// Tries the maker's key, because somebody wants it to be tried.
    fn check_factory(&self, transport: &mut dyn Transport) -> Result<Option<EntryId>, StationError> {
        if self.driver.capabilities().access_key != AccessKeys::Always {
            return Err(TokenError::Unable { what: "have an access key of its maker's" }.into());
        }
        let tried = self.act(transport, Action::TryAccessKey, None);
        match tried {
            Ok(_) => self.station.note_factory_key(self.driver, self.info, true)?,
            Err(TokenError::AccessKeyWrong { .. }) => {
                self.station.note_factory_key(self.driver, self.info, false)?;
            }
            Err(_) => {}
        }
        tried?;
        Ok(None)
    }

    /// Tries the given key, or the sealed one of which nobody knows whether the token has it.
    fn check(
        &self,
        transport: &mut dyn Transport,
        given: Option<&AccessKey>,
        seal: bool,
    ) -> Result<Option<EntryId>, StationError> {
        let station = self.station;
        let sealed = station.sealed_keys(self.info)?.into_iter().next();
        let (key, of) = match (given, sealed) {
            (Some(key), _) => (Some(key.clone()), None),
            (None, Some(entry)) => (Some(station.open_key(&entry)?), Some(entry)),
            (None, None) => (station.access_key(self.driver, self.info, None)?, None),
        };
        if let Err(source) = self.act(transport, Action::TryAccessKey, key.as_ref()) {
            station.note_refused_key(self.driver, self.info, given, &source)?;
            return Err(source.into());
        }
        let entry = match (of, key) {
            (Some(entry), _) if entry.state == EntryState::Programmed => return Ok(Some(entry.id)),
            (Some(entry), _) => entry.id,
            (None, Some(key)) if seal => {
                let entry = station.reserve_key(self.info, &key)?;
                (self.observer)(&Event::Reserved { entry });
                entry
            }
            (None, _) => return Ok(None),
        };
        station.escrow.mark_programmed(entry, &Programmed::default())?;
        (self.observer)(&Event::Programmed { entry });
        Ok(Some(entry))
    }
}
