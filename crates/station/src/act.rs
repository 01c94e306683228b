//! Keeping a token in order: what is in its slots, and deleting, renaming, resetting and locking, with what the escrow
//! has of it.

use oathburn_escrow::{
    Disclosure, Entry, EntryId, EscrowError, Facts, Filter, Origin, Programmed, Purpose, Reservation,
};
use oathburn_oath::{Remedy, SerialNumber, Slot, TokenIdentity, TokenRecord};
use oathburn_token::{
    AccessKey, AccessKeys, Action, ActionOrder, Done, Permits, SlotInfo, Slots, TokenError, TokenFamily, TokenInfo,
    Transport, find_slot,
};

use crate::{Event, Identified, Station, StationError};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct ActOrder {
    /// The only token that will do, if one is named.
    pub serial: Option<SerialNumber>,
    /// What to do.
    pub act: Act,
    /// The key that the token asks for, if somebody gives it.
    pub access_key: Option<AccessKey>,
    /// What may be destroyed.
    pub permits: Permits,
}

/// What can be done to a token beside burning it.
#[derive(Clone, Debug)]
pub enum Act {
    /// Empty a slot; its entry is retired.
    Delete {
        /// Which one.
        slot: Slot,
    },
    /// Give a slot another name or title.
    Rename {
        /// Which one.
        slot: Slot,
        /// The new one.
        to: String,
    },
    /// Erase everything; all entries of the token are retired.
    Reset,
    /// Lock or unlock the screen.
    Lock {
        /// Which of them.
        locked: bool,
    },
}

/// What was done.
#[derive(Debug)]
pub struct Acted {
    /// The token as it was.
    pub info: TokenInfo,
    /// The entries that were retired, renamed or noted.
    pub entries: Vec<EntryId>,
}

impl Station<'_> {
    /// What is in the slots of the token on the other end of `transport`, and who it is. Writes nothing.
    pub fn slots(
        &self,
        transport: &mut dyn Transport,
        access_key: Option<&AccessKey>,
    ) -> Result<(Identified, Vec<SlotInfo>), StationError> {
        let token = Identified::read(transport, self.models, self.clock)?;
        // What always wants a key wants it before a write, and is read without.
        let key = match token.driver().capabilities().access_key {
            AccessKeys::Always => access_key.cloned(),
            _ => self.access_key(token.driver(), &token.info, access_key)?,
        };
        let slots = token.driver().slots(transport, key.as_ref())?;
        Ok((token, slots))
    }

    /// Changes the token on the other end of `transport`, and says in the escrow what became of its entries.
    ///
    /// Where the token waits for its button, `confirm` is asked whether somebody has pressed it, and the token is read.
    pub fn act(
        &self,
        transport: &mut dyn Transport,
        order: &ActOrder,
        confirm: &dyn Fn() -> bool,
        observer: &dyn Fn(&Event),
    ) -> Result<Acted, StationError> {
        let token = Identified::read(transport, self.models, self.clock)?;
        observer(&Event::Identified(token.clone()));
        token.expect(order.serial.as_ref())?;
        let driver = token.driver();
        let given = order.access_key.as_ref();
        // A reset is for those who have lost the key, too.
        let key =
            if matches!(order.act, Act::Reset) { given.cloned() } else { self.access_key(driver, &token.info, given)? };
        let job = Job { station: self, driver, info: &token.info, key: key.as_ref(), order, observer };
        let entries = match &order.act {
            Act::Delete { slot } => job.delete(transport, slot)?,
            Act::Rename { slot, to } => job.rename(transport, slot, to)?,
            Act::Reset => job.reset(transport, confirm)?,
            Act::Lock { locked } => {
                job.act(transport, Action::Lock { locked: *locked })?;
                Vec::new()
            }
        };
        Ok(Acted { info: token.info, entries })
    }

    /// The live entries of a token's slot that decide, each compared with its signed events.
    pub(crate) fn live(&self, info: &TokenInfo, slot: &Slot) -> Result<Vec<Entry>, EscrowError> {
        let identity = TokenIdentity { family: info.family.clone(), serial: info.serial.clone(), slot: slot.clone() };
        Ok(self.escrow.current(&identity)?.into_iter().filter(|entry| entry.state.is_live()).collect())
    }

    /// All live entries of a token, whatever its slots.
    pub(crate) fn live_on_token(&self, info: &TokenInfo) -> Result<Vec<Entry>, EscrowError> {
        let filter =
            Filter { family: Some(info.family.clone()), serial: Some(info.serial.clone()), ..Filter::default() };
        Ok(self.escrow.entries(&filter)?.into_iter().filter(|entry| entry.state.is_live()).collect())
    }
}

/// A change to one token.
struct Job<'a> {
    station: &'a Station<'a>,
    driver: &'static dyn TokenFamily,
    info: &'a TokenInfo,
    key: Option<&'a AccessKey>,
    order: &'a ActOrder,
    observer: &'a dyn Fn(&Event),
}

impl Job<'_> {
    fn act(&self, transport: &mut dyn Transport, action: Action<'_>) -> Result<Done, StationError> {
        if !self.driver.capabilities().actions.contains(&action.kind()) {
            return Err(TokenError::Unable { what: action.kind().describe() }.into());
        }
        let progress = |progress| (self.observer)(&Event::Token(progress));
        let order = ActionOrder {
            serial: &self.info.serial,
            action,
            access_key: self.key,
            permits: self.order.permits,
            progress: &progress,
        };
        let done = self.driver.act(transport, &order);
        if let Err(source) = &done {
            self.station.note_refused_key(self.driver, self.info, self.order.access_key.as_ref(), source)?;
        }
        Ok(done?)
    }

    /// Whatever would be refused without a word to the token is refused before the escrow is told.
    fn check_erase(&self, what: String) -> Result<(), TokenError> {
        if self.order.permits.erase { Ok(()) } else { Err(TokenError::EraseNotPermitted { what }) }
    }

    /// Whatever ends this program from here on, no entry says that the token still has the seed.
    fn doubt(&self, entries: &[Entry]) -> Result<(), EscrowError> {
        let facts = || Facts::new().with("intent", "erase");
        entries.iter().try_for_each(|entry| self.station.escrow.mark_unknown(entry.id, facts()))
    }

    fn retire(&self, entries: &[Entry], reason: &str) -> Result<Vec<EntryId>, EscrowError> {
        let retire = |entry: &Entry| self.station.escrow.retire(entry.id, Some(reason)).map(|()| entry.id);
        entries.iter().map(retire).collect()
    }

    fn delete(&self, transport: &mut dyn Transport, slot: &Slot) -> Result<Vec<EntryId>, StationError> {
        let action = Action::Delete { slot };
        if !self.driver.capabilities().actions.contains(&action.kind()) {
            return Err(TokenError::Unable { what: action.kind().describe() }.into());
        }
        self.check_erase(format!("{slot} on {}", self.info.serial))?;
        let slots = self.driver.slots(transport, self.key)?;
        if find_slot(&slots, slot).is_none_or(|info| !info.has_seed) {
            return Err(TokenError::SlotEmpty { slot: slot.clone() }.into());
        }
        let entries = self.station.live(self.info, slot)?;
        self.doubt(&entries)?;
        self.act(transport, action)?;
        Ok(self.retire(&entries, "deleted from the token")?)
    }

    fn reset(&self, transport: &mut dyn Transport, confirm: &dyn Fn() -> bool) -> Result<Vec<EntryId>, StationError> {
        if !self.driver.capabilities().actions.contains(&Action::Reset.kind()) {
            return Err(TokenError::Unable { what: Action::Reset.kind().describe() }.into());
        }
        self.check_erase(format!("everything on {}", self.info.serial))?;
        let mut entries = self.station.live_on_token(self.info)?;
        let keys = self.station.escrow.current(&Entry::access_key_of(&self.info.family, &self.info.serial))?;
        entries.extend(keys.into_iter().filter(|entry| entry.state.is_live()));
        self.doubt(&entries)?;
        if self.act(transport, Action::Reset)? == Done::ToBeConfirmed {
            // What it holds can be read without a key: where something is left, nothing has happened.
            let empty = confirm() && self.driver.slots(transport, None)?.iter().all(|info| !info.has_seed);
            if !empty {
                return Err(StationError::NotConfirmed { serial: self.info.serial.clone() });
            }
        }
        self.station.note_factory_key(self.driver, self.info, true)?;
        Ok(self.retire(&entries, "the token was reset")?)
    }

    /// A title changes nothing of what is sealed. A name is part of a seed's identity: the seed is sealed once more
    /// under the new one, before the token is changed.
    fn rename(&self, transport: &mut dyn Transport, slot: &Slot, to: &str) -> Result<Vec<EntryId>, StationError> {
        let action = Action::Rename { slot, to };
        let entries = self.station.live(self.info, slot)?;
        let escrow = self.station.escrow;
        if !matches!(self.driver.capabilities().slots, Slots::Named { .. }) {
            self.act(transport, action)?;
            let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
            escrow.note_changed(&ids, Facts::new().with("title", to), None)?;
            return Ok(ids);
        }
        let Some(entry) = entries.first() else {
            self.act(transport, action)?;
            return Ok(Vec::new());
        };
        if entry.state.is_unfinished() {
            return Err(StationError::Unfinished { serial: self.info.serial.clone(), entry: entry.id });
        }
        let new: Slot = to.parse().map_err(|_| TokenError::SlotName { name: to.into(), problem: "it is no name" })?;
        let officer = self.station.officer.ok_or(StationError::OfficerNeeded)?;
        let disclosure = Disclosure { facts: Facts::new().with("use", "rename"), ..Disclosure::new(Purpose::Burn) };
        let record = officer.opener()?.open(entry, &disclosure)?;
        let identity = TokenIdentity { slot: new, ..record.identity.clone() };
        let record = TokenRecord { identity, ..record };
        let reservation = Reservation { record: &record, origin: Origin::Again, batch: entry.batch };
        let renamed = escrow.reserve_moved(&reservation, entry.id)?;
        (self.observer)(&Event::Reserved { entry: renamed });
        match self.act(transport, action) {
            Ok(_) => {
                let facts = Facts::new().with("renamed_from", slot.to_string());
                let model = entry.model.clone();
                escrow.mark_programmed(renamed, &Programmed { model, drift_seconds: None, facts })?;
                (self.observer)(&Event::Programmed { entry: renamed });
                escrow.supersede(entry.id, Some("the token has it under another name"))?;
                Ok(vec![renamed, entry.id])
            }
            Err(StationError::Token(source)) if source.after_write() => {
                for unsure in [renamed, entry.id] {
                    escrow.mark_unknown(unsure, Facts::new().with("error", source.code()))?;
                    (self.observer)(&Event::Unknown { entry: unsure });
                }
                Err(source.into())
            }
            Err(source) => {
                escrow.supersede(renamed, Some("the token was not changed"))?;
                Err(source)
            }
        }
    }
}
