//! Burn one token: escrow first, then config and seed, then read back.

use oathburn_escrow::{
    Disclosure, Entry, EntryId, EscrowError, Facts, Lease, Origin, Programmed, Purpose, Reservation,
};
use oathburn_oath::{
    Drift, FixedClock, HotpParams, Params, Remedy, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, Totp,
    TotpParams, UnixTime,
};
use oathburn_token::{
    AccessKey, DisplayTimeout, Extras, Model, Naming, Order, Permits, SlotInfo, Slots, TokenError, TokenFamily,
    TokenInfo, Transport, find_slot,
};

use crate::{Event, Identified, Station, StationError};

/// Where the seed comes from.
#[derive(Clone, Debug)]
pub enum SeedSource {
    /// A new one from the operating system's generator.
    Generate {
        /// Its length in bytes.
        len: usize,
    },
    /// This one.
    Given(Seed),
    /// The sealed one of an entry, once more; needs an officer.
    Escrowed(Box<Entry>),
}

/// What is to be burned onto the token on the reader.
#[derive(Clone, Debug)]
pub struct BurnOrder {
    /// Where the seed comes from.
    pub source: SeedSource,
    /// How its codes are made; an escrowed seed keeps its own, but for the count where it goes on.
    pub params: Params,
    /// How long the display stays lit.
    pub display_timeout: DisplayTimeout,
    /// The only token that will do, if one is named.
    pub serial: Option<SerialNumber>,
    /// Where in the token; `None` for the only slot, the next free one, or the one named after issuer and user.
    pub slot: Option<Slot>,
    /// What the slot is called, where slots have titles; else made of issuer or user.
    pub title: Option<String>,
    /// Whether a code costs a touch.
    pub touch: bool,
    /// The key that the token asks for, if somebody gives it.
    pub access_key: Option<AccessKey>,
    /// The user it is for.
    pub upn: Option<String>,
    /// The service it is for.
    pub issuer: Option<String>,
    /// Another time than the present for the token's clock; needs [`Permits::set_other_time`].
    pub other_time: Option<UnixTime>,
    /// What may be destroyed.
    pub permits: Permits,
}

impl BurnOrder {
    /// An order for whichever token comes, with nothing permitted.
    pub fn new(source: SeedSource, params: impl Into<Params>) -> Self {
        Self {
            source,
            params: params.into(),
            display_timeout: DisplayTimeout::default(),
            serial: None,
            slot: None,
            title: None,
            touch: false,
            access_key: None,
            upn: None,
            issuer: None,
            other_time: None,
            permits: Permits::default(),
        }
    }
}

/// A burn that was proved as far as the token lets it be: serial number and clock were read back.
#[derive(Debug)]
pub struct Burned {
    /// The entry, `programmed`.
    pub entry: EntryId,
    /// Which token, where in it.
    pub identity: TokenIdentity,
    /// What it said afterwards.
    pub info: TokenInfo,
    /// The product, if known.
    pub model: Option<Model>,
    /// Its clock minus ours, afterwards.
    pub drift: Option<Drift>,
    /// Whether it computed codes, and they were the right ones.
    pub proved: bool,
    /// The codes it must show now; mute.
    pub totp: Totp,
}

/// What a burn would do; nothing was reserved or written.
#[derive(Debug)]
pub struct Plan {
    /// The token on the reader.
    pub token: Identified,
    /// Which token, where in it.
    pub identity: TokenIdentity,
    /// How its codes will be made.
    pub params: Params,
    /// The entries that will be superseded.
    pub supersedes: Vec<Entry>,
}

/// A burn up to the point where something is changed.
struct Prepared {
    token: Identified,
    driver: &'static dyn TokenFamily,
    record: TokenRecord,
    /// The key that the token asks for.
    access_key: Option<AccessKey>,
    /// What the slot is to be called.
    title: Option<String>,
    /// Whether the slot may hold something: what an unfinished burn left, the same seed, or what may be replaced.
    overwrite: bool,
    origin: Origin,
    /// The unfinished entry whose seed is used, where it need not be reserved again.
    resumes: Option<Entry>,
    supersedes: Vec<Entry>,
}

impl Station<'_> {
    /// Burns the token on the other end of `transport`.
    ///
    /// The seed is in the escrow, durably, before the first byte that changes the token is sent. A live entry of the
    /// same token is replaced only with [`Permits::overwrite_seed`]; unfinished burns of it are finished without.
    pub fn burn(
        &self,
        transport: &mut dyn Transport,
        order: &BurnOrder,
        observer: &dyn Fn(&Event),
    ) -> Result<Burned, StationError> {
        let token = self.identify(transport, observer)?;
        self.burn_for(transport, token, order, None, observer)
    }

    /// [`Station::burn`] for a leased line of a batch, with the token that was identified in this conversation. An
    /// unfinished burn is taken up again only if it was begun for this line.
    pub fn burn_line(
        &self,
        transport: &mut dyn Transport,
        token: Identified,
        order: &BurnOrder,
        lease: &Lease,
        observer: &dyn Fn(&Event),
    ) -> Result<Burned, StationError> {
        self.burn_for(transport, token, order, Some(lease), observer)
    }

    fn identify(&self, transport: &mut dyn Transport, observer: &dyn Fn(&Event)) -> Result<Identified, StationError> {
        let token = Identified::read(transport, self.models, self.clock)?;
        observer(&Event::Identified(token.clone()));
        Ok(token)
    }

    fn burn_for(
        &self,
        transport: &mut dyn Transport,
        token: Identified,
        order: &BurnOrder,
        lease: Option<&Lease>,
        observer: &dyn Fn(&Event),
    ) -> Result<Burned, StationError> {
        let prepared = self.prepare(transport, token, order, lease)?;
        let entry = if let Some(entry) = &prepared.resumes {
            self.adopt(entry, order)?;
            observer(&Event::Resumed { entry: entry.id });
            entry.id
        } else {
            let (record, origin) = (&prepared.record, prepared.origin);
            let entry = match lease {
                Some(lease) => self.escrow.reserve_line(lease, record, origin)?,
                None => self.escrow.reserve(&Reservation { record, origin, batch: None })?,
            };
            observer(&Event::Reserved { entry });
            entry
        };
        let info = self.program(transport, order, &prepared, entry, observer)?;
        let drift = info.clock.map(|token| Drift::between(token, self.clock.now()));
        let programmed = Programmed {
            model: prepared.token.model.as_ref().map(|model| model.name.clone()),
            drift_seconds: drift.map(Drift::seconds),
            facts: programmed_facts(order, &prepared),
        };
        self.escrow.mark_programmed(entry, &programmed).map_err(|source| StationError::NotMarkedProgrammed {
            serial: info.serial.clone(),
            entry,
            source: Box::new(source),
        })?;
        observer(&Event::Programmed { entry });
        let proved = prepared.driver.capabilities().reads_codes;
        if proved {
            self.escrow.note_verified(entry, Facts::new().with("read_back", "burn"))?;
        }
        let totp = Totp::new(&prepared.record.seed, as_time_based(prepared.record.params));
        let (identity, model) = (prepared.record.identity, prepared.token.model);
        Ok(Burned { entry, identity, info, model, drift, proved, totp })
    }

    /// Everything of [`Station::burn`] that changes nothing: identifies the token and checks the order.
    pub fn plan(&self, transport: &mut dyn Transport, order: &BurnOrder) -> Result<Plan, StationError> {
        let token = self.identify(transport, &|_| {})?;
        let Prepared { token, record, supersedes, .. } = self.prepare(transport, token, order, None)?;
        Ok(Plan { token, identity: record.identity, params: record.params, supersedes })
    }

    fn prepare(
        &self,
        transport: &mut dyn Transport,
        token: Identified,
        order: &BurnOrder,
        lease: Option<&Lease>,
    ) -> Result<Prepared, StationError> {
        token.expect(order.serial.as_ref())?;
        let driver = token.driver();
        let access_key = self.access_key(driver, &token.info, order.access_key.as_ref())?;
        let slots = driver.slots(transport, access_key.as_ref())?;
        let identity = TokenIdentity {
            family: token.info.family.clone(),
            serial: token.info.serial.clone(),
            slot: self.choose_slot(driver, &token.info, &slots, order)?,
        };
        let (unfinished, in_use): (Vec<_>, Vec<_>) = self
            .escrow
            .current(&identity)?
            .into_iter()
            .filter(|entry| entry.state.is_live())
            .partition(|entry| entry.state.is_unfinished());
        let (seed, params, origin, resumes) = self.choose_seed(order, lease, unfinished.first())?;
        let record = TokenRecord {
            identity,
            params,
            seed,
            manufacturer: driver.manufacturer().map(Into::into),
            model: token.model.as_ref().map(|model| model.name.clone()),
            upn: order.upn.clone(),
            issuer: order.issuer.clone(),
        };
        if order.other_time.is_some() && !order.permits.set_other_time {
            return Err(TokenError::OtherTimeNotPermitted.into());
        }
        let other_time = order.other_time.map(FixedClock);
        let room = driver.capabilities().max_title_len;
        let made = || title(order.issuer.as_deref(), order.upn.as_deref(), room);
        let title = order.title.clone().or_else(made);
        let mut prepared = Prepared {
            overwrite: order.permits.overwrite_seed || !unfinished.is_empty(),
            supersedes: Vec::new(),
            token,
            driver,
            record,
            access_key,
            title,
            origin,
            resumes,
        };
        driver.validate(&driver_order(self, order, &prepared, other_time.as_ref(), &|_| {}))?;
        self.check_duplicates(&prepared.record, lease)?;
        let slot = &prepared.record.identity.slot;
        if let (Some(live), true) = (in_use.first(), unfinished.is_empty()) {
            let same_seed = matches!(&order.source, SeedSource::Escrowed(entry) if entry.id == live.id);
            if !order.permits.overwrite_seed && !same_seed {
                return Err(StationError::Live { serial: prepared.record.identity.serial, entry: live.id });
            }
            prepared.overwrite |= same_seed;
        } else if find_slot(&slots, slot).is_some_and(|info| info.has_seed) && !prepared.overwrite {
            // Somebody else's, that no escrow keeps.
            return Err(TokenError::SlotInUse { slot: slot.clone() }.into());
        }
        let used_again = prepared.resumes.as_ref().map(|entry| entry.id);
        let replaced = unfinished.into_iter().chain(in_use).filter(|entry| Some(entry.id) != used_again);
        prepared.supersedes = replaced.collect();
        Ok(prepared)
    }

    /// Where the seed goes. An unfinished burn of the token is taken up where it began; a slot that the escrow believes
    /// to be in use is not free, whatever the token says.
    fn choose_slot(
        &self,
        driver: &dyn TokenFamily,
        info: &TokenInfo,
        slots: &[SlotInfo],
        order: &BurnOrder,
    ) -> Result<Slot, StationError> {
        let mut slots = slots.to_vec();
        if driver.capabilities().slots == Slots::Numbered && order.slot.is_none() {
            let live = self.live_on_token(info)?;
            let unfinished = live.iter().rev().filter(|entry| entry.state.is_unfinished());
            let mut mine = unfinished.filter(|entry| order.upn.is_none() || entry.upn == order.upn);
            if let Some(entry) = mine.next() {
                return Ok(entry.identity.slot.clone());
            }
            for info in &mut slots {
                info.has_seed |= live.iter().any(|entry| Some(&entry.identity.slot) == info.slot.as_ref());
            }
        }
        let naming = Naming {
            slot: order.slot.as_ref(),
            issuer: order.issuer.as_deref(),
            account: order.upn.as_deref(),
            params: order.params,
            slots: &slots,
        };
        Ok(driver.choose_slot(&naming)?)
    }

    /// The seed to burn. A seed that is given wins over that of an unfinished burn; a generated one gives way to it
    /// where an officer can open it and the parameters are the same.
    fn choose_seed(
        &self,
        order: &BurnOrder,
        lease: Option<&Lease>,
        unfinished: Option<&Entry>,
    ) -> Result<(Seed, Params, Origin, Option<Entry>), StationError> {
        let open = |entry: &Entry| -> Result<TokenRecord, StationError> {
            let officer = self.officer.ok_or(StationError::OfficerNeeded)?;
            Ok(officer.opener()?.open(entry, &Disclosure::new(Purpose::Burn))?)
        };
        match (&order.source, unfinished.filter(|entry| is_taken_up(entry, order, lease))) {
            (SeedSource::Given(seed), _) => Ok((seed.clone(), order.params, Origin::Given, None)),
            (SeedSource::Escrowed(entry), _) => {
                let record = open(entry)?;
                Ok((record.seed, counting_on(record.params, order.params), Origin::Again, None))
            }
            (SeedSource::Generate { .. }, Some(entry)) if self.officer.is_some() && entry.params == order.params => {
                let record = open(entry)?;
                Ok((record.seed, record.params, entry.origin, Some(entry.clone())))
            }
            (SeedSource::Generate { len }, _) => Ok((Seed::generate(*len)?, order.params, Origin::Generated, None)),
        }
    }

    /// A seed belongs to one token. The same seed on the same token is no duplicate.
    fn check_duplicates(&self, record: &TokenRecord, lease: Option<&Lease>) -> Result<(), StationError> {
        if !self.escrow.is_approved() {
            return Err(EscrowError::StationNotApproved { escrow: self.escrow.id() }.into());
        }
        // The entry that keeps a line's prescribed seed keeps it for this burn.
        let own = lease.and_then(|lease| lease.line.seed);
        let elsewhere =
            |entry: &Entry| entry.state.is_live() && entry.identity != record.identity && Some(entry.id) != own;
        match self.escrow.duplicates_of(&record.seed)?.into_iter().find(elsewhere) {
            Some(entry) => Err(StationError::DuplicateSeed { serial: entry.identity.serial, entry: entry.id }),
            None => Ok(()),
        }
    }

    /// A resumed entry belongs to whom the order names now.
    fn adopt(&self, entry: &Entry, order: &BurnOrder) -> Result<(), StationError> {
        let changed = |now: &Option<String>, before: &Option<String>| now.is_some() && now != before;
        if changed(&order.upn, &entry.upn) || changed(&order.issuer, &entry.issuer) {
            let upn = order.upn.as_deref().or(entry.upn.as_deref());
            let issuer = order.issuer.as_deref().or(entry.issuer.as_deref());
            self.escrow.assign(entry.id, upn, issuer, None)?;
        }
        Ok(())
    }

    /// Hands the order to the driver; a conversation that breaks after the first write is noted in the escrow.
    fn program(
        &self,
        transport: &mut dyn Transport,
        order: &BurnOrder,
        prepared: &Prepared,
        entry: EntryId,
        observer: &dyn Fn(&Event),
    ) -> Result<TokenInfo, StationError> {
        let progress = |progress| observer(&Event::Token(progress));
        let other_time = order.other_time.map(FixedClock);
        let given = order.access_key.as_ref();
        let order = driver_order(self, order, prepared, other_time.as_ref(), &progress);
        let source = match prepared.driver.program(transport, &order) {
            Ok(info) => return Ok(info),
            Err(source) => source,
        };
        if source.after_write() {
            match self.escrow.mark_unknown(entry, Facts::new().with("error", source.code())) {
                Ok(()) => observer(&Event::Unknown { entry }),
                Err(error) => {
                    return Err(StationError::NotMarkedUnknown {
                        entry,
                        burn: Box::new(source),
                        source: Box::new(error),
                    });
                }
            }
        }
        self.note_refused_key(prepared.driver, &prepared.token.info, given, &source)?;
        Err(StationError::Burn { entry, source })
    }
}

/// Whether the seed of an unfinished burn is the one to burn now: it was begun for the same line, or, where no line is
/// burned, for nobody else than the order names.
fn is_taken_up(entry: &Entry, order: &BurnOrder, lease: Option<&Lease>) -> bool {
    match lease {
        Some(lease) => entry.batch == Some(lease.batch) && entry.line == Some(lease.line.number),
        None => entry.line.is_none() || order.upn.is_none() || order.upn == entry.upn,
    }
}

/// The sealed parameters; of a seed that counts, the count to go on with is the order's.
const fn counting_on(sealed: Params, ordered: Params) -> Params {
    match (sealed, ordered) {
        (Params::Hotp(sealed), Params::Hotp(ordered)) => {
            Params::Hotp(HotpParams { counter: ordered.counter, ..sealed })
        }
        (sealed, _) => sealed,
    }
}

fn driver_order<'a>(
    station: &Station<'a>,
    order: &'a BurnOrder,
    prepared: &'a Prepared,
    other_time: Option<&'a FixedClock>,
    progress: &'a dyn Fn(oathburn_token::Progress),
) -> Order<'a> {
    let record = &prepared.record;
    Order {
        serial: &record.identity.serial,
        slot: &record.identity.slot,
        seed: &record.seed,
        params: record.params,
        display_timeout: order.display_timeout,
        clock: other_time.map_or(station.clock, |time| time),
        models: station.models,
        permits: Permits { overwrite_seed: prepared.overwrite, ..order.permits },
        extras: Extras {
            title: prepared.title.as_deref(),
            touch: order.touch,
            access_key: prepared.access_key.as_ref(),
        },
        progress,
    }
}

/// What is worth keeping of a burn beside what is sealed.
fn programmed_facts(order: &BurnOrder, prepared: &Prepared) -> Facts {
    let shown = prepared.driver.capabilities().display_timeout;
    let timeout = shown.then(|| i64::from(order.display_timeout.seconds()));
    Facts::new()
        .with_some("display_timeout", timeout)
        .with_some("title", prepared.title.as_deref())
        .with_some("touch", order.touch.then_some(1_i64))
        .with_some("set_to", order.other_time.map(seconds_of))
}

/// What the slot is called unless somebody says it: the service, or the user, as far as there is room.
pub(crate) fn title(issuer: Option<&str>, upn: Option<&str>, max: usize) -> Option<String> {
    let user = || upn.map(|upn| upn.split('@').next().unwrap_or(upn));
    let whole = issuer.or_else(user).filter(|_| max > 0)?;
    let end = (0..=max.min(whole.len())).rev().find(|&end| whole.is_char_boundary(end))?;
    Some(whole[..end].trim().to_owned()).filter(|title| !title.is_empty())
}

/// Counting seeds make codes of counters: their step is no matter.
pub(crate) fn as_time_based(params: Params) -> TotpParams {
    params.totp().unwrap_or(TotpParams {
        algorithm: params.algorithm(),
        digits: params.digits(),
        ..TotpParams::default()
    })
}

/// A time as events note it.
pub(crate) fn seconds_of(time: UnixTime) -> i64 {
    i64::try_from(time.seconds()).unwrap_or(i64::MAX)
}
