//! A station that its desk knows: it asks how it stands, waits, signs itself out.

use std::ops::ControlFlow;
use std::time::Duration;

use oathburn_escrow::StationKey;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ClientError, Connection, Provisioned, StationHome};
use crate::protocol::{
    Credentials, MAX_ANSWER, MAX_WAIT, OWN_LOGIN_CODE, RESET, Refusal, SIGN_OUT, STATUS, ShownCode, StationStatus,
};
use crate::stations::StationState;

/// How often a request is sent again whose counter came too late.
const TRIES: u32 = 4;
/// How long to wait before a desk is asked again that was not there: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// This machine as a station of its desk.
pub struct OwnStation {
    home: StationHome,
    provisioned: Provisioned,
    key: StationKey,
    connection: Connection,
}

/// What happens while a station is followed.
#[derive(Debug)]
pub enum Followed<'a> {
    /// It stands like this now.
    Status(&'a StationStatus),
    /// The desk is not there; it is asked again after this time.
    Away(&'a ClientError, Duration),
}

impl OwnStation {
    /// The station in this home. Nothing is sent yet.
    pub fn open(home: StationHome) -> Result<Self, ClientError> {
        let provisioned = home.provisioned()?.ok_or(ClientError::NotProvisioned)?;
        let key = home.key()?;
        let connection =
            Connection::through(provisioned.url.clone(), provisioned.trust.clone(), provisioned.proxy.clone())?;
        Ok(Self { home, provisioned, key, connection })
    }

    /// Which desk knows it, and as what.
    pub fn provisioned(&self) -> &Provisioned {
        &self.provisioned
    }

    /// Its keys: what the desk seals to it is opened with them.
    pub fn key(&self) -> &StationKey {
        &self.key
    }

    /// Sends a signed request, and reads an answer of this protocol. `held` is for how long the desk was asked to hold it back, in
    /// seconds. A request that came after a later one is signed and sent anew, so it must not matter whether it was done already.
    pub fn ask<T: DeserializeOwned>(&self, request: (&str, &str, &[u8]), held: u32) -> Result<T, ClientError> {
        self.ask_limited(request, held, MAX_ANSWER)
    }

    /// The same with a limit of one's own for the answer, in bytes.
    pub fn ask_limited<T: DeserializeOwned>(
        &self,
        request: (&str, &str, &[u8]),
        held: u32,
        limit: usize,
    ) -> Result<T, ClientError> {
        let (mut least, mut tries) = (0, 0);
        loop {
            let counter = self.home.next_counter(least)?;
            let who = (self.provisioned.mac, self.provisioned.generation, counter);
            let credentials = Credentials::sign(&self.key, who, &self.provisioned.desk, request)?.to_string();
            tries += 1;
            match self.connection.ask_within(request, Some(&credentials), held, limit) {
                Err(ClientError::Refused(Refusal::Repeated { newest })) if tries < TRIES => least = newest,
                other => return other,
            }
        }
    }

    /// How it stands. With `since`, once that is not the version any more, or after `wait` seconds at most.
    pub fn status(&self, since: Option<u64>, wait: u32) -> Result<StationStatus, ClientError> {
        let target = match since {
            Some(version) => format!("{STATUS}?wait={wait}&since={version}"),
            None => STATUS.to_owned(),
        };
        self.ask(("GET", &target, b""), wait)
    }

    /// Tells how it stands whenever that changes, until `tell` has enough, or the desk does not know it any more. While the desk
    /// fetches a login code, it is asked for and told. A desk that is away is waited for.
    pub fn follow(
        &self,
        tell: &mut dyn FnMut(Followed<'_>) -> ControlFlow<()>,
    ) -> Result<Option<StationStatus>, ClientError> {
        let (mut since, mut pause) = (None, PAUSES.0);
        loop {
            let asked = self.status(since, if since.is_some() { MAX_WAIT } else { 0 }).and_then(|mut status| {
                if status.login_code_wanted && status.shown.is_none() {
                    status.shown = Some(self.own_login_code()?);
                }
                Ok(status)
            });
            match asked {
                Ok(status) => {
                    pause = PAUSES.0;
                    let is_news = since != Some(status.version);
                    since = Some(status.version);
                    if is_news && tell(Followed::Status(&status)).is_break() {
                        return Ok(Some(status));
                    }
                }
                Err(error) if is_away(&error) => {
                    if tell(Followed::Away(&error, pause)).is_break() {
                        return Ok(None);
                    }
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until it is signed in.
    pub fn wait_for_sign_in(
        &self,
        tell: &mut dyn FnMut(Followed<'_>) -> ControlFlow<()>,
    ) -> Result<Option<StationStatus>, ClientError> {
        self.follow(&mut |followed| {
            let is_there = matches!(&followed, Followed::Status(status) if status.state == StationState::SignedIn);
            match tell(followed) {
                ControlFlow::Continue(()) if is_there => ControlFlow::Break(()),
                flow => flow,
            }
        })
    }

    /// The login code that the desk fetches.
    pub fn own_login_code(&self) -> Result<ShownCode, ClientError> {
        self.ask(("POST", OWN_LOGIN_CODE, b"{}"), 0)
    }

    /// Signs itself out; also where it was.
    pub fn sign_out(&self) -> Result<StationStatus, ClientError> {
        self.ask(("POST", SIGN_OUT, b"{}"), 0)
    }

    /// Tells the desk that its keys are forgotten, and forgets them; says whether the desk still knew them. Where the desk cannot be
    /// told, nothing is forgotten, unless `anyway`: then the admin has to revoke the station.
    pub fn reset(self, anyway: bool) -> Result<bool, ClientError> {
        let _held = self.home.hold()?;
        let told = match self.ask::<Value>(("POST", RESET, b"{}"), 0) {
            Ok(_) => true,
            Err(ClientError::Refused(Refusal::NotKnown | Refusal::Revoked | Refusal::OldGeneration)) => false,
            Err(_) if anyway => false,
            Err(error) => return Err(error),
        };
        self.home.forget()?;
        Ok(told)
    }
}

/// Whether it is worth while to ask again.
fn is_away(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::DeskFailed { status, .. } => *status >= 500 || *status == 408,
        _ => false,
    }
}

impl std::fmt::Debug for OwnStation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnStation").field("provisioned", &self.provisioned).finish_non_exhaustive()
    }
}
