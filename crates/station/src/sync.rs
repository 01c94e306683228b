//! Set a token's clock, without losing its seed.

use oathburn_escrow::{Entry, EventFilter, EventKind, Facts};
use oathburn_oath::{Drift, Remedy, Slot, TokenIdentity, TotpParams, UnixTime};
use oathburn_token::{
    AccessKey, ClockOf, ClockOrder, ClockSync, DisplayTimeout, Model, Permits, TokenError, TokenInfo, Transport,
};

use crate::burn::seconds_of;
use crate::{BurnOrder, Event, Identified, SeedSource, Station, StationError};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct SyncOrder {
    /// Which slot's clock, where each has its own; `None` for all that the token has a seed in.
    pub slot: Option<Slot>,
    /// The key that the token asks for, if somebody gives it.
    pub access_key: Option<AccessKey>,
    /// Another time than the present; needs [`Permits::set_other_time`].
    pub other_time: Option<UnixTime>,
    /// What may be destroyed.
    pub permits: Permits,
}

/// What was done.
#[derive(Debug)]
pub struct Synced {
    /// The entry of the seed that is on the token now; `None` when there is none any more.
    pub entry: Option<Entry>,
    /// What the token said afterwards.
    pub info: TokenInfo,
    /// The product, if known.
    pub model: Option<Model>,
    /// Its clock minus ours, before.
    pub before: Option<Drift>,
    /// Its clock minus ours, afterwards.
    pub after: Option<Drift>,
    /// The slots whose clocks were set, where each has its own.
    pub slots: Vec<Slot>,
    /// Whether the seed was burned again, because setting the clock had erased it.
    pub reburned: bool,
}

impl Station<'_> {
    /// Sets the clock of the token on the other end of `transport`.
    ///
    /// A token whose clock can be set freely keeps its seed. One that loses it is burned again with the escrowed seed,
    /// which needs an officer; or the seed is given up, with [`Permits::erase_seed_on_sync`].
    pub fn sync(
        &self,
        transport: &mut dyn Transport,
        order: &SyncOrder,
        observer: &dyn Fn(&Event),
    ) -> Result<Synced, StationError> {
        let token = Identified::read(transport, self.models, self.clock)?;
        observer(&Event::Identified(token.clone()));
        if order.other_time.is_some() && !order.permits.set_other_time {
            return Err(TokenError::OtherTimeNotPermitted.into());
        }
        match token.driver().capabilities().clock {
            ClockOf::Token => {}
            ClockOf::Slot => return self.sync_slots(transport, order, token),
            ClockOf::Host => {
                let what = "have its clock set: it has none, and whoever asks it for a code tells it the time";
                return Err(TokenError::Unable { what }.into());
            }
        }
        if let Some(slot) = order.slot.as_ref().filter(|slot| **slot != Slot::SINGLE) {
            return Err(TokenError::NoSuchSlot { slot: slot.clone() }.into());
        }
        let entry = self.entry_on(&token)?;
        let keeps_seed = token.model.as_ref().is_some_and(|model| model.sync == ClockSync::Unrestricted);
        if keeps_seed || order.permits.erase_seed_on_sync {
            return self.set_clock(transport, order, token, &entry, keeps_seed);
        }
        if self.officer.is_none() {
            return Err(TokenError::SyncErasesSeed { serial: token.info.serial }.into());
        }
        self.burn_again(transport, order, &token, entry, observer)
    }

    /// The entry of the seed that is on the token. After an unfinished burn nobody knows which one that is.
    fn entry_on(&self, token: &Identified) -> Result<Entry, StationError> {
        let identity =
            TokenIdentity { family: token.info.family.clone(), serial: token.info.serial.clone(), slot: Slot::SINGLE };
        let live: Vec<_> = self.escrow.current(&identity)?.into_iter().filter(|entry| entry.state.is_live()).collect();
        match live.into_iter().next() {
            None => Err(StationError::NotEscrowed { serial: identity.serial }),
            Some(entry) if entry.state.is_unfinished() => {
                Err(StationError::Unfinished { serial: identity.serial, entry: entry.id })
            }
            Some(entry) => Ok(entry),
        }
    }

    fn set_clock(
        &self,
        transport: &mut dyn Transport,
        order: &SyncOrder,
        token: Identified,
        entry: &Entry,
        keeps_seed: bool,
    ) -> Result<Synced, StationError> {
        let driver = token.driver();
        let clock_order = ClockOrder {
            serial: &token.info.serial,
            slot: None,
            access_key: order.access_key.as_ref(),
            params: entry.params.totp()?,
            display_timeout: self.display_timeout_of(entry)?,
            clock: self.clock,
            other_time: order.other_time,
            models: self.models,
            permits: order.permits,
            progress: &|_| {},
        };
        if !keeps_seed {
            // Whatever ends this program from here on, no entry says that the token still has the seed.
            self.escrow.mark_unknown(entry.id, Facts::new().with("intent", "erase"))?;
        }
        let info = match driver.sync_clock(transport, &clock_order) {
            Ok(info) => info,
            Err(source) => return Err(self.sync_failed(entry, source)),
        };
        let after = info.clock.map(|clock| Drift::between(clock, self.clock.now()));
        let entry = if keeps_seed {
            let seconds = after.map_or(0, Drift::seconds);
            let facts = Facts::new().with_some("set_to", order.other_time.map(seconds_of));
            self.escrow.note_synced(entry.id, seconds, facts)?;
            Some(self.escrow.entry(&entry.id.to_string())?)
        } else {
            self.escrow.retire(entry.id, Some("setting the clock erased the seed"))?;
            None
        };
        Ok(Synced { entry, info, model: token.model, before: token.drift, after, slots: Vec::new(), reburned: false })
    }

    /// Sets the clocks of one slot or of all that hold a seed, one conversation each, so that of whatever breaks is known
    /// which slot it concerns. Their seeds stay. Slots that the escrow knows nothing of are set as well.
    fn sync_slots(
        &self,
        transport: &mut dyn Transport,
        order: &SyncOrder,
        token: Identified,
    ) -> Result<Synced, StationError> {
        let driver = token.driver();
        let key = self.access_key(driver, &token.info, order.access_key.as_ref())?;
        let slots: Vec<Slot> = if let Some(slot) = &order.slot {
            vec![slot.clone()]
        } else {
            let used = driver.slots(transport, key.as_ref())?.into_iter().filter(|info| info.has_seed);
            used.filter_map(|info| info.slot).collect()
        };
        let mut last = None;
        for slot in &slots {
            let entry = self.live(&token.info, slot)?.into_iter().find(|entry| entry.state.is_finished());
            let params = entry.as_ref().map_or(Ok(TotpParams::default()), |entry| entry.params.totp())?;
            let clock_order = ClockOrder {
                serial: &token.info.serial,
                slot: Some(slot),
                access_key: key.as_ref(),
                params,
                display_timeout: DisplayTimeout::default(),
                clock: self.clock,
                other_time: order.other_time,
                models: self.models,
                permits: order.permits,
                progress: &|_| {},
            };
            let synced = driver.sync_clock(transport, &clock_order);
            if let Err(source) = &synced {
                self.note_refused_key(driver, &token.info, order.access_key.as_ref(), source)?;
            }
            match (synced, &entry) {
                (Ok(_), Some(entry)) => {
                    let facts = Facts::new().with_some("set_to", order.other_time.map(seconds_of));
                    let now = self.clock.now();
                    let drift = Drift::between(order.other_time.unwrap_or(now), now);
                    self.escrow.note_synced(entry.id, drift.seconds(), facts)?;
                    last = Some(self.escrow.entry(&entry.id.to_string())?);
                }
                (Ok(_), None) => {}
                (Err(source), Some(entry)) => return Err(self.sync_failed(entry, source)),
                (Err(source), None) => return Err(source.into()),
            }
        }
        let entry = last.filter(|_| slots.len() == 1);
        Ok(Synced { entry, info: token.info, model: token.model, before: None, after: None, slots, reburned: false })
    }

    /// A write that broke may have torn what the token had stored: its entry says so.
    fn sync_failed(&self, entry: &Entry, source: TokenError) -> StationError {
        if !source.after_write() {
            return match self.escrow.entry(&entry.id.to_string()) {
                Ok(now) if now.state.is_unfinished() => StationError::Burn { entry: entry.id, source },
                _ => source.into(),
            };
        }
        match self.escrow.mark_unknown(entry.id, Facts::new().with("error", source.code())) {
            Ok(()) => StationError::Burn { entry: entry.id, source },
            Err(error) => {
                StationError::NotMarkedUnknown { entry: entry.id, burn: Box::new(source), source: Box::new(error) }
            }
        }
    }

    fn burn_again(
        &self,
        transport: &mut dyn Transport,
        order: &SyncOrder,
        token: &Identified,
        entry: Entry,
        observer: &dyn Fn(&Event),
    ) -> Result<Synced, StationError> {
        let params = entry.params;
        let burn = BurnOrder {
            display_timeout: self.display_timeout_of(&entry)?,
            serial: Some(token.info.serial.clone()),
            upn: entry.upn.clone(),
            issuer: entry.issuer.clone(),
            other_time: order.other_time,
            permits: order.permits,
            ..BurnOrder::new(SeedSource::Escrowed(Box::new(entry)), params)
        };
        let but_the_token = |event: &Event| {
            // Who it is was said; that it is still the same is the burn's to check.
            if !matches!(event, Event::Identified(_)) {
                observer(event);
            }
        };
        let burned = self.burn(transport, &burn, &but_the_token)?;
        Ok(Synced {
            entry: Some(self.escrow.entry(&burned.entry.to_string())?),
            info: burned.info,
            model: burned.model,
            before: token.drift,
            after: burned.drift,
            slots: Vec::new(),
            reburned: true,
        })
    }

    /// How long the display stays lit, as it was set when the entry was programmed.
    fn display_timeout_of(&self, entry: &Entry) -> Result<DisplayTimeout, StationError> {
        let programmed =
            EventFilter { entry: Some(entry.id), kind: Some(EventKind::Programmed), ..EventFilter::default() };
        let seconds =
            self.escrow.events(&programmed)?.iter().rev().find_map(|event| event.facts.number("display_timeout"));
        let known = seconds.and_then(|seconds| u32::try_from(seconds).ok()).and_then(DisplayTimeout::from_seconds);
        Ok(known.unwrap_or_default())
    }
}
