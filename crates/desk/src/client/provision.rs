//! How a machine becomes a station of a desk.

use data_encoding::{BASE64, HEXLOWER};
use oathburn_escrow::StationKey;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{ClientError, Connection, Provisioned, StationHome};
use crate::protocol::{
    ACTIVATE, ActivationRequest, CHALLENGE, CHALLENGE_DOMAIN, Challenge, ChallengeRequest, Credentials, Introduction,
    LOGIN_CODE, LOGIN_WAIT, LoginRequest, LoginStatus, MAX_WAIT, ShownCode, StationKeys, StationStatus,
};
use crate::stations::MacId;

/// What lets a machine in.
pub enum LetIn {
    /// A verification code, as it was typed.
    Code(Zeroizing<String>),
    /// A login code, which the station shows and an admin types.
    LoginCode,
}

/// What happens meanwhile, for whoever stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The desk was recognised, and is asked.
    Asking,
    /// This is to be told to the admin.
    Show(ShownCode),
}

/// Makes this machine a station of a desk: makes its keys, proves that it has them, and is let in. The files are written once the
/// desk has said yes. Whoever runs it again after an answer was lost gets the same answer.
///
/// Returns how the station stands; whatever desk knew this machine before is to be forgotten first.
pub fn provision(
    home: &StationHome,
    connection: &Connection,
    mac: MacId,
    how: LetIn,
    progress: &mut dyn FnMut(Progress),
) -> Result<StationStatus, ClientError> {
    let _held = home.hold()?;
    if let Some(known) = home.provisioned()?
        && known.url != *connection.url()
    {
        return Err(ClientError::OtherDesk { desk: known.url.as_str().into() });
    }
    let key = home.new_key()?;
    let stranger = Stranger { home, connection, mac, key };
    let (station, desk) = stranger.introduce()?;
    progress(Progress::Asking);
    let status = match how {
        LetIn::Code(code) => stranger.ask(&desk, ACTIVATE, &ActivationRequest { station, code }, 0)?,
        LetIn::LoginCode => stranger.wait(&desk, &LoginRequest { station }, progress)?,
    };
    home.keep(&Provisioned {
        url: connection.url().clone(),
        trust: connection.trust().clone(),
        proxy: connection.proxy().cloned(),
        desk,
        mac,
        generation: status.generation,
        organisation: status.organisation.clone(),
        location: status.location.clone(),
    })?;
    Ok(status)
}

/// A machine that the desk does not know.
struct Stranger<'a> {
    home: &'a StationHome,
    connection: &'a Connection,
    mac: MacId,
    key: StationKey,
}

impl Stranger<'_> {
    /// Opens a challenge; with the id of the desk.
    fn introduce(&self) -> Result<(Introduction, String), ClientError> {
        let keys = StationKeys::from(&self.key.public());
        let request = ChallengeRequest { mac: self.mac, keys: keys.clone() };
        let challenge: Challenge = self.connection.ask(("POST", CHALLENGE, &json(&request)), None, 0)?;
        let sealed = BASE64.decode(challenge.sealed.as_bytes()).map_err(|_| ClientError::AnswerUnreadable)?;
        let opened = self.key.open_sealed(CHALLENGE_DOMAIN, &sealed).map_err(|_| ClientError::AnswerUnreadable)?;
        let answer = HEXLOWER.encode(&opened);
        Ok((Introduction { mac: self.mac, keys, issued_at: challenge.issued_at, answer }, challenge.desk))
    }

    fn ask<T: serde::de::DeserializeOwned>(
        &self,
        desk: &str,
        target: &str,
        request: &impl Serialize,
        held: u32,
    ) -> Result<T, ClientError> {
        let body = json(request);
        let who = (self.mac, 0, self.home.next_counter(0)?);
        let credentials = Credentials::sign(&self.key, who, desk, ("POST", target, &body))?;
        self.connection.ask(("POST", target, &body), Some(&credentials.to_string()), held)
    }

    /// Shows a login code until it was typed, or has expired.
    fn wait(
        &self,
        desk: &str,
        request: &LoginRequest,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<StationStatus, ClientError> {
        let shown: ShownCode = self.ask(desk, LOGIN_CODE, request, 0)?;
        progress(Progress::Show(shown));
        let target = format!("{LOGIN_WAIT}?wait={MAX_WAIT}");
        loop {
            let status: LoginStatus = self.ask(desk, &target, request, MAX_WAIT)?;
            if let Some(station) = status.station {
                return Ok(station);
            }
        }
    }
}

/// The body of a request. It may hold a code.
fn json(request: &impl Serialize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(serde_json::to_vec(request).expect("texts and numbers are JSON"))
}
