//! Burn one token: escrow first, then config and seed, then read back.

use oathburn_escrow::{
    Disclosure, Entry, EntryId, EscrowError, Facts, Lease, Origin, Programmed, Purpose, Reservation,
};
use oathburn_oath::{
    Drift, FixedClock, Params, Remedy, Seed, SerialNumber, Slot, TokenIdentity, TokenRecord, Totp, TotpParams, UnixTime,
};
use oathburn_token::{DisplayTimeout, Model, Order, Permits, TokenError, TokenFamily, TokenInfo, Transport, family};

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
    /// How its codes are made; an escrowed seed keeps its own.
    pub params: Params,
    /// How long the display stays lit.
    pub display_timeout: DisplayTimeout,
    /// The only token that will do, if one is named.
    pub serial: Option<SerialNumber>,
    /// Where in the token; `None` for the only slot of a single-profile token.
    pub slot: Option<Slot>,
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
    params: TotpParams,
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
        let prepared = self.prepare(token, order, lease)?;
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
            facts: Facts::new()
                .with("display_timeout", i64::from(order.display_timeout.seconds()))
                .with_some("set_to", order.other_time.map(seconds_of)),
        };
        self.escrow.mark_programmed(entry, &programmed).map_err(|source| StationError::NotMarkedProgrammed {
            serial: info.serial.clone(),
            entry,
            source: Box::new(source),
        })?;
        observer(&Event::Programmed { entry });
        let totp = Totp::new(&prepared.record.seed, prepared.params);
        let (identity, model) = (prepared.record.identity, prepared.token.model);
        Ok(Burned { entry, identity, info, model, drift, totp })
    }

    /// Everything of [`Station::burn`] that changes nothing: identifies the token and checks the order.
    pub fn plan(&self, transport: &mut dyn Transport, order: &BurnOrder) -> Result<Plan, StationError> {
        let Prepared { token, record, supersedes, .. } =
            self.prepare(self.identify(transport, &|_| {})?, order, None)?;
        Ok(Plan { token, identity: record.identity, params: record.params, supersedes })
    }

    fn prepare(&self, token: Identified, order: &BurnOrder, lease: Option<&Lease>) -> Result<Prepared, StationError> {
        if let Some(expected) = order.serial.as_ref().filter(|expected| **expected != token.info.serial) {
            return Err(StationError::OtherToken { expected: expected.clone(), found: token.info.serial });
        }
        let driver = family(&token.info.family).expect("the family that identified the token is in the table");
        let identity = TokenIdentity {
            family: token.info.family.clone(),
            serial: token.info.serial.clone(),
            slot: order.slot.clone().unwrap_or(Slot::SINGLE),
        };
        let (unfinished, in_use): (Vec<_>, Vec<_>) = self
            .escrow
            .current(&identity)?
            .into_iter()
            .filter(|entry| entry.state.is_live())
            .partition(|entry| entry.state.is_unfinished());
        let (seed, params, origin, resumes) = self.choose_seed(order, lease, unfinished.first())?;
        let time_based = params.totp()?;
        let record = TokenRecord {
            identity,
            params,
            seed,
            model: token.model.as_ref().map(|model| model.name.clone()),
            upn: order.upn.clone(),
            issuer: order.issuer.clone(),
        };
        if order.other_time.is_some() && !order.permits.set_other_time {
            return Err(TokenError::OtherTimeNotPermitted.into());
        }
        let other_time = order.other_time.map(FixedClock);
        driver.validate(&driver_order(self, order, (&record, time_based), other_time.as_ref(), &|_| {}))?;
        self.check_duplicates(&record, lease)?;
        if let (Some(live), true) = (in_use.first(), unfinished.is_empty()) {
            let same_seed = matches!(&order.source, SeedSource::Escrowed(entry) if entry.id == live.id);
            if !order.permits.overwrite_seed && !same_seed {
                return Err(StationError::Live { serial: record.identity.serial, entry: live.id });
            }
        }
        let used_again = resumes.as_ref().map(|entry| entry.id);
        let supersedes = unfinished.into_iter().chain(in_use).filter(|entry| Some(entry.id) != used_again).collect();
        Ok(Prepared { token, driver, record, params: time_based, origin, resumes, supersedes })
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
                Ok((record.seed, record.params, Origin::Again, None))
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
        let order = driver_order(self, order, (&prepared.record, prepared.params), other_time.as_ref(), &progress);
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

fn driver_order<'a>(
    station: &Station<'a>,
    order: &'a BurnOrder,
    (record, params): (&'a TokenRecord, TotpParams),
    other_time: Option<&'a FixedClock>,
    progress: &'a dyn Fn(oathburn_token::Progress),
) -> Order<'a> {
    Order {
        serial: &record.identity.serial,
        slot: &record.identity.slot,
        seed: &record.seed,
        params,
        display_timeout: order.display_timeout,
        clock: other_time.map_or(station.clock, |time| time),
        models: station.models,
        permits: order.permits,
        progress,
    }
}

/// A time as events note it.
pub(crate) fn seconds_of(time: UnixTime) -> i64 {
    i64::try_from(time.seconds()).unwrap_or(i64::MAX)
}
