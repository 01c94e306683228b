//! Security keys with an OATH applet (`YubiKey`, Nitrokey, `CanoKey`, Token2 PIN+ and others); bytes as in
//! `docs/protocol/ykoath.md`.
//!
//! They have no clock and show nothing: the host tells the time and reads the code. So a burn proves itself: the
//! key computes codes of the seed that was written, and they are compared.

mod commands;
mod name;
mod session;
#[cfg(test)]
mod tests;
mod tlv;

use oathburn_oath::{Algorithm, Digits, FamilyId, Params, Seed, Slot, Totp, TotpParams};

use self::session::{Session, meet};
use crate::{
    AccessKey, AccessKeys, Action, ActionKind, ActionOrder, Capabilities, ClockOf, ClockOrder, ClockSync, CodesOrder,
    Done, Model, Naming, Order, Progress, ReadCode, SlotInfo, Slots, TokenError, TokenFamily, TokenInfo, Transport,
};

static CAPABILITIES: Capabilities = Capabilities {
    max_seed_len: Seed::MAX_LEN,
    algorithms: &Algorithm::ALL,
    digits: &[Digits::SIX, Digits::SEVEN, Digits::EIGHT],
    time_steps: &[],
    event_based: true,
    slots: Slots::Named { max_len: name::MAX_LEN },
    reads_codes: true,
    clock: ClockOf::Host,
    display_timeout: false,
    touch: true,
    max_title_len: 0,
    access_key: AccessKeys::Optional,
    actions: &[
        ActionKind::Delete,
        ActionKind::Rename,
        ActionKind::Reset,
        ActionKind::SetAccessKey,
        ActionKind::RemoveAccessKey,
        ActionKind::TryAccessKey,
    ],
};

/// SHA-512 came with this version.
const SHA512_SINCE: [u8; 3] = [4, 3, 1];
/// Touch came with this version.
const TOUCH_SINCE: [u8; 3] = [4, 2, 4];
/// RENAME came with this version.
const RENAME_SINCE: [u8; 3] = [5, 3, 1];

/// Steps beside the present one whose codes are compared after a burn: neighbours, and ones that differ in every byte.
const COMPARED: [u64; 3] = [1, 0x0102_0304, 0x8765_4321];
/// How many codes of a counting seed are compared.
const COUNTED: usize = 2;

/// Keys with an OATH applet.
#[derive(Clone, Copy, Debug)]
pub struct YkOath;

impl TokenFamily for YkOath {
    fn id(&self) -> FamilyId {
        FamilyId::new("ykoath").expect("a literal of lower-case letters")
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    /// Serial numbers tell nothing of the maker: there is one model for all.
    fn models(&self) -> Vec<Model> {
        vec![Model {
            family: self.id(),
            prefix: String::new(),
            name: "OATH security key".into(),
            sync: ClockSync::None,
            programmable: true,
        }]
    }

    fn identify(&self, transport: &mut dyn Transport) -> Result<Option<TokenInfo>, TokenError> {
        Ok(meet(transport)?.map(|session| self.info(&session)))
    }

    fn validate(&self, order: &Order<'_>) -> Result<(), TokenError> {
        if order.seed.is_zero() {
            return Err(TokenError::SeedAllZero);
        }
        if !CAPABILITIES.digits.contains(&order.params.digits()) {
            return Err(TokenError::Digits { digits: order.params.digits() });
        }
        if let Some(counter) = order.params.counter().filter(|&counter| u32::try_from(counter).is_err()) {
            return Err(TokenError::Counter { counter });
        }
        if order.extras.title.is_some() {
            return Err(TokenError::Unable { what: "have titles beside its names" });
        }
        let naming = Naming { slot: Some(order.slot), issuer: None, account: None, params: order.params, slots: &[] };
        match name::choose(&naming)? {
            slot if slot == *order.slot => Ok(()),
            slot => Err(TokenError::SlotName {
                name: order.slot.to_string(),
                problem: if slot.to_string().ends_with(&order.slot.to_string()) {
                    "it must begin with the time step and a slash"
                } else {
                    "it would be read as another name"
                },
            }),
        }
    }

    fn program(&self, transport: &mut dyn Transport, order: &Order<'_>) -> Result<TokenInfo, TokenError> {
        self.validate(order)?;
        let mut session = Session::with(transport, order.serial)?;
        if session.unlock(order.extras.access_key)? {
            (order.progress)(Progress::Authenticated);
        }
        let result = write(&mut session, order);
        let written = session.written;
        result.map_err(|error| error.noted(written))?;
        Ok(self.info(&session))
    }

    fn sync_clock(&self, _: &mut dyn Transport, _: &ClockOrder<'_>) -> Result<TokenInfo, TokenError> {
        Err(TokenError::Unable { what: "have its clock set: it has none, and the time comes from the host" })
    }

    fn choose_slot(&self, naming: &Naming<'_>) -> Result<Slot, TokenError> {
        name::choose(naming)
    }

    fn slots(
        &self,
        transport: &mut dyn Transport,
        access_key: Option<&AccessKey>,
    ) -> Result<Vec<SlotInfo>, TokenError> {
        let none = TokenError::Garbled { command: "SELECT", what: "something that is not its applet's" };
        let mut session = meet(transport)?.ok_or(none)?;
        session.unlock(access_key)?;
        Ok(session.list()?.into_iter().map(|listed| listed.info).collect())
    }

    fn read_codes(&self, transport: &mut dyn Transport, order: &CodesOrder<'_>) -> Result<Vec<ReadCode>, TokenError> {
        let mut session = Session::with(transport, order.serial)?;
        session.unlock(order.access_key)?;
        let name = existing(&mut session, order.slot)?;
        // A touch is needed for each: it is announced where the key says so, and each time where it cannot say.
        let counts = order.params.counter().is_some();
        let touch = !counts && session.costs_touch(&name)?;
        let read = |&step: &u64| {
            if touch {
                session::await_touch(order.progress);
            }
            session.calculate(&name, Some(step).filter(|_| !counts))
        };
        order.steps.iter().map(read).collect()
    }

    fn act(&self, transport: &mut dyn Transport, order: &ActionOrder<'_>) -> Result<Done, TokenError> {
        let erases = match order.action {
            Action::Delete { slot } => Some(format!("{slot} on {}", order.serial)),
            Action::Reset => Some(format!("everything on {}", order.serial)),
            _ => None,
        };
        if let Some(what) = erases.filter(|_| !order.permits.erase) {
            return Err(TokenError::EraseNotPermitted { what });
        }
        let mut session = Session::with(transport, order.serial)?;
        // A reset is for those who have lost the access key.
        if !matches!(order.action, Action::Reset) && session.unlock(order.access_key)? {
            (order.progress)(Progress::Authenticated);
        }
        let result = act(&mut session, order);
        let written = session.written;
        result.map(|()| Done::Now).map_err(|error| error.noted(written))
    }
}

impl YkOath {
    fn info(self, session: &Session<'_>) -> TokenInfo {
        let [major, minor, patch] = session.selected.version;
        TokenInfo {
            product: session.is_yubikey.then_some("YubiKey"),
            version: Some(format!("{major}.{minor}.{patch}")),
            device_id: session.selected.device_id.map(|id| format!("{:016x}", u64::from_be_bytes(id))),
            locked: session.selected.challenge.is_some(),
            ..TokenInfo::new(self.id(), session.serial.clone())
        }
    }
}

/// PUT, then codes compared; where that used codes up, or would have cost touches, PUT once more as it was ordered.
fn write(session: &mut Session<'_>, order: &Order<'_>) -> Result<(), TokenError> {
    let version = session.selected.version;
    if order.params.algorithm() == Algorithm::Sha512 && version < SHA512_SINCE {
        return Err(TokenError::Algorithm { algorithm: Algorithm::Sha512 });
    }
    if order.extras.touch && version < TOUCH_SINCE {
        return Err(TokenError::Unable { what: "ask for a touch: its software is too old" });
    }
    let name = commands::name_of(order.slot);
    let in_use = session.list()?.iter().any(|listed| listed.name == name);
    if in_use && !order.permits.overwrite_seed {
        return Err(TokenError::SlotInUse { slot: order.slot.clone() });
    }
    let put = |touch| commands::put(&name, order.seed, order.params, touch);
    put_over(session, &name, in_use, &|| put(false))?;
    (order.progress)(Progress::SeedWritten);
    compare(session, &name, order)?;
    (order.progress)(Progress::CodesCompared);
    let counts = order.params.counter().is_some();
    if counts || order.extras.touch {
        put_over(session, &name, true, &|| put(order.extras.touch))?;
        // Of a counting seed nothing tells whether it costs a touch; that it is there is told of both.
        if order.extras.touch && !counts && !session.costs_touch(&name)? {
            return Err(TokenError::ReadBack { what: "need for a touch" });
        }
    }
    let there = session.list()?.into_iter().find(|listed| listed.name == name);
    let there = there.ok_or(TokenError::ReadBack { what: "list of names" })?;
    if there.info.event_based != counts || there.info.algorithm != Some(order.params.algorithm()) {
        return Err(TokenError::ReadBack { what: "kind of code or hash" });
    }
    (order.progress)(Progress::ReadBack);
    Ok(())
}

/// Writes over a name; some makers' keys want it to be deleted first.
fn put_over(
    session: &mut Session<'_>,
    name: &[u8],
    in_use: bool,
    put: &dyn Fn() -> crate::Command,
) -> Result<(), TokenError> {
    match session.write(&put()) {
        Err(TokenError::Refused { .. }) if in_use => {
            session.write(&commands::delete(name))?;
            session.written = true;
            session.write(&put())
        }
        other => other,
    }
}

/// Has the key compute codes of the seed that it was given.
fn compare(session: &mut Session<'_>, name: &[u8], order: &Order<'_>) -> Result<(), TokenError> {
    let counts = order.params.counter().is_some();
    let steps: Vec<u64> = match order.params {
        Params::Totp(params) => {
            let now = order.clock.now().seconds() / u64::from(params.step.seconds());
            let others = COMPARED.map(|offset| now.wrapping_add(offset));
            [now].into_iter().chain(others).collect()
        }
        Params::Hotp(params) => (params.counter..).take(COUNTED).collect(),
    };
    let params =
        TotpParams { algorithm: order.params.algorithm(), digits: order.params.digits(), ..TotpParams::default() };
    let expected = Totp::new(order.seed, params);
    for step in steps {
        let read = session.calculate(name, Some(step).filter(|_| !counts))?;
        if read.text.len() != usize::from(order.params.digits().get()) {
            return Err(TokenError::ReadBack { what: "number of digits" });
        }
        if read.text != expected.code_of(step).to_string() {
            return Err(TokenError::ReadBack { what: "seed: its codes are others" });
        }
    }
    Ok(())
}

fn existing(session: &mut Session<'_>, slot: &Slot) -> Result<Vec<u8>, TokenError> {
    let name = commands::name_of(slot);
    let there = session.list()?.iter().any(|listed| listed.name == name);
    if there { Ok(name) } else { Err(TokenError::SlotEmpty { slot: slot.clone() }) }
}

fn act(session: &mut Session<'_>, order: &ActionOrder<'_>) -> Result<(), TokenError> {
    match order.action {
        Action::Delete { slot } => {
            let name = existing(session, slot)?;
            session.write(&commands::delete(&name))?;
            let gone = session.list()?.iter().all(|listed| listed.name != name);
            if gone { Ok(()) } else { Err(TokenError::ReadBack { what: "list of names" }) }
        }
        Action::Rename { slot, to } => rename(session, slot, to),
        Action::Reset => {
            session.write(&commands::reset())?;
            session.select_again()?;
            let empty = session.selected.challenge.is_none() && session.list()?.is_empty();
            if empty { Ok(()) } else { Err(TokenError::ReadBack { what: "list of names" }) }
        }
        Action::SetAccessKey { key } => {
            let code = session.code(key)?;
            session.write(&commands::set_code(&code, session::nonce()?))?;
            // Whoever can open it with the new key has not lost it.
            session.select_again()?;
            if session.selected.challenge.is_none() {
                return Err(TokenError::ReadBack { what: "access key: it has none" });
            }
            session.unlock(Some(key)).map(drop)
        }
        Action::RemoveAccessKey => {
            session.write(&commands::remove_code())?;
            session.select_again()?;
            match session.selected.challenge {
                None => Ok(()),
                Some(_) => Err(TokenError::ReadBack { what: "access key: it still asks for one" }),
            }
        }
        Action::TryAccessKey => Ok(()),
        Action::Lock { .. } => Err(TokenError::Unable { what: order.action.kind().describe() }),
    }
}

/// Gives an entry another name. The time step is part of the name and cannot be changed so: it stays.
fn rename(session: &mut Session<'_>, slot: &Slot, to: &str) -> Result<(), TokenError> {
    if session.selected.version < RENAME_SINCE {
        return Err(TokenError::Unable { what: "rename what it holds: its software is too old" });
    }
    let listed = session.list()?;
    let name = commands::name_of(slot);
    let old = listed.iter().find(|listed| listed.name == name);
    let old = old.ok_or_else(|| TokenError::SlotEmpty { slot: slot.clone() })?;
    if slot_after_rename(slot, to, old.info.event_based)?.to_string() != to {
        let problem = "it must keep the time step, and a slash, in front";
        return Err(TokenError::SlotName { name: to.into(), problem });
    }
    let new = to.as_bytes().to_vec();
    if listed.iter().any(|listed| listed.name == new) {
        return Err(TokenError::SlotInUse { slot: name::slot_of(to).unwrap_or(Slot::SINGLE) });
    }
    session.write(&commands::rename(&name, &new))?;
    let names: Vec<_> = session.list()?.into_iter().map(|listed| listed.name).collect();
    if names.contains(&new) && !names.contains(&name) {
        Ok(())
    } else {
        Err(TokenError::ReadBack { what: "list of names" })
    }
}

/// The name that an entry would get, checked as if it were new.
fn slot_after_rename(slot: &Slot, to: &str, event_based: bool) -> Result<Slot, TokenError> {
    let old = slot.to_string();
    let step = name::Name::read(&old, event_based).step().unwrap_or_default();
    let params = if event_based {
        oathburn_oath::HotpParams { algorithm: Algorithm::Sha1, digits: Digits::SIX, counter: 0 }.into()
    } else {
        TotpParams { step, ..TotpParams::default() }.into()
    };
    let wanted = name::slot_of(to)
        .ok_or_else(|| TokenError::SlotName { name: to.into(), problem: "it is not plain text of at most 64 bytes" })?;
    name::choose(&Naming { slot: Some(&wanted), issuer: None, account: None, params, slots: &[] })
}
