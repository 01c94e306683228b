//! The single-profile programmable tokens; bytes and order as in `docs/protocol/token2-single.md`.

use oathburn_oath::{
    Algorithm, Digits, Drift, FamilyId, Params, Seed, SerialNumber, Slot, TimeStep, TotpParams, UnixTime,
};

use super::molto::is_molto2;
use super::seal::DeviceKey;
use crate::{
    AccessKeys, Body, Capabilities, ClockOf, ClockOrder, ClockSync, Command, DisplayTimeout, Extras, Model, Models,
    Order, Permits, Progress, Response, Slots, StatusWord, TokenError, TokenFamily, TokenInfo, Transport, exchange,
};

/// The key of the whole family, published by the vendor; not a secret.
pub(super) const DEVICE_KEY: [u8; 16] =
    [0x8a, 0xd2, 0x06, 0x88, 0x3c, 0xa3, 0x69, 0x48, 0x2a, 0xb2, 0x71, 0x82, 0xb6, 0xe8, 0x32, 0x24];

/// The one command whose wrong answers old tokens count.
const ANSWER: &str = "ANSWER CHALLENGE";

/// How far the clock that is read back may be from the present: the token counts whole seconds, and so do we.
const CLOCK_TOLERANCE: i64 = 3;

/// Prefix of the serial number, name, what setting the clock does, whether it can be programmed.
const MODELS: &[(&str, &str, ClockSync, bool)] = &[
    ("8659612", "OTPC-P1-i", ClockSync::Unrestricted, true),
    ("8659622", "OTPC-P2-i", ClockSync::Restricted, true),
    ("8659621", "OTPC-P2-i-NB", ClockSync::Restricted, true),
    ("8659600", "miniOTP-2-i", ClockSync::Unrestricted, true),
    ("8659601", "miniOTP-3-i", ClockSync::Restricted, true),
    ("8659609", "miniOTP-3-i-NB", ClockSync::Restricted, true),
    ("8659610", "C301-i", ClockSync::Restricted, true),
    ("8659632", "C302-i", ClockSync::Unrestricted, true),
    ("8659623", "C202/C203", ClockSync::None, false),
];

static CAPABILITIES: Capabilities = Capabilities {
    max_seed_len: 63,
    algorithms: &[Algorithm::Sha1, Algorithm::Sha256],
    digits: &[Digits::SIX],
    time_steps: &[TimeStep::S30, TimeStep::S60],
    event_based: false,
    slots: Slots::Single,
    reads_codes: false,
    clock: ClockOf::Token,
    display_timeout: true,
    touch: false,
    max_title_len: 0,
    access_key: AccessKeys::Fixed,
    actions: &[],
};

/// Token2's and Excelsecu's tokens with one profile.
#[derive(Clone, Copy, Debug)]
pub struct Token2Single;

impl TokenFamily for Token2Single {
    fn id(&self) -> FamilyId {
        FamilyId::new("token2-single").expect("a literal of lower-case letters")
    }

    fn manufacturer(&self) -> Option<&'static str> {
        Some("Token2")
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn models(&self) -> Vec<Model> {
        let model = |&(prefix, name, sync, programmable): &(&str, &str, _, _)| Model {
            family: self.id(),
            prefix: prefix.into(),
            name: name.into(),
            sync,
            programmable,
        };
        MODELS.iter().map(model).collect()
    }

    fn identify(&self, transport: &mut dyn Transport) -> Result<Option<TokenInfo>, TokenError> {
        let response = exchange(transport, &info_command())?;
        if response.status != StatusWord::DONE {
            return Ok(None);
        }
        let Some((serial, clock)) = parse_info(&response.data) else { return Ok(None) };
        // A Molto2 tells its serial number in the same way, and must never see this family's key.
        let listed = MODELS.iter().any(|(prefix, ..)| serial.as_str().starts_with(prefix));
        if !listed && is_molto2(transport)? {
            return Ok(None);
        }
        Ok(Some(self.info(serial, clock)))
    }

    fn validate(&self, order: &Order<'_>) -> Result<(), TokenError> {
        check_model(&self.id(), order.models, order.serial, order.permits)?;
        let params = time_based(order.params)?;
        check_params(params)?;
        check_extras(order.extras)?;
        if *order.slot != Slot::SINGLE {
            return Err(TokenError::NoSuchSlot { slot: order.slot.clone() });
        }
        check_time(order.clock.now())?;
        writable_seed(order.seed, params.algorithm).map(drop)
    }

    fn program(&self, transport: &mut dyn Transport, order: &Order<'_>) -> Result<TokenInfo, TokenError> {
        self.validate(order)?;
        let params = time_based(order.params)?;
        let seed = writable_seed(order.seed, params.algorithm)?;
        let mut session = Session::new(transport, order.serial, order.progress);
        let result = session.log_in().and_then(|()| {
            // Config first, seed last: on restricted tokens the config erases the seed.
            session.write(|key| {
                let now = check_time(order.clock.now())?;
                Ok(config_command(key, params, order.display_timeout, now))
            })?;
            (order.progress)(Progress::ConfigWritten);
            session.write(|key| Ok(seed_command(key, &seed, 0)))?;
            (order.progress)(Progress::SeedWritten);
            session.read_back(order.clock.now())
        });
        let clock = result.map_err(|error| error.noted(session.written))?;
        (order.progress)(Progress::ReadBack);
        Ok(self.info(order.serial.clone(), clock))
    }

    fn sync_clock(&self, transport: &mut dyn Transport, order: &ClockOrder<'_>) -> Result<TokenInfo, TokenError> {
        check_model(&self.id(), order.models, order.serial, order.permits)?;
        check_params(order.params)?;
        // An unlisted token may be of either kind, so it is taken to be of the one that loses its seed.
        let sync = order.models.lookup(&self.id(), order.serial).map_or(ClockSync::Restricted, |model| model.sync);
        if sync != ClockSync::Unrestricted && !order.permits.erase_seed_on_sync {
            return Err(TokenError::SyncErasesSeed { serial: order.serial.clone() });
        }
        if order.other_time.is_some() && !order.permits.set_other_time {
            return Err(TokenError::OtherTimeNotPermitted);
        }
        let time = || order.other_time.unwrap_or_else(|| order.clock.now());
        check_time(time())?;
        let mut session = Session::new(transport, order.serial, order.progress);
        let result = session.log_in().and_then(|()| {
            session.write(|key| Ok(config_command(key, order.params, order.display_timeout, check_time(time())?)))?;
            (order.progress)(Progress::ConfigWritten);
            session.read_back(time())
        });
        let clock = result.map_err(|error| error.noted(session.written))?;
        (order.progress)(Progress::ReadBack);
        Ok(self.info(order.serial.clone(), clock))
    }
}

impl Token2Single {
    fn info(self, serial: SerialNumber, clock: UnixTime) -> TokenInfo {
        TokenInfo { clock: Some(clock), ..TokenInfo::new(self.id(), serial) }
    }
}

/// A conversation with one token, from log-in to read-back.
struct Session<'a> {
    transport: &'a mut dyn Transport,
    serial: &'a SerialNumber,
    progress: &'a dyn Fn(Progress),
    key: DeviceKey,
    /// A write was sent: from here on the token's state is unknown until everything is confirmed.
    written: bool,
    /// A lost session is opened again once, never more: a token may count.
    reauthenticated: bool,
}

impl<'a> Session<'a> {
    fn new(transport: &'a mut dyn Transport, serial: &'a SerialNumber, progress: &'a dyn Fn(Progress)) -> Self {
        let key = DeviceKey::new(&DEVICE_KEY);
        Self { transport, serial, progress, key, written: false, reauthenticated: false }
    }

    /// Answers the challenge, between two looks at the serial number. The first keeps the key from devices that
    /// were not identified. The second, before any write, catches a token that was swapped in between: it would
    /// have taken the same key. A swap after that loses the session, so its first write is refused.
    fn log_in(&mut self) -> Result<(), TokenError> {
        self.clock()?;
        let response = self.send(&challenge_command())?;
        let challenge = <[u8; 8]>::try_from(response.data.as_slice())
            .map_err(|_| TokenError::Garbled { command: "GET CHALLENGE", what: "a challenge that has not 8 bytes" })?;
        let answer = self.key.answer(challenge);
        let response = exchange(self.transport, &answer_command(answer))?;
        match response.status {
            StatusWord::DONE => {}
            StatusWord(0x6983) => return Err(TokenError::WrongKey { status: response.status }),
            status => return Err(refused(ANSWER, status)),
        }
        self.clock()?;
        (self.progress)(Progress::Authenticated);
        Ok(())
    }

    /// Sends a write. `6983` means that the session is lost (or, on old firmware, that the token is locked): then
    /// the token is identified and logged in to once more, and the write is built and sent again.
    fn write(&mut self, build: impl Fn(&DeviceKey) -> Result<Command, TokenError>) -> Result<(), TokenError> {
        loop {
            let command = build(&self.key)?;
            self.written = true;
            let response = exchange(self.transport, &command)?;
            match response.status {
                StatusWord::DONE if response.data.is_empty() => return Ok(()),
                StatusWord::DONE => {
                    return Err(TokenError::Garbled { command: command.name, what: "data where there should be none" });
                }
                StatusWord(0x6983) if !self.reauthenticated => {
                    self.reauthenticated = true;
                    self.log_in()?;
                    (self.progress)(Progress::Reauthenticated);
                }
                status => return Err(refused(command.name, status)),
            }
        }
    }

    /// Reads serial number and clock once more and compares the clock with the `expected` time.
    fn read_back(&mut self, expected: UnixTime) -> Result<UnixTime, TokenError> {
        let clock = self.clock()?;
        let seconds = Drift::between(clock, expected).seconds();
        if seconds.abs() > CLOCK_TOLERANCE {
            return Err(TokenError::ClockNotSet { seconds });
        }
        Ok(clock)
    }

    /// Reads the info, insists on the serial number, and returns the clock.
    fn clock(&mut self) -> Result<UnixTime, TokenError> {
        let response = self.send(&info_command())?;
        let (serial, clock) = parse_info(&response.data)
            .ok_or(TokenError::Garbled { command: "GET INFO", what: "no serial number and clock" })?;
        if serial != *self.serial {
            return Err(TokenError::OtherToken { expected: self.serial.clone(), found: serial });
        }
        Ok(clock)
    }

    /// Sends a command that must succeed.
    fn send(&mut self, command: &Command) -> Result<Response, TokenError> {
        let response = exchange(self.transport, command)?;
        if response.status == StatusWord::DONE { Ok(response) } else { Err(refused(command.name, response.status)) }
    }
}

/// What a refusal means here.
pub(super) fn refused(command: &'static str, status: StatusWord) -> TokenError {
    let meaning = match status.0 {
        0x6a80 if command == ANSWER => "it knows of no challenge, so it was without power or exchanged in between",
        0x6983 => "the session is lost, the data was damaged on the way, or old firmware is locked",
        0x6a80 => "it takes the data for malformed",
        other => general_meaning(other),
    };
    TokenError::Refused { command, status, meaning }
}

/// What a status word means that the family does not use (ISO/IEC 7816-4, tables 5 and 6).
pub(crate) fn general_meaning(status: u16) -> &'static str {
    match status >> 8 {
        0x61..=0x63 | 0x6c => "it answers with a warning or a correction that has no place here",
        0x64 | 0x65 => "it failed while it carried the command out, perhaps at its memory",
        0x66 => "it reports a breach of its security",
        0x67 => "it takes the length for wrong",
        0x68 => "it does not support this form of commands",
        0x69 => "it does not allow the command in the state it is in",
        0x6a | 0x6b => "it takes data or parameters for wrong",
        0x6d => "it does not know the instruction",
        0x6e => "it does not know the class of instructions",
        0x6f => "it failed inside, without saying at what",
        0x90 => "it says nearly what success looks like, so the answer was damaged on the way",
        _ => "no card answers so, so the answer was damaged on the way",
    }
}

pub(super) fn check_model(
    family: &FamilyId,
    models: &Models,
    serial: &SerialNumber,
    permits: Permits,
) -> Result<(), TokenError> {
    match models.lookup(family, serial) {
        Some(model) if model.programmable => Ok(()),
        Some(model) => Err(TokenError::NotProgrammable { model: model.name.clone(), serial: serial.clone() }),
        None if permits.unlisted_model => Ok(()),
        None => Err(TokenError::UnlistedModel { serial: serial.clone() }),
    }
}

/// These tokens have a clock and no counter.
pub(super) fn time_based(params: Params) -> Result<TotpParams, TokenError> {
    params.totp().map_err(|_| TokenError::EventBased)
}

/// They have neither titles nor a touch, and their key is fixed.
fn check_extras(extras: Extras<'_>) -> Result<(), TokenError> {
    let what = match extras {
        Extras { title: Some(_), .. } => "have a title",
        Extras { touch: true, .. } => "ask for a touch",
        Extras { access_key: Some(_), .. } => "have an access key of its own",
        _ => return Ok(()),
    };
    Err(TokenError::Unable { what })
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

pub(super) fn check_time(time: UnixTime) -> Result<u32, TokenError> {
    u32::try_from(time.seconds()).map_err(|_| TokenError::TimeOutOfRange { seconds: time.seconds() })
}

/// The seed as it can be written: as it is up to 63 bytes, else the shorter one that makes the same codes.
pub(super) fn writable_seed(seed: &Seed, algorithm: Algorithm) -> Result<Seed, TokenError> {
    if seed.is_zero() {
        return Err(TokenError::SeedAllZero);
    }
    let max = CAPABILITIES.max_seed_len;
    if seed.len() <= max {
        return Ok(seed.clone());
    }
    let shorter = seed.shortest_equivalent(algorithm);
    if shorter.len() <= max { Ok(shorter) } else { Err(TokenError::SeedTooLong { len: seed.len(), max }) }
}

/// GET INFO, asking for the tags serial number (`02`) and clock (`11`).
fn info_command() -> Command {
    Command { name: "GET INFO", header: [0x80, 0x41, 0, 0], body: Body::Plain(vec![0x02, 0x11]), ne: None }
}

/// The body of GET INFO: 3 bytes, N, N characters of serial number, 2 bytes, the clock in 4 bytes.
pub(super) fn parse_info(data: &[u8]) -> Option<(SerialNumber, UnixTime)> {
    let (&length, rest) = data.get(3..)?.split_first()?;
    let (serial, rest) = rest.split_at_checked(usize::from(length))?;
    let clock = <[u8; 4]>::try_from(rest.get(2..)?).ok()?;
    // Real serial numbers are digits; anything else comes from something that answers at random.
    let digits = std::str::from_utf8(serial).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let serial = SerialNumber::new(digits).ok()?;
    Some((serial, UnixTime::new(u64::from(u32::from_be_bytes(clock)))))
}

fn challenge_command() -> Command {
    let body = Body::Plain(vec![0x00]);
    Command { name: "GET CHALLENGE", header: [0x80, 0x4b, 0x08, 0], body, ne: None }
}

pub(super) fn answer_command(answer: [u8; 16]) -> Command {
    let body = Body::Plain(answer.to_vec());
    Command { name: ANSWER, header: [0x80, 0xce, 0, 0], body, ne: None }
}

/// Clock, algorithm, time step and display time-out, all at once: there is no command for less.
pub(super) fn config_command(key: &DeviceKey, params: TotpParams, display: DisplayTimeout, now: u32) -> Command {
    let display = match display {
        DisplayTimeout::S15 => 0,
        DisplayTimeout::S30 => 1,
        DisplayTimeout::S60 => 2,
        DisplayTimeout::S120 => 3,
    };
    let algorithm = if params.algorithm == Algorithm::Sha256 { 2 } else { 1 };
    let step = if params.step == TimeStep::S60 { 0x3c } else { 0x1e };
    let [t3, t2, t1, t0] = now.to_be_bytes();
    let mut body = vec![0x81, 0x11, 0x1f, 0x01, display, 0x0f, 0x04, t3, t2, t1, t0];
    body.extend([0x86, 0x06, 0x0a, 0x01, algorithm, 0x0d, 0x01, step]);
    body.extend(key.mac([0xd4, 0, 0], &body));
    Command { name: "WRITE CONFIG", header: [0x84, 0xd4, 0, 0], body: Body::Plain(body), ne: None }
}

pub(super) fn seed_command(key: &DeviceKey, seed: &Seed, profile: u8) -> Command {
    let sealed = key.encrypt(seed.expose());
    let mut body = Vec::with_capacity(sealed.len() + 4);
    body.extend_from_slice(&sealed);
    body.extend(key.mac([0xc5, 0x01, profile], &sealed));
    Command { name: "WRITE SEED", header: [0x84, 0xc5, 0x01, profile], body: Body::Secret(body.into()), ne: None }
}
