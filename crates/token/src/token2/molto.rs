//! Molto2 and Molto2v2, tokens with many profiles; bytes and order as in `docs/protocol/molto2.md`.
//!
//! They speak like their single-profile cousins, with a key that its owner may have changed: wrong ones are counted,
//! and the token locks. So a key is tried once, and no other after it.

use oathburn_oath::{Algorithm, Digits, FamilyId, SerialNumber, Slot, TimeStep, TotpParams};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::seal::DeviceKey;
use super::single::{answer_command, check_time, parse_info, refused, seed_command, time_based, writable_seed};
use crate::{
    AccessKey, AccessKeys, Action, ActionKind, ActionOrder, Body, Capabilities, ClockOf, ClockOrder, ClockSync,
    Command, DisplayTimeout, Done, Extras, Model, Naming, Order, Progress, Response, SlotInfo, Slots, StatusWord,
    TokenError, TokenFamily, TokenInfo, Transport, exchange, find_slot,
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
        let product = if count(transport)? == PROFILES[0] { "Molto2" } else { "Molto2v2" };
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
        let result = write(&mut session, order);
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
        profiles(transport)
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
        let result = act(&mut session, order);
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

/// Whether this is a Molto2, which answers GET INFO much like its single-profile cousins and keeps a key that its owner
/// may have changed. Asked is for the public data (tag `70`) of profile 0.
pub(super) fn is_molto2(transport: &mut dyn Transport) -> Result<bool, TokenError> {
    let response = exchange(transport, &profile_command(0))?;
    Ok(response.status == StatusWord::DONE && matches!(response.data.as_slice(), [0x95, _, 0x70, ..]))
}

/// How many profiles there are: the larger model has one where the smaller ends.
fn count(transport: &mut dyn Transport) -> Result<u8, TokenError> {
    let [small, large] = PROFILES;
    let response = exchange(transport, &profile_command(small))?;
    Ok(if response.status == StatusWord::DONE { large } else { small })
}

fn profiles(transport: &mut dyn Transport) -> Result<Vec<SlotInfo>, TokenError> {
    (0..count(transport)?).map(|number| profile(transport, number)).collect()
}

fn profile(transport: &mut dyn Transport, number: u8) -> Result<SlotInfo, TokenError> {
    let response = exchange(transport, &profile_command(number))?;
    match response.status {
        StatusWord::DONE => {}
        StatusWord(0x6a83) => return Err(TokenError::NoSuchSlot { slot: Slot::Number(number) }),
        status => return Err(refused("READ PROFILE", status)),
    }
    parse_profile(number, &response.data)
        .ok_or(TokenError::Garbled { command: "READ PROFILE", what: "something that is no profile" })
}

/// The public data: flag, title in 16 bytes, two times that are no clocks, algorithm, step, digits, whether there is
/// a seed.
pub(super) fn parse_profile(number: u8, data: &[u8]) -> Option<SlotInfo> {
    let data: &[u8; 29] = match data {
        [0x95, 0x1f, 0x70, 0x1d, data @ ..] => data.try_into().ok()?,
        _ => return None,
    };
    let title = data[1..17].split(|&byte| byte == 0).next().unwrap_or_default();
    let algorithm = match data[25] {
        1 => Some(Algorithm::Sha1),
        2 => Some(Algorithm::Sha256),
        _ => None,
    };
    let has_seed = match data[28] {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(SlotInfo {
        slot: Some(Slot::Number(number)),
        label: String::from_utf8_lossy(title).into_owned(),
        has_seed,
        event_based: false,
        algorithm,
        digits: Some(data[27]),
        step: TimeStep::new(data[26].into()).ok(),
        clock: None,
    })
}

/// A conversation with one token, from log-in to read-back.
struct Session<'a> {
    transport: &'a mut dyn Transport,
    serial: &'a SerialNumber,
    progress: &'a dyn Fn(Progress),
    key: DeviceKey,
    /// A write was sent: from here on the token's state is unknown until everything is confirmed.
    written: bool,
    /// The key was accepted: a lost session is opened again with it.
    logged_in: bool,
    /// That is done once, never more.
    reauthenticated: bool,
}

impl<'a> Session<'a> {
    fn new(
        transport: &'a mut dyn Transport,
        serial: &'a SerialNumber,
        key: Option<&AccessKey>,
        progress: &'a dyn Fn(Progress),
    ) -> Result<Self, TokenError> {
        let key = match key {
            Some(key) => device_key(key.expose())?,
            None => device_key(FACTORY_KEY)?,
        };
        Ok(Self {
            transport,
            serial,
            progress,
            key: DeviceKey::new(&key),
            written: false,
            logged_in: false,
            reauthenticated: false,
        })
    }

    /// Answers the challenge, between two looks at the serial number, as on single-profile tokens: a token that was
    /// swapped in would spend a try, or take what is another's.
    fn log_in(&mut self) -> Result<(), TokenError> {
        self.check_serial()?;
        let response = self.send(&challenge_command())?;
        let challenge = <[u8; 8]>::try_from(response.data.as_slice())
            .map_err(|_| TokenError::Garbled { command: "GET CHALLENGE", what: "a challenge that has not 8 bytes" })?;
        let response = exchange(self.transport, &answer_command(self.key.answer(challenge)))?;
        match response.status {
            StatusWord::DONE => {}
            StatusWord(status) if status >> 8 == 0x63 => {
                return Err(TokenError::AccessKeyWrong { left: Some(tries_left(status)) });
            }
            StatusWord(0x6983) => return Err(TokenError::LockedOut { status: response.status }),
            status => return Err(refused("ANSWER CHALLENGE", status)),
        }
        self.check_serial()?;
        self.logged_in = true;
        (self.progress)(Progress::Authenticated);
        Ok(())
    }

    /// Sends a write. `6983` means that the session is lost: then the token is identified and logged in to once more,
    /// and the write is built and sent again.
    fn write(&mut self, build: impl Fn(&DeviceKey) -> Result<Command, TokenError>) -> Result<Done, TokenError> {
        loop {
            let command = build(&self.key)?;
            self.written = true;
            let response = exchange(self.transport, &command)?;
            match response.status {
                _ if !response.data.is_empty() => {
                    return Err(TokenError::Garbled { command: command.name, what: "data where there should be none" });
                }
                StatusWord::DONE => return Ok(Done::Now),
                StatusWord(0x9060) => {
                    (self.progress)(Progress::ConfirmationAwaited);
                    return Ok(Done::ToBeConfirmed);
                }
                StatusWord(0x6983) if self.logged_in && !self.reauthenticated => {
                    self.reauthenticated = true;
                    self.log_in()?;
                    (self.progress)(Progress::Reauthenticated);
                }
                status => return Err(refused(command.name, status)),
            }
        }
    }

    /// A write that is either done at once or refused.
    fn write_now(&mut self, build: impl Fn(&DeviceKey) -> Result<Command, TokenError>) -> Result<(), TokenError> {
        match self.write(build)? {
            Done::Now => Ok(()),
            Done::ToBeConfirmed => {
                Err(TokenError::Garbled { command: "a write", what: "a wish for confirmation that it has not" })
            }
        }
    }

    /// Reads the info and insists on the serial number.
    fn check_serial(&mut self) -> Result<(), TokenError> {
        let response = self.send(&info_command())?;
        let (found, _) = parse_info(&response.data)
            .ok_or(TokenError::Garbled { command: "GET INFO", what: "no serial number and clock" })?;
        if found == *self.serial {
            Ok(())
        } else {
            Err(TokenError::OtherToken { expected: self.serial.clone(), found })
        }
    }

    fn profile(&mut self, number: u8) -> Result<SlotInfo, TokenError> {
        profile(self.transport, number)
    }

    /// The profile of a slot that has a seed.
    fn existing(&mut self, slot: &Slot) -> Result<u8, TokenError> {
        let number = profile_of(slot)?;
        if self.profile(number)?.has_seed { Ok(number) } else { Err(TokenError::SlotEmpty { slot: slot.clone() }) }
    }

    /// All profiles that have a seed.
    fn used(&mut self) -> Result<Vec<u8>, TokenError> {
        let number = |info: SlotInfo| match info.slot {
            Some(Slot::Number(number)) if info.has_seed => Some(number),
            _ => None,
        };
        Ok(profiles(self.transport)?.into_iter().filter_map(number).collect())
    }

    /// Sends a command that must succeed.
    fn send(&mut self, command: &Command) -> Result<Response, TokenError> {
        let response = exchange(self.transport, command)?;
        if response.status == StatusWord::DONE { Ok(response) } else { Err(refused(command.name, response.status)) }
    }
}

/// Title, config, seed; then the profile is read again.
fn write(session: &mut Session<'_>, order: &Order<'_>) -> Result<(), TokenError> {
    let params = time_based(order.params)?;
    let seed = writable_seed(order.seed, params.algorithm)?;
    let number = profile_of(order.slot)?;
    session.check_serial()?;
    if session.profile(number)?.has_seed && !order.permits.overwrite_seed {
        return Err(TokenError::SlotInUse { slot: order.slot.clone() });
    }
    session.log_in()?;
    if let Some(title) = order.extras.title {
        session.write_now(|key| Ok(title_command(key, number, title)))?;
    }
    session.write_now(|key| {
        let now = check_time(order.clock.now())?;
        Ok(config_command(key, number, params, order.display_timeout, now))
    })?;
    (order.progress)(Progress::ConfigWritten);
    session.write_now(|key| Ok(seed_command(key, &seed, number)))?;
    (order.progress)(Progress::SeedWritten);
    session.check_serial()?;
    let read = session.profile(number)?;
    for (what, same) in [
        ("state: no seed", read.has_seed),
        ("hash", read.algorithm == Some(params.algorithm)),
        ("number of digits", read.digits == Some(params.digits.get())),
        ("time step", read.step == Some(params.step)),
        ("title", order.extras.title.is_none_or(|title| title == read.label)),
    ] {
        if !same {
            return Err(TokenError::ReadBack { what });
        }
    }
    (order.progress)(Progress::ReadBack);
    Ok(())
}

fn act(session: &mut Session<'_>, order: &ActionOrder<'_>) -> Result<Done, TokenError> {
    match order.action {
        Action::Delete { slot } => {
            let number = session.existing(slot)?;
            delete(session, number)?;
            if session.profile(number)?.has_seed {
                return Err(TokenError::ReadBack { what: "state: the seed is still there" });
            }
            Ok(Done::Now)
        }
        Action::Rename { slot, to } => {
            let number = profile_of(slot)?;
            check_title(to)?;
            session.profile(number)?;
            session.log_in()?;
            session.write_now(|key| Ok(title_command(key, number, to)))?;
            if session.profile(number)?.label == to {
                Ok(Done::Now)
            } else {
                Err(TokenError::ReadBack { what: "title" })
            }
        }
        // Whoever holds the token can reset it: no key is needed, and none is tried.
        Action::Reset => session.write(|_| Ok(reset_command())),
        Action::SetAccessKey { key } => change_key(session, key.expose()),
        Action::RemoveAccessKey => change_key(session, FACTORY_KEY),
        Action::TryAccessKey => session.log_in().map(|()| Done::Now),
        Action::Lock { locked } => {
            session.log_in()?;
            match session.write(|_| Ok(lock_command(locked))) {
                Err(TokenError::Refused { status: StatusWord(0x6d00), .. }) => {
                    session.written = false;
                    Err(TokenError::Unable { what: "lock its screen: its software is older than 2.1" })
                }
                other => other,
            }
        }
    }
}

/// The note wants a session for this, the tokens do not: so no key is tried before one is asked for.
fn delete(session: &mut Session<'_>, number: u8) -> Result<(), TokenError> {
    session.written = true;
    let response = exchange(session.transport, &delete_command(number))?;
    match response.status {
        StatusWord::DONE => Ok(()),
        StatusWord(0x6983 | 0x6982) => {
            session.written = false;
            session.log_in()?;
            session.write_now(|_| Ok(delete_command(number)))
        }
        status => Err(refused("DELETE SEED", status)),
    }
}

fn change_key(session: &mut Session<'_>, new: &[u8]) -> Result<Done, TokenError> {
    let new = device_key(new)?;
    session.log_in()?;
    session.write(|key| Ok(set_key_command(key, &new)))
}

/// The first bytes of the key's hash are the key that the token knows.
fn device_key(key: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, TokenError> {
    if key.len() != KEY_LEN {
        return Err(TokenError::AccessKeyLen { len: key.len(), wanted: "16" });
    }
    let hash = Zeroizing::new(<[u8; 20]>::from(Sha1::digest(key)));
    let mut device = Zeroizing::new([0; KEY_LEN]);
    device.copy_from_slice(&hash[..KEY_LEN]);
    Ok(device)
}

/// `63 Cx` or `63 NN`.
const fn tries_left(status: u16) -> u8 {
    let [_, low] = status.to_be_bytes();
    if low >> 4 == 0x0c { low & 0x0f } else { low }
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

fn info_command() -> Command {
    Command { name: "GET INFO", header: [0x80, 0x41, 0, 0], body: Body::Empty, ne: Some(0) }
}

fn profile_command(number: u8) -> Command {
    let body = Body::Plain(vec![0x70]);
    Command { name: "READ PROFILE", header: [0x80, 0x41, 0, number], body, ne: None }
}

fn challenge_command() -> Command {
    Command { name: "GET CHALLENGE", header: [0x80, 0x4b, 0x08, 0], body: Body::Empty, ne: Some(0) }
}

fn delete_command(number: u8) -> Command {
    Command { name: "DELETE SEED", header: [0x80, 0xe6, 0, number], body: Body::Empty, ne: Some(0) }
}

fn reset_command() -> Command {
    Command { name: "FACTORY RESET", header: [0x80, 0x56, 0, 0], body: Body::Empty, ne: Some(0) }
}

fn lock_command(locked: bool) -> Command {
    let (body, ne) = if locked { (Body::Empty, Some(0)) } else { (Body::Plain(vec![0x01]), None) };
    Command { name: "SCREEN LOCK", header: [0x80, 0xd8, 0x0c, 0x02], body, ne }
}

pub(super) fn title_command(key: &DeviceKey, number: u8, title: &str) -> Command {
    let mut body = key.encrypt(title.as_bytes()).to_vec();
    body.extend(key.mac([0xd5, 0, number], &body));
    Command { name: "WRITE TITLE", header: [0x84, 0xd5, 0, number], body: Body::Plain(body), ne: None }
}

pub(super) fn config_command(
    key: &DeviceKey,
    number: u8,
    params: TotpParams,
    display: DisplayTimeout,
    now: u32,
) -> Command {
    let display = match display {
        DisplayTimeout::S15 => 0,
        DisplayTimeout::S30 => 1,
        DisplayTimeout::S60 => 2,
        DisplayTimeout::S120 => 3,
    };
    let algorithm = if params.algorithm == Algorithm::Sha256 { 2 } else { 1 };
    let step = if params.step == TimeStep::S60 { 0x3c } else { 0x1e };
    let [t3, t2, t1, t0] = now.to_be_bytes();
    let mut body = vec![0x81, 0x14, 0x1f, 0x01, display, 0x0f, 0x04, t3, t2, t1, t0];
    body.extend([0x86, 0x09, 0x0a, 0x01, algorithm, 0x0b, 0x01, params.digits.get(), 0x0d, 0x01, step]);
    body.extend(key.mac([0xd4, 0x01, number], &body));
    Command { name: "WRITE CONFIG", header: [0x84, 0xd4, 0x01, number], body: Body::Plain(body), ne: None }
}

fn clock_command(key: &DeviceKey, number: u8, now: u32) -> Command {
    let [t3, t2, t1, t0] = now.to_be_bytes();
    let mut body = vec![0x81, 0x06, 0x0f, 0x04, t3, t2, t1, t0];
    body.extend(key.mac([0xd4, 0x01, number], &body));
    Command { name: "SET CLOCK", header: [0x84, 0xd4, 0x01, number], body: Body::Plain(body), ne: None }
}

pub(super) fn set_key_command(key: &DeviceKey, new: &[u8; KEY_LEN]) -> Command {
    let mut plain = Zeroizing::new([0; KEY_LEN + 1]);
    plain[1..].copy_from_slice(new);
    let sealed = key.encrypt(plain.as_slice());
    let mut body = Vec::with_capacity(sealed.len() + 4);
    body.extend_from_slice(&sealed);
    body.extend(key.mac([0xd7, 0, 0], &sealed));
    Command { name: "SET CUSTOMER KEY", header: [0x84, 0xd7, 0, 0], body: Body::Secret(body.into()), ne: None }
}
