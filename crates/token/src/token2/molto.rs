//! Molto2 and Molto2v2, tokens with many profiles; bytes and order as in `docs/protocol/molto2.md`.
//!
//! They speak like their single-profile cousins, with a key that its owner may have changed: wrong ones are counted,
//! and the token locks. So a key is tried once, and no other after it.

mod actions;
mod commands;
mod profiles;
mod program;
mod session;

use oathburn_oath::{Algorithm, Digits, FamilyId, SerialNumber, Slot, TimeStep, TotpParams};

use self::commands::{clock_command, info_command};
#[cfg(test)]
pub(super) use self::commands::{config_command, set_key_command, title_command};
pub(super) use self::profiles::is_molto2;
#[cfg(test)]
pub(super) use self::profiles::parse_profile;
use self::session::Session;
use super::single::{check_time, parse_info, time_based, writable_seed};
use crate::{
    AccessKey, AccessKeys, Action, ActionKind, ActionOrder, Capabilities, ClockOf, ClockOrder, ClockSync, Done, Extras,
    Model, Naming, Order, Progress, SlotInfo, Slots, StatusWord, TokenError, TokenFamily, TokenInfo, Transport,
    exchange, find_slot,
};

/// What the maker sets; published, not a secret.
const FACTORY_KEY: &[u8; KEY_LEN] = b"TOKEN2MOLTO1-KEY";
/// Bytes of a key.
const KEY_LEN: usize = 16;
/// The longest title in bytes: the display has room for so many.
const MAX_TITLE_LEN: usize = 12;
/// Profiles of the two models.
const PROFILES: [u8; 2] = [50, 100];

static CAPABILITIES: Capabilities = Capabilities {
    max_seed_len: 63,
    algorithms: &[Algorithm::Sha1, Algorithm::Sha256],
    digits: &[Digits::FOUR, Digits::SIX, Digits::EIGHT, Digits::TEN],
    time_steps: &[TimeStep::S30, TimeStep::S60],
    event_based: false,
    slots: Slots::Numbered,
    reads_codes: false,
    clock: ClockOf::Slot,
    display_timeout: true,
    touch: false,
    max_title_len: MAX_TITLE_LEN,
    access_key: AccessKeys::Always,
    actions: &[
        ActionKind::Delete,
        ActionKind::Rename,
        ActionKind::Reset,
        ActionKind::SetAccessKey,
        ActionKind::RemoveAccessKey,
        ActionKind::TryAccessKey,
        ActionKind::Lock,
    ],
};

/// Token2's tokens with many profiles.
#[derive(Clone, Copy, Debug)]
pub struct Molto2;

impl TokenFamily for Molto2 {
    fn id(&self) -> FamilyId {
        FamilyId::new("molto2").expect("a literal of lower-case letters")
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    /// How its serial numbers begin is not published: what answers as one is one.
    fn models(&self) -> Vec<Model> {
        vec![Model {
            family: self.id(),
            prefix: String::new(),
            name: "Molto2".into(),
            sync: ClockSync::Unrestricted,
            programmable: true,
        }]
    }

    fn identify(&self, transport: &mut dyn Transport) -> Result<Option<TokenInfo>, TokenError> {
        if !is_molto2(transport)? {
            return Ok(None);
        }
        let response = exchange(transport, &info_command())?;
        let info = Some(response).filter(|response| response.status == StatusWord::DONE);
        let Some((serial, _)) = info.and_then(|response| parse_info(&response.data)) else { return Ok(None) };
        let product = if profiles::count(transport)? == PROFILES[0] { "Molto2" } else { "Molto2v2" };
        Ok(Some(self.info(serial, Some(product))))
    }

    fn validate(&self, order: &Order<'_>) -> Result<(), TokenError> {
        check_params(time_based(order.params)?)?;
        profile_of(order.slot)?;
        check_time(order.clock.now())?;
        check_extras(order.extras)?;
        writable_seed(order.seed, order.params.algorithm()).map(drop)
    }

    fn program(&self, transport: &mut dyn Transport, order: &Order<'_>) -> Result<TokenInfo, TokenError> {
        self.validate(order)?;
        let mut session = Session::new(transport, order.serial, order.extras.access_key, order.progress)?;
        let result = program::write(&mut session, order);
        let written = session.written;
        result.map_err(|error| error.noted(written))?;
        Ok(self.info(order.serial.clone(), None))
    }

    fn sync_clock(&self, transport: &mut dyn Transport, order: &ClockOrder<'_>) -> Result<TokenInfo, TokenError> {
        if order.other_time.is_some() && !order.permits.set_other_time {
            return Err(TokenError::OtherTimeNotPermitted);
        }
        let time = || order.other_time.unwrap_or_else(|| order.clock.now());
        check_time(time())?;
        let mut session = Session::new(transport, order.serial, order.access_key, order.progress)?;
        session.check_serial()?;
        let profiles = match order.slot {
            Some(slot) => vec![session.existing(slot)?],
            None => session.used()?,
        };
        let result = session.log_in().and_then(|()| {
            for profile in profiles {
                session.write_now(|key| Ok(clock_command(key, profile, check_time(time())?)))?;
            }
            (order.progress)(Progress::ConfigWritten);
            session.check_serial()
        });
        let written = session.written;
        result.map_err(|error| error.noted(written))?;
        Ok(self.info(order.serial.clone(), None))
    }

    fn choose_slot(&self, naming: &Naming<'_>) -> Result<Slot, TokenError> {
        match naming.slot {
            Some(slot) if naming.slots.is_empty() || find_slot(naming.slots, slot).is_some() => {
                profile_of(slot).map(Slot::Number)
            }
            Some(slot) => Err(TokenError::NoSuchSlot { slot: slot.clone() }),
            None => {
                let free = naming.slots.iter().find(|info| !info.has_seed);
                free.and_then(|info| info.slot.clone()).ok_or(TokenError::Full)
            }
        }
    }

    fn slots(&self, transport: &mut dyn Transport, _: Option<&AccessKey>) -> Result<Vec<SlotInfo>, TokenError> {
        profiles::profiles(transport)
    }

    fn act(&self, transport: &mut dyn Transport, order: &ActionOrder<'_>) -> Result<Done, TokenError> {
        let erases = match order.action {
            Action::Delete { slot } => Some(format!("profile {slot} of {}", order.serial)),
            Action::Reset => Some(format!("everything on {}", order.serial)),
            _ => None,
        };
        if let Some(what) = erases.filter(|_| !order.permits.erase) {
            return Err(TokenError::EraseNotPermitted { what });
        }
        let mut session = Session::new(transport, order.serial, order.access_key, order.progress)?;
        session.check_serial()?;
        let result = actions::act(&mut session, order);
        let written = session.written;
        result.map_err(|error| error.noted(written))
    }
}

impl Molto2 {
    /// Each profile has a clock of its own, which nothing tells; what GET INFO calls a clock is none of them.
    fn info(self, serial: SerialNumber, product: Option<&'static str>) -> TokenInfo {
        TokenInfo { product, ..TokenInfo::new(self.id(), serial) }
    }
}

fn profile_of(slot: &Slot) -> Result<u8, TokenError> {
    match slot {
        Slot::Number(number) if *number < PROFILES[1] => Ok(*number),
        _ => Err(TokenError::NoSuchSlot { slot: slot.clone() }),
    }
}

/// The token checks nothing, so every parameter is checked here.
fn check_params(params: TotpParams) -> Result<(), TokenError> {
    if !CAPABILITIES.algorithms.contains(&params.algorithm) {
        return Err(TokenError::Algorithm { algorithm: params.algorithm });
    }
    if !CAPABILITIES.digits.contains(&params.digits) {
        return Err(TokenError::Digits { digits: params.digits });
    }
    if !CAPABILITIES.time_steps.contains(&params.step) {
        return Err(TokenError::TimeStep { step: params.step });
    }
    Ok(())
}

fn check_extras(extras: Extras<'_>) -> Result<(), TokenError> {
    if extras.touch {
        return Err(TokenError::Unable { what: "ask for a touch" });
    }
    extras.title.map_or(Ok(()), check_title)
}

fn check_title(title: &str) -> Result<(), TokenError> {
    let plain = title.chars().all(|character| !character.is_control());
    if plain && (1..=MAX_TITLE_LEN).contains(&title.len()) {
        Ok(())
    } else {
        Err(TokenError::Title { len: title.len(), max: MAX_TITLE_LEN })
    }
}
